"""transitions.py against plain pandas on random histories, and its intervals and test against simulated shops."""

import hashlib

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clvbook.errors import InputRefused, NotComputable
from clvbook.lifecycle import stages, transitions

some = settings(deadline=None, max_examples=8, derandomize=True)
BOUNDS = [45, 90, 180]
# steps of 45 days, sleeping split at 135 days: whoever does not buy moves on by one, so the stages are a Markov chain
LAW = np.array(
    [[0.30, 0.70, 0, 0, 0], [0.15, 0, 0.85, 0, 0], [0.08, 0, 0, 0.92, 0], [0.05, 0, 0, 0, 0.95], [0.02, 0, 0, 0, 0.98]]
)


def history(purchases, snapshots, bounds=BOUNDS):
    """The stage history of (customer, day, amount), customer by customer and snapshot by snapshot."""
    rows, previous = [], pd.Timestamp.min
    for snapshot in pd.DatetimeIndex(snapshots):
        for customer, own in purchases[purchases.day <= snapshot].groupby("customer_id"):
            recency = (snapshot - own.day.max()).days
            spent = own.amount[own.day > previous].sum()
            rows.append((customer, snapshot.date(), sum(recency > b for b in bounds), spent))
        previous = snapshot
    return pd.DataFrame(rows, columns=["customer_id", "snapshot", "stage", "spent"])


@pytest.fixture(scope="module")
def table():
    con = ibis.duckdb.connect()

    def made(frame):
        con.con.register("frame", frame.sample(frac=1, random_state=1).astype({"stage": "int8"}))
        return con.table("frame").mutate(spent=ibis._.spent.cast("decimal(18,4)"))

    return made


purchases = st.lists(
    st.tuples(st.integers(0, 30), st.dates(pd.Timestamp("2025-01-01").date(), pd.Timestamp("2025-12-31").date())),
    min_size=1,
    max_size=90,
    unique=True,
).map(
    lambda rows: pd.DataFrame(
        {
            "customer_id": [f"顾客{n}" for n, _ in rows],
            "day": pd.to_datetime([day for _, day in rows]),
            "amount": [n + 0.25 for n, _ in rows],
        }
    )
)
MONTHS = pd.date_range("2025-01-31", "2025-12-31", freq="ME")


@given(purchases)
@some
def test_moves_are_those_counted_by_hand(table, bought):
    seen = history(bought, MONTHS)
    if seen.snapshot.nunique() < 2:
        with pytest.raises(InputRefused, match="1 snapshots make no full step"):
            transitions.moves(table(seen))
        return
    found = transitions.moves(table(seen), groups=7)
    expected = {}
    own = {(row.customer_id, row.snapshot): row for row in seen.itertuples()}
    days = sorted(seen.snapshot.unique())
    for (customer, day), row in own.items():
        if day == days[0]:
            continue
        previous = days[days.index(day) - 1]
        start = own[customer, previous].stage if (customer, previous) in own else -1
        group = int(hashlib.md5(customer.encode()).hexdigest()[3::-1], 16) % 7  # noqa: S324
        key = (pd.Timestamp(day), pd.Timestamp(previous), group, start, row.stage)
        customers, spent = expected.get(key, (0, 0.0))
        expected[key] = (customers + 1, spent + row.spent)
    got = {
        (r.snapshot, r.previous, r.group, -1 if pd.isna(r.from_stage) else r.from_stage, r.to_stage): (
            r.customers,
            pytest.approx(r.spent, abs=1e-9),
        )
        for r in found.itertuples()
    }
    assert expected == got


@given(purchases)
@some
def test_the_stage_history_of_the_shop_gives_the_same_moves(table, bought):
    seen = history(bought, MONTHS)
    if seen.snapshot.nunique() > 1:
        bought = ibis.memtable(bought).mutate(day=ibis._.day.date(), amount=ibis._.amount.cast("decimal(18,4)"))
        ends = [day.date() for day in MONTHS]
        found = transitions.moves(stages.stage_history(bought, snapshots=ends, bounds=BOUNDS))
        pd.testing.assert_frame_equal(found, transitions.moves(table(seen)))


