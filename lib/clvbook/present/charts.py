"""The report's charts: small frames -> `Chart` objects that say their message in the title and carry their alt text.

in: a frame that somebody else computed (each function names its columns), the message as `title`   out: a `Chart`
The strokes are in `pen`, the two widths and the colours in `canvas`. Axes say what is counted and in which unit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from clvbook.present import words
from clvbook.present.canvas import Chart, draw, drawn
from clvbook.present.pen import ACCENT, GRID, INK, MUTED, PAPER, SECOND, Pen, on_axis, tick_form


@drawn
def frequency_histogram(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Does the model fit: customers by number of repeat orders, as counted and as the model expects.

    `frame`: repeat_orders (label, such as 0 .. "7+"), actual and expected (customers).
    """
    labels = [words.text(value) for value in frame["repeat_orders"]]

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="customers", x="repeat orders")
        at = range(len(labels))
        axes.bar(at, frame["actual"], width=0.62, color=ACCENT, label="actual")
        axes.scatter(at, frame["expected"], marker="D", s=46, color=SECOND, edgecolor=PAPER, label="model", zorder=3)
        axes.set_xticks(at, labels)
        pen.from_zero(axes)
        pen.legend()

    pairs = zip(labels, frame["actual"], frame["expected"], strict=True)
    said = "; ".join(f"{label}: {words.number(was)} actual, {words.number(is_)} model" for label, was, is_ in pairs)
    return draw(paint, title=title, alt=alt or f"{title}. Customers by repeat orders. {said}.")


@drawn
def tracking(frame: pd.DataFrame, *, title: str, origin: Any, alt: str | None = None) -> Chart:
    """Repeat orders week by week and summed up, actual against expected, with the day the model stopped learning.

    `frame`: week (its last day), actual, expected (orders in the week), actual_total, expected_total (orders so far).
    `origin`: the last day that the model has seen.
    """
    weeks = pd.to_datetime(frame["week"]).to_numpy()
    seen = pd.Timestamp(origin)

    def paint(pen: Pen) -> None:
        upper, lower = pen.stack("repeat orders a week", "repeat orders so far")
        for axes, suffix in ((upper, ""), (lower, "_total")):
            axes.plot(weeks, frame[f"actual{suffix}"], color=ACCENT, label="actual")
            axes.plot(weeks, frame[f"expected{suffix}"], color=SECOND, linestyle=(0, (5, 2)), label="model")
            pen.from_zero(axes)
            pen.dates(axes)
        pen.mark(upper, seen.to_datetime64(), f"model made {words.day(seen)}")
        pen.mark(lower, seen.to_datetime64(), "")
        pen.legend(upper)

    last = frame.iloc[-1]
    said = (
        f"Weekly and cumulative repeat orders, actual against model. By {words.day(last['week'])} "
        f"{words.count(last['actual_total'], 'repeat order')}, model {words.number(last['expected_total'])}; "
        f"the model was made on {words.day(seen)}."
    )
    return draw(paint, title=title, alt=alt or f"{title}. {said}", height=440, narrow=400)


@drawn
def holdout_by_frequency(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """The back-test by what was known: mean orders in the held-out days by repeat orders before them.

    `frame`: frequency (label), actual, expected (mean orders a customer), customers (how many stand behind the point).
    """
    labels = [words.text(value) for value in frame["frequency"]]

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="mean orders a customer in the held-out days", x="repeat orders before (customers below)")
        at = range(len(labels))
        axes.plot(at, frame["actual"], color=ACCENT, marker="o", label="actual")
        axes.plot(at, frame["expected"], color=SECOND, marker="D", linestyle=(0, (5, 2)), label="model")
        counts = [on_axis(value) for value in frame["customers"]]
        axes.set_xticks(at, [f"{label}\n{count}" for label, count in zip(labels, counts, strict=True)])
        pen.from_zero(axes)
        pen.legend()

    said = "; ".join(
        f"{label}: {words.number(row.actual, digits=2)} actual, {words.number(row.expected, digits=2)} model"
        for label, row in zip(labels, frame.itertuples(), strict=True)
    )
    return draw(paint, title=title, alt=alt or f"{title}. Mean orders in the held-out days by earlier orders. {said}.")


