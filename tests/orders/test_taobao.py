"""Taobao and Tmall exports, written by the published headers (2017 with 46 columns, and the later one)."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from clvbook.book import account
from clvbook.engine import connect
from clvbook.errors import InputRefused
from clvbook.orders import clean_orders
from clvbook.settings import Settings

# The header of 2017: 46 columns, five of them with a space at their end
HEADER = (  # noqa: SIM905
    "订单编号,买家会员名,买家支付宝账号,买家应付货款,买家应付邮费,买家支付积分,总金额,返点积分,买家实际支付金额,"
    "买家实际支付积分,订单状态,买家留言,收货人姓名,收货地址 ,运送方式,联系电话 ,联系手机,订单创建时间,订单付款时间 ,"
    "宝贝标题 ,宝贝种类 ,物流单号 ,物流公司,订单备注,宝贝总数量,店铺Id,店铺名称,订单关闭原因,卖家服务费,买家服务费,"
    "发票抬头,是否手机订单,分阶段订单信息,特权订金订单id,是否上传合同照片,是否上传小票,是否代付,定金排名,修改后的sku,"
    "修改后的收货地址,异常信息,天猫卡券抵扣,集分宝抵扣,是否是O2O交易,退款金额,预约门店"
).split(",")
# The later one: payment number and details, acknowledgement, pay-out, and the main order's number at the end
LATER = [*HEADER[:3], "支付单号", "支付详情", *HEADER[3:], "确认收货时间", "打款商家金额", "是否信用购", "主订单编号"]
DETAILS = "订单编号,标题,价格,购买数量,外部系统编号,商品属性,套餐信息,备注,订单状态,商家编码".split(",")  # noqa: SIM905
USUAL = {
    "订单编号": '="351500000000014254"',
    "买家会员名": "小鱼0016",
    "买家实际支付金额": "140.48",
    "订单状态": "交易成功",
    "收货地址 ": "四川省 成都市 武侯区 某街道12号",
    "联系手机": "'13900000012",
    "订单创建时间": "2025-09-12 20:00:00",
    "订单付款时间 ": "2025-09-12 20:30:17",
    "宝贝标题 ": '防晒霜SPF50+"新版", 两件',
    "宝贝总数量": "3",
    "订单关闭原因": "订单未关闭",
    "卖家服务费": "0元",
    "退款金额": "无退款申请",
}


def order(number=None, **cells):
    """One order's cells; names may be given without the space at their end."""
    made = dict(USUAL)
    for name, cell in cells.items():
        made[f"{name} " if f"{name} " in HEADER else name] = cell
    if number is not None:
        made["订单编号"] = f'="3515000000000{number:05d}"'
    return made


def export(*orders, header=HEADER):
    """An export as the platform writes it: every cell that needs it in quotes, lines ended by CR LF."""
    rows = [header, *([row.get(name, "") for name in header] for row in orders)]
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if set('",\n') & set(cell) else cell for cell in row] for row in rows
    ]
    return "".join(",".join(row) + "\r\n" for row in quoted)


@pytest.fixture
def taobao(write, settings):
    """Clean exports given as text or bytes, file by file: `taobao(first, second, price_floor=1)`."""

    def cleaned(*texts, names=None, **more):
        paths = [write(text, names[at] if names else f"ExportOrderList{at}.csv") for at, text in enumerate(texts)]
        made = settings(paths, mapping="taobao", **more)
        return clean_orders(connect(made), made)

    return cleaned


def kept(cleaned, *columns):
    rows = cleaned.orders.order_by("order_id").select(*columns).to_pyarrow().to_pylist()
    return [tuple(row.values()) if len(columns) > 1 else row[columns[0]] for row in rows]


