"""retention_sentences.py: each sentence says what the figures say, branch by branch."""

from datetime import date
from types import SimpleNamespace as Found

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import retention_sentences as said
from clvbook.present.sentences import Prose
from clvbook.settings import make_settings

WHY = NotComputable("no save rate is known")


@pytest.fixture
def settings():
    """A function: settings laid over a shop's."""
    return lambda **values: make_settings({"shop": "s", "orders": "o.csv", **values})


def plan(**values):
    points = pd.DataFrame({"budget": [0.0, 500.0, 1000.0], "net": [0.0, 900.0, 1200.0], "last_unit": [9.0, 3.0, 1.0]})
    frontier = Found(points=points, worth_spending=1000.0, net=1200.0)
    left_out = pd.DataFrame({"reason": ["not worth the cost"], "customers": [7]})
    known = {"customers": 20, "saved": 4.0, "spent": 500.0, "net": 900.0, "unspent": 0.0, "budget": 500.0}
    known |= {"last_unit": 3.0, "cost_a_kept_customer": 125.0, "frontier": frontier, "left_out": left_out}
    return Found(**{**known, **values})


def outlook(low=300.0, p=0.98):
    return Found(low=low, high=1500.0, p_positive=p)


def stages(*low):
    """The list by stage, with the low ends of the measured save rates."""
    n = len(low)
    frame = {"stage": ["silent", "sleeping", "lost"][:n], "held_out": [3] * n, "net": [100.0] * n, "cost": [40.0] * n}
    frame |= {"low": low, "sure": [end > 0.001 for end in low], "forgone": [5.0] * n, "incentive_saved": [2.0] * n}
    frame |= {"incentive_stayers": [10.0] * n, "contact": [28.0] * n, "save_rate": [0.02] * n, "value": [5000.0] * n}
    return pd.DataFrame(frame, dtype=object)


def plain(text):
    return str(text).replace("\u00a0", " ")


def test_the_page_begins_with_the_decision_and_its_interval(settings):
    told = plain(said.decision(plan(), outlook(), stages(0.01), settings()))
    assert told.startswith(
        "Spend ¥500 on writing to 20 customers: expected net profit ¥900 (95 % interval ¥300–1,500) over the next 365"
    )
    assert "About 4.0 customers stay because of it, at ¥125 each" in told
    assert "The chance that it pays is 98 % if the save rates measured so far last" in told
    assert "Surely" not in told
    assert '<a href="tables/retention_list.csv">' in Prose(told)._repr_html_()
    whole = plain(said.decision(plan(), outlook(), stages(0.01), settings(retention_budget=500.0)))
    assert whole.startswith("Spend the budget of ¥500 on writing to")
    part = plan(unspent=300.0)
    assert said.decision(part, outlook(), stages(0.01), settings(retention_budget=800.0)).startswith("Spend ¥500 on")


def test_the_decision_says_which_effects_are_sure(settings):
    told = said.decision(plan(), outlook(), stages(-0.01, 0.02, 0.00002), settings())
    assert (
        "Surely above 0 is the effect on the sleeping alone: ¥40 of the money, an expected ¥100 of the profit." in told
    )
    assert "Of no single stage" in said.decision(plan(), outlook(), stages(-0.01, 0.0), settings())
    assumed = plain(said.decision(plan(), outlook(), stages(-0.01), settings(retention_save_rate=0.02)))
    assert "if the save rates assumed hold" in assumed
    assert "no single stage" not in assumed


def test_it_says_not_to_spend_and_why(settings):
    nobody = plain(said.decision(plan(customers=0), NotComputable("nobody"), WHY, settings()))
    assert nobody.startswith("Do not spend on keeping customers now")
    assert "not worth the cost" in nobody
    ended = pd.DataFrame({"reason": ["the budget ended"], "customers": [7]})
    small = said.decision(plan(customers=0, left_out=ended), WHY, WHY, settings(retention_budget=1.0))
    assert small == "The budget of ¥1 does not pay for a single contact."
    assert said.budget(plan(customers=0), WHY, WHY, settings()) == ""
    unlikely = plain(said.decision(plan(), outlook(low=-900.0, p=0.3), stages(0.01), settings()))
    assert unlikely.startswith("Do not spend: writing to the best 20 customers for ¥500")
    assert "30 % only" in unlikely


