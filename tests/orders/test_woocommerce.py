"""WooCommerce orders as the database table and as a plugin's item list; their truth was added up by hand."""

from datetime import date, datetime
from pathlib import Path

import pytest

from clvbook.engine import connect
from clvbook.orders import clean_orders

EXPORTS = Path(__file__).parent / "exports"


@pytest.fixture(scope="module")
def cleaned(module_settings):
    def read(name):
        made = module_settings(str(EXPORTS / name), mapping="woocommerce", currency="GBP", timezone="Europe/London")
        return clean_orders(connect(made), made)

    return read


@pytest.fixture(scope="module")
def table(cleaned):
    return cleaned("woocommerce_table.csv")


def fates(cleaned):
    rows = cleaned.set_aside.select("line", "order_id", "reason").to_pyarrow().to_pylist()
    return {(row["line"], row["order_id"]): row["reason"] for row in rows}


def test_refund_rows_go_with_their_orders(table):
    assert fates(table) == {
        (7, "106"): "unpaid",  # cash on delivery: processing, and not paid yet
        (8, "107"): "unpaid",
        (9, "108"): "unpaid",  # on hold
        (10, "109"): "unpaid",  # failed
        (11, "110"): "cancelled",
        (12, "111"): "unpaid",  # a draft
        (13, "112"): "closed_refunded",
        (14, "113"): "closed_refunded",  # the refund of 112
        (15, "114"): "fully_refunded",
        (16, "115"): "fully_refunded",  # the refund of 114
        (17, "116"): "negative_amount",  # of an order that is not there
        (18, "117"): "zero_amount",
        (23, "122"): "cancelled",  # the refund of 110
        (25, "124"): "cancelled",  # in the bin
        (26, "123"): "duplicate_row",
    }
    orders = {row["order_id"]: row for row in table.orders.to_pyarrow().to_pylist()}
    assert sorted(orders) == ["101", "102", "105", "118", "119", "120", "121", "123"]
    assert (orders["101"]["paid"], orders["101"]["refund"], orders["101"]["net"]) == (60, 25, 35)


def test_rows_and_money_reconcile_to_the_cent(table):
    told = table.reconciliation
    assert (told.rows_read, told.rows_kept, told.rows_without_customer, told.rows_refund) == (25, 7, 1, 2)
    assert (told.orders_kept, told.orders_without_customer) == (8, 1)
    # 60 + 40 + 30 + 39 + 41 + 42 + 43 + 44, less 20 + 5 given back of 101
    assert (told.net_kept, told.refunded, told.refunds_unmatched, told.refunded_beyond) == (314, 25, 1, 0)
    assert {reason: int(paid) for reason, paid in told.paid_quarantined_by_reason.items()} == {
        "duplicate_row": 44, "unpaid": 31 + 32 + 33 + 34 + 36, "cancelled": 35 - 35 + 45, "closed_refunded": 0,
        "negative_amount": -9, "zero_amount": 0, "fully_refunded": 0,
    }  # fmt: skip
    assert told.paid_read == 314 + 25 + 44 + 166 + 45 - 9


def test_times_in_utc_are_moved_to_the_shops_clock(table):
    when = {row["order_id"]: (row["day"], row["paid_at"]) for row in table.orders.to_pyarrow().to_pylist()}
    assert when["101"] == (date(2026, 3, 29), datetime(2026, 3, 29, 0, 10))  # still winter time
    assert when["102"] == (date(2026, 3, 30), datetime(2026, 3, 30, 0, 30))  # summer time: already the next day


def test_a_guest_is_known_by_the_billing_email(table):
    who = {row["order_id"]: row["customer_id"] for row in table.orders.to_pyarrow().to_pylist()}
    assert who["101"] == who["102"] == "5"  # the guest of 102 has the address of customer 5, and of nobody else
    assert who["105"] == who["123"]
    assert who["105"].startswith("email:")
    assert (who["118"], who["119"]) == ("6", "7")
    assert who["120"].startswith("email:")  # two customers share the address: it is neither's
    assert who["121"] is None
    assert (table.reconciliation.customers, table.reconciliation.orders_linked) == (5, 1)


def test_a_list_of_items_has_each_orders_money_once(cleaned):
    items = cleaned("woocommerce_items.csv")
    assert fates(items) == {
        (5, "202"): "duplicate_row",
        (6, "203"): "unpaid",
        (7, "204"): "unpaid",
        (10, "206"): "fully_refunded",
    }
    orders = {row["order_id"]: row for row in items.orders.to_pyarrow().to_pylist()}
    assert {name: (int(row["net"]), int(row["items"])) for name, row in orders.items()} == {
        "201": (20, 4), "202": (10, 1), "205": (13, 2),
    }  # fmt: skip
    told = items.reconciliation
    assert (told.rows_read, told.rows_kept, told.rows_without_customer) == (9, 3, 2)
    assert (told.orders_kept, told.customers, told.net_kept, told.refunded) == (3, 2, 43, 5)
    assert (told.paid_read, told.paid_quarantined) == (48 + 10 + 11 + 12 + 14, 10 + 11 + 12 + 14)
