"""Sentences on what campaigns changed, made from the numbers that stand above them: against those held out.

in: effects, segments, coupons, contact pressure and plans as the book gives them; out: text
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.campaign_sentences import for_one, points, with_level
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
    told += (
        f"By itself, {one} of {words.number(len(tested))} campaigns with enough buyers shows an effect, once it is "
        "allowed for that many were looked at (Holm)."
    )
    if isinstance(shrunken, NotComputable):
        return f"{told} Whether they differ is not computable: {shrunken.reason}."
    if shrunken.p < 1 - settings.confidence:
        return f"{told} They differ by more than chance: the hollow points say which are better, without their luck."
    return (
        f"{told} They differ by no more than chance would make them: the best one was mostly lucky, and "
        "is drawn back to the mean (hollow points). Do not copy it for its rank alone."
    )


@tells
def lasts(found: Any, settings: Any) -> str:
    """Did the coupon only move dates?"""
    first, last = found.by_day[found.by_day.day <= 7].iloc[-1], found.by_day.iloc[-1]
    money = words.money_in(settings.currency)
    gain = with_level(*(1000 * end for end in (last.delta, last.low, last.high)), money, settings)
    told = (
        f"Per 1,000 customers written to, {money(1000 * first.delta)} had come by day {words.number(first.day)} "
        f"because of the campaigns, and {gain} by day {words.number(last.day)}."
    )
    if found.finding == "stays":
        return f"{told} The gain stays: purchases were won, not only brought forward."
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
        "times the basket. Only the first compares like with like; who buys at all was decided by the message."
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
            f" So at least {words.number(use.to_regulars)} coupons, and most likely "
            f"{words.number(max(use.used - use.caused, 0))}, "
            "went to customers who would have bought anyway."
        )
    return f"{told} If all who buy anyway used one, it would cost {money(use.subsidy)} for the same gain."


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
        "Nobody drew who gets many messages: the bars compare different customers, and say nothing of what one message "
        "more does."
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


def next_time(plan: Any, planned: Any, best: Any, months: Any) -> str | NotComputable:
    """How large should the next campaign and its holdout be?"""
    if isinstance(planned, NotComputable):
        return planned
    told = [str(planned.sentence)]
    if isinstance(best, NotComputable):
        told.append(f"One campaign does not settle it: {best.reason.removeprefix('not enough data: ')}.")
    elif best.control != planned.control:
        told.append(f"The smallest holdout that settles it: {best.sentence}")
    if not isinstance(months, NotComputable):
        told.append(str(months.sentence))
    return " ".join(told)
