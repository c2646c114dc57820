"""Save rates: the share of customers kept because of an offer, from experiments or assumed, and what a kept one costs.

in:  counts of a holdout experiment — offer, treated, kept_treated, held_out, kept_held_out (pandas); assumed figures
out: frozen `Range`, `Holdout`, `Assumed`, which draw; save rates and costs a kept customer as small pandas frames
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.intervals import newcombe

COUNTS = ["treated", "kept_treated", "held_out", "kept_held_out"]


@dataclass(frozen=True)
class Range:
    """An assumed or estimated figure: its central value and [low, high], its interval at `confidence`."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.low <= self.estimate <= self.high:
            raise InputRefused(
                f"{self.estimate:g} is not within [{self.low:g}, {self.high:g}]", "low <= estimate <= high"
            )

    def draws(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Two half normals that meet at the estimate: the ends are the interval's quantiles, skewed or not."""
        z = generator.standard_normal(size)
        below, above = self.estimate - self.low, self.high - self.estimate
        return self.estimate + z * np.where(z < 0, below, above) / norm.ppf((1 + self.confidence) / 2)


@dataclass(frozen=True)
class Holdout:
    """Who stayed in an experiment: customers assigned to the offer and those of them who stayed, and those held out."""

    treated: int
    kept_treated: int
    held_out: int
    kept_held_out: int

    def __post_init__(self) -> None:
        if not (0 <= self.kept_treated <= self.treated > 0 and 0 <= self.kept_held_out <= self.held_out > 0):
            raise InputRefused(
                f"{self.kept_treated:,} of {self.treated:,} treated and {self.kept_held_out:,} of {self.held_out:,} "
                "held out make no experiment",
                "both arms need customers, and no more can stay than were assigned",
            )

    @property
    def _arms(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.kept_treated, self.treated), (self.kept_held_out, self.held_out)

    @property
    def save_rate(self) -> float:
        """Share kept because of the offer; negative where it drove customers away."""
        return self.kept_treated / self.treated - self.kept_held_out / self.held_out

    @property
    def standard_error(self) -> float:
        """Of the save rate; half a customer more stays and leaves: an arm in which all stayed is not certain."""
        shares = [((kept + 0.5) / (n + 1), n) for kept, n in self._arms]
        return math.sqrt(sum(p * (1 - p) / n for p, n in shares))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Newcombe's interval of the save rate."""
        return newcombe(*zip(*self._arms, strict=True), confidence=confidence)

    def draws(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Shares kept with and without the offer, from the arms' posteriors under Jeffreys' prior."""
        with_it, without = (generator.beta(kept + 0.5, n - kept + 0.5, size) for kept, n in self._arms)
        return with_it, without


@dataclass(frozen=True)
class Assumed:
    """A save rate that no experiment gave, and the share that stays without the offer where it is known."""

    save_rate: Range
    kept_untreated: float | None = None

    def draws(self, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Shares kept with and without the offer; without a known share only their difference means something."""
        without = np.full(size, self.kept_untreated or 0.0)
        return without + self.save_rate.draws(size, generator), without


def save_rates(counts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Save rates of experiments: the given columns, save_rate, standard_error, low, high (Newcombe) and shrunken.

    counts: offer, treated, kept_treated, held_out, kept_held_out, one row an experiment (such as a segment). shrunken
    draws each rate towards the mean of its offer as far as chance alone spreads them (DerSimonian & Laird's variance
    between rows): whoever picks the best of several measured rates picks luck, too, and should plan with this one.
    """
    arms = [Holdout(*map(int, row)) for row in counts[COUNTS].itertuples(index=False)]
    low, high = zip(*(arm.interval(confidence) for arm in arms), strict=True) if arms else ((), ())
    rate = pd.Series([arm.save_rate for arm in arms], counts.index, float)
    error = pd.Series([arm.standard_error for arm in arms], counts.index, float)
    found = counts.assign(save_rate=rate, standard_error=error, low=low, high=high, shrunken=rate)
    for rows in found.groupby("offer").groups.values():
        found.loc[rows, "shrunken"] = _shrink(rate[rows], error[rows])
    return found


def _shrink(rate: pd.Series, error: pd.Series) -> pd.Series:
    if len(rate) < 2:
        return rate
    weight = 1 / error**2
    excess = (weight * (rate - np.average(rate, weights=weight)) ** 2).sum() - (len(rate) - 1)
    between = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    mean = np.average(rate, weights=1 / (error**2 + between))
    return mean + (rate - mean) * between / (between + error**2)


def cost_per_retained(offers: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """What a kept customer costs: the given columns, save_rate, average, average_low, average_high and marginal.

    offers: offer, cost (a head, everything in it), treated, kept_treated, held_out, kept_held_out; sorted by cost in
    the result. average = cost / save rate; marginal = added cost / added save rate over the next cheaper offer (over
    none: the average), the one to hold against the cost of acquiring a customer (Pfeifer 2005). NotComputable where
    the effect, or what the dearer offer adds, is not distinguishable from zero at `confidence`.
    """
    found = save_rates(offers.sort_values("cost", kind="stable", ignore_index=True), confidence=confidence)
    z = norm.ppf((1 + confidence) / 2)
    rows, cheaper = [], None
    for row in found.itertuples():
        if row.low <= 0:
            nothing = NotComputable(
                f"the effect of {row.offer} is not distinguishable from zero: "
                f"{row.save_rate:.2%} kept, [{row.low:.2%}, {row.high:.2%}]"
            )
            rows.append((nothing,) * 4)
            continue
        average = (row.cost / row.save_rate, row.cost / row.high, row.cost / row.low)
        if cheaper is None:
            marginal = average[0]
        else:
            added = row.save_rate - cheaper.save_rate
            sure = added > z * math.hypot(row.standard_error, cheaper.standard_error)
            marginal = (
                (row.cost - cheaper.cost) / added
                if sure
                else NotComputable(f"what {row.offer} adds to {cheaper.offer} is not distinguishable from zero")
            )
        rows.append((*average, marginal))
        cheaper = row
    names = ["average", "average_low", "average_high", "marginal"]
    columns = zip(*rows, strict=True) if rows else [()] * 4
    added = {name: pd.Series(list(column), found.index, object) for name, column in zip(names, columns, strict=True)}
    return found.drop(columns="shrunken").assign(**added)
