"""value.py: the figures of one page agree with each other, and what cannot be computed says why."""

import ibis
import numpy as np
import pandas as pd
import pytest

from clvbook.book import value as module
from clvbook.errors import NotComputable


@pytest.fixture(scope="module")
def scores(book, sim):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(sim))
        return book.scores.to_pandas()


def test_customers_are_scored_once_each_the_most_valuable_first(book, scores):
    assert sorted(scores.customer_id) == sorted(book.customers.to_pandas().customer_id)
    assert (np.diff(scores.residual_revenue) <= 0).all()
    assert scores.p_alive.between(0, 1).all()
    assert (scores.p_alive[scores.frequency == 0] == 1).all()
    assert (scores.residual_revenue > 0).all()
    assert not scores.isna().any()[["p_alive", "expected_orders", "residual_revenue", "residual_profit"]].any()


def test_scores_add_up_to_the_totals(book, scores):
    assert scores.residual_revenue.sum() == pytest.approx(book.residual_value.expected, rel=1e-9)
    assert scores.expected_orders.sum() == pytest.approx(book.expected_orders.expected, rel=1e-9)
    assert book.residual_value.low < book.residual_value.expected < book.residual_value.high
    assert book.expected_orders.low < book.expected_orders.mean_low < book.expected_orders.expected
    np.testing.assert_allclose(scores.residual_profit, 0.4 * scores.residual_revenue, rtol=1e-12)
    np.testing.assert_allclose(scores.residual_revenue, scores.discounted_orders * scores.expected_spend, rtol=1e-12)


def test_a_score_is_what_the_models_say_of_the_customer(book, scores):
    # one by one, off the cells: through the fitters' own methods
    some = scores.sample(60, random_state=1)
    history = some.frequency, some.recency, some["T"]
    orders = book.model.conditional_expected_number_of_purchases_up_to_time(365, *history)
    spend = book.spend_model.conditional_expected_average_profit(some.frequency, some.monetary_value)
    np.testing.assert_allclose(some.expected_orders, orders, rtol=1e-9)
    np.testing.assert_allclose(some.p_alive, book.model.conditional_probability_alive(*history), rtol=1e-9)
    np.testing.assert_allclose(some.expected_spend, spend, rtol=1e-9)


def test_the_base_is_counted_the_same_everywhere(book, scores):
    base = book.base
    assert base.customers == len(scores) == book.cells.weight.sum() == book.distribution.customers.sum()
    assert base.customers == book.deciles.customers.sum() == book.frequency_fit.actual.sum()
    assert base.customers == book.worth_by_month.customers.sum() == book.worth_by_source.customers.sum()
    assert base.one_time == (scores.frequency == 0).sum() == book.frequency_fit.actual[0]
    assert base.one_time + base.repeat_customers == base.customers
    assert base.purchases == (scores.frequency + 1).sum()
    assert base.revenue == pytest.approx(scores.revenue.sum(), rel=1e-12)


def test_value_is_the_same_in_groups_and_classes(book):
    total = pytest.approx(book.residual_value.expected, rel=1e-8)
    assert book.deciles.value.sum() == total
    assert book.distribution.residual_revenue.sum() == total
    assert book.deciles.past_revenue.sum() == pytest.approx(book.base.revenue, rel=1e-9)
    assert book.deciles["mean"].is_monotonic_decreasing


def test_the_back_test_looks_at_the_days_it_names(book):
    test = book.backtest
    assert (test.days, test.until) == (180, book.as_of)
    purchases = book.purchases.to_pandas().assign(day=lambda t: pd.to_datetime(t.day))
    before = purchases[purchases.day <= pd.Timestamp(test.origin)]
    after = purchases[(purchases.day > pd.Timestamp(test.origin)) & purchases.customer_id.isin(before.customer_id)]
    assert test.customers == before.customer_id.nunique() < book.base.customers
    assert test.orders_actual == len(after)
    assert test.revenue_actual == pytest.approx(after.amount.astype(float).sum(), rel=1e-9)
    assert test.model.data["T"].max() == (pd.Timestamp(test.origin) - before.day.min()).days
    # ranked by what they spent before; after it the same are compared
    shares = book.concentration
    top = before.groupby("customer_id").amount.sum().astype(float).sort_values(ascending=False)
    best = top.head(round(len(top) * 0.2)).sum() / top.sum()
    assert shares.past[4] == pytest.approx(best, abs=0.005)


def test_tracking_ends_with_the_repeat_orders_that_were_counted(book):
    purchases = book.purchases.to_pandas().assign(day=lambda t: pd.to_datetime(t.day))
    last = book.tracking.iloc[-1]
    seen = purchases[purchases.day <= last.week]
    assert last.actual_total == len(seen) - seen.customer_id.nunique()
    assert (pd.Timestamp(book.as_of) - last.week).days < 7


