"""sentences.py: each sentence says what its numbers say, turns where they turn, and prints a reason where one is."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.models.backtest import Backtest
from clvbook.models.portfolio import Base
from clvbook.models.value import NewCustomer, ValueTotal
from clvbook.present import sentences as s
from clvbook.present import words
from clvbook.settings import make_settings

WHY = NotComputable("not enough data: 3 customers, 200 needed")
COUNTS = Base(customers=1000, one_time=600, repeat_customers=400, purchases=1900, revenue=1e5, first_amount=80.0)
PLAIN = make_settings({"shop": "a", "orders": "o.csv"})
WITH_MARGIN = make_settings({"shop": "a", "orders": "o.csv", "margin_rate": 0.4})
TEST = Backtest(
    origin=date(2026, 4, 3), until=date(2026, 9, 30), days=180, customers=900, orders_actual=400.0,
    orders_expected=500.0, orders_low=450.0, orders_high=550.0, revenue_actual=40_000.0, revenue_expected=38_000.0,
    by_frequency=None, model=None,
)  # fmt: skip


def told(*sentences):
    """As a reader meets it, with plain spaces."""
    return repr(s.say(*sentences)).replace(words.SPACE, " ")


def test_a_reason_is_left_out_where_the_table_above_gives_it():
    assert repr(s.say("A sentence.", WHY, reasons=False)) == "A sentence."
    assert told(WHY) == "Not computable: not enough data: 3 customers, 200 needed."
    assert s.say(WHY, reasons=False)._repr_html_() == ""


def test_a_paragraph_joins_what_is_said_once_and_escapes_it():
    found = s.say("One & two.", "", "Three.", WHY, WHY)
    assert repr(found) == "One & two. Three. Not computable: not enough data: 3 customers, 200 needed."
    assert found._repr_html_().startswith('<p class="clv-say">One &amp; two.')
    assert s.say("<b>", banner=True)._repr_html_() == '<p class="clv-banner">&lt;b&gt;</p>'


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: s.base(WHY),
        lambda: s.one_time_buyers(WHY),
        lambda: s.frequency_fit(WHY),
        lambda: s.backtest(WHY, "CNY", 0.95),
        lambda: s.miss(WHY),
        lambda: s.concentration(WHY),
        lambda: s.deciles(WHY, "CNY"),
        lambda: s.independence(WHY),
        lambda: s.value(WHY, 1.0, COUNTS, PLAIN),
        lambda: s.value(ValueTotal(WHY, WHY, WHY), WHY, COUNTS, PLAIN),
        lambda: s.new_customer(WHY, COUNTS, PLAIN),
        lambda: s.new_customer(NewCustomer(0.5, 0.4, WHY, WHY, WHY), COUNTS, PLAIN),
        lambda: s.groups(WHY, "source", "CNY"),
    ],
)
def test_what_cannot_be_computed_is_its_reason_and_nothing_else(sentence):
    assert sentence() == WHY


def test_identity_says_how_much_of_the_shop_is_known():
    months = pd.DataFrame({"month": ["2026-08", "2026-09"], "identified": [95, 90], "orders": [100, 100]})
    months["identified_share"] = months.identified / months.orders
    assert told(s.identity(months, "CNY", 250.0)).startswith(
        "92.5 % of orders name their customer. The others, worth ¥250,"
    )
    assert told(s.identity(months, "CNY", 250.0)).endswith("In September 2026 it was 90.0 % only.")
    assert "only" not in s.identity(months.assign(identified=92, identified_share=0.92), "CNY", 250.0)
    assert "whole business" in s.identity(months.assign(identified=100), "CNY", 0)


def test_gaps_are_counted_and_the_longest_is_named():
    found = [(date(2026, 2, 10), date(2026, 2, 20), 11), (date(2026, 5, 1), date(2026, 5, 3), 3)]
    runs = pd.DataFrame(found, columns=["first_day", "last_day", "days"])
    assert told(s.gaps(runs)).startswith(
        "2 stretches without any order are longer than chance explains; the longest is 10–20 Feb 2026 (11 days)."
    )
    assert told(s.gaps(runs.iloc[:1])).startswith("1 stretch without any order is longer")
    assert "nothing suggests missing days" in s.gaps(runs.iloc[:0])


def test_an_export_that_begins_with_a_wave_of_new_customers_is_read_with_care():
    day, steady = date(2025, 1, 1), pd.DataFrame({"new": [100] * 12})
    assert "read the first months with care" not in s.start(steady, day)
    wave = steady.assign(new=[400, 300, 200] + [100] * 9)
    assert "have 300 new customers a month, later ones 100" in told(s.start(wave, day))
    assert "later ones" not in s.start(wave.iloc[:7], day)  # too few months to compare


def test_requirements_that_are_not_met_are_listed():
    found = [("Long enough", "180 days", "9 days", False), ("Still trading", "x", "y", True)]
    rows = pd.DataFrame(found, columns=["question", "needs", "has", "enough"])
    assert told(s.carries(rows)).startswith("Not met: long enough (9 days; wanted: 180 days).")
    assert s.carries(rows.assign(enough=True)) == "The data meet every requirement of the customer models."


def test_the_base_in_words():
    said = told(s.base(COUNTS))
    assert said.startswith("60.0 % of the 1,000 customers bought once")
    assert said.endswith("the 400 who did made 900 repeat purchases.")
    assert "60.0 % of the base, 600 customers" in told(s.one_time_buyers(COUNTS))


def test_a_fit_is_off_by_the_customers_in_a_wrong_column():
    frame = pd.DataFrame({"actual": [60, 40], "expected": [55.0, 45.0]})
    assert "expects 55 customers without a repeat purchase, and 60 were counted; it puts 5.0 %" in told(
        s.frequency_fit(frame)
    )


def test_the_back_test_says_how_far_off_and_whether_the_interval_warned():
    said = told(s.backtest(TEST, "CNY", 0.95))
    assert "the model expected 500 repeat orders in the 180 days after (95 % interval 450–550). 400 came" in said
    assert "the forecast was 25.0 % too high. In money it expected ¥38,000, and ¥40,000 came (5.0 % too low)." in said
    assert "lies outside the interval" in said
    inside = replace(TEST, orders_actual=500.0)
    assert "500 came: the forecast was right to a tenth of a per cent." in told(s.backtest(inside, "CNY", 0.95))
    assert "outside" not in told(s.backtest(inside, "CNY", 0.95))
    assert told(s.miss(TEST)) == (
        "A forecast made in the same way from the orders up to 3 April 2026 was 25.0 % too high in orders "
        "and 5.0 % too low in revenue over the 180 days after: expect at least such an error here, and a larger one "
        "where the time ahead is longer."
    )


def test_a_forecast_that_missed_by_far_is_no_plan():
    assert told(s.too_far_off(TEST)).startswith("Do not plan with the forecasts of this page")
    assert s.too_far_off(inside_a_fifth := replace(TEST, orders_actual=480.0)) == "", inside_a_fifth
    assert s.too_far_off(WHY) == ""


def test_a_back_test_without_money_or_interval_tells_the_rest():
    poor = replace(TEST, revenue_expected=WHY, orders_low=WHY, orders_high=WHY)
    said = told(s.backtest(poor, "CNY", 0.95))
    assert said.endswith(f"400 came: the forecast was 25.0 % too high. It has no interval: {WHY}.")
    assert "In money" not in said
    assert "outside" not in said
    assert told(s.miss(poor)).endswith("was 25.0 % too high in orders over the 180 days after.")


def test_a_back_test_in_which_nobody_bought_says_so():
    none = replace(TEST, orders_actual=0.0, revenue_actual=0.0)
    assert "0 came: nobody bought in the days held out." in told(s.backtest(none, "CNY", 0.95))
    assert s.miss(none).reason == "nobody bought in the days held out"


def test_shares_of_the_best_customers():
    frame = pd.DataFrame({"customers": [0, 0.2, 1], "past": [0, 0.6, 1], "later": [0, 0.45, 1]})
    assert told(s.concentration(frame)).startswith("The top 20 % of customers made 60 % of the revenue")
    assert "the same people made 45 %" in told(s.concentration(frame))
    tenths = pd.DataFrame({"customers": 100, "mean": range(20, 0, -2), "share": [0.4] + [0.08] * 4 + [0.056] * 5})
    assert told(s.deciles(tenths, "CNY")) == (
        "The best tenth, 100 customers with ¥20.00 each on average, carries 40 % of the value to come; the lower half "
        "together 28 %."
    )


@pytest.mark.parametrize(
    ("r", "words_"),
    [(0.05, "no connection"), (-0.2, "a weak connection"), (0.5, "buyers too low"), (-0.5, "buyers too high")],
)
def test_the_connection_of_how_often_and_how_much(r, words_):
    correlation = pd.Series({"n": 400, "pearson": r, "low": r - 0.1, "high": r + 0.1})
    assert words_ in told(s.independence(correlation))


def test_value_and_what_a_new_customer_may_cost():
    worth = ValueTotal(1_200_000.0, 1_150_000.0, 1_260_000.0)
    said = told(s.value(worth, 1_250_000.0, COUNTS, WITH_MARGIN))
    assert "expected to spend ¥1.25 million in the next 365 days. Money later counts for less: at 10.0 % a year" in said
    assert "that is worth ¥1.20 million today" in said
    assert "95 % interval ¥1.15–1.26 million" in said
    assert "At a margin of 40.0 % that is ¥480,000 of profit." in said
    assert "This is revenue and not profit: margin_rate is not set." in told(s.value(worth, 1_250_000.0, COUNTS, PLAIN))
    new = NewCustomer(0.5, 0.45, 100.0, 45.0, 18.0)
    # 0.4 x (first order 80 + 45 discounted after it)
    assert "costs less than ¥50.00" in told(s.new_customer(new, COUNTS, WITH_MARGIN))
    unknown = told(s.new_customer(replace(new, profit=NotComputable("x")), COUNTS, PLAIN))
    assert unknown.endswith("margin_rate is not set.")


def test_groups_differ_only_where_their_intervals_do():
    frame = pd.DataFrame({"source": ["a", "b"], "value": [50.0, 90.0], "low": [45.0, 85.0], "high": [55.0, 95.0]})
    assert told(s.groups(frame, "source", "CNY")).startswith(
        "A customer from b brings ¥90.00, one from a ¥50.00: more than chance explains."
    )
    assert "may be chance" in s.groups(frame.assign(low=[10.0, 50.0]), "source", "CNY")
    assert s.groups(frame.iloc[:1], "source", "CNY") == "There is one source only: nothing to compare."


def test_the_list_holds_profit_only_where_a_margin_is_set():
    assert "their value. A single" in told(s.how_to_use_the_list("scores", PLAIN))
    assert "their value and its margin. A single" in told(s.how_to_use_the_list("scores", WITH_MARGIN))
    assert s.how_to_use_the_list(WHY, PLAIN) is WHY


def test_nothing_to_say_shows_nothing():
    nothing = s.say("", banner=True)
    assert (nothing._repr_html_(), repr(nothing)) == ("", "")
    assert s.say("<b>", banner=True)._repr_html_() == '<p class="clv-banner">&lt;b&gt;</p>'


def test_a_page_warns_only_above_the_limit_of_unidentified_orders():
    assert s.unidentified(0.10, 0.10, of_revenue=0.5) == ""
    said = s.unidentified(0.259, 0.10, of_revenue=0.4)
    assert said.startswith(
        f"{words.percent(0.259)} of orders, with {words.percent(0.4)} of revenue, do not name their customer: more "
        f"than the {words.percent(0.1, digits=0)} of orders"
    )
    assert "unidentified_limit" in said
    assert s.unidentified(0.001, 0.0).startswith(f"{words.percent(0.001)} of orders do not name")


def test_what_the_flag_changes_is_said_in_orders_money_and_customers():
    frame = pd.DataFrame(
        {"version": ["as reported", "with"], "orders": [100, 110], "net": [1000.0, 1250.0], "customers": [40, 43]}
    )
    said = s.flagged(frame, "CNY").replace(words.SPACE, " ")
    assert said.startswith("10 orders worth ¥250 look like fake orders and count nowhere.")
    assert "net revenue would be 25.0 % higher" in said
    assert "3 more customers" in said
    assert s.flagged(NotComputable("no order was set aside as fake"), "CNY") == ""
    assert "all that there is" in s.flagged(frame.assign(net=[0.0, 250.0]), "CNY")
