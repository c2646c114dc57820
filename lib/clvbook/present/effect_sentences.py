"""Sentences on what campaigns changed, made from the numbers that stand above them: against those held out.

in: effects, segments, coupons, contact pressure and plans as the book gives them; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.campaign_sentences import break_even, choices, for_one, points, price_in, with_level
from clvbook.present.sentences import tells


@tells
def checks(incremental: pd.DataFrame, settings: Any) -> str:
    """Were the holdouts drawn as planned, and were the arms alike before?"""
    total = len(incremental)
    bad = incremental[~incremental.trustworthy.astype(bool)]
    if settings.campaign_holdout is None:
        sizes = "campaign_holdout is not set, so the sizes of the arms are not checked"
    else:
        sizes = f"as many are held out as planned ({words.percent(settings.campaign_holdout, digits=0)})"
    told = (
        f"In {words.number(total - len(bad))} of {words.count(total, 'campaign')} both arms can be compared: {sizes}, "
    )
    told += "and both arms had spent alike before."
    if len(bad):
        each = [f"{words.name(row.name)} ({row.reasons.split(';')[0]})" for row in bad.head(5).itertuples(index=False)]
        told += f" Not to be believed, and greyed out: {words.listing(each)}."
    helped = incremental[incremental.method != "none"]
    if len(helped) and (helped.narrower.astype(float) > 0).all():
        told += (
            f" In {words.number(len(helped))} the adjustment for what customers were before narrows the interval, by "
            f"{words.percent(float(helped.narrower.astype(float).median()), digits=0)} at the median."
        )
    else:
        told += (
            " Adjusting for what customers were before (past spend, stage, purchases) narrows nothing here: what they "
            "spent before says little about a single week."
        )
    return told


@tells
def together(pooled: Any, shrunken: Any, incremental: pd.DataFrame, settings: Any) -> str:
    """What do all campaigns say together, and is one of them special?"""
    tested = [p for p in incremental.p_holm if not isinstance(p, NotComputable)]
    sure = sum(p < 1 - settings.confidence for p in tested)
    told = (
        f"All together, the messages changed the share who buy by {points(pooled.delta)} "
        f"({words.percent(settings.confidence, digits=0)} interval {points(pooled.low)} to {points(pooled.high)})"
    )
    told += ". " if pooled.low > 0 or pooled.high < 0 else ", which may be nothing at all. "
    one = "none" if not sure else words.number(sure)
    told += f"Alone, {one} of {words.number(len(tested))} campaigns with enough buyers shows a change for sure."
    known = list(zip(incremental.conversion_low, incremental.p_holm, strict=True))
    apart = sum(low > 0 for low, p in known if not _none(low, p) and p >= 1 - settings.confidence)
    if apart:
        told += (
            f" {words.number(apart)} {'lies' if apart == 1 else 'lie'} above 0 alone, but not after allowing for "
            f"{words.number(len(tested))} looked at."
        )
    if few := len(known) - len(tested):
        told += f" {words.count(few, 'campaign')} had too few buyers to be tested."
    if isinstance(shrunken, NotComputable):
        return f"{told} Whether they differ is not computable: {shrunken.reason}."
    if shrunken.p < 1 - settings.confidence:
        return f"{told} They differ by more than chance: the hollow points say which are better, without their luck."
    return (
        f"{told} They differ by no more than chance would make them: the best one was mostly lucky, and "
        "is pulled towards the average (hollow points). Do not copy it for its rank alone."
    )


def all_together(standing: Any, pooled: Any, shrunken: Any, incremental: Any, settings: Any) -> str | NotComputable:
    """What do all campaigns say together: as one experiment where a holdout stands, else pooled? `standing`:
    `Book.standing`.
    """
    if not isinstance(standing, NotComputable):
        return _programme(standing, settings)
    if isinstance(pooled, NotComputable) and standing != pooled:
        return NotComputable(f"{pooled.reason}, and {standing.reason}")
    return together(pooled, shrunken, incremental, settings)


def _programme(found: Any, settings: Any) -> str:
    """What did being in the programme change? `found`: `campaigns.standing.Standing`."""
    money, short = (make(settings.currency) for make in (words.money_in, words.short_money_in))
    people, (bought, without), (spent, saved) = found.treated.n, found.bought, found.spent
    told = (
        "The same customers are kept out of every campaign, so this measures being in the programme: "
        f"{words.count(found.campaigns, 'campaign')} together, {words.period(found.begins, found.ends)}, and no single "
        "one of them. Each customer counts once, with everything bought from the first campaign that chose them to the "
        f"end of this time, campaign or not. Of {words.count(people, 'customer')} in it "
        f"{words.percent(bought)} bought, of {words.number(found.control.n)} held out {words.percent(without)}: "
        f"{_sure(found.conversion, points, settings)} "
        f"They spent {money(spent)} each, the held out {money(saved)}: {_sure(found.revenue, money, settings)}"
    )
    if found.revenue:
        gain = (people * each for each in (found.revenue.delta, found.revenue.low, found.revenue.high))
        told += f" For all of them that is {with_level(*gain, short, settings)}."
    if found.near:
        told += (
            f" In the days after the messages alone they spent {money(found.spent_near[0])} each, the held out "
            f"{money(found.spent_near[1])}: {_sure(found.near, money, settings)} That is surer, as less is in it that "
            "comes anyway, but it takes what was only brought forward for a gain."
        )
    told += (
        " Do not set any of this beside the gain of one campaign. Over the whole time, what a message only brought "
        "forward is no gain. See tables/campaign_programme.csv."
    )
    if found.moved:
        told += (
            f" {words.count(found.moved, 'customer')} changed sides later and still count where they began, which "
            "makes the difference look smaller."
        )
    if found.left_out:
        told += (
            f" {words.count(found.left_out, 'customer')} came with campaigns that held out too few of their newcomers, "
            "and are not compared."
        )
    return told


def _sure(found: Any, form: words.Form, settings: Any) -> str:
    """A difference and how sure it is, as a sentence's end."""
    if isinstance(found, NotComputable):
        return f"a difference is not computable: {found.reason}."
    nothing = "" if found.low > 0 or found.high < 0 else ", which may be nothing at all"
    return f"a difference of {with_level(found.delta, found.low, found.high, form, settings)}{nothing}."


