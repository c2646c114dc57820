"""Archives and workbooks: what is in them is read with its place; what attacks, lies or is torn is refused."""

import datetime as dt
import gc
import io
import json
import stat
import struct
import tempfile
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from clvbook.cli import main
from clvbook.engine import connect
from clvbook.errors import InputRefused
from clvbook.orders import clean_orders, containers
from clvbook.settings import Settings

HEAD = "order_id,customer_id,paid_at,paid\n"
OLD = Path(__file__).parent / "exports" / "orders.xls"  # made with xlwt: a sheet 订单 and an empty one


def packed(path, members, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text, **more)
    return path


def workbook(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture
def read(settings):
    """Clean the orders of a path, or of several."""

    def cleaned(*paths, **more):
        made = settings(list(map(str, paths)), **more)
        return clean_orders(connect(made), made)

    return cleaned


def refused(read, path, told):
    with pytest.raises(InputRefused, match=told) as caught:
        read(path)
    assert str(path) in caught.value.fact
    assert tempfile.gettempdir() not in caught.value.fact.replace(str(path.parent), "")
    assert CliRunner().invoke(main, ["check", str(params(path))]).exit_code == 3


def params(path):
    to = path.parent / "p.yml"
    to.write_text(json.dumps({"shop": "t", "orders": str(path)}))
    return to


def places(cleaned):
    rows = cleaned.set_aside.to_pyarrow().to_pylist()
    return [(row["source_file"], row["line"], row["reason"]) for row in rows]


def test_every_text_of_an_archive_is_read_by_name_with_its_line(read, tmp_path):
    members = {
        "2026/": "",
        "2026/b.csv": HEAD + "1,anna,2026-09-02,12\n\n2,bert,2026-09-03,x\n",
        "2026/a.txt": HEAD + "1,anna,2026-09-02,10\n",
        "2026/old/a.txt": HEAD + "3,anna,2026-09-02,5\n",
        "__MACOSX/2026/._b.csv": "\0",
        "2026/.DS_Store": "\0",
    }
    cleaned = read(packed(tmp_path / "year.zip", members))
    assert cleaned.reconciliation.rows_read == 4
    assert places(cleaned) == [("year.zip:a.txt", 2, "superseded"), ("year.zip:b.csv", 4, "bad_amount")]
    assert cleaned.reconciliation.net_kept == Decimal(17)


def test_archives_and_files_keep_the_order_in_which_they_are_named(read, tmp_path):
    early = packed(tmp_path / "early.zip", {"a.csv": HEAD + "1,anna,2026-09-02,10\n"})
    (tmp_path / "late.csv").write_text(HEAD + "1,anna,2026-09-02,11\n")
    assert read(early, tmp_path / "late.csv").reconciliation.net_kept == 11
    assert read(tmp_path / "late.csv", early).reconciliation.net_kept == 10


def test_months_of_an_archive_come_in_the_order_of_their_numbers(read, tmp_path):
    names = ["2025/12.csv", "2026/9.csv", "2026/10.csv"]
    members = {name: HEAD + f"1,anna,2026-09-02,{place}\n" for place, name in enumerate(names, 1)}
    assert read(packed(tmp_path / "z.zip", dict(reversed(members.items())))).reconciliation.net_kept == 3


def test_names_that_chinese_archivers_write_are_read(read, tmp_path):
    path = packed(tmp_path / "z.zip", {"XXXX.csv": HEAD + "1,anna,2026-09-02,x\n"})
    path.write_bytes(path.read_bytes().replace(b"XXXX", "订单".encode("gb18030")))
    assert places(read(path)) == [("z.zip:订单.csv", 2, "bad_amount")]


def test_what_is_unpacked_lasts_as_long_as_the_connection_and_no_longer(read, tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "room"))
    cleaned = read(packed(tmp_path / "z.zip", {"a.csv": HEAD + "1,anna,2026-09-02,x\n"}))
    aside = cleaned.set_aside
    del cleaned
    gc.collect()
    assert aside.count().execute() == 1
    del aside
    gc.collect()
    assert list((tmp_path / "room").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../evil.csv", "points out of the archive"),
        ("/etc/evil.csv", "points out of the archive"),
        ("a/../../evil.csv", "points out of the archive"),
        ("..\\evil.csv", "points out of the archive"),
        ("C:\\evil.csv", "points out of the archive"),
        ("a\x1bb.csv", "points out of the archive"),
        ("inner.zip", "none of .csv, .txt"),
        ("orders.csv.gz", "none of .csv, .txt"),
        ("notes.pdf", "none of .csv, .txt"),
    ],
)
def test_names_that_lead_elsewhere_and_files_that_are_no_text_are_refused(read, tmp_path, name, told):
    (tmp_path / "in").mkdir()
    refused(read, packed(tmp_path / "in" / "z.zip", {"a.csv": HEAD + "1,a,2026-09-02,1\n", name: HEAD}), told)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_link_in_an_archive_is_refused(read, tmp_path):
    info = zipfile.ZipInfo("a.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(read, tmp_path / "z.zip", "is a link")


def test_archives_that_unpack_to_far_more_than_they_weigh_are_refused(read, tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "MOST_FILES", 3)
    refused(read, packed(tmp_path / "many.zip", {f"{n}.csv": HEAD for n in range(4)}), "holds 4 files")
    bomb = packed(tmp_path / "bomb.zip", {"a.csv": HEAD + " " * (40 << 20)})
    refused(read, bomb, "far more than it weighs")
    monkeypatch.setattr(containers, "MOST_BYTES", 30 << 20)
    refused(read, bomb, "far more than it weighs")


def test_an_archive_that_lies_about_its_sizes_is_refused(read, tmp_path):
    path = packed(tmp_path / "z.zip", {"a.csv": HEAD + " " * (40 << 20)})
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].file_size
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 100)))
    refused(read, path, "unpack")


