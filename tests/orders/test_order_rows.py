"""Orders of several rows against a plain reading of the same rows in Python."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clvbook.engine import connect
from clvbook.orders import clean_orders
from clvbook.settings import Settings

SHOPIFY = "Name,Email,Financial Status,Paid at,Total,Lineitem quantity,Refunded Amount"
WOO = "order_id,parent_id,status,billing_email,order_date,paid_date,total,refunded_total,quantity,item"


def read(folder, files, mapping):
    paths = []
    for name, (header, rows) in files.items():
        (folder / name).write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        paths.append(str(folder / name))
    made = Settings(shop="t", orders=paths, mapping=mapping, currency="EUR", timezone="Europe/Berlin")
    return clean_orders(connect(made), made)


def fates(cleaned):
    rows = cleaned.set_aside.to_pyarrow().to_pylist()
    return {(row["source_file"], row["line"]): row["reason"] for row in rows}


def kept(cleaned, *names):
    return {row["order_id"]: tuple(row[name] for name in names) for row in cleaned.orders.to_pyarrow().to_pylist()}


def own(name, total, items, status="paid", refund=""):
    return (name, "a@b.eu", status, "2026-01-01 10:00:00 +0100", total, items, refund)


def item(name, pieces):
    return (name, "a@b.eu", "", "", "", pieces, "")


# ---- items on rows of their own


def test_items_that_a_spreadsheet_sorted_away_find_their_order(tmp_path):
    rows = [item("#2", "1"), own("#1", "5", "1"), item("#1", "2"), own("#2", "7", "3"), item("#1", "4")]
    cleaned = read(tmp_path, {"a.csv": (SHOPIFY, rows)}, "shopify")
    assert kept(cleaned, "paid", "items") == {"#1": (5, 7), "#2": (7, 4)}
    assert fates(cleaned) == {}
    assert (cleaned.reconciliation.rows_kept, cleaned.reconciliation.orders_kept) == (5, 2)


def test_an_order_that_stands_twice_counts_once_with_all_its_rows(tmp_path):
    one = [own("#1", "5", "1"), item("#1", "2"), item("#1", "2")]
    later = [own("#1", "5", "1"), item("#1", "3")]
    cleaned = read(tmp_path, {"a.csv": (SHOPIFY, one), "b.csv": (SHOPIFY, [*one, own("#3", "1", "1")])}, "shopify")
    assert fates(cleaned) == {("b.csv", line): "duplicate_row" for line in (2, 3, 4)}
    assert kept(cleaned, "items") == {"#1": (5,), "#3": (1,)}
    cleaned = read(tmp_path, {"a.csv": (SHOPIFY, one), "b.csv": (SHOPIFY, later)}, "shopify")
    assert fates(cleaned) == {("a.csv", line): "superseded" for line in (2, 3, 4)}
    assert kept(cleaned, "items") == {"#1": (4,)}
    cleaned = read(tmp_path, {"a.csv": (SHOPIFY, one + later)}, "shopify")
    assert fates(cleaned) == {("a.csv", line): "superseded" for line in (2, 3, 4)}


def test_items_without_their_order_replace_nothing(tmp_path):
    files = {"a.csv": (SHOPIFY, [own("#1", "5", "1")]), "b.csv": (SHOPIFY, [item("#1", "2"), item("#9", "2")])}
    cleaned = read(tmp_path, files, "shopify")
    assert fates(cleaned) == {("b.csv", 2): "bad_amount", ("b.csv", 3): "bad_amount"}
    assert kept(cleaned, "paid", "items") == {"#1": (5, 1)}


def test_items_without_a_number_belong_to_nobody(tmp_path):
    rows = [own("#1", "5", "1"), item("", "2"), own("", "6", "1")]
    cleaned = read(tmp_path, {"a.csv": (SHOPIFY, rows)}, "shopify")
    assert fates(cleaned) == {("a.csv", 3): "missing_order_id", ("a.csv", 4): "missing_order_id"}
    assert cleaned.reconciliation.paid_read == 11


ROWS = st.one_of(
    st.builds(
        own,
        st.sampled_from(["#1", "#2", "#3", ""]),
        st.sampled_from(["5", "7.25", "0", "x", "-1"]),
        st.sampled_from(["1", "2", ""]),
        st.sampled_from(["paid", "pending", "refunded"]),
        st.sampled_from(["", "1", "7.25"]),
    ),
    st.builds(item, st.sampled_from(["#1", "#2", "#3", ""]), st.sampled_from(["1", "2"])),
)


def number(text):
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal(0)


@hypothesis_settings(max_examples=10, deadline=None, derandomize=True)
@given(files=st.lists(st.lists(ROWS, min_size=1, max_size=25), min_size=1, max_size=3))
def test_whatever_the_rows_each_has_one_fate_and_money_adds_up(tmp_path_factory, files):
    named = {f"{at}.csv": (SHOPIFY, rows) for at, rows in enumerate(files)}
    cleaned = read(tmp_path_factory.mktemp("r"), named, "shopify")
    aside, told, orders = fates(cleaned), cleaned.reconciliation, kept(cleaned, "paid", "items")
    rows = {(name, line): row for name, (_, rows) in named.items() for line, row in enumerate(rows, 2)}
    stay = {at: row for at, row in rows.items() if at not in aside}
    assert told.rows_read == len(rows) == told.rows_kept + sum(told.quarantined.values())
    assert told.paid_read == sum(number(row[4]) for row in rows.values())
    heads = [row for row in stay.values() if row[4]]
    assert sorted(orders) == sorted(row[0] for row in heads)  # no order twice
    for name, (paid, items) in orders.items():
        mine = [row for row in stay.values() if row[0] == name]
        assert paid == sum(number(row[4]) for row in mine)
        assert (items or 0) == sum(number(row[5]) for row in mine)
        assert len({at[0] for at, row in stay.items() if row[0] == name}) == 1  # all from one export


# ---- refunds on rows of their own


def order(number, total, refunded="", status="completed", parent="0", item="tee", pieces="1"):
    mail, paid = ("a@b.eu", "2026-01-01 10:01:00") if parent == "0" else ("", "")
    return (number, parent, status, mail, "2026-01-01 10:00:00", paid, total, refunded, pieces, item)


def test_an_order_that_says_its_refunds_and_has_refund_rows_tells_of_the_same_money(tmp_path):
    rows = [order("1", "50", "20"), order("2", "-20", parent="1"), order("3", "50", "5"), order("4", "-7", parent="3")]
    cleaned = read(tmp_path, {"a.csv": (WOO, rows)}, "woocommerce")
    assert kept(cleaned, "paid", "refund", "net") == {"1": (50, 20, 30), "3": (50, 7, 43)}
    told = cleaned.reconciliation
    assert (told.rows_kept, told.rows_refund, told.paid_read, told.refunded, told.refunded_beyond) == (2, 2, 100, 27, 0)


def test_refunds_take_an_order_of_several_rows_with_them(tmp_path):
    rows = [
        order("1", "50"),
        order("1", "50", item="mug"),
        order("2", "-30", parent="1"),
        order("3", "-20", parent="1"),
    ]
    cleaned = read(tmp_path, {"a.csv": (WOO, rows)}, "woocommerce")
    assert set(fates(cleaned).values()) == {"fully_refunded"}
    assert (cleaned.reconciliation.quarantined, cleaned.reconciliation.paid_read) == ({"fully_refunded": 4}, 0)


def test_a_refund_in_a_later_export_finds_its_order_and_counts_once(tmp_path):
    refund = order("2", "-20", parent="1")
    files = {
        "a.csv": (WOO, [order("1", "50", status="processing"), refund]),
        "b.csv": (WOO, [order("1", "50"), refund, order("4", "-5", parent="1")]),
    }
    cleaned = read(tmp_path, files, "woocommerce")
    assert fates(cleaned) == {("a.csv", 2): "superseded", ("b.csv", 3): "duplicate_row"}
    assert kept(cleaned, "refund", "net") == {"1": (25, 25)}


def test_a_positive_amount_with_a_parent_is_an_order(tmp_path):
    renewal = ("3", "1", "completed", "a@b.eu", "2026-02-01 10:00:00", "2026-02-01 10:00:00", "9", "", "1", "x")
    cleaned = read(tmp_path, {"a.csv": (WOO, [order("1", "50"), renewal])}, "woocommerce")
    assert kept(cleaned, "net") == {"1": (50,), "3": (9,)}


@pytest.mark.parametrize("amount", ["x", "0", "-0.00"])
def test_a_refund_of_nothing_is_set_aside(tmp_path, amount):
    cleaned = read(tmp_path, {"a.csv": (WOO, [order("1", "50"), order("2", amount, parent="1")])}, "woocommerce")
    assert kept(cleaned, "net") == {"1": (50,)}
    assert list(fates(cleaned)) == [("a.csv", 3)]


REFUNDS = st.builds(
    order,
    st.sampled_from(["5", "6", "7", "8"]),
    st.sampled_from(["-10", "-40", "-50", "10"]),
    parent=st.sampled_from(["1", "2", "3", "5", "99"]),
)
SALES = st.builds(
    order,
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(["50", "80.5"]),
    st.sampled_from(["", "10", "50"]),
    st.sampled_from(["completed", "cancelled", "wc-refunded"]),
    item=st.sampled_from(["tee", "mug"]),
)


@hypothesis_settings(max_examples=10, deadline=None, derandomize=True)
@given(rows=st.lists(st.one_of(SALES, REFUNDS), min_size=1, max_size=30))
def test_whatever_the_refunds_money_adds_up(tmp_path_factory, rows):
    cleaned = read(tmp_path_factory.mktemp("w"), {"a.csv": (WOO, rows)}, "woocommerce")
    aside, told = {line for _, line in fates(cleaned)}, cleaned.reconciliation
    stay = [row for line, row in enumerate(rows, 2) if line not in aside]
    back = [row for row in stay if row[6].startswith("-")]
    orders = kept(cleaned, "paid", "refund")
    assert told.rows_refund == len(back)
    assert {row[1] for row in back} <= set(orders)  # a refund stays only with its order
    for name, (paid, refund) in orders.items():
        mine = {row[6:8] for row in stay if row[0] == name}
        (total, said), *others = mine
        assert not others
        assert paid == Decimal(total)
        rowed = -sum(Decimal(row[6]) for row in back if row[1] == name)
        assert refund == max(number(said or "0"), rowed) < paid
