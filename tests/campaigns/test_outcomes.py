"""outcomes.py against plain pandas over every assigned customer."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.campaigns import outcomes, sending
from clvbook.errors import NotComputable

START = datetime(2026, 3, 1)
THROUGH = date(2026, 3, 31)
CAMPAIGNS = pd.DataFrame(
    {
        "campaign_id": ["a", "b"],
        "name": ["A", "B"],
        "channel": "sms",
        "starts_on": pd.to_datetime(["2026-03-02", "2026-03-04"]),
        "attribution_days": [3, 7],
        "cost_fixed": 0.0,
        "cost_per_unit": 0.05,
    }
)


def send(campaign, customer, arm="treated", sent_at=None, delivered=None, assigned_at=START):
    return {
        "campaign_id": campaign,
        "customer_id": customer,
        "arm": arm,
        "assigned_at": assigned_at,
        "sent_at": sent_at,
        "delivered": delivered,
        "units": int(sent_at is not None),
    }


def order(number, customer, paid_at, cents=10_000, coupon=None, discount=0):
    row = {"order_id": f"O{number}", "customer_id": customer, "paid_at": paid_at, "net": Decimal(cents) / 100}
    return row | {"coupon_id": coupon, "discount": Decimal(discount)}


def run(tables, orders, sends, make=outcomes.outcomes, **how):
    sends = tables("sends", sends)
    return make(sends, tables("orders", orders), sending.schedule(sends, CAMPAIGNS), **{"through": THROUGH} | how)


def test_both_arms_have_the_campaigns_clock(tables):
    first, last = datetime(2026, 3, 2, 10), datetime(2026, 3, 3, 10)
    sends = [send("a", "t", sent_at=first, delivered=True), send("a", "u", sent_at=last, delivered=False)]
    sends += [send("a", "v"), send("a", "h", "holdout"), send("a", "i", "holdout")]
    tick, end = timedelta(microseconds=1), last + timedelta(days=3)
    orders = [
        order(1, "t", first - tick),  # before
        order(2, "u", first),  # before u's own message, within the campaign's window
        order(3, "h", end - tick),
        order(4, "v", end - tick, 5_000),
        order(5, "i", end),  # after
        order(6, "t", end),
    ]
    found = run(tables, orders, sends)
    treated, held = (found.inputs.set_index("arm").loc[arm] for arm in ("treated", "holdout"))
    assert list(treated[["n", "sent", "delivered", "buyers", "orders", "revenue"]]) == [3, 2, 1, 2, 2, 150]
    assert list(held[["n", "sent", "delivered", "buyers", "revenue"]]) == [2, 0, 0, 1, 100]
    assert treated.revenue_sq == 100**2 + 50**2
    assert list(found.caps.closes) == [end]


def test_without_a_message_the_clock_starts_at_the_first_assignment(tables):
    sends = [send("a", "x"), send("a", "y", "holdout", assigned_at=START + timedelta(days=1))]
    orders = [order(1, "x", START), order(2, "y", START + timedelta(days=3))]
    found = run(tables, orders, sends).inputs.set_index("arm")
    assert list(found.buyers[["treated", "holdout"]]) == [1, 0]


def test_the_cap_is_the_buyers_and_takes_no_refund_away(tables):
    sends = [send("a", f"c{n}", "holdout" if n < 5 else "treated", sent_at=None) for n in range(1000)]
    cents = [-500, *range(1_000, 10_000, 1_000), 900_000]
    orders = [order(n, f"c{n}", START, c) for n, c in enumerate(cents)]
    found = run(tables, orders, sends)
    cap = np.quantile(np.array(cents) / 100, 0.995)
    assert found.caps.cap[0] == pytest.approx(cap)
    inputs = found.inputs.set_index("arm")
    assert inputs.capped_revenue["holdout"] == inputs.revenue["holdout"] == -5 + 10 + 20 + 30 + 40
    assert inputs.capped_revenue["treated"] == pytest.approx(50 + 60 + 70 + 80 + 90 + cap)
    assert inputs.revenue["treated"] == 50 + 60 + 70 + 80 + 90 + 9000


def test_nobody_bought_nobody_was_chosen_and_open_windows(tables):
    found = run(tables, [order(1, "q", START)], [send("a", "x"), send("a", "y", "holdout")], windows=[1, 31, 32])
    assert set(found.inputs.campaign_id) == {"a"}
    assert list(found.inputs.buyers) == [0] * 4
    assert isinstance(found.caps.cap[0], NotComputable)
    assert found.open.to_dict("records") == [
        {"campaign_id": "a", "window_days": 32, "closes": START + timedelta(days=32)}
    ]
    nothing = run(tables, [], [])
    assert (len(nothing.inputs), len(nothing.open)) == (0, 0)


def test_coupons_where_orders_have_them(tables):
    sends = [send("a", "x"), send("a", "y"), send("a", "z")]
    orders = [order(1, "x", START, 5_000, "C1", 10), order(2, "x", START, 1_000), order(3, "y", START, 3_000, None, 2)]
    found = run(tables, orders, sends).inputs.iloc[0]
    assert (found.coupon_buyers, found.discount, found.discount_sq, found.revenue_discount) == (1, 12, 104, 660)
    bare = [{**o, "coupon_id": None} for o in orders]
    columns = run(tables, bare, sends).inputs.columns
    assert "coupon_buyers" not in columns
    assert "discount" in columns


def plain(sends, orders, opens, closes, strata):
    """One campaign's sums from a merge of everybody with everything."""
    within = orders[(orders.paid_at >= opens) & (orders.paid_at < closes)]
    each = within.groupby("customer_id").net.agg(["size", "sum"])
    cap = each.loc[each.index.isin(sends.customer_id), "sum"].quantile(0.995)
    one = sends.merge(each, left_on="customer_id", right_index=True, how="left").fillna({"size": 0, "sum": 0.0})
    one["capped"], one["bought"] = one["sum"].clip(upper=cap), one["size"] > 0
    sums = one.groupby(["arm", *strata]).apply(
        lambda g: pd.Series(
            {
                "n": len(g),
                "sent": g.sent_at.notna().sum(),
                "delivered": g.delivered.eq(True).sum(),
                "pre": g.pre.sum(),
                "pre_sq": (g.pre**2).sum(),
                "buyers": g.bought.sum(),
                "orders": g["size"].sum(),
                "revenue": g["sum"].sum(),
                "revenue_sq": (g["sum"] ** 2).sum(),
                "capped_revenue": g.capped.sum(),
                "capped_revenue_sq": (g.capped**2).sum(),
                "pre_bought": (g.pre * g.bought).sum(),
                "pre_revenue": (g.pre * g["sum"]).sum(),
                "pre_capped_revenue": (g.pre * g.capped).sum(),
            }
        ),
        include_groups=False,
    )
    return sums.astype(float)


