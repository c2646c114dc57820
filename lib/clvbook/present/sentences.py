"""Sentences that a manager can act on, made from the numbers that stand above them.

in: back-tests and frames; out: `Prose`, plain sentences that display themselves as one paragraph

A sentence that needs a figure which is `NotComputable` becomes "Not computable: <reason>."
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from html import escape
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words


@dataclass(frozen=True)
class Prose:
    """One paragraph; `banner` sets it apart as a warning. Without a word it shows nothing. A table named in it, such as
    tables/customers.csv, is a link.
    """

    text: str
    banner: bool = False

    def _repr_html_(self) -> str:
        kind = "clv-banner" if self.banner else "clv-say"
        linked = re.sub(r"\btables/[\w-]+\.csv", r'<a href="\g<0>">\g<0></a>', escape(self.text))
        return f'<p class="{kind}">{linked}</p>' if self.text else ""

    def __repr__(self) -> str:
        return self.text


def say(*sentences: str | NotComputable, banner: bool = False, reasons: bool = True) -> Prose:
    """The sentences as one paragraph; text from data is escaped. Without `reasons` a sentence that is `NotComputable`
    is left out: for a paragraph beside a table or chart that says why itself.
    """
    told = dict.fromkeys(
        f"Not computable: {s.reason}." if isinstance(s, NotComputable) else words.text(s)
        for s in sentences
        if s != "" and (reasons or not isinstance(s, NotComputable))
    )
    return Prose(" ".join(told), banner=banner)


def tells(sentence: Callable[..., str]) -> Callable[..., str | NotComputable]:
    """A sentence about something that is `NotComputable` is its reason."""

    @wraps(sentence)
    def told(*about: Any, **more: Any) -> str | NotComputable:
        missing = [one for one in about if isinstance(one, NotComputable)]
        return missing[0] if missing else sentence(*about, **more)

    return told


def about(sentence: Callable[..., str]) -> Callable[..., str | NotComputable]:
    """Like `tells` for what comes first alone: a sentence says itself what else is missing."""

    @wraps(sentence)
    def told(first: Any, *more: Any) -> str | NotComputable:
        return first if isinstance(first, NotComputable) else sentence(first, *more)

    return told


def level(low: Any, high: Any, form: words.Form, *, confidence: float) -> str:
    """How sure a figure is, for the line under a tile: "95 % interval ¥1.15–1.26 million"."""
    if isinstance(low, NotComputable):
        return "no interval: see below why"
    return f"{words.percent(confidence, digits=0)} interval {words.interval(low, high, form)}"


def model_level(low: Any, high: Any, form: words.Form, *, confidence: float) -> str:
    """`level` of a forecast, which is as narrow as the model is sure of itself: a manager must not take it for more."""
    said = level(low, high, form, confidence=confidence)
    return said if isinstance(low, NotComputable) else f"{said} if the model is right"


def identity(monthly: pd.DataFrame, currency: str, net_without_customer: Any) -> str:
    """How much of the business has a customer's name on it?"""
    share, last = monthly.identified.sum() / monthly.orders.sum(), monthly.iloc[-1]
    less = last.identified_share < share - 0.02
    if share == 1:
        return "Every order names its customer: customer pages speak of the whole business."
    return (
        f"{words.percent(share)} of orders name their customer. The others, worth "
        f"{words.short_money(net_without_customer, currency)}, count in totals and in no customer's figures: "
        "what the customer pages call the base is that much smaller than the shop."
        + (f" In {words.month(last.month)} it was {words.percent(last.identified_share)} only." if less else "")
    )


def unidentified(share: float, limit: float, *, of_revenue: float | None = None) -> str:
    """Is too much of the business without a name for a customer page to speak for the shop?"""
    if share <= limit:
        return ""
    money = "" if of_revenue is None else f", with {words.percent(of_revenue)} of revenue,"
    return (
        f"{words.percent(share)} of orders{money} do not name their customer: more than the "
        f"{words.percent(limit, digits=0)} of orders up to which this page speaks for the shop (unidentified_limit). "
        "It describes the identified customers only: who bought without a name may behave differently, and who bought "
        "both ways looks less loyal than they are."
    )


