"""The part of the book about value: models, scores, back-test, and the figures of the customer-value page.

in:  an `OrdersBook`; out: `ValueBook`, which adds fitted models, one scored row a customer, and small pandas frames

What cannot be computed is a `NotComputable` in the place of the table, model or figure, with the reason.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook import customers as people
from clvbook.book import output
from clvbook.book.cache import Cache
from clvbook.book.orders import OrdersBook
from clvbook.errors import NotComputable
from clvbook.models import backtest, diagnostics, portfolio, value
from clvbook.models.beta_geo import BetaGeoFitter
from clvbook.models.gamma_gamma import GammaGammaFitter


class ValueBook(OrdersBook):
    """What customers are still worth, over the horizon that the settings name."""

    @cached_property
    def model(self) -> BetaGeoFitter | NotComputable:
        """BG/NBD, fitted on the cells; or why there is none."""
        return self._fit(self.cells)

    @cached_property
    def spend_model(self) -> GammaGammaFitter | NotComputable:
        """Gamma-Gamma, fitted on repeat customers' mean spend; or why there is none."""
        return self._fit_spend(self.customers) if self.model else self.model

    def _fit(self, cells: pd.DataFrame) -> BetaGeoFitter | NotComputable:
        if self.reconciliation.no_buyer:
            return NotComputable(self.reconciliation.no_buyer)
        customers, repeat = cells.weight.sum(), cells.weight[cells.frequency > 0].sum()
        for noun, has, needs in [
            ("customers", customers, self.settings.min_customers),
            ("customers with a repeat purchase", repeat, self.settings.min_repeat_customers),
        ]:
            if has < needs:
                return NotComputable(f"not enough data: {has:,} {noun}, {needs:,} needed")
        return BetaGeoFitter().fit(cells.frequency, cells.recency, cells["T"], weights=cells.weight)

    def _fit_spend(self, customers: ibis.Table) -> GammaGammaFitter | NotComputable:
        cells = people.spend_cells(customers).to_pandas()
        if len(cells) < 2:
            return NotComputable("not enough data: no two repeat customers with different amounts")
        return GammaGammaFitter().fit(cells.frequency, cells.monetary_value, weights=cells.weight)

    @cached_property
    def scores(self) -> ibis.Table | NotComputable:
        """One row a customer: the columns of `customers`, and over the horizon p_alive, expected_orders,
        discounted_orders, expected_spend, residual_revenue (null without a spend model), and residual_profit where
        margin_rate is set.
        """
        if not self.model:
            return self.model
        horizon = self.settings.model_dump(include={"horizon_days", "annual_discount_rate", "margin_rate"})
        shelf = Cache(self.con, self.settings.shop, {"customers": self._month_shelf.folder.name, **horizon})
        return shelf.table("scores", self._score)

    def _score(self) -> ibis.Table:
        s = self.settings
        scored = value.score_cells(
            self.model, self.cells, horizon_days=s.horizon_days, annual_discount_rate=s.annual_discount_rate
        )
        spend = value.expected_spend_coefficients(self.spend_model, scored.frequency)
        if isinstance(spend, NotComputable):
            spend = pd.DataFrame({"intercept": np.nan, "slope": np.nan}, index=scored.index)
        joined = people.with_scores(self.customers, scored.assign(intercept=spend.intercept, slope=spend.slope))
        if s.margin_rate is not None:
            joined = joined.mutate(residual_profit=_.residual_revenue * s.margin_rate)
        return joined.order_by(_.residual_revenue.desc(), _.expected_orders.desc(), _.customer_id)

    @cached_property
    def valued(self) -> ibis.Table | NotComputable:
        """`scores`, where customers have a value in money; else why not."""
        spend = value.expected_spend_coefficients(self.spend_model, self.cells.frequency)
        return spend if isinstance(spend, NotComputable) else self.scores

    # ---- figures

    @cached_property
    def base(self) -> portfolio.Base | NotComputable:
        """Who the customers are, counted; see `portfolio.Base`."""
        return portfolio.base(self.customers)

    @cached_property
    def frequency_fit(self) -> pd.DataFrame | NotComputable:
        """Customers by repeat orders, counted and expected; see `diagnostics.frequency_fit`."""
        return _with(self.model, lambda model: diagnostics.frequency_fit(self.cells, model))

    @cached_property
    def backtest(self) -> backtest.Backtest | NotComputable:
        """How far a forecast made `backtest_days` before the month's end missed; see `backtest.Backtest`."""
        if not self.model:
            return self.model
        days = self.settings.backtest_days
        origin, history = self.as_of - timedelta(days=days), len(self.daily)
        if history < 2 * days:
            return NotComputable(
                f"not enough data: {history:,} days of orders; holding out {days:,} needs {2 * days:,} (backtest_days)"
            )
        known = people.with_future(
            people.summarise(self.purchases, as_of=origin), self.purchases, origin=origin, until=self.as_of
        )
        cells = people.cells(known).to_pandas()
        model = self._fit(cells)
        if not model:
            return NotComputable(f"{model}, up to {origin}, where the back-test has to begin")
        return backtest.run(model, self._fit_spend(known), cells, origin=origin, until=self.as_of, **self._draws)

    @cached_property
    def tracking(self) -> pd.DataFrame | NotComputable:
        """Repeat orders week by week against the model of the back-test; see `diagnostics.tracking`."""
        first, repeats = people.first_days(self.customers), people.repeats_by_day(self.purchases)
        return _with(
            self.backtest,
            lambda test: diagnostics.tracking(first.to_pandas(), repeats.to_pandas(), test.model, until=self.as_of),
        )

    @cached_property
    def concentration(self) -> pd.DataFrame | NotComputable:
        """Share of revenue of the top customers before the back-test's origin and after; see `portfolio`."""
        return _with(
            self.backtest,
            lambda test: portfolio.concentration(
                people.with_future(
                    people.summarise(self.purchases, as_of=test.origin),
                    self.purchases,
                    origin=test.origin,
                    until=test.until,
                )
            ),
        )

    @cached_property
    def expected_orders(self) -> value.OrdersTotal | NotComputable:
        """Repeat orders of the whole base over the horizon, with intervals; see `value.OrdersTotal`."""
        return _with(
            self.model,
            lambda model: value.orders_total(model, self.cells, horizon_days=self.settings.horizon_days, **self._draws),
        )

    @cached_property
    def residual_value(self) -> value.ValueTotal | NotComputable:
        """Discounted revenue of the whole base over the horizon, with its interval; see `value.ValueTotal`."""
        return _with(
            self.model,
            lambda model: value.value_total(model, self.spend_model, self.cells, **self._horizon, **self._draws),
        )

    @cached_property
    def new_customer(self) -> value.NewCustomer | NotComputable:
        """What a customer brings after the first order; see `value.NewCustomer`."""
        return _with(
            self.model,
            lambda model: value.new_customer_value(
                model, self.spend_model, **self._horizon, margin_rate=self.settings.margin_rate
            ),
        )

    @cached_property
    def expected_spend(self) -> float | NotComputable:
        """What the base is expected to spend over the horizon, not discounted."""
        return _with(self.valued, portfolio.expected_spend)

    @property
    def customer_list(self) -> ibis.Table | NotComputable:
        """The scores as a shop works with them; see `portfolio.customer_list`."""
        return _with(self.scores, portfolio.customer_list)

    @cached_property
    def deciles(self) -> pd.DataFrame | NotComputable:
        """Ten equal groups by value to come; see `portfolio.deciles`."""
        return _with(self.valued, portfolio.deciles)

    @cached_property
    def distribution(self) -> pd.DataFrame | NotComputable:
        """Customers by value to come; see `portfolio.distribution`."""
        return _with(self.valued, portfolio.distribution)

    @cached_property
    def newcomers(self) -> ibis.Table | NotComputable:
        """One row a customer: what the first `horizon_days` brought (so_far) and, where they are not over, may still
        bring (rest, undiscounted); over says whether they are. See `portfolio.worth`.
        """
        return _with(self.valued, lambda scores: self._first_days(scores, self.settings.horizon_days))

    def _first_days(self, scores: ibis.Table, days: int) -> ibis.Table:
        young = self.cells[self.cells["T"] < days]
        rest = self.model.conditional_expected_number_of_purchases_up_to_time(
            days - young["T"], young.frequency, young.recency, young["T"]
        )
        rest = ibis.memtable(young[people.CELL].assign(rest_orders=rest))
        within = people.first_days_revenue(self.purchases, within=days)
        joined = scores.left_join(rest, people.CELL, rname="{name}_rest").inner_join(within, "customer_id")
        joined = joined.mutate(
            rest=(_.rest_orders * _.expected_spend).fill_null(0.0),
            over=_["T"] >= days,
            month=_.first_day.strftime("%Y-%m"),
            source=_.source.fill_null("not known"),
        )
        return joined.drop("rest_orders", *(f"{name}_rest" for name in people.CELL))

    @cached_property
    def worth_by_month(self) -> pd.DataFrame | NotComputable:
        """What a new customer's first `horizon_days` bring, by month of the first order; see `portfolio.worth`."""
        return _with(
            self.newcomers, lambda table: portfolio.worth(table, by="month", confidence=self.settings.confidence)
        )

    @cached_property
    def worth_by_source(self) -> pd.DataFrame | NotComputable:
        """What a new customer's first `horizon_days` bring, by where the first order came from."""
        if not self.customers.filter(_.source.notnull()).count().to_pandas():
            return NotComputable("the orders have no column that says where a customer came from (source)")
        return _with(
            self.newcomers,
            lambda table: portfolio.worth(
                portfolio.largest(table, by="source"), by="source", confidence=self.settings.confidence
            ),
        )

    @cached_property
    def spend_correlation(self) -> pd.Series | NotComputable:
        """Do frequency and spend go together? See `portfolio.spend_correlation`."""
        return portfolio.spend_correlation(self.customers)

    @property
    def forecasts(self) -> list[output.Forecast]:
        """What the month says of the time ahead, for later months to check: purchases and value of today's base."""
        first, last = self.as_of + timedelta(days=1), self.as_of + timedelta(days=self.settings.horizon_days)
        told = {
            "repeat_purchases": (self.expected_orders, self.expected_orders.expected),
            "discounted_revenue": (self.residual_value, self.residual_value.expected),
        }
        return [
            output.Forecast(name, self.as_of, first, last, expected, interval.low, interval.high)
            for name, (interval, expected) in told.items()
            if not isinstance(expected, NotComputable)
        ]

    def history_map(self, measure: str) -> pd.DataFrame | NotComputable:
        """The model's opinion of every history; `measure` is p_alive or expected_orders. See `diagnostics`."""
        return _with(
            self.model,
            lambda model: diagnostics.history_map(
                self.cells, model, measure=measure, horizon_days=self.settings.horizon_days
            ),
        )

    @property
    def _draws(self) -> dict[str, Any]:
        return {"confidence": self.settings.confidence, "draws": self.settings.resamples, "seed": self.settings.seed}

    @property
    def _horizon(self) -> dict[str, Any]:
        return self.settings.model_dump(include={"horizon_days", "annual_discount_rate"})


def _with(what: Any, make: Callable[[Any], Any]) -> Any:
    """`make(what)`, unless `what` is missing: then its reason."""
    return what if isinstance(what, NotComputable) else make(what)
