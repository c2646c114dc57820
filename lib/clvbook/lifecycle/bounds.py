"""How long customers take to buy again: the shop's own bounds of the stages, and who still comes back after how long.

in:  days — customer_id, day (Ibis; one row a purchase, the whole history)
out: gaps — day, events, censored (pandas): how many waits for the next purchase ended on their day-th day with a
     purchase, and how many were still open when the data end; curve, `Calibration` and rates are made of it

Each purchase starts one wait, so a customer with five purchases waits five times. Waits are counted whole and take
right censoring into account (Kaplan and Meier 1958); intervals treat them as independent, which makes them a little
too narrow where few customers buy often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import beta, norm

from clvbook.errors import NotComputable

SHARES = (0.50, 0.75, 0.90)  # of those who buy again: where the shop's own bounds stand


def gaps(days: ibis.Table, *, as_of: date) -> pd.DataFrame:
    """Waits for the next purchase by length: day (0, 1, ..), events (it came), censored (open as of `as_of`).

    One row a length that occurs; purchases after `as_of` are not seen.
    """
    following = ibis.window(group_by="customer_id", order_by="day")
    waits = days.filter(_.day <= as_of).select("day", next_day=_.day.lead().over(following))
    until = _.next_day.fill_null(ibis.literal(as_of))
    waits = waits.select(came=_.next_day.notnull(), day=until.delta(_.day, unit="day"))
    counted = waits.group_by("day").aggregate(events=_.came.sum(), censored=(~_.came).sum())
    return counted.order_by("day").to_pandas().astype("int64")


def curve(gaps: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Kaplan-Meier of the wait: day, at_risk, events, censored, survival, low, high.

    survival: share of waits longer than the day. low and high: Greenwood's variance of log(-log survival), as
    `scipy.stats.ecdf` has it with method="log-log"; NaN where survival is 0, 1 where nobody has bought yet.
    """
    leaving = gaps["events"] + gaps["censored"]
    at_risk = leaving[::-1].cumsum()[::-1]
    staying = at_risk - gaps["events"]
    survival = (staying / at_risk).cumprod()
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = (gaps["events"] / (at_risk * staying)).cumsum()
        width = norm.ppf(0.5 + confidence / 2) * np.sqrt(greenwood) / -np.log(survival)
        low, high = survival ** np.exp(width), survival ** np.exp(-width)
    first = survival == 1
    return gaps.assign(at_risk=at_risk, survival=survival, low=low.mask(first, 1.0), high=high.mask(first, 1.0))[
        ["day", "at_risk", "events", "censored", "survival", "low", "high"]
    ]


def reliable_day(curve: pd.DataFrame, *, min_at_risk: int) -> int | NotComputable:
    """The last day of `curve` on which at least `min_at_risk` waits are still open: what lies beyond is not read."""
    watched = curve[curve["at_risk"] >= min_at_risk]
    if watched.empty:
        most = int(curve["at_risk"].max()) if len(curve) else 0
        return NotComputable(f"not enough data: {most:,} purchases to wait after, {min_at_risk:,} needed")
    return int(watched["day"].iloc[-1])


def survival_at(curve: pd.DataFrame, days: Sequence[float]) -> np.ndarray:
    """The curve's survival on each of `days`; after its last day that of the last day."""
    place = np.searchsorted(curve["day"].to_numpy(), days, side="right")
    return np.concatenate([[1.0], curve["survival"].to_numpy()])[place]


@dataclass(frozen=True)
class Calibration:
    """The shop's own bounds beside the given ones.

    reliable_day: "eventually" means up to this day after a purchase, the longest that enough waits have reached.
    eventually: share of purchases that another one follows by then. bounds: stage (0, 1, ..), given (days),
    returned (share of those who buy again eventually that has done so by the given bound), share (what the shop's own
    bound stands for), own (the first day on which at least that share has bought again).
    """

    reliable_day: int
    eventually: float
    bounds: pd.DataFrame