@given(purchases)
@some
def test_customers_flow_and_are_not_lost(table, bought):
    seen = history(bought, MONTHS)
    if seen.snapshot.nunique() < 2:
        return
    found = transitions.moves(table(seen))
    assert transitions.impossible_moves(found, BOUNDS).empty
    for _, step in found.groupby("snapshot"):
        start, end = step.previous.iloc[0].date(), step.snapshot.iloc[0].date()
        for stage in range(4):
            stock = [(seen.stage[seen.snapshot == day] == stage).sum() for day in (start, end)]
            leaves = step.customers[step.from_stage.eq(stage).fillna(False) & step.to_stage.ne(stage)].sum()
            comes = step.customers[step.from_stage.ne(stage).fillna(True) & step.to_stage.eq(stage)].sum()
            assert stock[0] - leaves + comes == stock[1]
    result = transitions.matrix(found, stages=4)
    if result:
        sums = result.rates.sum(axis=1)
        assert all((stage in result.undefined) == np.isnan(total) for stage, total in enumerate(sums))
        np.testing.assert_allclose(sums[~np.isnan(sums)], 1, rtol=1e-12)
        assert result.counts.sum() + result.entrants.customers.sum() == found.customers.sum()


def test_a_partial_month_is_no_step(table):
    bought = pd.DataFrame({"customer_id": ["a"], "day": pd.to_datetime(["2025-01-05"]), "amount": [1.0]})
    days = ["2025-01-31", "2025-02-28", "2025-04-30", "2025-05-31", "2025-06-12"]
    found = transitions.moves(table(history(bought, days)))
    assert found.snapshot.dt.strftime("%m-%d").tolist() == ["02-28", "05-31"]
    days = ["2025-01-10", "2025-02-24", "2025-04-10", "2025-05-25", "2025-06-12"]
    found = transitions.moves(table(history(bought, days)))
    assert (found.snapshot - found.previous).dt.days.tolist() == [45, 45, 45]


def test_structural_zeros():
    # customer_economics 2.5: with h = 30 no active -> sleeping or lost, no silent -> lost
    none = np.zeros((4, 4), dtype=bool)
    expected = none.copy()
    expected[[0, 0, 1, 1, 2, 3, 3], [2, 3, 1, 3, 1, 1, 2]] = True
    expected[1, 1] = False  # a recency of 46 to 60 days is still silent 30 days later
    assert (transitions.structural_zeros(BOUNDS, days=30) == expected).all()
    # in 45 days with sleeping split everybody moves on, but for those who bought on the very day of the snapshot
    split = transitions.structural_zeros([45, 90, 135, 180], days=45)
    assert (~split == ((LAW > 0) | (np.arange(25).reshape(5, 5) == 0))).all()


@pytest.mark.parametrize("days", [1, 28, 31, 45, 46, 90, 200])
def test_structural_zeros_are_those_of_every_recency(days):
    seen = np.zeros((4, 4), dtype=bool)
    for recency in range(600):
        for later in [recency + days, *range(days)]:
            seen[np.searchsorted(BOUNDS, recency), np.searchsorted(BOUNDS, later)] = True
    assert (~transitions.structural_zeros(BOUNDS, days=days) == seen).all()


def moves_of(counts, days=45, spent=0.0):
    """Moves as `transitions.moves` counts them, of an array (step, group, from with entrants last, to)."""
    step, group, start, end = np.nonzero(counts)
    snapshots = pd.Timestamp("2024-01-01") + pd.to_timedelta(days * np.arange(len(counts) + 1), unit="D")
    start = pd.Series(start, dtype="Int8").mask(start == counts.shape[3])
    return pd.DataFrame(
        {
            "snapshot": snapshots[step + 1],
            "previous": snapshots[step],
            "group": group.astype("int16"),
            "from_stage": start,
            "to_stage": end.astype("int8"),
            "customers": counts[step, group, start.fillna(-1).to_numpy(dtype=int), end],
            "spent": spent,
        }
    )


def test_impossible_moves_are_counted():
    counts = np.zeros((2, 1, 5, 4), dtype=int)
    counts[0, 0, 0, :] = [5, 4, 3, 0]
    counts[1, 0, 4, :] = [7, 0, 2, 0]
    found = transitions.impossible_moves(moves_of(counts, days=30), BOUNDS)
    assert found[["days", "to_stage", "customers"]].to_numpy().tolist() == [[30, 2, 3], [30, 2, 2]]
    assert found.from_stage.fillna(-1).tolist() == [0, -1]


