"""What the data hint at where nobody was asked: marks of customers that may stand for a reason to leave. Proxies only.

in:  orders — customer_id, order_id, day, refund, coupon_id (Ibis; kept orders); items — order_id, category (Ibis)
out: a small pandas frame: how many of the lost carry each mark, and how many of those who stayed

A mark that those who stayed carry as often explains nothing. Lost customers have bought less often, and with one order
"always with a coupon" comes easily: so lost and kept are also compared among customers with as many orders.
"""

from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm

from clvbook.errors import NotComputable
from clvbook.retention.intervals import newcombe

POINTS_TO = {"refund": "fault", "coupon_only": "competition", "one_off": "natural"}
MEANING = {
    "refund": "money was given back on the last order",
    "coupon_only": "every order was made with a coupon",
    "one_off": "one order only, of categories that hardly anybody buys a second time",
}
NO_COUPON = NotComputable("the orders have no coupon: bring coupon_id in orders; it adds who bought with coupons only")
NO_ITEMS = NotComputable(
    "no order lines: bring order_items.csv (order_id, sku, category, quantity, amount; see data/README.md); it adds "
    "who bought something that hardly anybody buys twice"
)


def proxies(
    orders: ibis.Table,
    items: ibis.Table | None,
    *,
    as_of: date,
    lost_after_days: int,
    confidence: float,
    rarely: float = 0.05,
    min_buyers: int = 50,
) -> pd.DataFrame | NotComputable:
    """Marks of customers, among the lost (last order more than `lost_after_days` before `as_of`) and among the kept.

    proxy, points_to (the reason of the survey that it may stand for), meaning, lost, lost_share, kept, kept_share
    (customers, and the share with the mark), difference, low, high (Newcombe), and alike, alike_low, alike_high: the
    difference among customers with one, two, three or more orders, weighted as the lost are. A category is one-off
    where less than `rarely` of at least `min_buyers` customers, who first bought it more than `lost_after_days` ago,
    bought it on another day. Every figure of a mark that the data do not have is a NotComputable that says what to
    bring. NotComputable without lost or without kept customers.
    """
    seen = orders.filter(_.customer_id.notnull(), _.day <= as_of)
    coupon = _.coupon_id.notnull() & (_.coupon_id != "") if "coupon_id" in orders.columns else ibis.literal(False)
    marked = seen.mutate(with_coupon=coupon, last=_.day.max().over(ibis.window(group_by="customer_id")))
    marked = marked.mutate(silent=lambda t: ibis.literal(as_of).delta(t["last"], unit="day"))
    marks = marked.group_by("customer_id").aggregate(
        lost=(_.silent > lost_after_days).any(),
        number=ibis.least(_.count(), 3),
        refund=(_.refund > 0).any(where=_.day == _["last"]).fill_null(False),
        coupon_only=_.with_coupon.all(),
    )
    if items is not None:
        one_off = _one_off(seen, items, as_of=as_of, watched=lost_after_days, rarely=rarely, min_buyers=min_buyers)
        marks = marks.left_join(one_off, "customer_id").drop("customer_id_right")
        marks = marks.mutate(one_off=(_.number == 1) & _.one_off.fill_null(False))
    else:
        marks = marks.mutate(one_off=ibis.literal(False))
    counted = marks.group_by("lost", "number").aggregate(
        customers=_.count(), **{name: marks[name].sum() for name in POINTS_TO}
    )
    found = counted.to_pandas().set_index(["lost", "number"])
    for side, whom in ((True, "lost"), (False, "kept")):
        if side not in found.index.get_level_values("lost"):
            return NotComputable(f"not enough data: no customer is {whom} as of {as_of}; both are compared")
    missing = {"coupon_only": None if "coupon_id" in orders.columns else NO_COUPON}
    missing["one_off"] = None if items is not None else NO_ITEMS
    rows = [_row(name, found, missing.get(name), confidence) for name in POINTS_TO]
    return pd.DataFrame(rows, dtype=object)


def _one_off(
    orders: ibis.Table, items: ibis.Table, *, as_of: date, watched: int, rarely: float, min_buyers: int
) -> ibis.Table:
    """customer_id, one_off: whether all categories of all their orders are one-off."""
    lines = items.filter(_.category.notnull()).select("order_id", "category").distinct()
    bought = orders.select("order_id", "customer_id", "day").join(lines, "order_id")
    each = bought.group_by("customer_id", "category").aggregate(first=_.day.min(), on_days=_.day.nunique())
    old = each.filter(lambda t: ibis.literal(as_of).delta(t["first"], unit="day") > watched)
    categories = old.group_by("category").aggregate(buyers=_.count(), again=(_.on_days > 1).mean())
    rare = categories.filter(_.buyers >= min_buyers, _.again < rarely).select("category", rare=ibis.literal(True))
    known = each.left_join(rare, "category")
    return known.group_by("customer_id").aggregate(one_off=_.rare.fill_null(False).all())


def _row(name: str, found: pd.DataFrame, missing: NotComputable | None, confidence: float) -> dict[str, object]:
    row = {"proxy": name, "points_to": POINTS_TO[name], "meaning": MEANING[name]}
    figures = [
        "lost",
        "lost_share",
        "kept",
        "kept_share",
        "difference",
        "low",
        "high",
        "alike",
        "alike_low",
        "alike_high",
    ]
    if missing is not None:
        return row | dict.fromkeys(figures, missing)
    (lost, kept) = (found.loc[side].reindex([1, 2, 3], fill_value=0)[["customers", name]] for side in (True, False))
    hits, of = (lost[name].sum(), kept[name].sum()), (lost.customers.sum(), kept.customers.sum())
    shares = hits[0] / of[0], hits[1] / of[1]
    alike = _alike(lost.to_numpy(dtype=float), kept.to_numpy(dtype=float), confidence)
    values = [
        of[0],
        shares[0],
        of[1],
        shares[1],
        shares[0] - shares[1],
        *newcombe(hits, of, confidence=confidence),
        *alike,
    ]
    return row | dict(zip(figures, values, strict=True))


def _alike(lost: np.ndarray, kept: np.ndarray, confidence: float) -> tuple[float, float, float] | list[NotComputable]:
    """Difference among customers with as many orders, weighted as the lost are; rows: orders, columns: n, marked."""
    there = lost[:, 0] > 0
    if (kept[there, 0] == 0).any():
        return [NotComputable("no customer with as many orders has stayed")] * 3
    weight = lost[there, 0] / lost[there, 0].sum()
    shares = [side[there, 1] / side[there, 0] for side in (lost, kept)]
    # half a customer more with and without the mark, so that a mark which nobody carries is not certain
    smooth = [((side[there, 1] + 0.5) / (side[there, 0] + 1), side[there, 0]) for side in (lost, kept)]
    error = np.sqrt(sum((weight**2 * p * (1 - p) / n).sum() for p, n in smooth))
    difference, half = float(weight @ (shares[0] - shares[1])), norm.ppf((1 + confidence) / 2) * float(error)
    return difference, difference - half, difference + half
