"""What was lost with customers who left: estimators side by side, each with what it counts and what it is good for.

in:  days  — customer_id, day, amount (Ibis; one row a purchase, the whole history)
     moves — snapshot, previous, group, from_stage, to_stage, customers (pandas; moves between stages, by groups of
             customers); values — stage, value (pandas; revenue that a customer of the stage is expected to bring)
out: frozen `Loss` results and their `side_by_side` table; two more estimators are in `alive` and `avoidable`

They count different things, partly the same customers: they are never added. Low and high come from resampling
customers (see `intervals`), at the same number of customers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.intervals import GROUPS, customer_group, draws, percentiles

NO_MARGIN = NotComputable("margin_rate is not set")
COLUMNS = ["estimator", "counts", "customers", "revenue", "low", "high", "profit", "use_for"]


@dataclass(frozen=True)
class Loss:
    """One estimate of what was lost; negative is a gain.

    counts: what it counts, in a sentence; customers: how many of them (expected numbers need not be whole); revenue:
    net, in currency, with [low, high]; profit: revenue times the margin, or the reason that it is not known.
    use_for: the question that this estimator answers.
    """

    estimator: str
    counts: str
    customers: float
    revenue: float
    low: float
    high: float
    margin_rate: float | None
    use_for: str

    @property
    def profit(self) -> float | NotComputable:
        """Contribution lost, currency."""
        return NO_MARGIN if self.margin_rate is None else self.margin_rate * self.revenue

    @property
    def profit_interval(self) -> tuple[float, float] | NotComputable:
        """Low and high of `profit`; the margin is taken as known."""
        return NO_MARGIN if self.margin_rate is None else (self.margin_rate * self.low, self.margin_rate * self.high)

    @property
    def summary(self) -> pd.DataFrame:
        """One row: estimator, counts, customers, revenue, low, high, profit, use_for."""
        return pd.DataFrame([[getattr(self, name) for name in COLUMNS]], columns=COLUMNS)


def side_by_side(estimates: dict[str, Loss | NotComputable]) -> pd.DataFrame:
    """The `summary` of each estimator under the other, no total: what could not be estimated keeps its reason.

    estimates: by name of the estimator, such as "accounting"; the name stands in the row of a NotComputable.
    """
    rows = [
        [name, *[found] * (len(COLUMNS) - 1)]
        if isinstance(found, NotComputable)
        else [getattr(found, column) for column in COLUMNS]
        for name, found in estimates.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def scaled(amounts: np.ndarray, customers: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Totals of resampled shops, brought back to the same number of customers.

    amounts, customers: by group; drawn: (resamples, groups) of `intervals.draws`. Without the scaling a draw of large
    groups would be a larger shop, and the interval would hold chance in the number of customers, too.
    """
    people = drawn @ customers
    totals = np.divide(drawn @ amounts, people, out=np.zeros(len(people)), where=people > 0)
    return totals * customers.sum()


def accounting(
    days: ibis.Table,
    *,
    after: date,
    until: date,
    lost_after_days: int,
    confidence: float,
    resamples: int,
    seed: int,
    margin_rate: float | None = None,
    groups: int = GROUPS,
) -> Loss | NotComputable:
    """Customers lost in a period, times what they brought in the year before their last purchase.

    Lost in (after, until]: the first day more than `lost_after_days` after the last purchase falls into it, and no
    purchase came by `until`. A year is 365 days up to the last purchase; where the data or the customer are younger
    than that it is what there is. NotComputable where nobody bought by `until`.
    """
    seen = days.filter(_.customer_id.notnull(), _.day <= until)
    seen = seen.mutate(last_day=_.day.max().over(ibis.window(group_by="customer_id")))
    in_year = seen.last_day.delta(seen.day, unit="day") < 365
    silent = ibis.literal(until).delta(seen.last_day, unit="day")
    period = (until - after).days
    lost = (silent > lost_after_days) & (silent <= lost_after_days + period)
    people = (
        seen.mutate(in_year=in_year, lost=lost)
        .group_by("customer_id")
        .aggregate(lost=_.lost.any(), year=_.amount.cast("decimal(38,9)").sum(where=_.in_year))
    )
    found = (
        people.group_by(group=lambda t: customer_group(t.customer_id, groups=groups))
        .aggregate(customers=_.count(), lost=_.lost.sum(), revenue=_.year.sum(where=_.lost).fill_null(0))
        .order_by("group")
        .to_pandas()
        .astype("float64")
    )
    if found.empty:
        return NotComputable(f"not enough data: nobody bought by {until}")
    revenue = float(found.revenue.sum())
    drawn = draws(len(found), resamples, seed=seed)
    low, high = percentiles(
        scaled(found.revenue.to_numpy(), found.customers.to_numpy(), drawn), revenue, confidence=confidence
    )
    return Loss(
        estimator="accounting",
        counts=f"customers whose last purchase passed {lost_after_days} days after {after} and by {until}, "
        "at their revenue of the year before it",
        customers=float(found.lost.sum()),
        revenue=revenue,
        low=low,
        high=high,
        margin_rate=margin_rate,
        use_for="how large the hole in the books is: the yearly sales that the customers just lost no longer bring",
    )