@drawn
def histogram(
    frame: pd.DataFrame, *, title: str, x: str, y: str, form: words.Form = on_axis, alt: str | None = None
) -> Chart:
    """Counts by class of any measure, each class as wide as the others however far it reaches.

    `frame`: low, high (the ends of a class, in `x`'s unit; the last `high` may be infinite), count (in `y`'s unit).
    """
    lows, highs = frame["low"].tolist(), frame["high"].tolist()
    ends = [form(value) for value in lows] + ([form(highs[-1])] if np.isfinite(highs[-1]) else [])

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=y, x=x)
        axes.bar([at + 0.5 for at in range(len(lows))], frame["count"], width=0.94, color=ACCENT)
        step = -(-len(ends) // (14 if pen.wide else 8))
        axes.set_xticks(range(0, len(ends), step), ends[::step])
        axes.set_xlim(-0.1, len(lows) + 0.1)
        pen.from_zero(axes)

    tops = [f"below {form(high)}" if np.isfinite(high) else "above" for high in highs]
    said = "; ".join(
        f"{form(low)} to {top}: {words.number(count)}"
        for low, top, count in zip(lows, tops, frame["count"], strict=True)
    )
    return draw(paint, title=title, alt=alt or f"{title}. {y} by {x}. {said}.")


@drawn
def value_distribution(frame: pd.DataFrame, *, title: str, currency: str, x: str, alt: str | None = None) -> Chart:
    """How many customers are worth how much: `histogram` in money.

    `frame`: low, high (money; edges that grow by a factor suit a long tail), customers. `x`: what is valued, over when.
    """
    counts = frame.rename(columns={"customers": "count"})
    return histogram(counts, title=title, x=x, y="customers", form=tick_form(currency), alt=alt)


@drawn
def deciles(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """Who carries the value: the total of each tenth of the customers, best tenth first, with its share.

    `frame`: decile (1 = the best tenth), value (total, money), share (of all value, 0..1).
    """
    labels = [words.text(value) for value in frame["decile"]]
    shares = [words.percent(value, digits=0) for value in frame["share"]]

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"value, {currency}", x="tenth of customers, the most valuable first")
        bars = axes.bar(range(len(labels)), frame["value"], width=0.72, color=ACCENT)
        fitting = [share if pen.wide or len(share) < 5 else "" for share in shares]
        axes.bar_label(bars, fitting, padding=3, color=INK, fontsize=12 if pen.wide else 10)
        axes.set_xticks(range(len(labels)), labels)
        pen.from_zero(axes, money=currency)

    said = "; ".join(f"tenth {label}: {share}" for label, share in zip(labels, shares, strict=True))
    return draw(paint, title=title, alt=alt or f"{title}. Share of the value by tenth of customers. {said}.")


@drawn
def concentration(
    frame: pd.DataFrame, *, title: str, past: str, later: str, at: float = 0.2, alt: str | None = None
) -> Chart:
    """Do the best customers stay the best: share of revenue held by the top customers, then and after.

    `frame`: customers (share, 0..1, ranked by past revenue), past and later (share of revenue those customers held in
    the period ranked by, and the same customers in the period after). `past`, `later`: the periods' names.
    `at`: the share of customers that gets its figures printed.
    """
    x = frame["customers"].to_numpy(float)
    held = {name: float(np.interp(at, x, frame[name].to_numpy(float))) for name in ("past", "later")}

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="share of revenue", x="share of customers, ranked by past revenue")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="all equal")
        axes.plot(x, frame["past"], color=ACCENT, label=past)
        axes.plot(x, frame["later"], color=SECOND, linestyle=(0, (5, 2)), label=later)
        axes.axvline(at, color=GRID, linewidth=1, zorder=0)
        sides = (("right", (-7, 5)), ("left", (9, -12)))  # above the upper curve, below the lower one
        first, second = sides if held["past"] >= held["later"] else sides[::-1]
        for name, colour, (side, away) in (("past", ACCENT, first), ("later", SECOND, second)):
            axes.plot([at], [held[name]], "o", color=colour, markersize=7)
            label = words.percent(held[name], digits=0)
            axes.annotate(label, (at, held[name]), away, textcoords="offset points", ha=side, color=INK)
        pen.shares(axes.xaxis, axes.yaxis)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        pen.legend()

    top = words.percent(at, digits=0)
    said = (
        f"The top {top} of customers held {words.percent(held['past'], digits=0)} of revenue in {past}; "
        f"the same customers held {words.percent(held['later'], digits=0)} in {later}."
    )
    return draw(paint, title=title, alt=alt or f"{title}. {said}", height=380, narrow=400)


@drawn
def recency_frequency_map(
    frame: pd.DataFrame, *, title: str, measure: str, form: words.Form = on_axis, alt: str | None = None
) -> Chart:
    """What the model makes of order count and recency: one colour a square.

    `frame`: a matrix; index = day of the last order counted from the first (ascending), columns = repeat orders
    (ascending), cells = the `measure` (P(alive), expected orders), NaN where no customer can be.
    """
    values = frame.to_numpy(float)
    rows, columns = frame.index.to_numpy(float), frame.columns.to_numpy(float)

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="age at last order, days", x="repeat orders", grid=False)
        half = [(side[-1] - side[0]) / max(len(side) - 1, 1) / 2 or 0.5 for side in (columns, rows)]
        extent = (columns[0] - half[0], columns[-1] + half[0], rows[0] - half[1], rows[-1] + half[1])
        image = axes.imshow(values, origin="lower", aspect="auto", extent=extent, cmap="cividis", interpolation="none")
        pen.scale(image, measure, form)
        axes.xaxis.get_major_locator().set_params(integer=True)

    low, high = np.nanmin(values), np.nanmax(values)
    said = (
        f"Heat map of {measure} by repeat orders ({words.number(columns[0])} to {words.number(columns[-1])}) and age "
        f"at the last order ({words.number(rows[0])} to {words.days(rows[-1])}): from {form(low)} to {form(high)}."
    )
    return draw(paint, title=title, alt=alt or f"{title}. {said}")


