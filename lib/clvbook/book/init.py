"""A shop's first parameters: its files are looked at, then params/<name>.yml is written for a person to go on from.

in: a name, order files or a database, a platform; out: `Draft`, a parameters file whose lines say why they stand there
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import yaml
from ibis import _

from clvbook.book.orders import open_engine
from clvbook.errors import BadParameters, InputRefused
from clvbook.orders import Reconciliation, clean_orders, identity, last_complete_month, read_orders
from clvbook.orders.containers import opened
from clvbook.orders.database import order_files
from clvbook.orders.mapping import own_file
from clvbook.orders.recognise import Recognition, recognise_files
from clvbook.settings import Settings, find_files, home, make_settings

_UNTOLD = "the files do not say"
_COMMENT = 44  # where the comment of a line begins, if the line leaves room


@dataclass(frozen=True)
class Draft:
    """What `clvbook init` is about to write; `said` gives parameters a better comment than their own help."""

    settings: Settings
    recognition: Recognition
    said: Mapping[str, str]
    con: ibis.BaseBackend

    @property
    def path(self) -> Path:
        """Where the parameters will stand."""
        return _params(self.settings.shop)

    @cached_property
    def found(self) -> Reconciliation:
        """What becomes of every row and every cent. InputRefused where it cannot be read or does not reconcile."""
        return clean_orders(self.con, self.settings).reconciliation

    @property
    def text(self) -> str:
        """The parameters file: what was found, and as comments what a person may want to add."""
        written = [name for name in Settings.model_fields if name in self.settings.model_fields_set]
        count, found = len(self.recognition.files), self.found
        lines = [
            f"# Written by `clvbook init` from {count:,} file{'s' * (count > 1)}, {self.recognition.mapping.title}:",
            f"# {found.orders_kept:,} orders kept of {found.rows_read:,} rows, {found.customers:,} customers, "
            f"{found.first_order} to {found.last_order}.",
            "# Change what you like; it is yours now. All parameters: lib/clvbook/settings.py",
            *(line for name in written for line in self._line(name, getattr(self.settings, name))),
            "",
            "# Take away the # of what you know better:",
        ]
        may = {
            "title": self.settings.shop,
            "month": last_complete_month(found.last_order, self.settings),
            "data_through": str(found.last_order),
            "margin_rate": 0.4,
            "identity": identity.wanted(self.recognition.mapping, self.settings),
            "fake_words": self.recognition.mapping.fake_words or ["fake"],
            "price_floor": 1.0,
        }
        free = {name: value for name, value in may.items() if name not in written}
        lines += [f"# {line}" for name, value in free.items() for line in self._line(name, value, room=_COMMENT - 2)]
        return "\n".join(lines) + "\n"

    def _line(self, name: str, value: Any, *, room: int = _COMMENT) -> list[str]:
        said = self.said.get(name) or Settings.model_fields[name].description
        value = str(value) if name == "data_through" else value
        words = isinstance(value, list) and name != "orders"  # in one line
        text = yaml.safe_dump(
            value if words else {name: value}, allow_unicode=True, width=10**9, default_flow_style=words
        )
        first, *more = (f"{name}: {text}" if words else text).rstrip().split("\n")
        return [f"{first:<{room}}  # {said}", *more]

    @property
    def unsure(self) -> list[str]:
        """Parameters that the files do not tell: name and value as written, to be looked at."""
        return [
            f"{name}: {getattr(self.settings, name)}" for name, said in self.said.items() if said.startswith(_UNTOLD)
        ]

    def write(self) -> Path:
        """Write the parameters.

        Errors: InputRefused where not one order is kept: they could not be run. BadParameters where the file is there:
        it is never overwritten.
        """
        if not self.found.orders_kept:
            raise InputRefused(
                f"0 of {self.found.rows_read:,} rows can be kept: no parameters were written",
                "is it the right file, and the right platform for it?",
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.path.open("x", encoding="utf-8") as file:
                file.write(self.text)
        except FileExistsError:
            raise _taken(self.path) from None
        return self.path


def draft(
    name: str, *, files: Sequence[str], platform: str | None = None, given: Mapping[str, Any] | None = None
) -> Draft:
    """Look at order files and say what their parameters would be. Nothing is written.

    files: what `orders` may name: paths, patterns with *, a database; paths count from `home()`. platform: a mapping's
    name or path; none: the one that fits. given: further parameters by name. Errors: BadParameters for a name that
    cannot be one or is taken, a missing file, an unknown platform; InputRefused where a file cannot be read or is not
    the platform's.
    """
    given, files = {"shop": name, **(given or {})}, [_from_home(each) for each in files]
    settings = make_settings({**given, "orders": files}, source="clvbook init")
    if _params(name).exists():
        raise _taken(_params(name))
    platform = _from_home(platform) if platform and own_file(platform) else platform
    con = open_engine(settings)
    with opened(con, order_files(con, settings)) as paths:
        recognition = recognise_files(paths, platform=platform)
    mapping, said = recognition.mapping, {"mapping": recognition.mapping.title}
    values = {"orders": _orders(files), "mapping": platform or mapping.name, **_fixed(mapping), **given}
    if "currency" not in values:
        coins = _currencies(con, make_settings(values)) if "currency" in recognition.found else {}
        values["currency"] = next(iter(coins), settings.currency)
        told = ", ".join(f"{coin} in {rows:,} rows" for coin, rows in coins.items())
        said["currency"] = f"the files have {told}" if told else f"{_UNTOLD}: is it this one? (ISO 4217)"
    if "timezone" not in values:
        values["timezone"] = settings.timezone
        said["timezone"] = f"{_UNTOLD}: is it this one? orders are dated by its calendar"
    return Draft(make_settings(values, source="clvbook init"), recognition, said, con)


def _fixed(mapping: Any) -> dict[str, str]:
    """What a platform has only one of."""
    return {name: value for name in ("timezone", "currency") if (value := getattr(mapping, name))}


def _currencies(con: ibis.BaseBackend, settings: Settings) -> dict[str, int]:
    """The currencies that the files name, most rows first."""
    table = read_orders(con, settings).table
    coins = table.select(coin=_.currency.strip().upper()).filter(_.coin.re_search("^[A-Z]{3}$"))
    counts = coins.group_by("coin").agg(rows=_.count()).order_by(_.rows.desc(), _.coin).limit(5)
    return {row["coin"]: row["rows"] for row in counts.to_pyarrow().to_pylist()}


def _orders(files: Sequence[str]) -> str | list[str]:
    """The files as a person would write them: one pattern, where it names exactly these in this order."""
    if len(files) == 1:
        return files[0]
    if any("://" in file for file in files):
        return list(files)
    folders, names = {Path(file).parent for file in files}, [Path(file).name for file in files]
    if len(folders) == 1 and not any(sign in file for sign in "*?[" for file in files):
        start = os.path.commonprefix(names)  # noqa: RUF071  of one name, not of folders
        end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]  # noqa: RUF071
        for head, tail in [(re.sub(r"\d+$", "", start), re.sub(r"^\d+", "", end)), (start, end)]:
            pattern = Path(*folders, f"{head}*{tail}")
            if find_files(str(pattern)) == [home() / file for file in files]:
                return str(pattern)
    return list(files)


def _from_home(location: str) -> str:
    """A location as params files write it: from `home()`, where it lies there; a link stays a link."""
    if "://" in location:
        return location
    base = Path(os.path.normpath(home().absolute()))
    path = Path(os.path.normpath(base / Path(location).expanduser()))
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


def _params(name: str) -> Path:
    return home() / "params" / f"{name}.yml"


def _taken(path: Path) -> BadParameters:
    return BadParameters(f"{path}: is there already, and init overwrites nothing", "choose another name, or edit it")