def flagged(frame: pd.DataFrame, currency: str) -> str:
    """What does setting fake orders aside change?"""
    if isinstance(frame, NotComputable):
        return ""
    reported, both = frame.iloc[0], frame.iloc[1]
    more = f"{words.percent(both.net / reported.net - 1)} higher" if reported.net > 0 else "all that there is"
    return (
        f"{words.count(both.orders - reported.orders, 'order')} worth "
        f"{words.short_money(both.net - reported.net, currency)} look like fake orders and count nowhere. Were they "
        f"real, net revenue would be {more}, and there would be "
        f"{words.count(both.customers - reported.customers, 'more customer')}. tables/set_aside lists them "
        "(flagged_fake): check a few before you rely on either figure."
    )


def gaps(runs: pd.DataFrame) -> str:
    """Is a part of the export missing?"""
    if runs.empty:
        return "There is no stretch of days without orders that chance does not explain: nothing suggests missing days."
    longest = runs.iloc[0]
    return (
        f"{words.count(len(runs), 'stretch', 'stretches')} without any order "
        f"{'is' if len(runs) == 1 else 'are'} longer than chance explains; the longest is "
        f"{words.period(longest.first_day, longest.last_day)} ({words.days(longest.days)}). Was the shop closed, or "
        "does the export have a hole? Customers who bought in a hole look more lost than they are."
    )


def start(monthly: pd.DataFrame, first_order: Any) -> str:
    """Does the export begin in the middle of the shop's life?"""
    first = words.day(first_order)
    head = f"The data begin on {first}: a customer who bought before that day and came back looks new here."
    if len(monthly) < 8:
        return head
    early, later = monthly.new.iloc[:3].mean(), monthly.new.iloc[3:].median()
    if early > 1.5 * later:
        return (
            f"{head} The first three months have {words.number(early)} new customers a month, later ones "
            f"{words.number(later)}: many of the first are probably old customers, so read the first months with care."
        )
    return head


def carries(support: pd.DataFrame) -> str:
    """What can this month's data support?"""
    missing = support[~support.enough]
    if missing.empty:
        return "The data meet every requirement of the customer models."
    lacks = words.listing(f"{row.question.lower()} ({row.has}; wanted: {row.needs})" for row in missing.itertuples())
    return f"Not met: {lacks}. Figures that rest on it are missing with that reason, or need a reader's caution."


@tells
def base(counts: Any) -> str:
    """Who is the base?"""
    return (
        f"{words.percent(counts.one_time / counts.customers)} of the {words.count(counts.customers, 'customer')} "
        f"bought once and have not come back so far; the {words.number(counts.repeat_customers)} who did made "
        f"{words.number(counts.purchases - counts.customers)} repeat purchases."
    )


@tells
def frequency_fit(frame: pd.DataFrame) -> str:
    """Does the model know how many come back?"""
    worst = (frame.actual - frame.expected).abs().sum() / 2 / frame.actual.sum()
    never = frame.iloc[0]
    return (
        f"The model expects {words.number(never.expected)} customers without a repeat purchase, and "
        f"{words.number(never.actual)} were counted; it puts {words.percent(worst)} of all customers into a wrong "
        "column. This is the past it was fitted on, so it only shows whether the shape is right."
    )


@tells
def backtest(test: Any, currency: str, confidence: float) -> str:
    """How far off was the forecast, and did its interval warn of it?"""
    low, high, form = test.orders_low, test.orders_high, words.number
    said = (
        f"Fitted on orders up to {words.day(test.origin)} only, the model expected {form(test.orders_expected)} repeat "
        f"orders in the {words.days(test.days)} after ({level(low, high, form, confidence=confidence)}). "
        f"{form(test.orders_actual)} came"
    )
    missed = test.orders_error
    said += f": {missed}." if isinstance(missed, NotComputable) else f": the forecast was {off_by(missed)}."
    if isinstance(low, NotComputable):
        said += f" It has no interval: {str(low).rstrip('.')}."
    if not isinstance(test.revenue_error, NotComputable):
        said += (
            f" In money it expected {words.short_money(test.revenue_expected, currency)}, and "
            f"{words.short_money(test.revenue_actual, currency)} came ({off_by(test.revenue_error)})."
        )
    if test.within_interval is False:
        said += (
            " What came lies outside the interval: the model knows no seasons, campaigns or trends, and its intervals "
            "hold none. Take the miss, not the interval, as the measure of how sure the forecasts on this page are."
        )
    return said


