"""spending.py against the reference's figures, exact probabilities and a plain count of people."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from clvbook.errors import NotComputable
from clvbook.retention.response import Response, optimal_spend
from clvbook.retention.save_rates import Assumed, Holdout, Range
from clvbook.retention.spending import decide, decisions, gain_a_head, list_outlook, offer_profit, outlook, tornado


def test_spend_while_the_cost_is_below_the_profit_it_saves():
    # customer_economics.md finding 2: cost 80 against recoverable profit 100 -> spend; 120 -> do not
    assert decide(customers=20, save_rate=0.05, value=100, cost=80).spend
    found = decide(customers=20, save_rate=0.05, value=100, cost=120)
    assert (found.spend, found.recoverable, found.net, found.break_even) == (False, 100, -20, 5)
    assert not decide(customers=20, save_rate=0.05, value=100, cost=100).spend  # nothing is gained


def test_what_is_missing_is_named():
    given_figures = {"customers": 20, "save_rate": 0.05, "value": 100.0, "cost": 80.0}
    assert "hold some customers out" in str(decide(**given_figures | {"save_rate": None}))
    assert "margin_rate" in str(decide(**given_figures | {"value": float("nan")}))
    assert "no cost is known" in str(decide(**given_figures | {"cost": None}))
    reason = NotComputable("margin_rate is not set")
    assert decide(**given_figures | {"value": reason}) is reason
    assert offer_profit(customers=1, leaving=0.5, success=0.1, value=reason) is reason


def test_decisions_by_group_keep_their_reasons():
    groups = pd.DataFrame(
        {
            "stage": [1, 2],
            "customers": [20, 10],
            "save_rate": [0.05, np.nan],
            "value": [100.0, 50.0],
            "cost": [80.0, 1.0],
        }
    )
    found = decisions(groups)
    assert (found.net[0], found.spend[0], found.break_even[0]) == (20, True, 5)
    assert all(isinstance(found[name][1], NotComputable) for name in ("net", "spend", "break_even", "recoverable"))


def test_an_incentive_for_those_who_would_stay_can_cost_more_than_it_saves():
    # p1 (V - d) - c > p0 V (Haupt): .45 x 90 - 1 = 39.5 < 40 = .40 x 100, though save rate x value 5 > contact 1
    assert gain_a_head(value=100, kept_treated=0.45, kept_untreated=0.40, incentive=10, contact=1) == pytest.approx(
        -0.5
    )
    assert gain_a_head(value=100, kept_treated=0.45, kept_untreated=0.40, contact=1) == pytest.approx(4)


share = st.floats(0, 1)
money = st.floats(0, 500)


@given(st.integers(1, 10_000), share, share, money, money, money, money)
@settings(deadline=None, max_examples=80, derandomize=True)
def test_the_campaigns_profit_is_that_of_its_people(n, leaving, success, value, incentive, contact, fixed):
    found = offer_profit(
        customers=n, leaving=leaving, success=success, value=value, incentive=incentive, contact=contact, fixed=fixed
    )
    # Neslin et al. 2006: n{b g V + b d (1-g) - d - c} - A
    inner = leaving * success * value + leaving * incentive * (1 - success) - incentive - contact
    assert found.net == pytest.approx(n * inner - fixed, abs=1e-5)
    # the same as Haupt's gain with p0 = 1 - b and p1 = p0 + b g
    stay = 1 - leaving
    head = gain_a_head(
        value=value, kept_treated=stay + leaving * success, kept_untreated=stay, incentive=incentive, contact=contact
    )
    assert found.net == pytest.approx(n * head - fixed, abs=1e-5)
    assert found.incentive_stayers == pytest.approx(n * stay * incentive)


def test_the_chance_of_a_gain_is_the_exact_one_for_a_normal_save_rate():
    # net a head = save rate x 100 - 4, save rate normal with mean .05 and se .01 -> P = Phi((.05 - .04)/.01)
    half = norm.ppf(0.975) * 0.01
    found = outlook(
        customers=1000,
        kept=Assumed(Range(0.05, 0.05 - half, 0.05 + half)),
        value=Range(100, 100, 100),
        contact=4,
        draws=200_000,
        seed=1,
    )
    assert found.p_positive == pytest.approx(norm.cdf(1), abs=0.003)
    assert found.net == pytest.approx(1000, abs=10)
    np.testing.assert_allclose([found.low, found.high], [1000 - 100_000 * half, 1000 + 100_000 * half], atol=30)


def test_an_experiment_and_an_uncertain_value_widen_the_outlook():
    holdout = Holdout(treated=4000, kept_treated=1000, held_out=1000, kept_held_out=210)
    sure = outlook(customers=500, kept=holdout, value=Range(80, 80, 80), contact=1, seed=3)
    unsure = outlook(customers=500, kept=holdout, value=Range(80, 30, 160), contact=1, seed=3)
    assert sure.net == pytest.approx(500 * (0.04 * 80 - 1), rel=0.02)
    assert sure.high - sure.low == pytest.approx(500 * 80 * holdout.standard_error * 2 * 1.96, rel=0.03)
    assert unsure.high - unsure.low > sure.high - sure.low
    assert outlook(customers=500, kept=holdout, value=Range(80, 80, 80), contact=1, seed=3) == sure
    with_incentive = outlook(customers=500, kept=holdout, value=Range(80, 80, 80), contact=1, incentive=4, seed=3)
    assert sure.net - with_incentive.net == pytest.approx(500 * 0.25 * 4, rel=0.01)  # taken by whoever stays
    fixed = outlook(customers=500, kept=holdout, value=Range(80, 80, 80), contact=1, fixed=300, seed=3)
    assert sure.net - fixed.net == pytest.approx(300)


def test_an_outlook_needs_save_rate_value_and_with_an_incentive_the_stayers():
    assumed, value = Assumed(Range(0.05, 0.03, 0.07)), Range(100, 90, 110)
    assert "no save rate" in str(outlook(customers=10, kept=None, value=value, seed=1))
    assert "no value" in str(outlook(customers=10, kept=assumed, value=None, seed=1))
    assert "stays without the offer" in str(outlook(customers=10, kept=assumed, value=value, incentive=5, seed=1))
    known = Assumed(Range(0.05, 0.05, 0.05), kept_untreated=0.3)
    found = outlook(customers=10, kept=known, value=Range(100, 100, 100), incentive=5, seed=1)
    assert found.net == pytest.approx(10 * (0.35 * 95 - 0.3 * 100))


def test_the_tornado_begins_with_what_matters_most():
    def net(ceiling, rate, value):
        return optimal_spend(Response(ceiling, rate), value=value).net

    found = tornado(
        net,
        {"rate": Range(0.22, 0.2, 0.24), "value": Range(100, 50, 150), "ceiling": Range(0.6, 0.5, 0.7)},
    )
    assert found.assumption.tolist() == ["value", "ceiling", "rate"]
    first = found.iloc[0]
    assert (first.at_low, first.at_high) == (net(0.6, 0.22, 50), net(0.6, 0.22, 150))
    assert first.swing == first.at_high - first.at_low
    assert "no value" in str(
        tornado(lambda value: decide(customers=1, save_rate=1, value=None, cost=1), {"value": Range(1, 0, 2)})
    )


def test_a_lists_outlook_against_its_normal_approximation():
    groups = pd.DataFrame(
        {"value": [1000.0, 5000.0], "cost": [10.0, 40.0], "save_rate": [0.05, 0.02], "low": [0.03, 0.01]}
    ).assign(high=[0.07, 0.03])
    exact = Range(1.0, 1.0, 1.0)
    apart = list_outlook(groups, value=exact, seed=1)
    half = np.hypot(1000 * 0.02, 5000 * 0.01)  # of independent save rates
    assert apart.net == pytest.approx(150 - 50, rel=0.01)
    assert (apart.low, apart.high) == pytest.approx((100 - half, 100 + half), abs=2)
    together = list_outlook(groups, value=exact, together=True, seed=1)
    assert (together.low, together.high) == pytest.approx((100 - 70, 100 + 70), abs=2)
    assert together.p_positive < apart.p_positive
    wider = list_outlook(groups, value=Range(1.0, 0.5, 1.5), seed=1)
    assert wider.low < apart.low < apart.high < wider.high
