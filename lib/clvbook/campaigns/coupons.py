"""What a coupon did: revenue a recipient taken apart, the subsidy to those who would have bought, dates only or more.

in:  `effects.Arm`s (with orders), sums of a random cost by arm, or revenue up to each day by arm
out: small pandas frames and frozen results
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from clvbook.campaigns.effects import Arm, Moments, difference
from clvbook.errors import NotComputable


def decompose(treated: Arm, control: Arm) -> pd.DataFrame | NotComputable:
    """Revenue a customer = P(buy) * orders a buyer * basket, by arm: part, treated, control, ratio, reading.

    reading: "causal" for P(buy) and revenue a customer; "descriptive" for the other two, which compare *buyers*, and
    the campaign itself decided who is one. NotComputable where an arm has no buyer, no order or no orders summed.
    """
    if not (treated.buyers and control.buyers and treated.orders and control.orders):
        return NotComputable("not enough data: both arms need buyers and their orders")
    rows = [
        ("P(buy)", "causal", *(arm.buyers / arm.n for arm in (treated, control))),
        ("orders a buyer", "descriptive", *(arm.orders / arm.buyers for arm in (treated, control))),
        ("basket", "descriptive", *(arm.revenue / arm.orders for arm in (treated, control))),
        ("revenue a customer", "causal", *(arm.revenue / arm.n for arm in (treated, control))),
    ]
    frame = pd.DataFrame(rows, columns=["part", "reading", "treated", "control"])
    nothing = NotComputable("nothing was left after refunds among those held out")
    ratio = [t / c if c > 0 else nothing for t, c in zip(frame["treated"], frame["control"], strict=True)]
    return frame.assign(ratio=ratio)[["part", "treated", "control", "ratio", "reading"]]


def subsidy(*, eligible_buyers: int, held_out: int, treated: int, face_value: float) -> float | NotComputable:
    """What the coupon gives to those who would have bought without it, in currency: the share of customers held out
    who bought a coupon-eligible basket, times the customers treated, times the face value.
    """
    if not held_out:
        return NotComputable("no customer was held out")
    return eligible_buyers / held_out * treated * face_value


@dataclass(frozen=True)
class CostSums:
    """A cost by customer of one arm (coupons redeemed, not already taken off revenue): n, revenue and cost, squares,
    and their product, summed over all assigned customers.
    """

    n: int
    revenue: float
    revenue_sq: float
    cost: float
    cost_sq: float
    revenue_cost: float


@dataclass(frozen=True)
class Ratio:
    """Incremental revenue over incremental cost in [low, high]; g: Fieller's, 1 or more where the cost may be 0."""

    value: float
    low: float | NotComputable
    high: float | NotComputable
    g: float


def random_cost_ratio(
    treated: CostSums,
    control: CostSums,
    *,
    fixed_cost: float,
    confidence: float,
    method: Literal["fieller", "delta", "simulation"] = "fieller",
    draws: int = 20_000,
    seed: int = 0,
) -> Ratio | NotComputable:
    """IROAS where the cost depends on what customers do: A / B, A the difference of revenue a customer, B that of cost
    plus fixed_cost a treated customer.

    Fieller (1954): (B²−z²v_B) R² − 2 (AB−z²v_AB) R + (A²−z²v_A) = 0, bounded only if g = z²v_B/B² < 1. delta: Var ≈
    (A/B)² (v_A/A² + v_B/B² − 2 v_AB/(AB)). simulation: quantiles of A / B over `draws` of the two means from their
    normal distribution, in the place of a bootstrap, for which sums do not suffice. At g >= 1 any method's interval is
    NotComputable("unbounded ..."). NotComputable for an arm with fewer than two customers, or a cost not above 0.
    """
    if min(treated.n, control.n) < 2:
        return NotComputable(f"not enough data: {treated.n:,} customers treated, {control.n:,} held out")
    a = treated.revenue / treated.n - control.revenue / control.n
    b = (treated.cost + fixed_cost) / treated.n - control.cost / control.n
    if b <= 0:
        return NotComputable("the campaign's cost is not above 0: no ratio")
    v_a, v_b, v_ab = np.add(_covariance(treated), _covariance(control))
    z = float(norm.ppf((1 + confidence) / 2))
    g = z * z * v_b / (b * b)
    if g >= 1:
        unbounded = NotComputable("unbounded: the cost caused may be 0 or less")
        return Ratio(a / b, unbounded, unbounded, g)
    if method == "simulation":
        rng = np.random.default_rng(seed)
        means = rng.multivariate_normal([a, b], [[v_a, v_ab], [v_ab, v_b]], size=draws)
        low, high = np.quantile(means[:, 0] / means[:, 1], [(1 - confidence) / 2, (1 + confidence) / 2])
    elif method == "delta":
        half = z * math.sqrt(max(v_a - 2 * a / b * v_ab + (a / b) ** 2 * v_b, 0.0)) / b
        low, high = a / b - half, a / b + half
    else:
        p, q, r = b * b - z * z * v_b, a * b - z * z * v_ab, a * a - z * z * v_a
        root = math.sqrt(max(q * q - p * r, 0.0))
        low, high = (q - root) / p, (q + root) / p
    return Ratio(a / b, float(low), float(high), float(g))


