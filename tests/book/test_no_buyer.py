"""A shop whose export names no buyer: totals are there, customers' figures say which export to bring."""

from datetime import date, timedelta

import pytest

from clvbook.book import open_book
from clvbook.errors import NotComputable
from clvbook.settings import Settings

HEADER = "Name,{}Financial Status,Paid at,Total,Currency"


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))

    def opened(buyer="", **more):
        days = [date(2025, 1, 1) + timedelta(days=n) for n in range(420)]
        rows = [f"#{n},{buyer}paid,{day} 10:00:00 +0100,5.00,EUR" for n, day in enumerate(days)]
        head = HEADER.format("Email," if buyer else "")
        (tmp_path / "orders.csv").write_text("\n".join([head, *rows]) + "\n")
        made = {"shop": "t", "orders": "orders.csv", "mapping": "shopify", "currency": "EUR", "month": "2025-12"}
        return open_book(Settings(**made, **more))

    return opened


def test_customers_figures_have_the_reason_and_totals_are_there(book):
    opened = book()
    assert (opened.reconciliation.orders_kept, opened.identified_share) == (420, 0)
    assert int(opened.this_month.orders) == 31
    for figure in (opened.model, opened.scores, opened.expected_orders, opened.residual_value, opened.backtest):
        assert isinstance(figure, NotComputable)
        assert "no column that names the buyer (“Email” or “Phone”)" in figure.reason
        assert "Shopify admin, Orders, Export" in figure.reason
    opened.prepare()  # as a run does


def test_buyers_who_are_all_masked_are_another_reason(book):
    opened = book("a***@b.eu,")
    assert opened.reconciliation.no_buyer == ""
    assert opened.model.reason == "not enough data: 0 customers, 200 needed"


def test_another_salt_is_another_place_in_the_cache(book, monkeypatch):
    def who():
        opened = book("a@b.eu,", timezone="Europe/Berlin")
        return opened.customers.customer_id.to_pyarrow().to_pylist()

    first, made = who(), book("a@b.eu,").inputs
    assert (who(), book("a@b.eu,").inputs) == (first, made)
    assert [entry["path"] for entry in made] == ["orders.csv", "CLVBOOK_SALT"]
    monkeypatch.setenv("CLVBOOK_SALT", "another salt altogether")
    assert who() != first
    # a published month is current while it would be made from the same
    assert {entry["sha256"] for entry in book("a@b.eu,").inputs} != {entry["sha256"] for entry in made}
