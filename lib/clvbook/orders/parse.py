"""Text cells to values: amounts, moments, customers, status words. What cannot be read becomes null.

in: Ibis text columns and a mapping's formats; out: Ibis expressions, computed by the engine
"""

import re

import ibis
import ibis.expr.datatypes as dt
from ibis.expr.types import BooleanValue, DecimalValue, StringValue, TimestampValue

from clvbook.orders.mapping import FileFormat, Mapping, fold
from clvbook.orders.schema import MONEY

_BELOW_A_TRILLION, _WIDE = "decimal(16,4)", "decimal(38,4)"
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


@ibis.udf.scalar.builtin(signature=((dt.Array(dt.string), dt.string), dt.int64))
def list_position(words, word):
    """The place of a word in a list, from 1; 0 where it is not there."""


@ibis.udf.scalar.builtin(signature=((dt.Array(dt.string), dt.int64), dt.string))
def list_extract(words, place):
    """The word in a place of a list, from 1; null where there is none."""


def narrow(text: StringValue) -> StringValue:
    """Full-width letters, digits and signs as the usual ones, as NFKC has them; all other letters stay."""
    return translate(text, _FULL, _HALF)


def unmarked(text: StringValue) -> StringValue:
    """A cell without the marks by which spreadsheets keep it text: ="123" and '123 are 123."""
    number = text.re_replace(r"^'(\d+)$", r"\1")
    formula = text.startswith('="') & text.endswith('"') & (text.length() > 2)
    return ibis.cases((formula, text.substr(2, text.length() - 3)), (text.startswith("'"), number), else_=text)


def stripped(text: StringValue) -> StringValue:
    """The text without the spaces around it, of whatever alphabet."""
    # Nearly all cells have none: looking is much cheaper than trimming.
    return ibis.ifelse(text.re_search(_EDGE), text.re_replace(_EDGES, ""), text)


def filled(text: StringValue) -> StringValue:
    """The text without the spaces and spreadsheet marks around it; null where nothing is left."""
    return unmarked(stripped(text)).nullif("")


def amount(text: StringValue, form: FileFormat) -> DecimalValue:
    """A plain decimal number, rounded to 4 places: no exponent, no nan, below a trillion; otherwise null."""
    # Most cells are plain. A case looks at the others only in those that are not; coalesce would do so in all, because
    # the engine takes what stands twice in it out of it.
    plain = rf"^[+-]?(\d+({re.escape(form.decimal)}\d*)?|{re.escape(form.decimal)}\d+)$"
    bare = _bare(text, form)
    number = ibis.cases((text.re_search(plain), text), (bare.re_search(plain), bare), else_=ibis.null("string"))
    if form.decimal != ".":
        number = number.replace(form.decimal, ".")
    return number.try_cast(_BELOW_A_TRILLION).cast(MONEY)


def _bare(text: StringValue, form: FileFormat) -> StringValue:
    """The amount without spaces, currency marks and marks of thousands, in usual digits."""
    bare = stripped(text)
    if form.money_marks:
        marks = "|".join(sorted({re.escape(mark) for word in form.money_marks for mark in (word, fold(word))}))
        bare = narrow(bare).re_replace(rf"(?i)\s*(?:{marks})$", "")
        bare = bare.re_replace(rf"(?i)^([+-]?)\s*(?:{marks})\s*([+-]?)", r"\1\2")
    if not form.thousands:
        return bare
    mark = re.escape(form.thousands)
    grouped = bare.re_search(rf"^[+-]?\d{{1,3}}({mark}\d{{3}})+({re.escape(form.decimal)}\d*)?$")
    return ibis.ifelse(grouped, bare.replace(form.thousands, ""), bare)


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
    known = mapped(word, mapping.statuses)
    # Words of full-width letters are rare: they are looked up only where the word as it stands is unknown.
    given = ibis.ifelse(known.isnull(), mapped(narrow(word), mapping.statuses), known)
    return ibis.ifelse(word.isnull(), mapping.default_status, given)


def mapped(word: StringValue, meanings: dict[str, str]) -> StringValue:
    """What a `folded` word means by a table; null where it does not stand there."""
    if not meanings:
        return ibis.null("string")
    words, means = zip(*sorted(meanings.items()), strict=True)
    return list_extract(ibis.array(list(means)), list_position(ibis.array(list(words)), word))


def listed(text: StringValue, codes: list[str]) -> BooleanValue:
    """Whether an item's code is on a list, whatever its case; an entry that ends in * stands for all that begin so."""
    each = [re.escape(code.strip().removesuffix("*")) + (".*" if code.strip().endswith("*") else "") for code in codes]
    return text.re_search(rf"(?is)^(?:{'|'.join(each)})$").fill_null(False)