@tells
def lasts(found: Any, settings: Any) -> str:
    """Did the coupon only move dates?"""
    first, last = found.by_day[found.by_day.day <= 7].iloc[-1], found.by_day.iloc[-1]
    money = words.money_in(settings.currency)
    gain = with_level(*(1000 * end for end in (last.delta, last.low, last.high)), money, settings)
    told = (
        f"Per 1,000 customers written to, {money(1000 * first.delta)} had come by day {words.number(first.day)} "
        f"because of the {words.count(found.campaigns, 'campaign')} old enough for this, and {gain} by day "
        f"{words.number(last.day)}."
    )
    if found.finding == "stays":
        more = f"By day {words.number(last.day)} more had come" if last.delta > first.delta else "The gain was not gone"
        between = found.by_day[(found.by_day.day > first.day) & (found.by_day.low <= 0)]
        if len(between):
            more += f", yet on day {words.number(between.day.iloc[-1])} it could have been nothing"
        return (
            f"{told} {more}; later campaigns fall into these days as well. No sign that purchases were only brought "
            "forward, and no proof either."
        )
    if found.finding == "moved dates only":
        return f"{told} The gain is gone again: the messages only moved dates. Leave out the coupon, or send later."
    return f"{told} Whether it stays cannot be told yet: the interval at the end holds both."


@tells
def coupon_parts(parts: pd.DataFrame) -> str:
    """Is it more buyers, more orders or larger baskets?"""
    ratio = parts.set_index("part").ratio
    if any(isinstance(each, NotComputable) for each in ratio):
        return f"Not computable: {next(each for each in ratio if isinstance(each, NotComputable)).reason}."
    return (
        f"Customers written to spent {words.number(ratio['revenue a customer'], digits=2)} times as much as those held "
        f"out: {words.number(ratio['P(buy)'], digits=2)} times as many bought, with "
        f"{words.number(ratio['orders a buyer'], digits=2)} times the orders and "
        f"{words.number(ratio['basket'], digits=2)} "
        "times the basket. The message changes who buys, so these last two compare different people."
    )