def off_by(error: Any) -> str:
    """+0.083 -> "8.3 % too high"."""
    if isinstance(error, NotComputable):
        return error.reason
    size = words.percent(abs(error))
    return "right to a tenth of a per cent" if abs(error) < 0.0005 else f"{size} too {'high' if error > 0 else 'low'}"


@tells
def concentration(frame: pd.DataFrame, *, top: float = 0.2) -> str:
    """Do the best customers stay the best?"""
    row = frame.loc[(frame.customers - top).abs().idxmin()]
    if pd.isna(row.later):
        return "None of the customers known then bought in the days after: there is nothing to compare."
    told = (
        f"The top {words.percent(top, digits=0)} of customers made {words.percent(row.past, digits=0)} of the revenue "
        f"they are ranked by; of what all those customers spent afterwards, the same people made "
        f"{words.percent(row.later, digits=0)}. Plan with the second figure"
    )
    return (
        f"{told}: part of being on top is luck." if row.later < row.past else f"{told}; here the best stayed the best."
    )


@tells
def deciles(frame: pd.DataFrame, currency: str) -> str:
    """Who carries the value to come?"""
    best, worst = frame.iloc[0], frame.iloc[5:]
    return (
        f"The best tenth, {words.count(best.customers, 'customer')} with "
        f"{words.money(best['mean'], currency)} each on average, carries {words.percent(best.share, digits=0)} of the "
        f"value to come; the lower half together {words.percent(worst.share.sum(), digits=0)}."
    )


@tells
def independence(correlation: pd.Series) -> str:
    """May frequency and spend be modelled apart?"""
    r, low, high = correlation.pearson, correlation.low, correlation.high
    said = (
        f"Among {words.count(correlation.n, 'repeat customer')} the correlation of how often and how much is "
        f"{words.number(r, digits=2)} (95 % interval {words.number(low, digits=2)} to {words.number(high, digits=2)})"
    )
    if low <= 0 <= high:
        wide = high - low > 0.3
        return f"{said}: {'too few customers to tell' if wide else 'no connection is seen, as Gamma-Gamma assumes'}."
    if abs(r) < 0.3:
        return (
            f"{said}: a weak connection. Gamma-Gamma assumes none; values of the most frequent buyers are slightly "
            "off, totals hardly."
        )
    return (
        f"{said}: a clear connection. Gamma-Gamma assumes none and values the most frequent buyers too "
        f"{'low' if r > 0 else 'high'}: check them by hand."
    )


@tells
def value(worth: Any, spend: Any, counts: Any, settings: Any) -> str | NotComputable:
    """What is the base worth?"""
    if isinstance(worth.expected, NotComputable):
        return worth.expected
    short, margin = words.short_money_in(settings.currency), settings.margin_rate
    profit = (
        "This is revenue and not profit: margin_rate is not set."
        if margin is None
        else f"At a margin of {words.percent(margin)} that is {short(worth.expected * margin)} of profit."
    )
    sure = (
        f"There is no interval: {worth.low.reason}"
        if isinstance(worth.low, NotComputable)
        else f"The {level(worth.low, worth.high, short, confidence=settings.confidence)} holds the uncertainty of the "
        "models' parameters only."
    )
    return (
        f"The {words.count(counts.customers, 'customer')} of today are expected to spend {short(spend)} in the next "
        f"{words.days(settings.horizon_days)}. Money later counts for less: at "
        f"{words.percent(settings.annual_discount_rate)} a year that is worth {short(worth.expected)} today. {sure} "
        f"{profit} Customers still to be won are not in it."
    )


