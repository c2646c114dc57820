"""Whether keeping customers pays: break-even, an offer's net profit, how sure it is, and what it hangs on.

in:  customers, save rate (a number, or `save_rates.Holdout` or `Assumed`), value (profit a kept customer), costs
out: frozen `Decision`, `OfferProfit`, `Outlook`; `decisions` and `tornado` as small pandas frames

Rule (Kotler): spend as long as the cost is below the profit it saves, customers x save rate x value. The save rate is
what the offer *causes*: the share kept among the treated less that among those held out. Value is profit, not revenue.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from clvbook.errors import NotComputable
from clvbook.retention.save_rates import Assumed, Holdout, Range

WHY = {
    "save_rate": "no save rate is known: hold some customers out of a campaign, or set an assumption",
    "value": "no value is known: it is profit, which needs margin_rate",
    "cost": "no cost is known: bring what messages, coupons and service cost",
    "kept_untreated": "the share that stays without the offer is not known: hold some customers out of a campaign",
}


@dataclass(frozen=True)
class Decision:
    """recoverable: customers x save rate x value, profit that the offer saves; cost: of all of it; both in currency.

    break_even: what may at most be spent a head, save rate x value.
    """

    recoverable: float
    cost: float
    break_even: float

    @property
    def net(self) -> float:
        """Profit saved less its cost."""
        return self.recoverable - self.cost

    @property
    def spend(self) -> bool:
        """Whether the cost is below what it saves."""
        return self.cost < self.recoverable


def decide(
    *, customers: int, save_rate: float | None, value: float | None, cost: float | None
) -> Decision | NotComputable:
    """Whether to spend `cost` (in all) on `customers`: yes if it is below customers x save rate x value.

    value: profit a kept customer still brings. NotComputable, with what is missing, where one of the three is.
    """
    missing = _missing(save_rate=save_rate, value=value, cost=cost)
    if missing is not None:
        return missing
    return Decision(recoverable=customers * save_rate * value, cost=cost, break_even=save_rate * value)


def decisions(groups: pd.DataFrame) -> pd.DataFrame:
    """`decide` for each row of `groups`, such as stages by value band: customers, save_rate, value, cost (in all).

    Adds break_even (a head), recoverable, net (currency) and spend (bool); each a NotComputable where a figure of the
    row is missing.
    """
    found = [
        decide(customers=row.customers, save_rate=row.save_rate, value=row.value, cost=row.cost)
        for row in groups.itertuples()
    ]
    names = ["break_even", "recoverable", "net", "spend"]
    return groups.assign(**{name: pd.Series([getattr(d, name) for d in found], groups.index, object) for name in names})


def gain_a_head(*, value, kept_treated, kept_untreated, incentive=0.0, contact=0.0):
    """Net profit of treating one customer, p1 (V - incentive) - contact - p0 V: treat where it is above 0 (Haupt).

    The incentive is paid to whoever stays, also to those who would have stayed. Plain arithmetic: numbers, arrays and
    Ibis columns are welcome.
    """
    return kept_treated * (value - incentive) - contact - kept_untreated * value


@dataclass(frozen=True)
class OfferProfit:
    """What an offer to all of a group brings, in currency.

    saved: value of those it keeps; incentive_saved and incentive_stayers: the incentive taken by them, and by those
    who would have stayed anyway; contact, fixed: costs.
    """

    saved: float
    incentive_saved: float
    incentive_stayers: float
    contact: float
    fixed: float

    @property
    def net(self) -> float:
        """Value saved less all costs."""
        return self.saved - self.incentive_saved - self.incentive_stayers - self.contact - self.fixed


def offer_profit(
    *,
    customers: int,
    leaving: float,
    success: float,
    value: float | None,
    incentive: float = 0.0,
    contact: float = 0.0,
    fixed: float = 0.0,
) -> OfferProfit | NotComputable:
    """Profit of a campaign, n {b g V + b d (1-g) - d - c} - A (Neslin et al. 2006), taken apart.

    leaving: b, share who would leave; success: g, share of them that the offer keeps; value: V; incentive: d, paid to
    whoever stays; contact: c a head; fixed: A.
    """
    missing = _missing(value=value)
    if missing is not None:
        return missing
    kept = customers * leaving * success
    return OfferProfit(
        saved=kept * value,
        incentive_saved=kept * incentive,
        incentive_stayers=customers * (1 - leaving) * incentive,
        contact=customers * contact,
        fixed=fixed,
    )


@dataclass(frozen=True)
class Outlook:
    """Net profit of an offer: its mean, [low, high] at `confidence`, and P(net > 0), all from draws; currency."""

    net: float
    low: float
    high: float
    p_positive: float
    confidence: float


def outlook(
    *,
    customers: int,
    kept: Holdout | Assumed | None,
    value: Range | None,
    incentive: float = 0.0,
    contact: float = 0.0,
    fixed: float = 0.0,
    draws: int = 20_000,
    confidence: float = 0.95,
    seed: int,
) -> Outlook | NotComputable:
    """How sure the net profit of treating `customers` is, with save rate and value drawn independently.

    kept: an experiment, or an assumption. value: profit of a kept customer, mean over the group, with its interval.
    The rest as in `gain_a_head`; fixed is paid once. NotComputable without a save rate or a value, or with an
    incentive where nobody knows how many stay without it.
    """
    stays = getattr(kept, "kept_untreated", 0.0) if incentive else 0.0
    missing = _missing(save_rate=kept, value=value, kept_untreated=stays)
    if missing is not None:
        return missing
    generator = np.random.default_rng(seed)
    with_it, without = kept.draws(draws, generator)
    gain = gain_a_head(
        value=value.draws(draws, generator),
        kept_treated=with_it,
        kept_untreated=without,
        incentive=incentive,
        contact=contact,
    )
    net = customers * gain - fixed
    low, high = np.quantile(net, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Outlook(float(net.mean()), float(low), float(high), float((net > 0).mean()), confidence)


def list_outlook(
    groups: pd.DataFrame,
    *,
    value: Range,
    together: bool = False,
    draws: int = 20_000,
    confidence: float = 0.95,
    seed: int,
) -> Outlook:
    """How sure the net profit of a list is, its save rates and the level of all values drawn independently.

    groups: value (sum over the listed customers), cost (in all), save_rate, low, high; one row a group with a save rate
    of its own, whose interval is at `confidence`. value: a factor of all values. together: the save rates rest on one
    assumption, and are too high or too low all at once.
    """
    generator = np.random.default_rng(seed)
    z = generator.standard_normal((draws, 1 if together else len(groups))) / norm.ppf((1 + confidence) / 2)
    rate, low, high = (groups[name].to_numpy(dtype=float) for name in ("save_rate", "low", "high"))
    kept = rate + z * np.where(z < 0, rate - low, high - rate)
    net = value.draws(draws, generator) * (kept @ groups.value.to_numpy(dtype=float)) - groups.cost.sum()
    ends = np.quantile(net, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Outlook(float(net.mean()), *map(float, ends), float((net > 0).mean()), confidence)


def tornado(result: Callable[..., float], assumptions: Mapping[str, Range]) -> pd.DataFrame | NotComputable:
    """Which assumption moves `result` how much, each moved alone: assumption, low, high, at_low, at_high, swing.

    result takes the assumptions by name. low and high are the assumption's, at_low and at_high the result there;
    swing, their distance, is largest in the first row. NotComputable where the result is, anywhere.
    """
    centre = {name: assumed.estimate for name, assumed in assumptions.items()}
    rows = []
    for name, assumed in assumptions.items():
        ends = [result(**(centre | {name: end})) for end in (assumed.low, assumed.high)]
        for end in ends:
            if isinstance(end, NotComputable):
                return end
        rows.append((name, assumed.low, assumed.high, *ends, abs(ends[1] - ends[0])))
    frame = pd.DataFrame(rows, columns=["assumption", "low", "high", "at_low", "at_high", "swing"])
    return frame.sort_values("swing", ascending=False, kind="stable", ignore_index=True)


def _missing(**inputs: object) -> NotComputable | None:
    """Why the first input that is missing is, if one is: None, NaN, or a NotComputable, whose own reason goes on."""
    for name, given in inputs.items():
        if isinstance(given, NotComputable):
            return given
        if given is None or (isinstance(given, float) and math.isnan(given)):
            return NotComputable(WHY[name])
    return None
