"""The campaign page's charts: campaigns against their targets and holdouts, windows, segments, planning and pressure.

in: a frame that somebody else computed (each function names its columns), the message as `title`   out: a `Chart`
A cell may be `NotComputable`: its row then says why. Intervals that go on beyond the picture end in an arrow, so that
one small campaign does not press all others together. A verdict is a word and a shape, never a colour alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import interval_rows, words
from clvbook.present.canvas import Chart, draw, drawn
from clvbook.present.pen import ACCENT, GRID, INK, MUTED, PAPER, SECOND, Pen, on_axis, tick_form

_UNTOLD = "not comparable"  # what a campaign whose arms failed a check is called in the place of a verdict


@drawn
def bars_of_campaigns(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Which campaigns reached the conversion asked for: conversion with its interval, target and verdict, row by row.

    `frame`: name, conversion, low, high, target (shares), verdict ("pass", "fail", "not enough data").
    """
    frame = frame.rename(columns={"conversion": "value"})
    return _against_target(frame, title=title, alt=alt, x="share of recipients who bought, with interval", log=False)


@drawn
def ratio(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Which campaigns brought the revenue asked for: the R of 1:R with its interval, target and verdict, on a log axis.

    `frame`: name, ratio, low, high, target (revenue per unit of cost), verdict ("pass", "fail", "not enough data").
    """
    frame = frame.rename(columns={"ratio": "value"})
    return _against_target(frame, title=title, alt=alt, x="revenue per cost, with interval (log)", log=True)


def _against_target(frame: pd.DataFrame, *, title: str, alt: str | None, x: str, log: bool) -> Chart:
    names = [words.name(value) for value in frame["name"]]
    value, low, high, target = (interval_rows.figures(frame[name]) for name in ("value", "low", "high", "target"))
    form = _one_to if log else _fine_percent
    goal = form(target[0]) if np.all(target == target[0]) else ""

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, names, x=x)
        left, right = (
            interval_rows.log_extent(value, low, high, target)
            if log
            else interval_rows.extent(value, low, high, target)
        )
        at = np.arange(len(names))
        axes.vlines(target, at - 0.5, at + 0.5, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
        for row, word in zip(at, frame["verdict"], strict=True):
            look = interval_rows.look(word)
            colour = look["color"]
            if np.isnan(value[row]):
                interval_rows.why(pen, axes, row, frame["value"].iloc[row])
            else:
                if not log:
                    axes.barh(row, value[row], height=0.4 if pen.wide else 0.26, color=colour, alpha=0.22)
                interval_rows.whisker(axes, row, low[row], high[row], within=(left, right), colour=colour)
                axes.plot(np.clip(value[row], left, right), row, **look)
            interval_rows.verdict(pen, axes, row, words.text(word))
        interval_rows.across(pen, axes, left, right, form, log=log)
        middle = np.sqrt(left * right) if log else right / 2
        interval_rows.over(axes, target[0], f"target {goal}".strip(), right_of=target[0] < middle)

    said = "; ".join(
        f"{name}: {interval_rows.told(row.value, row.low, row.high, form)}, {words.text(row.verdict)}"
        for name, row in zip(names, frame.itertuples(), strict=True)
    )
    goal_said = goal or "by campaign"
    return draw(
        paint, title=title, alt=alt or f"{title}. {x}; target {goal_said}. {said}.", **interval_rows.tall(len(names))
    )


@drawn
def forest(
    frame: pd.DataFrame,
    *,
    title: str,
    x: str,
    form: words.Form,
    pooled: Sequence[Any] | NotComputable | None = None,
    alt: str | None = None,
) -> Chart:
    """What each campaign caused, against its holdout: as measured, pulled towards the average, and all together.

    `frame`: as `campaigns.pooling.forest` gives it: name, effect, low, high, shrunken, p_holm, trustworthy, verdict
    ("paid", "did not pay", "not enough data"). `pooled`: value, low and high of all campaigns together, or why not.
    `x`: what the effect is, with its unit; `form`: how it is printed.
    """
    names = [words.name(value) for value in frame["name"]]
    value, low, high, drawn_in = (interval_rows.figures(frame[name]) for name in ("effect", "low", "high", "shrunken"))
    sound = frame["trustworthy"].to_numpy(bool)
    verdicts = [words.text(word) if good else _UNTOLD for word, good in zip(frame["verdict"], sound, strict=True)]
    whole = [] if pooled is None else [pooled[part] for part in range(3)]
    ends = interval_rows.figures(whole or [np.nan] * 3)
    rows = names + ["all together"] * bool(whole)

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, rows, x=x)
        both = (np.append(each, end) for each, end in zip((value, low, high), ends, strict=True))
        left, right = interval_rows.extent(*both, drawn_in)
        share = 0.67  # p stands right of the verdict, on a phone over it
        axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
        for row, word in enumerate(verdicts):
            colour = ACCENT if sound[row] else MUTED
            if np.isnan(value[row]):
                interval_rows.why(pen, axes, row, frame["effect"].iloc[row])
            else:
                interval_rows.whisker(axes, row, low[row], high[row], within=(left, right), colour=colour)
            interval_rows.verdict(pen, axes, row, word, share=share)
            if not isinstance(p := frame["p_holm"].iloc[row], NotComputable):
                place, height = axes.get_yaxis_transform(), row if pen.wide else row - 0.42
                axes.text(1, height, _p(p), transform=place, color=MUTED, ha="right", va="center")
        at = np.arange(len(names))
        seen, shrunken = ~np.isnan(value), ~np.isnan(drawn_in)
        for mask, marker, colour, label in (
            (seen & sound, "s", ACCENT, "effect, with interval"),
            (seen & ~sound, "x", MUTED, _UNTOLD),
        ):
            if mask.any():
                axes.plot(value[mask], at[mask], marker, color=colour, markersize=6, label=label)
        if shrunken.any():
            axes.plot(drawn_in[shrunken], at[shrunken] + 0.24, "o", markerfacecolor=PAPER, markeredgecolor=SECOND,
                      markeredgewidth=1.6, markersize=5.5, label="pulled towards the average")  # fmt: skip
        if whole:
            row = len(names)
            axes.axhline(row - 0.5 if pen.wide else row - 0.72, color=GRID, linewidth=1)
            if np.isnan(ends).any():
                interval_rows.why(pen, axes, row, next(each for each in whole if isinstance(each, NotComputable)))
            else:
                corners = [ends[1], ends[0], ends[2], ends[0]], [row, row - 0.3, row, row + 0.3]
                axes.fill(*corners, color=INK, zorder=3)
                axes.plot(ends[0], row, "D", color=INK, markersize=5, label="all together")
        interval_rows.across(pen, axes, left, right, form, share=share)
        if axes.get_legend_handles_labels()[0]:
            pen.legend()

    said = [
        f"{name}: {interval_rows.told(row.effect, row.low, row.high, form)}, pulled towards the average "
        f"{form(row.shrunken)}, {_p(row.p_holm)}, {word}"
        for name, row, word in zip(names, frame.itertuples(), verdicts, strict=True)
    ]
    if whole:
        said.append(f"all together: {interval_rows.told(*whole, form)}")
    sizes = interval_rows.tall(len(rows))
    sizes["narrow"] += 60  # the legend has a line for each
    return draw(paint, title=title, alt=alt or f"{title}. {x}, by campaign. {'; '.join(said)}.", **sizes)


@drawn
def cumulative(
    frame: pd.DataFrame, *, title: str, y: str, currency: str, attribution_days: int, alt: str | None = None
) -> Chart:
    """Does the gain last: incremental revenue summed up from the opening, with its band and the attribution window.

    `frame`: day (since the opening, ascending), effect, low, high (money up to that day). `y`: of whom it is the sum.
    """
    day, value, low, high = (frame[name].to_numpy(float) for name in ("day", "effect", "low", "high"))
    form = words.money_in(currency)

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"{y}, {currency}", x="days since the campaign opened")
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        axes.axvspan(0, attribution_days, color=GRID, alpha=0.5, linewidth=0, zorder=0)
        axes.fill_between(day, low, high, color=ACCENT, alpha=0.2, linewidth=0, label="interval")
        axes.plot(day, value, color=ACCENT, marker="o", markersize=5.5, label="incremental revenue")
        axes.set_xlim(0, day[-1] * 1.02)
        pen.from_zero(axes, money=currency, room=0.16)
        axes.axvline(attribution_days, color=MUTED, linewidth=1, linestyle=(0, (2, 2)))
        place = axes.get_xaxis_transform()
        left_of = attribution_days > day[-1] / 2
        text = f"\u2002attribution window, {words.days(attribution_days)}\u2002"
        axes.text(attribution_days, 1, text, transform=place, ha="right" if left_of else "left", va="top", color=MUTED)
        pen.legend()

    said = "; ".join(
        f"day {words.number(at)}: {interval_rows.told(*row, form)}"
        for at, *row in zip(day, value, low, high, strict=True)
    )
    about = f"{y} up to each day; the attribution window ends on day {words.number(attribution_days)}"
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {said}.")


@drawn
def windows(
    frame: pd.DataFrame, *, title: str, currency: str | None = None, chosen: int | None = None, alt: str | None = None
) -> Chart:
    """What the choice of the attribution window does: attributed revenue (or orders) of the programme by window.

    `frame`: window_days, revenue (with `currency`) or orders (without), and optionally campaigns, how many are in the
    sum. `chosen`: the window that the page uses elsewhere; it is painted full, its figures bold.
    """
    what = "revenue" if currency else "orders"
    form = tick_form(currency) if currency else on_axis
    labels = [words.days(value) for value in frame["window_days"]]
    sums = [form(value) if not currency else words.short_money(value, currency) for value in frame[what]]

    def paint(pen: Pen) -> None:
        under = "attribution window" + (" (campaigns below)" if "campaigns" in frame else "")
        axes = pen.axes(y=f"{what} after a message, {currency}" if currency else f"{what} after a message", x=under)
        bars = axes.bar(range(len(labels)), frame[what], width=0.62, color=ACCENT)
        printed = axes.bar_label(bars, [form(float(f"{value:.3g}")) for value in frame[what]], padding=3, color=INK)
        ticks = labels if pen.wide else [words.number(value) for value in frame["window_days"]]
        if not pen.wide:
            axes.set_xlabel(under.replace("window", "window, days"))
        if "campaigns" in frame:
            ticks = [f"{tick}\n{words.number(n)}" for tick, n in zip(ticks, frame["campaigns"], strict=True)]
        axes.set_xticks(range(len(labels)), ticks)
        for days, bar, figure, tick in zip(frame["window_days"], bars, printed, axes.get_xticklabels(), strict=True):
            used = chosen in (None, days)
            bar.set_alpha(1 if used else 0.4)
            for text in (figure, tick):
                text.set_fontweight("bold" if days == chosen else "normal")
        pen.from_zero(axes, money=currency, room=0.12)

    said = "; ".join(f"{label}: {total}" for label, total in zip(labels, sums, strict=True))
    used = f" This page uses {words.days(chosen)}." if chosen else ""
    return draw(
        paint, title=title, alt=alt or f"{title}. {what.capitalize()} after a message, by window. {said}.{used}"
    )


@drawn
def segments(
    frame: pd.DataFrame,
    *,
    title: str,
    x: str,
    form: words.Form,
    overall: Any = None,
    confidence: float = 0.95,
    alt: str | None = None,
) -> Chart:
    """Who responds: the effect by segment, grouped by dimension, with the effect on everybody as a line.

    `frame`: dimension, segment (labels), effect, low, high, p_holm (of the dimension, the same in each of its rows):
    below 1 - `confidence` the segments differ by more than chance, and the dimension's row says so.
    """
    names, heads, rows, found = [], {}, [], []
    for dimension, group in frame.groupby("dimension", sort=False):
        p = group["p_holm"].iloc[0]
        verdict = "not tested" if isinstance(p, NotComputable) else "differ" if p < 1 - confidence else "may be chance"
        heads[len(names)] = verdict if verdict == "not tested" else f"{verdict}, {_p(p)}"
        found.append(f"{words.text(dimension)} ({heads[len(names)]}): ")
        names.append(words.name(dimension))
        rows += range(len(names), len(names) + len(group))
        names += [words.name(segment) for segment in group["segment"]]
        found[-1] += "; ".join(
            f"{words.name(row.segment)} {interval_rows.told(row.effect, row.low, row.high, form)}"
            for row in group.itertuples()
        )
    frame = frame.set_index("dimension").loc[list(dict.fromkeys(frame["dimension"]))]  # as the rows are
    value, low, high = (interval_rows.figures(frame[name]) for name in ("effect", "low", "high"))
    everybody = interval_rows.figures([overall])[0] if overall is not None else np.nan

    def paint(pen: Pen) -> None:
        axes = interval_rows.rows(pen, names, x=x)
        left, right = interval_rows.extent(np.append(value, everybody), low, high)
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        for row, word in heads.items():
            label = axes.get_yticklabels()[row] if pen.wide else axes.texts[row]
            label.set_fontweight("bold")
            weight = "bold" if word.startswith("differ") else "normal"
            axes.text(1, row if pen.wide else row - 0.42, word, transform=axes.get_yaxis_transform(), ha="right",
                      va="center", color=INK, weight=weight)  # fmt: skip
        for place, row in enumerate(rows):
            if np.isnan(value[place]):
                interval_rows.why(pen, axes, row, frame["effect"].iloc[place])
                continue
            interval_rows.whisker(axes, row, low[place], high[place], within=(left, right), colour=ACCENT)
            axes.plot(value[place], row, "o", color=ACCENT, markersize=6)
        interval_rows.across(pen, axes, left, right, form, share=0.97)
        if not np.isnan(everybody):
            axes.axvline(everybody, color=SECOND, linewidth=1.4, linestyle=(0, (4, 2)), zorder=1)
            interval_rows.over(axes, everybody, f"everybody {form(everybody)}", right_of=everybody < (left + right) / 2)

    whole = "" if overall is None else f", everybody: {form(overall)}"
    return draw(
        paint, title=title, alt=alt or f"{title}. {x}{whole}. {'. '.join(found)}.", **interval_rows.tall(len(names))
    )


@drawn
def planning(
    frame: pd.DataFrame, *, title: str, lift: bool = False, observed: Any = None, alt: str | None = None
) -> Chart:
    """How large a campaign has to be: the smallest effect that would be seen, by customers, against the one observed.

    `frame`: as `campaigns.planning.planned_sizes` gives it: customers, and smallest_difference (of conversion, share)
    or, with `lift`, smallest_lift (share of the conversion without a campaign). `observed`: the same of this shop.
    """
    cells = frame["smallest_lift" if lift else "smallest_difference"]
    customers, smallest = frame["customers"].to_numpy(float), interval_rows.figures(cells)
    form = words.percent if lift else words.points
    seen = interval_rows.figures([observed])[0] if observed is not None else np.nan
    known = ~np.isnan(smallest)
    if not known.any():
        return planning(cells.iloc[-1], title=title)

    def paint(pen: Pen) -> None:
        unit = "%" if lift else "points"
        axes = pen.axes(y=f"smallest increase of conversion, {unit} (log)", x="customers, with those held out (log)")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot(
            customers[known],
            smallest[known],
            color=ACCENT,
            marker="o",
            markersize=5.5,
            label="smallest that would be seen",
        )
        if seen > 0:
            axes.axhline(seen, color=SECOND, linestyle=(0, (5, 2)), label=f"this shop: {form(seen)}")
        axes.set_xlim(customers.min() / 1.15, customers.max() * 1.15)
        shown = np.append(smallest[known], seen if seen > 0 else [])
        low, high = shown.min() / 1.3, shown.max() * 1.3
        axes.set_ylim(low, high)
        ticks = interval_rows.log_ticks(low, high, fit=6)
        axes.set_yticks(ticks, [f"{100 * tick:,.6g}" for tick in ticks])
        step = 1 if pen.wide and len(customers) < 10 else -(-len(customers) // 5)
        axes.set_xticks(customers[::step], [on_axis(n) for n in customers[::step]])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([], minor=True)
        pen.legend()

    said = "; ".join(f"{words.count(n, 'customer')}: {form(cell)}" for n, cell in zip(customers, cells, strict=True))
    if observed is not None:
        said += f". This shop: {form(observed)}"
        enough = customers[known & (smallest <= seen)]
        if not np.isnan(seen):
            said += (
                f"; seen from {words.count(enough.min(), 'customer')} on" if len(enough) else "; seen by none of these"
            )
    return draw(paint, title=title, alt=alt or f"{title}. Smallest increase that would be seen. {said}.")


@drawn
def pressure(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Customers by messages received, and the share who bought afterwards: observational, nobody drew who gets many.

    `frame`: messages (label, "0" .. "10+"), customers, conversion_observational (share).
    """
    labels = [words.text(value) for value in frame["messages"]]

    def paint(pen: Pen) -> None:
        upper, lower = pen.stack("customers", "share who bought in the 30 days after (observational)")
        at = range(len(labels))
        bars = upper.bar(at, frame["customers"], width=0.62, color=ACCENT)
        if pen.wide:
            upper.bar_label(bars, [on_axis(n) for n in frame["customers"]], padding=3, color=INK)
        lower.plot(at, frame["conversion_observational"], "D", color=SECOND, markersize=7, clip_on=False)
        lower.set_xticks(at, labels)
        lower.set_xlabel("messages received; not drawn by lot")
        pen.from_zero(upper, room=0.14)
        pen.from_zero(lower, room=0.14)
        pen.shares(lower.yaxis)

    said = "; ".join(
        f"{label}: {words.count(row.customers, 'customer')}, {words.percent(row.conversion_observational)} bought"
        for label, row in zip(labels, frame.itertuples(), strict=True)
    )
    about = "Customers by messages received and share who bought afterwards; observational, not caused by the messages"
    return draw(paint, title=title, alt=alt or f"{title}. {about}. {said}.", height=420, narrow=380)


# ---- figures as these charts print them


def _one_to(value: Any) -> str:
    """31.46 -> "1:31.5"."""
    if isinstance(value, NotComputable):
        return value.reason
    return f"1:{words.number(value, digits=0 if abs(value) >= 100 or float(value).is_integer() else 1)}"


def _fine_percent(share: Any) -> str:
    """0.003 -> "0.3 %", 0.0004 -> "0.04 %": conversions are small."""
    if isinstance(share, NotComputable):
        return share.reason
    return words.percent(share, digits=1 if not share or abs(share) >= 0.001 else 2)


def _p(value: Any) -> str:
    """0.0004 -> "p < 0.001"; a test that there was not gives its reason."""
    if isinstance(value, NotComputable):
        return f"no p: {value.reason}"
    return "p\u00a0<\u00a00.001" if value < 0.001 else f"p\u00a0{words.number(value, digits=3 if value < 0.1 else 2)}"