SENDS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 30),
        st.sampled_from(["treated", "treated", "holdout"]),
        st.integers(0, 40),
        st.sampled_from([True, False, None]),
    ),
    min_size=2,
    max_size=50,
    unique_by=lambda s: s[:2],
)
ORDERS = st.lists(st.tuples(st.integers(-1, 30), st.integers(0, 130), st.integers(-50, 999)), min_size=1, max_size=60)


@given(SENDS, ORDERS)
@settings(deadline=None, max_examples=7, derandomize=True)
def test_any_sends_and_orders(tables, sends, orders):
    quarter = timedelta(hours=6)
    rows = []
    for campaign, who, arm, at, delivered in sends:
        sent_at = START + at * quarter if arm == "treated" and at % 5 else None
        rows.append(send(campaign, f"c{who}", arm, sent_at, delivered if sent_at else None, START + at * quarter / 2))
    orders = [
        order(n, f"c{who}" if who >= 0 else None, START + at * quarter, cents)
        for n, (who, at, cents) in enumerate(orders)
    ]
    table = tables("sends", rows)
    schedule = sending.schedule(table, CAMPAIGNS)
    # a stratum and a covariate that plain Python has as well
    number = table.customer_id.substr(1).cast("int64")
    table = table.mutate(stage=(number % 2).cast("int8"), pre=(number % 7).cast("float64") / 3)
    found = outcomes.outcomes(
        table, tables("orders", orders), schedule, through=THROUGH, strata=["stage"], windows=[1, 7]
    )
    days = outcomes.by_day(table, tables("orders", orders), schedule, through=THROUGH, strata=["stage"], days=[1, 7])

    frame = pd.DataFrame(rows)
    number = frame.customer_id.str[1:].astype(int)
    frame = frame.assign(stage=number % 2, pre=number % 7 / 3, sent_at=pd.to_datetime(frame.sent_at))
    bought = pd.DataFrame(orders).assign(net=lambda t: t.net.astype(float))
    for campaign, own in frame.groupby("campaign_id"):
        opens = own.sent_at.min() if own.sent_at.notna().any() else own.assigned_at.min()
        last = own.sent_at.max() if own.sent_at.notna().any() else own.assigned_at.min()
        for result, begin in ((found, last), (days, opens)):
            for window in (1, 7):
                right = plain(own, bought, opens, begin + timedelta(days=window), ["stage"])
                got = result.inputs
                got = got[(got.campaign_id == campaign) & (got.window_days == window)].set_index(["arm", "stage"])
                assert len(got) == len(right)
                for name in right.columns:
                    left = got.loc[right.index, name].to_numpy(float)
                    np.testing.assert_allclose(left, right[name], atol=1e-6, err_msg=name)


