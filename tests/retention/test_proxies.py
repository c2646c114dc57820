"""proxies.py against a plain count of marks, customer by customer."""

from datetime import date, timedelta

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.retention.intervals import newcombe
from clvbook.retention.proxies import proxies

AS_OF = date(2026, 10, 31)
KEYS = {"as_of": AS_OF, "lost_after_days": 180, "confidence": 0.95, "min_buyers": 1, "rarely": 0.4}


def frames(orders):
    """[(customer, days ago, refund, coupon or None, category)], one order each -> orders and their items."""
    rows = [(f"o{n}", c, AS_OF - timedelta(days=ago), float(r), k) for n, (c, ago, r, k, _c) in enumerate(orders)]
    schema = {"order_id": "string", "customer_id": "string", "day": "date", "refund": "float64", "coupon_id": "string"}
    items = [(f"o{n}", c) for n, (*_rest, c) in enumerate(orders)]
    return ibis.memtable(rows, schema=schema), ibis.memtable(items, schema={"order_id": "string", "category": "string"})


order = st.tuples(
    st.sampled_from("abcdefghij"),
    st.sampled_from([0, 10, 180, 181, 300, 301, 400]),
    st.sampled_from([0, 0, 5]),
    st.sampled_from([None, "", "K"]),
    st.sampled_from(["cream", "lamp"]),
)


@given(st.lists(order, min_size=4, max_size=40))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_marks_are_those_of_a_plain_loop(orders):
    found = proxies(*frames(orders), **KEYS)
    by_customer = {c: [o for o in orders if o[0] == c] for c in {o[0] for o in orders}}
    rare = set()
    for category in ("cream", "lamp"):
        days = [{o[1] for o in own if o[4] == category} for own in by_customer.values()]
        old = [d for d in days if d and max(d) > 180]
        if old and sum(len(d) > 1 for d in old) / len(old) < 0.4:
            rare.add(category)
    marks = {}
    for c, own in by_customer.items():
        last = min(o[1] for o in own)
        marks[c] = (
            last > 180,
            {
                "refund": any(o[2] > 0 for o in own if o[1] == last),
                "coupon_only": all(o[3] for o in own),
                "one_off": len(own) == 1 and own[0][4] in rare,
            },
        )
    sides = {side: [m for lost, m in marks.values() if lost == side] for side in (True, False)}
    if not sides[True] or not sides[False]:
        assert "both are compared" in str(found)
        return
    for row in found.itertuples():
        hits = [sum(m[row.proxy] for m in sides[side]) for side in (True, False)]
        of = [len(sides[side]) for side in (True, False)]
        assert (row.lost, row.kept) == tuple(of)
        assert row.difference == pytest.approx(hits[0] / of[0] - hits[1] / of[1])
        assert (row.low, row.high) == pytest.approx(newcombe(tuple(hits), tuple(of), confidence=0.95))


def test_a_mark_of_those_with_few_orders_is_compared_among_them():
    """Every one-order customer bought with a coupon, none of the others; the lost have one order more often."""
    lost = [(f"l{n}", 300, 0, "K", "x") for n in range(30)]
    lost += [(f"l{n}", day, 0, None, "x") for n in range(30, 40) for day in (300, 400)]
    kept = [(f"k{n}", 10, 0, "K", "x") for n in range(10)]
    kept += [(f"k{n}", day, 0, None, "x") for n in range(10, 40) for day in (10, 400)]
    row = proxies(*frames(lost + kept), **KEYS).set_index("proxy").loc["coupon_only"]
    assert (row.lost_share, row.kept_share) == (0.75, 0.25)
    assert row.low > 0.25
    assert row.alike == 0
    assert row.alike_low < 0 < row.alike_high
    none_alike = proxies(*frames([*lost, *kept[10:]]), **KEYS).set_index("proxy").loc["coupon_only"]
    assert str(none_alike.alike) == "no customer with as many orders has stayed"


def test_what_the_data_do_not_have_says_what_to_bring():
    orders, _items = frames([("a", 10, 0, None, "x"), ("b", 300, 5, None, "x")])
    found = proxies(orders.drop("coupon_id"), None, **KEYS).set_index("proxy")
    assert "coupon_id" in str(found.difference["coupon_only"])
    assert "order_items.csv" in str(found.lost_share["one_off"])
    assert found.difference["refund"] == 1
    assert found.points_to.to_dict() == {"refund": "fault", "coupon_only": "competition", "one_off": "natural"}
