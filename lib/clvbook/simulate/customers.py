"""Customers with a hidden rate, dropout and spend, and the days on which they buy (BG/NBD truth).

in: a random stream, the calendar, the parameters; out: arrays over one chunk's customers and purchases
"""

from dataclasses import dataclass

import numpy as np

from clvbook.simulate.calendar import Calendar
from clvbook.simulate.catalog import PROVINCES, SOURCES
from clvbook.simulate.truth import Parameters


@dataclass(frozen=True)
class Customers:
    """One chunk's customers, by day of the first purchase."""

    born: np.ndarray  # day of the first purchase
    rate: np.ndarray  # lambda, purchases a day
    dropout: np.ndarray  # probability of never coming back, after each repeat purchase
    spend_rate: np.ndarray  # nu: mean spend of a customer-day is p / nu
    source: np.ndarray  # index into SOURCES
    province: np.ndarray  # index into PROVINCES
    opted_out: np.ndarray

    def __len__(self) -> int:
        return len(self.born)


def draw_customers(rng: np.random.Generator, n: int, *, calendar: Calendar, truth: Parameters) -> Customers:
    """Draw `n` customers: assumptions (ii), (iv) and (v) of Fader, Hardie & Lee 2005, and Gamma-Gamma's nu."""
    born = np.sort(np.searchsorted(calendar.arrivals, rng.random(n)))
    rate = rng.gamma(truth.r, 1 / truth.alpha, n)
    # A source is chosen with the rate in view: sources differ in value, and all rates together stay Gamma(r, alpha).
    frequent = 1 - np.exp(-rate * truth.alpha / truth.r)
    weights = np.array([share * np.exp(tilt * (frequent - 0.5)) for _, share, tilt, _ in SOURCES])
    cumulative = np.cumsum(weights, axis=0)
    source = (rng.random(n) * cumulative[-1] > cumulative).sum(axis=0)
    shares = np.cumsum([share for *_, share in PROVINCES])
    return Customers(
        born=born,
        rate=rate,
        dropout=rng.beta(truth.a, truth.b, n),
        spend_rate=rng.gamma(truth.q, 1 / truth.v, n),
        source=source,
        province=np.searchsorted(shares, rng.random(n) * shares[-1], side="right"),
        opted_out=rng.random(n) < truth.opted_out,
    )


def draw_purchases(
    rng: np.random.Generator, customers: Customers, *, calendar: Calendar
) -> tuple[np.ndarray, np.ndarray]:
    """(customer, day) of each purchase up to the horizon, sorted by day; at most one a customer and day.

    Wave k draws the k-th purchase of all customers who still buy, so there is no loop over customers.
    """
    who, day = np.arange(len(customers)), customers.born
    waves = [(who, day)]
    with np.errstate(divide="ignore"):
        mean_wait = 1 / customers.rate
    while who.size:
        day = calendar.next_day(day, rng.exponential(size=who.size) * mean_wait[who])
        inside = day < calendar.horizon
        who, day = who[inside], day[inside]
        waves.append((who, day))
        stays = rng.random(who.size) >= customers.dropout[who]
        who, day = who[stays], day[stays]
    who, day = (np.concatenate(parts) for parts in zip(*waves, strict=True))
    order = np.argsort(day, kind="stable")
    return who[order], day[order]


def draw_spend(rng: np.random.Generator, spend_rate: np.ndarray, *, truth: Parameters) -> np.ndarray:
    """Net spend of a customer-day in cents, at least 1.00 CNY."""
    return np.maximum(np.rint(100 * rng.gamma(truth.p, size=spend_rate.size) / spend_rate), 100).astype(np.int64)
