import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifetimes import BetaGeoFitter as Peer
from lifetimes import plotting
from scipy.optimize import check_grad

from clvbook.errors import ClvbookError, NotComputable
from clvbook.models import BetaGeoFitter, beta_geo, future

# Rounded CDNOW estimates: Fader, Hardie & Lee (2005), table 2
CDNOW = (0.243, 4.414, 0.793, 2.426)


# ---- published numbers


def test_cdnow_estimates(cdnow, orders):
    assert (len(cdnow), cdnow["frequency"].sum(), (cdnow["frequency"] == 0).sum()) == (2357, 2457, 1411)
    # Fader, Hardie & Lee (2005), table 2
    assert orders.params_.round(3).tolist() == [0.243, 4.414, 0.793, 2.426]
    # log-likelihood of R package BTYD 2.4.3; lifetimes reports the mean with time scaled to max T
    total = -len(cdnow) * orders._negative_log_likelihood_ - 2457 * np.log(cdnow["T"].max())
    assert total == pytest.approx(-9582.429, abs=5e-4)
    assert orders.convergence_.converged
    assert orders.convergence_.identified
    assert orders.convergence_.gradient_norm < 1e-12


def test_standard_errors_as_lifetimes_prints_them(rounded):
    model = BetaGeoFitter().fit(rounded["frequency"], rounded["recency"], rounded["T"])
    # lifetimes 0.11.3 on the summary that it ships; its search ends 3e-6 short of the maximum
    expected = [0.012557, 0.378221, 0.185719, 0.705345]
    assert model.standard_errors_.tolist() == pytest.approx(expected, abs=1e-6)
    assert model.params_.index.tolist() == model.summary.index.tolist() == ["r", "alpha", "a", "b"]
    # its printed coefficients, R package CLVTools 0.12.1
    assert model.summary["coef"].tolist() == pytest.approx([0.2425945, 4.4136019, 0.7929199, 2.4258881], rel=1e-4)


def test_customer_1516(orders):
    # BTYD 2.4.3 walkthrough: x = 26, t_x = 30.857, T = 31 weeks
    t_x = 216 / 7
    assert orders.predict(52, 26, t_x, 31) == pytest.approx(25.757, abs=1e-3)
    assert orders.conditional_probability_alive(26, t_x, 31) == pytest.approx([0.96885], abs=1e-5)
    assert orders.expected_number_of_purchases_up_to_time(52) == pytest.approx(1.444, abs=5e-4)


def test_customers_of_btyd_at_its_estimates(at):
    model = at(0.2425967, 4.413659, 0.7929869, 2.426164)  # BTYD 2.4.3: parameters and the four expectations
    expected = [0.3474606, 0.04283391, 0.004158973, 0.0003583685]
    assert model.predict(52, np.array([10, 15, 20, 25]), 20, 39) == pytest.approx(expected, rel=1e-6)
    assert model.predict(52, 26, 216 / 7, 31) == pytest.approx(25.75659, rel=1e-6)
    assert model.conditional_probability_alive(26, 216 / 7, 31)[0] == pytest.approx(0.9688523, abs=1e-7)
    assert model.expected_number_of_purchases_up_to_time(52) == pytest.approx(1.444004, rel=1e-6)


def test_expectations_of_lifetimes_tests(orders, at):
    # lifetimes' test_beta_geo_fitter.py, from Hardie's spreadsheet: at the estimates themselves
    times = np.array([0.1429, 1, 3, 31.8571, 32, 78])
    expected = [0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576]
    assert orders.expected_number_of_purchases_up_to_time(times) == pytest.approx(expected, abs=5e-4)
    model = at(*CDNOW)
    assert model.predict(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=5e-4)
    # a new customer: pymc-marketing's test_beta_geo.py
    new = [0.05326789117165627, 0.15086523089304896, 0.2807558935767553]
    assert model.expected_number_of_purchases_up_to_time(np.array([1, 3, 6])) == pytest.approx(new, rel=1e-12)


def test_order_counts_of_lifetimes_tests(at):
    model = at(*CDNOW)
    # lifetimes' test_beta_geo_fitter.py, computed with BTYD
    assert model.probability_of_n_purchases_up_to_time(39, 0) == pytest.approx(0.5737864, abs=1e-7)
    assert model.probability_of_n_purchases_up_to_time(2, 10) == pytest.approx(1.07869e-07, rel=1e-5)
    # fmt: off
    expected = [
        0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638,
        0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260,
    ]
    # fmt: on
    assert model.probability_of_n_purchases_up_to_time(30, np.arange(11, 21)) == pytest.approx(expected, abs=1e-9)