def test_a_locked_archive_is_refused(read, tmp_path):
    path = packed(tmp_path / "z.zip", {"a.csv": HEAD})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(read, path, "locked by a password")


@pytest.mark.parametrize("name", ["z.zip", "z.xlsx", "z.xls"])
@pytest.mark.parametrize(
    "content", [b"", b"order_id,paid\n1,2\n", b"PK\x03\x04 no", b"\xd0\xcf\x11\xe0 no", b"PK\5\6" + bytes(18)]
)
def test_what_is_no_archive_and_no_workbook_is_refused(read, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused(read, tmp_path / name, "is no|cannot be unpacked|holds 0")


SHEET = [
    ["order_id", "customer_id", "paid_at", "paid", "remark"],
    ["351512345678901001", "anna", dt.datetime(2026, 9, 3, 10, 20, 30), 129.5, "first\r\nsecond"],
    [],
    [351512345678901000, "bert", dt.datetime(2026, 9, 4), 5],  # a number: its last digits are gone
    [8, "bert", dt.date(2026, 9, 5), 0.1 + 0.2, True],
]


def test_sheets_are_read_with_their_rows_numbers_dates_and_digits(read, tmp_path):
    other = [["paid", "paid_at", "customer_id", "order_id"], ["59.90", "2026-10-01 08:00:00", "carl", "9"]]
    path = workbook(tmp_path / "o.xlsx", ("九月", SHEET), ("empty", []), ("十月", other))
    cleaned = read(path)
    assert cleaned.reconciliation.rows_read == 4
    assert places(cleaned) == [("o.xlsx:九月.csv", 4, "lossy_order_id")]
    kept = cleaned.orders.order_by("paid_at").to_pyarrow().to_pylist()
    assert [(row["order_id"], str(row["paid_at"]), str(row["paid"]), row["remark"]) for row in kept] == [
        ("351512345678901001", "2026-09-03 10:20:30", "129.5000", "first second"),
        ("8", "2026-09-05 00:00:00", "0.3000", "TRUE"),
        ("9", "2026-10-01 08:00:00", "59.9000", None),
    ]


def test_an_old_workbook_is_read_as_a_new_one(read, tmp_path):
    for path in (OLD, tmp_path / "renamed.xlsx"):
        if path != OLD:
            path.write_bytes(OLD.read_bytes())
        cleaned = read(path)
        assert places(cleaned) == [(f"{path.name}:订单.csv", 4, "lossy_order_id")]
        kept = cleaned.orders.order_by("paid_at").to_pyarrow().to_pylist()
        assert [(row["order_id"], str(row["paid_at"]), str(row["paid"]), row["remark"]) for row in kept] == [
            ("351512345678901001", "2026-09-03 10:20:30", "129.5000", "第一行 第二行"),
            ("7", "2026-09-05 00:00:00", "59.9000", "TRUE"),
        ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "TRUE"),
        (12, "12"),
        (12.0, "12"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (999999999999999.0, "999999999999999"),
        (3.515e17, "3.51500000000000E+17"),
        (351512345678901000, "3.51512345678901E+17"),  # 15 digits and zeros: a spreadsheet rounded it
        (351512345678901001, "351512345678901001"),  # more than 15 digits: no spreadsheet wrote it
        (-1234.5, "-1234.5"),
        (dt.datetime(2026, 9, 3, 1, 2, 3), "2026-09-03 01:02:03"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("a\nb\r\nc", "a b c"),
    ],
)
def test_a_cell_becomes_the_text_that_a_person_sees(cell, text):
    assert containers._text(cell) == text


def test_a_formula_that_was_never_computed_is_refused_with_its_row(read, tmp_path):
    refused(
        read, workbook(tmp_path / "f.xlsx", ("S", [*SHEET[:2], ["1", "a", "2026-09-01", "=1+1"]])), "S:3: a formula"
    )


def test_a_formula_with_its_value_is_read(read, tmp_path):
    path = workbook(tmp_path / "f.xlsx", ("S", [*SHEET[:2], ["1", "a", "2026-09-01", "=1+1"]]))
    rewritten(
        path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"<v />", b"<v>2</v>").replace(b"<v/>", b"<v>2</v>")
    )
    assert read(path).reconciliation.net_kept == Decimal("131.5")


