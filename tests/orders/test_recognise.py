"""Platforms are recognised by their columns, and by nothing but the mappings."""

import pytest

from clvbook.errors import BadParameters, InputRefused
from clvbook.orders.mapping import load_mapping, shipped
from clvbook.orders.recognise import recognise_files

ORDERS = "order_id,customer_id,paid_at,paid,shoe_size\n1,anna,2026-01-02,9.50,38\n"
LINES = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n7,A,1,2010-12-01 08:26:00,2.55,17850\n"


@pytest.fixture
def saved(tmp_path):
    """Write text files; their paths in the order given."""

    def to_files(**texts):
        paths = [tmp_path / f"{name}.csv" for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    return to_files


def test_what_is_found_what_is_absent_and_what_is_not_read(saved):
    said = recognise_files(saved(a=ORDERS), platform="canonical")
    assert said.found == {
        "order_id": ["order_id"],
        "customer_id": ["customer_id"],
        "paid_at": ["paid_at"],
        "paid": ["paid"],
    }
    assert said.absent[:2] == ["created_at", "status"]
    assert said.unread == ["shoe_size"]
    assert said.better is None
    assert "in the files and not read: shoe_size" in str(said)


def test_without_a_name_the_platform_that_fits_is_taken(saved):
    assert recognise_files(saved(a=ORDERS)).mapping.name == "canonical"
    assert recognise_files(saved(b=LINES)).mapping.name == "online_retail"


@pytest.mark.parametrize("named", ["canonical", "cdnow"])
def test_a_wrong_platform_is_refused_with_the_one_that_fits(saved, named):
    with pytest.raises(InputRefused, match="required columns are missing") as refused:
        recognise_files(saved(b=LINES), platform=named)
    assert refused.value.hint == "the file fits online_retail: write --from online_retail"


def test_files_of_two_platforms_are_told_apart(saved):
    with pytest.raises(InputRefused, match="required columns are missing") as refused:
        recognise_files(saved(a=ORDERS, b=LINES))
    assert refused.value.hint == "it fits online_retail, a.csv fits canonical: name one platform's files alone"


def test_a_file_in_the_encoding_of_another_platform_is_that_platforms(saved, tmp_path):
    header = ",".join(names[0] for names in load_mapping("taobao").columns.values())
    [path] = saved(a="")
    path.write_bytes(f"{header}\n{header}\n".encode("gb18030"))
    with pytest.raises(InputRefused, match=r"a\.csv: is no Shopify orders CSV") as refused:
        recognise_files([path], platform="shopify")
    assert refused.value.hint == "the file fits taobao: write --from taobao"


def test_where_no_platform_fits_the_nearest_says_what_is_missing(saved):
    [path] = saved(a="")
    path.write_bytes("订单编号,买家会员名,订单创建时间,买家实际支付金额\n1,a,2026-01-01,5\n".encode("gb18030"))
    with pytest.raises(InputRefused, match="1 of 3 required columns are missing: paid_at") as refused:
        recognise_files([path])
    assert "most like Taobao / Tmall order export" in refused.value.hint


def test_every_file_is_looked_at_and_columns_of_some_are_said(saved):
    refund = ORDERS.replace("shoe_size", "refund")
    said = recognise_files(saved(a=ORDERS, b=refund), platform="canonical")
    assert said.found["refund"] == ["refund"]
    assert "refund  (in 1 of 2 files)" in str(said)
    with pytest.raises(InputRefused, match=r"c\.csv"):
        recognise_files(saved(a=ORDERS, c=LINES), platform="canonical")


def test_no_platform_fits_and_no_such_platform(saved):
    with pytest.raises(InputRefused, match="required columns are missing") as refused:
        recognise_files(saved(a="x,y\n1,2\n"))
    assert "docs/adding-a-platform.md" in refused.value.hint
    with pytest.raises(InputRefused, match="is empty") as refused:
        recognise_files(saved(a=""))
    assert "shipped are" not in refused.value.hint  # no platform would help
    with pytest.raises(BadParameters, match="did you mean canonical"):
        recognise_files(saved(a=ORDERS), platform="cannonical")


def test_a_mapping_that_knows_more_is_named(saved, tmp_path):
    (tmp_path / "own.yml").write_text(
        "name: own\ntitle: a till\nlevel: order\nrow: one row is one receipt\nrequired: [order_id, paid_at, paid]\n"
        "columns: {order_id: [order_id], paid_at: [paid_at], paid: [paid]}\ntimes: ['%Y-%m-%d']\n"
    )
    said = recognise_files(saved(a=ORDERS), platform=str(tmp_path / "own.yml"))
    assert said.better == "canonical"
    assert "is it rather --from canonical?" in str(said)


def test_a_header_reaches_the_terminal_without_its_control_signs(saved):
    said = str(recognise_files(saved(a=ORDERS.replace("shoe_size", "\x1b[2Jx\u202ey" + "z" * 999))))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) < 200


@pytest.mark.parametrize("name", shipped())
def test_each_shipped_platform_is_recognised_by_its_own_first_names(saved, name):
    mapping = load_mapping(name)
    if mapping.format.delimiter == "whitespace":
        header = " ".join(names[0] for names in mapping.columns.values())
        row = " ".join("1" for _ in mapping.columns)
    else:
        header = mapping.format.delimiter.join(names[0] for names in mapping.columns.values())
        row = mapping.format.delimiter.join("1" for _ in mapping.columns)
    assert recognise_files(saved(a=f"{header}\n{row}\n")).mapping.name == name


@pytest.mark.parametrize("name", [name for name in shipped() if load_mapping(name).details])
def test_files_of_the_orders_lines_are_told_from_the_orders(saved, name):
    mapping = load_mapping(name)
    headers = [[names[0] for names in part.columns.values()] for part in (mapping, mapping.details)]
    orders, lines = (f"{','.join(header)}\n{','.join('1' * len(header))}\n" for header in headers)
    said = recognise_files(saved(lines=lines, orders=orders))
    assert (said.mapping.name, len(said.files), len(said.details)) == (name, 1, 1)
    assert "1 file of the orders' lines: order_id from " in str(said)
    assert not set(said.unread) & set(headers[1]) - set(headers[0])
