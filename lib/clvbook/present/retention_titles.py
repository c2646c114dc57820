"""Titles of the retention page's charts: the message in one line, or a plain label where it cannot be computed.

in: the frame or result that the chart shows; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
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
    return f"{words.percent(share, digits=0)} of the lost left for a reason that can be helped"


@otherwise("What a contact may cost at most")
def break_even(table: pd.DataFrame) -> str:
    """table: `Book.break_even`."""
    known = [row.spend for row in table.itertuples() if not isinstance(row.spend, NotComputable)]
    return f"A contact pays in {sum(known)} of {words.count(len(known), 'group')}"


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
def rules(table: pd.DataFrame, currency: str) -> str:
    """table: `Book.rules`."""
    best = table.net[table.rule != "net profit"].max()
    more = float(table.net[table.rule == "net profit"].iloc[0] - best)
    return f"The list brings {words.money(more, currency, digits=0)} more than the best rule of thumb"


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


def spans(split: Any) -> pd.DataFrame | NotComputable:
    """`causes.Causes.split` with its intervals in words: span, weighted_span, by_value_span."""
    if isinstance(split, NotComputable):
        return split
    told = {
        f"{name}span": [
            words.interval(low, high, words.percent)
            for low, high in zip(split[f"{name}low"], split[f"{name}high"], strict=True)
        ]
        for name in ("", "weighted_", "by_value_")
    }
    return split.assign(**told)


def under(value: Any, detail: str) -> str | None:
    """The line under a tile; nothing where there is no value."""
    return None if isinstance(value, NotComputable) else detail


def rates(table: Any) -> pd.DataFrame | NotComputable:
    """A frame of rates with low and high, and their interval in words as span: in points for differences."""
    if isinstance(table, NotComputable):
        return table
    form = words.points if "measured" in table else words.percent
    ends = zip(table.low, table.high, strict=True)
    return table.assign(span=[words.interval(low, high, form) for low, high in ends])


def lost(table: pd.DataFrame, form: words.Form) -> pd.DataFrame:
    """`Book.loss_table` with the interval of the revenue in words, as span."""
    ends = zip(table.low, table.high, strict=True)
    return table.assign(span=[words.interval(low, high, form).replace(" ", words.SPACE) for low, high in ends])
