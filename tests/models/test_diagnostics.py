"""diagnostics.py: counted and expected agree with plain pandas, with lifetimes, and with the model's own methods."""

from datetime import date, timedelta

import lifetimes
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.models import BetaGeoFitter, diagnostics

PARAMS = (0.6, 12.0, 0.8, 2.5)  # r, alpha, a, b of a shop in days that loses customers


def model_at(params, kind=BetaGeoFitter):
    model = kind()
    model.params_ = pd.Series(params, index=["r", "alpha", "a", "b"])
    return model


def random_cells(seed, size=120, oldest=200):
    rng = np.random.default_rng(seed)
    T = rng.integers(0, oldest + 1, size)
    frequency = np.minimum(rng.poisson(1.5, size), T)
    recency = np.where(frequency > 0, rng.integers(frequency, T + 1), 0)
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": T, "weight": rng.integers(1, 9, size)})


@pytest.mark.parametrize("last", [7, 3])
def test_counts_by_frequency_are_those_of_lifetimes(last):
    cells = random_cells(1)
    found = diagnostics.frequency_fit(cells, model_at(PARAMS), last=last)
    assert found.repeat_orders.tolist() == [*map(str, range(last)), f"{last}+"]
    each = cells.loc[cells.index.repeat(cells.weight)]
    assert found.actual.tolist() == [
        *((each.frequency == n).sum() for n in range(last)),
        (each.frequency >= last).sum(),
    ]
    theirs = model_at(PARAMS, lifetimes.BetaGeoFitter)  # P(X(T) = n) customer by customer
    ages = each["T"].value_counts()
    for n in range(last):
        chances = [theirs.probability_of_n_purchases_up_to_time(float(age), n) for age in ages.index]
        assert found.expected[n] == pytest.approx(np.dot(chances, ages), rel=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(0, 60))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_counts_by_frequency_are_as_many_as_the_customers(seed, size, oldest):
    cells = random_cells(seed, size, oldest)
    found = diagnostics.frequency_fit(cells, model_at(PARAMS))
    assert found.actual.sum() == cells.weight.sum()
    assert found.expected.sum() == pytest.approx(cells.weight.sum(), rel=1e-12)
    assert found.expected.min() >= -1e-9 * cells.weight.sum()


def history(seed, days):
    """First days and repeat days of a small shop; day 0 always has a first order."""
    rng = np.random.default_rng(seed)
    start = date(2026, 1, 5)
    first = pd.Series([0, *rng.integers(0, days, 80)])
    repeats = pd.Series(
        np.concatenate([rng.integers(day + 1, days + 1, rng.poisson(2)) for day in first if day < days])
    )
    began = first.value_counts().rename_axis("first_day").reset_index(name="customers")
    came = repeats[repeats < days].value_counts().rename_axis("day").reset_index(name="repeats")
    for frame, name in ((began, "first_day"), (came, "day")):
        frame[name] = [start + timedelta(days=int(n)) for n in frame[name]]
    return start, began, came


@given(st.integers(0, 10_000), st.integers(1, 90))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_tracking_counts_whole_weeks(seed, days):
    start, began, came = history(seed, days)
    until = start + timedelta(days=days - 1)
    model = model_at(PARAMS)
    found = diagnostics.tracking(began, came, model, until=until)
    assert len(found) == days // 7  # a week that is not over is not shown
    if found.empty:
        return
    end = start + timedelta(days=7 * len(found) - 1)
    assert [day.date() for day in found.week] == [start + timedelta(days=7 * n + 6) for n in range(len(found))]
    assert found.actual_total.iloc[-1] == found.actual.sum() == came.repeats[came.day <= end].sum()
    first_week = came.repeats[came.day <= start + timedelta(days=6)].sum()
    assert found.actual.iloc[0] == found.actual_total.iloc[0] == first_week
    # expected by brute force: every customer since the own first day
    expected = sum(
        row.customers * model.expected_number_of_purchases_up_to_time((end - row.first_day).days)
        for row in began.itertuples()
        if row.first_day <= end
    )
    assert found.expected_total.iloc[-1] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found.expected.cumsum(), found.expected_total, rtol=1e-9)
    assert (found.expected >= 0).all()


@pytest.mark.parametrize("measure", ["p_alive", "expected_orders"])
def test_a_map_holds_the_models_own_values(measure):
    cells, model = random_cells(4), model_at(PARAMS)
    found = diagnostics.history_map(cells, model, measure=measure, horizon_days=90)
    age = cells["T"].max()
    assert (found.index.min(), found.index.max()) == (0, age)
    assert found.index.is_monotonic_increasing
    assert not found.index.has_duplicates
    assert len(found) == 40
    for recency in found.index:
        for frequency in found.columns:
            # no repeat order has no last day; x repeat orders need x days between the first and the last
            possible = recency == 0 if frequency == 0 else recency >= frequency
            value = found.loc[recency, frequency]
            if not possible:
                assert np.isnan(value)
            elif measure == "p_alive":
                assert value == pytest.approx(model.conditional_probability_alive(frequency, recency, age)[0])
                assert 0 <= value <= 1
            else:
                own = model.conditional_expected_number_of_purchases_up_to_time(90, frequency, recency, age)
                assert value == pytest.approx(float(own))


def test_a_map_reaches_to_all_but_the_last_customer_in_a_thousand():
    cells = pd.DataFrame({"frequency": [0, 5, 30], "recency": [0, 50, 90], "T": [100, 100, 100]})
    for rare, widest in ((1, 5), (2, 30)):
        found = diagnostics.history_map(
            cells.assign(weight=[998, 1001 - rare, rare]), model_at(PARAMS), measure="p_alive", horizon_days=1
        )
        assert found.columns.max() == widest
    young = pd.DataFrame({"frequency": [0, 1], "recency": [0, 2], "T": [1, 2], "weight": [3, 3]})
    small = diagnostics.history_map(young, model_at(PARAMS), measure="p_alive", horizon_days=1)
    assert small.index.tolist() == [0, 1, 2]
    assert small.columns.tolist() == [0, 1, 2, 3]
