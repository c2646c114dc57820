"""What is lost with customers who are probably gone: each one's value if alive, times the chance that they are not.

in:  scores — customer_id, frequency, recency, T, p_alive, residual_revenue (Ibis; of a model of buying and leaving)
     days   — customer_id, day (Ibis; one row a purchase): how long first-time buyers took to come back
out: a frozen `loss.Loss`

BG/NBD lets nobody leave before the second purchase: its P(alive) is 1 for every one-time buyer, who are most of a
shop. Where it made the scores, one-time buyers are judged by the shop's own waits for the second purchase instead.
"""

from dataclasses import dataclass
from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import NotComputable
from clvbook.retention.intervals import GROUPS, customer_group, draws, percentiles
from clvbook.retention.loss import Loss

EXACT = "decimal(38,9)"  # a sum of floats would depend on the order in which the engine's threads meet them


@dataclass(frozen=True)
class AliveWeighted(Loss):
    """A `Loss`, and how it was reached: one_time (customers judged by the waits; 0 where the model judged them),
    extrapolated (of those, whose horizon reaches beyond the longest wait watched), capped (customers whose P(alive)
    is below the floor: their value if alive is divided by the floor, so what is lost with them is a lower bound).
    """

    one_time: int = 0
    extrapolated: int = 0
    capped: int = 0


def alive_weighted(
    scores: ibis.Table,
    days: ibis.Table | None = None,
    *,
    as_of: date,
    horizon_days: int,
    confidence: float,
    resamples: int,
    seed: int,
    margin_rate: float | None = None,
    min_p_alive: float = 0.05,
    min_at_risk: int = 100,
    tail_days: int = 90,
    groups: int = GROUPS,
) -> AliveWeighted | NotComputable:
    """Sum of (1 - P(alive)) x value if alive; value if alive = residual_revenue / max(P(alive), min_p_alive).

    With `days`, P(alive) of one-time buyers is the chance that they come back within `horizon_days`, given how long
    they have been silent: 1 - S(silent + horizon) / S(silent), S the Kaplan-Meier curve of the wait for the second
    purchase (all customers up to `as_of`), up to the last day that `min_at_risk` of them have reached; beyond it the
    mean daily hazard of the `tail_days` before goes on. Who lives but does not buy in the horizon then counts as lost.
    The curve is drawn anew in each resample; the model's parameters are not. Without `days` the model's own P(alive)
    holds, and NotComputable is what BG/NBD gives: P(alive) = 1 for one-time buyers. NotComputable also without a
    customer, where a value is missing, and where too few waits are watched.
    """
    alive = ibis.greatest(_.p_alive, min_p_alive)
    people = scores.mutate(one_time=_.frequency == 0, silent=_["T"] - _.recency, if_alive=_.residual_revenue / alive)
    check = people.aggregate(
        customers=_.count(),
        one_time=_.one_time.sum(),
        immortal=(_.one_time & (_.p_alive >= 1)).sum(),
        missing=(_.p_alive.isnull() | _.residual_revenue.isnull()).sum(),
        capped=(_.p_alive < min_p_alive).sum(),
    )
    found = check.to_pyarrow().to_pylist()[0]
    if not found["customers"]:
        return NotComputable("not enough data: the scores hold no customer")
    if found["missing"]:
        return NotComputable(f"{found['missing']:,} of {found['customers']:,} customers have no P(alive) or no value")
    if days is None and found["immortal"]:
        return NotComputable(
            f"the model holds {found['immortal']:,} one-time buyers for alive for sure (BG/NBD); give the purchases, "
            "so that their return is read off the shop's own waits, or scores of MBG/NBD"
        )
    by_waits = days is not None
    judged = people.filter(~_.one_time) if by_waits else people
    base = _grouped(people, groups, customers=_.count().cast("float64"))
    sums = _grouped(
        judged, groups, gone=(1 - _.p_alive).cast(EXACT).sum(), lost=((1 - _.p_alive) * _.if_alive).cast(EXACT).sum()
    )
    table = base.set_index("group").join(sums.set_index("group")).reindex(range(groups)).fillna(0.0)
    drawn = draws(len(table), resamples, seed=seed)
    gone, lost, totals = table.gone.sum(), table.lost.sum(), drawn @ table.lost.to_numpy()
    extrapolated = 0
    if by_waits and found["one_time"]:
        waits = _waits(days, as_of=as_of, groups=groups)
        leaving = waits.groupby("day")[["events", "censored"]].sum().sum(axis=1)
        reached = leaving[::-1].cumsum()[::-1]
        if not (reached >= min_at_risk).any():
            return NotComputable(
                f"not enough data: {int(leaving.sum()):,} customers to watch for a second purchase, "
                f"{min_at_risk:,} needed"
            )
        last = int(reached.index[reached >= min_at_risk].max())
        silences = _grouped(
            people.filter(_.one_time), groups, "silent", customers=_.count(), value=_.if_alive.cast(EXACT).sum()
        )
        days_silent, place = np.unique(silences.silent.to_numpy(dtype=int), return_inverse=True)
        value = np.zeros((len(table), len(days_silent)))
        np.add.at(value, (silences.group.to_numpy(), place), silences.value.to_numpy(dtype=float))
        number = np.bincount(place, silences.customers)
        events, censored = (_by_day(waits, name, groups) for name in ("events", "censored"))
        shape = {"silent": days_silent, "horizon": horizon_days, "last": last, "tail": tail_days}
        stays = _no_return(events.sum(axis=0), censored.sum(axis=0), **shape)
        gone += number @ stays
        lost += value.sum(axis=0) @ stays
        totals = totals + ((drawn @ value) * _no_return(drawn @ events, drawn @ censored, **shape)).sum(axis=1)
        extrapolated = int(number[days_silent + horizon_days > last].sum())
    people_drawn = drawn @ table.customers.to_numpy()
    totals = np.divide(totals * table.customers.sum(), people_drawn, out=np.zeros(resamples), where=people_drawn > 0)
    low, high = percentiles(totals, float(lost), confidence=confidence)
    return AliveWeighted(
        estimator="P(alive)-weighted",
        counts=f"all customers as of {as_of}, each at the value if alive times the chance of being gone"
        + (f"; one-time buyers: of not coming back within {horizon_days} days" if by_waits else ""),
        customers=float(gone),
        revenue=float(lost),
        low=low,
        high=high,
        margin_rate=margin_rate,
        use_for="what winning back could bring at most: expected revenue that is gone with those who may not come back",
        one_time=int(found["one_time"]) if by_waits else 0,
        extrapolated=extrapolated,
        capped=int(found["capped"]),
    )


