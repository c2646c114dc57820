"""Many campaigns at once: corrected tests, shrunken effects, all of them pooled, differences of segments.

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

from clvbook.campaigns.effects import Arm, Effect, difference
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


def steady_se(differences: pd.DataFrame) -> np.ndarray:
    """Standard errors to weigh effects by: those of no effect, times one factor that gives all campaigns together the
    variance between customers that they have. Columns treated, control, se, null_se.

    An effect's own se is small where its few held-out buyers came out low by luck, which is where delta is too high:
    weights from it overstated the mean effect by a fifth in simulation.
    """
    weights, se, null_se = sizes(differences), *(differences[part].to_numpy(float) for part in ("se", "null_se"))
    return null_se * math.sqrt((weights @ se**2) / (weights @ null_se**2))


def _heterogeneity(delta: np.ndarray, se: np.ndarray) -> tuple[float, float]:
    """Cochran's Q and DerSimonian and Laird's τ²."""
    w = 1 / se**2
    q = float((w * (delta - np.average(delta, weights=w)) ** 2).sum())
    return q, max(0.0, (q - (len(delta) - 1)) / (w.sum() - (w**2).sum() / w.sum()))


def sizes(differences: pd.DataFrame) -> np.ndarray:
    """Mantel & Haenszel's weights: they look at sizes only, and so do not favour the lucky."""
    n_t, n_c = (differences[arm].to_numpy(float) for arm in ("treated", "control"))
    return n_t * n_c / (n_t + n_c)


def cell(treated: Arm, control: Arm, metric: str, *, confidence: float) -> dict[str, float]:
    """A row of `pool`: the difference of two arms with two customers or more. metric: buyers, revenue, pre ... Where
    nobody has any of it in either arm it is 0, and known to be.
    """
    found = difference(
        treated.moments(metric), control.moments(metric), share=metric == "buyers", confidence=confidence
    )
    row = {"treated": treated.n, "control": control.n}
    parts = ("delta", "se", "null_se")
    return row | {part: 0.0 if isinstance(found, NotComputable) else getattr(found, part) for part in parts}


@dataclass(frozen=True)
class Pooled:
    """The mean difference a customer and campaign over all campaigns: delta in [low, high], p, campaigns, treated and
    control (customer-campaigns), se, null_se.
    """

    delta: float
    low: float
    high: float
    p: float
    campaigns: int
    treated: int
    control: int
    se: float
    null_se: float


def pool(differences: pd.DataFrame, *, confidence: float) -> Pooled | NotComputable:
    """All campaigns as one experiment, each randomised by itself: columns treated, control, delta, se, null_se.

    Weights are Mantel & Haenszel's, n_T n_C / (n_T + n_C): they do not look at who bought (see `steady_se`). p is of
    the score test. That the same customers recur does no harm: given what each would do with and without the message,
    a campaign's error comes from its own draw of the holdout, and separate draws are uncorrelated. Where the same
    customers are held out of every campaign there is one draw only: see standing.py.
    """
    if differences.empty:
        return NotComputable("no campaign has a holdout with figures")
    delta, se, null_se = (differences[part].to_numpy(float) for part in ("delta", "se", "null_se"))
    weights = sizes(differences) / sizes(differences).sum()
    centre, error, null = float(weights @ delta), *(float(np.linalg.norm(weights * each)) for each in (se, null_se))
    if not null:
        return NotComputable("nobody bought in any campaign, or everybody did")
    half, p = float(norm.ppf((1 + confidence) / 2)) * error, float(2 * norm.sf(abs(centre) / null))
    customers = (int(differences[arm].sum()) for arm in ("treated", "control"))
    return Pooled(centre, centre - half, centre + half, p, len(differences), *customers, error, null)


def forest(effects: Mapping[str, Effect], *, metric: str, confidence: float) -> pd.DataFrame:
    """One row an effect, as a forest plot draws it, by shrunken effect: name, treated, control, effect, low, high, se,
    null_se, shrunken, shrunken_low, shrunken_high, p, p_holm, q_bh, trustworthy, verdict.

    metric: conversion, revenue or capped_revenue. p_holm and q_bh (Benjamini & Hochberg 1995) are over the effects
    that were tested. Effects not to be trusted, and those with too
    few buyers for a test, stay in the table with their reasons; the former are neither shrunken nor in a family.
    """
    untold = NotComputable("the arms are not comparable, or nobody bought")
    extra = ("shrunken", "shrunken_low", "shrunken_high", "p_holm", "q_bh")
    rows = []
    for name, each in effects.items():
        found = getattr(each, metric)
        why = found if isinstance(found, NotComputable) else untold
        row = {"name": name, "treated": each.treated.n, "control": each.control.n, "effect": found.delta}
        row |= {part: getattr(found, part) for part in ("low", "high", "se", "null_se")} | dict.fromkeys(extra, why)
        rows.append(row | {"p": found.p, "trustworthy": each.trustworthy, "verdict": str(each.verdict)})

    known = [row for row in rows if row["trustworthy"] and row["null_se"]]
    if known:
        frame = pd.DataFrame(known)
        shrunken = shrink(frame["effect"], steady_se(frame), confidence=confidence)
        for k, row in enumerate(known):
            values = [shrunken] * 3 if isinstance(shrunken, NotComputable) else shrunken.effects.iloc[k]
            row |= dict(zip(extra, [*values, row["p"], row["p"]], strict=True))
    tested = [row for row in known if not isinstance(row["p"], NotComputable)]
    if tested:
        p = np.array([row["p"] for row in tested])
        for row, p_holm, q_bh in zip(tested, holm(p), false_discovery_control(p), strict=True):
            row |= {"p_holm": p_holm, "q_bh": q_bh}
    rows.sort(key=lambda row: math.inf if isinstance(row["shrunken"], NotComputable) else -row["shrunken"])
    columns = ["name", "treated", "control", "effect", "low", "high", "se", "null_se", *extra[:3]]
    columns += ["p", *extra[3:], "trustworthy", "verdict"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _missing(column: pd.Series) -> pd.Series:
    return column.map(lambda value: isinstance(value, NotComputable)).astype(bool)


def segments(differences: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Do the segments of a dimension (stage, channel, province ...) respond differently? dimension, segments, q, p,
    p_holm, verdict ("differ", "no difference seen" or why not).

    differences: dimension, segment, treated, control, delta, se, null_se; segments of one dimension share no customer.
    q is Cochran's, chi-square on segments - 1 under one common effect; p_holm is over the dimensions. A dimension with
    one segment is not tested. Each segment has a buyer (null_se above 0); join or leave out those without.
    """
    rows = []
    for dimension, group in differences.groupby("dimension", sort=False):
        q = p = NotComputable(f"not enough data: {len(group)} segment, 2 needed")
        if len(group) > 1:
            q, _ = _heterogeneity(group["delta"].to_numpy(float), steady_se(group))
            p = float(chi2.sf(q, len(group) - 1))
        rows.append({"dimension": dimension, "segments": len(group), "q": q, "p": p, "p_holm": p})
    frame = pd.DataFrame(rows, columns=["dimension", "segments", "q", "p", "p_holm"], dtype=object)
    tested = ~_missing(frame["p"])
    frame.loc[tested, "p_holm"] = holm(frame.loc[tested, "p"].to_numpy(float))
    seen = frame["p_holm"].map(lambda p: str(p) if not p and p != 0 else ("differ" if p < 1 - confidence else ""))
    return frame.assign(verdict=seen.replace("", "no difference seen"))
