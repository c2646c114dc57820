"""verdicts.py: golden values of the reference, agreement with scipy and statsmodels, and no case without a sentence."""

import itertools
import math
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint

from clvbook.campaigns import judgement, verdicts
from clvbook.campaigns.verdicts import FAIL, PASS, UNKNOWN, conversion, economics, ratio, sends_needed, wilson
from clvbook.errors import BadParameters, InputRefused, NotComputable

some = settings(deadline=None, max_examples=200, derandomize=True)
BARS = {"target": 30, "basket_range": (100, 200)}


def sums(recipients, buyers, cost, *, basket=150.0, sd=80.0):
    """What a campaign with such orders brings: the arguments that `ratio` shares with `judge`."""
    return {
        "recipients": recipients,
        "buyers": buyers,
        "revenue": buyers * basket,
        "revenue_squares": buyers * (basket**2 + sd**2),
        "cost": cost,
    }


# the reference on customer economics, section 2.1: Wilson 95 %, in per cent
@pytest.mark.parametrize(
    ("buyers", "recipients", "low", "high"),
    [(3, 1000, 0.102, 0.878), (30, 10_000, 0.210, 0.428), (300, 100_000, 0.268, 0.336), (0, 1000, 0.0, 0.383)],
)
def test_the_reference_intervals_leave_three_in_a_thousand_open(buyers, recipients, low, high):
    found = conversion(recipients=recipients, buyers=buyers, target=0.003)
    assert (round(100 * found.observed.low, 3), round(100 * found.observed.high, 3)) == (low, high)
    assert found.verdict == UNKNOWN


@given(st.integers(1, 10**7), st.floats(0, 1), st.sampled_from([0.5, 0.8, 0.95, 0.999]))
@some
def test_wilson_is_that_of_scipy_and_statsmodels(n, share, confidence):
    buyers = round(n * share)
    found = wilson(buyers, n, confidence=confidence)
    theirs = stats.binomtest(buyers, n).proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-15)
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(buyers, n, 1 - confidence, method="wilson"), rel=1e-9, abs=1e-15
    )
    assert 0 <= found.low <= found.value <= found.high <= 1


# the reference, section 2.1: one-sided, alpha 0.05, power 0.8, against 0.3 %
@pytest.mark.parametrize(("rate", "n"), [(0.004, 20_472), (0.005, 5574), (0.006, 2668), (0.01, 616)])
def test_sends_needed_are_the_references_and_statsmodels(rate, n):
    assert sends_needed(rate, 0.003) == n
    null, true = math.sqrt(0.003 * 0.997), math.sqrt(rate * (1 - rate))
    assert round(normal_sample_size_one_tail(rate - 0.003, 0.8, 0.05, null, std_alternative=true)) == n


@pytest.mark.parametrize(("buyers", "recipients"), [(8, 2000), (10, 2000), (3, 2000), (2, 2000)])
def test_so_many_more_sends_settle_the_conversion_as_often_as_promised(buyers, recipients):
    found = conversion(recipients=recipients, buyers=buyers, target=0.003)
    assert found.verdict == UNKNOWN
    n, rate = recipients + found.more_sends, buyers / recipients
    counts = np.arange(int(n * rate * 3) + 50)
    settled = [conversion(recipients=n, buyers=int(x), target=0.003).verdict != UNKNOWN for x in counts]
    assert stats.binom.pmf(counts, n, rate) @ settled == pytest.approx(0.8, abs=0.04)


def test_nobody_of_so_many_settles_the_conversion():
    found = conversion(recipients=100, buyers=0, target=0.003)
    assert conversion(recipients=100 + found.more_sends + 1, buyers=0, target=0.003).verdict == FAIL


def test_at_the_target_no_number_settles_it():
    found = conversion(recipients=1000, buyers=3, target=0.003)
    assert isinstance(found.more_sends, NotComputable)
    assert "no number of sends settles it" in found.sentence
    found = ratio(**sums(1000, 30, 150), **BARS)
    assert found.observed.value == 30
    assert isinstance(found.more_sends, NotComputable)


# --- the ratio


