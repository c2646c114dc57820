"""The scored customer base seen as a portfolio: totals, deciles, concentration, and what a new customer is worth.

in:  scores — one row a customer (Ibis): the columns of `customers.summarise`, and p_alive, expected_orders,
     discounted_orders, expected_spend, residual_revenue (all over the horizon, after the as-of day)
out: small pandas frames, each ready to be looked at
"""

import math
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm

from clvbook.errors import NotComputable


def _sum(column: ibis.Deferred) -> ibis.Deferred:
    # as decimals: a sum of floats would depend on the order in which the engine's threads meet them
    return column.cast("decimal(38,9)").sum().cast("float64")


@dataclass(frozen=True)
class Base:
    """The base in one row: customers, one_time and repeat_customers among them, their purchases and net revenue."""

    customers: int
    one_time: int
    repeat_customers: int
    purchases: int
    revenue: float
    first_amount: float = 0.0  # mean amount of a first purchase

    @property
    def repeat_rate(self) -> float:
        """Share of customers with a repeat purchase so far; young customers have had little time for one."""
        return self.repeat_customers / self.customers


def base(customers: ibis.Table) -> Base | NotComputable:
    """Count the base; see `Base`. customers: the table of `customers.summarise`. NotComputable without a customer."""
    row = customers.aggregate(
        customers=_.count(),
        one_time=(_.frequency == 0).sum(),
        repeat_customers=(_.frequency > 0).sum(),
        purchases=(_.frequency + 1).sum(),
        revenue=_sum(_.revenue),
        first_amount=_sum(_.first_amount) / _.count().nullif(0),
    )
    found = Base(**row.to_pyarrow().to_pylist()[0])
    return found if found.customers else NotComputable("no order names its customer")


def expected_spend(scores: ibis.Table) -> float:
    """What all customers together are expected to spend over the horizon, not discounted."""
    return float(scores.aggregate(total=_sum(_.expected_orders * _.expected_spend)).to_pandas().total[0])


def customer_list(scores: ibis.Table) -> ibis.Table:
    """The scores as a shop works with them, the most valuable first, in rounded figures and plain names.

    customer_id, group (1 the best tenth .. 10), first_purchase, last_purchase, days_since_last, purchases, revenue,
    source, p_alive (null with one purchase: BG/NBD has no opinion then), expected_purchases and spend_a_purchase over
    the horizon, value (discounted), and margin where `residual_profit` is there.
    """
    order = [_.residual_revenue.desc(), _.expected_orders.desc(), _.customer_id]
    more = {"margin": _.residual_profit.round(2)} if "residual_profit" in scores.columns else {}
    return scores.order_by(order).select(
        customer_id=_.customer_id,
        group=ibis.ntile(10).over(order_by=order) + 1,
        first_purchase=_.first_day,
        last_purchase=_.last_day,
        days_since_last=_["T"] - _.recency,
        purchases=_.frequency + 1,
        revenue=_.revenue.round(2),
        source=_.source,
        p_alive=ibis.ifelse(_.frequency > 0, _.p_alive.round(4), None),
        expected_purchases=_.expected_orders.round(4),
        spend_a_purchase=_.expected_spend.round(2),
        value=_.residual_revenue.round(2),
        **more,
    )


def deciles(scores: ibis.Table) -> pd.DataFrame | NotComputable:
    """Ten equal groups, 1 the most valuable: decile, customers, value, share, mean, lowest, past_revenue.

    Ties are broken by customer_id, so the same data give the same groups. share is of the total residual revenue.
    NotComputable for fewer than ten customers, and where nobody is worth anything.
    """
    order = [_.residual_revenue.desc(), _.customer_id]
    frame = (
        scores.mutate(decile=ibis.ntile(10).over(order_by=order) + 1)
        .group_by("decile")
        .aggregate(
            customers=_.count(),
            value=_sum(_.residual_revenue),
            lowest=_.residual_revenue.min(),
            past_revenue=_sum(_.revenue),
        )
        .order_by("decile")
        .to_pandas()
    )
    if len(frame) < 10:
        return NotComputable(f"not enough data: {frame.customers.sum()} customers make no ten groups")
    if not frame.value.sum():
        return NotComputable("no customer is expected to buy again")
    return frame.assign(share=frame.value / frame.value.sum(), mean=frame.value / frame.customers)


