"""Sentences of the lifecycle page, made from the numbers that stand above them.

in: stage histories, ledgers, moves, ladders and action lists as the book gives them; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.list_sentences import about_to_move, caps, holdout, lists, parked, stale, written_to
from clvbook.present.return_sentences import calibration, cohorts, contact_depth, ladder, stop_rule
from clvbook.present.sentences import TOO_FAR, about, tells

__all__ = [
    "about_to_move",
    "calibration",
    "caps",
    "cohorts",
    "contact_depth",
    "flow",
    "forecast",
    "grid",
    "holdout",
    "ladder",
    "ledger",
    "lists",
    "mix",
    "moves",
    "parked",
    "people",
    "purchases",
    "signed",
    "since",
    "stale",
    "stop_rule",
    "written_to",
]


def since(now: Any, before: Any) -> str | NotComputable:
    """How a count has changed in a month, for the line under a tile."""
    if isinstance(now, NotComputable) or isinstance(before, NotComputable):
        return ""
    return f"{signed(now - before)} in the month"


def signed(change: Any) -> str:
    """A change of a count with its sign; a reason as it is."""
    if isinstance(change, NotComputable):
        return words.number(change)
    return f"+{words.number(change)}" if change > 0 else words.number(change)


def people(count: Any) -> str:
    """A count of customers; where it is not known the sentence below says why."""
    return "not known" if isinstance(count, NotComputable) else words.number(count)


def purchases(count: str) -> str:
    """The words for a number of purchases."""
    of = {"prospect": "0, ordered and never paid", "new": "1", "old": "2", "regular": "3 or 4", "sticky": "5 or more"}
    return of[count]


@tells
def ledger(book: Any, settings: Any) -> str:
    """What are the customers worth by stage, and how much of them is to be written off?"""
    stages, total = book.stages.set_index("stage"), book.total
    active, lost = stages.loc["active"], stages.loc["lost"]

    def a_head(row: pd.Series) -> str:
        return words.money(row.value / max(row.customers, 1), settings.currency)

    after = f"silent for more than {words.days(settings.stage_bounds[-1])}"
    told = (
        f"{words.percent(lost.share, digits=0)} of all customers ever won are lost by the stage's definition ({after})"
        if lost.customers
        else f"No customer is lost yet ({after})"
    )
    if lost.customers and not isinstance(lost.value, NotComputable) and total.value > 0:
        told += (
            f". The value model still expects {words.percent(lost.value / total.value, digits=0)} of the value to come "
            f"from them, {a_head(lost)} each"
            + (f"; from an active customer {a_head(active)}" if active.customers else "")
        )
    if isinstance(total.written_off, NotComputable):
        return f"{told}. How many of all will stay away is not computable: {total.written_off.reason}."
    parts = [
        f"{words.percent(row.written_off, digits=0)} of the {name}"
        for name, row in stages.iterrows()
        if name in ("active", "lost") and not isinstance(row.written_off, NotComputable)
    ]
    far = total.extrapolated
    return (
        f"{told}. Judged by how long customers of this shop have stayed away before, "
        f"{words.percent(total.written_off, digits=0)} of all customers are expected not to buy in the next "
        f"{words.days(settings.horizon_days)}{': ' if parts else ''}{words.listing(parts) if parts else ''}."
        + (
            f" For {words.percent(far, digits=0)} of customers that looks beyond the longest silence the shop has "
            "seen, and supposes that they come back as seldom as the longest silent so far."
            if far
            else ""
        )
    )


@tells
def mix(frame: pd.DataFrame, months: int = 12) -> str:
    """How has the base changed?"""
    share = frame.pivot(index="snapshot", columns="stage", values="share")
    counts = frame.pivot(index="snapshot", columns="stage", values="customers")
    now, before = share.iloc[-1], share.iloc[max(-months - 1, -len(share))]
    apart = min(months, len(share) - 1)
    if not apart:
        return f"{words.percent(now['active'])} of customers are active."
    active = counts["active"].iloc[-apart - 1 :]
    highest = (
        f"; the most since then were {words.number(active.max())} at the end of {words.month(active.idxmax())}, now it "
        f"is {words.percent(1 - active.iloc[-1] / active.max(), digits=0)} less"
        if active.max() > max(active.iloc[0], active.iloc[-1])
        else ""
    )
    return (
        f"{words.count(active.iloc[-1], 'customer is', 'customers are')} active, {words.percent(now['active'])} of "
        f"all; {words.count(apart, 'month')} ago it was {words.number(active.iloc[0])}, "
        f"{words.percent(before['active'])}{highest}. A falling share alone "
        "is no alarm: everybody who ever bought stays in the count. Watch the number of active customers."
    )


@tells
def flow(frame: pd.DataFrame) -> str:
    """Did more customers come than go?"""
    last = frame.iloc[-1]
    in_month = f"In {words.month(last.snapshot)} {words.count(last.active, 'customer')} bought"
    if len(frame) == 1:
        return f"{in_month}. It is the first month of the orders: everybody looks new in it."
    more, burn_in = last.active - last.active_before, int(frame.burn_in.sum())
    change = f"{words.number(abs(more))} {'more' if more > 0 else 'fewer'} than" if more else "as many as"
    return (
        f"{in_month}, {change} the month before: {words.number(last.new)} for the first time, "
        f"{words.number(last.returning)} who had bought the month before too, and {words.number(last.resurrected)} "
        f"after a pause. {words.count(last.dormant, 'buyer')} of the month before did not buy again."
        + (
            f" In the first {words.count(burn_in, 'month') if burn_in > 1 else 'month'} of the export old customers "
            "look new: they are hatched."
            if burn_in
            else ""
        )
    )


def grid(frame: pd.DataFrame) -> str | NotComputable:
    """Where do most customers stand?"""
    if isinstance(frame, NotComputable):
        return frame
    known = frame[frame["count"] != "prospect"].set_index("count")
    prospects = frame.customers.iloc[0]
    one, total = known.customers["new"], known.customers.sum()
    told = (
        f"{words.percent(one / total, digits=0)} of customers bought once, "
        f"{words.percent(known.customers['sticky'] / total)} five times or more."
    )
    if isinstance(prospects, NotComputable):
        return f"{told} Prospects cannot be counted: {prospects.reason}."
    if not prospects:
        return f"{told} Whoever left an order unpaid has bought at another time: there are no prospects."
    return f"{told} {words.count(prospects, 'prospect')} ordered and never paid: they wanted to buy already."


@about
def moves(
    rates: pd.DataFrame, left: pd.DataFrame, impossible: pd.DataFrame, fit: Any, months: int = 3
) -> str | NotComputable:
    """Where do customers go in a month, and is one month like another? `left`: of `Book.left_by_month`."""
    stay = rates[rates["from"] == rates["to"]].set_index("from")

    def leave(stage: str, verb: str) -> str:
        rate, low, high = (1 - stay.loc[stage, name] for name in ("rate", "high", "low"))
        if pd.isna(rate):
            return f"nobody was {stage} at the beginning of a month"
        each = left[left.stage == stage]
        last = each.iloc[-months:]
        return (
            f"{words.percent(rate)} of the {stage} {verb} (interval of this mean "
            f"{words.interval(low, high, words.percent)}; single months had "
            f"{words.interval(each.rate.min(), each.rate.max(), words.percent)}, the last {words.number(len(last))} "
            f"together {words.percent(last.moved.sum() / last.customers.sum())})"
        )

    told = f"In an average month {leave('active', 'stop being so')}; {leave('lost', 'come back')}."
    if len(impossible):
        told += (
            f" {words.count(int(impossible.customers.sum()), 'move is one', 'moves are some')} that cannot happen in a "
            "month: the data or the program is wrong."
        )
    if isinstance(fit, NotComputable):
        return told
    if fit.homogeneous:
        return f"{told} That the months differ is not shown: one matrix may stand for all."
    first = fit.by_step.iloc[0]
    return (
        f"{told} Months do differ by more than chance, most of all {words.month(first.snapshot)}: the matrix is a mean "
        "over seasons, and a single month may well be otherwise."
    )


@about
def forecast(frame: pd.DataFrame, made: Any, record: Any, now: int, settings: Any) -> str | NotComputable:
    """How many active customers will there be, and how good were such forecasts? made: of `Book.outlook_of_stages`."""
    last = frame[(frame.stage == "active") & (frame.ahead == frame.ahead.max())].iloc[0]
    change = "a rise" if last.expected > now else "a fall"
    unsure = f", and {change} is not certain" if last.low < now < last.high else ""
    told = (
        f"If customers go on as in the last {words.count(made.steps, 'month')}, {words.number(last.expected)} will be "
        f"active at the end of {words.month(last.snapshot)} ({words.percent(settings.confidence, digits=0)} interval "
        f"{words.interval(last.low, last.high, words.number)}); now it is {words.number(now)}{unsure}. That counts on "
        f"{words.count(made.entrants, 'new customer')} a month, the average of these months, and knows no seasons and "
        "no campaigns to come. tables/stage_forecast.csv has every stage and month."
    )
    if isinstance(record, NotComputable):
        return f"{told} Whether such forecasts were good cannot be said: {record.reason}."
    miss, stages = record.by_ahead.iloc[-1], record.by_stage
    told += (
        f" Of forecasts made in the same way in past months, of all stages, {words.percent(record.hit_rate, digits=0)} "
        f"had what came in their interval (it should be {words.percent(settings.confidence, digits=0)})"
    )
    if isinstance(miss.error, NotComputable):
        return f"{told}."
    of_active = stages.error[(stages.ahead == miss.ahead) & (stages.stage == 0)].iloc[0]
    active = "" if isinstance(of_active, NotComputable) else f", those of the active by {words.percent(of_active)}"
    worst = max([miss.error, *([] if isinstance(of_active, NotComputable) else [of_active])])
    return (
        f"{told}, and {words.count(miss.ahead, 'month')} ahead they were off by {words.percent(miss.error)} on average"
        f"{active}{': do not plan with it' if worst > TOO_FAR else ''}."
    )
