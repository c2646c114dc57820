"""campaigns.py: what a month sees of its campaigns, and each of them against the two bars, on a shop made by hand."""

from datetime import date

import pandas as pd
import pytest

from clvbook.errors import NotComputable

DAY = pd.Timestamp("2026-01-10 10:00:00")


def at(days):
    return str(DAY + pd.Timedelta(days=days))


def bring(home, sends=None, campaigns=None):
    """Write the files of sends and campaigns; the shop's orders, and the settings that name those files.

    Campaign "a" (200 treated, 40 held out) and "b", sent as January ends. 20 of those treated by "a" buy for 100 each
    on the day after, 1 of those held out; all had bought once before.
    """
    people = [f"C{n:03}" for n in range(240)]
    orders = [(f"B{who}", who, at(-30), 80.0) for who in people]
    orders += [(f"A{who}", who, at(1), 100.0) for who in [*people[:20], people[200]]]
    rows = [("a", who, "treated", at(-0.1), at(0), "true", 1) for who in people[:200]]
    rows += [("a", who, "holdout", at(-0.1), "", "", 0) for who in people[200:]]
    rows += [("b", who, "treated", "2026-01-31 09:00:00", "2026-02-01 10:00:00", "true", 1) for who in people[:50]]
    names = ["campaign_id", "customer_id", "arm", "assigned_at", "sent_at", "delivered", "units"]
    pd.DataFrame(rows if sends is None else sends, columns=names).to_csv(home / "sends.csv", index=False)
    known = [("a", "First", "sms", "2026-01-10", 7, 0, 0.1), ("b", "Second", "sms", "2026-02-01", 7, 0, 0.1)]
    names = ["campaign_id", "name", "channel", "starts_on", "attribution_days", "cost_fixed", "cost_per_unit"]
    pd.DataFrame(known if campaigns is None else campaigns, columns=names).to_csv(home / "campaigns.csv", index=False)
    return orders, {"month": "2026-01", "sends": "sends.csv", "campaigns": "campaigns.csv", "margin_rate": 0.5}


@pytest.fixture
def shop(tiny, home):
    """A function: other sends, other campaigns, settings -> that shop's book."""

    def book(sends=None, campaigns=None, **values):
        orders, given = bring(home, sends, campaigns)
        return tiny(orders, **given | values)

    return book


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory, of_rows):
    """That shop's folder and its book, for the tests that only read them."""
    folder = tmp_path_factory.mktemp("campaigns")
    orders, given = bring(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(folder))
        return folder, of_rows(folder, orders, **given)


@pytest.fixture
def book(opened_once, monkeypatch):
    folder, book = opened_once
    monkeypatch.setenv("CLVBOOK_HOME", str(folder))
    return book


def test_a_campaign_is_held_against_both_bars(book):
    row = book.judged.iloc[0]
    assert (row["name"], row.sent, row.held_out, row.buyers) == ("First", 200, 40, 20)
    assert (row.revenue, row.cost, row.ratio) == (2000.0, 20.0, 100.0)  # 200 units at 0.1
    assert row.cost_each == 0.1
    assert row.conversion == pytest.approx(0.1)
    assert (row.conversion_verdict, row.ratio_verdict, row.action) == ("pass", "pass", "repeat")
    assert row.break_even_share == pytest.approx(20 / (0.5 * 2000))
    assert row.profit_roi == pytest.approx((0.5 * 2000 - 20) / 20)
    assert "random tenth" not in row.sentence  # somebody was held out


def test_what_leaves_after_the_months_end_is_not_seen(book):
    schedule = book.schedule.set_index("campaign_id")
    assert schedule.sent["b"] == 0  # chosen in January, written to in February
    assert schedule.chosen["b"] == 50
    assert schedule.units["b"] == 0
    assert list(book.attribution.open.campaign_id) == ["b"]
    assert list(book.judged.campaign_id) == ["a"]
    assert book.attribution.through == date(2026, 1, 31)


def test_the_programme_is_the_sum_of_what_is_over(book):
    assert book.programme_cost == 20.0
    assert book.programme.ratio.observed.value == pytest.approx(100.0)
    assert book.campaign_actions.to_dict("records") == [{"action": "repeat", "campaigns": 1}]
    assert book.windows_by_campaign.set_index("campaign_id").days_7["a"] == 2000.0
    late = book.windows_by_campaign.set_index("campaign_id").days_30["a"]
    assert late == NotComputable("open until 2026-02-09")
    assert isinstance(book.programme_windows, NotComputable)


def test_pressure_counts_the_messages_of_the_month(book):
    year = book.year_of_messages
    assert year.messages.sum() == 200
    assert year.customers.sum() == 240
    assert str(book.messages) == "no message is older than 30 days"


def test_a_second_opening_finds_what_the_first_one_counted(shop, monkeypatch):
    first = shop()
    first.prepare_campaigns()
    monkeypatch.setattr("clvbook.campaigns.attribution.attribute", None)
    monkeypatch.setattr("clvbook.campaigns.outcomes.outcomes", None)
    again = shop()
    pd.testing.assert_frame_equal(again.judged, first.judged)
    pd.testing.assert_frame_equal(again.incremental, first.incremental)


def test_without_cost_there_is_no_ratio_and_never_0(shop):
    free = [("a", "First", "sms", "2026-01-10", 7, "", ""), ("b", "Second", "sms", "2026-02-01", 7, "", "")]
    book = shop(campaigns=free)
    row = book.judged.iloc[0]
    assert isinstance(row.cost, NotComputable)
    assert isinstance(row.ratio, NotComputable)
    assert isinstance(row.cost_each, NotComputable)
    assert isinstance(book.by_price, NotComputable)
    assert (row.conversion_verdict, row.action) == ("pass", "add the cost")
    assert isinstance(book.programme_cost, NotComputable)
    assert isinstance(book.programme_returns.ratio, NotComputable)


@pytest.mark.parametrize("lacks", ["sends", "campaigns"])
def test_without_a_file_every_figure_says_which_one_to_bring(shop, lacks):
    book = shop()
    book.files_of.pop(lacks)
    reason = str(book.sends)
    assert reason.startswith(f"{lacks} is not set; data/README.md says which export gives ")
    for name in (
        "schedule", "attribution", "judged", "programme", "programme_windows", "windows_by_campaign",
        "campaign_actions", "campaign_costs", "pressure", "messages", "held_out", "effects", "incremental",
        "forest", "newest_forest", "shrunken", "pooled_conversion", "programme_returns", "segments",
        "cumulative", "coupon_parts", "coupon_use", "ratio_with_coupons", "plan", "planned_sizes",
        "best_holdout", "planned_holdout", "months_needed", "usual_window", "by_price",
        "standing", "caused_conversion", "programme_table",
    ):  # fmt: skip
        assert str(getattr(book, name)) == reason, name


def test_sends_that_cannot_be_right_are_told_and_stop_nothing_else(shop):
    book = shop(campaigns=[("a", "First", "sms", "2026-01-10", 7, 0, 0.1)])
    assert str(book.judged).startswith("50 of 290 sends belong to a campaign that is not listed")
    book.prepare_campaigns()
    assert book.base.customers == 240


def test_one_price_is_nothing_to_compare(book):
    assert str(book.by_price).startswith("a message cost the same")
