"""Order files into the engine, every row with its file and line: read whole, or refused with the place.

in: settings.order_files (.csv, .csv.gz, .txt, .parquet) and a mapping; out: `RawOrders`, rows of text counted twice
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.types import Table

from clvbook.errors import InputRefused
from clvbook.orders.mapping import Mapping, load_mapping, nearest, recognise, shipped
from clvbook.settings import Settings

_CHUNK = 4 << 20
_LONGEST_LINE = 16 << 20
_KINDS = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet")


@dataclass(frozen=True)
class OrderFile:
    """One file: its header, where the canonical columns stand in it, its rows, and where lines and rows part."""

    path: Path
    header: list[str]
    found: dict[str, int]
    rows: int
    shifts: list[tuple[int, int]] = field(default_factory=lambda: [(0, 2)])  # from this row on: line = row + shift


@dataclass(frozen=True)
class RawOrders:
    """All rows of all files as stored. `table` is what `shape` made of the text, with `seq`, the row's place (int64)."""

    mapping: Mapping
    files: tuple[OrderFile, ...]
    table: Table
    texts: tuple[Table, ...]

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

    def cells(self) -> Table:
        """Every row of every file again: seq, as_read (JSON, by the file's own header)."""
        parts, start = [], 0
        for file, text in zip(self.files, self.texts, strict=True):
            names = [f"{name} ({place})" if name in file.header[:place] else name for place, name in enumerate(file.header)]
            read = ibis.struct({name: text[f"c{place}"] for place, name in enumerate(names)})
            parts.append(text.select(seq=ibis.row_number() + start, as_read=read.cast("json").cast("string")))
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
    mapping = load_mapping(settings.mapping)
    files = [_look(path, mapping) for path in settings.order_files]
    known = frozenset().union(*(file.found for file in files))
    name = ibis.util.gen_name("orders")
    texts, stored = [], 0
    for place, file in enumerate(files):
        try:
            source = con.sql(_scan_sql(file, mapping), schema={f"c{at}": "string" for at in range(len(file.header))})
            text = _as_text(source, file, mapping, place, known)
            shaped = shape(text, mapping) if shape else text
            con.insert(name, shaped) if place else con.create_table(name, shaped)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise _refused(file, str(error)) from None
        texts.append(source)
        read = con.table(name).count().execute() - stored
        # A blank line or a line break within quotes makes rows fewer than lines; nothing makes them more.
        files[place] = file = file if read == file.rows else _recounted(file, mapping)
        if read != file.rows:
            raise InputRefused(
                f"{file.path}: {file.rows:,} rows stand in the file, {read:,} were read",
                "a quote that is opened and not closed swallows rows; save the file again as CSV (UTF-8)",
            )
        stored += read
    table = con.table(name)
    return RawOrders(mapping, tuple(files), table.mutate(seq=table.rowid()), tuple(texts))


def _look(path: Path, mapping: Mapping) -> OrderFile:
    """Everything about a file that must hold before the engine opens it."""
    if path.is_dir():
        raise InputRefused(f"{path}: is a folder", f"name its files, such as {path.name}/*.csv")
    if not path.name.lower().endswith(_KINDS):
        raise InputRefused(f"{path}: is none of {', '.join(_KINDS)}", "export the orders as CSV (UTF-8)")
    try:
        if path.name.lower().endswith(".parquet"):
            parquet = pq.ParquetFile(path)
            file = OrderFile(path, parquet.schema_arrow.names, {}, parquet.metadata.num_rows, [(0, 1)])
        else:
            lines = _check_bytes(path)
            file = OrderFile(path, _header(path, mapping), {}, lines - 1)
        file = replace(file, found=_recognised(file, mapping))
        if mapping.format.delimiter == "whitespace" and path.suffix != ".parquet":
            file = _recounted(file, mapping)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputRefused(f"{path}: cannot be read: {error}", "export or copy the file again") from None
    if file.rows < 1:
        raise _no_rows(path)
    return file


