"""Numbers become text in one way; what is missing never does."""

import math
import re
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import words
from clvbook.present.words import DASH, MINUS, SPACE

REASON = NotComputable("not enough data: 3 buyers of 1,000 sends")
FORMS = {
    "text": words.text, "name": words.name, "number": words.number, "money": words.money_in("CNY"),
    "short_money": words.short_money_in("CNY"), "short_number": words.short_number,
    "percent": words.percent, "points": words.points, "days": words.days,
    "day": words.day, "month": words.month, "count": lambda value: words.count(value, "customer"),
    "period": lambda value: words.period("2026-10-01", value), "change": lambda value: words.change(value, 1),
    "interval": lambda value: words.interval(value, 2, words.number),
    "with_interval": lambda value: words.with_interval(value, 1, 2, words.number, confidence=0.95),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_not_computable_prints_its_reason(form):
    assert form(REASON) == REASON.reason


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("missing", [None, math.nan, np.float64("nan"), pd.NA, pd.NaT], ids=repr)
def test_missing_is_refused(form, missing):
    with pytest.raises(PublishFailed, match="missing"):
        form(missing)


@pytest.mark.parametrize("value", [math.inf, -math.inf, Decimal("Infinity")])
def test_infinite_is_refused(value):
    with pytest.raises(PublishFailed):
        words.number(value)


def test_halves_round_away_from_zero_on_the_printed_digits():
    # 2.675 is 2.67499999999999982236431605997495353221893310546875 in binary: the reader sees 2.675
    assert words.number(2.675, digits=2) == "2.68"
    assert words.number(2.5) == "3"
    assert words.number(-2.5) == f"{MINUS}3"
    assert words.number(-0.4) == "0"
    assert words.number(Decimal("1234567.5")) == "1,234,568"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "¥0.00"), (99.994, "¥99.99"), (99.996, "¥100"), (1234.5, "¥1,235"), (-1234.5, f"{MINUS}¥1,235")],
)
def test_money_shows_cents_below_a_hundred(value, text):
    assert words.money(value, "CNY") == text


def test_money_of_a_column_keeps_its_digits():
    assert [words.money_in("CNY", digits=2)(v) for v in (5, 1234.5)] == ["¥5.00", "¥1,234.50"]


@pytest.mark.parametrize(
    ("currency", "text"),
    [("GBP", "£3.00"), ("USD", "$3.00"), ("CAD", "$3.00"), ("TWD", "$3.00"), ("CHF", f"CHF{SPACE}3.00"), ("JPY", "¥3")],
)
def test_narrow_symbols(currency, text):
    assert words.money(3, currency) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999_999.4, "¥999,999"), (999_999.6, "¥1.00 million"), (1_234_500, "¥1.23 million"),
        (12_345_000, "¥12.3 million"), (123_450_000, "¥123 million"), (999_900_000, "¥1.00 billion"),
        (2.5e12, "¥2,500 billion"), (-3e6, "−¥3.00 million"),
    ],
)  # fmt: skip
def test_short_money_has_three_digits(value, text):
    assert words.short_money(value, "CNY") == text.replace(" ", SPACE)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0321, "3.2 %"), (0, "0.0 %"), (1, "100.0 %"), (0.0001, "< 0.1 %"), (0.9999, "> 99.9 %"), (-0.0001, "> −0.1 %")],
)
def test_percent_never_prints_something_as_nothing_or_all(share, text):
    assert words.percent(share) == text.replace(" ", SPACE)


@pytest.mark.parametrize(
    ("low", "high", "form", "text"),
    [
        (1.15e6, 1.26e6, words.short_money_in("CNY"), f"¥1.15{DASH}1.26 million"),
        (0.031, 0.034, words.percent, f"3.1{DASH}3.4 %"),
        (9e5, 1.2e6, words.short_money_in("CNY"), "¥900,000 to ¥1.20 million"),
        (-1, 2, words.number, f"{MINUS}1 to 2"),
        (0.0, 0.02, words.percent, f"0.0{DASH}2.0 %"),
        (1e-5, 0.02, words.percent, "< 0.1 % to 2.0 %"),
        (-0.016, 0.015, words.points, f"{MINUS}1.6 to +1.5 points"),
    ],
)
def test_interval_names_its_unit_once(low, high, form, text):
    assert words.interval(low, high, form).replace(SPACE, " ") == text


