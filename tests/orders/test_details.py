"""orders/details.py: lines give orders their pieces; no line is counted twice, and none gives money."""

from decimal import Decimal
from types import SimpleNamespace

import ibis
import pandas as pd
import pytest

from clvbook.orders import details
from clvbook.orders.mapping import load_mapping

FOUND = {"order_id": 0, "title": 1, "quantity": 2}


@pytest.fixture
def read(con):
    """A function: files of (order, title, pieces) lines and the kept orders' numbers -> their `Details`."""

    def made(*files, kept=("1", "2")):
        parts = []
        for lines in files:
            frame = pd.DataFrame(lines, columns=["c0", "c1", "c2"], dtype="object")
            name = ibis.util.gen_name("lines")
            text = con.create_table(name, ibis.memtable(frame, schema=dict.fromkeys(frame.columns, "string")))
            parts.append((SimpleNamespace(found=FOUND, rows=len(lines)), text))
        raw = SimpleNamespace(details=parts, mapping=load_mapping("taobao"))
        orders = ibis.memtable(pd.DataFrame({"order_id": list(kept), "items": [Decimal(9)] * len(kept)}))
        return details.read_details(con, raw, orders), orders

    return made


def test_every_line_has_one_fate(read):
    found, _ = read([("1", "口红", "2"), ("1", "面霜", "1"), ("7", "x", "1"), (None, "y", "1"), ("2", "z", "many")])
    assert (found.rows, found.rows_joined, found.rows_without_order, found.rows_repeated, found.rows_unread) == (
        5, 2, 1, 0, 2,
    )  # fmt: skip
    assert found.items.order_by("title").to_pandas().title.tolist() == ["口红", "面霜"]


def test_of_lines_in_several_files_the_last_file_holds(read):
    found, _ = read([("1", "old", "1"), ("2", "kept", "4")], [("1", "new", "2"), ("1", "new", "2")])
    assert (found.rows_joined, found.rows_repeated) == (3, 1)
    assert sorted(found.items.to_pandas().title) == ["kept", "new", "new"]


def test_orders_get_the_pieces_of_their_lines_and_keep_their_own_without_any(read):
    found, orders = read([("1", "口红", "2"), ("1", "面霜", "1")])
    pieces = details.with_pieces(orders, found).order_by("order_id").to_pandas()
    assert pieces["items"].tolist() == [3, 9]
    assert len(pieces) == 2


def test_without_detail_files_orders_stay_as_they_are(con):
    orders = ibis.memtable(pd.DataFrame({"order_id": ["1"]}))
    assert details.read_details(con, SimpleNamespace(details=[]), orders) is None
    assert details.with_pieces(orders, None) is orders
