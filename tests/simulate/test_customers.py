from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.customers import draw_customers, draw_purchases, draw_spend
from clvbook.simulate.truth import Parameters

CALENDAR = make_calendar(date(2025, 1, 1), date(2025, 12, 31), future_days=365, seasons=True)
TRUTH = Parameters()


def people(n=20_000, seed=1):
    return draw_customers(np.random.default_rng(seed), n, calendar=CALENDAR, truth=TRUTH)


def test_rates_are_gamma_whatever_the_source_and_sources_differ():
    customers = people()
    assert stats.kstest(customers.rate, stats.gamma(TRUTH.r, scale=1 / TRUTH.alpha).cdf).pvalue > 0.01
    mean = [customers.rate[customers.source == k].mean() for k in range(5)]
    assert mean[4] > 1.3 * mean[1]  # who was referred orders more often than who came through an advert


def test_purchases_begin_at_birth_and_are_one_a_customer_and_day():
    customers = people()
    who, day = draw_purchases(np.random.default_rng(2), customers, calendar=CALENDAR)
    assert len(np.unique(who * 10_000 + day)) == who.size
    assert (np.diff(day) >= 0).all()
    assert day.max() < CALENDAR.horizon
    first = np.full(len(customers), CALENDAR.horizon)
    np.minimum.at(first, who, day)
    assert np.array_equal(first, customers.born)


def test_dropout_strikes_after_repeat_purchases_only():
    customers = people(2_000)
    sure = replace(customers, rate=np.full(2_000, 0.1), dropout=np.ones(2_000), born=np.zeros(2_000, int))
    who, _ = draw_purchases(np.random.default_rng(3), sure, calendar=CALENDAR)
    assert set(np.bincount(who)) == {2}  # all come back (0.1 a day over two years), and then never again


def test_spend_is_gamma_gamma_in_whole_cents():
    customers = people(200_000)
    cents = draw_spend(np.random.default_rng(4), customers.spend_rate, truth=TRUTH)
    mean = TRUTH.p * TRUTH.v / (TRUTH.q - 1)  # Fader & Hardie 2013, mean of the Gamma-Gamma model
    error = cents.std() / 100 / np.sqrt(cents.size)
    assert cents.mean() / 100 == pytest.approx(mean, abs=3 * error)
    assert cents.min() >= 100
