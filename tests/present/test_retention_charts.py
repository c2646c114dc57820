"""Retention charts: every figure is in the alt text, what is not known is said, losses are never added."""

import re
import xml.etree.ElementTree as ET

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import retention_charts as charts
from clvbook.present import words
from clvbook.retention import alternatives, loss, save_rates, spending

FEW = NotComputable("not enough data: 24 answers of lost customers")
YUAN = words.money_in("CNY")


def samples():
    """One sample of every chart: frame, keywords, words that its alt text must hold."""
    rates = {"base": [900, 1100, 0], "rate": [0.12, 0.1, np.nan], "low": [0.1, 0.08, np.nan]}
    lost = {
        "estimator": ["accounting", "stage flow", "avoidable"],
        "revenue": [1_234_567.0, -34_000.0, FEW],
        "low": [1.1e6, -9e4, FEW],
        "high": [1.4e6, 4e4, FEW],
        "use_for": ["how large the hole is: the yearly sales", "an early warning", FEW],
    }
    split = {
        "reason": ["natural", "competition", "fault", "malicious", "manageable"],
        "weighted": [0.42, 0.31, 0.22, 0.05, 0.53],
        "weighted_low": [0.36, 0.25, 0.17, 0.03, 0.47],
        "weighted_high": [0.48, 0.37, 0.28, 0.09, 0.59],
    }
    points = {
        "budget": [0.0, 1e4, 2e4, 4e4],
        "net": [0.0, 4e4, 6e4, 7e4],
        "last_unit": [np.nan, 3.2, 1.9, 1.02],
    }
    moved = {
        "assumption": ["save_rate", "cost"],
        "low": [0.02, 0.4],
        "high": [0.06, 0.6],
        "at_low": [-5_000.0, 41_000.0],
        "at_high": [78_000.0, 30_000.0],
        "swing": [83_000.0, 11_000.0],
    }
    lists = {
        "rule": ["best possible", "net profit", "random", "riskiest"],
        "offer": [None, None, "coupon", "短信"],
        "net": [64_000.0, 61_000.0, 8_000.0, -12_000.0],
        "low": [FEW, 4e4, -4e3, -2e4],
        "high": [FEW, 8e4, 2e4, -5e3],
    }
    heads = {
        "segment": ["active", "silent", "沉睡", "lost"],
        "break_even": [0.2, 12.4, 1.4, FEW],
        "cost_a_head": [0.65, 0.65, FEW, 0.65],
        "net": [-900.0, 23_000.0, FEW, FEW],
    }
    return {
        "retention": (
            pd.DataFrame({"period": ["2026-08", "2026-09", "2026-10"], "high": [0.14, 0.12, np.nan]} | rates),
            {},
            [
                "August 2026: 12.0 % (10.0–14.0 %); September 2026: 10.0 % (8.0–12.0 %)",
                "October 2026: nobody had bought before",
            ],
        ),
        "losses": (
            pd.DataFrame(lost, dtype=object),
            {"currency": "CNY"},
            [
                "must not be added",
                "accounting: ¥1.23 million (¥1.10–1.40 million), for how large the hole is: the yearly sales",
                "stage flow: −¥34,000 (−¥90,000 to ¥40,000)",
                f"avoidable: {FEW}.",
            ],
        ),
        "reasons": (
            pd.DataFrame(split),
            {},
            ["natural: 42.0 % (36.0–48.0 %)", "manageable (competition, fault): 53.0 % (47.0–59.0 %)", "weighted for"],
        ),
        "frontier": (
            pd.DataFrame(points),
            {"currency": "CNY", "worth_spending": 40_000.0, "budget": 15_000.0},
            [
                "rises to ¥70,000 at a budget of ¥40,000; beyond it the next unit returns less than one",
                "budget of ¥15,000 brings ¥50,000; another unit there returns 1.90 or more",
            ],
        ),
        "tornado": (
            pd.DataFrame(moved),
            {"x": "net profit", "currency": "CNY", "base": 34_000.0, "forms": {"save_rate": words.percent}},
            [
                "net profit, expected ¥34,000",
                "save rate 2.0 %: −¥5,000, 6.0 %: ¥78,000",
                "cost 0.4: ¥41,000, 0.6: ¥30,000",
            ],
        ),
        "rules": (
            pd.DataFrame(lists),
            {"currency": "CNY"},
            [
                f"best possible: ¥64,000 ({FEW})",
                "recommended: ¥61,000 (¥40,000–80,000)",
                "at random, coupon: ¥8,000",
                "riskiest first, 短信: −¥12,000",
            ],
        ),
        "break_even": (
            pd.DataFrame(heads),
            {"currency": "CNY"},
            [
                "active: at most ¥0.20, cost ¥0.65, does not pay, −¥900",
                "silent: at most ¥12.40, cost ¥0.65, pays, ¥23,000",
                f"沉睡: at most ¥1.40, cost {FEW}; lost: {FEW}",
            ],
        ),
    }


