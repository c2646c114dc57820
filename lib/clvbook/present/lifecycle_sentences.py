"""Sentences of the lifecycle page, made from the numbers that stand above them.

in: stage histories, ledgers, moves, ladders and action lists as the book gives them; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.return_sentences import calibration, cohorts, contact_depth, ladder, stop_rule
from clvbook.present.sentences import TOO_FAR, about, tells

__all__ = [
    "about_to_move",
    "calibration",
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
    "people",
    "purchases",
    "signed",
    "since",
    "stale",
    "stop_rule",
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


def stale(day: Any) -> str:
    """The first day on which a list is of no more use; none for the lost."""
    return words.day(day) if day else "no list"


def people(count: Any) -> str:
    """A count of customers; where it is not known the sentence below says why."""
    return "not known" if isinstance(count, NotComputable) else words.number(count)


def purchases(count: str) -> str:
    """The words for a number of purchases."""
    of = {"prospect": "0, ordered and never paid", "new": "1", "old": "2", "regular": "3 or 4", "sticky": "5 or more"}
    return of[count]


@tells
def about_to_move(waiting: pd.DataFrame, settings: Any) -> str:
    """Who is about to leave which stage, and what is to be sent to how many of them? The head of the page."""
    lists = waiting.iloc[:-1]
    total, within = lists.customers.sum(), words.days(settings.act_within_days)
    if not total:
        return f"No customer's stage ends in the next {within}: there is nobody to write to."

    def send(row: Any) -> str:
        if not row.write_to:
            return "send nothing (held out)"
        return f"send{f' to {words.number(row.write_to)} of them' if row.held_out else ''}: {row.offer}"

    told = [
        f"{words.count(row.customers, 'customer becomes', 'customers become')} {row.next_stage} ({row.trigger} days "
        f"without a purchase); {send(row)}."
        for row in lists.itertuples()
        if row.customers
    ]
    if lists.one_time.sum() and lists.write_to.sum():
        told.append("Whoever of them has bought only once gets a second-purchase gift instead.")
    held = lists.held_out.sum()
    who = (
        "The one left out, drawn at random, gets"
        if held == 1
        else f"The {words.number(held)} left out, drawn at random, get"
    )
    kept = (
        f"{who} nothing, so that the difference can be measured."
        if held
        else "So few are on the lists that nobody was drawn to get nothing: the difference cannot be measured."
        if settings.holdout_share
        else ""
    )
    ends = f"The lists are in tables/; use none of them from {words.day(lists.stale_on.iloc[0])} on."
    return " ".join(filter(None, [f"In the next {within}, unless they buy before:", *told, kept, ends]))


@tells
def lists(waiting: pd.DataFrame, ends: pd.DataFrame, settings: Any, files: list[str]) -> str:
    """How are the lists to be used?"""
    ahead = ends.day.nunique()
    each = [
        f"{words.number(group.customers.sum())} {words.name(stage)}"
        for stage, group in ends.groupby("stage", sort=False)
    ]
    opted = waiting.opted_out.iloc[:-1].sum()
    off = "take off whoever has bought since the month's end"
    if settings.customers is None:
        off += " and whoever wants no messages: that is not known here (customers is not set)"
    elif opted:
        off += f" ({words.count(opted, 'customer')} who opted out already came off)"
    last = "what they bought last, " if settings.order_items is not None else ""
    keep = (
        " Keep the files: with the orders that follow they show what the messages changed. One list alone is seldom "
        "large enough for that, several months' lists are."
    )
    return (
        f"{words.listing(f'tables/{name}.csv' for name in files)} name the customers, the most valuable first, with "
        f"{last}the offer and the last day on which it is in time (valid_until). Write to the rows with send = yes, "
        f"the earliest days first; before that, {off}.{keep if settings.holdout_share else ''} Stages end every day: "
        f"over the next {words.days(ahead)} those of {words.listing(each)} customers. These lists hold the first "
        f"{words.days(settings.act_within_days)} of them; act_within_days sets how many."
    )


def holdout(share: float) -> str:
    """Is anybody held out at all?"""
    if share:
        return ""
    return "holdout_share is 0: nobody is held out, and whether the messages changed anything can never be known."


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
    return (
        f"{words.count(counts.iloc[-1]['active'], 'customer is', 'customers are')} active, "
        f"{words.percent(now['active'])} of all; {words.count(apart, 'month')} ago it was "
        f"{words.number(counts.iloc[-apart - 1]['active'])}, {words.percent(before['active'])}. A falling share alone "
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
def moves(rates: pd.DataFrame, impossible: pd.DataFrame, fit: Any) -> str | NotComputable:
    """Where do customers go in a month, and is one month like another?"""
    stay = rates[rates["from"] == rates["to"]].set_index("from")

    def leave(stage: str, verb: str) -> str:
        rate, low, high = (1 - stay.loc[stage, name] for name in ("rate", "high", "low"))
        if pd.isna(rate):
            return f"nobody was {stage} at the beginning of a month"
        return f"{words.percent(rate)} of the {stage} {verb} ({words.interval(low, high, words.percent)})"

    told = f"In a month {leave('active', 'stop being so')}; {leave('lost', 'come back')}."
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
def forecast(frame: pd.DataFrame, record: Any, settings: Any) -> str:
    """How many active customers will there be, and how good were such forecasts?"""
    last = frame[(frame.stage == "active") & (frame.ahead == frame.ahead.max())].iloc[0]
    told = (
        f"If customers go on as in the past months, {words.number(last.expected)} will be active at the end of "
        f"{words.month(last.snapshot)} ({words.percent(settings.confidence, digits=0)} interval "
        f"{words.interval(last.low, last.high, words.number)}). It knows no seasons and no campaigns to come."
    )
    if isinstance(record, NotComputable):
        return f"{told} Whether such forecasts were good cannot be said: {record.reason}."
    miss = record.by_ahead.iloc[-1]
    told += (
        f" Of forecasts made in the same way in past months, of all stages, {words.percent(record.hit_rate, digits=0)} "
        f"had what came in their interval (it should be {words.percent(settings.confidence, digits=0)})"
    )
    if isinstance(miss.error, NotComputable):
        return f"{told}."
    return (
        f"{told}, and {words.count(miss.ahead, 'month')} ahead they were off by {words.percent(miss.error)} on average"
        f"{': do not plan with it' if miss.error > TOO_FAR else ''}."
    )
