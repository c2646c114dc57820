"""The retention page's charts: who stays, what was lost and why, and what keeping customers may cost and brings.

in: a frame that somebody else computed (each function names its columns), the message as `title`   out: a `Chart`
A cell may be `NotComputable`: its row then says why. Each row of figures has them printed at its right end.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import interval_rows, words
from clvbook.present.canvas import Chart, draw, drawn
from clvbook.present.pen import ACCENT, GRID, INK, MUTED, PAPER, SECOND, Pen, on_axis, tick_form

_NOBODY = NotComputable("nobody had bought before")
_RULES = {
    "net profit": "recommended",
    "riskiest": "riskiest first",
    "most valuable": "most valuable first",
    "random": "at random",
}
_MANAGEABLE = "manageable"
_PATCH = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}  # no line crosses a text that stands on it


@drawn
def retention(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """How many customers stay, month by month: the retention rate with its interval.

    `frame`: `by_period` of `retention.rate.RetentionRate`: period (YYYY-MM), rate, low, high (shares), optionally base
    (customers); a period with a base of 0 is a gap.
    """
    if "base" in frame:
        some = frame["base"] > 0
        cells = {name: zip(frame[name], some, strict=True) for name in ("rate", "low", "high")}
        frame = frame.assign(**{name: [cell if base else _NOBODY for cell, base in cells[name]] for name in cells})
    months = [words.month(value) for value in frame["period"]]
    rate, low, high = (interval_rows.figures(frame[name]) for name in ("rate", "low", "high"))

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="share of earlier buyers who bought again, with interval")
        at = pd.to_datetime(frame["period"] + "-01").to_numpy()
        axes.fill_between(at, low, high, color=ACCENT, alpha=0.2, linewidth=0)
        axes.vlines(at, low, high, color=ACCENT, linewidth=1, alpha=0.5)
        axes.plot(at, rate, color=ACCENT, marker="o", markersize=5 if len(at) < 40 else 3)
        pen.from_zero(axes, room=0.1)
        pen.shares(axes.yaxis)
        pen.dates(axes)

    said = "; ".join(
        f"{month}: {interval_rows.told(row.rate, row.low, row.high, words.percent)}"
        for month, row in zip(months, frame.itertuples(), strict=True)
    )
    return draw(paint, title=title, alt=alt or f"{title}. Retention rate by month, with interval. {said}.")


@drawn
def losses(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """What was lost with customers who left: the estimators side by side, what each is for, and that none adds up.

    `frame`: as `retention.loss.side_by_side` gives it: estimator, revenue, low, high (money; negative is a gain),
    use_for. A row whose revenue is `NotComputable` says why.
    """
    names = [words.name(value) for value in frame["estimator"]]
    value, low, high = (interval_rows.figures(frame[name]) for name in ("revenue", "low", "high"))
    form = words.short_money_in(currency)
    uses = [words.text(use) for use in frame["use_for"]]

    def paint(pen: Pen) -> None:
        note = "they count partly the same customers: never add them" if pen.wide else "never add them up"
        axes = interval_rows.rows(pen, names, x=f"revenue lost, {currency}; {note}")
        axes.set_ylim(len(names) - 0.4)
        left, right = interval_rows.extent(value, low, high)
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        up, under = (0, 0.36) if pen.wide else (0.16, 0.22)  # the interval over its row's middle, the remark under it
        for row, cell in enumerate(frame["revenue"]):
            if np.isnan(value[row]):
                _remark(pen, axes, row, cell, lines=2)
                continue
            interval_rows.whisker(axes, row - up, low[row], high[row], within=(left, right), colour=ACCENT)
            axes.plot(value[row], row - up, "o", color=ACCENT, markersize=7)
            _at_right(pen, axes, row, form(cell))
            _remark(pen, axes, row + under, uses[row].partition(":")[0], lines=2)
        interval_rows.across(pen, axes, left, right, tick_form(currency), share=_share(pen))

    said = "; ".join(
        f"{name}: {interval_rows.told(row.revenue, row.low, row.high, form)}"
        + ("" if isinstance(row.revenue, NotComputable) else f", for {use}")
        for name, row, use in zip(names, frame.itertuples(), uses, strict=True)
    )
    about = "Revenue lost by estimator; they count partly the same customers and must not be added"
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {said}.", height=120 + 52 * len(names),
                narrow=150 + 76 * len(names))  # fmt: skip


@drawn
def reasons(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Why customers left: shares of the reasons with intervals, and of what a shop can do something about.

    `frame`: `split` of `retention.causes.Causes`: reason (its row "manageable" stands apart), weighted, weighted_low,
    weighted_high (shares of the lost, weighted for who did not answer).
    """
    names = [
        "manageable (competition, fault)" if reason == _MANAGEABLE else words.name(reason) for reason in frame["reason"]
    ]
    value, low, high = (interval_rows.figures(frame[f"weighted{part}"]) for part in ("", "_low", "_high"))

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, names, x="share of lost customers, with interval")
        left, right = interval_rows.extent(value, low, high)
        for row, reason in enumerate(frame["reason"]):
            if apart := reason == _MANAGEABLE:
                axes.axhline(row - 0.5 if pen.wide else row - 0.72, color=GRID, linewidth=1)
            if np.isnan(value[row]):
                _remark(pen, axes, row, frame["weighted"].iloc[row])
                continue
            colour = SECOND if apart else ACCENT
            axes.barh(row, value[row], height=0.46 if pen.wide else 0.3, color=colour, alpha=0.25)
            interval_rows.whisker(axes, row, low[row], high[row], within=(left, right), colour=colour)
            axes.plot(value[row], row, "D" if apart else "o", color=colour, markersize=6.5)
            _at_right(pen, axes, row, words.percent(value[row], digits=0))
        interval_rows.across(pen, axes, left, right, words.percent, share=_share(pen))

    said = "; ".join(
        f"{name}: {interval_rows.told(row.weighted, row.weighted_low, row.weighted_high, words.percent)}"
        for name, row in zip(names, frame.itertuples(), strict=True)
    )
    about = "Share of lost customers by the reason they give, weighted for who did not answer"
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {said}.", **interval_rows.tall(len(names)))


