"""orders.py: what was read, kept and set aside agrees with the file and with itself; a cache changes nothing."""

import hashlib
from datetime import date

import pandas as pd
import pytest

from clvbook.book import orders as module
from clvbook.errors import InputRefused


@pytest.fixture(scope="module")
def raw(sim):
    return pd.read_csv(sim / "shop" / "orders.csv.gz", dtype=str)


@pytest.fixture(scope="module")
def kept(book):
    return book.kept_orders.to_pandas().assign(day=lambda t: pd.to_datetime(t.day))


def test_every_row_of_the_file_has_one_fate(book, raw, kept):
    read = book.reconciliation
    assert read.rows_read == len(raw)
    assert read.orders_kept == len(kept) == read.rows_kept + read.rows_without_customer
    assert read.rows_kept + read.rows_without_customer + sum(read.quarantined.values()) == len(raw)
    assert float(read.net_kept) == pytest.approx(kept.net.astype(float).sum(), rel=1e-12)
    assert len(read.quarantined) > 5  # the shop is as dirty as shops are
    assert read.rows_without_customer > 0


def test_rows_set_aside_are_those_that_were_counted(book, raw):
    aside = book.set_aside.to_pandas()
    counted = {reason: rows for reason, rows in book.reconciliation.quarantined.items() if rows}
    assert aside.reason.value_counts().to_dict() == counted
    assert len(aside) == sum(book.reconciliation.quarantined.values())
    assert not aside.duplicated(["source_file", "line"]).any()
    # the line is the file's own, the header being the first
    for row in aside.dropna(subset="order_id").head(50).itertuples():
        assert raw.order_id[row.line - 2] == row.order_id
    assert dict(zip(book.reasons.reason, book.reasons.rows, strict=True)) == counted


def test_fates_add_up_to_what_was_read(book, raw):
    rows = book.fates.set_index("fate")
    assert rows.rows.iloc[:-1].sum() == rows.rows["read"] == len(raw)
    assert rows.money.iloc[:-1].sum() == rows.money["read"]
    assert book.rows_by_fate.rows.sum() == len(raw)


def test_the_month_sees_nothing_that_comes_after_it(book, kept):
    seen = kept[kept.day <= "2026-09-30"]
    assert book.as_of == date(2026, 9, 30)
    assert book.not_yet == len(kept) - len(seen) > 0
    assert book.orders.count().to_pandas() == len(seen)
    assert book.monthly.orders.sum() == book.daily.orders.sum() == len(seen)
    assert book.monthly.net.sum() == pytest.approx(seen.net.astype(float).sum(), rel=1e-12)
    assert book.daily.day.max() == pd.Timestamp("2026-09-30")
    assert book.monthly.new.sum() == seen.customer_id.nunique() == book.customers.count().to_pandas()
    assert book.identified_share == pytest.approx(seen.customer_id.notna().mean())
    assert book.this_month.orders == (seen.day >= "2026-09-01").sum()


def test_customers_and_cells_are_those_of_the_orders(book, kept):
    seen = kept[(kept.day <= "2026-09-30") & kept.customer_id.notna()]
    purchases = seen.drop_duplicates(["customer_id", "day"])
    customers = book.customers.to_pandas().set_index("customer_id").sort_index()
    assert book.purchases.count().to_pandas() == len(purchases) < len(seen)
    assert (customers.frequency + 1).to_dict() == purchases.groupby("customer_id").size().to_dict()
    assert book.cells.weight.sum() == len(customers)
    assert book.cells.spend.sum() == pytest.approx(customers.monetary_value.sum(), rel=1e-9)
    assert book.support.enough.tolist() == [True] * 6 + [book.identified_share >= 0.9]


def test_what_was_read_is_named_without_this_machines_folders(sim, opened, book, home):
    (found,) = book.inputs
    path = sim / "shop" / "orders.csv.gz"
    assert found["path"] == "shop/orders.csv.gz"
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["bytes"] == path.stat().st_size
    (outside,) = opened(home, orders=str(path)).inputs
    assert outside == {**found, "path": "orders.csv.gz"}


def test_a_warm_cache_reads_no_order_file(book, opened, monkeypatch):
    book.prepare()

    def refuse(*_):
        raise AssertionError("the orders are read again")

    monkeypatch.setattr(module, "clean_orders", refuse)
    warm = opened()
    assert warm.reconciliation == book.reconciliation
    assert warm.cells.equals(book.cells)
    assert warm.set_aside.to_pandas().equals(book.set_aside.to_pandas())
    with pytest.raises(AssertionError, match="read again"):
        opened(timezone="UTC")  # another clock makes other days


