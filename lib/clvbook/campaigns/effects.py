"""What a campaign caused: the customers assigned to it against those held out, however few of them bought.

in:  `Arm` — frozen sums of one arm: customers assigned, buyers, revenue and its squares, optionally past spend
out: frozen `Effect` — differences with intervals and tests, returns on cost, checks, reason codes, one of three words

Intention to treat: every assigned customer counts, delivered or not. Sums suffice, so sends cost no memory here.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

import pandas as pd
from scipy.stats import chisquare, norm, t

from clvbook.campaigns.returns import Returns, Verdict, returns, verdict
from clvbook.errors import InputRefused, NotComputable

ALARM = 0.001  # below it a sample ratio or past spend is no chance (the default of GrowthBook's check)
MIN_EXPECTED = 5  # buyers that the smaller arm would have without an effect; with fewer, no test keeps its level


class Reason(StrEnum):
    """Why a figure is missing, or not to be relied upon."""

    NO_HOLDOUT = "no customer was held out"
    NO_TREATED = "no customer was assigned to the campaign"
    NO_BUYERS = "nobody bought in either arm"
    FEW_BUYERS = "too few buyers for a test"
    CONTROL_ZERO = "nobody bought among those held out: no relative lift"
    SAMPLE_RATIO = "the arms' sizes are not those planned"
    PAST_SPEND = "the arms differed before the campaign"
    NOT_CHECKED = "the planned share is not known: sizes not checked"
    NO_COST = "the cost is not known"
    NO_MARGIN = "margin_rate is not set"


@dataclass(frozen=True)
class Moments:
    """How many customers, the sum of something over them, and the sum of its squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """A customer's mean; the arm is not empty."""
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Between customers, with n - 1."""
        return max(self.squares - self.total**2 / self.n, 0.0) / (self.n - 1)


@dataclass(frozen=True)
class Arm:
    """Sums over the customers assigned to one arm; money net of refunds, in currency.

    n: distinct customers assigned. buyers: those with a kept order in the window. orders, revenue: what they bought;
    capped_revenue: with each customer's revenue capped; *_sq: sums over customers of squares. pre: the sum of a
    covariate from strictly before the assignment (such as log(1 + spend in 365 days)), pre_sq its squares,
    pre_revenue, pre_capped_revenue and pre_bought its products with revenue, capped revenue and "bought".
    None is: not computed.
    """

    n: int
    buyers: int
    revenue: float
    revenue_sq: float
    orders: int | None = None
    capped_revenue: float | None = None
    capped_revenue_sq: float | None = None
    pre: float | None = None
    pre_sq: float | None = None
    pre_revenue: float | None = None
    pre_capped_revenue: float | None = None
    pre_bought: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.buyers <= self.n:
            raise InputRefused(
                f"an arm has {self.buyers:,} buyers among {self.n:,} customers",
                "count distinct customers: each assigned customer once, however many sends and orders it has",
            )
        known = [value for value in asdict(self).values() if value is not None]
        if not all(map(math.isfinite, known)) or self.revenue_sq < 0:
            raise InputRefused(
                f"an arm of {self.n:,} customers has sums that are no numbers, or squares below 0",
                "sum over all assigned customers, with 0 for those who did not buy",
            )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Arm":
        """An arm from a frame's row (a mapping, or a Series) whose columns are named as the fields; others are left."""
        found = {f.name: row[f.name] for f in fields(cls) if f.name in row and not pd.isna(row[f.name])}
        missing = sorted({"n", "buyers", "revenue", "revenue_sq"} - set(found))
        if missing:
            raise InputRefused(
                f"an arm's row lacks {', '.join(missing)}", "bring the arm's sums, 0 where nobody bought"
            )
        whole = {"n", "buyers", "orders"}
        return cls(**{name: int(value) if name in whole else float(value) for name, value in found.items()})

    def __add__(self, other: "Arm") -> "Arm":
        """Both together; what only one of them knows is not known of the sum."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Arm(**{name: None if None in pair else sum(pair) for name, pair in pairs.items()})

    def moments(self, name: str) -> Moments | None:
        """Of `buyers` (1 for a customer who bought), `revenue`, `capped_revenue` or `pre`; None: not computed."""
        total, squares = getattr(self, name), self.buyers if name == "buyers" else getattr(self, f"{name}_sq")
        return None if total is None or squares is None else Moments(self.n, total, squares)


@dataclass(frozen=True)
class Welch:
    """Welch's t: interval, p and degrees of freedom (as `scipy.stats.ttest_ind_from_stats(equal_var=False)`)."""

    low: float
    high: float
    p: float
    df: float


@dataclass(frozen=True)
class Difference:
    """Treated minus control, a customer: delta in [low, high], p of the score test (under no effect).

    se: standard error without the assumption of no effect; null_se: with it. lift = delta / control, with lift_se
    (delta method). welch: the usual interval, shown beside; see `difference` for why it does not decide.
    """

    treated: float
    control: float
    delta: float
    low: float
    high: float
    se: float
    null_se: float
    p: float | NotComputable
    lift: float | NotComputable
    lift_se: float | NotComputable
    welch: Welch | NotComputable


