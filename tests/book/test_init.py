"""`clvbook init`: files in, a parameters file out that runs as it is; it overwrites nothing."""

import zipfile

import pytest
from click.testing import CliRunner

from clvbook.book import open_book
from clvbook.cli import main
from clvbook.errors import BadParameters
from clvbook.settings import load_settings

ROWS = (
    "order_id,customer_id,paid_at,paid{more}\n1,anna,2026-09-30 21:04:11,129.00{cell}\n2,bert,2026-10-01,59.90{cell}\n"
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A project of its own with two months of orders; `clvbook init ...` called from inside it."""
    for name in ("notebooks", "params", "data/my"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for month in ("202609", "202610"):
        text = ROWS.format(more="", cell="").replace("\n1,", f"\n{month}1,").replace("\n2,", f"\n{month}2,")
        (tmp_path / "data" / "my" / f"orders{month}.csv").write_text(text)
    return tmp_path


def init(*words):
    return CliRunner().invoke(main, ["init", *map(str, words)])


def test_what_was_recognised_the_account_and_where_it_is_written(shop):
    done = init("my", "--from", "canonical", "data/my/orders202609.csv", "data/my/orders202610.csv")
    assert done.exit_code == 0, done.output
    assert "2 files read as canonical (clvbook's own order table)" in done.stdout
    assert "not in the files: created_at, status, refund" in done.stdout
    assert "4 orders kept, 0 of them without a customer; 2 customers; 2026-09-30 to 2026-10-01." in done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1].endswith(" run params/my.yml")
    assert lines[-4:-1] == [
        f"written: {shop}/params/my.yml",
        "look at it: currency: CNY (the files do not say)",
        "look at it: timezone: Asia/Shanghai (the files do not say)",
    ]
    text = (shop / "params" / "my.yml").read_text(encoding="utf-8")
    assert "4 orders kept of 4 rows" in text
    assert "\n# margin_rate: 0.4 " in text
    # the pattern names exactly the files given, so that next month's export is read as well
    settings = load_settings(shop / "params" / "my.yml")
    assert (settings.shop, settings.orders, settings.mapping) == ("my", "data/my/orders*.csv", "canonical")
    assert CliRunner().invoke(main, ["check", "params/my.yml"]).exit_code == 0


def test_what_stands_as_comment_is_a_parameter_once_its_mark_is_taken_away(shop):
    assert init("my", "data/my/orders202609.csv").exit_code == 0
    path = shop / "params" / "my.yml"
    head, commented = path.read_text(encoding="utf-8").split("\n\n")
    path.write_text(head + "\n" + commented.replace("\n# ", "\n"), encoding="utf-8")
    settings = load_settings(path)
    assert (settings.month, settings.margin_rate, str(settings.data_through)) == ("2026-09", 0.4, "2026-10-01")
    assert (settings.identity, settings.fake_words, settings.price_floor) == (["customer_id"], ["fake"], 1.0)


def test_nothing_is_overwritten(shop):
    (shop / "params" / "my.yml").write_text("mine")
    done = init("my", "--from", "canonical", "data/my/orders202609.csv")
    assert (done.exit_code, (shop / "params" / "my.yml").read_text()) == (2, "mine")
    assert "overwrites nothing" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["../my", "data/my/orders202609.csv"], 2, "shop: '../my'"),
        (["My Shop", "data/my/orders202609.csv"], 2, "shop: 'My Shop' is not: short name of a-z, 0-9, - and _"),
        (["my", "--from", "canonica", "data/my/orders202609.csv"], 2, "did you mean canonical?"),
        (["my", "data/my/nowhere.csv"], 2, "0 files found"),
        (["my"], 2, "Missing argument 'FILES...'"),
        (["my", "--set", "horizn_days=3", "data/my/orders202609.csv"], 2, "did you mean horizon_days?"),
        (["my", "--from", "cdnow", "data/my/orders202609.csv"], 3, "write --from canonical"),
        (["my", "data/my"], 2, "data/my is a folder\nHint: name its files, such as data/my/*.csv"),
        (["my", "data/my/unpaid.csv"], 3, "0 of 1 rows can be kept"),
        (["my", "data/my/words.csv"], 3, "words that mapping canonical does not know"),
    ],
)
def test_what_cannot_be_written_is_told_and_not_written(shop, words, code, said):
    header = "order_id,customer_id,paid_at,paid,status\n"
    (shop / "data" / "my" / "unpaid.csv").write_text(header + "1,a,2026-01-01,5,unpaid\n")
    (shop / "data" / "my" / "words.csv").write_text(header + "1,a,2026-01-01,5,gone fishing\n")
    done = init(*words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert list((shop / "params").iterdir()) == []


def test_the_files_say_which_currency_and_the_mapping_which_clock(shop):
    path = shop / "data" / "my" / "coins.csv"
    path.write_text(ROWS.format(more=",currency", cell=",eur") + "3,carl,2026-10-02,1.00,USD\n")
    done = init("coins", path)
    assert done.exit_code == 0, done.output
    text = (shop / "params" / "coins.yml").read_text(encoding="utf-8")
    assert "the files have EUR in 2 rows, USD in 1 rows" in text
    assert load_settings(shop / "params" / "coins.yml").currency == "EUR"
    lines = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n7,A,1,2010-12-01 08:26:00,2.55,17850\n"
    (shop / "data" / "lines.csv").write_text(lines)
    assert init("lines", "data/lines.csv", "--set", "margin_rate=0.3").exit_code == 0
    settings = load_settings(shop / "params" / "lines.yml")
    assert (settings.currency, settings.timezone, settings.margin_rate) == ("GBP", "Europe/London", 0.3)


@pytest.mark.parametrize("name", ["123", "yes", "null", "1e3"])
def test_a_name_that_yaml_would_read_as_something_else_stays_a_name(shop, name):
    assert init(name, "data/my/orders202609.csv").exit_code == 0
    assert load_settings(shop / "params" / f"{name}.yml").shop == name


def test_files_that_no_pattern_names_are_listed_in_the_order_given(shop, tmp_path):
    (shop / "data" / "my" / "orders202611.csv").write_text("another one")
    first, second = "data/my/orders202609.csv", "data/my/orders202610.csv"
    assert init("two", first, second).exit_code == 0
    assert load_settings(shop / "params" / "two.yml").orders == [first, second]
    (shop / "data" / "my" / "orders202611.csv").unlink()
    assert init("turned", second, first).exit_code == 0
    assert load_settings(shop / "params" / "turned.yml").orders == [second, first]


def test_an_archive_is_looked_into_and_stands_in_the_parameters_as_it_is(shop):
    with zipfile.ZipFile(shop / "data" / "months.zip", "w") as archive:
        for path in sorted((shop / "data" / "my").iterdir()):
            archive.write(path, path.name)
    done = init("zipped", "data/months.zip")
    assert done.exit_code == 0, done.output
    assert "2 files read as canonical" in done.stdout
    assert "4 orders kept" in done.stdout
    assert load_settings(shop / "params" / "zipped.yml").orders == "data/months.zip"


def test_a_password_in_an_address_is_refused_and_not_repeated(shop):
    done = init("shop", "postgresql://reader:geheim@127.0.0.1:1/db?table=orders")
    assert done.exit_code == 2
    assert "geheim" not in done.output
    assert list((shop / "params").iterdir()) == []


def test_a_mapping_of_the_shops_own_that_changes_is_read_anew(shop):
    text = "name: own\ntitle: own\nlevel: order\nrow: one row is one order\nrequired: [order_id, paid_at, paid]\n"
    text += "columns: {order_id: [order_id], customer_id: [customer_id], paid_at: [paid_at], paid: [paid]}\n"
    own = shop / "data" / "own.yml"
    own.write_text(text + "times: ['%Y-%m-%d']\n")
    assert init("own", "--from", "data/own.yml", "data/my/orders202609.csv").exit_code == 0
    settings = load_settings(shop / "params" / "own.yml", {"month": "2026-10", "data_through": "2026-10-31"})
    assert settings.mapping == "data/own.yml"
    before = open_book(settings)
    assert (before.files, before.reconciliation.orders_kept) == (1, 1)
    own.write_text(text + "times: ['%Y-%m-%d %H:%M:%S', '%Y-%m-%d']\n")
    after = open_book(settings)
    assert (after.files, after.reconciliation.orders_kept) == (1, 2)
    with pytest.raises(BadParameters, match="No such file"):
        open_book(settings.model_copy(update={"mapping": "data/nowhere.yml"}))
    assert [entry["path"] for entry in after.inputs] == ["data/my/orders202609.csv", "data/own.yml"]
