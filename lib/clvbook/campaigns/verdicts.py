"""The two bars of a campaign — conversion and revenue per cost, "1:R" — each pass, fail or not enough data.

in:  counts and money of one campaign — recipients, buyers, revenue and revenue_squares (sum and sum of squares of net
     revenue per recipient, so 0 for who did not buy), cost; targets, margin_rate
out: frozen results, each with its verdict and a sentence that a shop owner understands

Revenue is what the attribution window gives the campaign, whether or not the campaign caused it.
"""

import math
from dataclasses import dataclass
from numbers import Integral

import pandas as pd
from scipy.stats import norm

from clvbook.campaigns.wording import count, more_sends, number, percent
from clvbook.errors import BadParameters, InputRefused, NotComputable

PASS, FAIL, UNKNOWN = "pass", "fail", "not enough data"
MIN_BUYERS = 10  # equally large orders below which revenue carries no interval: from there on it covers (see `ratio`)
_CENT = 0.005  # less than this is no money


@dataclass(frozen=True)
class Interval:
    """An observed value and where the true one may lie: low <= value <= high, all in the unit of value."""

    value: float
    low: float | NotComputable
    high: float


@dataclass(frozen=True)
class Verdict:
    """One bar: verdict (pass, fail, not enough data), sentence, observed value with its interval, and the target.

    observed is a share of recipients for conversion, revenue per unit of cost for the ratio. more_sends: how many more
    recipients would settle a "not enough data", at the value observed so far; 0 where the verdict stands.
    applies: whether the bar was made for a campaign like this one (for the ratio: the mean basket is in basket_range).
    """

    verdict: str
    sentence: str
    observed: Interval | NotComputable
    target: float
    more_sends: int | NotComputable
    applies: bool | NotComputable = True


@dataclass(frozen=True)
class Economics:
    """What the bars mean in this campaign's money.

    cost_each: cost a recipient. basket: revenue a buyer. implied_conversion: the conversion that the target ratio asks
    for at this cost and basket, p* = target c / basket. With margin_rate m: break_even_conversion c / (m basket),
    break_even_ratio 1/m, profit_roi (m revenue - cost) / cost, and break_even_share cost / (m revenue), the share of
    this revenue that the campaign must have caused to earn back its cost. Reference: identities R = p basket / c.
    """

    cost_each: float | NotComputable
    basket: float | NotComputable
    implied_conversion: float | NotComputable
    break_even_conversion: float | NotComputable
    break_even_ratio: float | NotComputable
    profit_roi: float | NotComputable
    break_even_share: float | NotComputable


def wilson(successes: int, n: int, *, confidence: float) -> Interval | NotComputable:
    """Wilson's (1927) score interval of a share; NotComputable where n is 0."""
    n, successes = _check_counts(n, successes)
    if not n:
        return NotComputable("not enough data: 0 recipients")
    z = _z(confidence)
    share = successes / n
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return Interval(share, min(max(low, 0.0), share), max(min(high, 1.0), share))  # rounding may cross the ends


def sends_needed(rate: float, target: float, *, alpha: float = 0.05, power: float = 0.8) -> int | NotComputable:
    """Recipients with which a one-sided score test at `alpha` tells a true `rate` from `target` with `power`.

    n = (z_alpha sqrt(p0 q0) + z_power sqrt(p q))^2 / (p - p0)^2, p0 the target (Fleiss, Levin & Paik 2003, ch. 2),
    to the nearest recipient. NotComputable where rate and target are the same: no number tells them apart.
    """
    _share(target, "target")
    if not 0 <= rate <= 1:
        raise BadParameters(f"rate: {rate}: is no share", "write it from 0 to 1")
    return _needed(rate, target, rate * (1 - rate), target * (1 - target), alpha=alpha, power=power)


def conversion(*, recipients: int, buyers: int, target: float, confidence: float = 0.95, power: float = 0.8) -> Verdict:
    """Do more than `target` of the recipients buy? By the Wilson interval: low > target passes, high < target fails.

    more_sends is for this verdict's own interval, so a true rate as observed settles it with `power`.
    """
    _share(target, "conversion_target")
    recipients, buyers = _check_counts(recipients, buyers)
    rate = wilson(buyers, recipients, confidence=confidence)
    if isinstance(rate, NotComputable):
        said = "The campaign reached nobody, so there is nothing to judge: check the list of sends."
        return Verdict(UNKNOWN, said, rate, target, rate)
    seen = (
        f"{buyers:,} of {recipients:,} customers bought ({percent(rate.value)}), which puts the true conversion "
        f"between {percent(rate.low)} and {percent(rate.high)}"
    )
    if rate.low > target:
        return Verdict(PASS, f"{seen}: above the {percent(target)} that is asked for.", rate, target, 0)
    if rate.high < target:
        return Verdict(FAIL, f"{seen}: below the {percent(target)} that is asked for.", rate, target, 0)
    needed = sends_needed(rate.value, target, alpha=(1 - confidence) / 2, power=power)
    more = needed if isinstance(needed, NotComputable) else max(needed - recipients, 1)
    seen += f": the {percent(target)} that is asked for lies within, so nobody can tell yet."
    return Verdict(UNKNOWN, f"{seen} {more_sends(more, so_far=recipients)}", rate, target, more)


