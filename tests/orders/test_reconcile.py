import json
from datetime import date
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.orders.reconcile import Reconciliation, reconcile
from clvbook.orders.schema import REASONS

CENT = Decimal("0.01")


def test_a_reconciliation_that_does_not_add_up_is_refused(clean):
    told = clean("order_id,customer_id,paid_at,paid\n1,a,2020-01-01,5\n2,a,2020-01-01,-5\n").reconciliation
    assert Reconciliation.from_dict(told.as_dict()) == told.check()
    assert told.as_numbers()["paid_quarantined"] == -5.0
    for wrong in ({"rows_kept": 0}, {"net_kept": Decimal("5.0001")}, {"quarantined": {}}):
        with pytest.raises(InputRefused, match=r"do not reconcile.*negative_amount -5"):
            Reconciliation(**{**vars(told), **wrong}).check()


@pytest.mark.parametrize("nobody", ["", " ", "nan", "NULL", "None"])
def test_nobody_keeps_the_money_and_is_no_customer(clean, nobody):
    told = clean(f"order_id,customer_id,paid_at,paid\n1,{nobody},2020-01-01,5\n2,a,2020-01-01,5\n").reconciliation
    assert (told.rows_without_customer, told.orders_without_customer, told.customers, told.net_kept) == (1, 1, 1, 10)


# ---- whatever the account

COUNTS = st.integers(0, 10**9)
MONEY = st.decimals(0, 10**11, places=4)
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2099, 12, 31))


