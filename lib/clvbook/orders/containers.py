"""Archives and workbooks opened: each file of a .zip, each sheet of an .xlsx or .xls, becomes a text file of its own.

in: the paths behind `orders`; out: paths of plain files, in the same order, kept as long as the engine's connection
A member is named container:member, so that rows set aside and errors say where they come from. No name out of an
archive is ever a path: what it names is written under a name of ours, and what looks like an attack is refused.
"""

import csv
import datetime as dt
import io
import os
import shutil
import stat
import tempfile
import time
import weakref
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from clvbook.errors import InputRefused
from clvbook.settings import by_number

MOST_FILES = 1_000
MOST_BYTES = 8 << 30  # of all files in one archive together, unpacked
MOST_RATIO = 200  # bytes out of one byte in; text of orders packs 5 to 30 times
MOST_SHEET_BYTES = 1 << 30
_FREE = 16 << 20  # below this size the ratio does not matter
_TEXTS = (".csv", ".txt")
_BOOKS = (".xlsx", ".xlsm", ".xls")
_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")
_DIGITS = 15  # a spreadsheet keeps no more of a number
CONTAINERS = (".zip", *_BOOKS)


@contextmanager
def opened(owner: Any, files: Mapping[Path, str]) -> Iterator[list[Path]]:
    """The plain files behind `files` (path: the name that people see); an InputRefused within says that name.

    What is unpacked stays until `owner`, the engine's connection, is gone. Errors: InputRefused for an archive or
    workbook that cannot be read, or that unpacks to more than it may.
    """
    names, plain = {}, []
    room: Path | None = None
    try:
        for place, (path, name) in enumerate(files.items()):
            names |= {str(path): name} if str(path) != name else {}
            if not path.name.lower().endswith(CONTAINERS):
                plain.append(path)
                continue
            if room is None:
                room = Path(tempfile.mkdtemp(prefix="clvbook-"))
                weakref.finalize(owner, shutil.rmtree, room, ignore_errors=True)
            folder = room / str(place)
            folder.mkdir()
            names[f"{folder}/"] = str(path.parent / "_")[:-1]
            plain += _members(path, folder)
        yield plain
    except InputRefused as refused:
        fact = refused.fact
        for inside, shown in names.items():
            fact = fact.replace(inside, shown)
        raise InputRefused(fact, refused.hint) from None


def _members(path: Path, folder: Path) -> list[Path]:
    """Unpack one container into `folder`."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            found = list(_sheets(path, folder, _old_sheets(path)))
        elif not start.startswith(b"PK"):
            raise InputRefused(
                f"{path}: is no {path.suffix[1:].lower()} file, whatever its name says",
                "if a text editor shows its rows, name it .csv; else save it again from the spreadsheet",
            )
        elif path.name.lower().endswith(".zip"):
            found = list(_unzipped(path, folder))
        else:
            found = list(_sheets(path, folder, _new_sheets(path)))
    except (InputRefused, MemoryError):
        raise
    except Exception as error:  # damaged bytes make zipfile, openpyxl and xlrd raise whatever comes first
        raise InputRefused(
            f"{path}: cannot be unpacked: {type(error).__name__}: {str(error)[:300]}",
            "save it again, whole and without a password; or unpack it, and name its files",
        ) from None
    if not found:
        raise InputRefused(f"{path}: holds 0 files or sheets with rows", "export the orders again")
    return found


def _unzipped(path: Path, folder: Path) -> Iterator[Path]:
    """The text files of an archive by name; everything else in it is refused, so that no order is passed over."""
    with zipfile.ZipFile(path) as archive:
        members = {_name(info): info for info in _checked(path, archive) if not _litter(_name(info))}
        taken, left = set(), MOST_BYTES
        for name in sorted(members, key=lambda name: [by_number(Path(part)) for part in name.split("/")]):
            info, base = members[name], name.rsplit("/", 1)[-1]
            if not base.lower().endswith(_TEXTS):
                raise InputRefused(
                    f"{path}: holds {name[:200]}, which is none of {', '.join(_TEXTS)}",
                    "unpack it, and name its files in `orders`; of an archive only the text files are read",
                )
            target = folder / f"{path.name}:{base if base not in taken else name.replace('/', ':')}"
            taken.add(base)
            left -= _copy(path, archive, info, target, left)
            when = time.mktime((*info.date_time, 0, 0, -1))
            os.utime(target, (when, when))
            yield target


def _checked(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive; InputRefused where a name, a kind or a size is an attack."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES:
        raise InputRefused(
            f"{path}: holds {len(infos):,} files; {MOST_FILES:,} are read", "unpack it, and name its files"
        )
    for info in infos:
        name = _name(info)
        shown = f"{path}: {name[:200]!r}"
        if name.startswith("/") or ".." in name.split("/") or ":" in name or any(ord(sign) < 32 for sign in name):
            raise InputRefused(f"{shown}: points out of the archive", "do not open this archive; ask who made it")
        if info.flag_bits & 1:
            raise InputRefused(f"{shown}: is locked by a password", "unpack it, and name its files")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputRefused(f"{shown}: is a link", "do not open this archive; ask who made it")
    if sum(info.file_size for info in infos) > MOST_BYTES:
        raise _too_much(path)
    return infos


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name; Chinese archivers write GB18030 where zip means CP437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return name.replace("\\", "/")


def _litter(name: str) -> bool:
    return name.lower().startswith(_LITTER[0]) or name.lower().rsplit("/", 1)[-1] in _LITTER


def _too_much(path: Path) -> InputRefused:
    return InputRefused(
        f"{path}: unpacks to far more than it weighs, over {MOST_BYTES >> 30} GB or {MOST_RATIO} times its size",
        "if that is right, unpack it yourself, and name its files",
    )


def _copy(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack one member, counting what really comes out; the bytes written."""
    most, written = min(left, max(_FREE, MOST_RATIO * info.compress_size)), 0
    with archive.open(info) as source, target.open("xb") as sink:
        while chunk := source.read(1 << 20):
            written += len(chunk)
            if written > most:
                raise _too_much(path)
            sink.write(chunk)
    return written


