"""ledger.py: sums against a count in plain Python, the identity with the scores' total, and the write-off's own law."""

from datetime import date, timedelta
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused, NotComputable
from clvbook.lifecycle import ledger, stages
from clvbook.lifecycle.survival import kaplan_meier, no_return, reliable_day, waits

ORIGIN = date(2026, 1, 1)
BOUNDS = [45, 90, 180]
PHASES = [Phase.generate]  # the engine is too slow to shrink a failing example
HOW = {"horizon_days": 90, "tail_days": 30, "min_at_risk": 1}
REASON = NotComputable("not enough data: 3 customers, 200 needed")


def days_table(bought):
    rows = [
        {"customer_id": c, "day": ORIGIN + timedelta(days=d), "amount": Decimal(v) / 100}
        for (c, d), v in bought.items()
    ]
    return ibis.memtable(rows, schema={"customer_id": "string", "day": "date", "amount": "decimal(18,4)"})


def scores_table(values):
    schema = {"customer_id": "string", "residual_revenue": "float64"}
    return ibis.memtable([{"customer_id": c, "residual_revenue": v} for c, v in values.items()], schema=schema)


def history_of(days, *ages):
    at = [ORIGIN + timedelta(days=age) for age in ages]
    history = stages.stage_history(days, snapshots=at, bounds=BOUNDS)
    return ibis.memtable(history.to_pyarrow()), at[-1]  # computed once


purchases = st.dictionaries(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 300)), st.integers(1, 50_000), min_size=1, max_size=25
)


@given(purchases, st.lists(st.floats(0, 1e5), min_size=5, max_size=5))
@settings(deadline=None, max_examples=10, derandomize=True, phases=PHASES)
def test_any_ledger_adds_up(bought, values):
    days = days_table(bought)
    history, snapshot = history_of(days, 150, 310)
    known = sorted({c for c, _ in bought})
    worth = dict(zip(known, values, strict=False))
    curve = kaplan_meier(waits(days, as_of=snapshot), confidence=0.95)
    found = ledger.ledger(history, scores_table(worth), curve, snapshot=snapshot, **HOW)

    last = {c: max(d for k, d in bought if k == c) for c in known}
    stage = {c: sum(310 - last[c] > bound for bound in BOUNDS) for c in known}
    longest = reliable_day(curve, min_at_risk=1)
    stay = no_return(curve, [310 - last[c] for c in known], horizon_days=90, reliable_day=longest, tail_days=30)
    for k, row in found.stages.iterrows():
        here = [c for c in known if stage[c] == k]
        assert (row.stage, row.asset) == (stages.STAGES[k], stages.ASSETS[stages.STAGES[k]])
        assert row.customers == len(here)
        assert row.share == len(here) / len(known)
        assert row.orders == sum(c in here for c, _ in bought)
        assert row.revenue == float(sum(Decimal(v) for (c, _), v in bought.items() if c in here) / 100)
        lost = sum(p for c, p in zip(known, stay, strict=True) if c in here)
        far = sum(310 - last[c] + 90 > longest for c in here)
        if not here:
            assert (row.not_back, str(row.written_off)) == (0, "nobody in this stage")
            continue
        assert row.extrapolated == far / len(here)
        if far > len(here) / 2:  # more an assumption than a figure
            told = f"reaches beyond the {longest} days watched; choose a shorter horizon_days"
            assert {str(row.not_back), str(row.written_off), str(row.revenue_not_back)} == {told}
        else:
            assert row.not_back == pytest.approx(lost)
            assert row.written_off == pytest.approx(lost / len(here))
    spent = {c: sum(v for (k, _), v in bought.items() if k == c) / 100 for c in known}
    if not isinstance(found.total.revenue_not_back, NotComputable):
        silent = sum(spent[c] * p for c, p in zip(known, stay, strict=True))
        assert found.total.revenue_not_back == pytest.approx(silent)
    for name in ("customers", "orders", "revenue", "value", "not_back", "revenue_not_back"):
        figures = [*found.stages[name], found.total[name]]
        if not any(isinstance(figure, NotComputable) for figure in figures):
            assert found.total[name] == pytest.approx(found.stages[name].sum())


@given(st.dictionaries(st.integers(0, 300), st.floats(0, 1e6), min_size=1, max_size=30))
@settings(deadline=None, max_examples=10, derandomize=True, phases=PHASES)
def test_the_stages_values_add_up_to_the_scores_total_digit_by_digit(values):
    bought = {(f"c{d}", d): 100 for d in values}
    history, snapshot = history_of(days_table(bought), 310)
    scores = scores_table({f"c{d}": v for d, v in values.items()})
    found = ledger.ledger(history, scores, kaplan_meier(gaps([10, 90]), confidence=0.95), snapshot=snapshot, **HOW)
    # the total as the value page has it: each score to the ninth decimal, summed as a decimal
    exact = (
        scores.aggregate(total=scores.residual_revenue.cast(ledger.EXACT).sum()).to_pyarrow().to_pylist()[0]["total"]
    )
    assert found.total.value == float(exact)
    by_stage = (
        scores.join(history, "customer_id")
        .group_by("stage")
        .aggregate(value=ibis._.residual_revenue.cast(ledger.EXACT).sum())
    )
    each = {row["stage"]: row["value"] for row in by_stage.to_pyarrow().to_pylist()}
    assert sum(each.values()) == exact
    assert list(found.stages.value) == [float(each.get(k, 0)) for k in range(4)]


