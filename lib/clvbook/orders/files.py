"""An order file before the engine opens it: is it whole text, which columns has it, how many rows, on which lines.

in: a path and a mapping; out: `OrderFile`, or the file refused with its line
"""

import codecs
import csv
import gzip
import io
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from clvbook.errors import InputRefused
from clvbook.orders.containers import CONTAINERS
from clvbook.orders.mapping import Details, Mapping, load_mapping, nearest, recognise, shipped

LONGEST_LINE = 4 << 20
SPACES = r"[ \t\r\n\f\v]"
_KINDS = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet")
_MOST_COLUMNS = 4096
_CHUNK = 1 << 20
_ENCODINGS = ("gb18030",)


@dataclass(frozen=True)
class OrderFile:
    """One file: its header, where the canonical columns stand in it, its rows, and where lines and rows part.

    shifts: (row, shift) from that 0-based row on, the row begins on line row + shift; in Parquet rows count from 1.
    text: the same in UTF-8, where the file itself is in another encoding. is_details: its rows are the lines of orders
    that stand in other files.
    """

    path: Path
    header: list[str]
    found: dict[str, int]
    rows: int
    shifts: list[tuple[int, int]] = field(default_factory=lambda: [(0, 2)])
    encoding: str = "utf-8"
    text: Path | None = None
    is_details: bool = False

    @property
    def is_parquet(self) -> bool:
        """Whether the file is a table of its own making rather than text."""
        return self.path.name.lower().endswith(".parquet")

    @property
    def is_gzip(self) -> bool:
        """Whether the text that the engine reads is compressed."""
        return not self.text and self.path.name.lower().endswith(".gz")


class UnknownHeader(InputRefused):
    """A file whose header lacks what the mapping requires."""


def look(path: Path, mapping: Mapping) -> OrderFile:
    """Everything about a file that must hold before the engine opens it."""
    if path.is_dir():
        raise InputRefused(f"{path}: is a folder", f"name its files, such as {path.name}/*.csv")
    if not path.name.lower().endswith(_KINDS):
        raise InputRefused(f"{path}: is none of {', '.join((*_KINDS, *CONTAINERS))}", "export the orders as CSV")
    try:
        if path.name.lower().endswith(".parquet"):
            parquet = pq.ParquetFile(path)
            file = OrderFile(path, parquet.schema_arrow.names, {}, parquet.metadata.num_rows, [(0, 1)])
        else:
            encoding, lines = _encoding(path, mapping)
            file = OrderFile(path, _header(path, mapping, encoding), {}, lines - 1, encoding=encoding)
        details = mapping.is_details(file.header)
        file = replace(file, found=_recognised(file, mapping.details if details else mapping), is_details=details)
        if mapping.format.delimiter == "whitespace" and not file.is_parquet:
            file = recounted(file, mapping)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputRefused(f"{path}: cannot be read: {error}", "export or copy the file again") from None
    if file.rows < 1:
        raise _no_rows(path)
    return file


def _no_rows(path: Path) -> InputRefused:
    return InputRefused(f"{path}: 0 rows under the header", "export the orders again, with the days chosen")


def _open(path: Path) -> BinaryIO:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _encoding(path: Path, mapping: Mapping) -> tuple[str, int]:
    """The encoding of the text and its lines: UTF-8, else the one in which the mapping knows the header.

    Nearly any bytes can be read as GB18030: only a header that makes sense shows that it is meant.
    """
    try:
        return "utf-8", _check_bytes(path)
    except _NotUtf8 as refused:
        for encoding in _ENCODINGS:
            header = _tried(path, mapping, encoding)
            if encoding in mapping.format.encodings and (mapping.knows(header) or recognise(mapping, header)[0]):
                return encoding, _check_bytes(path, strict=False)
            if header and (hint := _fitting(header)):
                raise InputRefused(refused.fact, hint) from None
        raise


def _tried(path: Path, mapping: Mapping, encoding: str) -> list[str]:
    try:
        return _header(path, mapping, encoding)
    except (InputRefused, OSError, EOFError, zlib.error):
        return []


def known_columns(path: Path, mapping: Mapping) -> int:
    """How many of the mapping's columns the header has, whether or not the file can be read."""
    headers = [_tried(path, mapping, encoding) for encoding in ("utf-8", *mapping.format.encodings)]
    return max(len(recognise(mapping, header)[0]) for header in headers)


class _NotUtf8(InputRefused):
    """A file in another encoding, or a damaged one."""


def _check_bytes(path: Path, *, strict: bool = True) -> int:
    """Lines of the file; refuses what is empty, holds a NUL, or (`strict`) is not UTF-8, with the line."""
    lines, end = 0, True
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _open(path) as stream:
        while chunk := stream.read(LONGEST_LINE):
            try:
                decoder.decode(chunk if strict else b"")
            except UnicodeDecodeError as error:
                line = lines + 1 + error.object.count(b"\n", 0, error.start)
                raise _not_utf8(path, line) from None
            if (at := chunk.find(b"\0")) >= 0:
                line = lines + 1 + chunk.count(b"\n", 0, at)
                raise InputRefused(
                    f"{path}:{line}: holds a NUL byte", "the file is damaged or no text: export it again"
                )
            breaks = chunk.count(b"\n") or chunk.count(b"\r")
            if len(chunk) == LONGEST_LINE and not breaks:
                raise InputRefused(
                    f"{path}:{lines + 1}: the line is longer than {LONGEST_LINE >> 20} MB", "export the file again"
                )
            lines, end = lines + breaks, chunk[-1:] in b"\r\n"
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _not_utf8(path, lines + 1) from None
    if end and not lines:
        raise InputRefused(f"{path}: is empty (0 bytes)", "export the orders again")
    return lines + (not end)


