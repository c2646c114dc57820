"""avoidable.py against a plain computation, and shops in which cohorts differ, or do not."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.retention.avoidable import avoidable

examples = settings(deadline=None, max_examples=15, derandomize=True)
CHANCE = {"confidence": 0.95, "resamples": 200, "seed": 1}


def table(frame):
    """customer_id, month (0 is 2025-01), amount -> the frame of purchases."""
    day = pd.to_datetime([f"{2025 + m // 12}-{m % 12 + 1:02d}-10" for m in frame.month])
    made = ibis.memtable(frame[["customer_id", "amount"]].assign(day=day, amount=frame.amount.astype(float)))
    return made.mutate(day=ibis._.day.date(), amount=ibis._.amount.cast("decimal(18,4)"))


purchases = st.dictionaries(
    st.tuples(st.sampled_from("abcdefghij"), st.integers(0, 8)), st.integers(1, 99), min_size=2, max_size=40
)


@given(purchases, st.integers(1, 6), st.integers(0, 1), st.sampled_from([None, 5]))
@examples
def test_it_is_a_plain_sum_against_a_target(bought, months, burn, after):
    frame = pd.DataFrame([(c, m, a) for (c, m), a in bought.items()], columns=["customer_id", "month", "amount"])
    goal = pd.DataFrame({"k": range(1, months + 1), "share": [0.5 / k for k in range(1, months + 1)]})
    found = avoidable(
        table(frame),
        as_of=date(2025, 9, 30),
        months=months,
        min_customers=1,
        annual_discount_rate=0.1,
        target=goal,
        burn_in=date(2025, 1, 5) if burn else None,
        after=date(2025, 1 + after, 28) if after else None,
        **CHANCE,
    )
    frame["cohort"] = frame.groupby("customer_id").month.transform("min")
    frame = frame[frame.cohort >= burn].assign(k=lambda t: t.month - t.cohort)
    paid = frame[frame.k.between(1, months)].groupby("k").amount.mean()
    missing = revenue = cells = 0
    for cohort, own in frame.groupby("cohort"):
        n = own.customer_id.nunique()
        for k in range(1, months + 1):
            if cohort + k > 8 or (after and cohort + k <= after):
                continue
            gap = n * 0.5 / k - (own.k == k).sum()
            cells += 1
            missing += gap
            revenue += gap * paid.get(k, 0) / 1.1 ** (k / 12)
    if not cells:
        assert "no cohort has a whole month" in str(found)
        return
    assert found.customers == pytest.approx(missing)
    assert found.revenue == pytest.approx(revenue)
    assert found.low <= found.revenue <= found.high
    assert found.by_cohort.revenue.sum() == pytest.approx(revenue)


def shop(rng, levels, size, months):
    """Cohorts of `size` with shares `levels` buying in each later month, amounts 100; one row a purchase."""
    frames = []
    for cohort, level in enumerate(levels):
        who, k = np.nonzero(rng.random((size, months)) < level)
        ids = np.concatenate([np.arange(size), who])
        month = cohort + np.concatenate([np.zeros(size, int), k + 1])
        frames.append(pd.DataFrame({"customer_id": [f"{cohort}-{n}" for n in ids], "month": month}))
    frame = pd.concat(frames).assign(amount=100)
    return frame[frame.month < 18]


BEST = {"months": 6, "min_customers": 50, "annual_discount_rate": 0.0, "as_of": date(2026, 6, 30)}


def test_a_best_cohort_far_above_chance_is_the_benchmark():
    frame = shop(np.random.default_rng(1), [0.1] * 5 + [0.3] + [0.1] * 6, 2000, 6)
    found = avoidable(table(frame), **BEST, **CHANCE, margin_rate=0.5)
    assert found.benchmark == "2025-06"
    assert found.kept > 0.99
    cells = 11 * 6  # cohorts and months with a share of .1 instead of .3; the twelfth cohort was seen for 6 months, too
    assert found.revenue == pytest.approx(cells * 2000 * 0.2 * 100, rel=0.05)
    assert found.low < cells * 2000 * 0.2 * 100 < found.high
    assert found.profit == pytest.approx(found.revenue / 2)
    assert found.by_cohort.set_index("cohort").missing["2025-06"] == pytest.approx(0, abs=25)


def test_the_luckiest_of_equal_cohorts_is_no_benchmark():
    rng = np.random.default_rng(6)
    kept, share, covered = [], [], 0
    for _shop in range(10):
        frame = shop(rng, [0.15] * 12, 100, 6)
        found = avoidable(table(frame), **BEST, **CHANCE)
        cohorts = frame[frame.month > frame.groupby("customer_id").month.transform("min")]
        best = cohorts.customer_id.str.split("-").str[0].value_counts().max() / 600
        kept.append(found.kept)
        share.append(found.revenue / (12 * 6 * 100 * 100 * (best - 0.15)))  # of what the luckiest would make avoidable
        covered += found.low <= 0 <= found.high
    assert np.mean(share) < 0.35
    assert np.median(kept) < 0.3
    assert covered >= 8


def test_the_interval_covers_what_the_chosen_cohort_would_have_brought():
    rng = np.random.default_rng(9)
    covered, shops, size = 0, 20, 300
    for _shop in range(shops):
        levels = np.clip(rng.normal(0.2, 0.03, 12), 0.05, 0.4)
        found = avoidable(table(shop(rng, levels, size, 6)), **BEST, **CHANCE)
        chosen = levels[int(found.benchmark[5:]) - 1]
        truth = sum(size * 6 * (chosen - level) * 100 for level in levels)
        covered += found.low <= truth <= found.high
    assert covered >= 17  # 19 of 20 expected; 16 or fewer happen in 1 of 60 such tests


def test_what_is_missing_is_named():
    days = table(pd.DataFrame({"customer_id": ["a", "b"], "month": [0, 1], "amount": [1, 1]}))
    few = avoidable(days, **BEST | {"as_of": date(2025, 12, 31)}, **CHANCE)
    assert str(few).endswith("no cohort of 50 customers was seen for 6 months; the largest seen for so long has 1")
    assert "by 2025-01-31" in str(avoidable(days, **BEST | {"as_of": date(2025, 1, 31)}, **CHANCE))
    goal = pd.DataFrame({"k": [1, 2], "share": [0.1, 0.1]})
    with pytest.raises(InputRefused, match="no share for 4 of 6 months"):
        avoidable(days, **BEST, **CHANCE, target=goal)
