"""One chunk of a simulated shop: its customers from the first purchase to the horizon, and their tables.

in: the chunk's own random stream; out: a `Chunk` that yields its tables and keeps what the truth counts
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from clvbook.simulate import orders, people, tables
from clvbook.simulate.calendar import Calendar
from clvbook.simulate.campaigns import ASSIGNED_AT, SENT_AT, Audience, Campaign, Sends
from clvbook.simulate.customers import Customers, draw_customers, draw_purchases, draw_spend
from clvbook.simulate.orders import DAY, OrderRows, Purchases
from clvbook.simulate.truth import Parameters

CHUNK = 200_000  # customers made at a time; fixed, so that a shop does not depend on the machine
ORDERS_A_CHUNK = 10_000_000  # room for order numbers
DIRT = (*orders.SET_ASIDE, *orders.REPEATED, "without_customer", "part_refunded", "same_day")


@dataclass(frozen=True)
class Chunk:
    """What became of one chunk's customers; purchases are until the end, the future after it."""

    customers: Customers
    purchases: Purchases
    future: Purchases
    rows: OrderRows
    sends: list[Sends]
    survey: np.ndarray
    columns: dict[str, dict[str, pa.Array]]
    ids: pa.Array
    calendar: Calendar
    plan: list[Campaign]

    def tables(self) -> Iterator[tuple[str, dict[str, pa.Array]]]:
        """(table, columns) one after another; the sends campaign by campaign."""
        yield from self.columns.items()
        epoch = np.datetime64(self.calendar.start, "D").astype(np.int64)
        for campaign, sent in zip(self.plan, self.sends, strict=True):
            if campaign.day >= self.calendar.window:
                continue
            begins = (epoch + campaign.day) * DAY
            n = sent.customer.size
            yield (
                "sends",
                {
                    "campaign_id": tables.pick([campaign.campaign_id], np.zeros(n, int)),
                    "customer_id": tables.pick(self.ids, sent.customer),
                    "arm": tables.pick(["holdout", "treated"], sent.treated.astype(int)),
                    "assigned_at": tables.moment(np.full(n, begins + ASSIGNED_AT)),
                    "sent_at": tables.moment(np.full(n, begins + SENT_AT), where=sent.treated),
                    "delivered": pa.array(sent.delivered, mask=~sent.treated),
                    "units": pa.array(np.where(sent.delivered, campaign.units, 0)),
                },
            )


def make_chunk(
    stream: np.random.SeedSequence, size: int, *, number: int, first: int, calendar: Calendar, plan: list[Campaign],
    truth: Parameters, dirt: bool,
) -> Chunk:  # fmt: skip
    """Make customers, purchases, campaigns and tables, each from its own stream, so that one leaves the others be."""
    of_people, of_purchases, of_campaigns, of_spend, of_orders, of_items, of_words, of_survey = (
        np.random.default_rng(s) for s in stream.spawn(8)
    )
    if not dirt:
        truth = replace(truth, **dict.fromkeys(DIRT, 0.0))
    customers = draw_customers(of_people, size, calendar=calendar, truth=truth)
    who, day = draw_purchases(of_purchases, customers, calendar=calendar)
    audience = Audience(customers, who, day, truth)
    sends = [audience.send(of_campaigns, campaign) for campaign in plan]
    everything = _all_purchases(of_spend, customers, who, day, sends, truth=truth)
    until_end = everything.day < calendar.window
    inside, future = everything.take(until_end), everything.take(~until_end)
    rows = orders.draw_orders(of_orders, customers, inside, calendar=calendar, truth=truth)
    ids = tables.number_ids("C", np.arange(first, first + size) + 1, width=8)
    first_order = number * ORDERS_A_CHUNK + 1
    item_columns, pieces = orders.draw_items(of_items, rows, first_order=first_order)
    survey_columns, survey = people.draw_survey(of_survey, inside, ids, calendar=calendar, truth=truth)
    columns = {
        "orders": orders.order_columns(
            rows, pieces, customers, ids, rng=of_words, calendar=calendar, plan=plan, first_order=first_order
        ),
        "order_items": item_columns,
        "customers": people.customer_columns(of_words, customers, inside, ids, calendar=calendar),
        "churn_survey": survey_columns,
    }
    return Chunk(customers, inside, future, rows, sends, survey, columns, ids, calendar, plan)


def _all_purchases(
    rng: np.random.Generator, customers: Customers, who: np.ndarray, day: np.ndarray, sends: list[Sends], *,
    truth: Parameters,
) -> Purchases:  # fmt: skip
    """Natural and caused customer-days together, each with its spend and the coupon it used."""
    coupon = np.full(who.size, -1)
    for k, sent in enumerate(sends):
        takes = sent.buyers[rng.random(sent.buyers.size) < truth.coupon_natural]
        coupon[takes] = k
    caused = np.repeat(np.arange(len(sends)), [sent.caused.size for sent in sends])
    takes = np.where(rng.random(caused.size) < truth.coupon_caused, caused, -1)
    none = np.full(who.size, -1)
    who = np.concatenate([who, *(sent.caused for sent in sends)])
    net = draw_spend(rng, customers.spend_rate[who], truth=truth)
    return Purchases(
        who=who,
        day=np.concatenate([day, *(sent.caused_day for sent in sends)]),
        net=net,
        caused=np.concatenate([none, caused]),
        coupon=np.concatenate([coupon, takes]),
    )
