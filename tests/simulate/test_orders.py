from datetime import date

import numpy as np
import pytest

from clvbook.simulate import orders
from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.customers import draw_customers, draw_purchases, draw_spend
from clvbook.simulate.orders import KINDS, REPEATED, STATUSES, Purchases
from clvbook.simulate.truth import Parameters

CALENDAR = make_calendar(date(2025, 1, 1), date(2025, 12, 31), future_days=0, seasons=False)
TRUTH = Parameters()


@pytest.fixture(scope="module")
def purchases():
    rng = np.random.default_rng(1)
    customers = draw_customers(rng, 20_000, calendar=CALENDAR, truth=TRUTH)
    who, day = draw_purchases(rng, customers, calendar=CALENDAR)
    net = draw_spend(rng, customers.spend_rate[who], truth=TRUTH)
    none = np.full(who.size, -1)
    return customers, Purchases(who, day, net, none, none)


@pytest.fixture(scope="module")
def rows(purchases):
    return orders.draw_orders(np.random.default_rng(2), *purchases, calendar=CALENDAR, truth=TRUTH)


def test_refunds_splits_and_dirt_leave_each_purchase_its_net_amount(purchases, rows):
    _, bought = purchases
    real = (rows.kind == 0) & (rows.repeated < 0)
    day = rows.paid_at[real] // orders.DAY - np.datetime64(CALENDAR.start, "D").astype(int)
    key = rows.who[real] * 1000 + day
    keys, place = np.unique(key, return_inverse=True)
    found = dict(zip(keys, np.bincount(place, (rows.paid - rows.refund)[real]).astype(int), strict=True))
    assert found == dict(zip(bought.who * 1000 + bought.day, bought.net, strict=True))


def test_each_kind_looks_as_its_reason_says(rows):
    def of(name):
        return (rows.kind == KINDS.index(name)) & (rows.repeated < 0)

    for name in ("unpaid", "closed_unpaid", "cancelled", "zero_amount"):
        assert of(name).any()
        assert not rows.paid[of(name)].any()
    for name in ("closed_refunded", "fully_refunded"):
        assert (rows.refund[of(name)] == rows.paid[of(name)]).all()
        assert rows.paid[of(name)].min() > 0
    assert (rows.created > rows.paid_at).sum() == of("paid_before_created").sum() > 0
    part = of("purchase") & (rows.status == STATUSES.index("part_refunded"))
    assert ((rows.refund > 0) & (rows.refund < rows.paid))[part].all()
    assert (rows.who[of("without_customer") | of("test_order")] == orders.NOBODY).all()
    assert sum(orders.count_planted(rows)[k] for k in [*KINDS, *REPEATED]) == rows.who.size


def test_an_older_version_stands_before_the_newer_and_a_copy_beside_its_like(rows):
    old = np.flatnonzero(rows.repeated == REPEATED.index("superseded"))
    assert (rows.number[old + 1] == rows.number[old]).all()
    assert (rows.status[old] != rows.status[old + 1]).all()
    copy = np.flatnonzero(rows.repeated == REPEATED.index("duplicate_row"))
    for name in ("number", "who", "created", "paid_at", "status", "paid", "refund", "coupon"):
        assert np.array_equal(getattr(rows, name)[copy], getattr(rows, name)[copy + 1])


def test_items_sum_to_what_was_paid(rows):
    columns, pieces = orders.draw_items(np.random.default_rng(3), rows, first_order=1)
    number = np.array([int(text[1:]) - 1 for text in columns["order_id"].to_pylist()])
    cents = np.array([int(amount.scaleb(2)) for amount in columns["amount"].to_pylist()])
    paid = np.zeros(pieces.size, int)
    paid[rows.number] = rows.paid
    assert np.array_equal(np.bincount(number, cents, minlength=pieces.size).astype(int), paid)
    assert cents.min() >= 0
    assert np.array_equal(pieces > 0, np.bincount(number, minlength=pieces.size) > 0)
    unpaid = np.isin(rows.kind, [KINDS.index(k) for k in ("unpaid", "closed_unpaid", "cancelled")])
    assert not pieces[rows.number[unpaid]].any()
