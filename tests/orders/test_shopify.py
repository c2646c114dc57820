"""A Shopify export of two months, with what such files hold; its truth was added up by hand from the file."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from clvbook.engine import connect
from clvbook.errors import InputRefused
from clvbook.orders import clean_orders
from clvbook.orders.files import look
from clvbook.orders.mapping import load_mapping

EXPORTS = Path(__file__).parent / "exports"
FILES = [str(EXPORTS / f"shopify_2026_{month}.csv") for month in ("04", "05")]


@pytest.fixture(scope="module")
def shop(module_settings):
    made = module_settings(FILES, mapping="shopify", currency="EUR", timezone="Europe/Berlin")
    return clean_orders(connect(made), made)


def test_every_row_has_the_fate_of_its_order(shop):
    aside = shop.set_aside.select("source_file", "line", "reason").to_pyarrow().to_pylist()
    assert [(row["source_file"][13:15], row["line"], row["reason"]) for row in aside] == [
        ("04", 6, "superseded"),  # 1003, refunded further in the later export
        ("04", 7, "superseded"),
        ("04", 8, "closed_refunded"),
        ("04", 9, "closed_refunded"),
        ("04", 10, "unpaid"),  # pending
        ("04", 11, "cancelled"),  # voided
        ("04", 12, "cancelled"),  # and refunded: the first reason holds
        ("04", 13, "test_order"),  # bogus gateway
        ("04", 14, "test_order"),
        ("04", 19, "zero_amount"),
        ("04", 20, "other_currency"),
        ("04", 21, "unpaid"),  # partially paid
        ("04", 22, "unpaid"),  # authorized
        ("04", 23, "bad_date"),  # paid, and no time of payment
        ("04", 24, "fully_refunded"),
        ("04", 28, "bad_amount"),  # an item whose order's own row is missing
        ("04", 29, "unpaid"),  # expired
        ("05", 2, "duplicate_row"),  # 1020, wholly the same in both exports
        ("05", 3, "duplicate_row"),
    ]


def test_rows_and_money_reconcile_to_the_cent(shop):
    told = shop.reconciliation
    assert (told.rows_read, told.rows_kept, told.rows_without_customer, told.rows_refund) == (34, 12, 3, 0)
    assert (told.orders_kept, told.orders_without_customer, told.customers, told.orders_linked) == (9, 2, 4, 1)
    # kept 50 + 20 + 14 + 15 + 16 + 44 + 46 + 35 + 47, of which 15 refunded
    assert (told.paid_read, told.net_kept, told.refunded) == (Decimal("753.5"), 272, 15)
    assert told.net_without_customer == 15 + 16
    assert {reason: str(paid.normalize()) for reason, paid in told.paid_quarantined_by_reason.items()} == {
        "duplicate_row": "46", "superseded": "35", "test_order": "99", "unpaid": "138", "cancelled": "25.5",
        "closed_refunded": "2E+1", "bad_amount": "0", "bad_date": "42", "other_currency": "18", "zero_amount": "0",
        "fully_refunded": "43",
    }  # fmt: skip
    assert (told.first_order, told.last_order) == (date(2026, 3, 28), date(2026, 5, 1))


def test_orders_are_whole(shop):
    orders = {row["order_id"]: row for row in shop.orders.to_pyarrow().to_pylist()}
    assert sorted(orders) == [f"#10{n}" for n in ("01", "02", "03", "09", "10", "11", "18", "20", "21")]
    first = orders["#1001"]
    assert (first["paid"], first["items"], first["discount"]) == (50, 4, 5)
    assert (first["coupon_id"], first["province"], first["source"]) == ("SPRING", "BE", "web")
    assert (orders["#1003"]["refund"], orders["#1003"]["net"], orders["#1003"]["status"]) == (15, 20, "part_refunded")
    assert orders["#1018"]["remark"] == 'call first,\nthen "ring"'


def test_offsets_are_moved_to_the_shops_clock(shop):
    when = {row["order_id"]: (row["day"], row["paid_at"]) for row in shop.orders.to_pyarrow().to_pylist()}
    assert when["#1002"] == (date(2026, 3, 29), datetime(2026, 3, 29, 3, 5))  # six minutes after 01:59 +0100
    assert when["#1003"] == (date(2026, 4, 1), datetime(2026, 4, 1, 2, 0))  # 31 March in New York
    assert when["#1021"][0] == date(2026, 5, 1)


def test_a_customer_is_one_whatever_the_spelling_and_nobody_where_none_is_named(shop):
    who = {row["order_id"]: row["customer_id"] for row in shop.orders.to_pyarrow().to_pylist()}
    assert who["#1001"] == who["#1002"] == who["#1021"] == who["#1009"]  # 1009 by the telephone of 1002
    assert len({who[name] for name in ("#1001", "#1003", "#1018", "#1020")}) == 4
    assert who["#1010"] is who["#1011"] is None  # the till; a masked address
    assert not any("example" in name or "491701" in name for name in who.values() if name)


def test_without_email_the_telephone_alone_names_the_customer(module_settings):
    made = module_settings(FILES, mapping="shopify", currency="EUR", timezone="Europe/Berlin", identity="phone")
    told = clean_orders(connect(made), made).reconciliation
    assert (told.customers, told.orders_kept, told.orders_without_customer, told.net_kept) == (1, 9, 7, 272)


def test_two_currencies_stop_until_one_is_named(module_settings):
    made = module_settings(FILES, mapping="shopify", timezone="Europe/Berlin")
    with pytest.raises(InputRefused, match=r"EUR \(.*USD \(1 rows\)"):
        clean_orders(connect(made), made)


def test_the_export_is_recognised():
    assert look(Path(FILES[0]), load_mapping("shopify")).rows == 30  # lines; the break within a note is seen later


def test_an_export_without_buyers_has_totals_and_says_what_to_bring(clean):
    head = "Name,Financial Status,Paid at,Total,Currency\n"
    told = clean(
        head + "#1,paid,2026-01-01 10:00:00 +0100,5.00,EUR\n", mapping="shopify", currency="EUR"
    ).reconciliation
    assert (told.net_kept, told.customers, told.orders_without_customer) == (5, 0, 1)
    assert told.no_buyer == (
        "the export has no column that names the buyer (“Email” or “Phone”): Shopify admin, Orders, Export, "
        '"Export orders" (not the transaction histories) with Email and Phone'
    )