def test_what_new_customers_brought_is_that_of_pandas(book):
    purchases = book.purchases.to_pandas().assign(day=lambda t: pd.to_datetime(t.day))
    first = purchases.groupby("customer_id").day.transform("min")
    within = purchases[purchases.day <= first + pd.Timedelta(days=365)]
    so_far = within.groupby("customer_id").amount.sum().astype(float)
    found = book.newcomers.to_pandas().set_index("customer_id").sort_index()
    np.testing.assert_allclose(found.so_far, so_far.sort_index(), rtol=1e-12)
    assert ((found["T"] >= 365) == found.over).all()
    assert (found.rest[found.over] == 0).all()
    young = found[~found.over]
    assert (young.rest > 0).all()
    orders = book.model.conditional_expected_number_of_purchases_up_to_time(
        365 - young["T"], young.frequency, young.recency, young["T"]
    )
    np.testing.assert_allclose(young.rest, orders * young.expected_spend, rtol=1e-9)
    assert book.worth_by_month.month.tolist() == sorted(found.month.unique())


def test_a_month_makes_its_forecasts_to_be_checked_later(book):
    forecasts = {told.name: told for told in book.forecasts}
    assert forecasts["repeat_purchases"].value == book.expected_orders.expected
    assert forecasts["discounted_revenue"].value == book.residual_value.expected
    for told in forecasts.values():
        assert (str(told.made_on), str(told.first), str(told.last)) == ("2026-09-30", "2026-10-01", "2027-09-30")
        assert told.low < told.value < told.high


def test_a_cold_cache_elsewhere_gives_the_same_scores(book, opened, sim, home, scores, monkeypatch):
    cold = opened(home, orders=str(sim / "shop" / "orders.csv.gz"))
    monkeypatch.setenv("CLVBOOK_HOME", str(home))
    assert cold.scores.to_pandas().equals(scores)
    assert cold.residual_value == book.residual_value
    assert cold.expected_orders == book.expected_orders
    monkeypatch.setenv("CLVBOOK_HOME", str(sim))
    monkeypatch.setattr(module.ValueBook, "_score", None)
    assert opened().scores.to_pandas().equals(scores)  # found, and not computed again


def test_without_a_margin_there_is_no_profit(opened, scores):
    plain = opened(margin_rate=None)
    assert plain.scores.columns == tuple(c for c in scores.columns if c != "residual_profit")
    assert plain.new_customer.profit == NotComputable("margin_rate is not set")
    assert plain.new_customer.revenue > 0


def test_maps_show_both_measures(book):
    alive, ahead = book.history_map("p_alive"), book.history_map("expected_orders")
    assert alive.shape == ahead.shape
    assert np.nanmax(alive) <= 1 < np.nanmax(ahead)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"min_customers": 5000}, "5,000 needed"),
        ({"min_repeat_customers": 4000}, "customers with a repeat purchase, 4,000 needed"),
    ],
)
def test_below_the_least_numbers_nothing_is_modelled(opened, values, reason):
    small = opened(**values)
    names = ["model", "spend_model", "scores", "valued", "frequency_fit", "backtest", "tracking", "concentration",
             "expected_orders", "residual_value", "new_customer", "deciles", "distribution", "newcomers",
             "worth_by_month", "worth_by_source"]  # fmt: skip
    for found in [*(getattr(small, name) for name in names), small.history_map("p_alive")]:
        assert isinstance(found, NotComputable)
        assert str(found).startswith("not enough data: ")
        assert reason in str(found)
    assert small.forecasts == []
    assert small.base.customers > 1000  # what is counted needs no model
    assert small.spend_correlation.n > 100


def test_a_back_test_needs_twice_its_days(opened):
    short = opened(backtest_days=600)
    assert str(short.backtest).startswith("not enough data: ")
    assert str(short.backtest).endswith("days of orders; holding out 600 needs 1,200 (backtest_days)")
    assert short.tracking == short.concentration == short.backtest
    assert short.residual_value.expected > 0


def test_a_back_test_needs_enough_customers_where_it_begins(opened, book):
    known = book.backtest.customers
    found = opened(min_customers=known + 1)
    assert found.base.customers > known
    lacks = f"not enough data: {known:,} customers, {known + 1:,} needed"
    assert found.backtest == NotComputable(f"{lacks}, up to 2026-04-03, where the back-test has to begin")


def test_without_a_spend_model_customers_have_orders_and_no_money(opened, monkeypatch):
    missing = NotComputable("not enough data: no two repeat customers with different amounts")
    monkeypatch.setattr(module.ValueBook, "_fit_spend", lambda *_: missing)
    poor = opened(horizon_days=300)  # a horizon of its own: no other test's scores are found
    assert poor.valued == poor.deciles == poor.distribution == poor.worth_by_month == missing
    assert poor.residual_value.expected == poor.new_customer.revenue == poor.backtest.revenue_error == missing
    scores = poor.scores.to_pandas()
    assert scores.residual_revenue.isna().all()
    assert scores.expected_orders.sum() == pytest.approx(poor.expected_orders.expected, rel=1e-9)
    assert [told.name for told in poor.forecasts] == ["repeat_purchases"]
    nulls = poor.scores.aggregate(n=ibis._.residual_revenue.isnull().sum()).to_pandas().n[0]
    assert nulls == len(scores)  # null, as a table in Parquet has it, and not NaN


def test_where_orders_have_no_source_the_table_says_so(tiny):
    found = tiny([("1", "a", "2026-01-01", 9)], month="2026-01", min_customers=1)
    assert found.worth_by_source == NotComputable(
        "the orders have no column that says where a customer came from (source)"
    )
