"""Before the next campaign: how many customers, how large a holdout, and which effect could be seen with it.

in:  rates, money and planned sizes — organic (the rate at which customers buy without the campaign), holdout_share
     (share of the planned customers who are not sent to), effect (treated less organic rate)
out: frozen results with a sentence, and a small table of planned sizes

Two-sided test at 1 - confidence, seen with `power`: with z = z_confidence + z_power, n_C controls and n_T treated,
d^2 = z^2 [p_C q_C / n_C + p_T q_T / n_T] (Fleiss, Levin & Paik 2003, 4.14, without continuity correction). It is good
from about 5 expected buyers in the holdout on; below, take a smallest effect as "at least".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import norm

from clvbook.campaigns.wording import count, number, percent, rough
from clvbook.errors import BadParameters, NotComputable


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
    """Monthly campaigns to pool until the effect can be seen, the customer-sends in them, and a sentence."""

    months: int | NotComputable
    sends: int
    sentence: str


def arms_needed(
    organic: float, treated_rate: float, *, holdout_share: float = 0.5, confidence: float = 0.95, power: float = 0.8
) -> Arms | NotComputable:
    """Customers with which treated_rate is told from organic: n_C = z^2 [p_C q_C + p_T q_T / k] / d^2, k = n_T / n_C.

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
    """The smallest increase of the rate that `customers` in all would show: `arms_needed` solved for the treated rate.

    p_T q_T is quadratic in d, so with a = z^2 / n_T: (1 + a) d^2 - a (1 - 2 p) d - p q z^2 (1/n_C + 1/n_T) = 0.
    NotComputable where even a treated rate of 1 could not be told from organic, or an arm is empty.
    """
    _check_rates(organic=organic)
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    z = _z(confidence, power)
    a, b = z * z / treated, z * z / treated * (1 - 2 * organic)
    c = organic * (1 - organic) * z * z * (1 / control + 1 / treated)
    difference = (b + math.sqrt(b * b + 4 * (1 + a) * c)) / (2 * (1 + a))
    rate = organic + difference
    if rate > 1:
        return NotComputable(f"not enough data: {count(customers, 'customer')} could show no effect, however large")
    lift = difference / organic if organic else NotComputable("nobody buys without the campaign, so no lift over it")
    said = f"With {customers:,} customers, {control:,} of them held out, an increase from {percent(organic)} to "
    said += f"{percent(rate)} or more would be seen in {percent(power)} of campaigns; a smaller one would mostly not."
    if organic * control < 5:
        said += f" Only {number(organic * control)} buyers are expected in the holdout, so take this as the least."
    return Effect(difference, rate, lift, said)


def revenue_sd(*, rate: float, basket: float, basket_sd: float) -> float:
    """Standard deviation of revenue per recipient: sqrt(p (sd^2 + basket^2) - (p basket)^2), who does not buy being 0."""
    _check_rates(rate=rate)
    return math.sqrt(rate * (basket_sd**2 + basket**2 * (1 - rate)))


