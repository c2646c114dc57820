"""offers.py against a plain search over values, and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import InputRefused
from clvbook.retention.offers import efficient_steps, priced


def table(rows):
    frame = pd.DataFrame(rows, columns=["cost", "save_rate"]).astype(float)
    return frame.assign(segment=1, offer=[f"offer {n}" for n in range(len(frame))])


offer = st.tuples(st.integers(0, 12), st.integers(-3, 20).map(lambda n: n / 100))


@given(st.lists(offer, max_size=7), st.integers(1, 2000))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_at_any_value_the_best_offer_is_a_step_and_steps_climb_to_it(rows, value):
    offers = table(rows)
    steps = efficient_steps(priced(offers))
    best = max([0.0, *(value * offers.save_rate - offers.cost)])
    assert (np.diff(steps.slope) < 0).all()
    assert (np.diff(steps.save_rate, prepend=0) > 0).all()
    worth = steps[value * steps.slope > 1]
    assert (value * worth.added).sum() - worth.units.sum() / 1e6 == pytest.approx(best, abs=1e-9)


def test_what_others_beat_is_no_step():
    # by hand: (1, 1 %), (2, 5 %) and (4, 6 %): 1 % for 1 is below half of 5 % for 2; 6 % costs more a point but is kept
    rows = [(1, 0.01), (2, 0.05), (4, 0.06), (5, 0.05), (3, -0.02), (2, 0.04)]
    found = efficient_steps(priced(table(rows)))
    assert found.offer.tolist() == ["offer 1", "offer 2"]
    assert found.slope.tolist() == pytest.approx([0.025, 0.005])
    assert found.step.tolist() == [1, 2]


def test_a_free_offer_comes_first_and_the_best_of_them():
    found = efficient_steps(priced(table([(0, 0.01), (0, 0.02), (1, 0.03)])))
    assert found.offer.tolist() == ["offer 1", "offer 2"]
    assert found.slope.tolist() == pytest.approx([float("inf"), 0.01])


def test_the_incentive_is_paid_to_all_who_stay():
    offers = table([(1, 0.05), (2, 0.05)]).assign(incentive=[10.0, 0.0], kept_treated=[0.4, np.nan])
    assert priced(offers).cost.tolist() == [5, 2]
    with pytest.raises(InputRefused, match="1 of 2 offers have no cost"):
        priced(offers.drop(columns="kept_treated"))


def test_an_unknown_save_rate_is_no_offer_and_impossible_ones_are_refused():
    assert priced(table([(1, np.nan), (2, 0.1)])).offer.tolist() == ["offer 1"]
    assert efficient_steps(priced(table([(1, np.nan)]))).empty
    with pytest.raises(InputRefused, match="1 of 2 offers have a save rate that is no share"):
        priced(table([(1, 5.0), (1, 0.1)]))
    with pytest.raises(InputRefused, match="1 of 1 offers have no cost, or one below 0"):
        priced(table([(-1, 0.1)]))
    with pytest.raises(InputRefused, match="1 of 2 offers are given twice"):
        priced(table([(1, 0.1), (2, 0.2)]).assign(offer="sms"))
