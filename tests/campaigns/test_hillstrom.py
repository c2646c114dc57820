"""Hillstrom's e-mail experiment (MineThatData 2008), by its counts: two campaigns that share one holdout.

64,000 customers in three arms, purchases within two weeks. Counts and revenue per customer are of the published file;
the intervals are Newcombe's (1998, method 10) of those counts.
"""

import numpy as np
import pytest

from clvbook.campaigns.effects import Arm, effect
from clvbook.campaigns.pooling import forest, holm

# customers, buyers, revenue a customer of the arm, as published
MENS, NOBODY, WOMENS = (21_307, 267, 1.422617), (21_306, 122, 0.652789), (21_387, 189, 1.077202)


@pytest.mark.parametrize(
    ("arm", "delta", "low", "high"),
    [(MENS, 0.006805, 0.005014, 0.008641), (WOMENS, 0.003111, 0.001502, 0.004745)],
    ids=["mens", "womens"],
)
def test_each_campaign_against_the_shared_holdout(arm, delta, low, high):
    found = effect(arm_of(arm), arm_of(NOBODY), confidence=0.95, holdout=0.5)
    assert found.conversion.delta == pytest.approx(delta, abs=1e-6)
    assert (found.conversion.low, found.conversion.high) == pytest.approx((low, high), abs=1e-6)
    assert found.revenue.treated == pytest.approx(arm[2])
    assert found.revenue.control == pytest.approx(0.652789)
    assert found.revenue.low > 0
    assert found.sample_ratio.passes
    assert found.trustworthy


def test_both_stand_after_correction_for_two_looks():
    effects = {
        name: effect(arm_of(arm), arm_of(NOBODY), confidence=0.95, holdout=0.5)
        for name, arm in (("mens", MENS), ("womens", WOMENS))
    }
    table = forest(effects, metric="conversion", confidence=0.95).set_index("name")
    p = [table.p[name] for name in ("mens", "womens")]
    assert [table.p_holm[name] for name in ("mens", "womens")] == pytest.approx(list(holm(np.array(p))))
    assert table.p_holm.astype(float).max() < 0.001
    assert table.index[0] == "mens"


def arm_of(published):
    """The arm with baskets all alike: the least spread that its buyers and revenue allow."""
    n, buyers, each = published
    return Arm(n, buyers, n * each, (n * each) ** 2 / buyers)
