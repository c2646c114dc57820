import numpy as np
import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.models import BetaGeoFitter, GammaGammaFitter, value

YEAR = {"horizon_days": 365, "annual_discount_rate": 0.1}


def fitted_shop(seed: int, *, customers: int = 4000, days: int = 500) -> tuple[pd.DataFrame, BetaGeoFitter]:
    """A shop of known truth in days, split at `days`: each customer's history and orders in the 365 days after."""
    rng = np.random.default_rng(seed)
    T = rng.integers(1, days, customers).astype(float)
    truth = BetaGeoFitter()
    truth.params_ = pd.Series([0.6, 60.0, 0.8, 3.0], index=["r", "alpha", "a", "b"])
    rate, p = rng.gamma(0.6, 1 / 60.0, customers), rng.beta(0.8, 3.0, customers)
    x, t_x, later = np.zeros(customers, dtype=int), np.zeros(customers), np.zeros(customers, dtype=int)
    now, going = np.zeros(customers), np.ones(customers, dtype=bool)
    while going.any():
        now = now + rng.exponential(1 / rate)
        seen, ahead = going & (now < T), going & (now >= T) & (now < T + 365)
        x, t_x, later = x + seen, np.where(seen, now, t_x), later + ahead
        going = (seen | ahead) & (rng.random(customers) > p)
    cells = pd.DataFrame({"frequency": x, "recency": t_x, "T": T, "weight": 1, "later": later})
    return cells, BetaGeoFitter().fit(x, t_x, T)


@pytest.fixture(scope="module")
def shop():
    return fitted_shop(1)


@pytest.fixture(scope="module")
def amounts():
    rng = np.random.default_rng(1)
    x = rng.geometric(0.4, 2000)
    return GammaGammaFitter().fit(x, rng.gamma(6 * x, 15 / (rng.gamma(4, size=2000) * x)))


# ---- one customer


def test_scores_are_the_model_s_own(shop):
    cells, model = shop
    history = [cells[name] for name in ("frequency", "recency", "T")]
    scores = value.score_cells(model, cells, **YEAR)
    assert scores.columns.tolist() == [
        "frequency",
        "recency",
        "T",
        "weight",
        "p_alive",
        "expected_orders",
        "discounted_orders",
    ]
    assert scores["p_alive"].tolist() == model.conditional_probability_alive(*history).tolist()
    assert scores["expected_orders"].tolist() == pytest.approx(model.predict(365, *history).tolist(), rel=1e-12)
    undiscounted = value.score_cells(model, cells, horizon_days=365, annual_discount_rate=0.0)
    assert undiscounted["discounted_orders"].tolist() == scores["expected_orders"].tolist()
    assert (scores["discounted_orders"] < scores["expected_orders"]).all()
    assert (scores["discounted_orders"] > scores["expected_orders"] / 1.1).all()


def test_spend_is_a_line_in_the_own_mean(amounts):
    x, m = np.array([0, 1, 7]), np.array([0.0, 20.0, 90.0])
    lines = value.expected_spend_coefficients(amounts, x)
    assert lines["slope"].iloc[0] == 0
    assert lines["intercept"].iloc[0] == amounts.population_mean_spend()
    expected = amounts.conditional_expected_average_profit(x, m)
    assert (lines["intercept"] + lines["slope"] * m).tolist() == expected.tolist()
    assert value.expected_spend_coefficients(amounts, pd.Series(x, index=[7, 8, 9])).index.tolist() == [7, 8, 9]


def test_new_customer(shop, amounts):
    _, model = shop
    new = value.new_customer_value(model, amounts, **YEAR, margin_rate=0.4)
    assert new.orders == model.expected_number_of_purchases_up_to_time(365)
    assert new.discounted_orders < new.orders
    assert new.revenue == new.discounted_orders * amounts.population_mean_spend()
    assert new.profit == new.revenue * 0.4


def test_what_cannot_be_computed_says_why(shop):
    cells, model = shop
    heavy = GammaGammaFitter()
    heavy.params_ = pd.Series([2.0, 0.8, 10.0], index=["p", "q", "v"])
    new = value.new_customer_value(model, heavy, **YEAR)
    for reason in (new.spend, new.revenue, value.expected_spend_coefficients(heavy, [0, 1])):
        assert isinstance(reason, NotComputable)
        assert "q = 0.8" in reason.reason
    total = value.value_total(model, heavy, cells.assign(spend=0.0), **YEAR, confidence=0.95, draws=50, seed=1)
    assert "q = 0.8" in total.expected.reason
    assert value.profit(100.0, margin_rate=None) == NotComputable("margin_rate is not set")
    missing = NotComputable("not enough data: 3 repeat customers, 50 needed")
    assert value.new_customer_value(model, missing, **YEAR).revenue == missing
    assert value.value_total(model, missing, cells, **YEAR, confidence=0.95, draws=50, seed=1).low == missing


# ---- all customers


def test_expected_cumulative(shop):
    _, model = shop
    first = pd.Series([5, 2], index=[0, 10])
    expected = model.expected_number_of_purchases_up_to_time
    assert value.expected_cumulative(model, first, [0, 4, 30]) == pytest.approx(
        [0, 5 * expected(4), 5 * expected(30) + 2 * expected(20)]
    )


def test_tracking_of_cdnow(cdnow, orders):
    # by-day first purchases of the sample; 39 weeks, and 2,457 repeat purchases came (Fader, Hardie & Lee 2005)
    first = (39 - cdnow["T"]).round(6).value_counts()
    total = value.expected_cumulative(orders, first, [39])[0]
    assert total == pytest.approx((orders.expected_number_of_purchases_up_to_time(cdnow["T"])).sum(), rel=1e-6)
    assert total == pytest.approx(2457, rel=0.02)


