"""forecast.py against the law of simulated shops: nobody is lost, intervals hold, only the past is used."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable
from clvbook.lifecycle import forecast

some = settings(deadline=None, max_examples=20, derandomize=True)
LAW = np.array([[0.3, 0.7, 0, 0], [0.15, 0, 0.85, 0], [0.08, 0, 0, 0.92], [0.02, 0, 0, 0.98]])
SHOWN = [0, 1, 1, 2]


def shop(rng, *, customers=3_000, entrants=150, steps=14, groups=60, season=0.0):
    """Customers by (step, group, from with entrants last, to); season: how much the chance to buy varies by step."""
    counts = np.zeros((steps, groups, 5, 4), dtype=int)
    now = rng.multinomial(customers // 4, np.full(groups, 1 / groups), 4).T
    for step in counts:
        factor = np.exp(rng.normal(0, season)) if season else 1.0
        law = LAW * ((1 - LAW[:, 0] * factor) / (1 - LAW[:, 0]))[:, None]
        law[:, 0] = LAW[:, 0] * factor
        step[:, :-1] = rng.multinomial(now, law)
        step[:, -1, 0] = rng.multinomial(rng.poisson(entrants * factor), np.full(groups, 1 / groups))
        now = step.sum(axis=1)
    return counts


def moves_of(counts, snapshots=None):
    step, group, start, end = np.nonzero(counts)
    if snapshots is None:
        snapshots = pd.date_range("2024-01-31", periods=len(counts) + 1, freq="ME")
    return pd.DataFrame(
        {
            "snapshot": snapshots[step + 1],
            "previous": snapshots[step],
            "group": group,
            "from_stage": pd.Series(start, dtype="Int8").mask(start == 4),
            "to_stage": end.astype("int8"),
            "customers": counts[step, group, start, end],
            "spent": 0.0,
        }
    )


def test_expected_is_the_chain_step_by_step():
    counts = shop(np.random.default_rng(1))
    found = forecast.forecast(moves_of(counts), stages=4, ahead=3, recent=5)
    recent = counts[-5:].sum(axis=1)
    P = recent[:, :-1].sum(axis=0) / recent[:, :-1].sum(axis=(0, 2))[:, None]
    now, rows = counts[-1].sum(axis=(0, 1)), []
    for _ in range(3):
        now = now @ P + recent[:, -1].mean(axis=0)
        rows.append(now)
    frame = found.by_stage
    np.testing.assert_allclose(frame.expected, np.ravel(rows), rtol=1e-12)
    assert (found.steps, found.made_on) == (5, pd.Timestamp("2025-03-31"))
    assert found.entrants == pytest.approx(recent[:, -1].sum() / 5)
    assert frame.snapshot.dt.strftime("%m-%d").unique().tolist() == ["04-30", "05-31", "06-30"]
    assert (frame.low < frame.expected).all()
    assert (frame.expected < frame.high).all()
    lumped = forecast.forecast(moves_of(counts), stages=4, ahead=3, recent=5, shown=SHOWN).by_stage
    expected = np.array(rows) @ np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(lumped.expected, expected.ravel(), rtol=1e-12)
    fixed = pd.date_range("2024-01-31", periods=len(counts) + 1, freq="45D")
    frame = forecast.forecast(moves_of(counts, fixed), stages=4, ahead=2).by_stage
    assert (frame.snapshot - frame.made_on).dt.days.unique().tolist() == [45, 90]


@given(st.integers(0, 1000), st.sampled_from([40, 400, 20_000]), st.integers(1, 6))
@some
def test_forecasts_lose_nobody(seed, customers, ahead):
    counts = shop(np.random.default_rng(seed), customers=customers, entrants=customers // 10, steps=6)
    moves = moves_of(counts)
    entrants = counts[:, :, -1].sum() / 6
    found = forecast.forecast(moves, stages=4, ahead=ahead, resamples=50, seed=seed)
    if isinstance(found, NotComputable):
        assert (counts[:, :, :-1].sum(axis=(0, 1, 3)) == 0).any()
        return
    total = found.by_stage.groupby("ahead").expected.sum().to_numpy()
    np.testing.assert_allclose(total, counts[-1].sum() + entrants * np.arange(1, ahead + 1), rtol=1e-12)
    everybody = forecast.forecast(moves, stages=4, ahead=ahead, resamples=50, shown=[0] * 4, seed=seed).by_stage
    np.testing.assert_allclose(everybody.expected, total, rtol=1e-12)
    again = forecast.forecast(moves, stages=4, ahead=ahead, resamples=50, seed=seed).by_stage
    assert again.equals(found.by_stage)


def test_simulated_ways_keep_every_customer():
    counts = shop(np.random.default_rng(4))
    counts[:, :, -1] = 0
    counts[:, :, -1, 0] = 3  # entrants that no resample can change
    found = forecast.flows(moves_of(counts), stages=4)
    P = forecast.rates(counts[:, :, :-1].sum(axis=(0, 1)))
    paths = forecast._paths(found, P, ahead=4, resamples=30, seed=1)
    assert (paths.sum(axis=2) == counts[-1].sum() + 180 * np.arange(1, 5)).all()


@pytest.mark.parametrize(("season", "lowest"), [(0.0, 0.93), (0.2, 0.88)])
def test_what_comes_lies_in_the_interval(season, lowest):
    hits = []
    for seed in range(40):
        counts = shop(np.random.default_rng(seed), steps=30, season=season)
        found = forecast.forecast(moves_of(counts[:24]), stages=4, recent=24, seed=seed).by_stage
        came = counts[24:].sum(axis=(1, 2)).ravel()
        hits.append((found.low <= came) & (came <= found.high))
    assert lowest <= np.mean(hits) <= 0.99


def test_months_that_differ_widen_the_interval():
    width = []
    for season in (0.0, 0.3):
        counts = shop(np.random.default_rng(8), customers=200_000, entrants=10_000, season=season)
        frame = forecast.forecast(moves_of(counts), stages=4, ahead=1).by_stage
        width.append((frame.high - frame.low).iloc[1] / frame.expected.iloc[1])
    assert width[1] > 5 * width[0]


def test_a_stage_without_history_has_a_reason():
    counts = shop(np.random.default_rng(2))
    counts[:, :, 3] = 0
    found = forecast.forecast(moves_of(counts), stages=4)
    assert found == NotComputable("nobody was in stage 3 at the start of a recent step: how it empties is unknown")
    counts[:, :, :, 3] = 0  # nobody gets there either
    assert forecast.forecast(moves_of(counts), stages=4).by_stage.expected.iloc[3] == 0


def test_the_track_record_uses_what_was_known_then():
    counts = shop(np.random.default_rng(3))
    moves = moves_of(counts)
    found = forecast.track_record(moves, stages=4, ahead=3, least=8, shown=SHOWN, resamples=60)
    frame = found.forecasts
    assert frame.made_on.nunique() == 14 - 8
    assert (frame.snapshot > frame.made_on).all()
    assert frame.groupby("ahead").made_on.nunique().tolist() == [6, 5, 4]
    origin = frame.made_on.unique()[2]
    then = forecast.forecast(moves[moves.snapshot <= origin], stages=4, ahead=3, shown=SHOWN, resamples=60).by_stage
    seen = frame[frame.made_on == origin]
    assert seen[then.columns].reset_index(drop=True).equals(then)
    stock = counts.sum(axis=(1, 2)) @ np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    ends = dict(zip(sorted(moves.snapshot.unique()), stock, strict=True))
    assert all(row.actual == ends[row.snapshot][row.stage] for row in frame.itertuples())
    hits = [row.low <= row.actual <= row.high for row in frame.itertuples()]
    assert found.hit_rate == pytest.approx(np.mean(hits))
    assert 0.8 < found.hit_rate <= 1
    assert found.error == pytest.approx((abs(frame.expected - frame.actual) / frame.actual).mean())
    assert found.by_ahead.forecasts.tolist() == [18, 15, 12]
    by_stage = found.by_stage
    assert by_stage.groupby("ahead").forecasts.sum().tolist() == [18, 15, 12]
    first = frame[(frame.ahead == 3) & (frame.stage == 0)]
    error = by_stage.error[(by_stage.ahead == 3) & (by_stage.stage == 0)].item()
    assert error == pytest.approx((abs(first.expected - first.actual) / first.actual).mean())
    assert found.by_ahead.hit_rate @ found.by_ahead.forecasts / 45 == pytest.approx(found.hit_rate)


def test_a_track_record_that_cannot_be_says_why():
    counts = shop(np.random.default_rng(3))
    assert forecast.track_record(moves_of(counts[:6]), stages=4) == NotComputable(
        "no past forecast can be held against what came: 6 steps, 7 needed"
    )
    late = counts.copy()
    late[:10, :, 3] = 0
    found = forecast.track_record(moves_of(late), stages=4, resamples=20)
    assert found.not_made.made_on.nunique() == 5
    assert found.not_made.reason.str.contains("stage 3").all()
    late[:, :, 3] = 0
    assert "stage 3" in str(forecast.track_record(moves_of(late), stages=4, resamples=20))
