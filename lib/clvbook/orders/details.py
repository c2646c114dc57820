"""The lines of orders, from files of their own: what was bought, and how many pieces; never what was paid.

in:  the detail files of `RawOrders`; out: one row a line, and its account; orders with their pieces
The export of orders has each order's money once, and an order has several lines: their pieces are summed first and
joined then, so that no amount is ever counted twice.
"""

from dataclasses import dataclass

import ibis
from ibis import _
from ibis.expr.types import Table

from clvbook.orders.parse import amount, filled
from clvbook.orders.read import RawOrders
from clvbook.orders.schema import MONEY

_EXTRAS = ("line_id", "sku", "title", "price")


@dataclass(frozen=True)
class Details:
    """Lines of orders, and what became of each: rows = rows_joined + rows_without_order + rows_repeated + rows_unread.

    items: one row a line of a kept order: order_id, line_id, sku, title, quantity, price (nulls where the export has
    none). rows_without_order: lines of orders that were set aside, or that no file has; rows_repeated: lines that a
    later file has again; rows_unread: lines without an order's number or a quantity that can be read.
    """

    items: Table
    rows: int
    rows_joined: int
    rows_without_order: int
    rows_repeated: int
    rows_unread: int

    @property
    def account(self) -> dict[str, int]:
        """Lines read, and what became of each: joined, without_order, repeated, unread."""
        return {
            "read": self.rows,
            "joined": self.rows_joined,
            "without_order": self.rows_without_order,
            "repeated": self.rows_repeated,
            "unread": self.rows_unread,
        }


def read_details(con: ibis.BaseBackend, raw: RawOrders, orders: Table) -> Details | None:
    """The lines of the kept `orders` (order_id); None where there is no detail file.

    Of an order whose lines stand in several files, those of the last one hold: exports overlap. Equal lines within a
    file are kept, because an order may have an item twice.
    """
    if not raw.details:
        return None
    parts = [_values(text, file.found, raw, place) for place, (file, text) in enumerate(raw.details)]
    lines = con.create_table(ibis.util.gen_name("details"), ibis.union(*parts) if len(parts) > 1 else parts[0])
    readable = _.order_id.notnull() & _.quantity.notnull()
    latest = lines.filter(readable).group_by(latest_of="order_id").agg(latest=_.file.max())
    found = lines.left_join(latest, [lines.order_id == latest.latest_of])
    known = orders.select(known="order_id").distinct()
    found = found.left_join(known, [found.order_id == known.known])
    fate = ibis.cases(
        (~readable, "unread"), (_.file < _.latest, "repeated"), (_.known.isnull(), "without_order"), else_="joined"
    )
    found = con.create_table(ibis.util.gen_name("details"), found.mutate(fate=fate))
    counts = {row["fate"]: row["rows"] for row in found.group_by("fate").agg(rows=_.count()).to_pyarrow().to_pylist()}
    items = found.filter(_.fate == "joined").select("order_id", *_EXTRAS, "quantity")
    fates = {f"rows_{fate}": counts.get(fate, 0) for fate in ("joined", "without_order", "repeated", "unread")}
    return Details(items, sum(file.rows for file, text in raw.details), **fates)


def with_pieces(orders: Table, details: Details | None) -> Table:
    """Kept orders whose `items` are the pieces of their lines; as the order's own row has them where it has no line."""
    if details is None:
        return orders
    pieces = details.items.group_by(piece_of="order_id").agg(pieces=_.quantity.sum().cast(MONEY))
    found = orders.left_join(pieces, [orders.order_id == pieces.piece_of])
    own = _.items if "items" in orders.columns else ibis.null(MONEY)
    return found.mutate(items=ibis.coalesce(_.pieces, own).cast(MONEY)).drop("piece_of", "pieces")


def _values(text: Table, found: dict[str, int], raw: RawOrders, place: int) -> Table:
    cells = {name: filled(text[f"c{found[name]}"]) if name in found else ibis.null("string") for name in _EXTRAS}
    form = raw.mapping.format
    return text.select(
        order_id=filled(text[f"c{found['order_id']}"]),
        **{**cells, "price": amount(cells["price"], form)},
        quantity=amount(text[f"c{found['quantity']}"], form),
        file=ibis.literal(place, "int16"),
    )
