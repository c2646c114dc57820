"""flows.py against sets of customers counted one by one, and its identities on whatever purchases."""

from datetime import date, timedelta
from itertools import pairwise

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.lifecycle import flows, stages

ORIGIN = date(2026, 1, 1)
BOUNDS = [20, 40, 80]
examples = settings(deadline=None, max_examples=10, derandomize=True)

purchases = st.sets(st.tuples(st.sampled_from("abcdef"), st.integers(0, 200)), min_size=1, max_size=40)


def history(bought, snapshots, bounds=BOUNDS):
    frame = {"customer_id": [c for c, _ in bought], "day": [ORIGIN + timedelta(days=d) for _, d in bought]}
    days = ibis.memtable(frame, schema={"customer_id": "string", "day": "date"})
    days = days.mutate(amount=ibis.literal(1, "decimal(18,4)"))
    return ibis.memtable(stages.stage_history(days, snapshots=snapshots, bounds=bounds).to_pyarrow())  # computed once


def active(bought, after, until):
    return {c for c, d in bought if after < ORIGIN + timedelta(days=d) <= until}


@given(purchases, st.integers(15, 60))
@examples
def test_flows_are_those_of_sets_of_customers_and_add_up(bought, step):
    snapshots = stages.steps(ORIGIN + timedelta(days=240), days=step, first=ORIGIN)
    table = flows.flow(history(bought, snapshots), lookback_days=60).set_index("snapshot")
    began = [date.min, *snapshots[:-1]]
    opened = ORIGIN + timedelta(days=min(d for _, d in bought))
    was, known = set(), set()
    for after, until in zip(began, snapshots, strict=True):
        now = active(bought, after, until)
        if pd.Timestamp(until) in table.index:
            row = table.loc[pd.Timestamp(until)]
            assert row.new == len(now - known)
            assert row.returning == len(now & was)
            assert row.resurrected == len(now & known - was)
            assert row.dormant == len(was - now)
            assert row.active == row.new + row.returning + row.resurrected == len(now)
            assert row.active_before == row.returning + row.dormant == len(was)
            assert row.burn_in == (max(after, opened) < opened + timedelta(days=60))
        else:
            assert not now | known
        was, known = now, known | now


@given(purchases, st.integers(15, 60))
@examples
def test_stocks_are_accounts_that_balance(bought, step):
    snapshots = stages.steps(ORIGIN + timedelta(days=240), days=step, first=ORIGIN)
    past = history(bought, snapshots)
    table = flows.stocks(past)
    assert (table.before + table.came - table.left == table.after).all()
    mix = stages.stage_mix(past).set_index(["snapshot", "stage"]).customers
    for (snapshot, stage), row in table.set_index(["snapshot", "stage"]).iterrows():
        assert row.after == mix[snapshot, stage]
    for one, other in pairwise(sorted(table.snapshot.unique())):
        one, other = table[table.snapshot == one], table[table.snapshot == other]
        assert list(one.after) == list(other.before)
    totals = table.groupby("snapshot").sum()
    assert (totals.came - totals.of_them_new == totals.left).all()
    new = flows.flow(past, lookback_days=0).set_index("snapshot").new
    assert (totals.of_them_new == new).all()


@given(purchases, st.integers(15, 60))
@examples
def test_moves_are_the_rows_of_the_history_put_side_by_side(bought, step):
    snapshots = stages.steps(ORIGIN + timedelta(days=240), days=step, first=ORIGIN)
    past = history(bought, snapshots)
    rows = past.to_pandas().sort_values(["customer_id", "snapshot"])
    each = rows.groupby("customer_id")
    rows["active"] = rows.bought > 0
    rows["before"] = each.stage.shift().astype("Int8")
    rows["was_active"] = each.bought.shift(fill_value=0) > 0
    keys = ["snapshot", "before", "stage", "was_active", "active"]
    expected = rows.groupby(keys, dropna=False).size()
    found = flows.moves(past).set_index(keys).customers
    assert not found.index.duplicated().any()
    assert {str(k): v for k, v in found.items()} == {str(k): v for k, v in expected.items()}


def test_a_small_shop_by_hand():
    # a buys every month, b skips one, c comes once, d is new at the end
    bought = [("a", 5), ("a", 40), ("a", 70), ("b", 10), ("b", 75), ("c", 20), ("d", 80)]
    table = flows.flow(history(bought, stages.month_ends(date(2026, 1, 1), date(2026, 3, 31))), lookback_days=40)
    columns = ["active_before", "new", "returning", "resurrected", "dormant", "active", "burn_in"]
    assert table[columns].to_numpy().tolist() == [
        [0, 3, 0, 0, 0, 3, True],
        [3, 0, 1, 0, 2, 1, True],
        [1, 1, 1, 1, 0, 3, False],
    ]


@pytest.mark.parametrize("days", [0, 1000])
def test_burn_in_is_as_long_as_it_is_said_to_be(days):
    past = history([("a", 5), ("b", 100)], stages.month_ends(ORIGIN, date(2026, 6, 30)))
    assert set(flows.flow(past, lookback_days=days).burn_in) == {days > 0}
