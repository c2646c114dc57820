"""campaign_sentences.py: what a shop owner reads is the number above it, and nothing is claimed that is not known."""

from types import SimpleNamespace as Some

import pandas as pd
import pytest

from clvbook.campaigns.judgement import _STEPS, ADD_COST, CHECK_SENDS, HOLD_OUT
from clvbook.errors import NotComputable
from clvbook.present import campaign_sentences as said
from clvbook.present import words
from clvbook.settings import make_settings

WHY = NotComputable("no customer was held out")
SETTINGS = make_settings({"shop": "t", "orders": "t.csv", "margin_rate": 0.5, "campaign_holdout": 0.1})


def returns(low, high, **more):
    known = {"revenue": 100.0, "revenue_low": 50.0, "revenue_high": 150.0, "ratio": 9.0, "ratio_low": 2.7}
    known |= {"ratio_high": 15.3, "profit": (low + high) / 2, "profit_low": low, "profit_high": high}
    return Some(**(known | more))


PROGRAMME = Some(ratio=Some(observed=Some(value=41.1)), economics=Some(break_even_share=0.054))


def test_ratios_and_points_are_written_in_one_way():
    assert [said.one_to(value) for value in (31.46, 155.2, WHY)] == ["1:31.5", "1:155", WHY.reason]
    assert said.points(0.0044) == f"+0.44{words.SPACE}points"
    assert said.bare_points(-0.0044) == f"{words.MINUS}0.44"
    assert said.small_percent(0.0176) == f"1.76{words.SPACE}%"


def test_each_action_is_explained():
    actions = {action for action, _ in _STEPS.values()} | {ADD_COST, CHECK_SENDS, HOLD_OUT}
    assert set(said.ACTIONS) == actions


def test_a_page_without_sends_says_which_files_to_bring():
    told = said.bring(NotComputable("sends is not set"), WHY)
    assert all(name in told for name in ("campaigns", "(sends)", "send_log", "costs", "holdout file"))
    assert "Nobody was held out" in said.bring(object(), WHY)
    assert said.bring(object(), 100) == ""


@pytest.mark.parametrize(
    ("low", "high", "told"), [(1, 9, "together they paid"), (-9, -1, "they lost money"), (-5, 5, "nobody can tell yet")]
)
def test_whether_it_paid_is_said_at_interval_level(low, high, told):
    assert told in said.caused(returns(low, high), PROGRAMME, WHY, SETTINGS)


@pytest.mark.parametrize(
    ("low", "value", "high", "told"),
    [
        (1.8, 5.0, 8.2, "coupons not counted; with them likely but not sure (1:5.0, 1.8 to 8.2; break-even 1:2.0)"),
        (0.5, 1.5, 8.2, "with them not likely"),
        (0.1, 0.5, 1.0, "with them they did not"),
        (3.0, 5.0, 8.2, "together they paid, with coupons counted as well"),
        (WHY, 5.0, WHY, "together they paid, coupons not counted."),
    ],
)
def test_that_it_paid_is_no_surer_than_with_coupons(low, value, high, told):
    assert told in said.caused(returns(1, 9), PROGRAMME, Some(value=value, low=low, high=high), SETTINGS)


def prices(*, passed=(12, 2), low=(10.0, -2.0), high=(30.0, 9.0)):
    frame = pd.DataFrame({"price": [0.048, 0.097], "campaigns": [12, 12], "passed": passed, "ratio": [68.9, 28.1]})
    return frame.assign(caused=[21.0, 3.4], caused_low=low, caused_high=high)


