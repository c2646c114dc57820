"""Sentences of the retention page: is keeping customers worth it, how much to spend, on whom, and how sure that is.

in: allocations, losses, causes, costs and outlooks as the book gives them; out: text

What is kept means kept because of a contact: a save rate from holdouts, or one that the page calls an assumption.
"""

from typing import Any

import numpy as np
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


def decision(found: Any, outlook: Any, listed: Any, settings: Any) -> str:
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
    result = words.with_interval(found.net, outlook.low, outlook.high, money, confidence=settings.confidence)
    likely = words.percent(outlook.p_positive, digits=0)
    if outlook.p_positive < 0.5:
        return (
            f"Do not spend: writing to the best {words.count(found.customers, 'customer')} for {money(found.spent)} is "
            f"expected to bring a net profit of {result}, and the chance that it pays is {likely} only."
        )
    given = settings.retention_budget
    amount = f"the budget of {money(given)}" if given and found.unspent < 0.01 * given else money(found.spent)
    kept = words.count(found.saved, "customer", digits=1 if found.saved < 10 else 0)
    return (
        f"Spend {amount} on writing to {words.count(found.customers, 'customer')}: expected net profit {result} over "
        f"the next {words.days(settings.horizon_days)}. About {kept} stay because of it, at "
        f"{words.money(found.cost_a_kept_customer, settings.currency)} each; the others do what they would have done. "
        f"The chance that it pays is {likely} if the save rates "
        f"{'assumed hold' if settings.retention_save_rate is not None else 'measured so far last'}, and if purchases "
        f"are won rather than brought forward.{_surely(listed, settings)} The list is tables/retention_list.csv, the "
        "best contact first."
    )


def _surely(listed: pd.DataFrame, settings: Any) -> str:
    """Which part of the profit rests on effects that are surely there."""
    if settings.retention_save_rate is not None or listed.sure.all():
        return ""
    sure = listed[listed.sure.astype(bool)]
    if sure.empty:
        return " Of no single stage is the effect surely above 0."
    money = words.money_in(settings.currency, digits=0)
    return (
        f" Surely above 0 is the effect on the {words.listing(sure.stage)} alone: {money(sure.cost.sum())} of the "
        f"money, an expected {money(sure.net.sum())} of the profit."
    )


def stages(settings: Any) -> str:
    """What the stages mean, in days since the last purchase."""
    first, second, third = settings.stage_bounds[:3]
    named = f"active up to {first}, silent up to {second}, sleeping up to {third}, lost beyond"
    return f"By days since the last purchase: {named}."


@tells
def left_out(table: pd.DataFrame, settings: Any) -> str:
    """Who is not on the list?"""
    if table.empty:
        return "Every customer is on the list."
    full = {
        "contacted enough": f"{settings.retention_max_messages} messages or more in 90 days",
        "not worth the cost": "a contact costs more than it is expected to bring",
        "the budget ended": "worth a contact, but the budget ended before them",
    }
    each = [
        f"{words.number(row.customers)} ({full.get(row.reason, words.text(row.reason))})" for row in table.itertuples()
    ]
    return f"Not on the list: {words.listing(each)}."


@tells
def hold_out(listed: pd.DataFrame, overlap: int, known_on: Any, settings: Any) -> str:
    """What the list holds besides those to write to, and what it is for. `known_on`: the day from which it tells."""
    spared, twice = int(listed.held_out.sum()), ""
    if overlap:
        twice = (
            f" {words.count(overlap, 'customer')} to write to are on the lifecycle page's lists, too (column "
            "act_list): write to them from this one, and strike them there. Who is held out here is held out there."
        )
    if not spared:
        return f"Nobody on the list is held out (holdout_share): nobody will know what it changed.{twice}"
    cost = words.money(listed.forgone.sum(), settings.currency, digits=0)
    return (
        f"The list names {words.number(spared)} more, drawn at random, who get nothing of it (send: no) and are "
        f"otherwise treated like the rest. {words.days(settings.stage_bounds[0])} after the sending "
        f"({words.day(known_on)}, if it is sent at once) comparing the two adds to what is known of the effects, "
        f"though one list alone seldom shows them. That forgoes an expected {cost}. Keep the file as it is, and name "
        f"it under sends (data/README.md).{twice}"
    )