def test_without_a_save_rate_there_is_no_decision_and_no_figure(settings):
    told = said.decision(WHY, WHY, WHY, settings())
    assert told == "There is no decision yet: no save rate is known."
    assert said.rules(WHY, WHY, settings()) == WHY
    for sentence in (said.break_even, said.optimal, said.scenarios):
        assert sentence(WHY, settings()) == WHY
    assert said.budget(WHY, WHY, WHY, settings()) == said.save_rates(WHY, WHY, settings()) == WHY
    assert said.what_if(WHY, WHY, {}, settings()) == WHY
    assert said.bring([]) == ""
    assert "it adds profit" in said.bring(["margin_rate", "costs"])


def test_the_budget(settings):
    assert "No budget is set" in said.budget(plan(), WHY, WHY, settings())
    full = plain(said.budget(plan(), WHY, WHY, settings(retention_budget=500.0)))
    assert full.startswith("¥500 is what the parameters set for this list (retention_budget). It is spent in full")
    assert "returns ¥3.00. ¥500 more, ¥1,000 in all, would add ¥300 of net profit (¥1.60 for each ¥1)" in full
    rest = plain(said.budget(plan(spent=1000.0, unspent=800.0), WHY, WHY, settings(retention_budget=1800.0)))
    assert "Of the budget of ¥1,800 (retention_budget) ¥800 stays unspent" in rest
    half = pd.DataFrame({"save_rate": [1.0, 0.5], "worth_spending": [1000.0, 420.0]})
    assert said.budget(plan(), half, WHY, settings()).endswith("half as strong, no more than ¥420 is worth spending.")
    none = half.assign(worth_spending=0.0)
    assert said.budget(plan(), none, WHY, settings()).endswith("half as strong, nothing is worth spending.")


def test_the_budget_names_a_better_use_of_its_last_unit(settings):
    better, worse = (pd.DataFrame({"per_unit": [returns, 3.0]}) for returns in (3.2, 2.9))
    told = plain(said.budget(plan(), WHY, better, settings()))
    assert "Winning new customers may return more, ¥3.20 for each ¥1: compare them" in told
    for other in (worse, pd.DataFrame({"per_unit": [WHY, 3.0]})):
        assert "Winning" not in said.budget(plan(), WHY, other, settings())


def test_an_assumed_save_rate_is_called_one(settings):
    names = ["stage", "save_rate", "measured", "low", "high", "sure"]
    known = [("silent", 0.02, 0.03, 0.01, 0.05, True), ("lost", 0.01, 0.0, -0.01, 0.01, False)]
    rates = pd.DataFrame(known, columns=names)
    offers = pd.DataFrame({"cost": 0.05, "incentive": 1.0, "kept_treated": [0.1, 0.2]})
    measured = plain(said.save_rates(rates, offers, settings()))
    assert "highest among the silent: +3.0 points measured" in measured
    assert "The interval of the lost reaches 0" in measured
    assert "A message costs ¥0.05, and whoever buys within 45 days gets ¥1.00 in coupons" in measured
    assert measured.endswith("a contact costs ¥0.15–0.25 in all, by stage.")
    assert "reaches 0" not in said.save_rates(rates.iloc[:1], offers, settings())
    free = said.save_rates(rates, offers.assign(incentive=0.0), settings())
    assert free.endswith("A contact costs ¥0.05, the message; no coupon is given.")
    assumed = plain(said.save_rates(rates, WHY, settings(retention_save_rate=0.02)))
    assert "is an assumption" in assumed
    assert "What a contact costs is not known" in assumed


def test_where_a_contact_pays(settings):
    rows = [("silent", "high", 1.0, 0.2, 5.0, True), ("lost", "low", 0.1, 0.2, -5.0, False)]
    names = ["stage", "band", "break_even", "cost_a_head", "net", "spend"]
    told = plain(said.break_even(pd.DataFrame(rows, columns=names), settings()))
    assert "It is expected to pay in 1 of 2 groups (“may pay” where" in told
    assert "the silent of high value: up to ¥1.00 each" in told
    assert "It does not pay for the lost of low value. The sums at right" in told
    nothing = pd.DataFrame([("lost", "low", -0.1, 0.2, -5.0, False)], columns=names)
    assert said.break_even(nothing, settings()).startswith("No effect of a contact is seen")


def test_spending_a_head(settings):
    names = ["stage", "today", "spend"]
    more = pd.DataFrame([("silent", 0.1, 2.0), ("sleeping", 0.1, 3.0), ("lost", 0.1, WHY)], columns=names)
    told = plain(said.optimal(more, settings()))
    assert told.startswith("This is a guess to be tested")
    assert "keeps more than 10 % of customers (retention_ceiling, a judgement)" in told
    assert "Then ¥2.00 a head on the silent and ¥3.00 a head on the sleeping would pay best." in told
    right = pd.DataFrame([("silent", 2.0, 2.0)], columns=names)
    assert "about right" in said.optimal(right, settings())
    assert isinstance(said.optimal(more.iloc[2:], settings()), NotComputable)


