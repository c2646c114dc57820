"""retention_titles.py: a chart's message in one line, a plain label where it cannot be computed."""

from types import SimpleNamespace as Found

import pandas as pd

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
    assert plain(titles.reasons(split)) == "40 % of the lost left for a reason that can be helped"
    assert "in 1 of 2 groups" in plain(titles.break_even(pd.DataFrame({"spend": [True, False, WHY]})))
    assert "¥900" in titles.frontier(Found(frontier=Found(worth_spending=900.0)), "CNY")
    assert titles.tornado(pd.DataFrame({"assumption": ["save_rate"]})).endswith("the save rate")
    table = pd.DataFrame({"rule": ["net profit", "random", "riskiest"], "net": [10.0, 4.0, 2.0]})
    assert "¥6" in titles.rules(table, "CNY")


def test_titles_of_what_is_missing_are_labels():
    assert titles.rate(WHY) == "How many customers stay"
    assert titles.frontier(WHY, "CNY") == "Net profit against budget"
    assert titles.under(WHY, "this month") is None
    assert titles.under(3, "this month") == "this month"
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
    assert titles.rates(frame).span[1] == "no save rate is known"
    assert "points" in titles.rates(frame.assign(measured=0.02)).span[0]
    assert plain(titles.lost(frame.assign(low=[1.0, WHY], high=[5.0, WHY]), money).span[0]) == "¥1–5"
    split = frame.iloc[:1].assign(weighted_low=0.1, weighted_high=0.2, by_value_low=0.3, by_value_high=0.4)
    assert plain(titles.spans(split).weighted_span[0]) == "10.0–20.0 %"
