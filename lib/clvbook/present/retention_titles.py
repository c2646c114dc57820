"""Titles of the retention page's charts: the message in one line, or a plain label where it cannot be computed.

in: the frame or result that the chart shows; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.loss_sentences import PLAIN, UNITS
from clvbook.present.sentences import level
from clvbook.present.titles import otherwise


@otherwise("How many customers stay")
def rate(table: pd.DataFrame) -> str:
    """table: `Book.retention_by_period`."""
    last = table.iloc[-1]
    return f"Of the customers of the year before {words.percent(last.rate, digits=0)} bought again within three months"


@otherwise("Why customers left")
def reasons(split: pd.DataFrame) -> str:
    """split: `causes.Causes.split`."""
    share = split.set_index("reason").weighted["manageable"]
    return f"{words.percent(share, digits=0)} of the lost name a reason that can be helped"


@otherwise("What a contact may cost at most")
def break_even(table: pd.DataFrame) -> str:
    """table: `Book.break_even`."""
    known = [row.spend for row in table.itertuples() if not isinstance(row.spend, NotComputable)]
    return f"A contact is expected to pay in {sum(known)} of {words.count(len(known), 'group')}"


@otherwise("Net profit against budget")
def frontier(found: Any, currency: str) -> str:
    """found: `Book.allocation`."""
    most = found.frontier.worth_spending
    return f"Up to {words.money(most, currency, digits=0)} the next unit returns more than it costs; beyond it does not"


@otherwise("What the net profit hangs on")
def tornado(table: pd.DataFrame) -> str:
    """table: `Book.tornado`."""
    return f"The net profit hangs most on the {words.text(table.assumption.iloc[0]).replace('_', ' ')}"


@otherwise("The list beside rules of thumb")
def rules(table: pd.DataFrame) -> str:
    """table: `Book.rules`."""
    best = float(table.net[table.rule != "net profit"].max())
    ours = float(table.net[table.rule == "net profit"].iloc[0])
    if best <= 0:
        return "No rule of thumb pays with the same money"
    if ours < 1.005 * best:
        return "The best rule of thumb brings as much as the list"
    return f"The list is expected to bring {words.percent(ours / best - 1, digits=0)} more than the best rule of thumb"


def outlook(found: Any, form: words.Form, *, confidence: float) -> str | None:
    """How sure a net profit is, for the line under its tile."""
    return None if isinstance(found, NotComputable) else level(found.low, found.high, form, confidence=confidence)


def status(found: Any) -> tuple[str, ...]:
    """A tile's status and its word, of an outlook."""
    if isinstance(found, NotComputable):
        return "unknown", "not computable"
    if found.low > 0:
        return "good", "spend"
    return ("watch", "likely, not sure") if found.p_positive >= 0.5 else ("bad", "do not spend")


def by_purpose(listed: Any, form: words.Form) -> str | None:
    """The line under what is to be spent: messages, and coupons if there are."""
    if isinstance(listed, NotComputable):
        return None
    coupons = float((listed.incentive_saved + listed.incentive_stayers).sum())
    return f"{form(listed.contact.sum())} messages" + (f", about {form(coupons)} coupons" if coupons else "")


def spared(listed: Any) -> str | None:
    """The line under the number to write to: how many more are held out."""
    if isinstance(listed, NotComputable):
        return None
    return f"and {words.number(listed.held_out.sum())} more to hold out"


def spans(split: Any) -> pd.DataFrame | NotComputable:
    """`causes.Causes.split` with its weighted intervals in words: weighted_span."""
    if isinstance(split, NotComputable):
        return split
    return split.assign(weighted_span=_spans(split.weighted_low, split.weighted_high, words.percent))


def brief(value: Any) -> Any:
    """A tile's value, or the first part of why there is none: the sections below give the whole reason."""
    return NotComputable(value.reason.partition(":")[0]) if isinstance(value, NotComputable) else value


def under(value: Any, detail: str) -> str | None:
    """The line under a tile; nothing where there is no value."""
    return None if isinstance(value, NotComputable) else detail


def rates(table: Any) -> pd.DataFrame | NotComputable:
    """A frame of rates with low and high, and their interval in words as span. Of differences, measured, which are in
    points: the difference before its interval.
    """
    if isinstance(table, NotComputable):
        return table
    if "measured" not in table:
        return table.assign(span=_spans(table.low, table.high, words.percent))
    spans = zip(table.measured, _spans(table.low, table.high, words.points), strict=True)
    return table.assign(
        span=[
            rate if isinstance(rate, NotComputable) else f"{words.points(rate).split(words.SPACE)[0]} ({span})"
            for rate, span in spans
        ]
    )


def lost(table: pd.DataFrame, form: words.Form) -> pd.DataFrame:
    """`Book.loss_table` with plain names as estimator, what is counted as counted, the revenue's interval as span."""
    each = zip(table.customers, table.estimator, strict=True)
    return table.assign(
        estimator=[PLAIN.get(name, name) for name in table.estimator],
        counted=[
            number if isinstance(number, NotComputable) else words.count(number, UNITS.get(name, "customer"))
            for number, name in each
        ],
        span=_spans(table.low, table.high, form),
    )


def _spans(low: pd.Series, high: pd.Series, form: words.Form) -> list[str | NotComputable]:
    ends = zip(low, high, strict=True)
    return [
        a if isinstance(a, NotComputable) else words.interval(a, b, form).replace(" ", words.SPACE) for a, b in ends
    ]


def carried(table: Any) -> pd.DataFrame | NotComputable:
    """`Book.proxies` without the marks that no customer carries."""
    if isinstance(table, NotComputable):
        return table
    rows = zip(table.lost_share, table.kept_share, strict=True)
    return table[[isinstance(lost, NotComputable) or bool(lost or kept) for lost, kept in rows]]


def checked(table: pd.DataFrame) -> pd.DataFrame:
    """`Book.method_check` by size of the experiment: per_arm, shops, and as shares of the best one share (the mean),
    worst, valuable, riskiest.
    """
    return (
        table.assign(valuable=table.valuable / table.best, riskiest=table.riskiest / table.best)
        .groupby("per_arm")
        .agg(
            shops=("share", "size"),
            share=("share", "mean"),
            worst=("share", "min"),
            valuable=("valuable", "mean"),
            riskiest=("riskiest", "mean"),
        )
        .reset_index()
    )
