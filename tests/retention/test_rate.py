"""rate.py against a plain count customer by customer, and intervals that cover where customers differ."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import BadParameters, NotComputable
from clvbook.retention.rate import retention_rate

examples = settings(deadline=None, max_examples=20, derandomize=True)


def table(rows):
    """[(customer, month number from 2025-01)] -> the frame of purchases, one on the 10th of the month."""
    return ibis.memtable(
        {"customer_id": [c for c, _ in rows], "day": [date(2025 + m // 12, m % 12 + 1, 10) for _, m in rows]},
        schema={"customer_id": "string", "day": "date"},
    )


def label(m):
    return f"{2025 + m // 12}-{m % 12 + 1:02d}"


purchases = st.sets(st.tuples(st.sampled_from("abcdef"), st.integers(0, 14)), min_size=1, max_size=40)


@given(purchases, st.integers(1, 5), st.integers(1, 4))
@examples
def test_it_counts_as_a_plain_loop_does(bought, window, period):
    found = retention_rate(
        table(sorted(bought)), as_of=date(2026, 3, 31), confidence=0.95, window_months=window, period_months=period
    )
    start = min(m for _, m in bought)
    periods, ages, cohorts = {}, {}, {}
    for t in range(start + window, 15 - period + 1):
        periods[label(t)] = [0, 0]
        for customer in "abcdef":
            months = {m for c, m in bought if c == customer}
            if not months & set(range(t - window, t)):
                continue
            kept = bool(months & set(range(t, t + period)))
            for counts in (
                periods[label(t)],
                ages.setdefault(t - min(months), [0, 0]),
                cohorts.setdefault(label(min(months)), [0, 0]),
            ):
                counts[0] += 1
                counts[1] += kept
    if not ages:
        assert isinstance(found, NotComputable)
        return
    for frame, key, expected in (
        (found.by_period, "period", periods),
        (found.by_age, "age", ages),
        (found.by_cohort, "cohort", cohorts),
    ):
        assert frame.set_index(key)[["base", "retained"]].T.to_dict("list") == expected
    assert (found.base, found.retained) == tuple(np.sum(list(periods.values()), axis=0))
    assert len(found.left_out) + len(found.by_period) == 15 - start


def test_the_definition_is_a_sentence_and_what_is_left_out_has_a_reason():
    rows = [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("c", 4)]
    found = retention_rate(table(rows), as_of=date(2025, 5, 30), confidence=0.95, window_months=2, period_months=1)
    assert found.definition.startswith(
        "Retention rate: of the customers who bought in the 2 months before a period began, the share that bought again"
    )
    assert found.summary[["period", "base", "retained"]].to_numpy().tolist() == [["2025-03", 2, 1], ["2025-04", 1, 0]]
    # May is not over on May 30, so the purchase of c in it is not seen; January and February lack their two months
    assert found.left_out.period.tolist() == ["2025-01", "2025-02"]
    assert "first month of the data" in found.left_out.reason[0]
    year = retention_rate(table(rows), as_of=date(2025, 5, 30), confidence=0.95, window_months=1, period_months=2)
    assert year.left_out.to_numpy().tolist()[-1] == ["2025-04", "it ends after 2025-04, the last month that was over"]


def test_too_short_a_history_is_told():
    found = retention_rate(table([("a", 0), ("a", 5)]), as_of=date(2025, 6, 30), confidence=0.95)
    assert str(found) == "not enough data: 6 months from 2025-01 to 2025-06, 13 needed"
    nobody = retention_rate(table([("a", 0)]), as_of=date(2024, 12, 31), confidence=0.95)
    assert "nobody bought" in str(nobody)
    with pytest.raises(BadParameters, match="period of 0 months"):
        retention_rate(table([("a", 0)]), as_of=date(2025, 6, 30), confidence=0.95, period_months=0)


def test_the_interval_counts_customers_once():
    """30 shops of 300 customers whose chance to buy differs (beta): the pooled rate of 15 periods."""
    rng = np.random.default_rng(5)
    missed = naive = 0
    shops, people, months = 30, 300, 18
    truth = _true_rate(rng, months)
    for shop in range(shops):
        chance = rng.beta(0.6, 1.4, people)
        bought = rng.random((people, months)) < chance[:, None]
        who, month = np.nonzero(bought)
        frame = pd.DataFrame({"customer_id": [f"{shop}-{n}" for n in who], "m": month})
        first = pd.DataFrame({"customer_id": [f"{shop}-seed"], "m": [0]})
        frame = pd.concat([frame, first])
        frame["day"] = pd.to_datetime([f"{2025 + m // 12}-{m % 12 + 1:02d}-10" for m in frame.m])
        days = ibis.memtable(frame[["customer_id", "day"]]).mutate(day=ibis._.day.date())
        found = retention_rate(days, as_of=date(2026, 6, 30), confidence=0.95, window_months=3, period_months=1)
        missed += not found.low <= truth <= found.high
        half = 1.96 * np.sqrt(found.rate * (1 - found.rate) / found.base)
        naive += not abs(found.rate - truth) <= half
    assert missed <= 5  # 1.5 expected; 6 or more happen in 1 of 300 such tests
    assert naive > 6  # taking each period of a customer for another customer is far too sure


def _true_rate(rng, months):
    chance = rng.beta(0.6, 1.4, 400_000)
    bought = rng.random((400_000, 6)) < chance[:, None]
    base = bought[:, 2:5].any(axis=1)
    return bought[base, 5].mean()
