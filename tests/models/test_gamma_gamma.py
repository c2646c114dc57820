import warnings

import numpy as np
import pandas as pd
import pytest
from autograd import grad, hessian
from hypothesis import given, settings
from hypothesis import strategies as st
from lifetimes import GammaGammaFitter as Peer

from clvbook.errors import ClvbookError, NotComputable
from clvbook.models import BetaGeoFitter, GammaGammaFitter, gamma_gamma


def at(p: float, q: float, v: float) -> GammaGammaFitter:
    model = GammaGammaFitter()
    model.params_ = pd.Series([p, q, v], index=["p", "q", "v"])
    return model


def amounts(n: int, p: float, q: float, v: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Repeat orders and mean spend of n customers of the model: the mean of x gammas is a gamma of shape p x."""
    rng = np.random.default_rng(seed)
    x = rng.geometric(0.4, n)
    return x, rng.gamma(p * x, v / (rng.gamma(q, size=n) * x))


# ---- published numbers


def test_cdnow_estimates(cdnow, spend):
    # Fader & Hardie, note 025: p, q, gamma of 946 repeat customers
    assert len(spend.data) == 946
    assert spend.params_.tolist() == pytest.approx([6.25, 3.74, 15.44], abs=0.005)
    # log-likelihood of R package CLVTools 0.12.1
    assert -946 * spend._negative_log_likelihood_ == pytest.approx(-4055.9177, abs=1e-4)
    assert spend.convergence_.identified
    assert spend.convergence_.gradient_norm < 1e-12


def test_expected_spend_of_the_first_ten(cdnow, spend):
    # lifetimes' test_gamma_gamma_fitter.py, from Hardie's spreadsheet
    expected = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    actual = spend.conditional_expected_average_profit(cdnow["frequency"], cdnow["monetary_value"])
    assert actual.head(10).tolist() == pytest.approx(expected, abs=0.005)
    assert actual.index.equals(cdnow.index)
    assert spend.population_mean_spend() == pytest.approx(35.17, abs=0.005)  # the third customer has no repeat order


def test_correlation_of_the_sample(cdnow):
    repeat = cdnow[cdnow["frequency"] > 0]
    # lifetimes' Quickstart prints 0.113884 for repeat customers
    assert repeat[["monetary_value", "frequency"]].corr().iloc[0, 1] == pytest.approx(0.113884, abs=1e-5)


def test_customer_lifetime_value_of_the_quickstart(rounded):
    columns = [rounded[name] for name in ("frequency", "recency", "T", "monetary_value")]
    model = BetaGeoFitter().fit(*columns[:3])
    repeat = rounded[rounded["frequency"] > 0]
    fitted = GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])
    # lifetimes' Quickstart: 12 months of 30 on weekly data, so an oracle for the arithmetic only
    # fmt: off
    expected = [
        140.096211, 18.943467, 38.180574, 38.180574, 38.180574,
        1003.868107, 28.109683, 38.180574, 167.418216, 38.180574,
    ]
    # fmt: on
    value = fitted.customer_lifetime_value(model, *columns, time=12, discount_rate=0.01)
    assert value.head(10).tolist() == pytest.approx(expected, rel=2e-5)  # the Quickstart's own fit is that close
    assert value.index.equals(rounded.index)
    # lifetimes 0.11.3 fails on plain arrays
    arrays = fitted.customer_lifetime_value(model, *(column.to_numpy() for column in columns), time=12)
    assert arrays.tolist() == value.tolist()
    with pytest.raises(ClvbookError, match="freq is 'Q'"):
        fitted.customer_lifetime_value(model, *columns, freq="Q")


def test_lifetime_value_is_that_of_lifetimes_for_the_same_models(rounded):
    columns = [rounded[name] for name in ("frequency", "recency", "T", "monetary_value")]
    repeat = rounded[rounded["frequency"] > 0]
    model, peer = BetaGeoFitter().fit(*columns[:3]), Peer()
    fitted = GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])
    peer.params_ = fitted.params_
    for freq, months in (("W", 6), ("D", 12), ("M", 3)):
        theirs = peer.customer_lifetime_value(model, *columns, time=months, discount_rate=0.02, freq=freq)
        ours = fitted.customer_lifetime_value(model, *columns, time=months, discount_rate=0.02, freq=freq)
        pd.testing.assert_series_equal(ours, theirs, rtol=1e-10)


# ---- the fit


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(-3, 4), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_derivatives_are_those_of_lifetimes_likelihood(theta, seed):
    rng = np.random.default_rng(seed)
    x, m, weights = rng.integers(1, 50, 20).astype(float), rng.gamma(2, 20, 20) + 0.01, rng.integers(1, 9, 20)
    theta, penalizer = np.array(theta), 0.01
    value, gradient, bends = gamma_gamma.objective(x, m, weights.astype(float), penalizer)(theta)
    with warnings.catch_warnings():  # lifetimes sets a global filter inside its likelihood
        data = (x, m, weights, penalizer)
        assert value == pytest.approx(Peer._negative_log_likelihood(theta, *data), rel=1e-10)
        assert gradient == pytest.approx(grad(Peer._negative_log_likelihood)(theta, *data), rel=1e-7, abs=1e-7)
        assert bends == pytest.approx(hessian(Peer._negative_log_likelihood)(theta, *data), rel=1e-6, abs=1e-6)


def test_drop_in_for_lifetimes(rounded):
    repeat = rounded[rounded["frequency"] > 0]
    ours = GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"], index=repeat.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Peer().fit(repeat["frequency"], repeat["monetary_value"], index=repeat.index)
    assert ours._negative_log_likelihood_ <= peer._negative_log_likelihood_ + 1e-12
    assert ours.params_.tolist() == pytest.approx(peer.params_.tolist(), rel=5e-4)
    assert ours.standard_errors_.tolist() == pytest.approx(peer.standard_errors_.tolist(), rel=1e-3)
    pd.testing.assert_frame_equal(ours.data, peer.data)
    assert ours.summary.columns.tolist() == peer.summary.columns.tolist()
    pd.testing.assert_series_equal(
        ours.conditional_expected_average_profit(), peer.conditional_expected_average_profit(), rtol=1e-4
    )


def test_weights_stand_for_rows():
    x, m = amounts(3000, 6, 4, 15, seed=1)
    rows = pd.DataFrame({"x": x, "m": np.ceil(m / 5) * 5})
    cells = rows.groupby(["x", "m"], as_index=False).size()
    assert len(cells) < 300
    whole = GammaGammaFitter().fit(rows["x"], rows["m"])
    merged = GammaGammaFitter().fit(cells["x"], cells["m"], weights=cells["size"])
    assert merged.params_.tolist() == whole.params_.tolist()
    assert (merged.variance_matrix_.to_numpy() == merged.variance_matrix_.to_numpy().T).all()
    assert merged.standard_errors_.tolist() == pytest.approx(whole.standard_errors_.tolist(), rel=1e-12)


def test_intervals_cover_the_truth():
    truth = np.array([6.0, 4.0, 15.0])
    inside = []
    for seed in range(12):
        fitted = GammaGammaFitter().fit(*amounts(3000, *truth, seed=seed))
        inside.append(np.abs(np.log(fitted.params_ / truth)) < 1.96 * np.sqrt(np.diag(fitted._log_covariance())))
    # 36 intervals of 95 %: 29 or fewer hold the truth with a chance of 0.4 % if they were independent
    assert np.sum(inside) >= 30


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(1e-3, 1e7)), min_size=1, max_size=30),
)
def test_any_valid_summary_is_fitted(rows):
    fitted = GammaGammaFitter().fit([x for x, _ in rows], [m for _, m in rows])
    assert np.isfinite(fitted.params_).all()
    assert (fitted.params_ > 0).all()
    assert len(fitted.convergence_.words) > 20
    if not isinstance(fitted.spend_coefficients(np.array([1])), NotComputable):
        assert (fitted.conditional_expected_average_profit() > 0).all()


def test_one_price_for_all():
    fitted = GammaGammaFitter().fit([1, 2, 5] * 40, [30.0] * 120)
    assert fitted.convergence_.converged
    assert not fitted.convergence_.identified
    assert "expected spend is close to each customer's own mean" in fitted.convergence_.words
    assert fitted.conditional_expected_average_profit(np.array([0, 3]), np.array([0.0, 30.0])) == pytest.approx(30.0)
    assert isinstance(fitted.parameter_draws(5, seed=1), NotComputable)


# ---- no finite mean


def test_no_finite_mean_is_answered_with_a_reason():
    model = at(2.0, 0.8, 10.0)  # lifetimes answers -100 for a customer without repeat orders
    with pytest.raises(ValueError, match="Hint: ") as refused:
        model.conditional_expected_average_profit(np.array([0, 0, 3]), np.array([0.0, 0.0, 20.0]))
    assert isinstance(refused.value, ClvbookError)
    assert "q = 0.8" in refused.value.fact
    assert "2 of 3 expected amounts cannot be computed" in refused.value.fact
    mean = model.population_mean_spend()
    assert isinstance(mean, NotComputable)
    assert "q = 0.8" in mean.reason
    # three orders are enough for a mean: p (v + x m) / (p x + q - 1)
    assert model.conditional_expected_average_profit(3, 20.0) == pytest.approx(2 * (10 + 60) / (6 - 0.2))


def test_fitted_below_one_and_held_at_one():
    x, m = amounts(4000, 5.0, 0.7, 10.0, seed=1)
    free = GammaGammaFitter().fit(x, m)
    assert free.params_["q"] == pytest.approx(0.7, abs=0.06)
    held = GammaGammaFitter().fit(x, m, q_constraint=True)
    assert held.params_["q"] == 1
    assert held._negative_log_likelihood_ > free._negative_log_likelihood_
    assert held.convergence_.words.startswith("q is held at 1")
    assert isinstance(held.population_mean_spend(), NotComputable)
    x, m = amounts(4000, 5.0, 3.0, 10.0, seed=1)
    assert (
        GammaGammaFitter().fit(x, m, q_constraint=True).params_.tolist()
        == GammaGammaFitter().fit(x, m).params_.tolist()
    )


@pytest.mark.parametrize(
    ("x", "m", "fact"),
    [
        ([1, 2, 3], [5.0, 0.0, -2.0], "2 of 3 customers have monetary_value <= 0."),
        ([1, 0], [5.0, 5.0], "1 of 2 customers have frequency < 1."),
        ([1, 2.5], [5.0, 5.0], "1 of 2 customers have a frequency that is no whole number."),
        ([1, 2], [5.0, np.nan], "1 of 2 customers have no finite monetary_value."),
        ([], [], "The summary has 0 customers."),
    ],
)
def test_a_broken_summary_is_refused_with_its_count(x, m, fact):
    with pytest.raises(ValueError, match="Hint: ") as refused:  # a ValueError, as lifetimes raises
        GammaGammaFitter().fit(x, m)
    assert isinstance(refused.value, ClvbookError)
    assert refused.value.fact == fact
