"""retention_sentences.py: each sentence says what the figures say, branch by branch."""

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
    known = {"customers": 20, "spent": 500.0, "net": 900.0, "unspent": 0.0, "frontier": frontier, "left_out": left_out}
    return Found(**{**known, **values})


def outlook(low=300.0, p=0.98):
    return Found(low=low, high=1500.0, p_positive=p)


def plain(text):
    return str(text).replace("\u00a0", " ")


def test_the_page_begins_with_the_decision_and_its_interval(settings):
    told = plain(said.decision(plan(), outlook(), settings()))
    assert told.startswith("Spend ¥500 on these 20 customers: expected net profit ¥900 (95 % interval ¥300–1,500)")
    assert "the chance that it pays is 98 %" in told
    assert '<a href="tables/retention_list.csv">' in Prose(told)._repr_html_()


def test_it_says_not_to_spend_and_why(settings):
    nobody = plain(said.decision(plan(customers=0), NotComputable("nobody"), settings()))
    assert nobody.startswith("Do not spend on keeping customers now")
    assert "not worth the cost" in nobody
    ended = pd.DataFrame({"reason": ["the budget ended"], "customers": [7]})
    small = said.decision(plan(customers=0, left_out=ended), WHY, settings(retention_budget=1.0))
    assert small == "The budget of ¥1 does not pay for a single contact."
    assert said.budget(plan(customers=0), settings()) == ""
    unlikely = plain(said.decision(plan(), outlook(low=-900.0, p=0.3), settings()))
    assert unlikely.startswith("Do not spend: writing to the best 20 customers for ¥500")
    assert "30 % only" in unlikely


def test_without_a_save_rate_there_is_no_decision_and_no_figure(settings):
    told = said.decision(WHY, WHY, settings())
    assert told == "There is no decision yet: no save rate is known."
    for sentence in (said.budget, said.reasons, said.break_even, said.optimal, said.rules, said.scenarios):
        assert sentence(WHY, settings()) == WHY
    assert said.what_if(WHY, WHY, {}, settings()) == WHY
    assert said.bring([]) == ""
    assert "it adds profit" in said.bring(["margin_rate", "costs"])


def test_the_budget(settings):
    assert "No budget is set" in said.budget(plan(), settings())
    full = plain(said.budget(plan(), settings(retention_budget=500.0)))
    assert "is spent in full, and its last ¥1 still returns about ¥3.00. Up to ¥1,000" in full
    rest = plain(said.budget(plan(spent=1000.0, unspent=800.0), settings(retention_budget=1800.0)))
    assert "Of the budget of ¥1,800 ¥800 stays unspent" in rest


def test_an_assumed_save_rate_is_called_one(settings):
    rates = pd.DataFrame({"stage": ["silent"], "save_rate": [0.02], "measured": [0.03], "low": [0.01], "high": [0.05]})
    measured = plain(said.save_rates(rates, 0.05, 1.0, settings()))
    assert "highest among the silent: +3.0 points measured" in measured
    assert "A contact costs ¥0.05, and whoever stays gets ¥1.00" in measured
    assumed = plain(said.save_rates(rates, WHY, 0.0, settings(retention_save_rate=0.02)))
    assert "is an assumption" in assumed
    assert "What a contact costs is not known" in assumed


def test_rates(settings):
    row = {"period": "2026-08", "base": 100, "rate": 0.2, "low": 0.1, "high": 0.3}
    found = Found(definition="Of all.", rate=0.2, low=0.1, high=0.3, by_period=pd.DataFrame([row]))
    told = plain(said.rate(found, WHY, settings()))
    assert told.startswith("Of all. Over all periods it is 20.0 % (95 % interval 10.0–30.0 %)")
    assert "Within a whole year 20 % of the 100 customers" in plain(said.rate(found, found, settings()))


def test_a_loss_says_what_it_counts_and_is_for():
    table = pd.DataFrame(
        [["avoidable", "purchases that did not come", 5.0, "how much"], ["stage flow", WHY, WHY, WHY]],
        columns=["estimator", "counts", "revenue", "use_for"],
    )
    assert said.loss(table, 0) == "Avoidable: purchases that did not come. It says how much."
    assert said.loss(table, 1) == "No estimate by stage flow: no save rate is known."


def test_reasons(settings):
    names = ["natural", "competition", "fault", "malicious", "manageable"]
    split = pd.DataFrame({"reason": names, "weighted": [0.4, 0.3, 0.2, 0.1, 0.5]})
    row = pd.Series({"weighted": 0.5, "weighted_low": 0.4, "weighted_high": 0.6, "by_value": 0.55})
    found = Found(split=split, manageable=row, asked=100, answered=40, response=pd.Series({"rate": 0.4}))
    told = plain(said.reasons(found, settings()))
    assert "50.0 % (95 % interval 40.0–60.0 %) left for a reason that a shop can do something about" in told
    few = NotComputable("not enough data: 10 answers")
    assert said.reasons(Found(split=few), settings()) == few