def _covariance(arm: CostSums) -> tuple[float, float, float]:
    """Variances of the arm's mean revenue and mean cost, and their covariance."""
    scale = arm.n * (arm.n - 1)
    v_a = max(arm.revenue_sq - arm.revenue**2 / arm.n, 0.0)
    v_b = max(arm.cost_sq - arm.cost**2 / arm.n, 0.0)
    return v_a / scale, v_b / scale, (arm.revenue_cost - arm.revenue * arm.cost / arm.n) / scale


@dataclass(frozen=True)
class Persistence:
    """by_day: day, delta, low, high (cumulative incremental revenue a customer). finding: "moved dates only", "stays",
    or "not enough data". campaigns: how many are in it.
    """

    by_day: pd.DataFrame
    finding: str
    campaigns: int = 1


def persistence(daily: pd.DataFrame, *, attribution_days: int, confidence: float) -> Persistence | NotComputable:
    """Does the effect stay to the last day, or did the coupon only bring purchases forward?

    daily: one campaign's rows by day since the assignment and arm: window_days (1 .. 90), arm (treated | holdout), n,
    revenue, revenue_sq: of each customer's revenue from the assignment up to that day.

    stays: on the last day there still is a gain (low > 0). moved dates only: there was one at the window's end
    (low > 0), and the last day's interval lies wholly below it. The days share purchases, so that two intervals apart
    are a strict test. NotComputable without a day within the window and one after it, or without a buyer.
    """
    rows = []
    for day, pair in daily.groupby("window_days"):
        arms = pair.set_index("arm")[["n", "revenue", "revenue_sq"]]
        if {"treated", "holdout"} <= set(arms.index) and arms["n"].min() >= 2:
            found = difference(*(Moments(*arms.loc[name]) for name in ("treated", "holdout")), confidence=confidence)
            if not isinstance(found, NotComputable):
                rows.append((day, found.delta, found.low, found.high))
    return persisted(pd.DataFrame(rows, columns=["day", "delta", "low", "high"]), attribution_days=attribution_days)


def persisted(by_day: pd.DataFrame, *, attribution_days: int, campaigns: int = 1) -> Persistence | NotComputable:
    """The same of differences that are there already, such as several campaigns' pooled: day, delta, low, high."""
    window = by_day[by_day["day"] <= attribution_days]
    if window.empty or len(window) == len(by_day):
        return NotComputable(f"not enough data: no days with buyers before and after day {attribution_days}")
    at_first, at_last = window.iloc[-1], by_day.iloc[-1]
    finding = "not enough data"
    if at_last["low"] > 0:
        finding = "stays"
    elif at_first["low"] > 0 and at_last["high"] < at_first["low"]:
        finding = "moved dates only"
    return Persistence(by_day, finding, campaigns)
