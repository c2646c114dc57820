import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clvbook.engine import connect
from clvbook.errors import BadParameters, ClvbookError, InputRefused
from clvbook.orders import clean_orders, read_orders
from clvbook.settings import Settings

HEADER = "order_id,customer_id,paid_at,paid\n"
PLAIN = HEADER + "1,a,2020-01-01,5.00\n2,b,2020-01-02,6.50\n3,,2020-01-03,7\n"


@pytest.fixture
def read(write, settings):
    def stored(content, name="orders.csv", **more):
        made = settings(write(content, name), **more)
        return read_orders(connect(made), made)

    return stored


def ids(raw):
    return raw.table.order_by("seq").order_id.to_pyarrow().to_pylist()


def lines(raw):
    return raw.placed(raw.table).order_by("seq").line.to_pyarrow().to_pylist()


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "orders.txt", "ORDERS.CSV", "o'rd{},er.csv"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_text_is_read_whole_whatever_its_name(read, name, bom):
    raw = read(bom + PLAIN, name)
    assert ids(raw) == ["1", "2", "3"]
    assert raw.rows == 3
    assert lines(raw) == [2, 3, 4]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_none_at_the_end_of_the_file(read, end):
    assert ids(read(PLAIN.replace("\n", end))) == ["1", "2", "3"]
    assert ids(read(PLAIN.rstrip().replace("\n", end))) == ["1", "2", "3"]


def test_lines_are_physical_where_rows_span_several_or_lines_are_blank(read):
    text = HEADER + '1,"a\nb",2020-01-01,5\n\n2,c,2020-01-02,5\n3,"d\r\n""e",2020-01-03,5\n4,f,2020-01-04,5\n'
    raw = read(text)
    assert lines(raw) == [2, 5, 6, 8]
    assert raw.table.order_by("seq").customer_id.to_pyarrow().to_pylist() == ["a\nb", "c", 'd\r\n"e', "f"]


def test_lines_stay_right_over_many_rows_and_files(write):
    many = [
        write(HEADER + "".join(f"{start + row},c,2020-01-01,1.00\n" for row in range(size)), f"{start}.csv")
        for start, size in [(0, 150_000), (1_000_000, 7), (2_000_000, 60_000)]
    ]
    made = Settings(shop="t", orders=many)
    raw = read_orders(connect(made), made)
    placed = raw.placed(raw.table).select("order_id", "line", "source_file").to_pyarrow().to_pylist()
    assert len(placed) == raw.rows == 210_007
    assert all(int(row["source_file"].split(".")[0]) + row["line"] - 2 == int(row["order_id"]) for row in placed)


def test_parquet_values_arrive_as_the_same_text(tmp_path, settings):
    table = pa.table(
        {
            "order_id": [1, 2],
            "customer_id": ["a", None],
            "paid_at": pa.array([0, 1_600_000_000], pa.timestamp("s")),
            "paid": pa.array([5, 6], pa.decimal128(10, 2)),
            'odd "name"': [1.5, float("nan")],
        }
    )
    pq.write_table(table, tmp_path / "orders.parquet")
    made = settings(str(tmp_path / "orders.parquet"))
    raw = read_orders(connect(made), made)
    assert lines(raw) == [1, 2]
    assert raw.table.order_by("seq").select("order_id", "paid", "paid_at").to_pyarrow().to_pylist() == [
        {"order_id": "1", "paid": "5.00", "paid_at": "1970-01-01 00:00:00"},
        {"order_id": "2", "paid": "6.00", "paid_at": "2020-09-13 12:26:40"},
    ]


