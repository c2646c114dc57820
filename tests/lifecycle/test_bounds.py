"""bounds.py against scipy's Kaplan-Meier, on random waits and on CDNOW, and against waits of a known law."""

from datetime import date, timedelta
from itertools import pairwise

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, binomtest, ecdf

from clvbook.errors import NotComputable
from clvbook.lifecycle import bounds
from clvbook.settings import find_files

ORIGIN = date(2026, 1, 1)
examples = settings(deadline=None, max_examples=50, derandomize=True)


def grouped(came, still):
    """Waits one by one -> the frame of `bounds.gaps`."""
    days = sorted({*came, *still})
    return pd.DataFrame(
        {"day": days, "events": [came.count(d) for d in days], "censored": [still.count(d) for d in days]},
        dtype="int64",
    )


waits = st.lists(st.integers(1, 40), max_size=40)


@given(waits, waits.filter(len), st.sampled_from([0.8, 0.95]))
@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
@examples
def test_the_curve_is_scipys(came, still, confidence):
    found = bounds.curve(grouped(came, still), confidence=confidence)
    theirs = ecdf(CensoredData(uncensored=came, right=still)).sf
    assert list(found.day) == list(theirs.quantiles)
    np.testing.assert_allclose(found.survival, theirs.probabilities, rtol=1e-12, atol=1e-12)
    interval = theirs.confidence_interval(confidence, method="log-log")
    bought = found.survival < 1  # before that scipy's bounds are NaN or the curve itself
    for name in ("low", "high"):
        np.testing.assert_allclose(
            found[name][bought], getattr(interval, name).probabilities[bought], rtol=1e-9, atol=1e-12
        )
    assert (found[~bought][["low", "high"]] == 1).all(axis=None)


purchases = st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), min_size=1, max_size=30)


@given(purchases, st.integers(0, 70))
@settings(examples, max_examples=25)
def test_the_engine_counts_each_wait_once(bought, age):
    days = ibis.memtable(
        {"customer_id": [c for c, _ in bought], "day": [ORIGIN + timedelta(days=d) for _, d in bought]},
        schema={"customer_id": "string", "day": "date"},
    )
    came, still = [], []
    for customer in "abc":
        seen = sorted(d for c, d in bought if c == customer and d <= age)
        came += [b - a for a, b in pairwise(seen)]
        still += [age - d for d in seen[-1:]]
    found = bounds.gaps(days, as_of=ORIGIN + timedelta(days=age))
    pd.testing.assert_frame_equal(found, grouped(came, still), check_column_type=False)


@pytest.fixture(scope="module")
def cdnow():
    (file,) = find_files("package://lifetimes/datasets/CDNOW_sample.txt")
    raw = pd.read_csv(file, header=None, sep=r"\s+", names=["_", "customer_id", "day", "n", "net"])
    raw["day"] = pd.to_datetime(raw.day.astype(str))
    return raw.drop_duplicates(["customer_id", "day"])


def test_cdnow(cdnow):
    table = ibis.memtable(cdnow[["customer_id", "day"]]).mutate(day=ibis._.day.date())
    gaps = bounds.gaps(table, as_of=date(1998, 6, 30))
    # 2,357 customers (Fader & Hardie): each customer-day but a customer's last is followed by another
    assert (gaps.events.sum(), gaps.censored.sum()) == (len(cdnow) - 2357, 2357)
    each = cdnow.sort_values("day").groupby("customer_id").day
    wait = -each.diff(-1).dt.days
    open_ = (pd.Timestamp("1998-06-30") - each.max()).dt.days
    theirs = ecdf(CensoredData(uncensored=wait.dropna(), right=open_)).sf
    curve = bounds.curve(gaps, confidence=0.95)
    np.testing.assert_allclose(curve.survival, theirs.evaluate(curve.day), rtol=1e-12)

    found = bounds.calibrate(curve, bounds=[45, 90, 180], min_at_risk=200)
    assert found.eventually == pytest.approx(1 - theirs.evaluate(found.reliable_day), rel=1e-12)
    for row in found.bounds.itertuples():
        reached = 1 - theirs.evaluate([row.given, row.own, row.own - 1])
        assert row.returned == pytest.approx(reached[0] / found.eventually, rel=1e-12)
        assert reached[2] / found.eventually < row.share <= reached[1] / found.eventually


