import numpy as np
import pandas as pd
import pytest

from clvbook.campaigns.coupons import CostSums, decompose, persisted, persistence, random_cost_ratio, subsidy
from clvbook.campaigns.effects import Arm
from clvbook.errors import NotComputable


def test_revenue_a_customer_is_the_product_of_its_parts():
    treated = Arm(n=1000, buyers=50, orders=60, revenue=6600.0, revenue_sq=1e6)
    control = Arm(n=500, buyers=10, orders=11, revenue=1320.0, revenue_sq=2e5)
    found = decompose(treated, control).set_index("part")
    assert found["treated"].to_list() == pytest.approx([0.05, 1.2, 110, 6.6])
    assert found["control"].to_list() == pytest.approx([0.02, 1.1, 120, 2.64])
    assert found["ratio"].iloc[:3].prod() == pytest.approx(found["ratio"].iloc[3])
    assert found["reading"].to_list() == ["causal", "descriptive", "descriptive", "causal"]
    assert isinstance(decompose(treated, Arm(n=5, buyers=0, orders=0, revenue=0, revenue_sq=0)), NotComputable)
    assert isinstance(decompose(treated, Arm(n=5, buyers=1, revenue=9, revenue_sq=81)), NotComputable)


def test_subsidy_is_the_holdouts_rate_times_treated_times_face_value():
    assert subsidy(eligible_buyers=12, held_out=1000, treated=9000, face_value=10) == pytest.approx(1080)
    assert isinstance(subsidy(eligible_buyers=0, held_out=0, treated=9000, face_value=10), NotComputable)


def customers(n, p, redeem, rng):
    bought = rng.random(n) < p
    money = bought * rng.gamma(3.5, 150 / 3.5, n)
    return money, 10.0 * (bought & (rng.random(n) < redeem))


def cost_sums(money, cost):
    sums = money.sum(), (money**2).sum(), cost.sum(), (cost**2).sum(), (money * cost).sum()
    return CostSums(len(money), *map(float, sums))


def test_fieller_delta_simulation_and_the_customers_bootstrap_agree():
    rng = np.random.default_rng(31)
    treated, control = customers(20000, 0.08, 0.7, rng), customers(5000, 0.05, 0.3, rng)
    arms = cost_sums(*treated), cost_sums(*control)
    found = {
        method: random_cost_ratio(*arms, fixed_cost=1000.0, confidence=0.95, method=method)
        for method in ("fieller", "delta", "simulation")
    }
    draws = []
    for _ in range(2000):
        t, c = rng.integers(0, 20000, 20000), rng.integers(0, 5000, 5000)
        gain = treated[0][t].mean() - control[0][c].mean()
        draws.append(gain / (treated[1][t].mean() + 1000 / 20000 - control[1][c].mean()))
    ends = np.array([[each.low, each.high] for each in found.values()] + [np.quantile(draws, [0.025, 0.975])])
    width = ends[0, 1] - ends[0, 0]
    assert np.ptp(ends, axis=0).max() < 0.08 * width
    assert len({each.value for each in found.values()}) == 1


def test_fiellers_interval_covers():
    rng = np.random.default_rng(32)
    truth = 150 * 0.03 / (10 * (0.08 * 0.7 - 0.05 * 0.3) + 0.05)
    inside = []
    for _ in range(2000):
        arms = []
        for n, p, redeem in ((18000, 0.08, 0.7), (2000, 0.05, 0.3)):
            money = rng.gamma(3.5, 150 / 3.5, rng.binomial(n, p))
            cost = 10.0 * (rng.random(len(money)) < redeem)
            sums = cost_sums(money, cost)
            arms.append(CostSums(n, *list(vars(sums).values())[1:]))
        found = random_cost_ratio(*arms, fixed_cost=900.0, confidence=0.95)
        inside.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(inside) <= 0.97


def test_a_cost_that_may_be_nothing_is_unbounded():
    rng = np.random.default_rng(33)
    arms = [cost_sums(*customers(300, 0.05, 0.5, rng)) for _ in range(2)]
    found = random_cost_ratio(*arms, fixed_cost=5.0, confidence=0.95)
    assert found.g >= 1
    assert str(found.low) == str(found.high) == "unbounded: the cost caused may be 0 or less"
    assert isinstance(random_cost_ratio(*arms, fixed_cost=-1e6, confidence=0.95), NotComputable)
    assert isinstance(
        random_cost_ratio(arms[0], CostSums(1, 0, 0, 0, 0, 0), fixed_cost=1, confidence=0.95), NotComputable
    )


def days(gains):
    """Sums by day and arm: 10 a customer held out and `gains` more a customer treated, on days 1, 7, 30, 90."""
    rows = []
    for day, gain in zip((1, 7, 30, 90), gains, strict=True):
        for arm, mean in (("treated", 10 + gain), ("holdout", 10.0)):
            rows.append({"window_days": day, "arm": arm, "n": 10000, "revenue": 1e4 * mean, "revenue_sq": 1.5e6 * mean})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "finding"),
    [
        ((1.0, 6.0, 6.0, 6.0), "stays"),
        ((1.0, 6.0, 3.0, 0.0), "moved dates only"),
        ((1.0, 2.0, 1.5, 1.0), "not enough data"),
        ((0.0, 0.0, 0.0, 0.0), "not enough data"),
    ],
)
def test_an_effect_stays_or_has_moved_dates_only(gains, finding):
    found = persistence(days(gains), attribution_days=7, confidence=0.95)
    assert found.finding == finding
    assert found.by_day["day"].to_list() == [1, 7, 30, 90]
    assert found.by_day["delta"].to_list() == pytest.approx(gains)
    assert ((found.by_day["low"] < found.by_day["delta"]) & (found.by_day["delta"] < found.by_day["high"])).all()


def test_persistence_needs_days_after_the_window():
    assert isinstance(persistence(days([1] * 4), attribution_days=90, confidence=0.95), NotComputable)
    assert isinstance(persistence(days([1] * 4).iloc[:0], attribution_days=7, confidence=0.95), NotComputable)


def test_how_many_campaigns_are_in_it_is_kept():
    days = pd.DataFrame({"day": [7, 90], "delta": [1.0, 2.0], "low": [0.5, 1.0], "high": [1.5, 3.0]})
    assert persisted(days, attribution_days=7, campaigns=21).campaigns == 21
    assert persisted(days, attribution_days=7).campaigns == 1
