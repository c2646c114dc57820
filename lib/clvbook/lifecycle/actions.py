"""Whom to write to before a stage ends, with what, and whom to leave out so that the effect can be measured.

in:  customers — customer_id, first_day, last_day, frequency, revenue (Ibis; one row a customer as of `as_of`)
     optional: scores (customer_id, residual_revenue), last_categories (customer_id, category), opted_out (customer_id)
out: a frozen `Actions`: one list a trigger, which is at once the campaign's assignment file, and their summary

A trigger is a bound of the stages: 45 names the customers about to leave "active". Stages hold their upper bound: the
stage of who bought last on day L ends with day L + 45, and `valid_until` is that day, the last one in time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle.stages import STAGES, check_bounds

# What the source's playbook sends when a stage is about to end, to repeat customers and to one-time buyers
OFFERS = ("new arrivals and pairings", "small coupon", "strong offer")
SECOND_PURCHASE = (
    "second-purchase gift (one of the season)",
    "second-purchase gift (a valuable one of the season)",
    "second-purchase gift (a special offer)",
)
PARKED = "park until the big sale"  # the source gives up after 180 days, and wakes the lost at Double 11
BOUGHT = ("twice or more", "once")  # how often: repeat customers and one-time buyers
COUNTS = ["customers", "one_time", "held_out", "opted_out"]
DIGITS = 13  # hex digits of the hash that draws an arm: 52 bits, as many as a float holds exactly


@dataclass(frozen=True)
class Actions:
    """The lists of one report: customers whose stage ends in (as_of, as_of + within_days] unless they buy again.

    stale_on: the first day on which the lists are of no more use, because every stage on them has ended; a single row
    ends earlier, with its valid_until. moving (Ibis): all customers on a list, who opted out too, and the lost, who are
    past the last bound and for whom there is none. unvalued: why customers have no value, where it is known.
    """

    as_of: date
    within_days: int
    bounds: tuple[int, ...]
    moving: ibis.Table = field(repr=False)
    unvalued: NotComputable | None = None

    @property
    def stale_on(self) -> date:
        """The day after the last one on which a stage on the lists ends."""
        return self.as_of + timedelta(days=self.within_days + 1)

    @property
    def lists(self) -> dict[str, ibis.Table]:
        """The lists by file name (see `list_name`), in the order of their triggers; see `at`."""
        valid_until = self.as_of + timedelta(days=self.within_days)
        return {list_name(trigger, valid_until): self.at(trigger) for trigger in self.bounds}

    def at(self, trigger: int) -> ibis.Table:
        """Whom to write to before the stage with this bound ends, without who opted out: whose stage ends first comes
        first, of a day the most valuable.

        What whoever sends needs comes first: send (yes, or no for the holdout), customer_id, offer (its class; null for
        the holdout), valid_until (date: the stage's last day), last_category (null where not known), orders, one_time,
        expected_revenue (null without a score), revenue_so_far, last_day; then stage and next_stage (their names),
        first_day, campaign_id, arm (treated or holdout), assigned_at, which make the list the assignment file.
        """
        if trigger not in self.bounds:
            raise BadParameters(f"day {trigger} is no bound of a stage", f"choose one of {list(self.bounds)}")
        place = self.bounds.index(trigger)
        order = [_.valid_until, _.value.desc(nulls_first=False), _.revenue.desc(), _.customer_id]
        listed = self.moving.filter(_.place == place, ~_.opted_out).order_by(order)
        return (
            listed.select(
                *("customer_id", "offer", "valid_until", "last_category", "orders", "one_time"),
                *("last_day", "first_day", "campaign_id", "arm", "assigned_at"),
                send=ibis.ifelse(_.arm == "treated", "yes", "no"),
                expected_revenue=_.value.round(2),
                revenue_so_far=_.revenue.round(2),
                stage=ibis.literal(STAGES[place]),
                next_stage=ibis.literal(STAGES[place + 1]),
            )
            .relocate("send", before="customer_id")
            .relocate("expected_revenue", "revenue_so_far", before="last_day")
            .relocate("stage", "next_stage", before="first_day")
        )

    @property
    def waiting(self) -> pd.DataFrame:
        """What waits to be done: one row a trigger, and a last one for the lost, who have no list.

        trigger (days; for the lost the last bound), stage (that ends; for the lost their own), next_stage (None for the
        lost), customers, of them one_time, held_out and write_to (the others), beside them opted_out; revenue (so far)
        and value (still expected) of the customers in currency, value NotComputable where someone has no score; offer
        to repeat customers; stale_on (None: no list).
        """
        frame = self._counted(self.moving, range(len(STAGES)), "place")
        return pd.DataFrame(
            {
                "trigger": [*self.bounds, self.bounds[-1]],
                "stage": STAGES,
                "next_stage": pd.Series([*STAGES[1:], None], dtype=object),
                **frame[COUNTS],
                "write_to": [*frame.write_to[:-1], 0],
                **frame[["revenue", "value"]],
                "offer": [*OFFERS, PARKED],
                "stale_on": pd.Series([*[self.stale_on] * len(OFFERS), None], dtype=object),
            }
        )

    @property
    def to_send(self) -> pd.DataFrame:
        """What is to be sent to how many: one row a list and kind of customer, and a last one of all lists.

        stage (that ends; "all" in the last row), bought ("twice or more", "once"), offer (both "" there), customers,
        held_out and write_to (the others), opted_out, revenue and value as in `waiting`, value_write_to (value of who
        is written to).
        """
        listed = self.moving.filter(_.place < len(self.bounds))
        rows = [(place, often) for place in range(len(self.bounds)) for often in BOUGHT]
        kinds = listed.mutate(row=2 * _.place.cast("int64") + _.one_time.cast("int64"))
        each = self._counted(kinds, range(len(rows)), "row")
        both = pd.concat([each, self._counted(listed.mutate(row=0), [0], "row")], ignore_index=True)
        names = {
            "stage": [*(STAGES[place] for place, _often in rows), "all"],
            "bought": [*(often for _place, often in rows), ""],
            "offer": [*(offer for pair in zip(OFFERS, SECOND_PURCHASE, strict=True) for offer in pair), ""],
        }
        return pd.DataFrame({**names, **both.drop(columns="one_time")})

    @property
    def due(self) -> pd.DataFrame:
        """The days on which rows of the lists end: valid_until, write_to (customers; days without one are left out)."""
        sent = self.moving.filter(_.arm == "treated", ~_.opted_out)
        return sent.group_by("valid_until").aggregate(write_to=_.count()).order_by("valid_until").to_pandas()

    def _counted(self, moving: ibis.Table, rows: Iterable[int], key: str) -> pd.DataFrame:
        """A row a number in the column `key`: COUNTS, write_to, revenue, value, value_write_to."""
        told, sent = ~_.opted_out, (_.arm == "treated") & ~_.opted_out
        counted = moving.group_by(key).aggregate(
            customers=told.sum(),
            one_time=(_.one_time & told).sum(),
            held_out=((_.arm == "holdout") & told).sum(),
            opted_out=_.opted_out.sum(),
            revenue=_money(_.revenue, where=told),
            value=_money(_.value, where=told),
            value_write_to=_money(_.value, where=sent),
            valued=_.value.count(where=told),
        )
        found = {row[key]: row for row in counted.to_pyarrow().to_pylist()}
        frame = pd.DataFrame([found.get(row, {}) for row in rows], columns=counted.columns).drop(columns=key)
        frame[COUNTS] = frame[COUNTS].fillna(0).astype(int)
        frame.insert(len(COUNTS), "write_to", frame.customers - frame.held_out)
        frame["revenue"] = frame.revenue.fillna(0.0)
        unvalued = frame.customers - frame.pop("valued").fillna(0).astype(int)
        for name in ("value", "value_write_to"):
            frame[name] = [
                self._unscored(without, of) if without else amount
                for without, of, amount in zip(unvalued, frame.customers, frame[name].fillna(0.0), strict=True)
            ]
        return frame

    def _unscored(self, without: int, of: int) -> NotComputable:
        missing = NotComputable(f"{without:,} of {of:,} customers have no score")
        return missing if self.unvalued is None else self.unvalued


def _money(column: ibis.Deferred, *, where: ibis.Deferred) -> ibis.Deferred:
    # as decimals: a sum of floats would depend on the order in which the engine's threads meet them
    return column.cast("decimal(38,9)").sum(where=where).cast("float64")


def list_name(trigger: int, valid_until: date) -> str:
    """A list's file name without suffix, such as act_045_stale_2026-11-08.

    valid_until is the last day on which a stage on the list ends; the name carries the day after it, the first one on
    which the whole list is stale.
    """
    return f"act_{trigger:03d}_stale_{valid_until + timedelta(days=1)}"


def ending(
    customers: ibis.Table,
    *,
    as_of: date,
    bounds: Sequence[int],
    within_days: int,
    holdout_share: float,
    shop: str,
    scores: ibis.Table | NotComputable | None = None,
    last_categories: ibis.Table | NotComputable | None = None,
    opted_out: ibis.Table | None = None,
) -> Actions:
    """Find whose stage ends in (as_of, as_of + within_days] without a purchase, and draw the holdout; see `Actions`.

    A campaign is one shop's month and trigger, such as demo-2026-10-day045; `arm` decides a customer's place in it (see
    there). assigned_at is the first moment after `as_of`, so that no order that the lists know of counts as an effect.
    BadParameters unless there are three bounds, as the playbook has offers for, and every stage is longer than
    within_days, so that nobody is on two lists.
    """
    check_bounds(bounds)
    if len(bounds) != len(OFFERS):
        raise BadParameters(f"{len(bounds)} stage bounds", f"the playbook has offers for {len(OFFERS)}: name as many")
    shortest = min(b - a for a, b in pairwise([0, *bounds]))
    if not 1 <= within_days < shortest:
        raise BadParameters(
            f"lists that look {within_days} days ahead, where the shortest stage has {shortest}",
            f"choose 1 to {shortest - 1} days, or stage bounds that are further apart",
        )
    campaigns = [f"{shop}-{as_of:%Y-%m}-day{bound:03d}" for bound in bounds]
    begun = [as_of - timedelta(days=bound) for bound in bounds]  # last purchases whose stage ends with as_of
    reached = [
        (_.last_day.between(day + timedelta(days=1), day + timedelta(days=within_days)), place)
        for place, day in enumerate(begun)
    ]
    moving = customers.select(
        "customer_id",
        "first_day",
        "last_day",
        revenue=_.revenue,
        orders=_.frequency + 1,
        one_time=_.frequency == 0,
        place=ibis.cases(*reached, (_.last_day < begun[-1], len(bounds))).cast("int8"),
    ).filter(_.place.notnull())
    moving = _with(moving, scores, value="residual_revenue", type_="float64")
    moving = _with(moving, last_categories, last_category="category", type_="string")
    if opted_out is None:
        moving = moving.mutate(opted_out=False)
    else:
        left = opted_out.select("customer_id").distinct().mutate(opted_out=True)
        moving = moving.left_join(left, "customer_id").drop("customer_id_right")
        moving = moving.mutate(opted_out=_.opted_out.fill_null(False))
    moving = moving.mutate(
        # a day and an interval are a moment to the engine, whatever Ibis says
        valid_until=_by_place(_.last_day + ibis.interval(days=bound) for bound in bounds).cast("timestamp").date(),
        campaign_id=_by_place(campaigns),
    ).mutate(arm=arm(_.customer_id, _.campaign_id, holdout_share=holdout_share))
    offer = ibis.ifelse(_.one_time, _by_place(SECOND_PURCHASE), _by_place(OFFERS))
    moving = moving.mutate(
        offer=ibis.ifelse(_.arm == "holdout", ibis.null("string"), offer.fill_null(PARKED)),
        assigned_at=ibis.literal(datetime.combine(as_of + timedelta(days=1), time())),
    )
    return Actions(as_of, within_days, tuple(bounds), moving, scores if isinstance(scores, NotComputable) else None)


def _by_place(values) -> ibis.Value:
    """The value of a customer's own trigger; null for the lost."""
    return ibis.cases(*((_.place == place, value) for place, value in enumerate(values)))


def _with(table: ibis.Table, other: ibis.Table | NotComputable | None, *, type_: str, **named: str) -> ibis.Table:
    """`table` with a column of `other` under a new name; nulls where `other` is missing or does not know a customer."""
    ((name, column),) = named.items()
    if other is None or isinstance(other, NotComputable):
        return table.mutate(**{name: ibis.null(type_)})
    known = other.select("customer_id", **{name: other[column].cast(type_)})
    return table.left_join(known, "customer_id").drop("customer_id_right")


def arm(customer_id: ibis.Value, campaign_id: ibis.Value, *, holdout_share: float) -> ibis.Value:
    """A customer's place in a campaign, drawn once for ever: treated or holdout; null without a campaign.

    It is drawn by the MD5 of "campaign_id|customer_id", so that whoever has the two names finds the same arm again, on
    any engine: the first 13 hex digits, read as a fraction of 1, lie below holdout_share for the holdout. Such digits
    compare as text as they do as numbers. BadParameters unless 0 <= holdout_share < 1.
    """
    if not 0 <= holdout_share < 1:
        raise BadParameters(f"holdout_share is {holdout_share:g}", "choose a share from 0 to below 1, such as 0.1")
    limit = f"{int(holdout_share * 16**DIGITS):0{DIGITS}x}"
    drawn = (campaign_id + "|" + customer_id).hexdigest("md5").left(DIGITS) < limit
    return ibis.cases((campaign_id.isnull(), ibis.null("string")), (drawn, "holdout"), else_="treated")


def stage_ends(customers: ibis.Table, *, as_of: date, bounds: Sequence[int], days: int = 30) -> pd.DataFrame:
    """How many customers end which stage on each of the next `days` days, unless they buy again before.

    day, trigger (the bound), stage (its name where there are three bounds, else its number), customers, one_time among
    them. Every day and trigger has its row; a customer who would end two stages in that time is in two.
    """
    check_bounds(bounds)
    seen = customers.filter(_.last_day.between(as_of - timedelta(days=bounds[-1]), as_of))
    counts = seen.group_by("last_day").aggregate(customers=_.count(), one_time=(_.frequency == 0).sum()).to_pandas()
    by_day = counts.assign(last_day=pd.to_datetime(counts.last_day)).set_index("last_day").astype(int)
    ahead = pd.date_range(as_of + timedelta(days=1), periods=days, name="day")
    names = STAGES if len(bounds) == len(OFFERS) else range(len(bounds))
    parts = [
        by_day.reindex(ahead - timedelta(days=bound), fill_value=0)
        .set_axis(ahead)
        .reset_index()
        .assign(trigger=bound, stage=names[place])
        for place, bound in enumerate(bounds)
    ]
    frame = pd.concat(parts, ignore_index=True).sort_values(["day", "trigger"], ignore_index=True)
    return frame[["day", "trigger", "stage", "customers", "one_time"]]


def last_category(orders: ibis.Table, items: ibis.Table) -> ibis.Table:
    """What each customer bought last: customer_id, category, of the largest line of the last order that has lines.

    orders: order_id, customer_id, paid_at; items: order_id, sku, amount, and optionally category and title, which
    stand in for one another in this order, then the sku. Ties go to the later order number and the first sku.
    """
    names = [_[name].nullif("") for name in ("category", "title", "sku") if name in items.columns]
    lines = items.select("order_id", "sku", "amount", category=ibis.coalesce(*names))
    known = orders.filter(_.customer_id.notnull()).select("order_id", "customer_id", "paid_at")
    order = [_.paid_at.desc(), _.order_id.desc(), _.amount.desc(nulls_first=False), _.sku]
    place = ibis.row_number().over(group_by="customer_id", order_by=order)
    return known.join(lines, "order_id").mutate(place=place).filter(_.place == 0).select("customer_id", "category")