def test_files_of_different_columns_make_one_table(write, settings):
    later = write("paid,order_id,paid_at,customer_id,source\n4,9,2020-02-01,z,ad\n", "2.csv")
    made = settings([write(PLAIN, "1.csv"), later])
    raw = read_orders(connect(made), made)
    found = raw.table.order_by("seq").select("order_id", "paid", "source").to_pyarrow().to_pylist()
    assert found[-1] == {"order_id": "9", "paid": "4", "source": "ad"}
    assert found[0] == {"order_id": "1", "paid": "5.00", "source": None}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEADER + "\n\n", "0 rows under the header"),
        (PLAIN + "4,d,2020-01-04\n", r"csv:5: 3 cells, the header has 4"),
        (PLAIN + "4,d,2020-01-04,5,6\n5,e,2020-01-05,5\n", r"csv:5: 5 cells, the header has 4"),
        (PLAIN.replace("2,b", '2,"b'), r"csv:3: a quote is opened and not closed"),
        (PLAIN.replace("2,b", '2,"b"b'), r"csv:3: a quote is opened and not closed"),
        (PLAIN + '4,d,2020-01-04,"5', r"csv:5: a quote is opened and not closed"),
        (PLAIN.replace("2,b", "2,王").encode("gb18030"), r"csv:3: is not UTF-8 text"),
        (PLAIN.encode("utf-16"), r"csv:1: is not UTF-8 text"),
        (PLAIN.encode() + "é".encode()[:1], r"csv:5: is not UTF-8 text"),
        (HEADER + "1,a,2020-01-01," + "5" * (5 << 20) + "\n", "longer than 4 MB"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(read, content, told):
    with pytest.raises(InputRefused, match=told) as caught:
        read(content)
    assert caught.value.hint


def test_names_with_the_marks_of_a_pattern_are_names_where_a_pattern_finds_them(write, settings):
    write(PLAIN, "o[1]r?d*.csv")
    made = settings(write(PLAIN, "other.csv").replace("other.csv", "o*"))
    assert read_orders(connect(made), made).rows == 6


def test_files_that_are_none_are_refused(tmp_path, settings, write):
    made = settings(write("a", "orders.pdf"))
    with pytest.raises(InputRefused, match=r"is none of \.csv"):
        read_orders(connect(made), made)
    with pytest.raises(BadParameters, match="0 files found"):
        read_orders(connect(made), settings(str(tmp_path / "nothing.csv")))


def test_whitespace_parts_cells_where_the_mapping_says_so(read):
    head = " customer_id date number_of_cds  dollar_value\r\n"
    raw = read(head + " 00001 19970101  1   11.77\r\n\r\n\t2 19970102 2 3.00 \r\n", "m.txt", mapping="cdnow")
    rows = raw.table.order_by("seq").select("customer_id", "paid_at", "items", "paid").to_pyarrow().to_pylist()
    assert [" ".join(row.values()) for row in rows] == ["00001 19970101 1 11.77", "2 19970102 2 3.00"]
    assert lines(raw) == [2, 4]
    with pytest.raises(InputRefused, match=r"m\.txt:3: 3 cells, the header has 4"):
        read(head + "1 19970101 1 1\n1 19970101 1\n", "m.txt", mapping="cdnow")


def test_line_ends_of_different_kinds_are_refused_rather_than_guessed(read):
    with pytest.raises(InputRefused, match="line ends of different kinds"):
        read(PLAIN.replace("\n", "\r\n", 2))


UCI = (
    "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
    '1,a,"RED ""7"" MUG",2,2010-01-01 10:00:00,1.5,17.0,UK\n'
    "C2,a,MUG,-1,2010-01-02 10:00:00,1.5,17.0,UK\n"
    '3,POST,"a, b",1,2010-01-02 11:00:00,18.0,,UK\n'
)
CANONICAL = (
    "order_id,customer_id,created_at,paid_at,status,paid,refund,currency,remark\n"
    '1,a,2020-01-01 09:00:00,2020-01-01T10:00:00Z,paid,5.00,0,CNY,"=HYPERLINK(""x"")"\n'
    "1,a,2020-01-01 09:00:00,2020-01-01 10:00:00,completed,5.00,1.00,CNY,<script>\n"
    "2,,2020-01-03 09:00:00,,unpaid,6,,CNY,'; DROP TABLE x\n"
)


@hypothesis_settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), mapping=st.sampled_from(["canonical", "online_retail"]))
def test_mutated_files_reconcile_or_are_refused(tmp_path_factory, seed, mapping):
    path = tmp_path_factory.mktemp("m") / "orders.csv"
    path.write_bytes(mutated(CANONICAL if mapping == "canonical" else UCI, random.Random(seed)))  # noqa: S311
    made = Settings(shop="t", orders=str(path), mapping=mapping, currency="CNY")
    try:
        cleaned = clean_orders(connect(made), made)
    except ClvbookError as refusal:
        cleaned = refusal
    if isinstance(cleaned, InputRefused):
        assert str(path) in cleaned.fact or cleaned.fact.startswith("status: ")
    else:
        told = cleaned.reconciliation.check()
        assert told.rows_read == cleaned.raw.table.count().execute()
        assert cleaned.set_aside.count().execute() == sum(told.quarantined.values())


ODD = ["", "nan", "-1e400", "９", "9999999999999999.5", "999999999999.9", "-0", "2020-13-01", '"', "0x1F", "\u202e"]
BYTES = [b"\0", b'"', b"\xff", b"\n", b"\r", b",", b"\r\n", b"", b'""']


def mutated(text, draw):
    """The file with one to three accidents: rows or columns lost, doubled, moved; cells and bytes damaged."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw.randint(1, 3)):
        row, cell = draw.randrange(len(rows)), draw.randrange(len(rows[0]))
        match draw.randrange(7):
            case 0:
                rows.insert(draw.randrange(len(rows)), list(rows[row]))
            case 1:
                rows.pop(row) if len(rows) > 1 else None
            case 2:
                order = draw.sample(range(len(rows[0])), len(rows[0]))
                rows = [[line[place] for place in order if place < len(line)] for line in rows]
            case 3:
                draw.shuffle(rows)
            case 4:
                rows = [line[:cell] + line[cell + 1 :] for line in rows]
            case 5:
                rows[row] = [*rows[row][:cell], draw.choice(ODD), *rows[row][cell + 1 :]]
            case 6:
                rows = [line for line in rows for _ in range(draw.randint(1, 2))]
    data = bytearray("\n".join(",".join(line) for line in rows).encode())
    for _ in range(draw.choice([0, 0, 1, 2])):
        at = draw.randrange(len(data) + 1)
        data[at : at + draw.randint(0, 1)] = draw.choice(BYTES)
    return bytes(data)
