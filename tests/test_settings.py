"""settings.py: each fault of a parameters file is told with its place and the nearest name; months; where files are."""

import tempfile
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook import settings as s
from clvbook.errors import BadParameters
from clvbook.settings import Settings, load_settings, make_settings, parse_override

NO_DAY = "is not a day; write it as YYYY-MM-DD, such as 2026-10-31"
NEEDED = "shop: demo\norders: orders.csv\n"
quick = settings(deadline=None, max_examples=100, derandomize=True)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def fault(place):
    """A function: text of a parameters file -> what is told of it, without the folder."""

    def told(text, **overrides):
        path = place / "shop.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadParameters) as caught:
            load_settings(path, overrides)
        assert caught.value.exit_code == 2
        assert caught.value.hint
        return caught.value.fact.replace(f"{place}/", "")

    return told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("horizon: 365", "horizon is unknown; did you mean horizon_days?"),
        ("margin: 0.4", "margin is unknown; did you mean margin_rate?"),
        ("zzz: 1", "zzz is unknown"),
        ("horizon_days: '365'", "horizon_days: '365': Input should be a valid integer"),
        ("horizon_days: 365.5", "horizon_days: 365.5: Input should be a valid integer"),
        ("horizon_days: true", "horizon_days: True: Input should be a valid integer"),
        ("confidence: yes", "confidence: True: Input should be a valid number"),
        ("title: 2026", "title: 2026: Input should be a valid string"),
        ("seed:", "seed: None: Input should be a valid integer"),
        ("horizon_days: 0", "horizon_days: 0: Input should be greater than or equal to 1"),
        ("confidence: 1", "confidence: 1: Input should be less than or equal to 0.999"),
        ("margin_rate: 0", "margin_rate: 0: Input should be greater than 0"),
        ("margin_rate: 45", "margin_rate: 45: Input should be less than or equal to 1"),
        ("margin_rate: .nan", "margin_rate: nan: Input should be less than or equal to 1"),
        ("annual_discount_rate: .inf", "annual_discount_rate: inf: Input should be less than or equal to 1"),
        ("month: 2026-13", "month: '2026-13': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("month: 2026-1", "month: '2026-1': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("month: 0000-10", "month: '0000-10': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("month: 9999-12", "month: '9999-12': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("month: ２０２６-10", "month: '２０２６-10': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("month: 2026-10-01", "month: '2026-10-01': is not a month; write it as YYYY-MM, such as 2026-10"),
        ("data_through: 2026-02-30", f"data_through: '2026-02-30': {NO_DAY}"),
        ("data_through: 2026-10-05 10:00:00", f"data_through: '2026-10-05 10:00:00': {NO_DAY}"),
        ("data_through: 10", "data_through: 10: Input should be a valid date"),
        ("timezone: Asia/Shangai", "timezone: 'Asia/Shangai': is not a time zone; did you mean Asia/Shanghai?"),
        ("timezone: ''", "timezone: '': is not a time zone"),
        ("currency: RMB¥", "currency: 'RMB¥' is not: the one currency, ISO 4217"),
        ("engine: spark", "engine: 'spark' is not: what computes tables: duckdb"),
        ("engine_memory: 4 GB", "engine_memory: '4 GB' is not: memory the engine holds before it spills, such as 4GB"),
        ("non_product: POST", "non_product: 'POST': Input should be a valid list"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_told_with_its_line(fault, line, said):
    assert fault(f"# a shop\n{NEEDED}\n{line}\n") == f"1 parameter cannot be used:\n  shop.yml:5: {said}"


def test_all_faults_are_told_at_once_and_counted_by_parameter(fault):
    assert fault("orders: [a.csv, 1]\nseed: -1\nmonht: 2026-10\n").splitlines() == [
        "4 parameters cannot be used:",
        "  shop.yml: shop is missing (short name of a-z, 0-9, - and _; the folder under reports/)",
        "  shop.yml:1: orders: ['a.csv', 1]: Input should be a valid string",
        "  shop.yml:1: orders: 1: Input should be a valid string",
        "  shop.yml:2: seed: -1: Input should be greater than or equal to 0",
        "  shop.yml:3: monht is unknown; did you mean month?",
    ]


@pytest.mark.parametrize("shop", ["", "../demo", "Demo", "a b", "a/b", "-a", "a\n", "x" * 65])
def test_a_shops_name_is_the_name_of_a_folder(shop):
    with pytest.raises(BadParameters, match="shop: "):
        make_settings({"shop": shop, "orders": "orders.csv"})


def test_a_fault_that_was_given_on_the_command_line_names_no_line(fault):
    assert fault(NEEDED + "seed: 3\n", seed=-1).endswith(
        "shop.yml: seed: -1: Input should be greater than or equal to 0"
    )


def test_what_is_laid_over_the_file_holds(place):
    (place / "shop.yml").write_text(NEEDED + "seed: -3\n")
    assert load_settings(place / "shop.yml", {"seed": 4, "title": "T"}) == make_settings(
        {"shop": "demo", "orders": "orders.csv", "seed": 4, "title": "T"}
    )


def test_a_repeated_name_is_told_with_both_lines(fault):
    assert fault(NEEDED + "seed: 1\nseed: 1\n") == "shop.yml:4: seed stands twice (first in line 3)"


@pytest.mark.parametrize(
    "text", ["- shop", "just text", "1: 2", "~", "false", "0", "''", "[]", "null", "2026-10-31", "? [a]\n: b\n"]
)
def test_a_file_that_is_no_mapping_is_refused(fault, text):
    assert fault(text).startswith(("shop.yml: is not a list of names and values", "shop.yml: is not YAML: "))


@pytest.mark.parametrize(
    "text",
    ["shop: [", "a: b: c", "\tshop: x", "--- a\n--- b", "seed: 0x_", "seed: !!int z", "a: !!python/name:os.system",
     b"shop: caf\xe9", b"\xff\xfe\xfd", b"shop: \x00", "a: " + "[" * 5000],
)  # fmt: skip
def test_what_is_not_yaml_is_refused(fault, text):
    assert fault(text).startswith("shop.yml: is not YAML: ")


def test_an_empty_file_lacks_what_has_no_default(fault):
    lines = fault("# nothing yet\n").splitlines()
    assert [line.split(" is missing")[0] for line in lines] == [
        "2 parameters cannot be used:", "  shop.yml: shop", "  shop.yml: orders"
    ]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
@settings(parent=quick, max_examples=150)
def test_whatever_stands_in_the_file_is_read_or_refused(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadParameters):  # no text as short names both shop and orders by chance
            load_settings(path)


def test_a_file_that_is_not_there_is_told_with_the_nearest(place):
    (place / "demo.yml").write_text(NEEDED)
    with pytest.raises(BadParameters) as caught:
        load_settings(place / "dmeo.yml")
    assert caught.value.fact == f"{place}/dmeo.yml: No such file or directory"
    assert caught.value.hint == f"did you mean {place}/demo.yml?"
    with pytest.raises(BadParameters) as caught:
        load_settings(place / "elsewhere" / "zzz.yml")
    assert caught.value.hint.startswith("a shop is run by params/<shop>.yml")
    with pytest.raises(BadParameters, match="Is a directory"):
        load_settings(place)


def test_a_file_with_every_parameter_comes_back_as_it_was(place):
    everything = {
        "shop": "demo", "orders": ["a.csv", "b*.csv"], "mapping": "online_retail", "title": "示例店",
        "orders_query": "SELECT * FROM o", "identity": ["email", "phone"], "month": "2026-09",
        "fake_words": ["刷单"], "price_floor": 1.0, "fake_customers_per_address": 5, "unidentified_limit": 0.2,
        "order_items": "items.csv", "customers": ["c.csv"], "campaigns": "campaigns.csv", "sends": "sends.csv",
        "send_log": "log.csv", "send_log_mapping": "own.yml", "costs": "costs.csv", "roi_target": 20.0,
        "conversion_target": 0.01, "basket_range": [50.0, 80.0], "campaign_holdout": 0.2, "refund_days": 30,
        "stage_bounds": [30, 60, 90], "history_complete": True, "act_within_days": 10, "holdout_share": 0.2,
        "contact_cost": 0.1, "data_through": date(2026, 10, 5), "timezone": "Europe/London", "currency": "GBP",
        "margin_rate": 0.4,
        "annual_discount_rate": 0.0, "horizon_days": 90, "backtest_days": 60, "confidence": 0.9, "resamples": 50,
        "seed": 7, "min_customers": 1, "min_repeat_customers": 2, "non_product": ["POST"], "engine": "duckdb",
        "engine_threads": 1, "engine_memory": "500MB", "cell_timeout_seconds": 10, "run_timeout_seconds": 20,
    }  # fmt: skip
    assert set(everything) == set(Settings.model_fields)
    (place / "shop.yml").write_text(yaml.safe_dump(everything, allow_unicode=True), encoding="utf-8")
    loaded = load_settings(place / "shop.yml")
    assert loaded.model_dump() == everything
    assert loaded.model_fields_set == set(everything)
    # as a notebook gets them: papermill writes a day as text
    assert make_settings({**everything, "data_through": "2026-10-05"}) == loaded


def test_settings_cannot_be_changed_and_a_moment_is_no_day():
    made = make_settings({"shop": "demo", "orders": "o.csv"})
    with pytest.raises(ValueError, match="frozen"):
        made.seed = 2
    with pytest.raises(BadParameters, match="valid date"):
        make_settings({"shop": "demo", "orders": "o.csv", "data_through": datetime(2026, 10, 5, 3)})


def test_the_title_is_what_people_read():
    assert make_settings({"shop": "demo", "orders": "o.csv"}).name == "demo"
    assert make_settings({"shop": "demo", "orders": "o.csv", "title": "Demo shop"}).name == "Demo shop"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("margin_rate=0.4", ("margin_rate", 0.4)),
        ("month=2026-10", ("month", "2026-10")),
        ("data_through=2026-10-31", ("data_through", "2026-10-31")),
        ("data_through=2026-02-30", ("data_through", "2026-02-30")),
        ("orders=a=b.csv", ("orders", "a=b.csv")),
        ("orders=[a.csv, b.csv]", ("orders", ["a.csv", "b.csv"])),
        ("orders=orders[1", ("orders", "orders[1")),
        ("title=[", ("title", "[")),
        ("seed=0x_", ("seed", "0x_")),
        (" margin_rate =null", ("margin_rate", None)),
        ("title=", ("title", None)),
    ],
)
def test_an_override_is_read_as_yaml(text, read):
    assert parse_override(text) == read


@pytest.mark.parametrize("text", ["margin_rate", "", "=0.4", " =1"])
def test_an_override_without_a_name_or_sign_is_refused(text):
    with pytest.raises(BadParameters) as caught:
        parse_override(text)
    assert caught.value.fact == f"--set {text}: has no '='"


months = st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(s.month_of)


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)))
@quick
def test_a_day_lies_in_its_month(day):
    month = s.month_of(day)
    assert s.month_start(month) <= day <= s.month_end(month)
    assert (s.month_start(month).day, s.month_of(s.month_end(month))) == (1, month)
    assert s.month_of(date.fromordinal(s.month_end(month).toordinal() + 1)) != month
    assert make_settings({"shop": "a", "orders": "o", "month": month}).month == month


