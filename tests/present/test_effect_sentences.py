"""effect_sentences.py: what a shop owner reads of a campaign's effect is what its interval allows."""

from types import SimpleNamespace as Some

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import effect_sentences as said
from clvbook.present import words
from clvbook.settings import make_settings

WHY = NotComputable("no customer was held out")
SETTINGS = make_settings({"shop": "t", "orders": "t.csv", "margin_rate": 0.5, "campaign_holdout": 0.1})


def test_the_luckiest_campaign_is_not_crowned():
    table = pd.DataFrame({"p_holm": [0.7, 0.9, NotComputable("not enough data: 3 buyers")]}, dtype=object)
    pooled = Some(delta=0.0044, low=0.002, high=0.007)
    told = said.together(pooled, Some(p=0.23), table, SETTINGS)
    assert "none of 2 campaigns" in told
    assert "mostly lucky" in told
    assert "differ by more than chance" in said.together(pooled, Some(p=0.001), table, SETTINGS)
    assert "may be nothing at all" in said.together(Some(delta=0.001, low=-0.1, high=0.1), Some(p=0.5), table, SETTINGS)
    assert said.together(WHY, Some(p=0.5), table, SETTINGS) == WHY


def test_arms_that_failed_a_check_are_named():
    table = pd.DataFrame(
        {"name": ["A", "B"], "trustworthy": [True, False], "reasons": ["", "the arms' sizes are not those planned; x"]}
    ).assign(method="none", narrower=0.0)
    told = said.checks(table, SETTINGS)
    assert "In 1 of 2" in told
    assert "B (the arms' sizes are not those planned)" in told
    assert "campaign_holdout is not set" in said.checks(table, SETTINGS.model_copy(update={"campaign_holdout": None}))
    assert "narrows the interval" in said.checks(table.assign(method="CUPED", narrower=0.2), SETTINGS)


@pytest.mark.parametrize(
    ("finding", "told"),
    [("stays", "purchases were won"), ("moved dates only", "only moved dates"), ("not enough data", "cannot be told")],
)
def test_each_finding_on_dates_has_its_sentence(finding, told):
    days = pd.DataFrame({"day": [7, 90], "delta": [0.7, 2.6], "low": [0.2, 0.6], "high": [1.2, 4.6]})
    assert told in said.lasts(Some(by_day=days, finding=finding), SETTINGS)


def test_coupons_to_those_who_come_anyway_are_counted():
    use = Some(
        used=400, caused=180.0, caused_low=72.0, caused_high=288.0, to_regulars=112.0, discount=4e3, subsidy=3600.0
    )
    told = said.coupon_use(use, SETTINGS)
    assert "at least 112 coupons, and most likely 220" in told
    assert "at least" not in said.coupon_use(Some(**(vars(use) | {"to_regulars": 0.0})), SETTINGS)
    assert "no bounds" in said.with_coupons(Some(low=NotComputable("unbounded"), value=1.0), SETTINGS)


def test_next_time_says_what_one_campaign_cannot():
    planned, months = Some(sentence="Holding out 936.", control=936), Some(months=9, sentence="After 9.")
    few = NotComputable("not enough data: no holdout would settle it")
    told = said.next_time(None, planned, few, months)
    assert told == "Holding out 936. One campaign does not settle it: no holdout would settle it. After 9."
    assert said.next_time(None, WHY, WHY, WHY) == WHY


def test_only_groups_that_differ_by_more_than_chance_are_named():
    table = pd.DataFrame({"dimension": ["stage", "source"], "verdict": ["differ", "no difference seen"]})
    told = said.who_responds(table)
    assert told.startswith("By stage the groups differ")
    assert "By source they do not" in told
    assert "No comparison shows" in said.who_responds(table.assign(verdict="no difference seen"))
    assert said.who_responds(WHY) == WHY


def test_messages_a_head_are_those_of_the_table():
    table = pd.DataFrame(
        {"stage": ["active", "lost"] * 2, "window_days": [30, 30, 365, 365], "customers": [10, 30] * 2}
    )
    table = table.assign(messages=[4, 12, 20, 140], most=[1, 1, 9, 11]).assign(
        per_head=lambda t: t.messages / t.customers
    )
    told = said.pressure(table)
    assert f"In the last 30{words.SPACE}days a customer got 0.40 messages" in told
    assert "go to the lost, 4.7 a head" in told
    assert "more than 11" in told
    assert "opted out" in said.messages(pd.DataFrame({"opted_out": [3]}))
    assert "opted out" not in said.messages(pd.DataFrame({"customers": [3]}))


def test_revenue_taken_apart_is_read_out():
    parts = ["P(buy)", "orders a buyer", "basket", "revenue a customer"]
    table = pd.DataFrame({"part": parts, "ratio": [1.29, 1.0, 1.01, 1.28]})
    assert "spent 1.28 times as much" in said.coupon_parts(table)
    none = table.assign(ratio=pd.Series([1.0, 1.0, WHY, WHY], dtype=object))
    assert said.coupon_parts(none) == f"Not computable: {WHY.reason}."
