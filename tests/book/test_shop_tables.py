"""shop_tables.py: each row of the shop's other tables is used or set aside; a missing one says how to bring it."""

import pandas as pd
import pytest

from clvbook.book.shop_tables import NEEDED_FOR
from clvbook.errors import NotComputable

ORDERS = [("1", "a", "2026-01-05", 100.0), ("2", "b", "2026-01-20", 50.0)]
CHOSEN = [("x", "a", "treated", "2026-01-02 09:00:00"), ("x", "b", "holdout", "2026-01-02 09:00:00")]


@pytest.fixture
def shop(tiny, home):
    """A function: tables to be written (name -> frame) -> the book of a shop that brings them."""

    def book(**frames):
        for name, frame in frames.items():
            frame.to_csv(home / f"{name}.csv", index=False)
        return tiny(ORDERS, month="2026-01", **{name: f"{name}.csv" for name in frames})

    return book


def chosen(rows=CHOSEN):
    return pd.DataFrame(rows, columns=["campaign_id", "customer_id", "arm", "assigned_at"])


def test_a_table_that_is_not_there_says_which_export_to_bring(shop):
    book = shop()
    for name, needed_for in NEEDED_FOR.items():
        found = book.shop_table(name)
        assert found == NotComputable(f"{name} is not set; data/README.md says which export gives {needed_for}")
    assert book.shop_tables.empty


def test_rows_of_sends_and_costs_are_accounted_for(shop):
    costs = pd.DataFrame({"period": ["2026-01", "2026-01"], "kind": "sms", "campaign_id": "x", "amount": ["3.5", "?"]})
    book = shop(sends=chosen([*CHOSEN, CHOSEN[0]]), costs=costs)
    told = book.shop_tables.set_index("table")
    assert told.loc["sends"].to_list() == [3, 2, 1, "1 duplicate_row"]
    assert told.loc["costs"].to_list() == [2, 1, 1, "1 bad_amount"]
    assert book.shop_set_aside("costs").to_pandas().line.to_list() == [3]
    assert set(book.shop_table("sends").to_pandas().arm) == {"treated", "holdout"}
    assert {one["path"] for one in book.inputs} == {"orders.csv", "sends.csv", "costs.csv"}


def test_the_platforms_log_alone_gives_sends_too(shop):
    log = pd.DataFrame(
        {
            "sid": ["1", "2"],
            "mobile": ["13800000001", "13800000002"],
            "send_time": "2026-01-03 10:00:00",
            "report_status": ["SUCCESS", "FAIL"],
            "fee": [1, 1],
            "campaign_id": "x",
        }
    )
    sends = shop(send_log=log).shop_table("sends").to_pandas()
    assert list(sends.arm) == ["treated", "treated"]
    assert sorted(sends.delivered) == [False, True]


def test_another_file_is_another_table(shop):
    first = shop(sends=chosen()).shop_table("sends").count().to_pyarrow().as_py()
    again = shop(sends=chosen(CHOSEN[:1])).shop_table("sends").count().to_pyarrow().as_py()
    assert (first, again) == (2, 1)