@about
def budget(found: Any, scenarios: Any, margins: Any, settings: Any) -> str:
    """Is the budget right, where to stop if effects are half as strong, and is there a better use of the money?"""
    if not found.customers:
        return ""
    money, given = words.money_in(settings.currency, digits=0), settings.retention_budget
    most, one = found.frontier.worth_spending, money(1)
    if given is None:
        told = (
            f"No budget is set (retention_budget), so the list holds every contact that is expected to return its "
            f"cost: {money(most)} in all. Beyond that the next {one} returns less than {one}."
        )
    elif found.unspent > 0.01 * given:
        told = (
            f"Of the budget of {money(given)} (retention_budget) {money(found.unspent)} stays unspent: beyond "
            f"{money(most)} the next {one} returns less than {one}."
        )
    else:
        added, gained = most - found.spent, found.frontier.net - found.net
        each = f" ({words.money(1 + gained / added, settings.currency)} for each {one})" if added > 0 else ""
        told = (
            f"{money(given)} is what the parameters set for this list (retention_budget). It is spent in full, and its "
            f"last {one} still returns {words.money(found.last_unit, settings.currency)}. {money(most - found.spent)} "
            f"more, {money(most)} in all, would add {money(found.frontier.net - found.net)} of net profit{each}; "
            f"beyond that the next {one} returns less than {one}."
        )
    if not isinstance(scenarios, NotComputable):
        half = scenarios[scenarios.save_rate == 0.5].worth_spending.iloc[0]
        told += (
            f" If effects are half as strong, {f'no more than {money(half)}' if half else 'nothing'} is worth spending."
        )
    new = NotComputable("") if isinstance(margins, NotComputable) else margins.per_unit.iloc[0]
    if isinstance(new, NotComputable) or new <= found.last_unit:
        return told
    return (
        f"{told} Winning new customers may return more, {words.money(new, settings.currency)} for each {one}: compare "
        "them (near the end of the page) before spending more here."
    )


@about
def save_rates(rates: pd.DataFrame, offers: Any, settings: Any) -> str:
    """Where do the save rates and the costs come from?"""
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
        unsure = rates.stage[~rates.sure.astype(bool)]
        if len(unsure):
            told += (
                f" The interval of the {words.listing(unsure)} reaches 0: what is planned with there leans on the "
                "other stages."
            )
        told += " All this holds for messages and coupons like those of the campaigns measured."
    if isinstance(offers, NotComputable):
        return f"{told} What a contact costs is not known: {offers.reason}."
    money = words.money_in(settings.currency)
    message, incentive = float(offers.cost.iloc[0]), float(offers.incentive.iloc[0])
    if not incentive:
        return f"{told} A contact costs {money(message)}, the message; no coupon is given."
    paid = offers.cost + offers.kept_treated * offers.incentive
    spread = words.interval(paid.min(), paid.max(), money)
    return (
        f"{told} A message costs {money(message)}, and whoever buys within {bound} gets {money(incentive)} in coupons "
        f"on average, those included who would have come anyway: a contact costs {spread} in all, by stage."
    )


def value(settings: Any) -> str:
    """What is a customer worth who is kept?"""
    return (
        "Who is kept is taken to be worth the profit (revenue times margin_rate) that is still expected of a customer "
        f"like them in the next {words.days(settings.horizon_days)}, as if the others had gone for good. Some would "
        "have come later anyway, most of all among the active, and nobody has measured how many: the interval at the "
        "top draws these values from half of that up. The campaign page shows whether gains last."
    )


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
    maybe = "" if settings.retention_save_rate is not None else " (“may pay” where its effect is not surely above 0)"
    told = (
        f"A contact may cost at most its save rate times the customer's value. It is expected to pay in {len(pays)} of "
        f"{words.count(len(known), 'group')}{maybe}. Most may be spent on the {best.stage} of {best.band} value: up to "
        f"{money(best.break_even)} each, against {money(best.cost_a_head)} that a contact costs, coupons included."
    )
    losing = [f"the {row.stage} of {row.band} value" for row in known if not row.spend]
    told += f" It does not pay for {words.listing(losing)}." if losing else ""
    return (
        f"{told} The sums at right are of writing to the whole group, without a budget and as if its average were "
        "everybody's; the list chooses customer by customer."
    )


@tells
def optimal(table: pd.DataFrame, settings: Any) -> str:
    """How much a head?"""
    known = [row for row in table.itertuples() if not isinstance(row.spend, NotComputable)]
    if not known:
        return NotComputable("no stage has an effect from which a response curve could be drawn")
    money = words.money_in(settings.currency)
    told = (
        "This is a guess to be tested: it draws a curve through one measured point and takes it that no spending, "
        f"however high, keeps more than {words.percent(settings.retention_ceiling, digits=0)} of customers "
        "(retention_ceiling, a judgement). Then "
    )
    more = [row for row in known if row.spend > row.today * 1.2]
    if not more:
        return f"{told}today's spending a head is about right."
    each = [f"{money(row.spend)} a head on the {row.stage}" for row in more]
    return f"{told}{words.listing(each)} would pay best. Try a dearer offer on a part of them, with a holdout, first."


