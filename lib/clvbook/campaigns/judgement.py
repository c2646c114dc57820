"""What to do next with a campaign: both bars and its economics put together into one action.

in:  counts and money of one campaign, as `verdicts` takes them
out: a frozen `Judgement`: conversion, ratio, economics, action, next_step, sentence
"""

from dataclasses import dataclass

from clvbook.campaigns.verdicts import FAIL, PASS, UNKNOWN, Economics, Verdict, conversion, economics, ratio
from clvbook.campaigns.wording import number, percent
from clvbook.errors import NotComputable

REPEATS = 12  # campaigns of the same size, a year of them, beyond which nobody waits for a verdict
REPEAT, STOP, RETARGET, SEND_MORE, HOLD_OUT = "repeat", "stop", "re-target", "send more", "hold out"
ADD_COST, CHECK_SENDS = "add the cost", "check the sends"
_STEPS = {  # (ratio, conversion) -> action and what to say of it
    (PASS, PASS): (REPEAT, "Repeat it: both bars are passed."),
    (PASS, UNKNOWN): (REPEAT, "Repeat it: the sales carry the cost, and each repeat tells more about the conversion."),
    (PASS, FAIL): (REPEAT, "Repeat it, but to fewer: the sales carry the cost, yet few of this list buy."),
    (FAIL, PASS): (
        RETARGET,
        "The list answers, but its sales do not carry this cost: re-target it, or make a send cheaper.",
    ),
    (FAIL, UNKNOWN): (RETARGET, "Do not send it again as it is: re-target it, or make a send cheaper."),
    (FAIL, FAIL): (STOP, "Stop it in this form: both bars are missed."),
    (UNKNOWN, FAIL): (RETARGET, "Too few of this list buy: re-target to customers who bought more lately."),
    (UNKNOWN, PASS): (SEND_MORE, "The list answers; send more of the same kind and judge the sales together."),
    (UNKNOWN, UNKNOWN): (SEND_MORE, "Send more of the same kind and judge them together; until then leave it open."),
}


@dataclass(frozen=True)
class Judgement:
    """A campaign's two bars, its economics, and what to do next: an action (see `judge`) and its sentence."""

    conversion: Verdict
    ratio: Verdict
    economics: Economics
    action: str
    next_step: str

    @property
    def sentence(self) -> str:
        """Everything a shop owner needs to know, in one paragraph."""
        return f"{self.conversion.sentence} {self.ratio.sentence} {self.next_step}"


def judge(
    *,
    recipients: int,
    buyers: int,
    revenue: float,
    revenue_squares: float,
    cost: float | NotComputable | None,
    roi_target: float,
    conversion_target: float,
    basket_range: tuple[float, float],
    margin_rate: float | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
    held_out: int = 0,
) -> Judgement:
    """Both bars of one campaign and what to do next.

    action is one of repeat, stop, re-target, send more, hold out (not even a year of such campaigns would settle it),
    add the cost, check the sends (nobody was reached). Neither bar says what the campaign caused; next_step therefore
    ends with how much of the sales it must have caused, where margin_rate is set, and how to find out. held_out:
    customers chosen and not written to, who tell.
    """
    sums = {"recipients": recipients, "buyers": buyers}
    bought = conversion(**sums, target=conversion_target, confidence=confidence, power=power)
    brought = ratio(
        **sums,
        revenue=revenue,
        revenue_squares=revenue_squares,
        cost=cost,
        target=roi_target,
        basket_range=basket_range,
        confidence=confidence,
        power=power,
    )
    money = economics(**sums, revenue=revenue, cost=cost, roi_target=roi_target, margin_rate=margin_rate)
    if not recipients:
        action, step = CHECK_SENDS, "Bring the list of sends with the customers that each went to."
    elif isinstance(brought.observed, NotComputable):
        action, step = ADD_COST, "Only the conversion can be judged until the cost is there."
    else:
        action, step = _STEPS[brought.verdict, bought.verdict]
        if brought.verdict == UNKNOWN and revenue <= 0 and revenue_squares:
            action, step = STOP, "Stop it until the refunds are explained: they took back all that it sold."
        elif action == SEND_MORE and (_endless(brought, recipients)):
            action, step = HOLD_OUT, "Do not wait for more sends: go by those held out, together with other campaigns."
            step = step if held_out else "Do not wait for more sends: repeat it only with a holdout."
        step += _in_money(money, brought)
    if recipients and not held_out:
        step += " Some of these customers would have bought anyway: next time leave a random tenth of the list unsent."
    return Judgement(bought, brought, money, action, step)


def _endless(brought: Verdict, recipients: int) -> bool:
    more = brought.more_sends
    return isinstance(more, NotComputable) or more > REPEATS * recipients


def _in_money(money: Economics, brought: Verdict) -> str:
    said = ""
    if brought.verdict != PASS and isinstance(money.implied_conversion, float):
        asked = money.implied_conversion
        said = f" At this cost and basket 1:{number(brought.target)} asks that {percent(asked)} of recipients buy."
        if asked > 1:
            said = f" At this cost and basket no conversion reaches 1:{number(brought.target)}."
    if brought.applies is False and isinstance(money.break_even_ratio, float):
        said += (
            f" At this basket the margin counts: sales earn back the cost from 1:{number(money.break_even_ratio)} on."
        )
    if isinstance(money.break_even_share, float) and money.break_even_share > 1:
        said += " It did not earn back its cost, even if it caused all of these sales."
    elif isinstance(money.break_even_share, float):
        said += f" It earned back its cost if it caused at least {percent(money.break_even_share)} of these sales."
    return said
