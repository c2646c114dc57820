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
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm

from clvbook.errors import NotComputable

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
    curves: order, day, at_risk, bought, probability of the next purchase by that day, low, high; for a picture.
    What the data cannot give is a `NotComputable` in its cell; in curves, where a picture needs numbers, NaN.
    """

    as_of: date
    windows: tuple[int, ...]
    confidence: float
    steps: pd.DataFrame = field(repr=False)
    times: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)

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


def gap_counts(days: ibis.Table, *, as_of: date, orders: int) -> pd.DataFrame:
    """Days from purchase number `order` (1 .. `orders`) to the next one, grouped by the engine.

    order, duration (days; to `as_of` where no next purchase was seen), events (next purchases), censored.
    """
    mine = ibis.window(group_by="customer_id", order_by="day")
    numbered = days.filter(_.day <= as_of).select("customer_id", "day")
    numbered = numbered.mutate(order=ibis.row_number().over(mine) + 1, following=_.day.lead().over(mine))
    return (
        numbered.filter(_.order <= orders)
        .mutate(duration=_.following.fill_null(ibis.literal(as_of)).delta(_.day, unit="day"))
        .group_by("order", "duration")
        .aggregate(events=_.following.count(), censored=_.following.isnull().sum())
        .order_by("order", "duration")
        .to_pandas()
        .astype(int)
    )


def kaplan_meier(counts: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """The product-limit estimate from grouped counts: day, at_risk, bought, survival, greenwood, low, high.

    counts: duration, events, censored; customers censored on a day are at risk on it. survival: the share without a
    next purchase by that day's end, S = prod(1 - d/n); greenwood: sum d / (n (n - d)), so that Var S = S^2 x greenwood
    (Greenwood 1926). [low, high]: S^exp(-+ z sqrt(greenwood) / ln S), the log-log interval (Kalbfleisch & Prentice),
    NaN where S is 1 or 0.
    """
    counts = counts.sort_values("duration")
    leaving = (counts.events + counts.censored).to_numpy(float)
    at_risk, bought = leaving[::-1].cumsum()[::-1], counts.events.to_numpy(float)
    survival = np.cumprod(1 - bought / at_risk)
    z = norm.ppf((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(bought / (at_risk * (at_risk - bought)))
        spread = z * np.sqrt(greenwood) / np.log(survival)
        low, high = survival ** np.exp(-spread), survival ** np.exp(spread)
    defined = (survival > 0) & (survival < 1)
    return pd.DataFrame(
        {
            "day": counts.duration.to_numpy(),
            "at_risk": at_risk.astype(int),
            "bought": bought.astype(int),
            "survival": survival,
            "greenwood": greenwood,
            "low": np.where(defined, low, np.nan),
            "high": np.where(defined, high, np.nan),
        }
    )


def ladder(
    days: ibis.Table, *, as_of: date, windows: Sequence[int], confidence: float, orders: int = 6
) -> Ladder | NotComputable:
    """P(purchase k + 1 within each of `windows` days | purchase k) for k = 1 .. `orders`; see `Ladder`.

    windows: the shop's stage bounds. NotComputable without a purchase up to `as_of`.
    """
    counts = gap_counts(days, as_of=as_of, orders=orders)
    if counts.empty:
        return NotComputable(f"not enough data: nobody bought up to {as_of}")
    steps, times, curves = [], [], []
    for order in range(1, orders + 1):
        mine = counts[counts.order == order]
        curve = kaplan_meier(mine, confidence=confidence)
        reached, again = int(mine.events.sum() + mine.censored.sum()), int(mine.events.sum())
        nobody = NotComputable(f"not enough data: nobody has made {order} purchases")
        times.append([order, reached, again, again / reached if reached else nobody, _median(curve, order)])
        for window in windows:
            in_time = int(mine.events[mine.duration <= window].sum())
            followed = int(reached - (mine.events + mine.censored)[mine.duration <= window].sum())
            followed += int(mine.censored[mine.duration == window].sum())  # seen for just the whole window
            naive = in_time / reached if reached else nobody
            steps.append([order, window, reached, in_time, followed, *_within(curve, window, order), naive])
        curves.append(curve.assign(order=order))
    curve = pd.concat(curves, ignore_index=True)
    curve = curve.assign(probability=1 - curve.survival, low=1 - curve.high, high=1 - curve.low)
    names = ["order", "window", "reached", "in_time", "followed", "probability", "low", "high", "se", "naive"]
    return Ladder(
        as_of=as_of,
        windows=tuple(windows),
        confidence=confidence,
        steps=pd.DataFrame(steps, columns=names),
        times=pd.DataFrame(times, columns=["order", "reached", "bought_again", "naive", "median_days"]),
        curves=curve[["order", "day", "at_risk", "bought", "probability", "low", "high"]],
    )


def _within(curve: pd.DataFrame, window: int, order: int) -> list[float | NotComputable]:
    """probability, low, high, se of the next purchase within the window."""
    if curve.empty:
        return [NotComputable(f"not enough data: nobody has made {order} purchases")] * 4
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


def _median(curve: pd.DataFrame, order: int) -> int | NotComputable:
    """The first day by which half have bought again."""
    if curve.empty:
        return NotComputable(f"not enough data: nobody has made {order} purchases")
    half = curve[curve.survival <= 0.5]
    if len(half):
        return int(half.day.iloc[0])
    last = curve.iloc[-1]
    return NotComputable(f"not reached: {last.survival:.0%} had not bought again after {last.day:.0f} days")
