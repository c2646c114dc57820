"""Orders become one row a customer, and customers become weighted cells: what the models see.

in:  orders — customer_id, day, net, and optionally source (Ibis; kept orders, one row an order)
out: customers — customer_id, first_day, last_day, frequency, recency, T, monetary_value, revenue, first_amount, source
     cells     — frequency, recency, T, weight, spend; their scores go back to the customers by `with_scores`

Everything is an Ibis expression in days: the engine computes it, whatever the engine is. The convention is that of
lifetimes' `summary_data_from_transaction_data`: a purchase is a customer-day, the first one is not a repeat.
"""

from datetime import date

import ibis
import pandas as pd
from ibis import _

CELL = ["frequency", "recency", "T"]


def customer_days(orders: ibis.Table, *, as_of: date) -> ibis.Table:
    """One row a purchase: customer_id, day, amount (net of refunds, same-day orders summed), source of its orders.

    Orders without a customer and orders after `as_of` are not in it.
    """
    if "source" not in orders.columns:
        orders = orders.mutate(source=ibis.null("string"))
    seen = orders.filter(_.customer_id.notnull(), _.day <= as_of)
    amount = _.net.sum().cast(orders.net.type())  # engines widen sums of decimals: slower, and twice the memory
    return seen.group_by("customer_id", "day").aggregate(amount=amount, source=_.source.min())


def summarise(days: ibis.Table, *, as_of: date) -> ibis.Table:
    """One row a customer, as of the end of `as_of`, from purchases up to that day (see `customer_days`).

    frequency: repeat purchases; recency: days from the first to the last; T: days from the first to `as_of`;
    monetary_value: mean amount of the repeat purchases, 0 without one; revenue: amount of all purchases;
    first_amount and source: those of the first purchase.
    """
    return (
        days.filter(_.day <= as_of)
        .group_by("customer_id")
        .aggregate(
            first_day=_.day.min(),
            last_day=_.day.max(),
            frequency=_.count() - 1,
            revenue=_.amount.sum(),
            first_amount=_.amount.argmin(_.day),
            source=_.source.argmin(_.day),
        )
        .mutate(
            recency=lambda t: t.last_day.delta(t.first_day, unit="day"),
            T=lambda t: ibis.literal(as_of).delta(t.first_day, unit="day"),
            monetary_value=ibis.ifelse(
                _.frequency > 0,
                (_.revenue - _.first_amount).cast("float64") / _.frequency.nullif(0),
                0.0,
            ),
            revenue=_.revenue.cast("float64"),
            first_amount=_.first_amount.cast("float64"),
        )
    )


def cells(customers: ibis.Table) -> ibis.Table:
    """Distinct (frequency, recency, T) in a fixed order, with weight, the number of customers who share them, and
    spend, the sum of their monetary_value. Where `with_future` added columns, their sums too.
    """
    # summed as decimals: a sum of floats would depend on the order in which the engine's threads meet them
    exact = {"spend": _.monetary_value.cast("decimal(38,9)").sum().cast("float64")}
    if "future_orders" in customers.columns:
        exact["future_orders"] = _.future_orders.sum()
        exact["future_revenue"] = _.future_revenue.cast("decimal(38,9)").sum().cast("float64")
    return customers.group_by(CELL).aggregate(weight=_.count(), **exact).order_by(CELL)


def spend_cells(customers: ibis.Table) -> ibis.Table:
    """Distinct (frequency, monetary_value) of repeat customers with a positive mean, and their `weight`."""
    repeat = customers.filter(_.frequency > 0, _.monetary_value > 0)
    return (
        repeat.group_by("frequency", "monetary_value")
        .aggregate(weight=_.count())
        .order_by("frequency", "monetary_value")
    )


def with_scores(customers: ibis.Table, scored: pd.DataFrame) -> ibis.Table:
    """`customers` with the scores of their cell (see `models.value.score_cells`), expected_spend and residual_revenue.

    expected_spend = intercept + slope x monetary_value, both columns of `scored`; null where they are NaN.
    residual_revenue = discounted_orders x expected_spend.
    """
    joined = customers.inner_join(ibis.memtable(scored.drop(columns="weight")), CELL)
    joined = joined.mutate(expected_spend=(_.intercept + _.slope * _.monetary_value).nullif(float("nan")))
    return joined.mutate(residual_revenue=_.discounted_orders * _.expected_spend).drop("intercept", "slope")


def first_days(customers: ibis.Table) -> ibis.Table:
    """How many customers bought first on each day: first_day, customers."""
    return customers.group_by("first_day").aggregate(customers=_.count()).order_by("first_day")


def repeats_by_day(days: ibis.Table) -> ibis.Table:
    """How many repeat purchases each day saw: day, repeats. Days without one are absent."""
    first = days.group_by("customer_id").aggregate(first_day=_.day.min())
    repeats = days.join(first, "customer_id").filter(_.day > _.first_day)
    return repeats.group_by("day").aggregate(repeats=_.count()).order_by("day")


def first_days_revenue(days: ibis.Table, *, within: int) -> ibis.Table:
    """What each customer spent up to `within` days after the first purchase: customer_id, so_far (float)."""
    first = days.group_by("customer_id").aggregate(first_day=_.day.min())
    joined = days.join(first, "customer_id").filter(lambda t: t.day.delta(t.first_day, unit="day") <= within)
    return joined.group_by("customer_id").aggregate(so_far=_.amount.sum().cast("float64"))


def with_future(customers: ibis.Table, days: ibis.Table, *, origin: date, until: date) -> ibis.Table:
    """`customers` as of `origin`, with what each then did: future_orders and future_revenue in (origin, until]."""
    later = (
        days.filter(_.day > origin, _.day <= until)
        .group_by("customer_id")
        .aggregate(future_orders=_.count(), future_revenue=_.amount.sum().cast("float64"))
    )
    joined = customers.left_join(later, "customer_id").drop("customer_id_right")
    return joined.mutate(future_orders=_.future_orders.fill_null(0), future_revenue=_.future_revenue.fill_null(0.0))
