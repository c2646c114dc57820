"""Order files into the engine, every row with its file and line: read whole, or refused with the place.

in: what `orders` names and a mapping; out: `RawOrders`, rows of text counted twice
"""

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
from ibis.expr.types import Table

from clvbook.errors import InputRefused
from clvbook.orders.containers import opened
from clvbook.orders.database import order_files
from clvbook.orders.files import LONGEST_LINE, SPACES, OrderFile, in_utf8, look, recounted
from clvbook.orders.mapping import Mapping, load_mapping
from clvbook.settings import Settings


@dataclass(frozen=True)
class RawOrders:
    """All rows of all files as stored: `table` is what `shape` made of the text, with `seq`, the place (int64)."""

    mapping: Mapping
    files: tuple[OrderFile, ...]
    table: Table
    texts: tuple[Table, ...]
    details: tuple[tuple[OrderFile, Table], ...] = ()

    @property
    def rows(self) -> int:
        """Rows in all files, as counted in the files themselves."""
        return sum(file.rows for file in self.files)

    @property
    def columns(self) -> frozenset[str]:
        """The canonical columns that at least one file has."""
        return frozenset().union(*(file.found for file in self.files))

    def placed(self, rows: Table) -> Table:
        """`rows` (with `seq`) with `source_file` and `line`, where each row begins."""
        places, start = [], 0
        for file in self.files:
            places += [(start + row, start + row, file.path.name, shift - start) for row, shift in file.shifts]
            start += file.rows
        if len(places) == 1:
            return rows.mutate(source_file=ibis.literal(places[0][2]), line=rows.seq + places[0][3])
        names = ("seq", "from_seq", "source_file", "shift")
        columns = dict(zip(names, map(list, zip(*places, strict=True)), strict=True))
        found = rows.asof_join(ibis.memtable(pa.table(columns)), "seq")
        return found.mutate(line=found.seq + found["shift"]).drop("seq_right", "from_seq", "shift")

    def cells(self, wanted: Table | None = None) -> Table:
        """Rows as they stand in the files: seq, as_read (JSON, by the file's own header); all, or those of `wanted`."""
        parts, start = [], 0
        for file, text in zip(self.files, self.texts, strict=True):
            names = [
                f"{name} ({place})" if name in file.header[:place] else name for place, name in enumerate(file.header)
            ]
            rows = text.mutate(seq=ibis.row_number() + start)
            rows = rows if wanted is None else rows.semi_join(wanted, "seq")
            read = ibis.struct({name: rows[f"c{place}"] for place, name in enumerate(names)})
            parts.append(rows.select("seq", as_read=read.cast("json").cast("string")))
            start += file.rows
        return ibis.union(*parts) if len(parts) > 1 else parts[0]


def read_orders(
    con: ibis.BaseBackend, settings: Settings, *, shape: Callable[[Table, Mapping], Table] | None = None
) -> RawOrders:
    """Store every row of the shop's order files in the engine.

    A row arrives as text: the canonical columns that any file has, `file` (its place in `files`) and `cells`, a hash
    of all its cells. `shape` turns that into what is stored, row by row, so that the text need not be kept.

    Errors: InputRefused, with file and line, for a file that is no readable table or lacks a required column;
    also where the engine's count of rows is not the file's own.
    """
    with opened(con, order_files(con, settings)) as paths:
        return read_files(con, load_mapping(settings.mapping), paths, shape)


def read_files(
    con: ibis.BaseBackend, mapping: Mapping, paths: list[Path], shape: Callable[[Table, Mapping], Table] | None = None
) -> RawOrders:
    """Store every row of files of one mapping; see `read_orders`."""
    looked = [look(path, mapping) for path in paths]
    if details := [file for file in looked if file.is_details]:
        looked = [file for file in looked if not file.is_details]
    if not looked:
        raise InputRefused(
            f"{details[0].path}: holds the lines of orders, and no file holds the orders",
            "add the export of the orders themselves: the lines say nothing of the money paid",
        )
    files = _in_utf8(con, looked)
    known = frozenset().union(*(file.found for file in files))
    name, now = ibis.util.gen_name("orders"), ibis.util.gen_name("files")
    texts, made = [_or_refused(file, partial(_source, con, file, mapping)) for file in files], []

    def store(first: int, last: int) -> None:
        sources = [f"SELECT *, {at}::SMALLINT AS file FROM {texts[at].get_name()}" for at in range(first, last)]  # noqa: S608
        con.raw_sql(f"CREATE OR REPLACE VIEW {now} AS {' UNION ALL '.join(sources)}")
        text = _as_text(con.table(now), files[first], mapping, known)
        shaped = shape(text, mapping) if shape else text
        if not made:
            made.append(con.create_table(name, schema=shaped.schema()))
        con.raw_sql(f"INSERT INTO {name} BY NAME {con.compile(shaped)}")

    # Files of one header are read by one statement, by all cores. Where it fails, each alone tells which it was.
    alike = [(len(file.header), *sorted(file.found.items())) for file in files]
    first = 0
    while first < len(files):
        last = next((at for at in range(first, len(files)) if alike[at] != alike[first]), len(files))
        try:
            store(first, last)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            for at in range(first, last):
                _or_refused(files[at], partial(store, at, at + 1))
            raise _refused(files[first], str(error)) from None
        first = last
    stored = con.table(name).group_by("file").agg(rows=ibis._.count()).to_pyarrow().to_pylist()
    stored = {row["file"]: row["rows"] for row in stored}
    for place, file in enumerate(files):
        read = stored.get(place, 0)
        # A blank line or a line break within quotes makes rows fewer than lines; nothing makes them more.
        files[place] = file = file if read == file.rows else recounted(file, mapping)
        if read != file.rows:
            raise InputRefused(
                f"{file.path}: {file.rows:,} rows stand in the file, {read:,} were read",
                "a quote that is opened and not closed swallows rows; save the file again as CSV (UTF-8)",
            )
    table = con.table(name)
    lines = tuple((file, _source(con, file, mapping)) for file in _in_utf8(con, details))
    return RawOrders(mapping, tuple(files), table.mutate(seq=table.rowid()), tuple(texts), lines)


