"""What keeping customers costs, by kind and stage, a retained customer, and beside what winning a new one costs.

in:  costs — period (YYYY-MM), kind, campaign_id, stage, amount; campaigns — campaign_id, cost_fixed, cost_per_unit;
     sends — campaign_id, sent_at, units; orders — day, coupon_id, discount; customers — customer_id, source,
     acquisition_cost; days — customer_id, day (all Ibis, each may be None)
out: small pandas frames and frozen results; what is missing is a NotComputable that says which file to bring

Costs of the cost table and those computed from sends and coupons say the same thing twice: they stand side by side and
are not added.
"""

from dataclasses import dataclass
from datetime import date

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import NotComputable

NO_COSTS = NotComputable(
    "no costs: bring costs.csv (period, kind, campaign_id, stage, amount; see data/README.md); it adds what keeping "
    "customers costs, by kind and stage, and what one retained customer costs"
)
NO_SENDS = NotComputable(
    "no sends: bring campaigns.csv and sends.csv (campaign_id, customer_id, arm, sent_at, units; see data/README.md); "
    "they add what messages cost, as units times their price"
)
NO_COUPONS = NotComputable(
    "the orders name no coupons: bring coupon_id and discount in orders; they add what was given away in coupons"
)
NO_ACQUISITION = NotComputable(
    "no acquisition costs: bring customers.csv with acquisition_cost (see data/README.md); it adds what winning a "
    "customer costs, by source, beside what keeping one does"
)
EXACT = "decimal(38,9)"
UNNAMED = "not allocated"


def cost_table(costs: ibis.Table | None, *, first: str, last: str) -> pd.DataFrame | NotComputable:
    """What was spent in the months `first` to `last` (YYYY-MM), by kind and stage: kind, stage, rows, amount, share.

    stage is "by campaign" for costs that name a campaign only, "not allocated" for those that name neither. Credits
    (negative amounts) count. NotComputable without costs, or without one in these months.
    """
    if costs is None:
        return NO_COSTS
    stage = ibis.cases((_.stage.notnull(), _.stage), (_.campaign_id.notnull(), "by campaign"), else_=UNNAMED)
    named = {name: ibis.null("string") for name in ("stage", "campaign_id") if name not in costs.columns}
    rows = costs.mutate(**named).filter(_.period >= first, _.period <= last).mutate(stage=stage)
    found = rows.group_by("kind", "stage").aggregate(rows=_.count(), amount=_.amount.cast(EXACT).sum().cast("float64"))
    table = found.order_by("kind", "stage").to_pandas()
    if table.empty:
        return NotComputable(f"the costs hold nothing for {first} to {last}: bring costs.csv of these months")
    total = table.amount.sum()
    return table.assign(share=table.amount / total if total else [NotComputable("the costs sum to 0")] * len(table))


def message_costs(
    campaigns: ibis.Table | None, sends: ibis.Table | None, *, after: date, until: date
) -> pd.DataFrame | NotComputable:
    """What the messages sent in (after, until] cost: campaign_id, sent, units, price (a unit), fixed, cost.

    fixed: the campaign's cost whatever is sent, in full where it sent anything in the period. A campaign without a
    price has a NotComputable cost. NotComputable without sends, or without one in the period.
    """
    if campaigns is None or sends is None:
        return NO_SENDS
    day = _.sent_at.date()
    sent = sends.filter(_.sent_at.notnull()).filter(day > after, day <= until)
    units = sent.group_by("campaign_id").aggregate(sent=_.count(), units=_.units.sum())
    prices = campaigns.select("campaign_id", price=_.cost_per_unit.cast("float64"), fixed=_.cost_fixed.cast("float64"))
    table = units.left_join(prices, "campaign_id").drop("campaign_id_right").order_by("campaign_id").to_pandas()
    if table.empty:
        return NotComputable(f"no message was sent after {after} and by {until}")
    unpriced = NotComputable("the campaign has no cost_per_unit in campaigns.csv")
    sums = table.units * table.price + table.fixed.fillna(0)
    cost = [unpriced if pd.isna(price) else total for price, total in zip(table.price, sums, strict=True)]
    return table.assign(cost=cost)


@dataclass(frozen=True)
class Coupons:
    """Coupons used: orders with one, their discount (currency), and the mean of an order."""

    orders: int
    discount: float

    @property
    def mean(self) -> float:
        """Discount of an order with a coupon."""
        return self.discount / self.orders