def test_demo_arms_are_whole_and_what_grows_with_days_grows(demo):
    schedule = sending.schedule(demo.sends, demo.campaigns)
    found = outcomes.by_day(demo.sends, demo.orders, schedule, through=demo.through)
    own = outcomes.outcomes(demo.sends, demo.orders, schedule, through=demo.through).inputs
    assert own.n.sum() == demo.truth["rows"]["sends"]
    # all of a demo campaign leaves at one moment, so seven days from the opening are the week after the last message
    week = found.inputs[found.inputs.window_days == 7].drop(columns="window_days").reset_index(drop=True)
    pd.testing.assert_frame_equal(week, own.drop(columns="window_days"))
    by_days = found.inputs.pivot(index=["campaign_id", "arm"], columns="window_days", values="buyers")
    assert not (by_days.diff(axis=1).iloc[:, 1:] < 0).any(axis=None)
    # coupons of 10 that a campaign's customers used, all of them treated or its own natural buyers
    assert own.discount.sum() <= sum(c["coupons"] for c in demo.truth["campaigns"])
    # 107,000 treated and 12,000 held out: the treated bought more, as they truly did
    arms = own.groupby("arm")[["n", "buyers"]].sum()
    assert arms.buyers["treated"] / arms.n["treated"] > arms.buyers["holdout"] / arms.n["holdout"]


@pytest.mark.parametrize(
    ("arms", "more"),
    [
        ({"x": "hh", "y": "tt", "z": "tt"}, 1.0),  # always the same
        ({"w": "hh", "x": "ht", "y": "th", "z": "tt"}, 0.0),  # drawn anew
        ({"x": "hh", "y": "t", "z": "t"}, 0.5),  # two campaigns share a holdout: 1 less 2 of 4 rows
        ({"x": "h", "y": "t"}, None),
        ({"x": "tt"}, None),
    ],
    ids=["standing", "anew", "shared", "one campaign", "no holdout"],
)
def test_customers_held_out_again(tables, arms, more):
    words = {"h": "holdout", "t": "treated"}
    rows = [
        send(f"c{n}", who, words[arm], assigned_at=START + timedelta(days=30 * n))
        for who, drawn in arms.items()
        for n, arm in enumerate(drawn)
    ]
    assert outcomes.held_again(tables("sends", rows)) == more
