"""The few figures of a first screen: name, value, how sure, and a status in a word and a shape, never in colour alone.

in: text from `words`   out: `Tiles` that display themselves
"""

from dataclasses import dataclass
from html import escape
from typing import Literal

from clvbook.errors import NotComputable
from clvbook.present import words

Status = Literal["good", "watch", "bad", "unknown"]

SHAPES: dict[Status, str] = {"good": "●", "watch": "▲", "bad": "■", "unknown": "◇"}


@dataclass(frozen=True)
class Tile:
    """One figure: its `label`, its `value` as text or the reason why there is none (a text without a digit).

    `detail` is the line under it (interval, comparison, unit). `status` carries a colour and a shape and needs its
    `status_word` ("on target", "watch").
    """

    label: str
    value: str | NotComputable
    detail: str | None = None
    status: Status | None = None
    status_word: str | None = None


@dataclass(frozen=True)
class Tiles:
    """A row of tiles that wraps."""

    tiles: tuple[Tile, ...]

    def _repr_html_(self) -> str:
        return f'<ul class="clv-tiles" role="list">{"".join(map(_tile, self.tiles))}</ul>'

    def __repr__(self) -> str:
        return "\n".join(f"{t.label}: {words.text(t.value)}{f' ({t.detail})' if t.detail else ''}" for t in self.tiles)


def tiles(*several: Tile) -> Tiles:
    """Up to eight tiles in reading order."""
    return Tiles(several)


def _tile(tile: Tile) -> str:
    missing = isinstance(tile.value, NotComputable) or not any(sign.isdigit() for sign in tile.value)
    parts = [
        f'<span class="label">{_safe(tile.label)}</span>',
        f'<span class="{"why" if missing else "value"}">{_safe(tile.value).replace(words.SPACE, " ")}</span>',
    ]
    if tile.detail:
        parts.append(f'<span class="detail">{_safe(tile.detail)}</span>')
    if tile.status:
        word = _safe(tile.status_word or tile.status)
        parts.append(f'<span class="status {tile.status}">{shape(tile.status)} {word}</span>')
    return f"<li>{' '.join(parts)}</li>"


def shape(status: Status) -> str:
    """The mark beside a status word; screen readers hear the word alone."""
    return f'<span aria-hidden="true">{SHAPES[status]}</span>'


def _safe(value: str | NotComputable) -> str:
    return escape(words.text(value))
