import re
from datetime import datetime
from datetime import timedelta as days
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.orders.mapping import FileFormat, load_mapping
from clvbook.orders.parse import amount, customer, filled, folded, listed, moment, product, status

PLAIN = FileFormat()
FORMATS = [
    PLAIN,
    FileFormat(thousands=","),
    FileFormat(decimal=","),
    FileFormat(decimal=",", thousands="."),
]
SPACES = " \t\n\r\u00a0\u2009\u3000"


@pytest.fixture(scope="session")
def values(con):
    """A function: columns of cells, and an expression of them -> the expression's value for each row."""

    def computed(expression, *columns, kind="string"):
        names = [f"c{place}" for place in range(len(columns))]
        arrays = [
            pa.array(range(len(columns[0]))),
            *(pa.array(list(column), ibis.dtype(kind).to_pyarrow()) for column in columns),
        ]
        table = ibis.memtable(pa.table(arrays, names=["place", *names]))
        read = table.select("place", value=expression(*(table[name] for name in names))).order_by("place")
        return con.to_pyarrow(read)["value"].to_pylist()

    return computed


def to_4(value):
    return value.quantize(Decimal("0.0001"), ROUND_HALF_UP)


# ---- numbers


def number(text, form):
    """What the text is worth, read by the letter of the docstring; None where it is no plain number."""
    text = text.strip(SPACES)
    point, mark = re.escape(form.decimal), re.escape(form.thousands)
    if mark and re.fullmatch(rf"[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+({point}[0-9]*)?", text):
        text = text.replace(form.thousands, "")
    if not re.fullmatch(rf"[+-]?([0-9]+({point}[0-9]*)?|{point}[0-9]+)", text):
        return None
    value = to_4(Decimal(text.replace(form.decimal, ".")))
    return value if abs(value) < 10**12 else None


NUMBERS = st.one_of(
    st.text("0123456789.,+-e nax_\u3000", max_size=9),
    st.from_regex(r"[+-]?[0-9]{1,13}[.,][0-9]{0,7}", fullmatch=True),
    st.from_regex(r" ?-?[0-9]{1,3}([.,][0-9]{3}){1,3}([.,][0-9]{2})? ?", fullmatch=True),
    st.sampled_from(
        ["999999999999.99995", "999999999999.99994", "-1000000000000", "0.00005", "-0.00005", "1e3", "0x1F"]
    ),
)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.decimal}{form.thousands}")
@settings(max_examples=5, deadline=None, derandomize=True)
@given(texts=st.lists(NUMBERS, min_size=10, max_size=60))
def test_an_amount_is_a_plain_number_or_nothing(values, form, texts):
    assert values(lambda text: amount(text, form), texts) == [number(text, form) for text in texts]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.decimal}{form.thousands}")
@settings(max_examples=5, deadline=None, derandomize=True)
@given(cents=st.lists(st.integers(-(10**14) + 1, 10**14 - 1), min_size=10, max_size=60))
def test_money_written_as_the_platform_writes_it_is_read_to_the_cent(values, form, cents):
    money = [Decimal(n) / 100 for n in cents]
    marks = str.maketrans({".": form.decimal, ",": form.thousands})
    assert values(lambda text: amount(text, form), [f"{value:,.2f}".translate(marks) for value in money]) == money


def test_what_only_looks_like_a_number_is_none(values):
    bad = [
        "",
        " ",
        ".",
        "+",
        "nan",
        "inf",
        "1e400",
        "1e3",
        "0x1F",
        "\uff15",
        "5 0",
        "1_0",
        "--1",
        "1,234.00",
        "5\n5",
        None,
    ]
    assert values(lambda text: amount(text, PLAIN), bad) == [None] * len(bad)
    german = FileFormat(decimal=",", thousands=".")
    assert values(lambda text: amount(text, german), ["1.5", "1.23", "12.3456", "1.234", "1.234,5"]) == [
        None, None, None, 1234, Decimal("1234.5"),
    ]  # fmt: skip


MONEY = st.decimals(-(10**9), 10**9, places=4)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(MONEY, MONEY | st.integers(-9, 9).map(Decimal)), min_size=10, max_size=60))
def test_a_product_keeps_its_digits_or_is_none(values, pairs):
    exact = [to_4(quantity * price) for quantity, price in pairs]
    wanted = [value if abs(value) < 10**14 else None for value in exact]
    assert values(product, *zip(*pairs, strict=True), kind="decimal(18,4)") == wanted


# ---- texts


@settings(max_examples=5, deadline=None, derandomize=True)
@given(texts=st.lists(st.text("ab\u738b-" + SPACES, max_size=6), min_size=10, max_size=60))
def test_a_text_loses_the_spaces_around_it_and_no_others(values, texts):
    assert values(filled, texts) == [text.strip(SPACES) or None for text in texts]


@settings(max_examples=5, deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 10**18), min_size=5, max_size=40), zeros=st.integers(1, 3))
def test_a_number_that_a_spreadsheet_made_a_fraction_is_the_customer_it_was(values, numbers, zeros):
    floats = [f"{n}.{'0' * zeros}" for n in numbers]
    assert values(lambda text: customer(text, load_mapping("online_retail")), floats) == [str(n) for n in numbers]
    # Elsewhere an id is text, and each of its digits stays.
    assert values(lambda text: customer(text, load_mapping("canonical")), floats) == floats


