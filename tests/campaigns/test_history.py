"""history.py against plain Python: the state of each customer on the eve of a campaign, and the demo's true stages."""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.campaigns import history, outcomes, sending

OPENS = {"a": datetime(2026, 3, 5, 10), "b": datetime(2026, 6, 1)}
SCHEDULE = pd.DataFrame({"campaign_id": ["a", "b"], "channel": ["sms", None], "opens": list(OPENS.values())})
HOW = {"stage_bounds": [45, 90, 180], "basket_range": (100, 200)}


def order(number, customer, day, cents, province=None, source=None):
    paid_at = datetime(day.year, day.month, day.day, number % 24)
    return {"order_id": f"O{number}", "customer_id": customer, "paid_at": paid_at, "net": Decimal(cents) / 100} | {
        "province": province,
        "source": source,
    }


def states(tables, orders, pairs):
    rows = [
        {"campaign_id": c, "customer_id": who, "arm": "treated", "assigned_at": OPENS[c], "sent_at": OPENS[c]}
        | {"delivered": True, "units": 1}
        for c, who in pairs
    ]
    found = history.with_history(tables("sends", rows), tables("orders", orders), SCHEDULE, **HOW).to_pandas()
    return found.set_index(["campaign_id", "customer_id"])


def test_the_day_of_the_opening_is_not_seen(tables):
    opening = OPENS["a"].date()
    orders = [order(1, "x", opening, 999_00), order(2, "x", opening - timedelta(days=45), 100_00, "浙江", "ads")]
    orders += [order(3, "y", opening - timedelta(days=46), 99_99), order(4, "y", opening - timedelta(days=365), 1_00)]
    orders += [order(5, "z", opening - timedelta(days=366), 500_00)]
    found = states(tables, orders, [("a", who) for who in "xyzw"]).loc["a"]
    assert list(found.stage[list("xyzw")]) == [0, 1, 3, history.PROSPECT]
    assert list(found.order_count[list("xyzw")]) == ["1", "2", "1", "0"]
    assert list(found.basket[list("xyzw")]) == ["within", "below", "above", "none"]
    assert list(found.province[list("xw")]) == ["浙江", "not known"]
    # spend of the 365 days before: 100; 99.99 + 1; nothing; nothing
    assert list(found.pre[list("xyzw")]) == pytest.approx([math.log(101), math.log(101.99), 0, 0])


def test_the_channel_is_the_campaigns(tables):
    found = states(tables, [order(1, "x", date(2026, 1, 1), 100)], [("a", "x"), ("b", "x")])
    assert list(found.channel) == ["sms", "not known"]


ORDERS = st.lists(
    st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(0, 500), st.integers(1, 30_000), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(ORDERS)
@settings(deadline=None, max_examples=15, derandomize=True)
def test_any_history(tables, drawn):
    first = date(2025, 1, 20)
    orders = [
        order(n, who, first + timedelta(days=at), cents, f"P{at % 3}" if named else None, f"S{at % 2}")
        for n, (who, at, cents, named) in enumerate(drawn)
    ]
    pairs = [(c, who) for c in "ab" for who in "wxyz"]
    found = states(tables, orders, pairs)
    assert len(found) == len(pairs)
    for campaign, who in pairs:
        opening, got = OPENS[campaign].date(), found.loc[campaign, who]
        past = [o for o in orders if o["customer_id"] == who and o["paid_at"].date() < opening]
        days = sorted({o["paid_at"].date() for o in past})
        spent = float(sum(o["net"] for o in past))
        recent = sum(o["net"] for o in past if (opening - o["paid_at"].date()).days <= 365)
        assert got.pre == pytest.approx(math.log(1 + float(recent)), abs=1e-9)
        if not days:
            assert (got.stage, got.order_count, got.basket) == (history.PROSPECT, "0", "none")
            continue
        r, n = (opening - days[-1]).days, len(days)
        assert got.stage == (r > 45) + (r > 90) + (r > 180)
        assert got.order_count == ("5+" if n >= 5 else "3-4" if n >= 3 else str(n))
        assert got.basket == ("below" if spent / n < 100 else "within" if spent / n <= 200 else "above")
        named = [o for o in past if o["province"]]
        latest = max(o["paid_at"].date() for o in named) if named else None
        known = {o["province"] for o in named if o["paid_at"].date() == latest} or {"not known"}
        assert got.province in known
        assert got.source in {o["source"] for o in past if o["paid_at"].date() == days[0]}


def test_demo_stages_are_those_of_the_truth(demo):
    schedule = sending.schedule(demo.sends, demo.campaigns)
    sends = history.with_history(demo.sends, demo.orders, schedule, **HOW)
    frame = outcomes.outcomes(sends, demo.orders, schedule, through=demo.through, strata=["stage"]).inputs
    counts = frame.pivot_table(index="campaign_id", columns=["arm", "stage"], values="n", fill_value=0)
    for campaign in demo.truth["campaigns"]:
        for stage, truth in enumerate(campaign["stages"].values()):
            for arm in ("treated", "holdout"):
                assert counts.loc[campaign["campaign_id"]][arm, stage] == truth[arm]
