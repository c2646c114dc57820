"""Sentences of the lifecycle page, made from the numbers that stand above them.

in: stage histories, ledgers, moves, ladders and action lists as the book gives them; out: text
"""

from typing import Any

import numpy as np
import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import tells


@tells
def about_to_move(waiting: pd.DataFrame, settings: Any) -> str:
    """Who is about to leave which stage, what are they worth, and what is to be done? The head of the page."""
    lists = waiting.iloc[:-1]
    total, within = lists.customers.sum(), words.days(settings.act_within_days)
    if not total:
        return f"No customer's stage ends in the next {within}: there is nobody to write to."
    told = [
        f"{words.count(row.customers, 'customer')} will have been away for {row.trigger} days and stop being {row.stage}"
        + (
            ""
            if isinstance(row.value, NotComputable)
            else f" (still worth {words.short_money(row.value, settings.currency)}: {row.offer})"
        )
        for row in lists.itertuples()
        if row.customers
    ]
    held = lists.held_out.sum()
    return (
        f"In the next {within}, unless they buy: {'; '.join(told)}. Their lists are ready in tables/, good until "
        f"{words.day(lists.stale_on.iloc[0])}. {words.count(held, 'customer on them is', 'customers on them are')} held "
        "out at random: send them nothing, so that the difference can be measured."
    )


