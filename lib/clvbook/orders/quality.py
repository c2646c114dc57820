"""What the kept orders can and cannot carry: days without orders, identity by month, and the list of requirements.

in:  orders — one row a kept order (Ibis): customer_id, day, net
out: small pandas frames, each ready to be looked at
"""

from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _


def by_day(orders: ibis.Table, *, as_of: date) -> pd.DataFrame:
    """Every calendar day from the first order to `as_of`: day, orders, net. A day without an order has zeros."""
    frame = (
        orders.filter(_.day <= as_of)
        .group_by("day")
        .aggregate(orders=_.count(), net=_.net.sum().cast("float64"))
        .to_pandas()
    )
    days = pd.date_range(frame.day.min(), as_of, name="day")
    return frame.assign(day=pd.to_datetime(frame.day)).set_index("day").reindex(days, fill_value=0).reset_index()


def gaps(daily: pd.DataFrame, *, least_likely: float = 0.01) -> pd.DataFrame:
    """Runs of days without an order that chance does not explain: first_day, last_day, days, by_chance; longest first.

    by_chance is how many runs at least this long a shop with this many orders a day would see over the whole time
    if its orders were Poisson: days x exp(-rate x length). Runs with by_chance < `least_likely` are listed: an export
    with a hole, a shop closed over New Year, a platform that was down.
    """
    rate, n = daily.orders.mean(), len(daily)
    empty = daily.orders.eq(0)
    runs = daily[empty].groupby((~empty).cumsum()[empty]).day.agg(first_day="min", last_day="max", days="count")
    runs = runs.assign(by_chance=n * np.exp(-rate * runs.days.astype(float)))
    return runs[runs.by_chance < least_likely].sort_values("days", ascending=False).reset_index(drop=True)


def by_month(orders: ibis.Table, *, as_of: date) -> pd.DataFrame:
    """Month (YYYY-MM), orders, net, refund, identified (orders with a customer), identified_share, customers, new.

    `new` counts customers whose first order in the data falls into the month: in the first months of an export that
    starts in the middle of a shop's life, old customers look new.
    """
    seen = orders.filter(_.day <= as_of).mutate(month=_.day.strftime("%Y-%m"))
    frame = seen.group_by("month").aggregate(
        orders=_.count(),
        net=_.net.sum().cast("float64"),
        refund=_.refund.sum().cast("float64"),
        identified=_.customer_id.count(),
        customers=_.customer_id.nunique(),
    )
    first = seen.filter(_.customer_id.notnull()).group_by("customer_id").aggregate(month=_.month.min())
    new = first.group_by("month").aggregate(new=_.count())
    frame = frame.left_join(new, "month").drop("month_right").order_by("month").to_pandas()
    frame["new"] = frame.new.fillna(0).astype(int)
    frame["identified_share"] = frame.identified / frame.orders
    return frame


def support(
    *,
    customers: int,
    repeat_customers: int,
    three_or_more: int,
    days: int,
    days_since_last: int,
    identified_share: float,
    min_customers: int,
    min_repeat_customers: int,
    horizon_days: int,
) -> pd.DataFrame:
    """What customer models need and what this month's data have: question, needs, has, enough.

    The first two are the run's own parameters; half a year of history, an order in the last 30 days and someone with
    three orders are what mail platforms ask for before they predict (Klaviyo's help pages).
    """
    rows = [
        ("Enough customers", f"at least {min_customers:,}", f"{customers:,}", customers >= min_customers),
        (
            "Enough who came back",
            f"at least {min_repeat_customers:,} with a repeat purchase",
            f"{repeat_customers:,}",
            repeat_customers >= min_repeat_customers,
        ),
        ("Loyal customers seen", "someone with three purchases", f"{three_or_more:,}", three_or_more > 0),
        ("Long enough", "at least 180 days of orders", f"{days:,} days", days >= 180),
        (
            "As long as the horizon",
            f"at least the {horizon_days:,} days looked ahead",
            f"{days:,} days",
            days >= horizon_days,
        ),
        (
            "Still trading",
            "an order in the last 30 days",
            f"last order {days_since_last:,} days before the end",
            days_since_last < 30,
        ),
        ("Customers known", "at least 90 % of orders", f"{identified_share:.1%}", identified_share >= 0.9),
    ]
    return pd.DataFrame(rows, columns=["question", "needs", "has", "enough"])
