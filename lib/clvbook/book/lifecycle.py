"""The part of the book about the lifecycle: stages and their moves, what comes next, cohorts, and lists to act on.

in:  a `ValueBook`; out: `LifecycleBook`, which adds the stage history (Ibis) and small pandas frames counted from it

Stages stand in frames as words; see `lifecycle.stages` for their bounds.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.book.cache import Cache
from clvbook.book.value import ValueBook, _with
from clvbook.errors import NotComputable
from clvbook.lifecycle import actions, bounds, cohorts, flows, forecast, ladder, ledger, markov, stages, transitions

AHEAD = 6  # months of the forecast
SOON = 30  # days within which a silent customer may come back, and how far apart the days of silence are that are shown
WATCHED = 100  # purchases that must still be watched where a curve is read
GRAIN = 30  # days of a finer stage, from which a forecast is made


class LifecycleBook(ValueBook):
    """Who is moving from active to lost, as of the month's end."""

    @cached_property
    def history(self) -> ibis.Table | NotComputable:
        """Where each customer stood at each month's end; see `stages.stage_history`."""
        if self.reconciliation.no_buyer:
            return NotComputable(self.reconciliation.no_buyer)
        return self._stage_shelf.table("stages", lambda: self._history(self.month_ends, self.bounds))

    def _history(self, snapshots: Sequence[Any], stage_bounds: Sequence[int]) -> ibis.Table:
        return stages.stage_history(self.purchases, snapshots=snapshots, bounds=stage_bounds)

    @cached_property
    def _stage_shelf(self) -> Cache:
        content = {"purchases": self._month_shelf.folder.name, "stage_bounds": self.bounds}
        return Cache(self.con, self.settings.shop, content)

    @property
    def bounds(self) -> list[int]:
        """Days since the last purchase up to which a customer is active, silent, sleeping."""
        return self.settings.stage_bounds

    @cached_property
    def month_ends(self) -> list[Any]:
        """The month ends from that of the first purchase to the report's."""
        return stages.month_ends(self._first_purchase, self.as_of)

    @cached_property
    def _first_purchase(self) -> Any:
        return self.purchases.day.min().to_pyarrow().as_py()

    # ---- where customers stand

    @cached_property
    def stage_mix(self) -> pd.DataFrame | NotComputable:
        """Customers by stage at each month's end; see `stages.stage_mix`."""
        return _with(self.history, lambda history: _in_words(stages.stage_mix(history)))

    @cached_property
    def grid(self) -> pd.DataFrame | NotComputable:
        """Customers by number of purchases and stage; see `stages.grid`."""
        known = _with(self.history, lambda history: stages.prospects(self.set_aside, self.customers))
        return _with(self.history, lambda history: stages.grid(history, snapshot=self.as_of, prospects=known))

    @cached_property
    def flow(self) -> pd.DataFrame | NotComputable:
        """Who came and who went month by month; see `flows.flow`."""
        lookback = 0 if self.settings.history_complete else self.bounds[-1]
        return _with(self.history, lambda history: flows.flow(history, lookback_days=lookback))

    @cached_property
    def stocks(self) -> pd.DataFrame | NotComputable:
        """Each stage's account month by month; see `flows.stocks`."""
        return _with(self.history, lambda history: _in_words(flows.stocks(history)))

    @cached_property
    def ledger(self) -> ledger.Ledger | NotComputable:
        """The customers of the month's end by stage, as receivables by age; see `ledger.Ledger`."""
        return _with(self.history, lambda history: self._ledger(history, self.valued, self.as_of))

    @cached_property
    def ledger_change(self) -> ledger.Ledger | NotComputable:
        """The same less that of the month before, by the same curve; value is not compared. See `ledger.change`."""
        if len(self.month_ends) < 2:
            return NotComputable("not enough data: 1 month, 2 needed")
        if isinstance(self.ledger, NotComputable):
            return self.ledger
        told = NotComputable("last month's value is in last month's report")
        return ledger.change(self.ledger, self._ledger(self.history, told, self.month_ends[-2]))

    def _ledger(self, history: ibis.Table, scores: Any, snapshot: Any) -> ledger.Ledger:
        return ledger.ledger(
            history,
            scores,
            self.return_curve,
            snapshot=snapshot,
            horizon_days=self.settings.horizon_days,
            tail_days=2 * self.bounds[0],
            min_at_risk=WATCHED,
        )

    # ---- how customers move

    @cached_property
    def moves(self) -> pd.DataFrame | NotComputable:
        """Moves between month ends; see `transitions.moves`."""
        few = NotComputable(f"not enough data: {len(self.month_ends)} months, 3 needed")
        return _with(self.history, lambda history: few if len(self.month_ends) < 3 else transitions.moves(history))

    @cached_property
    def grown_moves(self) -> pd.DataFrame | NotComputable:
        """Those of the months that begin when a customer can already be lost: before that, stages are only filling."""
        grown = pd.Timestamp(self._first_purchase + timedelta(days=self.bounds[-1] + 1))

        def since(moves: pd.DataFrame) -> pd.DataFrame | NotComputable:
            late = moves[moves.previous >= grown]
            few = f"not enough data: {late.snapshot.nunique()} months since the first customers could be lost, 3 needed"
            return late if late.snapshot.nunique() >= 3 else NotComputable(few)

        return _with(self.moves, since)

    @cached_property
    def matrix(self) -> transitions.TransitionMatrix | NotComputable:
        """Rates of the moves between month ends; see `transitions.matrix`."""
        return _with(self.grown_moves, lambda moves: transitions.matrix(moves, **self._four, **self._level))

    @cached_property
    def rates(self) -> pd.DataFrame | NotComputable:
        """The matrix in words: from, to, customers, rate, low, high, impossible."""
        longest = transitions.structural_zeros(self.bounds, days=31)
        return _with(
            self.matrix,
            lambda matrix: matrix.summary.assign(
                impossible=longest.ravel(),
                **{side: matrix.summary[side].map(dict(enumerate(stages.STAGES))) for side in ("from", "to")},
            ),
        )

    @cached_property
    def impossible_moves(self) -> pd.DataFrame | NotComputable:
        """Moves that no month allows: none, unless the data or the program are wrong."""
        return _with(self.moves, lambda moves: transitions.impossible_moves(moves, self.bounds))

    @cached_property
    def homogeneity(self) -> transitions.Homogeneity | NotComputable:
        """Do all months share one matrix? See `transitions.Homogeneity`."""
        draws = {"resamples": self.settings.resamples, "seed": self.settings.seed}
        return _with(self.grown_moves, lambda moves: transitions.homogeneity(moves, **self._four, **draws))

    @cached_property
    def last_moves(self) -> pd.DataFrame | NotComputable:
        """The moves of the report's month: from_stage (a word, or new), to_stage, customers."""

        def last(moves: pd.DataFrame) -> pd.DataFrame:
            of_month = moves[moves.snapshot == moves.snapshot.max()]
            named = of_month.assign(
                from_stage=of_month.from_stage.map(dict(enumerate(stages.STAGES))).astype("object").fillna("new"),
                to_stage=of_month.to_stage.map(dict(enumerate(stages.STAGES))),
            )
            return named.groupby(["from_stage", "to_stage"], as_index=False).customers.sum()

        return _with(self.moves, last)

    @cached_property
    def lost_back(self) -> pd.DataFrame | NotComputable:
        """The lost who bought again, month by month: snapshot, customers (lost before), back, rate, low, high."""
        return _with(self.moves, lambda moves: transitions.rate_by_step(moves, start=3, end=0, **self._level))

    # ---- what comes next

    @cached_property
    def _fine(self) -> list[int]:
        """Finer bounds, each a bound of a stage or between two: a step then fits the stages better."""
        last = self.bounds[-1]
        return sorted({*self.bounds, *range(GRAIN, last, GRAIN), last + last // 2, 2 * last, 3 * last})

    @cached_property
    def _fine_moves(self) -> pd.DataFrame | NotComputable:
        finer = ibis.cases(*((_.recency_days <= day, n) for n, day in enumerate(self._fine)), else_=len(self._fine))
        return _with(self.moves, lambda moves: transitions.moves(self.history.mutate(stage=finer.cast("int8"))))

    @property
    def _shown(self) -> dict[str, Any]:
        shown = np.searchsorted(self.bounds, [*self._fine, np.inf])
        return {"stages": len(self._fine) + 1, "shown": shown, "ahead": AHEAD, **self._level, **self._few}

    @cached_property
    def stage_forecast(self) -> pd.DataFrame | NotComputable:
        """Customers by stage at the next month ends; see `forecast.forecast`."""
        made = _with(self._fine_moves, lambda moves: forecast.forecast(moves, **self._shown))
        return _with(made, lambda made: _in_words(made.by_stage))

    @cached_property
    def stage_record(self) -> forecast.TrackRecord | NotComputable:
        """How past months' forecasts did; see `forecast.TrackRecord`."""
        return _with(self._fine_moves, lambda moves: forecast.track_record(moves, **self._shown))

    @cached_property
    def stage_values(self) -> markov.StageValues | NotComputable:
        """What a customer of each stage brings from now on, in steps of the first bound; see `markov.StageValues`.

        Here alone sleeping and lost are split: only so does a step fit the stages, and who is long lost seldom returns.
        """
        step, s = self.bounds[0], self.settings
        snapshots = stages.steps(self.as_of, days=step, first=self._first_purchase)
        if self.reconciliation.no_buyer or len(snapshots) < 4:
            few = f"not enough data: {max(0, len(snapshots) - 1)} steps of {step} days, 3 needed"
            return NotComputable(self.reconciliation.no_buyer or few)
        moves = transitions.moves(self._history(snapshots, self.step_bounds))
        return markov.stage_values(
            moves,
            stages=len(self.step_bounds) + 1,
            annual_discount_rate=s.annual_discount_rate,
            margin_rate=s.margin_rate,
            contact_cost=s.contact_cost,
            horizon=max(1, round(s.horizon_days / step)),
            **self._level,
            **self._few,
        )

    @property
    def step_bounds(self) -> list[int]:
        """Bounds that a step of the first bound's days fits: its multiples to twice the last bound, thrice it."""
        last = self.bounds[-1]
        return sorted({*self.bounds, *range(self.bounds[0], 2 * last + 1, self.bounds[0]), 3 * last})

    # ---- are the bounds right, and which purchase matters

    @cached_property
    def _waits(self) -> pd.DataFrame:
        return bounds.gaps(self.purchases, as_of=self.as_of)

    @cached_property
    def return_curve(self) -> pd.DataFrame:
        """How long customers take to buy again, by Kaplan and Meier; see `bounds.curve`."""
        return bounds.curve(self._waits, **self._level)

    @cached_property
    def calibration(self) -> bounds.Calibration | NotComputable:
        """The shop's own bounds beside the given ones; see `bounds.Calibration`."""
        return bounds.calibrate(self.return_curve, bounds=self.bounds, min_at_risk=WATCHED)

    @cached_property
    def return_rates(self) -> pd.DataFrame | NotComputable:
        """How likely a silent customer is back within the next days; see `bounds.return_rates`."""
        return bounds.return_rates(self._waits, every=SOON, within=SOON, min_at_risk=WATCHED, **self._level)

    @cached_property
    def ladder(self) -> ladder.Ladder | NotComputable:
        """How likely the next purchase is after the first, second, third, ...; see `ladder.Ladder`."""
        return ladder.ladder(self.purchases, as_of=self.as_of, windows=self.bounds, **self._level)

    @cached_property
    def cohorts(self) -> cohorts.Cohorts | NotComputable:
        """Who came back, by the month of the first purchase; see `cohorts.Cohorts`."""
        burn_in = None if self.settings.history_complete else self._first_purchase + timedelta(days=self.bounds[-1])
        return cohorts.cohorts(self.purchases, as_of=self.as_of, burn_in=burn_in, **self._level)

    # ---- lists to act on

    @cached_property
    def actions(self) -> actions.Actions | NotComputable:
        """Whose stage ends within `act_within_days`; see `actions.ending`."""
        if self.reconciliation.no_buyer:
            return NotComputable(self.reconciliation.no_buyer)
        items, people = self.shop_table("order_items"), self.shop_table("customers")
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

    @cached_property
    def stage_ends(self) -> pd.DataFrame | NotComputable:
        """How many stages end on each of the next days; see `actions.stage_ends`."""
        return _with(
            self.history,
            lambda history: actions.stage_ends(self.customers, as_of=self.as_of, bounds=self.bounds, days=SOON),
        )

    @property
    def _level(self) -> dict[str, Any]:
        return {"confidence": self.settings.confidence}

    @property
    def _few(self) -> dict[str, Any]:
        return {"resamples": self.settings.resamples, "seed": self.settings.seed}

    @property
    def _four(self) -> dict[str, Any]:
        return {"stages": len(stages.STAGES)}


def _in_words(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(stage=frame.stage.map(dict(enumerate(stages.STAGES))))
