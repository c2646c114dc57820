"""Taobao exports damaged at random: all rows and cents are accounted for, or the file is refused with its place.

The number of cases is 60, or CLVBOOK_FUZZ_CASES; each is one to three accidents to one to three files.
"""

import csv
import io
import os
import random
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clvbook.engine import connect
from clvbook.errors import InputRefused
from clvbook.orders import clean_orders
from clvbook.settings import Settings

CASES = int(os.environ.get("CLVBOOK_FUZZ_CASES", "60"))
NAMES = (
    "订单编号,买家会员名,总金额,买家实际支付金额,订单状态,收货地址 ,订单创建时间,"
    "订单付款时间 ,宝贝总数量,订单备注,退款金额"
)
NUMBERS = ['="351500000000000001"', "351500000000000002", "'351500000000000003", "3.515E+18", ""]
BUYERS = ["小鱼", "t***n", "", '=HYPERLINK("x")', "<script>", "'; DROP TABLE x", "\u202egnp.x", "𠮷", "x" * 3000]
MONEY = ["12.00", "￥1,234.00", "１２元", "0", "-3", "", "1e9", "12元元", "999999999999999"]
WORDS = ["交易成功", "交易关闭", "等待买家付款", "卖家已发货，等待买家确认", "TRADE_FINISHED", ""]
TIMES = ["2016-05-23 22:02:41", "2016/5/23 22:02", "", "2016-13-45 99:00:00", "1970-01-01", "0000-00-00 00:00:00"]
REMARKS = ["", "刷单 勿发", '说"好"', "一\n二", "a,b"]
REFUNDS = ["无退款申请", "3.00元", "", "退款中", "12.00"]
BYTES = [b"\0", b'"', b"\xff", b"\x81", b"\n", b"\r", b",", b"\r\n", b"", b'""', b"\xef\xbb\xbf", b"="]


def table(draw):
    rows = [
        [draw.choice(NUMBERS), draw.choice(BUYERS), "9", draw.choice(MONEY), draw.choice(WORDS), "某街道1号",
         draw.choice(TIMES), draw.choice(TIMES), "1", draw.choice(REMARKS), draw.choice(REFUNDS)]
        for _ in range(draw.randint(1, 6))
    ]  # fmt: skip
    return [NAMES.split(","), *rows]


def damaged(rows, draw):
    """The export's bytes after rows, columns and cells were lost, doubled or moved, and bytes were damaged."""
    for _ in range(draw.choice([0, 0, 1, 2, 3])):
        row, cell = draw.randrange(len(rows)), draw.randrange(len(rows[0]) or 1)
        match draw.randrange(7):
            case 0:
                rows.insert(draw.randrange(1, len(rows) + 1), list(rows[row]))
            case 1:
                rows = rows[:row] + rows[row + 1 :] if len(rows) > 1 else rows
            case 2:
                order = draw.sample(range(len(rows[0])), len(rows[0]))
                rows = [[line[at] for at in order if at < len(line)] for line in rows]
            case 3:
                rows = [rows[0], *draw.sample(rows[1:], len(rows) - 1)]
            case 4:
                rows = [line[:cell] + line[cell + 1 :] for line in rows]
            case 5:
                rows[row] = [*rows[row][:cell], draw.choice(MONEY + TIMES + NUMBERS), *rows[row][cell + 1 :]]
            case 6:
                rows = [line + line[cell : cell + 1] for line in rows]
    text = io.StringIO()
    csv.writer(text, lineterminator=draw.choice(["\r\n", "\n", "\r\n", "\r"])).writerows(rows)
    data = bytearray(text.getvalue().encode(draw.choice(["utf-8", "gb18030", "gb18030", "utf-8-sig", "utf-16"])))
    for _ in range(draw.choice([0, 0, 0, 1, 2])):
        at = draw.randrange(len(data) + 1)
        data[at : at + draw.randint(0, 1)] = draw.choice(BYTES)
    return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.05 else data)


def plainly(data):
    """The rows of an undoubtedly whole file, read by Python alone; None where that is in doubt."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            rows = list(csv.reader(io.StringIO(data.decode(encoding), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error):
            continue
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if row] if _even(rows) else None
    return None


def _even(rows):
    return bool(rows) and all(len(row) in (0, len(rows[0])) for row in rows)


def simple_amount(cell):
    """An amount that is a plain number in ASCII; other cells are what the tests of single amounts are for."""
    return Decimal(cell) if re.fullmatch(r"-?\d{1,9}(\.\d{1,4})?", cell) else None


@hypothesis_settings(max_examples=CASES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**48))
def test_damaged_exports_reconcile_or_are_refused(tmp_path_factory, seed):
    draw, folder = random.Random(seed), tmp_path_factory.mktemp("d")  # noqa: S311
    files = [damaged(table(draw), draw) for _ in range(draw.choice([1, 1, 2, 3]))]
    for at, data in enumerate(files):
        (folder / f"ExportOrderList{at}.csv").write_bytes(data)
    made = Settings(shop="t", orders=f"{folder}/*.csv", mapping="taobao", fake_customers_per_address=2, price_floor=1.0)
    try:
        cleaned = clean_orders(connect(made), made)
    except InputRefused as refusal:
        cleaned = refusal
    if isinstance(cleaned, InputRefused):
        assert str(folder) in cleaned.fact or cleaned.fact.startswith("status: ")
        assert (cleaned.exit_code, bool(cleaned.hint)) == (3, True)
        return
    told = cleaned.reconciliation.check()
    assert cleaned.set_aside.count().execute() == sum(told.quarantined.values())
    assert cleaned.orders.count().execute() == told.rows_kept + told.rows_without_customer
    plain = [plainly(data) for data in files]
    if all(rows is not None for rows in plain):
        rows = [row for file in plain for row in file]
        assert told.rows_read == len(rows)
        amounts = [simple_amount(row.get("买家实际支付金额", "")) for row in rows]
        if None not in amounts:
            assert told.paid_read == sum(amounts)


@pytest.mark.parametrize("mapping", ["taobao", "canonical"])
def test_what_is_no_file_of_orders_is_refused(tmp_path, mapping):
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "noise.csv").write_bytes(random.Random(1).randbytes(100_000))  # noqa: S311
    (tmp_path / "noise.csv.gz").write_bytes(random.Random(2).randbytes(100_000))  # noqa: S311
    with (tmp_path / "sparse.csv").open("wb") as file:
        file.truncate(2 << 30)
    for name in ("empty.csv", "noise.csv", "noise.csv.gz", "sparse.csv"):
        made = Settings(shop="t", orders=str(tmp_path / name), mapping=mapping)
        with pytest.raises(InputRefused, match=str(tmp_path / name)):
            clean_orders(connect(made), made)
