"""Sentences of the retention page: is keeping customers worth it, how much to spend, on whom, and how sure that is.

in: allocations, losses, causes, costs and outlooks as the book gives them; out: text

What is kept means kept because of a contact: a save rate from holdouts, or one that the page calls an assumption.
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import about, tells

WITHOUT = {
    "margin_rate": "margin_rate is not set: it adds profit, without which there is no decision and no list",
    "sends": "there is no campaign with a holdout (campaigns, sends): it adds what a contact truly keeps; until then "
    "retention_save_rate may hold an assumption",
    "costs": "costs is not set: it adds what keeping customers costs, by kind and stage",
    "churn_survey": "churn_survey is not set: it adds why customers leave, and how much of that can be helped",
    "cost": "no message has a price: contact_cost, or cost_per_unit in campaigns, adds what a contact costs",
}
_FACTORS = {"save_rate": "save rates", "value": "values", "cost": "costs", "budget": "the budget"}


def bring(lacking: list[str]) -> str:
    """What is missing, and what would it add? `lacking`: `Book.retention_lacks`."""
    return f"Missing here: {'; '.join(WITHOUT[name] for name in lacking)}. data/README.md says how." if lacking else ""


def decision(found: Any, outlook: Any, settings: Any) -> str:
    """What to do: spend how much on whom, and with which result? `found`: the allocation."""
    if isinstance(found, NotComputable):
        return f"There is no decision yet: {found.reason}."
    money = words.money_in(settings.currency, digits=0)
    if not found.customers:
        why = found.left_out.iloc[0].reason if len(found.left_out) else "there are no customers"
        if "the budget ended" in set(found.left_out.reason):
            return f"The budget of {money(settings.retention_budget)} does not pay for a single contact."
        return (
            "Do not spend on keeping customers now: no contact is expected to return its cost "
            f"(for most of them: {why})."
        )
    sure = words.with_interval(found.net, outlook.low, outlook.high, money, confidence=settings.confidence)
    likely = words.percent(outlook.p_positive, digits=0)
    if outlook.p_positive < 0.5:
        return (
            f"Do not spend: writing to the best {words.count(found.customers, 'customer')} for {money(found.spent)} is "
            f"expected to bring a net profit of {sure}, and the chance that it pays is {likely} only."
        )
    return (
        f"Spend {money(found.spent)} on these {words.count(found.customers, 'customer')}: expected net profit {sure}; "
        f"the chance that it pays is {likely} if the save rates measured so far last, and if purchases are won rather "
        "than brought forward. The list is tables/retention_list.csv, the best contact first."
    )


@tells
def budget(found: Any, settings: Any) -> str:
    """Is the budget right?"""
    money, most = words.money_in(settings.currency, digits=0), found.frontier.worth_spending
    if not found.customers:
        return ""
    if settings.retention_budget is None:
        return (
            f"No budget is set (retention_budget), so the list holds every contact that is expected to return its "
            f"cost: {money(most)} in all. Beyond that the next {money(1)} returns less than {money(1)}."
        )
    left = float(found.unspent)
    if left > 0.01 * settings.retention_budget:
        return (
            f"Of the budget of {money(settings.retention_budget)} {money(left)} stays unspent: beyond {money(most)} "
            f"the next {money(1)} returns less than {money(1)}."
        )
    last = found.frontier.points
    last = last[last.budget >= found.spent].iloc[0].last_unit
    return (
        f"The budget of {money(settings.retention_budget)} is spent in full, and its last {money(1)} still returns "
        f"about {words.money(last, settings.currency)}. Up to {money(most)} would return more than it costs "
        f"(net {money(found.frontier.net)}); beyond that it would not."
    )


@about
def save_rates(rates: pd.DataFrame, cost: Any, incentive: Any, settings: Any) -> str:
    """Where do the save rates and the costs come from?"""
    money = words.money_in(settings.currency)
    bound = words.days(settings.stage_bounds[0])
    if settings.retention_save_rate is not None:
        told = (
            f"The save rate of {words.percent(settings.retention_save_rate)} is an assumption (retention_save_rate), "
            "drawn from half to one and a half times as much. A holdout in the next campaign replaces it."
        )
    else:
        best = rates.loc[rates.save_rate.astype(float).idxmax()]
        told = (
            f"A customer is kept who buys within {bound} of a campaign; what is kept because of it is the share of "
            f"those written to less the share of those held out. It is highest among the {best.stage}: "
            f"{words.points(best.measured)} measured "
            f"({words.interval(best.low, best.high, words.points)}), {words.points(best.save_rate)} planned with, "
            "since the best of several measured rates is partly luck."
        )
    paid = f" A contact costs {money(cost)}"
    paid += f", and whoever stays gets {money(incentive)} in coupons on average." if incentive else "."
    return told + (f" What a contact costs is not known: {cost.reason}." if isinstance(cost, NotComputable) else paid)


VALUE = (
    "Who is kept is taken to be worth the profit that is still expected of a customer like them over the horizon. "
    "A purchase that would have come later anyway is not told apart: if contacts mostly bring purchases forward, these "
    "values are too high (the campaign page shows whether gains last)."
)


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


def loss(table: pd.DataFrame, row: int) -> str | NotComputable:
    """What does the estimate in this row of `Book.loss_table` count, and what is it for?"""
    found = table.iloc[row]
    if isinstance(found.revenue, NotComputable):
        return f"No estimate by {found.estimator}: {found.revenue.reason}."
    name = found.estimator[0].upper() + found.estimator[1:]
    return f"{name}: {words.text(found.counts)}. It says {words.text(found.use_for)}."


LOSSES = (
    "They count partly the same customers and are never added. What was lost is not what can be saved: that is save "
    "rate times value, above."
)


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
        f"shop {form(each.fault)}. By what they had spent it is {form(row.by_value)}."
    )


@tells
def proxies(table: pd.DataFrame) -> str:
    """What do the data hint at?"""
    known = [row for row in table.itertuples() if not isinstance(row.alike, NotComputable)]
    more = [words.text(row.meaning) for row in known if row.alike_low > 0]
    head = "Proxies are hints of the data, not answers: nobody was asked, and they are not added to the survey."
    if not known:
        return head
    if not more:
        return f"{head} No mark is surely more common among the lost than among kept customers with as many orders."
    return f"{head} Surely more common among the lost than among kept customers with as many orders: {'; '.join(more)}."


def spent(table: Any, average: Any, settings: Any) -> str | NotComputable:
    """What was spent on keeping customers?"""
    if isinstance(table, NotComputable):
        return table
    money = words.money_in(settings.currency)
    told = f"In the last twelve months {money(table.amount.sum())} was spent on customers. "
    if isinstance(average, NotComputable):
        return f"{told}What that is for each customer retained is not computable: {average.reason}."
    return (
        f"{told}That is {money(average)} for each customer who came back within the year, most of whom would have "
        "come anyway: the average says nothing about the next one."
    )


@tells
def margins(table: pd.DataFrame, settings: Any) -> str:
    """Win a new customer or keep one?"""
    money = words.money_in(settings.currency)
    new, kept = table.iloc[0], table.iloc[1]
    told = ""
    if not isinstance(kept.net, NotComputable):
        told = (
            f"The last customer kept by this list costs {money(kept.cost)} and is worth {money(kept.value)} of profit. "
        )
    if isinstance(new.net, NotComputable):
        return f"{told}What winning one more customer costs and brings is not computable: {new.net.reason}."
    told += f"Winning one more costs {money(new.cost)} and brings {money(new.value)}. "
    if isinstance(kept.net, NotComputable):
        return told
    better = "keeping" if kept.per_unit > new.per_unit else "winning new ones"
    return f"{told}At the margin {better} returns more for each {money(1)}: compare these two, never the averages."


@tells
def break_even(table: pd.DataFrame, settings: Any) -> str:
    """Where does a contact pay?"""
    money = words.money_in(settings.currency)
    known = [row for row in table.itertuples() if not isinstance(row.net, NotComputable)]
    if not known:
        return NotComputable("no group has a save rate, a value and a cost")
    pays = [row for row in known if row.spend]
    best = max(known, key=lambda row: row.break_even)
    if best.break_even <= 0:
        return "No effect of a contact is seen in any group: nothing may be spent on one."
    told = (
        f"A contact may cost at most its save rate times the customer's value. It pays in {len(pays)} of "
        f"{words.count(len(known), 'group')}. Most may be spent on the {best.stage} of {best.band} value: up to "
        f"{money(best.break_even)} each, against {money(best.cost_a_head)} that a contact costs."
    )
    losing = [f"the {row.stage} of {row.band} value" for row in known if not row.spend]
    return told + (f" It does not pay for {words.listing(losing)}." if losing else "")


@tells
def optimal(table: pd.DataFrame, settings: Any) -> str:
    """How much a head?"""
    known = [row for row in table.itertuples() if not isinstance(row.spend, NotComputable)]
    told = (
        f"If no spending keeps more than {words.percent(settings.retention_ceiling, digits=0)} (retention_ceiling, a "
        "judgement) and the curve through today's point holds, "
    )
    if not known:
        return NotComputable("no stage has an effect from which a response curve could be drawn")
    more = [row.stage for row in known if row.spend > row.today * 1.2]
    if not more:
        return f"{told}today's spending a head is about right."
    return (
        f"{told}more a head would pay for {words.listing(more)}. One point is not a curve: before spending it, test a "
        "dearer offer on a part of them."
    )


@tells
def sure(table: pd.DataFrame, listed: pd.DataFrame, outlook: Any, settings: Any) -> str:
    """What does it hang on, and who is paid for staying anyway?"""
    money = words.money_in(settings.currency, digits=0)
    first = table.iloc[0]
    told = (
        f"It hangs most on the {_FACTORS[first.assumption]}: between the ends of what is plausible for them the net "
        f"profit goes from {money(min(first.at_low, first.at_high))} to {money(max(first.at_low, first.at_high))}. "
    )
    told += (
        "Even at the low end of all of it together it pays."
        if outlook.low > 0
        else "Within the interval it may lose money: a first wave with a holdout is the cheapest way to know."
    )
    stayers = float(listed.incentive_stayers.sum())
    if stayers:
        share = stayers / float(listed.cost.sum())
        told += (
            f" {money(stayers)} of the {money(listed.cost.sum())} goes to customers who would have stayed anyway "
            f"({words.percent(share, digits=0)}); it is in the cost."
        )
    return told


@tells
def rules(table: pd.DataFrame, settings: Any) -> str:
    """Is the ranking better than a rule of thumb?"""
    money = words.money_in(settings.currency, digits=0)
    by = {row.rule: row for row in table.itertuples()}
    ours, risky = by["net profit"], by["riskiest"]
    return (
        f"With the same money the list brings {money(ours.net)}, the most valuable first "
        f"{money(by['most valuable'].net)}, and those first who have been silent longest, the riskiest, "
        f"{money(risky.net)}. Who is most at risk is often past keeping: what counts is how much a contact changes, "
        "and what that is worth."
    )


@tells
def left_out(table: pd.DataFrame) -> str:
    """Who is not on the list?"""
    if table.empty:
        return "Every customer is on the list."
    each = [f"{words.number(row.customers)} ({words.text(row.reason)})" for row in table.itertuples()]
    return f"Not on the list: {words.listing(each)}."


@tells
def hold_out(table: Any, settings: Any) -> str:
    """How to make next month surer."""
    return (
        f"Before sending, hold out a random {words.percent(settings.holdout_share or 0.1, digits=0)} of the list and "
        "keep the list as a file (the campaign page says how): next month's save rates come from it."
    )


@tells
def scenarios(table: pd.DataFrame, settings: Any) -> str:
    """Does the decision survive other assumptions?"""
    money = words.money_in(settings.currency, digits=0)
    worst = table.loc[table.net.idxmin()]
    if worst.net <= 0 or not worst.customers:
        return f"It does not survive all of them: {worst.scenario}, nothing is worth spending."
    return f"It pays in each of them; least, {worst.scenario}: {money(worst.net)}."


def what_if(found: Any, changed: Any, factors: dict[str, float], settings: Any) -> str | NotComputable:
    """What do the analyst's factors change?"""
    for missing in (found, changed):
        if isinstance(missing, NotComputable):
            return missing
    moved = {name: factor for name, factor in factors.items() if factor != 1}
    if not moved:
        return (
            "All factors are 1: this is the decision above. Open the notebook, change one and run the cells below it."
        )
    money = words.money_in(settings.currency, digits=0)
    each = [f"{_FACTORS[name]} times {factor:g}" for name, factor in moved.items()]
    return (
        f"With {words.listing(each)}, {words.count(changed.customers, 'customer')} instead of "
        f"{words.number(found.customers)} are worth a contact: {money(changed.spent)} spent, net "
        f"{money(changed.net)} instead of {money(found.net)}. Up to {money(changed.frontier.worth_spending)} would "
        "return more than it costs."
    )


@tells
def check(table: pd.DataFrame) -> str:
    """Does the method find the right customers where the truth is known?"""
    sizes = sorted(table.per_arm.unique())
    few, many = (table[table.per_arm == size] for size in (sizes[0], sizes[-1]))
    risky = (many.riskiest / many.best).mean()
    return (
        f"In simulated shops whose true save rates are known, and with {words.number(sizes[0])} customers a stage and "
        f"arm to learn from, the recommended list earned {words.percent(few.share.mean())} of what the best possible "
        f"one would (at worst {words.percent(few.share.min())}); with {words.number(sizes[-1])} it earned "
        f"{words.percent(many.share.mean())} (at worst {words.percent(many.share.min())}), and the riskiest first "
        f"{words.percent(risky, digits=0)}. Compare the table of save rates: small experiments cost money, too."
    )
