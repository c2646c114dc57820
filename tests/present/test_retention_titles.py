"""retention_titles.py: a chart's message in one line, a plain label where it cannot be computed."""

from types import SimpleNamespace as Found

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import retention_titles as titles
from clvbook.present import words

WHY = NotComputable("no save rate is known")
money = words.money_in("CNY", digits=0)


def plain(text):
    return text.replace("\u00a0", " ")


def test_titles_tell_the_figure():
    assert "17 %" in plain(titles.rate(pd.DataFrame({"rate": [0.2, 0.17]})))
    split = pd.DataFrame({"reason": ["natural", "manageable"], "weighted": [0.5, 0.4]})
    assert plain(titles.reasons(split)) == "40 % of the lost name a reason that can be helped"
    assert "in 1 of 2 groups" in plain(titles.break_even(pd.DataFrame({"spend": [True, False, WHY]})))
    assert "¥900" in titles.frontier(Found(frontier=Found(worth_spending=900.0)), "CNY")
    assert titles.tornado(pd.DataFrame({"assumption": ["save_rate"]})).endswith("the save rate")
    table = pd.DataFrame({"rule": ["net profit", "random", "riskiest"], "net": [10.0, 4.0, 2.0]})
    assert plain(titles.rules(table)) == "The list is expected to bring 150 % more than the best rule of thumb"
    assert titles.rules(table.assign(net=[10.0, -4.0, 0.0])).startswith("No rule of thumb pays")
    assert titles.rules(table.assign(net=[10.0, 9.99, 0.0])).startswith("The best rule of thumb brings as much")


def test_titles_of_what_is_missing_are_labels():
    assert titles.rate(WHY) == "How many customers stay"
    assert titles.frontier(WHY, "CNY") == "Net profit against budget"
    assert titles.under(WHY, "this month") is None
    assert titles.under(3, "this month") == "this month"
    assert titles.brief(NotComputable("no survey: bring one; it adds reasons")).reason == "no survey"
    assert titles.brief(3) == 3
    for frame in (titles.spans(WHY), titles.rates(WHY)):
        assert frame == WHY


def test_a_status_follows_the_interval():
    assert titles.status(Found(low=1.0, p_positive=0.99)) == ("good", "spend")
    assert titles.status(Found(low=-1.0, p_positive=0.8)) == ("watch", "likely, not sure")
    assert titles.status(Found(low=-1.0, p_positive=0.2)) == ("bad", "do not spend")
    assert titles.status(WHY)[0] == "unknown"
    told = titles.outlook(Found(low=1.0, high=20.0), money, confidence=0.95)
    assert plain(told) == "95 % interval ¥1–20"
    assert titles.outlook(WHY, money, confidence=0.95) is None


def test_intervals_in_words():
    frame = pd.DataFrame({"low": [0.01, WHY], "high": [0.03, WHY]}, dtype=object)
    assert plain(titles.rates(frame).span[0]) == "1.0–3.0 %"
    assert titles.rates(frame).span[1] == WHY
    differences = titles.rates(frame.assign(measured=[0.02, WHY]))
    assert (plain(differences.span[0]), differences.span[1]) == ("+2.0 (+1.0–3.0 points)", WHY)
    losses = frame.assign(estimator=["stage flow", "other"], customers=[3.0, WHY], low=[1.0, WHY], high=[5.0, WHY])
    told = titles.lost(losses, money)
    assert plain(told.span[0]) == "¥1–5"
    assert told.estimator.tolist() == ["more leaving than usual", "other"]
    assert (plain(told.counted[0]), told.counted[1]) == ("3 moves", WHY)
    split = frame.iloc[:1].assign(weighted_low=0.1, weighted_high=0.2)
    assert plain(titles.spans(split).weighted_span[0]) == "10.0–20.0 %"


def test_marks_that_nobody_carries_are_left_out():
    shares = {"lost_share": [0.1, 0.0, WHY], "kept_share": [0.0, 0.0, WHY]}
    table = pd.DataFrame({"proxy": ["refund", "coupon_only", "one_off"], **shares}, dtype=object)
    assert titles.carried(table).proxy.tolist() == ["refund", "one_off"]
    assert titles.carried(WHY) == WHY


def test_the_check_by_size():
    rows = [(2000, 100.0, 50.0, 40.0, 0.9), (16000, 100.0, 50.0, 40.0, 0.98), (16000, 200.0, 100.0, 100.0, 0.96)]
    table = titles.checked(pd.DataFrame(rows, columns=["per_arm", "best", "valuable", "riskiest", "share"]))
    assert table.per_arm.tolist() == [2000, 16000]
    assert table.shops.tolist() == [1, 2]
    assert table.iloc[1][["share", "worst", "valuable", "riskiest"]].tolist() == pytest.approx([0.97, 0.96, 0.5, 0.45])


def test_lines_under_tiles():
    listed = pd.DataFrame({"held_out": [3, 4], "incentive_saved": 1.0, "incentive_stayers": 2.0, "contact": [5.0, 7.0]})
    assert titles.spared(listed) == "and 7 more to hold out"
    assert titles.by_purpose(listed, money) == "¥12 messages, about ¥6 coupons"
    assert titles.by_purpose(listed.assign(incentive_saved=0.0, incentive_stayers=0.0), money) == "¥12 messages"
    assert titles.spared(WHY) is titles.by_purpose(WHY, money) is None
