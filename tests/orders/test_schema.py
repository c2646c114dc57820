from pathlib import Path

import ibis
import pytest

from clvbook.orders.mapping import load_mapping
from clvbook.orders.schema import REASONS, STATUSES, TABLES, columns, markdown

README = Path(__file__).parents[2] / "data" / "README.md"


def test_reasons_stand_in_the_order_in_which_they_are_tried():
    design = """duplicate_row, superseded, missing_order_id, lossy_order_id, test_order, unpaid, closed_unpaid,
    cancelled, closed_refunded, bad_amount, bad_date, future_date, paid_before_created, other_currency, flagged_fake,
    non_product, negative_amount, zero_amount, fully_refunded"""
    assert list(REASONS) == [word.strip() for word in design.split(",")]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_type_that_the_engine_knows_and_a_meaning(table):
    for column in TABLES[table]:
        assert ibis.dtype(column.type)
        assert column.meaning


@pytest.mark.parametrize("table", TABLES)
def test_the_readme_prints_each_table_as_the_program_knows_it(table):
    assert markdown(table) in README.read_text(encoding="utf-8")


def test_the_readme_tells_every_status_and_every_reason():
    text = README.read_text(encoding="utf-8")
    for word, meaning in {**STATUSES, **REASONS}.items():
        assert f"| `{word}` | {meaning} |" in text


def test_the_canonical_mapping_knows_exactly_the_canonical_orders_and_statuses():
    mapping = load_mapping("canonical")
    assert set(mapping.columns) == set(columns("orders"))
    assert {name for name, column in columns("orders").items() if not column.optional} == set(mapping.required)
    assert mapping.statuses == {word: word for word in STATUSES}