def smallest_revenue_effect(
    customers: int, *, sd: float, holdout_share: float, confidence: float = 0.95, power: float = 0.8
) -> float | NotComputable:
    """The smallest increase of mean revenue per recipient, in currency, to be seen: z sd sqrt(1/n_C + 1/n_T)."""
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    return _z(confidence, power) * sd * math.sqrt(1 / control + 1 / treated)


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
                "smallest_revenue": sd
                if isinstance(sd, NotComputable)
                else smallest_revenue_effect(size, sd=sd, **plan),
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

    Sales forgone: n_C effect basket; profit forgone: n_C (margin effect basket - cost_each). Half-width:
    z sqrt(p_C q_C / n_C + p_T q_T / n_T). The decision it can change: is the effect above break_even, cost_each /
    (margin basket)? Its chance of settling that is P(|estimate - break_even| > half_width) on the true side.
    """
    _check_rates(organic=organic, treated_rate=organic + effect)
    control, treated = _split(customers, holdout_share)
    if not control or not treated:
        return NotComputable(f"not enough data: {count(customers, 'customer')} leave an arm empty")
    bar, even = _bar(basket, cost_each, margin_rate)
    error = math.sqrt(_variance(organic) / control + _variance(organic + effect) / treated)
    half = _z(confidence) * error
    power = float(norm.cdf(abs(effect - bar) / error - _z(confidence))) if error else 1.0
    sales = control * effect * basket
    profit = control * (margin_rate * effect * basket - cost_each) if margin_rate is not None else even
    said = f"Holding out {control:,} of {customers:,} customers gives up about {number(sales)} of sales"
    if margin_rate is not None:
        said += f" ({number(profit)} of profit)" if profit > 0 else f" but saves {number(-profit)} of cost in all"
    question = "whether the campaign earns back its cost" if margin_rate is not None else "whether it works at all"
    said += (
        f", and tells the effect to within {percent(half)[:-2]} points either way: in {percent(power)} of such "
        f"campaigns that settles {question}."
    )
    return HoldoutWorth(control, treated, effect, half, even, power, sales, profit, said)


def best_holdout_share(
    customers: int,
    *,
    organic: float,
    effect: float,
    basket: float,
    cost_each: float,
    margin_rate: float | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
) -> float | NotComputable:
    """The smallest holdout, as a share, that settles with `power` whether the effect is above break-even (or above 0).

    What a holdout costs grows with its size, so the smallest that suffices is the best: with a = p_C q_C, b = p_T q_T
    and W = customers (effect - break_even)^2 / z^2, the smaller root of W h^2 + (b - a - W) h + a = 0. NotComputable
    where no share suffices: pool months instead (`months_needed`).
    """
    _check_rates(organic=organic, treated_rate=organic + effect)
    a, b = _variance(organic), _variance(organic + effect)
    distance = effect - _bar(basket, cost_each, margin_rate)[0]
    w = customers * (distance / _z(confidence, power)) ** 2
    middle = a + w - b
    under = middle * middle - 4 * w * a
    if w and under >= 0 and 0 < (share := 2 * a / (middle + math.sqrt(under))) < 1:
        return share
    return NotComputable(
        f"not enough data: no holdout among {count(customers, 'customer')} would settle an effect of "
        f"{number(100 * effect)} points; pool several months"
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
    needed = arms_needed(organic, organic + effect, holdout_share=holdout_share, confidence=confidence, power=power)
    if not isinstance(needed, Arms):
        return needed
    alone = needed.total / customers
    if alone * correlation >= 1:
        why = "not enough data: the same customers would not show it in any number of months"
        return Months(NotComputable(why), needed.total, f"{why[17].upper()}{why[18:]}; a longer list is needed.")
    months = max(math.ceil(alone * (1 - correlation) / (1 - alone * correlation)), 1)
    said = f"An increase from {percent(organic)} to {percent(organic + effect)} shows after about "
    said += f"{count(rough(months), 'monthly campaign')} to {count(customers, 'customer')} each, if the same "
    said += f"{percent(holdout_share)} of them stay held out throughout."
    return Months(months, needed.total, said)


def _bar(basket: float, cost_each: float, margin_rate: float | None) -> tuple[float, float | NotComputable]:
    if margin_rate is None:
        return 0.0, NotComputable("margin_rate is not set")
    even = cost_each / (margin_rate * basket)
    return even, even


def _variance(rate: float) -> float:
    return rate * (1 - rate)


def _z(confidence: float, power: float = 0.5) -> float:
    for name, value in (("confidence", confidence), ("power", power)):
        if not 0 < value < 1:
            raise BadParameters(f"{name}: {value}: is no share", "write it between 0 and 1")
    return float(norm.ppf((1 + confidence) / 2) + norm.ppf(power))


def _treated_per_control(holdout_share: float) -> float:
    if not 0 < holdout_share < 1:
        raise BadParameters(f"holdout_share: {holdout_share}: is no share", "write it between 0 and 1, such as 0.1")
    return (1 - holdout_share) / holdout_share


def _split(customers: int, holdout_share: float) -> tuple[int, int]:
    _treated_per_control(holdout_share)
    control = round(customers * holdout_share)
    return control, customers - control


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise BadParameters(f"{name}: {rate}: is no rate", "write it from 0 to 1, such as 0.003")
