"""Many campaigns at once: corrected tests, shrunken effects, the standing holdout's answer, differences of segments.

in:  effects by name (campaign, segment), or a frame of differences — treated, control, delta, se, null_se
out: small pandas frames ready for a forest plot, and frozen results
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import chi2, false_discovery_control, norm

from clvbook.campaigns.effects import Effect
from clvbook.errors import NotComputable


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p: the running maximum of p_(i) (M - i + 1), at most 1."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty_like(steps)
    found[order] = np.minimum(steps, 1.0)
    return found


@dataclass(frozen=True)
class Shrunken:
    """Effects drawn to their mean: mean with its se, tau2 (variance between true effects), Q on M - 1 degrees of
    freedom and its p; effects — delta, low, high, one each in the order given.
    """

    mean: float
    mean_se: float
    tau2: float
    q: float
    p: float
    effects: pd.DataFrame


def shrink(delta: np.ndarray, se: np.ndarray, *, confidence: float) -> Shrunken | NotComputable:
    """Empirical Bayes after DerSimonian & Laird (1986), so that the luckiest campaign is not crowned.

    w = 1 / se², τ² = max(0, (Q − (M−1)) / (Σw − Σw²/Σw)); posterior mean (Δ/se² + μ/τ²) / (1/se² + 1/τ²), where μ is
    the mean weighted by 1 / (se² + τ²). Intervals at the estimated τ² alone cover 84-90 %, as it is often 0 by chance:
    these average over all τ, each as likely beforehand (Rubin 1981; Gelman 2006). NotComputable for fewer than two
    effects. se is above 0 and does not follow delta's own luck: see `steady_se`.
    """
    delta, se = np.asarray(delta, float), np.asarray(se, float)
    if len(delta) < 2:
        return NotComputable(f"not enough data: {len(delta)} effect to compare, 2 needed")
    q, tau2 = _heterogeneity(delta, se)
    mean, mean_var, found, _, _ = _posterior(delta, se, tau2)
    spread, likely = [], []
    for tau in np.linspace(0, 4 * max(delta.std(ddof=1), se.mean()), 60):
        _, _, centre, variance, log_density = _posterior(delta, se, tau**2)
        spread.append(variance + (centre - found) ** 2)
        likely.append(log_density)
    half = norm.ppf((1 + confidence) / 2) * np.sqrt(np.average(spread, axis=0, weights=softmax(likely)))
    frame = pd.DataFrame({"delta": found, "low": found - half, "high": found + half})
    return Shrunken(mean, math.sqrt(mean_var), tau2, q, float(chi2.sf(q, len(delta) - 1)), frame)


def _posterior(delta: np.ndarray, se: np.ndarray, tau2: float) -> tuple[float, float, np.ndarray, np.ndarray, float]:
    """Given τ²: the mean and its variance, each effect's mean and variance, and the log density of τ."""
    v = se**2 + tau2
    mean_var = 1 / (1 / v).sum()
    mean = float(mean_var * (delta / v).sum())
    pull = se**2 / v  # 1: nothing is believed but the mean
    log_density = 0.5 * (math.log(mean_var) - np.log(v).sum() - ((delta - mean) ** 2 / v).sum())
    return mean, mean_var, delta + pull * (mean - delta), (1 - pull) * se**2 + pull**2 * mean_var, log_density


def steady_se(se: np.ndarray, null_se: np.ndarray) -> np.ndarray:
    """Standard errors to weigh effects by: those of no effect, scaled to have the mean square of the others.

    An effect's own se is small where its few held-out buyers came out low by luck, which is where delta is too high:
    weights from it overstated the mean effect by a fifth in simulation.
    """
    se, null_se = np.asarray(se, float), np.asarray(null_se, float)
    return null_se * np.sqrt((se**2).sum() / (null_se**2).sum())


def _heterogeneity(delta: np.ndarray, se: np.ndarray) -> tuple[float, float]:
    w = 1 / se**2
    q = float((w * (delta - np.average(delta, weights=w)) ** 2).sum())
    return q, max(0.0, (q - (len(delta) - 1)) / (w.sum() - (w**2).sum() / w.sum()))


@dataclass(frozen=True)
class Pooled:
    """The mean difference a customer and campaign over all campaigns: delta in [low, high], p, campaigns, treated and
    control (customer-campaigns).
    """

    delta: float
    low: float
    high: float
    p: float
    campaigns: int
    treated: int
    control: int


def pool(differences: pd.DataFrame, *, confidence: float) -> Pooled | NotComputable:
    """All campaigns as one experiment, each randomised by itself: columns treated, control, delta, se, null_se.

    Weights are Mantel & Haenszel's, n_T n_C / (n_T + n_C): they do not look at who bought (see `steady_se`). p is of
    the score test. That the same customers recur does no harm: given what each would do with and without the message,
    a campaign's error comes from its own draw of the holdout, and separate draws are uncorrelated. Where the same
    customers are held out of every campaign there is one draw only: use `standing`.
    """
    if differences.empty:
        return NotComputable("no campaign has a holdout with figures")
    n_t, n_c, delta, se, null_se = (
        differences[name].to_numpy(float) for name in ("treated", "control", "delta", "se", "null_se")
    )
    weights = n_t * n_c / (n_t + n_c)
    weights = weights / weights.sum()
    centre, error, null = float(weights @ delta), *(float(np.linalg.norm(weights * each)) for each in (se, null_se))
    if not null:
        return NotComputable("nobody bought in any campaign")
    half, p = float(norm.ppf((1 + confidence) / 2)) * error, float(2 * norm.sf(abs(centre) / null))
    return Pooled(centre, centre - half, centre + half, p, len(differences), int(n_t.sum()), int(n_c.sum()))


