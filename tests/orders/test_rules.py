from datetime import date
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.orders.mapping import load_mapping
from clvbook.orders.rules import typed
from clvbook.orders.schema import REASONS
from clvbook.settings import Settings

HEADER = "order_id,customer_id,created_at,paid_at,status,paid,refund,currency,remark"
WHEN = "2020-01-01 09:00:00,2020-01-01 10:00:00"


def fates(cleaned):
    """Reason by line of what was set aside."""
    aside = cleaned.set_aside.select("line", "reason").to_pyarrow().to_pylist()
    return {row["line"]: row["reason"] for row in aside}


ROWS = [
    ("{n},a,{WHEN},completed,5.00,,CNY,", None),
    ("{n},a,{WHEN},,5.00,,,", None),
    ("{n},a,{WHEN}, SHIPPED ,5,1.5,cny,", None),
    ("{n},a,{WHEN},completed,\u3000+5. ,,CNY,", None),
    (",a,{WHEN},completed,5.00,,CNY,", "missing_order_id"),
    ("3.515E+18,a,{WHEN},completed,5.00,,CNY,", "lossy_order_id"),
    ("{n},a,{WHEN},test,5.00,,CNY,", "test_order"),
    ("{n},a,2020-01-01,,unpaid,5.00,,CNY,", "unpaid"),
    ("{n},a,{WHEN},failed,5.00,,CNY,", "unpaid"),
    ("{n},a,{WHEN},closed_unpaid,5.00,,CNY,", "closed_unpaid"),
    ("{n},a,{WHEN},cancelled,,,CNY,", "cancelled"),
    ("{n},a,{WHEN},closed_refunded,5.00,5.00,CNY,", "closed_refunded"),
    *(
        (f"{{n}},a,{{WHEN}},paid,{bad},,CNY,", "bad_amount")
        for bad in [
            "",
            "nan",
            "inf",
            "1e400",
            "1e3",
            "0x1F",
            "５",
            "5 0",
            "1_0",
            "--1",
            ".",
            '"1,234.00"',
            "1000000000000",
        ]
    ),
    ("{n},a,{WHEN},paid,5,none,CNY,", "bad_amount"),
    ("{n},a,{WHEN},paid,5,-1,CNY,", "bad_amount"),
    ("{n},a,2020-01-01,,paid,5,,CNY,", "bad_date"),
    ("{n},a,,2020-02-30,paid,5,,CNY,", "bad_date"),
    ("{n},a,,1989-12-31,paid,5,,CNY,", "bad_date"),
    ("{n},a,,2100-01-01,paid,5,,CNY,", "bad_date"),
    ("{n},a,,epoch,paid,5,,CNY,", "bad_date"),
    ("{n},a,yesterday,2020-01-01,paid,5,,CNY,", "bad_date"),
    ("{n},a,2020-01-01 12:00:00,2020-01-01 11:59:59,paid,5,,CNY,", "paid_before_created"),
    ("{n},a,2020-01-01 12:00:00,2020-01-01,paid,5,,CNY,", None),  # no time of day: the same day is not before
    ("{n},a,{WHEN},paid,5,,EUR,", "other_currency"),
    ("{n},a,{WHEN},paid,-5,,CNY,", "negative_amount"),
    ("{n},a,{WHEN},paid,0.00,,CNY,", "zero_amount"),
    ("{n},a,{WHEN},paid,5,5.00,CNY,", "fully_refunded"),
    ("{n},a,{WHEN},paid,-5,,EUR,", "other_currency"),  # of two reasons the first
    ("{n},a,,,paid,nan,,EUR,", "bad_amount"),
]


def test_each_row_has_one_fate(clean):
    lines = [row.format(n=number, WHEN=WHEN) for number, (row, _) in enumerate(ROWS)]
    cleaned = clean("\n".join([HEADER, *lines]) + "\n", currency="CNY")
    assert fates(cleaned) == {line: reason for line, (_, reason) in enumerate(ROWS, 2) if reason}
    assert cleaned.reconciliation.orders_kept == sum(reason is None for _, reason in ROWS)