def ratio(
    *,
    recipients: int,
    buyers: int,
    revenue: float,
    revenue_squares: float,
    cost: float | NotComputable | None,
    target: float,
    basket_range: tuple[float, float],
    confidence: float = 0.95,
    power: float = 0.8,
) -> Verdict:
    """Is revenue at least `target` times the cost? low >= target passes, high < target fails. cost is taken as known.

    Revenue is compound Poisson: orders come by chance and differ in size. Its variance is estimated by the sum of
    squares, and is proportional to the mean at a given mix of orders; the score interval of a Poisson mean then holds
    for k = revenue^2 / revenue_squares, the number of equally large orders that would scatter as much:
    k + z^2/2 -+ z sqrt(k + z^2/4), times revenue / k. With orders of one size it is Wilson's interval for rare buyers.
    Simulated where the truth is the target, at 0.3 % and 95 %: with baskets of 150, sd 80, a campaign passes wrongly in
    2.5-3.0 % at k >= 7 and fails wrongly in 0.2 % at k = 12, 2.5-2.7 % at k >= 23. Where baskets scatter more
    (lognormal, sd twice the mean) it passes wrongly in under 1.5 %, but fails wrongly in 5-8 % at k = 10 to 76: the
    largest orders are yet to come.

    Below MIN_BUYERS such orders nothing passes. It fails only where the most that is plausible stays below the target:
    as many buyers as Wilson allows, each at the top of basket_range or the root mean square order, whichever is more;
    or, from MIN_BUYERS buyers on, revenue plus the error of one order that makes up all of the squares.
    """
    recipients, buyers = _check_counts(recipients, buyers)
    revenue, squares = _check_revenue(recipients, buyers, revenue, revenue_squares)
    if not 0 < target < math.inf:
        raise BadParameters(f"roi_target: {target}: is not above 0", "write revenue per unit of cost, such as 30")
    low, high = basket_range
    if not 0 < low <= high < math.inf:
        raise BadParameters(f"basket_range: {low}, {high}: is no range", "write two amounts, the lower first")
    basket = _basket(buyers, revenue)
    applies = basket if isinstance(basket, NotComputable) else low <= basket <= high
    cost = _cost(recipients, cost)
    if isinstance(cost, NotComputable):
        said = f"What the campaign brought per cost is unknown: {cost}. Enter what it cost in all."
        if not recipients:
            said = "Nobody was reached, so there is no revenue to hold against the cost."
        return Verdict(UNKNOWN, said, cost, target, cost, applies)

    k = revenue * revenue / squares if revenue >= _CENT else 0.0
    found = _ratio_interval(recipients, buyers, revenue, squares, cost, k, top=high, confidence=confidence)
    bar = f"1:{number(target)}"
    if revenue > 0:
        seen = f"Each 1 spent came with {number(found.value)} of sales (1:{number(found.value)})"
    else:
        seen = f"Sales after refunds are {'below zero' if revenue < 0 else 'zero'} (1:{number(found.value)})"
    if isinstance(found.low, float):
        seen += f", which puts the true figure between 1:{number(found.low)} and 1:{number(found.high)}"
    else:
        seen += f", and at the very most 1:{number(found.high)} is plausible"
    beside = f" The {bar} rule of the source does not apply at this basket: it was made for {number(low)} to "
    beside = "" if applies is not False else f"{beside}{number(high)}, and a buyer spent {number(basket)}."
    if found.high < target:
        return Verdict(FAIL, f"{seen}: below {bar}.{beside}", found, target, 0, applies)
    if isinstance(found.low, NotComputable):
        seen += f": {found.low.reason.removeprefix('not enough data: ')}"
    elif found.low >= target:
        return Verdict(PASS, f"{seen}: it reaches {bar}.{beside}", found, target, 0, applies)
    else:
        seen += f": {bar} lies within, so nobody can tell yet"
    more = _more_for_ratio(recipients, revenue, squares, cost, k, target, top=high, confidence=confidence, power=power)
    return Verdict(UNKNOWN, f"{seen}. {more_sends(more, so_far=recipients)}{beside}", found, target, more, applies)