def test_campaigns_are_compared_by_the_price_of_a_message():
    told = said.by_price(prices(), SETTINGS)
    assert (
        f"12{words.SPACE}campaigns at about ¥0.048 a message all 12 surely passed 1:30, of 12 at about ¥0.097 2" in told
    )
    assert "came with 68.9 and 28.1 of sales; against those held out" in told
    assert "may be chance" not in said.by_price(prices(), SETTINGS)
    assert "may be chance" in said.by_price(prices(high=(30.0, 11.0)), SETTINGS)
    assert "made cheaper" in told
    assert "made cheaper" not in said.by_price(prices(passed=(2, 2)), SETTINGS)
    assert "held out" not in said.by_price(prices(low=(WHY, WHY)), SETTINGS)
    assert said.by_price(WHY, SETTINGS) == WHY
    assert [said.price_in("CNY")(value) for value in (0.0485, 1.25, WHY)] == ["¥0.049", "¥1.25", WHY.reason]


def test_what_sales_suggest_is_no_proof():
    table = pd.DataFrame({"verdict": ["not enough data", "not enough data"]})
    assert "no single campaign is proven" in said.suggest(table)
    assert "1\u00a0campaign surely paid or lost" in said.suggest(pd.DataFrame({"verdict": ["paid", "not enough data"]}))
    assert "not known" in said.suggest(WHY)
    acts = pd.DataFrame({"action": ["repeat", "re-target"]})
    assert said.nothing_to_stop(acts, table) == "No campaign needs stopping by this evidence."
    assert said.nothing_to_stop(acts, WHY) != ""
    assert said.nothing_to_stop(acts, table.assign(verdict="did not pay")) == ""
    assert said.nothing_to_stop(acts.assign(action="stop"), table) == said.nothing_to_stop(WHY, table) == ""


def campaign(**more):
    row = {"name": "A", "buyers": 148, "sent": 8432, "conversion": 0.0176, "ratio": 29.1, "ratio_low": 23.7}
    row |= {"ratio_high": 35.6, "ratio_verdict": "not enough data", "action": "hold out", "more_sends": 690_000}
    row |= {"held_out": 936, "break_even_share": 0.0765, "next_step": "Only the conversion can be judged."}
    return pd.DataFrame([row | more], dtype=object)


def test_the_newest_campaign_is_told_in_three_sentences():
    told = said.newest(campaign())
    assert "29.1 (23.7 to 35.6) of sales: not enough data." in told
    assert f"It would take about 82{words.SPACE}more such campaigns to tell: do not wait, go by those held out" in told
    assert f"caused at least 7.7{words.SPACE}% of these sales" in told
    assert told.count(". ") == 2
    assert "More sends would not tell" in said.newest(campaign(more_sends=WHY))
    assert "repeat it only with a holdout" in said.newest(campaign(held_out=0))
    assert f"Next: {said.ACTIONS['repeat']}." in said.newest(campaign(action="repeat"))
    assert "even if it caused all" in said.newest(campaign(break_even_share=1.4))
    assert "earned back" not in said.newest(campaign(break_even_share=WHY))
    assert "29.1 of sales" in said.newest(campaign(ratio_low=WHY))
    assert f"not computable: {WHY.reason}. Only the conversion" in said.newest(campaign(ratio=WHY))


def test_what_is_missing_for_profit_is_named():
    no_cost = returns(0, 1, ratio=NotComputable("the cost is not known"))
    assert said.caused(no_cost, PROGRAMME, WHY, SETTINGS).endswith("not computable: the cost is not known.")
    no_margin = returns(0, 1, profit=NotComputable("margin_rate is not set"))
    assert said.caused(no_margin, PROGRAMME, WHY, SETTINGS).endswith("not computable: margin_rate is not set.")


def test_without_a_holdout_there_is_the_break_even_share_and_never_the_word():
    assert said.caused(WHY, PROGRAMME, WHY, SETTINGS) == WHY
    told = said.without_holdout(WHY, PROGRAMME)
    assert f"at least 5.4{words.SPACE}%" in told
    assert "incremental" not in told
    assert said.without_holdout(11_711, PROGRAMME) == ""
    assert "did not earn back" in said.without_holdout(WHY, Some(economics=Some(break_even_share=1.4)))
    lacks = Some(economics=Some(break_even_share=NotComputable("margin_rate is not set")))
    assert "margin_rate is not set" in said.without_holdout(WHY, lacks)


