"""Small order files, cleaned the way a run cleans them."""

import gzip

import pytest

from clvbook.engine import connect
from clvbook.orders import clean_orders
from clvbook.settings import Settings

UCI = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]


@pytest.fixture(scope="session")
def con():
    """An engine for expressions on small tables."""
    return connect(Settings(shop="t", orders="none"))


@pytest.fixture
def write(tmp_path):
    """Write text or bytes as a file (gzip where its name says so); returns its path as text."""

    def to_file(content, name="orders.csv"):
        data = content if isinstance(content, bytes) else content.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return to_file


@pytest.fixture
def settings():
    """Settings of a shop `t` with the given order file and whatever else a test needs."""
    return lambda orders, **more: Settings(shop="t", orders=orders, **more)


@pytest.fixture(scope="module")
def module_settings():
    """As `settings`, for what a module of tests reads once."""
    return lambda orders, **more: Settings(shop="t", orders=orders, **more)


@pytest.fixture
def clean(write, settings):
    """Clean an order file given as text: `clean(text, mapping=...)`."""

    def cleaned(content, name="orders.csv", **more):
        made = settings(write(content, name), **more)
        return clean_orders(connect(made), made)

    return cleaned


@pytest.fixture
def uci(clean):
    """Clean lines of an Online Retail export, given as tuples in the order of its header."""

    def cleaned(*lines, header=UCI, **more):
        text = "\n".join(",".join(map(str, line)) for line in [header, *lines]) + "\n"
        return clean(text, mapping="online_retail", currency="GBP", timezone="Europe/London", **more)

    return cleaned
