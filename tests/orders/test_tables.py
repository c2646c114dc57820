"""Mappings of the shop's other tables, and the account that refuses what does not add up."""

import pytest

from clvbook.engine import connect
from clvbook.errors import BadParameters, InputRefused
from clvbook.orders.mapping import load_mapping, shipped
from clvbook.orders.tables import Account, TableMapping, read_table
from clvbook.settings import Settings

NAMES = sorted(entry.name.removesuffix(".yml") for entry in TableMapping.shelf.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_mappings_load_and_are_no_platforms_of_orders(name):
    assert load_mapping(name, kind=TableMapping).name == name
    assert name not in shipped()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("columns: {nick: [nick]}\nrequired: []", "nick is unknown"),
        ("columns: {arm: [arm]}\nrequired: [units]", "units: must stand under `columns`"),
        ("columns: {arm: [arm]}\nrequired: []\nwords: {state: {a: b}}", "state: must stand under `columns`"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_told(tmp_path, more, told):
    path = tmp_path / "own.yml"
    path.write_text(f'name: own\ntitle: t\nrow: one row\ntimes: ["%Y"]\n{more}\n')
    with pytest.raises(BadParameters, match=told):
        load_mapping(str(path), kind=TableMapping)


def test_an_account_that_does_not_add_up_is_refused():
    assert Account(3, 1, {"bad_date": 2}).check("t").rows_used == 1
    with pytest.raises(InputRefused, match="4 rows read, 1 used"):
        Account(4, 1, {"bad_date": 2}).check("t")


def test_no_file_is_a_bad_parameter():
    with pytest.raises(BadParameters, match="0 files"):
        read_table(connect(Settings(shop="t", orders="none")), [], "costs")
