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
    assert titles.paid(SimpleNamespace(profit=0.0, profit_low=low, profit_high=high))[1] == word


def test_what_cannot_be_computed_has_a_status_and_no_detail():
    assert titles.paid(WHY) == titles.status(WHY) == ("unknown", "not enough data")
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
    assert "0.44" in titles.forest(SimpleNamespace(delta=0.0044, low=0.002))
    assert titles.forest(SimpleNamespace(delta=0.0044, low=-0.002)).startswith("Not even all campaigns")
    segments = pd.DataFrame(
        {"dimension": "lifecycle stage", "segment": ["active", "silent"], "effect": [0.0, 0.0142], "verdict": "differ"}
    )
    assert "silent respond the most: +1.42" in titles.segments(segments)
    assert "No group" in titles.segments(segments.assign(verdict="no difference seen"))
    planned = pd.DataFrame({"customers": [1000], "smallest_difference": [0.03]})
    assert "+3.00" in titles.planning(planned, SimpleNamespace(customers=1000))
    messages = pd.DataFrame({"messages": ["0", "1"], "customers": [5, 9]})
    assert titles.pressure(messages) == "Most customers got 1 message in 90 days"


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
