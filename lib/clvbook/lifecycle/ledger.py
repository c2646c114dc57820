"""The ledger of customers: by stage, as receivables by age, what they brought, what is expected, what is written off.

in:  history — the table of `stages.stage_history` (Ibis), made with three bounds
     scores  — customer_id, residual_revenue, and residual_profit where a margin is known (Ibis; one row a customer)
     curve   — the wait for the next purchase (pandas; see `survival.kaplan_meier`)
out: a frozen `Ledger`

The write-off does not come from P(alive): BG/NBD holds every one-time buyer for alive, and those are most of the lost.
It is read off the shop's own waits: how many who had been silent for as long bought within the horizon.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import InputRefused, NotComputable
from clvbook.lifecycle import survival
from clvbook.lifecycle.stages import ASSETS, STAGES

EXACT = "decimal(38,9)"  # a sum of floats would depend on the order in which the engine's threads meet them
VALUES = {"value": "residual_revenue", "profit": "residual_profit"}
MOST_EXTRAPOLATED = 0.5  # of a stage's customers: beyond that a write-off would be an assumption, not a figure
WRITE_OFF = ["not_back", "written_off", "revenue_not_back", "extrapolated"]


@dataclass(frozen=True)
class Ledger:
    """The customers of one snapshot: `stages` has one row a stage, `total` the same figures of all of them.

    stage; asset (what the source calls it); customers; share of all customers; orders and revenue so far; value
    (expected residual revenue) and profit (where the scores have it); not_back (how many are expected not to buy
    within the horizon: the sum of 1 - P(return)); written_off (not_back / customers); revenue_not_back (each
    customer's revenue so far times 1 - P(return)); extrapolated (share of customers whose P(return) reaches beyond the
    longest wait that the shop has watched; above a half the write-off is not computable). What cannot be computed is a
    NotComputable in its cell.
    """

    snapshot: date
    stages: pd.DataFrame
    total: pd.Series


def ledger(
    history: ibis.Table,
    scores: ibis.Table | NotComputable,
    curve: pd.DataFrame,
    *,
    snapshot: date,
    horizon_days: int,
    tail_days: int,
    min_at_risk: int,
) -> Ledger:
    """Add up the customers of `snapshot`.

    scores: of the same customers, as of the snapshot; a NotComputable in their place stands where value would.
    curve, horizon_days and tail_days: see `survival.no_return`; the curve counts up to the last day that `min_at_risk`
    waits have reached. The values of the stages add up to the total of the scores, digit by digit of a decimal.
    InputRefused where nobody stands in the history at the snapshot, and where the scores are not of those who do.
    """
    people = _people(history, snapshot)
    counted = people.group_by("stage", "recency_days").aggregate(
        customers=_.count(), orders=_.orders.sum(), revenue=_.revenue.sum().cast(EXACT)
    )
    ages = counted.order_by("stage", "recency_days").to_pandas()
    if ages.empty:
        raise InputRefused(f"0 customers stand in the history at {snapshot}", "name one of its snapshots")
    # how many are expected to stay away follows from the days of silence alone
    ages[["not_back", "revenue_not_back", "extrapolated"]] = 0.0
    last = survival.reliable_day(curve, min_at_risk=min_at_risk)
    if not isinstance(last, NotComputable):
        silent = ages["recency_days"]
        stays = survival.no_return(curve, silent, horizon_days=horizon_days, reliable_day=last, tail_days=tail_days)
        ages["not_back"] = stays * ages["customers"]
        ages["revenue_not_back"] = stays * ages["revenue"].astype("float64")
        ages["extrapolated"] = ages["customers"].where(silent + horizon_days > last, 0)

    sums = ages.drop(columns="recency_days").groupby("stage").sum().reindex(range(len(STAGES)), fill_value=0)
    sums = pd.concat([sums, sums.sum().to_frame("total").T])
    table = pd.DataFrame({"customers": sums["customers"].astype("int64")})
    table["share"] = table["customers"] / table["customers"]["total"]
    table["orders"], table["revenue"] = sums["orders"].astype("int64"), sums["revenue"].astype("float64")
    for name, values in _values(people, scores, customers=table["customers"]["total"]).items():
        table[name] = values
    for name in WRITE_OFF:
        table[name] = [last] * len(table) if isinstance(last, NotComputable) else sums.get(name)
    if not isinstance(last, NotComputable):
        table["written_off"] = _rate(table["not_back"], table["customers"])
        table["extrapolated"] = _rate(sums["extrapolated"], table["customers"])
        reason = NotComputable(f"reaches beyond the {last:,} days watched; choose a shorter horizon_days")
        for name in ("not_back", "written_off", "revenue_not_back"):
            table[name] = [
                reason if not isinstance(far, NotComputable) and far > MOST_EXTRAPOLATED else figure
                for figure, far in zip(table[name], table["extrapolated"], strict=True)
            ]
    each = table.drop(index="total").reset_index(drop=True)
    each.insert(0, "stage", list(STAGES))
    each.insert(1, "asset", [ASSETS[stage] for stage in STAGES])
    return Ledger(snapshot, each, table.astype(object).loc["total"])


def change(now: Ledger, before: Ledger) -> Ledger:
    """`now` less `before`, figure by figure (shares in points); NotComputable where one of the two is.

    Both ledgers should be made with the same curve: then the difference is that of the customers, not of what is
    known about waits.
    """
    figures = [name for name in before.total.index if name in now.total.index]
    apart = now.stages[figures] - before.stages[figures]
    return Ledger(
        now.snapshot,
        pd.concat([now.stages[["stage", "asset"]], apart], axis=1),
        now.total[figures] - before.total[figures],
    )


def _people(history: ibis.Table, snapshot: date) -> ibis.Table:
    """One row a customer at the snapshot: customer_id, stage, recency_days, orders, revenue (of all purchases)."""
    here = _.snapshot == snapshot
    past = history.filter(_.snapshot <= snapshot).group_by("customer_id")
    return past.aggregate(
        stage=_.stage.max(where=here),
        recency_days=_.recency_days.max(where=here),
        orders=_.orders.max(where=here),
        revenue=_.spent.sum(),
    ).filter(_.stage.notnull())


def _values(people: ibis.Table, scores: ibis.Table | NotComputable, *, customers: int) -> dict[str, list[Any]]:
    """value, and profit if there: the stages' sums and the total as floats of exact decimals."""
    if isinstance(scores, NotComputable):
        return {"value": [scores] * (len(STAGES) + 1)}
    found = {name: column for name, column in VALUES.items() if column in scores.columns}
    exact = {name: _[column].cast(EXACT).sum() for name, column in found.items()}
    known = {f"{name}_known": _[column].count() for name, column in found.items()}
    joined = people.select("customer_id", "stage").join(scores.select("customer_id", *found.values()), "customer_id")
    stages = {row.pop("stage"): row for row in _rows(joined.group_by("stage").aggregate(rows=_.count(), **exact))}
    (total,) = _rows(scores.aggregate(rows=_.count(), **known, **exact))
    both = sum(row["rows"] for row in stages.values())
    if not both == total["rows"] == customers:
        raise InputRefused(
            f"{both:,} customers stand in both the history ({customers:,}) and the scores ({total['rows']:,})",
            "make both of the same purchases, as of the same day",
        )
    columns = {}
    for name, column in found.items():
        if total[f"{name}_known"] < total["rows"]:
            reason = NotComputable(f"{column} is missing for {total['rows'] - total[f'{name}_known']:,} customers")
            columns[name] = [reason] * (len(STAGES) + 1)
        else:
            each = [stages[stage][name] if stage in stages else 0 for stage in range(len(STAGES))]
            columns[name] = [float(value) for value in (*each, total[name])]
    return columns


def _rows(table: ibis.Table) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist()


def _rate(part: pd.Series, whole: pd.Series) -> list[float | NotComputable]:
    empty = NotComputable("nobody in this stage")
    return [float(a) / b if b else empty for a, b in zip(part, whole, strict=True)]
