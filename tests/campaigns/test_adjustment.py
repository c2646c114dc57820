from dataclasses import replace
from functools import cache, reduce
from operator import add

import numpy as np
import pytest

from clvbook.campaigns.adjustment import adjusted, cuped, explained, merge_strata, post_stratified
from clvbook.campaigns.effects import Arm, difference
from clvbook.errors import NotComputable

LIFT, BASKET, RUNS = 0.007, 150.0, 2000


def arms(treated, stratum, bought, money, before):
    """Strata's arms (treated, control) of customers: what the engine sums."""
    place = 2 * stratum + treated
    weights = [np.ones(len(money)), bought, money, money**2, before, before**2, before * money, before * bought]
    names = ["n", "buyers", "revenue", "revenue_sq", "pre", "pre_sq", "pre_revenue", "pre_bought"]
    table = [np.bincount(place, each, 2 * (stratum.max() + 1)) for each in weights]
    rows = [Arm.from_row(dict(zip(names, row, strict=True))) for row in zip(*table, strict=True)]
    return list(zip(rows[1::2], rows[::2], strict=True))


def whole(strata):
    return tuple(reduce(add, pair) for pair in zip(*strata, strict=True))


def raw_difference(strata, metric):
    moments = [arm.moments(metric) for arm in whole(strata)]
    return difference(*moments, confidence=0.95, share=metric == "buyers")


@cache
def simulation():
    """RUNS assignments of 4,000 customers in four stages, half of them held out: delta, low, high by method."""
    rng = np.random.default_rng(11)
    stratum = np.repeat(np.arange(4), 1000)
    chance = np.array([0.45, 0.2, 0.05, 0.01])[stratum]
    before = np.log1p(1000 * chance * rng.lognormal(0, 0.3, 4000))
    found = {}
    for _ in range(RUNS):
        treated = rng.random(4000) < 0.5
        bought = (rng.random(4000) < chance + LIFT * treated).astype(float)
        money = bought * rng.gamma(3.5, BASKET / 3.5, 4000)
        strata = arms(treated, stratum, bought, money, before)
        for metric in ("buyers", "revenue"):
            raw = raw_difference(strata, metric)
            each = {
                "raw": raw,
                "cuped": cuped(*whole(strata), raw, metric=metric),
                "strata": post_stratified(strata, raw, metric=metric),
                "chosen": adjusted(strata, raw, metric=metric),
            }
            for name, one in each.items():
                found.setdefault((metric, name), []).append((one.delta, one.low, one.high))
    return {key: np.array(rows) for key, rows in found.items()}


@pytest.mark.parametrize("metric", ["buyers", "revenue"])
@pytest.mark.parametrize("method", ["cuped", "strata", "chosen"])
def test_adjustment_narrows_without_biasing(metric, method):
    truth = LIFT * (1 if metric == "buyers" else BASKET)
    delta, low, high = simulation()[metric, method].T
    raw = simulation()[metric, "raw"]
    error = delta.std() / np.sqrt(RUNS)
    assert abs(delta.mean() - truth) < 3.5 * error
    assert abs((delta - raw[:, 0]).mean()) < 3.5 * (delta - raw[:, 0]).std() / np.sqrt(RUNS)
    assert delta.std() < 0.95 * raw[:, 0].std()
    assert (high - low).mean() < 0.95 * (raw[:, 2] - raw[:, 1]).mean()
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97


def few(n, buyers, **more):
    return Arm(n=n, buyers=buyers, revenue=100.0 * buyers, revenue_sq=1.2e4 * buyers, **more)


def test_cuped_is_least_squares_with_the_covariate():
    rng = np.random.default_rng(12)
    treated, x = rng.random(500) < 0.5, rng.gamma(2, 3, 500)
    y = 3 * x + rng.normal(0, 1, 500) + 20 + treated
    ones = np.ones(500)
    strata = arms(treated, np.zeros(500, int), ones, y, x)
    found = cuped(*whole(strata), raw_difference(strata, "revenue"), metric="revenue")
    design = np.column_stack([ones, treated, x])
    coefficients, residual, *_ = np.linalg.lstsq(design, y)
    assert (found.delta, found.theta) == pytest.approx((coefficients[1], coefficients[2]))
    raw_variance = np.var(y[treated], ddof=1) / treated.sum() + np.var(y[~treated], ddof=1) / (~treated).sum()
    assert found.variance_reduction == pytest.approx(
        1 - residual[0] / 498 * (1 / treated.sum() + 1 / (~treated).sum()) / raw_variance, rel=0.01
    )


def test_a_covariate_that_is_the_same_for_all_changes_nothing():
    a, b = (
        few(900, 50, pre=2700.0, pre_sq=8100.0, pre_bought=150.0),
        few(100, 3, pre=300.0, pre_sq=900.0, pre_bought=9.0),
    )
    raw = raw_difference([(a, b)], "buyers")
    found = cuped(a, b, raw, metric="buyers")
    assert found.theta == 0
    assert (found.delta, found.low, found.high) == pytest.approx((raw.delta, raw.low, raw.high))
    assert adjusted([(a, b)], raw, metric="buyers") is raw
    assert isinstance(cuped(a, replace(b, pre=None), raw, metric="buyers"), NotComputable)


def test_strata_without_customers_in_an_arm_are_merged_and_counted():
    strata = [(few(50, 5), few(0, 0)), (few(80, 6), few(9, 1)), (few(70, 2), few(11, 1)), (few(30, 1), few(1, 0))]
    kept, merged = merge_strata(strata)
    assert [(a.n, b.n) for a, b in kept] == [(130, 9), (100, 12)]
    assert merged == 2
    found = post_stratified(strata, raw_difference(strata, "buyers"), metric="buyers")
    assert (found.strata, found.merged) == (2, 2)
    expected = (139 * (11 / 130 - 1 / 9) + 112 * (3 / 100 - 1 / 12)) / 251
    assert found.delta == pytest.approx(expected)
    assert merge_strata([(few(50, 5), few(0, 0))]) == ([], 0)


def test_what_is_explained_does_not_depend_on_the_arms():
    rng = np.random.default_rng(13)
    stratum, before = rng.integers(0, 3, 600), rng.gamma(2, 1, 600)
    bought = (rng.random(600) < 0.1 + 0.2 * stratum).astype(float)
    money = bought * (50 + 10 * before)
    found = [explained(arms(rng.random(600) < 0.5, stratum, bought, money, before), metric="revenue") for _ in range(2)]
    assert found[0] == pytest.approx(found[1])
    assert found[0][0] == pytest.approx(np.corrcoef(before, money)[0, 1] ** 2)
    means = np.array([money[stratum == k].mean() for k in range(3)])[stratum]
    assert found[0][1] == pytest.approx(np.var(means) / np.var(money))


def test_nothing_to_adjust_goes_on_with_its_reason():
    nothing = NotComputable("nobody bought")
    strata = [(few(10, 0), few(10, 0))]
    assert cuped(*strata[0], nothing, metric="revenue") is nothing
    assert post_stratified(strata, nothing, metric="revenue") is nothing
    assert adjusted(strata, nothing, metric="revenue") is nothing
    raw = raw_difference(strata, "buyers")
    assert isinstance(cuped(*strata[0], raw, metric="buyers"), NotComputable)
