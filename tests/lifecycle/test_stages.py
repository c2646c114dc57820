"""stages.py against a plain Python count over random purchases, and the identities that hold whatever the purchases."""

from datetime import date, timedelta
from decimal import Decimal

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle import stages
from clvbook.settings import find_files

ORIGIN = date(2026, 1, 1)
BOUNDS = [45, 90, 180]
COLUMNS = ["customer_id", "snapshot", "first_day", "last_day", "orders", "recency_days", "stage", "bought", "spent"]
examples = settings(deadline=None, max_examples=50, derandomize=True)


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def days_table(con, purchases):
    """{(customer, day number): cents} as the engine's table of purchases."""
    rows = [
        {"customer_id": c, "day": ORIGIN + timedelta(days=d), "amount": Decimal(v) / 100}
        for (c, d), v in purchases.items()
    ]
    schema = pa.schema([("customer_id", pa.string()), ("day", pa.date32()), ("amount", pa.decimal128(18, 4))])
    con.con.register("purchases", pa.Table.from_pylist(rows, schema=schema))
    return con.table("purchases")


def plain_history(purchases, snapshots, bounds):
    """The same rows, customer by customer and snapshot by snapshot."""
    rows, before = [], date.min
    for snapshot in snapshots:
        for customer in sorted({c for c, _ in purchases}):
            seen = {ORIGIN + timedelta(days=d): v for (c, d), v in purchases.items() if c == customer}
            seen = {day: v for day, v in seen.items() if day <= snapshot}
            if seen:
                recency = (snapshot - max(seen)).days
                new = [v for day, v in seen.items() if day > before]
                stage = sum(recency > bound for bound in bounds)
                rows.append(
                    (customer, snapshot, min(seen), max(seen), len(seen), recency, stage, len(new), sum(new) / 100)
                )
        before = snapshot
    return sorted(rows)


def fetched(history):
    frame = history.to_pyarrow().to_pylist()
    return sorted(tuple(float(v) if isinstance(v, Decimal) else v for v in row.values()) for row in frame)


purchases = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 400)), st.integers(1, 50_000), max_size=25
)
snapshots = st.sets(st.integers(-20, 500), min_size=1, max_size=8).map(
    lambda days: [ORIGIN + timedelta(days=d) for d in sorted(days)]
)
bounds = st.sets(st.integers(1, 250), min_size=1, max_size=4).map(sorted)


@given(purchases, snapshots, bounds)
@examples
def test_the_engine_finds_what_a_plain_count_finds(con, bought, at, limits):
    history = stages.stage_history(days_table(con, bought), snapshots=at, bounds=limits)
    assert list(history.columns) == COLUMNS
    assert fetched(history) == plain_history(bought, at, limits)


