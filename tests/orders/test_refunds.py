from datetime import datetime, timedelta
from decimal import Decimal

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.orders.refunds import match_refunds

START = datetime(2020, 1, 1)
FIELDS = ("seq", "customer_id", "sku", "paid_at", "quantity", "price", "gives_back")


def matched(con, lines):
    """The matches of `lines`, given as (customer, sku, hour, quantity, price); a negative quantity gives back."""
    money = pa.decimal128(18, 4)
    types = [pa.int64(), pa.string(), pa.string(), pa.timestamp("us"), money, money, pa.bool_()]
    rows = [
        (seq, who, sku, START + timedelta(hours=hour), Decimal(pieces), Decimal(price), Decimal(pieces) < 0)
        for seq, (who, sku, hour, pieces, price) in enumerate(lines)
    ]
    arrays = [pa.array(list(column), kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
    table = con.create_table(ibis.util.gen_name("t"), ibis.memtable(pa.table(arrays, names=FIELDS)))
    found = match_refunds(con, table).to_pyarrow().to_pylist()
    return sorted((row["refund_seq"], row["sale_seq"], row["pieces"], row["money"]) for row in found)


def one_by_one(lines):
    """The same, slowly: every move in turn, each refund from the oldest pieces left, wholly or not at all."""
    shelves, found = {}, []
    for seq, (who, sku, _hour, pieces, price) in sorted(enumerate(lines), key=lambda move: (move[1][2], move[0])):
        pieces, price = Decimal(pieces), Decimal(price)
        if who is None:
            continue
        shelf = shelves.setdefault((who, sku), [])
        if pieces > 0:
            shelf.append([seq, pieces])
        elif sum(left for _, left in shelf) >= -pieces:
            wanted = -pieces
            while wanted:
                take = min(wanted, shelf[0][1])
                found.append((seq, shelf[0][0], take, take * price))
                wanted -= take
                shelf[0][1] -= take
                if not shelf[0][1]:
                    shelf.pop(0)
    return sorted(found)


def test_oldest_pieces_go_back_first(con):
    lines = [("a", "x", 0, 2, 5), ("a", "x", 1, 3, 6), ("a", "x", 2, -4, 6)]
    assert matched(con, lines) == [(2, 0, 2, 12), (2, 1, 2, 12)]


def test_only_what_was_bought_before_goes_back(con):
    assert matched(con, [("a", "x", 5, -1, 5), ("a", "x", 6, 1, 5)]) == []
    assert matched(con, [("a", "x", 5, 1, 5), ("a", "x", 5, -1, 5)]) == [(1, 0, 1, 5)]  # same hour: the file's order


def test_a_refund_larger_than_what_is_left_takes_nothing_and_leaves_it_to_the_next(con):
    lines = [("a", "x", 0, 10, 1), ("a", "x", 1, -15, 1), ("a", "x", 2, -5, 1), ("a", "x", 3, -6, 1)]
    assert matched(con, lines) == [(2, 0, 5, 5)]


def test_nobody_and_others_are_no_match(con):
    lines = [
        (None, "x", 0, 1, 1),
        (None, "x", 1, -1, 1),
        ("a", "x", 0, 1, 1),
        ("b", "x", 1, -1, 1),
        ("a", "y", 1, -1, 1),
    ]
    assert matched(con, [*lines, ("a", "y", 1, -1, 1)]) == []


def test_money_of_a_split_refund_adds_up_to_the_last_digit(con):
    found = matched(con, [("a", "x", 0, "0.5", 1), ("a", "x", 1, "0.5", 1), ("a", "x", 2, -1, "0.0001")])
    assert sum(row[3] for row in found) == Decimal("0.0001")


MOVES = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["x", "y"]),
    st.integers(0, 12),
    st.integers(-9, 9).filter(bool),
    st.integers(1, 400).map(lambda cents: Decimal(cents) / 100),
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(lines=st.lists(MOVES, min_size=1, max_size=120))
def test_set_based_matching_is_the_sequential_one(con, lines):
    assert matched(con, lines) == one_by_one(lines)
