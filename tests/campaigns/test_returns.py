from types import SimpleNamespace

import pytest

from clvbook.campaigns.returns import Verdict, returns, verdict
from clvbook.errors import NotComputable


def gain(low, delta, high):
    return SimpleNamespace(low=low, delta=delta, high=high)


def test_returns_are_the_difference_times_the_customers_treated():
    found = returns(gain(0.1, 0.5, 0.9), treated=1000, cost=100.0, margin_rate=0.4)
    assert (found.revenue, found.ratio, found.profit, found.roi) == pytest.approx((500, 5, 100, 1))
    assert (found.revenue_low, found.ratio_low, found.profit_low, found.roi_low) == pytest.approx((100, 1, -60, -0.6))
    assert (found.revenue_high, found.ratio_high, found.profit_high, found.roi_high) == pytest.approx(
        (900, 9, 260, 2.6)
    )


def test_one_to_thirty_at_forty_percent_margin_is_a_profit_of_eleven():
    # customer_economics.md section 2.1: at m = 0.4, 1:30 gives profit ROI 11
    assert returns(gain(3, 3, 3), treated=1000, cost=100.0, margin_rate=0.4).roi == pytest.approx(11)


@pytest.mark.parametrize(
    ("low", "high", "cost", "margin", "word"),
    [
        (0.3, 0.9, 100.0, 0.4, Verdict.PAID),
        (0.2, 0.9, 100.0, 0.4, Verdict.NOT_ENOUGH),
        (-0.5, 0.2, 100.0, 0.4, Verdict.DID_NOT_PAY),
        (-0.5, 0.05, 100.0, None, Verdict.DID_NOT_PAY),  # not even all revenue covers the cost
        (0.3, 0.9, 100.0, None, Verdict.NOT_ENOUGH),
        (0.3, 0.9, 0.0, None, Verdict.PAID),
        (-0.9, -0.3, 0.0, 0.4, Verdict.DID_NOT_PAY),
        (0.3, 0.9, None, 0.4, Verdict.NOT_ENOUGH),
    ],
)
def test_the_verdict_is_the_intervals(low, high, cost, margin, word):
    assert verdict(returns(gain(low, (low + high) / 2, high), treated=1000, cost=cost, margin_rate=margin)) == word


@pytest.mark.parametrize("cost", [0.0, -5.0, None])
def test_without_cost_there_is_no_ratio(cost):
    found = returns(gain(0.1, 0.5, 0.9), treated=1000, cost=cost, margin_rate=0.4)
    assert isinstance(found.ratio, NotComputable)
    assert isinstance(found.roi_high, NotComputable)
    assert isinstance(found.profit, NotComputable) == (cost is None)


def test_without_a_difference_the_reason_goes_on():
    nothing = NotComputable("nobody bought")
    assert returns(nothing, treated=5, cost=1.0, margin_rate=0.5) == nothing
    assert verdict(nothing) == Verdict.NOT_ENOUGH