def rewritten(path, part, change):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    packed(path, parts)


def test_entities_in_a_workbook_are_refused(read, tmp_path):
    path = workbook(tmp_path / "e.xlsx", ("S", SHEET))
    laughs = b'<!DOCTYPE x [<!ENTITY a "' + b"ha" * 50 + b'">]>'
    rewritten(path, "xl/worksheets/sheet1.xml", lambda xml: laughs + xml)
    refused(read, path, "declares entities")


def test_a_sheet_larger_than_it_may_be_is_refused(read, tmp_path):
    path = workbook(tmp_path / "b.xlsx", ("S", SHEET))
    rewritten(
        path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"</worksheet>", b" " * (80 << 20) + b"</worksheet>")
    )
    refused(read, path, "far more than it weighs")


def test_a_sheet_with_another_header_is_refused_by_its_name(read, tmp_path):
    path = workbook(tmp_path / "o.xlsx", ("orders", SHEET), ("notes", [["to do"], ["nothing"]]))
    refused(read, path, "o.xlsx:notes.csv: .* required columns are missing")


def test_a_cell_beyond_the_header_is_refused_with_its_row(read, tmp_path):
    path = workbook(tmp_path / "o.xlsx", ("S", [*SHEET, ["9", "a", "2026-09-01", 1, "", "beyond"]]))
    refused(read, path, "o.xlsx:S.csv:6: 6 cells, the header has 5")


WHOLE = {}


def whole(kind):
    """The bytes of a good container of each kind."""
    if not WHOLE:
        folder = Path(tempfile.mkdtemp())
        WHOLE[".xls"] = OLD.read_bytes()
        WHOLE[".xlsx"] = workbook(folder / "o.xlsx", ("S", SHEET)).read_bytes()
        WHOLE[".zip"] = packed(folder / "o.zip", {"a.csv": HEAD + "1,a,2026-09-02,1\n" * 9}).read_bytes()
    return WHOLE[kind]


@given(
    kind=st.sampled_from([".zip", ".xlsx", ".xls"]),
    changes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8),
    cut=st.none() | st.integers(0, 6_000),
)
@budget(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_damaged_containers_are_read_whole_or_refused(tmp_path_factory, kind, changes, cut):
    data = bytearray(whole(kind)[:cut])
    for at, value in changes:
        if data:
            data[at % len(data)] = value
    path = tmp_path_factory.mktemp("damaged") / f"o{kind}"
    path.write_bytes(data)
    made = Settings(shop="t", orders=str(path))
    try:
        found = clean_orders(connect(made), made).reconciliation
    except InputRefused:
        return
    assert found.rows_read == found.rows_kept + found.rows_without_customer + sum(found.quarantined.values())


def test_a_long_sheet_is_read_to_its_end(tmp_path):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("S")
    sheet.append(["order_id", "customer_id", "paid_at", "paid"])
    for number in range(5_000):
        sheet.append([str(number), f"c{number % 99}", "2026-09-01", 1])
    book.save(tmp_path / "big.xlsx")
    with containers.opened(io.StringIO(), {tmp_path / "big.xlsx": "big"}) as (path,):
        assert path.read_bytes().count(b"\n") == 5_001