@st.composite
def accounts(draw):
    """A reconciliation in which every row and every cent is accounted for."""
    aside = draw(st.dictionaries(st.sampled_from(list(REASONS)), st.tuples(st.integers(1, 10**9), MONEY), max_size=5))
    rows, money = [draw(COUNTS) for _ in range(3)], [draw(MONEY) for _ in range(2)]
    paid_aside = sum((paid for _, paid in aside.values()), Decimal(0))
    return Reconciliation(
        rows_read=sum(rows) + sum(count for count, _ in aside.values()),
        rows_kept=rows[0],
        rows_without_customer=rows[1],
        rows_refund=rows[2],
        quarantined={reason: count for reason, (count, _) in aside.items()},
        orders_kept=draw(COUNTS),
        orders_without_customer=draw(COUNTS),
        paid_read=sum(money) + paid_aside,
        net_kept=money[0],
        refunded=money[1],
        paid_quarantined=paid_aside,
        customers=draw(COUNTS),
        first_order=draw(DAYS),
        last_order=draw(DAYS),
        paid_quarantined_by_reason={reason: paid for reason, (_, paid) in aside.items()},
        net_without_customer=draw(MONEY),
        rows_repeated=draw(COUNTS),
        refunds_unmatched=draw(COUNTS),
        refunded_beyond=draw(MONEY),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(account=accounts(), off=st.sampled_from([-1, 1]))
def test_an_account_that_adds_up_is_itself_and_one_that_is_a_row_or_a_cent_off_is_refused(account, off):
    assert account.check() is account
    for name in ("rows_read", "rows_kept", "rows_without_customer", "rows_refund"):
        with pytest.raises(InputRefused, match="do not reconcile"):
            Reconciliation(**vars(account) | {name: getattr(account, name) + off}).check()
    for name in ("paid_read", "net_kept", "refunded", "paid_quarantined"):
        with pytest.raises(InputRefused, match="do not reconcile"):
            Reconciliation(**vars(account) | {name: getattr(account, name) + off * CENT}).check()
    for reason, count in account.quarantined.items():
        with pytest.raises(InputRefused, match=f"{account.rows_read:,} rows read"):
            Reconciliation(**vars(account) | {"quarantined": account.quarantined | {reason: count + off}}).check()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(account=accounts())
def test_what_is_stored_comes_back_to_the_last_digit(account):
    stored = json.loads(json.dumps(account.as_dict(), allow_nan=False))
    assert Reconciliation.from_dict(stored) == account
    assert Reconciliation.from_dict(stored).check().as_dict() == stored


@settings(max_examples=60, deadline=None, derandomize=True)
@given(account=accounts())
def test_numbers_for_other_programs_are_numbers_and_the_same(account):
    told = json.loads(json.dumps(account.as_numbers(), allow_nan=False))
    assert told.keys() == account.as_dict().keys() - (set() if account.lines else {"lines"})
    for name, value in vars(account).items():
        if isinstance(value, Decimal):
            assert isinstance(told[name], float)
            # Below a trillion with four places a number has at most 16 figures; 15 of them are sure.
            assert abs(Decimal(told[name]) - value) <= abs(value) * Decimal("1e-15")
        elif isinstance(value, int):
            without = account.orders_without_customer if name == "orders_kept" else 0  # counted apart in the contract
            assert told[name] == value - without
    assert told["quarantined"] == account.quarantined
    assert {r: float(paid) for r, paid in account.paid_quarantined_by_reason.items()} == told[
        "paid_quarantined_by_reason"
    ]
    assert told["first_order"] == (account.first_order and account.first_order.isoformat())


# ---- from rows


def stored(con, table):
    return con.create_table(ibis.util.gen_name("t"), ibis.memtable(table))


def test_rows_are_counted_by_fate_and_money_by_where_it_went(con):
    """Two sales and a gift of nobody's stay, 3.00 of a sale go back, two rows are set aside, one of them a refund."""
    code = list(REASONS).index
    money = pa.decimal128(18, 4)
    rows = {
        "code": pa.array([None, None, None, None, code("negative_amount"), code("bad_amount")], pa.int8()),
        "gives_back": [False, False, False, True, True, False],
        "refunding": [False, False, None, True, False, None],
        "customer_id": ["a", "b", None, "a", "b", "b"],
        "amount": pa.array([*map(Decimal, ["10.00", "5.50", "1.25", "-3.00", "-2.00"]), None], money),
        "cells": [1, 2, 3, 4, 5, 2],
    }
    orders = {
        "customer_id": ["a", "b", None],
        "net": pa.array(map(Decimal, ["7.00", "5.50", "1.25"]), money),
        "refund": pa.array(map(Decimal, ["3.00", "0", "0"]), money),
        "day": [date(2020, 1, 3), date(2020, 1, 1), date(2020, 1, 2)],
    }
    tables = [stored(con, pa.table(columns)) for columns in (rows, orders)]
    told = reconcile(*tables, rows_read=6).check()
    assert (told.rows_kept, told.rows_without_customer, told.rows_refund) == (2, 1, 1)
    assert told.quarantined == {"bad_amount": 1, "negative_amount": 1}
    assert told.paid_quarantined_by_reason == {"bad_amount": 0, "negative_amount": -2}
    assert (told.paid_read, told.net_kept, told.refunded) == (Decimal("14.75"), Decimal("13.75"), 3)
    assert (told.orders_kept, told.orders_without_customer, told.customers) == (3, 1, 2)
    assert (told.first_order, told.last_order) == (date(2020, 1, 1), date(2020, 1, 3))
    assert (told.net_without_customer, told.refunds_unmatched, told.refunded_beyond) == (Decimal("1.25"), 1, 0)
    assert told.rows_repeated == 1
    assert told.share_set_aside == pytest.approx(2 / 6)
    with pytest.raises(InputRefused, match="7 rows read, 6 accounted for"):
        reconcile(*tables, rows_read=7).check()


def test_an_empty_shop_has_an_account(con):
    kinds = {"code": pa.int8(), "gives_back": pa.bool_(), "refunding": pa.bool_(), "customer_id": pa.string()}
    kinds |= {"amount": pa.decimal128(18, 4), "cells": pa.int64()}
    rows = stored(con, pa.schema(kinds).empty_table())
    kinds = {
        "customer_id": pa.string(),
        "net": pa.decimal128(18, 4),
        "refund": pa.decimal128(18, 4),
        "day": pa.date32(),
    }
    orders = stored(con, pa.schema(kinds).empty_table())
    told = reconcile(rows, orders, rows_read=0).check()
    assert (told.rows_kept, told.paid_read, told.customers, told.first_order, told.share_set_aside) == (
        0,
        0,
        0,
        None,
        0,
    )