# ---- the formulas


def test_derivatives_are_those_of_lifetimes_likelihood(cdnow):
    from autograd import grad, hessian

    x, t_x, T = cdnow["frequency"].to_numpy().astype(int), cdnow["recency"] / 40, cdnow["T"] / 40
    weights = np.arange(len(x)) % 3 + 1.0
    for penalizer in (0.0, 0.03):
        objective = beta_geo.objective(x, t_x.to_numpy(), T.to_numpy(), weights, penalizer)
        for theta in (np.zeros(4), np.log([0.24, 0.11, 0.8, 2.4]), np.array([2.0, -3.0, -6.0, 3.0])):
            value, gradient, bends = objective(theta)
            with warnings.catch_warnings():  # lifetimes sets a global filter inside its likelihood
                data = (x, t_x.to_numpy(), T.to_numpy(), weights, penalizer)
                assert value == pytest.approx(Peer._negative_log_likelihood(theta, *data), rel=1e-12)
                assert gradient == pytest.approx(grad(Peer._negative_log_likelihood)(theta, *data), abs=1e-9)
                assert bends == pytest.approx(hessian(Peer._negative_log_likelihood)(theta, *data), abs=1e-8)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(-4, 4), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_gradient_is_the_slope(theta, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 300, 30)
    T = rng.uniform(0, 1, 30)
    objective = beta_geo.objective(x, T * rng.uniform(0, 1, 30) * (x > 0), T, rng.integers(1, 9, 30).astype(float))
    value, gradient, bends = objective(np.array(theta))
    scale = 1 + np.linalg.norm(gradient) + abs(value)
    assert check_grad(lambda t: objective(t)[0], lambda t: objective(t)[1], np.array(theta)) / scale < 1e-5
    step = 1e-5
    rows = [(objective(theta + step * e)[1] - objective(theta - step * e)[1]) / (2 * step) for e in np.eye(4)]
    assert np.abs(bends - rows).max() / (1 + np.abs(bends).max()) < 1e-6


positive = st.floats(1e-8, 1e4)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(positive, positive, positive, positive, st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1e5), positive)
def test_any_valid_customer_has_an_answer(r, alpha, a, b, x, share, T, t):
    # pytest turns warnings into errors, so this also shows that there are none
    model = BetaGeoFitter()
    model.params_ = pd.Series([r, alpha, a, b], index=beta_geo.NAMES)
    t_x = share * T if x else 0.0
    alive = model.conditional_probability_alive(x, t_x, T)[0]
    given_alive = future.expected_orders((r, alpha, a, b), np.array([x]), np.array([alpha + T]), t)[0]
    assert 0 <= alive <= 1
    # no more orders than without dropout
    assert 0 < given_alive <= (r + x) * t / (alpha + T) * (1 + 1e-9)
    assert model.predict(t, x, t_x, T) == pytest.approx(alive * given_alive, rel=1e-12)
    chances = model.probability_of_n_purchases_up_to_time(t, np.arange(300))
    assert ((chances >= 0) & (chances <= 1)).all()


def test_where_lifetimes_fails(at):
    # a + b < 1 and x = 0, lifetimes issues 302 and 442: NaN there; the value is 2F1's, checked with mpmath
    assert at(0.11, 2.24, 0.31, 0.5).predict(30, 0, 0, 1) == pytest.approx(0.56459, abs=5e-6)
    # a = 1: infinite there; the limit lies between its neighbours
    below, one, above = (at(0.243, 4.414, a, 2.426).predict(39, 2, 30.43, 38.86) for a in (0.999, 1, 1.001))
    assert above < one < below
    # x = 1000 in 10 of 100 weeks: surely gone; 200 orders: gamma() overflows there
    assert at(*CDNOW).conditional_probability_alive(1000, 10, 100)[0] == 0
    assert 0 < at(*CDNOW).probability_of_n_purchases_up_to_time(39, 200) < 1e-12


def test_order_counts_sum_to_one_and_have_the_expected_mean(at):
    model, n = at(0.5, 10.0, 0.8, 2.0), np.arange(4000)
    chances = model.probability_of_n_purchases_up_to_time(100, n)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert chances @ n == pytest.approx(model.expected_number_of_purchases_up_to_time(100), rel=1e-10)


# ---- the fit


