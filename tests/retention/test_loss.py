"""loss.py against plain sums on random data, and intervals that cover in simulated shops."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.intervals import draws
from clvbook.retention.loss import Loss, accounting, scaled, side_by_side, stage_flow

examples = settings(deadline=None, max_examples=20, derandomize=True)
ORIGIN = date(2024, 1, 1)
CHANCE = {"confidence": 0.95, "resamples": 200, "seed": 1}


def table(rows):
    """[(customer, days after 2024-01-01, amount)] -> the frame of purchases."""
    return ibis.memtable(
        {
            "customer_id": [c for c, *_ in rows],
            "day": [ORIGIN + timedelta(days=int(d)) for _, d, _ in rows],
            "amount": [float(a) for *_, a in rows],
        },
        schema={"customer_id": "string", "day": "date", "amount": "float64"},
    ).cast({"amount": "decimal(18,4)"})


purchases = st.dictionaries(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 700)), st.integers(1, 900), min_size=1, max_size=25
)


@given(purchases, st.integers(0, 400), st.integers(1, 300), st.integers(20, 200))
@examples
def test_accounting_is_a_plain_sum(bought, after, length, bound):
    until = after + length
    found = accounting(
        table([(c, d, a) for (c, d), a in bought.items()]),
        after=ORIGIN + timedelta(days=after),
        until=ORIGIN + timedelta(days=until),
        lost_after_days=bound,
        **CHANCE,
    )
    lost, revenue, anybody = 0, 0, False
    for customer in "abcdefgh":
        own = {d: a for (c, d), a in bought.items() if c == customer and d <= until}
        anybody |= bool(own)
        if own and after < max(own) + bound + 1 <= until:
            lost += 1
            revenue += sum(a for d, a in own.items() if d > max(own) - 365)
    if not anybody:
        assert isinstance(found, NotComputable)
        return
    assert (found.customers, found.revenue) == (lost, pytest.approx(revenue))
    assert found.low <= found.revenue <= found.high


def test_profit_needs_a_margin():
    days = table([("a", 0, 100), ("b", 0, 50), ("b", 300, 10)])
    when = {"after": date(2024, 6, 29), "until": date(2024, 7, 31), "lost_after_days": 180}
    found = accounting(days, **when, **CHANCE)  # day 181 after 2024-01-01 is 2024-06-30
    assert (found.customers, found.revenue) == (2, 150)
    assert str(found.profit) == str(found.profit_interval) == "margin_rate is not set"
    with_margin = accounting(days, **when, **CHANCE, margin_rate=0.4)
    assert with_margin.profit == pytest.approx(60)
    assert with_margin.profit_interval == pytest.approx((0.4 * found.low, 0.4 * found.high))
    assert accounting(days, **when | {"after": date(2024, 6, 30)}, **CHANCE).customers == 0
    row = with_margin.summary.iloc[0]
    assert (row.customers, row.revenue, row.profit) == (2, 150, pytest.approx(60))
    assert "180 days" in row.counts
    assert row.use_for


def test_estimators_stand_side_by_side_and_are_not_added():
    one = Loss("accounting", "c", 2.0, 10.0, 5.0, 20.0, None, "u")
    found = side_by_side({"accounting": one, "avoidable": NotComputable("no cohort")})
    assert found.estimator.tolist() == ["accounting", "avoidable"]
    assert found.revenue[0] == 10
    assert str(found.profit[0]) == "margin_rate is not set"
    assert {str(found[name][1]) for name in found.columns[1:]} == {"no cohort"}


def test_the_interval_covers_the_expected_total():
    """Totals of 2,000 customers, a tenth of whom lose a heavy-tailed amount, in 1,000 shops."""
    rng = np.random.default_rng(2)
    shops, people, groups = 1000, 2000, 128
    drawn = draws(groups, 200, seed=3)
    truth = people * 0.1 * np.exp(0.5)  # mean of a lognormal with sigma 1
    covered = 0
    for _shop in range(shops):
        amount = np.where(rng.random(people) < 0.1, rng.lognormal(0, 1, people), 0)
        group = rng.integers(0, groups, people)
        totals = scaled(np.bincount(group, amount, groups), np.bincount(group, minlength=groups), drawn)
        low, high = np.quantile(totals, [0.025, 0.975])
        covered += low <= truth <= high
    assert 0.92 <= covered / shops <= 0.97


def test_a_draw_of_more_customers_is_not_a_larger_loss():
    customers = np.array([1.0, 100.0, 10.0])
    assert scaled(5 * customers, customers, draws(3, 50, seed=1)) == pytest.approx(np.full(50, 555.0))


STEPS = [date(2025, m % 12 + 1, 1) for m in range(12)] + [date(2026, 1, 1), date(2026, 2, 1)]


def moves(counts):
    """{(step, group, from or None, to): customers} -> the frame of moves."""
    rows = [(STEPS[s], g, f, t, n) for (s, g, f, t), n in counts.items()]
    frame = pd.DataFrame(rows, columns=["snapshot", "group", "from_stage", "to_stage", "customers"])
    return frame.assign(snapshot=pd.to_datetime(frame.snapshot)).astype({"from_stage": "Int8"})


VALUES = pd.DataFrame({"stage": [0, 1, 2], "value": [90.0, 50.0, 10.0]})
PERIOD = {"after": date(2025, 12, 1), "until": date(2026, 2, 1)}


def test_stage_flow_by_hand():
    usual = {(s, 0, 0, 1): 1 for s in range(12)} | {(s, 0, 0, 0): 3 for s in range(12)}
    usual |= {(s, 1, 1, 2): 2 for s in range(12)} | {(s, 1, 1, 0): 2 for s in range(12)}
    now = {(12, 0, 0, 1): 20, (12, 0, 0, 0): 20, (13, 1, 1, 2): 3, (13, 1, 1, 1): 7, (13, 1, None, 0): 99}
    found = stage_flow(moves(usual | now), VALUES, **PERIOD, **CHANCE)
    # 20 aged where 40 x 1/4 = 10 were expected, 40 each; 3 where 10 x 1/2 = 5 were expected, 40 each
    assert found.customers == pytest.approx(10 - 2)
    assert found.revenue == pytest.approx(40 * 10 - 40 * 2)
    better = stage_flow(moves(usual | {(12, 0, 0, 0): 4}), VALUES, **PERIOD, **CHANCE)
    assert (better.customers, better.revenue) == pytest.approx((-1, -40))


def test_stage_flow_says_what_is_missing():
    usual = {(s, 0, 0, 1): 1 for s in range(12)}
    assert "11 monthly steps end by 2025-12-01, 12 needed" in str(
        stage_flow(moves({k: n for k, n in usual.items() if k[0]} | {(12, 0, 0, 1): 1}), VALUES, **PERIOD, **CHANCE)
    )
    assert "no step" in str(stage_flow(moves(usual), VALUES, **PERIOD, **CHANCE))
    assert "nobody was in stage 2" in str(stage_flow(moves(usual | {(12, 0, 2, 2): 4}), VALUES, **PERIOD, **CHANCE))
    with pytest.raises(InputRefused, match="4 of 16 moves"):
        stage_flow(moves(usual | {(12, 0, 3, 3): 4}), VALUES, **PERIOD, **CHANCE)


def test_a_period_like_the_others_covers_nothing_lost():
    """Shops whose months are all alike: the interval holds 0, the truth. Customers differ in their chance to age."""
    rng = np.random.default_rng(8)
    shops, groups, size, covered = 100, 60, 20, 0
    for shop in range(shops):
        chance = rng.beta(2, 4, groups)  # alike within a group, as months of one customer are
        aged = rng.binomial(size, chance[:, None], (groups, 13))
        counts = {}
        for g in range(groups):
            for s in range(13):
                counts[s, g, 0, 1], counts[s, g, 0, 0] = aged[g, s], size - aged[g, s]
        found = stage_flow(moves(counts), VALUES.head(2), **PERIOD, **CHANCE | {"seed": shop})
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / shops <= 0.99
