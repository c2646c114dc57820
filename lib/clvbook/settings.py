"""Every parameter of a run, once: name, type, unit, range, default, help. Nothing else has defaults.

in: a flat YAML file (params/<shop>.yml), `--set key=value`, or a notebook's `parameters` cell
out: one frozen `Settings`; anything unknown, of the wrong type or out of range is a `BadParameters`
"""

import calendar
import difflib
import os
import re
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from clvbook.errors import BadParameters


def _month(text: str) -> str:
    if not re.fullmatch(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise ValueError("is not a month; write it as YYYY-MM, such as 2026-10")
    return text


def _day(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("is not a day; write it as YYYY-MM-DD, such as 2026-10-31") from None
    return value


def _timezone(name: str) -> str:
    if name not in available_timezones():
        near = difflib.get_close_matches(name, sorted(available_timezones()), 1)
        raise ValueError("is not a time zone" + (f"; did you mean {near[0]}?" if near else ""))
    return name


def is_database(location: str) -> bool:
    """Whether `location` is the address of a database rather than of a file."""
    return location.lower().startswith(("postgresql://", "postgres://"))


def hide_password(location: str) -> str:
    """A database address as it may be shown: whatever may be a password is ***."""
    shown = re.sub(r"(?s)^(\w+://[^:/@?]*):.*@", r"\1:***@", location)
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|key)[^=&]*=)[^&]*", r"\1***", shown)


def _locations(given: str | list[str]) -> str | list[str]:
    for location in filter(is_database, [given] if isinstance(given, str) else given):
        if hide_password(location) != location:
            raise ValueError("holds a password; take it out, and set CLVBOOK_PASSWORD or PGPASSWORD where it runs")
    return given


def _identity(given: str | list[str] | None) -> str | list[str] | None:
    names = [given] if isinstance(given, str) else given
    if names is not None and (not names or not set(names) <= {"customer_id", "email", "phone"}):
        raise ValueError("names the customer by no known column; write customer_id, email, phone, or a list of them")
    return given


def _bounds(days: list[int]) -> list[int]:
    if len(days) != 3 or days[0] < 1 or sorted(set(days)) != days:
        raise ValueError("are not three growing numbers of days, such as [45, 90, 180]")
    return days


def _within(days: int, given: ValidationInfo) -> int:
    bounds = given.data.get("stage_bounds")  # not there where it is wrong itself
    if bounds and days >= (shortest := min(b - a for a, b in pairwise([0, *bounds]))):
        raise ValueError(f"is not below the {shortest} days of the shortest stage (stage_bounds)")
    return days


def _basket_range(amounts: list[float]) -> list[float]:
    if len(amounts) != 2 or not 0 < amounts[0] <= amounts[1]:
        raise ValueError("are not two amounts above 0, the lower first, such as [100, 200]")
    return amounts


Month = Annotated[str, AfterValidator(_month)]
Day = Annotated[date, BeforeValidator(_day)]


