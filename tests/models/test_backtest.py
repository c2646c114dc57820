"""backtest.py against a by-hand count of a small random shop; its revenue against customers one by one."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.models import BetaGeoFitter, GammaGammaFitter, backtest

ORIGIN, AHEAD = date(2026, 4, 30), 60
DRAWS = {"confidence": 0.9, "draws": 50, "seed": 1}


def made_shop(seed=1, customers=600):
    """Orders day by day, as a customer of BG/NBD makes them: customer, day (0 is the first), amount."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        day, level = rng.integers(0, 200), rng.gamma(4, 12)
        rate, leaves = rng.gamma(0.8, 1 / 20), rng.beta(1, 3)
        while day < 200 + AHEAD:
            rows.append((customer, day, round(level * rng.gamma(6, 1 / 6), 2) + 0.01))
            if rng.random() < leaves:
                break
            day += 1 + int(rng.exponential(1 / rate))
    return pd.DataFrame(rows, columns=["customer", "day", "amount"])


def customers_as_of(orders, origin):
    """One row a customer known at `origin`, and what each did after, in plain pandas."""
    seen, later = orders[orders.day <= origin], orders[orders.day > origin]
    groups = seen.groupby("customer")
    frame = groups.day.agg(first="min", last="max", frequency="count").assign(total=groups.amount.sum())
    first_amount = seen.sort_values("day").groupby("customer").amount.first()
    frame["frequency"] -= 1
    frame["recency"], frame["T"] = frame["last"] - frame["first"], origin - frame["first"]
    frame["monetary_value"] = ((frame.total - first_amount) / frame.frequency.where(frame.frequency > 0)).fillna(0.0)
    future = later.groupby("customer").amount.agg(["count", "sum"]).reindex(frame.index, fill_value=0)
    return frame.assign(future_orders=future["count"], future_revenue=future["sum"])


def to_cells(people):
    return (
        people.assign(weight=1, spend=people.monetary_value)
        .groupby(["frequency", "recency", "T"], as_index=False)[["weight", "spend", "future_orders", "future_revenue"]]
        .sum()
    )


@pytest.fixture(scope="module")
def shop():
    people = customers_as_of(made_shop(), 199)
    model = BetaGeoFitter().fit(people.frequency, people.recency, people["T"])
    repeat = people[people.frequency > 0]
    return people, model, GammaGammaFitter().fit(repeat.frequency, repeat.monetary_value)


def run(model, spend, cells):
    return backtest.run(model, spend, cells, origin=ORIGIN, until=ORIGIN + timedelta(days=AHEAD), **DRAWS)


def test_the_forecast_is_the_sum_over_customers(shop):
    people, model, spend = shop
    cells = to_cells(people)
    assert len(cells) < len(people)  # the cells do share customers
    test = run(model, spend, cells)
    orders = model.conditional_expected_number_of_purchases_up_to_time(
        AHEAD, people.frequency, people.recency, people["T"]
    )
    amounts = spend.conditional_expected_average_profit(people.frequency, people.monetary_value)
    assert (test.days, test.customers) == (AHEAD, len(people))
    assert test.orders_actual == people.future_orders.sum() > 0
    assert test.revenue_actual == pytest.approx(people.future_revenue.sum(), rel=1e-12)
    assert test.orders_expected == pytest.approx(orders.sum(), rel=1e-9)
    assert test.revenue_expected == pytest.approx((orders * amounts).sum(), rel=1e-9)
    assert test.orders_low < test.orders_expected < test.orders_high
    assert test.model is model


def test_customers_by_frequency_add_up_to_the_totals(shop):
    people, model, spend = shop
    test = run(model, spend, to_cells(people))
    groups = test.by_frequency
    assert groups.customers.sum() == test.customers
    assert groups.customers @ groups.actual == pytest.approx(test.orders_actual, rel=1e-12)
    assert groups.customers @ groups.expected == pytest.approx(test.orders_expected, rel=1e-9)
    by_hand = people.groupby(people.frequency.clip(upper=7)).future_orders.agg(["count", "mean"])
    assert groups.frequency.tolist() == [str(n) if n < 7 else "7+" for n in by_hand.index]
    assert groups.frequency.iloc[-1] == "7+"  # the shop has customers to share the last row
    assert groups.customers.tolist() == by_hand["count"].tolist()
    np.testing.assert_allclose(groups.actual, by_hand["mean"], rtol=1e-12)


@pytest.mark.parametrize(("factor", "sign"), [(0.5, 1), (2.0, -1)])
def test_an_error_above_zero_is_a_forecast_too_high(shop, factor, sign):
    people, model, spend = shop
    cells = to_cells(people)
    test = run(model, spend, cells)
    cells["future_orders"] = factor * test.orders_expected * cells.weight / cells.weight.sum()
    cells["future_revenue"] = factor * test.revenue_expected * cells.weight / cells.weight.sum()
    off = run(model, spend, cells)
    assert off.orders_error == pytest.approx(1 / factor - 1, rel=1e-9)
    assert off.revenue_error == pytest.approx(1 / factor - 1, rel=1e-9)
    assert np.sign(off.orders_error) == sign
    assert off.within_interval is False


def test_what_came_is_inside_the_interval_or_not(shop):
    people, model, spend = shop
    cells = to_cells(people)
    test = run(model, spend, cells)
    ends = {"at its low end": test.orders_low, "at its high end": test.orders_high}
    for came, inside in [*((end, True) for end in ends.values()), (test.orders_high * 1.01, False)]:
        cells["future_orders"] = 0.0
        cells.loc[0, "future_orders"] = came
        assert run(model, spend, cells).within_interval is inside


def test_where_nobody_bought_there_is_no_error_but_a_reason(shop):
    people, model, spend = shop
    test = run(model, spend, to_cells(people).assign(future_orders=0, future_revenue=0.0))
    assert test.orders_actual == test.revenue_actual == 0
    assert test.orders_error == test.revenue_error == NotComputable("nobody bought in the days held out")
    assert test.within_interval is False


def test_without_a_spend_model_there_are_orders_and_no_money(shop):
    people, model, spend = shop
    missing = NotComputable("not enough data: 1 repeat customer")
    test = run(model, missing, to_cells(people))
    assert test.revenue_expected == test.revenue_error == missing
    assert test.orders_expected == run(model, spend, to_cells(people)).orders_expected
    assert test.revenue_actual > 0
    assert isinstance(test.orders_error, float)


def test_where_dropout_is_not_visible_there_is_no_interval():
    # everyone ordered on the last day: a and b are not determined
    x = np.repeat([0, 1, 2, 3], 50)
    T = np.tile(np.arange(1, 51), 4) + 30
    cells = pd.DataFrame(
        {"frequency": x, "recency": np.where(x > 0, T, 0), "T": T, "weight": 1, "spend": 5.0 * (x > 0)}
    )
    model = BetaGeoFitter().fit(x, cells.recency, T)
    test = run(model, NotComputable("no money"), cells.assign(spend=5.0, future_orders=1, future_revenue=5.0))
    assert test.orders_low == test.orders_high == test.within_interval == NotComputable(model.convergence_.words)
    assert test.orders_error > -1
