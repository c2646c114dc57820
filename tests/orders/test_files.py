import csv
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.orders.files import look, recounted
from clvbook.orders.mapping import load_mapping

HEADER = "order_id,customer_id,paid_at,paid\n"
PLAIN = HEADER + "1,a,2020-01-01,5.00\n2,b,2020-01-02,6.50\n3,,2020-01-03,7\n"
UCI = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
FIRST_UCI = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


@pytest.fixture
def seen(write):
    """Look at a file given as text or bytes."""
    return lambda content, name="orders.csv", mapping="canonical": look(
        Path(write(content, name)), load_mapping(mapping)
    )


# ---- headers


@pytest.mark.parametrize(
    "header",
    [
        "paid,order_id,note,paid_at,customer_id",
        "\ufeffPAID,Order_ID , note,Paid_At,customer_id",
        "\ufeff" + '"paid","order_id","a,b",paid_at,customer_id',
    ],
)
def test_columns_are_found_wherever_they_stand_and_however_they_are_spelled(seen, header):
    file = seen(f"{header}\n5,1,,2020-01-01,a\n")
    assert file.found == {"paid": 0, "order_id": 1, "paid_at": 3, "customer_id": 4}
    assert len(file.header) == 5
    assert file.rows == 1


@pytest.mark.parametrize("header", [UCI, FIRST_UCI])
def test_both_exports_of_online_retail_are_known(seen, header):
    found = seen(header + '1,a,"RED ""7"" MUG",2,2010-01-01 10:00:00,1.5,17.0,UK\n', mapping="online_retail").found
    assert found == {
        "order_id": 0, "sku": 1, "title": 2, "quantity": 3, "paid_at": 4, "price": 5, "customer_id": 6, "province": 7,
    }  # fmt: skip


def test_cdnow_parts_its_cells_by_spaces(seen):
    text = " customer_id date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n\r\n\t2 19970102 2 3.00 \r\n"
    file = seen(text, "master.txt", mapping="cdnow")
    assert file.header == ["customer_id", "date", "number_of_cds", "dollar_value"]
    assert file.found == {"customer_id": 0, "paid_at": 1, "items": 2, "paid": 3}
    assert (file.rows, file.shifts) == (2, [(0, 2), (1, 3)])
    with pytest.raises(InputRefused, match=r"master\.txt:5: 3 cells, the header has 4"):
        seen(text + "3 19970103 1\n", "master.txt", mapping="cdnow")


def test_a_parquet_file_tells_its_columns_and_rows(tmp_path):
    path = tmp_path / "orders.parquet"
    pq.write_table(pa.table({name: ["x"] * 3 for name in ["paid", "order_id", "paid_at", "Customer_ID"]}), path)
    file = look(path, load_mapping("canonical"))
    assert file.found == {"paid": 0, "order_id": 1, "paid_at": 2, "customer_id": 3}
    assert (file.rows, file.shifts, file.is_parquet, file.is_gzip) == (3, [(0, 1)], True, False)
    pq.write_table(pa.table({"order_id": [1]}), path)
    with pytest.raises(InputRefused, match="3 of 4 required columns are missing: customer_id, paid_at, paid"):
        look(path, load_mapping("canonical"))


# ---- rows and lines


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "ORDERS.TXT"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_counted_whatever_ends_a_line(seen, name, end):
    for text in (PLAIN, PLAIN.rstrip()):
        file = seen(text.replace("\n", end), name)
        assert (file.rows, file.shifts) == (3, [(0, 2)])
    assert file.is_gzip == name.endswith(".gz")