# the reference, finding 1: at 0.05 a send and 0.3 %, baskets of 100, 150, 200 give 1:6, 1:9, 1:12
@pytest.mark.parametrize(("basket", "one_to", "implied"), [(100, 6, 0.015), (150, 9, 0.010), (200, 12, 0.0075)])
def test_the_two_bars_are_not_one(basket, one_to, implied):
    campaign = sums(10_000, 30, 500.0, basket=basket)
    assert ratio(**campaign, **BARS).observed.value == pytest.approx(one_to)
    del campaign["revenue_squares"]
    found = economics(**campaign, roi_target=30, margin_rate=0.4)
    assert found.implied_conversion == pytest.approx(implied)  # 1.5 / 1.0 / 0.75 %
    assert found.break_even_conversion == pytest.approx(0.05 / (0.4 * basket))
    assert found.break_even_ratio == 2.5


def test_economics_at_one_to_thirty():
    found = economics(recipients=1000, buyers=10, revenue=1500.0, cost=50.0, roi_target=30, margin_rate=0.4)
    assert found.profit_roi == pytest.approx(11)  # the reference, section 2.1
    assert found.break_even_share == pytest.approx(1 / 12)  # 8.3 %
    assert (found.cost_each, found.basket) == (0.05, 150)


def test_economics_says_what_is_missing():
    found = economics(recipients=1000, buyers=0, revenue=0.0, cost=None, roi_target=30, margin_rate=None)
    assert found.cost_each == NotComputable("the campaign's cost is missing")
    assert found.basket == NotComputable("nobody bought, so there is no basket")
    assert found.break_even_ratio == NotComputable("margin_rate is not set")
    for name in ("implied_conversion", "break_even_conversion", "profit_roi", "break_even_share"):
        assert isinstance(getattr(found, name), NotComputable), name


@pytest.mark.parametrize("cost", [None, float("nan"), 0, 0.0, -5, 0.001, math.inf, NotComputable("no costs file")])
def test_without_a_cost_there_is_no_ratio(cost):
    found = ratio(**sums(1000, 50, cost), **BARS)
    assert found.verdict == UNKNOWN
    assert isinstance(found.observed, NotComputable)
    assert "Enter what it cost" in found.sentence


def test_orders_of_one_size_are_judged_as_their_number_is():
    # rare buyers, one price: the score interval of the sum is Wilson's of the share
    found = ratio(**sums(1_000_000, 300, 100.0, basket=100, sd=0), **BARS)
    share = wilson(300, 1_000_000, confidence=0.95)
    for end in ("low", "high"):
        assert getattr(found.observed, end) == pytest.approx(getattr(share, end) * 1_000_000, rel=1e-3)


def test_a_few_large_orders_pass_nothing():
    small, large = sums(1000, 20, 50.0, basket=50, sd=0), 50_000.0
    found = ratio(
        **(small | {"buyers": 21, "revenue": small["revenue"] + large, "revenue_squares": 50_000 + large**2}), **BARS
    )
    assert (found.verdict, found.applies) == (UNKNOWN, False)
    assert found.observed.value > 1000
    assert "a few large orders" in found.sentence
    assert "does not apply at this basket" in found.sentence


def test_nobody_of_many_fails_without_a_basket():
    found = ratio(**sums(10_000, 0, 500.0), **BARS)
    assert (found.verdict, found.observed.value) == (FAIL, 0)
    # at most 3.84 buyers (Wilson) at 200 each
    assert found.observed.high == pytest.approx(wilson(0, 10_000, confidence=0.95).high * 10_000 * 200 / 500)


def test_nobody_of_few_is_open_until_so_many_sends():
    found = ratio(**sums(100, 0, 5.0), **BARS)
    assert found.verdict == UNKNOWN
    more = found.more_sends
    assert ratio(**sums(100 + more, 0, 0.05 * (100 + more)), **BARS).verdict == FAIL
    assert ratio(**sums(98 + more, 0, 0.05 * (98 + more)), **BARS).verdict == UNKNOWN


def test_sales_below_zero_are_shown_and_fail_where_that_is_sure():
    below = {"recipients": 100_000, "buyers": 300, "revenue": -500.0, "revenue_squares": 6.75e6}
    sure, open_ = ratio(**below, cost=5000.0, **BARS), ratio(**below, cost=10.0, **BARS)
    assert (sure.verdict, sure.observed.value) == (FAIL, pytest.approx(-0.1))
    assert (open_.verdict, open_.observed.value) == (UNKNOWN, -50)
    assert "below zero (1:−50)" in open_.sentence


