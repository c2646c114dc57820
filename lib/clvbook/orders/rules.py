"""What a row shows by itself: its cells as values, and the first reason to set it aside.

in: rows of text from `read_orders`; out: typed rows with `code`, the place in REASONS (null: none)
"""

import re
from datetime import date

import ibis
from ibis import _
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Table, TimestampValue, Value

from clvbook.errors import InputRefused
from clvbook.orders import fakes, identity, order_rows
from clvbook.orders.mapping import Mapping
from clvbook.orders.parse import amount, filled, folded, listed, mapped, moment, product, status, stripped
from clvbook.orders.read import RawOrders
from clvbook.orders.schema import REASONS, STATUSES
from clvbook.settings import Settings

_EARLIEST, _LATEST = date(1990, 1, 1), date(2100, 1, 1)
_BY_STATUS = {"test": "test_order", "failed": "unpaid"}
_BY_STATUS |= {status: status for status in ("unpaid", "closed_unpaid", "cancelled", "closed_refunded")}
_LOSSY = r"^\d+[.,]\d+[eE]\+?\d+$|^\d[eE]\+\d+$"
_TEXTS = ("order_id", "customer_id", "sku", "currency", "coupon_id", "province", "source", "remark")
_HELPERS = ("email", "phone", "payment", "cancelled_at", "refund_of")
_AS_READ = ("created_at", "refund", "payment", "cancelled_at")
_TIMES = ("created_at", "paid_at")
_NUMBERS = ("items", "discount", "quantity", "price", "refund")
CODE = {reason: place for place, reason in enumerate(REASONS)}


def typed(text: Table, mapping: Mapping, settings: Settings) -> Table:
    """Text cells to values, and the place in REASONS of the first reason that a row shows by itself (`code`)."""
    given = [name for name in text.columns if name in (*_TEXTS, *_HELPERS, *_TIMES, *_NUMBERS, "status", "paid")]
    first = {name: filled(text[name]) if name in (*_TEXTS, *_HELPERS) else text[name] for name in given}
    first |= {"status": folded(text.status)} if "status" in given else {}
    if "refund" in given and mapping.no_refund:
        none = text.refund.isin(mapping.no_refund)  # most cells: the others are stripped first
        spaced = stripped(text.refund).isin(mapping.no_refund)
        first["refund"] = ibis.cases((none, "0"), (spaced, "0"), else_=text.refund)
    first |= {"address": text.address} if "address" in text.columns and settings.fake_customers_per_address else {}
    text = text.select("file", "cells", **first)
    values: dict[str, Value] = {name: text[name] for name in given if name in _TEXTS}
    values |= {name: moment(text[name], mapping, settings.timezone) for name in given if name in _TIMES}
    values |= {name: amount(text[name], mapping.format) for name in given if name in _NUMBERS}
    values |= identity.names(text, mapping, settings)
    if mapping.item_rows != "none":
        values |= order_rows.marks(text)
    if mapping.level == "order":
        values["amount"] = amount(text.paid, mapping.format)
    if "status" in given:
        values["status"] = status(text.status, mapping)
    if mapping.unpaid_statuses:
        values["status"] = _where_unpaid(values.get("status"), text, mapping)
    if "address" in text.columns:
        values["address"] = fakes.place(text.address)
    if "currency" in given:
        values["currency"] = text.currency.upper()
    cells = {f"{name}_cell": text[name] for name in _AS_READ if name in given}
    values |= {"refund_of": text.refund_of.nullif("0")} if "refund_of" in given else {}
    rows = text.select("file", "cells", **values, **cells)
    if mapping.level == "line":
        rows = rows.mutate(amount=product(rows.quantity, rows.price))
    rows = rows.mutate(gives_back=_gives_back(rows, mapping))
    return rows.mutate(code=_code(rows, mapping, settings)).drop(*cells)


def _gives_back(rows: Table, mapping: Mapping) -> BooleanValue:
    if mapping.level == "order":
        refund = rows.refund_of.notnull() & (rows.amount < 0) if "refund_of" in rows.columns else ibis.literal(False)
        return refund.fill_null(False)
    if not mapping.refunds:
        return ibis.literal(False)
    return (rows.order_id.startswith(mapping.refunds.order_id_prefix) & (rows.quantity < 0)).fill_null(False)


def _where_unpaid(known: StringValue | None, text: Table, mapping: Mapping) -> StringValue:
    """The status where the platform writes one word for orders paid or not: an empty time of payment tells."""
    said = ibis.literal("") if known is None else ibis.ifelse(text.status.isnull(), "", known)
    known = ibis.literal(mapping.default_status) if known is None else known
    never = filled(text.paid_at).isnull()
    return ibis.ifelse(never, ibis.coalesce(mapped(said, mapping.unpaid_statuses), known), known)


