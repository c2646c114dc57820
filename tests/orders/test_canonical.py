"""orders/canonical.py: a shop's own tables come in typed, and every row is used or set aside with a reason."""

import csv
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.orders.canonical import KEYS, read_canonical
from clvbook.orders.schema import columns


@pytest.fixture
def read(con, tmp_path):
    """A function: a table's name and its rows (header first), file by file -> `CanonicalTable`."""

    def made(table, *files):
        paths = []
        for number, rows in enumerate(files):
            paths.append(tmp_path / f"{table}{number}.csv")
            with paths[-1].open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows)
        return read_canonical(con, paths, table, timezone="Asia/Shanghai")

    return made


def test_cells_have_the_types_of_the_schema_and_absent_columns_are_null(read):
    found = read("customers", [["opted_out", "customer_id", "acquisition_cost", "more"], ["是", "a", "3.50", "x"]])
    kinds = {name: str(kind).replace(", ", ",").removesuffix("(6)") for name, kind in found.table.schema().items()}
    assert kinds == {name: column.type for name, column in columns("customers").items()}
    [row] = found.table.to_pyarrow().to_pylist()
    assert row["opted_out"] is True
    assert row["acquisition_cost"] == Decimal("3.5")
    assert row["tier"] is None


def test_every_row_has_one_fate(read):
    found = read(
        "churn_survey",
        [
            ["customer_id", "asked_on", "answered_on", "reason"],
            ["a", "2026-01-17", "", ""],  # no answer: used
            ["a", "2026-01-17", "", ""],
            ["b", "2026-01-17", "2026-01-20", "fault"],
            ["b", "2026-01-17", "2026-01-21", "natural"],  # the later answer holds
            ["", "2026-01-17", "", ""],
            ["c", "", "", ""],
            ["d", "soon", "", ""],
            ["e", "2026-01-17", "later", "fault"],
        ],
    )
    assert found.account.rows_used == 2
    assert found.account.set_aside == {
        "duplicate_row": 1,
        "superseded": 1,
        "missing_customer_id": 1,
        "missing_asked_on": 1,
        "bad_asked_on": 1,
        "bad_answered_on": 1,
    }
    rows = found.table.order_by("customer_id").to_pyarrow().to_pylist()
    assert [(row["customer_id"], row["answered_on"], row["reason"]) for row in rows] == [
        ("a", None, None),
        ("b", date(2026, 1, 21), "natural"),
    ]
    aside = found.set_aside.to_pyarrow().to_pylist()
    assert {(row["reason"], row["line"]) for row in aside} >= {("bad_asked_on", 8), ("bad_answered_on", 9)}


def test_order_lines_may_repeat(read):
    line = ["1", "sku", "2", "9.90"]
    found = read("order_items", [["order_id", "sku", "quantity", "amount"], line, line])
    assert (found.account.rows_used, found.account.set_aside) == (2, {})


def test_a_file_without_a_needed_column_is_refused(read):
    with pytest.raises(InputRefused, match="amount"):
        read("order_items", [["order_id", "sku", "quantity"], ["1", "s", "2"]])


@settings(deadline=None, max_examples=6, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(KEYS)),
    st.data(),
)
def test_no_row_is_lost_whatever_the_cells_hold(read, table, data):
    names = list(columns(table))
    cell = st.one_of(
        st.sampled_from(["", " ", "1", "2026-01-17", "true", "-3.5", "=1+1", '"', "x,y"]),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
    )
    rows = data.draw(st.lists(st.lists(cell, min_size=len(names), max_size=len(names)), min_size=1, max_size=8))
    found = read(table, [names, *rows])
    assert found.account.rows_read == len(rows)
    assert found.table.count().to_pyarrow().as_py() == found.account.rows_used
    assert found.set_aside.count().to_pyarrow().as_py() == sum(found.account.set_aside.values())
    assert found.account.rows_used + sum(found.account.set_aside.values()) == len(rows)
