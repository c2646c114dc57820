"""Purchases as a shop exports them: orders with items, and rows that are no purchase, each kind counted.

in: a chunk's customer-days with their net spend; out: columns of orders and order_items, and counts of what was planted
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clvbook.simulate import tables
from clvbook.simulate.calendar import Calendar
from clvbook.simulate.campaigns import SENT_AT, Campaign
from clvbook.simulate.catalog import CATEGORY_SHARES, HOURS, PRODUCTS, PROVINCES, REMARK_SHARE, REMARKS, SOURCES
from clvbook.simulate.customers import Customers, draw_spend
from clvbook.simulate.truth import Parameters

DAY = 86400
COUPON = 1000  # cents off with a campaign's coupon
NOBODY = -1
STATUSES = ["paid", "shipped", "completed", "part_refunded", "unpaid", "closed_unpaid", "cancelled", "closed_refunded",
            "test"]  # fmt: skip
# Rows that are set aside, by the reason's name: (status, has paid_at).
SET_ASIDE = {
    "test_order": ("test", True),
    "unpaid": ("unpaid", False),
    "closed_unpaid": ("closed_unpaid", False),
    "cancelled": ("cancelled", False),
    "closed_refunded": ("closed_refunded", True),
    "paid_before_created": ("completed", True),
    "zero_amount": ("completed", True),
    "fully_refunded": ("completed", True),
}
KINDS = ["purchase", "without_customer", *SET_ASIDE]
REPEATED = ("superseded", "duplicate_row")  # rows that stand once more: as an older version, or exactly
ITEM_COUNTS = (0.52, 0.30, 0.13, 0.05)  # shares of orders with 1, 2, 3, 4 lines
OWN_SOURCE = 0.6  # later orders that come through the customer's first source
LEAST_LINE = 5000  # an order has at most one line for so many cents


@dataclass(frozen=True)
class Purchases:
    """Customer-days until the end: who, day, net cents, and the campaign (index) that caused or discounted it."""

    who: np.ndarray
    day: np.ndarray
    net: np.ndarray
    caused: np.ndarray  # the campaign's index, or -1
    coupon: np.ndarray  # the campaign's index, or -1

    def take(self, index: np.ndarray) -> "Purchases":
        return Purchases(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class OrderRows:
    """One chunk's order rows in file order; arrays of one length. `kind` is an index into KINDS."""

    number: np.ndarray
    who: np.ndarray
    kind: np.ndarray
    created: np.ndarray
    paid_at: np.ndarray
    status: np.ndarray
    paid: np.ndarray
    refund: np.ndarray
    coupon: np.ndarray
    repeated: np.ndarray  # index into REPEATED, or -1

    def take(self, index: np.ndarray) -> "OrderRows":
        return OrderRows(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def draw_orders(
    rng: np.random.Generator, customers: Customers, purchases: Purchases, *, calendar: Calendar, truth: Parameters
) -> OrderRows:
    """Order rows of one chunk; each purchase keeps its net amount, whatever is refunded or split around it."""
    n = purchases.who.size
    # Some purchases are two orders on one day.
    split = np.flatnonzero((rng.random(n) < truth.same_day) & (purchases.net >= 4000) & (purchases.caused < 0))
    part = (purchases.net[split] * rng.uniform(0.25, 0.75, split.size)).astype(np.int64)
    net = purchases.net.copy()
    net[split] -= part
    blocks = [
        (purchases.who, purchases.day, net, np.zeros(n, int)),
        (purchases.who[split], purchases.day[split], part, np.zeros(split.size, int)),
    ]
    for kind, name in enumerate(KINDS[1:], start=1):
        count = rng.binomial(n, getattr(truth, name))
        who = rng.integers(len(customers), size=count)
        day = rng.integers(customers.born[who], calendar.window)
        if name == "unpaid":  # the platform closes an unpaid order after three days
            day = np.maximum(day, calendar.window - rng.integers(1, 4, count))
        if name in ("without_customer", "test_order"):
            who = np.full(count, NOBODY)
        cents = draw_spend(rng, rng.gamma(truth.q, 1 / truth.v, count), truth=truth)
        blocks.append((who, day, cents, np.full(count, kind)))
    who, day, paid, kind = (np.concatenate(column) for column in zip(*blocks, strict=True))
    coupon, caused = np.full((2, who.size), -1)
    coupon[:n], caused[:n] = purchases.coupon, purchases.caused

    refund = np.zeros(who.size, np.int64)
    is_kept = kind <= KINDS.index("without_customer")
    again = is_kept & (rng.random(who.size) < truth.part_refunded)  # something more was bought and sent back
    refund[again] = (paid[again] * rng.uniform(0.1, 0.8, again.sum())).astype(np.int64) + 1
    paid = paid + refund
    nothing = np.isin(kind, [KINDS.index(k) for k in ("unpaid", "closed_unpaid", "cancelled", "zero_amount")])
    paid[nothing] = 0
    whole = np.isin(kind, [KINDS.index(k) for k in ("closed_refunded", "fully_refunded")])
    refund[whole] = paid[whole]

    age = calendar.window - 1 - day
    status = np.where(age < 2, 0, np.where(age < 8, 1, 2))
    status[refund > 0] = STATUSES.index("part_refunded")
    for name, (said, _) in SET_ASIDE.items():
        status[kind == KINDS.index(name)] = STATUSES.index(said)

    second = rng.choice(24, size=who.size, p=np.array(HOURS) / sum(HOURS)) * 3600 + rng.integers(3600, size=who.size)
    second = np.where(caused >= 0, SENT_AT + 600 + second * (DAY - SENT_AT - 600) // DAY, second)
    zero = np.datetime64(calendar.start, "D")
    paid_at = (zero.astype(np.int64) + day) * DAY + second
    created = paid_at - 5 - rng.exponential(120, who.size).astype(np.int64)
    created = np.where(caused >= 0, np.maximum(created, paid_at - 500), created)
    late = kind == KINDS.index("paid_before_created")
    created[late] = paid_at[late] + 3600

    order = np.argsort(created, kind="stable")
    rows = OrderRows(
        np.arange(who.size), who[order], kind[order], created[order], paid_at[order], status[order], paid[order],
        refund[order], coupon[order], np.full(who.size, -1),
    )  # fmt: skip
    return _repeat(rng, rows, truth=truth)


def _repeat(rng: np.random.Generator, rows: OrderRows, *, truth: Parameters) -> OrderRows:
    """Let some finished orders stand twice: as they were before (older version first), or as an exact copy."""
    done = np.flatnonzero((rows.kind == 0) & (rows.status >= STATUSES.index("completed")))
    chosen = rng.permutation(done)
    old = rng.binomial(done.size, truth.superseded)
    copies = rng.binomial(done.size - old, truth.duplicate_row)
    chosen = chosen[: old + copies]
    extra = rows.take(chosen)
    extra.status[:old] = STATUSES.index("shipped")
    extra.refund[:old] = 0
    extra.repeated[:] = np.repeat([0, 1], [old, copies])
    joined = OrderRows(*(np.concatenate([getattr(extra, f), getattr(rows, f)]) for f in rows.__dataclass_fields__))
    return joined.take(np.argsort(joined.number, kind="stable"))


def count_planted(rows: OrderRows) -> dict[str, int]:
    """Rows of each planted kind, a row in one kind, as the design's set-aside reasons name them."""
    single = rows.repeated < 0
    planted = {name: int(((rows.kind == k) & single).sum()) for k, name in enumerate(KINDS)}
    planted |= {name: int((rows.repeated == k).sum()) for k, name in enumerate(REPEATED)}
    planted["part_refunded"] = int((single & (rows.status == STATUSES.index("part_refunded"))).sum())
    return planted


def order_columns(
    rows: OrderRows, items: np.ndarray, customers: Customers, ids: pa.Array, *,
    rng: np.random.Generator, calendar: Calendar, plan: list[Campaign], first_order: int,
) -> dict[str, pa.Array]:  # fmt: skip
    """The orders table; `items` is the number of pieces by order number."""
    numbers = rows.number.max(initial=-1) + 1
    province = rng.integers(len(PROVINCES), size=numbers)[rows.number]
    source = rng.integers(len(SOURCES), size=numbers)[rows.number]
    known = rows.who >= 0
    province[known] = customers.province[rows.who[known]]
    day = rows.paid_at // DAY - np.datetime64(calendar.start, "D").astype(np.int64)
    own = known & ((rng.random(numbers) < OWN_SOURCE)[rows.number] | (day == customers.born[rows.who]))
    source[own] = customers.source[rows.who[own]]
    remark = np.where(
        rng.random(numbers) < REMARK_SHARE, rng.integers(len(REMARKS), size=numbers), -1
    )[rows.number]  # fmt: skip
    has_paid = np.array([True] * 2 + [paid for _, paid in SET_ASIDE.values()])[rows.kind]
    coupons = pa.array([f"C-{campaign.campaign_id}" for campaign in plan], pa.string())
    return {
        "order_id": tables.number_ids("D", first_order + rows.number, width=10),
        "customer_id": tables.pick(ids, rows.who),
        "created_at": tables.moment(rows.created),
        "paid_at": tables.moment(rows.paid_at, where=has_paid),
        "status": tables.pick(STATUSES, rows.status),
        "paid": tables.money(rows.paid),
        "refund": tables.money(rows.refund),
        "currency": tables.pick(["CNY"], np.zeros(rows.who.size, int)),
        "items": pa.array(items[rows.number]),
        "discount": tables.money(np.where(rows.coupon >= 0, COUPON, 0)),
        "coupon_id": tables.pick(coupons, rows.coupon),
        "province": tables.pick([name for name, *_ in PROVINCES], province),
        "source": tables.pick([name for name, *_ in SOURCES], source),
        "remark": tables.pick(REMARKS, remark),
    }


def draw_items(
    rng: np.random.Generator, rows: OrderRows, *, first_order: int
) -> tuple[dict[str, pa.Array], np.ndarray]:
    """The order_items table (amounts sum to the order's paid; unpaid orders have no line), and pieces by order."""
    numbers = rows.number.max(initial=-1) + 1
    paid = np.zeros(numbers, np.int64)
    paid[rows.number] = rows.paid
    lines = rng.choice(len(ITEM_COUNTS), size=numbers, p=ITEM_COUNTS) + 1
    lines = np.minimum(lines, np.maximum(paid // LEAST_LINE, 1))
    kind = np.zeros(numbers, int)
    kind[rows.number] = rows.kind
    lines[paid == 0] = np.where(kind[paid == 0] == KINDS.index("zero_amount"), 1, 0)
    number = np.repeat(np.arange(numbers), lines)
    weight = rng.gamma(4, size=number.size)
    total = np.bincount(number, weight, minlength=numbers)
    amount = (paid[number] * (weight / total[number])).astype(np.int64)
    left = paid - np.bincount(number, amount, minlength=numbers).astype(np.int64)
    amount[np.searchsorted(number, np.flatnonzero(lines))] += left[lines > 0]
    category = rng.choice(len(PRODUCTS), size=number.size, p=CATEGORY_SHARES)
    prices = 100 * np.array([[price for *_, price in products] for _, products in PRODUCTS])
    choice = np.maximum((amount[:, None] >= 0.8 * prices[category]).sum(axis=1) - rng.integers(1, 3, number.size), 0)
    quantity = np.maximum(np.rint(amount / prices[category, choice]), 1).astype(np.int64)
    product = category * prices.shape[1] + choice
    flat = [(sku, title, name) for name, products in PRODUCTS for sku, title, _ in products]
    columns = {
        "order_id": tables.number_ids("D", first_order + number, width=10),
        "sku": tables.pick([sku for sku, *_ in flat], product),
        "title": tables.pick([title for _, title, _ in flat], product),
        "category": tables.pick([name for *_, name in flat], product),
        "quantity": pa.array(quantity),
        "amount": tables.money(amount),
    }
    return columns, np.bincount(number, quantity, minlength=numbers).astype(np.int64)
