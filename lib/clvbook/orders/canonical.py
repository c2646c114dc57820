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
    cells = {name: filled(raw.table[name]) for name in schema if name in raw.columns}
    values = {
        name: _value(cells[name], column, raw.mapping, timezone) for name, column in schema.items() if name in cells
    }
    absent = {name: ibis.null(column.type) for name, column in schema.items() if name not in cells}
    reasons = {f"missing_{name}": cells[name].isnull() for name in KEYS[table]}
    reasons |= {f"bad_{name}": cell.notnull() & values[name].isnull() for name, cell in cells.items()}
    # `reason` is a row's fate here, and a column of churn_survey: values have names of their own until the end
    own = {name: f"{name}_value" for name in schema}
    typed = {own[name]: {**values, **absent}[name].cast(column.type) for name, column in schema.items()}
    rows = raw.table.select("seq", "cells", **typed, held=ibis.cases(*((when, name) for name, when in reasons.items())))
    key = [own[name] for name in _SAME[table]] if table in _SAME else None
    rows = with_reason(con, rows, key=key, reasons={name: rows.held == name for name in reasons})
    used = rows.filter(rows.reason.isnull()).order_by("seq").select(**{name: rows[own[name]] for name in schema})
    return CanonicalTable(used, set_aside(raw, rows), account(raw, rows))


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