@tells
def lists(waiting: pd.DataFrame, ends: pd.DataFrame, settings: Any, files: list[str]) -> str:
    """How are the lists to be used?"""
    ahead = ends.day.nunique()
    each = [
        f"{words.number(group.customers.sum())} {words.name(stage)}"
        for stage, group in ends.groupby("stage", sort=False)
    ]
    opted = waiting.opted_out.iloc[:-1].sum()
    left_out = f" {words.count(opted, 'customer')} who opted out are on no list." if opted else ""
    return (
        f"{words.listing(f'tables/{name}.csv' for name in files)} name the customers, the most valuable first, with what "
        "they bought last, the offer, and the arm. A list is at once the assignment file: keep it, and next month's "
        "campaign page can tell what the message changed. Whoever has bought since the month's end must come off before "
        f"sending.{left_out} Stages end every day: over the next {words.days(ahead)} it is {words.listing(each)} "
        f"customers, of whom these lists hold the first {words.days(settings.act_within_days)} (act_within_days; or run "
        "the report again in the month, with data up to then)."
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
    lost = stages.loc["lost"]
    told = f"{words.percent(lost.share, digits=0)} of all customers ever won are lost by the stage's definition"
    if not isinstance(lost.value, NotComputable) and total.value > 0:
        told += (
            f", and yet {words.percent(lost.value / total.value, digits=0)} of the value to come is theirs, because they "
            f"are many: {words.money(lost.value / max(lost.customers, 1), settings.currency)} a head, against "
            f"{words.money(stages.loc['active'].value / max(stages.loc['active'].customers, 1), settings.currency)} for "
            "an active one"
        )
    if isinstance(total.not_back, NotComputable):
        return f"{told}. How many will stay away is not computable: {total.not_back.reason}."
    far = total.extrapolated
    return (
        f"{told}. Judged by how long customers of this shop have stayed away before, "
        f"{words.percent(total.written_off, digits=0)} of all customers will not buy in the next "
        f"{words.days(settings.horizon_days)}: among the active {words.percent(stages.loc['active'].written_off, digits=0)}, "
        f"among the lost {words.percent(lost.written_off, digits=0)}."
        + (
            f" For {words.percent(far, digits=0)} of customers that reaches beyond the longest silence the shop has "
            "seen, and takes for granted that they go on as those before them."
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
        f"{words.number(counts.iloc[-apart - 1]['active'])}, {words.percent(before['active'])}. A falling share alone is "
        "no alarm: everybody who ever bought stays in the count, so the lost can only grow. Watch the number of active."
    )


@tells
def flow(frame: pd.DataFrame) -> str:
    """Did more customers come than go?"""
    last = frame.iloc[-1]
    came, went = last.new + last.resurrected, last.dormant
    more = "more" if came > went else "fewer" if came < went else "as many"
    burn_in = int(frame.burn_in.sum())
    return (
        f"In {words.month(last.snapshot)} {words.count(last.active, 'customer')} bought: {words.number(last.new)} for the "
        f"first time, {words.number(last.returning)} who had bought the month before too, and "
        f"{words.number(last.resurrected)} after a pause. {words.number(went)} of the month before did not. "
        f"{words.number(came)} came and {words.number(went)} paused: {more} buyers than the month before."
        + (
            f" In the first {words.count(burn_in, 'month')} of the export old customers look new, and are greyed."
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
    return f"{told} {words.count(prospects, 'prospect')} ordered and never paid: the cheapest customers to win."


@tells
def moves(rates: pd.DataFrame, impossible: pd.DataFrame, fit: Any) -> str | NotComputable:
    """Where do customers go in a month, and is one month like another?"""
    at = rates.set_index(["from", "to"])
    active, lost = at.loc[("active", "silent")], at.loc[("lost", "active")]
    told = (
        f"In a month {words.percent(active.rate, digits=0)} of the active fall silent "
        f"({words.interval(active.low, active.high, words.percent)}), and {words.percent(lost.rate)} of the lost come "
        f"back ({words.interval(lost.low, lost.high, words.percent)})."
    )
    if len(impossible):
        told += (
            f" {words.count(int(impossible.customers.sum()), 'move')} cannot happen in a month: the data or the program "
            "is wrong."
        )
    if isinstance(fit, NotComputable):
        return told
    if fit.homogeneous:
        return f"{told} The months do not differ by more than chance: one matrix speaks for all."
    first = fit.by_step.iloc[0]
    return (
        f"{told} Months do differ by more than chance, most of all {words.month(first.snapshot)}: the matrix is a mean "
        "over seasons, and a single month may well be otherwise."
    )


@tells
def forecast(frame: pd.DataFrame, record: Any, settings: Any) -> str:
    """How many active customers will there be, and how good were such forecasts?"""
    last = frame[(frame.stage == "active") & (frame.ahead == frame.ahead.max())].iloc[0]
    told = (
        f"If customers go on as in the past year, {words.number(last.expected)} will be active at the end of "
        f"{words.month(last.snapshot)} ({words.percent(settings.confidence, digits=0)} interval "
        f"{words.interval(last.low, last.high, words.number)}). It knows no seasons and no campaigns to come."
    )
    if isinstance(record, NotComputable):
        return f"{told} Whether such forecasts were good cannot be said: {record.reason}."
    miss = record.by_ahead.iloc[-1]
    return (
        f"{told} Made in the same way in past months, {words.percent(record.hit_rate, digits=0)} of what came lay in "
        f"the interval, and {words.count(miss.ahead, 'month')} ahead they were off by "
        f"{words.percent(miss.error)} on average."
    )


@tells
def calibration(own: Any, settings: Any) -> str:
    """Are the given bounds right for this shop?"""
    given = words.listing(own.bounds.given.astype(str))
    mine = words.listing(own.bounds.own.astype(str))
    first = own.bounds.iloc[0]
    slower = first.own > 1.25 * first.given
    faster = first.own < 0.8 * first.given
    advice = (
        f"Customers of this shop take longer than the bounds suppose: by day {first.given}, when they are called silent, "
        f"{words.percent(1 - first.returned, digits=0)} of those who will come back are still to come. A coupon sent then "
        "goes mostly to people who would have returned by themselves. Consider "
        if slower
        else "Customers of this shop return sooner than the bounds suppose: a reminder comes late. Consider "
        if faster
        else "The given bounds fit. The shop's own would be "
    )
    return (
        f"Of the {words.percent(own.eventually, digits=0)} of purchases that another one follows (within "
        f"{words.days(own.reliable_day)}), half have been followed by day {own.bounds.own.iloc[0]}, three quarters by day "
        f"{own.bounds.own.iloc[1]} and nine tenths by day {own.bounds.own.iloc[2]}. {advice}stage_bounds: [{mine}] "
        f"instead of [{given}]."
    ).replace(" and ", " and ", 1)


@tells
def stop_rule(rates: pd.DataFrame, back: pd.DataFrame, settings: Any) -> str | NotComputable:
    """Is it right to stop after the last bound, and to keep the strong offer for the big sale?"""
    stop = settings.stage_bounds[-1]
    before, after = rates[rates.silent_days <= stop], rates[rates.silent_days > stop]
    if before.empty or after.empty:
        return NotComputable(f"not enough data on silences beyond {stop} days")
    at, late = before.iloc[-1], after.iloc[-1]
    told = (
        f"Of customers silent for {words.days(at.silent_days)}, {words.percent(at.rate)} buy within the next 30 "
        f"({words.interval(at.low, at.high, words.percent)}); of those silent for {words.days(late.silent_days)} it is "
        f"{words.percent(late.rate)} ({words.interval(late.low, late.high, words.percent)})."
    )
    falls = late.high < at.low
    told += (
        f" The chance goes on falling and does not drop at day {stop}: nothing makes that day special."
        if falls
        else f" The two cannot be told apart: day {stop} is no turning point in this shop."
    )
    if isinstance(back, NotComputable) or len(back) < 12:
        return f"{told} Whether a big sale wakes the lost needs a year of months with lost customers."
    best, usual = back.loc[back.rate.idxmax()], back.moved.sum() / back.customers.sum()
    surely = best.low > usual
    return (
        f"{told} In the best month for it, {words.month(best.snapshot)}, {words.percent(best.rate)} of the lost came "
        f"back, against {words.percent(usual)} in a usual month"
        + (
            ": more than chance explains, so a strong offer is best kept for such a month."
            if surely
            else ": no more than chance explains."
        )
        + " These are customers who came back by themselves or were written to: what a message adds, only a holdout tells."
    )


@tells
def contact_depth(values: Any, names: list[str], settings: Any) -> str | NotComputable:
    """Down to which stage does a contact pay?"""
    table = values.by_stage
    first, last = table.iloc[0], table.iloc[-1]
    what = "margin" if values.of == "margin" else "revenue (margin_rate is not set)"
    money = words.money_in(settings.currency)
    told = (
        f"At the rates seen, an active customer brings {money(first.value)} of {what} over the next "
        f"{words.days(settings.horizon_days)}, one of the longest silent ({names[-1]}) {money(last.value)}."
    )
    if values.of != "margin" or settings.contact_cost is None:
        return f"{told} Down to which stage a contact pays is not computable: {values.losing_from.reason}."
    cost = f"a contact every {words.days(settings.stage_bounds[0])} at {money(settings.contact_cost)}"
    if isinstance(values.losing_from, NotComputable):
        return (
            f"{told} With {cost} no stage loses money, and none would up to {money(last.break_even)} a contact, if every "
            "purchase came because of it. Most would have come anyway: this is where contacts surely lose, not where "
            "they pay. The campaign page, with a holdout, can tell that."
        )
    return (
        f"{told} With {cost}, customers {names[values.losing_from]} and later lose money even if every purchase came "
        "because of it: leave them alone."
    )


@tells
def ladder(steps: Any, settings: Any) -> str:
    """Which purchase makes the habit?"""
    window = settings.stage_bounds[-1]
    shown = steps.steps[(steps.steps.window == window)].set_index("order")
    known = [n for n in shown.index if not isinstance(shown.probability[n], NotComputable)]
    if not known:
        return f"Not computable: {shown.probability.iloc[0].reason}."
    first, last = shown.loc[known[0]], shown.loc[known[-1]]
    told = (
        f"After the first purchase {words.percent(first.probability, digits=0)} buy again within {words.days(window)}, "
        f"after purchase {known[-1]} {words.percent(last.probability, digits=0)}. Simply dividing buyers by customers "
        f"would give {words.percent(first.naive, digits=0)} after the first: it counts young customers as if their time "
        "were over."
    )
    flat = steps.flattens_at(window)
    if isinstance(flat, NotComputable):
        return f"{told} Where the habit is made cannot be seen: {flat.reason}. The source says 3 to 5 purchases."
    where = "within" if 3 <= flat.order <= 5 else "before" if flat.order < 3 else "after"
    return (
        f"{told} Up to purchase {flat.order} each one makes the next surely likelier; the step after it "
        f"({words.points(flat.gain)}, interval {words.points(flat.low)} to {words.points(flat.high)}) is not told from "
        f"none. That is {where} the 3 to 5 purchases of the source. Frequent buyers were more loyal before they bought: "
        "pushing others to that number need not make them so."
    )


@tells
def cohorts(found: Any) -> str | NotComputable:
    """Do newer customers come back as older ones did?"""
    summary = found.summary[~found.in_burn_in.to_numpy()]
    by = found.triangle("cumulative", per_customer=True)[~found.in_burn_in]
    marks = [k for k in (3, 2, 1) if k in by.columns and by[k].notna().sum() >= 4]
    if not marks:
        return NotComputable(f"not enough data: {len(summary)} cohorts of which few are old enough to compare")
    k = marks[0]
    seen = by[k].dropna().astype(float)
    half = len(seen) // 2
    sizes = found.sizes[seen.index]
    older = np.average(seen.iloc[:half], weights=sizes.iloc[:half])
    newer = np.average(seen.iloc[half:], weights=sizes.iloc[half:])
    error = np.sqrt(sum(p * (1 - p) / n.sum() for p, n in ((older, sizes.iloc[:half]), (newer, sizes.iloc[half:]))))
    surely = abs(newer - older) > 2 * error
    return (
        f"Within {words.count(k, 'month')} after the month of the first purchase {words.percent(older)} of the customers "
        f"of {words.month(seen.index[0])} to {words.month(seen.index[half - 1])} had bought again, and "
        f"{words.percent(newer)} of those of {words.month(seen.index[half])} to {words.month(seen.index[-1])}: "
        + (
            f"newer customers come back {'more' if newer > older else 'less'} often, by more than chance."
            if surely
            else "no difference that chance does not explain."
        )
        + " Blank cells are months that are not over."
    )
