"""survival.py against scipy's Kaplan-Meier on random waits, and a plain count over random purchases."""

from collections import Counter
from datetime import date, timedelta
from itertools import zip_longest

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from clvbook.lifecycle import survival

ORIGIN = date(2026, 1, 1)
examples = settings(deadline=None, max_examples=100, derandomize=True)


def grouped(came, still):
    """Waits one by one -> the frame of `survival.waits`."""
    days = sorted({*came, *still})
    return pd.DataFrame(
        {"day": days, "events": [came.count(d) for d in days], "censored": [still.count(d) for d in days]},
        dtype="int64",
    )


waits = st.lists(st.integers(1, 12) | st.integers(1, 40), max_size=40)


@given(waits, waits.filter(len), st.sampled_from([0.8, 0.9, 0.95]))
@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
@examples
def test_the_curve_is_scipys(came, still, confidence):
    found = survival.kaplan_meier(grouped(came, still), confidence=confidence)
    theirs = ecdf(CensoredData(uncensored=came, right=still)).sf
    assert list(found.day) == list(theirs.quantiles)
    np.testing.assert_allclose(found.survival, theirs.probabilities, rtol=1e-12, atol=1e-12)
    interval = theirs.confidence_interval(confidence, method="log-log")
    bought = found.survival < 1  # before that scipy's bounds are NaN or the curve itself
    for name in ("low", "high"):
        np.testing.assert_allclose(found[name][bought], getattr(interval, name).probabilities[bought], rtol=1e-9)
        assert found[name][found.survival == 0].isna().all()
    assert (found[~bought][["low", "high"]] == 1).all(axis=None)


purchases = st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), min_size=1, max_size=30)


@given(purchases, st.integers(0, 70))
@settings(examples, max_examples=40)
def test_the_engine_counts_each_wait_once(bought, age):
    days = ibis.memtable(
        {"customer_id": [c for c, _ in bought], "day": [ORIGIN + timedelta(days=d) for _, d in bought]},
        schema={"customer_id": "string", "day": "date"},
    )
    came, still = Counter(), Counter()
    for customer in "abc":
        seen = sorted(d for c, d in bought if c == customer and d <= age)
        for order, (day, following) in enumerate(zip_longest(seen, seen[1:]), 1):
            if following is None:
                still[order, age - day] += 1
            else:
                came[order, following - day] += 1
    as_of = ORIGIN + timedelta(days=age)
    every = grouped(*([wait for _, wait in each.elements()] for each in (came, still)))
    pd.testing.assert_frame_equal(survival.waits(days, as_of=as_of), every, check_column_type=False)
    first = [(*key, came[key], still[key]) for key in sorted({*came, *still}) if key[0] <= 3]
    found = survival.waits(days, as_of=as_of, orders=3)
    assert list(found.itertuples(index=False, name=None)) == first


def test_no_return_is_read_off_the_curve_and_goes_on_at_the_last_hazard():
    # a constant hazard of 1 % a day, watched for 100 days
    alive = 1_000_000 * 0.99 ** np.arange(101)
    frame = pd.DataFrame({"day": range(1, 101), "events": -np.diff(alive), "censored": [0.0] * 99 + [alive[-1]]})
    curve = survival.kaplan_meier(frame, confidence=0.95)
    found = survival.no_return(curve, [0, 50, 90, 100, 300], horizon_days=30, reliable_day=100, tail_days=50)
    np.testing.assert_allclose(found, 0.99**30, rtol=1e-9)
    np.testing.assert_allclose(
        survival.no_return(curve, [10], horizon_days=30, reliable_day=100, tail_days=50),
        survival.survival_at(curve, [40]) / survival.survival_at(curve, [10]),
    )


def test_too_few_waits_have_a_reason():
    curve = survival.kaplan_meier(grouped([5, 9], [20] * 8), confidence=0.95)
    assert str(survival.reliable_day(curve, min_at_risk=11)) == "not enough data: 10 purchases to wait after, 11 needed"
    assert survival.reliable_day(curve, min_at_risk=8) == 20
    empty = survival.kaplan_meier(grouped([], []), confidence=0.95)
    assert "0 purchases" in str(survival.reliable_day(empty, min_at_risk=5))
