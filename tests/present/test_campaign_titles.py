"""campaign_titles.py: labels that say what a figure is, and nothing where there is none."""

from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import campaign_titles as titles
from clvbook.present import words
from clvbook.present.campaign_sentences import for_one, points

WHY = NotComputable("no customer was held out")


def test_a_target_is_written_as_the_source_writes_it():
    assert [titles.target(value) for value in (30.0, 2.5)] == ["1:30", "1:2.5"]


@pytest.mark.parametrize(
    ("low", "high", "word"), [(1.0, 2.0, "paid"), (-2.0, -1.0, "did not pay"), (-1.0, 1.0, "not enough data")]
)
def test_a_programme_paid_where_its_interval_says_so(low, high, word):
    brought = SimpleNamespace(profit=0.0, profit_low=low, profit_high=high)
    assert titles.paid(brought, SimpleNamespace(value=5.0, low=3.0, high=8.0), 0.5)[1] == word


@pytest.mark.parametrize(
    ("low", "value", "high", "status", "word"),
    [
        (1.8, 5.0, 8.2, "watch", "likely"),
        (0.5, 1.5, 8.2, "watch", "not sure"),
        (0.1, 0.5, 1.0, "bad", "did not pay"),
        (WHY, 5.0, WHY, "good", "paid"),
    ],
)
def test_green_is_no_surer_than_with_coupons(low, value, high, status, word):
    found = titles.paid(
        SimpleNamespace(profit=5.0, profit_low=1.0, profit_high=9.0),
        SimpleNamespace(value=value, low=low, high=high),
        0.5,
    )
    assert found == (status, word)


def test_profit_says_what_coupons_change():
    settings = SimpleNamespace(confidence=0.95, margin_rate=0.5)
    ratio = SimpleNamespace(value=5.0, low=1.8, high=8.2)
    paid = SimpleNamespace(profit=5.0, profit_low=1.0, profit_high=9.0)
    assert "with them likely but not sure" in titles.profit(paid, ratio, for_one, settings)
    open_ = SimpleNamespace(profit=5.0, profit_low=-1.0, profit_high=9.0)
    assert titles.profit(open_, ratio, for_one, settings).endswith("coupons not counted")
    assert titles.profit(WHY, ratio, for_one, settings) is None


def test_a_ratio_against_the_held_out_says_what_is_enough():
    brought = SimpleNamespace(ratio=9.0, ratio_low=2.7, ratio_high=15.3)
    settings = SimpleNamespace(confidence=0.95, margin_rate=0.45, roi_target=30.0)
    told = titles.enough(brought, settings)
    assert f"1:2.2 is enough to earn back the messages (45{words.SPACE}% margin)" in told
    assert told.endswith("the 1:30 bar is for sales after")
    assert "is enough" not in titles.enough(brought, SimpleNamespace(**vars(settings) | {"margin_rate": None}))
    assert titles.enough(WHY, settings) is None


def test_how_many_show_it_alone_is_counted():
    pooled = SimpleNamespace(delta=0.0044, low=0.002)
    for p_holm, told in (
        ([1.0, WHY], "alone, none shows it for sure"),
        ([0.01, WHY], "alone, one shows a change for sure"),
        ([0.01, 0.02], "alone, 2 of 2 show a change for sure"),
    ):
        assert titles.forest(pooled, pd.DataFrame({"p_holm": p_holm}, dtype=object), 0.95).endswith(told)


def test_what_cannot_be_computed_has_a_status_and_no_detail():
    assert titles.paid(WHY, WHY, 0.5) == titles.status(WHY) == ("unknown", "not enough data")
    assert titles.status(SimpleNamespace(verdict="fail")) == ("bad", "fail")
    for detail in (
        titles.observed(WHY, points, confidence=0.95),
        titles.against_holdout(WHY, points, confidence=0.95),
        titles.returned(WHY, "profit", points, confidence=0.95),
        titles.not_reached(WHY),
    ):
        assert detail is None
    for same in (titles.triple(WHY), titles.reached(WHY), titles.per_thousand(WHY), titles.spans(WHY, "x", points)):
        assert same == WHY
    assert titles.coupon_parts(WHY, "CNY") == WHY


