import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.models import newton


def quadratic(hessian, centre):
    def at(theta):
        away = theta - centre
        return away @ hessian @ away / 2, hessian @ away, hessian

    return at


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.lists(st.floats(0.01, 100), min_size=3, max_size=3))
def test_search_finds_the_bottom_of_a_bowl(centre, bends):
    turn = np.linalg.qr(np.arange(9.0).reshape(3, 3) + np.eye(3))[0]
    at = quadratic(turn @ np.diag(bends) @ turn.T, np.array(centre))
    found = newton.search(at, np.zeros(3), around=np.zeros(3), tol=1e-7)
    assert found.theta == pytest.approx(centre, abs=1e-4)
    assert found.gradient_norm <= 1e-6
    assert not found.cornered.any()


def test_search_ends_where_there_is_no_bottom():
    def slope(theta):
        return -theta[0], np.array([-1.0]), np.zeros((1, 1))

    found = newton.search(slope, np.zeros(1), around=np.zeros(1), tol=1e-7)
    # the wall gives way by 1 / 2 to a slope of 1
    assert found.theta == pytest.approx([newton.WALL + 0.5], abs=1e-5)
    assert found.cornered.all()
    seen = newton.judge(found, ["a"], tol=1e-7, customers=10, words=lambda weak: f"cannot tell {weak}")
    assert (seen.converged, seen.identified, seen.weak, seen.words) == (True, False, ("a",), "cannot tell ('a',)")


def test_search_that_is_cut_short_says_so():
    at = quadratic(np.eye(2), np.array([9.0, 9.0]))
    found = newton.search(at, np.zeros(2), around=np.zeros(2), tol=1e-7, maxiter=2)
    seen = newton.judge(found, ["a", "b"], tol=1e-7, customers=10, words=str)
    assert not seen.converged
    assert not seen.identified
    assert seen.words.startswith("The search ended after 2 steps")
    assert "do not use" in seen.words


def test_standard_errors():
    bends = np.array([[4.0, 1.0], [1.0, 2.0]])
    exact = np.sqrt(np.diag(np.linalg.inv(bends)) / 100)
    assert newton.standard_errors(bends, 100) == pytest.approx(exact)
    difference = np.array([1.0, -1.0])
    expected = np.sqrt(difference @ np.linalg.inv(bends) @ difference / 100)
    assert newton.standard_errors(bends, 100, difference) == pytest.approx([expected])
    # only the difference of the two is determined: neither of them is, but it
    ridge = np.outer(difference, difference)
    assert np.isinf(newton.standard_errors(ridge, 100)).all()
    assert newton.standard_errors(ridge, 100, difference) == pytest.approx([0.1])


def test_rows_are_merged_in_a_fixed_order():
    x, T, weights = newton.merge_rows(np.array([1, 2, 3]), x=np.array([5, 0, 5]), T=np.array([7.0, 9.0, 7.0]))
    assert (x.tolist(), T.tolist(), weights.tolist()) == ([0, 5], [9.0, 7.0], [2.0, 4.0])


@pytest.mark.parametrize(
    ("weights", "fact"),
    [
        ([1, -1], "1 of 2 customers have a negative weight."),
        ([0, 0], "The weights sum to 0 customers."),
        ([1, np.inf], "1 of 2 customers have no finite weights."),
        (["a", "b"], "weights holds values that are no numbers."),
    ],
)
def test_broken_weights_are_refused(weights, fact):
    with pytest.raises(newton.InvalidSummary) as refused:
        newton.as_weights(weights, 2)
    assert refused.value.fact == fact
