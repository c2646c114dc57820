"""What an offer costs and saves a head, and which offers of a segment are worth considering at any value.

in:  offers — segment, offer, cost, save_rate, optional incentive, kept_treated (pandas; one row a segment and offer)
out: the priced offers, and the efficient ones as steps from doing nothing to the dearest (pandas)

An offer costs and saves the same for all customers of a segment. A customer of value V gains V x save rate - cost:
a shear of (cost, save rate), under which the upper hull stays the upper hull. So the efficient offers are found once
a segment, whatever its customers are worth.
"""

import math
from itertools import pairwise

import pandas as pd

from clvbook.errors import InputRefused

UNIT = 1_000_000  # costs are whole millionths of a currency unit: sums are exact in whatever order
STEP = ["segment", "step", "offer", "cost", "save_rate", "units", "added", "slope"]


def priced(offers: pd.DataFrame) -> pd.DataFrame:
    """The offers whose save rate is known, at all that is expected to be paid: segment, offer, cost, save_rate.

    offers: segment, offer, cost (a head, currency), save_rate (caused; null: not known), optional incentive (paid to
    whoever stays) and kept_treated (their share): cost becomes cost + kept_treated x incentive. InputRefused for an
    offer given twice, costs below 0, save rates that are no shares, an incentive without kept_treated.
    """
    paid = offers.cost.astype(float)
    if "incentive" in offers:
        share = offers.kept_treated if "kept_treated" in offers else math.nan
        paid = paid + (offers.incentive * share).where(offers.incentive.fillna(0) != 0, 0.0)
    found = offers.assign(cost=(paid * UNIT).round() / UNIT, save_rate=offers.save_rate.astype(float))
    found = found[["segment", "offer", "cost", "save_rate"]].dropna(subset="save_rate")
    faults = {
        "are given twice": found.duplicated(["segment", "offer"]),
        "have no cost, or one below 0": ~(found.cost.between(0, 1e9)),
        "have a save rate that is no share": ~found.save_rate.between(-1, 1),
    }
    for fault, rows in faults.items():
        if rows.any():
            raise InputRefused(
                f"{rows.sum()} of {len(found)} offers {fault}",
                "one row a segment and offer; cost a head (an incentive needs kept_treated); save_rate in [-1, 1]",
            )
    return found


def efficient_steps(offers: pd.DataFrame) -> pd.DataFrame:
    """The upper hull of each segment's `priced` offers: segment, step, offer, cost, save_rate, units, added, slope.

    step: 1 is the cheapest. units and added: cost (in millionths) and save rate added over the step before, or over
    doing nothing; slope: save rate added a currency unit, falling from step to step. Left out: offers without a
    positive effect, those that cost more and save no more than another, those that a mixture of two others beats.
    """
    rows = []
    for segment, group in offers.sort_values(["cost", "save_rate", "offer"]).groupby("segment"):
        hull = [(0, 0.0, None)]
        for point in zip((group.cost * UNIT).round().astype(int), group.save_rate, group.offer, strict=True):
            if point[1] <= hull[-1][1]:
                continue
            while len(hull) > 1 and _slope(hull[-1], point) >= _slope(hull[-2], hull[-1]):
                hull.pop()
            hull.append(point)
        for step, (before, after) in enumerate(pairwise(hull), start=1):
            units, rate, offer = after
            added = (units - before[0], rate - before[1], _slope(before, after))
            rows.append((segment, step, offer, units / UNIT, rate, *added))
    return pd.DataFrame(rows, columns=STEP)


def _slope(before: tuple[int, float, str], after: tuple[int, float, str]) -> float:
    units = after[0] - before[0]
    return (after[1] - before[1]) * UNIT / units if units else math.inf
