"""loss_sentences.py: each sentence says what the figures say, branch by branch."""

from types import SimpleNamespace as Found

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import loss_sentences as lost
from clvbook.settings import make_settings

WHY = NotComputable("no save rate is known")


@pytest.fixture
def settings():
    """A function: settings laid over a shop's."""
    return lambda **values: make_settings({"shop": "s", "orders": "o.csv", **values})


def plain(text):
    return str(text).replace("\u00a0", " ")


def test_rates(settings):
    row = {"period": "2026-08", "base": 100, "rate": 0.2, "low": 0.1, "high": 0.3}
    found = Found(definition="Of all.", rate=0.2, low=0.1, high=0.3, by_period=pd.DataFrame([row]))
    told = plain(lost.rate(found, WHY, settings()))
    assert told.startswith("Of all. Over all periods it is 20.0 % (95 % interval 10.0–30.0 %)")
    assert "Within a whole year 20 % of the 100 customers" in plain(lost.rate(found, found, settings()))


def test_a_loss_says_what_it_counts_and_is_for():
    table = pd.DataFrame(
        [["avoidable", "not bought", 5.0, 1.0, 9.0, "how much"], ["stage flow", WHY, WHY, WHY, WHY, WHY]],
        columns=["estimator", "counts", "revenue", "low", "high", "use_for"],
    )
    assert lost.loss(table, 0) == "Short of the best cohort (avoidable): not bought. It says how much."
    assert lost.loss(table, 1) == "No estimate of more leaving than usual (stage flow): no save rate is known."
    maybe = table.iloc[:1].assign(low=-1.0)
    assert lost.loss(maybe, 0).endswith("It says how much. Its interval holds 0: it may be nothing.")


def test_which_loss_to_quote(settings):
    rows = {"estimator": ["accounting", "stage flow"], "revenue": [3e6, 5.0], "customers": [800, 9]}
    table = pd.DataFrame(rows, dtype=object)
    told = plain(lost.to_quote(table, 4e6, settings()))
    assert "800 customers have stayed away for too long; in the year before their last purchase they brought" in told
    assert "For scale: the shop sold for ¥4.00 million in these twelve months." in told
    missing = table.assign(revenue=[WHY, 5.0])
    assert lost.to_quote(missing, 4e6, settings()).startswith("The four count partly")


def test_the_most_that_keeping_may_cost(settings):
    found = Found(profit=100.0, profit_interval=(-20.0, 250.0))
    told = plain(lost.ceiling(found, pd.DataFrame({"amount": [50.0, 10.0]}), settings()))
    assert told.startswith("The profit in it, ¥100 (95 % interval −¥20 to ¥250), is what a programme would be worth")
    assert told.endswith("For comparison: ¥60 was booked, service included (below).")
    assert lost.ceiling(found, WHY, settings()).endswith("not by this sum.")
    assert lost.ceiling(WHY, WHY, settings()) == lost.ceiling(Found(profit=WHY), WHY, settings()) == ""


def test_reasons(settings):
    names = ["natural", "competition", "fault", "malicious", "manageable"]
    split = pd.DataFrame({"reason": names, "weighted": [0.4, 0.3, 0.2, 0.1, 0.5]})
    row = pd.Series({"weighted": 0.5, "weighted_low": 0.4, "weighted_high": 0.6, "by_value": 0.55})
    found = Found(split=split, manageable=row, asked=100, answered=40, response=pd.Series({"rate": 0.4}))
    told = plain(lost.reasons(found, settings()))
    assert "50.0 % (95 % interval 40.0–60.0 %) left for a reason that a shop can do something about" in told
    few = NotComputable("not enough data: 10 answers")
    assert lost.reasons(Found(split=few), settings()) == few


def test_proxies_are_called_proxies():
    table = pd.DataFrame(
        [["refund", "money back", 0.1, 0.05, 0.2, 0.1], ["coupon", "with a coupon", WHY, WHY, WHY, WHY]],
        columns=["proxy", "meaning", "alike", "alike_low", "lost_share", "kept_share"],
    )
    assert lost.proxies(table).endswith("as many orders: money back.")
    assert "No mark is surely" in lost.proxies(table.assign(alike_low=[-0.1, WHY]))
    assert lost.proxies(table.iloc[1:]).startswith("Proxies are hints")
    nobody = table.iloc[:1].assign(alike=0.0, alike_low=-0.01, lost_share=0.0, kept_share=0.0)
    assert lost.proxies(nobody).endswith("No customer at all carries these marks: money back.")


def test_costs(settings):
    table = pd.DataFrame({"amount": [50.0, 150.0]})
    yearly = Found(by_period=pd.DataFrame({"retained": [7, 100]}))
    assert "That is ¥2.00 for each of the 100 customers" in plain(lost.spent(table, 2.0, yearly, settings()))
    assert "not computable: no save rate" in lost.spent(table, WHY, WHY, settings())
    assert lost.spent(WHY, WHY, WHY, settings()) == WHY
    messages = pd.DataFrame({"sent": [100, 50], "cost": [5.0, WHY]}, dtype=object)
    told = plain(lost.counted(messages, Found(discount=70.0, orders=7), settings()))
    assert (
        "150 messages sent cost ¥5.00 (1 campaign without a price not counted), and coupons took ¥70.00 off 7" in told
    )
    assert lost.counted(WHY, WHY, settings()) == ""


def test_margins(settings):
    new = {"cost": 40.0, "value": 100.0, "net": 60.0, "per_unit": 2.5, "low": WHY, "high": WHY}
    kept = {"cost": 20.0, "value": 90.0, "net": 70.0, "per_unit": 4.5, "low": 3.0, "high": 5.0}
    told = plain(lost.margins(pd.DataFrame([new, kept]), settings()))
    assert told.startswith("Where the list ends, one more customer kept costs ¥20.00 and is worth ¥90.00 of profit.")
    assert "brings ¥100 of profit in 365 days, the first order included" in told
    assert "By these figures keeping returns more for each ¥1" in told
    less = pd.DataFrame([new, {**kept, "per_unit": 1.5, "low": 1.0, "high": 2.0}])
    assert "By these figures winning new ones" in lost.margins(less, settings())
    unsure = pd.DataFrame([new, {**kept, "low": 2.0}])
    assert "is open: 2.5 lies within what keeping may return" in lost.margins(unsure, settings())
    unknown = pd.DataFrame([{**new, "net": WHY}, kept], dtype=object)
    assert "is not computable: no save rate is known" in lost.margins(unknown, settings())