def judged(ratio, conversion, implied=0.015, in_range=True):
    frame = pd.DataFrame({"ratio_verdict": ratio, "conversion_verdict": conversion}, dtype=object)
    return frame.assign(implied_conversion=implied, in_range=in_range)


def test_the_bars_are_counted():
    told = said.bars(judged(["pass", "fail", "not enough data"], ["pass", "pass", "fail"]), SETTINGS)
    assert "1 surely brought sales of 1:30 or more, 1 surely did not, and 1 cannot be told" in told
    assert "passed by 2 and missed by 1; for 0 it" in told
    assert f"1:30 asks that 1.50{words.SPACE}% buy" in told
    assert "is the easier one" in told
    assert "All of them passed" in said.bars(judged(["pass"], ["pass"]), SETTINGS)
    assert "the harder one" in said.bars(judged(["pass"], ["pass"], implied=0.001), SETTINGS)
    assert "the margin decides" in said.bars(judged(["pass"], ["pass"], in_range=False), SETTINGS)
    assert said.bars(WHY, SETTINGS) == ""


def segments(**effects):
    rows = [
        {"dimension": "stage", "segment": s, "effect": e, "low": lo, "high": hi} for s, (e, lo, hi) in effects.items()
    ]
    return pd.DataFrame(rows).assign(verdict="differ")


def test_advice_repeats_stops_and_tests():
    plan = Some(cost_each=0.05, basket=100.0)  # earns back from 0.1 points on
    found = segments(silent=(0.014, 0.008, 0.02), lost=(-0.01, -0.02, 0.0005), active=(0.002, -0.003, 0.007))
    told = said.advice(found, plan, SETTINGS)
    assert "Repeat for silent" in told
    assert "Stop for lost" in told
    assert "Test for active" in told
    assert "hold out half" in told
    assert f"+0.10{words.SPACE}points" in told
    assert "no reason yet" in said.advice(found.assign(verdict="no difference seen"), plan, SETTINGS)
    assert said.advice(WHY, plan, SETTINGS) == ""
    assert "hold out half" not in said.advice(segments(silent=(0.014, 0.008, 0.02)), plan, SETTINGS)
    assert "Repeat for silent" in said.advice(found, WHY, SETTINGS)


def test_windows_and_overlap():
    frame = pd.DataFrame({"window_days": [7, 30], "revenue": [100.0, 340.0], "campaigns": 23})
    assert f"of the 23{words.SPACE}campaigns whose 30{words.SPACE}days are over" in said.windows(frame, 7, SETTINGS)
    assert "3.4 times the revenue, in 4.3 times the days" in said.windows(frame, 7, SETTINGS)
    total = {"campaigns": 2, "sent": 10, "orders": 5, "buyers": 4, "revenue": 500.0, "touched_revenue": 600.0}
    over = pd.DataFrame({"buyers": [3, 2], "sent": [5, 5], "delivered": [4, 5], "pending": [0, 0]})
    found = Some(programme=Some(**total, overlap=0.2, provisional_revenue=50.0), over=over)
    told = said.overlap(found, SETTINGS)
    assert f"20.0{words.SPACE}%" in told
    assert "¥600" in told
    assert "younger than 15" in told
    assert f"these customers are 5{words.SPACE}buyers" in told
    assert f"10.0{words.SPACE}% of the messages did not arrive" in told
    over = over.assign(buyers=2, delivered=0, pending=5)
    alone = Some(programme=Some(**total, overlap=0.0, provisional_revenue=0.0), over=over)
    assert "again" not in said.overlap(alone, SETTINGS)
    assert "did not arrive" not in said.overlap(alone, SETTINGS)  # no receipts yet
    assert "No order fell after two campaigns at once" in said.overlap(alone, SETTINGS)


def test_open_campaigns_are_named():
    rows = pd.DataFrame({"name": ["A"], "closes": [pd.Timestamp("2026-11-09")]})
    assert "A (until 9 November 2026)" in said.still_open(Some(open=rows))
    assert said.still_open(Some(open=rows.iloc[:0])) == ""