def test_with_interval_names_the_level():
    said = words.with_interval(1.2e6, 1.15e6, 1.26e6, words.short_money_in("CNY"), confidence=0.95)
    assert said.replace(SPACE, " ") == f"¥1.20 million (95 % interval ¥1.15{DASH}1.26 million)"
    said = words.with_interval(2, 1, 3, words.number, confidence=0.995)
    assert said.replace(SPACE, " ") == f"2 (99.5 % interval 1{DASH}3)"


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (1.032, 1, "rose 3.2 %"), (0.996, 1, "fell 0.4 %"), (1, 1, "was unchanged"), (1.00001, 1, "rose < 0.1 %"),
        (0, 0, "was unchanged"), (1, 0, "cannot be compared in per cent: it was not above 0 before"),
        (1, -2, "cannot be compared in per cent: it was not above 0 before"),
    ],
)  # fmt: skip
def test_change_in_every_branch(now, before, text):
    assert words.change(now, before).replace(SPACE, " ") == text


def test_days_months_and_periods():
    assert words.days(1) == f"1{SPACE}day"
    assert words.days(182.4) == f"182{SPACE}days"
    assert words.count(2, "child", "children") == f"2{SPACE}children"
    assert words.day("2026-10-31") == words.day(date(2026, 10, 31)) == "31 October 2026"
    assert words.month("2026-10") == words.month(pd.Timestamp("2026-10-31")) == "October 2026"
    assert words.period("2026-10-01", "2026-10-31") == f"1{DASH}31 Oct 2026"
    assert words.points(0.012) == f"+1.2{SPACE}points"
    assert words.points(-0.01) == f"{MINUS}1.0{SPACE}points"
    assert words.points(0.01, digits=0) == f"+1{SPACE}point"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing(["a"]) == "a"


def test_text_is_one_line_without_control_characters():
    assert words.text("a\x00b\r\nc\u2028d\x1b[31m") == "a b  c d [31m"
    assert words.text("gpj.\u202eexe\ufffe\ud800!") == "gpj. exe  !"


FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(FINITE)
def test_a_printed_number_is_the_number(value):
    printed = words.number(value, digits=2).replace(MINUS, "-").replace(",", "")
    assert abs(Decimal(printed) - Decimal(str(value))) <= Decimal("0.005")
    money = words.money(value, "CNY").replace(MINUS, "-").replace("¥", "").replace(",", "")
    assert abs(Decimal(money) - Decimal(str(value))) <= Decimal("0.5")


@settings(deadline=None, max_examples=200, derandomize=True)
@given(FINITE)
def test_short_money_is_within_half_a_percent(value):
    sign, head, unit = re.fullmatch(r"(−?)¥([\d.,]+)(?:\u00a0(\w+))?", words.short_money(value, "CNY")).groups()
    scale = {None: 1, "million": 10**6, "billion": 10**9}[unit]
    printed = float(head.replace(",", "")) * scale * (-1 if sign else 1)
    assert printed == pytest.approx(value, rel=0.0051, abs=0.5)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=40))
def test_text_of_any_string_can_stand_in_xml(value):
    # XML 1.0, section 2.2: what a document may hold
    held = r"[\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]*"
    assert re.fullmatch(held, words.text(value))


def test_a_name_out_of_the_data_is_cut_and_turns_no_line_around():
    assert words.name("tmall") == "tmall"
    assert words.name("x" * (1 << 20)) == "x" * 39 + "…"
    assert words.name("a\u202eb\u200fc\u061cd\u2066") == "a b c d"
