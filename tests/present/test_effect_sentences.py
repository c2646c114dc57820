"""effect_sentences.py: what a shop owner reads of a campaign's effect is what its interval allows."""

from types import SimpleNamespace as Some

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import effect_sentences as said
from clvbook.present import words
from clvbook.settings import make_settings

WHY = NotComputable("no customer was held out")
PLAN = Some(
    campaigns=12, customers=9360, holdout_share=0.1, organic=0.0153, effect=0.0044, basket=100.0, cost_each=0.05
)
WORTH = Some(control=936, treated=8424, sales_forgone=625.0, profit_forgone=213.0, half_width=0.00866, power=0.08)
WORTH.break_even = 0.001
SETTINGS = make_settings({"shop": "t", "orders": "t.csv", "margin_rate": 0.5, "campaign_holdout": 0.1})


def test_the_luckiest_campaign_is_not_crowned():
    table = pd.DataFrame({"p_holm": [0.7, 0.9, NotComputable("not enough data: 3 buyers")]}, dtype=object)
    table["conversion_low"] = [0.001, -0.1, -0.2]
    pooled = Some(delta=0.0044, low=0.002, high=0.007)
    told = said.together(pooled, Some(p=0.23), table, SETTINGS)
    assert "none of 2 campaigns" in told
    assert "1 lies above 0 alone, but not after allowing for 2 looked at" in told
    assert f"1{words.SPACE}campaign had too few buyers" in told
    every = said.together(pooled, Some(p=0.23), table.assign(p_holm=0.01), SETTINGS)
    assert "Alone, 3 of 3" in every
    assert "too few buyers" not in every
    assert "not after allowing" not in every
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
    [
        ("stays", "By day 90 more had come; later campaigns"),
        ("moved dates only", "only moved dates"),
        ("not enough data", "cannot be told"),
    ],
)
def test_each_finding_on_dates_has_its_sentence(finding, told):
    days = pd.DataFrame({"day": [7, 90], "delta": [0.7, 2.6], "low": [0.2, 0.6], "high": [1.2, 4.6]})
    text = said.lasts(Some(by_day=days, finding=finding, campaigns=21), SETTINGS)
    assert told in text
    assert f"21{words.SPACE}campaigns old enough" in text


def test_a_gain_that_was_in_doubt_between_is_no_proof():
    days = pd.DataFrame({"day": [7, 30, 90], "delta": [0.7, 0.9, 2.6], "low": [0.2, -0.1, 0.6], "high": [1.2, 2, 4.6]})
    told = said.lasts(Some(by_day=days, finding="stays", campaigns=21), SETTINGS)
    assert "yet on day 30 it could have been nothing" in told
    assert "no proof either" in told
    smaller = said.lasts(Some(by_day=days.assign(delta=[2.7, 1, 2.6]), finding="stays", campaigns=21), SETTINGS)
    assert "The gain was not gone" in smaller


def test_coupons_to_those_who_come_anyway_are_counted():
    use = Some(
        used=400, caused=180.0, caused_low=72.0, caused_high=288.0, to_regulars=112.0, discount=4e3, subsidy=3600.0
    )
    told = said.coupon_use(use, SETTINGS)
    assert "220 coupons at the best estimate, and 112 at the very least" in told
    assert "Worst case" in told
    assert "at the very least" not in said.coupon_use(Some(**(vars(use) | {"to_regulars": 0.0})), SETTINGS)
    assert "no bounds" in said.with_coupons(Some(low=NotComputable("unbounded"), value=1.0), SETTINGS)


def test_next_time_says_what_one_campaign_cannot():
    few = NotComputable("not enough data: not even half would settle it")
    told = said.next_time(PLAN, WORTH, few, Some(months=9, sentence="After 9."), SETTINGS)
    assert f"the last 12{words.SPACE}campaigns bought, 1.53{words.SPACE}%" in told
    assert f"Holding out 936 of 9,360{words.SPACE}customers gives up about ¥625 of sales (¥213 of profit)" in told
    assert (
        f"in 8{words.SPACE}% of such campaigns whether one earns back its cost. In one campaign not even half" in told
    )
    assert f"about 9{words.SPACE}monthly campaigns" in told
    assert said.next_time(PLAN, WHY, WHY, WHY, SETTINGS) == WHY
    never = said.next_time(PLAN, WORTH, few, Some(months=WHY, sentence="Never."), SETTINGS)
    assert never.endswith("Never.")
    assert said.next_time(PLAN, WORTH, few, WHY, SETTINGS).endswith("judge several together.")
    poor = Some(**vars(WORTH) | {"sales_forgone": -5.0, "profit_forgone": -40.0, "break_even": WHY})
    told = said.next_time(PLAN, poor, Some(**vars(WORTH) | {"control": 500}), WHY, SETTINGS)
    assert "gives up no sales and saves ¥40.00 in all" in told
    assert "whether one works at all" in told
    assert "The smallest holdout that settles it in one campaign: Holding out 500" in told


def stages(**effects):
    rows = [{"segment": name, "effect": e, "low": lo, "high": hi} for name, (e, lo, hi) in effects.items()]
    return pd.DataFrame(rows).assign(dimension="lifecycle stage", verdict="differ")


ALL = {"silent": (0.014, 0.008, 0.02), "active": (-0.004, -0.01, 0.005), "lost": (-0.01, -0.02, 0.0005)}


