"""What each assigned customer was just before the campaign opened: stage, orders, basket, province, source, spend.

in:  sends, orders (Ibis), schedule (`sending.schedule`)
out: sends with columns to stratify and adjust by (Ibis), all from days strictly before the one on which it opened

Nothing that a campaign may have changed is in them, so both arms can be split and adjusted by them.
"""

from collections.abc import Sequence
from datetime import date

import ibis
import pandas as pd
from ibis import _

PROSPECT = -1  # the stage of a customer who never bought before
UNKNOWN = "not known"


def purchases(orders: ibis.Table) -> ibis.Table:
    """One row a customer-day with an order, as it stood from the day after to `next_day`, the customer's next purchase:
    customer_id, day, next_day, purchases and spent (up to and with that day), province (the latest named), source
    (that of the first order which names one).
    """
    absent = {name: ibis.null("string") for name in ("province", "source") if name not in orders.columns}
    days = (
        orders.filter(_.customer_id.notnull())
        .mutate(**absent)
        .group_by("customer_id", "day")
        .aggregate(amount=_.net.sum(), province=_.province.max(), source=_.source.min())
    )
    by_day = ibis.window(group_by="customer_id", order_by="day")
    so_far = ibis.cumulative_window(group_by="customer_id", order_by="day")
    return days.select(
        "customer_id",
        "day",
        next_day=ibis.coalesce(_.day.lead().over(by_day), ibis.literal(date.max)),
        purchases=_.count().over(so_far),
        spent=_.amount.sum().over(so_far).cast("float64"),
        # text that begins with the day sorts as days do, and a null takes no part
        province=(_.day.strftime("%Y-%m-%d") + _.province).max().over(so_far).substr(10),
        source=(_.day.strftime("%Y-%m-%d") + _.source).min().over(so_far).substr(10),
    )


def with_history(
    sends: ibis.Table,
    orders: ibis.Table,
    schedule: pd.DataFrame,
    *,
    stage_bounds: Sequence[int],
    basket_range: tuple[float, float],
    covariate_days: int = 365,
) -> ibis.Table:
    """`sends` with each customer's state at the end of the day before the campaign opened.

    stage: 0 active, 1 silent, .. by days from the last purchase to the opening day, right-closed at `stage_bounds`; -1
    a prospect, who never bought. order_count: "0", "1", "2", "3-4", "5+" purchases. basket: mean amount of a purchase
    against `basket_range`, "none", "below", "within", "above". province, source, channel (the campaign's): "not known"
    where nobody says. pre: log(1 + spend in the `covariate_days` days before the opening day), the covariate.

    Each send finds at most one purchase as its last, so nothing is grouped by customer, however many sends there are.
    """
    opened = schedule.opens.dropna().dt.normalize()
    clock = schedule.loc[opened.index, ["campaign_id", "channel"]].assign(
        opened=opened.dt.date, since=(opened - pd.Timedelta(days=covariate_days)).dt.date
    )
    dated = sends.inner_join(ibis.memtable(clock), "campaign_id")
    known = purchases(orders)
    last = dated.left_join(known, _at(dated, known, dated.opened)).drop("customer_id_right", "next_day")
    old = known.select("customer_id", "day", "next_day", spent_long_ago="spent")
    both = last.left_join(old, _at(last, old, last.since), rname="{name}_old").drop("customer_id_old", "day_old")
    recency = both.opened.delta(both.day, unit="day")
    stages = [(recency <= bound, index) for index, bound in enumerate(stage_bounds)]
    low, high = basket_range
    mean = both.spent / both.purchases
    n = both.purchases.fill_null(0)
    recent = both.spent.fill_null(0.0) - both.spent_long_ago.fill_null(0.0)
    return both.select(
        *sends.columns,
        stage=ibis.cases((n == 0, PROSPECT), *stages, else_=len(stage_bounds)).cast("int8"),
        order_count=ibis.cases((n >= 5, "5+"), (n >= 3, "3-4"), else_=n.cast("string")),
        basket=ibis.cases((n == 0, "none"), (mean < low, "below"), (mean <= high, "within"), else_="above"),
        province=both.province.fill_null(UNKNOWN),
        source=both.source.fill_null(UNKNOWN),
        channel=both.channel.fill_null(UNKNOWN),
        pre=(1 + ibis.greatest(recent, 0.0)).ln(),
    )


def _at(left: ibis.Table, known: ibis.Table, moment: ibis.Column) -> list:
    """The purchase that was a customer's last before the day `moment`."""
    return [left.customer_id == known.customer_id, known.day < moment, known.next_day >= moment]