def aside(cleaned):
    rows = cleaned.set_aside.to_pyarrow().to_pylist()
    return [(row["reason"], row["source_file"], row["line"]) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("header", [HEADER, LATER])
def test_an_order_is_read_whole_in_each_encoding_and_under_each_header(taobao, encoding, header):
    text = export(
        order(买家会员名="𠮷野家_0001", 订单备注="老客"), header=header
    )  # a sign that takes four bytes in GB18030
    cleaned = taobao(text.encode(encoding))
    [row] = cleaned.orders.to_pyarrow().to_pylist()
    assert row["order_id"] == "351500000000014254"
    assert row["customer_id"]
    assert (row["created_at"], row["paid_at"]) == (datetime(2025, 9, 12, 20), datetime(2025, 9, 12, 20, 30, 17))
    assert (row["day"], row["status"], row["remark"]) == (date(2025, 9, 12), "completed", "老客")
    assert (row["paid"], row["refund"], row["net"], row["items"]) == (Decimal("140.48"), 0, Decimal("140.48"), 3)


AMOUNTS = {
    "140.48": "140.48", "￥140.48": "140.48", "¥140.48": "140.48", "140.48元": "140.48", "0.10 元": "0.1",
    "￥1,234.00": "1234", "￥1，234.00": "1234", "１２３．５０元": "123.5", " ￥ 12 元 ": "12",
    "12,345,678": "12345678",
    "RMB 7": "7", "1,23": None, "12元整": None, "￥": None, "1e5": None, "": None, "￥￥1": None,
}  # fmt: skip


def fates(cleaned, *columns):
    """Each row's cells as kept, or the reason why it is not, in the order of the file; orders are numbered by it."""
    found = {row["line"]: row["reason"] for row in cleaned.set_aside.to_pyarrow().to_pylist()}
    rows = cleaned.orders.select("order_id", *columns).to_pyarrow().to_pylist()
    for row in rows:
        at = int(row.pop("order_id")[-5:]) + 2
        found[at] = tuple(row.values()) if len(columns) > 1 else row[columns[0]]
    return [fate for _, fate in sorted(found.items())]


def test_amounts_as_shops_and_spreadsheets_write_them(taobao):
    cleaned = taobao(export(*(order(at, 买家实际支付金额=cell) for at, cell in enumerate(AMOUNTS))))
    assert fates(cleaned, "paid") == [Decimal(read) if read else "bad_amount" for read in AMOUNTS.values()]


REFUNDS = {
    "无退款申请": 0, "": 0, "35.94元": Decimal("35.94"), "￥35.94": Decimal("35.94"), "140.48": "fully_refunded",
    "退款中": "bad_amount", "-3": "bad_amount",
}  # fmt: skip


def test_refunds_are_amounts_or_words(taobao):
    cleaned = taobao(export(*(order(at, 退款金额=cell) for at, cell in enumerate(REFUNDS))))
    assert fates(cleaned, "refund") == list(REFUNDS.values())


TIMES = [
    ("2016/5/23 22:02", "2016/5/23 22:05", datetime(2016, 5, 23, 22, 5)),
    ("2016/5/3 2:02", "2016/5/3 2:02", datetime(2016, 5, 3, 2, 2)),
    ("2016-05-23 22:02:41", "2016/5/23 22:02", datetime(2016, 5, 23, 22, 2)),  # the seconds were lost: not before
    ("２０１６-05-23 22:02:41", "2016-05-23 22:03:00", datetime(2016, 5, 23, 22, 3)),
    ("2016年5月23日 22:02:41", "2016年5月23日 22:03:00", datetime(2016, 5, 23, 22, 3)),
    ("2016-05-23 22:02:41", "2016/5/23 22:01", "paid_before_created"),
    ("2016-05-23 22:02:41", "2016-13-45 99:00:00", "bad_date"),
    ("2016-05-23 22:02:41", "1970-01-01 08:00:00", "bad_date"),
    ("2016-05-23 22:02:41", "1900/1/0 0:00", "bad_date"),
    ("2016-05-23 22:02:41", "", "bad_date"),  # a finished order without its payment
]


def test_times_as_exported_and_as_a_spreadsheet_saves_them(taobao):
    rows = [order(at, 订单创建时间=created, 订单付款时间=paid) for at, (created, paid, _) in enumerate(TIMES)]
    assert fates(taobao(export(*rows)), "paid_at") == [fate for *_, fate in TIMES]


STATUSES = [
    ("等待买家付款", "", "unpaid"), ("买家已付款，等待卖家发货", "x", "paid"),
    ("买家已付款,等待卖家发货", "x", "paid"), ("卖家已发货，等待买家确认", "x", "shipped"),
    (" 交易成功 ", "x", "completed"), ("交易关闭", "", "closed_unpaid"), ("交易关闭", "x", "closed_refunded"),
    ("WAIT_BUYER_PAY", "", "unpaid"), ("WAIT_SELLER_SEND_GOODS", "x", "paid"),
    ("WAIT_BUYER_CONFIRM_GOODS", "x", "shipped"), ("TRADE_BUYER_SIGNED", "x", "shipped"),
    ("trade_finished", "x", "completed"), ("TRADE_CLOSED", "x", "closed_refunded"),
    ("TRADE_CLOSED_BY_TAOBAO", "", "closed_unpaid"), ("ＴＲＡＤＥ＿ＦＩＮＩＳＨＥＤ", "x", "completed"),
    ("", "", "unpaid"),
]  # fmt: skip


def test_status_words_of_the_pages_and_of_the_platform(taobao):
    when = USUAL["订单付款时间 "]
    rows = [order(at, 订单状态=word, 订单付款时间=paid and when) for at, (word, paid, _) in enumerate(STATUSES)]
    assert fates(taobao(export(*rows)), "status") == [fate for *_, fate in STATUSES]


def test_a_part_given_back_is_told_by_the_refund(taobao):
    assert kept(taobao(export(order(1, 退款金额="40.48元"))), "status", "net") == [("part_refunded", 100)]


def test_a_word_no_mapping_knows_is_refused_with_its_count(taobao):
    with pytest.raises(InputRefused, match=r"'交易飞走' \(2\)"):
        taobao(export(order(1, 订单状态="交易飞走"), order(2, 订单状态="交易飞走"), order(3)).encode("gb18030"))


LOSSY = ["3.515E+18", '="3.516E+18"', "3,517E+18", "3.518e+18", "3.51500000000014e17", "4E+18"]


def test_a_number_that_lost_digits_is_set_aside_and_replaces_nothing(taobao):
    several = [order(买家实际支付金额=paid, 订单编号=number) for number in LOSSY for paid in ("1", "2", "1")]
    cleaned = taobao(export(*several))
    assert [reason for reason, *_ in aside(cleaned)] == ["lossy_order_id", "lossy_order_id", "duplicate_row"] * len(
        LOSSY
    )
    assert cleaned.reconciliation.paid_quarantined == 4 * len(LOSSY)


def test_a_number_is_the_same_however_a_spreadsheet_marks_it(taobao):
    marked = ['="351500000000014254"', "'351500000000014254", "351500000000014254", "\t351500000000014254 "]
    cleaned = taobao(export(*(order(订单编号=number) for number in marked)))
    assert kept(cleaned, "order_id") == ["351500000000014254"]
    assert [reason for reason, *_ in aside(cleaned)] == ["superseded"] * 3


def test_a_formula_that_stands_without_quotes_is_text_as_well(taobao):
    text = export(order(1)).replace('"=""351500000000000001"""', '="351500000000000001"')
    assert '\n="3515' in text
    assert kept(taobao(text), "order_id") == ["351500000000000001"]


def test_overlapping_months_count_an_order_once_and_the_later_export_holds(taobao):
    sent = order(2, 订单状态="卖家已发货，等待买家确认")
    done = order(2, 退款金额="40.48元")
    september = export(order(1), sent, order(3))
    october = export(order(3), done, order(4), header=HEADER).encode("gb18030")
    cleaned = taobao(september, october)
    assert kept(cleaned, "order_id", "status") == [
        ("351500000000000001", "completed"),
        ("351500000000000002", "part_refunded"),
        ("351500000000000003", "completed"),
        ("351500000000000004", "completed"),
    ]
    assert aside(cleaned) == [("superseded", "ExportOrderList0.csv", 3), ("duplicate_row", "ExportOrderList1.csv", 2)]
    told = cleaned.reconciliation
    assert (told.rows_read, told.paid_read) == (6, 6 * Decimal("140.48"))
    assert told.paid_quarantined_by_reason == {"duplicate_row": Decimal("140.48"), "superseded": Decimal("140.48")}


def test_the_same_order_under_the_later_header_is_superseded(taobao):
    cleaned = taobao(export(order(1)), export(order(1, 退款金额="1元"), header=LATER))
    assert kept(cleaned, "refund") == [1]
    assert aside(cleaned) == [("superseded", "ExportOrderList0.csv", 2)]


def test_files_a_pattern_finds_are_taken_in_the_order_of_their_numbers(write, settings):
    for number, refund in [("9", "9元"), ("10", "10元"), ("10 (1)", "11元")]:
        pattern = write(export(order(1, 退款金额=refund)), f"ExportOrderList{number}.csv")
    made = settings(pattern.replace("10 (1)", "*"), mapping="taobao")
    cleaned = clean_orders(connect(made), made)
    assert kept(cleaned, "refund") == [11]
    assert [file for _, file, _ in aside(cleaned)] == ["ExportOrderList10.csv", "ExportOrderList9.csv"]


def test_masked_buyers_keep_their_money_and_are_no_customer(taobao):
    masked = [order(1, 买家会员名="t***n"), order(2, 买家会员名="张**"), order(3, 买家会员名=""), order(4)]
    told = taobao(export(*masked)).reconciliation
    assert (told.orders_without_customer, told.customers, told.net_kept) == (3, 1, 4 * Decimal("140.48"))


def test_an_export_without_buyer_and_status_is_read_for_its_totals(taobao):
    names = ["订单编号", "总金额", "买家实际支付金额", "收货地址 ", "订单创建时间", "订单付款时间 ", "退款金额"]
    cleaned = taobao(export(order(1), order(2, 订单付款时间="", 买家实际支付金额="0"), header=names))
    told = cleaned.reconciliation
    assert (told.customers, told.net_kept, told.quarantined) == (0, Decimal("140.48"), {"unpaid": 1})


def test_fake_orders_are_told_by_the_shops_own_remark(taobao):
    remarks = ["刷单 勿发", "老客", "补单", "", "给刷手"]
    text = export(*(order(at, 订单备注=remark) for at, remark in enumerate(remarks)))
    assert [line for _, _, line in aside(taobao(text))] == [2, 4, 6]
    assert [line for _, _, line in aside(taobao(text, fake_words=["老客"]))] == [3]
    assert aside(taobao(text, fake_words=[])) == aside(taobao(text, fake_words=[" "])) == []


def test_a_fake_order_is_set_aside_for_what_is_wrong_first(taobao):
    cleaned = taobao(
        export(order(1, 订单备注="刷单", 订单状态="交易关闭"), order(2, 订单备注="刷单", 买家实际支付金额="0"))
    )
    assert [reason for reason, *_ in aside(cleaned)] == ["closed_refunded", "flagged_fake"]


def test_prices_below_the_floor_are_fake_and_gifts_are_not(taobao):
    text = export(*(order(at, 买家实际支付金额=paid) for at, paid in enumerate(["0.99", "1.00", "0.00", "0.01元"])))
    assert [reason for reason, *_ in aside(taobao(text))] == ["zero_amount"]
    assert [reason for reason, *_ in aside(taobao(text, price_floor=1.0))] == [
        "flagged_fake",
        "zero_amount",
        "flagged_fake",
    ]


def test_many_customers_at_one_address_are_fake_where_the_shop_asks_for_it(taobao):
    there = [order(at, 买家会员名=f"n{at}", 收货地址="浙江省 杭州市  某街道1号") for at in range(3)]
    closed = order(7, 买家会员名="n7", 收货地址="浙江省 杭州市 某街道2号", 订单状态="交易关闭")
    here = [order(8, 买家会员名="n8", 收货地址="浙江省 杭州市 某街道2号"), order(9, 收货地址="浙江省 杭州市 某街道2号")]
    hidden = [order(at, 买家会员名=f"n{at}", 收货地址="浙江省 杭州市 某**") for at in range(10, 14)]
    text = export(*there, closed, *here, *hidden)
    assert [reason for reason, *_ in aside(taobao(text))] == ["closed_refunded"]
    flagged = aside(taobao(text, fake_customers_per_address=3))
    assert [(reason, line) for reason, _, line in flagged] == [
        ("flagged_fake", 2), ("flagged_fake", 3), ("flagged_fake", 4), ("closed_refunded", 5),
    ]  # fmt: skip


def detail(*lines):
    """A detail file: (order, title, pieces) a line."""
    named = [dict(zip(("订单编号", "标题", "购买数量"), line, strict=True), 价格="99.00") for line in lines]
    return export(*named, header=DETAILS)


def test_lines_give_pieces_and_never_money(taobao):
    first = '="351500000000000001"'
    lines = detail(
        (first, "口红", "2"), (first, "面霜", "1"), (first, "面霜", "1"), ("351599", "x", "1"), ("", "y", "1")
    )
    cleaned = taobao(
        export(order(1), order(2)),
        lines.encode("gb18030"),
        names=["ExportOrderList1.csv", "ExportOrderDetailList1.csv"],
    )
    assert kept(cleaned, "items", "paid") == [(4, Decimal("140.48")), (3, Decimal("140.48"))]
    told, account = cleaned.details, cleaned.reconciliation
    assert (account.rows_read, account.net_kept) == (2, 2 * Decimal("140.48"))
    assert (told.rows, told.rows_joined, told.rows_without_order, told.rows_repeated, told.rows_unread) == (
        5,
        3,
        1,
        0,
        1,
    )
    items = told.items.order_by("title").to_pyarrow().to_pylist()
    assert [(row["title"], row["quantity"], row["price"]) for row in items] == [("口红", 2, 99), *[("面霜", 1, 99)] * 2]


def test_lines_of_an_order_in_several_files_count_once(taobao):
    number = "351500000000000001"
    older, later = detail((number, "口红", "2")), detail((number, "口红", "2"), (number, "口红", "2"))
    cleaned = taobao(export(order(1)), older, later)
    assert kept(cleaned, "items") == [4]
    assert (cleaned.details.rows_joined, cleaned.details.rows_repeated) == (2, 1)


def test_lines_alone_are_refused(taobao):
    with pytest.raises(InputRefused, match=r"holds the lines of orders, and no file holds the orders"):
        taobao(detail(("1", "口红", "2")))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda raw: raw[:-3] + b"\x81", "neither UTF-8 nor GB18030"),
        (lambda raw: raw.replace(b"140.48", b"\xff\xff.48"), r"csv:2: is neither UTF-8 nor GB18030"),
        (lambda raw: raw.replace(b"140.48", b"\0.48"), r"csv:2: holds a NUL byte"),
        (lambda raw: raw.split(b"\r\n")[0] + b"\r\n", "0 rows under the header"),
        (
            lambda raw: raw.replace("订单编号".encode("gb18030"), "单号".encode("gb18030")),
            "1 of 3 required columns are missing: order_id",
        ),
        (lambda raw: "订单报表\r\n".encode("gb18030") + raw, r"csv:1: is not UTF-8 text"),
        (lambda raw: raw.decode("gb18030").encode()[:-8] + b"\xd6\xd0", r"csv:2: is not UTF-8 text"),
    ],
)
def test_damaged_bytes_are_refused_with_their_line(taobao, damage, told):
    with pytest.raises(InputRefused, match=told):
        taobao(damage(export(order(1)).encode("gb18030")))


