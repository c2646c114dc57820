"""present/titles.py: a title carries the chart's number, or is a plain label where there is none."""

from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import titles

TEST = SimpleNamespace(
    origin=date(2026, 5, 4), days=180, customers=200, orders_actual=100.0, orders_expected=96.0, orders_error=-0.04
)
DECILES = pd.DataFrame({"lowest": [90.0, 80.0, 70.0, 60.0, 50.0], "share": [0.31, 0.2, 0.2, 0.2, 0.09]})
CURVE = pd.DataFrame({"customers": [n / 20 for n in range(21)], "past": [n / 20 for n in range(21)]})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda: titles.frequency(pd.DataFrame({"actual": [60, 40], "expected": [55.0, 45.0]})),
            "60.0\u00a0% have not come back so far; the model says 55.0\u00a0%",
        ),
        (
            lambda: titles.tracking(TEST),
            "The model learned up to 4 May 2026; for the 180\u00a0days after it was 4.0\u00a0% too low",
        ),
        (
            lambda: titles.tracking(SimpleNamespace(**{**vars(TEST), "orders_error": NotComputable("nobody bought")})),
            "The model learned up to 4 May 2026; nobody bought in the 180\u00a0days after",
        ),
        (
            lambda: titles.holdout(TEST),
            "0.50 orders a customer came in the 180\u00a0days held out, 0.48 were expected",
        ),
        (lambda: titles.distribution(DECILES, "CNY"), "Half of the customers are worth less than ¥50.00"),
        (lambda: titles.deciles(DECILES), "The best tenth carries 31\u00a0% of the value to come"),
        (
            lambda: titles.concentration(CURVE.assign(past=0.5, later=0.4)),
            "The top 20\u00a0% made 50\u00a0% of revenue, and 40\u00a0% of what came after",
        ),
        (
            lambda: titles.new_customers(pd.DataFrame({"value": [262.0, 298.0]}), "CNY", 365),
            "A customer's first 365\u00a0days bring ¥262–298, by month",
        ),
        (
            lambda: titles.sources(pd.DataFrame({"source": ["ads", "搜索"], "value": [1.0, 2.0]})),
            "Customers from 搜索 bring the most",
        ),
    ],
)
def test_a_title_carries_its_number(made, said):
    assert made() == said


@pytest.mark.parametrize(
    "made",
    [
        titles.frequency,
        titles.tracking,
        titles.holdout,
        titles.deciles,
        titles.concentration,
        titles.sources,
        lambda missing: titles.distribution(missing, "CNY"),
        lambda missing: titles.new_customers(missing, "CNY", 365),
    ],
)
def test_without_a_number_a_title_is_a_label(made):
    label = made(NotComputable("3 customers"))
    assert label
    assert "3 customers" not in label