def test_how_sure(settings):
    table = pd.DataFrame([{"assumption": "save_rate", "at_low": -100.0, "at_high": 900.0}])
    told = plain(said.sure(table, stages(0.01), outlook(), settings()))
    assert "the net profit goes from −¥100 to ¥900. The list breaks even at 40 % of the save rates" in told
    assert "Even at the low end of the interval at the top, ¥300, it pays." in told
    assert "Of the ¥40 the messages are ¥28; coupons of whoever buys are expected to cost ¥12, ¥10 of it" in told
    free = stages(0.01).assign(incentive_saved=0.0, incentive_stayers=0.0)
    assert said.sure(table, free, outlook(low=-1.0), settings()).endswith("the cheapest test.")


def test_what_who_is_kept_is_worth_and_what_stages_are(settings):
    told = plain(said.value(settings(horizon_days=180)))
    assert "in the next 180 days, as if the others had gone for good" in told
    assert said.stages(settings()).endswith("active up to 45, silent up to 90, sleeping up to 180, lost beyond.")


def test_rules_scenarios_and_what_if(settings):
    rules = pd.DataFrame({"rule": ["net profit", "most valuable", "riskiest"], "net": [100.0, 50.0, -3.0]})
    told = plain(said.rules(rules, Found(gap=0.126), settings()))
    assert "the riskiest, −¥3; no list at all can bring more than ¥0.13 more by these figures." in told
    cases = pd.DataFrame({"scenario": ["as expected", "half"], "net": [100.0, 20.0], "customers": [9, 4]})
    assert plain(said.scenarios(cases, settings())).startswith("It pays in each of them; least with half: ¥20.")
    nothing = said.scenarios(cases.assign(net=[100.0, 0.0]), settings())
    assert nothing == "The decision does not survive all of them: nothing is worth spending with half."
    assert said.what_if(plan(), plan(), {"value": 1.0}, settings()).startswith("All factors are 1")
    changed = plan(customers=9, net=1100.0, spent=900.0, budget=1000.0)
    told = plain(said.what_if(plan(net=950.0), changed, {"save_rate": 0.5, "cost": 1.0}, settings()))
    assert told.startswith(
        "With save rates times 0.5, ¥900 of ¥1,000 would be spent on 9 customers: net profit ¥1,100."
    )
    assert "The decision's own ¥500 would bring ¥900 instead of ¥950" in told


def test_who_is_left_out_and_held_out(settings):
    reasons = pd.DataFrame({"reason": ["not worth the cost", "contacted enough"], "customers": [7, 2]})
    told = plain(said.left_out(reasons, settings()))
    assert told.startswith("Not on the list: 7 (a contact costs more than it is expected to bring) and 2 (3 messages")
    assert said.left_out(reasons.iloc[:0], settings()) == "Every customer is on the list."
    day = date(2026, 12, 16)
    told = plain(said.hold_out(stages(0.01, 0.02), 4, day, settings()))
    assert told.startswith("The list names 6 more, drawn at random, who get nothing of it (send: no)")
    assert "45 days after the sending (16 December 2026, if it is sent at once) comparing the two" in told
    assert "forgoes an expected ¥10." in told
    assert (
        "4 customers to write to are on the lifecycle page's lists, too (column act_list): write to them from this"
        in told
    )
    none = said.hold_out(stages(0.01).assign(held_out=0), 0, day, settings())
    assert none == "Nobody on the list is held out (holdout_share): nobody will know what it changed."
    assert said.hold_out(WHY, WHY, day, settings()) == WHY


def test_the_check_of_the_method():
    names = ["per_arm", "share", "worst", "valuable", "riskiest"]
    table = pd.DataFrame([(2000, 0.9, 0.7, 0.5, 0.45), (16000, 0.98, 0.96, 0.5, 0.45)], columns=names)
    told = plain(said.check(table, WHY))
    assert "2,000: 90 % (at worst 70 %); 16,000: 98 % (at worst 96 %). Those first who are worth most" in told
    assert "worth most earned 50 %, the riskiest first 45 %." in told
    rates = pd.DataFrame({"treated": [9000, 3000], "held_out": [1000, 3000]})
    own = plain(said.check(table, rates))
    assert "as telling as 1,800 to 3,000 customers an arm: it is most like the row of 2,000." in own
    assumed = rates.astype(object).assign(treated=NotComputable("assumed"))
    assert said.check(table, assumed) == said.check(table, WHY)