class Settings(BaseModel):
    """What a run is asked to do. The help of each parameter names its unit."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    shop: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="short name of a-z, 0-9, - and _; the folder under reports/"
    )
    orders: Annotated[str | list[str], AfterValidator(_locations)] = Field(
        description="files (CSV, Excel, zip, Parquet; * for several) or postgresql://"
    )
    orders_query: str | None = Field(
        None, description="SELECT that gives the orders; for a database address that names no table"
    )
    order_items: str | list[str] | None = Field(
        None, description="files of order lines, a canonical table; not set: lists name no category"
    )
    customers: str | list[str] | None = Field(
        None, description="files of customers, a canonical table; not set: nobody opted out"
    )
    campaigns: str | list[str] | None = Field(
        None, description="files of campaigns, a canonical table; not set: no campaign is judged"
    )
    sends: str | list[str] | None = Field(
        None, description="files of who was chosen for a campaign, and who of them was held out"
    )
    send_log: str | list[str] | None = Field(
        None, description="files of the message platform's log: what was sent, when, did it arrive"
    )
    send_log_mapping: str = Field(
        "yunpian", description="platform of the send log: a name in orders/table_mappings or a path"
    )
    costs: str | list[str] | None = Field(
        None, description="files of costs, a canonical table; not set: campaigns cost what was planned"
    )
    churn_survey: str | list[str] | None = Field(
        None, description="files of customers asked why they left; not set: no reasons"
    )
    mapping: str = Field("canonical", description="platform of the order file: a name in orders/mappings or a path")
    title: str | None = Field(None, max_length=80, description="the shop's name as pages print it; default: shop")
    identity: Annotated[str | list[str] | None, AfterValidator(_identity)] = Field(
        None, description="what names the customer: customer_id, email, phone, or a list, best first; default: mapping"
    )
    month: Month | None = Field(None, description="report month YYYY-MM; default: last month complete in the data")
    data_through: Day | None = Field(None, description="last day the export covers; default: the last order's day")
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        "Asia/Shanghai", description="the one clock: orders are dated by its calendar"
    )
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$", description="the one currency, ISO 4217")
    margin_rate: float | None = Field(
        None, gt=0, le=1, description="contribution margin, share of revenue; not set: pages show revenue only"
    )
    annual_discount_rate: float = Field(0.10, ge=0, le=1, description="per year: money in a year counts 1/(1+rate)")
    horizon_days: int = Field(365, ge=1, le=3650, description="days ahead over which a customer is valued")
    backtest_days: int = Field(180, ge=28, le=1095, description="days held out at the end: how far do forecasts miss")
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="level of every interval, share")
    resamples: int = Field(200, ge=50, le=10000, description="draws behind an interval")
    seed: int = Field(1, ge=0, description="start of every random draw: the same seed, the same page")
    min_customers: int = Field(200, ge=1, description="customers below which no model is fitted")
    min_repeat_customers: int = Field(50, ge=2, description="repeat customers below which no model is fitted")
    unidentified_limit: float = Field(
        0.10, ge=0, le=1, description="share of orders without a customer above which customer pages carry a warning"
    )
    non_product: list[str] | None = Field(
        None, description="item codes that are no product (postage, fees); default: the mapping's list"
    )
    fake_words: list[str] | None = Field(
        None, description="words in the shop's remark that mark a fake order; default: the mapping's list"
    )
    price_floor: float | None = Field(
        None, gt=0, description="paid less than this, in the currency, and more than 0: a fake order; not set: none is"
    )
    fake_customers_per_address: int | None = Field(
        None, ge=2, description="customers from which on all orders to one address are fake; not set: none are"
    )
    stage_bounds: Annotated[list[int], AfterValidator(_bounds)] = Field(
        [45, 90, 180], description="days since the last order: last day of active, of silent, of sleeping"
    )
    history_complete: bool = Field(
        False, description="the orders begin with the shop's first one: the first customers in them are new ones"
    )
    act_within_days: Annotated[int, AfterValidator(_within)] = Field(
        7, ge=1, le=92, validate_default=True, description="action lists hold whose stage ends within these days"
    )
    holdout_share: float = Field(
        0.10, ge=0, le=0.5, description="share of an action list held out at random, so that its effect can be measured"
    )
    contact_cost: float | None = Field(
        None, gt=0, description="cost of one message to one customer, in the currency; not set: pages ask for it"
    )
    roi_target: float = Field(30, gt=0, description="revenue that 1 of campaign cost has to bring: 30 is 1:30")
    conversion_target: float = Field(0.003, gt=0, lt=1, description="share of those written to who have to buy")
    basket_range: Annotated[list[float], AfterValidator(_basket_range)] = Field(
        [100, 200], description="revenue a buyer, in the currency, for which roi_target was made: from, to"
    )
    campaign_holdout: float | None = Field(
        None, gt=0, lt=1, description="share of a campaign to be held out; not set: arms' sizes are not checked"
    )
    refund_days: int = Field(
        15, ge=0, le=365, description="days within which refunds come: revenue of younger orders may yet shrink"
    )
    retention_budget: float | None = Field(
        None, gt=0, description="most to spend on keeping customers, in the currency; not set: no limit"
    )
    retention_save_rate: float | None = Field(
        None, ge=0, le=1, description="share kept because of a contact; not set: what campaigns' holdouts say"
    )
    retention_incentive: float | None = Field(
        None, ge=0, description="given to whoever stays, in the currency; not set: what coupons gave"
    )
    retention_ceiling: float = Field(
        0.10, gt=0, le=1, description="share of customers that no spending, however high, keeps more than: a judgement"
    )
    retention_max_messages: int | None = Field(
        3, ge=1, description="messages in 90 days, from which on a customer gets none; null: no limit"
    )
    engine: str = Field("duckdb", pattern="^duckdb$", description="what computes tables: duckdb")
    engine_threads: int | None = Field(None, ge=1, le=256, description="threads of the engine; default: all cores")
    engine_memory: str = Field(
        "4GB", pattern=r"^\d+(MB|GB)$", description="memory the engine holds before it spills, such as 4GB"
    )
    cell_timeout_seconds: int = Field(600, ge=1, description="seconds one notebook cell may take")
    run_timeout_seconds: int = Field(3600, ge=1, description="seconds one month's notebooks may take together")

    @property
    def name(self) -> str:
        """The shop's name as a person writes it."""
        return self.title or self.shop

    @property
    def order_files(self) -> list[Path]:
        """The order files that stand behind `orders`, each once; BadParameters where there are none."""
        return self.files("orders")

    def files(self, table: str) -> list[Path]:
        """The files that stand behind a parameter that names files, each once; none where it is not set."""
        given = getattr(self, table)
        patterns = [given] if isinstance(given, str) else given
        if patterns == []:
            raise BadParameters(f"{table}: the list names 0 files", "write one path, or a list of them")
        return list(dict.fromkeys(path for pattern in patterns or [] for path in find_files(pattern, of=table)))