@given(months, months)
@quick
def test_months_between_leaves_none_out(one, other):
    first, last = sorted((one, other))
    found = s.months_between(first, last)
    assert (found[0], found[-1]) == (first, last)
    for month, following in pairwise(found):
        assert date.fromordinal(s.month_end(month).toordinal() + 1) == s.month_start(following)
    if one != other:
        with pytest.raises(BadParameters, match="is after"):
            s.months_between(last, first)


@pytest.mark.parametrize(("first", "last"), [("2026-1", "2026-03"), ("2026-01", "march"), ("0000-01", "0000-03")])
def test_months_between_refuses_what_is_no_month(first, last):
    with pytest.raises(BadParameters, match="is not a month"):
        s.months_between(first, last)


def test_files_are_found_from_home_by_path_by_glob_and_in_packages(place):
    (place / "data").mkdir()
    for name in ("b.csv", "a.csv", "orders[1].csv"):
        (place / "data" / name).touch()
    (place / "data" / "c.csv").mkdir()  # a folder is no order file
    data = place / "data"
    assert s.find_files("data/a.csv") == [data / "a.csv"]
    assert s.find_files(str(data / "a.csv")) == [data / "a.csv"]
    assert s.find_files("data/?.csv") == [data / "a.csv", data / "b.csv"]
    assert s.find_files("data/orders[1].csv") == [data / "orders[1].csv"]  # as a browser names a second download
    (inside,) = s.find_files("package://lifetimes/datasets/CDNOW_sample.txt")
    assert inside.name == "CDNOW_sample.txt"
    assert inside.is_file()
    found = make_settings({"shop": "a", "orders": ["data/b.csv", "data/[ab].csv"]}).order_files
    assert found == [data / "b.csv", data / "a.csv"]  # each once


