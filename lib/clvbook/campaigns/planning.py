"""Before the next campaign: how many customers, how large a holdout, and which effect could be seen with it.

in:  rates, money and planned sizes — organic (the rate at which customers buy without the campaign), holdout_share
     (share of the planned customers who are not sent to), effect (treated less organic rate)
out: frozen results with a sentence, and a small table of planned sizes

An effect is seen where Newcombe's interval of the difference, at `confidence`, lies above 0; its chance is summed over
the buyers that either arm may have. Only `arms_needed` is the textbook's formula, which promises too much where the
holdout is small: its 80 % are 76 % at 220 expected buyers in a holdout of a tenth, 64 % at 15 and 34 % at 1.5.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binom, norm

from clvbook.campaigns.wording import count, number, percent, points, rough
from clvbook.errors import BadParameters, NotComputable

LONGEST = 120  # months beyond which nobody waits


@dataclass(frozen=True)
class Arms:
    """Customers needed: control (held out), treated, total; control and treated to the nearest customer."""

    control: int
    treated: int
    total: int


@dataclass(frozen=True)
class Effect:
    """The smallest effect that could be seen: difference of rates, treated rate, lift over organic, and a sentence."""

    difference: float
    treated_rate: float
    lift: float | NotComputable
    sentence: str


@dataclass(frozen=True)
class HoldoutWorth:
    """What a holdout costs and what it tells; see `holdout_worth`.

    control, treated: customers. half_width: of the interval of the effect, difference of rates; effect: the one
    assumed; break_even: the effect that earns back the cost of a send, and power the chance that the interval settles
    on which side of it the effect lies (of 0, where break_even is NotComputable). sales_forgone: expected sales not
    made in the holdout; profit_forgone: their margin less the cost saved (negative: the holdout saves money).
    """

    control: int
    treated: int
    effect: float
    half_width: float
    break_even: float | NotComputable
    power: float
    sales_forgone: float
    profit_forgone: float | NotComputable
    sentence: str


@dataclass(frozen=True)
class Months:
    """Monthly campaigns to pool until the effect can be seen, and a sentence."""

    months: int | NotComputable
    sentence: str


def arms_needed(
    organic: float, treated_rate: float, *, holdout_share: float = 0.5, confidence: float = 0.95, power: float = 0.8
) -> Arms | NotComputable:
    """Customers with which treated_rate is told from organic: n_C = z^2 [p_C q_C + p_T q_T / k] / d^2, k = n_T / n_C.

    d = p_T - p_C, z = z_(1 + confidence)/2 + z_power; Fleiss, Levin & Paik 2003, ch. 4, without continuity correction.
    NotComputable where the two rates are the same.
    """
    _check_rates(organic=organic, treated_rate=treated_rate)
    if organic == treated_rate:
        return NotComputable("an effect of 0 cannot be seen with any number of customers")
    k = _treated_per_control(holdout_share)
    variance = organic * (1 - organic) + treated_rate * (1 - treated_rate) / k
    control = _z(confidence, power) ** 2 * variance / (treated_rate - organic) ** 2
    return Arms(round(control), round(control * k), round(control * (1 + k)))


def smallest_effect(
    customers: int, *, organic: float, holdout_share: float, confidence: float = 0.95, power: float = 0.8
) -> Effect | NotComputable:
    """The smallest increase of the rate that `customers` in all would show with `power`.

    NotComputable where even a treated rate of 1 could not be told from organic, or an arm is empty.
    """
    _check_rates(organic=organic)
    _z(confidence, power)
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    chance = _chance(control, treated, organic, bar=0.0, above=True, confidence=confidence)
    if chance(1.0) < power:
        return NotComputable(f"not enough data: {count(customers, 'customer')} could show no effect, however large")
    rate = brentq(lambda rate: chance(rate) - power, organic, 1.0, xtol=1e-12)
    difference = rate - organic
    lift = difference / organic if organic else NotComputable("nobody buys without the campaign, so no lift over it")
    said = f"With {customers:,} customers, {control:,} of them held out, an increase from {percent(organic)} to "
    said += f"{percent(rate)} or more would be seen in {percent(power)} of campaigns; a smaller one would mostly not."
    return Effect(difference, rate, lift, said)


def revenue_sd(*, rate: float, basket: float, basket_sd: float) -> float:
    """Standard deviation of revenue per recipient: sqrt(p (sd^2 + basket^2) - (p basket)^2); no purchase counts 0."""
    _check_rates(rate=rate)
    return math.sqrt(rate * (basket_sd**2 + basket**2 * (1 - rate)))


def smallest_revenue_effect(
    customers: int, *, sd: float | NotComputable, holdout_share: float, confidence: float = 0.95, power: float = 0.8
) -> float | NotComputable:
    """The smallest increase of mean revenue per recipient, in currency, to be seen: z sd sqrt(1/n_C + 1/n_T)."""
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    return sd * (_z(confidence, power) * math.sqrt(1 / control + 1 / treated))


def planned_sizes(
    sizes: Sequence[int],
    *,
    organic: float,
    holdout_share: float,
    sd: float | NotComputable,
    confidence: float = 0.95,
    power: float = 0.8,
) -> pd.DataFrame:
    """What each planned size could show, one row a size.

    customers, holdout, smallest_rate (treated), smallest_difference and smallest_lift (shares), smallest_revenue
    (currency a recipient; sd is that of revenue per recipient), sentence; NotComputable where nothing could be seen.
    """
    rows = []
    for size in sizes:
        plan = {"holdout_share": holdout_share, "confidence": confidence, "power": power}
        seen = smallest_effect(size, organic=organic, **plan)
        rows.append(
            {
                "customers": size,
                "holdout": _split(size, holdout_share)[0],
                "smallest_rate": seen.treated_rate,
                "smallest_difference": seen.difference,
                "smallest_lift": seen.lift,
                "smallest_revenue": smallest_revenue_effect(size, sd=sd, **plan),
                "sentence": str(seen.sentence),
            }
        )
    return pd.DataFrame(rows)


def holdout_worth(
    customers: int,
    *,
    holdout_share: float,
    organic: float,
    effect: float,
    basket: float,
    cost_each: float,
    margin_rate: float | None = None,
    confidence: float = 0.95,
) -> HoldoutWorth | NotComputable:
    """What holding out a share of `customers` costs at an assumed effect, and what it tells.

    Sales forgone: n_C effect basket; profit forgone: n_C (margin effect basket - cost_each). half_width is Newcombe's
    at the expected buyers. The decision it can change: is the effect above break_even, cost_each / (margin basket)?
    power is the chance that the interval lies on the true side of it.
    """
    _check_rates(organic=organic, treated_rate=organic + effect)
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    bar, even = _bar(basket, cost_each, margin_rate)
    z, rate = _z(confidence), organic + effect
    (_, under, over), (_, low, high) = _wilson(organic * control, control, z), _wilson(rate * treated, treated, z)
    half = (math.hypot(rate - low, over - organic) + math.hypot(high - rate, organic - under)) / 2
    power = _chance(control, treated, organic, bar=bar, above=effect > bar, confidence=confidence)(rate)
    sales = control * effect * basket
    profit = control * (margin_rate * effect * basket - cost_each) if margin_rate is not None else even
    said = f"Holding out {control:,} of {customers:,} customers "
    said += f"gives up about {number(sales)} of sales" if sales > 0 else "gives up no sales"
    if margin_rate is not None:
        said += f" ({number(profit)} of profit)" if profit > 0 else f" and saves {number(-profit)} in all"
    question = "whether it works at all" if margin_rate is None else "whether it earns back its cost"
    said += (
        f", if the campaign moves {points(effect)}; it tells that effect to within {points(half)} either way, which in "
        f"{percent(round(power, 2))} of such campaigns settles {question}."
    )
    return HoldoutWorth(control, treated, effect, half, even, power, sales, profit, said)


def best_holdout(
    customers: int,
    *,
    organic: float,
    effect: float,
    basket: float,
    cost_each: float,
    margin_rate: float | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
) -> HoldoutWorth | NotComputable:
    """The smallest holdout that settles with `power` whether the effect is above break-even (or 0), and its worth.

    What a holdout of a campaign that pays costs grows with its size, so the smallest that suffices is the best, up to
    half of the customers. NotComputable where none suffices: pool months instead (`months_needed`).
    """
    _z(confidence, power)
    plan = {"organic": organic, "effect": effect, "basket": basket, "cost_each": cost_each, "margin_rate": margin_rate}

    def worth(control: int) -> HoldoutWorth | NotComputable:
        return holdout_worth(customers, holdout_share=control / customers, **plan, confidence=confidence)

    low, high = 0, 1
    while high <= customers // 2:
        if worth(high).power >= power:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if worth(middle).power >= power else (middle, high)
            return worth(high)
        low, high = high, max(high + 1, min(round(1.2 * high), customers // 2))
    return NotComputable(
        f"not enough data: in one campaign not even half of {count(customers, 'customer')} held out would settle an "
        f"effect of {points(effect)}; pool several months"
    )


def months_needed(
    effect: float,
    *,
    customers: int,
    organic: float,
    holdout_share: float,
    correlation: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
) -> Months | NotComputable:
    """How many monthly campaigns to `customers` each, with a standing holdout, until `effect` can be seen.

    The same customers stand in the same arm each month; correlation is that of one customer's purchases between
    months. M months count as M / (1 + (M - 1) correlation) (Kish's design effect), which never exceeds 1 / correlation.
    """
    _check_rates(organic=organic, treated_rate=organic + effect)
    _z(confidence, power)
    if not 0 <= correlation < 1:
        raise BadParameters(f"correlation: {correlation}: is none of a standing holdout", "write it from 0 to below 1")
    if not all(_split(customers, holdout_share)):
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    if not effect:
        return NotComputable("an effect of 0 cannot be seen in any number of months")

    def seen(months: int) -> bool:
        arms = _split(round(customers * months / (1 + (months - 1) * correlation)), holdout_share)
        chance = _chance(*arms, organic, bar=0.0, above=effect > 0, confidence=confidence)
        return chance(organic + effect) >= power

    low, high = 0, 1
    while not seen(high):
        if high == LONGEST:
            why = f"not enough data: {LONGEST} monthly campaigns to the same customers would not show it"
            return Months(NotComputable(why), f"{why[17].upper()}{why[18:]}: a longer list is needed.")
        low, high = high, min(2 * high, LONGEST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    said = f"A change from {percent(organic)} to {percent(organic + effect)} shows after about "
    said += f"{count(rough(high), 'monthly campaign')} to {count(customers, 'customer')} each, if the same "
    said += f"{percent(holdout_share)} of them stay held out throughout."
    return Months(high, said)


def _chance(
    control: int, treated: int, organic: float, *, bar: float, above: bool, confidence: float
) -> Callable[[float], float]:
    """Treated rate -> chance that Newcombe's interval lies above (else below) `bar`, summed over both arms' buyers."""
    z = _z(confidence)
    held = np.arange(binom.ppf(1e-9, control, organic), binom.isf(1e-9, control, organic) + 1)
    weight, sign = binom.pmf(held, control, organic), 1 if above else -1
    rate, under, over = _wilson(held, control, z)

    def lies_beyond(bought: np.ndarray) -> np.ndarray:
        treated_rate, low, high = _wilson(bought, treated, z)
        a, b = (treated_rate - low, over - rate) if above else (high - treated_rate, rate - under)
        return sign * (treated_rate - rate - bar) > np.hypot(a, b)

    no, yes = (np.full(len(held), end) for end in ((-1, treated + 1) if above else (treated + 1, -1)))
    while (abs(yes - no) > 1).any():  # the number of buyers from which on the interval lies beyond, for each `held`
        middle = (no + yes) // 2
        beyond = lies_beyond(middle)
        no, yes = np.where(beyond, no, middle), np.where(beyond, middle, yes)
    if above:
        return lambda rate: float(weight @ binom.sf(yes - 1, treated, rate))
    return lambda rate: float(weight @ binom.cdf(yes, treated, rate))


def _wilson(bought: np.ndarray, n: int, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    share = np.clip(bought, 0, n) / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, centre - half, centre + half


def _bar(basket: float, cost_each: float, margin_rate: float | None) -> tuple[float, float | NotComputable]:
    if not (basket > 0 and cost_each >= 0 and (margin_rate is None or 0 < margin_rate <= 1)):
        raise BadParameters(
            f"basket {basket}, cost_each {cost_each}, margin_rate {margin_rate}: cannot be planned with",
            "the basket is above 0, the cost of a send 0 or more, the margin a share or None",
        )
    if margin_rate is None:
        return 0.0, NotComputable("margin_rate is not set")
    even = cost_each / (margin_rate * basket)
    return even, even


def _z(confidence: float, power: float = 0.5) -> float:
    for name, value in (("confidence", confidence), ("power", power)):
        if not 0.5 <= value < 1:
            raise BadParameters(f"{name}: {value}: promises nothing", "write it from 0.5 to below 1")
    return float(norm.ppf((1 + confidence) / 2) + norm.ppf(power))


def _treated_per_control(holdout_share: float) -> float:
    if not 0 < holdout_share < 1:
        raise BadParameters(f"holdout_share: {holdout_share}: is no share", "write it between 0 and 1, such as 0.1")
    return (1 - holdout_share) / holdout_share


def _split(customers: int, holdout_share: float) -> tuple[int, int]:
    _treated_per_control(holdout_share)
    if not customers >= 0:
        raise BadParameters(f"customers: {customers}: is no number of customers", "write 0 or more")
    control = round(customers * holdout_share)
    return control, customers - control


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise BadParameters(f"{name}: {rate}: is no rate", "write it from 0 to 1, such as 0.003")
