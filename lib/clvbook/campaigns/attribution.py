"""Which order came after which message: last touch, any touch and shared, over windows that are over.

in:  orders — order_id, customer_id, paid_at, day, net (Ibis; kept orders); sends (Ibis); schedule (`sending.schedule`)
out: a frozen `Attribution`, and windows side by side as a small pandas frame

What came after a message need not have come because of it: to tell takes a holdout (`outcomes`). An order is
attributed to a send where paid_at is in [sent_at, sent_at + window), by the clock: an order of the same day before the
message is not. Where a campaign's log has days without times, nobody knows which of the day's orders came first: its
window then begins at the midnight after, and lasts as long.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
from ibis import _

WINDOWS = (1, 3, 7, 14, 30)
_FIGURES = ["buyers", "buyers_delivered", "orders_any_touch", "revenue_any_touch", "orders_last_touch"]
_FIGURES += ["revenue_last_touch", "orders_shared", "revenue_shared", "overlapping", "provisional_orders"]
_FIGURES += ["provisional_revenue", "revenue_squares"]


@dataclass(frozen=True)
class Programme:
    """All campaigns together, each order counted once.

    campaigns, sent (messages), buyers (distinct customers), orders, revenue: of the campaigns whose window is over; an
    order is theirs where their message was its last touch. open_orders, open_revenue: those whose last touch is a
    campaign that is still open. touched_revenue: what the any-touch figures of the campaigns that are over sum to,
    orders touched by several counted several times. overlap: share of orders (open ones included) that more than one
    message touched; None without an order. provisional_*: of orders, those younger than refund_days: refunds may yet
    take a part.
    """

    campaigns: int
    sent: int
    buyers: int
    orders: int
    revenue: float
    open_orders: int
    open_revenue: float
    touched_revenue: float
    overlap: float | None
    provisional_orders: int
    provisional_revenue: float

    @property
    def matured_revenue(self) -> float:
        """Revenue without what is provisional."""
        return self.revenue - self.provisional_revenue


@dataclass(frozen=True)
class Attribution:
    """by_campaign: one row a campaign; programme: their total; through: the last day that the data cover.

    by_campaign has the columns of `sending.schedule` and closes (when the last message's window ends), open (it ends
    after `through`), and of the orders in the window: buyers (distinct customers), buyers_delivered (those whose
    message arrived), orders_any_touch and revenue_any_touch (every order in the window), ..._last_touch (those of which
    this was the last message), ..._shared (an order touched by k campaigns is 1/k), overlap (share of its orders that
    another campaign touched as well; NaN without an order), provisional_orders and provisional_revenue (any touch,
    younger than refund_days), and revenue_squares, the sum over buyers of the square of what each one spent (any
    touch), from which `verdicts.ratio` has its interval. Figures of an open campaign are missing: so far is not the
    whole.
    """

    by_campaign: pd.DataFrame
    programme: Programme
    through: date

    @property
    def over(self) -> pd.DataFrame:
        """The campaigns whose window is over."""
        return self.by_campaign[~self.by_campaign.open].reset_index(drop=True)

    @property
    def open(self) -> pd.DataFrame:
        """The campaigns left out as their window is not over: campaign_id, name, sent, closes."""
        rows = self.by_campaign[self.by_campaign.open]
        return rows[["campaign_id", "name", "sent", "closes"]].reset_index(drop=True)


def attribute(
    orders: ibis.Table, sends: ibis.Table, schedule: pd.DataFrame, *, through: date, refund_days: int
) -> Attribution:
    """Attribute orders paid up to the end of `through`, each campaign by its own attribution_days.

    Of two messages that left at the same moment the one with the greater campaign_id is the last. A campaign that is
    still open takes part in who was last: else the others' figures would change when it ends.
    """
    spans = _spans(schedule, schedule.assign(window=0, window_days=schedule.attribution_days), through)
    touches = _touches(orders, sends, spans, through=through, refund_days=refund_days)
    frame = schedule.merge(spans[["campaign_id", "closes", "open"]], on="campaign_id").merge(
        _by_campaign(touches).drop(columns="window"), on="campaign_id", how="left"
    )
    frame[_FIGURES] = frame[_FIGURES].astype("float64").fillna(0.0).mask(frame.open)
    frame = frame.assign(overlap=_share(frame)).drop(columns="overlapping")
    return Attribution(frame, _programme(touches, frame), through)


def by_window(
    orders: ibis.Table,
    sends: ibis.Table,
    schedule: pd.DataFrame,
    *,
    through: date,
    refund_days: int,
    windows: Iterable[int] = WINDOWS,
) -> pd.DataFrame:
    """The same campaigns under other windows (days), side by side: campaign_id, name, window_days, sent, closes, open,
    and the figures of `Attribution.by_campaign`; missing where that window is still open.

    A window is given to all campaigns at once, so that last touch and shared compare like with like.
    """
    grid = schedule.merge(pd.DataFrame({"window_days": list(windows)}), how="cross").assign(
        window=lambda t: t.window_days
    )
    spans = _spans(schedule, grid, through)
    touches = _touches(orders, sends, spans, through=through, refund_days=refund_days)
    frame = spans.merge(_by_campaign(touches), on=["campaign_id", "window"], how="left")
    frame[_FIGURES] = frame[_FIGURES].astype("float64").fillna(0.0).mask(frame.open)
    frame = frame.assign(overlap=_share(frame)).merge(schedule[["campaign_id", "name", "sent"]], on="campaign_id")
    columns = ["campaign_id", "name", "window_days", "sent", "closes", "open", *_FIGURES, "overlap"]
    return frame[columns].drop(columns="overlapping")


def data_end(through: date) -> pd.Timestamp:
    """The moment at which data covering `through` end: the midnight after it."""
    return pd.Timestamp(through) + pd.Timedelta(days=1)


def _spans(schedule: pd.DataFrame, windows: pd.DataFrame, through: date) -> pd.DataFrame:
    """campaign_id, window (what competes with what), window_days, delay_days, closes, open; a row each of `windows`."""
    delay = schedule.dates_only.astype("int64").to_numpy()
    spans = windows[["campaign_id", "window", "window_days"]].merge(
        schedule[["campaign_id", "starts_on", "last_sent"]].assign(delay_days=delay), on="campaign_id"
    )
    last = spans.last_sent.fillna(spans.starts_on)
    closes = last + pd.to_timedelta(spans.delay_days + spans.window_days, unit="D")
    spans = spans.assign(closes=closes.astype("datetime64[us]"), open=closes > data_end(through))
    return spans.drop(columns=["starts_on", "last_sent"])


def _touches(
    orders: ibis.Table, sends: ibis.Table, spans: pd.DataFrame, *, through: date, refund_days: int
) -> ibis.Table:
    """One row an order, window and message that touched it: `touched`, how many there are, `last` for one of them."""
    longest = spans.groupby("campaign_id", as_index=False).agg(
        delay_days=("delay_days", "first"), longest=("window_days", "max")
    )
    sent = sends.filter(_.sent_at.notnull()).inner_join(ibis.memtable(longest), "campaign_id")
    sent = sent.mutate(begins=_.sent_at + _.delay_days.as_interval("D"))
    sent = sent.select("campaign_id", "customer_id", "delivered", "begins", "longest")
    until = ibis.literal(data_end(through).to_pydatetime())
    paid = orders.select("order_id", "customer_id", "paid_at", "day", "net").filter(_.paid_at < until)
    pairs = paid.inner_join(
        sent,
        [
            paid.customer_id == sent.customer_id,
            paid.paid_at >= sent.begins,
            paid.paid_at < sent.begins + sent.longest.as_interval("D"),
        ],
    ).drop("customer_id_right", "longest")
    each = ibis.memtable(spans[["campaign_id", "window", "window_days", "open"]])
    pairs = pairs.inner_join(each, "campaign_id").filter(_.paid_at < _.begins + _.window_days.as_interval("D"))
    order = ibis.window(group_by=["window", "order_id"])
    person = ibis.window(group_by=["window", "campaign_id", "customer_id"])
    latest = ibis.window(group_by=["window", "order_id"], order_by=[ibis.desc("begins"), ibis.desc("campaign_id")])
    return pairs.mutate(
        touched=_.count().over(order),
        spent=_.net.sum().over(person).cast("float64"),
        last=ibis.row_number().over(latest) == 0,
        provisional=_.day > ibis.literal(through - timedelta(days=refund_days)),
    )


def _by_campaign(touches: ibis.Table) -> pd.DataFrame:
    """The figures of each campaign and window."""
    return (
        touches.group_by("campaign_id", "window")
        .aggregate(
            buyers=_.customer_id.nunique(),
            buyers_delivered=_.customer_id.nunique(where=_.delivered),
            orders_any_touch=_.count(),
            revenue_any_touch=_.net.sum().cast("float64"),
            orders_last_touch=_.last.sum(),
            revenue_last_touch=_.net.sum(where=_.last).cast("float64"),
            orders_shared=_exact(1 / _.touched),
            revenue_shared=_exact(_.net.cast("float64") / _.touched),
            overlapping=(_.touched > 1).sum(),
            provisional_orders=_.provisional.sum(),
            provisional_revenue=_.net.sum(where=_.provisional).cast("float64"),
            revenue_squares=_exact(_.net.cast("float64") * _.spent),
        )
        .to_pandas()
    )


def _programme(touches: ibis.Table, frame: pd.DataFrame) -> Programme:
    over = ~_.open
    row = (
        touches.filter(_.last)
        .aggregate(
            buyers=_.customer_id.nunique(where=over),
            orders=over.sum(),
            revenue=_.net.sum(where=over).cast("float64"),
            open_orders=_.open.sum(),
            open_revenue=_.net.sum(where=_.open).cast("float64"),
            overlapping=(_.touched > 1).sum(),
            provisional_orders=(over & _.provisional).sum(),
            provisional_revenue=_.net.sum(where=over & _.provisional).cast("float64"),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    found = {name: float(value or 0) if "revenue" in name else int(value or 0) for name, value in row.items()}
    overlapping, orders = found.pop("overlapping"), found["orders"] + found["open_orders"]
    return Programme(
        campaigns=int((~frame.open).sum()),
        sent=int(frame.sent[~frame.open].sum()),
        touched_revenue=float(frame.revenue_any_touch[~frame.open].sum()),
        overlap=overlapping / orders if orders else None,
        **found,
    )


def _share(frame: pd.DataFrame) -> pd.Series:
    return frame.overlapping / frame.orders_any_touch.replace(0.0, np.nan)


def _exact(column: ibis.Deferred) -> ibis.Deferred:
    # as decimals: a sum of floats would depend on the order in which the engine's threads meet them
    return column.cast("decimal(38,9)").sum().cast("float64")
