"""allocation.py against brute force, a plain greedy on large random shops, and the truth of a simulated shop."""

from itertools import product

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.retention.allocation import allocate, frontier
from clvbook.retention.offers import efficient_steps, priced


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def candidates(con, values, segments, **more):
    """Customers c0000000, c0000001, ... as the engine's table."""
    ids = [f"c{n:07}" for n in range(len(values))]
    columns = {"customer_id": pa.array(ids, "string"), "segment": pa.array(segments, "int8")}
    columns |= {"value": pa.array(values, "float64")} | {name: pa.array(given) for name, given in more.items()}
    name = ibis.util.gen_name("candidates")
    con.con.register(name, pa.table(columns))
    return con.table(name)


def offers(*rows):
    return pd.DataFrame(rows, columns=["segment", "offer", "cost", "save_rate"])


def brute_force(values, segments, known, budget):
    """The best net profit of all ways to give each customer one offer or none."""
    choices = []
    for value, segment in zip(values, segments, strict=True):
        mine = known[known.segment == segment]
        choices.append([(0.0, 0.0), *zip(mine.cost, value * mine.save_rate - mine.cost, strict=True)])
    return max(sum(net for _, net in way) for way in product(*choices) if sum(c for c, _ in way) <= budget + 1e-9)


price = st.integers(0, 8)
rate = st.integers(-2, 12).map(lambda n: n / 100)
rates = st.tuples(price, rate)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 1)), min_size=1, max_size=5),
    st.lists(rates, min_size=1, max_size=3),
    st.lists(rates, min_size=1, max_size=3),
    st.integers(0, 25),
)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_small_lists_are_those_of_brute_force(con, people, one, two, budget):
    values, segments = zip(*people, strict=True)
    known = offers(*((s, f"offer {n}", *row) for s, rows in enumerate((one, two)) for n, row in enumerate(rows)))
    found = allocate(candidates(con, values, segments), known, budget=budget)
    assert found.net == pytest.approx(brute_force(values, segments, known, budget), abs=1e-7)
    assert found.spent <= budget
    assert found.bound >= found.net - 1e-9
    listed = found.contacts.to_pandas().sort_values("rank")
    assert listed.customer_id.is_unique
    assert (listed.save_rate > 0).all()
    assert (listed.net > 0).all()
    assert listed.net.is_monotonic_decreasing
    assert found.customers + found.left_out.customers.sum() == len(people)
    free = allocate(candidates(con, values, segments), known, budget=None)
    assert free.net == pytest.approx(brute_force(values, segments, known, 1e9), abs=1e-7)
    assert "unlimited" in str(free.unspent)


def plain_greedy(frame, known, budget):
    """Net profit, spent, and the largest single gain, by a loop over steps in plain pandas."""
    steps = frame.merge(efficient_steps(priced(known)), on="segment")
    steps["net"] = steps.value * steps.added - steps.units / 1e6
    steps = steps[steps.net > 0].assign(gain=lambda t: t.value * t.slope).sort_values("gain", ascending=False)
    taken = steps[steps.units.cumsum() <= budget * 1e6]
    return taken.net.sum(), steps.net.max()


@pytest.mark.parametrize("seed", range(3))
def test_large_lists_are_within_one_offer_of_the_bound(con, seed):
    generator = np.random.default_rng(seed)
    n = 30_000
    values, segments = generator.gamma(1.2, 60, n), generator.integers(0, 4, n)
    known = offers(
        *(
            (s, o, c, generator.uniform(0, r))
            for s in range(4)
            for o, c, r in [("a", 0.05, 0.02), ("b", 3.1, 0.1), ("c", 8.07, 0.2)]
        )
    )
    table = candidates(con, values, segments)
    for budget in (10.0, 3_000.0, 20_000.0):
        found = allocate(table, known, budget=budget)
        greedy, one = plain_greedy(pd.DataFrame({"value": values, "segment": segments}), known, budget)
        assert found.spent <= budget
        assert greedy - 1e-6 <= found.net <= found.bound + 1e-6
        assert found.bound - greedy <= one
        assert found.gap <= one


def test_the_frontier_rises_ever_more_slowly_to_where_the_next_unit_returns_less_than_one(con):
    generator = np.random.default_rng(5)
    values, segments = generator.gamma(1.2, 60, 4000), generator.integers(0, 2, 4000)
    known = offers((0, "sms", 0.05, 0.01), (0, "coupon", 2.0, 0.06), (1, "coupon", 2.0, 0.02), (1, "gift", 6.0, 0.07))
    table = candidates(con, values, segments)
    curve = frontier(table, known, points=40)
    points = curve.points
    assert points.budget.iloc[0] == points.net.iloc[0] == 0
    slopes = np.diff(points.net) / np.diff(points.budget)
    assert (slopes > 0).all()
    assert (np.diff(slopes) < 1e-9).all()
    assert (points.last_unit.dropna() > 1).all()
    everything = allocate(table, known, budget=10 * curve.worth_spending)
    assert everything.net == pytest.approx(curve.net)
    assert everything.spent == pytest.approx(curve.worth_spending)
    assert everything.unspent == pytest.approx(9 * curve.worth_spending)
    for row in points.iloc[5::10].itertuples():  # each point is the list of its budget
        found = allocate(table, known, budget=row.budget)
        assert found.net == pytest.approx(row.net)
        assert (found.customers, found.saved) == (row.contacts, pytest.approx(row.saved))


