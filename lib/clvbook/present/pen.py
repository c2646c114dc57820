"""The strokes that all charts have in common, and the places of title, legend, axes and figures.

in: a matplotlib figure, wide or narrow   out: a `Pen` that charts paint with
Colours are placeholders here; `canvas` turns them into CSS variables. Widths of text are reckoned, not measured with a
font of this machine, so that the drawing is the same everywhere.
"""

import math
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from babel.dates import format_date

from clvbook.present import words

INK, MUTED, GRID, PAPER, ACCENT, SECOND = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
STAGES = ("#010209", "#01020a", "#01020b", "#01020c")  # from active to lost
HEAT = "#01020d"  # a map's largest value, on which ink can be read
WIDTHS = {"wide": 720, "narrow": 360}  # pixels of a page and of a phone; text has the same size on both
TITLE, SMALL, LINE = 15, 12, 20  # pixels: the title's letters, all other letters, from line to line


@dataclass
class Pen:
    """One drawing, wide or narrow, and the strokes that all charts have in common."""

    figure: Any
    wide: bool
    panels: list[tuple[Any, str]] = field(default_factory=list)  # axes, and what is written over them
    legends: list[tuple[Any, int]] = field(default_factory=list)  # and their lines
    bar: Any = None  # a map's colour scale
    bar_room: float = 0  # pixels that it takes with its figures
    named: list[tuple[Any, list[float], list[str], float]] = field(default_factory=list)  # names beside lines, see ends

    def axes(self, *, y: str = "", x: str = "", grid: bool = True) -> Any:
        """Axes with the unit of y written over them and that of x under them."""
        axes = self.figure.add_subplot()
        self.panels.append((axes, y))
        axes.set_xlabel(x, color=MUTED, labelpad=6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(MUTED)
        axes.tick_params(colors=MUTED, left=False, bottom=False, pad=6)
        axes.yaxis.grid(grid)
        return axes

    def stack(self, *ys: str) -> list[Any]:
        """Axes one above the other that share x, each with its own unit."""
        several = [self.axes(y=y) for y in ys]
        for axes in several[1:]:
            axes.sharex(several[0])
        for axes in several[:-1]:
            axes.tick_params(labelbottom=False)
        return several

    def rows(self, names: Sequence[str], *, x: str) -> Any:
        """Axes with one named row each, the first on top: the name beside its row, on a phone above it."""
        axes = self.axes(x=x, grid=False)
        axes.xaxis.grid(True)
        axes.set_ylim(len(names) - 0.45, -0.55 if self.wide else -0.8)
        if self.wide:
            axes.set_yticks(range(len(names)), [_cut(name, 32) for name in names])
        else:
            axes.set_yticks([])
            for at, name in enumerate(names):
                axes.text(0, at - 0.42, _cut(name, 46), transform=axes.get_yaxis_transform(), va="center")
        axes.tick_params(axis="y", labelcolor=INK)
        return axes

    def nothing(self, why: str) -> None:
        """A line of text in place of a drawing."""
        axes = self.axes(y="\n".join(_wrapped(words.text(why), 100 if self.wide else 50)))
        axes.set_axis_off()
        axes.set_yticks([])

    def from_zero(self, axes: Any, *, money: str | None = None, along: str = "y", room: float = 0.05) -> None:
        """Bars and levels start at 0; the figures on the axis print like those of the page."""
        axis = axes.yaxis if along == "y" else axes.xaxis
        low, high = axis.get_view_interval()
        low = min(low, 0) if low < 0 and axis.get_data_interval()[0] < 0 else 0
        axis.set_view_interval(low, high + room * (high - low), ignore=True)
        axis.get_major_locator().set_params(nbins=5 if self.wide or along == "y" else 3)
        form = tick_form(money) if money else on_axis
        axis.set_major_formatter(lambda value, _: form(value))

    def shares(self, *several: Any) -> None:
        """Axes of shares print per cent."""
        for axis in several:
            axis.set_major_formatter(lambda value, _: words.percent(value, digits=0))

    def dates(self, axes: Any) -> None:
        """The first days of months, no more of them than fit, the year under the first month that it has here."""
        from matplotlib.dates import date2num, num2date

        axes.margins(x=0.015)
        first, last = (pd.Timestamp(num2date(value, tz="UTC")).tz_localize(None) for value in axes.get_xlim())
        starts = pd.date_range(first.normalize(), last, freq="MS")
        room = 9 if self.wide else 5
        step = next((step for step in (1, 2, 3, 6, 12, 24, 60) if len(starts) / step <= room), 120)
        ticks = [start for start in starts if start >= first and (start.year * 12 + start.month - 1) % step == 0]
        if len(ticks) < 2:
            ticks = list(pd.date_range(first, last, periods=4).normalize().unique())
        form = "MMM" if all(tick.day == 1 for tick in ticks) else "d MMM"
        years = [tick.year for tick in ticks]
        labels = [
            format_date(tick, form, locale="en") + ("" if at and years[at - 1] == tick.year else f"\n{tick.year}")
            for at, tick in enumerate(ticks)
        ]
        axes.set_xticks(date2num(ticks), labels)
        axes.set_xlim(date2num(first), date2num(last))

    def mark(self, axes: Any, at: Any, text: str, *, after: bool = False) -> None:
        """A vertical line and what it stands for, written to its left, or to its right (`after`)."""
        axes.axvline(at, color=MUTED, linewidth=1, linestyle=(0, (2, 2)))
        place, side = axes.get_xaxis_transform(), "left" if after else "right"
        axes.text(at, 1.0, f"\u2002{text}\u2002", transform=place, ha=side, va="top", color=MUTED)

    def ends(self, axes: Any, at: Sequence[float], names: Sequence[str], *, x: float = 1) -> None:
        """Names right of where lines and areas end (y), or inside at `x` (0..1), apart enough to be read."""
        self.named.append((axes, list(at), [_cut(name, 26) for name in names], x))

    def squares(self, axes: Any, cells: Iterable[tuple[float, float, float]]) -> None:
        """A map's squares around x, y: the deeper their colour the nearer the third, a share, is to 1."""
        shaded = sorted((round(float(share), 1), x, y) for x, y, share in cells)  # neighbours alike weigh less
        for shade, x, y in shaded:
            axes.bar(x, 0.96, width=0.96, bottom=y - 0.48, color=(HEAT, shade))

    def scale(self, image: Any, label: str, form: words.Form) -> None:
        """The colour scale of a map, its name written over it."""
        self.bar = self.figure.add_axes((0, 0, 1, 1))
        self.figure.colorbar(image, cax=self.bar, format=lambda value, _: form(value)).outline.set_visible(False)
        self.bar.tick_params(colors=MUTED, right=False, pad=5)
        self.bar.locator_params(nbins=5)
        self.bar_room = 36 + 7.5 * max(sum(map(_units, form(value))) for value in image.get_clim())
        self.bar.set_title(label, loc="right", fontsize=SMALL, color=MUTED, pad=8)

    def legend(self, axes: Any = None) -> None:
        """The series' names in one line under the title."""
        named = zip(*(axes or self.panels[0][0]).get_legend_handles_labels(), strict=True)
        handles, labels = zip(
            *sorted(named, key=lambda pair: not isinstance(pair[0], tuple)), strict=True
        )  # bars first
        fits = sum(sum(map(_units, label)) * 7.5 + 48 for label in labels) < WIDTHS["wide" if self.wide else "narrow"]
        columns = len(labels) if fits else 1
        self.legends.append(
            (self.figure.legend(handles, labels, loc="upper left", ncols=columns), len(labels) // columns)
        )

    def arrange(self, title: str, width: int, height: int) -> None:
        """From the top: title, legend, panels. Texts start at the left edge, panels right of their axis' figures."""
        lines = _wrapped(title, 78 if self.wide else 39)
        self.figure.text(0, 1 - 2 / height, "\n".join(lines), va="top", fontsize=TITLE, weight="bold", linespacing=1.25)
        top = 10 + LINE * len(lines)
        for legend, rows in self.legends:
            legend.set_bbox_to_anchor((1 / width, 1 - (top + 2) / height))
            top += 6 + 18 * rows
        left = max(_figures_width(axes) for axes, _ in self.panels)
        last = self.panels[-1][0]
        two_lines = any("\n" in label.get_text() for label in last.get_xticklabels())
        bottom = 6 + SMALL * 1.4 * (2 if two_lines else 1) + (LINE if last.get_xlabel() else 0)
        beside = max(
            (sum(map(_units, name)) * 7 + 10 for *_, names, x in self.named if x == 1 for name in names), default=0
        )
        right, gap = width - (self.bar_room if self.bar else max(24, beside)), 14
        each = (height - top - bottom - gap * (len(self.panels) - 1)) / len(self.panels)
        for axes, unit in self.panels:
            over = 26 if unit else 4
            box = (left / width, 1 - (top + each) / height, (right - left) / width, (each - over) / height)
            axes.set_position(box)
            self.figure.text(0, 1 - (top + 5) / height, unit, va="top", color=MUTED)
            if self.bar:
                self.bar.set_position(((right + 12) / width, box[1], 12 / width, box[3]))
            top += each + gap
        for axes, at, names, x in self.named:
            tall, (low, high) = axes.get_position().height * height, axes.get_ylim()
            ground = {"facecolor": PAPER, "alpha": 0.7, "linewidth": 0, "pad": 0} if x < 1 else None
            for name, y in zip(names, _apart([(y - low) / (high - low) * tall for y in at], 15, tall), strict=True):
                place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center", "bbox": ground}
                axes.annotate(name, (x, y / tall), (8, 0), color=INK, **place)


def tick_form(currency: str) -> words.Form:
    """Money as an axis prints it: ¥0, ¥20,000, ¥1.5 m."""
    return partial(_tick, head=words.money(0, currency, digits=0).removesuffix("0"))


def on_axis(value: float) -> str:
    """A number as an axis prints it: 0.5, 20,000, 1.5 m."""
    return _tick(value, head="")


def _tick(value: float, *, head: str) -> str:
    scale, unit = (1e9, " bn") if abs(value) >= 1e9 else (1e6, " m") if abs(value) >= 1e6 else (1, "")
    digits = f"{abs(value) / scale:,.2f}".rstrip("0").rstrip(".")
    return f"{words.MINUS if value < 0 else ''}{head}{digits}{unit.replace(' ', words.SPACE)}"


def _figures_width(axes: Any) -> float:
    """Pixels that the figures left of an axis take in a usual font of the reader's."""
    low, high = sorted(axes.get_ylim())
    at = [tick for tick in axes.get_yticks() if low <= tick <= high]
    lines = "\n".join(axes.yaxis.get_major_formatter().format_ticks(at)).split("\n")
    return max(sum(map(_units, line)) for line in lines) * 7 + 14


def _apart(places: Sequence[float], least: float, most: float) -> list[float]:
    """Places moved so that any two are `least` apart and, as far as that goes, none is beyond `most`."""
    order = sorted(range(len(places)), key=lambda n: places[n])
    moved, floor = list(places), -math.inf
    for n in order:
        moved[n] = floor = max(places[n], floor + least)
    roof = max(most, least * (len(places) - 1))
    for n in reversed(order):
        moved[n] = roof = min(moved[n], roof)
        roof -= least
    return moved


def _units(sign: str) -> int:
    """Chinese signs are two Latin letters wide."""
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _wrapped(title: str, units: int) -> list[str]:
    """Lines of at most about `units` Latin letters."""
    return textwrap.wrap(title, max(8, units * len(title) // max(sum(map(_units, title)), 1)))


def _cut(name: str, units: int) -> str:
    """A name that fits into `units` Latin letters, its end cut if it must be."""
    if sum(map(_units, name)) <= units:
        return name
    keep = next(at for at in range(len(name)) if sum(map(_units, name[: at + 1])) >= units)
    return name[:keep].rstrip() + "…"
