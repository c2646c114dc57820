"""The part of the book about the lifecycle beyond stages: do the bounds fit, which purchase matters, whom to write to.

in:  a `StageBook`; out: `LifecycleBook`, which adds waits, ladders, cohorts and action lists
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from datetime import timedelta
from functools import cached_property

import ibis
import pandas as pd
from ibis import _

from clvbook.book import output
from clvbook.book.stages import SOON, WATCHED, StageBook
from clvbook.book.value import _with
from clvbook.errors import NotComputable
from clvbook.lifecycle import actions, bounds, cohorts, ladder


class LifecycleBook(StageBook):
    """Who is moving from active to lost, as of the month's end, and what to do about it."""

    # ---- are the bounds right, and which purchase matters

    @cached_property
    def calibration(self) -> bounds.Calibration | NotComputable:
        """The shop's own bounds beside the given ones; see `bounds.Calibration`."""
        return _with(
            self.history,
            lambda history: bounds.calibrate(self.return_curve, bounds=self.bounds, min_at_risk=WATCHED),
        )

    @cached_property
    def return_rates(self) -> pd.DataFrame | NotComputable:
        """How likely a silent customer is back within the next days; see `bounds.return_rates`."""
        far = {"every": SOON, "within": SOON, "min_at_risk": WATCHED}
        return _with(self.history, lambda history: bounds.return_rates(self._waits, **far, **self._level))

    @cached_property
    def ladder(self) -> ladder.Ladder | NotComputable:
        """How likely the next purchase is after the first, second, third, ...; see `ladder.Ladder`."""
        how = {"as_of": self.as_of, "windows": self.bounds}
        return _with(self.history, lambda history: ladder.ladder(self.purchases, **how, **self._level))

    @cached_property
    def cohorts(self) -> cohorts.Cohorts | NotComputable:
        """Who came back, by the month of the first purchase; see `cohorts.Cohorts`."""
        burn_in = None if self.settings.history_complete else self._first_purchase + timedelta(days=self.bounds[-1])
        how = {"as_of": self.as_of, "burn_in": burn_in}
        return _with(self.history, lambda history: cohorts.cohorts(self.purchases, **how, **self._level))

    @cached_property
    def cohort_average(self) -> pd.DataFrame | NotComputable:
        """All cohorts together by month k: cohorts, eligible, share (bought in it), after (in it or later), cumulative
        (again by its end), per_customer (revenue).
        """

        def averages(found: cohorts.Cohorts) -> pd.DataFrame:
            table = found.average("on")[["cohorts", "eligible", "share"]]
            table["after"] = found.average("on_or_after").share
            table["cumulative"] = found.average("cumulative").share
            table["per_customer"] = found.average("revenue").per_customer.astype(float)
            return table.reset_index()

        return _with(self.cohorts, averages)

    def save_cohorts(self) -> None:
        """Write every triangle into the run's tables/: cohorts_on, cohorts_cumulative, ..."""
        if isinstance(self.cohorts, NotComputable):
            return
        for variant in cohorts.VARIANTS:
            table = self.cohorts.triangle(variant).reset_index(names="cohort")
            output.save_table(self.con, table.rename(columns=str), f"cohorts_{variant}")

    # ---- lists to act on

    @cached_property
    def actions(self) -> actions.Actions | NotComputable:
        """Whose stage ends within `act_within_days`; see `actions.ending`."""
        items, people = self.shop_table("order_items"), self.shop_table("customers")
        if self._nobody or (unknown := self._strangers(people)):
            return NotComputable(self._nobody or unknown)
        return actions.ending(
            self.customers,
            as_of=self.as_of,
            bounds=self.bounds,
            within_days=self.settings.act_within_days,
            holdout_share=self.settings.holdout_share,
            shop=self.settings.shop,
            scores=self.valued,
            last_categories=_with(items, lambda items: actions.last_category(self.orders, items)),
            opted_out=None if isinstance(people, NotComputable) else people.filter(_.opted_out),
        )

    def _strangers(self, people: ibis.Table | NotComputable) -> str:
        """Why it cannot be told who opted out: the shop's customers are not those of the orders; else empty."""
        if isinstance(people, NotComputable):
            return ""
        known = people.semi_join(self.customers, "customer_id")
        rows, found = (table.count().to_pyarrow().as_py() for table in (people, known))
        if found or not rows:
            return ""
        return (
            f"0 of {rows:,} rows of the customers table are of a customer of the orders, so who opted out is not "
            "known; name customers there as the orders do, or leave `customers` out of the parameters"
        )

    @property
    def waiting(self) -> pd.DataFrame | NotComputable:
        """What waits to be done, a row a stage; see `actions.Actions.waiting`."""
        return _with(self.actions, lambda found: found.waiting)

    @cached_property
    def to_send(self) -> pd.DataFrame | NotComputable:
        """What is to be sent to how many, a row a list and kind of customer; see `actions.Actions.to_send`."""
        return _with(self.actions, lambda found: found.to_send)

    @cached_property
    def due(self) -> pd.DataFrame | NotComputable:
        """On which days how many rows of the lists end; see `actions.Actions.due`."""
        return _with(self.actions, lambda found: found.due)

    @property
    def most_a_contact(self) -> pd.Series | NotComputable:
        """What one contact with a customer on a list may cost at most, gift and discount with it, in currency: index
        stage. It is the limit of the days of silence that end with the stage; see `markov.StageValues` (break_even).
        """
        if self.settings.margin_rate is None:
            return NotComputable("margin_rate is not set")
        ends = [self.step_bounds.index(bound) for bound in self.bounds]
        return _with(
            self.stage_values,
            lambda values: pd.Series(values.by_stage.break_even.to_numpy()[ends], index=self.stage_names[:-1]),
        )

    @property
    def list_names(self) -> list[str]:
        """The files of the lists, without suffix."""
        return [] if isinstance(self.actions, NotComputable) else list(self.actions.lists)

    def save_actions(self) -> None:
        """Write the lists into the run's tables/."""
        for name in self.list_names:
            output.save_table(self.con, self.actions.lists[name], name)

    @property
    def lifecycle_checks(self) -> dict[str, tuple[bool, str]]:
        """What must hold whatever the data: no impossible move, and stages that add up to all customers."""
        if isinstance(self.history, NotComputable):
            return {}
        counted, known = self.stage_counts.now.sum(), self.base.customers
        checks = {"stages_add_up": (counted == known, f"{counted:,} customers in stages, {known:,} in all")}
        if not isinstance(self.impossible_moves, NotComputable):
            wrong = int(self.impossible_moves.customers.sum())
            checks["no_impossible_moves"] = (wrong == 0, f"{wrong:,} moves that no month allows")
        return checks

    @cached_property
    def stage_ends(self) -> pd.DataFrame | NotComputable:
        """How many stages end on each of the next days; see `actions.stage_ends`."""
        return _with(
            self.history,
            lambda history: actions.stage_ends(self.customers, as_of=self.as_of, bounds=self.bounds, days=SOON),
        )