def month_start(month: str) -> date:
    """2026-10 -> 2026-10-01."""
    return date.fromisoformat(f"{month}-01")


def month_end(month: str) -> date:
    """2026-10 -> 2026-10-31, the day as of which a month's report speaks."""
    start = month_start(month)
    return start.replace(day=calendar.monthrange(start.year, start.month)[1])


def month_of(day: date) -> str:
    """2026-10-31 -> 2026-10."""
    return f"{day:%Y-%m}"


def months_between(first: str, last: str) -> list[str]:
    """2025-11, 2026-01 -> 2025-11, 2025-12, 2026-01. BadParameters where one is no month or the last comes first."""
    try:
        start, end = (int(m[:4]) * 12 + int(m[5:]) - 1 for m in (_month(first), _month(last)))
    except ValueError as error:
        raise BadParameters(f"--from {first} --to {last}: one {error}", "write --from 2026-01 --to 2026-03") from None
    if end < start:
        raise BadParameters(f"--from {first} is after --to {last}", "write the earlier month first")
    return [f"{n // 12}-{n % 12 + 1:02d}" for n in range(start, end + 1)]


def home() -> Path:
    """The project's folder: the nearest one up from here that holds notebooks/ and params/.

    A kernel starts in the caller's folder and JupyterLab in the notebook's, so relative paths count from here.
    """
    if os.environ.get("CLVBOOK_HOME"):
        return Path(os.environ["CLVBOOK_HOME"])
    here = Path.cwd()
    for folder in (here, *here.parents, *Path(__file__).resolve().parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    return here


def by_number(path: Path) -> list[tuple[bool, int, str]]:
    """A file's place among others by the numbers in its name, as people count them: 9 before 10, 10 before 10 (1)."""
    parts = re.split(r"(\d+)", path.stem)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts] + [(True, 0, path.name)]


def find_files(pattern: str, *, of: str = "orders") -> list[Path]:
    """The files a location names: a path or glob from `home()`, or package://name/inside for a file of a package.

    of: the parameter that names it, for the error.
    """
    if pattern.startswith("package://"):
        package, _, inside = pattern.removeprefix("package://").partition("/")
        try:
            found = [Path(str(files(package) / inside))]
        except (ModuleNotFoundError, TypeError, ValueError):  # no package, a module, no name at all
            found = []
    else:
        path = home() / Path(pattern).expanduser()
        if pattern and path.is_dir():
            raise BadParameters(f"{of}: {pattern} is a folder", f"name its files, such as {Path(pattern) / '*.csv'}")
        globbed = any(c in path.name for c in "*?[") and not path.exists()
        found = sorted(path.parent.glob(path.name), key=by_number) if globbed else [path]
    found = [path for path in found if path.is_file()]
    if not found:
        raise BadParameters(
            f"{of}: 0 files found at {pattern}",
            f"relative paths count from {home()}; check the spelling, or pass --set {of}=PATH",
        )
    return found


