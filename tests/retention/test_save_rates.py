"""save_rates.py against published intervals, statsmodels and plain arithmetic."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.proportion import confint_proportions_2indep

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.save_rates import Assumed, Holdout, Range, cost_per_retained, save_rates

# Hillstrom, men's e-mail against none: 267 of 21,307 and 122 of 21,306 (customer_economics.md section 2.2)
MENS = Holdout(treated=21_307, kept_treated=267, held_out=21_306, kept_held_out=122)


def test_the_interval_of_the_reference():
    assert round(100 * MENS.save_rate, 4) == 0.6805
    assert [round(100 * end, 4) for end in MENS.interval(0.95)] == [0.5014, 0.8641]


counts = st.tuples(st.integers(1, 3000), st.floats(0, 1), st.integers(1, 3000), st.floats(0, 1))


def arms(n1, p1, n0, p0):
    return Holdout(n1, int(n1 * p1), n0, int(n0 * p0))


@given(counts)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_the_interval_is_that_of_statsmodels(given_counts):
    found = arms(*given_counts)
    theirs = confint_proportions_2indep(
        found.kept_treated, found.treated, found.kept_held_out, found.held_out, method="newcomb"
    )
    np.testing.assert_allclose(found.interval(0.95), theirs, atol=1e-9)
    assert found.standard_error > 0


def test_draws_scatter_as_the_experiment_says():
    with_it, without = MENS.draws(200_000, np.random.default_rng(1))
    saved = with_it - without
    assert saved.mean() == pytest.approx(MENS.save_rate, abs=2e-5)
    assert saved.std() == pytest.approx(MENS.standard_error, rel=0.02)
    np.testing.assert_allclose(np.quantile(saved, [0.025, 0.975]), MENS.interval(0.95), atol=5e-5)


def test_draws_of_a_range_have_its_ends_as_quantiles():
    drawn = Range(100, 80, 150, confidence=0.9).draws(400_000, np.random.default_rng(2))
    np.testing.assert_allclose(np.quantile(drawn, [0.05, 0.5, 0.95]), [80, 100, 150], rtol=0.01)
    with_it, without = Assumed(Range(0.05, 0.05, 0.05), kept_untreated=0.4).draws(3, np.random.default_rng(3))
    np.testing.assert_allclose(with_it - without, 0.05)


@pytest.mark.parametrize("wrong", [(0, 0, 10, 1), (10, 11, 10, 1), (10, 1, 0, 0), (10, 1, 10, -1)])
def test_impossible_counts_are_refused(wrong):
    with pytest.raises(InputRefused, match="make no experiment"):
        Holdout(*wrong)
    with pytest.raises(InputRefused, match="is not within"):
        Range(1, 2, 3)


def table(rows):
    return pd.DataFrame(rows, columns=["offer", "treated", "kept_treated", "held_out", "kept_held_out"])


@pytest.mark.parametrize("seed", range(12))
def test_shrinking_is_that_of_a_random_effects_meta_analysis(seed):
    generator = np.random.default_rng(seed)
    spread = generator.choice([0.0, 0.02, 0.1])
    rows = [(n, 0.3 + generator.normal(0.05, spread), n // 2, 0.3) for n in generator.integers(100, 3000, 5)]
    experiments = [arms(*row) for row in rows]
    found = save_rates(table([("coupon", e.treated, e.kept_treated, e.held_out, e.kept_held_out) for e in experiments]))
    rate, error = found.save_rate.to_numpy(), found.standard_error.to_numpy()
    with warnings.catch_warnings(action="ignore"):  # its other figures, where the variance is below 0
        theirs = combine_effects(rate, error**2, method_re="chi2")
    between = max(0.0, theirs.tau2)
    mean = np.average(rate, weights=1 / (error**2 + between))
    expected = mean + (rate - mean) * between / (between + error**2)
    np.testing.assert_allclose(found.shrunken, expected, atol=1e-9)
    assert (abs(found.shrunken - mean) <= abs(rate - mean) + 1e-12).all()


def test_offers_are_shrunken_apart_and_one_alone_not_at_all():
    found = save_rates(
        table([("coupon", 500, 200, 500, 180), ("sms", 500, 120, 500, 100), ("coupon", 500, 201, 500, 180)])
    )
    assert found.shrunken[1] == found.save_rate[1] == pytest.approx(0.04)
    assert found.shrunken[0] == found.shrunken[2] == pytest.approx(0.041, abs=1e-5)  # chance alone spreads them so


def test_an_average_hides_what_the_next_kept_customer_costs():
    # kept 5 of 100 for 1, 7 of 100 for 5: 20 and 71.43 on average, the two more for (5-1)/.02 = 200
    rows = [("coupon", 40_000, 14_800, 40_000, 12_000), ("sms", 40_000, 14_000, 40_000, 12_000)]
    found = cost_per_retained(table(rows).assign(cost=[5.0, 1.0]))
    assert found.offer.tolist() == ["sms", "coupon"]
    assert found.average.tolist() == pytest.approx([20, 5 / 0.07])
    assert found.marginal.tolist() == pytest.approx([20, 200])
    assert found.average_low[0] == pytest.approx(1 / found.high[0])
    assert found.average_high[0] == pytest.approx(1 / found.low[0])


def test_no_cost_for_an_effect_that_may_be_none():
    rows = [("sms", 100, 31, 100, 30), ("coupon", 40_000, 14_000, 40_000, 12_000), ("gift", 900, 320, 900, 270)]
    found = cost_per_retained(table(rows).assign(cost=[1.0, 2.0, 3.0]))
    assert isinstance(found.average[0], NotComputable)
    assert "sms is not distinguishable from zero" in str(found.marginal[0])
    assert found.marginal[1] == pytest.approx(40)  # over nothing: a cheaper offer without a known effect is none
    assert "what gift adds to coupon" in str(found.marginal[2])
    assert cost_per_retained(table([]).assign(cost=[])).empty