def stage_flow(
    moves: pd.DataFrame,
    values: pd.DataFrame,
    *,
    after: date,
    until: date,
    confidence: float,
    resamples: int,
    seed: int,
    margin_rate: float | None = None,
    benchmark_steps: int = 12,
) -> Loss | NotComputable:
    """Value lost as customers aged without a purchase, less what the shop's own average of the steps before expects.

    Steps that ended in (after, until] are judged by the pooled rates of the `benchmark_steps` before them. A move to
    a later stage is one without a purchase (steps are no longer than the first stage); it loses V(from) - V(to) of
    `values`, whose stages run from 0 and which are held fixed. Entrants do not count: they were in no stage before.
    NotComputable without a step in the period, with too few before it, and where a stage has no benchmark.
    InputRefused for a stage without a value.
    """
    ends = pd.to_datetime(moves.snapshot)
    now = (ends > pd.Timestamp(after)) & (ends <= pd.Timestamp(until))
    earlier = np.sort(ends[ends <= pd.Timestamp(after)].unique())[-benchmark_steps:]
    if not now.any():
        return NotComputable(f"not enough data: no step between stages ended after {after} and by {until}")
    if len(earlier) < benchmark_steps:
        return NotComputable(
            f"not enough data: {len(earlier)} monthly steps end by {after}, {benchmark_steps} needed as a benchmark"
        )
    worth = values.set_index("stage").value.sort_index()
    old = moves[moves.from_stage.notna()]
    unknown = int(old.customers[~(old.from_stage.isin(worth.index) & old.to_stage.isin(worth.index))].sum())
    if unknown or list(worth.index) != list(range(len(worth))) or worth.isna().any():
        raise InputRefused(
            f"{unknown:,} of {old.customers.sum():,} moves are between stages without a value",
            "values has one row a stage, 0, 1, ..., with a number",
        )
    names = np.sort(moves.group.unique())
    actual, usual = (
        _by_group(old[old.index.isin(moves.index[which])], names, len(worth)) for which in (now, ends.isin(earlier))
    )
    no_benchmark = [i for i in range(len(worth)) if actual[:, i].sum() and not usual[:, i].sum()]
    if no_benchmark:
        return NotComputable(f"nobody was in stage {no_benchmark[0]} in the {benchmark_steps} steps of the benchmark")
    older = np.triu(np.ones((len(worth), len(worth))), k=1)
    drop = older * (worth.to_numpy(float)[:, None] - worth.to_numpy(float)[None, :])
    customers = float(_excess(actual.sum(axis=0), usual.sum(axis=0), older))
    revenue = float(_excess(actual.sum(axis=0), usual.sum(axis=0), drop))
    drawn = draws(len(names), resamples, seed=seed)
    again = [np.tensordot(drawn, each, axes=1) for each in (actual, usual)]
    people = again[0].sum(axis=(1, 2))
    totals = _excess(*again, drop) * np.divide(actual.sum(), people, out=np.zeros(len(people)), where=people > 0)
    low, high = percentiles(totals, revenue, confidence=confidence)
    return Loss(
        estimator="stage flow",
        counts=f"moves to a later stage after {after} and by {until} beyond those that the shop's own "
        f"{benchmark_steps} months before lead to expect, at the value they take away; negative: fewer than expected",
        customers=customers,
        revenue=revenue,
        low=low,
        high=high,
        margin_rate=margin_rate,
        use_for="whether this period was better or worse than the shop's own usual: a warning that comes early",
    )


def _by_group(moves: pd.DataFrame, names: Sequence[int], stages: int) -> np.ndarray:
    """Customers as (group, from, to)."""
    found = np.zeros((len(names), stages, stages))
    place = (
        np.searchsorted(names, moves.group),
        moves.from_stage.to_numpy(dtype=int),
        moves.to_stage.to_numpy(dtype=int),
    )
    np.add.at(found, place, moves.customers.to_numpy())
    return found


def _excess(actual: np.ndarray, usual: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted moves less those that the usual rates expect of the same customers; the last two axes: from, to."""
    of = usual.sum(axis=-1, keepdims=True)
    rates = np.divide(usual, of, out=np.zeros(usual.shape), where=of > 0)
    return ((actual - actual.sum(axis=-1, keepdims=True) * rates) * weight).sum(axis=(-2, -1))
