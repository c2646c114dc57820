"""What the shop spent: cost files to the canonical costs, money accounted for to the cent.

in: cost files (lump sums, per campaign or stage); out: `Costs`
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import ibis
from ibis import _
from ibis.expr.types import Table

from clvbook.errors import InputRefused
from clvbook.orders.parse import amount, filled, moment
from clvbook.orders.schema import MONEY
from clvbook.orders.tables import Account, account, read_table, set_aside, with_reason


@dataclass(frozen=True)
class Costs:
    """The canonical costs: period (YYYY-MM), kind, campaign_id, stage, amount; both names null for a lump sum.

    spent = what all rows with an amount say = kept + set aside; unallocated is the part of kept that names no campaign.
    """

    table: Table
    set_aside: Table
    account: Account
    spent: Decimal
    kept: Decimal
    unallocated: Decimal


def read_costs(con: ibis.BaseBackend, paths: Sequence[Path], *, mapping: str = "costs") -> Costs:
    """Read cost files. A negative amount is a credit.

    Two equal rows of one file may be two costs and stay; a row that an earlier file has as well is a duplicate_row:
    exports overlap. Errors: as for orders; InputRefused where the money does not add up.
    """
    raw = read_table(con, paths, mapping)
    text, has = raw.table, raw.columns
    absent = ibis.null("string")
    rows = text.select(
        "seq",
        "cells",
        "file",
        period=moment(text.period, raw.mapping, "UTC").strftime("%Y-%m"),
        kind=filled(text.kind),
        campaign_id=filled(text.campaign_id) if "campaign_id" in has else absent,
        stage=filled(text.stage) if "stage" in has else absent,
        amount=amount(text.amount, raw.mapping.format),
    )
    first = ibis.window(group_by="cells")
    rows = rows.mutate(again=_.file > _.file.min().over(first))
    reasons = {
        "duplicate_row": rows.again,
        "bad_amount": rows.amount.isnull(),
        "bad_date": rows.period.isnull(),
        "missing_kind": rows.kind.isnull(),
    }
    rows = with_reason(con, rows, key=None, reasons=reasons)
    kept = rows.filter(_.reason.isnull())
    money = [
        (table.agg(sum=_.amount.sum().fill_null(0).cast(MONEY)).to_pyarrow().to_pylist()[0]["sum"])
        for table in (rows, kept, rows.filter(_.reason.notnull()), kept.filter(_.campaign_id.isnull()))
    ]
    if money[0] != money[1] + money[2]:
        raise InputRefused(
            f"costs: {money[0]} spent, {money[1]} kept, {money[2]} set aside", "report it: a fault of clvbook"
        )
    table = kept.order_by("seq").select("period", "kind", "campaign_id", "stage", "amount")
    return Costs(table, set_aside(raw, rows), account(raw, rows), money[0], money[1], money[3])
