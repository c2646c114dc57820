"""How far a figure scatters by chance: intervals of shares, and of totals by resampling groups of customers.

in:  counts; for totals, sums by group of customers (numpy), first axis: the groups
out: intervals (low, high), and resampled totals

Customers are split into groups by a hash of their id, the engine adds up each group, and whole groups are drawn again:
a shop of a million customers costs as much as one of a thousand, and a customer seen ten times counts once.
"""

import ibis
import numpy as np
from scipy.stats import norm, t

GROUPS = 128  # enough for an interval, few enough to hold by month and cohort


def customer_group(customer_id: ibis.Value, *, groups: int = GROUPS) -> ibis.Value:
    """Which of the groups a customer is in, 0 .. groups - 1: the first four hex digits of the id's MD5, modulo groups.

    The same on every engine and in every month.
    """
    digest = customer_id.hexdigest("md5")
    digits = [ibis.literal("0123456789abcdef").find(digest.substr(n, 1)) * 16 ** (3 - n) for n in range(4)]
    return (sum(digits[1:], digits[0]) % groups).cast("int16")


def draws(groups: int, resamples: int, *, seed: int) -> np.ndarray:
    """How often each group stands in each resample, (resamples, groups): as many groups, drawn with replacement."""
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), resamples)


def percentiles(drawn: np.ndarray, estimate: float, *, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of the draws, widened where it would leave the estimate out."""
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(min(low, estimate)), float(max(high, estimate))


def wilson(share: np.ndarray, n: np.ndarray, *, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of shares of `n` independent observations (not always a whole number); NaN where n is 0."""
    n = np.where(np.asarray(n, dtype=float) > 0, n, np.nan)
    z2 = norm.ppf((1 + confidence) / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def goodman(counts: np.ndarray, *, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous intervals of the shares of `counts`: with `confidence` all of them hold at once.

    Goodman 1965, On simultaneous confidence intervals for multinomial proportions, Technometrics 7(2), eq. 2.7 with a
    chi-square of one degree of freedom at (1 - confidence) / k: Wilson's at that level.
    """
    counts = np.asarray(counts, dtype=float)
    return wilson(counts / counts.sum(), counts.sum(), confidence=1 - (1 - confidence) / counts.size)


def newcombe(hits: tuple[float, float], of: tuple[float, float], *, confidence: float) -> tuple[float, float]:
    """Interval of the difference of two shares, first less second (Newcombe 1998, Stat. in Medicine 17, method 10)."""
    p, n = np.asarray(hits, dtype=float) / of, np.asarray(of, dtype=float)
    (l1, l2), (u1, u2) = wilson(p, n, confidence=confidence)
    d = p[0] - p[1]
    return float(d - np.hypot(p[0] - l1, u2 - p[1])), float(d + np.hypot(u1 - p[0], p[1] - l2))


def grouped_share(
    part: np.ndarray, whole: np.ndarray, *, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of a sum over a sum, (groups, ...): share, low, high, with customers who stand in it often counted once.

    Wilson's at the number of independent observations: the whole over the design effect, the variance between the
    groups over that of independent observations, at least 1; Student's t for the number of groups (Korn & Graubard
    1998, Survey Methodology 24). NaN where the whole is 0 or fewer than two groups are there.
    """
    groups, n = len(whole), whole.sum(axis=0).astype(float)
    share = np.divide(part.sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    if groups < 2:
        return share, np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    between = groups / (groups - 1) * ((part - share * whole) ** 2).sum(axis=0)
    alone = n * share * (1 - share)
    effect = np.maximum(np.divide(between, alone, out=np.ones(n.shape), where=alone > 0), 1)
    effect = effect * (t.ppf((1 + confidence) / 2, groups - 1) / norm.ppf((1 + confidence) / 2)) ** 2
    return share, *wilson(share, n / effect, confidence=confidence)