def test_the_mapping_that_fits_is_named(write, settings):
    made = settings(write(export(order(1)).encode("gb18030")))
    with pytest.raises(InputRefused) as caught:
        clean_orders(connect(made), made)
    assert "mapping: taobao" in caught.value.hint


def test_sparse_files_and_endless_lines_are_refused_at_once(tmp_path, settings):
    hole = tmp_path / "hole.csv"
    head = export(order(1)).encode("gb18030")
    hole.write_bytes(head)
    with hole.open("r+b") as file:
        file.truncate(2 << 30)
    wide = tmp_path / "wide.csv"
    wide.write_bytes(head + b",x" * 1_000_000 + b"\r\n")
    names = tmp_path / "names.csv"
    names.write_bytes(",".join(HEADER).encode("gb18030") + b",x" * 1_000_000 + b"\r\n" + head)
    for path, told in [
        (hole, r"hole.csv:3: holds a NUL byte"),
        (wide, r"wide.csv:3: .* cells"),
        (names, r"names.csv: 1,000,046 columns"),
    ]:
        made = settings(str(path), mapping="taobao")
        with pytest.raises(InputRefused, match=told):
            clean_orders(connect(made), made)


@pytest.mark.parametrize("header", [HEADER, LATER])
def test_an_export_without_refunds_says_so_and_none_is_worked_out_from_what_was_paid_to_the_shop(taobao, header):
    header = [name for name in header if name != "退款金额"]
    # 100.00 may be net of a refund or of the platform's fees; before settlement it is 0 or empty
    rows = [order(at, 打款商家金额=cell) for at, cell in enumerate(["100.00", "140.48", "0", ""])]
    cleaned = taobao(export(*rows, header=header))
    assert fates(cleaned, "status", "refund") == [("completed", 0)] * 4
    assert cleaned.reconciliation.no_refunds == "退款金额"
    assert taobao(export(order())).reconciliation.no_refunds == ""


def test_the_account_of_the_orders_lines_is_told(taobao):
    line = {"标题": "口红", "购买数量": "2", "订单编号": '="351500000000000001"'}
    lines = export(line, {**line, "订单编号": "9"}, {**line, "购买数量": "many"}, header=DETAILS)
    read = taobao(export(order(1)), lines, names=["ExportOrderList.csv", "ExportOrderDetailList.csv"]).reconciliation
    assert read.lines == {"read": 3, "joined": 1, "without_order": 1, "repeated": 0, "unread": 1}
    assert read.as_numbers()["lines"] == read.lines
    assert "lines" not in taobao(export(order(1))).reconciliation.as_numbers()
    told = account(read, Settings(shop="t", orders="o.csv"))
    assert told.endswith(
        "Lines of orders, for their pieces alone: 3 read, 1 joined, 1 without order, 0 repeated, 1 unread."
    )
