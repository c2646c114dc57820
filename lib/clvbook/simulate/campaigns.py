"""Monthly SMS campaigns with a randomised holdout, and the orders that they truly cause.

in: a chunk's customers and natural purchases; out: sends, and caused orders drawn one by one, so the lift is exact
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from clvbook.simulate.calendar import Calendar
from clvbook.simulate.customers import Customers
from clvbook.simulate.truth import STAGE_ENDS, STAGES, Parameters

ASSIGNED_AT, SENT_AT = 9 * 3600, 10 * 3600  # seconds of the campaign's first day
# How much of the lift a campaign brings: some do nothing, those into a festival do more.
STRENGTHS = (1.0, 0.6, 1.2, 0.0, 0.9, 1.0)
FESTIVALS = {6: (5, "618 年中大促", 1.5), 11: (5, "双11 预热", 1.5)}


@dataclass(frozen=True)
class Campaign:
    """One campaign; `day` counts from the calendar's start, `units` is what one message is billed."""

    campaign_id: str
    name: str
    day: int
    strength: float
    units: int


@dataclass(frozen=True)
class Sends:
    """One campaign's customers within a chunk (indices), the random arm, and whom the message caused to order."""

    customer: np.ndarray
    treated: np.ndarray
    delivered: np.ndarray
    stage: np.ndarray
    caused: np.ndarray  # indices of customers
    caused_day: np.ndarray
    caused_stage: np.ndarray
    buyers: np.ndarray  # indices of natural purchases by delivered customers within the attribution window
    heads: np.ndarray  # the shop's customers by stage on the campaign's first day


def plan_campaigns(calendar: Calendar) -> list[Campaign]:
    """One campaign a month from the third month on, to the horizon: the shop goes on as before."""
    plan = []
    for k, (year, month0) in enumerate(calendar.months(calendar.horizon)[2:]):
        month = month0 + 1
        day, name, strength = FESTIVALS.get(month, (10, "会员日短信", STRENGTHS[k % len(STRENGTHS)]))
        begins = calendar.day(date(year, month, day))
        if begins < calendar.horizon:
            plan.append(Campaign(f"SMS-{year}-{month:02}", f"{year}-{month:02} {name}", begins, strength, 1 + k % 2))
    return plan


class Audience:
    """A chunk's customers as campaigns meet them, one after another in time."""

    def __init__(self, customers: Customers, who: np.ndarray, day: np.ndarray, truth: Parameters) -> None:
        self.customers, self.who, self.day, self.truth = customers, who, day, truth
        self.last = np.full(len(customers), -1)
        self.seen = 0

    def send(self, rng: np.random.Generator, campaign: Campaign) -> Sends:
        """Assign arms at random and draw the caused orders: one for a delivered customer who would not have bought."""
        truth, begins = self.truth, campaign.day
        upto, after = np.searchsorted(self.day, [begins, begins + truth.attribution_days + 1])
        np.maximum.at(self.last, self.who[self.seen : upto], self.day[self.seen : upto])
        self.seen = upto
        buys_anyway = np.zeros(len(self.customers), bool)
        buys_anyway[self.who[upto:after]] = True

        eligible = (self.customers.born < begins) & ~self.customers.opted_out
        customer = np.flatnonzero(eligible & (rng.random(len(self.customers)) < truth.reach))
        treated = rng.random(customer.size) >= truth.holdout
        delivered = treated & (rng.random(customer.size) < truth.delivered)
        stage = np.searchsorted(STAGE_ENDS, begins - self.last[customer])
        chance = np.array(truth.lift)[stage] * campaign.strength
        hit = delivered & ~buys_anyway[customer] & (rng.random(customer.size) < chance)
        caused = customer[hit]
        everyone = np.flatnonzero(self.customers.born < begins)
        heads = count_by_stage(np.searchsorted(STAGE_ENDS, begins - self.last[everyone]))
        wait = np.minimum(rng.geometric(0.35, caused.size) - 1, truth.attribution_days - 1)
        self.last[caused] = np.maximum(self.last[caused], begins + wait)
        got = np.zeros(len(self.customers), bool)
        got[customer[delivered]] = True
        inside = np.arange(*np.searchsorted(self.day, [begins + 1, begins + truth.attribution_days]))
        buyers = inside[got[self.who[inside]]]
        return Sends(customer, treated, delivered, stage, caused, begins + wait, stage[hit], buyers, heads)


def count_by_stage(stage: np.ndarray) -> np.ndarray:
    """How many of each of STAGES."""
    return np.bincount(stage, minlength=len(STAGES))