def economics(
    *,
    recipients: int,
    buyers: int,
    revenue: float,
    cost: float | NotComputable | None,
    roi_target: float,
    margin_rate: float | None,
) -> Economics:
    """What the bars mean in this campaign's money; see `Economics`. NotComputable where an input lacks."""
    recipients, buyers = _check_counts(recipients, buyers)
    revenue = float(revenue)
    cost, basket = _cost(recipients, cost), _basket(buyers, revenue)
    if margin_rate is not None and not 0 < margin_rate <= 1:
        raise BadParameters(f"margin_rate: {margin_rate}: is no share", "write it above 0 and up to 1, such as 0.4")
    margin = NotComputable("margin_rate is not set") if margin_rate is None else margin_rate
    each = cost / recipients if recipients else cost
    earned = margin * revenue if revenue >= _CENT else NotComputable("there is no revenue after refunds")
    return Economics(
        cost_each=each,
        basket=basket,
        implied_conversion=roi_target * each / basket,
        break_even_conversion=each / (margin * basket),
        break_even_ratio=1 / margin,
        profit_roi=(margin * revenue - cost) / cost,
        break_even_share=cost / earned,
    )


def _ratio_interval(recipients, buyers, revenue, squares, cost, k, *, top, confidence) -> Interval:
    z = _z(confidence)
    if k >= MIN_BUYERS:
        half = z * math.sqrt(k + z * z / 4)
        low, high = (revenue / cost * (1 + (z * z / 2 + sign * half) / k) for sign in (-1, 1))
        return Interval(revenue / cost, low, high)
    if buyers >= MIN_BUYERS:
        few = f"not enough data: a few large orders or refunds outweigh the rest of {buyers:,} buyers"
        most = revenue + math.sqrt(squares) * (z * z / 2 + z * math.sqrt(1 + z * z / 4))
    else:
        few = f"not enough data: {count(buyers, 'buyer')}, where the sales can be judged from about {MIN_BUYERS} on"
        largest = max(top, math.sqrt(squares / buyers)) if buyers else top
        most = wilson(buyers, recipients, confidence=confidence).high * recipients * largest
    return Interval(revenue / cost, NotComputable(few), most / cost)


def _more_for_ratio(recipients, revenue, squares, cost, k, target, *, top, confidence, power) -> int | NotComputable:
    asked = target * cost / recipients  # of each recipient; a send costs as much next time
    if not squares:  # nobody bought: so many sends until this alone proves the failure
        needed = _z(confidence) ** 2 * (top / asked - 1) + 1
    elif revenue < _CENT:
        return NotComputable("no number of sends can be told from sales that are not above zero")
    else:
        each, spread = revenue / recipients, squares / revenue
        needed = _needed(each, asked, spread * each, spread * asked, alpha=(1 - confidence) / 2, power=power)
        if isinstance(needed, NotComputable):
            return needed
        needed = max(needed, recipients * MIN_BUYERS / k)
    return max(math.ceil(needed) - recipients, 1)


def _needed(value, target, variance, variance_at_target, *, alpha, power) -> int | NotComputable:
    if math.isclose(value, target, rel_tol=1e-12):
        return NotComputable("this is exactly the target, so no number of sends settles it: decide by the other bar")
    error = norm.isf(_share(alpha, "alpha")) * math.sqrt(variance_at_target)
    error += norm.ppf(_share(power, "power")) * math.sqrt(variance)
    return round((error / (value - target)) ** 2)


def _z(confidence: float) -> float:
    return float(norm.ppf((1 + _share(confidence, "confidence")) / 2))


def _share(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise BadParameters(f"{name}: {value}: is no share", "write it between 0 and 1")
    return value


def _check_counts(recipients: int, buyers: int) -> tuple[int, int]:
    if not (isinstance(recipients, Integral) and isinstance(buyers, Integral) and 0 <= buyers <= recipients):
        raise InputRefused(
            f"{buyers} buyers of {recipients} recipients cannot be",
            "count customers, each once, buyers among recipients",
        )
    return int(recipients), int(buyers)  # numpy's would overflow when squared


def _check_revenue(recipients: int, buyers: int, revenue: float, squares: float) -> tuple[float, float]:
    revenue, squares = float(revenue), float(squares)
    if not (
        math.isfinite(revenue) and math.isfinite(squares) and squares * recipients >= revenue * revenue * (1 - 1e-9)
    ):
        raise InputRefused(
            f"revenue {revenue} with a sum of squares of {squares} over {recipients} recipients cannot be",
            "both are sums over the same recipients, 0 where nothing was bought",
        )
    if revenue > 0 and not buyers:
        raise InputRefused(f"revenue {revenue} from 0 buyers cannot be", "count every customer with a kept order")
    return revenue, squares


def _cost(recipients: int, cost: float | NotComputable | None) -> float | NotComputable:
    if isinstance(cost, NotComputable):
        return cost
    if not recipients:
        return NotComputable("not enough data: 0 recipients")
    if cost is None or pd.isna(cost):
        return NotComputable("the campaign's cost is missing")
    cost = float(cost)
    if not math.isfinite(cost) or cost < _CENT:
        return NotComputable(f"a cost of {number(cost) if math.isfinite(cost) else 'no finite amount'} gives no ratio")
    return cost


def _basket(buyers: int, revenue: float) -> float | NotComputable:
    if not buyers:
        return NotComputable("nobody bought, so there is no basket")
    if revenue < _CENT:
        return NotComputable("sales after refunds are not above zero, so there is no basket")
    return revenue / buyers
