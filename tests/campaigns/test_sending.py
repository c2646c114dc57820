"""sending.py: counts and clock of each campaign, and which sends are refused."""

from datetime import datetime

import pandas as pd
import pytest

from clvbook.campaigns import sending
from clvbook.errors import InputRefused

NOON = datetime(2026, 3, 5, 12)


def campaigns(*names):
    return pd.DataFrame(
        {
            "campaign_id": names,
            "name": [f"the {name}" for name in names],
            "channel": "sms",
            "starts_on": pd.to_datetime(["2026-03-05"] * len(names)),
            "attribution_days": 7,
            "cost_fixed": 10.0,
            "cost_per_unit": 0.05,
        }
    )


def send(campaign="a", customer="x", arm="treated", assigned_at=NOON, sent_at=NOON, delivered=True, units=1):
    keys = ["campaign_id", "customer_id", "arm", "assigned_at", "sent_at", "delivered", "units"]
    return dict(zip(keys, [campaign, customer, arm, assigned_at, sent_at, delivered, units], strict=True))


def test_counts_by_hand(tables):
    later = datetime(2026, 3, 6, 9)
    rows = [
        send(customer="p"),
        send(customer="q", delivered=None, sent_at=later, units=2),  # pending
        send(customer="r", delivered=False, units=0),
        send(customer="s", sent_at=None, delivered=None, units=0),  # chosen, in no log
        send(customer="t", arm="holdout", sent_at=None, delivered=None, units=0),
        send(customer="u", arm="holdout"),  # held out, and written to by mistake
        send("b", "p", "holdout", sent_at=None, delivered=None, units=0, assigned_at=later),
    ]
    found = sending.schedule(tables("sends", rows), campaigns("a", "b", "c")).set_index("campaign_id")
    counts = ["chosen", "treated", "holdout", "sent", "holdout_sent", "delivered", "pending", "units"]
    assert list(found.loc["a", counts]) == [6, 4, 2, 4, 1, 2, 1, 4]
    assert list(found.loc["b", counts]) == [1, 0, 1, 0, 0, 0, 0, 0]
    assert list(found.loc["c", counts]) == [0] * 8
    assert list(found.opens[["a", "b"]]) == [NOON, later]
    assert (found.last_sent["a"], found.opens.isna()["c"]) == (later, True)
    assert list(found.dates_only) == [False, False, False]
    months = sending.by_month(tables("sends", rows))
    assert months.to_dict("records") == [{"campaign_id": "a", "period": "2026-03", "sent": 4, "units": 4}]


def test_a_log_of_days_is_seen(tables):
    day = datetime(2026, 3, 5)
    rows = [send(sent_at=day), send(customer="y", sent_at=day), send("b", sent_at=day), send("b", "y")]
    found = sending.schedule(tables("sends", rows), campaigns("a", "b"))
    assert list(found.dates_only) == [True, False]


def test_no_sends_at_all(tables):
    found = sending.schedule(tables("sends", []), campaigns("a"))
    assert (found.chosen[0], found.opens.isna()[0], found.dates_only[0]) == (0, True, False)
    sending.check_sends(tables("sends", []), campaigns("a"))


@pytest.mark.parametrize(
    ("rows", "fact"),
    [
        ([send(), send(units=2), send(customer="y")], "1 of 3 sends repeat a customer of the same campaign"),
        ([send(), send(customer=None)], "1 of 2 sends name no customer"),
        ([send(arm=None), send(customer="y", arm="control")], "2 of 2 sends have an arm"),
        ([send(), send("z")], "1 of 2 sends belong to a campaign that is not listed"),
        ([send(sent_at=None, assigned_at=None)], "1 of 1 sends have neither assigned_at nor sent_at"),
    ],
)
def test_sends_that_cannot_be_right_are_refused(tables, rows, fact):
    with pytest.raises(InputRefused) as refused:
        sending.check_sends(tables("sends", rows), campaigns("a", "b"))
    assert refused.value.fact.startswith(fact)


def test_a_campaign_listed_twice_is_refused(tables):
    with pytest.raises(InputRefused, match="1 of 2 rows of campaigns"):
        sending.check_sends(tables("sends", []), campaigns("a", "a"))


def test_demo_counts_are_those_of_the_truth(demo):
    sending.check_sends(demo.sends, demo.campaigns)
    found = sending.schedule(demo.sends, demo.campaigns)
    for arm in ("treated", "holdout", "delivered"):
        truth = [sum(stage[arm] for stage in campaign["stages"].values()) for campaign in demo.truth["campaigns"]]
        assert list(found[arm]) == truth, arm
    per_message = [campaign["units_a_message"] for campaign in demo.truth["campaigns"]]
    assert list(found.units) == list(found.delivered * per_message)
