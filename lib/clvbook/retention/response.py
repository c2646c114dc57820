"""How retention answers spending: the curve, what to spend a head, and how to split a budget between segments.

in:  today's spend and retention and a ceiling; value a customer (profit, currency); segments — customers, value,
     ceiling, rate (pandas)
out: frozen `Response`, `Optimum`, `Multiples` and `BudgetSplit`

The curve is r(x) = ceiling (1 - e^(-rate x)): x is spent a head, r(x) the share kept because of it. Ceiling and rate
are judgement unless tested at several levels of spend; show how the result moves with them (`spending.tornado`).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clvbook.errors import BadParameters, InputRefused, NotComputable


@dataclass(frozen=True)
class Response:
    """r(x) = ceiling (1 - e^(-rate x)). ceiling: share in (0, 1]; rate: per unit of currency, above 0."""

    ceiling: float
    rate: float

    def __post_init__(self) -> None:
        if not 0 < self.ceiling <= 1 or not 0 < self.rate < math.inf:
            raise BadParameters(
                f"ceiling {self.ceiling:g} and rate {self.rate:g} make no response curve",
                "ceiling is a share above 0 and up to 1, rate is above 0",
            )

    def retention(self, spend: float) -> float:
        """Share kept where `spend` is spent a head."""
        return -self.ceiling * math.expm1(-self.rate * spend)

    def cost_of_next(self, spend: float) -> float | NotComputable:
        """What one more kept customer costs at this spend, 1 / r'(x): the marginal cost. The average is x / r(x)."""
        slope = self.ceiling * self.rate * math.exp(-self.rate * spend)
        return 1 / slope if slope else NotComputable("the ceiling is reached: more spend keeps nobody more")


def response_through(*, spend: float | None, retention: float | None, ceiling: float) -> Response | NotComputable:
    """The curve through today's point: rate = -ln(1 - retention / ceiling) / spend.

    spend: a head, currency; retention: share kept because of it; ceiling: share that no spend exceeds. NotComputable
    where one of the two is unknown, nothing is spent or nobody is kept by it: then there is no point to draw it
    through. BadParameters for a retention that is not below the ceiling.
    """
    known = _known(spend=spend, retention=retention)
    if isinstance(known, NotComputable):
        return known
    if not 0 <= retention < ceiling <= 1 or spend < 0:
        raise BadParameters(
            f"spend {spend:g}, retention {retention:g} and ceiling {ceiling:g} make no response curve",
            "0 <= retention < ceiling <= 1 and spend >= 0 are needed",
        )
    if not spend or not retention:
        nothing = "nothing is spent" if not spend else "nobody is kept by what is spent"
        return NotComputable(f"{nothing} today: no point to draw the response curve through")
    return Response(ceiling=ceiling, rate=-math.log1p(-retention / ceiling) / spend)


@dataclass(frozen=True)
class Optimum:
    """spend: a head, currency; retention: share kept by it; net: value kept less spend, a head."""

    spend: float
    retention: float
    net: float


def optimal_spend(response: Response | NotComputable, *, value: float | None) -> Optimum | NotComputable:
    """Where the next unit of spend returns one: x* = ln(ceiling rate V) / rate, or 0 where its argument is not above 1.

    value: V, profit of a kept customer, currency. NotComputable without a curve or a value.
    """
    known = _known(response=response, value=value)
    if isinstance(known, NotComputable):
        return known
    pull = response.ceiling * response.rate * value
    spend = math.log(pull) / response.rate if pull > 1 else 0.0
    kept = response.retention(spend)
    return Optimum(spend=spend, retention=kept, net=value * kept - spend)


@dataclass(frozen=True)
class Multiples:
    """Value of a customer as a multiple of one period's margin, by when the first payment comes.

    first_included: it comes now. first_excluded: it comes in a period, if the customer stays: right for one just lost.
    end_booked: it comes at the end of this period, surely. elasticity: per cent that first_excluded grows by for one
    per cent more retention.
    """

    first_included: float
    first_excluded: float
    end_booked: float
    elasticity: float