@dataclass(frozen=True)
class Recurring:
    """Sums over the customers of one arm of a standing holdout, one row a customer over all campaigns: n; contacts,
    the campaigns that a customer was assigned to, and revenue (or times bought); squares and the product of the two.
    """

    n: int
    contacts: float
    contacts_sq: float
    revenue: float
    revenue_sq: float
    contacts_revenue: float

    @property
    def mean(self) -> float:
        """Revenue a contact."""
        return self.revenue / self.contacts

    @property
    def mean_variance(self) -> float:
        """Of the mean, customers being independent and their contacts not: the ratio's linearised variance."""
        errors = self.revenue_sq - 2 * self.mean * self.contacts_revenue + self.mean**2 * self.contacts_sq
        return self.n / (self.n - 1) * max(errors, 0.0) / self.contacts**2


def standing(treated: Recurring, control: Recurring, *, confidence: float) -> Pooled | NotComputable:
    """Revenue a contact where the *same* customers are held out of every campaign: their errors recur with them, so
    the variance is between customers, not between contacts. The holdout's share must not change between campaigns.
    """
    if min(treated.n, control.n) < 2:
        return NotComputable(f"not enough data: {treated.n:,} customers treated, {control.n:,} held out")
    delta, se = treated.mean - control.mean, math.sqrt(treated.mean_variance + control.mean_variance)
    if not se:
        return NotComputable("all customers of both arms are alike")
    half = float(norm.ppf((1 + confidence) / 2)) * se
    campaigns = NotComputable("one row a customer: campaigns are not counted")
    contacts = int(treated.contacts), int(control.contacts)
    return Pooled(delta, delta - half, delta + half, float(2 * norm.sf(abs(delta) / se)), campaigns, *contacts)


def forest(effects: Mapping[str, Effect], *, metric: str, confidence: float) -> pd.DataFrame:
    """One row an effect, as a forest plot draws it, by shrunken effect: name, treated, control, effect, low, high, se,
    null_se, shrunken, shrunken_low, shrunken_high, p, p_holm, q_bh, trustworthy, verdict.

    metric: conversion, revenue or capped_revenue. p_holm and q_bh (Benjamini & Hochberg 1995) are over the effects
    that were tested. Effects not to be trusted, and those with too
    few buyers for a test, stay in the table with their reasons; the former are neither shrunken nor in a family.
    """
    rows = []
    for name, each in effects.items():
        found = getattr(each, metric)
        row = {"name": name, "treated": each.treated.n, "control": each.control.n, "effect": found.delta}
        row |= {part: getattr(found, part) for part in ("low", "high", "se", "null_se", "p")}
        rows.append(row | {"trustworthy": each.trustworthy, "verdict": str(each.verdict)})
    columns = ["name", "treated", "control", "effect", "low", "high", "se", "null_se", "p", "trustworthy", "verdict"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    known = frame["trustworthy"].astype(bool) & ~_missing(frame["null_se"]) & (frame["null_se"] != 0)
    why = frame["effect"].where(
        _missing(frame["effect"]), NotComputable("the arms are not comparable, or nobody bought")
    )
    names = {"delta": "shrunken", "low": "shrunken_low", "high": "shrunken_high"}
    for column in (*names.values(), "p_holm", "q_bh"):
        frame[column] = why
    if known.any():
        numbers = frame.loc[known, ["effect", "se", "null_se"]].astype(float)
        errors = steady_se(numbers["se"], numbers["null_se"])
        shrunken = shrink(numbers["effect"], errors, confidence=confidence)
        for part, column in names.items():
            values = shrunken if isinstance(shrunken, NotComputable) else shrunken.effects[part].to_numpy()
            frame.loc[known, column] = pd.Series(values, index=numbers.index, dtype=object)
        untested = known & _missing(frame["p"])
        for column in ("p_holm", "q_bh"):
            frame.loc[untested, column] = frame.loc[untested, "p"]
    tested = known & ~_missing(frame["p"])
    if tested.any():
        p = frame.loc[tested, "p"].to_numpy(float)
        frame.loc[tested, "p_holm"] = holm(p)
        frame.loc[tested, "q_bh"] = false_discovery_control(p)
    order = frame["shrunken"].where(~_missing(frame["shrunken"]), np.nan).astype(float)
    return frame.loc[order.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _missing(column: pd.Series) -> pd.Series:
    return column.map(lambda value: isinstance(value, NotComputable)).astype(bool)


def segments(differences: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Do the segments of a dimension (stage, channel, province ...) respond differently? dimension, segments, q, p,
    p_holm, verdict ("differ", "no difference seen" or why not).

    differences: dimension, segment, delta, se, null_se; segments of one dimension share no customer. q is Cochran's,
    chi-square on segments - 1 under one common effect; p_holm is over the dimensions. A dimension with one segment is
    not tested. Each segment has a buyer (null_se above 0); join or leave out those without.
    """
    rows = []
    for dimension, group in differences.groupby("dimension", sort=False):
        q = p = NotComputable(f"not enough data: {len(group)} segment, 2 needed")
        if len(group) > 1:
            q, _ = _heterogeneity(group["delta"].to_numpy(float), steady_se(group["se"], group["null_se"]))
            p = float(chi2.sf(q, len(group) - 1))
        rows.append({"dimension": dimension, "segments": len(group), "q": q, "p": p, "p_holm": p})
    frame = pd.DataFrame(rows, columns=["dimension", "segments", "q", "p", "p_holm"], dtype=object)
    tested = ~_missing(frame["p"])
    frame.loc[tested, "p_holm"] = holm(frame.loc[tested, "p"].to_numpy(float))
    seen = frame["p_holm"].map(lambda p: str(p) if not p and p != 0 else ("differ" if p < 1 - confidence else ""))
    return frame.assign(verdict=seen.replace("", "no difference seen"))