def test_nothing_is_called_incremental_without_a_holdout():
    assert "incremental" not in titles.revenue_label(WHY)
    assert titles.revenue_label(pd.DataFrame()) == "incremental revenue"


def test_an_interval_stays_on_its_line_and_may_lack_an_end():
    frame = pd.DataFrame({"r_low": [1.0, WHY, -1.0], "r_high": [2.0, 3.0, 4.0]}, dtype=object)
    told = list(titles.spans(frame, "r", for_one).r_span)
    assert told == ["1.0–2.0", "up to 3.0", f"{words.MINUS}1.0{words.SPACE}to{words.SPACE}4.0"]


def test_titles_carry_their_number():
    judged = pd.DataFrame({"ratio_verdict": ["pass", "pass", "fail", "not enough data"]})
    assert titles.bars(judged, 30.0).startswith("2 of 4")
    assert titles.reached(judged) == "2 of 4"
    assert titles.not_reached(judged) == "1 surely does not, 1 cannot be told"
    assert titles.bars(WHY, 30.0) == "Which campaigns brought the sales asked for"
    windows = pd.DataFrame({"window_days": [1, 30], "revenue": [100.0, 1250.0]})
    assert "12.5 times" in titles.windows(windows)
    tested = pd.DataFrame({"p_holm": [1.0]})
    assert "0.44" in titles.forest(SimpleNamespace(delta=0.0044, low=0.002), tested, 0.95)
    assert titles.forest(SimpleNamespace(delta=0.0044, low=-0.002), tested, 0.95).startswith("Not even all campaigns")
    segments = pd.DataFrame(
        {"dimension": "lifecycle stage", "segment": ["active", "silent"], "effect": [0.0, 0.0142], "verdict": "differ"}
    )
    assert "silent respond the most: +1.42" in titles.segments(segments)
    assert "No group" in titles.segments(segments.assign(verdict="no difference seen"))
    planned = pd.DataFrame({"customers": [1000], "smallest_difference": [0.03]})
    assert "+3.00" in titles.planning(planned, SimpleNamespace(customers=1000))
    messages = pd.DataFrame({"messages": ["0", "1"], "customers": [5, 9]})
    assert titles.pressure(messages) == "One message in 90 days is commonest"
    assert titles.pressure(messages.assign(customers=[9, 5])).startswith("No message in 90 days")


@pytest.mark.parametrize("finding", ["stays", "moved dates only", "not enough data"])
def test_each_finding_has_its_title(finding):
    found = SimpleNamespace(by_day=pd.DataFrame({"day": [7, 90]}), finding=finding)
    assert "90" in titles.lasts(found)


def test_coupon_parts_have_each_their_unit():
    parts = ["P(buy)", "orders a buyer", "basket", "revenue a customer"]
    frame = pd.DataFrame({"part": parts, "treated": [0.02, 1.03, 147.0, 3.02], "control": [0.015, 1.04, 147.5, 2.36]})
    shown = titles.coupon_parts(frame.assign(ratio=1.0, reading="causal"), "CNY")
    assert list(shown.treated) == [f"2.00{words.SPACE}%", "1.03", "¥147", "¥3.02"]
    assert set(shown.reading) == {"by the message"}


def test_the_gain_is_that_of_a_thousand_customers():
    days = pd.DataFrame({"day": [7], "delta": [0.7], "low": [0.2], "high": [1.2]})
    shown = titles.per_thousand(SimpleNamespace(by_day=days)).iloc[0]
    assert (shown.effect, shown.low, shown.high) == pytest.approx((700, 200, 1200))


def test_a_share_that_all_campaigns_brought_is_not_called_that_of_one():
    assert titles.because(WHY) == "Bought because of it"
    assert titles.because(SimpleNamespace(campaigns=12)) == "Bought because of all of them"
