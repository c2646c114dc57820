"""The one place where a number becomes text, so that sentence, tile, table and chart print the same digits.

in: numbers, days, `NotComputable`   out: text
Halves round away from zero on the decimal digits (2.675 -> 2.68), the same on every machine. A `NotComputable` prints
as its reason, whatever is asked for; a missing value (None, NaN, infinite) is refused: no blank reaches a page.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

import pandas as pd
from babel.dates import format_date, format_interval
from babel.numbers import get_currency_precision, get_currency_symbol

from clvbook.errors import NotComputable, PublishFailed
from clvbook.settings import month_start

Form = Callable[[Any], str]

SPACE = "\u00a0"  # between a number and its unit: no line breaks there
MINUS = "\u2212"  # the sign that screen readers read
DASH = "\u2013"
_UNPRINTABLE = {"Cc", "Cs", "Cn", "Zl", "Zp"}
_REORDER = set(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # a name must not turn the line around
_LONGEST = 40  # signs of a name
_SCALES = ((Decimal(10) ** 6, "million"), (Decimal(10) ** 9, "billion"))


def text(value: Any) -> str:
    """`value` as plain text on one line: signs that control, reorder or break a page become spaces."""
    if isinstance(value, NotComputable):
        return value.reason
    if pd.api.types.is_scalar(value) and pd.isna(value):
        raise _missing(value)
    return "".join(" " if unicodedata.category(c) in _UNPRINTABLE or c in _REORDER else c for c in str(value)).strip()


def name(value: Any) -> str:
    """A name out of the data as `text`, cut where it would fill the page."""
    plain = text(value)
    return plain if len(plain) <= _LONGEST or isinstance(value, NotComputable) else f"{plain[: _LONGEST - 1]}…"


def number(value: Any, *, digits: int = 0) -> str:
    """2357.4 -> "2,357"; -3.25 with digits=1 -> "−3.3"."""
    return value.reason if isinstance(value, NotComputable) else _grouped(_round(value, digits))


def money(value: Any, currency: str, *, digits: int | None = None) -> str:
    """1234.5 -> "¥1,235"; below 100 the cents show; `digits` fixes them, as a column of a table wants it."""
    if isinstance(value, NotComputable):
        return value.reason
    cents = get_currency_precision(currency)
    whole = abs(_round(value, cents)) >= 100
    return _signed(_round(value, (0 if whole else cents) if digits is None else digits), _symbol(currency))


def short_money(value: Any, currency: str) -> str:
    """1234567 -> "¥1.23 million"; below a million as `money`. For tiles and sentences, not for columns."""
    if isinstance(value, NotComputable):
        return value.reason
    scaled = _scaled(value)
    return _signed(scaled[0], _symbol(currency), SPACE + scaled[1]) if scaled else money(value, currency)


def short_number(value: Any) -> str:
    """1234567 -> "1.23 million"; below a million as `number`."""
    if isinstance(value, NotComputable):
        return value.reason
    scaled = _scaled(value)
    return _signed(scaled[0], "", SPACE + scaled[1]) if scaled else number(value)


def percent(share: Any, *, digits: int = 1) -> str:
    """0.0321 -> "3.2 %". What is not 0 never prints as 0, nor what is below 100 % as 100 %: "< 0.1 %"."""
    if isinstance(share, NotComputable):
        return share.reason
    exact, step = _decimal(share) * 100, Decimal(1).scaleb(-digits)
    shown = _round(exact, digits)
    if exact and not shown:
        return f"<{SPACE}{_grouped(step)}{SPACE}%" if exact > 0 else f">{SPACE}{_grouped(-step)}{SPACE}%"
    if exact < 100 and shown == 100:
        return f">{SPACE}{_grouped(100 - step)}{SPACE}%"
    return f"{_grouped(shown)}{SPACE}%"


def points(difference: Any, *, digits: int = 1) -> str:
    """The difference of two shares, 0.012 -> "+1.2 points"."""
    if isinstance(difference, NotComputable):
        return difference.reason
    shown = _round(_decimal(difference) * 100, digits)
    return (
        f"{'+' if shown > 0 else ''}{_grouped(shown)}{SPACE}{'point' if abs(shown) == 1 and not digits else 'points'}"
    )


def days(value: Any, *, digits: int = 0) -> str:
    """182.4 -> "182 days"; 1 -> "1 day"."""
    return count(value, "day", digits=digits)


def count(value: Any, noun: str, nouns: str | None = None, *, digits: int = 0) -> str:
    """2357 of "customer" -> "2,357 customers"; an irregular plural is given as `nouns`."""
    if isinstance(value, NotComputable):
        return value.reason
    shown = number(value, digits=digits)
    return f"{shown}{SPACE}{noun if shown == '1' else nouns or noun + 's'}"


def day(value: Any) -> str:
    """2026-10-31 -> "31 October 2026"."""
    return value.reason if isinstance(value, NotComputable) else format_date(_date(value), "d MMMM y", locale="en_GB")


def month(value: Any) -> str:
    """A month "2026-10", or any day in it -> "October 2026"."""
    if isinstance(value, NotComputable):
        return value.reason
    start = month_start(value) if isinstance(value, str) and len(value) == 7 else _date(value)
    return format_date(start, "MMMM y", locale="en_GB")


def period(first: Any, last: Any) -> str:
    """2026-10-01 and 2026-10-31 -> "1–31 Oct 2026"."""
    for value in (first, last):
        if isinstance(value, NotComputable):
            return value.reason
    return format_interval(_date(first), _date(last), skeleton="yMMMd", locale="en_GB").replace("\u2009", " ")


def interval(low: Any, high: Any, form: Form) -> str:
    """The two ends in the form of the value they stand by: "¥1.15–1.26 million", "3.1–3.4 %", "−0.1 to +1.2 points"."""
    for value in (low, high):
        if isinstance(value, NotComputable):
            return value.reason
    left, right = form(low), form(high)
    before, after = (re.fullmatch(r"([^\d.,]*)([\d.,]+)(.*)", side) for side in (left, right))
    if not before or not after or before[3] != after[3] or set("<>") & set(left):
        return f"{left} to {right}"
    left = left.removesuffix(before[3])
    if before[1] == after[1] and MINUS not in left:
        return f"{left}{DASH}{after[2]}{after[3]}"
    return f"{left} to {right}"


def with_interval(value: Any, low: Any, high: Any, form: Form, *, confidence: float) -> str:
    """A value and how sure it is: "¥1.20 million (95 % interval ¥1.15–1.26 million)"; or the reason alone."""
    if isinstance(value, NotComputable):
        return value.reason
    level = percent(confidence, digits=0 if round(confidence * 100, 6) % 1 == 0 else 1)
    return f"{form(value)} ({level} interval {interval(low, high, form)})"


def change(now: Any, before: Any, *, digits: int = 1) -> str:
    """What happened from `before` to `now`: "rose 3.2 %", "fell 0.4 %", "was unchanged"; a reason from 0 or below."""
    for value in (now, before):
        if isinstance(value, NotComputable):
            return value.reason
    new, old = _decimal(now), _decimal(before)
    if old <= 0:
        return "was unchanged" if new == old else "cannot be compared in per cent: it was not above 0 before"
    size = percent(abs(new / old - 1), digits=digits)
    return "was unchanged" if new == old else f"{'rose' if new > old else 'fell'} {size}"


def listing(items: Iterable[Any]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    *head, last = [text(item) for item in items]
    return f"{', '.join(head)} and {last}" if head else last


def money_in(currency: str, *, digits: int | None = None) -> Form:
    """The form of a money column: `money` with its currency, and its digits, fixed."""
    return partial(money, currency=currency, digits=digits)


def short_money_in(currency: str) -> Form:
    """`short_money` with its currency fixed."""
    return partial(short_money, currency=currency)


def _decimal(value: Any) -> Decimal:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        raise _missing(value)
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    if not exact.is_finite():
        raise _missing(value)
    return exact


def _round(value: Any, digits: int) -> Decimal:
    rounded = _decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return rounded or abs(rounded)  # no "−0"


def _grouped(value: Decimal) -> str:
    return f"{value:,f}".replace("-", MINUS)


def _signed(value: Decimal, head: str, tail: str = "") -> str:
    return f"{MINUS if value < 0 else ''}{head}{abs(value):,f}{tail}"


def _scaled(value: Any) -> tuple[Decimal, str] | None:
    """Three digits and their scale from a million up, chosen after rounding: 999,999,999 is 1.00 billion."""
    exact = _decimal(value)
    if abs(_round(exact, 0)) < _SCALES[0][0]:
        return None
    for scale, word in _SCALES:
        for digits in (2, 1, 0):
            shown = _round(exact / scale, digits)
            if abs(shown) < Decimal(10) ** (3 - digits):
                return shown, word
    return shown, word


def _symbol(currency: str) -> str:
    """The narrow symbol: ¥ for CNY, $ for CAD, CHF and a space where there is no sign."""
    symbol = get_currency_symbol(currency, locale="en")
    return re.sub(r"^[A-Z]+(?=[^A-Z])", "", symbol) if not symbol.isalpha() else symbol + SPACE


def _date(value: Any) -> date:
    if pd.isna(value):
        raise _missing(value)
    return pd.Timestamp(value).date()


def _missing(value: Any) -> PublishFailed:
    return PublishFailed(
        f"1 value to print is missing ({value!r})", "give errors.NotComputable(reason), so that the page says why"
    )