@drawn
def cohort_value(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """What a new customer is worth by the month of the first order, with the interval of each month.

    `frame`: month (YYYY-MM), value, low, high (money a customer).
    """
    months = [words.month(value) for value in frame["month"]]

    def paint(pen: Pen) -> None:
        axes = pen.axes(y=f"revenue a customer, {currency}", x="month of the first order")
        at = pd.to_datetime(frame["month"] + "-01").to_numpy()
        axes.vlines(at, frame["low"], frame["high"], color=ACCENT, linewidth=2.2, alpha=0.55)
        axes.plot(at, frame["value"], "o", color=ACCENT, markersize=5.5)
        pen.from_zero(axes, money=currency)
        pen.dates(axes)

    return draw(paint, title=title, alt=alt or f"{title}. {_intervals(months, frame, currency)}.")


@drawn
def source_value(frame: pd.DataFrame, *, title: str, currency: str, alt: str | None = None) -> Chart:
    """What a new customer is worth by where it came from, with intervals; rows in the frame's order.

    `frame`: source (text from data), value, low, high (money a customer).
    """
    names = [words.name(value) for value in frame["source"]]

    def paint(pen: Pen) -> None:
        axes = pen.rows(names, x=f"revenue a customer, {currency}")
        at = range(len(names))
        axes.hlines(at, frame["low"], frame["high"], color=ACCENT, linewidth=2.2, alpha=0.55)
        axes.plot(frame["value"], at, "o", color=ACCENT, markersize=7)
        pen.from_zero(axes, money=currency, along="x")

    return draw(paint, title=title, alt=alt or f"{title}. {_intervals(names, frame, currency)}.", **_tall(names))


@drawn
def orders_by_day(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Orders a day over all the months read; days without any order, which an export may have lost, are marked.

    `frame`: day (every day of the span), orders, gap (True where the day has none and should have).
    """
    day = pd.to_datetime(frame["day"]).to_numpy()
    gap = frame["gap"].to_numpy(bool)

    def paint(pen: Pen) -> None:
        axes = pen.axes(y="orders a day")
        axes.plot(day, frame["orders"], color=ACCENT, linewidth=0.9, label="orders")
        if gap.any():
            axes.plot(day[gap], np.zeros(gap.sum()), "v", color=SECOND, markersize=7, label="no order", clip_on=False)
            pen.legend()
        pen.from_zero(axes)
        pen.dates(axes)

    said = (
        f"Orders a day from {words.day(day[0])} to {words.day(day[-1])}, at most "
        f"{words.number(frame['orders'].max())}; {words.count(int(gap.sum()), 'day')} without an order marked."
    )
    return draw(paint, title=title, alt=alt or f"{title}. {said}", height=260, narrow=240)


@drawn
def rows_by_reason(frame: pd.DataFrame, *, title: str, alt: str | None = None) -> Chart:
    """Where the rows that were read went: kept, or set aside by reason; rows in the frame's order.

    `frame`: reason (label), rows, kept (True for what counts in the report).
    """
    names = [words.text(value) for value in frame["reason"]]
    rows, kept = frame["rows"].to_numpy(), frame["kept"].to_numpy(bool)

    def paint(pen: Pen) -> None:
        axes = pen.rows(names, x="rows")
        for mask, colour, label in ((kept, ACCENT, "kept"), (~kept, SECOND, "set aside")):
            if mask.any():
                at = np.flatnonzero(mask)
                bars = axes.barh(at, rows[mask], height=0.6 if pen.wide else 0.36, color=colour, label=label)
                axes.bar_label(bars, [words.number(n) for n in rows[mask]], padding=4, color=INK)
        pen.from_zero(axes, along="x", room=0.16)
        pen.legend()

    said = "; ".join(f"{name}: {words.number(n)}" for name, n in zip(names, rows, strict=True))
    return draw(paint, title=title, alt=alt or f"{title}. Rows read by what became of them. {said}.", **_tall(names))


def _intervals(names: Sequence[str], frame: pd.DataFrame, currency: str) -> str:
    form = words.money_in(currency)
    return "; ".join(
        f"{name}: {form(row.value)} ({words.interval(row.low, row.high, form)})"
        for name, row in zip(names, frame.itertuples(), strict=True)
    )


def _tall(names: Sequence[str]) -> dict[str, int]:
    return {"height": 110 + 30 * len(names), "narrow": 130 + 42 * len(names)}