def test_lines_that_are_no_sale_are_set_aside(uci):
    at = "2010-01-01 10:00:00"
    rows = [
        ((1, "85123A", "x", 1, at, 1, 17, "UK"), None),
        ((1, "POST", "x", 1, at, 18, 17, "UK"), "non_product"),
        ((1, "m", "x", 1, at, 18, 17, "UK"), "non_product"),
        ((1, "Bank Charges", "x", 1, at, 18, 17, "UK"), "non_product"),
        ((1, "gift_0001_20", "x", 1, at, 18, 17, "UK"), "non_product"),
        ((1, "ADJUST2", "x", 1, at, 18, 17, "UK"), "non_product"),
        ((1, "DCGS0003", "x", 1, at, 18, 17, "UK"), None),
        ((1, "D11", "x", 1, at, 18, 17, "UK"), None),
        ((1, "TEST001", "x", 1, at, 4.5, 17, "UK"), "test_order"),
        (("A506401", "B", "x", 1, at, "-53594.36", "", "UK"), "non_product"),
        (("C2", "M", "x", 1, at, "373.57", "", "UK"), "bad_amount"),
        (("C2", "85123A", "x", -1, at, 0, 17, "UK"), "zero_amount"),
        ((3, "85123A", "x", -20, at, 0, "", "UK"), "zero_amount"),
        ((3, "85123A", "x", -20, at, 1, "", "UK"), "negative_amount"),
        ((3, "85123A", "x", -20, at, -1, "", "UK"), "bad_amount"),
        ((3, "85123A", "x", "", at, 1, "", "UK"), "bad_amount"),
        ((3, "85123A", "x", 999999999999, at, 999999999999, "", "UK"), "bad_amount"),
        ((3, "85123A", "x", 1, "13/13/2010 10:00", 1, "", "UK"), "bad_date"),
        (("", "85123A", "x", 1, at, 1, "", "UK"), "missing_order_id"),
    ]
    cleaned = uci(*(row for row, _ in rows))
    assert fates(cleaned) == {line: reason for line, (_, reason) in enumerate(rows, 2) if reason}
    told = uci(*(row for row, _ in rows[:2]), non_product=["85123*"])
    assert fates(told) == {2: "non_product"}


def test_several_currencies_stop_unless_one_is_chosen(clean):
    text = (
        "order_id,customer_id,paid_at,paid,currency\n1,a,2020-01-01,5,CNY\n2,a,2020-01-01,5,USD\n3,a,2020-01-01,5,USD\n"
    )
    with pytest.raises(InputRefused, match=r"USD \(2 rows\), CNY \(1 rows\)"):
        clean(text)
    with pytest.raises(InputRefused, match=r"USD \(2 rows\)"):
        clean(text.replace("CNY", "USD").replace("1,a,2020-01-01,5,USD\n", ""))
    assert fates(clean(text, currency="USD")) == {2: "other_currency"}


def test_an_unknown_status_word_stops_with_its_count(clean):
    with pytest.raises(InputRefused, match=r"status: 1 words .*'charged back' \(2\)") as caught:
        clean(f"{HEADER}\n1,a,{WHEN},charged back,5,,,\n2,a,{WHEN},charged back,5,,,\n3,a,{WHEN},paid,5,,,\n")
    assert "statuses" in caught.value.hint


# ---- whatever the rows


def reasons(con, rows, mapping, **more):
    """The reason of each row of text cells (None: none), as the row alone shows it."""
    shop = Settings(shop="t", orders="none", **more)
    arrays = {name: pa.array([row[name] for row in rows], pa.string()) for name in rows[0]}
    arrays |= {"file": pa.array([0] * len(rows), pa.int16()), "cells": pa.array(range(len(rows)), pa.int64())}
    found = con.to_pyarrow(typed(ibis.memtable(pa.table(arrays)), load_mapping(mapping), shop)).to_pylist()
    return [None if row["code"] is None else list(REASONS)[row["code"]] for row in sorted(found, key=place)]


def place(row):
    return row["cells"]


def first(held):
    """Of the reasons that hold, the one that the design names first."""
    return next((reason for reason in REASONS if reason in held), None)


