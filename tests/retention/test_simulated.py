"""simulated.py: where the truth is known, the recommended list earns nearly what the best one would."""

import ibis
import pytest

from clvbook.retention.simulated import method_check


@pytest.fixture(scope="module")
def found():
    return method_check(ibis.duckdb.connect(), shops=range(3), per_arm=(500, 16_000))


def test_the_recommended_list_earns_95_per_cent_of_the_best_one_and_more_than_the_riskiest_first(found):
    many = found[found.per_arm == 16_000]
    assert many.share.mean() >= 0.95
    assert (many.recommended > many.riskiest).all()


def test_no_list_beats_the_best_one(found):
    assert (found.share <= 1 + 1e-6).all()
    assert found.share.tolist() == pytest.approx((found.recommended / found.best).tolist())
    assert (found.riskiest < found.best).all()


def test_a_small_experiment_earns_less(found):
    mean = found.groupby("per_arm").share.mean()
    assert mean[500] < mean[16_000] - 0.02


def test_the_same_seeds_give_the_same_shops(found):
    again = method_check(ibis.duckdb.connect(), shops=[1], per_arm=[16_000]).iloc[0]
    first = found[(found.shop == 1) & (found.per_arm == 16_000)].iloc[0]
    assert (again.best, again.riskiest) == (first.best, first.riskiest)
