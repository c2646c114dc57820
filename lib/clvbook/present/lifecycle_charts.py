"""Charts of stages: who stands where, who moves, who comes and goes, what is to be expected.

in: a frame that somebody else computed (each function names its columns), the message as `title`   out: a `Chart`
A stage has one colour in all charts, fading from active to lost, and its word beside it wherever it is drawn. Stages
come in order from active to lost: in that of the frame, or of `stages` where a frame may lack one.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.canvas import Chart, draw, drawn
from clvbook.present.pen import ACCENT, INK, MUTED, PAPER, SECOND, STAGES, Pen, on_axis

FLOWS = ("new", "returning", "resurrected", "dormant")


@drawn
def stage_mix(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Who stands in which stage at each month's end: shares of the customers, the first stage at the bottom.

    `frame`: snapshot, stage (word), customers, share (0..1), every stage at every snapshot.
    """
    colours = _colours(frame["stage"])
    wide = frame.pivot(index="snapshot", columns="stage", values="share")[list(colours)].sort_index()
    days, shares = pd.to_datetime(wide.index).to_numpy(), wide.to_numpy(float)
    tops = shares.cumsum(axis=1)

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="share of the customers")
        for at, colour in enumerate(colours.values()):
            low, look = tops[:, at] - shares[:, at], {"color": colour, "edgecolor": PAPER, "linewidth": 1}
            axes.fill_between(days, low, tops[:, at], **look) if len(days) > 1 else axes.bar(
                days, shares[:, at], 20, low, **look
            )
        pen.dates(axes)
        axes.set_ylim(0, 1)
        pen.shares(axes.yaxis)
        named = zip(colours, shares[-1], strict=True)
        pen.ends(
            axes, tops[-1] - shares[-1] / 2, [f"{stage} {words.percent(share, digits=0)}" for stage, share in named]
        )

    said = [
        f"{words.day(day)}: "
        + ", ".join(f"{row.stage} {words.number(row.customers)} ({words.percent(row.share)})" for row in rows)
        for day, rows in ((day, frame[frame["snapshot"] == day].itertuples()) for day in wide.index[[0, -1]].unique())
    ]
    return draw(paint, title=title, alt=alt or f"{title}. Customers by stage. {'; '.join(said)}.")