def test_bounds_of_a_known_law():
    # 40 % never buy again, the rest wait an exponential time of mean 60 days; all are watched for a whole year
    rng = np.random.default_rng(1)
    wait = np.ceil(rng.exponential(60, 60_000)).clip(max=365).astype(int)
    came = wait < 365
    lost = 40_000
    gaps = pd.DataFrame(
        {
            "day": np.arange(1, 366),
            "events": np.bincount(wait[came], minlength=366)[1:],
            "censored": np.bincount(wait[~came], minlength=366)[1:],
        }
    )
    gaps.loc[gaps.day == 365, "censored"] += lost
    found = bounds.calibrate(bounds.curve(gaps, confidence=0.95), bounds=[45, 90, 180], min_at_risk=200)
    assert found.reliable_day == 365
    assert found.eventually == pytest.approx(0.6, abs=0.005)
    # quantiles of the exponential law: -60 ln(1 - share)
    np.testing.assert_allclose(found.bounds.own, [-60 * np.log(1 - q) for q in bounds.SHARES], atol=2)
    np.testing.assert_allclose(found.bounds.returned, 1 - np.exp(-np.array([45, 90, 180]) / 60), atol=0.01)

    rates = bounds.return_rates(gaps, every=30, within=30, confidence=0.95, min_at_risk=200).set_index("silent_days")
    for silent in (0, 90, 180):
        waiting = 60_000 * np.exp(-silent / 60)
        truth = waiting * (1 - np.exp(-30 / 60)) / (waiting + lost)
        assert rates.low[silent] - 0.002 < truth < rates.high[silent] + 0.002
        assert rates.watched[silent] == wait[wait > silent].size + lost
        assert rates.returned[silent] == ((wait > silent) & (wait <= silent + 30)).sum()


def test_return_rates_without_censoring_are_a_binomial_with_its_exact_interval():
    gaps = pd.DataFrame({"day": [10, 40, 400], "events": [50, 3, 0], "censored": [0, 0, 947]})
    rates = bounds.return_rates(gaps, every=30, within=30, confidence=0.95, min_at_risk=200)
    assert list(rates.silent_days[:3]) == [0, 30, 60]
    assert list(rates.watched[:3]) == [1000, 950, 947]
    assert list(rates.returned[:3]) == [50, 3, 0]
    np.testing.assert_allclose(rates.rate[:3], [0.05, 3 / 950, 0], atol=1e-15)
    exact = [binomtest(k, n).proportion_ci(method="exact") for k, n in [(50, 1000), (3, 950), (0, 947)]]
    np.testing.assert_allclose(rates.low[:3], [interval.low for interval in exact], atol=1e-12)
    np.testing.assert_allclose(rates.high[:3], [interval.high for interval in exact], atol=1e-12)


def test_no_return_is_read_off_the_curve_and_goes_on_at_the_last_hazard():
    # a constant hazard of 1 % a day, watched for 100 days
    alive = 1_000_000 * 0.99 ** np.arange(101)
    gaps = pd.DataFrame({"day": range(1, 101), "events": -np.diff(alive), "censored": [0.0] * 99 + [alive[-1]]})
    curve = bounds.curve(gaps, confidence=0.95)
    found = bounds.no_return(curve, [0, 50, 90, 100, 300], horizon_days=30, reliable_day=100, tail_days=50)
    np.testing.assert_allclose(found, 0.99**30, rtol=1e-9)
    np.testing.assert_allclose(
        bounds.no_return(curve, [10], horizon_days=30, reliable_day=100, tail_days=50),
        bounds.survival_at(curve, [40]) / bounds.survival_at(curve, [10]),
    )


def test_too_few_waits_have_a_reason():
    curve = bounds.curve(grouped([5, 9], [20] * 8), confidence=0.95)
    assert str(bounds.reliable_day(curve, min_at_risk=11)) == "not enough data: 10 purchases to wait after, 11 needed"
    assert bounds.reliable_day(curve, min_at_risk=8) == 20
    assert "only 20 days" in str(bounds.calibrate(curve, bounds=[45, 90, 180], min_at_risk=5))
    nobody = bounds.curve(grouped([], [200] * 8), confidence=0.95)
    assert "0 of 8 purchases" in str(bounds.calibrate(nobody, bounds=[45, 90, 180], min_at_risk=5))
    rates = bounds.return_rates(grouped([5], [20] * 8), every=30, within=30, confidence=0.95, min_at_risk=5)
    assert isinstance(rates, NotComputable)
    assert "0 purchases are watched for 30 days, 5 needed" in str(rates)
    empty = bounds.curve(grouped([], []), confidence=0.95)
    assert "0 purchases" in str(bounds.reliable_day(empty, min_at_risk=5))
