"""pressure.py against counting by hand and in plain Python."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.campaigns import pressure

THROUGH = date(2026, 3, 31)
LATE = datetime(2026, 3, 31, 23, 59, 59)


def sends_table(tables, drawn):
    """(customer, days before the last second of the data, delivered); None days: never written to."""
    rows = [
        {"campaign_id": f"k{n}", "customer_id": who, "arm": "treated" if ago is not None else "holdout"}
        | {"assigned_at": datetime(2025, 1, 1), "sent_at": None if ago is None else LATE - timedelta(days=ago)}
        | {"delivered": delivered, "units": 1}
        for n, (who, ago, delivered) in enumerate(drawn)
    ]
    return tables("sends", rows)


def customers_table(last, first=date(2025, 1, 1)):
    frame = pd.DataFrame({"customer_id": list(last), "first_day": first, "last_day": list(last.values())})
    schema = {"customer_id": "string", "first_day": "date", "last_day": "date"}
    return ibis.memtable(frame, schema=schema)


def test_messages_a_head_by_stage(tables):
    last = {"x": THROUGH, "y": THROUGH - timedelta(days=45), "z": THROUGH - timedelta(days=46)}
    drawn = [("x", 0, True), ("x", 29, None), ("x", 30, True), ("x", 1, False)]  # 30 days ago is the 31st day
    drawn += [("p", 3, True), ("q", None, None), ("z", 89, True)]
    found = pressure.by_stage(
        sends_table(tables, drawn), customers_table(last), through=THROUGH, stage_bounds=[45, 90, 180], windows=[30, 90]
    ).set_index(["window_days", "stage"])
    columns = ["customers", "reached", "messages", "most"]
    assert list(found.loc[(30, 0), columns]) == [2, 1, 2, 2]
    assert list(found.loc[(90, 0), columns]) == [2, 1, 3, 3]
    assert list(found.loc[(30, 1), columns]) == [1, 0, 0, 0]
    assert list(found.loc[(90, 1), columns]) == [1, 1, 1, 1]
    assert list(found.loc[(30, -1), columns]) == [2, 1, 1, 1]  # chosen, never bought
    assert found.per_head[(30, 0)] == 1


DRAWN = st.lists(st.tuples(st.sampled_from("vwxyz"), st.integers(0, 60), st.sampled_from([True, False, None])))


@given(DRAWN, st.lists(st.tuples(st.sampled_from(["v", "x", "z", None]), st.integers(0, 60)), max_size=20))
@settings(deadline=None, max_examples=12, derandomize=True)
def test_customers_by_messages_and_what_they_did_after(tables, drawn, bought):
    orders = [
        {"order_id": f"O{n}", "customer_id": who, "paid_at": LATE - timedelta(days=ago), "net": Decimal(1)}
        for n, (who, ago) in enumerate(bought)
    ]
    customers = customers_table(dict.fromkeys("vwx", THROUGH))
    newcomer = customers_table({"n": THROUGH}, first=THROUGH - timedelta(days=9))
    details = ibis.memtable(pd.DataFrame({"customer_id": ["v", "w", "q"], "opted_out": [True, False, True]}))
    found = pressure.by_messages(
        sends_table(tables, drawn),
        customers.union(newcomer),
        tables("orders", orders),
        through=THROUGH,
        days=30,
        follow_days=10,
        details=details,
    ).set_index("messages")
    people = set("vwx") | {who for who, ago, _ in drawn if ago >= 10}
    counted = {p: sum(who == p and 10 <= ago < 40 and ok is not False for who, ago, ok in drawn) for p in people}
    buyers = {who for who, ago in bought if ago < 10}
    assert found.customers.sum() == len(people)
    for number, row in found.iterrows():
        group = {p for p, n in counted.items() if (f"{n}" if n < 10 else "10+") == number}
        assert (row.customers, row.bought, row.opted_out) == (len(group), len(group & buyers), len(group & {"v"}))
        assert row.conversion_observational == pytest.approx(len(group & buyers) / len(group))


def test_demo_messages_are_the_deliveries_of_a_year(demo):
    days = demo.orders.filter(demo.orders.customer_id.notnull()).group_by("customer_id")
    customers = days.aggregate(first_day=demo.orders.day.min(), last_day=demo.orders.day.max())
    found = pressure.by_stage(demo.sends, customers, through=demo.through, stage_bounds=[45, 90, 180], windows=[365])
    year = demo.truth["campaigns"][-12:]
    assert found.messages.sum() == sum(s["delivered"] for c in year for s in c["stages"].values())
    assert found.customers.sum() == demo.truth["check"]["customers"]
