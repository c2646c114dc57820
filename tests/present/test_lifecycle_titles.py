"""lifecycle_titles.py: a title carries the chart's number, or is a plain label where there is none."""

from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import lifecycle_titles as titles

WHY = NotComputable("not enough data: 3 customers")
ENDS = pd.to_datetime(["2026-08-31", "2026-09-30"])
MIX = pd.DataFrame({"snapshot": ENDS.repeat(2), "stage": ["active", "lost"] * 2, "share": [0.5, 0.1, 0.4, 0.2]})
FLOW = pd.DataFrame({"snapshot": ENDS, "new": [1, 4], "resurrected": [0, 3], "dormant": [9, 5]})
MOVED = pd.DataFrame(
    {
        "from_stage": ["new", "active", "active", "active", "silent", "lost", "silent"],
        "to_stage": ["active", "active", "silent", "sleeping", "active", "active", "sleeping"],
        "customers": [100, 50, 7, 1, 3, 2, 9],
    }
)
RATES = pd.DataFrame({"from": ["active", "active"], "to": ["active", "silent"], "rate": [0.4, 0.5]})
AHEAD = pd.DataFrame(
    {
        "snapshot": ENDS,
        "stage": "active",
        "ahead": [1, 2],
        "expected": [50.0, 55.0],
        "low": [45.0, 41.0],
        "high": [55.0, 66.4],
    }
)
BACK = pd.DataFrame({"silent_days": [0, 600], "rate": [0.1, 0.017], "low": [0.09, 0.01], "high": [0.11, 0.03]})
OWN = SimpleNamespace(
    reliable_day=600, eventually=0.6, bounds=pd.DataFrame({"given": [45, 90, 180], "returned": [0.22, 0.4, 0.6]})
)


def ladder(*low):
    steps = pd.DataFrame(
        {"order": [1, 2, 3], "window": 180, "probability": [0.33, 0.4, 0.53], "low": low}, dtype=object
    )
    return SimpleNamespace(windows=(45, 90, 180), steps=steps)


def triangle(*shares):
    return SimpleNamespace(average=lambda variant: pd.DataFrame({"share": shares}))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: titles.mix(MIX), "40\u00a0% are active, 20\u00a0% lost"),
        (lambda: titles.flow(FLOW), "September 2026: 7 came, 5 paused"),
        (lambda: titles.alluvial(MOVED), "8 stopped being active, 5 are active again"),
        (lambda: titles.matrix(RATES), "In a month 60\u00a0% of the active stop being active"),
        (lambda: titles.forecast(AHEAD, 50), "About 55\u00a0active customers by September 2026 (41–66), now 50"),
        (
            lambda: titles.forecast(AHEAD.assign(expected=1.2, low=0.3), 1),
            "About 1\u00a0active customer by September 2026 (0–66), now 1",
        ),
        (
            lambda: titles.return_curve(OWN),
            "By day 45, 13\u00a0% have bought again: 22\u00a0% of those who do within 600\u00a0days",
        ),
        (
            lambda: titles.return_rates(BACK),
            "The chance to buy within 30 days falls from 10.0\u00a0% to 1.7\u00a0% after 600\u00a0days",
        ),
        (
            lambda: titles.ladder(ladder(0.3, 0.35, 0.4)),
            "33\u00a0% buy a second time within 180\u00a0days, 40\u00a0% of these a third time",
        ),
        (
            lambda: titles.ladder(ladder(0.3, 0.35, WHY)),
            "33\u00a0% buy a second time within 180\u00a0days, 40\u00a0% of these a third time",
        ),
        (lambda: titles.triangle(triangle(1.0, 0.076)), "7.6\u00a0% buy again in the month after their first purchase"),
    ],
)
def test_a_title_carries_its_number(made, said):
    assert made() == said


ALL = [titles.mix, titles.flow, titles.alluvial, titles.matrix, titles.forecast, titles.return_curve,
       titles.return_rates, titles.ladder, titles.triangle]  # fmt: skip


@pytest.mark.parametrize("title", ALL)
def test_without_a_number_a_title_is_a_label(title):
    label = title(WHY)
    assert label
    assert "3 customers" not in label


@pytest.mark.parametrize(
    ("title", "poor"),
    [
        (titles.matrix, RATES.assign(rate=float("nan"))),  # nobody was active at the beginning of a month
        (titles.return_rates, BACK.iloc[:1]),  # one row has nothing to fall from
        (titles.return_rates, BACK.assign(high=[0.11, 0.2])),  # it does not surely fall
        (titles.ladder, ladder(0.3, WHY, WHY)),
        (titles.ladder, ladder(0.3, WHY, 0.4)),
        (titles.triangle, triangle(1.0)),
        (titles.triangle, triangle()),
    ],
)
def test_a_number_that_says_nothing_gives_the_label_too(title, poor):
    assert title(poor) == title(WHY)


def test_the_money_of_a_stage_has_a_heading_even_without_a_figure():
    assert titles.money_of(SimpleNamespace(of="margin")) == "margin"
    assert titles.money_of(WHY) == "value"
