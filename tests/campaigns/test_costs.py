"""costs.py: no cost is counted twice, none is lost, and an unknown one is not 0."""

import pandas as pd
import pytest

from clvbook.campaigns import costs, sending
from clvbook.errors import NotComputable

SCHEDULE = pd.DataFrame(
    {
        "campaign_id": ["a", "b", "c"],
        "sent": [100, 300, 0],
        "units": [100, 600, 0],
        "cost_fixed": [10.0, 0.0, float("nan")],
        "cost_per_unit": [0.05, 0.05, 0.05],
    }
)
SENT = pd.DataFrame({"campaign_id": ["a", "b"], "period": "2026-03", "sent": [100, 300], "units": [100, 600]})


def book(*rows):
    return pd.DataFrame(rows, columns=["period", "kind", "campaign_id", "stage", "amount"])


def found(booked, schedule=SCHEDULE, sent=SENT):
    return costs.campaign_costs(schedule, booked, sent)


def by_campaign(*args, **kwargs):
    return found(*args, **kwargs).by_campaign.set_index("campaign_id")


def test_planned_without_a_costs_file():
    table = by_campaign(None)
    assert list(table.cost) == [10 + 5, 30, 0]
    assert list(table.message_basis) == ["planned"] * 3
    assert str(table.coupon["a"]) == "there is no costs file"


def test_what_was_billed_replaces_what_was_planned_part_by_part():
    table = by_campaign(
        book(
            ("2026-03", "SMS ", "a", None, 4),
            ("2026-04", "message", "a", None, 0.5),
            ("2026-03", "design", "b", None, 7),
            ("2026-03", "coupon", "b", None, 90),
        )
    )
    a, b = table.loc["a"], table.loc["b"]
    assert (a.message, a.message_basis, a.fixed, a.fixed_basis, a.cost) == (4.5, "billed", 10, "planned", 14.5)
    assert (b.message, b.message_basis, b.fixed, b.fixed_basis, b.cost) == (30, "planned", 7, "billed", 37)
    assert (a.coupon, b.coupon) == (0, 90)  # beside the cost, not in it


def test_lump_sums_are_allocated_and_what_is_left_is_shown():
    lumps = book(
        ("2026-03", "message", None, None, 70),
        ("2026-02", "message", None, None, 8),  # nothing was sent in February
        ("2026-03", "service", None, "lost", 11),  # a stage's, not a campaign's
        ("2026-03", "software", None, None, 5),
        ("2026-03", "message", "zzz", None, 2),  # a campaign that nobody knows
    )
    result = found(lumps)
    table = result.by_campaign.set_index("campaign_id")
    assert list(table.allocated) == pytest.approx([10, 60, 0])
    assert list(table.cost) == [15, 30, 0]  # a price is known: the lump sum may be what these units were paid with
    unallocated = result.unallocated.set_index(["period", "kind"]).amount
    assert unallocated.to_dict() == {("2026-02", "message"): 8, ("2026-03", "message"): 2, ("2026-03", "software"): 5}
    assert table.allocated.sum() + unallocated.sum() == pytest.approx(70 + 8 + 5 + 2)

    priceless = SCHEDULE.assign(cost_per_unit=float("nan"))
    table = by_campaign(lumps, schedule=priceless)
    assert list(table.message_basis[["a", "b"]]) == ["allocated", "allocated"]
    assert list(table.cost[["a", "b"]]) == pytest.approx([20, 60])
    without_units = by_campaign(lumps, schedule=priceless, sent=SENT.assign(units=0))
    assert list(without_units.allocated[["a", "b"]]) == pytest.approx([17.5, 52.5])  # by messages


def test_a_cost_that_nobody_knows_is_not_zero():
    table = by_campaign(None, schedule=SCHEDULE.assign(cost_per_unit=float("nan")))
    assert isinstance(table.cost["a"], NotComputable)
    assert "no cost_per_unit" in str(table.cost["a"])
    assert table.cost["c"] == 0  # nothing was sent, nothing was planned
    table = by_campaign(None, schedule=SCHEDULE.assign(units=0))
    assert str(table.cost["b"]) == "cost is not known: 0 units billed for 300 messages"


def test_a_credit_may_make_a_cost_negative():
    assert by_campaign(book(("2026-03", "message", "b", None, -3))).cost["b"] == -3


def test_no_campaigns_and_an_empty_file():
    assert found(book(), schedule=SCHEDULE[:0], sent=SENT[:0]).by_campaign.empty


def test_demo_bills_are_the_planned_costs_and_all_are_borne(demo):
    schedule = sending.schedule(demo.sends, demo.campaigns)
    sent = sending.by_month(demo.sends)
    billed = costs.campaign_costs(schedule, demo.costs, sent)
    planned = costs.campaign_costs(schedule, None, sent)
    assert set(billed.by_campaign.message_basis) == {"billed"}
    assert list(billed.by_campaign.cost) == pytest.approx(list(planned.by_campaign.cost))
    assert list(billed.by_campaign.coupon) == [campaign["coupons"] for campaign in demo.truth["campaigns"]]
    assert billed.unallocated.empty
