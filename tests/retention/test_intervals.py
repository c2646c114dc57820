"""intervals.py against statsmodels, published figures, and counts in simulated groups."""

import hashlib

import ibis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, multinomial_proportions_confint, proportion_confint

from clvbook.retention import intervals

examples = settings(deadline=None, max_examples=50, derandomize=True)


def test_a_customers_group_follows_from_the_md5_of_the_id_alone():
    ids = [f"C{n:05d}" for n in range(300)] + ["买家", ""]
    table = ibis.memtable({"customer_id": ids})
    found = table.select(group=lambda t: intervals.customer_group(t.customer_id, groups=100)).to_pandas().group
    assert found.tolist() == [
        int(hashlib.md5(i.encode(), usedforsecurity=False).hexdigest()[:4], 16) % 100 for i in ids
    ]


counts = st.lists(st.integers(0, 500), min_size=2, max_size=5).filter(sum)


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
@examples
def test_wilson_and_goodman_are_those_of_statsmodels(found, confidence):
    n = sum(found)
    low, high = intervals.wilson(np.array(found) / n, n, confidence=confidence)
    expected = [proportion_confint(k, n, 1 - confidence, method="wilson") for k in found]
    np.testing.assert_allclose(np.column_stack([low, high]), expected, atol=1e-12)
    together = np.column_stack(intervals.goodman(found, confidence=confidence))
    expected = multinomial_proportions_confint(found, 1 - confidence, method="goodman")
    np.testing.assert_allclose(together, expected, atol=1e-9)
    assert (together[:, 0] <= low + 1e-12).all()
    assert (together[:, 1] >= high - 1e-12).all()


def test_golden_intervals():
    # customer_economics.md 2.1: 3/1,000 -> [0.102, 0.878] %; 30/10,000 -> [0.210, 0.428] %; 0/1,000 -> upper 0.383 %
    low, high = intervals.wilson(np.array([0.003, 0.003, 0]), np.array([1e3, 1e4, 1e3]), confidence=0.95)
    np.testing.assert_allclose(100 * low[:2], [0.102, 0.210], atol=5e-4)
    np.testing.assert_allclose(100 * high, [0.878, 0.428, 0.383], atol=5e-4)
    # ibid. 2.2, Hillstrom men's less no e-mail: 0.6805 points [0.5014, 0.8641]
    found = intervals.newcombe((267, 122), (21_307, 21_306), confidence=0.95)
    np.testing.assert_allclose(np.array(found) * 100, [0.5014, 0.8641], atol=5e-5)
    assert np.isnan(intervals.wilson(np.nan, 0, confidence=0.95)).all()


@given(st.integers(0, 40), st.integers(40, 90), st.integers(0, 30), st.integers(30, 70))
@examples
def test_newcombe_is_that_of_statsmodels(k1, n1, k2, n2):
    expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
    assert intervals.newcombe((k1, k2), (n1, n2), confidence=0.95) == pytest.approx(expected, abs=1e-9)


def test_independent_observations_get_wilsons_interval_and_repeated_ones_a_wider():
    rng = np.random.default_rng(3)
    hits = rng.binomial(50, 0.3, 400)
    whole = np.full(400, 50)
    share, low, high = intervals.grouped_share(hits, whole, confidence=0.95)
    alone = intervals.wilson(share, whole.sum(), confidence=0.95)
    assert high - low == pytest.approx(alone[1] - alone[0], rel=0.1)
    # each observation four times: as wide as before, not half as wide
    again = intervals.grouped_share(4 * hits, 4 * whole, confidence=0.95)
    assert again[2] - again[1] == pytest.approx(high - low, rel=0.1)
    assert np.isnan(intervals.grouped_share(hits[:1], whole[:1], confidence=0.95)[1])


def test_draws_are_groups_drawn_with_replacement():
    drawn = intervals.draws(8, 2000, seed=1)
    assert (drawn.sum(axis=1) == 8).all()
    assert drawn.var(axis=0) == pytest.approx(8 * (1 / 8) * (7 / 8), rel=0.15)
    np.testing.assert_array_equal(drawn, intervals.draws(8, 2000, seed=1))


def test_percentiles_hold_the_estimate():
    drawn = np.arange(101.0)
    assert intervals.percentiles(drawn, 50, confidence=0.9) == pytest.approx((5, 95))
    assert intervals.percentiles(drawn, 99, confidence=0.9) == pytest.approx((5, 99))
