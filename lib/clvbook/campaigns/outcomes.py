"""The frozen inputs of every test of a campaign against its holdout: counts and sums by arm, grouped by the engine.

in:  sends (with the columns of `history.with_history`, where strata or a covariate are wanted), orders (Ibis),
     schedule (`sending.schedule`)
out: a frozen `Outcomes`, small pandas frames whatever the number of sends

Intention to treat: everyone assigned counts in the arm that was drawn, written to or not, reached or not. And both arms
have the same clock: a holdout has no sent_at, and a clock that begins at one's own message for some and elsewhere for
others would compare different days. So a campaign's window runs from its first message to its last one plus the
window's days, for all its customers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import pandas as pd
from ibis import _

from clvbook.campaigns.attribution import data_end
from clvbook.errors import NotComputable

DAYS = (1, 3, 7, 14, 30, 60, 90)
_KEY = ["campaign_id", "window_days"]


@dataclass(frozen=True)
class Outcomes:
    """inputs: one row a campaign, arm, stratum and window; caps: one a campaign and window; open: those left out.

    inputs: campaign_id, window_days, arm, the strata, then
      n (assigned), sent, delivered (customers),
      buyers, orders, revenue, revenue_sq (of each customer's revenue in the window), capped_revenue, capped_revenue_sq,
      with a covariate `pre` among the columns of sends: pre, pre_sq (sums over all n), pre_bought, pre_revenue,
      pre_capped_revenue (sums of its products with bought or not, revenue, capped revenue),
      where orders name coupons: coupon_buyers; where they have a discount: discount, discount_sq, revenue_discount.
    caps: campaign_id, window_days, opens, closes, cap (NotComputable without a buyer).
    open: campaign_id, window_days, closes.
    """

    inputs: pd.DataFrame
    caps: pd.DataFrame
    open: pd.DataFrame
    strata: tuple[str, ...] = ()


def outcomes(
    sends: ibis.Table,
    orders: ibis.Table,
    schedule: pd.DataFrame,
    *,
    through: date,
    windows: Iterable[int] | None = None,
    strata: Sequence[str] = (),
    cap_quantile: float = 0.995,
) -> Outcomes:
    """Sums by arm over `windows` (days; None: each campaign's attribution_days), counted from the last message.

    The cap is the `cap_quantile` quantile of revenue among *buyers* of both arms of a campaign: over everyone it is 0,
    as almost nobody buys. It bounds from above only: what a refund took off stays off. A campaign for which nobody was
    chosen has no row, one whose window ends after `through` is named in `open`.
    """
    spans = _windows(schedule, windows).assign(days=lambda t: t.window_days)
    last = spans.last_sent.fillna(spans.opens)
    return _outcomes(sends, orders, spans, last, through, tuple(strata), cap_quantile)


def by_day(
    sends: ibis.Table,
    orders: ibis.Table,
    schedule: pd.DataFrame,
    *,
    through: date,
    days: Iterable[int] = DAYS,
    strata: Sequence[str] = (),
    cap_quantile: float = 0.995,
) -> Outcomes:
    """The same sums, cumulated from the opening to `days` days after it (`window_days`): each customer's orders of the
    first day, the first three days, ..., so that the variance of a cumulative effect can be had from them.
    """
    spans = _windows(schedule, days).assign(days=lambda t: t.window_days)
    return _outcomes(sends, orders, spans, spans.opens, through, tuple(strata), cap_quantile)


def held_again(sends: ibis.Table) -> float | None:
    """How much likelier a customer held out is to be held out of the next campaign than one who was not: 0 where each
    campaign draws anew, 1 where the same customers are always held out; None where no two campaigns say. Where only
    those held out are chosen again (campaigns that share a holdout), against the share held out of all.
    """
    in_time = ibis.window(group_by="customer_id", order_by=["assigned_at", "campaign_id"])
    pairs = sends.mutate(held=_.arm == "holdout").mutate(then=_.held.lead().over(in_time).cast("int64"))
    row = pairs.aggregate(
        of_held=(_.held & _.then.notnull()).sum(),
        rows=_.count(),
        held=_.held.sum(),
        of_others=(~_.held & _.then.notnull()).sum(),
        again=_.then.sum(where=_.held).fill_null(0),
        first=_.then.sum(where=~_.held).fill_null(0),
    )
    counts = row.to_pyarrow().to_pylist()[0]
    if not counts["of_held"]:
        return None
    others = counts["first"] / counts["of_others"] if counts["of_others"] else counts["held"] / counts["rows"]
    return float(counts["again"] / counts["of_held"] - others)


def _windows(schedule: pd.DataFrame, windows: Iterable[int] | None) -> pd.DataFrame:
    chosen = schedule.loc[schedule.opens.notna(), ["campaign_id", "opens", "last_sent", "attribution_days"]]
    if windows is None:
        return chosen.rename(columns={"attribution_days": "window_days"})
    return chosen.merge(pd.DataFrame({"window_days": list(windows)}), how="cross")


def _outcomes(sends, orders, spans, begin, through, strata, cap_quantile) -> Outcomes:
    """`outcomes` over spans that close `window_days` days after `begin`."""
    closes = (begin + pd.to_timedelta(spans.window_days, unit="D")).astype("datetime64[us]")
    spans = spans.assign(begin=begin, closes=closes)[[*_KEY, "opens", "begin", "closes"]]
    is_open = spans.closes > data_end(through)
    left_out = spans.loc[is_open, [*_KEY, "closes"]].reset_index(drop=True)
    spans = spans[~is_open].reset_index(drop=True)
    key = [*_KEY, "arm", *strata]
    everyone = _assigned(sends, ["campaign_id", "arm", *strata]).merge(spans[_KEY], on="campaign_id")
    customers = _customers(sends, orders, spans, strata)
    buyers = ibis.window(group_by=_KEY)
    customers = customers.mutate(cap=_.revenue.quantile(cap_quantile).over(buyers))
    found = _sums(customers, key).to_pandas()
    caps = spans.drop(columns="begin").merge(found[[*_KEY, "cap"]].drop_duplicates(), on=_KEY, how="left")
    missing = NotComputable("nobody of the campaign bought in the window")
    caps = caps.assign(cap=pd.Series([missing if pd.isna(cap) else cap for cap in caps.cap], dtype=object))
    found = found.drop(columns="cap")
    inputs = everyone.merge(found, on=key, how="left")
    counted = [name for name in found.columns if name not in key]
    whole = {name: "int64" for name in ("buyers", "orders", "coupon_buyers") if name in counted}
    inputs[counted] = inputs[counted].astype("float64").fillna(0.0)
    inputs = inputs.astype(whole)[[*key, *(name for name in inputs.columns if name not in key)]]
    return Outcomes(inputs.sort_values(key, ignore_index=True), caps, left_out, strata)


def _assigned(sends: ibis.Table, arms: list[str]) -> pd.DataFrame:
    """Everyone assigned, by campaign, arm and strata."""
    more = {}
    if "pre" in sends.columns:
        more = {"pre": exact(_.pre), "pre_sq": exact(_.pre * _.pre)}
    sent = _.sent_at.notnull()
    return (
        sends.group_by(arms)
        .aggregate(n=_.count(), sent=sent.sum(), delivered=(sent & _.delivered.fill_null(False)).sum(), **more)
        .to_pandas()
    )


def _customers(sends: ibis.Table, orders: ibis.Table, spans: pd.DataFrame, strata: tuple[str, ...]) -> ibis.Table:
    """One row a campaign, window and customer who bought in it; the many who did not are never a row of their own."""
    own = ["arm", *strata, *(["pre"] if "pre" in sends.columns else [])]
    limits = spans.groupby("campaign_id", as_index=False).agg(
        opens=("opens", "first"), begin=("begin", "first"), ends=("closes", "max"), window_days=("window_days", list)
    )
    clock = ibis.memtable(limits.astype({"window_days": object}), schema=_CLOCK)
    chosen = sends.select("campaign_id", "customer_id", *own).inner_join(clock, "campaign_id")
    # The limits hang on the arm, so that the engine meets orders by their customer: joined with the clock first, each
    # order would be a row for every campaign that runs at its time.
    drawn = _.arm.notnull()
    chosen = chosen.mutate(opens=ibis.ifelse(drawn, _.opens, None), ends=ibis.ifelse(drawn, _.ends, None))
    coupons = _filled(orders, ("coupon_id", "discount"))
    paid = orders.select(*["paid_at", "net", *coupons], buyer="customer_id")
    inside = [paid.buyer == chosen.customer_id, paid.paid_at >= chosen.opens, paid.paid_at < chosen.ends]
    bought = chosen.inner_join(paid, inside).drop("opens", "ends", "buyer")
    bought = bought.unnest("window_days").filter(_.paid_at < _.begin + _.window_days.as_interval("D"))
    more = {}
    if "coupon_id" in coupons:
        more["with_coupon"] = _.coupon_id.notnull().any()
    if "discount" in coupons:
        more["discount"] = _.discount.sum().cast("float64").fill_null(0.0)
    return bought.group_by([*_KEY, "customer_id", *own]).aggregate(
        orders=_.count(), revenue=_.net.sum().cast("float64"), **more
    )


_CLOCK = {"campaign_id": "string", "opens": "timestamp(6)", "begin": "timestamp(6)", "ends": "timestamp(6)"}
_CLOCK |= {"window_days": "array<int64>"}


def _filled(orders: ibis.Table, names: tuple[str, ...]) -> list[str]:
    """Those of the columns that are there and not empty throughout: an export without coupons is not one with none."""
    there = [name for name in names if name in orders.columns]
    if not there:
        return []
    row = orders.aggregate(**{name: _[name].count() for name in there}).to_pyarrow().to_pylist()[0]
    return [name for name in there if row[name]]


def _sums(customers: ibis.Table, key: list[str]) -> ibis.Table:
    """What buyers bought, by campaign, window, arm and strata."""
    capped = customers.mutate(capped=ibis.least(_.revenue, _.cap))
    more = {}
    if "with_coupon" in customers.columns:
        more["coupon_buyers"] = _.with_coupon.sum()
    if "discount" in customers.columns:
        more |= {"discount": exact(_.discount), "discount_sq": exact(_.discount * _.discount)}
        more["revenue_discount"] = exact(_.revenue * _.discount)
    if "pre" in customers.columns:
        more |= {"pre_bought": exact(_.pre), "pre_revenue": exact(_.pre * _.revenue)}
        more["pre_capped_revenue"] = exact(_.pre * _.capped)
    return capped.group_by(key).aggregate(
        cap=_.cap.max(),
        buyers=_.count(),
        orders=_.orders.sum(),
        revenue=exact(_.revenue),
        revenue_sq=exact(_.revenue * _.revenue),
        capped_revenue=exact(_.capped),
        capped_revenue_sq=exact(_.capped * _.capped),
        **more,
    )


def exact(column: ibis.Deferred) -> ibis.Deferred:
    """Its sum by decimals: one of floats would depend on the order in which the engine's threads meet them."""
    return column.cast("decimal(38,9)").sum().cast("float64")
