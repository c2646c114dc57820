"""plans.py: does the gain last, who used coupons, and what the next campaign can show, on sums made by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.book.plans import Plan, PlansBook
from clvbook.campaigns.pooling import Pooled
from clvbook.errors import NotComputable
from clvbook.settings import make_settings

POOLED = Pooled(0.01, 0.004, 0.016, 0.001, 2, 18_000, 2_000, 0.003, 0.0031)


def book(**parts):
    """A book of which only `parts` are known."""
    made = object.__new__(PlansBook)
    made.settings = make_settings({"shop": "t", "orders": "t.csv", "margin_rate": 0.5})
    vars(made).update(parts)
    return made


def sums(**more):
    rows = {"campaign_id": "a", "window_days": 7, "arm": ["treated", "holdout"], "n": [18_000, 2_000]}
    rows |= {"buyers": [540, 40], "orders": [560, 41], "revenue": [54_000.0, 4_000.0], "revenue_sq": [6e6, 4.5e5]}
    return pd.DataFrame(rows | more)


def test_coupons_are_counted_against_the_buyers_that_were_won():
    used = book(_trusted_sums=sums(coupon_buyers=[400, 0], discount=[4000.0, 0.0]), pooled_conversion=POOLED).coupon_use
    assert (used.used, used.buyers, used.face) == (400, 540, 10.0)
    assert (used.caused, used.caused_low, used.caused_high) == pytest.approx((180, 72, 288))
    assert used.to_regulars == pytest.approx(400 - 288)
    assert used.subsidy == pytest.approx(40 / 2000 * 18_000 * 10)  # the held-out rate, at the face value


def test_orders_without_coupons_say_so():
    found = book(_trusted_sums=sums(), pooled_conversion=POOLED)
    assert str(found.coupon_use) == "the orders have no columns coupon_id and discount"
    assert str(found.ratio_with_coupons) == "the orders have no column discount"
    nobody = book(_trusted_sums=sums(coupon_buyers=[0, 0], discount=[0.0, 0.0]), pooled_conversion=POOLED)
    assert str(nobody.coupon_use) == "no customer written to used a coupon"


def test_the_ratio_with_coupons_is_before_them_over_cost_and_them():
    parts = {"discount": [4000.0, 0.0], "discount_sq": [40_000.0, 0.0], "revenue_discount": [420_000.0, 0.0]}
    found = book(_trusted_sums=sums(**parts), programme_returns=SimpleNamespace(cost=900.0)).ratio_with_coupons
    more = (54_000 + 4000) / 18_000 - 4000 / 2000
    assert found.value == pytest.approx(more / ((4000 + 900) / 18_000))
    assert found.low < found.value < found.high


def planned(**more):
    last = pd.DataFrame(
        {"campaign_id": ["a"], "sent": [18_000], "buyers": [540], "revenue": [54_000.0], "cost": [900.0]}
    )
    schedule = pd.DataFrame({"chosen": [20_000], "attribution_days": [7]})
    known = {
        "judged": last,
        "schedule": schedule,
        "pooled_conversion": POOLED,
        "_trusted_sums": sums(),
        "_strata": sums(),
    }
    return book(**known | more)


def test_the_next_campaign_is_planned_from_the_last_ones():
    found = planned()
    plan = found.plan
    assert (plan.campaigns, plan.customers, plan.organic, plan.effect) == (1, 20_000, 0.02, 0.01)
    assert (plan.basket, plan.cost_each) == (100.0, 0.05)
    table = found.planned_sizes.set_index("customers")
    assert 20_000 in table.index
    assert table.smallest_difference.is_monotonic_decreasing
    assert table.holdout[20_000] == 2_000
    assert found.planned_holdout.control == 2_000
    assert found.months_needed.months >= 1
    assert found.usual_window == 7


def test_without_a_gain_or_a_holdout_nothing_is_promised():
    none = Pooled(-0.001, -0.004, 0.002, 0.5, 2, 18_000, 2_000, 0.003, 0.0031)
    found = planned(pooled_conversion=none)
    assert str(found.best_holdout) == "the campaigns so far show no gain to plan with"
    assert str(found.months_needed) == str(found.best_holdout)
    assert not isinstance(found.planned_sizes, NotComputable)
    why = NotComputable("no customer was held out, so nobody can tell what the campaigns changed")
    without = planned(pooled_conversion=why, _trusted_sums=why)
    assert without.planned_sizes == why
    assert isinstance(without.plan, Plan)
    assert without.plan.basket == 100.0
