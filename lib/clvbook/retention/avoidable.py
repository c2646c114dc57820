"""What need not have been lost: purchases that the shop's own best cohort, or a target, would have brought.

in:  days — customer_id, day, amount (Ibis; one row a purchase, the whole history); a target — k, share (pandas)
out: a frozen `loss.Loss`

The best of many cohorts is partly the luckiest. The benchmark is therefore shrunken to the mean of the cohorts, as far
as chance alone would spread them: where cohorts differ by no more than chance, nothing was avoidable.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.intervals import GROUPS, customer_group, draws, percentiles
from clvbook.retention.loss import Loss
from clvbook.retention.rate import month_name, month_number


@dataclass(frozen=True)
class Avoidable(Loss):
    """A `Loss`; customers are buyers missing, each month of each cohort counted for itself.

    benchmark: the cohort (YYYY-MM) or "target"; kept: how much of its lead over the mean is not luck (1: all of it);
    by_cohort: cohort, size, months (compared), missing (buyers), revenue.
    """

    benchmark: str = ""
    kept: float = 1.0
    by_cohort: pd.DataFrame | None = None


def avoidable(
    days: ibis.Table,
    *,
    as_of: date,
    months: int,
    min_customers: int,
    annual_discount_rate: float,
    confidence: float,
    resamples: int,
    seed: int,
    margin_rate: float | None = None,
    target: pd.DataFrame | None = None,
    after: date | None = None,
    burn_in: date | None = None,
    groups: int = GROUPS,
) -> Avoidable | NotComputable:
    """Sum over cohorts c and months k of N_c [S*(k) - S_c(k)] rev_k / (1 + d)^(k / 12); negative is a gain.

    S_c(k): share of the cohort (month of the first purchase) that buys in the k-th month after it, k = 1 .. `months`,
    months over by `as_of`; rev_k: revenue of one who does, mean of all cohorts. S*: `target` (k, share; every k), or
    the best cohort of at least `min_customers` that was seen for all `months`: the one of most discounted revenue, its
    lead over the mean of such cohorts times `kept` (DerSimonian & Laird's variance between cohorts over that plus the
    cohort's own). after: only calendar months after that day count. burn_in: cohorts begun by then are left out.
    low and high: the cohorts' curves drawn again; the choice of the benchmark stays, its lead scatters as a shrunken
    one does (its variance is `kept` times the cohort's). NotComputable without a month to compare or a benchmark.
    """
    through = (as_of + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    last = month_number(through)
    found = _cells(days.filter(_.day <= through), months=months, groups=groups).to_pandas()
    if burn_in is not None:
        found = found[found.cohort > month_number(burn_in)]
    cohorts, names = np.sort(found.cohort.unique()), np.sort(found.group.unique())
    buyers, revenue = (np.zeros((len(names), len(cohorts), months + 1)) for _name in range(2))
    place = (np.searchsorted(names, found.group), np.searchsorted(cohorts, found.cohort), found.k.to_numpy(dtype=int))
    buyers[place], revenue[place] = found.customers, found.revenue.astype("float64")
    month = cohorts[:, None] + np.arange(1, months + 1)
    over = month <= last
    counted = over & (month > month_number(after) if after else True)
    if not counted.any():
        return NotComputable(f"not enough data: no cohort has a whole month after its first by {as_of}")
    size, bought = buyers[:, :, 0], np.where(over, buyers[:, :, 1:], 0)
    spent = np.where(over, revenue[:, :, 1:], 0)
    discount = (1 + annual_discount_rate) ** (-np.arange(1, months + 1) / 12)
    a_buyer = spent.sum(axis=(0, 1)) / np.maximum(bought.sum(axis=(0, 1)), 1)
    if target is None:
        able = over.all(axis=1) & (size.sum(axis=0) >= min_customers)
        if not able.any():
            return NotComputable(
                f"not enough data: no cohort of {min_customers:,} customers was seen for {months} months; "
                f"the largest seen for so long has {int(size.sum(axis=0)[over.all(axis=1)].max(initial=0)):,}"
            )
        best, kept = _best(size[:, able], (bought * a_buyer * discount).sum(axis=2)[:, able])
        best = int(np.flatnonzero(able)[best])
        benchmark = month_name(int(cohorts[best]))
    else:
        best, kept, benchmark = None, 1.0, "target"
        goal = target.set_index("k").share.reindex(range(1, months + 1)).to_numpy(dtype=float)
        if not ((goal >= 0) & (goal <= 1)).all():
            raise InputRefused(
                f"the target has no share for {int(np.isnan(goal).sum())} of {months} months, or one beyond 0 and 1",
                "give k = 1, 2, ... and the share of a cohort that buys in that month",
            )
    n = size.sum(axis=0)

    def missing(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Missing buyers (draw, cohort, month), and revenue a buyer (draw, month), of shops drawn with weights."""
        people, came = weights @ size, np.tensordot(weights, bought, axes=1)
        own = np.divide(came, people[:, :, None], out=np.zeros(came.shape), where=people[:, :, None] > 0)
        paid = np.tensordot(weights, spent.sum(axis=1), axes=1) / np.maximum(came.sum(axis=1), 1)
        if best is None:
            return n[:, None] * (goal - own), paid
        mean = came[:, able].sum(axis=1) / np.maximum(people[:, able].sum(axis=1), 1)[:, None]
        lead = own[:, best] - mean
        seen = bought.sum(axis=0)[best] / n[best] - bought.sum(axis=0)[able].sum(axis=0) / n[able].sum()
        shrunken = mean + kept * seen + np.sqrt(kept) * (lead - seen)
        return n[:, None] * (shrunken[:, None, :] - own), paid

    (gap,), (paid,) = missing(np.ones((1, len(names))))
    gap = np.where(counted, gap, 0)
    worth = gap * paid * discount
    again, paid_again = missing(draws(len(names), resamples, seed=seed))
    totals = np.einsum("rck,ck,rk,k->r", again, counted.astype(float), paid_again, discount, optimize=True)
    low, high = percentiles(totals, float(worth.sum()), confidence=confidence)
    by_cohort = pd.DataFrame(
        {
            "cohort": [month_name(int(c)) for c in cohorts],
            "size": n.astype(int),
            "months": counted.sum(axis=1),
            "missing": gap.sum(axis=1),
            "revenue": worth.sum(axis=1),
        }
    )
    best_seen = (
        f"the cohort of {benchmark}, the best of those seen for so long ({100 * kept:.0f} % of its lead is not luck)"
    )
    whom = "the target" if target is not None else best_seen
    return Avoidable(
        estimator="avoidable",
        counts=f"purchases that did not come in the {months} months after the first, had all cohorts stayed as {whom}; "
        "negative: more came",
        customers=float(gap.sum()),
        revenue=float(worth.sum()),
        low=low,
        high=high,
        margin_rate=margin_rate,
        use_for="what need not have been lost: by the shop's own best cohort, not by what any measure would achieve",
        benchmark=benchmark,
        kept=float(kept),
        by_cohort=by_cohort[by_cohort.months > 0].reset_index(drop=True),
    )


def _cells(days: ibis.Table, *, months: int, groups: int) -> ibis.Table:
    """group, cohort (month number), k, customers, revenue; k = 0 is the cohort's size."""
    month = (_.day.year() * 12 + _.day.month() - 1).cast("int32")
    bought = days.filter(_.customer_id.notnull()).mutate(month=month).group_by("customer_id", "month")
    monthly = bought.aggregate(revenue=_.amount.cast("decimal(38,9)").sum())
    first = monthly.mutate(cohort=_.month.min().over(ibis.window(group_by="customer_id")))
    cells = first.mutate(k=_.month - _.cohort, group=lambda t: customer_group(t.customer_id, groups=groups))
    cells = cells.filter(_.k <= months).group_by("group", "cohort", "k")
    return cells.aggregate(customers=_.count(), revenue=_.revenue.sum().cast("float64"))


def _best(size: np.ndarray, amount: np.ndarray) -> tuple[int, float]:
    """The cohort of the highest shrunken amount a customer, and how much of its lead is kept; input (group, cohort)."""
    groups, n = len(size), size.sum(axis=0)
    mean = amount.sum(axis=0) / n
    error = groups / max(groups - 1, 1) * ((amount - mean * size) ** 2).sum(axis=0) / n**2
    if len(n) < 2 or not (error > 0).all():
        return int(mean.argmax()), 1.0 if len(n) > 1 else 0.0
    weight = 1 / error
    excess = (weight * (mean - np.average(mean, weights=weight)) ** 2).sum() - (len(n) - 1)
    between = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    kept = between / (between + error)
    centre = np.average(mean, weights=1 / (between + error))
    best = int((centre + kept * (mean - centre)).argmax())
    return best, float(kept[best])
