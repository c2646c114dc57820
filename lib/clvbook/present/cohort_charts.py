"""The lifecycle page's charts about coming back: how soon, after how long, after which purchase, of which cohort.

in: frames of waits, ladders and cohorts; out: `Chart`
"""

from typing import Any

import numpy as np
import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.canvas import Chart, draw, drawn
from clvbook.present.pen import ACCENT, GRID, INK, MUTED, PAPER, SECOND, Pen

LOOKS = (("o", ACCENT, "-"), ("D", SECOND, (0, (5, 2))), ("s", MUTED, (0, (2, 1))))
POINTS = 120  # of a curve: more cannot be seen, and a long history would make the page heavy


@drawn
def return_curve(
    frame: pd.DataFrame, *, title: str, bounds: pd.DataFrame | NotComputable, last_day: Any, alt: str | None = None
) -> Chart:
    """How many purchases have been followed by another one, by the day after; the stages' bounds beside the shop's own.

    `frame`: day, survival, low, high (shares of waits longer than the day). `bounds`: given, own (days), share (of
    those who buy again, by own); `last_day`: as far as the curve is read. Either may be `NotComputable`: no marks then.
    """
    seen = frame if isinstance(last_day, NotComputable) else frame[frame["day"] <= last_day]
    days, come = seen["day"].to_numpy(), 1 - seen["survival"].to_numpy()
    shown = seen.iloc[np.unique(np.linspace(0, len(seen) - 1, POINTS).round().astype(int))]
    marks = pd.DataFrame(columns=["given", "own"]) if isinstance(bounds, NotComputable) else bounds

    def at(day: float) -> float:
        return float(come[max(np.searchsorted(days, day, side="right") - 1, 0)])

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="share of purchases followed by another", x="days after a purchase")
        axes.fill_between(shown["day"], 1 - shown["high"], 1 - shown["low"], color=ACCENT, alpha=0.25, linewidth=0)
        axes.plot(shown["day"], 1 - shown["survival"], color=ACCENT)
        for name, marker, face in (("given", "o", INK), ("own", "D", PAPER)):
            look = {"color": INK, "markerfacecolor": face, "markersize": 8, "zorder": 4}
            label = "bounds of the stages" if name == "given" else "days by which this shop's customers returned"
            if len(marks):
                axes.plot(marks[name], [at(day) for day in marks[name]], marker, linestyle="none", label=label, **look)
            for day in marks[name]:
                # where the curve is not: given bounds right below it, own ones left above it, but within the axes
                under, early = name == "given", day < days[-1] / 25
                axes.annotate(
                    words.number(day), (day, at(day)), (5, -15) if under else (0 if early else -3, 8),
                    textcoords="offset points", ha="left" if under or early else "right", color=INK,
                )  # fmt: skip
        pen.from_zero(axes, room=0.12)
        pen.shares(axes.yaxis)
        axes.set_xlim(0, max(days[-1], 1))
        if len(marks):
            pen.legend()

    said = "; ".join(
        f"by day {words.number(row.given)} {words.percent(at(row.given))}, by day {words.number(row.own)} "
        f"{words.percent(at(row.own))}"
        for row in marks.itertuples()
    )
    return draw(
        paint,
        title=title,
        alt=alt
        or f"{title}. Purchases followed by another: {said + '; ' if said else ''}by day "
        f"{words.number(days[-1])} {words.percent(come[-1])}.",
    )


@drawn
def return_rates(frame: pd.DataFrame, *, title: str, mark: int, within: int = 30, alt: str | None = None) -> Chart:
    """How likely a purchase within the next days is, by the days of silence before, with intervals.

    `frame`: silent_days, rate, low, high (shares). `mark`: the day after which the source gives up.
    """

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"buy within the next {words.days(within)}", x="days since the last purchase")
        axes.vlines(frame["silent_days"], frame["low"], frame["high"], color=ACCENT, linewidth=2.2, alpha=0.55)
        axes.plot(frame["silent_days"], frame["rate"], "o", color=ACCENT, markersize=5.5)
        after = mark < frame["silent_days"].max() / 2  # the longer side has room for what the mark says
        pen.from_zero(axes, room=0.05 if after else 0.2)
        pen.shares(axes.yaxis)
        pen.mark(
            axes,
            mark,
            f"day {mark}: the rule of thumb stops" if pen.wide else f"day {mark}: rule of thumb",
            after=after,
        )

    said = "; ".join(
        f"after {words.days(row.silent_days)} {words.percent(row.rate)} "
        f"({words.interval(row.low, row.high, words.percent)})"
        for row in frame.itertuples()
    )
    return draw(paint, title=title, alt=alt or f"{title}. Customers who buy within {words.days(within)}: {said}.")


