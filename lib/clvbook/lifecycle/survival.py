"""How long until the next purchase: waits that came and waits still open, and their Kaplan-Meier curve.

in:  days — customer_id, day (Ibis; one row a purchase, the whole history)
out: waits — day, events, censored (pandas): how many waits for the next purchase ended on their day-th day with a
     purchase, and how many were still open when the data end; the curve made of them, and what is read off it

Each purchase starts one wait, so a customer with five purchases waits five times. Waits are counted whole and take
right censoring into account (Kaplan and Meier 1958); intervals treat them as independent, which makes them a little
too narrow where few customers buy often.
"""

from collections.abc import Sequence
from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm

from clvbook.errors import NotComputable


def waits(days: ibis.Table, *, as_of: date, orders: int = 0) -> pd.DataFrame:
    """Waits for the next purchase by length: day (0, 1, ..), events (it came), censored (open as of `as_of`).

    One row a length that occurs; purchases after `as_of` are not seen. With `orders` only waits after each customer's
    first so many purchases, counted apart by order (1 .. `orders`), the number of that purchase.
    """
    mine = ibis.window(group_by="customer_id", order_by="day")
    each = days.filter(_.day <= as_of).mutate(next_day=_.day.lead().over(mine), order=ibis.row_number().over(mine) + 1)
    keys = ["day"]
    if orders:
        each, keys = each.filter(_.order <= orders), ["order", "day"]
    until = _.next_day.fill_null(ibis.literal(as_of))
    each = each.mutate(came=_.next_day.notnull(), day=until.delta(_.day, unit="day"))
    counted = each.group_by(keys).aggregate(events=_.came.sum(), censored=(~_.came).sum())
    return counted.order_by(keys).to_pandas().astype("int64")


def kaplan_meier(waits: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """The curve of `waits` (in the order of their days): their columns, at_risk, survival, greenwood, low, high.

    survival: share of waits longer than the day, S = prod(1 - events / at_risk); who is censored on a day is at risk
    on it. greenwood: Var S / S^2 (Greenwood 1926), infinite where S is 0. [low, high]: by the variance of log(-log S),
    as `scipy.stats.ecdf` has it with method="log-log"; NaN where S is 0, 1 where nobody has bought yet.
    """
    events = waits["events"]
    at_risk = (events + waits["censored"])[::-1].cumsum()[::-1]
    survival = (1 - events / at_risk).cumprod()
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = (events / (at_risk * (at_risk - events))).cumsum()
        width = norm.ppf((1 + confidence) / 2) * np.sqrt(greenwood) / -np.log(survival)
        low, high = survival ** np.exp(width), survival ** np.exp(-width)
    low, high = (side.mask(survival == 1, 1.0) for side in (low, high))
    return waits.assign(at_risk=at_risk, survival=survival, greenwood=greenwood, low=low, high=high)


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
