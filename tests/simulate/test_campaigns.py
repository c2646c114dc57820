from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.campaigns import Audience, Campaign, count_by_stage, plan_campaigns
from clvbook.simulate.customers import draw_customers
from clvbook.simulate.truth import Parameters

CALENDAR = make_calendar(date(2025, 1, 1), date(2025, 12, 31), future_days=90, seasons=True)
TRUTH = Parameters(reach=1.0)
DAY = 300


def audience(last, *, truth=TRUTH, also=()):
    """Customers who bought on day `last`; those in `also` a second time on day DAY + 3."""
    rng = np.random.default_rng(1)
    customers = draw_customers(rng, last.size, calendar=CALENDAR, truth=truth)
    customers = replace(customers, born=last, opted_out=np.zeros(last.size, bool))
    who, day = np.arange(last.size), last
    who, day = np.concatenate([who, also]).astype(int), np.concatenate([day, np.full(len(also), DAY + 3)])
    order = np.argsort(day, kind="stable")
    return Audience(customers, who[order], day[order], truth)


def send(people, *, strength=1.0, seed=2):
    return people.send(np.random.default_rng(seed), Campaign("SMS", "SMS", DAY, strength, 1))


def test_stages_change_after_45_90_and_180_days():
    since = np.array([1, 45, 46, 90, 91, 180, 181, 299])
    sent = send(audience(DAY - since))
    assert sent.stage.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert count_by_stage(sent.stage).tolist() == [2, 2, 2, 2]
    assert sent.heads.tolist() == [2, 2, 2, 2]


def test_ten_percent_are_held_out_at_random_and_nobody_who_opted_out_is_chosen():
    people = audience(np.full(50_000, DAY - 60))
    people.customers.opted_out[:1_000] = True
    sent = send(people)
    assert sent.customer.min() == 1_000
    n = sent.customer.size
    assert (~sent.treated).mean() == pytest.approx(0.10, abs=4 * np.sqrt(0.09 / n))
    assert not (sent.delivered & ~sent.treated).any()


def test_caused_orders_follow_the_lift_of_the_stage():
    truth = replace(TRUTH, lift=(0.1, 0.2, 0.05, 0.0))
    last = DAY - np.repeat([10, 60, 120, 250], 20_000)
    sent = send(audience(last, truth=truth), strength=0.5)
    delivered = count_by_stage(sent.stage[sent.delivered])
    caused = count_by_stage(sent.caused_stage)
    expected = np.array([0.05, 0.1, 0.025, 0.0])
    assert (np.abs(caused - delivered * expected) <= 4 * np.sqrt(delivered * expected)).all()
    assert set(sent.caused_day - DAY) <= set(range(truth.attribution_days))


def test_only_the_delivered_who_would_not_buy_anyway_are_moved_to_order():
    truth = replace(TRUTH, lift=(1.0, 1.0, 1.0, 1.0))
    sent = send(audience(np.full(1_000, DAY - 60), truth=truth, also=np.arange(500)))
    assert np.array_equal(sent.caused, sent.customer[sent.delivered & (sent.customer >= 500)])


def test_nobody_is_written_to_before_the_first_purchase():
    sent = send(audience(np.array([DAY - 1, DAY, DAY + 10])))
    assert sent.customer.tolist() == [0]


def test_the_plan_is_one_campaign_a_month_from_the_third():
    plan = plan_campaigns(CALENDAR)
    assert [c.campaign_id for c in plan][:2] == ["SMS-2025-03", "SMS-2025-04"]
    assert len(plan) == 13  # March 2025 to March 2026, where the 90 days of future end
    days = {c.campaign_id: CALENDAR.date(c.day) for c in plan}
    assert days["SMS-2025-06"] == date(2025, 6, 5)
    assert any(c.strength == 0 for c in plan)  # a campaign may do nothing