def test_nobody_is_contacted_who_must_not_be(con):
    known = offers((0, "sms", 1.0, 0.1), (1, "sms", 1.0, -0.1), (2, "sms", 1.0, np.nan))
    people = [
        (100, 0, False, 0),
        (100, 0, True, 0),
        (100, 0, None, 3),
        (None, 0, False, 0),
        (float("nan"), 0, False, 0),
    ]
    people += [(100, 1, False, 0), (100, 2, False, 0), (9, 0, False, 0), (-5, 0, False, 0), (90, 0, None, None)]
    values, segments, opted_out, contacts = zip(*people, strict=True)
    table = candidates(con, values, segments, opted_out=opted_out, contacts=contacts)
    found = allocate(table, known, budget=1.0, max_contacts=3)
    assert found.contacts.customer_id.to_pyarrow().to_pylist() == ["c0000000"]
    assert found.left_out.set_index("reason").customers.to_dict() == {
        "opted out": 1,
        "contacted enough": 1,
        "value not known": 2,
        "no offer saves anybody": 2,
        "not worth the cost": 2,
        "the budget ended": 1,
    }
    both = allocate(table, known, budget=100.0, max_contacts=3)
    assert both.contacts.customer_id.to_pyarrow().to_pylist() == ["c0000000", "c0000009"]
    assert both.unspent == 98
    assert both.cost_a_kept_customer == pytest.approx(1.0 / 0.1)
    assert "nobody is kept" in str(allocate(table, known, budget=0.5, max_contacts=3).cost_a_kept_customer)


@pytest.mark.parametrize("budget", [None, 900.0])
def test_the_held_out_are_those_whom_the_same_rule_would_list_and_cost_nothing(con, budget):
    generator = np.random.default_rng(8)
    n = 3000
    values, segments, held_out = generator.gamma(1.2, 60, n), generator.integers(0, 2, n), generator.random(n) < 0.2
    known = offers((0, "sms", 0.5, 0.02), (0, "coupon", 3.0, 0.06), (1, "sms", 0.5, 0.01))
    found = allocate(candidates(con, values, segments, held_out=held_out), known, budget=budget)
    alone = allocate(candidates(con, np.where(held_out, 0.0, values), segments), known, budget=budget)
    assert (found.net, found.spent) == (pytest.approx(alone.net), pytest.approx(alone.spent))
    listed, spared = found.contacts.to_pandas(), found.held_out.to_pandas()
    assert [*spared.columns] == [name for name in listed.columns if name != "rank"]
    number = spared.customer_id.str[1:].astype(int).to_numpy()
    assert held_out[number].all()
    assert spared.value.to_numpy() == pytest.approx(values[number])
    # the same segment and value would be listed with the same offer, whoever is held out
    for segment in (0, 1):
        for offer in ("sms", "coupon"):
            mine, theirs = (t[(t.segment == segment) & (t.offer == offer)].value for t in (listed, spared))
            assert mine.empty == theirs.empty
            if len(mine):
                assert theirs.min() == pytest.approx(mine.min(), abs=4)  # the smallest of the few who are held out
    assert len(spared) / (len(spared) + len(listed)) == pytest.approx(0.2, abs=0.05)
    assert found.left_out.customers.sum() + len(listed) + len(spared) == n
    none = allocate(candidates(con, values, segments), known, budget=budget)
    assert none.held_out.count().to_pyarrow().as_py() == 0


def test_without_values_or_save_rates_there_is_a_reason_instead_of_a_list(con):
    known = offers((0, "sms", 1.0, 0.1))
    no_value = candidates(con, [None, None], [0, 0])
    assert "margin_rate" in str(allocate(no_value, known, budget=5))
    assert isinstance(frontier(no_value, known), NotComputable)
    people = candidates(con, [10.0, 20.0], [0, 0])
    assert "no save rate" in str(allocate(people, known.assign(save_rate=np.nan), budget=5))
    assert allocate(people, known.assign(save_rate=-0.1), budget=5).customers == 0


def test_what_cannot_be_is_refused(con):
    known = offers((0, "sms", 1.0, 0.1))
    people = candidates(con, [10.0, 20.0], [0, 0])
    with pytest.raises(BadParameters, match="the budget is -1"):
        allocate(people, known, budget=-1)
    with pytest.raises(InputRefused, match="no column contacts"):
        allocate(people, known, budget=1, max_contacts=3)
    with pytest.raises(InputRefused, match="4 candidates are 2 different customers"):
        allocate(people.union(people), known, budget=1)


def test_segments_may_have_names(con):
    people = candidates(con, [100.0, 50.0], [0, 1])
    people = people.mutate(segment=ibis.ifelse(people.segment == 0, "silent", "lost"))
    known = offers(("silent", "sms", 1.0, 0.1), ("lost", "sms", 1.0, 0.1))
    assert allocate(people, known, budget=1.5).contacts.segment.to_pyarrow().to_pylist() == ["silent"]
