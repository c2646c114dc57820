"""present/pen.py: axes that begin at zero, print like the page, and never show more dates than fit."""

from itertools import pairwise

import matplotlib.dates
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from clvbook.present import words
from clvbook.present.pen import Pen, _apart, on_axis, tick_form


def a_pen(*, wide=True):
    return Pen(Figure(figsize=(10, 4)), wide=wide)


@given(st.integers(1, 4000), st.booleans())
@settings(deadline=None, max_examples=40, derandomize=True)
def test_dates_fit_whatever_the_span(days, wide):
    pen = a_pen(wide=wide)
    axes = pen.axes()
    span = pd.date_range("2024-09-01", periods=days + 1)
    axes.plot(span, range(days + 1))
    pen.dates(axes)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert 1 <= len(labels) <= (9 if wide else 5) + 1
    assert len(set(labels)) == len(labels) or days > 365
    first = matplotlib.dates.num2date(axes.get_xticks()[0]).year
    assert str(first) in labels[0]


def test_bars_start_at_zero_and_figures_print_like_the_page():
    pen = a_pen()
    axes = pen.axes(y="money")
    axes.bar([0, 1], [900.0, 1500.0])
    pen.from_zero(axes, money="CNY")
    assert axes.get_ylim()[0] == 0
    assert axes.yaxis.get_major_formatter()(1500, 0) == "¥1,500"


def test_negative_figures_are_not_cut_off():
    pen = a_pen()
    axes = pen.axes(y="net")
    axes.plot([0, 1], [-5.0, 10.0])
    pen.from_zero(axes)
    assert axes.get_ylim()[0] < -4.9


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0.5, "0.5"), (0.25, "0.25"), (20000, "20,000"), (1.5e6, "1.5\u00a0m"), (-3, f"{words.MINUS}3")],
)
def test_numbers_on_an_axis(value, printed):
    assert on_axis(value) == printed


def test_money_on_an_axis():
    assert tick_form("GBP")(1_250_000) == "£1.25\u00a0m"


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=12))
def test_names_beside_lines_keep_their_order_and_do_not_overlap(places):
    moved = _apart(places, 15, 300)
    order = sorted(range(len(places)), key=lambda n: places[n])
    ranked = [moved[n] for n in order]
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(ranked))
    assert max(moved) <= 300 + 1e-9
    if all(b - a >= 15 for a, b in pairwise(sorted(places))):
        assert moved == places


def test_squares_are_deeper_for_larger_shares_and_alike_stand_together():
    pen = a_pen()
    axes = pen.axes()
    pen.squares(axes, [(1, 0, 1.0), (2, 0, 0.31), (1, 1, 0.98), (2, 1, 0.29)])
    assert [round(bar.get_facecolor()[3], 1) for bar in axes.patches] == [0.3, 0.3, 1, 1]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == pytest.approx([2, 2, 1, 1])
