"""The ladder of purchases: how likely the next one is within so many days, by how many came before.

in:  days — one row a purchase (Ibis): customer_id, day; full history
out: a frozen `Ladder`: Kaplan-Meier estimates by purchase number, and after which number they no longer rise

Customers who bought a short while ago have had little time to buy again: they count for as long as they were seen
(right censoring at `as_of`), which a plain ratio "bought again / all" does not do, so it is too low. One limit stays:
who reached a later purchase early is both quicker than others and longer in sight, so that from the second step on the
estimates lean a little towards quick buyers (gap times after the first are not censored independently; Lin, Sun & Ying
1999, Biometrika 86, 59-70).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import ibis
import pandas as pd
from scipy.stats import norm

from clvbook.errors import NotComputable
from clvbook.lifecycle.survival import kaplan_meier, waits

SOURCE = "3 to 5"  # "the fifth purchase makes the habit, the first three decide it"
TESTABLE = 10  # purchases in time, and customers seen for longer, that a step needs on both sides of a test


@dataclass(frozen=True)
class Flattening:
    """After purchase number `order` the next purchase is no longer surely likelier than the one before it was.

    gain = P(next | order + 1) - P(next | order) within `window` days, [low, high] its interval: how much the curve may
    still rise is `high`. source: what the source says.
    """

    order: int
    window: int
    gain: float
    low: float
    high: float
    source: str = SOURCE


@dataclass(frozen=True)
class Ladder:
    """Who bought again, and how soon, by purchase number.

    steps: one row a purchase number `order` and `window` (days): reached (customers with that purchase), in_time (of
    them, known to have bought again within the window), followed (still without a next purchase and seen for the whole
    window), probability (Kaplan-Meier), [low, high] (log-log Greenwood), naive (in_time / reached), se (Greenwood).
    times: order, reached, bought_again, naive (bought_again / reached, however late), median_days to the next purchase.
    What the data cannot give is a `NotComputable` in its cell.
    """

    as_of: date
    windows: tuple[int, ...]
    confidence: float
    steps: pd.DataFrame = field(repr=False)
    times: pd.DataFrame = field(repr=False)

    def gains(self, window: int) -> pd.DataFrame:
        """From one purchase to the next: order, gain, se, low, high, rises (low > 0); see `Flattening`.

        The two probabilities are taken as independent: se^2 is the sum of theirs. Steps with fewer than ten purchases
        in time, or fewer than ten customers seen for longer, on either side are a `NotComputable` in every figure.
        """
        half = norm.ppf((1 + self.confidence) / 2)
        steps = self.steps[self.steps.window == window].to_dict("records")
        rows = []
        for one, two in pairwise(steps):
            lacking = [reason for step in (one, two) for reason in _too_few(step)]
            if lacking:
                figures = [lacking[0]] * 5
            else:
                gain, se = two["probability"] - one["probability"], math.hypot(one["se"], two["se"])
                figures = [gain, se, gain - half * se, gain + half * se, gain - half * se > 0]
            rows.append([one["order"], *figures])
        return pd.DataFrame(rows, columns=["order", "gain", "se", "low", "high", "rises"])

    def flattens_at(self, window: int) -> Flattening | NotComputable:
        """The first purchase number whose step up is not told from none; see `Flattening`.

        Not told is not shown to be none: read its interval. NotComputable where the data end while the curve rises.
        """
        last = 1
        for row in self.gains(window).itertuples():
            if isinstance(row.gain, NotComputable):
                return NotComputable(f"{row.gain}; the curve rises up to purchase {last}") if last > 1 else row.gain
            if not row.rises:
                return Flattening(row.order, window, row.gain, row.low, row.high)
            last = row.order + 1
        return NotComputable(f"the curve still rises at purchase {last}, the last one looked at")


def _too_few(step: dict) -> list[NotComputable]:
    """Why a step's probability is not tested; empty where it is."""
    counted = {"with a next purchase within": step["in_time"], "seen without one for": step["followed"]}
    after = f"{step['window']} days after purchase {step['order']}"
    return [
        NotComputable(f"not enough data: {count:,} customers {what} {after}, {TESTABLE} needed")
        for what, count in counted.items()
        if count < TESTABLE
    ]


def ladder(
    days: ibis.Table, *, as_of: date, windows: Sequence[int], confidence: float, orders: int = 6
) -> Ladder | NotComputable:
    """P(purchase k + 1 within each of `windows` days | purchase k) for k = 1 .. `orders`; see `Ladder`.

    windows: the shop's stage bounds. NotComputable without a purchase up to `as_of`.
    """
    counts = waits(days, as_of=as_of, orders=orders)
    if counts.empty:
        return NotComputable(f"not enough data: nobody bought up to {as_of}")
    steps, times = [], []
    for order in range(1, orders + 1):
        mine = counts[counts.order == order]
        curve = kaplan_meier(mine, confidence=confidence)
        reached, again = int(mine.events.sum() + mine.censored.sum()), int(mine.events.sum())
        nobody = NotComputable(f"not enough data: nobody has made {order} purchases")
        times.append([order, reached, again, *([again / reached, _median(curve)] if reached else [nobody] * 2)])
        for window in windows:
            in_time = int(mine.events[mine.day <= window].sum())
            followed = int(reached - (mine.events + mine.censored)[mine.day <= window].sum())
            followed += int(mine.censored[mine.day == window].sum())  # seen for just the whole window
            figures = [*_within(curve, window, order), in_time / reached] if reached else [nobody] * 5
            steps.append([order, window, reached, in_time, followed, *figures])
    names = ["order", "window", "reached", "in_time", "followed", "probability", "low", "high", "se", "naive"]
    return Ladder(
        as_of=as_of,
        windows=tuple(windows),
        confidence=confidence,
        steps=pd.DataFrame(steps, columns=names),
        times=pd.DataFrame(times, columns=["order", "reached", "bought_again", "naive", "median_days"]),
    )


def _within(curve: pd.DataFrame, window: int, order: int) -> list[float | NotComputable]:
    """probability, low, high, se of the next purchase within the window."""
    seen = curve[curve.day <= window]
    longest, last = int(curve.day.max()), seen.iloc[-1] if len(seen) else None
    if longest < window and last.survival > 0:
        reason = f"nobody was seen for {window} days after purchase {order} ({longest} at most)"
        return [NotComputable(f"not enough data: {reason}")] * 4
    if last is None or last.survival in (0, 1):
        everyone = last is not None and last.survival == 0
        all_or_none = NotComputable(
            f"{'everyone' if everyone else 'nobody'} seen bought again within {window} days of purchase {order}: "
            "no interval can be told"
        )
        return [float(everyone), all_or_none, all_or_none, all_or_none]
    se = last.survival * math.sqrt(last.greenwood)
    return [1 - last.survival, 1 - last.high, 1 - last.low, se]


def _median(curve: pd.DataFrame) -> int | NotComputable:
    """The first day by which half have bought again."""
    half = curve[curve.survival <= 0.5]
    if len(half):
        return int(half.day.iloc[0])
    last = curve.iloc[-1]
    return NotComputable(f"not reached: {last.survival:.0%} had not bought again after {last.day:.0f} days")
