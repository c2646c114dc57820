"""outlook.py: how sure the list is, and what other assumptions give, under an assumed save rate."""

import pytest

from clvbook.book.outlook import HALF


@pytest.fixture(scope="module")
def book(opened):
    return opened(retention_save_rate=0.02, contact_cost=0.05, retention_incentive=0.5, retention_budget=30.0)


def test_the_interval_holds_what_is_expected(book):
    found = book.outlook
    # values are drawn from half of what is planned with up: the mean lies below the plan
    assert found.low < found.net < book.allocation.net < found.high
    assert found.p_positive > 0.5


def test_values_are_drawn_from_half_of_them_up(book):
    assert book.value_range.low <= 0.5
    assert book.value_range.high >= 1.0


def test_the_tornado_moves_one_assumption_alone(book):
    table = book.tornado.set_index("assumption")
    saved = (book.listed.save_rate * book.listed.value).sum()
    spent = book.listed.cost.sum()
    # as drawn: alone it moves the profit less than together with the values
    assert book.outlook.low <= table.at_low["save_rate"] < book.allocation.net < table.at_high["save_rate"]
    assert table.at_high["save_rate"] <= book.outlook.high
    assert table.at_low["save_rate"] == pytest.approx(0.5 * saved - spent, rel=0.05)  # half to one and a half times
    assert table.at_high["save_rate"] == pytest.approx(1.5 * saved - spent, rel=0.05)
    assert table.at_high["cost"] == pytest.approx(saved - 1.25 * spent)
    assert table.swing.is_monotonic_decreasing


def test_the_list_is_no_worse_than_rules_of_thumb(book):
    assert book.rules.rule.iloc[0] == "net profit"
    assert set(book.rules.rule) == {"net profit", "most valuable", "random", "riskiest"}


def test_scenarios_and_what_if_agree(book):
    table = book.scenarios.set_index("scenario")
    assert table.net["as expected"] == pytest.approx(book.allocation.net)
    half = book.what_if(save_rate=0.5)
    assert table.net[HALF] == pytest.approx(half.net)
    assert half.net < book.allocation.net
    assert book.first_of(half).net.iloc[0] < book.top_of_list.net.iloc[0]
    assert book.what_if(budget=2.0).budget == 60.0


def test_what_the_page_is_without(book, opened):
    assert book.retention_lacks == ["costs", "churn_survey"]
    assert opened(margin_rate=None).retention_lacks == ["margin_rate", "sends", "cost", "costs", "churn_survey"]


def test_what_must_hold_holds(book):
    assert all(passed for passed, _ in book.retention_checks.values())
    assert set(book.retention_checks) == {"within_the_budget", "nobody_is_funded_at_a_loss"}


def test_the_margin_compares_the_next_one_won_with_the_next_one_kept(book):
    new, kept = book.margins.itertuples()
    assert "acquisition_cost" in str(new.cost)
    listed = book.allocation.contacts.to_pandas()
    last = (listed.value * listed.save_rate / listed.cost).idxmin()
    assert kept.cost == pytest.approx(listed.cost[last] / listed.save_rate[last])
    assert kept.value == pytest.approx(listed.value[last])
    assert kept.per_unit == pytest.approx((listed.value * listed.save_rate / listed.cost).min())
    assert kept.spend == "more"
    ranked = (listed.value * listed.save_rate / listed.cost).sort_values()
    assert ranked.iloc[0] <= book.allocation.last_unit <= ranked.iloc[20]  # 20 steps at the edge may be swapped
    rates = book.tornado.set_index("assumption").loc["save_rate"]
    assert (kept.low, kept.high) == pytest.approx((kept.per_unit * rates.low, kept.per_unit * rates.high))
    assert "no interval" in str(new.low)


def test_the_method_is_checked_once_and_kept(book, monkeypatch):
    first = book.method_check
    assert set(first.per_arm) == {2_000, 4_000, 16_000}
    monkeypatch.setattr("clvbook.retention.simulated.method_check", None)
    del book.method_check
    assert book.method_check.equals(first)
