import gzip
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.simulate import tables


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.integers(-(10**15), 10**15)))
def test_money_is_the_cents_to_the_cent(cents):
    assert tables.money(np.array(cents, np.int64)).to_pylist() == [Decimal(c).scaleb(-2) for c in cents]


def test_ids_words_and_moments():
    assert tables.number_ids("C", np.array([7, 123]), width=5).to_pylist() == ["C00007", "C00123"]
    assert tables.pick(["a", "b"], np.array([1, -1, 0])).to_pylist() == ["b", None, "a"]
    said = tables.moment(np.array([0, 86399]), where=np.array([False, True])).to_pylist()
    assert [None if t is None else str(t) for t in said] == [None, "1970-01-01 23:59:59"]


def write(folder, kind):
    folder.mkdir()
    with tables.TableFiles(folder, kind=kind) as files:
        for part in (["x", None], ['a, "b"']):
            files.add("orders", {"word": pa.array(part), "paid": tables.money(np.full(len(part), 1234))})
    assert files.rows == {"orders": 3}
    (path,) = folder.iterdir()
    return path


def test_csv_quotes_what_needs_it_and_its_bytes_carry_no_time(tmp_path):
    first, second = write(tmp_path / "one", "csv"), write(tmp_path / "two", "csv")
    assert first.name == "orders.csv.gz"
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[3:8] == b"\0" * 5  # gzip head (RFC 1952): no flags, so no name, and no time
    assert gzip.decompress(first.read_bytes()).decode() == 'word,paid\nx,12.34\n,12.34\n"a, ""b""",12.34\n'


def test_parquet_holds_decimals(tmp_path):
    table = pq.read_table(write(tmp_path / "one", "parquet"))
    assert table.schema.field("paid").type == pa.decimal128(18, 2)
    assert table["word"].to_pylist() == ["x", None, 'a, "b"']


def test_a_table_of_another_format_does_not_stay_behind(tmp_path):
    for kind in ("csv", "parquet"):
        with tables.TableFiles(tmp_path, kind=kind) as files:
            files.add("orders", {"word": pa.array(["x"])})
    assert [path.name for path in tmp_path.iterdir()] == ["orders.parquet"]