TOO_FAR = 0.2  # a forecast that missed by more than this is no plan


@tells
def miss(test: Any) -> str:
    """The back-test in a sentence, for the head of a page."""
    if isinstance(test.orders_error, NotComputable):
        return test.orders_error
    upto, error = words.day(test.origin), off_by(test.orders_error)
    made = f"A forecast made in the same way from the orders up to {upto} was {error} in"
    if isinstance(test.revenue_error, NotComputable):
        return f"{made} orders over the {words.days(test.days)} after."
    return (
        f"{made} orders and {off_by(test.revenue_error)} in revenue over the {words.days(test.days)} after: expect at "
        "least such an error here, and a larger one where the time ahead is longer."
    )


def too_far_off(test: Any) -> str:
    """A warning where the back-test missed by more than anyone should plan with; else nothing."""
    errors = [] if isinstance(test, NotComputable) else [test.orders_error, test.revenue_error]
    if not any(abs(error) > TOO_FAR for error in errors if not isinstance(error, NotComputable)):
        return ""
    return (
        f"Do not plan with the forecasts of this page: made from the orders up to {words.day(test.origin)}, they would "
        f"have been {off_by(test.orders_error)} in orders and {off_by(test.revenue_error)} in revenue."
    )


@tells
def one_time_buyers(counts: Any) -> str:
    """What the model cannot say of customers with one purchase."""
    return (
        "BG/NBD gives every one-time buyer a P(alive) of 100 %: it lets a customer leave only after a repeat purchase. "
        f"Here that is {words.percent(counts.one_time / counts.customers)} of the base, "
        f"{words.count(counts.one_time, 'customer')}. Their silence does count, through ever fewer expected purchases: "
        "judge them by expected purchases or value and never by P(alive)."
    )


@tells
def new_customer(new: Any, counts: Any, settings: Any) -> str | NotComputable:
    """What may a new customer cost?"""
    if isinstance(new.revenue, NotComputable):
        return new.revenue
    currency, margin = settings.currency, settings.margin_rate
    said = (
        f"A first order brings {words.money(counts.first_amount, currency)} on average. After it a new customer is "
        f"expected to make {words.number(new.orders, digits=2)} more purchases of {words.money(new.spend, currency)} "
        f"in {words.days(settings.horizon_days)}, worth {words.money(new.revenue, currency)} discounted"
    )
    if margin is None:
        return f"{said}. What may be paid to win one depends on the margin: margin_rate is not set."
    most = margin * (counts.first_amount + new.revenue)
    return (
        f"{said}. At a margin of {words.percent(margin)}, winning a customer pays within these days as long as it "
        f"costs less than {words.money(most, currency)}."
    )


@tells
def groups(frame: pd.DataFrame, by: str, currency: str) -> str:
    """Do groups differ by more than chance?"""
    frame = frame.sort_values("value", ascending=False)
    if len(frame) < 2:
        return f"There is one {by} only: nothing to compare."
    best, worst = frame.iloc[0], frame.iloc[-1]
    told = (
        f"A customer from {words.name(best[by])} brings {words.money(best.value, currency)}, one from "
        f"{words.name(worst[by])} {words.money(worst.value, currency)}"
    )
    if best.low > worst.high:
        return (
            f"{told}: more than chance explains. Compare the last column with what a customer of each {by} costs; "
            "whether more money would win more such customers, these figures cannot say."
        )
    return f"{told}; the intervals overlap, so the order of the list may be chance."


@tells
def how_to_use_the_list(scores: Any, settings: Any) -> str:
    """What stands in tables/customers, and what it is for."""
    money = "value" + ("" if settings.margin_rate is None else " and its margin")
    return (
        "tables/customers.csv has a row for each customer, the most valuable first, with the purchases to expect in "
        f"the next {words.days(settings.horizon_days)} and their {money}. A single customer's figure is a mean over "
        "many who look alike; use it to rank whom to look after. Whether a message or a coupon changes what they do is "
        "another question, which only a campaign with a holdout answers."
    )