@pytest.mark.parametrize(
    "pattern",
    ["data/none.csv", "*.csv", "", "**", "package://nowhere/a.csv", "package://lifetimes/none.csv",
     "package://lifetimes", "package://lifetimes.utils/x", "package://", "package://./x", "~nobody/a.csv"],
)  # fmt: skip
def test_where_no_file_is_the_hint_says_where_paths_count_from(place, pattern):
    with pytest.raises(BadParameters) as caught:
        make_settings({"shop": "a", "orders": pattern}).order_files  # noqa: B018
    assert caught.value.fact == f"orders: 0 files found at {pattern}"
    assert str(place) in caught.value.hint


def test_an_empty_list_of_files_is_refused():
    with pytest.raises(BadParameters, match="the list names 0 files"):
        make_settings({"shop": "a", "orders": []}).order_files  # noqa: B018


def test_home_is_found_from_a_folder_inside_it(tmp_path, monkeypatch):
    monkeypatch.delenv("CLVBOOK_HOME", raising=False)
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    (tmp_path / "params").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks" / "deep")
    assert s.home() == tmp_path
    (tmp_path / "params").rmdir()  # no project any more: the one that the library stands in, else here
    assert s.home() == Path(__file__).parents[1]
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    assert s.home() == tmp_path


def test_a_folder_is_told_as_one(place):
    (place / "exports").mkdir()
    with pytest.raises(BadParameters) as caught:
        make_settings({"shop": "a", "orders": "exports"}).order_files  # noqa: B018
    assert (caught.value.fact, caught.value.hint) == (
        "orders: exports is a folder", "name its files, such as exports/*.csv",
    )  # fmt: skip