def _no_rows(path: Path) -> InputRefused:
    return InputRefused(f"{path}: 0 rows under the header", "export the orders again, with the days chosen")


def _open(path: Path) -> BinaryIO:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _check_bytes(path: Path) -> int:
    """Lines of the file; refuses what is empty, is not UTF-8, or holds a NUL, with the line."""
    lines, last, decoder = 0, b"", codecs.getincrementaldecoder("utf-8")()
    with _open(path) as stream:
        while chunk := stream.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = lines + 1 + error.object.count(b"\n", 0, error.start)
                raise _not_utf8(path, line) from None
            if (at := chunk.find(b"\0")) >= 0:
                line = lines + 1 + chunk.count(b"\n", 0, at)
                raise InputRefused(
                    f"{path}:{line}: holds a NUL byte", "the file is damaged or no text: export it again"
                )
            lines += chunk.count(b"\n") or chunk.count(b"\r")
            last = chunk[-1:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _not_utf8(path, lines + 1) from None
    if not last:
        raise InputRefused(f"{path}: is empty (0 bytes)", "export the orders again")
    return lines + (last not in b"\r\n")


def _not_utf8(path: Path, line: int) -> InputRefused:
    return InputRefused(f"{path}:{line}: is not UTF-8 text", 'save the file as "CSV UTF-8"')


def _cells(stream: BinaryIO, mapping: Mapping) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line it begins on: slow, exact, one at a time."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    if mapping.format.delimiter == "whitespace":
        yield from ((number, cells) for number, line in enumerate(text, 1) if (cells := line.split()))
        return
    csv.field_size_limit(_LONGEST_LINE)
    reader, begins = csv.reader(text, delimiter=mapping.format.delimiter, strict=True), 1
    for cells in reader:
        if cells:
            yield begins, cells
        begins = reader.line_num + 1


def _header(path: Path, mapping: Mapping) -> list[str]:
    try:
        with _open(path) as stream:
            return next(_cells(stream, mapping))[1]
    except StopIteration:
        raise InputRefused(f"{path}: holds blank lines only", "export the orders again") from None
    except csv.Error as error:
        raise InputRefused(f"{path}:1: the header is no CSV: {error}", "save the file again as CSV (UTF-8)") from None


def _recounted(file: OrderFile, mapping: Mapping) -> OrderFile:
    """The file with its rows and the shifts from row to line as they are, read record by record."""
    rows, shifts, begins, width = 0, [], 0, len(file.header)
    try:
        with _open(file.path) as stream:
            records = _cells(stream, mapping)
            next(records)
            for begins, cells in records:
                if len(cells) != width and cells[width:] != [""]:
                    raise InputRefused(
                        f"{file.path}:{begins}: {len(cells)} cells, the header has {width}",
                        "mend the line, or export the file again",
                    )
                if not shifts or begins - rows != shifts[-1][1]:
                    shifts.append((rows, begins - rows))
                rows += 1
    except csv.Error as error:
        raise InputRefused(f"{file.path}:{begins + 1}: is no CSV: {error}", "mend the quotes in or after this line") from None
    if not rows:
        raise _no_rows(file.path)
    return replace(file, rows=rows, shifts=shifts)


def _recognised(file: OrderFile, mapping: Mapping) -> dict[str, int]:
    found, twice = recognise(mapping, file.header)
    missing = [name for name in mapping.required if name not in found]
    if missing:
        shown = ", ".join(file.header[:30]) + (", ..." if len(file.header) > 30 else "")
        near = [f"{name}: perhaps {hit}" for name in missing if (hit := nearest(mapping, name, file.header))]
        raise InputRefused(
            f"{file.path}: {len(missing)} of {len(mapping.required)} required columns are missing: "
            f"{', '.join(missing)}\n  found: {', '.join(found) or 'none'}\n  the header has: {shown[:2000]}",
            _fitting(file.header) or "; ".join([*near, f"mapping {mapping.name} knows each column's names"]),
        )
    if twice:
        raise InputRefused(
            f"{file.path}: {len(twice)} columns stand twice in the header: {', '.join(twice)}",
            "remove or rename one of each pair",
        )
    return found


def _fitting(header: list[str]) -> str | None:
    """A word on the shipped mapping that knows this header, or on its delimiter."""
    for name in shipped():
        mapping = load_mapping(name)
        if set(mapping.required) <= set(recognise(mapping, header)[0]):
            return f"the header is that of {mapping.title}: write `mapping: {name}`"
    if len(header) == 1 and (mark := next((mark for mark in ";\t|," if mark in header[0]), None)):
        return f"cells seem to be parted by {mark!r}: write `format: {{delimiter: {mark!r}}}` in the mapping"
    return None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _scan_sql(file: OrderFile, mapping: Mapping) -> str:
    """The engine's own reading of a file: cells as text, named c0, c1, ... in the order of the file."""
    path = _quoted(re.sub(r"([\[*?])", r"[\1]", str(file.path)))
    if file.path.name.lower().endswith(".parquet"):
        names = ['"' + name.replace('"', '""') + '"' for name in file.header]
        cells = ", ".join(f"CAST({name} AS VARCHAR) AS c{place}" for place, name in enumerate(names))
        return f"SELECT {cells} FROM read_parquet({path})"  # noqa: S608  quoted above
    options = "auto_detect=false, strict_mode=true, null_padding=false, ignore_errors=false, header=true, "
    options += f"max_line_size={_LONGEST_LINE}, buffer_size={4 * _LONGEST_LINE}, "
    options += f"compression='{'gzip' if file.path.name.lower().endswith('.gz') else 'none'}', "
    if mapping.format.delimiter == "whitespace":
        read = f"read_csv({path}, {options} delim='\x1f', quote='', escape='', columns={{'line': 'VARCHAR'}})"
        parts = f"SELECT regexp_split_to_array(trim(line, E' \\t\\r'), '\\s+') AS p FROM {read} WHERE trim(line) <> ''"  # noqa: S608
        cells = ", ".join(f"p[{place + 1}] AS c{place}" for place in range(len(file.header)))
        return f"SELECT {cells} FROM ({parts})"  # noqa: S608
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(file.header)))
    mark = _quoted(mapping.format.delimiter)
    return f"SELECT * FROM read_csv({path}, {options} delim={mark}, quote='\"', escape='\"', columns={{{types}}})"  # noqa: S608