def make_settings(values: Mapping[str, Any], *, source: str = "parameters", lines: Mapping[str, int] | None = None):
    """Check `values` against `Settings`; all faults are told at once, each with its place and the nearest name."""
    try:
        return Settings(**values)
    except ValidationError as error:
        faults = {_fault(entry, source, lines or {}): None for entry in error.errors()}
        several = len({entry["loc"][0] for entry in error.errors()})
        count = f"{several} parameter{'s' if several > 1 else ''} cannot be used:"
        raise BadParameters(
            "\n".join([count, *(f"  {fault}" for fault in faults)]),
            "lib/clvbook/settings.py lists every parameter with its type, unit and range",
        ) from None


def _fault(entry: Mapping[str, Any], source: str, lines: Mapping[str, int]) -> str:
    name = str(entry["loc"][0])
    where = f"{source}:{lines[name]}" if name in lines else source
    match entry["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(name, list(Settings.model_fields), 1, cutoff=0.4)
            return f"{where}: {name} is unknown" + (f"; did you mean {near[0]}?" if near else "")
        case "missing":
            return f"{where}: {name} is missing ({Settings.model_fields[name].description})"
        case "string_pattern_mismatch":
            return f"{where}: {name}: {entry['input']!r} is not: {Settings.model_fields[name].description}"
        case _:
            said = entry["msg"].removeprefix("Value error, ")
            shown = repr(entry["input"])
            if name == "orders":
                shown = re.sub(r"\w+://[^'\"]*", lambda found: hide_password(found[0]), shown)
            return f"{where}: {name}: {shown}: {said}"


class _Loader(yaml.SafeLoader):
    """YAML whose dates stay text, so that a 30th of February is told as any other fault is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the class's own is shared by all of YAML
        sign: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
        for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


NO_PARAMS = "a shop is run by params/<shop>.yml, one `name: value` a line; clvbook init writes it from its orders"
NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)  # bytes that are no UTF-8, 0x without digits, [[[[ ...


def load_settings(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read params/<shop>.yml, lay `overrides` (--set) over it, and check the whole.

    Errors: BadParameters for a missing or unreadable file, a repeated or unknown name, a wrong type or range.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader) if root else {}  # noqa: S506 - it is a safe loader
    except OSError as error:
        shops = {p.stem: p for folder in (Path("params"), path.parent) for p in folder.glob("*.yml")}
        near = difflib.get_close_matches(path.stem, shops, 1)
        hint = f"did you mean {shops[near[0]]}?" if near else NO_PARAMS
        raise BadParameters(f"{path}: {error.strerror or error}", hint) from None
    except NOT_YAML as error:
        raise BadParameters(f"{path}: is not YAML: {error}", NO_PARAMS) from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise BadParameters(f"{path}: is not a list of names and values", NO_PARAMS)
    lines: dict[str, int] = {}
    for key, _ in root.value if root else []:
        if key.value in lines:
            raise BadParameters(
                f"{path}:{key.start_mark.line + 1}: {key.value} stands twice (first in line {lines[key.value]})",
                "keep one of the two",
            )
        lines[key.value] = key.start_mark.line + 1
    overrides = dict(overrides or {})
    lines = {name: line for name, line in lines.items() if name not in overrides}
    return make_settings({**values, **overrides}, source=str(path), lines=lines)


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` from the command line, the value read as YAML: margin_rate=0.4 -> ("margin_rate", 0.4)."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadParameters(f"--set {text}: has no '='", "write --set name=value, such as --set margin_rate=0.4")
    try:
        return name.strip(), yaml.load(value, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except NOT_YAML:
        return name.strip(), value
