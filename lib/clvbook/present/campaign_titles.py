"""Titles and labels of the campaign page: a chart's message in one line, what stands under a tile, a column's form.

in: the frame or result that is shown; out: text, or a plain label where it cannot be computed
"""

from functools import partial
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.campaign_sentences import coupons_sure, coupons_too, one_to, points
from clvbook.present.sentences import level
from clvbook.present.titles import otherwise

_COUPONS = {  # a programme that paid, when coupons count as cost as well
    "paid": ("good", "paid"),
    "unknown": ("good", "paid"),
    "likely": ("watch", "likely"),
    "unlikely": ("watch", "not sure"),
    "did not pay": ("bad", "did not pay"),
}
_STATUS = {"pass": "good", "paid": "good", "fail": "bad", "did not pay": "bad", "not enough data": "unknown"}


def target(value: float) -> str:
    """30.0 -> "1:30"."""
    return f"1:{value:g}"


def status(verdict: Any) -> tuple[str, ...]:
    """A tile's status and its word, of a bar's `Verdict`."""
    word = "not enough data" if isinstance(verdict, NotComputable) else str(verdict.verdict)
    return _STATUS[word], word


def paid(brought: Any, with_coupons: Any, margin_rate: Any) -> tuple[str, ...]:
    """The same of `returns.Returns`, and whether coupons change it: `coupons.Ratio`."""
    if isinstance(brought, NotComputable) or isinstance(brought.profit, NotComputable):
        word = "not enough data"
    else:
        word = "paid" if brought.profit_low > 0 else "did not pay" if brought.profit_high < 0 else "not enough data"
    return _COUPONS[coupons_sure(with_coupons, margin_rate)] if word == "paid" else (_STATUS[word], word)


def observed(seen: Any, form: words.Form, *, confidence: float) -> str | None:
    """How sure an observed value is, and that it says nothing of causes; nothing where there is no value."""
    if isinstance(seen, NotComputable):
        return None
    return f"{level(seen.low, seen.high, form, confidence=confidence)}; whether or not because of it"


def against_holdout(pooled: Any, form: words.Form, *, confidence: float) -> str | None:
    """How sure an effect is, and what it was measured against."""
    if isinstance(pooled, NotComputable):
        return None
    return f"{level(pooled.low, pooled.high, form, confidence=confidence)}, against those held out"


def because(standing: Any) -> str:
    """The label of the share who bought because of it; `standing`: `Book.standing`."""
    return "Bought because of it" if isinstance(standing, NotComputable) else "Bought because of all of them"


def returned(brought: Any, what: str, form: words.Form, *, confidence: float) -> str | None:
    """How sure the `what` (ratio, profit, revenue) of `returns.Returns` is."""
    if isinstance(getattr(brought, what), NotComputable):
        return None
    ends = getattr(brought, f"{what}_low"), getattr(brought, f"{what}_high")
    return level(*ends, form, confidence=confidence)


def profit(brought: Any, with_coupons: Any, form: words.Form, settings: Any) -> str | None:
    """How sure the profit is, and whether coupons, which are not in it, change its sign."""
    told = returned(brought, "profit", form, confidence=settings.confidence)
    if not told or brought.profit_low <= 0:
        return told and f"{told}, coupons not counted"
    return f"{told}, {coupons_too(with_coupons, settings)}"


def enough(brought: Any, settings: Any) -> str | None:
    """How sure the ratio against those held out is, and which ratio earns back the cost."""
    told = returned(brought, "ratio", one_to, confidence=settings.confidence)
    if told and settings.margin_rate:
        even, margin = one_to(1 / settings.margin_rate), words.percent(settings.margin_rate, digits=0)
        told += f"; {even} is enough to earn back the messages ({margin} margin)"
    return told and f"{told}; the {target(settings.roi_target)} bar is for sales after"


def revenue_label(incremental: Any) -> str:
    """The heading of revenue against the holdout; nothing is called incremental without one."""
    return "revenue because of it" if isinstance(incremental, NotComputable) else "incremental revenue"


def spans(frame: Any, what: str, form: words.Form) -> pd.DataFrame | NotComputable:
    """`frame` with `<what>_span`: its interval in words; the upper end alone where there is no lower one."""
    if isinstance(frame, NotComputable):
        return frame
    ends = zip(frame[f"{what}_low"], frame[f"{what}_high"], strict=True)
    told = [
        high
        if isinstance(high, NotComputable)
        else f"up to {form(high)}"
        if isinstance(low, NotComputable)
        else words.interval(low, high, form).replace(" ", words.SPACE)
        for low, high in ends
    ]
    return frame.assign(**{f"{what}_span": told})


def reached(judged: Any) -> str | NotComputable:
    """How many campaigns surely reach the bar, for a tile."""
    if isinstance(judged, NotComputable):
        return judged
    return f"{words.number(int((judged.ratio_verdict == 'pass').sum()))} of {words.number(len(judged))}"


def not_reached(judged: Any) -> str | None:
    """And how many do not, or cannot be told."""
    if isinstance(judged, NotComputable):
        return None
    failed, unknown = (int((judged.ratio_verdict == word).sum()) for word in ("fail", "not enough data"))
    return (
        f"{words.number(failed)} surely {'does' if failed == 1 else 'do'} not, {words.number(unknown)} cannot be told"
    )