def test_the_plan_says_whom_with_which_holdout_and_until_when():
    told = said.next_plan(PLAN, stages(**ALL), Some(months=9), SETTINGS)
    assert f"Next: write to silent and hold out 10{words.SPACE}% of them by lot; hold out half of active" in told
    assert "leave out lost." in told
    assert told.endswith("after about 9 monthly ones, and none alone.")
    alike = stages(**ALL).assign(verdict="no difference seen")
    assert "of the whole list" in said.next_plan(PLAN, alike, Some(months=9), SETTINGS).replace("Next", "")
    assert "Judge" not in said.next_plan(PLAN, stages(**ALL), Some(months=WHY), SETTINGS)
    assert said.next_plan(WHY, WHY, WHY, SETTINGS) == WHY
    drawn = said.draw(PLAN, stages(**ALL), SETTINGS)
    assert drawn.startswith(f"Hold out 10{words.SPACE}% of the list, but half of active.")
    assert "a campaign_id of their own" in drawn  # arms of two shares would differ in who is in them
    assert said.draw(PLAN, alike, SETTINGS) == f"Hold out 10{words.SPACE}% of the list."


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        ((0.0002, -0.002, 0.003), "no sure gain is seen (+0.02"),
        ((-0.01, -0.02, 0.0005), "they do not earn back a message"),
        ((0.014, 0.008, 0.02), "they respond"),
    ],
)
def test_where_most_messages_go_is_held_against_what_they_change(effect, told):
    year = pd.DataFrame({"stage": ["active", "lost"], "messages": [3100, 6900]})
    found = stages(active=(0.01, 0.005, 0.02), lost=effect)
    text = said.most_written(year, found, PLAN, SETTINGS)
    assert text.startswith(
        f"69{words.SPACE}% of the year's messages went to customers who are lost today, about ¥345 at"
    )
    assert told in text
    assert "at ¥" not in said.most_written(year, found, Some(**vars(PLAN) | {"cost_each": WHY}), SETTINGS)
    assert said.most_written(year, found.assign(verdict="no difference seen"), PLAN, SETTINGS) == ""
    assert said.most_written(year, found.iloc[:1], PLAN, SETTINGS) == ""
    assert said.most_written(WHY, found, PLAN, SETTINGS) == WHY


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
    assert "opted out" in said.messages(pd.DataFrame({"opted_out": [3], "customers": [9]}))
    assert "opted out" not in said.messages(pd.DataFrame({"customers": [3]}))


def test_revenue_taken_apart_is_read_out():
    parts = ["P(buy)", "orders a buyer", "basket", "revenue a customer"]
    table = pd.DataFrame({"part": parts, "ratio": [1.29, 1.0, 1.01, 1.28]})
    assert "spent 1.28 times as much" in said.coupon_parts(table)
    none = table.assign(ratio=pd.Series([1.0, 1.0, WHY, WHY], dtype=object))
    assert said.coupon_parts(none) == f"Not computable: {WHY.reason}."


def stood(**more):
    """What a standing holdout found."""
    found = {"begins": pd.Timestamp("2025-01-05"), "ends": pd.Timestamp("2025-12-17"), "campaigns": 12}
    found |= {"treated": Some(n=9000), "control": Some(n=1000), "bought": (0.5, 0.48), "spent": (110.0, 100.0)}
    found |= {"conversion": Some(delta=0.02, low=-0.01, high=0.05), "revenue": Some(delta=10.0, low=2.0, high=18.0)}
    found |= {"near": Some(delta=4.0, low=1.0, high=7.0), "spent_near": (24.0, 20.0)}
    return Some(**found | {"moved": 0, "left_out": 0} | more)


def test_a_standing_holdout_is_said_to_measure_all_campaigns_of_its_time_and_not_one():
    told = said.all_together(stood(), WHY, WHY, WHY, SETTINGS)
    assert told.startswith("The same customers are kept out of every campaign, so this measures being in the programme")
    assert f"12{words.SPACE}campaigns together, 5 Jan – 17 Dec 2025, and no single one of them" in told
    assert (
        f"Of 9,000{words.SPACE}customers in it 50.0{words.SPACE}% bought, of 1,000 held out 48.0{words.SPACE}%" in told
    )
    assert "a difference of +2.00" in told
    assert "points), which may be nothing at all." in told
    assert "They spent ¥110 each, the held out ¥100: a difference of ¥10.00 (" in told
    assert told.count("nothing at all") == 1
    assert "For all of them that is ¥90,000 (" in told
    assert "In the days after the messages alone they spent ¥24.00 each, the held out ¥20.00: a difference of" in told
    assert "Do not set any of this beside the gain of one campaign" in told
    assert "tables/campaign_programme.csv" in told
    assert "changed sides" not in told
    assert "not compared" not in told


def test_what_a_standing_holdout_cannot_tell_is_said():
    told = said.all_together(stood(moved=3, left_out=40, revenue=WHY, near=WHY), WHY, WHY, WHY, SETTINGS)
    assert f"a difference is not computable: {WHY.reason}." in told
    assert "For all of them" not in told
    assert "the days after" not in told
    assert f"3{words.SPACE}customers changed sides later and still count where they began" in told
    assert f"40{words.SPACE}customers came with campaigns that held out too few" in told


def test_without_a_standing_holdout_the_campaigns_are_pooled_or_say_why_not():
    table = pd.DataFrame({"p_holm": [0.7], "conversion_low": [-0.1]}, dtype=object)
    pooled = Some(delta=0.0044, low=0.002, high=0.007)
    told = said.all_together(WHY, pooled, Some(p=0.23), table, SETTINGS)
    assert told == said.together(pooled, Some(p=0.23), table, SETTINGS)
    assert said.all_together(WHY, WHY, WHY, WHY, SETTINGS) == WHY
    moved = NotComputable("11 of 200 changed")
    assert said.all_together(moved, WHY, WHY, WHY, SETTINGS) == NotComputable(f"{WHY.reason}, and 11 of 200 changed")
