"""Why customers left, by what they say: the shares of natural, competition, fault and malicious among the lost.

in:  survey — customer_id, asked_on, answered_on, reason (Ibis; the canonical churn_survey)
     days   — customer_id, day (Ibis; one row a purchase, the whole history)
     people — customer_id, stage (any label, such as number of purchases), value (Ibis; what is lost with each)
out: a frozen `Causes`

Few answer, and not those who are like the others: each answer stands for the asked of its own stage and value class.
That undoes what the classes know, no more: within a class those who answer are taken to be like those who do not.
"""

from dataclasses import dataclass, field

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import InputRefused, NotComputable
from clvbook.retention.intervals import goodman, wilson

REASONS = ("natural", "competition", "fault", "malicious")
MANAGEABLE = ("competition", "fault")
NO_SURVEY = NotComputable(
    "no churn survey: bring churn_survey.csv (customer_id, asked_on, answered_on, reason; see data/README.md); "
    "it adds why customers leave, and which share of that a shop can do something about"
)


@dataclass(frozen=True)
class Causes:
    """The survey's answers.

    asked, answered: customers; left_out: reason, customers: of those asked, who do not count (not lost when asked,
    never bought). response: rate, low, high (Wilson). split: one row a reason and a last one "manageable" (competition
    and fault together): reason, answers, share, low, high (Wilson), all_low, all_high (Goodman: the four hold at
    once; none for "manageable"), weighted, weighted_low, weighted_high (for who did not answer), by_value,
    by_value_low, by_value_high (weighted, each customer by what is lost with them). With too few answers
    split is a NotComputable.
    classes: stage, value_class, asked, answered, rate, weight (asked an answer stands for), merged (into which class).
    """

    asked: int
    answered: int
    left_out: pd.DataFrame
    response: pd.Series
    split: pd.DataFrame | NotComputable
    classes: pd.DataFrame = field(repr=False)

    @property
    def manageable(self) -> pd.Series | NotComputable:
        """The row of competition and fault together: `split` has its columns."""
        return self.split if isinstance(self.split, NotComputable) else self.split.set_index("reason").loc["manageable"]

    @property
    def summary(self) -> pd.DataFrame | NotComputable:
        """`split`."""
        return self.split


def causes(
    survey: ibis.Table | None,
    days: ibis.Table,
    people: ibis.Table,
    *,
    lost_after_days: int,
    confidence: float,
    value_classes: int = 2,
    min_answers: int = 30,
    min_class_answers: int = 5,
) -> Causes | NotComputable:
    """Evaluate the churn survey; see `Causes`.

    One answer a customer: the latest, and the latest question where none was answered. Only who was lost when asked
    counts: more than `lost_after_days` after the last purchase up to asked_on. Classes are the stage times
    `value_classes` equal groups of value among those who count, and those with fewer than `min_class_answers` answers
    are merged: first the value classes of a stage, then such stages. Fewer than `min_answers` answers: no split.
    NotComputable without a survey, or where nobody counts. InputRefused for a reason that is none of the four, and
    for a customer who counts but is not in `people`, or has no value.
    """
    if survey is None:
        return NO_SURVEY
    rows = _lost_when_asked(survey, days, lost_after_days=lost_after_days).left_join(people, "customer_id")
    rows = rows.drop("customer_id_right")
    fates = rows.group_by("fate").aggregate(customers=_.count()).order_by("fate").to_pandas()
    left_out = fates[fates.fate != ""].rename(columns={"fate": "reason"}).reset_index(drop=True)
    rows = rows.filter(_.fate == "")
    asked = int(fates.customers[fates.fate == ""].sum())
    if not asked:
        why = "; ".join(f"{row.customers:,} {row.reason}" for row in left_out.itertuples())
        return NotComputable(f"not enough data: 0 customers who were lost when asked ({why or 'the survey is empty'})")
    _check(rows)
    ranked = rows.mutate(
        value_class=ibis.ntile(value_classes).over(order_by=[_.value, _.customer_id]).cast("int64") + 1,
        value=_.value.cast("float64"),
    )
    counted = (
        ranked.group_by("stage", "value_class", "reason")
        .aggregate(
            customers=_.count(),
            value=_.value.cast("decimal(38,9)").sum().cast("float64"),
            squares=(_.value * _.value).cast("decimal(38,6)").sum().cast("float64"),
        )
        .order_by("stage", "value_class", "reason")
        .to_pandas()
    )
    answers = counted[counted.reason.notna()]
    classes, weight = _classes(counted, min_class_answers)
    answered = int(answers.customers.sum())
    low, high = wilson(np.array([answered / asked]), asked, confidence=confidence)
    few = NotComputable(f"not enough data: {answered} answers of customers lost when asked, {min_answers} needed")
    return Causes(
        asked=asked,
        answered=answered,
        left_out=left_out,
        response=pd.Series({"rate": answered / asked, "low": low[0], "high": high[0]}),
        split=few if answered < min_answers else _split(answers, weight, confidence),
        classes=classes,
    )