def test_weights_stand_for_rows(cdnow, orders):
    whole = cdnow.assign(weight=1).groupby(["frequency", "recency", "T"], as_index=False)["weight"].sum()
    assert len(whole) < len(cdnow)
    cells = BetaGeoFitter().fit(whole["frequency"], whole["recency"], whole["T"], weights=whole["weight"])
    assert cells.params_.tolist() == orders.params_.tolist()
    assert cells.variance_matrix_.to_numpy() == pytest.approx(orders.variance_matrix_.to_numpy(), rel=1e-12)
    shuffled = cdnow.sample(frac=1, random_state=1)
    again = BetaGeoFitter().fit(shuffled["frequency"], shuffled["recency"], shuffled["T"])
    assert again.params_.tolist() == orders.params_.tolist()


def test_drop_in_for_lifetimes(rounded):
    columns = [rounded[name] for name in ("frequency", "recency", "T")]
    for penalizer in (0.0, 0.01):
        ours = BetaGeoFitter(penalizer_coef=penalizer).fit(*columns, index=rounded.index)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = Peer(penalizer_coef=penalizer).fit(*columns, index=rounded.index)
            predicted = peer.predict(10, *columns)
        assert ours.params_.tolist() == pytest.approx(peer.params_.tolist(), rel=1e-5)
        assert ours._negative_log_likelihood_ == pytest.approx(peer._negative_log_likelihood_, abs=1e-12)
        assert ours.standard_errors_.tolist() == pytest.approx(peer.standard_errors_.tolist(), rel=1e-5)
        pd.testing.assert_frame_equal(ours.summary, peer.summary, rtol=1e-4)
        pd.testing.assert_frame_equal(ours.data, peer.data)
        pd.testing.assert_series_equal(ours.predict(10, *columns), predicted, rtol=1e-5)


def test_covariance_is_symmetric(orders):
    matrix = orders.variance_matrix_
    assert (matrix.to_numpy() == matrix.to_numpy().T).all()
    assert np.sqrt(np.diag(matrix)) == pytest.approx(orders.standard_errors_.tolist())
    draws = orders.parameter_draws(200_000, seed=1)
    # a and b go together (off the diagonal lifetimes has 0.0403 or 0.3768 there, by row)
    assert np.corrcoef(np.log(draws[:, 2]), np.log(draws[:, 3]))[0, 1] == pytest.approx(
        matrix.loc["a", "b"] / np.sqrt(matrix.loc["a", "a"] * matrix.loc["b", "b"]), abs=0.005
    )
    assert (orders.parameter_draws(3, seed=1) == orders.parameter_draws(3, seed=1)).all()


def test_intervals_cover_the_truth(at):
    truth = np.array([0.5, 8.0, 0.8, 2.5])
    model = at(*truth)
    model.data = pd.DataFrame({"T": np.random.default_rng(0).uniform(5, 100, 4000)})
    inside = []
    for seed in range(12):
        shop = model.generate_new_data(4000, seed=seed)
        fitted = BetaGeoFitter().fit(shop["frequency"], shop["recency"], shop["T"])
        errors = np.sqrt(np.diag(fitted._log_covariance()))
        inside.append(np.abs(np.log(fitted.params_ / truth)) < 1.96 * errors)
    # 48 intervals of 95 %: 41 or fewer hold the truth with a chance of 0.4 % if they were independent
    assert np.sum(inside) >= 42


def test_nobody_has_dropped_out_yet(at):
    model = at(0.6, 60.0, 1e-9, 1.0)
    model.data = pd.DataFrame({"T": np.random.default_rng(0).uniform(1, 200, 2000)})
    shop = model.generate_new_data(2000, seed=4)
    fitted = BetaGeoFitter().fit(shop["frequency"], shop["recency"], shop["T"])
    assert fitted.convergence_.converged
    assert not fitted.convergence_.identified
    assert fitted.convergence_.words.startswith("Dropout is not visible in these data yet")
    refused = fitted.parameter_draws(10, seed=1)
    assert isinstance(refused, NotComputable)
    assert refused.reason == fitted.convergence_.words
    assert fitted.predict(30, 3, 90.0, 100.0) == pytest.approx(30 * (3 + 0.6) / (100 + 60), rel=0.1)


@pytest.mark.parametrize(
    ("x", "t_x", "T"),
    [
        ([0] * 5, [0] * 5, [1, 2, 3, 4, 5]),  # nobody came back
        ([3] * 9, [9] * 9, [10] * 9),  # all the same
        ([1], [1], [1]),  # one customer, ordering on the last day
        ([0, 0, 1000], [0, 0, 300], [300, 0, 300]),
    ],
)
def test_any_valid_summary_is_fitted(x, t_x, T):
    fitted = BetaGeoFitter().fit(x, t_x, T)
    assert np.isfinite(fitted.params_).all()
    assert (fitted.params_ > 0).all()
    assert fitted.convergence_.converged
    assert not fitted.convergence_.identified
    assert np.isfinite(fitted.predict(30, *(np.array(column) for column in (x, t_x, T)))).all()


