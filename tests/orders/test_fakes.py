"""orders/fakes.py: fake orders by remark, by price and by crowded address, and nothing else."""

from decimal import Decimal

import ibis
import pandas as pd
import pytest

from clvbook.orders import fakes
from clvbook.orders.mapping import load_mapping
from clvbook.orders.schema import REASONS
from clvbook.settings import make_settings

FAKE = list(REASONS).index("flagged_fake")


def settings(**values):
    return make_settings({"shop": "a", "orders": "o.csv", **values})


def rows(**columns):
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"seq": range(n), "amount": [Decimal(10)] * n, **columns})
    types = {"seq": "int64", "amount": "decimal(18,4)", "remark": "string", "address": "int64", "code": "int8"}
    types["customer_id"] = "string"
    return ibis.memtable(frame, schema={name: types[name] for name in frame.columns})


def shown(table, **values):
    condition = fakes.shown(table, load_mapping("canonical"), settings(**values))
    return None if condition is None else table.mutate(fake=condition).order_by("seq").to_pandas().fake.tolist()


def test_a_remark_shows_a_fake_whatever_stands_around_the_word():
    table = rows(remark=["刷单 please", "x BRUSH y", "brus", None, "a+b"])
    assert shown(table, fake_words=["刷单", "brush"]) == [True, True, False, False, False]
    assert shown(table, fake_words=["+"]) == [False, False, False, False, True]  # a word is no pattern


def test_a_price_below_the_floor_shows_a_fake_but_a_gift_is_none():
    table = rows(amount=[Decimal("0.99"), Decimal("1.00"), Decimal(0)])
    assert shown(table, fake_words=[], price_floor=1.0) == [True, False, False]


def test_where_nothing_is_asked_for_nothing_is_shown():
    assert shown(rows(remark=["刷单"]), fake_words=[]) is None


@pytest.mark.parametrize("most", [2, 3])
def test_an_address_is_crowded_from_so_many_customers_on(most):
    table = rows(customer_id=["a", "b", "b", "c", "d"], address=[1, 1, 1, 1, 2], code=[None] * 5)
    found = fakes.crowded(table, settings(fake_customers_per_address=most)).order_by("seq").to_pandas()
    assert [code == FAKE for code in found.code] == [True] * 4 + [False]
    four = fakes.crowded(table, settings(fake_customers_per_address=4)).to_pandas()
    assert four.code.isna().all()


def test_an_earlier_reason_stays_and_its_customer_does_not_crowd_an_address():
    unpaid = list(REASONS).index("unpaid")
    table = rows(customer_id=["a", "b", "c"], address=[1, 1, 1], code=[None, None, unpaid])
    found = fakes.crowded(table, settings(fake_customers_per_address=3)).order_by("seq").to_pandas()
    assert found.code.isna().tolist() == [True, True, False]
    assert found.code[2] == unpaid


def test_an_address_that_the_platform_hides_is_none():
    table = ibis.memtable(pd.DataFrame({"a": ["某街道 12号", "某街道12号", "某街道**号", ""]}))
    found = table.mutate(place=fakes.place(ibis._.a)).to_pandas().place
    assert found[0] == found[1]
    assert found[2:].isna().all()
