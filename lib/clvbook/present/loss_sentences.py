"""Sentences of the retention page about what was lost: how many stay, what went with the others, why, at what cost.

in: rates, losses, causes and costs as the book gives them; out: text
"""

from functools import partial
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import about, tells

PLAIN = {
    "accounting": "sales that stopped",
    "stage flow": "more leaving than usual",
    "P(alive)-weighted": "sales no longer to come",
    "avoidable": "short of the best cohort",
}
UNITS = {"stage flow": "move", "avoidable": "purchase", "P(alive)-weighted": "expected customer"}  # else customers


@about
def rate(found: Any, yearly: Any, settings: Any) -> str:
    """How many stay?"""
    form, last = words.percent, found.by_period.iloc[-1]
    told = (
        f"{found.definition} Over all periods it is "
        f"{words.with_interval(found.rate, found.low, found.high, form, confidence=settings.confidence)}, in the "
        f"period from {words.month(last.period)} on {form(last.rate)} ({words.interval(last.low, last.high, form)})."
    )
    if isinstance(yearly, NotComputable):
        return told
    year = yearly.by_period.iloc[-1]
    return told + (
        f" Within a whole year {form(year.rate, digits=0)} of the {words.count(year.base, 'customer')} of the year "
        "before came back."
    )


def loss(table: pd.DataFrame, row: int) -> str:
    """What does the estimate in this row of `Book.loss_table` count, and what is it for?"""
    found = table.iloc[row]
    name = PLAIN.get(found.estimator, found.estimator)
    if isinstance(found.revenue, NotComputable):
        return f"No estimate of {name} ({found.estimator}): {found.revenue.reason}."
    nothing = " Its interval holds 0: it may be nothing." if found.low <= 0 <= found.high else ""
    return (
        f"{name[0].upper() + name[1:]} ({found.estimator}): {words.text(found.counts)}. It says "
        f"{words.text(found.use_for)}.{nothing}"
    )


def to_quote(table: pd.DataFrame, sales: float, settings: Any) -> str:
    """Which estimate tells the owner how much was lost? `sales`: net revenue of the year."""
    found = table.set_index("estimator").loc["accounting"]
    never = "The four count partly the same customers and are never added."
    if isinstance(found.revenue, NotComputable) or not sales > 0:
        return never
    money = words.short_money_in(settings.currency)
    return (
        f"To say how much business went, quote the first: {words.count(found.customers, 'customer')} have stayed away "
        f"for too long; in the year before their last purchase they brought {money(found.revenue)}, and some of them "
        f"will return. For scale: the shop sold for {money(sales)} in these twelve months. {never} What was lost is "
        "not what can be saved: that is save rate times value, above."
    )


def ceiling(found: Any, costs: Any, settings: Any) -> str:
    """How much may keeping customers cost in a year, and how much was booked? `found`: the avoidable loss."""
    if isinstance(found.profit, NotComputable):
        return ""  # the table and `loss` say why
    money = words.money_in(settings.currency, digits=0)
    told = (
        "The profit in it, "
        f"{words.with_interval(found.profit, *found.profit_interval, money, confidence=settings.confidence)}, is what "
        "a programme would be worth in a year that brought every cohort up to the best one; the list above is decided "
        "contact by contact, not by this sum"
    )
    if isinstance(costs, NotComputable):
        return f"{told}."
    return f"{told}. For comparison: {money(costs.amount.sum())} was booked, service included (below)."


@tells
def reasons(found: Any, settings: Any) -> str | NotComputable:
    """Why did they leave, and what can be helped?"""
    if isinstance(found.split, NotComputable):
        return found.split
    row, form, level = found.manageable, words.percent, settings.confidence
    each = found.split.set_index("reason").weighted
    return (
        f"Of {words.count(found.asked, 'lost customer')} asked, {words.number(found.answered)} answered "
        f"({form(found.response.rate, digits=0)}). Weighted for who did not answer, "
        f"{words.with_interval(row.weighted, row.weighted_low, row.weighted_high, form, confidence=level)}"
        f" left for a reason that a shop can do something about: competition {form(each.competition)}, faults of the "
        f"shop {form(each.fault)}. By what they had spent it is {form(row.by_value)}. Natural means that they need it "
        "no longer, malicious that they left in bad faith or were given up. It is what they say, not what would keep "
        "them."
    )