@pytest.mark.parametrize(
    ("x", "t_x", "T", "fact"),
    [
        ([1, 2, 3], [5, 5, 12], [10, 10, 10], "1 of 3 customers have recency > T."),
        ([1.5, 2, 3], [5, 5, 5], [10, 10, 10], "1 of 3 customers have a frequency that is no whole number."),
        ([-1, 2], [0, 1], [5, 5], "1 of 2 customers have frequency < 0."),
        ([1, 2], [-1, 1], [5, 5], "1 of 2 customers have recency < 0."),
        ([0, 2], [3, 1], [5, 5], "1 of 2 customers have recency above 0 without a repeat order."),
        ([0, np.nan], [0, 1], [5, 5], "1 of 2 customers have no finite frequency."),
        ([], [], [], "The summary has 0 customers."),
        ([1], [1], [5, 5], "The columns differ in length: {'frequency': 1, 'recency': 1, 'T': 2}."),
        ([0, 0], [0, 0], [0, 0], "All 2 customers have T = 0."),
    ],
)
def test_a_broken_summary_is_refused_with_its_count(x, t_x, T, fact):
    with pytest.raises(ValueError, match="Hint: ") as refused:  # a ValueError, as lifetimes raises
        BetaGeoFitter().fit(x, t_x, T)
    assert isinstance(refused.value, ClvbookError)
    assert refused.value.fact == fact


# ---- with lifetimes around it


def test_lifetimes_plots(orders, cdnow):
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    axes = plotting.plot_frequency_recency_matrix(orders, T=4, max_frequency=6, max_recency=38)
    assert axes.get_images()[0].get_array()[38, 6] == pytest.approx(orders.predict(4, 6, 38, 38))
    plt.close("all")
    axes = plotting.plot_probability_alive_matrix(orders)
    shown = axes.get_images()[0].get_array()
    assert shown[20, 10] == pytest.approx(orders.conditional_probability_alive(10, 20, 38)[0])
    plt.close("all")
    np.random.seed(1)
    axes = plotting.plot_period_transactions(orders)
    actual = [bar.get_height() for bar in axes.containers[0]]
    model = np.array([bar.get_height() for bar in axes.containers[1]])
    assert actual[:2] == [1411, 439]  # zero and one repeat order: Fader, Hardie & Lee (2005), figure 1
    assert model / len(cdnow) == pytest.approx(np.array(actual) / len(cdnow), abs=0.03)
    plt.close("all")
    axes = plotting.plot_expected_repeat_purchases(orders, label="CDNOW")
    weeks, expected = axes.lines[0].get_data()
    assert expected == pytest.approx(orders.expected_number_of_purchases_up_to_time(weeks))
    plt.close("all")
    plotting.plot_transaction_rate_heterogeneity(orders)
    axes = plotting.plot_dropout_rate_heterogeneity(orders)
    assert "mean: 0.246" in axes.get_title()  # .793 / (.793 + 2.426)
    plt.close("all")


def test_saved_and_loaded(orders, tmp_path):
    orders.save_model(tmp_path / "model.pkl", save_data=False, save_generate_data_method=False)
    loaded = BetaGeoFitter()
    loaded.load_model(tmp_path / "model.pkl")
    assert loaded.data is None
    assert loaded.predict(52, 26, 30.857, 31) == orders.predict(52, 26, 30.857, 31)
    assert orders.data is not None


def test_importing_changes_no_warning_filter():
    import subprocess
    import sys

    script = "import warnings; before = warnings.filters[:]; import clvbook.models; assert warnings.filters == before"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_generated_data_follow_the_model(at):
    model = at(*CDNOW)
    shop = model.generate_new_data(40_000, seed=1)
    shares = [(shop["frequency"] == n).mean() for n in range(4)]
    assert shares == pytest.approx(model.probability_of_n_purchases_up_to_time(39, np.arange(4)), abs=0.01)
    assert shop["frequency"].mean() == pytest.approx(model.expected_number_of_purchases_up_to_time(39), rel=0.03)
    pd.testing.assert_frame_equal(shop, model.generate_new_data(40_000, seed=1))