def simulated(p, n, reps, *, seed, basket=150.0, sd=80.0):
    """buyers, revenue, revenue_squares of campaigns whose orders are gamma."""
    rng = np.random.default_rng(seed)
    buyers = rng.binomial(n, p, reps)
    orders = rng.gamma((basket / sd) ** 2, sd**2 / basket, buyers.sum())
    which = np.repeat(np.arange(reps), buyers)
    return buyers, np.bincount(which, orders, reps), np.bincount(which, orders**2, reps)


@pytest.mark.parametrize(("n", "k"), [(10_000, 23), (50_000, 117)])
def test_the_interval_of_the_ratio_covers(n, k):
    reps = 4000
    draws = list(zip(*(column.tolist() for column in simulated(0.003, n, reps, seed=5)), strict=True))
    truth = n * 0.003 * 150
    found = [ratio(recipients=n, buyers=b, revenue=s, revenue_squares=q, cost=truth / 30, **BARS) for b, s, q in draws]
    judged = [v for v in found if isinstance(v.observed.low, float)]
    assert len(judged) > 0.99 * reps
    assert np.median([s * s / q for _, s, q in draws]) == pytest.approx(k, rel=0.05)
    # the truth is exactly 1:30, so every verdict but "not enough data" is an error; 3 standard errors are 0.8 points
    passed, failed = (np.mean([v.verdict == word for v in found]) for word in (PASS, FAIL))
    assert 1 - passed - failed == pytest.approx(0.95, abs=0.01)
    assert passed == pytest.approx(0.025, abs=0.008)
    assert failed == pytest.approx(0.025, abs=0.008)


def test_baskets_with_a_heavy_tail_seldom_pass_wrongly():
    # lognormal, sd twice the mean: what is lost is power, and a fail may come too early (see the docstring)
    rng = np.random.default_rng(8)
    n, reps = 20_000, 2000
    buyers = rng.binomial(n, 0.003, reps)
    orders = rng.lognormal(np.log(150) - np.log(5) / 2, math.sqrt(np.log(5)), buyers.sum())
    which = np.repeat(np.arange(reps), buyers)
    columns = (c.tolist() for c in (buyers, np.bincount(which, orders), np.bincount(which, orders**2)))
    words = [
        ratio(recipients=n, buyers=b, revenue=s, revenue_squares=q, cost=n * 0.003 * 150 / 30, **BARS).verdict
        for b, s, q in zip(*columns, strict=True)
    ]
    assert words.count(PASS) / reps < 0.025
    assert words.count(FAIL) / reps < 0.1


def test_so_many_more_sends_settle_the_ratio_as_often_as_promised():
    found = ratio(**sums(2000, 27, 100.0), **BARS)  # 1:40.5
    assert found.verdict == UNKNOWN
    n = 2000 + found.more_sends
    columns = (column.tolist() for column in simulated(0.0135, n, 2000, seed=6))
    words = [
        ratio(recipients=n, buyers=b, revenue=s, revenue_squares=q, cost=0.05 * n, **BARS).verdict
        for b, s, q in zip(*columns, strict=True)
    ]
    assert np.mean([word == PASS for word in words]) == pytest.approx(0.8, abs=0.04)


# --- every case

GRID = list(
    itertools.product(
        [0, 1, 2, 10, 100, 1000, 10_000, 10**6, 10**12],
        [0.0, 0.0001, 0.003, 0.0031, 0.02, 0.5, 1.0],  # share of buyers
        [None, -5.0, 0.0, 0.01, 50.0, 500.0, 1e9],
        [-150.0, 0.0, 0.01, 99.9, 150.0, 1e7],
        [0.0, 80.0],
    )
)


