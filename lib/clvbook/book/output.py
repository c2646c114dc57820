"""What a notebook leaves behind: tables that others open, and the end mark with its figures.

in:  frames and Ibis tables; figures with their text
out: <name>.csv and <name>.parquet in the folder named by CLVBOOK_TABLES; one display of the end mark's type
"""

import codecs
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import NotComputable

FOLDER = "CLVBOOK_TABLES"  # set by a run; unset in JupyterLab and under plain papermill
END_MARK = "application/vnd.clvbook.end+json"
FORMULA = r"^[\s\p{Z}]*[=+\-@\t\r＝＋－＠]"  # what a spreadsheet would run; full-width signs too


@dataclass(frozen=True)
class Kpi:
    """One figure of the month: `value` is a number or a NotComputable, `text` what the pages print for it."""

    name: str
    label: str
    value: float | NotComputable
    text: str
    unit: str = ""
    low: float | NotComputable | None = None
    high: float | NotComputable | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`value` null goes with a `reason`."""
        reason = self.value.reason if isinstance(self.value, NotComputable) else None
        numbers = {name: _number(getattr(self, name)) for name in ("value", "low", "high")}
        return {
            "name": self.name,
            "label": self.label,
            "text": self.text,
            "detail": self.detail,
            "unit": self.unit,
            **numbers,
            "reason": reason,
        }


@dataclass(frozen=True)
class Forecast:
    """What was said today about a time to come, so that a later month can hold it against what came."""

    name: str
    made_on: date
    first: date
    last: date
    value: float
    low: float | NotComputable
    high: float | NotComputable

    def as_json(self) -> dict[str, Any]:
        """The design's names: made_on, from, to."""
        days = {"made_on": self.made_on, "from": self.first, "to": self.last}
        return {
            "name": self.name,
            **{name: day.isoformat() for name, day in days.items()},
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
        }


def _number(value: Any) -> float | int | None:
    if value is None or isinstance(value, NotComputable):
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a figure; a figure that cannot be computed is a NotComputable")
    return int(number) if number.is_integer() else number


@dataclass(frozen=True)
class EndMark:
    """Shown by the last cell: the notebook came to its end, and with these figures."""

    notebook: str
    kpis: Sequence[Kpi]
    checks: Mapping[str, tuple[bool, str]]
    forecasts: Sequence[Forecast]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        content = {
            "notebook": self.notebook,
            "kpis": [kpi.as_json() for kpi in self.kpis],
            "checks": [{"name": n, "passed": bool(ok), "detail": text} for n, (ok, text) in self.checks.items()],
            "forecasts": [forecast.as_json() for forecast in self.forecasts],
        }
        lines = [f"{kpi.label}: {kpi.text}" for kpi in self.kpis]
        return {END_MARK: content, "text/plain": "\n".join(["End of the notebook.", *lines])}


def save_table(con: ibis.BaseBackend, table: ibis.Table | pd.DataFrame | NotComputable, name: str) -> None:
    """Write `table` as CSV and Parquet into the run's tables; outside a run, or where there is none, nothing.

    A figure of a pandas frame that could not be computed is empty, and a last column `not_computable` says why.
    In the CSV a text that a spreadsheet would run as a formula gets an apostrophe before it, and the file begins with
    the mark by which Excel knows UTF-8. The Parquet file holds the values as they are.
    """
    if FOLDER not in os.environ or isinstance(table, NotComputable):
        return
    if isinstance(table, pd.DataFrame):
        table = ibis.memtable(_with_reasons(table))
    folder = Path(os.environ[FOLDER])
    con.to_parquet(table, folder / f"{name}.parquet")
    texts = [column for column, kind in table.schema().items() if kind.is_string()]
    safe = table.mutate(**{c: ibis.ifelse(_[c].re_search(FORMULA), "'" + _[c], _[c]) for c in texts})
    plain = folder / f".{name}.csv"
    con.to_csv(safe, plain)
    with plain.open("rb") as source, (folder / f"{name}.csv").open("wb") as marked:
        marked.write(codecs.BOM_UTF8)
        shutil.copyfileobj(source, marked)
    plain.unlink()


def _with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with each column of one type, and in `not_computable` the reasons of the cells that have become empty."""
    missing = frame.map(lambda value: isinstance(value, NotComputable))
    typed = frame.mask(missing, None).infer_objects()
    if not missing.to_numpy().any():
        return typed
    reasons = [
        "; ".join(f"{name}: {row[name]}" for name in frame.columns[is_missing])
        for (_, row), is_missing in zip(frame.iterrows(), missing.to_numpy(), strict=True)
    ]
    numbers = [name for name in frame.columns[missing.any()] if pd.api.types.is_object_dtype(typed[name])]
    typed = typed.assign(**{name: pd.to_numeric(typed[name]) for name in numbers if _numeric(typed[name])})
    return typed.assign(not_computable=reasons)


def _numeric(column: pd.Series) -> bool:
    return all(isinstance(value, int | float) for value in column.dropna())
