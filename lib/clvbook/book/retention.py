"""The part of the book about keeping customers: what is lost, why, what keeping costs, and whether it pays.

in:  a `PlansBook`; out: `RetentionBook`, which adds small pandas frames and frozen results

Whom to contact and how much to spend is in spending.py.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from datetime import date
from functools import cached_property
from typing import Any

import ibis
import pandas as pd
from ibis import _

from clvbook.book.plans import PlansBook
from clvbook.book.value import _with
from clvbook.errors import InputRefused, NotComputable
from clvbook.lifecycle.stages import STAGES
from clvbook.retention import alive, avoidable, causes, costs, loss, proxies, rate

YEAR, QUARTER = 12, 3  # months before a period in which who is in its base has bought, and months of the period
FEWEST = 6  # months that may be called the shop's usual


class RetentionBook(PlansBook):
    """What is lost with customers who leave, why, and what is spent on keeping them?"""

    @property
    def _year_ago(self) -> date:
        return (pd.Timestamp(self.as_of) - pd.DateOffset(years=1) + pd.offsets.MonthEnd(0)).date()

    @property
    def lost_after(self) -> int:
        """Days of silence after which a customer is lost: the last bound of the stages."""
        return self.bounds[-1]

    # ---- how many stay

    @cached_property
    def retention_rate(self) -> rate.RetentionRate | NotComputable:
        """Of the buyers of a year, the share that buys in the quarter after; see `rate.RetentionRate`."""
        return self._rate(QUARTER)

    @cached_property
    def yearly_retention(self) -> rate.RetentionRate | NotComputable:
        """Of the buyers of a year, the share that buys in the year after."""
        return self._rate(YEAR)

    def _rate(self, months: int) -> rate.RetentionRate | NotComputable:
        if self._nobody:
            return NotComputable(self._nobody)
        return rate.retention_rate(
            self.purchases, as_of=self.as_of, window_months=YEAR, period_months=months, **self._level
        )

    @cached_property
    def retention_by_period(self) -> pd.DataFrame | NotComputable:
        """`rate.RetentionRate.by_period`."""
        return self.retention_rate.by_period

    # ---- what was lost

    @cached_property
    def losses(self) -> dict[str, Any]:
        """The four estimators of what was lost in the last year, by name; each may be NotComputable. Never added."""
        return {
            "accounting": self._accounting,
            "stage flow": self._stage_flow,
            "P(alive)-weighted": self._alive,
            "avoidable": self._avoidable,
        }

    @cached_property
    def loss_table(self) -> pd.DataFrame:
        """The estimators side by side; see `loss.side_by_side`."""
        return loss.side_by_side(self.losses)

    @property
    def _resampled(self) -> dict[str, Any]:
        return {**self._level, **self._few, "margin_rate": self.settings.margin_rate}

    @property
    def _accounting(self) -> loss.Loss | NotComputable:
        if self._nobody:
            return NotComputable(self._nobody)
        period = {"after": self._year_ago, "until": self.as_of}
        return loss.accounting(self.purchases, lost_after_days=self.lost_after, **period, **self._resampled)

    @property
    def _stage_flow(self) -> loss.Loss | NotComputable:
        def judge(moves: pd.DataFrame) -> loss.Loss | NotComputable:
            if self.bounds[0] < 31:
                return NotComputable("months are longer than the first stage: a move may hide a purchase")
            book = self.ledger.stages
            if isinstance(self.valued, NotComputable):
                return self.valued
            if (book.customers == 0).any():
                return NotComputable("a stage has no customer, so no value")
            worth = pd.DataFrame({"stage": range(len(book)), "value": book.value.astype(float) / book.customers})
            period = {"after": self._year_ago, "until": self.as_of}
            before = moves.snapshot[moves.snapshot <= pd.Timestamp(self._year_ago)].nunique()
            usual = before if FEWEST <= before < YEAR else YEAR
            return loss.stage_flow(moves, worth, benchmark_steps=usual, **period, **self._resampled)

        return _with(self.grown_moves, judge)

    @property
    def _alive(self) -> alive.AliveWeighted | NotComputable:
        how = {"as_of": self.as_of, "horizon_days": self.settings.horizon_days, **self._resampled}
        return _with(self.valued, lambda scores: alive.alive_weighted(scores, self.purchases, **how))

    @property
    def _avoidable(self) -> avoidable.Avoidable | NotComputable:
        if self._nobody:
            return NotComputable(self._nobody)
        return avoidable.avoidable(
            self.purchases,
            as_of=self.as_of,
            months=YEAR,
            min_customers=self.settings.min_customers,
            annual_discount_rate=self.settings.annual_discount_rate,
            after=self._year_ago,
            burn_in=None if self.settings.history_complete else self._first_purchase,
            **self._resampled,
        )

    # ---- why

    @cached_property
    def causes(self) -> causes.Causes | NotComputable:
        """Why the lost left, by what they say; see `causes.Causes`."""
        survey = self.shop_table("churn_survey")
        if isinstance(survey, NotComputable) or self._nobody:
            return NotComputable(self._nobody) if self._nobody else causes.NO_SURVEY
        told = (_.answered_on <= self.as_of).fill_null(False)
        seen = survey.filter(_.asked_on <= self.as_of).mutate(
            answered_on=ibis.ifelse(told, _.answered_on, None), reason=ibis.ifelse(told, _.reason, None)
        )
        bought = ibis.cases((_.frequency == 0, "1 purchase"), (_.frequency == 1, "2 purchases"), else_="3 or more")
        people = self.customers.select("customer_id", stage=bought, value=_.revenue)
        try:
            return causes.causes(seen, self.purchases, people, lost_after_days=self.lost_after, **self._level)
        except InputRefused as error:
            return NotComputable(f"{error.fact}: {error.hint}")

    @cached_property
    def proxies(self) -> pd.DataFrame | NotComputable:
        """What the data hint at where nobody was asked; see `proxies.proxies`."""
        if self._nobody:
            return NotComputable(self._nobody)
        items = self.shop_table("order_items")
        items = None if isinstance(items, NotComputable) else items
        orders, unknown = self.orders, self.reconciliation.no_refunds
        if not orders.coupon_id.count().to_pyarrow().as_py():
            orders = orders.drop("coupon_id")  # an export without coupons is not one with none
        table = proxies.proxies(orders, items, as_of=self.as_of, lost_after_days=self.lost_after, **self._level)
        if isinstance(table, NotComputable) or not unknown:
            return table
        figures = [name for name in table.columns if name not in ("proxy", "points_to", "meaning")]
        table.loc[table.proxy == "refund", figures] = NotComputable("refunds are not in this export")
        return table

    # ---- what keeping costs

    @cached_property
    def cost_table(self) -> pd.DataFrame | NotComputable:
        """What was spent in the last year, by kind and stage; see `costs.cost_table`."""
        booked = self.shop_table("costs")
        first = (pd.Timestamp(self._year_ago) + pd.Timedelta(days=1)).strftime("%Y-%m")
        table = None if isinstance(booked, NotComputable) else booked
        place = {name: n for n, name in enumerate(STAGES)}
        return _with(
            costs.cost_table(table, first=first, last=self.month),
            lambda found: found.sort_values(
                ["kind", "stage"], key=lambda column: column.map(place).fillna(-1) if column.name == "stage" else column
            ),
        )

    @property
    def sales_of_the_year(self) -> float:
        """Net revenue of the year to the month's end, whoever bought."""
        return float(self.monthly.net[self.monthly.month > f"{self._year_ago:%Y-%m}"].sum())

    @cached_property
    def message_costs(self) -> pd.DataFrame | NotComputable:
        """What the messages of the last year cost, as units times their price; see `costs.message_costs`."""
        return _with(
            self.sends,
            lambda sends: costs.message_costs(
                self.shop_table("campaigns"), sends, after=self._year_ago, until=self.as_of
            ),
        )

    @cached_property
    def coupon_costs(self) -> costs.Coupons | NotComputable:
        """What coupons took off the orders of the last year; see `costs.Coupons`."""
        return costs.coupon_costs(self.orders, after=self._year_ago, until=self.as_of)

    @cached_property
    def cost_per_retained(self) -> float | NotComputable:
        """All costs of the last year over the customers retained in it: an average, no guide for the next one."""
        kept = _with(self.yearly_retention, lambda found: int(found.by_period.retained.iloc[-1]))
        return costs.cost_a_retained_customer(self.cost_table, kept)

    @cached_property
    def acquisition(self) -> costs.Acquisition | NotComputable:
        """What winning the new customers of the last year cost; see `costs.Acquisition`."""
        people = self.shop_table("customers")
        people = None if isinstance(people, NotComputable) else people
        return costs.acquisition_costs(people, self.purchases, after=self._year_ago, until=self.as_of)


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with `stage`, the name of `segment`."""
    return frame.assign(stage=frame.segment.map(dict(enumerate(STAGES))))
