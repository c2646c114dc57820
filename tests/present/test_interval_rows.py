"""Rows of intervals: how far a picture goes, where its figures stand, what a verdict looks like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from clvbook.errors import NotComputable
from clvbook.present import interval_rows, words
from clvbook.present.pen import ACCENT, Pen

FEW = NotComputable("3 buyers")


def test_figures_of_what_is_not_known():
    assert np.array_equal(interval_rows.figures([1, FEW, 2.5]), [1, np.nan, 2.5], equal_nan=True)


def test_extent_holds_all_estimates_and_cuts_long_intervals():
    value, low, high = np.array([1.0, 2.0, np.nan]), np.array([0.5, -100.0, np.nan]), np.array([1.5, 3.0, np.nan])
    assert interval_rows.extent(value, low, high) == (pytest.approx(-2.4), 3.0)  # as far again, by 1.2 of 2
    assert interval_rows.extent(np.array([0.0]), np.array([0.0]), np.array([0.01])) == (0.0, 0.01)
    assert interval_rows.extent(*[np.array([np.nan])] * 3) == (0.0, 1.0)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=12))
def test_extents_are_ordered_and_hold_the_values(numbers):
    value = np.array(numbers)
    left, right = interval_rows.extent(value, value - 1, value + 1)
    assert left <= min(0, value.min())
    assert right >= value.max()
    assert left < right
    left, right = interval_rows.log_extent(value, value - 1, value + 1, np.array([30.0]))
    assert 0 < left < 30 < right
    assert np.all((value[value > 0] >= left) & (value[value > 0] <= right))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(5, 250, [10, 30, 100]), (12, 28, [15, 20, 25]), (0.5, 3000, [1, 10, 100, 1000]), (101, 102, [])],
)
def test_log_ticks(low, high, ticks):
    assert interval_rows.log_ticks(low, high, fit=4) == ticks


def axes_of(wide=True):
    pen = Pen(Figure(), wide=wide)
    return pen, interval_rows.rows(pen, ["one", "two"], x="share")


def test_a_long_interval_ends_in_an_arrow():
    _, axes = axes_of()
    interval_rows.whisker(axes, 0, 0.5, 9.0, within=(0, 2), colour=ACCENT)
    interval_rows.whisker(axes, 1, np.nan, 1.0, within=(0, 2), colour=ACCENT)
    assert [(line.get_marker(), *line.get_xdata()) for line in axes.lines] == [(">", 2.0), ("<", 0.0)]


@pytest.mark.parametrize("wide", [True, False])
def test_figures_stop_where_verdicts_begin(wide):
    pen, axes = axes_of(wide)
    interval_rows.verdict(pen, axes, 0, "pass")
    interval_rows.across(pen, axes, 0.0, 0.06, words.percent)
    assert axes.get_xlim()[1] > 0.06 * 1.2
    assert max(axes.get_xticks()) <= 0.06
    assert axes.get_xticklabels()[0].get_text() == f"0{words.SPACE}%"
    assert axes.lines[-1].get_xdata()[0] > 0.06 / axes.get_xlim()[1]


def test_verdicts_differ_in_shape():
    looks = [interval_rows.look(word) for word in ("pass", "fail", "not enough data")]
    assert len({(each["marker"], "markerfacecolor" in each) for each in looks}) == 3
    assert interval_rows.look("paid") == looks[0]
    assert interval_rows.look("did not pay") == looks[1]


def test_a_long_reason_is_cut_on_a_phone():
    for wide, most in ((True, 62), (False, 34)):
        pen, axes = axes_of(wide)
        interval_rows.why(pen, axes, 0, NotComputable("not enough data: 3 buyers of 900 customers " * 3))
        assert len(axes.texts[-1].get_text()) <= most


def test_a_line_s_name_has_room_over_the_first_row():
    _, axes = axes_of()
    top = axes.get_ylim()[1]
    interval_rows.over(axes, 0.003, "target", right_of=True)
    assert axes.get_ylim()[1] < top


def test_told():
    assert interval_rows.told(1.0, 0.5, 2.0, words.money_in("CNY")) == "¥1.00 (¥0.50–2.00)"
    assert interval_rows.told(FEW, FEW, FEW, words.percent) == "3 buyers"
    assert interval_rows.told(1.0, FEW, 2.0, words.money_in("CNY")) == "¥1.00 (3 buyers)"


def test_taller_with_more_rows():
    few, many = interval_rows.tall(2), interval_rows.tall(24)
    assert all(many[name] > few[name] for name in ("height", "narrow"))