def test_another_month_of_the_same_file_is_made_from_the_same_orders(book, opened, monkeypatch):
    monkeypatch.setattr(module, "clean_orders", None)
    earlier = opened(month="2026-08")
    assert earlier.as_of == date(2026, 8, 31)
    assert earlier.monthly.equals(book.monthly.iloc[:-1])
    assert earlier.not_yet == book.not_yet + book.this_month.orders


def test_the_month_told_is_the_last_complete_one(tiny, opened):
    assert opened(month=None).month == "2026-10"  # the export ends on 2026-10-31
    rows = [("1", "a", "2026-01-05", 9), ("2", "a", "2026-03-30", 9)]
    assert tiny(rows).month == "2026-02"
    assert tiny(rows).settings.month == "2026-02"
    through = tiny(rows, data_through=date(2026, 3, 31))
    assert (through.month, through.not_yet) == ("2026-03", 0)


def test_a_month_before_the_first_order_is_refused(tiny):
    with pytest.raises(InputRefused) as caught:
        tiny([("1", "a", "2026-03-01", 9), ("2", "a", "2026-03-02", 9)], month="2026-02")
    assert caught.value.fact.startswith("0 of 2 kept orders were paid up to the end of 2026-02")
    assert tiny([("1", "a", "2026-02-28", 9)], month="2026-02").not_yet == 0


def test_a_month_without_orders_shows_zeros(tiny):
    found = tiny([("1", "a", "2026-01-01", 9), ("2", "a", "2026-04-02", 9)], month="2026-02")
    assert (found.this_month.orders, found.this_month.net, found.not_yet) == (0, 0, 1)


MIXED = [("1", "a", "2026-01-01", 9, "CNY"), ("2", "a", "2026-01-02", 9, "USD"), ("3", "b", "2026-01-03", 9, "CNY")]


@pytest.mark.parametrize("already_read", [False, True])
def test_several_currencies_are_refused_until_one_is_chosen(tiny, already_read):
    columns = ("order_id", "customer_id", "paid_at", "paid", "currency")
    if already_read:  # with a currency chosen the same rows are in the cache
        assert tiny(MIXED, columns, month="2026-01", currency="CNY").reconciliation.quarantined == {"other_currency": 1}
    with pytest.raises(InputRefused) as caught:
        tiny(MIXED, columns, month="2026-01")
    assert "`currency: CNY`" in caught.value.hint


def test_tables_do_not_depend_on_where_the_cache_is(book, opened, sim, home):
    cold = opened(home, orders=str(sim / "shop" / "orders.csv.gz"))
    assert cold.monthly.equals(book.monthly)
    assert cold.cells.equals(book.cells)
    key = ["customer_id", "day"]
    frames = [found.purchases.order_by(key).to_pandas() for found in (cold, book)]
    assert frames[0].equals(frames[1])
    assert [path.name for path in home.iterdir()] == [".cache"]


def test_a_month_that_the_data_do_not_cover_is_refused(tiny):
    rows = [("1", "a", "2026-03-01", 9), ("2", "a", "2026-03-20", 9)]
    with pytest.raises(InputRefused, match="the data end on 2026-03-20: 11 days of 2026-03 are not in them"):
        tiny(rows, month="2026-03", data_through=date(2026, 3, 20))
    assert tiny(rows, month="2026-03", data_through=date(2026, 3, 31)).month == "2026-03"


def test_one_stray_date_does_not_choose_the_month(tiny):
    rows = [(str(day), "a", f"2026-03-{day:02d}", 9) for day in range(1, 32)]
    assert tiny(rows).month == "2026-03"
    stray = [*rows, ("x", "b", "2062-11-01", 9)]
    with pytest.raises(InputRefused, match="comes 13,364 days after the one before"):
        tiny(stray)
    assert tiny(stray, month="2026-03").not_yet == 1
    assert tiny(stray, data_through=date(2026, 3, 31)).reconciliation.quarantined == {"future_date": 1}


def test_whoever_runs_a_month_hears_of_defaults_and_of_a_month_that_is_not_complete(tiny):
    rows = [("1", "a", "2026-02-28", 9), ("2", "a", "2026-03-20", 9)]
    told = "\n".join(tiny(rows).notes)
    assert "currency: CNY, the default" in told
    assert "timezone: Asia/Shanghai, the default" in told
    assert "2026-02 is the last complete month" in told
    assert tiny(rows, currency="EUR", timezone="Europe/Berlin", data_through=date(2026, 3, 31)).notes == []