def shop(rng, law, *, customers, entrants, steps, groups):
    """Moves of customers who follow `law` (from, to), or one law a group (groups, from, to), all active at first."""
    law = np.broadcast_to(law, (groups, *LAW.shape))
    now = np.zeros((groups, len(LAW)), dtype=int)
    now[:, 0] = rng.multinomial(customers, np.full(groups, 1 / groups))
    counts = np.zeros((steps, groups, len(LAW) + 1, len(LAW)), dtype=int)
    for step in counts:
        step[:, :-1] = rng.multinomial(now, law)
        step[:, -1, 0] = rng.multinomial(entrants, np.full(groups, 1 / groups))
        now = step.sum(axis=1)
    return counts


def covered(shops, truth, **how):
    """Share of the cells that can happen whose interval holds the truth."""
    hits = []
    for counts in shops:
        found = transitions.matrix(moves_of(counts), stages=5, **how)
        cells = (LAW > 0) & ~np.isnan(found.rates)
        hits.append(((found.low <= truth) & (truth <= found.high))[cells])
    return np.concatenate(hits).mean()


@pytest.mark.parametrize("customers", [200, 10_000])
def test_intervals_cover_the_truth_of_a_markov_shop(customers):
    rng = np.random.default_rng(7)
    size = {"customers": customers, "entrants": customers // 20, "steps": 9, "groups": 100}
    shops = [shop(rng, LAW, **size) for _ in range(200)]
    assert 0.93 <= covered(shops, LAW) <= 0.97
    assert 0.93 <= covered(shops, LAW, grouped=False) <= 0.97


def test_where_customers_differ_only_groups_cover_the_truth():
    # each customer, here the only one of a group, buys by a rate of the customer's own: moves are no longer independent
    def laws(rng, groups):
        buys = np.clip(LAW[:, 0] * rng.gamma(1.0, 1.0, (groups, 1)), 0, 0.98)
        law = LAW * ((1 - buys) / (1 - LAW[:, 0]))[:, :, None]
        law[:, :, 0] = buys
        return law

    rng = np.random.default_rng(9)
    size = {"steps": 12, "entrants": 0}
    many = shop(rng, laws(rng, 100_000), customers=3_000_000, groups=100_000, **size).sum(axis=(0, 1))[:-1]
    truth = transitions.rates(many)
    shops = [shop(rng, laws(rng, 100), customers=3_000, groups=100, **size) for _ in range(200)]
    assert 0.93 <= covered(shops, truth) <= 0.97
    assert covered(shops, truth, grouped=False) < 0.85


def test_variance_of_the_groups_is_that_of_their_bootstrap():
    rng = np.random.default_rng(5)
    counts = shop(rng, LAW, customers=50_000, entrants=1_000, steps=9, groups=100)
    found = transitions.matrix(moves_of(counts), stages=5)
    drawn, _ = transitions.flows(moves_of(counts), stages=5).resampled(2_000, seed=1)
    spread = transitions.rates(drawn[:, :, :-1].sum(axis=1)).std(axis=0)[LAW > 0]
    half = ((found.high - found.low) / 2)[LAW > 0] / stats.t.ppf(0.975, 99)
    np.testing.assert_allclose(half, spread, rtol=0.06)  # of 2,000 resamples: standard error 1.6 %


def test_wilson_is_that_of_scipy():
    low, high = transitions.wilson(np.array([3 / 1000, 0.0]), np.array([1000, 1000]), confidence=0.95)
    for hits, *interval in zip((3, 0), low, high, strict=True):
        expected = stats.binomtest(hits, 1000).proportion_ci(method="wilson")
        assert interval == pytest.approx([expected.low, expected.high], rel=1e-9)
    assert (low[0], high[0], high[1]) == pytest.approx((0.00102, 0.00878, 0.00383), abs=5e-6)  # customer_economics 2.1


def test_summary_and_undefined_rows():
    counts = np.zeros((1, 2, 5, 4), dtype=int)
    counts[0, :, 0, :2] = [[30, 10], [20, 12]]
    counts[0, 0, 4, 0] = 9
    found = transitions.matrix(moves_of(counts), stages=4)
    summary = found.summary.set_index(["from", "to"])
    assert summary.loc[(0, 1), ["customers", "rate"]].tolist() == [22, pytest.approx(22 / 72)]
    assert summary.loc[3].isna().sum().tolist() == [0, 4, 4, 4]
    assert set(found.undefined) == {1, 2, 3}
    assert found.undefined[3] == NotComputable("nobody was in stage 3 at the start of any step")
    assert found.entrants.customers.tolist() == [9, 0, 0, 0]
    alone = transitions.matrix(moves_of(counts[:, :1]), stages=4)
    assert alone == NotComputable("not enough data: customers of 1 group, 2 needed for an interval")
    with pytest.raises(InputRefused, match="22 of 81 moves"):
        transitions.flows(moves_of(counts), stages=1)


@pytest.mark.parametrize("customers", [150, 20_000])
def test_homogeneous_shops_are_rejected_as_often_as_said(customers):
    rng = np.random.default_rng(11)
    size = {"customers": customers, "entrants": customers // 20, "steps": 8, "groups": 1}
    found = [transitions.homogeneity(moves_of(shop(rng, LAW, **size)), stages=5, seed=n) for n in range(300)]
    rejected = np.mean([not each.homogeneous for each in found])
    assert stats.binomtest(round(300 * rejected), 300, 0.05).pvalue > 0.01
    assert all(each.simulated for each in found) == (customers == 150)


def test_a_month_that_differs_is_found():
    rng = np.random.default_rng(2)
    counts = shop(rng, LAW, customers=20_000, entrants=1_000, steps=8, groups=1)
    fair = np.zeros_like(LAW)
    fair[:, 0] = 0.1
    counts[5, :, :-1] = rng.multinomial(counts[5, :, :-1].sum(axis=2), LAW * 0.9 + fair)
    found = transitions.homogeneity(moves_of(counts), stages=5)
    assert found.p < 1e-6
    assert not found.homogeneous
    worst = found.by_step.iloc[0]
    assert worst.snapshot == pd.Timestamp("2024-01-01") + pd.Timedelta(days=6 * 45)
    assert worst.to == 0
    assert worst.rate > worst.usual + 0.05
    assert found.by_step.statistic.sum() == pytest.approx(found.statistic)
    one = transitions.homogeneity(moves_of(counts[:1]), stages=5)
    assert one == NotComputable("not enough data: 1 steps, two with moves from the same stage needed")


def test_homogeneity_is_that_of_contingency_tables():
    counts = shop(np.random.default_rng(3), LAW, customers=30_000, entrants=0, steps=6, groups=1)
    found = transitions.homogeneity(moves_of(counts), stages=5)
    statistic, df = 0.0, 0
    for row in range(5):
        own = counts[:, 0, row]
        own = own[own.sum(axis=1) > 0][:, own.sum(axis=0) > 0]
        if own.shape[0] > 1 and own.shape[1] > 1:
            tested = stats.chi2_contingency(own, correction=False, lambda_="log-likelihood")
            statistic, df = statistic + tested.statistic, df + tested.dof
    assert (found.statistic, found.df) == (pytest.approx(statistic), df)


def test_the_rate_of_one_move_step_by_step():
    counts = np.zeros((3, 2, 5, 4), dtype=int)
    counts[0, :, 3] = [[1, 0, 2, 7], [2, 1, 0, 17]]  # 30 lost at the beginning, 3 of them active at the end
    counts[1, 0, 0, 0], counts[1, 0, 4, 0] = 8, 9  # nobody lost; entrants are of no stage
    counts[2, 1, 3, 3] = 40
    found = transitions.rate_by_step(moves_of(counts), start=3, end=0, confidence=0.9)
    assert found[["customers", "moved", "rate"]].to_numpy().tolist() == [[30, 3, 0.1], [40, 0, 0]]
    for row in found.itertuples():
        expected = stats.binomtest(row.moved, row.customers).proportion_ci(0.9, method="wilson")
        assert (row.low, row.high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert transitions.rate_by_step(moves_of(counts), start=2, end=0, confidence=0.9).empty
