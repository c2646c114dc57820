import pytest
import yaml

from clvbook.errors import BadParameters
from clvbook.orders import load_mapping
from clvbook.orders.mapping import SHIPPED, Mapping, recognise, shipped

OWN = """
name: tiny
title: a till's own list
level: order
row: one row is one receipt
columns: {order_id: [Bon], customer_id: [Kunde], paid_at: [Tag], paid: [Summe]}
required: [order_id, customer_id, paid_at, paid]
times: ["%d.%m.%Y"]
format: {delimiter: ";", decimal: ",", thousands: "."}
"""


@pytest.mark.parametrize("name", shipped())
def test_shipped_mappings_load_under_their_own_names(name):
    assert load_mapping(name).name == name


def test_a_new_platform_is_one_yaml_and_no_code(clean, tmp_path):
    (tmp_path / "tiny.yml").write_text(OWN)
    rows = "Bon;Kunde;Tag;Summe\n7;Anna;31.01.2020;1.234,50\n8;Bert;01.02.2020;2,5\n9;Bert;02.02.2020;1.5\n"
    cleaned = clean(rows, mapping=str(tmp_path / "tiny.yml"))
    kept = cleaned.orders.order_by("order_id").to_pyarrow().to_pylist()
    assert [(row["customer_id"], str(row["day"]), float(row["net"])) for row in kept] == [
        ("Anna", "2020-01-31", 1234.5),
        ("Bert", "2020-02-01", 2.5),
    ]
    assert cleaned.reconciliation.quarantined == {"bad_amount": 1}  # 1.5: a dot parts thousands there


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colums": {}}, "colums"),
        ({"columns": {"custmer_id": ["x"]}}, "did you mean customer_id"),
        ({"statuses": {"done": "complete"}}, "complete: is no status"),
        ({"required": ["order_id"]}, "must stand under both"),
        ({"level": "lines"}, "level"),
        ({"times": []}, "times"),
        ({"format": {"delimiter": "~"}}, "delimiter"),
        ({"default_status": "fine"}, "fine is no status"),
        ({"duplicates": "keep"}, "duplicates"),
    ],
)
def test_faults_of_a_mapping_are_told_with_their_place(tmp_path, change, told):
    (tmp_path / "own.yml").write_text(yaml.safe_dump({**yaml.safe_load(OWN), **change}))
    with pytest.raises(BadParameters, match=told):
        load_mapping(str(tmp_path / "own.yml"))


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "a: [", "1: 2\n"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "own.yml").write_text(text)
    with pytest.raises(BadParameters, match=r"own\.yml"):
        load_mapping(str(tmp_path / "own.yml"))


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(BadParameters, match="did you mean online_retail"):
        load_mapping("online_retial")
    with pytest.raises(BadParameters, match="No such file"):
        load_mapping("nowhere/own.yml")


def test_headers_are_recognised_exactly_first_and_then_without_case_spaces_and_width():
    mapping = load_mapping("online_retail")
    first = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    second = ["\ufeffINVOICE ", "stock code", "x", "Ｑｕａｎｔｉｔｙ", "Invoice Date", "PRICE", "customer id"]
    for header in (first, second):
        found, twice = recognise(mapping, header)
        assert (found["order_id"], found["customer_id"], found["price"], twice) == (0, 6, 5, [])
    assert recognise(mapping, ["Price", "UnitPrice"])[0]["price"] == 1  # the alias listed first wins
    assert recognise(mapping, ["Price", "Price"])[1] == ["price"]
    assert recognise(mapping, ["price", "Price"]) == ({"price": 1}, [])  # an exact name beats a folded one


def test_names_are_plain_words_so_that_a_file_can_be_named_after_them():
    for entry in SHIPPED.iterdir():
        assert Mapping(**yaml.safe_load(entry.read_text(encoding="utf-8"))).name == entry.name.removesuffix(".yml")