def _grouped(people: ibis.Table, groups: int, *by: str, **sums: ibis.Deferred) -> pd.DataFrame:
    keyed = people.mutate(group=lambda t: customer_group(t.customer_id, groups=groups))
    keys = ["group", *by]
    return keyed.group_by(keys).aggregate(**sums).order_by(keys).to_pandas().astype(dict.fromkeys(sums, "float64"))


def _waits(days: ibis.Table, *, as_of: date, groups: int) -> pd.DataFrame:
    """Waits for the second purchase: group, day (length), events (it came), censored (not by `as_of`)."""
    seen = days.filter(_.customer_id.notnull(), _.day <= as_of)
    order = ibis.window(group_by="customer_id", order_by="day")
    ranked = seen.select("customer_id", "day", nth=ibis.row_number().over(order), second=_.day.lead().over(order))
    first = ranked.filter(_.nth == 0).mutate(end=_.second.fill_null(ibis.literal(as_of)))
    waits = first.mutate(wait=_.end.delta(_.day, unit="day"))
    found = _grouped(waits, groups, "wait", events=_.second.notnull().sum(), censored=_.second.isnull().sum())
    return found.rename(columns={"wait": "day"})


def _by_day(waits: pd.DataFrame, name: str, groups: int) -> np.ndarray:
    """Waits as (group, day)."""
    found = np.zeros((groups, int(waits.day.max()) + 1))
    np.add.at(found, (waits.group.to_numpy(), waits.day.to_numpy(dtype=int)), waits[name].to_numpy())
    return found


def _no_return(
    events: np.ndarray, censored: np.ndarray, *, silent: np.ndarray, horizon: int, last: int, tail: int
) -> np.ndarray:
    """P(no purchase within `horizon` | none for `silent` days) by Kaplan-Meier; last axis of the input: day."""
    leaving = events + censored
    at_risk = leaving[..., ::-1].cumsum(axis=-1)[..., ::-1]
    hazard = np.divide(events, at_risk, out=np.zeros(events.shape), where=at_risk > 0)[..., : last + 1]
    logs = np.cumsum(np.log1p(-np.minimum(hazard, 1 - 1e-9)), axis=-1)
    tail = min(tail, last)
    slope = (logs[..., last] - logs[..., last - tail]) / tail if tail else np.zeros(logs.shape[:-1])

    def log_survival(age: np.ndarray) -> np.ndarray:
        return logs[..., np.minimum(age, last)] + slope[..., None] * np.maximum(age - last, 0)

    return np.exp(log_survival(silent + horizon) - log_survival(silent))
