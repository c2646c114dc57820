"""Each row is kept, or set aside with one reason; counts and money reconcile to the cent.

in: the shop's order files, by way of `read_orders`; out: `Cleaned`: kept orders, rows set aside, the reconciliation
"""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis
from ibis import _
from ibis.expr.types import Table

from clvbook.errors import InputRefused
from clvbook.orders import identity, order_rows
from clvbook.orders.details import Details, read_details, with_pieces
from clvbook.orders.fakes import crowded
from clvbook.orders.read import RawOrders, read_orders
from clvbook.orders.reconcile import Reconciliation, reconcile
from clvbook.orders.refunds import match_refunds
from clvbook.orders.rules import CODE, refuse_currencies, refuse_unknown_statuses, typed
from clvbook.orders.schema import MONEY, REASONS, columns
from clvbook.settings import Settings, month_end, month_of

_EXTRAS = ("items", "discount", "coupon_id", "province", "source", "remark")


@dataclass(frozen=True)
class Cleaned:
    """The shop's orders after the door.

    orders: one row a kept order: order_id, customer_id (null: not identified), day (date), paid_at (local timestamp),
    created_at, status, paid, refund, net (decimals), items, discount, coupon_id, province, source, remark (nulls
    where the export has none). set_aside: one row a row set aside: reason, source_file, line, order_id, customer_id,
    amount, cells (the row as read, JSON by the file's own header). flagged: one row an order that only flagged_fake
    keeps out: order_id, customer_id, day, net. details: the orders' lines, where files of their own hold them.
    """

    orders: Table
    set_aside: Table
    flagged: Table
    reconciliation: Reconciliation
    raw: RawOrders
    details: Details | None = None


def clean_orders(con: ibis.BaseBackend, settings: Settings) -> Cleaned:
    """Read the shop's order files and give each row its one fate.

    Errors: InputRefused where the files cannot be read (see `read_orders`), where a status word is unknown, where
    there are several currencies and `currency` is not set, and where rows or money do not reconcile.
    """
    raw = read_orders(con, settings, shape=lambda text, mapping: typed(text, mapping, settings))
    refuse_unknown_statuses(raw)
    refuse_currencies(raw, settings)
    several = len(raw.columns & set(identity.wanted(raw.mapping, settings))) > 1
    rows = identity.linked(raw.table) if several else raw.table.drop("second_name")
    if raw.mapping.item_rows != "none":
        rows = order_rows.blocks(con, rows, raw.mapping)
    rows = _without_repeats(con, raw, rows)
    rows = crowded(rows, settings)
    rows, orders = _from_lines(con, rows) if raw.mapping.level == "line" else _from_rows(con, rows)
    details = read_details(con, raw, orders)
    orders = _canonical(with_pieces(orders, details), raw)
    account = reconcile(
        rows,
        orders,
        rows_read=raw.rows,
        no_buyer=identity.without_buyer(raw.mapping, settings, raw.columns),
        no_refunds=_without_refunds(raw),
        lines=details.account if details else {},
    ).check()
    return Cleaned(orders, _set_aside(rows.filter(_.code.notnull()), raw), _flagged(rows), account, raw, details)


def last_complete_month(last: Table | date, settings: Settings) -> str:
    """The last month (YYYY-MM) that the data cover to its end: by `data_through`, else by the last order's day.

    last: the kept orders, or the day of the last one. Errors: InputRefused where there is no order.
    """
    day = last if isinstance(last, date) else last.day.max().to_pyarrow().as_py()
    day = settings.data_through or day
    if day is None:
        raise InputRefused("0 orders are kept: no month is complete", "`clvbook check` says why rows were set aside")
    return month_of(day if day == month_end(month_of(day)) else day.replace(day=1) - timedelta(days=1))


def _without_refunds(raw: RawOrders) -> str:
    """The column of refunds that the platform has and no file does; else empty. Nothing else tells what went back."""
    if raw.mapping.level == "line" or {"refund", "refund_of"} & raw.columns:
        return ""
    return next(iter(raw.mapping.columns.get("refund", [])), "")


