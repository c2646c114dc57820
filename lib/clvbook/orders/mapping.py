"""A platform's export, described: its column names, formats and status words. A new platform is a new YAML file.

in: a name of mappings/*.yml or a path; out: one frozen `Mapping`, and the columns of a header it recognises
"""

import difflib
import unicodedata
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clvbook.errors import BadParameters
from clvbook.orders.schema import STATUSES, columns
from clvbook.settings import home

SHIPPED = files("clvbook.orders") / "mappings"
_LINE_ONLY = ("sku", "title", "category", "quantity", "price")
_NOT_IN_LINES = ("paid", "refund", "items", "discount")
_HELPERS = ("email", "phone", "payment", "address")  # read, never kept: they say who bought, and whether it was a trial
_ORDER_ONLY = ("cancelled_at", "refund_of")
IDENTITIES = ("customer_id", "email", "phone")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFormat(_Strict):
    """How the text file is written."""

    delimiter: Literal[",", ";", "\t", "|", "whitespace"] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", "."] = ""
    nulls: list[str] = Field([], description="cells that say: nothing")
    encodings: list[Literal["gb18030"]] = Field([], description="beside UTF-8, where the header shows it")
    money_marks: list[str] = Field([], description="what may stand before or after an amount")


class Refunds(_Strict):
    """Which rows of a line-level file give money back."""

    order_id_prefix: str = Field(min_length=1)


class Details(_Strict):
    """The lines of the orders, in files of their own: each order's items and pieces; never its money."""

    name: str = "details"
    columns: dict[Literal["order_id", "line_id", "sku", "title", "quantity", "price"], list[str]]
    required: list[str]

    @model_validator(mode="after")
    def _whole(self) -> "Details":
        if missing := sorted({"order_id", "quantity"} - set(self.required)) + sorted(
            set(self.required) - set(self.columns)
        ):
            raise ValueError(f"{', '.join(missing)}: must stand under both `required` and `columns`")
        return self


class Mapping(_Strict):
    """One platform's export. `columns` lists, for each canonical column, the names it goes by, best first."""

    shelf: ClassVar[Any] = None  # the folder of shipped mappings of another kind

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    level: Literal["order", "line"]
    row: str = Field(description="what one row is, in words")
    columns: dict[str, list[str]]
    required: list[str]
    times: list[str] = Field(min_length=1, description="strptime formats, tried in this order")
    utc: list[str] = Field([], description="names in the header whose times are UTC, whatever the shop's clock")
    format: FileFormat = FileFormat()
    timezone: str | None = Field(None, description="where all its times are of one clock: what `clvbook init` writes")
    currency: str | None = Field(None, description="where it has only one: what `clvbook init` writes")
    order_id: Literal["column", "line"] = Field("column", description="line: made from the file and line number")
    default_status: str = "completed"
    statuses: dict[str, str] = Field({}, description="platform word: canonical status")
    unpaid_statuses: dict[str, str] = Field(
        {}, description="what a status is instead where paid_at is empty; an empty name: where the export says none"
    )
    item_rows: Literal["none", "blank", "repeated"] = Field(
        "none", description="an order's further items: no rows; rows without the order's cells; rows that repeat them"
    )
    identity: list[Literal["customer_id", "email", "phone"]] = Field(
        ["customer_id"], min_length=1, description="columns that name the customer, best first"
    )
    buyer_export: str = Field("", description="the export that names the buyer, in words, for a file that does not")
    no_customer: list[str] = Field([""], description="what an unidentified buyer looks like")
    test_payments: list[str] = Field([], description="words in `payment` by which a trial order is known")
    float_ids: bool = Field(False, description="13085.0 is customer 13085")
    refunds: Refunds | None = None
    details: Details | None = None
    no_refund: list[str] = Field([], description="words under `refund` that say: none")
    fake_words: list[str] = Field([], description="words in `remark` by which the shop marks its fake orders")
    non_product: list[str] = []
    test_items: list[str] = []
    keep_zero: bool = Field(False, description="orders of 0 are purchases")
    duplicates: Literal["drop", "keep"] = Field("drop", description="keep: equal rows may be real repeats")

    def is_details(self, header: list[str]) -> bool:
        """Whether a header is that of the file of the orders' lines."""
        return self.details is not None and set(self.details.required) <= set(recognise(self.details, header)[0])

    def knows(self, header: list[str]) -> bool:
        """Whether a header has what the mapping needs."""
        return self.is_details(header) or set(self.required) <= set(recognise(self, header)[0])

    @field_validator("unpaid_statuses")
    @classmethod
    def _of_statuses(cls, statuses: dict[str, str]) -> dict[str, str]:
        if unknown := sorted({*statuses, *statuses.values()} - {"", *STATUSES}):
            raise ValueError(f"{', '.join(unknown)}: is no status; there are {', '.join(STATUSES)}")
        return statuses

    @field_validator("statuses")
    @classmethod
    def _known_statuses(cls, statuses: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(statuses.values()) - set(STATUSES)):
            raise ValueError(f"{', '.join(unknown)}: is no status; there are {', '.join(STATUSES)}")
        # The engine folds case and spaces but not the width of letters: a word is known both as written and in NFKC.
        return {
            form: status for word, status in statuses.items() for form in ("".join(word.lower().split()), fold(word))
        }

    @model_validator(mode="after")
    def _whole(self) -> "Mapping":
        known = [name for name in columns("orders") if self.level == "order" or name not in _NOT_IN_LINES]
        known += [*_HELPERS, *(_LINE_ONLY if self.level == "line" else _ORDER_ONLY)]
        for name in self.columns:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise ValueError(f"columns: {name} is unknown" + (f"; did you mean {near[0]}?" if near else ""))
        needed = {"paid_at", *(["paid"] if self.level == "order" else ["order_id", "sku", "quantity", "price"])}
        needed |= {"order_id"} if self.order_id == "column" else set()
        if missing := sorted(needed - set(self.required)) + sorted(set(self.required) - set(self.columns)):
            raise ValueError(f"{', '.join(missing)}: must stand under both `required` and `columns`")
        if self.level == "order" and self.order_id == "column" and self.duplicates == "keep":
            raise ValueError("duplicates: orders with a number stand once; write drop")
        if self.item_rows != "none" and (self.level == "line" or self.order_id == "line"):
            raise ValueError("item_rows: goes with orders that have a number")
        if self.default_status not in STATUSES:
            raise ValueError(f"default_status: {self.default_status} is no status")
        return self


