"""Orders that take several rows: their further items, and refunds that stand in rows of their own.

in:  typed rows of an order-level export; out: the same rows, each with the fate of the order it belongs to
"""

import ibis
from ibis import _
from ibis.expr.types import Table, Value

from clvbook.orders.mapping import Mapping
from clvbook.orders.parse import filled
from clvbook.orders.schema import MONEY, REASONS

_CODE = {reason: place for place, reason in enumerate(REASONS)}
_OF_THE_ITEM = ("items", "file", "cells")


def marks(text: Table) -> dict[str, Value]:
    """By which a row is told to be a further item of the order above it: `blank` and `order_cells`."""
    of_order = ibis.struct({name: text[name] for name in text.columns if name not in _OF_THE_ITEM})
    return {"blank": filled(text.paid).isnull(), "order_cells": of_order.hash().cast("int64")}


def blocks(con: ibis.BaseBackend, rows: Table, mapping: Mapping) -> Table:
    """Rows with `further` (an item of an order whose own row is another), `start` (the block's first seq), `headed`
    and `content`, a hash of the block.

    A block is what one file says of one order: its own row and those of its further items. An order that stands in
    two files, or twice in one, has two blocks; as with rows, equal ones are repeats, and of others the later holds.
    """
    in_file = ibis.window(group_by="file", order_by="seq")
    if mapping.item_rows == "blank":
        rows = rows.mutate(further=_.blank, again=False)
    else:
        # Rows alike to the last cell are no two items: a platform would have written 2 pieces.
        equal = ibis.window(group_by=["file", "order_id", "cells"], order_by="seq")
        same = (_.order_id.lag() == _.order_id) & (_.order_cells.lag() == _.order_cells)
        rows = rows.mutate(further=same.over(in_file).fill_null(False), again=ibis.row_number().over(equal) > 0)
        rows = rows.mutate(further=_.further & ~_.again)
    rows = rows.drop("blank", "order_cells")
    so_far = ibis.window(group_by=["order_id", "file"], order_by="seq", preceding=None, following=0)
    rows = rows.mutate(block=ibis.greatest((~_.further & ~_.again).cast("int64").sum().over(so_far), 1))
    whole = rows.group_by("order_id", "file", "block").agg(
        start=_.seq.min(), headed=~_.further.all(), content=_.cells.collect(where=~_.again, order_by=_.seq).hash()
    )
    same = [rows[name].identical_to(whole[name]) for name in ("order_id", "file", "block")]
    found = rows.inner_join(whole, same)
    found = found.drop(*(name for name in found.columns if name.endswith("_right")), "block")
    found = found.mutate(
        start=ibis.ifelse(_.again, _.seq, _.start),
        headed=_.headed & ~_.again,
        code=ibis.ifelse(_.again, ibis.literal(_CODE["duplicate_row"], "int8"), _.code),
    ).drop("again")
    # Money stands on the order's own row alone, however often the export repeats it.
    found = found.mutate(amount=ibis.ifelse(_.further, ibis.null(MONEY), _.amount))
    return con.create_table(ibis.util.gen_name("blocks"), found)


def followed(con: ibis.BaseBackend, rows: Table) -> Table:
    """Rows of further items with the code and customer of their order, and its pieces on the order's own row."""
    own = rows.filter(~_.further).select("start", own_code="code", own_customer="customer_id")
    found = rows.left_join(own, "start").drop("start_right")
    if "items" in rows.columns:
        pieces = rows.group_by("start").agg(pieces=_.items.sum().cast(MONEY))
        found = found.left_join(pieces, "start").drop("start_right").mutate(items=_.pieces).drop("pieces")
    joins = _.further & _.headed
    found = found.mutate(
        code=ibis.ifelse(joins, _.own_code, _.code), customer_id=ibis.ifelse(joins, _.own_customer, _.customer_id)
    )
    return con.create_table(ibis.util.gen_name("followed"), found.drop("own_code", "own_customer"))


def refunded(con: ibis.BaseBackend, rows: Table) -> Table:
    """Rows with what refund rows give back added to their orders' `refund`, and each refund row with its fate.

    rows: order_id, refund_of, gives_back, amount, code. A refund row goes with its order: kept if that is kept, else
    set aside with the same reason. One whose order is not there is a negative amount that nothing explains. Where an
    order says itself what was refunded, the larger of the two counts: both tell of the same money.
    """
    repeats = [_CODE["duplicate_row"], _CODE["superseded"]]
    once = rows.filter(_.code.isnull() | ~_.code.isin(repeats))
    back = once.filter(_.gives_back & _.code.isnull()).group_by("refund_of").agg(back=-_.amount.sum())
    further = rows.further if "further" in rows.columns else ibis.literal(False)
    said = rows.refund if "refund" in rows.columns else ibis.null(MONEY)
    rows = rows.mutate(own_row=~(further | rows.gives_back), said=said)
    found = rows.left_join(back, [rows.order_id == back.refund_of, rows.own_row])
    refund = ibis.greatest(_.said.fill_null(0), _.back.fill_null(0)).cast(MONEY)
    found = found.mutate(refund=ibis.ifelse(_.back.isnull(), _.said, refund)).drop("refund_of_right", "back", "said")
    whole = _.code.isnull() & _.own_row & (_.amount > 0) & (_.refund >= _.amount)
    found = found.mutate(code=ibis.ifelse(whole, ibis.literal(_CODE["fully_refunded"], "int8"), _.code))
    found = con.create_table(ibis.util.gen_name("refunds"), found)
    orders = found.filter(_.own_row, _.code.isnull() | ~_.code.isin(repeats))
    orders = orders.select(sale="order_id", sale_code="code", sale_customer="customer_id")
    orders = orders.distinct(on="sale", keep="first")
    found = found.left_join(orders, [found.refund_of == orders.sale, found.gives_back, found.code.isnull()])
    fate = ibis.ifelse(_.sale.isnull(), ibis.literal(_CODE["negative_amount"], "int8"), _.sale_code)
    live = _.gives_back & _.code.isnull()
    found = found.mutate(
        customer_id=ibis.ifelse(live & _.sale.notnull(), _.sale_customer, _.customer_id),
        code=ibis.ifelse(live, fate, _.code),
    )
    return con.create_table(ibis.util.gen_name("settled"), found.drop("sale", "sale_code", "sale_customer", "own_row"))
