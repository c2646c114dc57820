import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nbinom

from clvbook.models import future


def exact_orders(r, alpha, a, b, x, T, t) -> float:
    """Expected orders of an active customer by eq. (10) of Fader, Hardie & Lee (2005), in 60 digits."""
    with mpmath.workdps(60):
        r, alpha, a, b, T, t = (mpmath.mpf(float(value)) for value in (r, alpha, a, b, T, t))
        a = a + mpmath.mpf(10) ** -25 if a == 1 else a  # the limit: eq. (10) divides by a - 1
        z = t / (alpha + T + t)
        series = mpmath.hyp2f1(r + x, b + x, a + b + x - 1, z)
        return float((a + b + x - 1) / (a - 1) * (1 - series * (1 - z) ** (r + x)))


GRID = [
    (r, alpha, a, b, x, T, t)
    for r in (0.05, 0.243, 20.0)
    for alpha in (1e-8, 4.414)
    for a in (1e-8, 0.05, 0.793, 1.0, 1000.0)
    for b in (0.05, 2.426, 1000.0)
    for x in (0, 1, 30, 1000)
    for T, t in ((0.0, 39.0), (38.86, 39.0), (3000.0, 1.0))
    if alpha > 1 or T > 0  # a first order at the very end and no delay at all: 2F1 cannot be had there
]


def test_expected_orders_agree_with_the_closed_form():
    # every 7th of the grid: 2F1 in 60 digits takes a while; the step that future.py uses was chosen on such a grid
    for case in GRID[::7]:
        r, alpha, a, b, x, T, t = case
        ours = future.expected_orders((r, alpha, a, b), np.array([x]), np.array([alpha + T]), t)[0]
        assert ours == pytest.approx(exact_orders(*case), rel=1e-11), case


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.floats(0.05, 5), st.floats(0.5, 50), st.floats(0.02, 20), st.floats(0.02, 20), st.integers(0, 60))
def test_expected_orders_by_hypothesis(r, alpha, a, b, x):
    for T, t in ((0.0, 10.0), (30.0, 52.0)):
        ours = future.expected_orders((r, alpha, a, b), np.array([x]), np.array([alpha + T]), t)[0]
        assert ours == pytest.approx(exact_orders(r, alpha, a, b, x, T, t), rel=1e-11)


@pytest.mark.parametrize(("horizon", "annual"), [(365, 0.1), (3650, 0.1), (730, 1.0)])
@pytest.mark.parametrize("params", [(0.24, 31.0, 0.79, 2.4), (1.5, 0.5, 0.3, 0.2), (2.0, 5.0, 1.0, 50.0)])
def test_discounted_orders_are_the_discounted_rate_of_orders(params, horizon, annual):
    rate = np.log(1 + annual) / 365
    x, T = np.array([0, 3, 40]), np.array([0.0, 20.0, 400.0])
    ours = future.discounted_orders(params, x, params[1] + T, horizon, rate)

    def ordered(t, k):
        return future.expected_orders(params, x[k : k + 1], params[1] + T[k : k + 1], t)[0]

    for k in range(3):
        # Stieltjes' sum over small steps of the expected orders: trapezoid of the discount against each step's orders
        t = np.expm1(np.linspace(0, np.log1p(horizon), 4001))
        steps = np.diff(future.expected_orders(params, np.full(4001, x[k]), np.full(4001, params[1] + T[k]), t))
        discount = (np.exp(-rate * t[1:]) + np.exp(-rate * t[:-1])) / 2
        assert ours[k] == pytest.approx(steps @ discount, rel=1e-6)
        by_parts = np.exp(-rate * horizon) * ordered(horizon, k) + rate * sum(
            quad(lambda s, k=k: np.exp(-rate * s) * ordered(s, k), low, high, epsabs=0, epsrel=1e-10)[0]
            for low, high in ((0, horizon / 50), (horizon / 50, horizon))
        )
        assert ours[k] == pytest.approx(by_parts, rel=1e-8)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.floats(0.01, 50), st.floats(1e-3, 1e3), st.floats(1e-6, 1e3), st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_moments_of_the_future_for_any_customer(r, alpha, a, b, x):
    params, u = (r, alpha, a, b), np.array([alpha + 30.0])
    mean = future.expected_orders(params, np.array([x]), u, 365)[0]
    discounted = future.discounted_orders(params, np.array([x]), u, 365, np.log(1.1) / 365)[0]
    pairs = future.expected_order_pairs(params, np.array([x]), u, 365)[0]
    assert mean / 1.1 * (1 - 1e-9) <= discounted <= mean * (1 + 1e-9)
    assert pairs >= mean * (mean - 1) * (1 - 1e-9) - 1e-12  # E[N^2] >= E[N]^2


def test_variance_of_the_future_against_simulation():
    r, alpha, a, b, x, u, t, n = 0.6, 60.0, 0.8, 3.0, 4, 160.0, 365.0, 400_000
    rng = np.random.default_rng(1)
    immortal = rng.poisson(rng.gamma(r + x, 1 / u, n) * t)
    until_dropout = rng.geometric(rng.beta(a, b + x, n))
    orders = np.minimum(immortal, until_dropout)
    arguments = ((r, alpha, a, b), np.array([x]), np.array([u]), t)
    # four standard errors of the simulated means
    assert future.expected_orders(*arguments)[0] == pytest.approx(orders.mean(), abs=4 * orders.std() / n**0.5)
    squares = orders * (orders - 1.0)
    assert future.expected_order_pairs(*arguments)[0] == pytest.approx(squares.mean(), abs=4 * squares.std() / n**0.5)


def test_counts_at_the_edge_of_an_exact_sum():
    # Orders of a customer without dropout are negative binomial, and each is made with the chance of having stayed:
    # E[orders] = sum of P(count >= n) E[(1 - p)^(n - 1)]. With 9,125 orders ahead the 2F1 needs 400 digits.
    r, u, a, b, x, t = 0.0719, 400.032, 1e-8, 4002.6, 1000, 3650.0
    n = np.arange(1, 60_000)
    stays = np.concatenate([[0.0], np.cumsum(-np.log1p(a / (b + x + np.arange(n.size - 1))))])
    total = nbinom.sf(n - 1, r + x, 1 / (1 + t / u)) @ np.exp(stays)
    assert future.expected_orders((r, 0.032, a, b), np.array([x]), np.array([u]), t)[0] == pytest.approx(
        total, rel=1e-11
    )


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40), st.integers(1, 5))
def test_distinct_rows_put_back_are_the_rows(rows, t):
    x, T = (np.array(column) for column in zip(*rows, strict=True))
    (xs, Ts, ts), which = future.distinct(x, T.astype(float), t)
    assert len(set(zip(xs, Ts, ts, strict=True))) == xs.size
    assert (xs[which] == x).all()
    assert (Ts[which] == T).all()
    assert (ts[which] == t).all()


def test_nobody_orders_nothing():
    none = np.empty(0)
    params = (0.243, 4.414, 0.793, 2.426)
    assert future.expected_orders(params, none, none, none).size == 0
    assert future.discounted_orders(params, none, none, 52.0, 0.001).size == 0
    assert future.expected_order_pairs(params, none, none, 52.0).size == 0
