"""A canonical table other than orders, sends and costs, as the shop brings it: order_items, customers, campaigns, ...

in:  files whose columns have the names of `schema.TABLES`, in any order, further ones beside them
out: `CanonicalTable`: typed rows, and what became of every row
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis.expr.types import StringValue, Table, Value

from clvbook.orders.parse import amount, filled, folded, moment
from clvbook.orders.schema import MONEY, Column, columns
from clvbook.orders.tables import Account, TableMapping, account, read_table, set_aside, with_reason

_TIMES = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"]
_YES, _NO = ["true", "1", "yes", "y", "是"], ["false", "0", "no", "n", "否"]
# What names a row; a table's further needed columns may be empty where their meaning says so.
KEYS = {
    "order_items": ["order_id", "sku", "quantity", "amount"],
    "customers": ["customer_id"],
    "campaigns": ["campaign_id", "name", "channel", "starts_on", "attribution_days"],
    "churn_survey": ["customer_id", "asked_on"],
}
# By what rows are the same; of those with other content the last holds. Order lines may repeat.
_SAME = {"customers": ["customer_id"], "campaigns": ["campaign_id"], "churn_survey": ["customer_id", "asked_on"]}


@dataclass(frozen=True)
class CanonicalTable:
    """table: the columns of the schema, nulls where a file has none or a cell is empty. set_aside: reason,
    source_file, line, cells (the row as read).
    """

    table: Table
    set_aside: Table
    account: Account


def read_canonical(con: ibis.BaseBackend, paths: Sequence[Path], table: str, *, timezone: str) -> CanonicalTable:
    """Read a table of `KEYS`. A row whose key is empty or whose cell cannot be read is set aside: duplicate_row,
    superseded, missing_<column>, bad_<column>. Errors: as for orders.
    """
    schema = columns(table)
    raw = read_table(con, paths, _mapping(table))
    present = [name for name in schema if name in raw.columns]
    # `reason` is a row's fate here, and a column of churn_survey: values have names of their own until the end
    own = {name: f"{name}_value" for name in schema}
    # Each step is a view: in one expression every cell would be filled anew wherever it is looked at.
    text = _view(con, raw.table.select("seq", "cells", **{name: filled(raw.table[name]) for name in present}))
    typed = {own[name]: _value(text[name], schema[name], raw.mapping, timezone) for name in present}
    typed |= {own[name]: ibis.null() for name in schema if name not in present}
    rows = _view(con, text.mutate(**{own[name]: typed[own[name]].cast(schema[name].type) for name in schema}))
    reasons = {f"missing_{name}": rows[name].isnull() for name in KEYS[table]}
    reasons |= {f"bad_{name}": rows[name].notnull() & rows[own[name]].isnull() for name in present}
    held = ibis.cases(*((when, name) for name, when in reasons.items()))
    rows = rows.select("seq", "cells", *own.values(), held=held)
    key = [own[name] for name in _SAME[table]] if table in _SAME else None
    rows = with_reason(con, rows, key=key, reasons=rows.held)
    used = rows.filter(rows.reason.isnull()).order_by("seq").select(**{name: rows[own[name]] for name in schema})
    return CanonicalTable(used, set_aside(raw, rows), account(raw, rows))


def _view(con: ibis.BaseBackend, expression: Table) -> Table:
    return con.create_view(ibis.util.gen_name("rows"), expression)


def _mapping(table: str) -> TableMapping:
    schema = columns(table)
    return TableMapping(
        name=table,
        title=table,
        row=f"one row of {table}",
        columns={name: [name] for name in schema},
        required=[name for name, column in schema.items() if not column.optional],
        times=_TIMES,
        format={"encodings": ["gb18030"]},
    )


def _value(cell: StringValue, column: Column, mapping: TableMapping, timezone: str) -> Value:
    """The cell as the schema types it; null where it cannot be read so."""
    if column.type in ("date", "timestamp"):
        when = moment(cell, mapping, timezone)
        return when.date() if column.type == "date" else when
    if column.type == MONEY:
        return amount(cell, mapping.format)
    if column.type == "int64":
        number = amount(cell, mapping.format)
        return ibis.ifelse(number == number.cast("int64"), number, None).cast("int64")
    if column.type == "boolean":
        word = folded(cell)
        return ibis.cases((word.isin(_YES), True), (word.isin(_NO), False), else_=ibis.null("boolean"))
    return cell