def test_who_bought_is_text_and_a_word_for_nobody_is_nobody(values):
    names = ["007", "Ann, B.", "NaN", "null", "None", "", "nancy", "13085.5", "A.0", None]
    wanted = ["007", "Ann, B.", None, None, None, None, "nancy", "13085.5", "A.0", None]
    for mapping in ("canonical", "online_retail"):
        assert values(lambda text, name=mapping: customer(text, load_mapping(name)), names) == wanted
    assert values(lambda text: customer(text, load_mapping("cdnow")), ["00001", "", "nan"]) == ["00001", None, "nan"]


CANONICAL = load_mapping("canonical")


def dressed(word):
    """The word in any case, with spaces anywhere."""
    letters = [st.sampled_from([letter, letter.upper(), f" {letter}", f"{letter}\u3000"]) for letter in word]
    return st.tuples(*letters).map("".join)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_status_is_known_in_any_case_and_spacing(values, data):
    words = list(CANONICAL.statuses)
    texts = [data.draw(dressed(word)) for word in words]
    assert values(lambda text: status(folded(text), CANONICAL), texts) == [CANONICAL.statuses[word] for word in words]


def test_no_status_is_the_default_and_an_unknown_one_is_none(values):
    found = values(lambda text: status(folded(text), CANONICAL), ["", " \t", None, "pai", "paid.", "charged back"])
    assert found == ["completed"] * 3 + [None] * 3


CODES = st.text("aB1.+*([ \\", min_size=1, max_size=4).filter(lambda code: code.strip() == code)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    codes=st.lists(CODES, min_size=1, max_size=4), texts=st.lists(st.text("abB1.+*([\n \\", max_size=5), min_size=20)
)
def test_a_listed_code_is_the_whole_code_or_its_beginning_before_a_star(values, codes, texts):
    def on_list(text):
        for code in map(str.lower, codes):
            if text == code.removesuffix("*") and not code.endswith("*"):
                return True
            if code.endswith("*") and text.startswith(code.removesuffix("*")):
                return True
        return False

    assert values(lambda text: listed(text, codes), texts) == [on_list(text.lower()) for text in texts]
    assert values(lambda text: listed(text, codes), [None]) == [False]


def test_the_case_of_a_listed_code_does_not_matter(values):
    found = values(lambda text: listed(text, ["POST", "gift*"]), ["post", "Gift_1", "GIFT", "POSTAGE", "a gift", ""])
    assert found == [True, True, True, False, False, False]


# ---- moments


def read_moments(con, texts, timezone, mapping="canonical"):
    table = ibis.memtable({"text": texts})
    read = table.select("text", at=moment(table.text, load_mapping(mapping), timezone))
    found = {row["text"]: row["at"] for row in con.to_pyarrow(read).to_pylist()}
    return [found[text] for text in texts]


@pytest.mark.parametrize("zone", ["Europe/London", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC"])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    instants=st.lists(st.datetimes(datetime(1990, 1, 2), datetime(2035, 1, 1)), min_size=20, max_size=60, unique=True),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_with_an_offset_is_moved_to_the_clock_of_the_shop(con, zone, instants, minutes):
    around = [datetime(2020, 3, 29, 1), datetime(2020, 10, 25, 1), datetime(1990, 4, 14, 18), datetime(2021, 4, 3, 15)]
    instants = [at.replace(microsecond=0, tzinfo=ZoneInfo("UTC")) for at in {*instants, *around}]
    hours, rest = divmod(abs(minutes), 60)
    there = [at.replace(tzinfo=None) + days(minutes=minutes) for at in instants]
    offset = f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
    wanted = [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in instants]
    assert read_moments(con, [f"{at}{offset}" for at in there], zone) == wanted
    assert read_moments(con, [f"{at.isoformat()} {offset.replace(':', '')}" for at in there], zone) == wanted
    assert read_moments(con, [f"{at.replace(tzinfo=None).isoformat()}Z" for at in instants], zone) == wanted


def test_a_moment_without_an_offset_is_local_and_a_day_is_no_offset(con):
    texts = ["2020-01-02", "2020-01-02 03:04", "2020-01-02T03:04:05", "2020-01-02 03:04:05.5", "2020/1/2 3:04"]
    wanted = [datetime(2020, 1, 2), *[datetime(2020, 1, 2, 3, 4, second) for second in (0, 5)]]
    wanted += [datetime(2020, 1, 2, 3, 4, 5, 500_000), datetime(2020, 1, 2, 3, 4)]
    assert read_moments(con, texts, "Europe/London") == wanted
    bad = ["", "2020-01", "2020-13-01", "01-02-2020", "2020-01-02 25:00", "2020-01-02+08", "43831"]
    assert read_moments(con, bad, "Europe/London") == [None] * len(bad)


@pytest.mark.parametrize(
    ("mapping", "texts"),
    [
        ("cdnow", {"19970101": datetime(1997, 1, 1), "1997-01-01": None, "19971301": None}),
        (
            "online_retail",
            {
                "12/1/2010 8:26": datetime(2010, 12, 1, 8, 26),  # the month first, as in the 2010-12 file
                "2010-12-01 08:26:00": datetime(2010, 12, 1, 8, 26),
                "2010-12-01T08:26": None,
                "13/1/2010 8:26": None,
            },
        ),
    ],
)
def test_each_platform_has_its_own_way_to_write_a_moment(con, mapping, texts):
    assert read_moments(con, list(texts), "Europe/London", mapping) == list(texts.values())
