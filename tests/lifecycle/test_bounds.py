"""bounds.py against scipy's Kaplan-Meier on CDNOW, and against waits of a known law."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import CensoredData, binomtest, ecdf

from clvbook.errors import NotComputable
from clvbook.lifecycle import bounds
from clvbook.lifecycle.survival import kaplan_meier, waits
from clvbook.settings import find_files


@pytest.fixture(scope="module")
def cdnow():
    (file,) = find_files("package://lifetimes/datasets/CDNOW_sample.txt")
    raw = pd.read_csv(file, header=None, sep=r"\s+", names=["_", "customer_id", "day", "n", "net"])
    raw["day"] = pd.to_datetime(raw.day.astype(str))
    return raw.drop_duplicates(["customer_id", "day"])


def test_cdnow(cdnow):
    table = ibis.memtable(cdnow[["customer_id", "day"]]).mutate(day=ibis._.day.date())
    frame = waits(table, as_of=date(1998, 6, 30))
    # 2,357 customers (Fader & Hardie): each customer-day but a customer's last is followed by another
    assert (frame.events.sum(), frame.censored.sum()) == (len(cdnow) - 2357, 2357)
    each = cdnow.sort_values("day").groupby("customer_id").day
    wait = -each.diff(-1).dt.days
    open_ = (pd.Timestamp("1998-06-30") - each.max()).dt.days
    theirs = ecdf(CensoredData(uncensored=wait.dropna(), right=open_)).sf
    curve = kaplan_meier(frame, confidence=0.95)
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
    frame = pd.DataFrame(
        {
            "day": np.arange(1, 366),
            "events": np.bincount(wait[came], minlength=366)[1:],
            "censored": np.bincount(wait[~came], minlength=366)[1:],
        }
    )
    frame.loc[frame.day == 365, "censored"] += lost
    found = bounds.calibrate(kaplan_meier(frame, confidence=0.95), bounds=[45, 90, 180], min_at_risk=200)
    assert found.reliable_day == 365
    assert found.eventually == pytest.approx(0.6, abs=0.005)
    # quantiles of the exponential law: -60 ln(1 - share)
    np.testing.assert_allclose(found.bounds.own, [-60 * np.log(1 - q) for q in bounds.SHARES], atol=2)
    np.testing.assert_allclose(found.bounds.returned, 1 - np.exp(-np.array([45, 90, 180]) / 60), atol=0.01)

    rates = bounds.return_rates(frame, every=30, within=30, confidence=0.95, min_at_risk=200).set_index("silent_days")
    for silent in (0, 90, 180):
        waiting = 60_000 * np.exp(-silent / 60)
        truth = waiting * (1 - np.exp(-30 / 60)) / (waiting + lost)
        assert rates.low[silent] - 0.002 < truth < rates.high[silent] + 0.002
        assert rates.watched[silent] == wait[wait > silent].size + lost
        assert rates.returned[silent] == ((wait > silent) & (wait <= silent + 30)).sum()


def test_return_rates_without_censoring_are_a_binomial_with_its_exact_interval():
    frame = pd.DataFrame({"day": [10, 40, 400], "events": [50, 3, 0], "censored": [0, 0, 947]})
    rates = bounds.return_rates(frame, every=30, within=30, confidence=0.95, min_at_risk=200)
    assert list(rates.silent_days[:3]) == [0, 30, 60]
    assert list(rates.watched[:3]) == [1000, 950, 947]
    assert list(rates.returned[:3]) == [50, 3, 0]
    np.testing.assert_allclose(rates.rate[:3], [0.05, 3 / 950, 0], atol=1e-15)
    exact = [binomtest(k, n).proportion_ci(method="exact") for k, n in [(50, 1000), (3, 950), (0, 947)]]
    np.testing.assert_allclose(rates.low[:3], [interval.low for interval in exact], atol=1e-12)
    np.testing.assert_allclose(rates.high[:3], [interval.high for interval in exact], atol=1e-12)


def test_too_few_waits_have_a_reason():
    ten = pd.DataFrame({"day": [5, 9, 20], "events": [1, 1, 0], "censored": [0, 0, 8]})
    curve = kaplan_meier(ten, confidence=0.95)
    assert "only 20 days" in str(bounds.calibrate(curve, bounds=[45, 90, 180], min_at_risk=5))
    nobody = kaplan_meier(pd.DataFrame({"day": [200], "events": [0], "censored": [8]}), confidence=0.95)
    assert "0 of 8 purchases" in str(bounds.calibrate(nobody, bounds=[45, 90, 180], min_at_risk=5))
    rates = bounds.return_rates(ten.drop(index=1), every=30, within=30, confidence=0.95, min_at_risk=5)
    assert isinstance(rates, NotComputable)
    assert "0 purchases are watched for 30 days, 5 needed" in str(rates)
