"""Sentences of the campaign page, made from the numbers that stand above them.

in: campaigns judged against their bars and their holdouts, as the book gives them; out: text

What came after a message need not have come because of it: nothing is called incremental where nobody was held out.
"""

from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.sentences import about, tells

ACTIONS = {
    "repeat": "the sales carry the cost: repeat it, with a holdout",
    "re-target": "the sales do not carry this cost: write to those who answer, or make a message cheaper",
    "send more": "too few sales to tell: repeat it, and judge the repeats together",
    "hold out": "too near the bar to wait for more sends: go by those held out, together with other campaigns",
    "stop": "neither bar is reached: stop it in this form",
    "add the cost": "only the conversion can be judged: add what it cost",
    "check the sends": "nobody was reached: check the list of sends",
}
NEXT = {action: action for action in ACTIONS} | {"repeat": "repeat, with a holdout"}  # as tables call them
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


@about
def caused(brought: Any, programme: Any, with_coupons: Any, settings: Any) -> str:
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
        end = f"together they paid, {coupons_too(with_coupons, settings)}"
    elif brought.profit_high < 0:
        end = "together they lost money"
    return f"{told}. After their cost that is {profit} of profit: {end}."


def coupons_sure(with_coupons: Any, margin_rate: Any) -> str:
    """Did they pay with coupons as cost: "paid", "likely", "unlikely", "did not pay", or "unknown"?"""
    if not margin_rate or isinstance(with_coupons, NotComputable) or isinstance(with_coupons.low, NotComputable):
        return "unknown"
    even = 1 / margin_rate
    if with_coupons.low > even:
        return "paid"
    if with_coupons.high < even:
        return "did not pay"
    return "likely" if with_coupons.value > even else "unlikely"


def coupons_too(with_coupons: Any, settings: Any) -> str:
    """And what if the coupons count as cost as well? The end of a sentence. `with_coupons`: `coupons.Ratio`."""
    sure = coupons_sure(with_coupons, settings.margin_rate)
    if sure == "unknown":
        return "coupons not counted"
    seen = f"{one_to(with_coupons.value)}, {for_one(with_coupons.low)} to {for_one(with_coupons.high)}"
    seen = f"({seen}; break-even {one_to(1 / settings.margin_rate)})"
    if sure == "paid":
        return f"with coupons counted as well {seen}"
    ends = {"likely": "likely but not sure", "unlikely": "not likely", "did not pay": "they did not"}
    return f"coupons not counted; with them {ends[sure]} {seen}"


@tells
def by_price(frame: pd.DataFrame, settings: Any) -> str:
    """Do the cheap messages pass and the dear ones fail? `frame`: `Book.by_price`."""
    cheap, dear = frame.iloc[0], frame.iloc[-1]
    price, bar = price_in(settings.currency), f"1:{settings.roi_target:g}"
    told = (
        f"Messages did not all cost the same: of {words.count(cheap.campaigns, 'campaign')} at about "
        f"{price(cheap.price)} a message {_of(cheap)} surely passed {bar}, of "
        f"{words.number(dear.campaigns)} at about {price(dear.price)} {_of(dear)} did. Each 1 spent "
        f"came with {for_one(cheap.ratio)} and {for_one(dear.ratio)} of sales"
    )
    if isinstance(cheap.caused_low, NotComputable) or isinstance(dear.caused_low, NotComputable):
        told += ". "
    else:
        each = [with_level(row.caused, row.caused_low, row.caused_high, for_one, settings) for row in (cheap, dear)]
        told += f"; against those held out, it brought {each[0]} and {each[1]}"
        overlap = cheap.caused_low <= dear.caused_high and dear.caused_low <= cheap.caused_high
        told += ". The intervals overlap: this difference may be chance. " if overlap else ". "
    if cheap.passed / cheap.campaigns > dear.passed / dear.campaigns:
        told += (
            "The price of a message goes along with who passes: compare campaigns of one price, and see whether "
            "the dear message can be made cheaper."
        )
    return told.strip()


def _of(group: Any) -> str:
    return f"{'all ' if group.passed == group.campaigns else ''}{words.number(group.passed)}"


def price_in(currency: str) -> words.Form:
    """A message's price: 0.0485 -> "¥0.049", 1.25 -> "¥1.25"."""
    small, large = words.money_in(currency, digits=3), words.money_in(currency, digits=2)
    return lambda value: value.reason if isinstance(value, NotComputable) else (small if value < 1 else large)(value)


def suggest(incremental: Any) -> str:
    """The heading of what to do next: what these sales alone prove."""
    if isinstance(incremental, NotComputable):
        return "What these sales suggest; what the campaigns caused is not known"
    surely = int((incremental.verdict != "not enough data").sum())
    if surely:
        return (
            f"What these sales suggest; {words.count(surely, 'campaign')} surely paid or lost, see the holdouts below"
        )
    return "What these sales suggest; no single campaign is proven to have paid or lost"