@drawn
def frontier(
    frame: pd.DataFrame,
    *,
    title: str,
    currency: str,
    worth_spending: float,
    budget: float | None = None,
    net: float | None = None,
    alt: str | None = None,
) -> Chart:
    """How much is worth spending: net profit against budget, the point where the next unit returns less than one.

    `frame`: `points` of `retention.allocation.Frontier`: budget, net (money), last_unit (value that the budget's last
    unit saves). `worth_spending`: the budget beyond which nothing is worth its cost. `budget`: the one chosen, if any;
    `net`: what it brings (else as drawn).
    """
    spent, nets = frame["budget"].to_numpy(float), frame["net"].to_numpy(float)
    if isinstance(worth_spending, NotComputable):
        return frontier(worth_spending, title=title)
    if not worth_spending > 0:
        why = "no budget is worth spending: no offer that costs anything is expected to return its cost"
        return frontier(NotComputable(why), title=title)
    form = words.short_money_in(currency)
    best = float(np.interp(worth_spending, spent, nets))
    marks = [(worth_spending, best, "o", ACCENT, f"worth spending at most {form(worth_spending)}: net {form(best)}")]
    if budget is not None:
        chosen = float(np.interp(budget, spent, nets) if net is None else net)
        marks.insert(0, (budget, chosen, "D", SECOND, f"budget {form(budget)}: net {form(chosen)}"))
    end = 1.15 * max(worth_spending, budget or 0)

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"net profit, {currency}", x=f"budget, {currency}")
        axes.plot(spent, nets, color=ACCENT)
        for at, height, marker, colour, label in marks:
            axes.vlines(at, 0, height, color=colour, linewidth=1, linestyle=(0, (2, 2)))
            axes.plot(at, height, marker, color=colour, markersize=8, label=label, zorder=3)
        beyond = "beyond it: leave the money unspent"
        axes.plot([worth_spending, end], [best, best], color=MUTED, linestyle=(0, (4, 3)), label=beyond)
        axes.set_xlim(0, end)
        pen.from_zero(axes, money=currency, room=0.08)
        pen.from_zero(axes, money=currency, along="x", room=0)
        pen.legend()

    said = f"Net profit rises to {form(best)} at a budget of {form(worth_spending)}; beyond it the next unit returns "
    said += "less than one."
    if budget is not None:
        said += f" The chosen budget of {form(budget)} brings {form(chosen)}"
        if budget < worth_spending:
            last = frame["last_unit"].iloc[np.searchsorted(spent, budget)]
            said += f"; another unit there returns {words.number(last, digits=2)} or more" if np.isfinite(last) else ""
        elif budget > worth_spending:
            said += f"; {form(budget - worth_spending)} of it stay unspent"
        said += "."
    return draw(paint, title=title, alt=alt or f"{title}. {said}", narrow=350)


