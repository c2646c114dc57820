"""The part of the book about how sure it is that keeping customers pays, and what other assumptions would give.

in:  a `SpendingBook`; out: `OutlookBook`, which adds small pandas frames and frozen results
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from functools import cached_property

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.book.cache import Cache
from clvbook.book.offers import NOT_SURE
from clvbook.book.spending import SpendingBook
from clvbook.book.value import _with
from clvbook.errors import NotComputable
from clvbook.retention import allocation, alternatives, costs, save_rates, simulated, spending

SHOPS = 8  # simulated, to check the method
HALF = "half the save rates, or half the values"
SCENARIOS = {"as expected": {}, HALF: {"save_rate": 0.5}, "contacts at twice the cost": {"cost": 2.0}}


class OutlookBook(SpendingBook):
    """How sure is it, and what if it is otherwise?"""

    @property
    def retention_lacks(self) -> list[str]:
        """What the page is without: names of parameters, and "cost" where no contact has a price."""
        lacks = {
            "margin_rate": self.settings.margin_rate is None,
            "sends": not self.assumed and isinstance(self.save_rates, NotComputable),
            "cost": isinstance(self.message_cost, NotComputable),
            "costs": isinstance(self.shop_table("costs"), NotComputable),
            "churn_survey": isinstance(self.shop_table("churn_survey"), NotComputable),
        }
        return [name for name, missing in lacks.items() if missing]

    # ---- how sure

    @cached_property
    def value_range(self) -> save_rates.Range:
        """How far off the values may be, as a factor. Up: the models' interval, or what the back-test missed by if that
        is more. Down to half at least: nobody has measured how many of those kept would have come back later anyway.
        """
        worth, missed = self.residual_value, self.backtest.revenue_error
        low, high = NOT_SURE
        if not isinstance(worth.low, NotComputable) and not isinstance(worth.expected, NotComputable):
            low, high = worth.low / worth.expected, worth.high / worth.expected
        if not isinstance(missed, NotComputable):
            low, high = min(low, 1 - min(abs(missed), 1)), max(high, 1 + abs(missed))
        return save_rates.Range(1.0, min(low, NOT_SURE[0]), max(high, 1.0), self.settings.confidence)

    @cached_property
    def outlook(self) -> spending.Outlook | NotComputable:
        """How sure the net profit of the list is; see `spending.list_outlook`."""
        return _with(self._spread, lambda groups: self._drawn_outlook(groups, value=self.value_range))

    def _drawn_outlook(self, groups: pd.DataFrame, *, value: save_rates.Range) -> spending.Outlook:
        how = {"together": self.assumed, "seed": self.settings.seed, **self._level}
        return spending.list_outlook(groups, value=value, **how)

    @cached_property
    def _spread(self) -> pd.DataFrame | NotComputable:
        """`listed` with the interval about the save rate that is planned with, as wide as the measured one."""

        def move(table: pd.DataFrame) -> pd.DataFrame:
            if self.assumed:
                return table
            off = table.save_rate.astype(float) - table.measured.astype(float)
            return table.assign(low=table.low + off.clip(lower=0), high=table.high + off.clip(upper=0)).assign(
                low=lambda t: np.minimum(t.low, t.save_rate), high=lambda t: np.maximum(t.high, t.save_rate)
            )

        return _with(self.listed, move)

    @cached_property
    def tornado(self) -> pd.DataFrame | NotComputable:
        """What the net profit of the list hangs on, each moved alone, as factors; see `spending.tornado`."""

        def move(groups: pd.DataFrame) -> pd.DataFrame | NotComputable:
            saved, spent = float((groups.save_rate * groups.value).sum()), float(groups.cost.sum())
            if saved <= 0:
                return NotComputable("nothing is saved")
            alone = self._drawn_outlook(groups, value=save_rates.Range(1.0, 1.0, 1.0, self.settings.confidence))
            ends = min(1.0, (alone.low + spent) / saved), max(1.0, (alone.high + spent) / saved)
            known = {
                "save_rate": save_rates.Range(1.0, *ends),
                "value": self.value_range,
                "cost": save_rates.Range(1.0, 0.75, 1.25),
            }

            def net(*, save_rate: float, value: float, cost: float) -> float:
                return save_rate * value * saved - cost * spent

            return spending.tornado(net, known)

        return _with(self._spread, move)

    # ---- beside it

    @cached_property
    def rules(self) -> pd.DataFrame | NotComputable:
        """The list beside lists by rules of thumb with the same money; see `alternatives.compare_rules`."""

        def compare(found: allocation.Allocation) -> pd.DataFrame | NotComputable:
            if not found.spent:
                return NotComputable("nothing is to be spent: there is nothing to compare")
            return alternatives.compare_rules(
                self.candidates, self.offers, budget=found.spent, seed=self.settings.seed, **self._cap
            )

        return _with(self.allocation, compare)

    @property
    def _scale(self) -> float:
        """The budget that scenarios are multiples of."""
        budget = self.settings.retention_budget
        return self.allocation.frontier.worth_spending if budget is None else budget

    @cached_property
    def scenarios(self) -> pd.DataFrame | NotComputable:
        """The list under other assumptions; see `alternatives.scenarios`."""
        return _with(
            self.allocation,
            lambda found: alternatives.scenarios(
                self.candidates, self.offers, budget=self._scale, cases=SCENARIOS, **self._cap
            ),
        )

    def what_if(
        self, *, save_rate: float = 1.0, value: float = 1.0, cost: float = 1.0, budget: float = 1.0
    ) -> allocation.Allocation | NotComputable:
        """The allocation with all save rates, values, costs and the budget multiplied; see `alternatives.what_if`."""
        return _with(
            self.allocation,
            lambda found: alternatives.what_if(
                self.candidates,
                self.offers,
                budget=budget * self._scale,
                save_rate=save_rate,
                value=value,
                cost=cost,
                **self._cap,
            ),
        )

    @property
    def retention_checks(self) -> dict[str, tuple[bool, str]]:
        """What must hold whatever the data: the list stays within the budget, and nobody on it is expected to lose."""
        if isinstance(self.allocation, NotComputable):
            return {}
        found, most = self.allocation, self.settings.retention_budget
        told = f"{found.spent:,.2f} spent" + ("" if most is None else f" of {most:,.2f}")
        losing = found.contacts.filter(_.net < 0).count().to_pyarrow().as_py()
        return {
            "within_the_budget": (most is None or found.spent <= most + 0.01, told),
            "nobody_is_funded_at_a_loss": (losing == 0, f"{losing:,} customers expected to cost more than they bring"),
        }

    @cached_property
    def margins(self) -> pd.DataFrame | NotComputable:
        """The next new customer beside the next kept one; see `costs.at_the_margin`. With low and high: what a unit of
        money returns over the interval of the list's save rates.
        """

        def compare(table: pd.DataFrame) -> pd.DataFrame:
            # the contact that returns least for its cost is the one that the next unit of money buys another of
            returned = self.allocation.contacts.mutate(returned=_.value * _.save_rate / _.cost)
            last, s = returned.order_by("returned", "rank").limit(1).to_pandas().iloc[0], self.settings
            new = self.new_customer.revenue + self.base.first_amount
            found = costs.at_the_margin(
                acquisition=self.acquisition.marginal,
                new_value=new if isinstance(new, NotComputable) else s.margin_rate * float(new),
                retention=float(last.cost / last.save_rate),
                kept_value=float(last.value),
            )
            rates = table.set_index("assumption").loc["save_rate"]
            unknown = NotComputable("no interval: acquisition costs are booked, not drawn")
            return found.assign(
                low=[unknown, found.per_unit[1] * rates.low], high=[unknown, found.per_unit[1] * rates.high]
            )

        return _with(self.tornado, compare)

    @cached_property
    def method_check(self) -> pd.DataFrame:
        """What the method earns in simulated shops; see `simulated.method_check`."""
        shelf = Cache(self.con, self.settings.shop, {"method_check": "simulated shops"})
        return shelf.table(
            "method_check", lambda: ibis.memtable(simulated.method_check(self.con, shops=range(SHOPS)))
        ).to_pandas()