def _without_repeats(con: ibis.BaseBackend, raw: RawOrders, rows: Table) -> Table:
    """Rows whose `code` also knows duplicate_row and superseded; order_id made where orders have no number.

    Equal rows are told by the hash of all their cells within one order. Of an order that stands several times, the
    content of its last row holds, and of rows with that content the earliest stays. Where an order takes several
    rows, what is said of rows holds of its blocks (see `order_rows.blocks`).
    """
    mapping, blocks = raw.mapping, "start" in rows.columns
    if mapping.order_id == "line":
        rows = raw.placed(rows).mutate(order_id=_.source_file + ":" + _.line.cast("string")).drop("source_file", "line")
    numbered, lines = mapping.order_id == "column", mapping.level == "line"
    if mapping.duplicates == "keep" and not (numbered and len(raw.files) > 1):
        return rows
    key = rows.order_id if numbered else rows.cells
    block = {"cells": rows.content, "start": rows.start, "headed": rows.headed} if blocks else {"cells": rows.cells}
    # Many orders may have lost the same digits: what is left of their number tells nothing about which replaces which.
    lossy = (rows.code == CODE["lossy_order_id"]).fill_null(False)
    hashed = rows.select("seq", "order_id", "file", key=key.hash(), lossy=lossy, **block)
    several = hashed.group_by("key").agg(rows=_.count()).filter(_.rows > 1)
    group = hashed.semi_join(several, "key")
    by_order = ibis.window(group_by="order_id")
    conditions = []
    if mapping.duplicates == "drop":
        equal = ["order_id", "cells"] if numbered else "cells"
        equal = ibis.window(group_by=equal) if blocks else ibis.window(group_by=equal, order_by="seq")
        group = group.mutate(earlier=_.start - _.start.min().over(equal) if blocks else ibis.row_number().over(equal))
        conditions.append((_.earlier > 0, ibis.literal(CODE["duplicate_row"], "int8")))
    if numbered:
        last = ibis.ifelse(_.headed, _.start, -1) if blocks else _.seq
        group = group.mutate(
            newest=_.file.max().over(by_order) == _.file if lines else _.cells.argmax(last).over(by_order) == _.cells
        )
        # Items without their order's own row replace nothing and are replaced by nothing: their fate is bad_amount.
        group = group.filter(_.headed) if blocks else group
        conditions.append((~_.newest & _.order_id.notnull() & ~_.lossy, ibis.literal(CODE["superseded"], "int8")))
    repeats = group.mutate(repeat=ibis.cases(*conditions, else_=ibis.null("int8"))).filter(_.repeat.notnull())
    repeats = con.create_table(ibis.util.gen_name("repeats"), repeats.select("seq", "repeat"))
    return rows.left_join(repeats, "seq").mutate(code=ibis.coalesce(_.repeat, _.code)).drop("repeat", "seq_right")


def _from_rows(con: ibis.BaseBackend, rows: Table) -> tuple[Table, Table]:
    """Rows of an order-level export with their fates, and the kept orders."""
    if "refund_of" in rows.columns:
        rows = order_rows.refunded(con, rows)
    if "further" in rows.columns:
        rows = order_rows.followed(con, rows)
    rows = rows.mutate(refunding=_.gives_back & _.code.isnull())
    own = rows.filter(~_.further) if "further" in rows.columns else rows
    return rows, own.filter(_.code.isnull(), ~_.gives_back).rename(paid="amount")