@tells
def coupon_use(use: Any, settings: Any) -> str:
    """Who got the coupons: those who were won, or those who come anyway?"""
    money = words.money_in(settings.currency)
    caused = words.interval(use.caused_low, use.caused_high, words.number)
    told = (
        f"{words.count(use.used, 'customer')} written to used a coupon, {money(use.discount)} in all; the campaigns "
        "won "
        f"{words.number(use.caused)} buyers ({words.percent(settings.confidence, digits=0)} interval {caused})."
    )
    if use.to_regulars > 0:
        told += (
            f" So {words.number(max(use.used - use.caused, 0))} coupons at the best estimate, and "
            f"{words.number(use.to_regulars)} at the very least, went to customers who would have bought anyway; who "
            "they are cannot be told."
        )
    return f"{told} Worst case: if everybody who buys anyway used a coupon, {money(use.subsidy)}."


@tells
def with_coupons(ratio: Any, settings: Any) -> str:
    """What does each 1 spent bring when the coupon counts as spent?"""
    if isinstance(ratio.low, NotComputable):
        return f"With coupons counted as cost the ratio has no bounds: {ratio.low.reason}."
    return (
        "Counting the coupons as cost as well, and revenue before them, each 1 spent brought "
        f"{with_level(ratio.value, ratio.low, ratio.high, for_one, settings)} of incremental revenue."
    )


@tells
def pressure(by_stage: pd.DataFrame) -> str:
    """Who gets how many messages?"""
    year = by_stage[by_stage.window_days == by_stage.window_days.max()]
    month = by_stage[by_stage.window_days == by_stage.window_days.min()]
    top = year.loc[year.per_head.idxmax()]
    return (
        f"In the last {words.days(month.window_days.iloc[0])} a customer got "
        f"{words.number(month.messages.sum() / month.customers.sum(), digits=2)} messages, over "
        f"{words.days(year.window_days.iloc[0])} "
        f"{words.number(year.messages.sum() / year.customers.sum(), digits=1)}; the most "
        f"go to the {top.stage}, {words.number(top.per_head, digits=1)} a head, and nobody got more than "
        f"{words.number(year.most.max())}."
    )


@tells
def messages(frame: pd.DataFrame) -> str:
    """Do more messages go with fewer purchases, or with more opt-outs?"""
    told = (
        f"The chart has the {words.count(int(frame.customers.sum()), 'customer')} known by the end of these 90 "
        "days; what they bought is of the 30 days after. Nobody drew who gets many messages: the bars "
        "compare different customers, and say nothing of what one message more does."
    )
    if "opted_out" in frame:
        told += (
            f" {words.count(int(frame.opted_out.sum()), 'customer')} have opted out; they get no messages from then "
            "on, and "
            "stand under 0."
        )
    return told


def who_responds(segments: pd.DataFrame) -> str | NotComputable:
    """Which differences between groups are more than chance?"""
    if isinstance(segments, NotComputable):
        return segments
    tests = segments.drop_duplicates("dimension")
    differ, alike = (
        [str(d) for d in tests.dimension[tests.verdict == word]] for word in ("differ", "no difference seen")
    )
    told = (
        f"By {words.listing(differ)} the groups differ by more than chance, allowing for how many were compared."
        if differ
        else "No comparison shows groups that differ by more than chance, allowing for how many were compared."
    )
    if alike:
        told += (
            f" By {words.listing(alike)} they do not: what looks better or worse there may be luck, so do not choose "
            "customers by it."
        )
    return told


@tells
def most_written(year: pd.DataFrame, segments: pd.DataFrame, plan: Any, settings: Any) -> str:
    """Do most messages go where a gain is seen? `year`: `Book.year_of_messages`."""
    top = year.loc[year.messages.astype(float).idxmax()]
    rows = segments[(segments.segment == top.stage) & (segments.dimension == "lifecycle stage")]
    if rows.empty or rows.verdict.iloc[0] != "differ":
        return ""
    row, cost = rows.iloc[0], plan.cost_each
    told = (
        f"{words.percent(top.messages / year.messages.sum(), digits=0)} of the year's messages went to customers "
        f"who are {top.stage} today"
    )
    if not isinstance(cost, NotComputable):
        money = words.money_in(settings.currency)
        told += f", about {money(top.messages * cost)} at {price_in(settings.currency)(cost)} each"
    seen = f"{points(row.effect)}, {points(row.low)} to {points(row.high)}"
    bar = break_even(plan, settings)
    if row.low > bar:
        return f"{told}. Written to in that stage, they respond ({seen})."
    if row.high < bar:
        return f"{told}. Written to in that stage, they do not earn back a message ({seen}): the largest saving."
    return (
        f"{told}. Written to in that stage, no sure gain is seen ({seen}): the largest saving to test, by holding out "
        "half of them."
    )


