"""How many customers stay: of those who bought in the months before a period, the share that buys in it.

in:  days — customer_id, day (Ibis; one row a purchase, the whole history)
out: a frozen `RetentionRate`: by period, by cohort, by age, and what was left out and why

"Retention rate" means many things; `definition` says in a sentence which one this is. Who has stayed long stays more
surely: the rate of survivors rises with age although nobody changes, so that a mean over all ages misleads (Fader &
Hardie 2010, Customer-base valuation in a contractual setting, Marketing Science 29(1)).
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, NotComputable
from clvbook.retention.intervals import GROUPS, customer_group, grouped_share, wilson


@dataclass(frozen=True)
class RetentionRate:
    """The share of earlier buyers who buy again, by the sentence in `definition`.

    rate, low, high: all periods together; a customer stands in many of them and is counted once for the interval.
    base and retained: customer-periods behind it. by_period (Wilson's interval): period (YYYY-MM, the month it begins
    with), base, retained, rate, low, high. by_cohort (all periods of the customers who first bought in that month;
    interval counts each once): cohort, periods, base, retained, rate, low, high. by_age, survivors' retention
    (Wilson): age (months from the first purchase to the period's begin), base, retained, rate, low, high.
    left_out: period, reason: periods whose customers were not seen for as long as the definition asks.
    """

    definition: str
    rate: float
    low: float
    high: float
    base: int
    retained: int
    by_period: pd.DataFrame = field(repr=False)
    by_cohort: pd.DataFrame = field(repr=False)
    by_age: pd.DataFrame = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a period, oldest first; see `by_period`."""
        return self.by_period


def retention_rate(
    days: ibis.Table,
    *,
    as_of: date,
    confidence: float,
    window_months: int = 12,
    period_months: int = 1,
    groups: int = GROUPS,
) -> RetentionRate | NotComputable:
    """The retention rate of every period of `period_months` that begins with a month; see `RetentionRate`.

    A customer is in a period's base with a purchase in the `window_months` months before it, and retained with one in
    it. Counted are periods that were over by `as_of` and whose window does not begin before the first purchase in
    the data. Periods longer than a month overlap. NotComputable where there is no such period, or nobody in its base.
    """
    if window_months < 1 or period_months < 1:
        raise BadParameters(
            f"a window of {window_months} and a period of {period_months} months", "both are at least one month"
        )
    through = (as_of + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    changes = _changes(days.filter(_.day <= through), window=window_months, period=period_months, groups=groups)
    found = changes.to_pandas()
    if found.empty:
        return NotComputable(f"not enough data: nobody bought in a month that was over by {as_of}")
    first, last = int(found.cohort.min()), month_number(through)
    starts = np.arange(first + window_months, last - period_months + 2)
    left_out = _left_out(first, last, window=window_months, period=period_months)
    if not len(starts):
        return NotComputable(
            f"not enough data: {last - first + 1} months from {month_name(first)} to {month_name(last)}, "
            f"{window_months + period_months} needed"
        )
    # (group, cohort, month the period begins with): each change holds until the next one
    base, kept = (np.zeros((groups, last - first + 1, last - first + 2), np.int64) for _name in range(2))
    place = (
        found.group.to_numpy(),
        found.cohort.to_numpy() - first,
        np.minimum(found["at"].to_numpy(), last + 1) - first,
    )
    np.add.at(base, place, found.base.to_numpy())
    np.add.at(kept, place, found.kept.to_numpy())
    base, kept = (np.cumsum(each, axis=2)[:, :, starts - first] for each in (base, kept))
    if not base.sum():
        return NotComputable(f"not enough data: nobody bought in the {window_months} months before any of the periods")
    whole = grouped_share(kept.sum(axis=(1, 2)), base.sum(axis=(1, 2)), confidence=confidence)
    ages = (starts[None, :] - np.arange(first, last + 1)[:, None]).ravel()
    old = ages > 0
    by_age = pd.DataFrame(
        {"age": ages[old], "base": base.sum(axis=0).ravel()[old], "retained": kept.sum(axis=0).ravel()[old]}
    )
    cohorts = pd.DataFrame({"cohort": [month_name(n) for n in range(first, last + 1)]})
    cohorts["periods"] = (base.sum(axis=0) > 0).sum(axis=1)
    share, low, high = grouped_share(kept.sum(axis=2), base.sum(axis=2), confidence=confidence)
    cohorts = cohorts.assign(base=base.sum(axis=(0, 2)), retained=kept.sum(axis=(0, 2)), rate=share, low=low, high=high)
    return RetentionRate(
        definition=_definition(window_months, period_months),
        rate=float(whole[0]),
        low=float(whole[1]),
        high=float(whole[2]),
        base=int(base.sum()),
        retained=int(kept.sum()),
        by_period=_with_wilson(
            pd.DataFrame(
                {
                    "period": [month_name(n) for n in starts],
                    "base": base.sum(axis=(0, 1)),
                    "retained": kept.sum(axis=(0, 1)),
                }
            ),
            confidence,
        ),
        by_cohort=cohorts[cohorts.base > 0].reset_index(drop=True),
        by_age=_with_wilson(by_age.groupby("age", as_index=False).sum().query("base > 0"), confidence),
        left_out=left_out,
    )


def _changes(days: ibis.Table, *, window: int, period: int, groups: int) -> ibis.Table:
    """group, cohort, at, base, kept: by how much base and retained customers of periods that begin in month `at` or
    later differ from those of the month before.

    Each month with a purchase puts its customer into the base of the periods after it, until the next such month has
    come (which then stands for the customer) or the window is over; of those periods the last ones hold that next
    purchase. So a customer is counted once a period, and nothing is laid out month by month.
    """
    month = _.day.year() * 12 + _.day.month() - 1
    bought = days.filter(_.customer_id.notnull()).select("customer_id", month=month.cast("int32")).distinct()
    life = ibis.window(group_by="customer_id", order_by="month")
    spans = bought.select(
        "month",
        group=lambda t: customer_group(t.customer_id, groups=groups),
        cohort=_.month.min().over(ibis.window(group_by="customer_id")),
        following=_.month.lead().over(life),
    )
    end = ibis.least(_.following, _.month + window)
    spans = spans.mutate(end=end.fill_null(_.month + window) + 1)
    held = ibis.greatest(_.month + 1, _.following - period + 1)
    zero, one = ibis.literal(0), ibis.literal(1)
    came = spans.filter(_.following.notnull()).mutate(held=held).filter(_.held < _.end)
    pieces = (
        spans.select("group", "cohort", at=_.month + 1, base=one, kept=zero),
        spans.select("group", "cohort", at=_.end, base=-one, kept=zero),
        came.select("group", "cohort", at=_.held, base=zero, kept=one),
        came.select("group", "cohort", at=_.end, base=zero, kept=-one),
    )
    changes = ibis.union(*pieces).group_by("group", "cohort", "at")
    return changes.aggregate(base=_.base.sum(), kept=_.kept.sum())


def _definition(window: int, period: int) -> str:
    before = "in the month" if window == 1 else f"in the {window} months"
    within = "in that month" if period == 1 else f"within its {period} months"
    return (
        f"Retention rate: of the customers who bought {before} before a period began, the share that bought again "
        f"{within}. A customer counts once a period; orders refunded in full are no purchases."
    )


def _left_out(first: int, last: int, *, window: int, period: int) -> pd.DataFrame:
    months = range(first, last + 1)
    early = f"the {window} months before it begin before {month_name(first)}, the first month of the data"
    late = f"it ends after {month_name(last)}, the last month that was over"
    reasons = {n: early if n - window < first else late if n + period - 1 > last else "" for n in months}
    rows = [(month_name(n), reason) for n, reason in reasons.items() if reason]
    return pd.DataFrame(rows, columns=["period", "reason"])


def _with_wilson(frame: pd.DataFrame, confidence: float) -> pd.DataFrame:
    n = frame.base.to_numpy(dtype=float)
    share = np.divide(frame.retained.to_numpy(dtype=float), n, out=np.full(len(n), np.nan), where=n > 0)
    low, high = wilson(share, n, confidence=confidence)
    return frame.assign(rate=share, low=low, high=high).reset_index(drop=True)


def month_number(day: date) -> int:
    """12 x year + month - 1."""
    return day.year * 12 + day.month - 1


def month_name(number: int) -> str:
    """YYYY-MM of a month number."""
    return f"{number // 12}-{number % 12 + 1:02d}"
