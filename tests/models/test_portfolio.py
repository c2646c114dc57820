"""portfolio.py against pandas and scipy on random bases: groups that lose nobody, shares that add up to 1."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clvbook.errors import NotComputable
from clvbook.models import portfolio

some = settings(deadline=None, max_examples=30, derandomize=True)


@pytest.fixture(scope="module")
def table():
    """A function: pandas frame -> Ibis table on one shared engine, rows shuffled as an engine may deliver them."""
    con = ibis.duckdb.connect()

    def made(frame):
        con.con.register("frame", frame.sample(frac=1, random_state=1))
        return con.table("frame")

    return made


def shop(values, **columns):
    names = [f"c{n:04d}" for n in range(len(values))]
    frame = pd.DataFrame({"customer_id": names, "residual_revenue": np.asarray(values, float)})
    return frame.assign(revenue=np.arange(len(frame)) + 0.25, **columns)


def test_the_base_is_counted(table):
    frame = pd.DataFrame(
        {"frequency": [0, 0, 1, 4], "revenue": [10.1, 20.2, 30.3, 40.4], "first_amount": [10.1, 20.2, 5.3, 4.4]}
    )
    found = portfolio.base(table(frame))
    assert found == portfolio.Base(4, 2, 2, purchases=9, revenue=101.0, first_amount=10.0)
    assert found.repeat_rate == 0.5
    assert portfolio.base(table(frame.iloc[:0])) == NotComputable("no order names its customer")


# a few values, so that ties are the rule
WORTHS = [0.0, 0.05, 0.1, 0.2, 1.0, 1.5, 2.0, 5.0, 99.99, 1000.0, 2e6]
values = st.lists(st.sampled_from(WORTHS), min_size=1, max_size=60)


@given(values)
@some
def test_deciles_partition_the_base(table, worths):
    frame = shop(worths)
    found = portfolio.deciles(table(frame))
    if len(frame) < 10 or not sum(worths):
        assert isinstance(found, NotComputable)
        return
    best = frame.sort_values(["residual_revenue", "customer_id"], ascending=[False, True])
    sizes = [len(part) for part in np.array_split(np.arange(len(frame)), 10)]
    assert found.decile.tolist() == list(range(1, 11))
    assert found.customers.tolist() == sizes
    for row, end in zip(found.itertuples(), np.cumsum(sizes), strict=True):
        part = best.iloc[end - row.customers : end]
        assert row.value == pytest.approx(part.residual_revenue.sum(), rel=1e-12)
        assert row.mean == pytest.approx(part.residual_revenue.mean(), rel=1e-12)
        assert row.lowest == part.residual_revenue.min()
        assert row.past_revenue == part.revenue.sum()  # which customers are in the group: ties go by customer_id
    assert found.share.sum() == pytest.approx(1, rel=1e-12)
    assert found.share.is_monotonic_decreasing


@given(values)
@some
def test_classes_of_value_lose_nobody(table, worths):
    frame = shop(worths)
    found = portfolio.distribution(table(frame))
    assert found.customers.sum() == len(frame)
    assert found.residual_revenue.sum() == pytest.approx(sum(worths), rel=1e-12)
    assert (found.high.iloc[:-1].to_numpy() == found.low.iloc[1:].to_numpy()).all()
    assert found.customers.iloc[0] > 0
    assert found.customers.iloc[-1] > 0
    for low, high, customers in found[["low", "high", "customers"]].itertuples(index=False):
        assert customers == sum(low <= worth < high for worth in worths)


def test_edges_of_classes_are_one_two_five(table):
    edges = [base * 10.0**power for power in range(-1, 9) for base in (1, 2, 5)]
    found = portfolio.distribution(table(shop(edges)))
    assert found.low.tolist() == pytest.approx(edges, rel=1e-15)
    assert (found.customers == 1).all()  # each edge opens its class
    below = portfolio.distribution(table(shop([0.0, 0.0999, 0.1])))
    assert below.customers.tolist() == [2, 1]
    assert below.low.tolist() == [0.0, 0.1]


def by_hand(frame, points):
    """Shares of the first ceil(rank * points / n) slices, customer by customer."""
    ranked = frame.sort_values(["revenue", "customer_id"], ascending=[False, True]).reset_index(drop=True)
    step = -(-(ranked.index + 1) * points // len(ranked))
    slices = ranked[["revenue", "future_revenue"]].groupby(step).sum().reindex(range(points + 1), fill_value=0.0)
    return slices.cumsum() / slices.sum()


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=70).filter(
        lambda rows: any(later for _, later in rows)
    ),
    st.sampled_from([20, 7]),
)
@some
def test_concentration_is_that_of_pandas(table, rows, points):
    frame = shop([1.0] * len(rows), future_revenue=[float(later) for _, later in rows])
    frame["revenue"] = [float(past) for past, _ in rows]
    found = portfolio.concentration(table(frame), points=points)
    expected = by_hand(frame, points)
    assert found.customers.tolist() == [n / points for n in range(points + 1)]
    np.testing.assert_allclose(found.past, expected.revenue, rtol=1e-12)
    np.testing.assert_allclose(found.later, expected.future_revenue, rtol=1e-12)
    for share in (found.past, found.later):
        assert (share.iloc[0], share.iloc[-1]) == (0, 1)
        assert share.is_monotonic_increasing
    if len(rows) % points == 0:
        assert (found.past >= found.customers - 1e-12).all()  # the top ones cannot hold less than their share


def test_concentration_has_a_reason_where_nobody_bought_afterwards(table):
    frame = shop([1.0] * 3, future_revenue=0.0)
    found = portfolio.concentration(table(frame))
    assert found == NotComputable("nobody of the base spent anything in the days held out")


def newcomers(rows, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "source": rng.choice(["ads", "live", "search"], rows),
            "first_amount": rng.gamma(2, 40, rows).round(2),
            "frequency": rng.poisson(0.7, rows),
            "so_far": rng.gamma(2, 60, rows).round(2),
            "rest": rng.gamma(1, 9, rows),
            "over": rng.random(rows) < 0.6,
        }
    )


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_worth_of_a_new_customer_is_that_of_pandas(table, confidence):
    frame = newcomers(300)
    found = portfolio.worth(table(frame), by="source", confidence=confidence).set_index("source")
    groups = frame.assign(repeat_rate=frame.frequency > 0).groupby("source")
    expected = groups[["first_amount", "repeat_rate", "so_far", "rest"]].mean()
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found[expected.columns], expected, rtol=1e-9)
    assert found.customers.tolist() == groups.size().tolist()
    half = stats.norm.interval(confidence)[1] * frame.so_far[frame.over].std(ddof=1) / np.sqrt(groups.size())
    np.testing.assert_allclose(found.value, expected.so_far + expected.rest, rtol=1e-9)
    np.testing.assert_allclose(found.low, found.value - half, rtol=1e-9)
    np.testing.assert_allclose(found.high, found.value + half, rtol=1e-9)


@pytest.mark.parametrize("over", [0, 1])
def test_worth_has_a_reason_where_no_spread_can_be_seen(table, over):
    frame = newcomers(20).assign(over=np.arange(20) < over)
    found = portfolio.worth(table(frame), by="source", confidence=0.9)
    assert found == NotComputable(f"the days ahead (horizon_days) are over for {over} customers, 2 needed")
    two = portfolio.worth(table(frame.assign(over=np.arange(20) < 2)), by="source", confidence=0.9)
    assert (two.high > two.low).all()


def test_customers_who_spend_the_same_do_not_scatter(table):
    found = portfolio.worth(table(newcomers(50).assign(so_far=33.33)), by="source", confidence=0.9)
    np.testing.assert_allclose(found.high, found.low, rtol=1e-6)


def test_of_many_groups_the_largest_keep_their_name(table):
    frame = pd.DataFrame({"source": ["a"] * 3 + ["b"] * 3 + ["c", "d", "e"]})
    found = portfolio.largest(table(frame), by="source", most=3).to_pandas().source.value_counts().to_dict()
    assert found == {"a": 3, "b": 3, "c": 1, "all others": 2}
    assert set(portfolio.largest(table(frame), by="source").to_pandas().source) == set("abcde")


def test_correlation_is_that_of_scipy(table):
    rng = np.random.default_rng(3)
    frequency = rng.poisson(1.5, 400)
    frame = pd.DataFrame({"frequency": frequency, "monetary_value": rng.gamma(2, 30, 400) + 4 * frequency})
    frame.loc[frame.index % 50 == 0, "monetary_value"] = 0.0  # nothing paid: no part of it
    found = portfolio.spend_correlation(table(frame))
    seen = frame[(frame.frequency > 0) & (frame.monetary_value > 0)]
    expected = stats.pearsonr(seen.frequency, seen.monetary_value)
    interval = expected.confidence_interval(0.95)
    assert found.n == len(seen) < (frequency > 0).sum()
    assert found.pearson == pytest.approx(expected.statistic, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert 0.05 < found.pearson < 0.5  # the sample has a connection to find


@pytest.mark.parametrize(
    ("frequency", "money"),
    [([], []), ([1, 2, 3], [5.0, 6.0, 5.5]), ([2, 2, 2, 2], [1.0, 2.0, 3.0, 4.0]), ([1, 2, 3, 4], [7.0] * 4),
     ([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0]), ([0, 0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0, 5.0])],
)  # fmt: skip
def test_correlation_has_a_reason_where_there_is_none(table, frequency, money):
    frame = pd.DataFrame({"frequency": frequency, "monetary_value": money}).astype({"frequency": int})
    found = portfolio.spend_correlation(table(frame.astype({"monetary_value": float})))
    assert isinstance(found, NotComputable)


@pytest.mark.parametrize("make", [portfolio.deciles, portfolio.distribution, portfolio.concentration])
def test_the_number_of_threads_changes_no_digit(tmp_path, make):
    rng = np.random.default_rng(2)
    rows = 300_000  # several of DuckDB's row groups, so that threads share the work
    frame = shop(rng.gamma(1, 50, rows), future_revenue=rng.gamma(1, 30, rows))
    frame.to_parquet(tmp_path / "base.parquet", row_group_size=30_000)
    found = [make(ibis.duckdb.connect(threads=n).read_parquet(tmp_path / "base.parquet")) for n in (1, 4, 4)]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