SAMPLES = samples()


def make(name, **more):
    frame, keywords, _ = SAMPLES[name]
    return getattr(charts, name)(frame, title="What it says", **(keywords | more))


def said(chart):
    return chart.alt.replace(words.SPACE, " ")


def drawings(chart):
    """What the wide and the narrow drawing have written, as text."""
    root = ET.fromstring(chart.svg)  # noqa: S314  our own picture
    return ["\n".join(part.itertext()).replace(words.SPACE, " ") for part in root if part.get("class")]


def test_every_chart_is_tested():
    public = {name for name, thing in vars(charts).items() if getattr(thing, "__module__", "") == charts.__name__}
    assert {name for name in public if not name.startswith("_")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_one_svg_whose_alt_text_has_the_numbers(name):
    chart = make(name)
    root = ET.fromstring(chart.svg)  # noqa: S314  our own picture
    assert root.get("aria-label") == chart.alt
    assert chart.alt.startswith("What it says. ")
    for each in SAMPLES[name][2]:
        assert each in said(chart)
    assert make(name, alt="In my words").alt == "In my words"
    assert chart.svg == make(name).svg
    plain = re.sub(r"<style>.*?</style>", "", chart.svg, flags=re.DOTALL)
    assert "nan" not in plain.lower()
    assert not re.search("#01020[3-8]", plain)
    assert len(chart.svg) < 40_000


@pytest.mark.parametrize("name", SAMPLES)
def test_no_rows_are_said_not_drawn(name):
    frame, keywords, _ = SAMPLES[name]
    chart = getattr(charts, name)(frame.head(0), title="What it says", **keywords)
    assert chart.alt == "What it says. Nothing to draw: the data have 0 rows for this."
    chart = getattr(charts, name)(FEW, title="What it says", **keywords)
    assert chart.alt == f"What it says. {FEW}"


@pytest.mark.parametrize(("name", "column"), [("losses", "low"), ("reasons", "weighted"), ("rules", "net")])
def test_a_missing_figure_is_refused(name, column):
    frame, keywords, _ = SAMPLES[name]
    frame = frame.assign(**{column: [np.nan, *frame[column][1:]]})
    with pytest.raises(PublishFailed, match="missing"):
        getattr(charts, name)(frame, title="t", **keywords)


def test_a_rate_that_is_missing_without_a_base_of_0_is_refused():
    with pytest.raises(PublishFailed, match="missing"):
        charts.retention(SAMPLES["retention"][0].drop(columns="base"), title="t")


def test_losses_are_not_to_be_added_and_say_what_each_is_for():
    for text in drawings(make("losses")):
        assert "never add them" in text
        assert "how large the hole is" in text
        assert "yearly sales" not in text  # what explains the use is for the table
        assert "−¥34,000" in text
        assert str(FEW) in text
    frame = SAMPLES["losses"][0].tail(1)
    assert all(str(FEW) in text for text in drawings(charts.losses(frame, title="t", currency="CNY")))


def test_reasons_print_their_shares():
    for text in drawings(make("reasons")):
        assert "manageable (competition, fault)" in text
        assert "53 %" in text


def test_frontier_without_a_budget_and_with_too_large_a_one():
    assert "budget ¥" not in make("frontier", budget=None).alt
    assert all("budget ¥" not in text for text in drawings(make("frontier", budget=None)))
    exact = make("frontier", budget=50_000.0, net=70_123.0)
    assert all("budget ¥50,000: net ¥70,123" in text for text in drawings(exact))
    chart = make("frontier", budget=50_000.0)
    assert said(chart).endswith("budget of ¥50,000 brings ¥70,000; ¥10,000 of it stay unspent.")
    for text in drawings(chart):
        assert "budget ¥50,000: net ¥70,000" in text
        assert "worth spending at most ¥40,000" in text
        assert "beyond it: leave the money unspent" in text
    assert said(make("frontier", budget=0.0)).endswith("budget of ¥0.00 brings ¥0.00.")


def test_a_frontier_of_nothing_worth_its_cost_says_so():
    nothing = charts.frontier(SAMPLES["frontier"][0].head(1), title="t", currency="CNY", worth_spending=0.0)
    assert "no budget is worth spending" in nothing.alt
    assert make("frontier", worth_spending=FEW).alt == f"What it says. {FEW}"


def test_tornado_prints_what_the_assumptions_were():
    for text in drawings(make("tornado")):
        assert "2.0 %" in text
        assert "6.0 %" in text
        assert "save rate" in text
        assert "expected ¥34,000" in text
    assert make("tornado", base=FEW).alt == f"What it says. {FEW}"


def test_tornado_with_both_ends_on_one_side_shows_both():
    frame = SAMPLES["tornado"][0].head(1).assign(at_low=40_000.0, at_high=90_000.0)
    chart = charts.tornado(frame, title="t", x="net profit", currency="CNY", base=34_000.0)
    for text in drawings(chart):
        assert "0.02" in text
        assert "0.06" in text


def test_rules_without_offers_and_intervals():
    frame = SAMPLES["rules"][0][["rule", "net"]]
    chart = charts.rules(frame, title="t", currency="CNY")
    assert "recommended: ¥61,000; at random: ¥8,000; riskiest first: −¥12,000." in chart.alt
    frame = frame.assign(net=[64_000.0, 61_000.0, 8_000.0, FEW])
    assert all(str(FEW) in text for text in drawings(charts.rules(frame, title="t", currency="CNY")))


def test_break_even_says_whether_a_contact_pays():
    for text in drawings(make("break_even")):
        assert "does not pay, −¥900" in text
        assert "pays, ¥23,000" in text
        assert "cost not known" in text
        assert str(FEW) in text
        assert "(log)" in text  # 12.4 is more than thirty times 0.2
    frame, keywords, _ = SAMPLES["break_even"]
    chart = charts.break_even(
        frame.rename(columns={"segment": "stage"}).assign(break_even=[-0.2, 12.4, 1.4, FEW]),
        title="t",
        by="stage",
        **keywords,
    )
    assert all("(log)" not in text for text in drawings(chart))
    assert "active: at most −¥0.20" in chart.alt


def test_results_of_the_library_are_drawn():
    lost = loss.Loss("accounting", "lost", 30, 1e5, 8e4, 1.2e5, None, "the hole: in the books")
    chart = charts.losses(loss.side_by_side({"accounting": lost, "avoidable": FEW}), title="t", currency="CNY")
    assert "¥80,000–120,000" in chart.alt

    assumed = {"save_rate": save_rates.Range(0.04, 0.02, 0.06), "value": save_rates.Range(90.0, 60.0, 120.0)}
    moved = spending.tornado(lambda save_rate, value: 1_000 * (save_rate * value - 1), assumed)
    chart = charts.tornado(moved, title="t", x="net profit", currency="CNY", base=2_600.0)
    assert "save rate 0.02: ¥800, 0.06: ¥4,400; value 60: ¥1,400, 120: ¥3,800." in chart.alt

    groups = pd.DataFrame({"stage": ["silent"], "customers": [100], "save_rate": [0.04], "value": [90.0]})
    found = spending.decisions(groups.assign(cost=50.0))
    found = found.assign(cost_a_head=found.cost / found.customers)
    chart = charts.break_even(found, title="t", currency="CNY", by="stage")
    assert "silent: at most ¥3.60, cost ¥0.50, pays, ¥310." in chart.alt

    people = ibis.memtable({"customer_id": ["a", "b"], "segment": ["x", "x"], "value": [100.0, 10.0]})
    offers = pd.DataFrame({"segment": ["x"], "offer": ["sms"], "cost": [1.0], "save_rate": [0.05]})
    chart = charts.rules(alternatives.compare_rules(people, offers, budget=2.0), title="t", currency="CNY")
    assert "recommended: ¥4.00" in chart.alt
    assert "most valuable first, sms: ¥3.50" in chart.alt


money = st.floats(-1e7, 1e7, allow_subnormal=False).map(lambda value: round(value, 2))


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.tuples(money, money, money), min_size=1, max_size=4))
def test_any_figures_can_be_drawn(rows):
    low, value, high = np.sort(np.array(rows), axis=1).T
    names = ["$\\frac{", "<script>", "中文" * 30, "a" * 200][: len(rows)]
    frame = pd.DataFrame({"estimator": names, "rule": names, "assumption": names, "segment": names})
    frame = frame.assign(low=low, high=high, at_low=high, at_high=value, net=value, revenue=value, use_for="x: y")
    frame = frame.assign(break_even=value, cost_a_head=high)
    several = [
        charts.losses(frame, title="t", currency="CNY"),
        charts.rules(frame, title="t", currency="CNY"),
        charts.tornado(frame, title="t", x="x", currency="CNY", base=low[0]),
        charts.break_even(frame, title="t", currency="CNY"),
    ]
    for chart in several:
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(chart.svg).iter()}  # noqa: S314
        assert tags <= {"svg", "style", "g", "path", "text", "use", "defs", "clipPath", "rect", "tspan"}