@tells
def proxies(table: pd.DataFrame) -> str:
    """What do the data hint at?"""
    known = [row for row in table.itertuples() if not isinstance(row.alike, NotComputable)]
    more = [words.text(row.meaning) for row in known if row.alike_low > 0]
    nobody = [words.text(row.meaning) for row in known if not (row.lost_share or row.kept_share)]
    told = "Proxies are hints of the data, not answers: nobody was asked, and they are not added to the survey."
    if nobody:
        told += f" No customer at all carries these marks: {'; '.join(nobody)}."
    if len(known) == len(nobody):
        return told
    if not more:
        return f"{told} No mark is surely more common among the lost than among kept customers with as many orders."
    return f"{told} Surely more common among the lost than among kept customers with as many orders: {'; '.join(more)}."


def spent(table: Any, average: Any, yearly: Any, settings: Any) -> str | NotComputable:
    """What was spent on keeping customers?"""
    if isinstance(table, NotComputable):
        return table
    money = words.money_in(settings.currency)
    told = f"In the last twelve months {money(table.amount.sum())} was spent on customers. "
    if isinstance(average, NotComputable):
        return f"{told}What that is for each customer retained is not computable: {average.reason}."
    return (
        f"{told}That is {money(average)} for each of the {words.number(yearly.by_period.retained.iloc[-1])} customers "
        "of the year before who came back in these months, most of whom would have come anyway: the average says "
        "nothing about the next one."
    )


def counted(messages: Any, coupons: Any, settings: Any) -> str:
    """What do the sends and the orders themselves say that messages and coupons cost?"""
    money, told = words.money_in(settings.currency), []
    if not isinstance(messages, NotComputable):
        priced = [cost for cost in messages.cost if not isinstance(cost, NotComputable)]
        without = len(messages) - len(priced)
        told.append(
            f"{words.number(messages.sent.sum())} messages sent cost {money(sum(priced))}"
            + (f" ({words.count(without, 'campaign')} without a price not counted)" if without else "")
        )
    if not isinstance(coupons, NotComputable):
        told.append(f"coupons took {money(coupons.discount)} off {words.count(coupons.orders, 'order')}")
    return f"Counted anew from the sends and orders of these months: {', and '.join(told)}." if told else ""


@tells
def margins(table: pd.DataFrame, settings: Any) -> str:
    """Win a new customer or keep one?"""
    money = words.money_in(settings.currency)
    new, kept = table.iloc[0], table.iloc[1]
    told = ""
    if not isinstance(kept.net, NotComputable):
        told = (
            f"Where the list ends, one more customer kept costs {money(kept.cost)} and is worth {money(kept.value)} of "
            "profit. "
        )
    if isinstance(new.net, NotComputable):
        return f"{told}What winning one more customer costs and brings is not computable: {new.net.reason}."
    told += (
        f"Winning one more costs {money(new.cost)}, as the dearest source did in the last year, and brings "
        f"{money(new.value)} of profit in {words.days(settings.horizon_days)}, the first order included. "
    )
    if isinstance(kept.net, NotComputable):
        return told
    one, form = words.money(1, settings.currency, digits=0), partial(words.number, digits=1)
    if kept.low <= new.per_unit <= kept.high:
        return (
            f"{told}Which of the two returns more for each {one} is open: {form(new.per_unit)} lies within what "
            f"keeping may return by the save rates' interval, {words.interval(kept.low, kept.high, form)}. Further "
            "down the list keeping returns less."
        )
    better = "keeping" if kept.per_unit > new.per_unit else "winning new ones"
    return f"{told}By these figures {better} returns more for each {one} more: compare these two, never the averages."
