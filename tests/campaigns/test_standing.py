"""standing.py: a holdout that stands is one experiment: sums against plain pandas, intervals against a truth."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.campaigns import history, sending, standing
from clvbook.errors import NotComputable

DAY = datetime(2026, 3, 1)
THROUGH = date(2026, 6, 30)
CAMPAIGNS = pd.DataFrame(
    {
        "campaign_id": ["a", "b", "c", "d"],
        "name": ["A", "B", "C", "D"],
        "channel": "sms",
        "starts_on": pd.to_datetime(["2026-03-01", "2026-04-01", "2026-05-01", "2026-06-28"]),
        "attribution_days": 7,
        "cost_fixed": 0.0,
        "cost_per_unit": 0.05,
    }
)
OPENS = dict(zip("abcd", CAMPAIGNS.starts_on + pd.Timedelta(hours=10), strict=True))


def sent(campaign, customer, arm="treated"):
    at = OPENS[campaign]
    row = {"campaign_id": campaign, "customer_id": customer, "arm": arm, "assigned_at": at - timedelta(hours=1)}
    return row | {"sent_at": at if arm == "treated" else None, "delivered": None, "units": int(arm == "treated")}


def bought(number, customer, at, cents=10_000):
    return {"order_id": f"O{number}", "customer_id": customer, "paid_at": at, "net": Decimal(cents) / 100}


def found(tables, sends, orders):
    """The campaigns and the sums by first campaign and arm, with a covariate that plain Python has as well."""
    table = tables("sends", sends)
    campaigns = standing.clock(sending.schedule(table, CAMPAIGNS), through=THROUGH)
    table = table.mutate(pre=(table.customer_id.substr(1).cast("int64") % 7).cast("float64") / 3)
    return campaigns, standing.sums(table, tables("orders", orders), campaigns)


def test_a_customer_counts_once_from_the_first_campaign_to_the_end_of_the_last(tables):
    sends = [sent(c, who) for c in "abc" for who in ("c1", "c2")]
    sends += [sent(c, "c3", "holdout") for c in "abc"] + [sent("b", "c4"), sent("b", "c5", "holdout")]
    end, tick = OPENS["c"] + timedelta(days=7), timedelta(microseconds=1)
    orders = [bought(1, "c1", OPENS["a"] - tick), bought(2, "c1", OPENS["a"]), bought(3, "c1", end - tick, 5_000)]
    orders += [bought(4, "c2", end), bought(5, "c3", OPENS["a"] + timedelta(days=20), 2_000)]  # between campaigns
    orders += [bought(6, "c4", OPENS["b"] - tick), bought(7, "c5", OPENS["b"])]
    campaigns, rows = found(tables, sends, orders)
    assert list(campaigns.campaign_id) == ["a", "b", "c"]
    assert set(campaigns.ends) == {end}
    rows = rows.set_index(["place", "arm"])
    sums = ["n", "messages", "buyers", "orders", "revenue", "revenue_sq"]
    windows = {place: list(part.near) for place, part in rows.groupby("place")}
    assert windows == {0: [0.0, 150.0], 1: [100.0, 0.0]}  # what c3 bought between campaigns is in none
    assert list(rows.loc[(0, "treated"), sums]) == [2, 6, 1, 2, 150, 150**2]
    assert list(rows.loc[(0, "holdout"), sums]) == [1, 0, 1, 1, 20, 400]
    assert list(rows.loc[(1, "treated"), sums]) == [1, 1, 0, 0, 0, 0]
    assert list(rows.loc[(1, "holdout"), sums]) == [1, 0, 1, 1, 100, 100**2]


def test_the_time_is_that_of_the_campaigns_with_both_arms_and_a_window_that_is_over(tables):
    sends = [sent("a", "c1"), sent("b", "c1"), sent("b", "c2", "holdout"), sent("c", "c1")]
    sends += [sent("d", "c1"), sent("d", "c2", "holdout")]
    campaigns, rows = found(tables, sends, [bought(1, "c9", DAY)])
    # a came before the first holdout, c after the last window that is over, and d's window is open
    assert list(campaigns.campaign_id) == ["b"]
    assert list(rows.n) == [1, 1]
    nobody = standing.clock(sending.schedule(tables("sends", sends[:2]), CAMPAIGNS), through=THROUGH)
    assert nobody.empty


def plain(sends, orders, campaigns):
    """The sums once more: a loop over customers."""
    place = {c: k for k, c in enumerate(campaigns.campaign_id)}
    closes = dict(zip(campaigns.campaign_id, campaigns.closes, strict=True))
    compared, end = dict(zip(campaigns.campaign_id, campaigns.compared, strict=True)), campaigns.ends.iloc[0]
    rows = []
    for who, own in sends[sends.campaign_id.isin(list(place))].groupby("customer_id"):
        first = own[own.campaign_id.map(compared)]
        if first.empty:
            continue
        first = first.loc[first.campaign_id.map(place).idxmin()]
        begins = campaigns.opens[place[first.campaign_id]]
        mine = orders[(orders.customer_id == who) & (orders.paid_at >= begins) & (orders.paid_at < end)]
        days = [(mine.paid_at >= OPENS[c]) & (mine.paid_at < closes[c]) for c in place]
        near, mine = float(mine.net[np.any(days, axis=0)].sum()), mine.net
        row = {"place": place[first.campaign_id], "arm": first.arm, "n": 1, "moved": int(own.arm.nunique() > 1)}
        pre, spent = int(who[1:]) % 7 / 3, float(mine.sum())
        row |= {"messages": own.sent_at.notna().sum(), "pre": pre, "pre_sq": pre**2, "buyers": int(len(mine) > 0)}
        row |= {"near": near, "near_sq": near**2}
        rows.append(row | {"orders": len(mine), "revenue": spent, "revenue_sq": spent**2})
    return pd.DataFrame(rows).groupby(["place", "arm"], as_index=False).sum()


SENDS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 25), st.sampled_from(["treated", "treated", "holdout"])),
    min_size=2,
    max_size=50,
    unique_by=lambda s: s[:2],
)
ORDERS = st.lists(st.tuples(st.integers(-1, 25), st.integers(0, 480), st.integers(-50, 999)), min_size=1, max_size=60)


@given(SENDS, ORDERS)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_any_sends_and_orders(tables, drawn, spent):
    sends = [sent(campaign, f"c{who}", arm) for campaign, who, arm in drawn]
    orders = [
        bought(n, f"c{who}" if who >= 0 else None, DAY + at * timedelta(hours=6), cents)
        for n, (who, at, cents) in enumerate(spent)
    ]
    if standing.clock(sending.schedule(tables("sends", sends), CAMPAIGNS), through=THROUGH).empty:
        return
    campaigns, rows = found(tables, sends, orders)
    frame = pd.DataFrame(sends).assign(sent_at=lambda t: pd.to_datetime(t.sent_at))
    right = plain(frame, pd.DataFrame(orders).assign(net=lambda t: t.net.astype(float)), campaigns)
    pd.testing.assert_frame_equal(rows, right[list(rows.columns)], check_dtype=False)


def test_a_shop_whose_fixed_tenth_is_always_held_out(demo):
    """The demo's sends, rewritten by lot: every sum, and both effects, as plain pandas has them of 20,000 customers."""
    sends = demo.sends.to_pandas()
    people = sorted(sends.customer_id.unique())
    held = set(np.random.default_rng(41).choice(people, len(people) // 10, replace=False))
    sends["arm"] = sends.customer_id.isin(held).map({True: "holdout", False: "treated"})
    sends["sent_at"] = (sends.assigned_at + pd.Timedelta(hours=1)).where(sends.arm == "treated")
    table = ibis.memtable(sends)
    schedule = sending.schedule(table, demo.campaigns)
    table = history.with_history(table, demo.orders, schedule, stage_bounds=[45, 90, 180], basket_range=(100.0, 200.0))
    campaigns = standing.clock(schedule, through=demo.through)
    rows = standing.sums(table, demo.orders, campaigns)
    result = standing.standing(rows, campaigns, confidence=0.95, holdout=0.1)

    opens, ends = schedule.set_index("campaign_id").opens, campaigns.ends.iloc[0]
    first = sends.assign(begins=sends.campaign_id.map(opens)).sort_values("begins").drop_duplicates("customer_id")
    paid = demo.orders.select("customer_id", "paid_at", "net").to_pandas().astype({"net": float})
    paid = paid[paid.paid_at < ends].merge(first[["customer_id", "begins"]])
    paid = paid[paid.paid_at >= paid.begins]
    each = paid.groupby("customer_id").net.agg(["size", "sum"])
    moments = np.sort(opens.to_numpy())
    latest = moments[np.searchsorted(moments, paid.paid_at.to_numpy(), side="right") - 1]
    each["near"] = paid[(paid.paid_at - latest) < pd.Timedelta(days=7)].groupby("customer_id").net.sum()
    first = first.merge(each, left_on="customer_id", right_index=True, how="left").fillna(
        {"size": 0, "sum": 0.0, "near": 0.0}
    )
    assert (result.treated.n, result.control.n) == tuple(first.arm.value_counts()[["treated", "holdout"]])
    assert result.treated.n + result.control.n == first.customer_id.nunique()
    for metric, values in (
        ("conversion", (first["size"] > 0).astype(float)),
        ("revenue", first["sum"]),
        ("near", first.near),
    ):
        cells = values.groupby([first.begins, first.arm]).agg(["size", "mean"]).unstack()
        t, c = (cells.xs(arm, axis=1, level="arm") for arm in ("treated", "holdout"))
        w = t["size"] * c["size"] / (t["size"] + c["size"])
        w /= w.sum()
        delta = (w * (t["mean"] - c["mean"])).sum()
        spread = values.groupby(first.begins).var(ddof=0)
        half = 1.959964 * np.sqrt((w**2 * spread * (1 / t["size"] + 1 / c["size"])).sum())
        got = getattr(result, metric)
        assert (got.delta, got.low, got.high) == pytest.approx((delta, delta - half, delta + half), abs=1e-6)
        means = {"conversion": result.bought, "revenue": result.spent, "near": result.spent_near}[metric]
        assert means == pytest.approx(((w * t["mean"]).sum(), (w * c["mean"]).sum()))
    assert (result.moved, result.left_out, result.messages) == (0, 0, 1.0)
    assert result.campaigns == 24


def drawn(rng, *, lift=0.0, people=(1500, 300, 300), share=(0.1, 0.1, 0.2), campaigns=12):
    """Sums of a shop whose customers join with three campaigns, buy unlike often and spend unlike much over the time,
    and of whom each message makes `lift` buy once more for about 100; the truth a customer, as weighed.
    """
    rows, truth, weights = [], [], []
    for place, (n, held) in enumerate(zip(people, share, strict=True)):
        holdout = rng.random(n) < held
        left = campaigns - 4 * place
        orders = rng.poisson(rng.gamma(0.25, left / 5, n))
        more = np.where(holdout, 0, rng.binomial(left, lift, n))
        mean = 100 * rng.lognormal(-0.18, 0.6, n)
        revenue = mean * rng.gamma(np.maximum(4 * (orders + more), 1e-9)) / 4
        pre = rng.random(n)
        for arm, who in (("treated", ~holdout), ("holdout", holdout)):
            row = {"place": place, "arm": arm, "n": who.sum(), "moved": 0, "messages": left * who.sum()}
            row |= {"pre": pre[who].sum(), "pre_sq": (pre[who] ** 2).sum(), "buyers": ((orders + more)[who] > 0).sum()}
            row |= {"near": revenue[who].sum() / 4, "near_sq": (revenue[who] ** 2).sum() / 16}
            rows.append(row | {"revenue": revenue[who].sum(), "revenue_sq": (revenue[who] ** 2).sum()})
        none = (1 + left / 5) ** -0.25  # a negative binomial's chance of no order
        truth.append([none * (1 - (1 - lift) ** left), 100 * left * lift])
        weights.append((~holdout).sum() * holdout.sum() / n)
    return pd.DataFrame(rows), np.average(truth, axis=0, weights=weights)


TIMES = pd.DataFrame({"campaign_id": ["a", "b", "c"], "opens": DAY, "compared": True, "ends": DAY, "sent": 100})
RUNS = 600


def test_without_an_effect_one_in_twenty_is_called_one():
    rng = np.random.default_rng(42)
    runs = [standing.standing(drawn(rng)[0], TIMES, confidence=0.95) for _ in range(RUNS)]
    kept = [run for run in runs if run]
    assert len(kept) >= 0.995 * RUNS  # one in a thousand has past spend that chance does not explain
    for metric in ("conversion", "revenue"):
        assert 0.035 <= np.mean([getattr(run, metric).p < 0.05 for run in kept]) <= 0.065


@pytest.mark.parametrize("lift", [0.007, 0.02])
def test_a_planted_effect_lies_in_its_interval(lift):
    rng = np.random.default_rng(43)
    inside, errors = [], []
    for _ in range(RUNS):
        rows, truth = drawn(rng, lift=lift)
        run = standing.standing(rows, TIMES, confidence=0.95)
        if run:
            each = [run.conversion, run.revenue]
            inside.append([one.low <= true <= one.high for one, true in zip(each, truth, strict=True)])
            errors.append([one.delta - true for one, true in zip(each, truth, strict=True)])
    covered, errors = np.mean(inside, axis=0), np.array(errors)
    assert ((covered >= 0.93) & (covered <= 0.97)).all()
    assert (abs(errors.mean(axis=0)) < 3.5 * errors.std(axis=0) / np.sqrt(len(errors))).all()


def counted(**more):
    """Sums of two first campaigns with 900 and 100 customers each."""
    row = {"n": [900, 100] * 2, "moved": 0, "messages": [1800, 0, 900, 0], "pre": [450.0, 50.0] * 2}
    row |= {"place": [0, 0, 1, 1], "arm": ["treated", "holdout"] * 2, "pre_sq": [300.0, 33.3] * 2}
    row |= {"buyers": [300, 30] * 2, "revenue": [30_000.0, 3_000.0] * 2, "revenue_sq": [4e6, 4e5] * 2}
    frame = pd.DataFrame(row | more)
    return frame.assign(near=frame.revenue / 2, near_sq=frame.revenue_sq / 4)


def judged(**more):
    return standing.standing(counted(**more), TIMES.assign(sent=1000), confidence=0.95, holdout=0.1)


def test_the_table_has_both_measures_and_the_total():
    result = judged(buyers=[300, 20] * 2)
    table = result.summary.set_index("measure")
    assert list(table.index) == ["conversion", "revenue", "window_revenue"]
    half = table.loc["revenue", ["treated_mean", "control_mean", "effect", "low", "high"]] / 2
    assert list(table.loc["window_revenue", half.index]) == pytest.approx(list(half))
    assert table.effect["conversion"] == pytest.approx(1 / 3 - 0.2)
    assert table.total["conversion"] == pytest.approx(1800 * (1 / 3 - 0.2))
    assert (table.treated_mean["revenue"], table.control_mean["revenue"]) == pytest.approx((100 / 3, 30))
    assert table.total_low["revenue"] == pytest.approx(1800 * result.revenue.low)
    assert result.messages == pytest.approx(2700 / 3000)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"moved": [0, 6, 0, 5]}, "11 of 200 customers held out at first were written to later: no holdout stood"),
        ({"moved": [60, 0, 31, 0]}, "91 of 1,800 customers chosen to be written to at first were held out later"),
        ({"n": [900, 1] * 2, "buyers": [300, 1] * 2, "pre_sq": 1e3}, "no campaign brought two customers to each arm"),
        ({"buyers": [20, 2] * 2}, "too few buyers for a test: 44 of 2,000 customers bought, 200 of them held out"),
        ({"n": [900, 60] * 2}, "the arms' sizes are not those planned: 120 of 1,920 customers are held out"),
        ({"pre": [450.0, 65.0] * 2, "pre_sq": [300.0, 45.0] * 2}, "the arms differed before the campaign"),
    ],
    ids=["written to later", "held out later", "alone", "few buyers", "sizes", "past spend"],
)
def test_what_cannot_be_compared_says_why(more, why):
    told = judged(**more)
    assert isinstance(told, NotComputable)
    assert why in str(told)


def test_customers_whose_campaign_held_out_nobody_are_left_out():
    rows = counted(
        place=[0, 0, 1, 2],
        arm=["treated", "holdout", "treated", "treated"],
        n=[900, 100, 50, 7],
        pre_sq=[300.0, 33.3] * 2,
    )
    rows = rows.assign(buyers=[300, 60, 5, 1], revenue_sq=4e6)
    result = standing.standing(rows, TIMES.assign(sent=0), confidence=0.95)
    assert (result.treated.n, result.control.n, result.left_out) == (900, 100, 57)
    assert str(result.messages) == "nobody was written to"


def test_where_everybody_bought_and_refunds_took_all_there_is_no_difference():
    result = judged(buyers=[900, 100] * 2, revenue=0.0, revenue_sq=0.0, pre=0.0, pre_sq=0.0)
    assert isinstance(result.conversion, NotComputable)
    assert isinstance(result.summary.low.iloc[1], NotComputable)
