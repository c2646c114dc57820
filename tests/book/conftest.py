"""One simulated shop of 1,500 customers with everything that a real export has, opened once for all tests here."""

from functools import partial

import pandas as pd
import pytest

from clvbook.book import open_book
from clvbook.settings import make_settings, month_end
from clvbook.simulate import simulate_shop

SETTINGS = {"shop": "sim", "orders": "shop/orders.csv.gz", "month": "2026-09", "resamples": 50, "margin_rate": 0.4}
TABLES = {"campaigns": "shop/campaigns.csv", "sends": "shop/sends.csv.gz", "customers": "shop/customers.csv.gz"}


@pytest.fixture(scope="session")
def sim(tmp_path_factory):
    """A folder to be CLVBOOK_HOME; the export reaches a month beyond the month that is told."""
    folder = tmp_path_factory.mktemp("home")
    simulate_shop(folder / "shop", customers=1500, only_orders=True, seed=3)
    return folder


@pytest.fixture(scope="session")
def opened(sim):
    """A function: settings laid over the shop's -> its book, opened with `home` as CLVBOOK_HOME."""

    def book(home=sim, **values):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLVBOOK_HOME", str(home))
            return open_book(make_settings({**SETTINGS, **values}))

    return book


@pytest.fixture(scope="session")
def book(opened):
    return opened()


@pytest.fixture(autouse=True)
def cache_beside_the_shop(sim, monkeypatch):
    """What a book computes later finds its home, too."""
    monkeypatch.setenv("CLVBOOK_HOME", str(sim))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder that is CLVBOOK_HOME."""
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def of_rows():
    """A function: home, rows (order_id, customer_id, paid_at, paid, ...) and settings -> the book of that shop."""

    def book(home, rows, columns=("order_id", "customer_id", "paid_at", "paid"), **values):
        pd.DataFrame(rows, columns=list(columns)).to_csv(home / "orders.csv", index=False)
        if "month" in values and str(month_end(values["month"])) > max(str(row[2])[:10] for row in rows):
            values = {"data_through": month_end(values["month"]), **values}  # the export covers the whole month
        return open_book(make_settings({"shop": "tiny", "orders": "orders.csv", "engine_threads": 1, **values}))

    return book


@pytest.fixture
def tiny(home, of_rows):
    """A function: rows and settings as above -> the book of a shop that small, in a home of its own."""
    return partial(of_rows, home)


@pytest.fixture(scope="session")
def sold(tmp_path_factory):
    """A folder with a shop of 2,000 customers and all its tables."""
    folder = tmp_path_factory.mktemp("sold")
    simulate_shop(folder / "shop", customers=2000, seed=5, format="csv")
    return folder


@pytest.fixture(scope="session")
def whole(sold, opened):
    """A function: settings -> the book of that shop."""
    return lambda **values: opened(home=sold, **TABLES, **values)


@pytest.fixture
def there(sold, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(sold))


@pytest.fixture
def assumed(whole, there):
    return whole(retention_save_rate=0.03, retention_budget=20.0, retention_incentive=1.0)
