"""How many customers each stage will hold in the steps ahead, and how past forecasts did against what came.

in:  moves — of `transitions.moves`
out: made_on, snapshot, ahead, stage, expected, low, high (and actual): a row a snapshot ahead and stage, in frozen
     results

x(t + 1) = x(t) P + e: today's customers by stage x move by the rates P of the recent steps, and as many enter (e) as in
these on average. Stages are no Markov chain unless a step fits them: monthly steps of stages 45, 90, 180 are an
approximation, whose worth the track record shows; `shown` lumps finer stages for display.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from clvbook.errors import NotComputable
from clvbook.lifecycle.transitions import Flows, flows, rates

KEY = ["made_on", "snapshot", "ahead", "stage"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Customers by stage: by_stage with made_on, snapshot, ahead (steps), stage, expected, [low, high].

    steps: how many recent steps its rates and entrants are of; entrants: how many customers it lets enter in a step.
    """

    made_on: pd.Timestamp
    steps: int
    entrants: float
    by_stage: pd.DataFrame


def forecast(
    moves: pd.DataFrame,
    *,
    stages: int,
    ahead: int = 6,
    recent: int = 12,
    shown: Sequence[int] | None = None,
    confidence: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> Forecast | NotComputable:
    """Forecast the stages of the `ahead` snapshots after the last one of `moves`, by its `recent` last steps.

    [low, high] holds what may come at `confidence`: each resample draws groups of customers (for P and e), then for
    each step ahead one of the recent steps, whose entrants come and whose rates hold as far as they differ from the
    others' by more than chance, then the customers who move (multinomial). shown: for each stage the one it is
    shown as, 0 .. n. NotComputable where customers stand in, or reach, a stage nobody was in at the start of a recent
    step.
    """
    found = flows(moves, stages=stages)
    made_on = found.snapshots[-1]
    seen = Flows(found.snapshots[-recent:], found.customers[-recent:], found.spent[-recent:])
    start = seen.stock[-1]
    counts = seen.customers.sum(axis=1)
    P = rates(counts[:, :-1].sum(axis=0))
    entrants = counts[:, -1].mean(axis=0)
    if isinstance(P := _known(P, (start + entrants) > 0), NotComputable):
        return P
    expected = [start]
    for _ in range(ahead):
        expected.append(expected[-1] @ P + entrants)
    draws = _paths(seen, P, ahead=ahead, resamples=resamples, seed=seed)
    lump = _lump(stages, shown)
    low, high = np.quantile(draws @ lump, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    step, stage = np.indices(low.shape)
    by_stage = pd.DataFrame(
        {
            "made_on": made_on,
            "snapshot": _snapshots_ahead(moves, ahead)[step.ravel()],
            "ahead": (step + 1).ravel(),
            "stage": stage.ravel().astype("int8"),
            "expected": (np.array(expected[1:]) @ lump).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )
    return Forecast(made_on, len(seen.snapshots), float(entrants.sum()), by_stage)


@dataclass(frozen=True, eq=False)
class TrackRecord:
    """Forecasts as they would have been made, against what came.

    forecasts: made_on, snapshot, ahead, stage, expected, low, high, actual. not_made: made_on, reason.
    """

    forecasts: pd.DataFrame
    not_made: pd.DataFrame
    confidence: float

    @property
    def hit_rate(self) -> float:
        """Share of what came that lay in its forecast's interval; it should be near `confidence`."""
        return float(self._by.hit.mean())

    @property
    def error(self) -> float | NotComputable:
        """Mean absolute error as a share of what came; stages that were empty then are left out."""
        return _mean(self._by.error)

    @property
    def by_ahead(self) -> pd.DataFrame:
        """How well by distance: ahead, forecasts (stages counted apart), hit_rate, error."""
        frame = self._by.groupby("ahead").agg(
            forecasts=("hit", "size"), hit_rate=("hit", "mean"), error=("error", _mean)
        )
        return frame.reset_index()

    @property
    def by_stage(self) -> pd.DataFrame:
        """How well by distance and stage: ahead, stage, forecasts, hit_rate, error."""
        frame = self._by.groupby(["ahead", "stage"]).agg(
            forecasts=("hit", "size"), hit_rate=("hit", "mean"), error=("error", _mean)
        )
        return frame.reset_index()

    @property
    def _by(self) -> pd.DataFrame:
        f = self.forecasts
        error = ((f.expected - f.actual).abs() / f.actual).where(f.actual > 0)
        return f.assign(hit=f.actual.between(f.low, f.high), error=error)


def _mean(errors: pd.Series) -> float | NotComputable:
    return float(errors.mean()) if errors.notna().any() else NotComputable("every stage was empty")


def track_record(
    moves: pd.DataFrame,
    *,
    stages: int,
    ahead: int = 6,
    recent: int = 12,
    least: int = 6,
    shown: Sequence[int] | None = None,
    confidence: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> TrackRecord | NotComputable:
    """Forecast from every snapshot with `least` steps before it, each from the moves known then; see `TrackRecord`.

    NotComputable where no forecast could be made that has come due.
    """
    found = flows(moves, stages=stages)
    made, reasons = [], []
    for origin in found.snapshots[least - 1 : -1]:
        known = moves[moves.snapshot <= origin]
        one = forecast(
            known,
            stages=stages,
            ahead=ahead,
            recent=recent,
            shown=shown,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
        if isinstance(one, NotComputable):
            reasons.append((origin, one.reason))
        else:
            made.append(one.by_stage)
    if not made:
        reason = reasons[0][1] if reasons else f"{len(found.snapshots)} steps, {least + 1} needed"
        return NotComputable(f"no past forecast can be held against what came: {reason}")
    lump = _lump(stages, shown)
    came = pd.DataFrame(found.stock @ lump, index=found.snapshots).rename_axis(index="snapshot", columns="stage")
    came = came.stack().rename("actual").reset_index().astype({"stage": "int8"})
    forecasts = pd.concat(made).merge(came, on=["snapshot", "stage"]).sort_values(KEY, ignore_index=True)
    return TrackRecord(forecasts, pd.DataFrame(reasons, columns=["made_on", "reason"]), confidence)


def _lump(stages: int, shown: Sequence[int] | None) -> np.ndarray:
    """0 and 1 by (stage, stage it is shown as)."""
    shown = np.arange(stages) if shown is None else np.asarray(shown)
    return np.eye(shown.max() + 1, dtype=int)[shown]


def _known(P: np.ndarray, held: np.ndarray) -> np.ndarray | NotComputable:
    """P with rows nobody will need set to staying; NotComputable where one of them is held or reached."""
    undefined = np.isnan(P).any(axis=1)
    P = np.where(undefined[:, None], np.eye(len(P)), P)
    reached = held @ np.linalg.matrix_power((P > 0) + np.eye(len(P)), len(P)) > 0
    if (missing := np.flatnonzero(undefined & reached)).size:
        return NotComputable(
            f"nobody was in stage {missing[0]} at the start of a recent step: how it empties is unknown"
        )
    return P


def _paths(seen: Flows, P: np.ndarray, *, ahead: int, resamples: int, seed: int) -> np.ndarray:
    """Customers by stage on simulated ways ahead: whole numbers (resamples, ahead, stages)."""
    rng = np.random.default_rng(seed)
    customers, _ = seen.resampled(resamples, seed=seed)
    entrants, counts = customers[:, :, -1], customers[:, :, :-1]
    pooled = rates(counts.sum(axis=1))
    pooled = np.where(np.isnan(pooled), P, pooled)
    own = rates(counts)
    own = np.where(np.isnan(own), pooled[:, None], own)
    beyond = _beyond_chance(seen.customers[:, :, :-1].sum(axis=1))[:, None]
    each, steps = np.arange(resamples), entrants.shape[1]
    mean = entrants.mean(axis=1)
    # a few steps seldom hold the extremes: as Student's t is wider than the normal
    wider = t.ppf(0.975, steps - 1) / norm.ppf(0.975) * np.sqrt(steps / (steps - 1)) if steps > 1 else 1.0
    drawn = rng.integers(steps, size=(resamples, steps))  # the steps ahead are drawn among these: their mean is unsure
    now, path = np.broadcast_to(seen.stock[-1], (resamples, len(P))), []
    for _ in range(ahead):
        step = drawn[each, rng.integers(steps, size=resamples)]
        law = (pooled + wider * beyond * (own[each, step] - pooled)).clip(0)
        come = (mean + wider * (entrants[each, step] - mean)).clip(0).round().astype(int)
        now = rng.multinomial(now, law / law.sum(axis=2, keepdims=True)).sum(axis=1) + come
        path.append(now)
    return np.stack(path, axis=1)


def _beyond_chance(counts: np.ndarray) -> np.ndarray:
    """By stage, which part of the spread of its rates between steps is not chance: sqrt(1 - 1 / (chi-square / df))."""
    total = counts.sum(axis=2, keepdims=True)
    expected = total * np.nan_to_num(rates(counts.sum(axis=0)))
    parts = np.divide((counts - expected) ** 2, expected, out=np.zeros(counts.shape), where=expected > 0)
    df = ((total[:, :, 0] > 0).sum(axis=0) - 1).clip(0) * ((counts.sum(axis=0) > 0).sum(axis=1) - 1).clip(0)
    chi2 = parts.sum(axis=(0, 2))
    return np.sqrt(np.divide(chi2 - df, chi2, out=np.zeros(len(df)), where=chi2 > df))


def _snapshots_ahead(moves: pd.DataFrame, ahead: int) -> pd.DatetimeIndex:
    last = moves.loc[moves.snapshot.idxmax()]
    if moves.snapshot.dt.is_month_end.all() and moves.previous.dt.is_month_end.all():
        return pd.DatetimeIndex([last.snapshot + pd.offsets.MonthEnd(n) for n in range(1, ahead + 1)])
    return pd.DatetimeIndex([last.snapshot + n * (last.snapshot - last.previous) for n in range(1, ahead + 1)])