def _not_utf8(path: Path, line: int) -> InputRefused:
    return _NotUtf8(f"{path}:{line}: is not UTF-8 text", 'save the file as "CSV UTF-8", its first line the header')


def _text(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    return io.TextIOWrapper(_open(path), encoding=encoding, errors=errors, newline="")


def in_utf8(file: OrderFile, folder: Path) -> OrderFile:
    """The file with a copy in UTF-8 in `folder`, where it is in another encoding; refused where a byte is none of it.

    Memory does not grow with the file; the copy is as large as its text.
    """
    if file.encoding == "utf-8" or file.is_parquet:
        return file
    handle, name = tempfile.mkstemp(".csv", dir=folder)
    decoder, lines = codecs.getincrementaldecoder(file.encoding)(), 0
    os.close(handle)
    with Path(name).open("wb") as copy, _open(file.path) as stream:
        while True:
            chunk = stream.read(_CHUNK)
            try:
                copy.write(decoder.decode(chunk, final=not chunk).encode())
            except UnicodeError as error:
                line = lines + 1 + chunk[: getattr(error, "start", 0)].count(b"\n")
                raise InputRefused(
                    f"{file.path}:{line}: is neither UTF-8 nor {file.encoding.upper()} text",
                    "the file is damaged: export it again",
                ) from None
            if not chunk:
                return replace(file, text=Path(name))
            lines += chunk.count(b"\n")


def _cells(text: Iterable[str], mapping: Mapping) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line it begins on: slow, exact, one at a time."""
    if mapping.format.delimiter == "whitespace":
        for number, line in enumerate(text, 1):
            if cells := [cell for cell in re.split(f"{SPACES}+", line) if cell]:
                yield number, cells
        return
    csv.field_size_limit(LONGEST_LINE)
    reader, begins = csv.reader(text, delimiter=mapping.format.delimiter, strict=True), 1
    for cells in reader:
        if cells:
            yield begins, cells
        begins = reader.line_num + 1


def _header(path: Path, mapping: Mapping, encoding: str) -> list[str]:
    try:
        # Only the header counts here: damaged cells further down are refused where they are, by their own line.
        with _text(path, encoding, errors="replace") as text:
            pieces = iter(partial(text.readline, LONGEST_LINE), "")  # a line may be endless
            return next(_cells(pieces, mapping))[1]
    except StopIteration:
        raise InputRefused(f"{path}: holds blank lines only", "export the orders again") from None
    except csv.Error as error:
        raise InputRefused(f"{path}:1: the header is no CSV: {error}", "save the file again as CSV (UTF-8)") from None


def recounted(file: OrderFile, mapping: Mapping) -> OrderFile:
    """The file with its rows and the shifts from row to line as they are, read record by record."""
    rows, shifts, begins, width = 0, [], 0, len(file.header)
    try:
        with _text(file.path, file.encoding) as text:
            records = _cells(text, mapping)
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
        raise InputRefused(
            f"{file.path}:{begins + 1}: is no CSV: {error}", "mend the quotes in or after this line"
        ) from None
    if not rows:
        raise _no_rows(file.path)
    return replace(file, rows=rows, shifts=shifts)


def _recognised(file: OrderFile, mapping: Mapping | Details) -> dict[str, int]:
    if len(file.header) > _MOST_COLUMNS:
        raise InputRefused(
            f"{file.path}: {len(file.header):,} columns; {_MOST_COLUMNS:,} are read", "is this the order export?"
        )
    found, twice = recognise(mapping, file.header)
    missing = [name for name in mapping.required if name not in found]
    if missing:
        shown = ", ".join(file.header[:30]) + (", ..." if len(file.header) > 30 else "")
        near = [f"{name}: perhaps {hit}" for name in missing if (hit := nearest(mapping, name, file.header))]
        raise UnknownHeader(
            f"{file.path}: {len(missing)} of {len(mapping.required)} required columns are missing: "
            f"{', '.join(missing)}\n  found: {', '.join(found) or 'none'}\n  the header has: {shown[:2000]}",
            _fitting(file.header)
            or "; ".join([*near, f"mapping {mapping.name} knows each column's names; the header is the first line"]),
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
        if mapping.knows(header):
            return f"the header is that of {mapping.title}: write `mapping: {name}`"
    if len(header) == 1 and (mark := next((mark for mark in ";\t|," if mark in header[0]), None)):
        return f"cells seem to be parted by {mark!r}: write `format: {{delimiter: {mark!r}}}` in a copy of the mapping"
    return None