def _code(rows: Table, mapping: Mapping, settings: Settings) -> IntegerValue:
    """Which reason sets a row aside, as far as the row alone can tell; null where none does."""
    has, holds = set(rows.columns), {}
    if mapping.order_id == "column":
        holds["missing_order_id"] = rows.order_id.isnull()
        holds["lossy_order_id"] = rows.order_id.re_search(_LOSSY)
    if mapping.test_items:
        holds["test_order"] = listed(rows.sku, mapping.test_items)
    if "status" in has:
        for word, reason in _BY_STATUS.items():
            holds[reason] = holds.get(reason, ibis.literal(False)) | (rows.status == word)
    if "payment_cell" in has and mapping.test_payments:
        trial = rows.payment_cell.re_search(f"(?i){'|'.join(map(re.escape, mapping.test_payments))}")
        holds["test_order"] = holds.get("test_order", ibis.literal(False)) | trial.fill_null(False)
    if "cancelled_at_cell" in has:
        cancelled = rows.cancelled_at_cell.notnull()
        holds["cancelled"] = holds.get("cancelled", ibis.literal(False)) | cancelled
    holds["bad_amount"] = rows.amount.isnull()
    if mapping.level == "line":
        # A sale has pieces at a price; what is given back has fewer than none. Two minus signs are no sale.
        holds["bad_amount"] |= (rows.quantity < 0) & (rows.price < 0)
        if mapping.refunds:
            refund = rows.order_id.startswith(mapping.refunds.order_id_prefix)
            holds["bad_amount"] |= refund & (rows.amount > 0)
    if "refund" in has:
        holds["bad_amount"] |= _unread(rows.refund, rows.refund_cell) | (rows.refund < 0).fill_null(False)
    holds["bad_date"] = rows.paid_at.isnull() | _implausible(rows.paid_at)
    if "created_at" in has:
        unread = _unread(rows.created_at, rows.created_at_cell)
        holds["bad_date"] |= unread | _implausible(rows.created_at).fill_null(False)
        # A paid_at without a time of day is that day's midnight: only an earlier day is before the order then.
        # A spreadsheet that saves 22:02 loses the seconds: only an earlier minute is before the order then.
        whole_day = rows.paid_at == rows.paid_at.truncate("D")
        whole_minute = rows.paid_at == rows.created_at.truncate("m")
        holds["paid_before_created"] = (rows.paid_at < rows.created_at) & ~(
            (whole_day & (rows.paid_at.date() == rows.created_at.date())) | whole_minute
        )
    if settings.data_through:
        holds["future_date"] = rows.paid_at.date() > ibis.literal(settings.data_through)
    if "currency" in has:
        holds["other_currency"] = rows.currency != settings.currency
    codes = mapping.non_product if settings.non_product is None else settings.non_product
    if mapping.level == "line" and codes:
        holds["non_product"] = listed(rows.sku, codes)
    if (fake := fakes.shown(rows, mapping, settings)) is not None:
        holds["flagged_fake"] = fake
    holds["negative_amount"] = (rows.amount < 0) & ~rows.gives_back
    if not mapping.keep_zero:
        holds["zero_amount"] = rows.amount == 0
    if "refund" in has:
        holds["fully_refunded"] = (rows.amount > 0) & (rows.refund >= rows.amount)
    if "refund_of" in has:  # a refund counts on the day of its order, whenever it was made
        for reason in {"bad_date", "future_date", "paid_before_created"} & set(holds):
            holds[reason] &= ~rows.gives_back
    branches = [
        (holds[reason].fill_null(False), ibis.literal(code, "int8")) for reason, code in CODE.items() if reason in holds
    ]
    return ibis.cases(*branches, else_=ibis.null("int8"))


def _unread(value: Value, cell: StringValue) -> BooleanValue:
    """Whether a cell holds what cannot be read, rather than nothing."""
    return ibis.ifelse(value.isnull(), filled(cell).notnull(), False)


def _implausible(when: TimestampValue) -> BooleanValue:
    return (when < ibis.timestamp(f"{_EARLIEST} 00:00:00")) | (when >= ibis.timestamp(f"{_LATEST} 00:00:00"))


def refuse_unknown_statuses(raw: RawOrders) -> None:
    if "status" not in raw.columns or not raw.table.status.isnull().any().execute():
        return
    words: dict[str, int] = {}
    for file, text in zip(raw.files, raw.texts, strict=True):
        if "status" in file.found:
            cells = text.select(word=text[f"c{file.found['status']}"])
            unknown = cells.filter(status(folded(_.word), raw.mapping).isnull()).group_by("word").agg(rows=_.count())
            top = unknown.order_by([ibis.desc("rows"), "word"]).limit(20).to_pyarrow().to_pylist()
            words |= {row["word"]: words.get(row["word"], 0) + row["rows"] for row in top}
    told = ", ".join(f"{word[:80]!r} ({rows:,})" for word, rows in words.items())
    raise InputRefused(
        f"status: {len(words)} words that mapping {raw.mapping.name} does not know: {told}",
        f"give each its place under `statuses` in a copy of the mapping; there are {', '.join(STATUSES)}",
    )


def refuse_currencies(raw: RawOrders, settings: Settings) -> None:
    if "currency" not in raw.columns or "currency" in settings.model_fields_set:
        return
    counts = raw.table.filter(_.currency.notnull()).group_by("currency").agg(rows=_.count())
    found = counts.order_by([ibis.desc("rows"), "currency"]).limit(20).to_pyarrow().to_pylist()
    if [row["currency"] for row in found] not in ([], [settings.currency]):
        told = ", ".join(f"{row['currency'][:80]} ({row['rows']:,} rows)" for row in found)
        raise InputRefused(
            f"currency: is not set, and the file has {told}",
            f"write `currency: {found[0]['currency'][:3]}`: orders in another one are then set aside",
        )
