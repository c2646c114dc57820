"""The shop's other tables (sends, costs), read as orders are: every row has its place, and is used or set aside.

in: files of a table, its mapping (table_mappings/*.yml); out: `RawOrders` of text, and `Account`, what became of rows
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import ibis
from ibis import _
from ibis.expr.types import StringValue, Table
from pydantic import Field, model_validator

from clvbook.errors import BadParameters, InputRefused
from clvbook.orders.containers import opened
from clvbook.orders.mapping import Mapping, fold, load_mapping
from clvbook.orders.parse import folded, mapped, narrow
from clvbook.orders.read import RawOrders, read_files
from clvbook.orders.schema import TABLES, columns

_COLUMNS = {column for table in TABLES for column in columns(table)} | {"sid", "phone", "state"}


class TableMapping(Mapping):
    """A table that is not orders. `words` says, for a column, what each of its words means."""

    shelf: ClassVar[Any] = files("clvbook.orders") / "table_mappings"

    level: str = "order"
    words: dict[str, dict[str, str]] = Field({}, description="by column: what each of its words means")

    @model_validator(mode="after")
    def _whole(self) -> "TableMapping":
        if unknown := sorted(set(self.columns) - _COLUMNS):
            raise ValueError(f"columns: {', '.join(unknown)} is unknown; there are {', '.join(sorted(_COLUMNS))}")
        if missing := sorted((set(self.required) | set(self.words)) - set(self.columns)):
            raise ValueError(f"{', '.join(missing)}: must stand under `columns`")
        return self


@dataclass(frozen=True)
class Account:
    """What became of the rows of a table's files: rows_read = rows_used + all of set_aside."""

    rows_read: int
    rows_used: int
    set_aside: dict[str, int]

    def check(self, what: str) -> "Account":
        """Itself, if every row is accounted for; InputRefused otherwise."""
        if self.rows_used + sum(self.set_aside.values()) != self.rows_read:
            raise InputRefused(
                f"{what}: {self.rows_read:,} rows read, {self.rows_used:,} used, {self.set_aside} set aside",
                "this is a fault of clvbook: report it with the mapping used",
            )
        return self


def read_table(con: ibis.BaseBackend, paths: Sequence[Path], mapping: str | TableMapping) -> RawOrders:
    """Every row of a table's files as text. Errors: BadParameters, InputRefused as for orders."""
    mapping = load_mapping(mapping, kind=TableMapping) if isinstance(mapping, str) else mapping
    if not paths:
        raise BadParameters(f"{mapping.name}: 0 files", "name its files")
    with opened(con, {Path(path): str(path) for path in paths}) as plain:
        return read_files(con, mapping, plain)


def meaning(raw: RawOrders, column: str) -> StringValue:
    """What the words of a column mean; InputRefused, with the words, where one is not known."""
    words = {fold(word): said for word, said in raw.mapping.words[column].items()}
    cell = folded(narrow(raw.table[column])).fill_null("")
    strange = raw.table.select(word=raw.table[column], known=cell.isin(list(words))).filter(~_.known)
    found = strange.group_by("word").agg(rows=_.count()).order_by([ibis.desc("rows"), "word"]).limit(20)
    if told := [f"{(row['word'] or '')[:80]!r} ({row['rows']:,})" for row in found.to_pyarrow().to_pylist()]:
        raise InputRefused(
            f"{column}: {len(told)} words that mapping {raw.mapping.name} does not know: {', '.join(told)}",
            f"give each its place under `words` in a copy of the mapping; there are {', '.join(set(words.values()))}",
        )
    return mapped(cell, words)


def with_reason(
    con: ibis.BaseBackend, rows: Table, *, key: list[str] | None, reasons: dict[str, ibis.Value] | StringValue
) -> Table:
    """`rows` (seq, cells) stored with `reason`: the first of `reasons` that holds, else null; or what a column names.

    Of rows with the same `key`, the content of the last holds: others are superseded, and repeats are duplicate_row.
    """
    if isinstance(reasons, dict):
        held = [(condition.fill_null(False), ibis.literal(reason)) for reason, condition in reasons.items()]
        reasons = ibis.cases(*held, else_=ibis.null("string"))
    rows = rows.mutate(own=reasons)
    if key:
        known = ibis.and_(*(rows[name].notnull() for name in key))
        same, group = ibis.window(group_by=[*key, "cells"], order_by="seq"), ibis.window(group_by=key)
        repeat, newest = ibis.row_number().over(same) > 0, _.cells.argmax(_.seq).over(group)
        rows = rows.mutate(repeat=known & repeat, old=known & (newest != _.cells))
        rows = rows.mutate(own=ibis.cases((_.repeat, "duplicate_row"), (_.old, "superseded"), else_=_.own))
        rows = rows.drop("repeat", "old")
    return con.create_table(ibis.util.gen_name("rows"), rows.rename(reason="own"))


def account(raw: RawOrders, rows: Table) -> Account:
    """Count rows by what became of them; the number read comes from the files themselves."""
    found = rows.group_by("reason").agg(rows=_.count()).order_by("reason").to_pyarrow().to_pylist()
    aside = {row["reason"]: row["rows"] for row in found if row["reason"]}
    used = sum(row["rows"] for row in found if not row["reason"])
    return Account(raw.rows, used, aside).check(raw.mapping.title)


def set_aside(raw: RawOrders, rows: Table) -> Table:
    """Rows set aside: reason, source_file, line, cells (the row as read, JSON by the file's own header)."""
    found = raw.placed(rows.filter(_.reason.notnull()).select("seq", "reason")).inner_join(raw.cells(), "seq")
    return found.select("reason", "source_file", "line", cells="as_read").order_by("source_file", "line")