# Each cell with the reason that it gives, whatever stands beside it.
ORDER = {
    "order_id": {"1": None, "": "missing_order_id", " ": "missing_order_id", "3.515E+18": "lossy_order_id"},
    "status": {
        "": None, "paid": None, "part_refunded": None, "test": "test_order", "unpaid": "unpaid", "failed": "unpaid",
        "closed_unpaid": "closed_unpaid", "cancelled": "cancelled", "closed_refunded": "closed_refunded",
    },
    "paid": {"5.00": None, "7": None, "": "bad_amount", "x": "bad_amount", "-5": "negative_amount", "0": "zero_amount"},
    "refund": {"": None, "0": None, "1.25": None, "-1": "bad_amount", "none": "bad_amount", "9": None},
    "created_at": {"2020-01-01 09:00:00": None, "": None, "soon": "bad_date"},
    "paid_at": {
        "2020-01-01 10:00:00": None, "2020-01-01": None, "": "bad_date", "2020-02-30": "bad_date",
        "1989-12-31": "bad_date", "2020-03-01": "future_date", "2020-01-01 08:00:00": None,
    },
    "currency": {"": None, "cny": None, "USD": "other_currency"},
}  # fmt: skip
ORDERS = st.fixed_dictionaries({"customer_id": st.just("a")} | {k: st.sampled_from(list(v)) for k, v in ORDER.items()})


def order_reason(row):
    held = {by_cell[row[name]] for name, by_cell in ORDER.items()}
    if row["paid_at"] == "2020-01-01 08:00:00" and row["created_at"] == "2020-01-01 09:00:00":
        held.add("paid_before_created")
    if row["refund"] == "9" and row["paid"] in ("5.00", "7"):
        held.add("fully_refunded")
    return first(held)


@hypothesis_settings(max_examples=8, deadline=None, derandomize=True)
@given(rows=st.lists(ORDERS, min_size=30, max_size=200))
def test_of_several_reasons_an_order_has_the_one_that_comes_first(con, rows):
    shop = {"currency": "CNY", "data_through": date(2020, 2, 1)}
    assert reasons(con, rows, "canonical", **shop) == [order_reason(row) for row in rows]


LINE = {
    "order_id": {"1": None, "C2": None, "": "missing_order_id"},
    "sku": {"85123A": None, "D11": None, "TEST1": "test_order", "post": "non_product", "gift_1": "non_product"},
    "quantity": {"2": None, "-2": None, "0": "zero_amount", "": "bad_amount", "1e3": "bad_amount"},
    "price": {"1.50": None, "-1.50": None, "0": "zero_amount", "?": "bad_amount"},
    "paid_at": {"12/1/2010 8:26": None, "13/13/2010 8:26": "bad_date"},
}
LINES = st.fixed_dictionaries({"customer_id": st.just("17.0")} | {k: st.sampled_from(list(v)) for k, v in LINE.items()})


def line_reason(row):
    held = {by_cell[row[name]] for name, by_cell in LINE.items()}
    if "bad_amount" not in held:
        quantity, price, gives_back = Decimal(row["quantity"]), Decimal(row["price"]), row["order_id"] == "C2"
        if (quantity < 0 and price < 0) or (gives_back and quantity * price > 0):
            held.add("bad_amount")
        if quantity * price < 0 and not (gives_back and quantity < 0):
            held.add("negative_amount")
    return first(held)


@hypothesis_settings(max_examples=8, deadline=None, derandomize=True)
@given(rows=st.lists(LINES, min_size=30, max_size=200))
def test_of_several_reasons_a_line_has_the_one_that_comes_first(con, rows):
    assert reasons(con, rows, "online_retail", currency="GBP") == [line_reason(row) for row in rows]


def test_a_purchase_of_nothing_is_one_where_the_mapping_says_so(con):
    row = {"customer_id": "00001", "paid_at": "19970101", "items": "1", "paid": "0.00"}
    assert reasons(con, [row, row | {"paid": "-1"}, row | {"paid_at": "soon"}], "cdnow") == [
        None, "negative_amount", "bad_date",
    ]  # fmt: skip


def test_a_row_is_typed_as_its_columns_are(con):
    cells = {
        "order_id": " 7 ",
        "customer_id": "NaN",
        "paid_at": "2020-01-01T10:00:00Z",
        "paid": "5.5",
        "currency": "cny",
    }
    table = ibis.memtable(pa.table({name: [cell] for name, cell in {**cells, "file": 0, "cells": 1}.items()}))
    (row,) = con.to_pyarrow(typed(table, load_mapping("canonical"), Settings(shop="t", orders="none"))).to_pylist()
    assert (row["order_id"], row["customer_id"], row["amount"], row["currency"], row["code"]) == (
        "7", None, Decimal("5.5"), "CNY", None,
    )  # fmt: skip
    assert str(row["paid_at"]) == "2020-01-01 18:00:00"  # the clock of Asia/Shanghai