def margin_multiples(*, retention: float, discount_rate: float, growth: float = 0.0) -> Multiples | NotComputable:
    """(1+d) / D, r / D and 1 / D with D = 1 + d - r (1+g) (Fader & Hardie, note 024; Gupta & Lehmann 2003).

    retention r, discount rate d and growth g of the margin are per period. NotComputable unless r (1+g) < 1+d:
    a margin that outgrows discount and loss has no finite value. A constant r overstates the loss of survivors.
    """
    if not 0 <= retention <= 1 or discount_rate <= -1 or growth <= -1:
        raise BadParameters(
            f"retention {retention:g}, discount rate {discount_rate:g} and growth {growth:g} make no multiple",
            "retention is a share; discount rate and growth are above -1",
        )
    rest = 1 + discount_rate - retention * (1 + growth)
    if rest <= 0:
        return NotComputable(
            f"retention {retention:g} with growth {growth:g} outgrows the discount rate {discount_rate:g}: "
            "no finite value"
        )
    first = (1 + discount_rate) / rest
    return Multiples(first_included=first, first_excluded=retention / rest, end_booked=1 / rest, elasticity=first)


@dataclass(frozen=True, eq=False)
class BudgetSplit:
    """A budget split between segments.

    segments: the given columns and spend (a head), retention, net (of the whole segment). spent and unspent: currency;
    what is unspent would return less than it costs. shadow_price: what the next unit of budget would add to net.
    """

    segments: pd.DataFrame
    spent: float
    unspent: float
    shadow_price: float

    @property
    def net(self) -> float:
        """Value kept less spend, all segments."""
        return float(self.segments.net.sum())


def split_budget(segments: pd.DataFrame, *, budget: float) -> BudgetSplit:
    """Maximise the sum of N (V r(x) - x) under sum N x <= budget: V r'(x) = 1 + shadow price wherever x > 0.

    segments: customers, value (V), ceiling, rate, one row each. InputRefused for values or sizes that are no numbers,
    BadParameters for a negative budget or no curve. Exact, without iteration: with u = ln(1 + shadow price), the
    spend a head is max(0, (a - u) / rate), a = ln(V ceiling rate); the total is convex in u and piecewise linear, so
    the u that spends the budget is the largest of those that the leading segments alone would give.
    """
    if not budget >= 0:
        raise BadParameters(f"the budget is {budget:g}", "it cannot be below 0")
    bad = int((~np.isfinite(segments[["customers", "value"]].astype(float)).all(axis=1)).sum())
    bad += int((segments.customers < 0).sum())
    if bad:
        raise InputRefused(
            f"{bad} of {len(segments)} segments have no number of customers or no value",
            "leave out the segments whose value is not known: nothing is known to be gained there",
        )
    for row in segments.itertuples():
        Response(row.ceiling, row.rate)
    n, value, ceiling, rate = (segments[name].to_numpy(float) for name in ("customers", "value", "ceiling", "rate"))
    with np.errstate(divide="ignore"):
        start = np.log(np.maximum(value, 0.0) * ceiling * rate)
    lead = np.argsort(-start, kind="stable")
    lead = lead[(start[lead] > 0) & (n[lead] > 0)]
    weight = n[lead] / rate[lead]
    candidates = (np.cumsum(weight * start[lead]) - budget) / np.cumsum(weight)
    u = max(0.0, candidates.max(initial=0.0))
    spend = np.maximum(0.0, (start - u) / rate)
    kept = -ceiling * np.expm1(-rate * spend)
    found = segments.assign(spend=spend, retention=kept, net=n * (value * kept - spend))
    spent = min(float(n @ spend), budget)  # the last digit may be above it
    return BudgetSplit(found, spent=spent, unspent=budget - spent, shadow_price=math.expm1(u))


def _known(**inputs: object) -> NotComputable | None:
    """The reason of the first input that is missing, if one is."""
    for name, given in inputs.items():
        if given is None:
            return NotComputable(f"{name} is not known")
        if isinstance(given, NotComputable):
            return given
    return None