@drawn
def tornado(
    frame: pd.DataFrame,
    *,
    title: str,
    x: str,
    currency: str,
    base: float,
    forms: Mapping[str, words.Form] | None = None,
    alt: str | None = None,
) -> Chart:
    """What the result hangs on: how far each assumption moves it, moved alone; rows in the frame's order.

    `frame`: as `retention.spending.tornado` gives it: assumption, low, high (of the assumption), at_low, at_high (the
    result there, money), swing. `x`: what the result is; `base`: the result at the estimates. `forms`: how an
    assumption's own figures are printed, by its name (others as plain numbers).
    """
    if isinstance(base, NotComputable):
        return tornado(base, title=title)
    names = [words.name(value).replace("_", " ") for value in frame["assumption"]]
    prints = [(forms or {}).get(name, on_axis) for name in frame["assumption"]]
    form = words.short_money_in(currency)
    ends = frame[["at_low", "at_high"]].to_numpy(float)
    first, last = min(ends.min(), base), max(ends.max(), base)

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, names, x=f"{x}, {currency}")
        axes.axvline(base, color=INK, linewidth=1.2, zorder=3)
        for row, (own, results) in enumerate(zip(frame[["low", "high"]].to_numpy(float), ends, strict=True)):
            same_side = (results[0] - base) * (results[1] - base) > 0
            for which in sorted((0, 1), key=lambda end: -abs(results[end] - base)):
                colour, away = (SECOND, ACCENT)[which], results[which] - base
                axes.barh(row, away, left=base, height=0.5 if pen.wide else 0.32, color=colour)
                hidden = same_side and abs(away) < np.abs(results - base).max()
                right = (away > 0 or (away == 0 and which == 1)) != hidden
                at = base if hidden else results[which]
                axes.annotate(prints[row](own[which]), (at, row), (5 if right else -5, 0), textcoords="offset points",
                              ha="left" if right else "right", va="center", color=INK)  # fmt: skip
        room = (0.14 if pen.wide else 0.24) * ((last - first) or abs(base) or 1)
        axes.set_xlim(first - room, last + room)
        if first - room < 0 < last + room:
            axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        axes.xaxis.get_major_locator().set_params(nbins=5 if pen.wide else 3)
        axes.xaxis.set_major_formatter(lambda value, _: tick_form(currency)(value))
        for colour, label in ((SECOND, "assumption low"), (ACCENT, "assumption high")):
            axes.barh(0, 0, left=base, color=colour, label=label)
        interval_rows.over(axes, base, f"expected {form(base)}", right_of=base < (first + last) / 2)
        pen.legend()

    said = "; ".join(
        f"{name} {show(row.low)}: {form(row.at_low)}, {show(row.high)}: {form(row.at_high)}"
        for name, show, row in zip(names, prints, frame.itertuples(), strict=True)
    )
    about = f"{x}, expected {form(base)}, by assumption, each moved alone"
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {said}.", **interval_rows.tall(len(names) + 1))


@drawn
def rules(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """What the recommended list brings beside rules of thumb: net profit by rule, rows in the frame's order.

    `frame`: as `retention.alternatives.compare_rules` gives it: rule ("net profit" is the recommended list; others,
    such as "best possible", are printed as they are), net (money), optionally offer (null: no one offer), and low and
    high (money).
    """
    offers = frame["offer"] if "offer" in frame else [None] * len(frame)
    names = [
        _RULES.get(rule, words.name(rule)) + ("" if pd.isna(offer) else f", {words.name(offer)}")
        for rule, offer in zip(frame["rule"], offers, strict=True)
    ]
    looks = [{"color": ACCENT} if rule == "net profit" else {"color": MUTED, "alpha": 0.55} for rule in frame["rule"]]
    with_ends = "low" in frame and "high" in frame
    value = interval_rows.figures(frame["net"])
    low, high = (interval_rows.figures(frame[name]) if with_ends else value for name in ("low", "high"))
    form = words.short_money_in(currency)

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, names, x=f"expected net profit, {currency}")
        left, right = interval_rows.extent(value, low, high)
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        for row, cell in enumerate(frame["net"]):
            if np.isnan(value[row]):
                _remark(pen, axes, row, cell)
                continue
            axes.barh(row, value[row], height=0.56 if pen.wide else 0.34, **looks[row])
            if not np.isnan([low[row], high[row]]).all() and with_ends:
                interval_rows.whisker(axes, row, low[row], high[row], within=(left, right), colour=INK)
            _at_right(pen, axes, row, form(cell), bold=frame["rule"].iloc[row] == "net profit")
        interval_rows.across(pen, axes, left, right, tick_form(currency), share=_share(pen))

    ends = zip(frame["low"], frame["high"], strict=True) if with_ends else [None] * len(frame)
    said = "; ".join(
        f"{name}: {interval_rows.told(cell, *both, form) if both else form(cell)}"
        for name, cell, both in zip(names, frame["net"], ends, strict=True)
    )
    return draw(paint, title=title, alt=alt or f"{title}. Expected net profit by rule. {said}.",
                **interval_rows.tall(len(names)))  # fmt: skip


