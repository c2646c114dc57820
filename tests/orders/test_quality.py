"""orders/quality.py: gaps that chance does not explain, identity by month, and the list of requirements."""

from datetime import date, timedelta
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable
from clvbook.orders import quality
from clvbook.orders.reconcile import Reconciliation

START = date(2026, 1, 1)


def orders_on(offsets, customers=None):
    days = [START + timedelta(days=int(n)) for n in offsets]
    who = customers or [f"c{n}" for n in range(len(days))]
    frame = pd.DataFrame({"day": days, "customer_id": who, "net": 10.0, "refund": 1.0})
    return ibis.memtable(frame, schema={"day": "date", "customer_id": "string", "net": "float64", "refund": "float64"})


def test_every_day_stands_in_the_calendar():
    daily = quality.by_day(orders_on([0, 0, 3]), as_of=START + timedelta(days=5))
    assert daily.orders.tolist() == [2, 0, 0, 1, 0, 0]
    assert daily.net.tolist() == [20, 0, 0, 10, 0, 0]


def test_a_hole_in_a_busy_shop_is_a_gap_and_a_quiet_day_is_not():
    rng = np.random.default_rng(7)
    days = np.repeat(np.arange(300), rng.poisson(4, 300))
    days = days[(days < 100) | (days >= 112)]  # twelve days lost
    daily = quality.by_day(orders_on(days), as_of=START + timedelta(days=299))
    runs = quality.gaps(daily)
    assert (runs.first_day[0].date(), runs.last_day[0].date()) == (
        START + timedelta(days=100),
        START + timedelta(days=111),
    )
    assert len(runs) == 1
    assert (daily.orders.eq(0) & ~daily.gap).any()  # single quiet days: 300 x exp(-4) = 5 expected


def test_a_slow_shop_has_no_gaps_where_chance_explains_them():
    rng = np.random.default_rng(8)
    days = np.repeat(np.arange(400), rng.poisson(0.5, 400))
    daily = quality.by_day(orders_on(days), as_of=START + timedelta(days=399))
    assert quality.gaps(daily).empty


@given(st.lists(st.integers(0, 120), min_size=1, max_size=80), st.integers(0, 30))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_no_order_is_lost_and_gaps_are_empty_days(offsets, later):
    as_of = START + timedelta(days=max(offsets) + later)
    daily = quality.by_day(orders_on(offsets), as_of=as_of)
    assert daily.orders.sum() == len(offsets)
    assert len(daily) == max(offsets) + later - min(offsets) + 1
    assert daily[daily.gap].orders.eq(0).all()
    assert quality.gaps(daily).days.sum() == daily.gap.sum()


def test_months_count_identity_and_new_customers():
    offsets, who = [0, 1, 35, 40], ["a", None, "a", "b"]
    monthly = quality.by_month(orders_on(offsets, who), as_of=START + timedelta(days=60))
    assert monthly.month.tolist() == ["2026-01", "2026-02"]
    assert monthly.orders.tolist() == [2, 2]
    assert monthly.identified_share.tolist() == [0.5, 1.0]
    assert monthly.new.tolist() == [1, 1]
    assert monthly.customers.tolist() == [1, 2]


@pytest.fixture
def reconciliation():
    return Reconciliation(
        rows_read=10, rows_kept=5, rows_without_customer=1, rows_refund=1,
        quarantined={"unpaid": 1, "duplicate_row": 2}, orders_kept=6, orders_without_customer=1,
        paid_read=Decimal("100.00"), net_kept=Decimal("70.00"), refunded=Decimal("5.00"),
        paid_quarantined=Decimal("25.00"), customers=4, first_order=START, last_order=START,
        paid_quarantined_by_reason={"duplicate_row": Decimal("25.00")}, net_without_customer=Decimal("10.00"),
    )  # fmt: skip


def test_the_fates_add_up_to_what_was_read(reconciliation):
    fates = quality.fates(reconciliation)
    assert fates.rows[:-1].sum() == fates.rows.iloc[-1] == 10
    assert sum(fates.money[:-1]) == fates.money.iloc[-1] == Decimal("100.00")


def test_reasons_stand_most_first_with_their_meaning(reconciliation):
    reasons = quality.reasons(reconciliation)
    assert reasons.reason.tolist() == ["duplicate_row", "unpaid"]
    assert reasons.rows.tolist() == [2, 1]
    assert reasons.meaning.str.len().min() > 5


def test_support_names_each_requirement_that_is_not_met():
    has = {
        "customers": 1000, "repeat_customers": 49, "three_or_more": 5, "days": 400, "days_since_last": 3,
        "identified_share": 0.95, "unidentified_limit": 0.1, "min_customers": 200, "min_repeat_customers": 50,
        "horizon_days": 365,
    }  # fmt: skip
    frame = quality.support(**has).set_index("question")
    assert frame.index[~frame.enough].tolist() == ["Enough who came back"]
    assert quality.support(**{**has, "repeat_customers": 50}).enough.all()


def test_headline_figures_with_and_without_what_was_set_aside_as_fake():
    orders = orders_on([0, 1, 2, 9], ["a", "a", "b", None])
    flagged = orders_on([2, 3, 30], ["b", "fake", "late"])
    frame = quality.with_flagged(orders, flagged, as_of=START + timedelta(days=20)).set_index("version")
    assert list(frame.index) == ["as reported", "with the flagged orders"]
    reported, both = frame.loc["as reported"], frame.loc["with the flagged orders"]
    one = float(orders.net.sum().to_pandas()) / 4
    assert (reported.orders, reported.net, reported["mean"], reported.customers, reported.repeat_rate) == (
        4, 4 * one, one, 2, 0.5,
    )  # fmt: skip
    # the day on which b also bought is one purchase; what comes after the month's end has not happened
    assert (both.orders, both.net, both.customers, both.repeat_rate) == (6, 6 * one, 3, 1 / 3)
    none = quality.with_flagged(orders, flagged.filter(flagged.customer_id == "nobody"), as_of=START)
    assert none == NotComputable("no order was set aside as fake")
    nameless = quality.with_flagged(orders_on([0], [None]), flagged, as_of=START + timedelta(days=3))
    assert nameless.repeat_rate[0] == NotComputable("no order names its customer")
