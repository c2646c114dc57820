"""The part of the book about what to spend on keeping customers: on whom, how much, and how sure that is.

in:  an `OffersBook`; out: `SpendingBook`, which adds the contact list (Ibis), small pandas frames and frozen results

Who is kept is worth the profit that is still expected of a customer like them. A random part of the list is held out
and gets nothing: next month it shows what the list changed.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from datetime import date, datetime, time, timedelta
from functools import cached_property

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.book.cache import Cache
from clvbook.book.offers import OffersBook
from clvbook.book.retention import in_words
from clvbook.book.value import _with
from clvbook.errors import NotComputable
from clvbook.lifecycle.actions import arm
from clvbook.lifecycle.stages import STAGES
from clvbook.retention import allocation, response, spending
from clvbook.retention.offers import efficient_steps, priced

LATELY = 90  # days over which messages are counted
BANDS = ("low", "middle", "high")
MAY_BE_WRITTEN_TO = ["worth it", "not worth the cost", "no offer saves anybody"]  # reasons of `allocation.sort_out`


class SpendingBook(OffersBook):
    """Is keeping customers worth it, and whom?"""

    def prepare_retention(self) -> None:
        """Count what takes long, so that the notebook finds it."""
        self._kept_sums, self.candidates  # noqa: B018

    @cached_property
    def candidates(self) -> ibis.Table | NotComputable:
        """customer_id, segment (stage), value (profit still expected), risk (days of silence), act_list and held_out
        (see `_drawn`), and where sends and customers are known contacts and opted_out.
        """
        if isinstance(self.valued, NotComputable):
            return self.valued
        if self.settings.margin_rate is None:
            return NotComputable("margin_rate is not set")
        people = self.shop_table("customers")
        if unknown := self._strangers(people):
            return NotComputable(unknown)
        s = self.settings
        names = {"horizon_days", "annual_discount_rate", "margin_rate", "stage_bounds"}
        content = s.model_dump(include=names | {"act_within_days", "holdout_share"})
        content |= {name: self._shop_tables.key(name) for name in ("sends", "campaigns", "customers")}
        shelf = Cache(self.con, s.shop, {"customers_of": self._month_shelf.folder.name, **content})
        return shelf.table("candidates", lambda: self._candidates(people))

    def _candidates(self, people: ibis.Table | NotComputable) -> ibis.Table:
        stage = ibis.cases(*((_.silent <= bound, n) for n, bound in enumerate(self.bounds)), else_=len(self.bounds))
        scores = self.scores.mutate(silent=lambda t: ibis.literal(self.as_of).delta(t.last_day, unit="day"))
        found = scores.select(
            "customer_id", segment=stage.cast("int64"), value=_.residual_profit, risk=_.silent.cast("float64")
        )
        found = self._drawn(found)
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
    def _campaign(self) -> str:
        return f"{self.settings.shop}-{self.month}-retention"

    def _drawn(self, people: ibis.Table) -> ibis.Table:
        """`people` with held_out, drawn once a customer and month, and act_list, the lifecycle page's list they are on
        (null: none): whoever is on one keeps its arm, since a message from here would spoil its comparison.
        """
        name, share = ibis.literal(self._campaign), self.settings.holdout_share
        drawn = people.mutate(held_out=lambda t: arm(t.customer_id, name, holdout_share=share) == "holdout")
        if isinstance(self.actions, NotComputable):
            return drawn.mutate(act_list=ibis.null("string"))
        names = ibis.cases(*((_.place == place, name) for place, name in enumerate(self.list_names)), else_=None)
        on_list = self.actions.moving.filter(_.arm.notnull(), ~_.opted_out).select("customer_id", "arm", act_list=names)
        joined = drawn.left_join(on_list, "customer_id").drop("customer_id_right")
        return joined.mutate(held_out=(_.arm == "holdout").fill_null(_.held_out)).drop("arm")

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
        """The list to act on, the best contact first, which is at once the campaign's assignment file.

        rank, send (yes, or no for the held out), customer_id, stage, offer, value, save_rate, cost, net (rank, offer,
        cost and net are null for the held out), act_list, campaign_id, arm, assigned_at. The held out stand where they
        would if they were written to, so the list may be cut after any row.
        """
        return _with(self.allocation, self._both_arms)

    def _both_arms(self, found: allocation.Allocation) -> ibis.Table:
        treated, spared = found.contacts.drop("rank"), found.held_out
        both = ibis.union(
            treated.mutate(arm=ibis.literal("treated")), spared.mutate(arm=ibis.literal("holdout"))
        ).left_join(self.candidates.select("customer_id", "act_list"), "customer_id")
        written, order = _.arm == "treated", [_.planned.desc(), _.customer_id]
        return (
            _in_stages(both.mutate(planned=_.net))
            .select(
                rank=ibis.ifelse(written, ibis.row_number().over(group_by="arm", order_by=order) + 1, None),
                send=ibis.ifelse(written, "yes", "no"),
                customer_id=_.customer_id,
                stage=_.stage,
                offer=ibis.ifelse(written, _.offer, None),
                value=_.value.round(2),
                save_rate=_.save_rate.round(5),
                cost=ibis.ifelse(written, _.cost.round(4), None),
                net=ibis.ifelse(written, _.net.round(2), None),
                planned=_.planned,
                act_list=_.act_list,
                campaign_id=ibis.literal(self._campaign),
                arm=_.arm,
                assigned_at=ibis.literal(datetime.combine(self.as_of + timedelta(days=1), time())),
            )
            .order_by(order)
            .drop("planned")
        )

    def first_of(self, found: allocation.Allocation | NotComputable) -> pd.DataFrame | NotComputable:
        """The first five to write to: rank, stage, offer, value, save_rate, cost, net."""
        return _with(found, lambda found: _in_stages(found.contacts).order_by("rank").limit(5).to_pandas())

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
        """The list by stage: segment, stage, customers (to write to), held_out, value (sum), saved, cost, net,
        save_rate, measured, low, high, sure, forgone (net that the held out would have brought), and what becomes of
        the cost: incentive_saved, incentive_stayers, contact.
        """

        def sums(found: allocation.Allocation) -> pd.DataFrame | NotComputable:
            if not found.customers:
                return NotComputable("nobody is worth the cost of a contact")
            exact = {name: _[name].cast("decimal(38,9)").sum().cast("float64") for name in ("value", "cost", "net")}
            table = found.contacts.group_by("segment").aggregate(customers=_.count(), **exact).to_pandas()
            rates = self.save_rates[["segment", "stage", "save_rate", "measured", "low", "high", "sure"]]
            table = (
                table.sort_values("segment")
                .merge(rates, on="segment")
                .merge(self.offers[["segment", "kept_untreated", "kept_treated"]], on="segment")
            )
            spared = found.held_out.group_by("segment").aggregate(
                held_out=_.count(), forgone=_.net.cast("decimal(38,9)").sum().cast("float64")
            )
            table = table.merge(spared.to_pandas(), on="segment", how="left").fillna({"held_out": 0, "forgone": 0.0})
            table = table.astype({"held_out": int})
            more = table.kept_treated - table.kept_untreated
            return table.assign(
                saved=table.customers * table.save_rate,
                incentive_saved=table.customers * more * self.incentive,
                incentive_stayers=table.customers * table.kept_untreated * self.incentive,
                contact=table.customers * self.message_cost,
            )

        return _with(self.allocation, sums)

    @property
    def known_on(self) -> date:
        """The first day on which all who were written to right after the month had the days of the first stage."""
        return self.as_of + timedelta(days=1 + self.bounds[0])

    @property
    def also_on_act_lists(self) -> int | NotComputable:
        """How many of those to write to are on the lifecycle page's lists, too."""

        def count(found: ibis.Table) -> int:
            both = found.filter(_.send == "yes", _.act_list.notnull())
            return int(both.count().to_pyarrow().as_py())

        return _with(self.retention_list, count)

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
        """What a contact may cost at most, by stage and value band (thirds of all who may be written to): group, stage,
        band, customers, value (mean), save_rate, sure, cost_a_head, break_even, cost, recoverable, net, spend.
        """

        def rows(offers: pd.DataFrame) -> pd.DataFrame | NotComputable:
            if isinstance(self.candidates, NotComputable):
                return self.candidates
            order = ibis.window(order_by=[_.value, _.customer_id])
            steps = efficient_steps(priced(offers))
            people = allocation.sort_out(self.candidates, steps, **self._cap)
            people = people.filter(_.reason.isin(MAY_BE_WRITTEN_TO)).mutate(band=ibis.ntile(len(BANDS)).over(order))
            counted = people.group_by("segment", "band").aggregate(
                customers=_.count(), value=_.value.cast("decimal(38,9)").sum().cast("float64")
            )
            table = counted.to_pandas().sort_values(["segment", "band"])
            paid = offers.assign(cost_a_head=offers.cost + offers.kept_treated * offers.incentive)
            table = table.merge(paid[["segment", "save_rate", "cost_a_head"]], on="segment")
            table = table.assign(value=table.value / table.customers, cost=table.customers * table.cost_a_head)
            table = in_words(table).assign(band=table.band.map(dict(enumerate(BANDS))))
            table = table.merge(self.save_rates[["segment", "sure"]], on="segment")
            return spending.decisions(table.assign(group=table.stage + ", " + table.band + " value"))

        return _with(self.offers, rows)

    @cached_property
    def optimal(self) -> pd.DataFrame | NotComputable:
        """What to spend a head by stage, if the response curve holds: stage, value, today, kept_today, spend,
        retention, net (a head). Only where a measured effect is surely above 0, or all are assumed.
        """

        def rows(table: pd.DataFrame) -> pd.DataFrame:
            made, rates = [], self.save_rates
            sure = set(rates.stage[rates.sure | self.assumed])
            unsure = NotComputable("its effect is not surely above 0: there is no point to draw a curve through")
            for stage, part in table.groupby("stage", sort=False):
                value = float(np.average(part.value, weights=part.customers))
                today, kept = float(part.cost_a_head.iloc[0]), float(part.save_rate.iloc[0])
                row = {"stage": stage, "value": value, "today": today, "kept_today": kept}
                best = self._optimum(today, kept, value) if stage in sure else unsure
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


def _in_stages(table: ibis.Table) -> ibis.Table:
    """`table` with stage, the name of `segment`."""
    return table.mutate(stage=ibis.cases(*((_.segment == n, name) for n, name in enumerate(STAGES)), else_=None))
