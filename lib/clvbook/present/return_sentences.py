"""Sentences on who comes back: the shop's own bounds, when to stop, which contact pays, habits, cohorts.

in: waits, rates, values, ladders and cohorts as the book gives them; out: text
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import about, tells


@tells
def calibration(own: Any, settings: Any) -> str:
    """Are the given bounds right for this shop?"""
    given, mine = (", ".join(own.bounds[side].astype(str)) for side in ("given", "own"))
    first, ratio = own.bounds.iloc[0], own.bounds.own / own.bounds.given
    slower, faster = (ratio > 4 / 3).all(), (ratio < 3 / 4).all()
    fits = ratio.between(3 / 4, 4 / 3).all()
    unreturned = own.eventually * (1 - first.returned)  # who will come back, and has not by the first bound
    reached = unreturned / (unreturned + 1 - own.eventually)
    advice = (
        f"Customers of this shop take longer than the bounds suppose: on day {first.given:.0f}, when they begin to "
        f"count as silent, {words.percent(1 - first.returned, digits=0)} of those who will come back are still to "
        f"come: they are {words.percent(reached, digits=0)} of those whom an offer reaches then."
        if slower
        else "Customers of this shop return sooner than the bounds suppose."
        if faster
        else "The given bounds fit."
        if fits
        else "The given bounds fit in part."
    )
    days = own.bounds.own.tolist()
    if 0 < days[0] < days[1] < days[2]:
        moved = f" and would move the first message from day {first.given:.0f} to day {days[0]}"
        advice += (
            f" Bounds on these days, stage_bounds: [{mine}] instead of [{given}], say how fast customers return. They "
            f"do not show when a message pays{moved if days[0] != first.given else ''}: change them when the holdouts "
            "of some months have shown what messages do."
        )
    else:
        advice = f"So close together they are no stages: stay with stage_bounds: [{given}]."
    return (
        f"Of all purchases, each of a frequent buyer counted, {words.percent(own.eventually, digits=0)} are followed "
        f"by another within {words.days(own.reliable_day)}; of those, half by day {days[0]}, three quarters by day "
        f"{days[1]} and nine tenths by day {days[2]}. {advice}"
    )


@about
def stop_rule(rates: pd.DataFrame, back: pd.DataFrame, settings: Any) -> str | NotComputable:
    """Is it right to stop after the last bound, and to keep the strong offer for the big sale?"""
    stop = settings.stage_bounds[-1]
    before, after = rates[rates.silent_days <= stop], rates[rates.silent_days > stop]
    if before.empty or after.empty:
        return NotComputable(f"not enough data on silences beyond {stop} days")
    at, then, late = before.iloc[-1], after.iloc[0], after.iloc[-1]

    def buy(row: pd.Series) -> str:
        interval = words.interval(row.low, row.high, words.percent)
        return f"for {words.days(row.silent_days)} {words.percent(row.rate)} ({interval})"

    rows = [at, then] if late.equals(then) else [at, then, late]
    # a chance that falls all the way falls there, too: only a steeper step than the one before it marks the day
    usually = max(before.iloc[-2].rate - at.rate, 0) if len(before) > 1 else 0
    told = f"Stop after {words.days(stop)}? " + (
        "There is something to it: the chance to come back drops there."
        if then.high < at.low and at.rate - then.rate > 2 * usually
        else "These data do not mark that day: the chance to come back makes no sudden drop there. The rule is that of "
        "the source of the bounds."
    )
    told += f" Of customers without a purchase {words.listing(buy(row) for row in rows)} buy within the next 30 days."
    sale = "Keep the strong offer for a big sale?"
    if isinstance(back, NotComputable) or len(back) < 12:
        return f"{told} {sale} That can be told after a year of months with lost customers."
    lately = back.iloc[-3:]
    best, usual = back.loc[back.rate.idxmax()], back.moved.sum() / back.customers.sum()
    if not usual:
        return f"{told} {sale} Nobody of the lost came back in any month."
    # the best of many months looks good by chance: each counts as one more try
    surely = len(back) * binom.sf(best.moved - 1, best.customers, usual) < 0.05
    return (
        f"{told} {sale} "
        + ("Plausible: in" if surely else "Not shown: in")
        + f" the best of {words.count(len(back), 'month')}, {words.month(best.snapshot)}, {words.percent(best.rate)} "
        f"of the lost came back, against {words.percent(usual)} in an average one, "
        + ("more than chance explains." if surely else "which may be chance.")
        + f" {words.number(best.customers)} were lost before that month and {words.number(lately.customers.iloc[-1])} "
        f"before the last one; of the last {words.number(len(lately))} months the rate is "
        f"{words.percent(lately.moved.sum() / lately.customers.sum())}: plan with that."
        + " Some came back by themselves, some were written to: what a message adds, only a holdout tells."
    )


@tells
def contact_depth(values: Any, names: list[str], ledger: Any, settings: Any) -> str | NotComputable:
    """Down to which stage does a contact pay?"""
    table = values.by_stage
    first, last = table.iloc[0], table.iloc[-1]
    what = "margin" if values.of == "margin" else "revenue (margin_rate is not set)"
    money = words.money_in(settings.currency)
    told = (
        f"At the rates seen, a customer who bought in the last {words.days(settings.stage_bounds[0])} brings "
        f"{money(first.value)} of {what} over the next {words.days(settings.horizon_days)}, one silent for {names[-1]} "
        f"{money(last.value)}{', contacts paid' if settings.contact_cost is not None else ''}."
    )
    if not isinstance(ledger.total.value, NotComputable):
        told += (
            " The ledger above knows each customer's own purchases, this nothing but the days since the last one, so "
            "the two differ: choose among customers by the ledger's values (the lists have them)"
            f"{', and take from here the limit of a contact' if values.of == 'margin' else ''}."
        )
    if values.of != "margin" or settings.contact_cost is None:
        return f"{told} Down to which stage a contact pays cannot be told: {values.losing_from.reason}."
    cost = f"a contact every {words.days(settings.stage_bounds[0])} at {money(settings.contact_cost)}"
    if isinstance(values.losing_from, NotComputable):
        return (
            f"{told} With {cost} there is no silence from which on contacts surely lose money. "
            f"{money(settings.contact_cost)} is the message alone. With the gift or discount that goes with it one "
            f"contact may cost at most {money(first.break_even)} for customers silent for {names[0]} and "
            f"{money(last.break_even)} for {names[-1]}, on average of those written to: so much one contact can earn "
            f"if every purchase came because of it, while {money(first.value)} and {money(last.value)} are of all "
            f"{words.days(settings.horizon_days)}. Do not multiply it by the contacts of that time. Some come anyway, "
            "so below it a contact may pay; only a holdout shows whether it does."
        )
    or_longer = "" if values.losing_from == len(names) - 1 else " or longer"
    return (
        f"{told} With {cost}, "
        + (
            f"customers silent for {names[values.losing_from]}{or_longer} lose"
            if values.losing_from
            else "all customers lose"
        )
        + " money even if every purchase came because of it: "
        + ("leave them alone." if values.losing_from else "find a cheaper contact.")
    )


@tells
def ladder(steps: Any, settings: Any) -> str | NotComputable:
    """Which purchase makes the habit?"""
    window = settings.stage_bounds[-1]
    shown = steps.steps[(steps.steps.window == window)].set_index("order")
    if isinstance(reason := shown.low.iloc[0], NotComputable):
        return reason
    known = [n for n in shown.index if not isinstance(shown.low[n], NotComputable)]

    def share(row: pd.Series) -> str:
        interval = words.interval(row.low, row.high, lambda side: words.percent(side, digits=0))
        return f"{words.percent(row.probability, digits=0)} ({interval})"

    first, last = shown.loc[known[0]], shown.loc[known[-1]]
    told = f"After the first purchase {share(first)} buy again within {words.days(window)}"
    told += f", after purchase {known[-1]} {share(last)}." if len(known) > 1 else "."
    if len(known) > 1:
        told += (
            f" But only {words.number(last.reached)} of {words.count(first.reached, 'customer')} got to purchase "
            f"{known[-1]}, and who did was keener to begin with: pushing others to that number need not make them so."
        )
    if len(known) > 1 and first.probability < min(shown.probability[n] for n in known[1:]):
        told += (
            f" No later step loses as many as the first: {words.percent(1 - first.probability, digits=0)} do not buy a "
            f"second time within {words.days(window)}."
        )
    gains = steps.gains(window)
    if (surely := gains[[not isinstance(up, NotComputable) and bool(up) for up in gains.rises]]).size:
        most = surely.loc[surely.gain.astype(float).idxmax()]
        before, after = (words.percent(shown.probability[n], digits=0) for n in (most.order, most.order + 1))
        told += (
            f" The largest step is that of purchase {most.order + 1}: {after} buy again after it, {before} after the "
            "one before."
        )
    if round(first.naive, 2) < round(first.probability, 2):
        told += (
            f" Simply dividing buyers by customers would give {words.percent(first.naive, digits=0)} after the first: "
            "it counts young customers as if their time were over."
        )
    flat = steps.flattens_at(window)
    if isinstance(flat, NotComputable):
        return f"{told} Where the habit is made cannot be seen: {flat.reason}. Guides name 3 to 5 purchases."
    step = f"{words.points(flat.gain)}, interval {words.points(flat.low)} to {words.points(flat.high)}"
    change = "falls again" if flat.high < 0 else "is not told from none"
    if flat.order == 1:
        return f"{told} That a second purchase makes the next one likelier is not shown: its step ({step}) {change}."
    where = "within" if flat.order <= 5 else "after"
    where = "before" if flat.order < 3 else where
    return (
        f"{told} Up to purchase {flat.order} each one is followed by the next more often; the step after it ({step}) "
        f"{change}. That is {where} the 3 to 5 purchases that guides name."
    )


@tells
def cohorts(found: Any) -> str | NotComputable:
    """Do newer customers come back as older ones did?"""
    summary = found.summary[~found.in_burn_in.to_numpy()]
    by = found.triangle("cumulative", per_customer=True)[~found.in_burn_in]
    marks = [k for k in (3, 2, 1) if k in by.columns and by[k].notna().sum() >= 4]
    if not marks:
        old = int(by[1].notna().sum()) if 1 in by.columns else 0
        return NotComputable(f"not enough data: {old} of 4 months whose new customers can be compared a month later")
    k = marks[0]
    seen = by[k].dropna().astype(float)
    half = len(seen) // 2
    sizes = found.sizes[seen.index]
    older = np.average(seen.iloc[:half], weights=sizes.iloc[:half])
    newer = np.average(seen.iloc[half:], weights=sizes.iloc[half:])
    both = np.average(seen, weights=sizes)
    error = np.sqrt(both * (1 - both) * (1 / sizes.iloc[:half].sum() + 1 / sizes.iloc[half:].sum()))
    surely = abs(newer - older) > 2 * error
    return (
        f"Within {words.count(k, 'month')} after the month of the first purchase {words.percent(older)} of the "
        f"customers of {words.month(seen.index[0])} to {words.month(seen.index[half - 1])} had bought again, and "
        f"{words.percent(newer)} of those of {words.month(seen.index[half])} to {words.month(seen.index[-1])}: "
        + (
            f"newer customers come back {'more' if newer > older else 'less'} often, by more than chance."
            if surely
            else "the difference may be chance."
            if newer != older
            else "there is no difference."
        )
        + (" They bought in other months of the year, too: seasons are in it." if len(summary) < 24 else "")
        + " Blank cells are months that are not over."
    )
