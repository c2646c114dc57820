"""judgement.py: for each pair of verdicts the action that follows, and what the money adds to it."""

import pytest

from clvbook.campaigns.judgement import judge
from clvbook.campaigns.verdicts import FAIL, PASS, UNKNOWN
from clvbook.errors import NotComputable


def judged(recipients, buyers, cost, *, basket=150.0, sd=80.0, margin_rate=0.4, **more):
    return judge(
        **{
            "recipients": recipients,
            "buyers": buyers,
            "revenue": buyers * basket,
            "revenue_squares": buyers * (basket**2 + sd**2),
            "cost": cost,
            "roi_target": 30,
            "conversion_target": 0.003,
            "basket_range": (100, 200),
            "margin_rate": margin_rate,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("campaign", "ratio", "conversion", "action"),
    [
        ((100_000, 1100, 5000.0), PASS, PASS, "repeat"),
        ((100_000, 300, 500.0), PASS, UNKNOWN, "repeat"),
        ((100_000, 200, 200.0), PASS, FAIL, "repeat"),
        ((100_000, 600, 5000.0), FAIL, PASS, "re-target"),
        ((10_000, 30, 500.0), FAIL, UNKNOWN, "re-target"),
        ((10_000, 0, 500.0), FAIL, FAIL, "stop"),
        ((100_000, 200, 1050.0), UNKNOWN, FAIL, "re-target"),
        ((2000, 26, 100.0), UNKNOWN, PASS, "send more"),
        ((2000, 21, 100.0), UNKNOWN, PASS, "hold out"),  # 1:31.5, so near that it would take years
        ((1000, 3, 50.0), UNKNOWN, UNKNOWN, "send more"),
        ((1000, 30, 150.0), UNKNOWN, PASS, "hold out"),  # exactly 1:30
        ((1000, 3, None), UNKNOWN, UNKNOWN, "add the cost"),
        ((0, 0, 50.0), UNKNOWN, UNKNOWN, "check the sends"),
    ],
)
def test_each_pair_of_verdicts_has_its_next_step(campaign, ratio, conversion, action):
    found = judged(*campaign)
    assert (found.ratio.verdict, found.conversion.verdict, found.action) == (ratio, conversion, action)
    assert found.sentence == f"{found.conversion.sentence} {found.ratio.sentence} {found.next_step}"
    assert ("random tenth of the list" in found.next_step) == (campaign[0] > 0)


def test_where_customers_were_held_out_nobody_is_told_to_hold_out():
    found = judged(2000, 21, 100.0, held_out=200)
    assert found.action == "hold out"
    assert "Do not wait for more sends: go by those held out" in found.next_step
    assert "random tenth" not in found.next_step


def test_the_step_names_the_conversion_that_the_ratio_asks_for_and_what_must_have_been_caused():
    step = judged(10_000, 30, 500.0).next_step
    assert "1:30 asks that 1\u00a0% of recipients buy" in step  # the reference, finding 1
    assert "caused at least 27.8\u00a0% of these sales" in step  # 500 / (0.4 x 4,500)
    assert "no conversion reaches 1:30" in judged(10_000, 30, 60_000.0).next_step


def test_a_campaign_that_cost_more_than_its_margin_did_not_pay():
    assert "did not earn back its cost, even if" in judged(10_000, 30, 2000.0).next_step


def test_outside_the_basket_range_the_margin_counts():
    found = judged(5000, 50, 250.0, basket=300)
    assert found.ratio.applies is False
    assert "earn back the cost from 1:2.5 on" in found.next_step
    assert "earn back" not in judged(5000, 50, 250.0, basket=300, margin_rate=None).next_step


def test_refunds_that_took_all_back_stop_it():
    found = judged(1000, 30, 10.0, revenue=-500.0, revenue_squares=900_000.0)
    assert (found.ratio.verdict, found.action) == (UNKNOWN, "stop")
    assert found.ratio.observed.value == -50
    assert isinstance(found.economics.break_even_share, NotComputable)


def test_nobody_is_told_to_choose_customers_by_basket():
    assert "basket" not in judged(100_000, 600, 5000.0, margin_rate=None).next_step.split("At this cost")[0]
