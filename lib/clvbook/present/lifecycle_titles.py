"""Titles of the lifecycle page's charts: the message in one line, with its number; a plain label without one.

in: the frame or result that the chart shows; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.titles import otherwise


@otherwise("Customers by stage, month by month")
def mix(frame: pd.DataFrame) -> str:
    """frame: `Book.stage_mix`."""
    now = frame[frame.snapshot == frame.snapshot.max()].set_index("stage").share
    return f"{words.percent(now['active'], digits=0)} are active, {words.percent(now['lost'], digits=0)} lost"


@otherwise("value")
def money_of(values: Any) -> str:
    """The heading over what a customer brings: margin or revenue. values: `Book.stage_values`."""
    return values.of


@otherwise("Who came and who paused, month by month")
def flow(frame: pd.DataFrame) -> str:
    """frame: `Book.flow`."""
    last = frame.iloc[-1]
    return (
        f"{words.month(last.snapshot)}: {words.number(last.new + last.resurrected)} came, "
        f"{words.number(last.dormant)} paused"
    )


@otherwise("Where customers went in the month")
def alluvial(frame: pd.DataFrame) -> str:
    """frame: `Book.last_moves`."""
    fell = frame[(frame.from_stage == "active") & (frame.to_stage != "active")].customers.sum()
    back = frame[~frame.from_stage.isin(["active", "new"]) & (frame.to_stage == "active")].customers.sum()
    return f"{words.number(fell)} stopped being active, {words.number(back)} are active again"


@otherwise("How customers move between stages in a month")
def matrix(frame: pd.DataFrame) -> str:
    """frame: `Book.rates`."""
    stay = frame.set_index(["from", "to"]).rate["active", "active"]
    if pd.isna(stay):
        return "How customers move between stages in a month"
    return f"In a month {words.percent(1 - stay, digits=0)} of the active stop being active"


@otherwise("Customers by stage in the months ahead")
def forecast(frame: pd.DataFrame, now: int) -> str:
    """frame: `Book.stage_forecast`; now: active customers today."""
    last = frame[(frame.stage == "active") & (frame.ahead == frame.ahead.max())].iloc[0]
    return (
        f"About {words.count(last.expected, 'active customer')} by {words.month(last.snapshot)} "
        f"({words.interval(last.low, last.high, words.number)}), now {words.number(now)}"
    )


@otherwise("How long customers take to buy again")
def return_curve(own: Any) -> str:
    """own: `Book.calibration`."""
    first = own.bounds.iloc[0]
    return (
        f"By day {first.given:.0f}, {words.percent(first.returned * own.eventually, digits=0)} have bought again: "
        f"{words.percent(first.returned, digits=0)} of those who do within {words.days(own.reliable_day)}"
    )


@otherwise("Who still comes back after how long")
def return_rates(frame: pd.DataFrame) -> str:
    """frame: `Book.return_rates`."""
    first, last = frame.iloc[0], frame.iloc[-1]
    if last.high >= first.low:
        return "Who still comes back after how long"
    return (
        f"The chance to buy within 30 days falls from {words.percent(first.rate)} to {words.percent(last.rate)} after "
        f"{words.days(last.silent_days)}"
    )


@otherwise("How likely the next purchase is")
def ladder(found: Any) -> str:
    """found: `Book.ladder`."""
    window = max(found.windows)
    told = found.steps[found.steps.window == window]
    known = told[[not isinstance(low, NotComputable) for low in told.low]]
    if len(known) < 2:
        return "How likely the next purchase is"
    first, second = known.iloc[0], known.iloc[1]
    if (first.order, second.order) != (1, 2):
        return "How likely the next purchase is"
    return (
        f"{words.percent(first.probability, digits=0)} buy a second time within {words.days(window)}, "
        f"{words.percent(second.probability, digits=0)} of these a third time"
    )


@otherwise("Who came back, by month of the first purchase")
def triangle(found: Any) -> str:
    """found: `Book.cohorts`."""
    average = found.average("on")
    if 1 not in average.index:
        return "Who came back, by month of the first purchase"
    return f"{words.percent(average.share[1])} buy again in the month after their first purchase"