def coupon_parts(parts: Any, currency: str) -> pd.DataFrame | NotComputable:
    """`Book.coupon_parts`, each row in its own form."""
    if isinstance(parts, NotComputable):
        return parts
    money = words.money_in(currency)
    forms = {
        "P(buy)": ("share who buy", partial(words.percent, digits=2)),
        "orders a buyer": ("orders a buyer", partial(words.number, digits=2)),
        "basket": ("sales an order", money),
        "revenue a customer": ("sales a customer", money),
    }
    told = [(forms[part][0], *map(forms[part][1], pair)) for part, *pair in _columns(parts, "treated", "control")]
    readings = {"causal": "by the message", "descriptive": "of buyers only"}
    shown = pd.DataFrame(told, columns=["part", "treated", "control"])
    return shown.assign(ratio=parts.ratio, reading=parts.reading.map(readings))


def _columns(parts: pd.DataFrame, *names: str) -> Any:
    return zip(parts.part, *(parts[name] for name in names), strict=True)


def triple(pooled: Any) -> Any:
    """Value, low and high, as `campaign_charts.forest` takes them."""
    return pooled if isinstance(pooled, NotComputable) else (pooled.delta, pooled.low, pooled.high)


def per_thousand(found: Any) -> pd.DataFrame | NotComputable:
    """`coupons.Persistence` for 1,000 customers, as `campaign_charts.cumulative` takes it."""
    if isinstance(found, NotComputable):
        return found
    days = found.by_day.rename(columns={"delta": "effect"})
    return days.assign(**{name: 1000 * days[name] for name in ("effect", "low", "high")})


@otherwise("Which campaigns brought the sales asked for")
def bars(judged: pd.DataFrame, roi_target: float) -> str:
    """judged: `Book.judged`."""
    reached = int((judged.ratio_verdict == "pass").sum())
    return (
        f"{words.number(reached)} of {words.count(len(judged), 'campaign')} surely brought {target(roi_target)} or more"
    )


@otherwise("Sales by attribution window")
def windows(frame: pd.DataFrame) -> str:
    """frame: `Book.programme_windows`."""
    first, last = frame.iloc[0], frame.iloc[-1]
    if first.revenue <= 0:
        return "The longer the window, the more sales come after a message"
    times = words.number(last.revenue / first.revenue, digits=1)
    return (
        f"A longer window always looks better: {times} times the sales in {words.days(last.window_days)} as in "
        f"{words.days(first.window_days)}, whatever their cause"
    )


@otherwise("What each campaign changed")
def forest(pooled: Any, incremental: pd.DataFrame, confidence: float) -> str:
    """pooled: `Book.pooled_conversion`; incremental: `Book.incremental`."""
    if pooled.low > 0:
        sure = sum(not isinstance(p, NotComputable) and p < 1 - confidence for p in incremental.p_holm)
        alone = f"{words.number(sure)} of {words.number(len(incremental))} show" if sure > 1 else "one shows"
        gain = points(pooled.delta).lstrip("+")
        told = f"Together the campaigns raised the share who buy by {gain}; alone, {alone if sure else 'none shows'} "
        return f"{told}{'a change' if sure else 'it'} for sure"
    return "Not even all campaigns together show whether they made more customers buy"


@otherwise("Who responds")
def segments(frame: pd.DataFrame) -> str:
    """frame: `Book.segments`."""
    differ = frame[frame.verdict == "differ"]
    if differ.empty:
        return "No group of customers responds otherwise than the rest by more than chance"
    group = differ[differ.dimension == differ.dimension.iloc[0]]
    best = group.loc[group.effect.astype(float).idxmax()]
    return f"Customers who are {words.name(best.segment)} respond the most: {points(best.effect)}"


@otherwise("Does the gain last?")
def lasts(found: Any) -> str:
    """found: `Book.cumulative`."""
    last = words.days(found.by_day.day.iloc[-1])
    return {
        "stays": f"After {last} those written to had still bought more than those held out",
        "moved dates only": f"After {last} the gain is gone: purchases were only brought forward",
    }.get(found.finding, f"Whether the gain is still there after {last} cannot be told yet")


@otherwise("Messages and purchases afterwards")
def pressure(frame: pd.DataFrame) -> str:
    """frame: `Book.messages`."""
    most = frame.loc[frame.customers.idxmax()]
    times = {"0": "No message", "1": "One message"}.get(most.messages, f"{words.name(most.messages)} messages")
    return f"{times} in 90 days is commonest"


@otherwise("How large a campaign has to be")
def planning(frame: pd.DataFrame, plan: Any) -> str:
    """frame: `Book.planned_sizes`; plan: `Book.plan`."""
    mine = frame[frame.customers == plan.customers].iloc[0].smallest_difference
    if isinstance(mine, NotComputable):
        return f"With {words.count(plan.customers, 'customer')} no effect could be seen"
    return f"With {words.count(plan.customers, 'customer')} only a gain of {points(mine)} or more would be seen"
