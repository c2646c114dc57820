"""Who comes back: the customers who first bought in one month, followed month by month.

in:  days — one row a purchase (Ibis): customer_id, day, amount (net of refunds); full history
out: a frozen `Cohorts`: triangles of counts and money, their average, and why a cell is missing

A cohort is the calendar month of the first purchase; cell k is the k-th calendar month after it. Only months that were
over by `as_of` count, so that every member of a cohort had the whole of month k: later cells are missing (`pd.NA`),
with their reason, and never 0. A triangle is not a funnel: cells of "on" may rise (Mixpanel's retention docs).
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle.transitions import wilson

VARIANTS = {
    "on": "bought in month k",
    "on_or_after": "bought in month k or later",
    "cumulative": "bought again by the end of month k",
    "revenue": "net revenue of month k",
}
SETTLED = 6  # months in which a customer may still come back: the 180 days after which the source calls one lost


@dataclass(frozen=True)
class Cohorts:
    """Cohorts followed up to `through`, the end of the last month that was over by `as_of`.

    too_young: customers whose first purchase came after `through`; they are in no cohort. Months in which nobody bought
    first have no cohort. Where an export starts in the middle of a shop's life, old customers look new in its first
    months: cohorts of months that began by `burn_in` are marked, shown, and left out of averages.
    """

    as_of: date
    through: date
    burn_in: date | None
    confidence: float
    too_young: int
    sizes: pd.Series = field(repr=False)
    cells: dict[str, pd.DataFrame] = field(repr=False)

    def triangle(self, variant: str, *, per_customer: bool = False) -> pd.DataFrame:
        """One row a cohort (index, YYYY-MM): size, then the months after the first purchase, columns 0, 1, ...

        Cells are customers, for "revenue" currency; `per_customer` divides them by the cohort's size. variant: "on":
        bought in month k; "on_or_after": in month k or later, of which the last columns are too low (see `biased`);
        "cumulative": bought again, a second time or more, by the end of month k; "revenue": net revenue of month k.
        """
        cells = self._cells(variant)
        if per_customer:
            cells = cells.astype("Float64").div(self.sizes, axis=0)
        return pd.concat([self.sizes, cells], axis=1)

    @property
    def reasons(self) -> pd.DataFrame:
        """Why a cell of any triangle is missing, "" where it is filled: index cohort, columns 0, 1, ..."""
        missing = self.cells["on"].isna()
        why = {
            (cohort, k): f"{_label(_number(cohort) + k)} is not over by {self.as_of}" if missing.loc[cohort, k] else ""
            for cohort in missing.index
            for k in missing.columns
        }
        return pd.Series(why).unstack().rename_axis(index="cohort")

    @property
    def biased(self) -> pd.DataFrame:
        """Cells of "on_or_after" that are too low: fewer than six whole months were seen after month k.

        Index cohort, columns 0, 1, ..., True or False; the cohort's last cell is no more than "on". Month 0 is exact.
        """
        months = pd.Series({cohort: _number(f"{self.through:%Y-%m}") - _number(cohort) for cohort in self.sizes.index})
        columns = {k: (k > 0) & months.ge(k) & (months - k < SETTLED) for k in self.cells["on"].columns}
        return pd.DataFrame(columns).rename_axis(index="cohort")

    @property
    def in_burn_in(self) -> pd.Series:
        """True for cohorts of months that began by `burn_in`: what looks new there may be old. Index cohort."""
        begun = [self.burn_in is not None and f"{cohort}-01" <= str(self.burn_in) for cohort in self.sizes.index]
        return pd.Series(begun, index=self.sizes.index, name="burn_in", dtype=bool)

    def average(self, variant: str) -> pd.DataFrame:
        """All cohorts that have a cell k taken together, also those of which nobody came: index k.

        cohorts (how many), eligible (their customers), retained (sum of the cells), share = retained / eligible, and
        [low, high], Wilson's interval at `confidence`. For "revenue": cohorts, eligible, revenue, per_customer.
        A sum over a sum, as large cohorts know more; a mean that skips cohorts of zero is too high (PostHog #30624).
        """
        cells = self._cells(variant)[~self.in_burn_in]
        filled = cells.notna()
        eligible = filled.mul(self.sizes[~self.in_burn_in], axis=0).sum()
        frame = pd.DataFrame({"cohorts": filled.sum(), "eligible": eligible, "retained": cells.sum()})
        frame = frame[frame.cohorts > 0].rename_axis(index="k")
        if variant == "revenue":
            return frame.rename(columns={"retained": "revenue"}).assign(per_customer=lambda t: t.revenue / t.eligible)
        frame = frame.astype(int)
        share = frame.retained / frame.eligible
        low, high = wilson(share.to_numpy(), frame.eligible.to_numpy(), confidence=self.confidence)
        return frame.assign(share=share, low=low, high=high)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a cohort: cohort, size, months (whole months seen after the first), burn_in, came_back (customers
        with a second purchase so far), came_back_share, revenue (all so far, in currency), revenue_per_customer.
        """
        came_back = self.cells["cumulative"].max(axis=1).astype(int)
        revenue = self.cells["revenue"].sum(axis=1).astype(float)
        frame = {
            "size": self.sizes,
            "months": self.cells["on"].notna().sum(axis=1) - 1,
            "burn_in": self.in_burn_in,
            "came_back": came_back,
            "came_back_share": came_back / self.sizes,
            "revenue": revenue,
            "revenue_per_customer": revenue / self.sizes,
        }
        return pd.DataFrame(frame).reset_index()

    def _cells(self, variant: str) -> pd.DataFrame:
        if variant not in self.cells:
            raise BadParameters(f"{variant} is not a kind of retention", f"choose one of {', '.join(VARIANTS)}")
        return self.cells[variant]


def cohorts(
    days: ibis.Table, *, as_of: date, confidence: float, burn_in: date | None = None
) -> Cohorts | NotComputable:
    """Follow the customers who first bought in the same month; see `Cohorts`.

    burn_in: the last day up to which an export that starts mid-history cannot tell new customers from old ones.
    NotComputable where no customer first bought in a month that was over by `as_of`.
    """
    through = (as_of + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    first = days.filter(_.day <= as_of).group_by("customer_id").aggregate(first_day=_.day.min())
    too_young = int(first.filter(_.first_day > through).count().to_pandas())
    counts = _counts(days.filter(_.day <= through), first.filter(_.first_day <= through)).to_pandas()
    if counts.empty:
        return NotComputable(f"not enough data: nobody bought first in a month that was over by {as_of}")
    last = _number(f"{through:%Y-%m}")
    numbers = sorted(counts.cohort.unique())
    columns = range(last - numbers[0] + 1)
    over = pd.DataFrame({k: [number + k <= last for number in numbers] for k in columns}, index=numbers)

    def laid_out(what: str, column: str = "customers") -> pd.DataFrame:
        found = counts[counts.what == what].pivot(index="cohort", columns="k", values=column)
        return found.reindex(index=numbers, columns=columns).fillna(0)

    on = laid_out("on")
    raw = {
        "on": on.astype("Int64"),
        "on_or_after": laid_out("last").iloc[:, ::-1].cumsum(axis=1).iloc[:, ::-1].astype("Int64"),
        "cumulative": laid_out("again").cumsum(axis=1).astype("Int64"),
        "revenue": laid_out("on", "revenue").astype("Float64"),
    }
    labels = pd.Index([_label(number) for number in numbers], name="cohort")
    return Cohorts(
        as_of=as_of,
        through=through,
        burn_in=burn_in,
        confidence=confidence,
        too_young=too_young,
        sizes=pd.Series(on[0].astype(int).to_numpy(), index=labels, name="size"),
        cells={name: frame.where(over, pd.NA).set_axis(labels) for name, frame in raw.items()},
    )


def _counts(days: ibis.Table, first: ibis.Table) -> ibis.Table:
    """what, cohort, k, customers, revenue. what: "on", who bought in month k and for how much; "last", whose last
    purchase fell into it; "again", whose second one did. Cohorts and months are numbers: 12 x year + month - 1.
    """
    month, cohort = (day.year() * 12 + day.month() - 1 for day in (_.day, _.first_day))
    monthly = (
        days.join(first, "customer_id")
        .mutate(cohort=cohort, k=month - cohort, repeat=_.day > _.first_day)
        .group_by("customer_id", "cohort", "k")
        .aggregate(revenue=_.amount.cast("decimal(38,9)").sum(), repeat=_.repeat.any())
    )
    each = monthly.group_by("customer_id", "cohort").aggregate(last=_.k.max(), again=_.k.min(where=_.repeat))
    nothing = ibis.literal(0.0)
    on = monthly.group_by("cohort", "k").aggregate(customers=_.count(), revenue=_.revenue.sum().cast("float64"))
    last = each.group_by("cohort", k=_.last).aggregate(customers=_.count(), revenue=nothing)
    again = each.filter(_.again.notnull()).group_by("cohort", k=_.again).aggregate(customers=_.count(), revenue=nothing)
    named = {"on": on, "last": last, "again": again}
    return ibis.union(*(table.mutate(what=ibis.literal(what)) for what, table in named.items()))


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _label(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}"
