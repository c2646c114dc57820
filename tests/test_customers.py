"""customers.py against lifetimes' own summary, on CDNOW and on random orders with refunds and same-day orders."""

from datetime import date, timedelta
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifetimes.utils import summary_data_from_transaction_data

from clvbook import customers as c
from clvbook.settings import find_files

ORIGIN = date(2026, 1, 1)


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def orders_table(con, frame):
    schema = {"customer_id": "string", "day": "date", "net": "decimal(18,4)"}
    con.con.register("frame", pa.Table.from_pandas(frame, preserve_index=False))
    return con.table("frame").cast(schema)


def ours(con, frame, as_of):
    days = c.customer_days(orders_table(con, frame), as_of=as_of)
    return c.summarise(days, as_of=as_of).to_pandas().set_index("customer_id").sort_index()


def theirs(frame, as_of):
    floats = frame.assign(net=frame.net.astype(float), day=pd.to_datetime(frame.day))
    return summary_data_from_transaction_data(
        floats, "customer_id", "day", monetary_value_col="net", observation_period_end=pd.Timestamp(as_of), freq="D"
    ).sort_index()


def assert_same(left, right):
    assert list(left.index) == list(right.index)
    for name in ["frequency", "recency", "T"]:
        assert (left[name].to_numpy(float) == right[name].to_numpy(float)).all(), name
    np.testing.assert_allclose(left.monetary_value, right.monetary_value, rtol=1e-9, atol=1e-9)


def test_cdnow_sample_is_summarised_as_lifetimes_does(con):
    (file,) = find_files("package://lifetimes/datasets/CDNOW_sample.txt")
    raw = pd.read_csv(file, header=None, sep=r"\s+", names=["_", "customer_id", "day", "n", "net"])
    frame = pd.DataFrame(
        {
            "customer_id": raw.customer_id.astype(str),
            "day": pd.to_datetime(raw.day.astype(str)).dt.date,
            "net": [Decimal(str(v)) for v in raw.net],
        }
    )
    as_of = date(1997, 9, 30)
    found = ours(con, frame, as_of)
    assert_same(found, theirs(frame, as_of))
    # Fader, Hardie & Lee 2005: 2,357 customers, 2,457 repeat purchases, 1,411 without one, in 39 weeks
    assert (len(found), found.frequency.sum(), (found.frequency == 0).sum()) == (2357, 2457, 1411)


order = st.tuples(
    st.sampled_from("abcde"),
    st.integers(0, 60),
    st.integers(1, 50_000),
    st.integers(0, 100),
)


@given(st.lists(order, min_size=1, max_size=60), st.integers(0, 70))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_any_orders_are_summarised_as_lifetimes_does(con, rows, age):
    frame = pd.DataFrame(
        {
            "customer_id": [r[0] for r in rows],
            "day": [ORIGIN + timedelta(days=r[1]) for r in rows],
            # paid less a refund of up to all of it, in whole cents
            "net": [Decimal(r[2] - r[2] * r[3] // 100) / 100 for r in rows],
        }
    )
    as_of = ORIGIN + timedelta(days=age)
    if (frame.day > as_of).all():
        assert ours(con, frame, as_of).empty
    else:
        assert_same(ours(con, frame, as_of), theirs(frame, as_of))


@given(st.lists(order, min_size=1, max_size=60), st.integers(0, 60), st.integers(1, 30))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_cells_and_the_future_keep_every_customer_and_purchase(con, rows, age, ahead):
    frame = pd.DataFrame(
        {
            "customer_id": [r[0] for r in rows],
            "day": [ORIGIN + timedelta(days=r[1]) for r in rows],
            "net": [Decimal(r[2]) / 100 for r in rows],
        }
    )
    origin = ORIGIN + timedelta(days=age)
    until = origin + timedelta(days=ahead)
    days = c.customer_days(orders_table(con, frame), as_of=until)
    known = c.summarise(days, as_of=origin)
    table = known.to_pandas()
    cells = c.cells(known).to_pandas()
    assert cells.weight.sum() == len(table)
    assert (cells.weight * cells.frequency).sum() == table.frequency.sum()
    assert not cells.duplicated(c.CELL).any()

    future = c.with_future(known, days, origin=origin, until=until).to_pandas().set_index("customer_id")
    purchases = frame.drop_duplicates(["customer_id", "day"])
    expected = purchases[(purchases.day > origin) & (purchases.day <= until)].groupby("customer_id").size()
    for customer, n in future.future_orders.items():
        assert n == expected.get(customer, 0)

    repeats = c.repeats_by_day(days).to_pandas()
    assert (
        repeats.repeats.sum()
        == len(purchases[purchases.day <= until]) - purchases[purchases.day <= until].customer_id.nunique()
    )


def test_orders_without_a_customer_and_after_the_month_are_not_seen(con):
    frame = pd.DataFrame(
        {
            "customer_id": ["a", None, "a"],
            "day": [ORIGIN, ORIGIN, ORIGIN + timedelta(days=5)],
            "net": [Decimal(1), Decimal(1), Decimal(1)],
        }
    )
    found = ours(con, frame, ORIGIN + timedelta(days=4))
    assert (list(found.index), list(found.frequency)) == (["a"], [0])


def test_source_is_that_of_the_first_purchase(con):
    frame = ibis.memtable(
        pd.DataFrame(
            {
                "customer_id": ["a", "a"],
                "day": [ORIGIN + timedelta(days=3), ORIGIN],
                "net": [1.0, 2.0],
                "source": ["ads", "search"],
            }
        )
    )
    days = c.customer_days(frame, as_of=ORIGIN + timedelta(days=9))
    row = con.execute(c.summarise(days, as_of=ORIGIN + timedelta(days=9))).iloc[0]
    assert (row.source, row.first_amount, row.revenue) == ("search", 2.0, 3.0)