def _lost_when_asked(survey: ibis.Table, days: ibis.Table, *, lost_after_days: int) -> ibis.Table:
    """One row a customer: customer_id, asked_on, reason (null: no answer), fate ("" counts, else why not)."""
    order = [_.reason.notnull().desc(), _.asked_on.desc(), _.answered_on.desc(), _.reason]
    latest = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=order))
    asked = survey.mutate(nth=latest).filter(_.nth == 0).select("customer_id", "asked_on", "reason")
    before = asked.join(days.select("customer_id", "day"), "customer_id").filter(_.day <= _.asked_on)
    last = before.group_by("customer_id").aggregate(last_day=_.day.max())
    known = asked.left_join(last, "customer_id").drop("customer_id_right")
    silent = known.asked_on.delta(known.last_day, unit="day")
    fate = ibis.cases(
        (known.last_day.isnull(), "had no purchase when asked"),
        (silent <= lost_after_days, f"had bought in the {lost_after_days} days before being asked"),
        else_="",
    )
    return known.mutate(fate=fate)


def _check(rows: ibis.Table) -> None:
    strange = _.reason.notnull() & ~_.reason.isin(REASONS)
    found = rows.aggregate(strange=strange.sum(), unknown=(_.stage.isnull() | _.value.isnull()).sum(), n=_.count())
    row = found.to_pyarrow().to_pylist()[0]
    if row["strange"]:
        raise InputRefused(
            f"{row['strange']:,} answers name a reason that is none of the four", f"write one of {', '.join(REASONS)}"
        )
    if row["unknown"]:
        raise InputRefused(
            f"{row['unknown']:,} of {row['n']:,} customers asked have no stage or no value",
            "give a row for every customer who ever bought, with a value of 0 or more",
        )


def _classes(counted: pd.DataFrame, enough: int) -> tuple[pd.DataFrame, pd.Series]:
    """The classes, and by (stage, value_class) how many asked one answer stands for."""
    cells = counted.assign(answered=counted.customers.where(counted.reason.notna(), 0))
    cells = cells.groupby(["stage", "value_class"])[["customers", "answered"]].sum()
    cells = cells.rename(columns={"customers": "asked"})
    stage = cells.index.get_level_values("stage").to_series(index=cells.index).astype(str)
    merged = stage + " / " + cells.index.get_level_values("value_class").astype(str)
    thin = (cells.answered < enough).groupby(level="stage").transform("any")
    merged = merged.where(~thin, stage)
    thin = cells.answered.groupby(merged).transform("sum") < enough
    if thin.any() and cells.answered[thin].sum() < enough:
        thin[:] = True  # what is left over is too little for a class of its own
    merged = merged.where(~thin, "all" if thin.all() else "others")
    together = cells.groupby(merged).transform("sum")
    weight = (together.asked / together.answered.where(together.answered > 0)).rename("weight")
    table = cells.assign(rate=cells.answered / cells.asked, weight=weight, merged=merged)
    return table.reset_index(), weight


def _split(answers: pd.DataFrame, weight: pd.Series, confidence: float) -> pd.DataFrame:
    """One row a reason, and "manageable"."""
    w = weight.loc[pd.MultiIndex.from_frame(answers[["stage", "value_class"]])].to_numpy()
    names = [*REASONS, "manageable"]
    inside = np.array([(answers.reason == r).to_numpy() for r in REASONS])
    inside = np.vstack([inside, answers.reason.isin(MANAGEABLE)])
    n = answers.customers.to_numpy(dtype=float)
    frame = pd.DataFrame({"reason": names, "answers": inside.astype(int) @ answers.customers.to_numpy()})
    low, high = wilson(frame.answers / n.sum(), n.sum(), confidence=confidence)
    frame = frame.assign(share=frame.answers / n.sum(), low=low, high=high)
    together = goodman(frame.answers[: len(REASONS)].to_numpy(), confidence=confidence)
    for name, found in zip(("all_low", "all_high"), together, strict=True):
        frame[name] = np.append(found, np.nan)
    kinds = {"weighted": (w * n, w**2 * n), "by_value": (w * answers.value, w**2 * answers.squares)}
    for name, (total, squares) in kinds.items():
        found = _weighted(inside, np.asarray(total), np.asarray(squares), confidence)
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = found
    return frame


def _weighted(
    inside: np.ndarray, total: np.ndarray, squares: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of weighted answers, with Wilson's interval at p (1 - p) over the variance of the ratio.

    total, squares: sums of the weights and of their squares by row; the variance is that of Taylor's linearisation,
    sum of w^2 (1[reason] - p)^2 / (sum of w)^2. Where it is 0 Kish's number (sum of w)^2 / sum of w^2 stands.
    """
    all_of_it = total.sum()
    if not all_of_it > 0:
        nothing = np.full(len(inside), np.nan)
        return nothing, nothing, nothing
    share = inside @ total / all_of_it
    spread = (((inside - share[:, None]) ** 2) @ squares) / all_of_it**2
    kish = all_of_it**2 / squares.sum()
    n = np.divide(share * (1 - share), spread, out=np.full(len(share), kish), where=spread > 0)
    return share, *wilson(share, n, confidence=confidence)
