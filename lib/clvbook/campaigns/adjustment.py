"""Narrower intervals from what was known before the assignment: CUPED and post-stratification, from sums by arm.

in:  `effects.Arm`s with covariate sums, or pairs of them by stratum
out: frozen `Adjusted` — a difference that the arms' chance unlikeness before the campaign is taken out of

Both change the estimate only by what chance put into it: on average over assignments they leave it as it is.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal

from clvbook.campaigns.effects import Arm, Difference, Moments
from clvbook.errors import NotComputable

Metric = Literal["buyers", "revenue", "capped_revenue"]
_PRODUCT = {"buyers": "pre_bought", "revenue": "pre_revenue", "capped_revenue": "pre_capped_revenue"}


@dataclass(frozen=True)
class Adjusted:
    """An adjusted difference a customer: delta in [low, high], its standard error, and what it gained.

    variance_reduction: 1 - adjusted / unadjusted variance, share; below 0 the adjustment did harm. theta: CUPED's
    slope. strata: how many were used, and merged: how many were given to a neighbour for want of customers.
    """

    method: str
    delta: float
    low: float
    high: float
    se: float
    variance_reduction: float
    theta: float | None = None
    strata: int | None = None
    merged: int | None = None


def _narrowed(raw: Difference, *, method: str, delta: float, variance: float, **more: float) -> Adjusted:
    # the unadjusted interval, moved and narrowed: it keeps its longer side, which few buyers in one arm give it
    se, before = math.sqrt(max(variance, 0.0)), raw.se**2
    shrink = se / raw.se
    low, high = delta - (raw.delta - raw.low) * shrink, delta + (raw.high - raw.delta) * shrink
    return Adjusted(method, delta, low, high, se, 1 - se**2 / before, **more)


def cuped(treated: Arm, control: Arm, raw: Difference | NotComputable, *, metric: Metric) -> Adjusted | NotComputable:
    """CUPED (Deng, Xu, Kohavi & Walker 2013) of `metric`, whose unadjusted difference is `raw`.

    ȳ_adj = ȳ − θ (x̄ − x̄ of both arms), θ = Cov(Y, X) / Var(X) pooled within the arms; the variance shrinks by 1 − ρ².
    A covariate that is the same for everybody gives θ = 0, and the unadjusted figure. NotComputable without the
    covariate's sums (pre, pre_sq, and pre_bought, pre_revenue or pre_capped_revenue).
    """
    if isinstance(raw, NotComputable):
        return raw
    if not raw.se:
        return NotComputable("all customers of both arms are alike: nothing to adjust")
    sums = [_within(arm, metric) for arm in (treated, control)]
    if any(each is None for each in sums):
        return NotComputable("no sums of a covariate from before the assignment")
    dof = treated.n + control.n - 2
    s_xx, s_xy = (sum(each[k] for each in sums) / dof for k in (0, 1))
    # sums of squares hold 16 digits: a spread far below that is none
    theta = s_xy / s_xx if s_xx * dof > 1e-12 * (treated.pre_sq + control.pre_sq) else 0.0
    variance = 0.0
    for arm, (xx, xy) in zip((treated, control), sums, strict=True):
        spread = arm.moments(metric).variance + (theta**2 * xx - 2 * theta * xy) / (arm.n - 1)
        variance += max(spread, 0.0) / arm.n
    delta = raw.delta - theta * (treated.pre / treated.n - control.pre / control.n)
    return _narrowed(raw, method="CUPED", delta=delta, variance=variance, theta=theta)


def _within(arm: Arm, metric: Metric) -> tuple[float, float] | None:
    """The covariate's sum of squares about the arm's mean, and of products with the metric."""
    x, product, y = arm.moments("pre"), getattr(arm, _PRODUCT[metric]), arm.moments(metric)
    if x is None or product is None or y is None:
        return None
    return max(x.squares - x.total**2 / arm.n, 0.0), product - x.total * y.total / arm.n


def merge_strata(strata: Iterable[tuple[Arm, Arm]], *, least: int = 2) -> tuple[list[tuple[Arm, Arm]], int]:
    """Strata (treated, control) in their order, those with fewer than `least` customers in an arm joined to the next
    (the last to the one before), and how many were given away so.
    """
    kept: list[tuple[Arm, Arm]] = []
    waiting: list[tuple[Arm, Arm]] = []
    given = 0
    for pair in strata:
        waiting.append(pair)
        joined = tuple(reduce(add, arms) for arms in zip(*waiting, strict=True))
        if min(arm.n for arm in joined) >= least:
            kept.append(joined)
            given += len(waiting) - 1
            waiting = []
    if waiting and kept:
        given += len(waiting)
        kept[-1] = tuple(reduce(add, arms) for arms in zip(kept[-1], *waiting, strict=True))
    return kept, given


def post_stratified(
    strata: Iterable[tuple[Arm, Arm]], raw: Difference | NotComputable, *, metric: Metric
) -> Adjusted | NotComputable:
    """Differences within strata (treated, control), weighted by the strata's share of all customers.

    The strata are known before the assignment (such as stage by order count) and come in an order in which neighbours
    are alike; `raw` is the unadjusted difference. NotComputable without `raw`, without variation, or where no stratum
    has two customers in either arm.
    """
    if isinstance(raw, NotComputable):
        return raw
    pairs, merged = merge_strata(strata)
    if not pairs or not raw.se:
        return NotComputable("no stratum has two customers in either arm, or all are alike")
    everyone = sum(treated.n + control.n for treated, control in pairs)
    delta = variance = 0.0
    for treated, control in pairs:
        a, b = (_known(arm, metric) for arm in (treated, control))
        weight = (a.n + b.n) / everyone
        delta += weight * (a.mean - b.mean)
        variance += weight**2 * (a.variance / a.n + b.variance / b.n)
    return _narrowed(
        raw, method="post-stratification", delta=delta, variance=variance, strata=len(pairs), merged=merged
    )


def _known(arm: Arm, metric: Metric) -> Moments:
    found = arm.moments(metric)
    if found is None:
        raise ValueError(f"a stratum's arm lacks {metric}")
    return found


def explained(strata: Iterable[tuple[Arm, Arm]], *, metric: Metric) -> tuple[float, float]:
    """Shares of the metric's variance that the covariate (ρ²) and the strata (η²) explain, blind to the arms; 0 where
    they cannot be known.
    """
    mixed = [treated + control for treated, control in strata]
    everyone = reduce(add, mixed)
    y, sums = everyone.moments(metric), _within(everyone, metric)
    if y is None or not y.variance:
        return 0.0, 0.0
    spread = y.variance * (y.n - 1)
    rho2 = sums[1] ** 2 / (sums[0] * spread) if sums is not None and sums[0] > 1e-12 * everyone.pre_sq else 0.0
    inside = sum(m.squares - m.total**2 / m.n for m in (_known(arm, metric) for arm in mixed) if m.n)
    return rho2, max(1 - inside / spread, 0.0)


def adjusted(
    strata: Iterable[tuple[Arm, Arm]],
    raw: Difference | NotComputable,
    *,
    metric: Metric,
    least_gain: float = 0.02,
) -> Adjusted | Difference | NotComputable:
    """CUPED or post-stratification, whichever explains more, or `raw` where neither explains `least_gain`.

    One stratum, the whole, leaves the choice between CUPED and `raw`. The choice is made blind to the arms: taking
    the smallest standard error instead prefers assignments whose holdout by luck bought little, and overstated the
    effect by 6 % in simulation.
    """
    pairs = list(strata)
    rho2, eta2 = explained(pairs, metric=metric)
    if max(rho2, eta2) < least_gain:
        return raw
    if eta2 > rho2:
        return post_stratified(pairs, raw, metric=metric)
    treated, control = (reduce(add, arms) for arms in zip(*pairs, strict=True))
    return cuped(treated, control, raw, metric=metric)
