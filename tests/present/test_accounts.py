"""accounts.py: each sentence says what was read, and nothing where there is nothing to say."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pandas as pd

from clvbook.orders import Reconciliation
from clvbook.present import accounts as s
from clvbook.present import words
from clvbook.present.sentences import say

READ = Reconciliation(
    rows_read=1100, rows_kept=900, rows_without_customer=100, rows_refund=0,
    quarantined={"unpaid": 99, "cancelled": 1},
    orders_kept=1000, orders_without_customer=100, paid_read=Decimal(5), net_kept=Decimal("1234567.89"),
    refunded=Decimal(0), paid_quarantined=Decimal(0), customers=1, first_order=None, last_order=None,
)  # fmt: skip


def told(*sentences):
    """As a reader meets it, with plain spaces."""
    return repr(say(*sentences)).replace(words.SPACE, " ")


def test_the_account_adds_up_in_words():
    assert told(s.accounted(READ, "CNY")) == (
        "All 1,100 rows are accounted for: 1,000 orders kept with ¥1.23 million net of refunds, 100 rows (9.1 %) set "
        "aside. The money adds up to the cent."
    )


def test_orders_after_the_month_are_named_where_there_are_any():
    assert s.not_yet(0, date(2026, 9, 30)) == ""
    assert told(s.not_yet(1, date(2026, 9, 30))).startswith("1 kept order paid after 30 September 2026 stay")


def test_the_reason_that_weighs_most_is_named():
    reasons = pd.DataFrame({"reason": ["zero_amount"], "meaning": ["nothing was paid"], "rows": [12], "money": [0]})
    assert "12 rows, is zero amount (nothing was paid)" in told(s.set_aside(reasons))
    assert s.set_aside(reasons.iloc[:0]) == "No row had to be set aside."


def test_guests_are_named_where_there_are_any():
    assert s.linked(READ) == ""
    assert told(s.linked(replace(READ, orders_linked=1))).startswith("1 guest order is counted with the one customer")
    assert told(s.linked(replace(READ, orders_linked=1200))).startswith("1,200 guest orders are counted")


def test_refunds_that_the_export_lacks_are_named():
    assert s.refunds(READ) == ""
    assert "no column of refunds (“退款金额”)" in s.refunds(replace(READ, no_refunds="退款金额"))


def test_lines_of_orders_have_their_account():
    assert s.lines(READ) == ""
    counts = {"read": 1100, "joined": 1000, "without_order": 60, "repeated": 0, "unread": 40}
    assert told(s.lines(replace(READ, lines=counts))) == (
        "Files of the orders' lines have 1,100 rows: 1,000 with the pieces of kept orders, 60 of no kept order, 40 "
        "without an order number or a readable quantity. They add no money."
    )


def test_the_shops_other_tables_are_accounted_for_and_those_missing_named():
    frame = pd.DataFrame({"table": ["customers"], "rows": [9], "used": [9], "set_aside": [0], "reasons": ["none"]})
    missing = {"order_items": "lists that name what a customer bought last"}
    assert told(s.shop_tables(frame, {})) == "Every row of these tables is used."
    aside = told(s.shop_tables(frame.assign(set_aside=2), missing))
    assert aside.startswith("2 rows of these tables are set aside")
    assert aside.endswith("order_items is not set: it gives lists that name what a customer bought last.")
    assert s.shop_tables(frame.iloc[:0], missing).startswith("The shop brings its orders only.")