CELLS = st.text('ab,"\n ;', max_size=4)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS, st.just("5")), min_size=1, max_size=20), data=st.data())
def test_each_row_is_known_by_the_line_on_which_it_begins(tmp_path_factory, rows, data):
    text, begins = HEADER, []
    for row in rows:
        text += "\n" * data.draw(st.integers(0, 2))
        begins.append(text.count("\n") + 1)
        record = io.StringIO()
        csv.writer(record, lineterminator="\n").writerow(row)
        text += record.getvalue()
    path = tmp_path_factory.mktemp("f") / "orders.csv"
    path.write_text(text)
    file = recounted(look(path, load_mapping("canonical")), load_mapping("canonical"))
    starts, shift, lines = dict(file.shifts), None, []
    for row in range(file.rows):
        shift = starts.get(row, shift)
        lines.append(row + shift)
    assert lines == begins


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,a,2020-01-01,5\n2,b,2020-01-02\n", "csv:3: 3 cells, the header has 4"),
        ('1,"a\n\nb",2020-01-01,5\n\n2,b,2020-01-02,5,6\n', "csv:6: 5 cells, the header has 4"),
        ('1,a,2020-01-01,5\n2,"b,2020-01-02,5\n', "csv:3: is no CSV"),
        ('1,a,2020-01-01,5\n2,"b"b,2020-01-02,5\n', "csv:3: is no CSV"),
        ("\n\n", "0 rows under the header"),
    ],
)
def test_a_record_that_is_none_is_refused_with_its_line(seen, rows, told):
    file = seen(HEADER + rows)
    with pytest.raises(InputRefused, match=told):
        recounted(file, load_mapping("canonical"))


def test_a_comma_at_the_end_of_each_row_is_no_cell(seen):
    assert recounted(seen(HEADER + "1,a,2020-01-01,5,\n"), load_mapping("canonical")).rows == 1


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"csv: is empty \(0 bytes\)"),
        ("\n\n", "holds blank lines only"),
        (HEADER, "0 rows under the header"),
        (PLAIN.replace("2,b", "2,b\0"), r"csv:3: holds a NUL byte"),
        (PLAIN.replace("paid_at,paid", "paid_at,piad"), "1 of 4 required columns are missing: paid\n"),
        (PLAIN.replace("customer_id", "Paid"), "1 of 4 required columns are missing: customer_id"),
        ("order_id,customer_id,paid_at,paid,paid\n1,a,2020-01-01,5,5\n", "1 columns stand twice in the header: paid"),
        (PLAIN.replace(",", ";"), "4 of 4 required columns are missing"),
        ('"order_id', r"csv:1: the header is no CSV"),
        (",".join(f"c{place}" for place in range(5000)), "5,000 columns"),
        ("x" * (9 << 20), r"csv:1: the line is longer than 4 MB"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(seen, content, told):
    with pytest.raises(InputRefused, match=told) as caught:
        seen(content)
    assert caught.value.hint


@settings(max_examples=20, deadline=None, derandomize=True)
@given(before=st.integers(0, 400), after=st.text("a,\n\0\u738b", max_size=9))
def test_a_nul_byte_is_found_on_its_line(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("f") / "orders.csv"
    path.write_bytes((HEADER + "1,a,2020-01-01,5\n" * before + "1,").encode() + b"\0" + after.encode())
    with pytest.raises(InputRefused, match=rf"csv:{before + 2}: holds a NUL byte"):
        look(path, load_mapping("canonical"))


def test_hints_name_the_likely_cure(seen):
    for text, cure in [
        (PLAIN.replace("paid_at,paid", "paid_at,piad"), "paid: perhaps piad"),
        (PLAIN.replace(",", ";"), "delimiter: ';'"),
        ("Invoice,StockCode,Quantity,InvoiceDate,Price,Customer ID\n1,2,3,4,5,6\n", "mapping: online_retail"),
    ]:
        with pytest.raises(InputRefused) as caught:
            seen(text)
        assert cure in caught.value.hint


def test_files_that_are_none_are_refused(tmp_path, write):
    (tmp_path / "folder.csv").mkdir()
    write(b"not gzip at all", "x.csv")
    (tmp_path / "x.csv").rename(tmp_path / "fake.csv.gz")
    (tmp_path / "torn.csv.gz").write_bytes((tmp_path / write(PLAIN * 50, "whole.csv.gz")).read_bytes()[:-9])
    for name, told in [
        ("folder.csv", "is a folder"),
        ("fake.csv.gz", "cannot be read"),
        ("torn.csv.gz", "cannot be read"),
        (Path(write("PAR1 no", "orders.parquet")).name, "cannot be read"),
    ]:
        with pytest.raises(InputRefused, match=f"{re.escape(str(tmp_path / name))}: {told}"):
            look(tmp_path / name, load_mapping("canonical"))
