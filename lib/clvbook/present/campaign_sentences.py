"""Sentences of the campaign page, made from the numbers that stand above them.

in: campaigns judged against their bars and their holdouts, as the book gives them; out: text

What came after a message need not have come because of it: nothing is called incremental where nobody was held out.
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import tells

ACTIONS = {
    "repeat": "the sales carry the cost: repeat it, with a holdout",
    "re-target": "the sales do not carry this cost: write to those who answer, or make a message cheaper",
    "send more": "too few sales to tell: repeat it, and judge the repeats together",
    "hold out": "too near the bar for more sends to settle: go by those held out",
    "stop": "neither bar is reached: stop it in this form",
    "add the cost": "only the conversion can be judged: add what it cost",
    "check the sends": "nobody was reached: check the list of sends",
}
_POINT = 2  # digits of a difference of conversions


def one_to(value: Any) -> str:
    """31.46 -> "1:31.5"; 155.2 -> "1:155"."""
    return value.reason if isinstance(value, NotComputable) else f"1:{for_one(value)}"


def points(value: Any) -> str:
    """0.0044 -> "+0.44 points"."""
    return words.points(value, digits=_POINT)


def bare_points(value: Any) -> str:
    """0.0044 -> "+0.44", for a column whose heading has the unit."""
    return points(value).split(words.SPACE)[0] if not isinstance(value, NotComputable) else value.reason


def small_percent(value: Any) -> str:
    """A conversion: 0.0176 -> "1.76 %"."""
    return words.percent(value, digits=2)


def bring(sends: Any, held_out: Any) -> str:
    """What has to be brought before this page can say more?"""
    if isinstance(sends, NotComputable):
        return (
            f"No campaign can be judged: {sends.reason}. Bring three files: campaigns (one row a campaign: name, first "
            "day, cost a message); the list of who was chosen for each, those held out included (sends), or the "
            "message "
            "platform's log of what was sent (send_log); and costs. Export the log each month: platforms keep it for 7 "
            "to 90 days. The section at the end says how to keep a holdout file."
        )
    if isinstance(held_out, NotComputable):
        return (
            "Nobody was held out of these campaigns. The page can say what was bought after a message, and not what "
            "was "
            "bought because of it. The section at the end says how to hold out next time."
        )
    return ""


def bars(judged: pd.DataFrame, settings: Any) -> str:
    """How many campaigns reach the two bars?"""
    if isinstance(judged, NotComputable):
        return ""
    bar, low_bar = f"1:{settings.roi_target:g}", words.percent(settings.conversion_target)
    ratio, conversion = (_verdicts(judged[f"{name}_verdict"]) for name in ("ratio", "conversion"))
    all_pass = (judged.conversion_verdict == "pass").all()
    told = (
        f"Of {words.count(len(judged), 'campaign')} whose window is over, {ratio['pass']} surely brought sales of "
        f"{bar} "
        f"or more, {ratio['fail']} surely did not, and {ratio['not enough data']} cannot be told yet. "
    )
    if all_pass:
        told += f"All of them passed the conversion of {low_bar}."
    else:
        told += (
            f"The conversion of {low_bar} was passed by {conversion['pass']} and missed by {conversion['fail']}; for "
            f"{conversion['not enough data']} it cannot be told."
        )
    asked = [float(value) for value in judged.implied_conversion if not isinstance(value, NotComputable)]
    if asked:
        usual = float(pd.Series(asked).median())
        easier = "easier" if settings.conversion_target < usual else "harder"
        told += (
            f" The two bars are not the same: at these costs and baskets {bar} asks that {small_percent(usual)} buy, "
            "so "
            f"{low_bar} is the {easier} one."
        )
    if outside := sum(applies is False for applies in judged.in_range):
        money = words.money_in(settings.currency)
        low, high = (money(end) for end in settings.basket_range)
        told += (
            f" In {words.count(outside, 'campaign')} a buyer did not spend {low} to {high}, for which the source's "
            f"{bar} "
            "was made: there the margin decides."
        )
    return told


def _verdicts(column: pd.Series) -> dict[str, str]:
    found = column.value_counts()
    return {word: words.number(int(found.get(word, 0))) for word in ("pass", "fail", "not enough data")}


@tells
def caused(brought: Any, programme: Any, settings: Any) -> str:
    """How much of it came because of the campaigns, and did it pay? `brought`: `Book.programme_returns`."""
    money, short = (make(settings.currency) for make in (words.money_in, words.short_money_in))
    told = (
        "Against the customers held out, the campaigns together brought "
        f"{with_level(brought.revenue, brought.revenue_low, brought.revenue_high, short, settings)} of incremental "
        "revenue"
    )
    if isinstance(brought.ratio, NotComputable):
        return f"{told}. What each 1 spent brought is not computable: {brought.ratio.reason}."
    after = programme.ratio.observed.value
    told += f": {with_level(brought.ratio, brought.ratio_low, brought.ratio_high, for_one, settings)} for each 1 spent"
    told += "" if isinstance(after, NotComputable) else f", of the {for_one(after)} of sales that came after it"
    if isinstance(brought.profit, NotComputable):
        return f"{told}. Whether that is profit is not computable: {brought.profit.reason}."
    profit = with_level(brought.profit, brought.profit_low, brought.profit_high, money, settings)
    end = "it may be a gain or a loss, nobody can tell yet"
    if brought.profit_low > 0:
        end = "together they paid"
    elif brought.profit_high < 0:
        end = "together they lost money"
    return f"{told}. After their cost that is {profit} of profit: {end}."


def without_holdout(held_out: Any, programme: Any) -> str:
    """What must be true for the campaigns to have paid, where nobody was held out?"""
    if not isinstance(held_out, NotComputable) or isinstance(programme, NotComputable):
        return ""
    share = programme.economics.break_even_share
    if isinstance(share, NotComputable):
        return f"How much of the sales they must have caused to earn back their cost is not computable: {share.reason}."
    if share > 1:
        return "They did not earn back their cost, even if they caused all of these sales."
    return (
        f"They earned back their cost if they caused at least {words.percent(share)} of these sales. Whether they did, "
        "only a holdout can tell."
    )


def advice(segments: pd.DataFrame, plan: Any, settings: Any) -> str:
    """Whom to write to again, whom to leave alone, and what to test?"""
    if isinstance(segments, NotComputable):
        return ""
    differ = segments[segments.verdict == "differ"]
    if differ.empty:
        return (
            "No group of customers responds otherwise than the rest by more than chance: there is no reason yet to "
            "write to some and not to others."
        )
    dimension = differ.dimension.iloc[0]
    group = differ[differ.dimension == dimension]
    bar = plan.cost_each / (settings.margin_rate * plan.basket) if settings.margin_rate else 0.0
    if isinstance(bar, NotComputable):
        bar = 0.0
    told = []
    for verb, rows in (
        ("Repeat for", group[group.low > bar]),
        ("Stop for", group[group.high < bar]),
        ("Test for", group[(group.low <= bar) & (group.high >= bar)]),
    ):
        if len(rows):
            each = [f"{words.name(row.segment)} ({points(row.effect)})" for row in rows.itertuples()]
            told.append(f"{verb} {words.listing(each)}")
    if told[-1].startswith("Test"):
        told[-1] += ": hold out half of these next time, since so far a gain cannot be told from none or a loss"
    earns = f" A message earns back its cost where it makes {points(bar)} more of them buy." if bar else ""
    return f"Customers respond differently by {dimension}. {'. '.join(told)}.{earns}"


def still_open(found: Any) -> str:
    """Which campaigns are left out since their window is not over?"""
    if isinstance(found, NotComputable):
        return ""
    rows = found.open
    if rows.empty:
        return ""
    each = [f"{words.name(row.name)} (until {words.day(row.closes)})" for row in rows.head(5).itertuples(index=False)]
    return f"Not yet judged, as their window is still open: {words.listing(each)}" + (
        f" and {words.count(len(rows) - 5, 'more')}." if len(rows) > 5 else "."
    )


@tells
def newest(judged: pd.DataFrame) -> str:
    """What is to be said of the newest campaign?"""
    row = judged.iloc[0]
    return f"The newest one, {words.name(row['name'])}: {row.sentence}"


@tells
def windows(frame: pd.DataFrame, chosen: int, settings: Any) -> str:
    """Does the choice of the window decide the verdict?"""
    sums = frame.set_index("window_days").revenue
    if chosen not in sums.index or sums[chosen] <= 0 or chosen == sums.index[-1]:
        return f"The page counts orders of {words.days(chosen)} after the message."
    longest = int(sums.index[-1])
    return (
        f"The page counts orders of {words.days(chosen)} after the message. Over {words.days(longest)} it would be "
        f"{words.number(sums[longest] / sums[chosen], digits=1)} times the revenue, in "
        f"{words.number(longest / chosen, digits=1)} "
        "times the days: a longer window mostly collects purchases that come anyway, so a ratio can be made to look as "
        "good as one likes by its window. Compare campaigns under one window only."
    )


@tells
def overlap(found: Any, settings: Any) -> str:
    """How much do campaigns share, and what do they sum to?"""
    total, money = found.programme, words.short_money_in(settings.currency)
    told = f"{words.count(total.campaigns, 'campaign')} with {words.count(total.sent, 'message')} were followed by "
    told += f"{words.count(total.orders, 'order')} of {words.count(total.buyers, 'customer')}, {money(total.revenue)}, "
    told += "each order counted once."
    if total.overlap:
        told += (
            f" {words.percent(total.overlap)} of the orders came after more than one campaign's message: campaign by "
            f"campaign they add up to {money(total.touched_revenue)}. An order counts for the campaign whose message "
            "was "
            "last; tables/campaigns has the other ways to count, too."
        )
    else:
        told += " No order came after the messages of two campaigns, so it does not matter how such orders are shared."
    if total.provisional_revenue:
        told += (
            f" {money(total.provisional_revenue)} of it is younger than {words.days(settings.refund_days)}: refunds "
            "may "
            "still take a part."
        )
    return told


def with_level(value: Any, low: Any, high: Any, form: words.Form, settings: Any) -> str:
    """A value and how sure it is, at the level of the settings."""
    return words.with_interval(value, low, high, form, confidence=settings.confidence)


def for_one(value: Any) -> str:
    """The R of 1:R: 31.46 -> "31.5"."""
    if isinstance(value, NotComputable):
        return value.reason
    return words.number(value, digits=0 if abs(float(value)) >= 100 else 1)