@tells
def next_plan(plan: Any, segments: Any, months: Any, settings: Any) -> str:
    """The one plan: whom to write to with which holdout, whom to test, and when to judge."""
    told = _who_next(plan, segments, settings)
    if not isinstance(months.months, NotComputable):
        told += (
            f" Judge the campaigns together, after about {words.number(months.months)} monthly ones, and none alone."
        )
    return told


@tells
def draw(plan: Any, segments: Any, settings: Any) -> str:
    """How many are held out by lot, for those who keep the list?"""
    tested = _names(segments, plan, settings).get("Test")
    told = f"Hold out {words.percent(plan.holdout_share, digits=0)} of the list"
    if not tested:
        return f"{told}."
    return (
        f"{told}, but half of {tested}. Give those a campaign_id of their own, as arms of two shares in one campaign "
        "cannot be compared, and leave campaign_holdout out while the shares differ."
    )


def _who_next(plan: Any, segments: Any, settings: Any) -> str:
    share, named = words.percent(plan.holdout_share, digits=0), _names(segments, plan, settings)
    if not named:
        return f"Next: hold out {share} of the whole list by lot."
    told = []
    if "Repeat" in named:
        told.append(f"write to {named['Repeat']} and hold out {share} of them by lot")
    if "Test" in named:
        told.append(f"hold out half of {named['Test']}, to learn whether a message does anything there")
    if "Stop" in named:
        told.append(f"leave out {named['Stop']}")
    return f"Next: {'; '.join(told)}."


def _names(segments: Any, plan: Any, settings: Any) -> dict[str, str]:
    chosen = {} if isinstance(segments, NotComputable) else choices(segments, break_even(plan, settings))
    return {verb: words.listing(words.name(each) for each in rows.segment) for verb, rows in chosen.items()}


def next_time(plan: Any, planned: Any, best: Any, months: Any, settings: Any) -> str | NotComputable:
    """What does the planned holdout cost, and what can it tell?"""
    if isinstance(planned, NotComputable):
        return planned
    told = [
        f"The plan takes what those held out of the last {words.count(plan.campaigns, 'campaign')} bought, "
        f"{words.percent(plan.organic, digits=2)}, and the gain of all campaigns, {points(plan.effect)}.",
        _holdout(planned, settings),
    ]
    if isinstance(best, NotComputable):
        told.append(
            f"In one campaign not even half of {words.count(plan.customers, 'customer')} held out would settle "
            "it for a gain like this: judge several together."
        )
    elif best.control != planned.control:
        told.append(f"The smallest holdout that settles it in one campaign: {_holdout(best, settings)}")
    if isinstance(months, NotComputable):
        return " ".join(told)
    if isinstance(months.months, NotComputable):
        told.append(str(months.sentence))
    else:
        told.append(
            f"This gain shows after about {words.count(months.months, 'monthly campaign')} to "
            f"{words.count(plan.customers, 'customer')} each, if the same "
            f"{words.percent(plan.holdout_share, digits=0)} of them stay held out throughout."
        )
    return " ".join(told)


def _holdout(worth: Any, settings: Any) -> str:
    """What a `planning.HoldoutWorth` gives up and tells."""
    money = words.money_in(settings.currency)
    told = f"Holding out {words.number(worth.control)} of {words.count(worth.control + worth.treated, 'customer')} "
    told += f"gives up about {money(worth.sales_forgone)} of sales" if worth.sales_forgone > 0 else "gives up no sales"
    profit = worth.profit_forgone
    if not isinstance(profit, NotComputable):
        told += f" ({money(profit)} of profit)" if profit > 0 else f" and saves {money(-profit)} in all"
    question = "works at all" if isinstance(worth.break_even, NotComputable) else "earns back its cost"
    return (
        f"{told}; it tells a gain to within {points(worth.half_width).lstrip('+')} either way, which settles in "
        f"{words.percent(worth.power, digits=0)} of such campaigns whether one {question}."
    )


def _none(*values: Any) -> bool:
    return any(isinstance(value, NotComputable) for value in values)