def distribution(scores: ibis.Table) -> pd.DataFrame:
    """Customers by residual revenue in classes 1-2-5-10-20-50-...: low, high, customers, residual_revenue.

    Values under a tenth of a currency unit share the lowest class, whose low is 0. No class between two others is left
    out, also where it is empty.
    """
    steps = [1, 2, 5]
    power = _.residual_revenue.log10().floor()
    unit = 10.0**power
    step = ibis.cases((_.residual_revenue < 2 * unit, 0), (_.residual_revenue < 5 * unit, 1), else_=2)
    place = (power * 3 + step).cast("int64")
    frame = (
        scores.mutate(place=ibis.ifelse(_.residual_revenue >= 0.1, place, -4))
        .group_by("place")
        .aggregate(customers=_.count(), residual_revenue=_sum(_.residual_revenue))
        .to_pandas()
        .set_index("place")
    )
    places = range(frame.index.min(), frame.index.max() + 1)
    frame = frame.reindex(places, fill_value=0).reset_index(drop=True)
    edges = [steps[n % 3] * 10.0 ** (n // 3) for n in [*places, places[-1] + 1]]
    frame.insert(0, "high", edges[1:])
    frame.insert(0, "low", [0.0 if n == -4 else edge for n, edge in zip(places, edges[:-1], strict=True)])
    return frame


def concentration(known: ibis.Table, *, points: int = 20) -> pd.DataFrame | NotComputable:
    """Share of revenue held by the top share of customers, ranked by past revenue: customers, past, later.

    `known` is `customers.with_future`: `past` is their share of the revenue up to the origin, `later` the share that
    the *same* customers have of what all of them spent after it. Past shares overstate the future: part of being on
    top is luck. Ties are broken by customer_id. NotComputable where nobody spent before the origin, or after it.
    """
    ranked = known.mutate(
        rank=ibis.row_number().over(order_by=[_.revenue.desc(), _.customer_id]) + 1, n=_.count().over(ibis.window())
    )
    slices = (
        ranked.mutate(step=(_.rank * points / _.n).ceil().cast("int64"))
        .group_by("step")
        .aggregate(past=_sum(_.revenue), later=_sum(_.future_revenue))
        .to_pandas()
        .set_index("step")
        .reindex(range(points + 1), fill_value=0.0)
    )
    sums = slices.cumsum()
    for name, when in (("past", "before the days held out"), ("later", "in the days held out")):
        if not sums[name].iloc[-1] > 0:
            return NotComputable(f"nobody of the base spent anything {when}")
    return (sums / sums.iloc[-1]).assign(customers=np.arange(points + 1) / points)[["customers", "past", "later"]]


def largest(newcomers: ibis.Table, *, by: str, most: int = 20) -> ibis.Table:
    """The same rows, with every group but the `most` that have most customers called "all others"."""
    groups = newcomers.group_by(by).aggregate(size=_.count()).order_by(_.size.desc(), by).limit(most).select(by)
    known = newcomers[by].isin(groups[by])
    return newcomers.mutate(**{by: ibis.ifelse(known, newcomers[by], "all others")})


def worth(newcomers: ibis.Table, *, by: str, confidence: float) -> pd.DataFrame | NotComputable:
    """What the first days of a new customer bring, by group: `by`, customers, first_amount, repeat_rate, so_far, rest,
    value, low, high. Means a customer, in currency: so_far has come, rest is expected, value is their sum.

    newcomers: one row a customer with `by`, first_amount, frequency, so_far and rest (revenue within the window of the
    first days, come and expected) and over (the window has passed). The window is the same for all, so that old and
    young groups compare. [low, high] is how far the mean of so many customers scatters by chance, from the spread
    among those whose window is over: the spread of expected figures would make young groups look surer than old ones.
    NotComputable where the window of fewer than two customers is over.
    """
    over = newcomers.filter(_.over)
    over = over.aggregate(n=_.count(), total=_sum(_.so_far), squares=_sum(_.so_far * _.so_far)).to_pandas().iloc[0]
    if over.n < 2:
        return NotComputable(f"the days ahead (horizon_days) are over for {over.n:.0f} customers, 2 needed")
    spread = math.sqrt(max(over.squares - over.total**2 / over.n, 0.0) / (over.n - 1))
    frame = (
        newcomers.group_by(by)
        .aggregate(
            customers=_.count(),
            first_amount=_sum(_.first_amount) / _.count(),
            repeat_rate=(_.frequency > 0).sum() / _.count(),
            so_far=_sum(_.so_far) / _.count(),
            rest=_sum(_.rest) / _.count(),
        )
        .order_by(by)
        .to_pandas()
    )
    half = norm.ppf((1 + confidence) / 2) * spread / np.sqrt(frame.customers)
    value = frame.so_far + frame.rest
    return frame.assign(value=value, low=value - half, high=value + half)


def spend_correlation(customers: ibis.Table) -> pd.Series | NotComputable:
    """How frequency and mean spend go together among repeat customers: n, pearson, low, high (Fisher's z, 95 %).

    Gamma-Gamma assumes that how often a customer buys says nothing about how much (Fader & Hardie, note 025).
    NotComputable for fewer than four of them, or where all are alike in one of the two.
    """
    repeat = customers.filter(_.frequency > 0, _.monetary_value > 0)
    n, r = (
        repeat.aggregate(n=_.count(), r=_.frequency.cast("float64").corr(_.monetary_value, how="pop"))
        .to_pandas()
        .iloc[0]
    )
    if n < 4 or r is None or not abs(r) < 1:
        return NotComputable(
            "too few repeat customers, or too alike, to tell whether those who buy more often also spend more an order"
        )
    z, half = math.atanh(r), norm.ppf(0.975) / math.sqrt(n - 3)
    return pd.Series({"n": n, "pearson": r, "low": math.tanh(z - half), "high": math.tanh(z + half)})