def calibrate(
    curve: pd.DataFrame, *, bounds: Sequence[int], shares: Sequence[float] = SHARES, min_at_risk: int
) -> Calibration | NotComputable:
    """Days by which `shares` of eventual repurchasers have bought again, beside `bounds`; one share a bound.

    NotComputable where too few waits are watched, where none of them ended, and where the last bound lies beyond the
    reliable day.
    """
    last = reliable_day(curve, min_at_risk=min_at_risk)
    if isinstance(last, NotComputable):
        return last
    if last < bounds[-1]:
        return NotComputable(
            f"not enough data: only {last:,} days after a purchase are {min_at_risk:,} purchases still watched, "
            f"the stages need {bounds[-1]:,}"
        )
    seen = curve[curve["day"] <= last]
    eventually = 1 - seen["survival"].iloc[-1]
    if eventually == 0:
        return NotComputable(f"not enough data: 0 of {seen['at_risk'].iloc[0]:,} purchases were followed by another")
    returned = (1 - seen["survival"]) / eventually
    table = pd.DataFrame({"stage": range(len(bounds)), "given": list(bounds)})
    table["returned"] = (1 - survival_at(seen, bounds)) / eventually
    table["share"] = list(shares)
    # the tolerance keeps a share that is met exactly from being missed by the last bit
    table["own"] = [int(seen["day"][returned >= share - 1e-12].iloc[0]) for share in shares]
    return Calibration(last, float(eventually), table)


def return_rates(
    gaps: pd.DataFrame, *, every: int, within: int, confidence: float, min_at_risk: int
) -> pd.DataFrame | NotComputable:
    """P(a purchase within the next `within` days | none for d days), for d = 0, `every`, 2 x `every`, ...

    silent_days (d), watched (waits open after day d), returned (those that ended in the window), rate (Kaplan-Meier
    within the window, so that waits which the data cut off count as long as they are seen), low, high (Clopper and
    Pearson 1934 on the number of waits that would give the rate Greenwood's variance). The table ends where fewer
    than `min_at_risk` waits reach the end of the window. NotComputable where not even the first row does.
    """
    rows = []
    day, leaving = gaps["day"].to_numpy(), (gaps["events"] + gaps["censored"]).to_numpy()
    for silent in range(0, int(day.max(initial=0)) + 1, every):
        reached = int(leaving[day >= silent + within].sum())
        if reached < min_at_risk:
            break
        window = curve(gaps[day > silent], confidence=confidence).query("day <= @silent + @within")
        watched, returned = int(leaving[day > silent].sum()), int(window["events"].sum())
        rate = 1 - float(survival_at(window, [silent + within])[0])
        rows.append((silent, watched, returned, rate, *_interval(window, rate, reached, confidence)))
    if not rows:
        reach = int(leaving[day >= within].sum())
        return NotComputable(
            f"not enough data: {reach:,} purchases are watched for {within:,} days, {min_at_risk:,} needed"
        )
    return pd.DataFrame(rows, columns=["silent_days", "watched", "returned", "rate", "low", "high"])


def _interval(window: pd.DataFrame, rate: float, reached: int, confidence: float) -> tuple[float, float]:
    n = float(reached)  # where Greenwood has no opinion: none of the waits, or all of them, ended
    if 0 < rate < 1:
        hazards = window["events"] / (window["at_risk"] * (window["at_risk"] - window["events"]))
        n = rate / ((1 - rate) * float(hazards.sum()))  # Greenwood's variance set equal to rate (1 - rate) / n
    came, side = rate * n, (1 - confidence) / 2
    low = beta.ppf(side, came, n - came + 1) if rate > 0 else 0.0
    high = beta.ppf(1 - side, came + 1, n - came) if rate < 1 else 1.0
    return float(low), float(high)


def no_return(
    curve: pd.DataFrame, silent_days: Sequence[int], *, horizon_days: int, reliable_day: int, tail_days: int
) -> np.ndarray:
    """P(no purchase within `horizon_days` | none for `silent_days`) = S(silent + horizon) / S(silent), for each.

    S is the Kaplan-Meier `curve` up to `reliable_day`. Beyond it nobody was watched long enough: there the mean daily
    hazard of the `tail_days` before it is taken to go on. Where hazards still fall, that is too hopeful, so compare
    with `min(silent + horizon, reliable_day)`, beyond which the figure rests on this assumption.
    """
    ages = np.arange(reliable_day + 1)
    logs = np.log(np.maximum(survival_at(curve, ages), 1e-12))
    tail = min(tail_days, reliable_day)
    slope = (logs[-1] - logs[reliable_day - tail]) / tail if tail else 0.0

    def log_survival(age: np.ndarray) -> np.ndarray:
        return logs[np.minimum(age, reliable_day)] + slope * np.maximum(age - reliable_day, 0)

    silent = np.asarray(silent_days)
    return np.exp(log_survival(silent + horizon_days) - log_survival(silent))