@pytest.mark.parametrize("amounts", [[], [100.0], [200.0, 100.0], [0.0, 100.0], [1.0, 2.0, 3.0]])
def test_a_basket_range_is_two_amounts_the_lower_first(amounts):
    with pytest.raises(BadParameters, match="are not two amounts above 0, the lower first"):
        make_settings({"shop": "demo", "orders": "a.csv", "basket_range": amounts})


@pytest.mark.parametrize("bounds", [[90, 45, 180], [45, 45, 90], [0, 45, 90], [45, 90], [45, 90, 180, 360]])
def test_stage_bounds_are_three_growing_days(bounds):
    with pytest.raises(BadParameters, match=r"stage_bounds: .* are not three growing numbers of days") as caught:
        make_settings({"shop": "a", "orders": "o.csv", "stage_bounds": bounds})
    assert "act_within_days" not in str(caught.value)  # one fault is told once


def test_a_list_looks_no_further_ahead_than_the_shortest_stage():
    short = {"shop": "a", "orders": "o.csv", "stage_bounds": [30, 36, 90]}
    with pytest.raises(BadParameters, match="act_within_days: 7: is not below the 6 days of the shortest stage"):
        make_settings(short)  # so it is where the default does not fit
    assert make_settings({**short, "act_within_days": 5}).act_within_days == 5