@tells
def sure(table: pd.DataFrame, listed: pd.DataFrame, outlook: Any, settings: Any) -> str:
    """What does it hang on, and who is paid for staying anyway?"""
    money = words.money_in(settings.currency, digits=0)
    first, spent = table.iloc[0], float(listed.cost.sum())
    even = words.percent(spent / float((listed.save_rate.astype(float) * listed.value).sum()), digits=0)
    told = (
        f"It hangs most on the {_FACTORS[first.assumption]}: moved alone between the ends of what is plausible for "
        f"them, the net profit goes from {money(min(first.at_low, first.at_high))} to "
        f"{money(max(first.at_low, first.at_high))}. The list breaks even at {even} of the save rates, or of the "
        "values, that it is planned with. "
    )
    told += (
        f"Even at the low end of the interval at the top, {money(outlook.low)}, it pays."
        if outlook.low > 0
        else "Within the interval at the top it may lose money: a first wave with a holdout is the cheapest test."
    )
    given = float((listed.incentive_saved + listed.incentive_stayers).sum())
    if given:
        stayers = float(listed.incentive_stayers.sum())
        told += (
            f" Of the {money(spent)} the messages are {money(listed.contact.sum())}; coupons of whoever buys are "
            f"expected to cost {money(given)}, {money(stayers)} of it to those who would have bought anyway."
        )
    return told


@tells
def rules(table: pd.DataFrame, found: Any, settings: Any) -> str:
    """Is the ranking better than a rule of thumb?"""
    money = words.money_in(settings.currency, digits=0)
    by = {row.rule: row for row in table.itertuples()}
    return (
        f"With the same money the list brings {money(by['net profit'].net)}, the most valuable first "
        f"{money(by['most valuable'].net)}, and those first who have been silent longest, the riskiest, "
        f"{money(by['riskiest'].net)}; no list at all can bring more than {words.money(found.gap, settings.currency)} "
        "more by these figures. Who is most at risk is often past keeping: what counts is how much a contact "
        "changes, and what that is worth."
    )


@tells
def scenarios(table: pd.DataFrame, settings: Any) -> str:
    """Does the decision survive other assumptions?"""
    money = words.money_in(settings.currency, digits=0)
    lost = [f"with {row.scenario}" for row in table.itertuples() if row.net <= 0 or not row.customers]
    if lost:
        return f"The decision does not survive all of them: nothing is worth spending {words.listing(lost)}."
    worst = table.loc[table.net.idxmin()]
    return (
        f"It pays in each of them; least with {worst.scenario}: {money(worst.net)}. Where contacts cost more, fewer "
        "are worth it, yet what is worth spending in all may rise, since each costs more."
    )


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
    points = changed.frontier.points
    same = float(np.interp(found.spent, points.budget, points.net))
    return (
        f"With {words.listing(each)}, {money(changed.spent)} of {money(changed.budget)} would be spent on "
        f"{words.count(changed.customers, 'customer')}: net profit {money(changed.net)}. The decision's own "
        f"{money(found.spent)} would bring {money(same)} instead of {money(found.net)}, and more than "
        f"{money(changed.frontier.worth_spending)} would not be worth spending."
    )


def check(table: pd.DataFrame, rates: Any) -> str:
    """Does the method find the right customers where the truth is known?

    table: `retention_titles.checked`; rates: the shop's own save rates.
    """
    each = [
        f"{words.number(row.per_arm)}: {words.percent(row.share, digits=0)} "
        f"(at worst {words.percent(row.worst, digits=0)})"
        for row in table.itertuples()
    ]
    told = (
        "The recommended list earned this share of what the best possible one would, by the number of customers a "
        f"stage and arm that it could learn from: {'; '.join(each)}. Those first who are worth most earned "
        f"{words.percent(table.valuable.mean(), digits=0)}, the riskiest first "
        f"{words.percent(table.riskiest.mean(), digits=0)}. Small experiments cost money, too."
    )
    if isinstance(rates, NotComputable) or isinstance(rates.treated.iloc[0], NotComputable):
        return told
    size = 2 / (1 / rates.treated.astype(float) + 1 / rates.held_out.astype(float))  # arms of equal size as telling
    nearest = min(table.per_arm, key=lambda per_arm: abs(np.log(size.median() / per_arm)))
    return (
        f"{told} This shop's experiments are as telling as {words.number(round(size.min(), -2))} to "
        f"{words.number(round(size.max(), -2))} customers an arm: it is most like the row of {words.number(nearest)}. "
        "What the simulated shops earn is not what this one would; which list is better carries over."
    )
