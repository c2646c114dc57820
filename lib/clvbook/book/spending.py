"""The part of the book about what to spend on keeping customers: on whom, how much, and how sure that is.

in:  a `RetentionBook`; out: `SpendingBook`, which adds the contact list (Ibis), small pandas frames and frozen results

A customer counts as kept who buys within the days of the first stage after a message. What is kept because of it, the
holdouts of campaigns tell by stage; who is kept is worth the profit that is still expected of a customer like them.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from datetime import timedelta
from functools import cached_property

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.book.cache import Cache
from clvbook.book.retention import RetentionBook, in_words
from clvbook.book.value import _with
from clvbook.campaigns import outcomes
from clvbook.errors import NotComputable
from clvbook.lifecycle.stages import STAGES
from clvbook.retention import allocation, response, save_rates, spending

OFFER = "message"
LATELY = 90  # days over which messages are counted
NOT_SURE = (0.5, 1.5)  # how far off an assumption may be, as a factor
BANDS = ("low", "middle", "high")
NO_RATE = NotComputable("no save rate is known: bring sends with a holdout, or set retention_save_rate")
NO_COST = NotComputable("no cost of a message is known: set contact_cost, or bring campaigns with cost_per_unit")


class SpendingBook(RetentionBook):
    """Is keeping customers worth it, and whom?"""

    def prepare_retention(self) -> None:
        """Count what takes long, so that the notebook finds it."""
        self._kept_sums, self.candidates  # noqa: B018

    # ---- what is known: save rates, costs, values

    @cached_property
    def assumed(self) -> bool:
        """Whether the save rate is an assumption of the parameters."""
        return self.settings.retention_save_rate is not None

    @cached_property
    def save_rates(self) -> pd.DataFrame | NotComputable:
        """Share of customers kept because of a message, by stage: segment, stage, offer, treated, kept_treated,
        held_out, kept_held_out, save_rate (shrunken: what is planned with), measured, low, high. Where it is assumed:
        the same for all stages, the counts NotComputable.
        """
        if self.assumed:
            return self._assumed_rates
        return _with(self._kept_counts, self._shrunken)

    @property
    def _assumed_rates(self) -> pd.DataFrame:
        given, few = self.settings.retention_save_rate, NotComputable("assumed (retention_save_rate)")
        names = ["treated", "kept_treated", "held_out", "kept_held_out", "measured"]
        rows = [
            {"segment": n, "offer": OFFER, **dict.fromkeys(names, few), "save_rate": given}
            | {"low": given * NOT_SURE[0], "high": given * NOT_SURE[1]}
            for n in range(len(STAGES))
        ]
        return in_words(pd.DataFrame(rows))

    def _shrunken(self, counts: pd.DataFrame) -> pd.DataFrame:
        found = save_rates.save_rates(counts[counts.held_out > 0], **self._level)
        return in_words(found.rename(columns={"save_rate": "measured", "shrunken": "save_rate"}))

    @cached_property
    def _kept_sums(self) -> pd.DataFrame | NotComputable:
        """Sums by campaign, arm and stage over the days of the first stage; see `outcomes.Outcomes`."""
        if isinstance(self.held_out, NotComputable):
            return NO_RATE
        if isinstance(self.pooled_conversion, NotComputable):
            return self.pooled_conversion

        def count() -> pd.DataFrame:
            window = {"windows": [self.bounds[0]], "strata": ("stage",)}
            found = outcomes.outcomes(self._assigned, self.orders, self.schedule, through=self.as_of, **window)
            return found.inputs

        name = f"kept_{'_'.join(map(str, [*self.bounds, *self.settings.basket_range]))}"
        sums = self._kept(name, count)
        sums = sums[sums.campaign_id.isin(list(self.trusted)) & (sums.stage >= 0)]
        few = NotComputable(f"no campaign with a holdout is older than the {self.bounds[0]} days of the first stage")
        return few if sums.empty else sums

    @cached_property
    def _kept_counts(self) -> pd.DataFrame | NotComputable:
        """segment, offer, treated, kept_treated, held_out, kept_held_out: all campaigns, as if each had held out the
        same share (campaigns are weighted as their treated are, and the holdouts count for as many as that is worth).
        """

        def add_up(sums: pd.DataFrame) -> pd.DataFrame:
            arm = {name: rows.set_index(["stage", "campaign_id"]) for name, rows in sums.groupby("arm")}
            held_out = arm["holdout"][["n", "buyers"]].add_suffix("_held")
            both = arm["treated"][["n", "buyers"]].join(held_out, how="inner")
            rows = []
            for stage, part in both[both.n_held > 0].groupby(level="stage"):
                weight = part.n / part.n.sum()
                held = round(1 / (weight**2 / part.n_held).sum())
                kept = float((weight * part.buyers_held / part.n_held).sum())
                treated = {"treated": int(part.n.sum()), "kept_treated": int(part.buyers.sum())}
                each = {"held_out": held, "kept_held_out": round(held * kept)}
                rows.append({"segment": int(stage), "offer": OFFER, **treated, **each})
            return pd.DataFrame(rows)

        return _with(self._kept_sums, add_up)

    @cached_property
    def message_cost(self) -> float | NotComputable:
        """Cost of one contact: what the last campaigns' messages cost, else contact_cost."""
        measured = self.plan.cost_each
        if not isinstance(measured, NotComputable):
            return float(measured)
        return NO_COST if self.settings.contact_cost is None else self.settings.contact_cost

    @cached_property
    def incentive(self) -> float:
        """Given to a customer who stays: retention_incentive, else what the campaigns' coupons gave a buyer; 0 without
        coupons.
        """
        given = self.settings.retention_incentive
        if given is not None:
            return given
        sums = self._kept_sums
        if isinstance(sums, NotComputable) or "discount" not in sums:
            return 0.0
        sums = sums[sums.arm == "treated"]
        return float(sums.discount.sum() / sums.buyers.sum()) if sums.buyers.sum() else 0.0

    @cached_property
    def offers(self) -> pd.DataFrame | NotComputable:
        """What a contact costs and saves by stage, as `allocation.allocate` takes it, with kept_untreated."""

        def rows(found: pd.DataFrame) -> pd.DataFrame | NotComputable:
            if isinstance(self.message_cost, NotComputable):
                return self.message_cost
            untreated = self._untreated(found)
            return pd.DataFrame(
                {
                    "segment": found.segment.astype("int64"),
                    "offer": OFFER,
                    "cost": self.message_cost,
                    "incentive": self.incentive,
                    "save_rate": found.save_rate.astype(float),
                    "kept_untreated": untreated,
                    "kept_treated": np.clip(untreated + found.save_rate.astype(float), 0, 1),
                }
            )

        return _with(self.save_rates, rows)

    def _untreated(self, found: pd.DataFrame) -> pd.Series:
        """The share that stays without a contact: of the holdouts, else who of the stage is expected back within the
        horizon, and all where that is not known: an incentive is then taken to be paid to everybody.
        """
        if not self.assumed:
            return found.kept_held_out / found.held_out
        lost = self.ledger.stages.written_off if not isinstance(self.ledger, NotComputable) else []
        stays = dict(enumerate(1.0 if isinstance(share, NotComputable) else 1 - float(share) for share in lost))
        return found.segment.map(stays).fillna(1.0)

    @cached_property
    def candidates(self) -> ibis.Table | NotComputable:
        """customer_id, segment (stage), value (profit still expected), risk (days of silence), contacts, opted_out."""
        if isinstance(self.valued, NotComputable):
            return self.valued
        if self.settings.margin_rate is None:
            return NotComputable("margin_rate is not set")
        people = self.shop_table("customers")
        if unknown := self._strangers(people):
            return NotComputable(unknown)
        s = self.settings
        content = s.model_dump(include={"horizon_days", "annual_discount_rate", "margin_rate", "stage_bounds"})
        content |= {name: self._shop_tables.key(name) for name in ("sends", "campaigns", "customers")}
        shelf = Cache(self.con, s.shop, {"customers_of": self._month_shelf.folder.name, **content})
        return shelf.table("candidates", lambda: self._candidates(people))

    def _candidates(self, people: ibis.Table | NotComputable) -> ibis.Table:
        stage = ibis.cases(*((_.silent <= bound, n) for n, bound in enumerate(self.bounds)), else_=len(self.bounds))
        scores = self.scores.mutate(silent=lambda t: ibis.literal(self.as_of).delta(t.last_day, unit="day"))
        found = scores.select(
            "customer_id", segment=stage.cast("int64"), value=_.residual_profit, risk=_.silent.cast("float64")
        )
        if not isinstance(self.sends, NotComputable):
            since = ibis.literal(self.as_of - timedelta(days=LATELY))
            sent = self.sends.filter(_.sent_at.notnull() & _.delivered.fill_null(True)).filter(_.sent_at.date() > since)
            counted = sent.group_by("customer_id").aggregate(contacts=_.count())
            found = found.left_join(counted, "customer_id").drop("customer_id_right")
            found = found.mutate(contacts=_.contacts.fill_null(0))
        if not isinstance(people, NotComputable):
            found = found.left_join(people.select("customer_id", "opted_out"), "customer_id").drop("customer_id_right")
        return found

    @property
    def _cap(self) -> dict[str, int | None]:
        known = "contacts" in self.candidates.columns
        return {"max_contacts": self.settings.retention_max_messages if known else None}

    # ---- whom, and how much

    @cached_property
    def allocation(self) -> allocation.Allocation | NotComputable:
        """Whom to contact this month under retention_budget; see `allocation.Allocation`."""

        def choose(offers: pd.DataFrame) -> allocation.Allocation | NotComputable:
            return _with(
                self.candidates,
                lambda people: allocation.allocate(people, offers, budget=self.settings.retention_budget, **self._cap),
            )

        return _with(self.offers, choose)

    @cached_property
    def retention_list(self) -> ibis.Table | NotComputable:
        """The list to act on: rank, customer_id, stage, offer, value, save_rate, cost, net."""
        return _with(self.allocation, self._named)

    def _named(self, found: allocation.Allocation) -> ibis.Table:
        names = ibis.cases(*((_.segment == n, name) for n, name in enumerate(STAGES)), else_=None)
        columns = ["rank", "customer_id", "stage", "offer", "value", "save_rate", "cost", "net"]
        return found.contacts.mutate(stage=names).select(*columns).order_by("rank")

    def first_of(self, found: allocation.Allocation | NotComputable) -> pd.DataFrame | NotComputable:
        """The first five of a list."""
        return _with(found, lambda found: self._named(found).limit(5).to_pandas())

    def save_retention_list(self) -> None:
        """Write the list into the run's tables/."""
        if not isinstance(self.retention_list, NotComputable):
            self.save_table("retention_list", self.retention_list)

    @cached_property
    def top_of_list(self) -> pd.DataFrame | NotComputable:
        """The first five of the list."""
        return self.first_of(self.allocation)

    @cached_property
    def listed(self) -> pd.DataFrame | NotComputable:
        """The list by stage: segment, stage, customers, value (sum), saved, cost, net, save_rate, low, high, and what
        becomes of it: incentive_saved, incentive_stayers, contact.
        """

        def sums(found: allocation.Allocation) -> pd.DataFrame | NotComputable:
            if not found.customers:
                return NotComputable("nobody is worth the cost of a contact")
            exact = {name: _[name].cast("decimal(38,9)").sum().cast("float64") for name in ("value", "cost", "net")}
            table = found.contacts.group_by("segment").aggregate(customers=_.count(), **exact).to_pandas()
            rates = self.save_rates[["segment", "stage", "save_rate", "measured", "low", "high"]]
            table = (
                table.sort_values("segment")
                .merge(rates, on="segment")
                .merge(self.offers[["segment", "kept_untreated"]], on="segment")
            )
            kept = table.customers * table.save_rate
            return table.assign(
                saved=kept,
                incentive_saved=kept * self.incentive,
                incentive_stayers=table.customers * table.kept_untreated * self.incentive,
                contact=table.customers * self.message_cost,
            )

        return _with(self.allocation, sums)

    @cached_property
    def left_out(self) -> pd.DataFrame | NotComputable:
        """Who is not on the list: reason, customers."""
        return _with(self.allocation, lambda found: found.left_out)

    @cached_property
    def frontier(self) -> pd.DataFrame | NotComputable:
        """Net profit against budget; see `allocation.Frontier`."""
        return _with(self.allocation, lambda found: found.frontier.points)

    @cached_property
    def break_even(self) -> pd.DataFrame | NotComputable:
        """What a contact may cost at most, by stage and value band (thirds of all customers): group, stage, band,
        customers, value (mean), save_rate, cost_a_head, break_even, cost, recoverable, net, spend.
        """

        def rows(offers: pd.DataFrame) -> pd.DataFrame | NotComputable:
            if isinstance(self.candidates, NotComputable):
                return self.candidates
            order = ibis.window(order_by=[_.value, _.customer_id])
            people = self.candidates.filter(_.value.notnull()).mutate(band=ibis.ntile(len(BANDS)).over(order))
            counted = people.group_by("segment", "band").aggregate(
                customers=_.count(), value=_.value.cast("decimal(38,9)").sum().cast("float64")
            )
            table = counted.to_pandas().sort_values(["segment", "band"])
            paid = offers.assign(cost_a_head=offers.cost + offers.kept_treated * offers.incentive)
            table = table.merge(paid[["segment", "save_rate", "cost_a_head"]], on="segment")
            table = table.assign(value=table.value / table.customers, cost=table.customers * table.cost_a_head)
            table = in_words(table).assign(band=table.band.map(dict(enumerate(BANDS))))
            return spending.decisions(table.assign(group=table.stage + ", " + table.band + " value"))

        return _with(self.offers, rows)

    @cached_property
    def optimal(self) -> pd.DataFrame | NotComputable:
        """What to spend a head by stage, if the response curve holds: stage, value, today, kept_today, spend, kept,
        net (a head).
        """

        def rows(table: pd.DataFrame) -> pd.DataFrame:
            made = []
            for stage, part in table.groupby("stage", sort=False):
                value = float(np.average(part.value, weights=part.customers))
                today, kept = float(part.cost_a_head.iloc[0]), float(part.save_rate.iloc[0])
                row = {"stage": stage, "value": value, "today": today, "kept_today": kept}
                best = self._optimum(today, kept, value)
                made.append(row | {name: getattr(best, name) for name in ("spend", "retention", "net")})
            return pd.DataFrame(made, dtype=object)

        return _with(self.break_even, rows)

    def _optimum(self, today: float, kept: float, value: float) -> response.Optimum | NotComputable:
        ceiling = self.settings.retention_ceiling
        if kept <= 0:
            return NotComputable("no effect is seen")
        if kept >= ceiling:
            return NotComputable(f"the save rate is not below retention_ceiling, {ceiling:g}")
        return response.optimal_spend(
            response.response_through(spend=today, retention=kept, ceiling=ceiling), value=value
        )
