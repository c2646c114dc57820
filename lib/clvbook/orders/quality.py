"""What the kept orders can and cannot carry: days without orders, identity by month, and the list of requirements.

in:  orders — one row a kept order (Ibis): customer_id, day, net
out: small pandas frames, each ready to be looked at
"""

from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import NotComputable
from clvbook.orders.reconcile import Reconciliation
from clvbook.orders.schema import REASONS


def by_day(orders: ibis.Table, *, as_of: date, least_likely: float = 0.01) -> pd.DataFrame:
    """Every calendar day from the first order to `as_of`: day, orders, net, gap. A day without an order has zeros.

    gap marks the days of a run without orders that chance does not explain: at this shop's orders a day, were they
    Poisson, fewer than `least_likely` runs as long are expected in the whole time (days x exp(-rate x length)). It is
    an export with a hole, a shop closed over New Year, a platform that was down.
    """
    frame = (
        orders.filter(_.day <= as_of)
        .group_by("day")
        .aggregate(orders=_.count(), net=_.net.sum().cast("float64"))
        .to_pandas()
    )
    days = pd.date_range(frame.day.min(), as_of, name="day")
    frame = frame.assign(day=pd.to_datetime(frame.day)).set_index("day").reindex(days, fill_value=0).reset_index()
    run = frame.orders.gt(0).cumsum()
    length = frame.orders.eq(0).groupby(run).transform("sum")
    by_chance = len(frame) * np.exp(-frame.orders.mean() * length)
    return frame.assign(gap=frame.orders.eq(0) & (by_chance < least_likely))


def gaps(daily: pd.DataFrame) -> pd.DataFrame:
    """The runs of days that `by_day` marks: first_day, last_day, days; longest first."""
    run = (~daily.gap).cumsum()[daily.gap]
    runs = daily[daily.gap].groupby(run).day.agg(first_day="min", last_day="max", days="count")
    return runs.sort_values(["days", "first_day"], ascending=[False, True]).reset_index(drop=True)


def fates(reconciliation: Reconciliation) -> pd.DataFrame:
    """What became of every row: fate, rows, money; the last line is what was read. Money adds up to the cent."""
    r = reconciliation
    net_known = r.net_kept - r.net_without_customer
    lines = [
        ("kept, with a customer: net of refunds", r.rows_kept, net_known),
        ("kept for totals only: no customer named", r.rows_without_customer, r.net_without_customer),
        ("refunds of kept orders", r.rows_refund, r.refunded),
        ("set aside, each row with its reason", sum(r.quarantined.values()), r.paid_quarantined),
        ("read", r.rows_read, r.paid_read),
    ]
    return pd.DataFrame(lines, columns=["fate", "rows", "money"])


def rows_by_fate(reconciliation: Reconciliation) -> pd.DataFrame:
    """Where the rows went, for a chart: reason (a label), rows, kept (True for what counts in the report)."""
    r = reconciliation
    counted = [
        ("kept, with a customer", r.rows_kept),
        ("kept for totals only", r.rows_without_customer),
        ("refunds of kept orders", r.rows_refund),
    ]
    lines = [(label, rows, True) for label, rows in counted if rows]
    lines += [(row.reason.replace("_", " "), row.rows, False) for row in reasons(r).itertuples()]
    return pd.DataFrame(lines, columns=["reason", "rows", "kept"])


def reasons(reconciliation: Reconciliation) -> pd.DataFrame:
    """Rows set aside by reason, most first: reason (its name), meaning, rows, money (paid, signed as in the file)."""
    r, paid = reconciliation, reconciliation.paid_quarantined_by_reason
    unreadable = NotComputable("partly not readable")  # it is in no sum
    lines = [
        (reason, REASONS[reason], rows, unreadable if reason == "bad_amount" else paid.get(reason, 0))
        for reason, rows in r.quarantined.items()
        if rows
    ]
    frame = pd.DataFrame(lines, columns=["reason", "meaning", "rows", "money"])
    return frame.sort_values("rows", ascending=False, kind="stable").reset_index(drop=True)


def by_month(orders: ibis.Table, *, as_of: date) -> pd.DataFrame:
    """Month (YYYY-MM), orders, net, refund, identified (orders with a customer), net_identified, identified_share,
    customers, new.

    `new` counts customers whose first order in the data falls into the month: in the first months of an export that
    starts in the middle of a shop's life, old customers look new.
    """
    seen = orders.filter(_.day <= as_of).mutate(month=_.day.strftime("%Y-%m"))
    frame = seen.group_by("month").aggregate(
        orders=_.count(),
        net=_.net.sum().cast("float64"),
        refund=_.refund.sum().cast("float64"),
        identified=_.customer_id.count(),
        net_identified=_.net.sum(where=_.customer_id.notnull()).fill_null(0).cast("float64"),
        customers=_.customer_id.nunique(),
    )
    first = seen.filter(_.customer_id.notnull()).group_by("customer_id").aggregate(month=_.month.min())
    new = first.group_by("month").aggregate(new=_.count())
    frame = frame.left_join(new, "month").drop("month_right").order_by("month").to_pandas()
    frame["new"] = frame.new.fillna(0).astype(int)
    frame["identified_share"] = frame.identified / frame.orders
    return frame


def with_flagged(orders: ibis.Table, flagged: ibis.Table, *, as_of: date) -> pd.DataFrame | NotComputable:
    """The headline figures as reported and with the orders that were set aside as fake: what the flag changes.

    Rows: version ("as reported", "with the flagged orders"); columns: orders, net, mean (net an order), customers,
    repeat_rate (customers with purchases on two days or more). flagged: order_id, customer_id, day, net. NotComputable
    where no order was set aside as fake up to `as_of`.
    """
    # as wide decimals: stored tables differ in the digits that the engine gave to their money
    reported, flagged = (
        table.filter(_.day <= as_of).select("customer_id", "day", net=_.net.cast("decimal(38,4)"))
        for table in (orders, flagged)
    )
    if not flagged.count().to_pandas():
        return NotComputable("no order was set aside as fake")
    lines = [_headline(reported), _headline(ibis.union(reported, flagged))]
    frame = pd.DataFrame(lines, index=["as reported", "with the flagged orders"]).rename_axis("version").reset_index()
    return frame.assign(mean=frame.net / frame.orders)


def _headline(orders: ibis.Table) -> dict[str, float | int]:
    total = orders.aggregate(orders=_.count(), net=_.net.sum().cast("float64")).to_pyarrow().to_pylist()[0]
    days = orders.filter(_.customer_id.notnull()).group_by("customer_id").aggregate(days=_.day.nunique())
    base = days.aggregate(customers=_.count(), repeat=(_.days > 1).sum().fill_null(0)).to_pyarrow().to_pylist()[0]
    share = base["repeat"] / base["customers"] if base["customers"] else NotComputable("no order names its customer")
    return {**total, "customers": base["customers"], "repeat_rate": share}


def support(
    *,
    customers: int,
    repeat_customers: int,
    three_or_more: int,
    days: int,
    days_since_last: int,
    identified_share: float,
    unidentified_limit: float,
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
            f"{days_since_last:,} days without one at the end",
            days_since_last < 30,
        ),
        (
            "Customers known",
            f"at least {100 * (1 - unidentified_limit):.0f}\u00a0% of orders",
            f"{100 * identified_share:.1f}\u00a0%",
            1 - identified_share <= unidentified_limit,
        ),
    ]
    return pd.DataFrame(rows, columns=["question", "needs", "has", "enough"])