def gaps(events):
    return pd.DataFrame({"day": events, "events": 1, "censored": 0})


def test_the_write_off_is_what_then_comes():
    # waits are exponential with mean 120 days, but half the customers never come again after a purchase
    rng = np.random.default_rng(4)
    rows = []
    for customer in range(4000):
        day = rng.integers(0, 600)
        while day < 1100:
            rows.append((f"c{customer}", int(day)))
            if rng.random() < 0.5:
                break
            day += 1 + int(rng.exponential(120))
    bought = dict.fromkeys(rows, 100)
    days = days_table({key: v for key, v in bought.items() if key[1] <= 900})
    history, snapshot = history_of(days, 900)
    curve = kaplan_meier(waits(days, as_of=snapshot), confidence=0.95)
    how = {"horizon_days": 180, "tail_days": 60, "min_at_risk": 200}
    found = ledger.ledger(history, REASON, curve, snapshot=snapshot, **how)
    later = {c for c, d in rows if 900 < d <= 1080}
    people = history.to_pandas()
    for k, row in found.stages.iterrows():
        here = people.customer_id[people.stage == k]
        stayed = sum(c not in later for c in here)
        error = np.sqrt(len(here) * row.written_off * (1 - row.written_off)) + 0.01 * len(here)
        assert abs(row.not_back - stayed) < 3 * error, row.stage

    # the law itself: S(r) = (1 + exp(-r / 120)) / 2
    def survival(r):
        return (1 + np.exp(-r / 120)) / 2

    truth = (survival(people.recency_days + 180) / survival(people.recency_days)).groupby(people.stage).mean()
    np.testing.assert_allclose(found.stages.written_off.astype(float), truth, atol=0.02)
    assert list(found.stages.value) == [REASON] * 4
    assert found.total.value == REASON


def test_change_is_this_month_less_the_last():
    bought = {("a", 0): 1000, ("b", 100): 500, ("c", 290): 300, ("a", 305): 200}
    days = days_table(bought)
    history, now = history_of(days, 280, 310)
    curve = kaplan_meier(gaps([50, 100, 400]), confidence=0.95)
    then = ledger.ledger(history, REASON, curve, snapshot=now - timedelta(days=30), **HOW)
    today = ledger.ledger(history, scores_table({"a": 5.0, "b": 1.0, "c": 3.0}), curve, snapshot=now, **HOW)
    moved = ledger.change(today, then)
    assert moved.snapshot == now
    assert list(moved.stages.stage) == list(stages.STAGES)
    # on day 280 a (280 days) and b (180 days, still sleeping); on day 310 a and c active, b lost
    assert list(moved.stages.customers) == [2, 0, -1, 0]
    assert list(moved.stages.revenue) == [15.0, 0.0, -5.0, -5.0]
    assert list(moved.stages.orders) == [3, 0, -1, 0]
    assert (moved.total.customers, moved.total.orders, moved.total.revenue) == (1, 2, 5.0)
    assert moved.total["value"] == REASON
    assert list(moved.stages["value"]) == [REASON] * 4


def test_profit_stands_where_scores_have_it_and_missing_scores_have_a_reason():
    history, now = history_of(days_table({("a", 0): 100, ("b", 300): 100}), 310)
    curve = kaplan_meier(gaps([50, 400]), confidence=0.95)
    scores = scores_table({"a": 5.0, "b": 1.0}).mutate(residual_profit=ibis._.residual_revenue * 0.5)
    found = ledger.ledger(history, scores, curve, snapshot=now, **HOW)
    assert list(found.stages.profit) == [0.5, 0, 0, 2.5]
    nothing = scores.mutate(residual_revenue=ibis.null("float64")).drop("residual_profit")
    found = ledger.ledger(history, nothing, curve, snapshot=now, **HOW)
    assert str(found.total["value"]) == "residual_revenue is missing for 2 customers"
    assert "profit" not in found.stages


def test_too_few_waits_leave_the_write_off_out_with_the_reason():
    history, now = history_of(days_table({("a", 0): 100}), 310)
    curve = kaplan_meier(gaps([50, 400]), confidence=0.95)
    found = ledger.ledger(history, REASON, curve, snapshot=now, **HOW | {"min_at_risk": 3})
    for name in ledger.WRITE_OFF:
        assert str(found.total[name]) == "not enough data: 2 purchases to wait after, 3 needed"
        assert list(found.stages[name]) == [found.total[name]] * 4


def test_other_customers_and_unknown_snapshots_are_refused():
    history, now = history_of(days_table({("a", 0): 100, ("b", 300): 100}), 310)
    curve = kaplan_meier(gaps([50, 400]), confidence=0.95)
    with pytest.raises(InputRefused, match="1 customers stand in both the history \\(2\\) and the scores \\(2\\)"):
        ledger.ledger(history, scores_table({"a": 1.0, "z": 1.0}), curve, snapshot=now, **HOW)
    with pytest.raises(InputRefused, match="0 customers"):
        ledger.ledger(history, REASON, curve, snapshot=ORIGIN, **HOW)
