"""The customers table and the churn survey of a chunk.

in: customers and all their orders until the end; out: columns of both tables, and the truth behind the survey
"""

import numpy as np
import pyarrow as pa

from clvbook.simulate import tables
from clvbook.simulate.calendar import Calendar
from clvbook.simulate.catalog import PROVINCES, SOURCES, TIER_SPEND, TIERS
from clvbook.simulate.customers import Customers
from clvbook.simulate.orders import DAY, Purchases
from clvbook.simulate.truth import REASONS, STAGE_ENDS, Parameters

MEMBER_SHARE = 0.6
ASKED_SHARE = 0.08  # of those lost and not asked before, each quarter
ASKED_QUARTERS = 4
REGIONS = sorted({region for _, region, _ in PROVINCES})


def customer_columns(
    rng: np.random.Generator, customers: Customers, purchases: Purchases, ids: pa.Array, *, calendar: Calendar
) -> dict[str, pa.Array]:
    """The customers table: a member joined at the first order and has the tier that net spend until the end earns."""
    n = len(customers)
    spend = np.bincount(purchases.who, purchases.net, minlength=n) / 100
    member = rng.random(n) < MEMBER_SHARE
    tier = np.where(member, np.searchsorted(TIER_SPEND, spend, side="right"), -1)
    region = np.array([REGIONS.index(region) for _, region, _ in PROVINCES])[customers.province]
    mean_cost = np.array([cost for *_, cost in SOURCES])[customers.source]
    epoch = np.datetime64(calendar.start, "D").astype(np.int64)
    return {
        "customer_id": ids,
        "tier": tables.pick(TIERS, tier),
        "joined_at": tables.moment((epoch + customers.born) * DAY, where=member),
        "region": tables.pick(REGIONS, region),
        "source": tables.pick([name for name, *_ in SOURCES], customers.source),
        "acquisition_cost": tables.money(np.rint(100 * mean_cost * rng.gamma(9, 1 / 9, n)).astype(np.int64)),
        "opted_out": pa.array(customers.opted_out),
    }


def draw_survey(
    rng: np.random.Generator, purchases: Purchases, ids: pa.Array, *, calendar: Calendar, truth: Parameters
) -> tuple[dict[str, pa.Array], np.ndarray]:
    """The churn_survey table, and counts [one-time | repeat buyer, answered no | yes, true reason].

    In the last four quarters a share of those without an order for more than 180 days is asked. Repeat buyers answer
    more often and have other reasons, so the answers alone are biased; weighting by the two groups undoes it.
    """
    n = len(ids)
    last, orders = np.full(n, -1), np.zeros(n, int)
    asked_before = np.zeros(n, bool)
    by_day = np.argsort(purchases.day, kind="stable")
    who, day = purchases.who[by_day], purchases.day[by_day]
    quarters = [
        calendar.window - 1 - 91 * k - 14 for k in reversed(range(ASKED_QUARTERS)) if calendar.window - 106 - 91 * k > 0
    ]
    parts, seen = [], 0
    for asked in quarters:
        upto = np.searchsorted(day, asked)
        np.maximum.at(last, who[seen:upto], day[seen:upto])
        orders += np.bincount(who[seen:upto], minlength=n)
        seen = upto
        lost = (orders > 0) & (asked - last > STAGE_ENDS[-1]) & ~asked_before & (rng.random(n) < ASKED_SHARE)
        customer = np.flatnonzero(lost)
        asked_before[customer] = True
        parts.append((customer, np.full(customer.size, asked), orders[customer] > 1))
    empty = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))]
    customer, asked, repeat = (np.concatenate(part) for part in zip(*(parts or empty), strict=True))
    shares = np.cumsum([truth.reasons_one_time, truth.reasons_repeat], axis=1)[repeat.astype(int)]
    reason = np.minimum((rng.random(customer.size)[:, None] > shares).sum(axis=1), len(REASONS) - 1)
    answered = rng.random(customer.size) < np.where(repeat, truth.answers_repeat, truth.answers_one_time)
    wait = rng.integers(0, 12, customer.size)
    epoch = np.datetime64(calendar.start, "D").astype(np.int64)
    counts = np.zeros((2, 2, len(REASONS)), int)
    np.add.at(counts, (repeat.astype(int), answered.astype(int), reason), 1)
    columns = {
        "customer_id": tables.pick(ids, customer),
        "asked_on": tables.day(epoch + asked),
        "answered_on": tables.day(epoch + asked + wait, where=answered),
        "reason": tables.pick(list(REASONS), np.where(answered, reason, -1)),
    }
    return columns, counts