def difference(
    treated: Moments, control: Moments, *, confidence: float, share: bool = False
) -> Difference | NotComputable:
    """Compare two arms' means; see `Difference`. Each arm has two customers or more. share: it is 1 or 0 a customer.

    The interval is Newcombe's (1998, method 10): Wilson's score interval of each arm, squared and added. Wilson's
    takes a mean's variance from the mean itself, q m - m² with q = sum of squares / sum over both arms. For bought
    or not q is 1, and it is Newcombe's interval; for money it is the same idea. Welch's takes it from the arm's own
    sample, and in a small holdout with few buyers by luck mean and variance are low *together*: with 10 % held out
    and 5-20 buyers there its 95 % interval lies wholly above the truth in 5-13 % of simulated campaigns instead of
    2.5 %, which is to call a useless campaign paid. Where refunds leave an arm's mean below 0 the interval is Welch's.

    p: score test, the difference over its standard error under no effect, from both arms' customers together
    (conversion: Pearson's chi-square without correction). NotComputable where nobody bought anything and q does not
    exist (conversion: the interval does, by Wilson).
    """
    total, squares, n = treated.total + control.total, treated.squares + control.squares, treated.n + control.n
    if not squares and not share:
        return NotComputable(f"{Reason.NO_BUYERS}: {n:,} customers")
    z, delta = float(norm.ppf((1 + confidence) / 2)), treated.mean - control.mean
    v_t, v_c = treated.variance / treated.n, control.variance / control.n
    se = math.sqrt(v_t + v_c)
    null_se = math.sqrt(max(squares / n - (total / n) ** 2, 0.0) * (1 / treated.n + 1 / control.n))
    welch = _welch(delta, v_t, v_c, treated.n, control.n, confidence)
    if min(treated.total, control.total) >= 0:
        q = 1.0 if share else squares / total
        (l_t, u_t), (l_c, u_c) = (_score_interval(arm, q=q, z=z) for arm in (treated, control))
        low = delta - math.hypot(treated.mean - l_t, u_c - control.mean)
        high = delta + math.hypot(u_t - treated.mean, control.mean - l_c)
    elif isinstance(welch, NotComputable):
        return welch
    else:
        low, high = welch.low, welch.high
    lift = lift_se = NotComputable(Reason.CONTROL_ZERO)
    if control.mean > 0:
        lift = delta / control.mean
        lift_se = math.sqrt(v_t / control.mean**2 + v_c * treated.mean**2 / control.mean**4)
    p = float(2 * norm.sf(abs(delta) / null_se)) if null_se else NotComputable(Reason.NO_BUYERS)
    return Difference(treated.mean, control.mean, delta, low, high, se, null_se, p, lift, lift_se, welch)


def _score_interval(arm: Moments, *, q: float, z: float) -> tuple[float, float]:
    m, n = arm.mean, arm.n
    q = max(q, m)  # money that is almost the same for everybody: no spread below 0
    centre, half = m + z * z * q / (2 * n), z * math.sqrt((q * m - m * m) / n + (z * q / (2 * n)) ** 2)
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _welch(delta: float, v_t: float, v_c: float, n_t: int, n_c: int, confidence: float) -> Welch | NotComputable:
    if not v_t + v_c:
        return NotComputable("all customers of both arms are alike")
    df = (v_t + v_c) ** 2 / (v_t**2 / (n_t - 1) + v_c**2 / (n_c - 1))
    se = math.sqrt(v_t + v_c)
    half = float(t.ppf((1 + confidence) / 2, df)) * se
    return Welch(delta - half, delta + half, float(2 * t.sf(abs(delta) / se, df)), df)


@dataclass(frozen=True)
class Check:
    """A check of the experiment: what was expected and found, its p, and whether it passes (p >= 0.001)."""

    expected: float
    found: float
    p: float

    @property
    def passes(self) -> bool:
        """It may be chance."""
        return self.p >= ALARM


def sample_ratio(treated: int, control: int, *, holdout: float) -> Check:
    """The customers held out against the planned share `holdout` (0..1, both ends out): chi-square, 1 df.

    Sizes that the draw cannot explain mean that customers were lost or added by arm: no difference is to be believed.
    """
    n = treated + control
    p = chisquare([treated, control], [n * (1 - holdout), n * holdout]).pvalue
    return Check(expected=n * holdout, found=control, p=float(p))


def balance(treated: Arm, control: Arm) -> Check | NotComputable:
    """The covariate from before, as standardised difference (mean difference over the arms' standard deviation).

    expected is 0. p: score test, as in `difference`. NotComputable without `pre`, or where all customers are alike.
    """
    a, b = treated.moments("pre"), control.moments("pre")
    if a is None or b is None:
        return NotComputable("past spend was not summed by arm")
    spread = math.sqrt((a.variance + b.variance) / 2)
    if not spread:
        return NotComputable("all customers were alike before the campaign")
    n, total, squares = a.n + b.n, a.total + b.total, a.squares + b.squares
    null_se = math.sqrt((squares / n - (total / n) ** 2) * (1 / a.n + 1 / b.n))
    return Check(0.0, (a.mean - b.mean) / spread, float(2 * norm.sf(abs(a.mean - b.mean) / null_se)))