def test_proxies_are_called_proxies():
    table = pd.DataFrame(
        [["refund", "money back", 0.1, 0.05], ["coupon", "with a coupon", WHY, WHY]],
        columns=["proxy", "meaning", "alike", "alike_low"],
    )
    assert said.proxies(table).endswith("as many orders: money back.")
    assert "No mark is surely" in said.proxies(table.assign(alike_low=[-0.1, WHY]))
    assert said.proxies(table.iloc[1:]).startswith("Proxies are hints")


def test_costs_and_margins(settings):
    table = pd.DataFrame({"amount": [50.0, 150.0]})
    assert "That is ¥2.00 for each" in plain(said.spent(table, 2.0, settings()))
    assert "not computable: no save rate" in said.spent(table, WHY, settings())
    assert said.spent(WHY, WHY, settings()) == WHY
    new = {"cost": 40.0, "value": 100.0, "net": 60.0, "per_unit": 2.5}
    kept = {"cost": 20.0, "value": 90.0, "net": 70.0, "per_unit": 4.5}
    assert "At the margin keeping returns more" in plain(said.margins(pd.DataFrame([new, kept]), settings()))
    assert "At the margin winning new ones" in plain(said.margins(pd.DataFrame([kept, new]), settings()))
    unknown = pd.DataFrame([{**new, "net": WHY}, kept], dtype=object)
    assert "is not computable: no save rate is known" in said.margins(unknown, settings())


def test_where_a_contact_pays(settings):
    rows = [("silent", "high", 1.0, 0.2, 5.0, True), ("lost", "low", 0.1, 0.2, -5.0, False)]
    names = ["stage", "band", "break_even", "cost_a_head", "net", "spend"]
    told = plain(said.break_even(pd.DataFrame(rows, columns=names), settings()))
    assert "It pays in 1 of 2 groups" in told
    assert "the silent of high value: up to ¥1.00 each" in told
    assert told.endswith("It does not pay for the lost of low value.")
    nothing = pd.DataFrame([("lost", "low", -0.1, 0.2, -5.0, False)], columns=names)
    assert said.break_even(nothing, settings()).startswith("No effect of a contact is seen")


def test_spending_a_head(settings):
    names = ["stage", "today", "spend"]
    more = pd.DataFrame([("silent", 0.1, 2.0), ("lost", 0.1, WHY)], columns=names)
    assert "more a head would pay for silent." in said.optimal(more, settings())
    right = pd.DataFrame([("silent", 2.0, 2.0)], columns=names)
    assert "about right" in said.optimal(right, settings())
    assert isinstance(said.optimal(more.iloc[1:], settings()), NotComputable)


def test_how_sure(settings):
    table = pd.DataFrame([{"assumption": "save_rate", "at_low": -100.0, "at_high": 900.0}])
    listed = pd.DataFrame({"incentive_stayers": [50.0], "cost": [200.0]})
    told = plain(said.sure(table, listed, outlook(), settings()))
    assert "the net profit goes from −¥100 to ¥900" in told
    assert "it pays. ¥50 of the ¥200 goes to customers who would have stayed anyway (25 %)" in told
    free = said.sure(table, listed.assign(incentive_stayers=0.0), outlook(low=-1.0), settings())
    assert free.endswith("the cheapest way to know.")


def test_rules_scenarios_and_what_if(settings):
    rules = pd.DataFrame({"rule": ["net profit", "most valuable", "riskiest"], "net": [100.0, 50.0, -3.0]})
    assert "the riskiest, −¥3" in plain(said.rules(rules, settings()))
    cases = pd.DataFrame({"scenario": ["as expected", "half"], "net": [100.0, 20.0], "customers": [9, 4]})
    assert plain(said.scenarios(cases, settings())) == "It pays in each of them; least, half: ¥20."
    assert "does not survive" in said.scenarios(cases.assign(net=[100.0, 0.0]), settings())
    assert said.what_if(plan(), plan(), {"value": 1.0}, settings()).startswith("All factors are 1")
    told = plain(said.what_if(plan(), plan(customers=9), {"save_rate": 0.5, "cost": 1.0}, settings()))
    assert told.startswith("With save rates times 0.5, 9 customers instead of 20")


def test_who_is_left_out_and_held_out(settings):
    assert plain(said.left_out(plan().left_out)) == "Not on the list: 7 (not worth the cost)."
    assert said.left_out(plan().left_out.iloc[:0]) == "Every customer is on the list."
    assert "a random 10 %" in plain(said.hold_out(plan(), settings()))


def test_the_check_of_the_method():
    rows = [(2000, 100.0, 40.0, 0.9), (16000, 100.0, 40.0, 0.98), (16000, 100.0, 50.0, 0.96)]
    told = plain(said.check(pd.DataFrame(rows, columns=["per_arm", "best", "riskiest", "share"])))
    assert "2,000 customers a stage and arm to learn from, the recommended list earned 90.0 %" in told
    assert "with 16,000 it earned 97.0 % (at worst 96.0 %)" in told
    assert "the riskiest first 45 %" in told