@drawn
def ladder(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """How likely the next purchase is within each window, by purchase number; hollow: buyers simply divided.

    `frame`: order, window (days), probability, low, high, naive (shares; a cell may be `NotComputable`: not drawn).
    """
    known = frame[[not isinstance(value, NotComputable) for value in frame["probability"]]]
    figures = known.assign(**{
        name: pd.to_numeric(known[name], errors="coerce") for name in ("probability", "low", "high", "naive")
    })  # fmt: skip
    windows = sorted(frame["window"].unique())
    looks = {window: LOOKS[place % len(LOOKS)] for place, window in enumerate(windows)}

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="buy again within the window", x="after purchase number")
        axes.axvspan(2.5, 5.5, color=GRID, alpha=0.6, linewidth=0)
        axes.text(4, 0.0, "rule of thumb: 3 to 5", ha="center", va="bottom", color=MUTED)
        for place, (window, (marker, colour, dash)) in enumerate(looks.items()):
            rows = figures[figures["window"] == window]
            at = rows["order"] + (place - (len(windows) - 1) / 2) * 0.12
            axes.vlines(at, rows["low"], rows["high"], color=colour, linewidth=2.2, alpha=0.55)
            axes.plot(at, rows["probability"], marker=marker, color=colour, linestyle=dash, label=words.days(window))
            look = {"color": colour, "markerfacecolor": PAPER, "markersize": 4.5}
            axes.plot(at, rows["naive"], marker, linestyle="none", **look)
        axes.plot([], [], "o", color=MUTED, markerfacecolor=PAPER, markersize=4.5, label="hollow: simply divided")
        pen.from_zero(axes)
        pen.shares(axes.yaxis)
        axes.set_xticks(sorted(frame["order"].unique()))
        axes.set_xlim(0.5, frame["order"].max() + 0.5)
        pen.legend()

    said = "; ".join(
        f"within {words.days(window)} "
        + ", ".join(
            f"{words.percent(row.probability)} after purchase {row.order} (simply divided {words.percent(row.naive)})"
            for row in figures[figures["window"] == window].itertuples()
        )
        for window in windows
    )
    return draw(paint, title=title, alt=alt or f"{title}. Customers who buy again {said}.", narrow=360)


@drawn
def triangle(
    frame: pd.DataFrame, *, title: str, burn_in: pd.Series | NotComputable | None = None, alt: str | None = None
) -> Chart:
    """Who came back, a row a cohort and a column a month after the first purchase; months that are not over are blank.

    `frame`: index cohort (YYYY-MM), size (customers), then months 0, 1, ... (shares, missing where not over).
    `burn_in`: True for cohorts that may hold old customers. Month 0 is not drawn: there everybody bought.
    """
    months = [name for name in frame.columns if name != "size" and name > 0]
    cells = frame[months].astype("Float64")
    doubtful = burn_in if isinstance(burn_in, pd.Series) else pd.Series(False, index=frame.index)
    largest = max(float(cells.max().max()) if cells.notna().any(axis=None) else 0.0, 1e-9)

    def paint(pen: Pen) -> None:
        shown = months[: 24 if pen.wide else 6]
        cut = "" if len(shown) == len(months) else f"; the first {len(shown)}"
        axes = pen.axes(
            y=f"month of the first purchase (customers); {words.DASH} not over", x=f"per cent, by months after it{cut}"
        )
        axes.yaxis.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xlim(0.5, max(shown, default=1) + 0.5)
        axes.set_ylim(len(frame) - 0.5, -0.5)
        axes.set_xticks(shown)
        names = [
            f"{cohort}{'*' if doubtful[cohort] else ''} ({words.number(frame['size'][cohort])})"
            for cohort in frame.index
        ]
        axes.set_yticks(range(len(frame)), names)
        known = [
            (month, row, cells.loc[cohort, month])
            for row, cohort in enumerate(frame.index)
            for month in shown
            if not pd.isna(cells.loc[cohort, month])
        ]
        pen.squares(axes, [(month, row, share / largest) for month, row, share in known])
        look = {"ha": "center", "va": "center", "fontsize": 9 if len(shown) > 12 else 11}
        for month, row, share in known:
            axes.text(month, row, words.percent(share, digits=0).removesuffix(f"{words.SPACE}%"), color=INK, **look)
        for row, cohort in enumerate(frame.index):
            blank = [month for month in shown if pd.isna(cells.loc[cohort, month])]
            if blank:
                axes.text(blank[0], row, words.DASH, color=MUTED, **look)

    marked, sizes = doubtful[doubtful].index, frame["size"]
    average = {
        k: (cells[k] * sizes).sum() / sizes[cells[k].notna()].sum() for k in months[:12] if cells[k].notna().any()
    }
    said = ", ".join(f"month {k}: {words.percent(share)}" for k, share in average.items())
    told = (
        f"{title}. {words.count(len(frame), 'cohort')}, per cent of each by month after the first purchase, blank "
        f"where the month is not over. All cohorts together {said}."
    )
    if len(marked):
        told += f" With a star: {words.count(len(marked), 'cohort')} in which old customers look new."
    return draw(paint, title=title, alt=alt or told, height=110 + 19 * len(frame), narrow=130 + 19 * len(frame))
