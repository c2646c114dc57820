"""Titles of charts: the message in one line, with its number; a plain label where it cannot be computed.

in: the frame or result that the chart shows; out: text
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import sentences, words


def otherwise(label: str) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """The title of a chart whose first argument is `NotComputable`: the chart itself then says why."""

    def titled(message: Callable[..., str]) -> Callable[..., str]:
        @wraps(message)
        def title(about: Any, *more: Any) -> str:
            return label if isinstance(about, NotComputable) else message(about, *more)

        return title

    return titled


@otherwise("How often customers came back")
def frequency(frame: pd.DataFrame) -> str:
    """frame: `Book.frequency_fit`."""
    counted, expected = frame.actual[0] / frame.actual.sum(), frame.expected[0] / frame.expected.sum()
    return f"{words.percent(counted)} have not come back so far; the model says {words.percent(expected)}"


@otherwise("Repeat orders week by week")
def tracking(test: Any) -> str:
    """test: `Book.backtest`."""
    if isinstance(test.orders_error, NotComputable):
        return f"The model learned up to {words.day(test.origin)}; nobody bought in the {words.days(test.days)} after"
    return (
        f"The model learned up to {words.day(test.origin)}; for the {words.days(test.days)} after it was "
        f"{sentences.off_by(test.orders_error)}"
    )


@otherwise("The days held out, by what was known before")
def holdout(test: Any) -> str:
    """test: `Book.backtest`."""
    came, expected = test.orders_actual / test.customers, test.orders_expected / test.customers
    return (
        f"{words.number(came, digits=2)} orders a customer came in the {words.days(test.days)} held out, "
        f"{words.number(expected, digits=2)} were expected"
    )


@otherwise("How many customers are worth how much")
def distribution(deciles: pd.DataFrame, currency: str) -> str:
    """deciles: `Book.deciles`; the fifth group's lowest value is the median."""
    return f"Half of the customers are worth less than {words.money(deciles.lowest[4], currency)}"


@otherwise("Who carries the value to come")
def deciles(frame: pd.DataFrame) -> str:
    """frame: `Book.deciles`."""
    return f"The best tenth carries {words.percent(frame.share[0], digits=0)} of the value to come"


@otherwise("Do the best customers stay the best?")
def concentration(frame: pd.DataFrame) -> str:
    """frame: `Book.concentration`, in twentieths."""
    top = frame.iloc[(len(frame) - 1) // 5]
    return (
        f"The top {words.percent(top.customers, digits=0)} made {words.percent(top.past, digits=0)} of revenue, and "
        f"{words.percent(top.later, digits=0)} of what came after"
    )


@otherwise("What a new customer brings, by month of the first order")
def new_customers(frame: pd.DataFrame, currency: str, days: int) -> str:
    """frame: `Book.worth_by_month`."""
    low, high = frame.value.min(), frame.value.max()
    return (
        f"A customer's first {words.days(days)} bring {words.interval(low, high, words.money_in(currency))}, by month"
    )


@otherwise("What a new customer brings, by source")
def sources(frame: pd.DataFrame) -> str:
    """frame: `Book.worth_by_source`."""
    best = frame.loc[frame.value.idxmax()]
    return (
        f"Customers from {words.name(best.source)} bring the most"
        if len(frame) > 1
        else "All customers have one source"
    )
