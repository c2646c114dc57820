"""costs.py against plain sums, the demo shop's costs, and what a shop without a file is told."""

from datetime import date
from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis import _

from clvbook.errors import NotComputable
from clvbook.retention.costs import (
    acquisition_costs,
    at_the_margin,
    cost_a_retained_customer,
    cost_table,
    coupon_costs,
    message_costs,
)

DEMO = Path(__file__).parents[2] / "data" / "demo"
OCTOBER = {"after": date(2026, 9, 30), "until": date(2026, 10, 31)}
COSTS = {"period": "string", "kind": "string", "campaign_id": "string", "stage": "string", "amount": "decimal(18,4)"}

cost = st.tuples(
    st.sampled_from(["2026-08", "2026-09", "2026-10", "2026-11"]),
    st.sampled_from(["service", "coupon"]),
    st.none() | st.just("C1"),
    st.none() | st.sampled_from(["active", "lost"]),
    st.integers(-5, 90),
)


@given(st.lists(cost, max_size=20))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_costs_by_kind_and_stage_are_plain_sums(rows):
    found = cost_table(ibis.memtable(rows, schema=COSTS | {"amount": "int64"}), first="2026-09", last="2026-10")
    named = [(p, k, s or ("by campaign" if c else "not allocated"), a) for p, k, c, s, a in rows]
    frame = pd.DataFrame(named, columns=["period", "kind", "stage", "amount"])
    frame = frame[frame.period.isin(["2026-09", "2026-10"])]
    if frame.empty:
        assert "2026-09 to 2026-10" in str(found)
        return
    expected = frame.groupby(["kind", "stage"]).amount.agg(["size", "sum"])
    assert found.set_index(["kind", "stage"])[["rows", "amount"]].to_numpy().tolist() == expected.to_numpy().tolist()
    if expected["sum"].sum():
        assert found.share.sum() == pytest.approx(1)
    else:
        assert str(found.share[0]) == "the costs sum to 0"


def test_what_is_missing_says_which_file_to_bring_and_shows_no_zero():
    days = ibis.memtable({"customer_id": ["a"], "day": [date(2026, 10, 5)]})
    orders = ibis.memtable({"day": [date(2026, 10, 5)], "discount": [1.0]})
    missing = {
        "costs.csv": cost_table(None, first="2026-10", last="2026-10"),
        "sends.csv": message_costs(None, None, **OCTOBER),
        "coupon_id": coupon_costs(orders, **OCTOBER),
        "customers.csv": acquisition_costs(None, days, **OCTOBER),
    }
    for name, found in missing.items():
        assert isinstance(found, NotComputable)
        assert name in str(found)
        assert "adds" in str(found) or "add" in str(found)
    assert cost_a_retained_customer(missing["costs.csv"], 10) is missing["costs.csv"]
    no_coupon = orders.mutate(coupon_id=ibis.null("string"))
    assert "name no coupons" in str(coupon_costs(no_coupon, **OCTOBER))
    unknown = days.mutate(acquisition_cost=ibis.null("float64"))
    assert "0 of 1 new customers" in str(acquisition_costs(unknown, days, **OCTOBER))


def test_the_average_cost_of_a_retained_customer():
    table = pd.DataFrame({"amount": [300.0, 100.0]})
    assert cost_a_retained_customer(table, 50) == 8
    assert "nobody was retained" in str(cost_a_retained_customer(table, 0))


def test_messages_are_units_times_price():
    schema = {"campaign_id": "string", "cost_fixed": "float64", "cost_per_unit": "float64"}
    campaigns = ibis.memtable([("A", 10.0, 0.05), ("B", 0.0, None), ("C", 99.0, 1.0)], schema=schema)
    at = pd.to_datetime(["2026-10-01 00:00", "2026-10-31 23:59", "2026-09-30 23:59", "2026-10-02 12:00", None])
    sends = pd.DataFrame({"campaign_id": list("AAABA"), "sent_at": at, "units": [1, 2, 7, 3, 0]})
    found = message_costs(campaigns, ibis.memtable(sends), **OCTOBER).set_index("campaign_id")
    assert (found.sent["A"], found.units["A"], found.cost["A"]) == (2, 3, pytest.approx(10.15))
    assert "cost_per_unit" in str(found.cost["B"])
    assert "C" not in found.index
    none = message_costs(campaigns, ibis.memtable(sends), after=date(2027, 1, 1), until=date(2027, 2, 1))
    assert "no message was sent" in str(none)


def test_the_marginal_customer_comes_from_the_dearest_source_in_use():
    people = [(f"a{n}", "ads", 20.0) for n in range(40)] + [(f"s{n}", "search", 5.0) for n in range(60)]
    people += [("l0", "live", 90.0), ("u", None, None)]
    schema = {"customer_id": "string", "source": "string", "acquisition_cost": "float64"}
    bought = [(c, date(2026, 10, 9)) for c, *_rest in people] + [("old", date(2026, 9, 1)), ("old", date(2026, 10, 9))]
    days = ibis.memtable(bought, schema={"customer_id": "string", "day": "date"})
    customers = ibis.memtable([*people, ("old", "ads", 999.0)], schema=schema)
    found = acquisition_costs(customers, days, **OCTOBER)
    assert (found.customers, found.unknown, found.cost) == (101, 1, 40 * 20 + 60 * 5 + 90)
    assert found.mean == pytest.approx(1190 / 101)
    assert found.marginal == 20  # one customer of a live show is no source to count on
    assert found.by_source.source.tolist() == ["search", "ads", "live"]
    few = acquisition_costs(customers, days, **OCTOBER, min_customers=61)
    assert str(few.marginal) == "not enough data: no source won 61 customers, the largest 60"


def test_at_the_margin():
    # Pfeifer 2005 (customer_economics.md 2.6): at the optimum marginal acquisition = marginal retention cost = CLV
    found = at_the_margin(acquisition=100.0, new_value=100.0, retention=60.0, kept_value=90.0).set_index("what")
    assert found.loc["a new customer", ["net", "per_unit", "spend"]].tolist() == [0, 1, "less"]
    assert found.loc["a kept customer", ["net", "per_unit", "spend"]].tolist() == [30, 1.5, "more"]
    reason = NotComputable("margin_rate is not set")
    row = at_the_margin(acquisition=1.0, new_value=reason, retention=1.0, kept_value=2.0).iloc[0]
    assert row.net is row.spend is reason


def test_the_demo_shop():
    con = ibis.duckdb.connect()
    costs = con.read_csv(DEMO / "costs.csv")
    table = cost_table(costs, first="2026-10", last="2026-10")
    rows = pd.read_csv(DEMO / "costs.csv").query("period == '2026-10'")
    assert table.amount.sum() == pytest.approx(rows.amount.sum())
    assert set(table.stage[table.kind == "service"]) == {"active", "silent", "sleeping", "lost"}
    messages = message_costs(con.read_csv(DEMO / "campaigns.csv"), con.read_csv(DEMO / "sends.csv.gz"), **OCTOBER)
    assert messages.cost.sum() == pytest.approx(rows.amount[rows.kind == "message"].sum())
    orders = con.read_csv(DEMO / "orders.csv.gz").mutate(day=_.paid_at.date()).filter(_.day.notnull())
    coupons = coupon_costs(orders, **OCTOBER)
    assert coupons.orders == orders.filter(_.coupon_id.notnull(), _.day > OCTOBER["after"]).count().to_pyarrow().as_py()
    assert coupons.mean == pytest.approx(coupons.discount / coupons.orders)
