"""A frame as a table that a person reads: caption, units in the headings, figures aligned, every cell escaped.

in: a frame and, column by column, its heading and its form (a function of `words`)
out: a `Table` that displays itself
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words

_WORDS = {
    words.text,
    words.name,
    words.day,
    words.month,
}  # forms that read as words and stand left; all others are figures

_SHORT = 16  # signs of a row's name that stay on one line


@dataclass(frozen=True)
class Table:
    """What a notebook displays: HTML for the page, plain text for a terminal."""

    html: str
    plain: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def table(
    frame: pd.DataFrame | NotComputable,
    *,
    caption: str,
    columns: Mapping[str, tuple[str, words.Form]],
    bars: Collection[str] = (),
    total: bool = False,
    rows: int = 30,
    file: str | None = None,
    note: str | None = None,
) -> Table:
    """The named `columns` of `frame` in the given order, each as (heading, form); the first names the row.

    `caption` says what is counted, in which unit and period. `bars` names columns of non-negative figures that get a
    bar in the cell, as long as the figure against the largest that shows. `total`: the last row is a sum and set apart.
    Of a longer frame the first `rows` show, and a line says how many more stand in tables/`file`. A cell that is
    `NotComputable` prints its reason (once for neighbours that share it), and so does a whole frame that is; a missing
    cell raises PublishFailed.
    """
    why = "no rows"
    if isinstance(frame, NotComputable):
        why, frame = frame.reason, pd.DataFrame(columns=list(columns))
        total, file = False, None
    body = frame.iloc[:-1] if total else frame
    shown = [*_records(body.head(rows), columns), *(_records(frame.tail(1), columns) if total else [])]
    cells = [[form(value) for value, (_, form) in zip(record, columns.values(), strict=True)] for record in shown]
    largest = {name: _largest(body.head(rows)[name]) for name in bars}
    head = "".join(f'<th scope="col"{_side(form)}>{_safe(label)}</th>' for label, form in columns.values())
    lines = []
    for at, record in enumerate(zip(shown, cells, strict=True)):
        is_total = total and at == len(shown) - 1
        row = list(zip(*record, columns.items(), strict=True))
        tds, place = [], 0
        while place < len(row):
            value, printed, (name, (_, form)) = row[place]
            alike = _alike(value, [cell for cell, *_ in row[place + 1 :]]) if place else 1
            bar = None if is_total else largest.get(name)
            tds.append(_cell(value, printed, form, largest=bar, first=not place, across=alike))
            place += alike
        lines.append(f"{'<tr class=total>' if is_total else '<tr>'}{''.join(tds)}</tr>")
    if not lines:
        lines = [f'<tr><td class="why" colspan="{len(columns)}">{_safe(why)}</td></tr>']
    notes = [_more(len(body) - rows, file), _safe(note) if note else ""]
    html = (
        f'<div class="clv-table"><div class="scroll" role="group" tabindex="0" aria-label="{_safe(caption)}">'
        f"<table><caption><span>{_safe(caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>{''.join(f'<p class=note>{line}</p>' for line in notes if line)}"
        "</div>"
    )
    return Table(html, _plain(caption, [[words.text(label) for label, _ in columns.values()], *cells]))


def _records(frame: pd.DataFrame, columns: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[name] for name in columns), strict=True))


def _alike(value: Any, following: list[Any]) -> int:
    """How many cells, from this one on, have the same reason to be empty."""
    if not isinstance(value, NotComputable):
        return 1
    other = (n for n, cell in enumerate(following) if not isinstance(cell, NotComputable) or cell != value)
    return 1 + next(other, len(following))


def _cell(value: Any, printed: str, form: words.Form, *, largest: float | None, first: bool, across: int) -> str:
    if first:
        printed = printed.replace(" ", words.SPACE) if len(printed) <= _SHORT else printed
        return f'<th scope="row"{_side(form)}>{_safe(printed)}</th>'
    if isinstance(value, NotComputable):
        wide = f' colspan="{across}"' if across > 1 else ""
        return f'<td class="why"{wide}>{_safe(printed)}</td>'
    if largest:
        return f'<td class="figure bar" style="--share:{100 * float(value) / largest:.1f}%">{_safe(printed)}</td>'
    return f"<td{_side(form)}>{_safe(printed)}</td>"


def _side(form: words.Form) -> str:
    return "" if form in _WORDS else ' class="figure"'


def _largest(column: pd.Series) -> float:
    return max((float(value) for value in column if not isinstance(value, NotComputable)), default=0.0)


def _more(left_out: int, file: str | None) -> str:
    if left_out <= 0 and not file:
        return ""
    where = f'<a href="tables/{_safe(file)}">tables/{_safe(file)}</a>' if file else "the frame behind this table"
    return f"and {words.count(left_out, 'more row')} in {where}" if left_out > 0 else f"Also in {where}"


def _safe(text: Any) -> str:
    return escape(words.text(text))


def _plain(caption: str, lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    aligned = ("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join([caption, *aligned])