def _as_text(source: Table, file: OrderFile, mapping: Mapping, place: int, known: frozenset[str]) -> Table:
    """The canonical columns of a file's cells; null for a column that only other files have."""
    cells = {name: source[f"c{at}"] for name, at in file.found.items()}
    absent = {name: ibis.null("string") for name in known - set(cells)}
    every = ibis.struct({name: source[name] for name in source.columns}).hash()
    return source.select(
        **dict(sorted({**cells, **absent}.items())), file=ibis.literal(place, "int16"), cells=every.cast("int64")
    )


def _refused(file: OrderFile, said: str) -> InputRefused:
    """What the engine said of a file, as a fact of ours: the line, and what is wrong with it."""
    at = re.search(r"CSV Error on Line: (\d+)", said)
    where = f"{file.path}:{at[1]}" if at else str(file.path)
    if cells := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said):
        fact = f"{cells[2]} cells, the header has {cells[1]}"
    elif "unterminated quote" in said:
        fact = "a quote is opened and not closed, or closed within a cell"
    elif "Maximum line size" in said:
        fact = f"a line is longer than {_LONGEST_LINE >> 20} MB"
    elif "invalid state" in said:
        fact = "is no regular CSV: line ends of different kinds, or quotes within cells"
    else:
        fact = "cannot be read: " + said.splitlines()[0][:300]
    return InputRefused(f"{where}: {fact}", "mend the line, or export the file again as CSV (UTF-8)")
