"""Which sale a returned piece was: first in, first out, and only from what was bought before.

in: lines of sales and refunds of identified customers; out: refund -> sale with pieces and money
"""

import ibis
from ibis import _
from ibis.expr.types import Table

from clvbook.orders.parse import product
from clvbook.orders.schema import MONEY

_KEY = ["customer_id", "sku"]


def match_refunds(con: ibis.BaseBackend, lines: Table) -> Table:
    """Match each refund line to the earlier sales of the same customer and item.

    lines: seq (int64, the place in the export), customer_id, sku, paid_at, quantity (decimal, below 0 on refunds),
    price (decimal), gives_back (boolean). Lines are taken by (paid_at, seq), as they happened. A refund takes the
    oldest pieces that no earlier refund took; one that is not wholly covered takes none.

    Returns one row a (refund, sale): refund_seq, sale_seq, pieces, money (pieces times the refund's own price; the
    parts of a refund add up to it exactly). Refunds that are not covered do not occur.

    Within a customer and item let S and R be the pieces sold and returned so far. While R <= S, refunds are covered,
    and the k-th piece returned is the k-th piece sold. The first refund with R > S is not: it is struck out, together
    with later ones that exceed even S less what is settled by then, and the sums run again until R <= S throughout.
    """
    named = lines.filter(_.customer_id.notnull())
    events = con.create_table(
        ibis.util.gen_name("moves"),
        named.semi_join(named.filter(_.gives_back).select(_KEY).distinct(), _KEY).select(
            "seq", *_KEY, "paid_at", "quantity", "price", "gives_back"
        ),
    )
    name = ibis.util.gen_name("uncovered")
    gone = con.create_table(name, schema={"seq": "int64"})
    unsettled = events
    while True:
        struck = con.create_table(ibis.util.gen_name("struck"), _uncovered(_running(unsettled.anti_join(gone, "seq"))))
        if not struck.count().execute():
            break
        con.insert(name, struck.select("seq"))
        unsettled = events.semi_join(struck.select(_KEY).distinct(), _KEY)
    return con.create_table(ibis.util.gen_name("refunds"), _allocated(_running(events.anti_join(gone, "seq"))))


def _running(events: Table) -> Table:
    """Each line with its place, and the pieces sold and returned up to and with it."""
    so_far = ibis.window(group_by=_KEY, order_by=["paid_at", "seq"], preceding=None, following=0)
    nothing = ibis.literal(0, MONEY)
    return events.mutate(
        place=ibis.row_number().over(so_far),
        sold=_.gives_back.ifelse(nothing, _.quantity).sum().over(so_far),
        returned=_.gives_back.ifelse(-_.quantity, nothing).sum().over(so_far),
    )


def _uncovered(sums: Table) -> Table:
    """Refunds that cannot be covered: the first of each customer and item, and those too large in any case."""
    first = (
        sums.filter(_.returned > _.sold)
        .group_by(_KEY)
        .agg(at=_.place.min(), settled=(_.returned + _.quantity).argmin(_.place))
    )
    return (
        sums.filter(_.gives_back)
        .inner_join(first, _KEY)
        .filter((_.place == _.at) | ((_.place > _.at) & (-_.quantity > _.sold - _.settled)))
        .select("seq", *_KEY)
    )


def _allocated(sums: Table) -> Table:
    """Pieces and money of each refund by sale: where their intervals on the line of pieces overlap."""
    sales = sums.filter(~_.gives_back).select(*_KEY, sale_seq="seq", sale_from=_.sold - _.quantity, sale_to="sold")
    back = sums.filter(_.gives_back).select(
        *_KEY, "price", refund_seq="seq", back_from=_.returned + _.quantity, back_to="returned"
    )
    both = back.inner_join(sales, [*_KEY, back.back_from < sales.sale_to, sales.sale_from < back.back_to])
    parts = both.mutate(
        start=(ibis.greatest(_.back_from, _.sale_from) - _.back_from).cast(MONEY),
        end=(ibis.least(_.back_to, _.sale_to) - _.back_from).cast(MONEY),
    )
    return parts.select(
        "refund_seq",
        "sale_seq",
        pieces=(_.end - _.start).cast(MONEY),
        money=product(_.end, _.price) - product(_.start, _.price),
    )