@dataclass(frozen=True)
class Effect:
    """One campaign against its holdout. Differences are a customer's: conversion (share), revenue and capped revenue.

    returns: what it brought in all, of the uncapped revenue. trustworthy is False where a check failed: show it
    greyed out. reasons: `Reason`s, the gravest first.
    """

    treated: Arm
    control: Arm
    conversion: Difference | NotComputable
    revenue: Difference | NotComputable
    capped_revenue: Difference | NotComputable
    returns: Returns | NotComputable
    sample_ratio: Check | NotComputable
    balance: Check | NotComputable
    trustworthy: bool
    reasons: tuple[Reason, ...]

    @property
    def verdict(self) -> Verdict:
        """paid, did not pay, or not enough data: what the interval of incremental profit says."""
        barred = not self.trustworthy or Reason.FEW_BUYERS in self.reasons
        return Verdict.NOT_ENOUGH if barred else verdict(self.returns)

    @property
    def summary(self) -> pd.Series:
        """All figures in one row, for a table: treated, control (customers), buyers_*, then those of the parts."""
        figures: dict[str, Any] = {
            "treated": self.treated.n,
            "control": self.control.n,
            "buyers_treated": self.treated.buyers,
            "buyers_control": self.control.buyers,
        }
        for part in ("conversion", "revenue", "capped_revenue"):
            names = ("treated", "control", "delta", "low", "high", "se", "null_se", "p", "lift")
            figures |= {f"{part}_{name}": getattr(getattr(self, part), name) for name in names}
        figures |= {f"incremental_{f.name}": getattr(self.returns, f.name) for f in fields(Returns)}
        figures |= {"sample_ratio_p": self.sample_ratio.p, "balance": self.balance.found, "balance_p": self.balance.p}
        figures |= {"trustworthy": self.trustworthy, "verdict": str(self.verdict)}
        return pd.Series(figures | {"reasons": "; ".join(self.reasons)}, dtype=object)


def effect(
    treated: Arm,
    control: Arm,
    *,
    confidence: float,
    cost: float | None = None,
    margin_rate: float | None = None,
    holdout: float | None = None,
) -> Effect:
    """Compare the arms by intention to treat. cost: known and fixed, of the whole campaign, in currency; a cost that
    depends on what customers do is for `ratios`. margin_rate: contribution margin as share of revenue. holdout: the
    planned share held out, for the sample-ratio check.

    No p below `MIN_EXPECTED` buyers expected in the smaller arm under no effect (Cochran's rule), and no verdict.
    """
    reasons = []
    if min(treated.n, control.n) < 2:
        lacking = Reason.NO_HOLDOUT if control.n < 2 else Reason.NO_TREATED
        nothing = NotComputable(f"not enough data: {treated.n:,} customers assigned, {control.n:,} held out")
        return Effect(treated, control, *(6 * [nothing]), trustworthy=True, reasons=(lacking, Reason.FEW_BUYERS))

    ratio: Check | NotComputable = NotComputable(Reason.NOT_CHECKED)
    if holdout is not None:
        ratio = sample_ratio(treated.n, control.n, holdout=holdout)
    past = balance(treated, control)
    if ratio and not ratio.passes:
        reasons.append(Reason.SAMPLE_RATIO)
    if past and not past.passes:
        reasons.append(Reason.PAST_SPEND)
    trustworthy = not reasons

    found: dict[str, Difference | NotComputable] = {}
    for name in ("buyers", "revenue", "capped_revenue"):
        a, b = treated.moments(name), control.moments(name)
        known = a is not None and b is not None
        found[name] = NotComputable("revenue was not capped")
        if known:
            found[name] = difference(a, b, confidence=confidence, share=name == "buyers")
    buyers, customers = treated.buyers + control.buyers, treated.n + control.n
    expected = buyers * min(treated.n, control.n) / customers
    if expected < MIN_EXPECTED:
        reasons.append(Reason.FEW_BUYERS)
        untested = NotComputable(f"not enough data: {buyers:,} buyers of {customers:,} customers")
        found = {name: _without_test(each, untested) for name, each in found.items()}
    if not control.buyers:
        reasons.append(Reason.CONTROL_ZERO)
    reasons += [Reason.NO_COST] * (cost is None) + [Reason.NO_MARGIN] * (margin_rate is None)
    reasons += [Reason.NOT_CHECKED] * (holdout is None)
    conversion, revenue, capped = found.values()
    return Effect(
        treated=treated,
        control=control,
        conversion=conversion,
        revenue=revenue,
        capped_revenue=capped,
        returns=returns(revenue, treated=treated.n, cost=cost, margin_rate=margin_rate),
        sample_ratio=ratio,
        balance=past,
        trustworthy=trustworthy,
        reasons=tuple(reasons),
    )


def _without_test(each: Difference | NotComputable, why: NotComputable) -> Difference | NotComputable:
    return each if isinstance(each, NotComputable) else Difference(**{**vars(each), "p": why})
