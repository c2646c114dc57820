"""The part of the book about campaigns: what was sent, what came after it, the two bars, and contact pressure.

in:  a `LifecycleBook`; out: `CampaignBook`, which adds small pandas frames, one row a campaign

What came *because of* a campaign is in effects.py. Sends and orders after the month's end are not seen.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

import ibis
import pandas as pd
from ibis import _

from clvbook.book.cache import Cache
from clvbook.book.lifecycle import LifecycleBook
from clvbook.book.value import _with
from clvbook.campaigns import attribution, costs, judgement, pressure, sending
from clvbook.errors import InputRefused, NotComputable
from clvbook.lifecycle.stages import STAGES

PRESSURE_DAYS, FOLLOW_DAYS = 90, 30  # messages are counted over so many days, purchases over so many after them


class CampaignBook(LifecycleBook):
    """Did the campaigns of the months up to this one pay?"""

    @cached_property
    def sends(self) -> ibis.Table | NotComputable:
        """Who was chosen up to the month's end, one row a customer and campaign; what left later has not yet left."""
        lacking = [self.shop_table(name) for name in ("sends", "campaigns")]
        for found in lacking:
            if isinstance(found, NotComputable):
                return found
        if self.reconciliation.no_buyer:
            return NotComputable(self.reconciliation.no_buyer)
        seen = self._by_month_end(lacking[0])
        fault = self._campaign_shelf.json("fault", lambda: self._fault(seen))
        return NotComputable(fault) if fault else seen

    def _by_month_end(self, sends: ibis.Table) -> ibis.Table:
        end = ibis.literal(attribution.data_end(self.as_of).to_pydatetime())
        left = (_.sent_at < end).fill_null(False)
        chosen = sends.filter(ibis.coalesce(_.assigned_at, _.sent_at) < end)
        return chosen.mutate(
            sent_at=ibis.ifelse(left, _.sent_at, None),
            delivered=ibis.ifelse(left, _.delivered, None),
            units=ibis.ifelse(left | _.sent_at.isnull(), _.units, 0),
        )

    def _fault(self, sends: ibis.Table) -> str:
        if not sends.count().to_pyarrow().as_py():
            return f"nobody was chosen for a campaign up to {self.as_of}"
        try:
            sending.check_sends(sends, self.shop_table("campaigns"))
        except InputRefused as error:
            return f"{error.fact}: {error.hint}"
        return ""

    @cached_property
    def _campaign_shelf(self) -> Cache:
        content = {name: self._shop_tables.key(name) for name in ("sends", "campaigns")}
        return Cache(self.con, self.settings.shop, {"orders": self._month_shelf.folder.name, **content})

    def _kept(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A small frame that took long to count, kept with the tables of the same content."""
        return self._campaign_shelf.table(name, lambda: ibis.memtable(make())).to_pandas()

    @cached_property
    def schedule(self) -> pd.DataFrame | NotComputable:
        """One row a campaign that has begun: its counts and its clock; see `sending.schedule`."""

        def begun(sends: ibis.Table) -> pd.DataFrame:
            found = sending.schedule(sends, self.shop_table("campaigns"))
            return found[found.starts_on.dt.date.le(self.as_of) | found.chosen.gt(0)].reset_index(drop=True)

        return _with(self.sends, lambda sends: self._kept("schedule", lambda: begun(sends)))

    def prepare_campaigns(self) -> None:
        """Count what takes long, so that the notebook finds it."""
        self.attribution, self.campaign_windows, self.pressure, self.messages  # noqa: B018

    # ---- what came after the messages

    @property
    def _window(self) -> dict[str, Any]:
        return {"through": self.as_of, "refund_days": self.settings.refund_days}

    @cached_property
    def attribution(self) -> attribution.Attribution | NotComputable:
        """Which orders came after which messages, and the programme's total; see `attribution.Attribution`."""
        if isinstance(self.schedule, NotComputable):
            return self.schedule
        made: list[attribution.Attribution] = []

        def make() -> attribution.Attribution:
            made[:] = made or [attribution.attribute(self.orders, self.sends, self.schedule, **self._window)]
            return made[0]

        name = f"attributed_{self.settings.refund_days}"
        frame = self._kept(name, lambda: make().by_campaign)
        total = self._campaign_shelf.json(f"{name}_total", lambda: vars(make().programme))
        return attribution.Attribution(frame, attribution.Programme(**total), self.as_of)

    @cached_property
    def campaign_windows(self) -> pd.DataFrame | NotComputable:
        """Every campaign under the windows of `attribution.WINDOWS`; see `attribution.by_window`."""
        name = f"windows_{self.settings.refund_days}"
        return _with(
            self.schedule,
            lambda known: self._kept(
                name, lambda: attribution.by_window(self.orders, self.sends, known, **self._window)
            ),
        )

    @cached_property
    def programme_windows(self) -> pd.DataFrame | NotComputable:
        """All campaigns whose longest window is over, each order once: window_days, campaigns, buyers, orders, revenue.

        buyers: customers, counted once a campaign.
        """

        def add_up(found: pd.DataFrame) -> pd.DataFrame | NotComputable:
            still_open = found.groupby("campaign_id").open.transform("any")
            if still_open.all():
                return NotComputable("no campaign is old enough for the longest window to be over")
            names = {"campaign_id": "campaigns", "buyers": "buyers", "orders_last_touch": "orders"}
            names["revenue_last_touch"] = "revenue"
            over = found[~still_open].groupby("window_days", as_index=False)
            how = {column: (column, "count" if column == "campaign_id" else "sum") for column in names}
            return over.agg(**{names[column]: pair for column, pair in how.items()})

        return _with(self.campaign_windows, add_up)

    # ---- the two bars

    @cached_property
    def campaign_costs(self) -> costs.CampaignCosts | NotComputable:
        """What each campaign cost; see `costs.CampaignCosts`."""
        booked = self.shop_table("costs")
        if not isinstance(booked, NotComputable):
            booked = booked.filter(_.period <= self.month)
        return _with(
            self.schedule,
            lambda known: costs.campaign_costs(
                known, None if isinstance(booked, NotComputable) else booked, sending.by_month(self.sends)
            ),
        )

    @cached_property
    def judged(self) -> pd.DataFrame | NotComputable:
        """Each campaign whose window is over against the two bars, the newest first.

        campaign_id, name, starts_on, sent, held_out, buyers, revenue (any touch), provisional (of it), cost, cost_each
        (of a message), conversion and ratio with _low, _high and _verdict, basket, in_range, implied_conversion,
        profit_roi, break_even_share, break_even_ratio, more_sends (of the ratio), action, sentence.
        """

        def rows(found: attribution.Attribution) -> pd.DataFrame | NotComputable:
            if found.over.empty:
                return NotComputable("no campaign's window is over yet")
            spent = self.campaign_costs.by_campaign.set_index("campaign_id").cost
            each = [self._judged(row, spent[row.campaign_id]) for row in found.over.itertuples()]
            return pd.DataFrame(each[::-1], dtype=object)

        return _with(self.attribution, rows)

    def _judged(self, row: Any, cost: Any) -> dict[str, Any]:
        s = self.settings
        found = judgement.judge(
            recipients=int(row.sent),
            buyers=int(row.buyers),
            revenue=row.revenue_any_touch,
            revenue_squares=row.revenue_squares,
            cost=cost,
            roi_target=s.roi_target,
            conversion_target=s.conversion_target,
            basket_range=tuple(s.basket_range),
            margin_rate=s.margin_rate,
            confidence=s.confidence,
            held_out=int(row.holdout),
        )
        money = found.economics
        bars = {}
        for name, bar in (("conversion", found.conversion), ("ratio", found.ratio)):
            seen = bar.observed
            bars |= {name: seen.value, f"{name}_low": seen.low, f"{name}_high": seen.high}
            bars[f"{name}_verdict"] = bar.verdict
        return {
            "campaign_id": row.campaign_id,
            "name": row.name,
            "starts_on": row.starts_on,
            "sent": int(row.sent),
            "held_out": int(row.holdout),
            "buyers": int(row.buyers),
            "revenue": row.revenue_any_touch,
            "provisional": row.provisional_revenue,
            "cost": cost,
            "cost_each": cost / int(row.sent) if row.sent else NotComputable("nobody was written to"),
            **bars,
            "basket": money.basket,
            "in_range": found.ratio.applies,
            "implied_conversion": money.implied_conversion,
            "profit_roi": money.profit_roi,
            "break_even_share": money.break_even_share,
            "break_even_ratio": money.break_even_ratio,
            "more_sends": found.ratio.more_sends,
            "action": found.action,
            "next_step": found.next_step,
            "sentence": found.sentence,
        }

    @cached_property
    def campaign_actions(self) -> pd.DataFrame | NotComputable:
        """What to do next, by action: action, campaigns (how many)."""
        return _with(
            self.judged,
            lambda judged: judged.action.value_counts().rename("campaigns").rename_axis("action").reset_index(),
        )

    @cached_property
    def programme(self) -> judgement.Judgement | NotComputable:
        """All campaigns whose window is over as one: each order counted once, a customer once a campaign."""

        def judge(judged: pd.DataFrame) -> judgement.Judgement:
            s, squares = self.settings, float(self.attribution.over.revenue_squares.sum())
            revenue = self.attribution.programme.revenue
            return judgement.judge(
                recipients=int(judged.sent.sum()),
                buyers=int(judged.buyers.sum()),
                revenue=revenue,
                revenue_squares=squares,
                cost=self.programme_cost,
                roi_target=s.roi_target,
                conversion_target=s.conversion_target,
                basket_range=tuple(s.basket_range),
                margin_rate=s.margin_rate,
                confidence=s.confidence,
                held_out=int(judged.held_out.sum()),
            )

        return _with(self.judged, judge)

    @cached_property
    def windows_by_campaign(self) -> pd.DataFrame | NotComputable:
        """Revenue (any touch) of each campaign, the newest first: name, and a column a window, such as days_7."""

        def pivot(found: pd.DataFrame) -> pd.DataFrame:
            told = found.assign(
                revenue=[
                    NotComputable(f"open until {row.closes:%Y-%m-%d}") if row.open else row.revenue_any_touch
                    for row in found.itertuples()
                ],
                window=[f"days_{days}" for days in found.window_days],
            )
            newest = self.schedule[["campaign_id", "name"]].iloc[::-1]
            return newest.merge(told.pivot(index="campaign_id", columns="window", values="revenue"), on="campaign_id")

        return _with(self.campaign_windows, pivot)

    @cached_property
    def programme_cost(self) -> float | NotComputable:
        """What the campaigns whose window is over cost together."""
        return _with(self.judged, lambda judged: sum(judged.cost, 0.0))

    # ---- contact pressure

    @cached_property
    def pressure(self) -> pd.DataFrame | NotComputable:
        """Messages a head in the last days by today's stage (a word); see `pressure.by_stage`."""

        def count(sends: ibis.Table) -> pd.DataFrame:
            return pressure.by_stage(sends, self.customers, through=self.as_of, stage_bounds=self.bounds)

        names = {pressure.PROSPECT: "never bought", **dict(enumerate(STAGES))}
        named = _with(self.sends, lambda sends: self._kept(f"pressure_{self.bounds}", lambda: count(sends)))
        return _with(named, lambda frame: frame.assign(stage=frame.stage.map(names)))

    @property
    def year_of_messages(self) -> pd.DataFrame | NotComputable:
        """`pressure` over the longest of its windows."""
        return _with(self.pressure, lambda frame: frame[frame.window_days == frame.window_days.max()])

    @cached_property
    def messages(self) -> pd.DataFrame | NotComputable:
        """Customers by messages received and what they did afterwards; see `pressure.by_messages`."""
        people = self.shop_table("customers")
        details = None if isinstance(people, NotComputable) else people
        name = f"messages_{self._shop_tables.key('customers')}"

        def count() -> pd.DataFrame:
            windows = {"days": PRESSURE_DAYS, "follow_days": FOLLOW_DAYS}
            return pressure.by_messages(
                self.sends, self.customers, self.orders, through=self.as_of, details=details, **windows
            )

        def old_enough(schedule: pd.DataFrame) -> pd.DataFrame | NotComputable:
            before = pd.Timestamp(self.as_of - timedelta(days=FOLLOW_DAYS))
            if (schedule.first_sent < before).any():
                return self._kept(name, count)
            return NotComputable(f"no message is older than {FOLLOW_DAYS} days")

        return _with(self.schedule, old_enough)
