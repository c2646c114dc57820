"""What a difference between the arms means in money: incremental revenue, its ratio to cost, profit, and the verdict.

in:  a difference a customer with its interval, the customers treated, cost and margin
out: frozen `Returns`, and one of three words
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from clvbook.errors import NotComputable


class Verdict(StrEnum):
    """Did it pay?"""

    PAID = "paid"
    DID_NOT_PAY = "did not pay"
    NOT_ENOUGH = "not enough data"


class Interval(Protocol):
    """Whatever has an estimate and its interval: a difference, an adjusted or a pooled one."""

    delta: float
    low: float
    high: float


@dataclass(frozen=True)
class Returns:
    """In currency, over all treated customers, each with its interval: incremental revenue; ratio = revenue / cost
    (1:R, iROAS); profit = margin_rate * revenue - cost; roi = profit / cost. NotComputable says what is missing.
    """

    revenue: float
    revenue_low: float
    revenue_high: float
    cost: float | NotComputable
    ratio: float | NotComputable
    ratio_low: float | NotComputable
    ratio_high: float | NotComputable
    profit: float | NotComputable
    profit_low: float | NotComputable
    profit_high: float | NotComputable
    roi: float | NotComputable
    roi_low: float | NotComputable
    roi_high: float | NotComputable


def returns(
    difference: Interval | NotComputable, *, treated: int, cost: float | None, margin_rate: float | None
) -> Returns | NotComputable:
    """The difference of revenue a customer, times the customers treated; the cost is fixed and known, so the intervals
    are those of the difference (no ratio method needed). A cost of 0 or less gives profit, but no ratio.
    """
    if isinstance(difference, NotComputable):
        return difference
    spent = divisor = NotComputable("the cost is not known")
    if cost is not None:
        spent, divisor = cost, cost if cost > 0 else NotComputable("the cost is not above 0: no ratio")
    margin = NotComputable("margin_rate is not set") if margin_rate is None else margin_rate
    revenue = [treated * each for each in (difference.delta, difference.low, difference.high)]
    profit = [margin * each - spent for each in revenue]
    return Returns(
        *revenue, spent, *[each / divisor for each in revenue], *profit, *[each / divisor for each in profit]
    )


def verdict(found: Returns | NotComputable) -> Verdict:
    """At interval level: paid when even the low end of incremental profit is above 0, did not pay when the high end
    is below. Without margin_rate: did not pay when not even all of the revenue covers the cost; paid when it cost
    nothing and brought something. All else, also an unknown cost, is not enough data.
    """
    if isinstance(found, NotComputable) or isinstance(found.cost, NotComputable):
        return Verdict.NOT_ENOUGH
    if not isinstance(found.profit, NotComputable):
        low, high = found.profit_low, found.profit_high
    elif found.cost > 0:
        low, high = 0.0, found.revenue_high - found.cost
    else:
        low, high = found.revenue_low, found.revenue_high
    if low > 0:
        return Verdict.PAID
    return Verdict.DID_NOT_PAY if high < 0 else Verdict.NOT_ENOUGH