def test_every_case_has_one_of_three_words_and_a_plain_sentence():
    seen = set()
    for recipients, share, cost, basket, sd in GRID:
        campaign = sums(recipients, round(recipients * share), cost, basket=basket, sd=sd)
        found = judgement.judge(**campaign, roi_target=30, conversion_target=0.003, basket_range=(100, 200))
        for bar in (found.conversion, found.ratio):
            assert bar.verdict in (PASS, FAIL, UNKNOWN)
            assert bar.verdict == UNKNOWN or bar.more_sends == 0
            assert bar.verdict != UNKNOWN or isinstance(bar.more_sends, NotComputable) or bar.more_sends > 0
            if bar.verdict == PASS:
                assert bar.observed.low >= bar.target
            if bar.verdict == FAIL:
                assert bar.observed.high < bar.target
        said = found.sentence
        assert not re.search(r"\b(nan|inf|none|infinity)\b|\be[+-]?\d", said, re.IGNORECASE), said
        assert all(s.endswith(".") for s in (found.conversion.sentence, found.ratio.sentence, found.next_step)), said
        assert not re.search(r"\.\.|  | \.", said), said
        if cost is None or cost <= 0 or not recipients:
            assert isinstance(found.ratio.observed, NotComputable)
        else:
            assert math.isfinite(found.ratio.observed.value)
            assert math.isfinite(found.ratio.observed.high)
        seen.add((found.ratio.verdict, found.conversion.verdict, found.action))
    assert {pair[:2] for pair in seen} == set(itertools.product((PASS, FAIL, UNKNOWN), repeat=2))


def test_an_engines_numbers_judge_as_pythons_do():
    plain = sums(10**12, 3 * 10**9, 5e10)
    engines = {"recipients": np.int64(10**12), "buyers": np.int64(3 * 10**9), "cost": np.float64(5e10)}
    engines |= {name: Decimal(int(plain[name])) for name in ("revenue", "revenue_squares")}
    assert ratio(**engines, **BARS) == ratio(**plain, **BARS)
    found = conversion(recipients=np.int64(10**12), buyers=np.int64(3 * 10**9), target=0.003)
    assert found == conversion(recipients=10**12, buyers=3 * 10**9, target=0.003)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1e-4, 0.9))
@some
def test_more_buyers_never_turn_a_conversion_from_pass_to_fail(n, share, target):
    buyers = int(n * share)
    assume(buyers < n)
    order = [FAIL, UNKNOWN, PASS]
    now, then = (conversion(recipients=n, buyers=b, target=target).verdict for b in (buyers, buyers + 1))
    assert order.index(now) <= order.index(then)


@given(st.integers(1, 10**5), st.floats(0, 0.2), st.floats(1, 1e4), st.floats(0, 1e4), st.floats(0.01, 1e5))
@some
def test_one_more_buyer_never_turns_a_ratio_from_pass_to_fail(n, share, basket, more, cost):
    campaign = sums(n, int(n * share), cost, basket=basket)
    larger = campaign | {
        "buyers": campaign["buyers"] + 1,
        "revenue": campaign["revenue"] + more,
        "revenue_squares": campaign["revenue_squares"] + more**2,
    }
    assume(larger["buyers"] <= n)
    assert (ratio(**campaign, **BARS).verdict, ratio(**larger, **BARS).verdict) != (PASS, FAIL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"buyers": 11},
        {"buyers": -1},
        {"recipients": -1, "buyers": -1},
        {"buyers": 2.5},
        {"revenue": float("nan")},
        {"revenue_squares": math.inf},
        {"revenue": 1e200},  # more than the squares allow
        {"buyers": 0},  # sales, but nobody bought
    ],
)
def test_sums_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputRefused, match="cannot be"):
        ratio(**(sums(10, 5, 1.0) | wrong), **BARS)


def test_targets_out_of_range_are_refused():
    for call in (
        lambda: conversion(recipients=10, buyers=1, target=0.0),
        lambda: conversion(recipients=10, buyers=1, target=0.003, confidence=1.0),
        lambda: sends_needed(1.5, 0.003),
        lambda: sends_needed(0.5, 0.003, power=1.0),
        lambda: ratio(**sums(10, 1, 1.0), target=0, basket_range=(100, 200)),
        lambda: ratio(**sums(10, 1, 1.0), target=30, basket_range=(200, 100)),
        lambda: economics(recipients=10, buyers=1, revenue=1.0, cost=1.0, roi_target=30, margin_rate=40),
    ):
        with pytest.raises(BadParameters):
            call()


def test_no_word_promises_what_only_a_holdout_tells():
    for module in (verdicts, judgement):
        assert "incremental" not in Path(module.__file__).read_text(encoding="utf-8").lower()