def test_total_and_its_two_intervals(shop):
    cells, model = shop
    total = value.orders_total(model, cells, horizon_days=365, confidence=0.95, draws=200, seed=1)
    scores = value.score_cells(model, cells, **YEAR)
    assert total.expected == pytest.approx(scores["expected_orders"].sum(), rel=1e-12)
    assert total.low < total.mean_low < total.expected < total.mean_high < total.high
    again = value.orders_total(model, cells, horizon_days=365, confidence=0.95, draws=200, seed=1)
    assert total == again
    narrow = value.orders_total(model, cells, horizon_days=365, confidence=0.5, draws=200, seed=1)
    assert total.low < narrow.low < narrow.high < total.high


def test_prediction_interval_holds_what_comes():
    inside, errors = 0, []
    for seed in range(20):
        cells, model = fitted_shop(seed, customers=2500)
        total = value.orders_total(model, cells, horizon_days=365, confidence=0.9, draws=100, seed=1)
        inside += total.low <= cells["later"].sum() <= total.high
        errors.append(cells["later"].sum() / total.expected - 1)
    assert inside >= 15  # 20 intervals of 90 %: 14 or fewer with a chance of 1.1 %
    assert abs(np.mean(errors)) < 0.03


def test_draws_through_few_ages_give_the_same_total(shop, amounts):
    cells, model = shop
    base = value._Base(cells.assign(spend=20.0 * cells["frequency"]), model)
    assert base.ages.size == value.AGES
    scores = value.score_cells(model, cells, **YEAR)
    by_weight, by_spend = base.orders(model.params_.to_numpy(), 365, value._daily(0.1))
    assert by_weight.sum() == pytest.approx(scores["discounted_orders"].sum(), rel=1e-8)
    expected = (scores["discounted_orders"] * 20.0 * cells["frequency"]).sum()
    assert by_spend.sum() == pytest.approx(expected, rel=1e-8)
    elsewhere = np.array([0.9, 35.0, 1.4, 2.0])
    moved = value._with(model, elsewhere)
    assert base.orders(elsewhere, 365, 0.0)[0].sum() == pytest.approx(
        value.score_cells(moved, cells, **YEAR)["expected_orders"].sum(), rel=1e-8
    )


def test_value_of_the_base(shop, amounts):
    cells, model = shop
    own = np.where(cells["frequency"] > 0, 25.0, 0.0)
    total = value.value_total(model, amounts, cells.assign(spend=own), **YEAR, confidence=0.95, draws=100, seed=1)
    spend = amounts.conditional_expected_average_profit(cells["frequency"].to_numpy(), own)
    assert total.expected == pytest.approx(value.score_cells(model, cells, **YEAR)["discounted_orders"] @ spend)
    assert total.low < total.expected < total.high
    # the uncertainty of spend comes on top of that of orders
    orders = value.orders_total(model, cells, horizon_days=365, confidence=0.95, draws=100, seed=1)
    assert np.log(total.high / total.low) > np.log(orders.mean_high / orders.mean_low) * 0.9


def test_cells_and_customers_have_the_same_total(shop, amounts):
    cells, model = shop
    rows = cells.assign(recency=np.floor(cells["recency"]), spend=np.where(cells["frequency"] > 0, 25.0, 0.0))
    merged = rows.groupby(["frequency", "recency", "T"], as_index=False)[["weight", "spend"]].sum()
    assert len(merged) < len(rows)
    options = {"confidence": 0.95, "draws": 50, "seed": 1}
    one, other = (value.value_total(model, amounts, frame, **YEAR, **options) for frame in (rows, merged))
    assert (one.expected, one.low, one.high) == pytest.approx((other.expected, other.low, other.high), rel=1e-9)


def test_no_interval_where_dropout_is_not_visible():
    x = np.repeat([0, 1, 2, 3], 50)
    T = np.tile(np.arange(1.0, 51.0), 4) + 30
    model = BetaGeoFitter().fit(x, np.where(x > 0, T, 0.0), T)  # everyone ordered on the last day
    cells = pd.DataFrame({"frequency": x, "recency": np.where(x > 0, T, 0.0), "T": T, "weight": 1})
    total = value.orders_total(model, cells, horizon_days=30, confidence=0.95, draws=50, seed=1)
    assert total.expected > 0
    assert total.low == total.mean_high == NotComputable(model.convergence_.words)


def test_a_base_whose_dropout_is_not_visible_has_a_value_and_no_interval():
    # everyone orders every 10 days to the end: nobody has left, so a and b are not determined
    cells = pd.DataFrame({"frequency": [18, 19, 20, 0], "recency": [180, 190, 200, 0], "T": [185, 196, 204, 3]})
    cells = cells.assign(weight=[300, 300, 300, 60], spend=[3000.0, 3300.0, 3100.0, 0.0])
    model = BetaGeoFitter().fit(cells.frequency, cells.recency, cells["T"], weights=cells.weight)
    amounts = np.linspace(5.0, 20.0, 40)
    spend = GammaGammaFitter().fit(np.full(40, 3), amounts)
    assert not model.convergence_.identified
    total = value.value_total(
        model, spend, cells, horizon_days=90, annual_discount_rate=0.1, confidence=0.95, draws=50, seed=1
    )
    assert total.expected > 0
    assert isinstance(total.low, NotComputable)
    assert isinstance(total.high, NotComputable)