def _from_lines(con: ibis.BaseBackend, rows: Table) -> tuple[Table, Table]:
    """Lines to orders: refunds go to the sales they undo, orders wholly given back are set aside with their refunds.

    Returns the lines with their fates (`refunding`: gives back money of a kept order) and the kept orders. An order
    belongs to the first customer that its lines name, and its moment is its first line's.
    """
    extras = [name for name in _EXTRAS if name in rows.columns]
    buyers = rows.filter(_.code.isnull()).group_by("order_id").agg(buyer=_.customer_id.argmin(_.seq))
    rows = rows.left_join(buyers, "order_id").mutate(customer_id=ibis.coalesce(_.buyer, _.customer_id))
    rows = con.create_table(ibis.util.gen_name("lines"), rows.drop("buyer", "order_id_right"))
    live = rows.filter(_.code.isnull())
    refunds = match_refunds(con, live)
    undone = refunds.group_by(seq="sale_seq").agg(back=_.pieces.sum(), refund=_.money.sum())
    sales = live.filter(~_.gives_back).left_join(undone, "seq").drop("seq_right")
    orders = sales.group_by("order_id").agg(
        first=_.seq.min(),
        customer_id=_.customer_id.argmin(_.seq),
        paid_at=_.paid_at.min(),
        paid=_.amount.sum().cast(MONEY),
        refund=_.refund.sum().fill_null(0).cast(MONEY),
        items=_.quantity.sum().cast(MONEY),
        back=_.back.sum().fill_null(0),
        **{name: _[name].argmin(_.seq) for name in extras if name != "items"},
    )
    whole = (_.refund > 0) & ((_.refund >= _.paid) | (_.back >= _.items))
    orders = con.create_table(ibis.util.gen_name("invoices"), orders.mutate(undone=whole).order_by("first"))
    fates = sales.select("seq", "order_id").inner_join(orders.select("order_id", "undone"), "order_id")
    settled = refunds.inner_join(fates.select(sale_seq="seq", undone="undone"), "sale_seq")
    settled = settled.group_by(seq="refund_seq").agg(undone=_.undone.all())
    fates = con.create_table(ibis.util.gen_name("fates"), fates.select("seq", "undone").union(settled))
    rows = rows.left_join(fates, "seq").drop("seq_right")
    code = ibis.cases(
        (_.code.notnull(), _.code),
        (_.undone, ibis.literal(CODE["fully_refunded"], "int8")),
        (_.gives_back & _.undone.isnull(), ibis.literal(CODE["negative_amount"], "int8")),
        else_=ibis.null("int8"),
    )
    return rows.mutate(code=code).mutate(refunding=_.gives_back & _.code.isnull()), orders.filter(~_.undone)


def _canonical(orders: Table, raw: RawOrders) -> Table:
    """Kept orders with the columns that `Cleaned` promises; null where the export has none."""
    has, schema = set(orders.columns), columns("orders")
    given = {name: orders[name] for name in ("created_at", *_EXTRAS) if name in has}
    absent = {name: ibis.null(schema[name].type) for name in ("created_at", *_EXTRAS) if name not in has}
    refund = orders.refund.fill_null(0).cast(MONEY) if "refund" in has else ibis.literal(0, MONEY)
    status = orders.status if "status" in has else ibis.literal(raw.mapping.default_status)
    # Platforms call an order finished whether or not a part of the money went back.
    status = ibis.ifelse((status == "completed") & (refund > 0), "part_refunded", status)
    return orders.select(
        "order_id",
        "customer_id",
        "paid_at",
        "paid",
        day=orders.paid_at.date(),
        status=status,
        refund=refund,
        net=(orders.paid - refund).cast(MONEY),
        **{name: {**given, **absent}[name] for name in ("created_at", *_EXTRAS)},
    )


def _set_aside(rows: Table, raw: RawOrders) -> Table:
    """Rows set aside, in the order of the files, each with its reason, its place and its cells as read."""
    words = ibis.cases(*((rows.code == code, reason) for code, reason in enumerate(REASONS)))
    found = raw.placed(rows.mutate(reason=words)).inner_join(raw.cells(rows.select("seq")), "seq")
    return found.select("reason", "source_file", "line", "order_id", "customer_id", "amount", cells="as_read").order_by(
        "source_file", "line"
    )


def _flagged(rows: Table) -> Table:
    """The orders set aside as fake, as they would count if they were not: what figures would be with them."""
    fake = rows.filter(_.code == CODE["flagged_fake"], ~_.gives_back)
    refund = fake.refund.fill_null(0) if "refund" in fake.columns else ibis.literal(0, MONEY)
    orders = (
        fake.mutate(left=(fake.amount - refund).cast(MONEY))
        .group_by("order_id")
        .agg(customer_id=_.customer_id.argmin(_.seq), day=_.paid_at.min().date(), net=_.left.sum().cast(MONEY))
    )
    return orders.filter(_.net > 0)