@drawn
def break_even(frame: pd.DataFrame, *, title: str, currency: str, by: str = "segment", alt: str | None = None) -> Chart:
    """What a contact may cost at most against what it costs, and the net profit of contacting all, by segment.

    `frame`: the column `by` (labels), break_even and cost_a_head (money a head; the cost of
    `retention.spending.decisions` is that of all: divide it by customers), net (money, of all together), optionally
    sure (whether its effect is surely above 0: others only may pay).
    """
    names = [words.name(value) for value in frame[by]]
    most, cost = interval_rows.figures(frame["break_even"]), interval_rows.figures(frame["cost_a_head"])
    form, total = words.money_in(currency), words.short_money_in(currency)
    pays = ["pays" if sure else "may pay" for sure in frame["sure"]] if "sure" in frame else ["pays"] * len(frame)
    known = np.concatenate([most, cost])
    known = known[~np.isnan(known)]
    log = bool(len(known) and known.min() > 0 and known.max() / known.min() > 30)
    verdicts = [
        "" if isinstance(net, NotComputable) else f"{word if net > 0 else 'does not pay'}, {total(net)}"
        for net, word in zip(frame["net"], pays, strict=True)
    ]

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(
            pen, names, x=f"a contact, {currency}{' (log)' if log else ''}; at right: net if all were written to"
        )
        extent = interval_rows.log_extent if log else interval_rows.extent
        left, right = extent(known, known, known, known)
        for row, cell in enumerate(frame["break_even"]):
            if np.isnan(most[row]):
                _remark(pen, axes, row, cell)
                continue
            _at_right(pen, axes, row, verdicts[row] or "cost not known", bold=verdicts[row].startswith("pays"))
            if not np.isnan(cost[row]):
                axes.hlines(row, cost[row], most[row], color=ACCENT if most[row] > cost[row] else SECOND, alpha=0.5)
        at = np.arange(len(names))
        seen = ~np.isnan(most)
        for figures, marker, colour, label in (
            (most, "D", ACCENT, "may cost at most"), (cost, "X", SECOND, "costs")
        ):  # fmt: skip
            axes.plot(figures[seen], at[seen], marker, color=colour, markersize=7.5, label=label, markeredgewidth=0)
        interval_rows.across(pen, axes, left, right, tick_form(currency), log=log, share=0.74 if pen.wide else 0.97)
        pen.legend()

    said = []
    for name, row, verdict in zip(names, frame.itertuples(), verdicts, strict=True):
        parts = [form(row.break_even)]
        if not isinstance(row.break_even, NotComputable):
            parts = [f"at most {parts[0]}", f"cost {form(row.cost_a_head)}", verdict]
        said.append(f"{name}: {', '.join(filter(None, parts))}")
    about = "What a contact may cost at most, what it costs, and the net profit if all were written to"
    sizes = interval_rows.tall(len(names) + 1)
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {'; '.join(said)}.", **sizes)


# ---- strokes of these charts


def _share(pen: Pen) -> float:
    """How much of the axis is for the drawing; the figures stand right of it, on a phone over it."""
    return 0.82 if pen.wide else 0.97


def _at_right(pen: Pen, axes: Any, row: float, figure: str, *, bold: bool = False) -> None:
    """A row's figure at its right end, on a phone at that of its name."""
    axes.text(1, row if pen.wide else row - 0.42, figure, transform=axes.get_yaxis_transform(), ha="right",
              va="center", color=INK, weight="bold" if bold else "normal")  # fmt: skip


def _remark(pen: Pen, axes: Any, row: float, text: Any, *, lines: int = 1) -> None:
    """A remark at a row's left end, such as why it has no figure."""
    kept = textwrap.wrap(words.text(text), 80 if pen.wide else 46, max_lines=lines, placeholder="…")
    axes.text(0.01, row, "\n".join(kept), transform=axes.get_yaxis_transform(), va="center", color=MUTED, bbox=_PATCH)
