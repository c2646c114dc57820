"""response.py against published values, a solver and a plain search."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.retention.response import (
    Optimum,
    Response,
    margin_multiples,
    optimal_spend,
    response_through,
    split_budget,
)


def test_the_optimal_spend_of_the_reference():
    # customer_economics.md section 2.6: V=100, ceiling .6, k=.22 -> x*=11.73, r=.555, net 43.73
    found = optimal_spend(Response(0.6, 0.22), value=100)
    assert (round(found.spend, 2), round(found.retention, 3), round(found.net, 2)) == (11.73, 0.555, 43.73)


def test_a_customer_of_little_value_is_left_alone():
    # section 2.6: V=8, ceiling .5 -> 0 (k=.22: 8 x .5 x .22 = .88 < 1)
    assert optimal_spend(Response(0.5, 0.22), value=8) == Optimum(0.0, 0.0, 0.0)
    assert optimal_spend(Response(0.5, 0.22), value=-5).spend == 0.0


def test_the_curve_goes_through_todays_point():
    curve = response_through(spend=5, retention=0.3, ceiling=0.6)
    assert curve.rate == pytest.approx(math.log(2) / 5)  # k = -ln(1 - .3/.6) / 5
    assert curve.retention(5) == pytest.approx(0.3)


@given(st.floats(0.05, 1), st.floats(0.01, 2), st.floats(0, 500))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_no_spend_is_better_than_the_optimum(ceiling, rate, value):
    curve = Response(ceiling, rate)
    searched = minimize_scalar(lambda x: x - value * curve.retention(x), bounds=(0, 100 / rate), method="bounded")
    found = optimal_spend(curve, value=value)
    assert found.net >= -searched.fun - 1e-9
    assert found.net >= 0
    if found.spend:  # at the optimum the next kept customer costs what it is worth
        assert curve.cost_of_next(found.spend) == pytest.approx(value)


def test_without_a_point_or_a_value_there_is_no_optimum():
    assert "nothing is spent" in str(response_through(spend=0, retention=0, ceiling=0.6))
    assert "nobody is kept" in str(response_through(spend=3, retention=0, ceiling=0.6))
    assert "retention is not known" in str(response_through(spend=3, retention=None, ceiling=0.6))
    assert "value is not known" in str(optimal_spend(Response(0.5, 0.2), value=None))
    missing = NotComputable("margin_rate is not set")
    assert optimal_spend(Response(0.5, 0.2), value=missing) is missing
    assert isinstance(Response(0.5, 1.0).cost_of_next(1000), NotComputable)


@pytest.mark.parametrize("wrong", [{"retention": 0.6}, {"retention": -0.1}, {"ceiling": 1.2}, {"spend": -1}])
def test_an_impossible_curve_is_refused(wrong):
    with pytest.raises(BadParameters, match="no response curve"):
        response_through(**({"spend": 5, "retention": 0.3, "ceiling": 0.6} | wrong))
    with pytest.raises(BadParameters, match="no response curve"):
        Response(0.5, 0)


def test_margin_multiples_of_the_reference():
    # section 2.6: r=.8, d=.1 -> 3.667 / 2.667 / 3.333; elasticity 3.67
    found = margin_multiples(retention=0.8, discount_rate=0.1)
    assert found.first_included == pytest.approx(11 / 3)
    assert found.first_excluded == pytest.approx(8 / 3)
    assert found.end_booked == pytest.approx(10 / 3)
    assert round(found.elasticity, 2) == 3.67


@given(st.floats(0.05, 0.95), st.floats(0.0, 0.5), st.floats(-0.2, 0.04))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_multiples_are_sums_of_payments(r, d, g):
    periods = np.arange(2000)
    alive = (r * (1 + g) / (1 + d)) ** periods
    found = margin_multiples(retention=r, discount_rate=d, growth=g)
    assert found.first_included == pytest.approx(alive.sum(), rel=1e-6)
    assert found.end_booked == pytest.approx(alive.sum() / (1 + d), rel=1e-6)
    assert found.first_excluded == pytest.approx((alive * r / (1 + d)).sum(), rel=1e-6)
    step = margin_multiples(retention=r * 1.0001, discount_rate=d, growth=g)
    assert (step.first_excluded / found.first_excluded - 1) / 1e-4 == pytest.approx(found.elasticity, rel=0.01)


def test_what_outgrows_the_discount_has_no_value():
    assert "no finite value" in str(margin_multiples(retention=0.9, discount_rate=0.1, growth=0.25))
    assert "no finite value" in str(margin_multiples(retention=1.0, discount_rate=0.0))
    with pytest.raises(BadParameters, match="make no multiple"):
        margin_multiples(retention=1.2, discount_rate=0.1)


segment = st.tuples(st.integers(1, 5000), st.floats(0, 300), st.floats(0.05, 1), st.floats(0.02, 2))


def frame(rows):
    return pd.DataFrame(rows, columns=["customers", "value", "ceiling", "rate"])


@given(st.lists(segment, min_size=1, max_size=8), st.floats(0, 50_000))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_the_split_is_that_of_a_bisection_on_the_shadow_price(rows, budget):
    data = frame(rows)

    def spend(price):
        pull = data.value * data.ceiling * data.rate / (1 + price)
        return np.where(pull > 1, np.log(np.maximum(pull, 1)) / data.rate, 0.0)

    def over(price):
        return data.customers @ spend(price) - budget

    price = 0.0 if over(0.0) <= 0 else brentq(over, 0.0, 1e6, xtol=1e-12)
    found = split_budget(data, budget=budget)
    np.testing.assert_allclose(found.segments.spend, spend(price), atol=1e-5)
    assert found.spent <= budget
    assert found.spent + found.unspent == pytest.approx(budget)
    if budget:
        assert found.shadow_price == pytest.approx(price, abs=1e-6)


def test_what_returns_less_than_it_costs_is_not_spent():
    data = frame([(100, 100.0, 0.6, 0.22), (1000, 8.0, 0.5, 0.22)])
    found = split_budget(data, budget=5000)
    assert round(found.spent, 0) == 1173  # 100 x 11.73, the optimum of the reference; the poor segment gets nothing
    assert found.unspent == pytest.approx(5000 - found.spent)
    assert found.shadow_price == 0
    assert found.net == pytest.approx(4373, abs=1)
    assert split_budget(data, budget=0).segments.spend.tolist() == [0, 0]
    assert split_budget(data.head(0), budget=10).unspent == 10


def test_the_split_follows_a_hand_calculation():
    # equal curves, values 100 and 50, one customer each: x1 - x2 = ln 2 / k; with x1 + x2 = 10, k = .2: 6.733, 3.267
    found = split_budget(frame([(1, 100.0, 0.6, 0.2), (1, 50.0, 0.6, 0.2)]), budget=10)
    assert found.segments.spend.round(3).tolist() == [6.733, 3.267]
    assert found.shadow_price == pytest.approx(100 * 0.6 * 0.2 * math.exp(-0.2 * (5 + math.log(2) / 0.4)) - 1)


def test_bad_segments_are_refused():
    with pytest.raises(InputRefused, match="1 of 2 segments"):
        split_budget(frame([(1, 100.0, 0.6, 0.2), (1, float("nan"), 0.6, 0.2)]), budget=10)
    with pytest.raises(BadParameters, match="the budget is -1"):
        split_budget(frame([(1, 100.0, 0.6, 0.2)]), budget=-1)