def test_a_stage_holds_its_upper_bound(con):
    at = [ORIGIN + timedelta(days=d) for d in (0, 45, 46, 90, 91, 180, 181)]
    history = stages.stage_history(days_table(con, {("a", 0): 100}), snapshots=at, bounds=BOUNDS)
    assert list(history.order_by("snapshot").to_pandas().stage) == [0, 0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("wrong", [[], [0, 45], [45, 45], [90, 45]])
def test_bounds_that_do_not_rise_are_refused(con, wrong):
    with pytest.raises(BadParameters, match="stage bounds"):
        stages.stage_history(days_table(con, {}), snapshots=[ORIGIN], bounds=wrong)


@pytest.mark.parametrize("wrong", [[], [ORIGIN, ORIGIN]])
def test_snapshots_that_do_not_rise_are_refused(con, wrong):
    with pytest.raises(BadParameters, match="snapshots do not rise"):
        stages.stage_history(days_table(con, {}), snapshots=wrong, bounds=BOUNDS)


def test_month_ends_and_steps():
    assert stages.month_ends(date(2025, 11, 9), date(2026, 2, 28)) == [
        date(2025, 11, 30),
        date(2025, 12, 31),
        date(2026, 1, 31),
        date(2026, 2, 28),
    ]
    assert stages.steps(date(2026, 4, 1), days=45, first=date(2026, 1, 1)) == [
        date(2026, 1, 1),
        date(2026, 2, 15),
        date(2026, 4, 1),
    ]
    assert stages.steps(date(2026, 4, 1), days=45, first=date(2026, 1, 2)) == [date(2026, 2, 15), date(2026, 4, 1)]


@given(purchases.filter(len), snapshots)
@settings(examples, max_examples=15)
def test_stages_partition_the_customers_at_every_snapshot(con, bought, at):
    history = stages.stage_history(days_table(con, bought), snapshots=at, bounds=BOUNDS)
    history = ibis.memtable(history.to_pyarrow())  # computed once
    mix = stages.stage_mix(history)
    for snapshot in at:
        here = mix[mix.snapshot == pd.Timestamp(snapshot)]
        known = len({c for c, d in bought if ORIGIN + timedelta(days=d) <= snapshot})
        assert here.customers.sum() == known
        assert list(here.stage) == ([0, 1, 2, 3] if known else [])
        assert here.share.sum() == pytest.approx(1 if known else 0)

        grid = stages.grid(history, snapshot=snapshot, prospects=7).set_index("count")
        assert list(grid.index) == list(stages.COUNTS)
        assert grid.customers["prospect"] == 7
        assert all(isinstance(grid.loc["prospect", stage], NotComputable) for stage in stages.STAGES)
        people = grid.drop("prospect")
        assert people.customers.sum() == known
        assert [people[stage].sum() for stage in stages.STAGES] == (list(here.customers) if known else [0] * 4)


def test_the_grid_counts_purchases_as_the_source_does(con):
    bought = {(c, d): 100 for c, n in zip("abcdefg", (1, 2, 3, 4, 5, 6, 6), strict=True) for d in range(n)}
    at = ORIGIN + timedelta(days=50)
    history = stages.stage_history(days_table(con, bought), snapshots=[at], bounds=BOUNDS)
    reason = NotComputable("no unpaid orders")
    grid = stages.grid(history, snapshot=at, prospects=reason)
    assert list(grid["count"]) == ["prospect", "new", "old", "regular", "sticky"]
    assert list(grid.customers) == [reason, 1, 1, 2, 3]
    # the last of n purchases is 51 - n days old: with six of them 45, which is still active
    assert list(grid.active[1:]) == [0, 0, 0, 2]
    assert list(grid.silent[1:]) == [1, 1, 2, 1]


def test_cdnow(con):
    (file,) = find_files("package://lifetimes/datasets/CDNOW_sample.txt")
    raw = pd.read_csv(file, header=None, sep=r"\s+", names=["_", "customer_id", "day", "n", "net"])
    raw = raw.groupby(["customer_id", "day"], as_index=False).net.sum()
    raw["day"] = pd.to_datetime(raw.day.astype(str))
    days = ibis.memtable(raw.assign(customer_id=raw.customer_id.astype(str)))
    days = days.mutate(day=days.day.date(), amount=days.net.cast("decimal(18,4)"))
    at = stages.month_ends(date(1997, 1, 1), date(1998, 6, 30))
    history = stages.stage_history(days, snapshots=at, bounds=BOUNDS)
    mix = stages.stage_mix(history).pivot(index="snapshot", columns="stage", values="customers")
    for snapshot in map(pd.Timestamp, at):
        last = raw[raw.day <= snapshot].groupby("customer_id").day.max()
        cut = pd.cut((snapshot - last).dt.days, [-1, *BOUNDS, 10_000], labels=False)
        assert list(mix.loc[snapshot]) == list(cut.value_counts().reindex(range(4), fill_value=0))
    # Fader, Hardie & Lee 2005: the sample's 2,357 customers all bought first in the first quarter of 1997
    assert (mix.sum(axis=1)[2:] == 2357).all()


def test_prospects_ordered_and_never_paid():
    customers = ibis.memtable({"customer_id": ["a", "b"]})
    schema = {"reason": "string", "customer_id": "string"}

    def aside(*rows):
        return ibis.memtable([dict(zip(schema, row, strict=True)) for row in rows], schema=schema)

    rows = [("unpaid", "a"), ("unpaid", "x"), ("closed_unpaid", "x"), ("closed_unpaid", "y"), ("cancelled", "z")]
    assert stages.prospects(aside(*rows, ("unpaid", None)), customers) == 2
    assert stages.prospects(aside(("unpaid", "a")), customers) == 0
    assert "no unpaid orders" in str(stages.prospects(aside(("cancelled", "z")), customers))
    assert "1 unpaid orders" in str(stages.prospects(aside(("unpaid", None)), customers))