def fold(text: str) -> str:
    """A name as it is compared: NFKC, no case, no spaces, no byte-order mark."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().replace("\ufeff", "").split())


def load_mapping(name: str, *, kind: type[Mapping] = Mapping) -> Mapping:
    """Read a mapping: a shipped name such as `canonical`, or a path to a YAML file, counted from `home()`.

    Errors: BadParameters where it is not there, is no YAML, or holds an unknown key or status.
    """
    source = own_file(name) or (kind.shelf or SHIPPED) / f"{name}.yml"
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except OSError as error:
        near = difflib.get_close_matches(name, shipped(), 1)
        raise BadParameters(
            f"mapping: {name}: {error.strerror}",
            f"did you mean {near[0]}?"
            if near
            else f"shipped are {', '.join(shipped())}; or give the path of a YAML file",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadParameters(f"mapping {name}: is not YAML: {error}", "copy one of orders/mappings/*.yml") from None
    try:
        return kind(**values) if isinstance(values, dict) else kind.model_validate(values)
    except (ValidationError, TypeError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else [{"loc": (), "msg": str(error)}]
        told = [f"  {'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in faults]
        raise BadParameters(
            "\n".join([f"mapping {name}: {len(told)} faults:", *told]), "copy one of orders/mappings/*.yml"
        ) from None


def own_file(name: str) -> Path | None:
    """The file of a mapping that is named by its path; None where a shipped one is named."""
    return home() / Path(name).expanduser() if name.endswith((".yml", ".yaml")) or "/" in name else None


def shipped() -> list[str]:
    """The names of the mappings that come with clvbook."""
    return sorted(entry.name.removesuffix(".yml") for entry in SHIPPED.iterdir() if entry.name.endswith(".yml"))


def recognise(mapping: Mapping | Details, header: list[str]) -> tuple[dict[str, int], list[str]]:
    """Which cell of `header` holds which canonical column: exact names first, then folded ones.

    Returns the positions by canonical column, and the canonical columns that two cells claim alike.
    """
    found: dict[str, int] = {}
    twice: list[str] = []
    exact, folded = list(header), [fold(cell) for cell in header]
    for column, aliases in mapping.columns.items():
        for names, wanted in [(exact, aliases), (folded, [fold(alias) for alias in aliases])]:
            hit = next((alias for alias in wanted if alias in names), None)
            if hit is not None:
                found[column] = names.index(hit)
                twice += [column] if names.count(hit) > 1 else []
                break
    return found, twice


def nearest(mapping: Mapping | Details, column: str, header: list[str]) -> str | None:
    """The cell of `header` that looks most like a name of `column`."""
    by_fold = {fold(cell): cell for cell in header}
    hits = [hit for alias in mapping.columns[column] for hit in difflib.get_close_matches(fold(alias), by_fold, 1)]
    return by_fold[hits[0]] if hits else None
