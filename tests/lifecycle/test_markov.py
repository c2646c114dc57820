"""markov.py against published structure, checked values of the economics reference, and sums step by step."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle import markov
from clvbook.lifecycle.transitions import flows

some = settings(deadline=None, max_examples=30, derandomize=True)
BUYS = (0.3, 0.2, 0.15, 0.05)  # Pfeifer & Carraway's example: margin 40, contact 4, 20 % a step
RISING = np.array([[0.5, 0.5, 0.0], [0.3, 0.0, 0.7], [0.1, 0.0, 0.9]])


@pytest.mark.parametrize(
    ("depth", "value"),
    [
        # customer_economics 2.5, golden values
        (4, [52.320, 5.554, 1.251, -1.820, 0]),
        (3, [53.149, 6.621, 2.644, 0]),
        (2, [51.574, 4.596, 0]),
    ],
)
def test_value_by_recency(depth, value):
    P, R = markov.recency_states(BUYS, margin=40, contact_cost=4, depth=depth)
    np.testing.assert_allclose(markov.markov_value(P, R, discount=0.2), value, atol=5e-4)


def test_the_best_depth_stops_before_the_value_turns_negative():
    found = markov.best_depth(BUYS, margin=40, contact_cost=4, discount=0.2)
    assert (found.best, found.first_negative) == (3, 4)  # customer_economics 2.5
    assert found.value == pytest.approx(53.149, abs=5e-4)
    assert found.by_depth.value.tolist() == pytest.approx([40, 48, 51.574, 53.149, 52.320], abs=5e-4)
    free = markov.best_depth(BUYS, margin=40, contact_cost=0, discount=0.2)
    assert free.best == 4
    assert free.first_negative == NotComputable("no recency of 4 has a negative value at a contact cost of 0")
    assert markov.best_depth(BUYS, margin=40, contact_cost=100, discount=0.2).best == 0


def test_steps_to_absorption():
    P, _ = markov.recency_states(BUYS, margin=40, contact_cost=4)
    steps = markov.steps_to_absorption(P)
    np.testing.assert_allclose(steps, [6.050, 4.622, 3.015, 1.303], atol=5e-4)  # customer_economics 2.5
    # without a discount a customer is worth a margin a purchase, less a contact a step
    found = markov.best_depth(BUYS, margin=40, contact_cost=4, discount=0.0).by_depth.value.iloc[-1]
    Q = P[:-1, :-1]
    visits = np.linalg.inv(np.eye(4) - Q)[0]
    assert found == pytest.approx(40 * visits[0] - 4 * steps[0])
    assert markov.steps_to_absorption(RISING) == NotComputable(
        "customers can come back from every stage: none is for good"
    )


shares = st.lists(st.floats(0.01, 1), min_size=9, max_size=9).map(
    lambda x: np.reshape(x, (3, 3)) / np.reshape(x, (3, 3)).sum(axis=1, keepdims=True)
)


@given(shares, st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(0.05, 1))
@some
def test_value_is_the_sum_of_discounted_steps(P, R, discount):
    total, weight = np.zeros(3), np.eye(3)
    for _ in range(800):
        total, weight = total + weight @ R, weight @ P / (1 + discount)
    np.testing.assert_allclose(markov.markov_value(P, R, discount=discount), total, rtol=1e-9, atol=1e-7)
    three = R + P @ (R + P @ R / (1 + discount)) / (1 + discount)
    np.testing.assert_allclose(markov.markov_value(P, R, discount=discount, horizon=3), three, rtol=1e-12, atol=1e-9)
    many = markov.markov_value(np.stack([P, RISING]), np.stack([R, R]), discount=discount)
    np.testing.assert_allclose(many[0], total, rtol=1e-9, atol=1e-7)


@given(shares)
@some
def test_the_long_run_stays(P):
    found = markov.steady_state(P)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found @ P, found, atol=1e-12)
    np.testing.assert_allclose(np.linalg.matrix_power(P, 4096)[0], found, atol=1e-9)


def test_no_long_run_has_a_reason():
    assert "never settle" in str(markov.steady_state(np.array([[0.0, 1.0], [1.0, 0.0]])))
    assert "never reached" in str(markov.steady_state(np.array([[0.5, 0.5], [0.0, 1.0]])))
    assert "not known" in str(markov.steady_state(np.full((2, 2), np.nan)))


def test_stock_with_constant_entry():
    P, _ = markov.recency_states(BUYS, margin=40, contact_cost=4)
    entrants = np.array([100.0, 0, 0, 0])
    found, stock = markov.steady_stock(P, entrants), np.zeros(4)
    for _ in range(300):
        stock = stock @ P[:-1, :-1] + entrants
    np.testing.assert_allclose(found, stock, rtol=1e-12)
    assert found.sum() == pytest.approx(100 * markov.steps_to_absorption(P)[0])  # Little's law


def test_what_has_no_value_says_why():
    assert "no finite value" in str(markov.markov_value(RISING, np.ones(3), discount=0.0))
    undefined = RISING * np.array([[1], [1], [np.nan]])
    assert "not known" in str(markov.markov_value(undefined, np.ones(3), discount=0.1))
    assert isinstance(markov.steps_to_absorption(undefined), NotComputable)
    with pytest.raises(BadParameters, match="1 of 3 rows"):
        markov.markov_value(RISING + np.diag([0, 0, 1]), np.ones(3), discount=0.1)


def test_discount_of_a_step():
    assert markov.step_discount(0.1, days=365) == pytest.approx(0.1)
    assert (1 + markov.step_discount(0.1, days=30)) ** (365 / 30) == pytest.approx(1.1)


def moves(groups=40, steps=10, seed=1):
    """A shop whose customers move by RISING and spend 50 with each purchase."""
    rng = np.random.default_rng(seed)
    rows, now = [], np.full((groups, 3), 60)
    for n in range(steps):
        moved = rng.multinomial(now, RISING)
        for group, start, end in zip(*np.nonzero(moved), strict=True):
            customers = moved[group, start, end]
            rows.append((n, group, start, end, customers, 50.0 * customers * (end == 0)))
        rows += [(n, group, pd.NA, 0, 5, 250.0) for group in range(groups)]
        now = moved.sum(axis=1) + np.array([5, 0, 0])
    frame = pd.DataFrame(rows, columns=["step", "group", "from_stage", "to_stage", "customers", "spent"])
    previous = pd.Timestamp("2025-01-01") + pd.to_timedelta(frame.pop("step") * 45, unit="D")
    frame.insert(0, "previous", previous)
    frame.insert(0, "snapshot", previous + pd.Timedelta(days=45))
    return frame.astype({"from_stage": "Int8", "to_stage": "int8"})


def test_value_by_stage_of_a_shop_whose_law_is_known():
    found = markov.stage_values(moves(), stages=3, annual_discount_rate=0.1, margin_rate=0.4, contact_cost=4.0)
    assert found.of == "margin"
    frame = found.by_stage
    truth = markov.markov_value(RISING, 20 * RISING[:, 0] - 4, discount=found.discount)
    assert (frame.low < truth).all()
    assert (truth < frame.high).all()
    np.testing.assert_allclose(frame.brings, 20 * RISING[:, 0], rtol=0.05)
    np.testing.assert_allclose(frame.value, truth, atol=3 * (frame.high - frame.low).max() / 4)
    assert frame.customers.sum() == 40 * (180 + 50)
    assert found.discount == pytest.approx(1.1 ** (45 / 365) - 1)


def test_where_contacts_stop_paying():
    frame = markov.stage_values(moves(), stages=3, annual_discount_rate=0.1, margin_rate=0.4).by_stage
    at = frame.break_even
    assert at.is_monotonic_decreasing
    counts = flows(moves(), stages=3).customers[:, :, :3].sum(axis=(0, 1))
    P, discount = counts / counts.sum(axis=1, keepdims=True), markov.step_discount(0.1, days=45)
    for stage, cost in enumerate(at):
        R = 20 * P[:, 0] - cost  # 50 a purchase, 40 % of it margin
        last = markov.markov_value(P[: stage + 1, : stage + 1], R[: stage + 1], discount=discount)[-1]
        assert last == pytest.approx(0, abs=1e-9)
    for cost, stop in ((at[2] * 0.9, 3), ((at[1] + at[2]) / 2, 2)):
        found = markov.stage_values(
            moves(), stages=3, annual_discount_rate=0.1, margin_rate=0.4, contact_cost=[cost] * 3
        )
        assert found.best_stop == stop
        assert isinstance(found.losing_from, NotComputable) == (stop == 3)
    assert found.losing_from <= 2
    assert found.by_stage.below_zero.iloc[2] > 0.5


def test_what_is_not_given_is_named_and_value_still_stands():
    found = markov.stage_values(moves(), stages=3, annual_discount_rate=0.1)
    assert found.of == "revenue"
    assert found.losing_from == NotComputable(
        "contact_cost and margin_rate not set: whether a contact pays is not known"
    )
    assert found.by_stage.value.gt(0).all()
    assert found.by_stage[["contact_cost", "break_even"]].isna().all(axis=None)
    half = markov.stage_values(moves(), stages=3, annual_discount_rate=0.1, margin_rate=0.5)
    np.testing.assert_allclose(half.by_stage.value, found.by_stage.value / 2)
    assert half.best_stop == NotComputable("contact_cost not set: whether a contact pays is not known")


def test_a_horizon_counts_so_many_steps():
    how = {"stages": 3, "annual_discount_rate": 0.0, "margin_rate": 0.4}
    one = markov.stage_values(moves(), horizon=1, contact_cost=2.0, **how)
    np.testing.assert_allclose(one.by_stage.value, one.by_stage.brings - 2)
    np.testing.assert_allclose(one.by_stage.break_even, one.by_stage.brings)
    dear = markov.stage_values(moves(), horizon=1, contact_cost=3.0, **how)
    assert (dear.losing_from, dear.best_stop) == (2, 2)  # 10, 6, 2 a step
    assert markov.stage_values(moves(), horizon=1, contact_cost=0.0, **how).best_stop == 3
    values = [markov.stage_values(moves(), horizon=n, **how).by_stage.value for n in (1, 2, 6, 12)]
    assert (np.diff(values, axis=0) > 0).all()


def test_a_stage_nobody_was_in_has_no_value():
    assert "not known" in str(markov.stage_values(moves(), stages=4, annual_discount_rate=0.1))
    assert "no finite value" in str(markov.stage_values(moves(), stages=3, annual_discount_rate=0.0))
