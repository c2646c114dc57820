"""Orders that the shop placed itself to look busy (刷单): by the shop's own remark, by price, by address.

in:  typed rows, a mapping and settings; out: conditions on a row, and rows whose `code` knows crowded addresses
"""

import re
from decimal import Decimal

import ibis
from ibis import _
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Table

from clvbook.orders.mapping import Mapping
from clvbook.orders.schema import MONEY, REASONS
from clvbook.settings import Settings

_FAKE = list(REASONS).index("flagged_fake")


def shown(rows: Table, mapping: Mapping, settings: Settings) -> BooleanValue | None:
    """Whether a row shows by itself that its order is a fake; None where nothing that could show it is asked for.

    rows: amount, and remark where the export has one. Nothing paid at all is no fake: gifts and replacements are that.
    """
    found = []
    words = mapping.fake_words if settings.fake_words is None else settings.fake_words
    if "remark" in rows.columns and (words := [word.strip() for word in words if word.strip()]):
        found.append(rows.remark.re_search(f"(?i){'|'.join(map(re.escape, words))}").fill_null(False))
    if settings.price_floor is not None and mapping.level == "order":
        floor = ibis.literal(Decimal(str(settings.price_floor)), MONEY)
        found.append(((rows.amount > 0) & (rows.amount < floor)).fill_null(False))
    return ibis.or_(*found) if found else None


def place(address: StringValue) -> IntegerValue:
    """An address as a number that says nothing of it; null where there is none, or where the platform hides some."""
    bare = address.re_replace(r"[\s\p{Z}]", "").lower()
    return ibis.ifelse((bare == "") | bare.contains("*"), ibis.null("int64"), bare.hash().cast("int64"))


def crowded(rows: Table, settings: Settings) -> Table:
    """Rows whose `code` sets aside what so many customers ordered to one address, as `fake_customers_per_address` says.

    rows: code, customer_id, address. Customers are counted over rows that nothing sets aside for an earlier reason.
    """
    most = settings.fake_customers_per_address
    if most is None or "address" not in rows.columns:
        return rows
    live = rows.filter((_.code.isnull() | (_.code >= _FAKE)) & _.address.notnull())
    full = live.group_by(at="address").agg(customers=_.customer_id.nunique()).filter(_.customers >= most)
    found = rows.left_join(full, [rows.address == full["at"]])
    fake = _.customers.notnull() & (_.code.isnull() | (_.code > _FAKE))
    return found.mutate(code=ibis.ifelse(fake, ibis.literal(_FAKE, "int8"), _.code)).drop("at", "customers")