def _in_utf8(con: ibis.BaseBackend, files: list[OrderFile]) -> list[OrderFile]:
    """The files as the engine can read them; copies last as long as the connection that reads them."""
    if all(file.encoding == "utf-8" for file in files):
        return files
    folder = Path(tempfile.mkdtemp(prefix="clvbook-"))
    weakref.finalize(con, shutil.rmtree, folder, ignore_errors=True)
    return [in_utf8(file, folder) for file in files]


def _or_refused(file: OrderFile, read: Callable[[], Any]) -> Any:
    """What `read` gives; what the engine says against it is said of the file."""
    try:
        return read()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise _refused(file, str(error)) from None


def _source(con: ibis.BaseBackend, file: OrderFile, mapping: Mapping) -> Table:
    name = ibis.util.gen_name("text")
    con.raw_sql(f"CREATE VIEW {name} AS {_scan_sql(file, mapping)}")
    return con.table(name)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _scan_sql(file: OrderFile, mapping: Mapping) -> str:
    """The engine's own reading of a file: cells as text, named c0, c1, ... in the order of the file."""
    path = _quoted(re.sub(r"([\[*?])", r"[\1]", str(file.text or file.path)))
    if file.is_parquet:
        names = ['"' + name.replace('"', '""') + '"' for name in file.header]
        cells = ", ".join(f"CAST({name} AS VARCHAR) AS c{place}" for place, name in enumerate(names))
        return f"SELECT {cells} FROM read_parquet({path})"  # noqa: S608  quoted above
    options = "auto_detect=false, strict_mode=true, null_padding=false, ignore_errors=false, header=true, "
    options += f"max_line_size={LONGEST_LINE}, "
    options += f"compression='{'gzip' if file.is_gzip else 'none'}', "
    if mapping.format.delimiter == "whitespace":
        read = f"read_csv({path}, {options} delim='\x1f', quote='', escape='', columns={{'line': 'VARCHAR'}})"
        split = f"regexp_split_to_array(regexp_replace(line, '^{SPACES}+|{SPACES}+$', '', 'g'), '{SPACES}+')"
        parts = f"SELECT {split} AS p FROM {read} WHERE regexp_matches(line, '[^ \\t\\r\\n\\f\\v]')"  # noqa: S608
        cells = ", ".join(f"p[{place + 1}] AS c{place}" for place in range(len(file.header)))
        return f"SELECT {cells} FROM ({parts})"  # noqa: S608
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(file.header)))
    mark = _quoted(mapping.format.delimiter)
    return f"SELECT * FROM read_csv({path}, {options} delim={mark}, quote='\"', escape='\"', columns={{{types}}})"  # noqa: S608


def _as_text(source: Table, file: OrderFile, mapping: Mapping, known: frozenset[str]) -> Table:
    """The canonical columns of a file's cells; null for a column that only other files have."""
    cells = {name: source[f"c{at}"] for name, at in file.found.items()}
    if mapping.format.nulls:
        cells = {name: ibis.ifelse(cell.isin(mapping.format.nulls), None, cell) for name, cell in cells.items()}
    for name in [name for name, at in file.found.items() if file.header[at] in mapping.utc]:
        cells[name] = ibis.ifelse(cells[name].re_search(r"\d$"), cells[name].concat("Z"), cells[name])
    absent = {name: ibis.null("string") for name in known - set(cells)}
    every = ibis.struct({name: source[name] for name in source.columns if name != "file"}).hash()
    return source.select("file", **dict(sorted({**cells, **absent}.items())), cells=every.cast("int64"))


def _refused(file: OrderFile, said: str) -> InputRefused:
    """What the engine said of a file, as a fact of ours: the line, and what is wrong with it."""
    at = re.search(r"CSV Error on Line: (\d+)", said)
    where = f"{file.path}:{at[1]}" if at else str(file.path)
    if cells := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said):
        fact = f"{cells[2]} cells, the header has {cells[1]}"
    elif "unterminated quote" in said:
        fact = "a quote is opened and not closed, or closed within a cell"
    elif "Maximum line size" in said:
        fact = f"a line is longer than {LONGEST_LINE >> 20} MB"
    elif "invalid state" in said:
        fact = "is no regular CSV: line ends of different kinds, or quotes within cells"
    else:
        fact = "cannot be read: " + said.splitlines()[0][:300]
    return InputRefused(f"{where}: {fact}", "mend the line, or export the file again as CSV (UTF-8)")
