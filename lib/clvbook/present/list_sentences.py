"""Sentences on the action lists: who is about to move, what goes to how many, what it may cost, how the lists are used.

in: what waits, what is to be sent and which days it ends on, as the book gives them; out: text
"""

from itertools import pairwise
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import tells


def stale(day: Any) -> str:
    """The first day on which a list is of no more use; none for the lost."""
    return words.day(day) if day else "no list"


def written_to(row: Any, form: words.Form) -> str:
    """How much of the value of a row of `Book.to_send` is of those written to, for the line under a tile."""
    if isinstance(row.value_write_to, NotComputable):
        return ""
    return f"{form(row.value_write_to)} from the {words.number(row.write_to)} to write to; not all of it is at risk"


@tells
def about_to_move(waiting: pd.DataFrame, to_send: pd.DataFrame, due: pd.DataFrame, settings: Any) -> str:
    """Who is about to leave which stage, and what is to be sent to how many of them? The head of the page."""
    lists = waiting.iloc[:-1]
    total, within = lists.customers.sum(), words.days(settings.act_within_days)
    if not total:
        return f"No customer's stage ends in the next {within}: there is nobody to write to."

    def send(stage: str) -> str:
        rows = to_send[(to_send.stage == stage) & (to_send.write_to > 0)].itertuples()
        each = [f"{row.offer} to {words.number(row.write_to)} who bought {row.bought}" for row in rows]
        return f"send {words.listing(each)}" if each else "send nothing (held out)"

    told = [
        f"{words.count(row.customers, 'customer becomes', 'customers become')} {row.next_stage} ({row.trigger} days "
        f"without a purchase); {send(row.stage)}."
        for row in lists.itertuples()
        if row.customers
    ]
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
    return " ".join(filter(None, [f"In the next {within}, unless they buy before:", *told, kept, _in_time(due)]))


def _in_time(due: pd.DataFrame) -> str:
    """Up to which day may which rows be sent?"""
    if due.empty:
        return ""
    days = [words.day(day) for day in (due.valid_until.iloc[0], due.valid_until.iloc[-1])]
    if len(due) == 1:
        return f"The lists are in tables/; all of it must go out by {days[0]}."
    return (
        f"The lists are in tables/. {words.number(due.write_to.iloc[0])} of their {words.number(due.write_to.sum())} "
        f"messages must go out by {days[0]}, the last by {days[1]}: skip rows whose day (valid_until) is over."
    )


def caps(most: pd.Series | NotComputable, settings: Any) -> str:
    """What may be spent on a customer of a list?"""
    if isinstance(most, NotComputable):
        return f"What a message and its gift or discount may cost at most is not computable: {most.reason}."
    money = words.money_in(settings.currency)
    each = words.listing(f"{stage} {money(amount)}" for stage, amount in most.items())
    cost = settings.contact_cost
    return (
        "The message and the gift or discount that goes with it may together cost at most so much a customer, on "
        f"average of those written to: {each} (What may a contact cost?)."
        + (f" {money(cost)} (contact_cost) is the message alone." if cost is not None else "")
    )


@tells
def parked(waiting: pd.DataFrame) -> str:
    """Why is there no list for the lost?"""
    lost = waiting.iloc[-1]
    if not lost.customers:
        return ""
    return (
        f"{words.count(lost.customers, 'lost customer is', 'lost customers are')} on none of these lists: to "
        f"{lost.offer} is the practice of the source that the offers come from, not a finding of this page. Whether a "
        "message to one of them pays, the Retention page weighs customer by customer."
    )


@tells
def lists(waiting: pd.DataFrame, ends: pd.DataFrame, settings: Any, files: list[str]) -> str:
    """How are the lists to be used?"""
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
        f"{words.listing(f'tables/{name}.csv' for name in files)} name the customers with {last}the offer and the last "
        "day on which it is in time (valid_until): the earliest days first, the most valuable of a day first. Write to "
        f"the rows with send = yes from the top; before that, {off}.{keep if settings.holdout_share else ''} "
        f"{_uncovered(ends, settings)}"
    )


def _uncovered(ends: pd.DataFrame, settings: Any) -> str:
    """How many stages end after the lists, before those of the next month begin."""
    ahead, within = ends.day.nunique(), settings.act_within_days
    each = [
        f"{words.number(group.customers.sum())} {words.name(stage)}"
        for stage, group in ends.groupby("stage", sort=False)
    ]
    first = ends.day.min()
    on_lists = ends.customers[ends.day < first + pd.Timedelta(days=within)].sum()
    rest = ends.customers.sum() - on_lists
    told = (
        f"Stages end every day: over the next {words.days(ahead)} those of {words.listing(each)} customers, of which "
        f"{words.number(on_lists)} in the {words.days(within)} of these lists"
    )
    if not rest:
        return f"{told}."
    longest = min(b - a for a, b in pairwise([0, *settings.stage_bounds])) - 1  # so that nobody is on two lists
    more = (
        f"with these stage_bounds act_within_days cannot be more than {longest}"
        if longest <= within
        else f"a run with act_within_days: {ahead} lists them too, and keeps who is written to and who is held out"
        if longest >= ahead
        else f"a run with act_within_days: {longest}, the most that these stage_bounds allow, lists more of them"
    )
    return (
        f"{told}. The other {words.number(rest)} are on no list, and the next month's lists begin on "
        f"{words.day(first + pd.offsets.MonthBegin(1))}: {more}."
    )


def holdout(share: float) -> str:
    """Is anybody held out at all?"""
    if share:
        return ""
    return "holdout_share is 0: nobody is held out, and whether the messages changed anything can never be known."