@drawn
def flow(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Who came and who stayed away in each period; hatched where new customers cannot be told from old ones.

    `frame`: snapshot (the period's end), new, returning, resurrected, dormant (customers), burn_in (True or False).
    """
    ends = pd.to_datetime(frame["snapshot"])
    step = ends.diff().median() if len(ends) > 1 else pd.Timedelta(days=30)
    days = ends.diff().fillna(step)
    middle, width = (ends - days / 2).to_numpy(), 0.74 * days.dt.days.to_numpy()
    early = frame["burn_in"].to_numpy(bool)
    stayed_away = -frame["dormant"].to_numpy(float)
    series = {"returning": ACCENT, "resurrected": (ACCENT, 0.4), "new": SECOND}

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="customers; below zero: bought before, not now")
        floor = np.zeros(len(frame))
        for name, colour in series.items():
            axes.bar(middle, frame[name], width, floor, color=colour, label=name)
            floor = floor + frame[name].to_numpy(float)
        axes.bar(middle, stayed_away, width, color=MUTED, label="dormant")
        if early.any():
            hatch = {"edgecolor": PAPER, "hatch": "////", "linewidth": 0}
            for height in (floor, stayed_away):
                axes.bar(middle[early], height[early], width[early], facecolor="none", **hatch)
            axes.bar(middle[:1], 0, facecolor=MUTED, label="too early to tell new from old", **hatch)
        axes.axhline(0, color=MUTED, linewidth=1)
        axes.spines["bottom"].set_visible(False)
        pen.dates(axes)
        pen.from_zero(axes)
        axes.yaxis.set_major_formatter(lambda value, _: on_axis(abs(value)))
        pen.legend()

    def listed(figures: pd.Series) -> str:
        return ", ".join(f"{words.number(figures[name])} {name}" for name in FLOWS)

    said = f"Customers in the period up to {words.day(frame['snapshot'].iloc[-1])}: {listed(frame.iloc[-1])}."
    if not early.all():
        said += f" A period has a mean of {listed(frame.loc[~early, list(FLOWS)].mean())}."
    if early.any():
        said += f" Hatched: {words.count(int(early.sum()), 'period')} too early to tell new customers from old ones."
    return draw(paint, title=title, alt=alt or f"{title}. {said}", height=400, narrow=460)


@drawn
def alluvial(frame: pd.DataFrame, *, title: str, stages: Sequence[str], alt: str | None = None) -> Chart:
    """Where the customers of one snapshot stand at the next: bands as wide as the customers who moved.

    `frame`: from_stage (word, or "new" for who had not bought yet), to_stage (word), customers. `stages`: the words in
    order; a from_stage that is none of them stands above them.
    """
    order = [*dict.fromkeys(start for start in frame["from_stage"] if start not in stages), *stages]
    colours = dict.fromkeys(order, SECOND) | _colours(stages)
    moves = frame[frame["customers"] > 0].sort_values(["from_stage", "to_stage"], key=lambda c: c.map(order.index))
    share = moves["customers"] / moves["customers"].sum()
    starts, ends = (share.groupby(moves[side]).sum().reindex(order).dropna() for side in ("from_stage", "to_stage"))
    gap = 0.06  # between stages, as a share of all customers
    # a band leaves its stage below those that left it before, and likewise where it arrives
    leaving = _tops(starts, gap)[moves["from_stage"]].to_numpy() + share.groupby(moves["from_stage"]).cumsum() - share
    arriving = _tops(ends, gap)[moves["to_stage"]].to_numpy() + share.groupby(moves["to_stage"]).cumsum() - share

    def paint(pen: Pen) -> None:
        axes = pen.axes(grid=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        x = np.linspace(0, 1, 25)
        bend = x * x * (3 - 2 * x)
        for start, top, goal, wide in zip(moves["from_stage"], leaving, arriving, share, strict=True):
            upper = top + (goal - top) * bend
            axes.fill_between(0.02 + 0.96 * x, upper, upper + wide, color=(colours[start], 0.4), linewidth=0)
        for place, nodes in ((0, starts), (0.98, ends)):
            axes.bar(
                place, nodes, 0.02, _tops(nodes, gap), align="edge", color=[colours[stage] for stage in nodes.index]
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(1 + gap * (max(len(starts), len(ends)) - 1), 0)
        axes.set_yticks(_tops(starts, gap) + starts / 2, _totals(moves, "from_stage", starts.index, "\n"))
        axes.tick_params(axis="y", labelcolor=INK)
        pen.ends(axes, _tops(ends, gap) + ends / 2, _totals(moves, "to_stage", ends.index, " "))
        labels = [f"to {row.to_stage} {words.number(row.customers)}" for row in moves.itertuples()]
        pen.ends(axes, leaving + share / 2, labels, x=0.02)

    said = "; ".join(
        f"from {start}: " + ", ".join(f"{words.number(row.customers)} to {row.to_stage}" for row in rows.itertuples())
        for start, rows in moves.groupby("from_stage", sort=False)
    )
    return draw(paint, title=title, alt=alt or f"{title}. Customers who moved, {said}.", height=460, narrow=480)


@drawn
def matrix(frame: pd.DataFrame, *, title: str, confidence: float, alt: str | None = None) -> Chart:
    """Where customers of each stage stand one step later: rate and interval; a dash for what no step allows.

    `frame`: from, to (words), rate, low, high (0..1, missing in the rows of a stage that nobody was in), customers (who
    moved so in all steps), impossible (True or False).
    """
    stages = list(_colours(frame["from"]))
    stood = frame.groupby("from")["customers"].sum()
    cells = frame.rename(columns={"from": "start", "to": "end"})
    level = words.percent(confidence, digits=0)
    empty = "nobody was in it at the start of a step"

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"from (moves)   share with {level} interval; {words.DASH} cannot be", x="to", grid=False)
        axes.set_xlim(-0.5, len(stages) - 0.5)
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks(range(len(stages)), stages)
        axes.set_yticks(range(len(stages)), [f"{stage}\n{words.number(stood[stage])}" for stage in stages])
        axes.tick_params(labelcolor=INK)
        middle = {"ha": "center", "va": "center"}
        known = cells[~cells["impossible"].astype(bool) & (cells["start"].map(stood) > 0)]
        pen.squares(
            axes, [(stages.index(cell.end), stages.index(cell.start), cell.rate) for cell in known.itertuples()]
        )
        for cell in cells.itertuples():
            x, y = stages.index(cell.end), stages.index(cell.start)
            if not stood[cell.start]:
                axes.text((len(stages) - 1) / 2, y, empty if not x else "", color=MUTED, **middle)
            elif cell.impossible:
                axes.text(x, y, words.DASH, color=MUTED, **middle)
            else:
                axes.text(x, y - 0.12, words.percent(cell.rate), color=INK, **middle)
                ends = words.interval(cell.low, cell.high, words.percent).replace(f"{words.SPACE}%", "")
                axes.text(x, y + 0.2, ends, color=INK, fontsize=10, **middle)

    def told(cell: Any) -> str:
        if cell.impossible:
            return f"{cell.end} impossible"
        return f"{cell.end} {words.percent(cell.rate)} ({words.interval(cell.low, cell.high, words.percent)})"

    said = "; ".join(
        f"from {stage}: " + (", ".join(map(told, rows.itertuples())) if stood[stage] else empty)
        for stage, rows in cells.groupby("start", sort=False)
    )
    return draw(
        paint, title=title, alt=alt or f"{title}. Shares of a stage's customers by next stage. {said}.", height=340
    )


@drawn
def forecast(
    frame: pd.DataFrame, *, title: str, history: pd.DataFrame, confidence: float, alt: str | None = None
) -> Chart:
    """How many customers each stage held, and will hold: a panel a stage, each with its own scale from zero.

    `frame`: snapshot, stage (word), expected, low, high (customers). `history`: snapshot, stage, customers.
    """
    colours = _colours(history["stage"])
    level = words.percent(confidence, digits=0)

    def paint(pen: Pen) -> None:
        panels = pen.stack(*(f"{stage}, customers" for stage in colours))
        for axes, (stage, colour) in zip(panels, colours.items(), strict=True):
            past, ahead = (rows[rows["stage"] == stage] for rows in (history, frame))
            days = pd.to_datetime(ahead["snapshot"]).to_numpy()
            axes.plot(pd.to_datetime(past["snapshot"]).to_numpy(), past["customers"], color=colour, label="counted")
            axes.vlines(days, ahead["low"], ahead["high"], color=SECOND, label=f"{level} interval")
            look = {"color": SECOND, "markerfacecolor": PAPER, "markersize": 6, "label": "forecast"}
            axes.plot(days, ahead["expected"], "o", **look)
            pen.from_zero(axes)
            axes.yaxis.get_major_locator().set_params(nbins=3)
        pen.dates(panels[-1])
        pen.legend(panels[0])

    last = frame[frame["snapshot"] == frame["snapshot"].max()].set_index("stage")
    now = history[history["snapshot"] == history["snapshot"].max()].set_index("stage")
    said = "; ".join(
        f"{stage}: {words.number(now.customers[stage])} on {words.day(now.snapshot[stage])}, "
        f"{words.number(last.expected[stage])} ({words.interval(last.low[stage], last.high[stage], words.number)}) "
        f"expected on {words.day(last.snapshot[stage])}"
        for stage in colours
    )
    return draw(paint, title=title, alt=alt or f"{title}. Customers by stage. {said}.", height=560, narrow=560)


@drawn
def value_by_stage(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """How many customers a stage has, and what they are still worth: two bars a stage, as shares of all stages.

    `frame`: stage (word), customers, value (money to come; a column that is `NotComputable` is said, not drawn).
    """
    colours = _colours(frame["stage"])
    measures = {"customers": words.number, "value": words.short_money_in(currency)}
    nouns = {"customers": "customers", "value": "to come"}

    def label(row: Any, name: str) -> str:
        value = getattr(row, name)
        if isinstance(value, NotComputable):
            return value.reason
        whole = sum(frame[name])
        return f"{measures[name](value)} {nouns[name]}" + (
            f", {words.percent(value / whole, digits=0)}" if whole else ""
        )

    def paint(pen: Pen) -> None:
        axes = pen.rows(list(colours), x="")
        low = -0.17 if pen.wide else -0.1
        for name, offset, hatch in (("customers", low, ""), ("value", low + 0.34, "////")):
            for at, (row, colour) in enumerate(zip(frame.itertuples(), colours.values(), strict=True)):
                whole = 0 if isinstance(row.value, NotComputable) and name == "value" else sum(frame[name])
                share = getattr(row, name) / whole if whole else 0
                bars = axes.barh(
                    at + offset, float(share), 0.3, color=colour, edgecolor=PAPER, hatch=hatch, linewidth=0
                )
                axes.bar_label(bars, [label(row, name)], padding=5, color=INK)
        axes.xaxis.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        pen.from_zero(axes, along="x", room=0.5 if pen.wide else 1.2)

    said = "; ".join(f"{row.stage}: {label(row, 'customers')}; {label(row, 'value')}" for row in frame.itertuples())
    heights = {"height": 60 + 56 * len(frame), "narrow": 80 + 74 * len(frame)}
    return draw(paint, title=title, alt=alt or f"{title}. {said}.", **heights)


def _colours(stages: Iterable[str]) -> dict[str, str]:
    """The stages in order, each with its colour."""
    order = list(dict.fromkeys(stages))
    places = np.linspace(0, len(STAGES) - 1, len(order)).round().astype(int)
    return {stage: STAGES[place] for stage, place in zip(order, places, strict=True)}


def _tops(shares: pd.Series, gap: float) -> pd.Series:
    return shares.cumsum() - shares + gap * np.arange(len(shares))


def _totals(moves: pd.DataFrame, side: str, stages: Sequence[str], between: str) -> list[str]:
    totals = moves.groupby(side)["customers"].sum()
    return [f"{stage}{between}{words.number(totals[stage])}" for stage in stages]