def nothing_to_stop(judged: Any, incremental: Any) -> str:
    """Is there a campaign that the evidence says to stop?"""
    if isinstance(judged, NotComputable) or (judged.action == "stop").any():
        return ""
    lost = not isinstance(incremental, NotComputable) and (incremental.verdict == "did not pay").any()
    return "" if lost else "No campaign needs stopping by this evidence."


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
    bar = break_even(plan, settings)
    told = []
    for verb, rows in choices(segments, bar).items():
        each = [f"{words.name(row.segment)} ({points(row.effect)})" for row in rows.itertuples()]
        told.append(f"{verb} for {words.listing(each)}")
    if told[-1].startswith("Test"):
        told[-1] += ": hold out half of these next time, since so far a gain cannot be told from none or a loss"
    earns = f" A message earns back its cost where it makes {points(bar)} more of them buy." if bar else ""
    return f"Customers respond differently by {differ.dimension.iloc[0]}. {'. '.join(told)}.{earns}"


def break_even(plan: Any, settings: Any) -> float:
    """How many more buyers of those written to earn back a message, as a share; 0 where that is not known."""
    bar = plan.cost_each / (settings.margin_rate * plan.basket) if settings.margin_rate else 0.0
    return 0.0 if isinstance(bar, NotComputable) else bar


def choices(segments: Any, bar: float) -> dict[str, pd.DataFrame]:
    """Repeat, Stop and Test -> the groups, of the first comparison with a difference, whose interval says so."""
    if isinstance(segments, NotComputable) or not (segments.verdict == "differ").any():
        return {}
    group = segments[segments.dimension == segments[segments.verdict == "differ"].dimension.iloc[0]]
    above, below = group.low > bar, group.high < bar
    all_three = {"Repeat": group[above], "Stop": group[below], "Test": group[~above & ~below]}
    return {verb: rows for verb, rows in all_three.items() if len(rows)}


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
    told = (
        f"The newest one, {words.name(row['name'])}: {words.number(row.buyers)} of "
        f"{words.count(row.sent, 'customer')} bought ({small_percent(row.conversion)})"
    )
    if isinstance(row.ratio, NotComputable):
        return f"{told}; sales for each 1 spent are not computable: {row.ratio.reason}. {row.next_step}"
    sure = ""
    if not isinstance(row.ratio_low, NotComputable):
        sure = f" ({for_one(row.ratio_low)} to {for_one(row.ratio_high)})"
    told += f", and each 1 spent came with {for_one(row.ratio)}{sure} of sales: {row.ratio_verdict}. "
    if row.action == "hold out":
        more = "More sends would not tell"
        if not isinstance(row.more_sends, NotComputable):
            many = words.count(-(-int(row.more_sends) // int(row.sent)), "more such campaign")
            more = f"It would take about {many} to tell"
        go = "go by those held out, together with other campaigns" if row.held_out else "repeat it only with a holdout"
        told += f"{more}: do not wait, {go}."
    else:
        told += f"Next: {ACTIONS[row.action]}."
    share = row.break_even_share
    if not isinstance(share, NotComputable):
        told += (
            " It did not earn back its cost, even if it caused all of these sales."
            if share > 1
            else (f" It earned back its cost if it caused at least {words.percent(share)} of these sales.")
        )
    return told


@tells
def windows(frame: pd.DataFrame, chosen: int, settings: Any) -> str:
    """Does the choice of the window decide the verdict?"""
    sums = frame.set_index("window_days").revenue
    if chosen not in sums.index or sums[chosen] <= 0 or chosen == sums.index[-1]:
        return f"The page counts orders of {words.days(chosen)} after the message."
    longest = int(sums.index[-1])
    return (
        f"The page counts orders of {words.days(chosen)} after the message. The bars are of the "
        f"{words.count(frame.campaigns.iloc[-1], 'campaign')} whose {words.days(longest)} are over. Over "
        f"{words.days(longest)} it would be "
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
    counted = int(found.over.buyers.sum())
    if counted != total.buyers:
        told += f" Counted again in each campaign, these customers are {words.count(counted, 'buyer')}."
    if arrived := int(found.over.delivered.sum() + found.over.pending.sum()):
        lost = 1 - arrived / int(found.over.sent.sum())
        if lost > 0:
            told += f" {words.percent(lost)} of the messages did not arrive; who was to get one counts as written to."
    if total.overlap:
        told += (
            f" {words.percent(total.overlap)} of the orders came after more than one campaign's message: campaign by "
            f"campaign they add up to {money(total.touched_revenue)}. An order counts for the campaign whose message "
            "was "
            "last; tables/campaigns has the other ways to count, too."
        )
    else:
        told += " No order fell after two campaigns at once, so it does not matter how such orders are shared."
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
