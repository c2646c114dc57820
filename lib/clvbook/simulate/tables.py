"""Arrow columns from numpy arrays, and files that grow chunk by chunk and are the same bytes each time.

in: a folder and a format; out: one file a table, CSV (gzip where large) or Parquet (zstd)
"""

import gzip
from io import TextIOWrapper
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LARGE = {"orders", "order_items", "customers", "sends"}  # gzipped when they are CSV
SUFFIXES = (".csv", ".csv.gz", ".parquet")


def money(cents: np.ndarray) -> pa.Array:
    """Cents (int64) -> decimal(18,2), without a detour through text or floats."""
    words = np.empty((cents.size, 2), np.int64)
    words[:, 0] = cents
    words[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 2), cents.size, [None, pa.py_buffer(words)])


def number_ids(prefix: str, numbers: np.ndarray, *, width: int) -> pa.Array:
    """7 -> C00000007."""
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0"), "")


def pick(words: list | pa.Array, codes: np.ndarray) -> pa.Array:
    """`words[code]` for each code; null where the code is negative."""
    words = words if isinstance(words, pa.Array) else pa.array(words)
    return words.take(pa.array(codes, mask=codes < 0))


def moment(seconds: np.ndarray, *, where: np.ndarray | None = None) -> pa.Array:
    """Seconds of the shop's clock since 1970-01-01 -> timestamp; null where `where` is false."""
    return pa.array(seconds.astype("datetime64[s]"), mask=None if where is None else ~where)


def day(days: np.ndarray, *, where: np.ndarray | None = None) -> pa.Array:
    """Days since 1970-01-01 -> date; null where `where` is false."""
    return pa.array(days.astype("datetime64[D]"), mask=None if where is None else ~where)


class TableFiles:
    """The shop's files, open while chunks are added; a table's columns are those of its first chunk."""

    def __init__(self, directory: Path, *, kind: str) -> None:
        self.directory, self.kind = directory, kind
        self.rows: dict[str, int] = {}
        self._open: dict[str, pq.ParquetWriter | TextIOWrapper] = {}
        self._below: list = []  # binary files under the text ones: gzip closes itself, not what it writes to

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in [*self._open.values(), *self._below]:
            file.close()

    def add(self, name: str, columns: dict[str, pa.Array]) -> None:
        """Append a chunk to table `name`."""
        table = pa.table(columns)
        first = name not in self._open
        if first:
            self._open[name] = self._begin(name, table.schema)
        self.rows[name] = self.rows.get(name, 0) + table.num_rows
        file = self._open[name]
        if self.kind == "parquet":
            file.write_table(table)
            return
        for k, field in enumerate(table.schema):
            if pa.types.is_decimal(field.type):
                table = table.set_column(k, field.name, table[k].cast(pa.string()))
        table.to_pandas().to_csv(file, index=False, header=first, lineterminator="\n")

    def _begin(self, name: str, schema: pa.Schema) -> pq.ParquetWriter | TextIOWrapper:
        for suffix in SUFFIXES:
            (self.directory / f"{name}{suffix}").unlink(missing_ok=True)
        if self.kind == "parquet":
            return pq.ParquetWriter(self.directory / f"{name}.parquet", schema, compression="zstd")
        path = self.directory / (f"{name}.csv.gz" if name in LARGE else f"{name}.csv")
        file = path.open("wb")
        if name in LARGE:  # without name and time in its head, the same rows are the same bytes
            self._below.append(file)
            file = gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0)
        return TextIOWrapper(file, encoding="utf-8", newline="")
