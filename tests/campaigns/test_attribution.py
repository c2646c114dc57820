"""attribution.py against plain Python over every pair of an order and a send."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.campaigns import attribution, sending

START = datetime(2026, 3, 1)
THROUGH = date(2026, 3, 31)
END = datetime(2026, 4, 1)
CAMPAIGNS = pd.DataFrame(
    {
        "campaign_id": ["a", "b", "c"],
        "name": ["A", "B", "C"],
        "channel": ["sms", "email", "sms"],
        "starts_on": pd.to_datetime(["2026-03-02", "2026-03-04", "2026-03-20"]),
        "attribution_days": [3, 7, 14],
        "cost_fixed": 0.0,
        "cost_per_unit": 0.05,
    }
)


def send(campaign, customer, sent_at, arm="treated", delivered=True):
    return {
        "campaign_id": campaign,
        "customer_id": customer,
        "arm": arm,
        "assigned_at": START,
        "sent_at": sent_at,
        "delivered": delivered,
        "units": 1,
    }


def order(number, customer, paid_at, cents=10_000):
    return {"order_id": f"O{number}", "customer_id": customer, "paid_at": paid_at, "net": Decimal(cents) / 100}


def attribute(tables, orders, sends, **how):
    sends = tables("sends", sends)
    schedule = sending.schedule(sends, CAMPAIGNS)
    how = {"through": THROUGH, "refund_days": 5} | how
    return attribution.attribute(tables("orders", orders), sends, schedule, **how)


def row(found, campaign):
    return found.by_campaign.set_index("campaign_id").loc[campaign]


def test_the_window_is_closed_at_the_send_and_open_at_its_end(tables):
    sent = datetime(2026, 3, 2, 10, 0, 0)
    tick, day = timedelta(microseconds=1), timedelta(days=1)
    times = [sent - tick, sent, sent + 3 * day - tick, sent + 3 * day]
    orders = [order(n, "x", at, cents=10**n) for n, at in enumerate(times)]
    found = row(attribute(tables, orders, [send("a", "x", sent)]), "a")
    # of 1, 10, 100 and 1,000 cents the second and the third
    assert (found.buyers, found.orders_any_touch, found.revenue_any_touch) == (1, 2, 1.10)


def test_where_the_log_has_days_orders_of_the_day_do_not_count(tables):
    day = datetime(2026, 3, 2)
    times = [day + timedelta(hours=23), day + timedelta(days=1), day + timedelta(days=3, hours=23), day.replace(day=6)]
    found = row(attribute(tables, [order(n, "x", at) for n, at in enumerate(times)], [send("a", "x", day)]), "a")
    # the three days after it count in full
    assert (found.dates_only, found.orders_any_touch, found.closes) == (True, 2, datetime(2026, 3, 6))


def test_overlapping_campaigns(tables):
    sends = [send("a", "x", datetime(2026, 3, 3, 9)), send("b", "x", datetime(2026, 3, 4, 9))]
    sends += [send("b", "y", datetime(2026, 3, 4, 9), delivered=False)]
    orders = [
        order(1, "x", datetime(2026, 3, 3, 12), 1000),  # a alone
        order(2, "x", datetime(2026, 3, 5, 12), 2000),  # both, b last
        order(3, "y", datetime(2026, 3, 5, 12), 4000),  # b alone
        order(4, None, datetime(2026, 3, 5, 12), 8000),  # nobody
    ]
    found = attribute(tables, orders, sends)
    a, b = row(found, "a"), row(found, "b")
    assert (a.revenue_any_touch, a.revenue_last_touch, a.revenue_shared, a.overlap) == (30, 10, 20, 0.5)
    assert (b.revenue_any_touch, b.revenue_last_touch, b.revenue_shared, b.overlap) == (60, 60, 50, 0.5)
    assert (b.buyers, b.buyers_delivered) == (2, 1)
    assert (a.revenue_squares, b.revenue_squares) == (30**2, 20**2 + 40**2)  # of what each buyer spent
    total = found.programme
    assert (total.orders, total.revenue, total.touched_revenue, total.buyers) == (3, 70.0, 90.0, 2)
    assert total.overlap == pytest.approx(1 / 3)


def test_an_open_campaign_is_named_and_left_out(tables):
    sends = [send("b", "x", datetime(2026, 3, 22, 9)), send("c", "x", datetime(2026, 3, 25, 9))]
    orders = [order(1, "x", datetime(2026, 3, 26, 9), 1000), order(2, "x", datetime(2026, 3, 23, 9), 2000)]
    found = attribute(tables, orders, sends)
    assert list(found.open.campaign_id) == ["c"]
    assert found.open.closes[0] == datetime(2026, 4, 8, 9)
    assert pd.isna(row(found, "c").revenue_any_touch)
    assert "c" not in set(found.over.campaign_id)
    # what c's message was the last before is c's, today and when c is over
    assert row(found, "b").revenue_last_touch == 20
    assert (found.programme.revenue, found.programme.open_revenue, found.programme.campaigns) == (20.0, 10.0, 2)


def test_a_window_that_ends_with_the_data_is_over(tables):
    end = datetime(2026, 4, 1)
    for last, is_open in ((end - timedelta(days=7), False), (end - timedelta(days=7) + timedelta(seconds=1), True)):
        found = attribute(tables, [], [send("b", "x", last), send("b", "y", datetime(2026, 3, 5, 12))])
        assert row(found, "b").open == is_open


def test_orders_younger_than_refund_days_are_provisional(tables):
    sends = [send("b", "x", datetime(2026, 3, 24, 0)), send("b", "z", datetime(2026, 3, 20, 1))]
    orders = [order(1, "x", datetime(2026, 3, 26, 23), 1000), order(2, "x", datetime(2026, 3, 27, 1), 2000)]
    found = attribute(tables, orders, sends)
    assert (row(found, "b").provisional_orders, row(found, "b").provisional_revenue) == (1, 20)
    assert found.programme.matured_revenue == 10


def test_nothing_sent_nothing_bought(tables):
    found = attribute(tables, [], [])
    assert (found.programme.orders, found.programme.revenue, found.programme.overlap) == (0, 0.0, None)
    figures = found.by_campaign.set_index("campaign_id").loc["a"]
    assert (figures.sent, figures.buyers, figures.open) == (0, 0, False)


SENDS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("wxyz"), st.integers(0, 29 * 4), st.sampled_from([True, None])),
    min_size=3,
    max_size=12,
    unique_by=lambda s: s[:2],
)
ORDERS = st.lists(
    st.tuples(st.sampled_from(["w", "x", "y", None]), st.integers(0, 32 * 4), st.integers(1, 999)), max_size=40
)


def plain(orders, sends, days, shift):
    """(campaign, order) pairs by comparing each order with each send; days and shift by campaign."""
    found = []
    for o in orders:
        touching = []
        for s in sends:
            begins = s["sent_at"] + timedelta(days=shift[s["campaign_id"]])
            inside = begins <= o["paid_at"] < begins + timedelta(days=days[s["campaign_id"]])
            if o["customer_id"] == s["customer_id"] and inside and o["paid_at"] < END:
                touching.append((begins, s["campaign_id"], s["delivered"]))
        last = max(touching)[:2] if touching else None
        found += [(c, o, len(touching), (b, c) == last, bool(d)) for b, c, d in touching]
    return found


def expected(found, campaign):
    own = [f for f in found if f[0] == campaign]
    return {
        "buyers": len({o["customer_id"] for _, o, *_ in own}),
        "buyers_delivered": len({o["customer_id"] for _, o, _, _, d in own if d}),
        "orders_any_touch": len(own),
        "revenue_any_touch": sum(o["net"] for _, o, *_ in own),
        "orders_last_touch": sum(last for *_, last, _ in own),
        "revenue_last_touch": sum(o["net"] for _, o, _, last, _ in own if last),
        "orders_shared": sum(1 / k for _, _, k, *_ in own),
        "revenue_shared": sum(float(o["net"]) / k for _, o, k, *_ in own),
        "provisional_orders": sum((THROUGH - o["paid_at"].date()).days < 5 for _, o, *_ in own),
    }


@given(SENDS, ORDERS)
@settings(deadline=None, max_examples=8, derandomize=True)
def test_any_sends_and_orders(tables, sends, orders):
    quarter = timedelta(hours=6)
    sends = [send(c, who, START + at * quarter, delivered=d) for c, who, at, d in sends]
    orders = [order(n, who, START + at * quarter, cents) for n, (who, at, cents) in enumerate(orders)]
    found = attribute(tables, orders, sends)
    shift = {
        c: int(bool(own := [s for s in sends if s["campaign_id"] == c]) and all(s["sent_at"].hour == 0 for s in own))
        for c in "abc"
    }
    pairs = plain(orders, sends, dict(zip("abc", (3, 7, 14), strict=True)), shift)
    is_open = dict(zip(found.by_campaign.campaign_id, found.by_campaign.open, strict=True))
    for campaign in found.over.campaign_id:
        for name, value in expected(pairs, campaign).items():
            assert row(found, campaign)[name] == pytest.approx(float(value), abs=1e-6), (campaign, name)
    # each order once: last touch and shared both sum to it, any touch to at least that
    total = found.programme
    each = {o["order_id"]: o["net"] for _, o, *_ in pairs}
    assert total.orders + total.open_orders == len(each)
    assert total.revenue + total.open_revenue == pytest.approx(float(sum(each.values())))
    assert found.over.orders_last_touch.sum() == total.orders
    assert found.over.revenue_last_touch.sum() == pytest.approx(total.revenue)
    owned = [o["customer_id"] for c, o, _, last, _ in pairs if last and not is_open[c]]
    assert total.buyers == len(set(owned))
    if not any(is_open.values()):
        assert found.over.revenue_shared.sum() == pytest.approx(total.revenue, abs=1e-6)
        assert found.over.revenue_any_touch.sum() >= total.revenue - 1e-9

    table = tables("sends", sends)
    grid = attribution.by_window(
        tables("orders", orders),
        table,
        sending.schedule(table, CAMPAIGNS),
        through=THROUGH,
        refund_days=5,
        windows=[1, 7],
    )
    assert len(grid) == 6
    for days in (1, 7):
        pairs = plain(orders, sends, dict.fromkeys("abc", days), shift)
        for got in grid[(grid.window_days == days) & ~grid.open].itertuples():
            for name, value in expected(pairs, got.campaign_id).items():
                assert getattr(got, name) == pytest.approx(float(value), abs=1e-6), (days, name)


def test_demo_windows_nest_and_the_own_window_is_one_of_them(demo):
    schedule = sending.schedule(demo.sends, demo.campaigns)
    how = {"through": demo.through, "refund_days": 15}
    own = attribution.attribute(demo.orders, demo.sends, schedule, **how)
    grid = attribution.by_window(demo.orders, demo.sends, schedule, **how)
    assert list(grid[grid.open].campaign_id + grid[grid.open].window_days.astype(str)) == ["SMS-2026-1030"]
    wide = grid.pivot_table(index="campaign_id", columns="window_days", values="revenue_any_touch")
    assert (wide.diff(axis=1).iloc[:, 1:].min() >= 0).all()
    assert (wide[7].to_numpy() == own.by_campaign.revenue_any_touch.to_numpy()).all()
    # one campaign a month, a week each: nothing overlaps, and more is attributed than was caused
    assert own.programme.overlap == 0
    caused = sum(campaign["caused_net"] for campaign in demo.truth["campaigns"])
    assert own.programme.revenue == pytest.approx(own.by_campaign.revenue_any_touch.sum())
    assert own.programme.revenue > 3 * caused > 0


def test_demo_against_plain_pandas(demo):
    schedule = sending.schedule(demo.sends, demo.campaigns)
    found = attribution.attribute(demo.orders, demo.sends, schedule, through=demo.through, refund_days=15)
    sends = demo.sends.to_pandas().dropna(subset=["sent_at"])
    orders = demo.orders.select("order_id", "customer_id", "paid_at", "net").to_pandas().dropna(subset=["customer_id"])
    both = sends.merge(orders.assign(net=orders.net.astype(float)), on="customer_id")
    both = both[(both.paid_at >= both.sent_at) & (both.paid_at < both.sent_at + pd.Timedelta(days=7))]
    grouped = both.groupby("campaign_id").agg(buyers=("customer_id", "nunique"), n=("net", "size"), net=("net", "sum"))
    assert list(found.by_campaign.buyers) == list(grouped.buyers)
    assert list(found.by_campaign.orders_any_touch) == list(grouped.n)
    assert list(found.by_campaign.revenue_any_touch) == pytest.approx(list(grouped.net))