def _sheets(path: Path, folder: Path, sheets: Iterable[tuple[str, Iterable[Iterable[Any]]]]) -> Iterator[Path]:
    """Each sheet that holds anything, as CSV whose lines are the sheet's rows: a break within a cell is a space."""
    for name, rows in sheets:
        target = folder / f"{path.name}:{name.replace('/', '_')}.csv"
        with target.open("x", encoding="utf-8", newline="") as sink:
            writer, blank, width = csv.writer(sink, lineterminator="\n"), 0, 0
            for row in rows:
                cells = [_text(cell) for cell in row]
                while len(cells) > width and not cells[-1]:
                    cells.pop()
                if not any(cells):
                    blank += 1
                    continue
                width = width or len(cells)
                sink.write("\n" * blank)
                writer.writerow(cells + [""] * (width - len(cells)))
                blank = 0
        if width:
            yield target


def _text(cell: Any) -> str:
    """A cell as text, with the digits that a spreadsheet can keep: 3.51512345678901E+17 has lost some, and says so."""
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).upper()
        case int() | float() if abs(cell) >= 10**_DIGITS:
            lost = isinstance(cell, float) or cell % 10 ** (len(str(abs(cell))) - _DIGITS) == 0
            return f"{cell:.14E}" if lost else str(cell)
        case float():
            return format(Decimal(f"{cell:.{_DIGITS}g}"), "f")
        case dt.datetime():
            return cell.isoformat(" ")
    return " ".join(str(cell).splitlines()) if "\n" in str(cell) or "\r" in str(cell) else str(cell)


def _new_sheets(path: Path) -> Iterator[tuple[str, Iterable[Iterable[Any]]]]:
    """The sheets of an .xlsx: its values, not its formulas; InputRefused where a formula has no value."""
    import openpyxl

    with zipfile.ZipFile(path) as archive:
        formulas = False
        for info in _checked(path, archive):
            if info.file_size > MOST_SHEET_BYTES or info.file_size > max(_FREE * 4, MOST_RATIO * info.compress_size):
                raise _too_much(path)
            if _name(info).lower().endswith((".xml", ".rels")):
                formulas |= _looked_through(path, archive, info)
    with path.open("rb") as once, path.open("rb") as again:
        book = openpyxl.load_workbook(once, read_only=True, data_only=True, keep_links=False)
        asked = openpyxl.load_workbook(again, read_only=True, keep_links=False) if formulas else None
        for sheet in book.worksheets:
            if sheet.title.startswith("WpsReserved"):  # a spreadsheet program's own notes
                continue
            sheet.reset_dimensions()  # what a file says of its own size is often wrong
            rows = sheet.iter_rows(values_only=True)
            if asked:
                asked[sheet.title].reset_dimensions()
                rows = _computed(path, sheet.title, rows, asked[sheet.title].iter_rows(values_only=True))
            yield sheet.title, rows


def _looked_through(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Whether a part of a workbook has formulas; InputRefused where it declares entities or is larger than it says."""
    tail, formulas, read = b"", False, 0
    with archive.open(info) as source:
        while chunk := source.read(1 << 20):
            read += len(chunk)
            window = tail + chunk
            if b"<!DOCTYPE" in window or b"<!ENTITY" in window or read > info.file_size:
                raise InputRefused(f"{path}: {_name(info)}: declares entities", "save it again from the spreadsheet")
            formulas = formulas or b"<f>" in window or b"<f " in window
            tail = chunk[-16:]
    return formulas


def _computed(path: Path, sheet: str, values: Iterable[tuple], formulas: Iterable[tuple]) -> Iterator[tuple]:
    for number, (row, asked) in enumerate(zip(values, formulas, strict=True), 1):
        for value, formula in zip(row, asked, strict=True):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputRefused(
                    f"{path}:{sheet}:{number}: a formula was never computed: {formula[:80]}",
                    "open the file in a spreadsheet and save it, or save its sheet as CSV",
                )
        yield row


def _old_sheets(path: Path) -> Iterator[tuple[str, Iterable[Iterable[Any]]]]:
    """The sheets of an .xls (the format before 2007)."""
    import xlrd

    with xlrd.open_workbook(path, on_demand=True, logfile=io.StringIO()) as book:
        for sheet in book.sheets():
            yield sheet.name, (_old_row(book, row) for row in sheet.get_rows())


def _old_row(book: Any, row: list[Any]) -> list[Any]:
    import xlrd

    def value(cell: Any) -> Any:
        match cell.ctype:
            case xlrd.XL_CELL_DATE:
                try:
                    return xlrd.xldate_as_datetime(cell.value, book.datemode)
                except (ValueError, OverflowError):
                    return cell.value
            case xlrd.XL_CELL_BOOLEAN:
                return bool(cell.value)
            case xlrd.XL_CELL_ERROR:
                return xlrd.error_text_from_code.get(cell.value, "#N/A")
        return cell.value

    return [value(cell) for cell in row]
