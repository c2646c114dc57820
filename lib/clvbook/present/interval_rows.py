"""Rows of intervals with a verdict beside each: what the campaign charts have in common.

in: a `Pen` and figures, NaN where there are none   out: strokes on its axes
An interval that goes on beyond the picture ends in an arrow, so that one small campaign does not press all others
together. A verdict is a word and a shape, never a colour alone.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.pen import ACCENT, INK, MUTED, PAPER, SECOND, Pen

_GOOD, _BAD = ("pass", "paid"), ("fail", "did not pay")
_PATCH = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}  # no line crosses a text that stands on it


def rows(pen: Pen, names: Sequence[str], *, x: str) -> Any:
    """`pen.rows` whose names, where they stand among the figures, are not crossed by lines."""
    axes = pen.rows(names, x=x)
    for name in axes.texts:
        name.set_bbox(_PATCH)
    return axes


def tall(rows: int) -> dict[str, int]:
    """The heights of a picture with so many rows, as `canvas.draw` takes them."""
    return {"height": 130 + 27 * rows, "narrow": 150 + 42 * rows}


def figures(cells: Any) -> np.ndarray:
    """Numbers, NaN where a cell is `NotComputable`."""
    return np.array([np.nan if isinstance(cell, NotComputable) else float(cell) for cell in cells], dtype=float)


def extent(value: np.ndarray, low: np.ndarray, high: np.ndarray, *lines: np.ndarray) -> tuple[float, float]:
    """From where to where a picture goes: 0, all estimates and lines, and intervals up to as far again."""
    points = np.concatenate([[0.0], value, *lines])
    first, last = np.nanmin(points), np.nanmax(points)
    more = 1.2 * (last - first) or np.inf
    ends = np.append(low, first), np.append(high, last)
    left, right = max(np.nanmin(ends[0]), first - more), min(np.nanmax(ends[1]), last + more)
    return float(min(left, first)), float(right) if right > left else 1.0


def log_extent(value: np.ndarray, low: np.ndarray, high: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """The same on a log axis, which has no place for 0 and below: those stand at its left end."""
    points = np.append(value[value > 0], target)
    ends = np.concatenate([low[low > 0], high[high > 0], points])
    left, right = max(ends.min(), points.min() / 4), min(ends.max(), points.max() * 4)
    return float(left / 1.15), float(right * 1.15)


def across(
    pen: Pen, axes: Any, left: float, right: float, form: words.Form, *, log: bool = False, share: float = 0
) -> None:
    """The axis: figures from left to right over `share` of its length, the rest is for the verdicts."""
    from matplotlib.ticker import MaxNLocator

    share = share or _share(pen)
    pad = 0 if log or left >= 0 else 0.03 * (right - left)
    left -= pad
    if log:
        axes.set_xscale("log")
        ticks = log_ticks(left, right, fit=7 if pen.wide else 4)
        axes.set_xlim(left, left * (right / left) ** (1 / share))
        axes.set_xticks([], minor=True)
    else:
        ticks = [tick for tick in MaxNLocator(5 if pen.wide else 3).tick_values(left, right) if left <= tick <= right]
        axes.set_xlim(left, left + (right - left) / share)
    axes.set_xticks(ticks, [re.sub(r"\.0+(?!\d)", "", form(tick)) for tick in ticks])
    axes.spines["bottom"].set_bounds(left, right)
    if pen.wide:
        axes.xaxis.label.set_x(share / 2)


def log_ticks(low: float, high: float, *, fit: int) -> list[float]:
    """Round figures on a log axis, `fit` at most: 1, 3, 10, 30 ..., finer where only one of these is in reach."""
    for digits in ((1, 3), (1, 2, 3, 5), np.arange(1, 10, 0.5)):
        steps = [float(digit) * 10.0**power for power in range(-9, 13) for digit in digits]
        if len(ticks := [step for step in steps if low <= step <= high]) > 1:
            break
    return ticks[:: -(-len(ticks) // fit) or 1]


def _share(pen: Pen) -> float:
    """How much of the axis is for figures where verdicts stand right of them."""
    return 0.78 if pen.wide else 0.67


def whisker(axes: Any, row: float, low: float, high: float, *, within: tuple[float, float], colour: str) -> None:
    """An interval as far as the picture goes, with an arrow where it goes on, or where its end is not known."""
    ends = np.where(np.isnan([low, high]), [-np.inf, np.inf], [low, high])
    first, last = np.clip(ends, *within)
    axes.hlines(row, first, last, color=colour, linewidth=2.2, alpha=0.6)
    for beyond, at, arrow in ((ends[0] < first, first, "<"), (ends[1] > last, last, ">")):
        if beyond:
            axes.plot(at, row, arrow, color=colour, markersize=5, markeredgewidth=0)


def look(word: str) -> dict[str, Any]:
    """Colour and mark of a verdict: a full circle, a cross, a hollow circle."""
    if word in _GOOD:
        return {"color": ACCENT, "marker": "o", "markersize": 7}
    if word in _BAD:
        return {"color": SECOND, "marker": "X", "markersize": 7.5, "markeredgewidth": 0}
    return {"color": MUTED, "marker": "o", "markersize": 6.5, "markerfacecolor": PAPER, "markeredgewidth": 1.6}


def verdict(pen: Pen, axes: Any, row: float, word: str, *, share: float = 0) -> None:
    """The verdict's mark and word right of the figures."""
    at, place = (share or _share(pen)) + 0.04, axes.get_yaxis_transform()
    axes.plot(at, row, transform=place, **look(word))
    axes.text(at + (0.022 if pen.wide else 0.04), row, word, transform=place, va="center", color=INK)


def why(pen: Pen, axes: Any, row: float, reason: Any) -> None:
    """Why a row has no figure."""
    said = textwrap.shorten(words.text(reason), 62 if pen.wide else 34, placeholder="…")
    axes.text(0.01, row, said, transform=axes.get_yaxis_transform(), va="center", color=MUTED, bbox=_PATCH)


def over(axes: Any, at: float, text: str, *, right_of: bool) -> None:
    """What a vertical line stands for, over the first row, which moves down for it."""
    axes.set_ylim(top=axes.get_ylim()[1] - 0.5)
    away, side = ((4, -2), "left") if right_of else ((-4, -2), "right")
    axes.annotate(text, (at, 1), away, xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha=side,
                  va="top", color=INK)  # fmt: skip


def told(value: Any, low: Any, high: Any, form: words.Form) -> str:
    """A value and its interval, or the reason alone."""
    return form(value) if isinstance(value, NotComputable) else f"{form(value)} ({words.interval(low, high, form)})"
