"""retention.py: who stays, what was lost, why and at which cost, on a simulated shop and on shops made by hand."""

import numpy as np
import pandas as pd
import pytest

from clvbook.errors import NotComputable


def by_hand(book, *, months):
    """Share of the buyers of the year before the last period that bought in it."""
    days = book.purchases.select("customer_id", "day").to_pandas().assign(day=lambda t: pd.to_datetime(t.day))
    begin = pd.Timestamp(book.as_of) + pd.Timedelta(days=1) - pd.DateOffset(months=months)
    base = days[(days.day < begin) & (days.day >= begin - pd.DateOffset(months=12))]
    base, later = set(base.customer_id), set(days[days.day >= begin].customer_id)
    return len(base & later), len(base)


def test_the_last_period_is_counted_as_by_hand(book):
    for months, found in ((3, book.retention_rate), (12, book.yearly_retention)):
        last = found.by_period.iloc[-1]
        assert (last.retained, last.base) == by_hand(book, months=months)
    assert book.retention_rate.low < book.retention_rate.rate < book.retention_rate.high


def test_what_was_lost_stands_side_by_side_and_is_not_added(book):
    table = book.loss_table
    assert table.estimator.tolist() == ["accounting", "stage flow", "P(alive)-weighted", "avoidable"]
    assert "total" not in table.columns
    customers = book.customers.to_pandas()
    silent = (pd.Timestamp(book.as_of) - pd.to_datetime(customers.last_day)).dt.days
    assert table.customers[0] == ((silent > 180) & (silent <= 180 + 365)).sum()
    known = table[[not isinstance(value, NotComputable) for value in table.revenue]]
    assert len(known) >= 3
    assert (known.low <= known.revenue).all()
    assert (known.revenue <= known.high).all()
    assert known.profit.astype(float).to_numpy() == pytest.approx(0.4 * known.revenue.astype(float).to_numpy())


def test_without_a_margin_there_is_revenue_and_no_profit(opened):
    table = opened(margin_rate=None).loss_table
    assert isinstance(table.revenue[0], float)
    assert table.profit[0] == NotComputable("margin_rate is not set")


def test_without_its_tables_each_section_says_what_to_bring(book):
    assert "churn_survey.csv" in str(book.causes)
    assert "costs.csv" in str(book.cost_table)
    assert str(book.cost_per_retained) == str(book.cost_table)
    assert "acquisition_cost" in str(book.acquisition)
    assert str(book.message_costs).startswith("sends is not set")


@pytest.fixture
def shop(tiny, home):
    """A function: answers to the survey -> a shop of 80 customers who bought once, a year before the month's end."""

    def book(reasons, **values):
        people = [f"C{n:03}" for n in range(80)]
        orders = [(f"O{who}", who, f"2025-{1 + n % 6:02}-10 10:00:00", 50.0) for n, who in enumerate(people)]
        orders += [("new", "C999", "2026-01-10 10:00:00", 50.0)]
        rows = [(who, "2026-01-05", "2026-01-08", reason) for who, reason in zip(people, reasons, strict=False)]
        rows += [(who, "2026-01-05", "2026-02-08", "fault") for who in people[len(reasons) :]]  # answered later
        columns = ["customer_id", "asked_on", "answered_on", "reason"]
        pd.DataFrame(rows, columns=columns).to_csv(home / "survey.csv", index=False)
        return tiny(orders, month="2026-01", churn_survey="survey.csv", **values)

    return book


def test_answers_count_up_to_the_months_end(shop):
    found = shop(["fault"] * 20 + ["natural"] * 20).causes
    assert (found.asked, found.answered) == (80, 40)
    assert found.split.set_index("reason").share[["fault", "natural"]].tolist() == [0.5, 0.5]
    assert 0 < found.manageable.weighted < 1


def test_few_answers_are_no_split(shop):
    found = shop(["fault"] * 10).causes
    assert found.answered == 10
    assert str(found.split) == "not enough data: 10 answers of customers lost when asked, 30 needed"


def test_marks_that_an_export_does_not_have_are_reasons(shop):
    table = shop(["fault"]).proxies.set_index("proxy")
    assert "coupon_id" in str(table.lost_share["coupon_only"])
    assert "order_items.csv" in str(table.lost_share["one_off"])
    refund = table.lost_share["refund"]
    assert isinstance(refund, NotComputable) or np.isfinite(refund)


def test_a_shop_without_customers_says_so(tiny):
    book = tiny([("1", "", "2026-01-10 10:00:00", 5.0)], month="2026-01")
    for name in ("retention_rate", "yearly_retention", "retention_by_period", "causes", "proxies"):
        assert isinstance(getattr(book, name), NotComputable), name
    assert all(isinstance(value, NotComputable) for value in book.loss_table.revenue)
