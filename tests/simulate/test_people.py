from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from clvbook.simulate import people, tables
from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.customers import draw_customers
from clvbook.simulate.orders import Purchases
from clvbook.simulate.truth import REASONS, Parameters

CALENDAR = make_calendar(date(2024, 9, 1), date(2026, 10, 31), future_days=0, seasons=False)


def bought(who, day, cents):
    none = np.full(len(who), -1)
    return Purchases(np.array(who), np.array(day), np.array(cents), none, none)


def test_the_tier_is_what_was_spent_and_only_members_have_one():
    rng = np.random.default_rng(1)
    customers = draw_customers(rng, 400, calendar=CALENDAR, truth=Parameters())
    who = np.arange(400)
    spent = np.array([39_899, 39_900, 169_900, 369_900])[who % 4]  # thresholds are 399, 1699 and 3699 CNY
    ids = tables.number_ids("C", who, width=8)
    made = people.customer_columns(rng, customers, bought(who, customers.born, spent), ids, calendar=CALENDAR)
    frame = pa.table(made).to_pandas()
    for k, tier in enumerate(["普通", "银卡", "金卡", "黑卡"]):
        assert set(frame.tier[k::4].dropna()) == {tier}
    assert (frame.tier.isna() == frame.joined_at.isna()).all()
    assert 0.5 < frame.tier.notna().mean() < 0.7


def test_only_the_lost_are_asked_once_and_weighting_by_group_recovers_the_reasons():
    n = 60_000
    who = np.concatenate([np.arange(n), np.arange(n // 2), np.arange(n - 100, n)])
    day = np.concatenate([np.full(n, 10), np.full(n // 2, 50), np.full(100, CALENDAR.window - 200)])
    ids = tables.number_ids("C", np.arange(n), width=8)
    truth = Parameters()
    made, counts = people.draw_survey(
        np.random.default_rng(2), bought(who, day, np.ones(who.size, int)), ids, calendar=CALENDAR, truth=truth
    )
    frame = pa.table(made).to_pandas()
    assert frame.customer_id.is_unique
    asked_on = set(frame.asked_on)
    assert asked_on == {CALENDAR.date(day) for day in (503, 594, 685, 776)}
    late = frame[frame.customer_id > f"C{n - 101:08}"]  # they bought on day 591: lost before it and from day 772 on
    assert set(late.asked_on) == {CALENDAR.date(503), CALENDAR.date(776)}
    assert (frame.reason.notna() == frame.answered_on.notna()).all()
    assert counts.sum() == len(frame)
    assert counts[:, 1].sum() == frame.reason.notna().sum()
    asked = counts.sum(axis=(1, 2))
    answered = counts[:, 1]
    weighted = (answered / answered.sum(axis=1, keepdims=True) * asked[:, None]).sum(axis=0) / asked.sum()
    truly = counts.sum(axis=(0, 1)) / counts.sum()
    error = np.sqrt(0.25 / answered.sum())
    assert weighted == pytest.approx(truly, abs=4 * error)
    naive = answered.sum(axis=0) / answered.sum()
    assert abs(naive[0] - truly[0]) > 0.01, REASONS[0]  # the answers alone are biased, as the truth says
