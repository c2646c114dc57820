"""The orders that are set aside as fake, and what the data-quality page says of them."""

import pytest

from clvbook.book import open_book
from clvbook.errors import NotComputable
from clvbook.settings import Settings

ROWS = """order_id,customer_id,paid_at,paid,refund,remark
1,anna,2026-09-01 10:00:00,100.00,0,
2,anna,2026-09-05 10:00:00,50.00,20.00,
3,,2026-09-06 10:00:00,30.00,,
4,fake1,2026-09-07 10:00:00,70.00,5.00,刷单 please
5,anna,2026-09-08 10:00:00,10.00,,刷单
6,fake2,2026-09-08 10:00:00,0.00,,刷单
7,fake3,2026-09-08 10:00:00,40.00,40.00,刷单
8,fake4,2026-10-08 10:00:00,25.00,,刷单
9,bert,2026-10-01 10:00:00,5.00,,
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The book of a small shop in September; further parameters by name."""
    (tmp_path / "orders.csv").write_text(ROWS, encoding="utf-8")
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    given = {"shop": "small", "orders": "orders.csv", "month": "2026-09"}
    return lambda **more: open_book(Settings(**given, **more))


def test_headline_figures_with_and_without_fake_orders_to_the_cent(book):
    opened = book(fake_words=["刷单"])
    assert opened.reconciliation.quarantined == {"flagged_fake": 5}
    frame = opened.with_flagged.set_index("version")
    reported, both = frame.loc["as reported"], frame.loc["with the flagged orders"]
    assert (reported.orders, reported.net, reported.customers, reported.repeat_rate) == (3, 160.0, 1, 1.0)
    # 4 counts with 65, 5 with 10; 6 and 7 brought nothing, 8 comes after the month
    assert (both.orders, both.net, both.customers, both.repeat_rate) == (5, 235.0, 2, 0.5)
    # a second opening reads it from the shelf
    assert book(fake_words=["刷单"]).with_flagged.equals(opened.with_flagged)


def test_without_fake_orders_there_is_nothing_to_compare(book):
    assert book(fake_words=[]).with_flagged == NotComputable("no order was set aside as fake")


def test_the_share_of_unidentified_orders_and_its_limit(book):
    opened = book(fake_words=["刷单"], unidentified_limit=0.2)
    assert 1 - opened.identified_share == pytest.approx(1 / 3)
    row = opened.support.set_index("question").loc["Customers known"]
    assert (row.needs.replace("\u00a0", " "), row.enough) == ("at least 80 % of orders", False)


def test_the_set_aside_rows_and_the_fates_add_up(book):
    opened = book(fake_words=["刷单"])
    fates = opened.fates.set_index("fate")
    assert fates.rows.iloc[:-1].sum() == fates.rows["read"] == 9
    assert fates.money.iloc[:-1].sum() == fates.money["read"] == 330
    assert opened.set_aside.count().to_pandas() == 5
    assert opened.not_yet == 1
