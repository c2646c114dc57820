"""Where each customer stands at each snapshot: active, silent, sleeping or lost, by days since the last purchase.

in:  days      — customer_id, day, amount (Ibis; one row a purchase, the whole history)
     set_aside — customer_id, reason (Ibis; orders that were never paid)
out: history   — customer_id, snapshot, first_day, last_day, orders, recency_days, stage, bought, spent (Ibis)
     small pandas frames counted from it

The clock starts at the last purchase, and a stage holds its upper bound: with bounds 45, 90, 180 a customer is active
up to and including day 45, silent up to day 90, sleeping up to day 180, then lost. Every snapshot's history ends with
that snapshot: what came later does not change it.
"""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, NotComputable

STAGES = ("active", "silent", "sleeping", "lost")
ASSETS = {"active": "liquid assets", "silent": "illiquid assets", "sleeping": "doubtful debts", "lost": "bad debts"}
COUNTS = ("prospect", "new", "old", "regular", "sticky")  # 0, 1, 2, 3-4, 5 and more purchases


def month_ends(first: date, last: date) -> list[date]:
    """The last days of the months from that of `first` to that of `last`, oldest first; `last` is a month's end."""
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(m // 12, m % 12 + 1, calendar.monthrange(m // 12, m % 12 + 1)[1]) for m in months]


def steps(last: date, *, days: int, first: date) -> list[date]:
    """Snapshots `days` apart, oldest first: `last` and those before it, none earlier than `first`."""
    return [last - timedelta(days=days * n) for n in range((last - first).days // days, -1, -1)]


def check_bounds(bounds: Sequence[int]) -> None:
    """BadParameters unless every bound is a day after the one before it, the first at least 1."""
    if not bounds or bounds[0] < 1 or any(a >= b for a, b in pairwise(bounds)):
        raise BadParameters(
            f"the {len(bounds)} stage bounds {list(bounds)} do not rise from 1 day on",
            "write days since the last purchase, each more than the one before, such as [45, 90, 180]",
        )


def stage_history(days: ibis.Table, *, snapshots: Sequence[date], bounds: Sequence[int]) -> ibis.Table:
    """One row a customer and snapshot, from the first purchase on, computed in one pass over the purchases.

    first_day, last_day: of the purchases up to the snapshot; orders: their number; recency_days: from the last of
    them to the snapshot; stage: how many of the `bounds` lie below recency_days (an index into `STAGES` where there
    are three); bought, spent: number and amount of the purchases since the previous snapshot, at the first snapshot
    since ever. Any number of bounds will do, so that a stage can be split. BadParameters for bounds that do not rise,
    and for snapshots that do not.
    """
    check_bounds(bounds)
    if not snapshots or any(a >= b for a, b in pairwise(snapshots)):
        raise BadParameters(f"the {len(snapshots)} snapshots do not rise", "name each day once, oldest first")
    # a period's purchases stand in the history from the snapshot that closes it to the next period with one
    period = ibis.cases(*((_.day <= day, ibis.literal(k, "int16")) for k, day in enumerate(snapshots)))
    periods = (
        days.filter(_.day <= snapshots[-1])
        .mutate(period=period)
        .group_by("customer_id", "period")
        .aggregate(
            first_day=_.day.min(),
            last_day=_.day.max(),
            bought=_.count().cast("int32"),
            spent=_.amount.sum().cast(days.amount.type()),
        )
    )
    past = ibis.window(group_by="customer_id", order_by="period", following=0)
    lives = periods.select(
        "customer_id",
        "period",
        "last_day",
        "bought",
        "spent",
        first_day=_.first_day.min().over(past),
        orders=_.bought.sum().over(past).cast("int32"),
        until=_.period.lead(default=len(snapshots)).over(group_by="customer_id", order_by="period"),
    )
    calendar = ibis.array([ibis.literal(day) for day in snapshots])
    rows = lives.mutate(closing=lambda t: calendar[t.period], snapshot=lambda t: calendar[t.period : t.until].unnest())
    rows = rows.mutate(recency_days=lambda t: t.snapshot.delta(t.last_day, unit="day").cast("int32"))
    stage = ibis.cases(*((_.recency_days <= bound, k) for k, bound in enumerate(bounds)), else_=len(bounds))
    return rows.select(
        "customer_id",
        "snapshot",
        "first_day",
        "last_day",
        "orders",
        "recency_days",
        stage=stage.cast("int8"),
        bought=ibis.ifelse(_.snapshot == _.closing, _.bought, 0).cast("int32"),
        spent=ibis.ifelse(_.snapshot == _.closing, _.spent, 0).cast(days.amount.type()),
    )


def stage_mix(history: ibis.Table) -> pd.DataFrame:
    """Customers by stage at each snapshot: snapshot, stage (0 .. 3), customers, share of the snapshot's.

    Every stage has its row at every snapshot that anybody is in, with 0 customers where it is empty.
    """
    counted = history.group_by("snapshot", "stage").aggregate(customers=_.count()).to_pandas()
    wide = counted.pivot(index="snapshot", columns="stage", values="customers").reindex(columns=range(len(STAGES)))
    mix = wide.fillna(0).astype("int64").stack().rename("customers").rename_axis(["snapshot", "stage"]).reset_index()
    return mix.assign(share=mix["customers"] / mix.groupby("snapshot")["customers"].transform("sum"))


def grid(history: ibis.Table, *, snapshot: date, prospects: int | NotComputable) -> pd.DataFrame:
    """Customers at `snapshot` by number of purchases and stage: count (a word of `COUNTS`), one column a stage,
    customers (their sum).

    prospects: how many people are known by unpaid orders only (see `prospects`); they stand in `customers`, and their
    stages are a NotComputable: who never bought has no last purchase.
    """
    count = ibis.cases((_.orders <= 2, _.orders), (_.orders <= 4, 3), else_=4)
    cells = history.filter(_.snapshot == snapshot).group_by("stage", count=count).aggregate(customers=_.count())
    wide = cells.to_pandas().pivot(index="count", columns="stage", values="customers")
    wide = wide.reindex(index=range(1, len(COUNTS)), columns=range(len(STAGES))).fillna(0).astype("int64")
    wide.columns = list(STAGES)
    table = wide.assign(customers=wide.sum(axis=1)).reset_index(names="count")
    table["count"] = list(COUNTS[1:])
    never = dict.fromkeys(STAGES, NotComputable("never bought"))
    first = pd.DataFrame([{"count": COUNTS[0], **never, "customers": prospects}], dtype=object)
    return pd.concat([first, table.astype(object)], ignore_index=True)


def prospects(set_aside: ibis.Table, customers: ibis.Table) -> int | NotComputable:
    """How many people ordered, never paid, and have no purchase: distinct customer_id.

    set_aside: reason, customer_id of orders set aside, those with reason unpaid or closed_unpaid count, whenever they
    were placed; customers: customer_id of everybody with a purchase. NotComputable where the export has no unpaid
    orders, or does not say whose they are.
    """
    unpaid = set_aside.filter(_.reason.isin(["unpaid", "closed_unpaid"]))
    people = unpaid.filter(_.customer_id.notnull()).select("customer_id").distinct()
    rows, known = unpaid.count().to_pyarrow().as_py(), people.count().to_pyarrow().as_py()
    if not rows:
        return NotComputable("the export has no unpaid orders; export orders of every status to see prospects")
    if not known:
        return NotComputable(f"{rows:,} unpaid orders, none of which names its customer")
    return people.anti_join(customers, "customer_id").count().to_pyarrow().as_py()
