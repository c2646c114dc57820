"""How long customers take to buy again: the shop's own bounds of the stages, and who still comes back after how long.

in:  waits, curve — of `survival.waits` and `survival.kaplan_meier` (pandas; the whole history)
out: a frozen `Calibration`; return_rates — silent_days, watched, returned, rate, low, high (pandas)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import beta

from clvbook.errors import NotComputable
from clvbook.lifecycle.survival import kaplan_meier, reliable_day, survival_at

SHARES = (0.50, 0.75, 0.90)  # of those who buy again: where the shop's own bounds stand


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


def calibrate(curve: pd.DataFrame, *, bounds: Sequence[int], min_at_risk: int) -> Calibration | NotComputable:
    """Days by which `SHARES` of eventual repurchasers have bought again, beside `bounds`; one share a bound.

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
    table["share"] = list(SHARES)
    # the tolerance keeps a share that is met exactly from being missed by the last bit
    table["own"] = [int(seen["day"][returned >= share - 1e-12].iloc[0]) for share in SHARES]
    return Calibration(last, float(eventually), table)


def return_rates(
    waits: pd.DataFrame, *, every: int, within: int, confidence: float, min_at_risk: int
) -> pd.DataFrame | NotComputable:
    """P(a purchase within the next `within` days | none for d days), for d = 0, `every`, 2 x `every`, ...

    silent_days (d), watched (waits open after day d), returned (those that ended in the window), rate (Kaplan-Meier
    within the window, so that waits which the data cut off count as long as they are seen), low, high (Clopper and
    Pearson 1934 on the number of waits that would give the rate Greenwood's variance). The table ends where fewer
    than `min_at_risk` waits reach the end of the window. NotComputable where not even the first row does.
    """
    rows = []
    day, leaving = waits["day"].to_numpy(), (waits["events"] + waits["censored"]).to_numpy()
    for silent in range(0, int(day.max(initial=0)) + 1, every):
        reached = int(leaving[day >= silent + within].sum())
        if reached < min_at_risk:
            break
        window = kaplan_meier(waits[day > silent], confidence=confidence).query("day <= @silent + @within")
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
        # Greenwood's variance set equal to rate (1 - rate) / n
        n = rate / ((1 - rate) * float(window["greenwood"].iloc[-1]))
    came, side = rate * n, (1 - confidence) / 2
    low = beta.ppf(side, came, n - came + 1) if rate > 0 else 0.0
    high = beta.ppf(1 - side, came + 1, n - came) if rate < 1 else 1.0
    return float(low), float(high)
