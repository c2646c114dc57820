"""Text cells to values: amounts, moments, customers, status words. What cannot be read becomes null.

in: Ibis text columns and a mapping's formats; out: Ibis expressions, computed by the engine
"""

import re

import ibis
import ibis.expr.datatypes as dt
from ibis.expr.types import BooleanValue, DecimalValue, StringValue, TimestampValue

from clvbook.orders.mapping import FileFormat, Mapping, fold
from clvbook.orders.schema import MONEY

_TOO_MUCH, _WIDE = 10**12, "decimal(38,4)"
_EDGE, _EDGES = r"^[\s\p{Z}]|[\s\p{Z}]$", r"^[\s\p{Z}]+|[\s\p{Z}]+$"
_FULL = "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000\uffe5"
_HALF = "".join(map(chr, range(0x21, 0x7F))) + " \u00a5"
_OFFSET = r"\d:\d{2}(?::\d{2}(?:\.\d+)?)? *(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"


@ibis.udf.scalar.builtin(signature=((dt.string, dt.Array(dt.string)), dt.timestamp))
def try_strptime(text, formats):
    """The first format that reads the whole text; null where none does."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.timestamp), dt.Timestamp("UTC")))
def _instant(zone, local):
    """The instant at which the clock of `zone` shows `local`."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp("UTC")), dt.timestamp))
def _clock(zone, instant):
    """What the clock of `zone` shows at an instant."""


@ibis.udf.scalar.builtin
def translate(text: str, signs: str, others: str) -> str:
    """Each of `signs` in the text replaced by the one of `others` in the same place."""


def narrow(text: StringValue) -> StringValue:
    """Full-width letters, digits and signs as the usual ones, as NFKC has them; all other letters stay."""
    return translate(text, _FULL, _HALF)


def unmarked(text: StringValue) -> StringValue:
    """A cell without the marks by which spreadsheets keep it text: ="123" and '123 are 123."""
    number = text.re_replace(r"^'(\d+)$", r"\1")
    formula = text.re_replace(r'(?s)^="(.*)"$', r"\1")
    return ibis.cases((text.startswith("="), formula), (text.startswith("'"), number), else_=text)


def stripped(text: StringValue) -> StringValue:
    """The text without the spaces around it, of whatever alphabet."""
    # Nearly all cells have none: looking is much cheaper than trimming.
    return ibis.ifelse(text.re_search(_EDGE), text.re_replace(_EDGES, ""), text)


def filled(text: StringValue) -> StringValue:
    """The text without the spaces and spreadsheet marks around it; null where nothing is left."""
    return unmarked(stripped(text)).nullif("")


def amount(text: StringValue, form: FileFormat) -> DecimalValue:
    """A plain decimal number, rounded to 4 places: no exponent, no nan, below a trillion; otherwise null."""
    # Cells without spaces are read at once; coalesce looks at the second way only where the first gives nothing.
    value = ibis.coalesce(_number(text, form), _number(_bare(text, form), form))
    return ibis.ifelse(value.abs() < _TOO_MUCH, value, ibis.null(MONEY))


def _bare(text: StringValue, form: FileFormat) -> StringValue:
    """The amount without spaces and currency marks, in usual digits."""
    if not form.money_marks:
        return stripped(text)
    marks = "|".join(sorted({re.escape(mark) for word in form.money_marks for mark in (word, fold(word))}))
    bare = narrow(stripped(text)).re_replace(rf"(?i)^([+-]?)\s*(?:{marks})\s*([+-]?)|\s*(?:{marks})$", r"\1\2")
    # One expression takes one mark off; an amount may have one on each side.
    return bare.re_replace(rf"(?i)\s*(?:{marks})$", "")


