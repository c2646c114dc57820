from datetime import date

import numpy as np
import pytest

from clvbook.simulate.calendar import make_calendar

START, END = date(2024, 9, 1), date(2026, 10, 31)


def calendar(*, seasons):
    return make_calendar(START, END, future_days=365, seasons=seasons)


def test_the_window_ends_on_the_last_day_and_the_future_follows():
    days = calendar(seasons=False)
    assert (days.window, days.horizon) == (791, 791 + 365)
    assert days.date(days.window - 1) == END
    assert days.months(days.window)[0] == (2024, 8)  # months count from 0: September
    assert len(days.months(days.window)) == 26


def test_without_seasons_a_wait_is_rounded_to_whole_days_and_never_to_the_same_day():
    days = calendar(seasons=False)
    waits = np.array([0.0, 0.4, 0.6, 1.4, 1.6, 30.2, 1e9, np.inf])
    reached = days.next_day(np.full(waits.size, 100), waits)
    assert reached.tolist() == [101, 101, 101, 101, 102, 130, days.horizon, days.horizon]


def test_busy_days_pass_more_business_time():
    days = calendar(seasons=True)
    per_day = np.diff(days.edges)
    assert per_day.mean() == pytest.approx(1)
    ordinary = per_day[days.day(date(2025, 9, 1))]
    for day, factor in [((2025, 6, 1), 1.7), ((2025, 6, 21), 1), ((2025, 11, 11), 2.3), ((2025, 11, 12), 1)]:
        assert per_day[days.day(date(*day))] / ordinary == pytest.approx(factor)
    # Chinese New Year 2026 was 17 February.
    dip = per_day[days.day(date(2026, 2, 10)) : days.day(date(2026, 2, 24)) + 1]
    assert dip / ordinary == pytest.approx(np.full(15, 0.5))
    assert [s["name"] for s in days.seasons if s["from"].startswith("2025")] == ["Chinese New Year", "618", "Double 11"]


def test_arrivals_are_a_distribution_over_the_window():
    days = calendar(seasons=True)
    assert days.arrivals.size == days.window
    assert days.arrivals[-1] == 1
    assert (np.diff(days.arrivals) > 0).all()