def coupon_costs(orders: ibis.Table, *, after: date, until: date) -> Coupons | NotComputable:
    """What orders paid in (after, until] took off by coupons. NotComputable without coupons in the data or the period.

    Coupons that the platform pays for are no cost of the shop: leave them out of `orders`.
    """
    if not {"coupon_id", "discount"} <= set(orders.columns):
        return NO_COUPONS
    used = orders.filter(_.coupon_id.notnull(), _.coupon_id != "")
    here = (_.day > after) & (_.day <= until)
    found = used.aggregate(
        ever=_.count(), orders=here.sum(), discount=_.discount.cast(EXACT).sum(where=here).cast("float64")
    )
    row = found.to_pyarrow().to_pylist()[0]
    if not row["ever"]:
        return NO_COUPONS
    if not row["orders"]:
        return NotComputable(f"no order with a coupon after {after} and by {until}")
    return Coupons(int(row["orders"]), float(row["discount"] or 0))


def cost_a_retained_customer(
    table: pd.DataFrame | NotComputable, retained: int | NotComputable
) -> float | NotComputable:
    """Average: all costs of `cost_table` over the customers retained in the same months (see `rate`).

    It says nothing on what the next one would cost: most of the retained would have stayed anyway. For that see the
    cost of a customer kept *because of* an offer (`save_rates.cost_per_retained`).
    """
    for found in (table, retained):
        if isinstance(found, NotComputable):
            return found
    if not retained:
        return NotComputable("nobody was retained in these months: there is no one to divide the costs by")
    return float(table.amount.sum()) / retained


@dataclass(frozen=True)
class Acquisition:
    """What winning customers cost: customers (new ones with a known cost), unknown (new ones without), cost (all of
    it), mean, and marginal: the mean of the dearest source that is still used, where the next customer comes from.

    by_source: source, customers, cost, mean; the cheapest first.
    """

    customers: int
    unknown: int
    cost: float
    marginal: float | NotComputable
    by_source: pd.DataFrame

    @property
    def mean(self) -> float:
        """Cost of a new customer."""
        return self.cost / self.customers


def acquisition_costs(
    customers: ibis.Table | None, days: ibis.Table, *, after: date, until: date, min_customers: int = 30
) -> Acquisition | NotComputable:
    """What the customers who bought first in (after, until] cost to win; see `Acquisition`.

    The dearest source counts where at least `min_customers` came from it. NotComputable without costs, or where no
    new customer has one.
    """
    if customers is None or "acquisition_cost" not in customers.columns:
        return NO_ACQUISITION
    if "source" not in customers.columns:
        customers = customers.mutate(source=ibis.null("string"))
    first = days.group_by("customer_id").aggregate(first_day=_.day.min())
    new = first.filter(_.first_day > after, _.first_day <= until).left_join(customers, "customer_id")
    found = new.group_by(source=_.source.fill_null("not known")).aggregate(
        new=_.count(),
        customers=_.acquisition_cost.count(),
        cost=_.acquisition_cost.cast(EXACT).sum().fill_null(0).cast("float64"),
    )
    table = found.order_by("source").to_pandas()
    if not table.customers.sum():
        new_ones = int(table.new.sum()) if len(table) else 0
        return NotComputable(f"0 of {new_ones:,} new customers after {after} and by {until} have an acquisition_cost")
    unknown = int((table.new - table.customers).sum())
    table = table[table.customers > 0].drop(columns="new")
    table = table.assign(mean=table.cost / table.customers).sort_values("mean", ignore_index=True)
    enough = table[table.customers >= min_customers]
    few = NotComputable(
        f"not enough data: no source won {min_customers} customers, the largest {table.customers.max()}"
    )
    return Acquisition(
        customers=int(table.customers.sum()),
        unknown=unknown,
        cost=float(table.cost.sum()),
        marginal=float(enough["mean"].iloc[-1]) if len(enough) else few,
        by_source=table,
    )


def at_the_margin(
    *,
    acquisition: float | NotComputable,
    new_value: float | NotComputable,
    retention: float | NotComputable,
    kept_value: float | NotComputable,
) -> pd.DataFrame:
    """Where the next unit of money does more: what, cost, value, net, per_unit (value for one of cost), spend.

    acquisition, retention: what the next new, the next kept customer costs; new_value, kept_value: the profit that
    such a customer brings. At the best split both marginal costs equal the customer's value (Pfeifer 2005, The optimal
    ratio of acquisition and retention costs, Journal of Targeting 13(2)); averages say nothing about it. spend: "more"
    where the next customer brings more than it costs, "less" where not. What is not known is a NotComputable.
    """
    rows = []
    for what, cost, value in (("a new customer", acquisition, new_value), ("a kept customer", retention, kept_value)):
        missing = next((each for each in (cost, value) if isinstance(each, NotComputable)), None)
        if missing is not None:
            rows.append((what, cost, value, missing, missing, missing))
            continue
        ratio = value / cost if cost > 0 else NotComputable("it costs nothing")
        rows.append((what, cost, value, value - cost, ratio, "more" if value > cost else "less"))
    return pd.DataFrame(rows, columns=["what", "cost", "value", "net", "per_unit", "spend"], dtype=object)
