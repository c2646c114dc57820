"""The part of the book about stages: where customers stand, how they move, and what comes next.

in:  a `ValueBook`; out: `StageBook`, which adds the stage history (Ibis) and small pandas frames counted from it

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

from clvbook.book import output
from clvbook.book.cache import Cache
from clvbook.book.value import ValueBook, _with
from clvbook.errors import NotComputable
from clvbook.lifecycle import flows, forecast, ledger, markov, stages, survival, transitions

AHEAD = 6  # months of the forecast
SOON = 30  # days within which a silent customer may come back, and how far apart the days of silence are that are shown
WATCHED = 100  # purchases that must still be watched where a curve is read
GRAIN = 30  # days of a finer stage, from which a forecast is made
MOST = 24  # steps of silence that are stages of their own where a stage is valued


class StageBook(ValueBook):
    """Who is moving from active to lost, as of the month's end."""

    @cached_property
    def history(self) -> ibis.Table | NotComputable:
        """Where each customer stood at each month's end; see `stages.stage_history`."""
        if self._nobody:
            return NotComputable(self._nobody)
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
        return self.purchases.day.min().to_pyarrow().as_py() or self.as_of

    @cached_property
    def _nobody(self) -> str:
        """Why there are no customers; empty where there are."""
        unnamed = "" if len(self.cells) else f"not enough data: no order up to {self.as_of} names its customer"
        return self.reconciliation.no_buyer or unnamed

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
        if isinstance(self.ledger, NotComputable):
            return self.ledger
        if len(self.month_ends) < 2:
            return NotComputable("not enough data: 1 of 2 months")
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

    @property
    def stage_names(self) -> list[str]:
        """The stages' names, from active to lost."""
        return list(stages.STAGES)

    @cached_property
    def stage_counts(self) -> pd.DataFrame:
        """Customers by stage (index): now, month_before; NotComputable where there is none."""
        if isinstance(self.stage_mix, NotComputable):
            return pd.DataFrame(self.stage_mix, index=self.stage_names, columns=["now", "month_before"])
        counts = self.stage_mix.pivot(index="stage", columns="snapshot", values="customers").loc[self.stage_names]
        before = counts.iloc[:, -2] if counts.shape[1] > 1 else NotComputable("the data begin in this month")
        return pd.DataFrame({"now": counts.iloc[:, -1], "month_before": before}, dtype=object).infer_objects()

    @cached_property
    def ledger_rows(self) -> pd.DataFrame | NotComputable:
        """The ledger as it is printed: a row a stage and a last one of all; change: of customers in the month;
        year_before: customers twelve months ago.
        """

        def rows(book: ledger.Ledger) -> pd.DataFrame:
            total = {"stage": "all", "asset": "", **book.total}
            table = pd.concat([book.stages, pd.DataFrame([total])], ignore_index=True).astype(object)
            table["year_before"] = self._year_before
            change = self.ledger_change
            if isinstance(change, NotComputable):
                return table.assign(change=[change] * len(table))
            return table.assign(change=[*change.stages.customers, change.total.customers])

        return _with(self.ledger, rows)

    @property
    def _year_before(self) -> list[int | NotComputable]:
        """Customers twelve months ago: by stage, and all."""
        counts = self.stage_mix.pivot(index="snapshot", columns="stage", values="customers")[self.stage_names]
        if len(counts) < 13:
            return [NotComputable(f"the data have {len(counts)} of 13 month ends")] * (len(self.stage_names) + 1)
        return [*map(int, counts.iloc[-13]), int(counts.iloc[-13].sum())]

    # ---- how customers move

    @cached_property
    def moves(self) -> pd.DataFrame | NotComputable:
        """Moves between month ends; see `transitions.moves`."""
        few = NotComputable(f"not enough data: {len(self.month_ends)} of 3 months")
        return _with(self.history, lambda history: few if len(self.month_ends) < 3 else transitions.moves(history))

    @cached_property
    def grown_moves(self) -> pd.DataFrame | NotComputable:
        """Those of the months that begin when a customer can already be lost: before that, stages are only filling."""
        grown = pd.Timestamp(self._first_purchase + timedelta(days=self.bounds[-1] + 1))

        def since(moves: pd.DataFrame) -> pd.DataFrame | NotComputable:
            late = moves[moves.previous >= grown]
            few = f"not enough data: {late.snapshot.nunique()} of 3 months since the first customers could be lost"
            return late if late.snapshot.nunique() >= 3 else NotComputable(few)

        return _with(self.moves, since)

    @cached_property
    def matrix(self) -> transitions.TransitionMatrix | NotComputable:
        """Rates of the moves between month ends; see `transitions.matrix`."""
        return _with(self.grown_moves, lambda moves: transitions.matrix(moves, **self._four, **self._level))

    @cached_property
    def rates(self) -> pd.DataFrame | NotComputable:
        """The matrix in words: from, to, customers, rate, low, high, impossible."""
        never = np.logical_and.reduce([transitions.structural_zeros(self.bounds, days=days) for days in range(28, 32)])
        return _with(
            self.matrix,
            lambda matrix: matrix.summary.assign(
                impossible=never.ravel(),
                **{side: matrix.summary[side].map(dict(enumerate(stages.STAGES))) for side in ("from", "to")},
            ),
        )

    @cached_property
    def impossible_moves(self) -> pd.DataFrame | NotComputable:
        """Moves that no month allows: none, unless the data or the program are wrong."""
        return _with(self.moves, lambda moves: transitions.impossible_moves(moves, self.bounds))

    @cached_property
    def left_by_month(self) -> pd.DataFrame | NotComputable:
        """The rates at which customers left a stage, by month of the matrix: stage, snapshot, customers (in the stage
        at its beginning), moved (elsewhere at its end), rate, low, high.
        """

        def left(moves: pd.DataFrame) -> pd.DataFrame:
            def of(stage: int) -> pd.DataFrame:
                gone = moves.assign(to_stage=moves.to_stage.where(moves.to_stage == stage, -1))
                return transitions.rate_by_step(gone, start=stage, end=-1, **self._level).assign(stage=stage)

            return _in_words(pd.concat([of(stage) for stage in range(len(stages.STAGES))], ignore_index=True))

        return _with(self.grown_moves, left)

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
        """The lost who bought again by month: snapshot, customers (lost before), moved (back), rate, low, high."""

        def back(moves: pd.DataFrame) -> pd.DataFrame:
            # who bought early in the month may be active no more at its end: whoever is not lost still is back
            left = moves.assign(to_stage=moves.to_stage.where(moves.to_stage == 3, 0))
            return transitions.rate_by_step(left, start=3, end=0, **self._level)

        return _with(self.moves, back)

    # ---- what comes next

    @cached_property
    def _fine(self) -> list[int]:
        """Finer bounds, each a bound of a stage or between two: a step then fits the stages better."""
        last = self.bounds[-1]
        finer = {*self.bounds, *range(GRAIN, last, GRAIN), last + last // 2, 2 * last, 3 * last}
        return self._reached(finer, step=GRAIN)

    def _reached(self, finer: set[int], *, step: int) -> list[int]:
        """The bounds without those that nobody can have passed for two steps: such a stage would still be empty."""
        watched = (self.as_of - self._first_purchase).days - 2 * step
        return sorted(day for day in finer if day in self.bounds or day < watched)

    @cached_property
    def _fine_moves(self) -> pd.DataFrame | NotComputable:
        finer = ibis.cases(*((_.recency_days <= day, n) for n, day in enumerate(self._fine)), else_=len(self._fine))
        return _with(self.moves, lambda moves: transitions.moves(self.history.mutate(stage=finer.cast("int8"))))

    @property
    def _shown(self) -> dict[str, Any]:
        shown = np.searchsorted(self.bounds, [*self._fine, np.inf])
        return {"stages": len(self._fine) + 1, "shown": shown, "ahead": AHEAD, **self._level, **self._few}

    @cached_property
    def outlook_of_stages(self) -> forecast.Forecast | NotComputable:
        """The forecast with what it counts on; see `forecast.Forecast`."""
        return _with(self._fine_moves, lambda moves: forecast.forecast(moves, **self._shown))

    @cached_property
    def stage_forecast(self) -> pd.DataFrame | NotComputable:
        """Customers by stage at the next month ends; see `forecast.forecast`."""
        return _with(self.outlook_of_stages, lambda made: _in_words(made.by_stage))

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
        if self._nobody or len(snapshots) < 4:
            few = f"not enough data: {len(snapshots) - 1} of 3 steps of {step} days"
            return NotComputable(self._nobody or few)
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
        """Bounds that a step of the first bound's days fits: its multiples to twice the last bound, thrice it; `MOST`
        multiples at most, for bounds far apart.
        """
        step, last = self.bounds[0], self.bounds[-1]
        return self._reached({*self.bounds, *range(step, min(2 * last, MOST * step) + 1, step), 3 * last}, step=step)

    @cached_property
    def silences(self) -> list[str]:
        """The steps' stages in words: "0 to 45 days", ..., "more than 540 days"."""
        after = [0, *(day + 1 for day in self.step_bounds)]
        named = [f"{first} to {last} days" for first, last in zip(after, self.step_bounds, strict=False)]
        return [*named, f"more than {self.step_bounds[-1]} days"]

    @cached_property
    def step_values(self) -> pd.DataFrame | NotComputable:
        """`stage_values` as printed: silent (words), customers, value, low, high, break_even."""

        def rows(values: markov.StageValues) -> pd.DataFrame:
            table = values.by_stage.assign(silent=self.silences)
            if self.settings.margin_rate is None:
                table["break_even"] = [NotComputable("margin_rate is not set")] * len(table)
            return table[["silent", "customers", "value", "low", "high", "break_even"]]

        return _with(self.stage_values, rows)

    @property
    def stage_forecasts(self) -> list[output.Forecast]:
        """Active customers at the month ends ahead, for later months to check."""
        if isinstance(self.stage_forecast, NotComputable):
            return []
        active = self.stage_forecast[self.stage_forecast.stage == "active"]
        return [
            output.Forecast("active_customers", self.as_of, day, day, row.expected, row.low, row.high)
            for row in active.itertuples()
            if (day := row.snapshot.date())
        ]

    @cached_property
    def _waits(self) -> pd.DataFrame:
        return survival.waits(self.purchases, as_of=self.as_of)

    @cached_property
    def return_curve(self) -> pd.DataFrame:
        """How long customers take to buy again, by Kaplan and Meier; see `survival.kaplan_meier`."""
        return survival.kaplan_meier(self._waits, **self._level)

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