def _number(text: StringValue, form: FileFormat) -> DecimalValue:
    point = re.escape(form.decimal)
    if form.thousands:
        grouped = rf"^[+-]?\d{{1,3}}({re.escape(form.thousands)}\d{{3}})+({point}\d*)?$"
        text = ibis.ifelse(text.re_search(grouped), text.replace(form.thousands, ""), text)
    plain = text.re_search(rf"^[+-]?(\d+({point}\d*)?|{point}\d+)$")
    if form.decimal != ".":
        text = text.replace(form.decimal, ".")
    return ibis.ifelse(plain, text, ibis.null("string")).try_cast(MONEY)


def product(quantity: DecimalValue, price: DecimalValue) -> DecimalValue:
    """Quantity times price, rounded to 4 places; null where that is no longer below a hundred trillion."""
    # In 38 digits, because the engine multiplies 18-digit decimals in 64 bits; and cast twice, because Ibis believes
    # that a product has no more decimals than its factors, and would drop the one cast that it needs.
    return (quantity.cast(_WIDE) * price.cast(_WIDE)).cast("decimal(38,8)").try_cast(MONEY)


def moment(text: StringValue, mapping: Mapping, timezone: str) -> TimestampValue:
    """A moment on the clock of `timezone`. Text with an offset (Z, +0200) is converted, text without is local."""
    formats, cell = ibis.array(mapping.times), stripped(text)
    offset = cell.re_extract(_OFFSET, 1)
    size = offset.length()
    local = ibis.ifelse(size > 0, cell.left(cell.length() - size).strip(), cell)
    digits = offset.re_replace(r"[^0-9]", "").fill_null("")
    hours, rest = (digits.substr(at, 2).try_cast("int64").fill_null(0) for at in (0, 2))
    minutes = hours * 60 + rest
    ahead = ibis.ifelse(offset.startswith("-"), -minutes, minutes).as_interval("m")
    there = try_strptime(local, formats)
    here = ibis.ifelse(size > 0, _clock(timezone, _instant("UTC", there - ahead)), there)
    # Most cells are read at once; coalesce looks for spaces and offsets only in those that are not.
    return ibis.coalesce(try_strptime(text, formats), here, try_strptime(narrow(cell), formats))


def customer(text: StringValue, mapping: Mapping) -> StringValue:
    """Who bought; null where the mapping says that the text names nobody."""
    if mapping.float_ids:
        text = text.re_replace(r"^(\d+)\.0+$", r"\1")
    nobody = sorted({word.strip().lower() for word in mapping.no_customer} | {""})
    return ibis.ifelse(text.lower().isin(nobody), ibis.null("string"), text)


def folded(text: StringValue) -> StringValue:
    """A word as statuses are compared: no spaces, no case; null where nothing is left."""
    return text.re_replace(r"[\s\p{Z}]", "").lower().nullif("")


def status(word: StringValue, mapping: Mapping) -> StringValue:
    """The canonical status of a platform's `folded` word: the default where there is none, null where it is unknown."""
    known = [(word == form, status) for form, status in sorted(mapping.statuses.items())]
    known = ibis.cases((word.isnull(), mapping.default_status), *known, else_=ibis.null("string"))
    usual = [(narrow(word) == form, status) for form, status in sorted(mapping.statuses.items())]
    return ibis.coalesce(known, ibis.cases(*usual, else_=ibis.null("string"))) if usual else known


def mapped(word: StringValue, meanings: dict[str, str]) -> StringValue:
    """What a `folded` word means by a table; null where it does not stand there."""
    known = [(word == form, meaning) for form, meaning in sorted(meanings.items())]
    return ibis.cases(*known, else_=ibis.null("string"))


def listed(text: StringValue, codes: list[str]) -> BooleanValue:
    """Whether an item's code is on a list, whatever its case; an entry that ends in * stands for all that begin so."""
    each = [re.escape(code.strip().removesuffix("*")) + (".*" if code.strip().endswith("*") else "") for code in codes]
    return text.re_search(rf"(?is)^(?:{'|'.join(each)})$").fill_null(False)
