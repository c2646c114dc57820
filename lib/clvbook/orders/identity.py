"""Who bought: the cells that can say it, made comparable, and hashed where they are personal.

in:  e-mail, phone and customer cells (Ibis text), the columns that name the customer, a salt kept outside git
out: customer_id, and the customer's second name, by which an order without the first is told to be the same person's
"""

import hashlib
import os
import re
import secrets
import tempfile
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
from ibis import _
from ibis.expr.types import StringValue, Table

from clvbook.errors import BadParameters
from clvbook.orders.mapping import Mapping
from clvbook.orders.parse import customer, narrow
from clvbook.settings import Settings

PERSONAL = ("email", "phone")
_MASKED = r"[*＊]"  # t***n, 张**, 138****0000: several people look alike, and one may look different next month
_SHORTEST_SALT = 16


@ibis.udf.scalar.builtin(name="sha256", signature=((dt.string,), dt.string))
def _sha256(text):
    """The SHA-256 of a text, in hexadecimal."""


def salt() -> str:
    """What makes hashes of e-mails and phones useless to anyone who has only the reports.

    CLVBOOK_SALT where it is set; else the file clvbook/salt in the user's configuration folder ($XDG_CONFIG_HOME or
    ~/.config), made once with mode 600. It is outside the project, so that it is never committed, and outside
    .cache, which anyone may empty: with another salt every customer has another id.
    Errors: BadParameters where it is too short, open to others, or cannot be made.
    """
    if given := os.environ.get("CLVBOOK_SALT"):
        return _long_enough(given, "CLVBOOK_SALT")
    path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "clvbook" / "salt"
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise BadParameters(f"{path}: others may read the salt", f"chmod 600 {path}")
        return _long_enough(path.read_text(encoding="ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameters(
            f"{path}: the salt of hashed e-mails and phones cannot be read or made: {error}",
            "set CLVBOOK_SALT to a long random text and keep it: another salt gives every customer another id",
        ) from None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".salt.")  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        Path(path).hardlink_to(name)  # whole or not at all, and of two that start together one wins
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def _long_enough(text: str, where: str) -> str:
    if len(text) < _SHORTEST_SALT:
        raise BadParameters(
            f"{where}: the salt has {len(text)} characters, {_SHORTEST_SALT} are needed",
            "python -c 'import secrets; print(secrets.token_hex(32))' makes a good one",
        )
    return text


def fingerprint(mapping: Mapping, settings: Settings) -> str | None:
    """A mark of the salt, where identities are hashed with it; the salt cannot be told from it."""
    if not set(wanted(mapping, settings)) & set(PERSONAL):
        return None
    return salt_mark()


def salt_mark() -> str:
    """A mark of the salt, from which the salt cannot be told."""
    return hashlib.sha256(f"cache {salt()}".encode()).hexdigest()


def wanted(mapping: Mapping, settings: Settings) -> list[str]:
    """The columns that name the customer, best first: the parameter's, else the mapping's.

    Errors: BadParameters where the parameter names a column that the mapping has no name for.
    """
    given = [settings.identity] if isinstance(settings.identity, str) else settings.identity
    if absent := [name for name in given or [] if name not in mapping.columns]:
        has = [name for name in ("customer_id", *PERSONAL) if name in mapping.columns]
        raise BadParameters(
            f"identity: mapping {mapping.name} knows no column for {', '.join(absent)}",
            f"it knows {', '.join(has) or 'none'}; a copy of the mapping may name more under `columns`",
        )
    return given or [name for name in mapping.identity if name in mapping.columns]


def email(text: StringValue) -> StringValue:
    """An address in one form: no case, no `+tag`; null where it is none."""
    plain = narrow(text).strip().lower().re_replace(r"^mailto:", "")
    plain = plain.re_replace(r"^([^@+]+)\+[^@]*@", r"\1@")
    return ibis.ifelse(plain.re_search(r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), plain, ibis.null("string"))


def phone(text: StringValue) -> StringValue:
    """A number in one form: digits, no 00, no 86 before a Chinese mobile number; null where it is none.

    Other countries' prefixes stay: without knowing the shop's country, taking one off could make two people one.
    """
    plain = narrow(text).strip().re_replace(r"^'|\.0+$", "")
    digits = plain.re_replace(r"[^0-9]", "").re_replace(r"^00", "").re_replace(r"^86(1[3-9]\d{9})$", r"\1")
    said = plain.re_search(r"^\+?[\d\s().\-/]+$") & digits.length().between(7, 15)
    filler = digits.replace(digits.left(1), "") == ""  # 00000000: typed to get past a form
    return ibis.ifelse(said & ~filler, digits, ibis.null("string"))


def hashed(kind: str, value: StringValue, secret: str) -> StringValue:
    """email:1f3c...: 80 bits of SHA-256 over salt, kind and value; null stays null."""
    return ibis.literal(f"{kind}:") + _sha256(ibis.literal(f"{secret}\n{kind}\n") + value).left(20)


def names(text: Table, mapping: Mapping, settings: Settings) -> dict[str, StringValue]:
    """customer_id and second_name of each row: the first and the next column that name somebody; null where none does.

    text: rows of text with those of customer_id, email, phone that the file has. Masked cells name nobody.
    """
    found: list[StringValue] = []
    for kind in wanted(mapping, settings):
        if kind not in text.columns:
            continue
        cell = customer(text[kind], mapping)
        cell = ibis.ifelse(cell.re_search(_MASKED), ibis.null("string"), cell)
        if kind in PERSONAL:
            cell = hashed(kind, {"email": email, "phone": phone}[kind](cell), salt())
        found.append(cell)
    nobody = ibis.null("string")
    first = ibis.coalesce(*found, nobody)
    if len(found) < 2:
        return {"customer_id": first, "second_name": nobody}
    rest = ibis.coalesce(*found[1:], nobody)
    return {"customer_id": first, "second_name": ibis.ifelse(found[0].notnull(), rest, nobody)}


def linked(rows: Table) -> Table:
    """Orders known by a second name alone go to the one customer who has it; with `linked`, whether that was so.

    A guest's order belongs to the customer whose orders carry the same e-mail, if there is exactly one of them.
    """
    owners = rows.filter(_.second_name.notnull()).group_by("second_name")
    owners = owners.agg(owner=_.customer_id.min(), several=_.customer_id.nunique()).filter(_.several == 1)
    found = rows.left_join(owners.select("owner", known_as="second_name"), [("customer_id", "known_as")])
    found = found.mutate(customer_id=ibis.coalesce(_.owner, _.customer_id), linked=_.owner.notnull())
    return found.drop("owner", "known_as", "second_name")


def without_buyer(mapping: Mapping, settings: Settings, has: frozenset[str]) -> str:
    """Why there can be no customers: no file has a column that names them, and which export does; else empty."""
    columns = wanted(mapping, settings)
    if has & set(columns):
        return ""
    named = [f"“{name}”" for column in columns for name in mapping.columns[column][:1]]
    looked = f" ({' or '.join(named)})" if named else ""
    where = mapping.buyer_export or "bring the platform's order export that has it"
    return f"the export has no column that names the buyer{looked}: {re.sub(r'[.]$', '', where)}"
