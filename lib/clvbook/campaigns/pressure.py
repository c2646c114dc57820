"""How often customers are written to, who opted out, and what went with it: contact pressure.

in:  sends, orders (Ibis), customers — customer_id, first_day, last_day (Ibis; those who have bought), and optionally
     details — customer_id, opted_out (Ibis; the shop's customer file)
out: small pandas frames

A message counts where it left and is not known to have failed. People who never bought are in these figures only once
a campaign chose them: stage -1.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import ibis
import pandas as pd
from ibis import _

WINDOWS = (30, 90, 365)
MOST = 10  # messages from here on share one row
PROSPECT = -1


def by_stage(
    sends: ibis.Table,
    customers: ibis.Table,
    *,
    through: date,
    stage_bounds: Sequence[int],
    windows: Iterable[int] = WINDOWS,
) -> pd.DataFrame:
    """Messages a head in the last days up to `through`, by today's stage: stage (-1 prospects, then as `stage_bounds`
    cut the days since the last purchase), window_days, customers (all of the stage), reached (at least one message),
    messages, per_head, most (to one customer).
    """
    frames = []
    for days in windows:
        heads = _heads(sends, customers, first=through - timedelta(days=days - 1), last=through)
        recency = ibis.literal(through).delta(heads.last_day, unit="day")
        cuts = [(recency <= bound, index) for index, bound in enumerate(stage_bounds)]
        stage = ibis.cases((heads.last_day.isnull(), PROSPECT), *cuts, else_=len(stage_bounds)).cast("int8")
        counted = heads.group_by(stage=stage).aggregate(
            customers=_.count(), reached=(_.messages > 0).sum(), messages=_.messages.sum(), most=_.messages.max()
        )
        frames.append(counted.to_pandas().assign(window_days=days))
    frame = pd.concat(frames, ignore_index=True)
    frame = frame.assign(per_head=frame.messages / frame.customers).sort_values(["window_days", "stage"])
    columns = ["stage", "window_days", "customers", "reached", "messages", "per_head", "most"]
    return frame[columns].reset_index(drop=True)


def by_messages(
    sends: ibis.Table,
    customers: ibis.Table,
    orders: ibis.Table,
    *,
    through: date,
    days: int,
    follow_days: int,
    details: ibis.Table | None = None,
) -> pd.DataFrame:
    """Customers by messages received in `days` days, and what they did in the `follow_days` up to `through` after them.

    messages ("0" .. "10+"), customers, bought (with a kept order in the days after), conversion_observational, and with
    `details` opted_out and opted_out_observational (share who want no more, as of the file). Messages come first and
    purchases after, but nobody drew who gets how many: active customers get more messages and buy more anyway, and who
    opted out gets none from then on. Who came only after the messages is not in it.
    """
    turn = through - timedelta(days=follow_days)
    heads = _heads(sends, customers.filter(_.first_day <= turn), first=turn - timedelta(days=days - 1), last=turn)
    later = orders.filter(_.day > turn, _.day <= through).group_by("customer_id").aggregate(bought=True)
    heads = heads.left_join(later, "customer_id").drop("customer_id_right")
    more = {}
    if details is not None:
        gone = details.filter(_.opted_out).group_by("customer_id").aggregate(gone=True)
        heads = heads.left_join(gone, "customer_id").drop("customer_id_right")
        more["opted_out"] = _.gone.count()
    frame = (
        heads.group_by(number=ibis.least(_.messages, MOST))
        .aggregate(customers=_.count(), bought=_.bought.count(), **more)
        .order_by("number")
        .to_pandas()
    )
    label = frame.number.map(lambda n: f"{n}+" if n == MOST else str(n)).astype("str")
    frame.insert(0, "messages", label)
    frame = frame.drop(columns="number").assign(conversion_observational=frame.bought / frame.customers)
    if details is not None:
        frame = frame.assign(opted_out_observational=frame.opted_out / frame.customers)
    return frame


def _heads(sends: ibis.Table, customers: ibis.Table, *, first: date, last: date) -> ibis.Table:
    """One row a person known up to `last`: customer_id, last_day (null for prospects), messages in [first, last]."""
    begins, ends = (ibis.literal(pd.Timestamp(day).to_pydatetime()) for day in (first, last + timedelta(days=1)))
    chosen = sends.filter(ibis.coalesce(_.sent_at, _.assigned_at) < ends)
    got = (_.sent_at >= begins) & _.delivered.fill_null(True)
    written = chosen.select("customer_id", last_day=ibis.null("date"), message=got.fill_null(False).cast("int64"))
    known = customers.select("customer_id", last_day=_.last_day.cast("date"), message=ibis.literal(0, "int64"))
    both = known.union(written).group_by("customer_id")
    return both.aggregate(last_day=_.last_day.max(), messages=_.message.sum().cast("int64"))
