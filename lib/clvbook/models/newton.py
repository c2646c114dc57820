"""What every fitter shares: a checked summary, a Newton search in log-parameters, and what to believe of its end.

in:  columns of a customer summary; the mean negative log-likelihood with gradient and Hessian in log-parameters
out: estimates, a symmetric covariance, draws from it, and a `Convergence` that says in words whether to trust them
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from clvbook.errors import InputRefused, NotComputable

Objective = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]

WALL = 14.0  # how far a log-parameter may run from its usual place: a factor of a million
WIDE = 2.0  # a standard error of a log-parameter above this: its 95 % interval spans a factor of 50 each way


class InvalidSummary(InputRefused, ValueError):
    """A customer summary breaks its own definition; also a ValueError, as lifetimes raises."""


@dataclass(frozen=True)
class Convergence:
    """How a fit ended. `words` is for the reader of a report, the rest for programs.

    `converged`: the slope of the likelihood is zero. `identified`: the data determine every parameter, so that the
    covariance may be used; `weak` names those that they do not. `gradient_norm` is of the mean negative log-likelihood
    in log-parameters.
    """

    converged: bool
    identified: bool
    weak: tuple[str, ...]
    gradient_norm: float
    iterations: int
    words: str


@dataclass(frozen=True)
class Optimum:
    """Where the search ended: log-parameters, mean negative log-likelihood, its gradient and Hessian there.

    `cornered` marks log-parameters that ran into the wall; the gradient has the wall's push in it, the rest has not.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    iterations: int
    cornered: np.ndarray

    @property
    def gradient_norm(self) -> float:
        return float(np.linalg.norm(self.gradient))


def check_rows(rules: Mapping[str, np.ndarray], hint: str) -> None:
    """Raise `InvalidSummary` for the first rule that some rows break: each rule is its fact and a mask of such rows."""
    for fact, broken in rules.items():
        if count := int(np.count_nonzero(broken)):
            raise InvalidSummary(f"{count:,} of {broken.size:,} customers have {fact}.", hint)


def as_columns(**columns: object) -> list[np.ndarray]:
    """Each column as a float array; `InvalidSummary` where they are empty, of unequal length, or hold no number."""
    arrays = []
    for name, values in columns.items():
        try:
            arrays.append(np.asarray(values, dtype=float).reshape(-1))
        except (TypeError, ValueError):
            raise InvalidSummary(f"{name} holds values that are no numbers.", "pass one number a customer.") from None
    lengths = {name: array.size for name, array in zip(columns, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        raise InvalidSummary(f"The columns differ in length: {lengths}.", "pass one row a customer.")
    if not arrays[0].size:
        raise InvalidSummary("The summary has 0 customers.", "check that the orders lie before the period's end.")
    hint = "leave these rows out, or repair them where the summary is made."
    check_rows({f"no finite {name}": ~np.isfinite(array) for name, array in zip(columns, arrays, strict=True)}, hint)
    return arrays


def as_weights(weights: object, size: int) -> np.ndarray:
    """Customers a row, kept as integers where they are; one each by default."""
    if weights is None:
        return np.ones(size, dtype=int)
    checked = as_columns(frequency=np.zeros(size), weights=weights)[1]
    check_rows({"a negative weight": checked < 0}, "a weight is the number of customers in a cell.")
    if not checked.sum():
        raise InvalidSummary("The weights sum to 0 customers.", "a weight is the number of customers in a cell.")
    return np.asarray(weights).reshape(-1)


def merge_rows(weights: np.ndarray, **columns: np.ndarray) -> list[np.ndarray]:
    """Rows that share all columns become one, in sorted order: the same bits whatever the order of the rows."""
    sums = pd.DataFrame(columns | {"weights": weights.astype(float)}).groupby(list(columns))["weights"].sum()
    return [sums.index.get_level_values(name).to_numpy() for name in columns] + [sums.to_numpy()]


def search(
    objective: Objective, start: np.ndarray, *, around: np.ndarray, tol: float, verbose: bool = False, **options
) -> Optimum:
    """Minimise by an exact-Hessian trust region, then polish with plain Newton steps while they still help.

    Where the likelihood has no maximum (nobody drops out, all amounts equal) parameters run off without end: a soft
    wall around the usual values `around` stops them where more changes no forecast.
    """
    last: dict[bytes, tuple] = {}

    def at(theta: np.ndarray) -> tuple:
        if theta.tobytes() not in last:
            beyond = np.sign(theta - around) * np.maximum(np.abs(theta - around) - WALL, 0)
            value, gradient, hessian = objective(theta)
            last.clear()
            last[theta.tobytes()] = (value + beyond @ beyond, gradient + 2 * beyond, hessian + 2 * np.diag(beyond != 0))
        return last[theta.tobytes()]

    options = {"initial_trust_radius": 0.5, "max_trust_radius": 1.0, "maxiter": 500, "disp": verbose} | options
    found = minimize(
        lambda theta: at(theta)[0],
        np.asarray(start, dtype=float),
        jac=lambda theta: at(theta)[1],
        hess=lambda theta: at(theta)[2],
        method="trust-exact",
        tol=tol,
        options=options,
    )
    theta, steps, (_, gradient, hessian) = found.x, found.nit, at(found.x)
    for _ in range(3):
        if np.linalg.eigvalsh(hessian)[0] <= 0:
            break
        step = np.linalg.solve(hessian, -gradient)
        if np.abs(step).max() > 0.1:  # far away the slope may fall along a flat valley that has no bottom
            break
        _, trial_gradient, trial_hessian = at(theta + step)
        if np.linalg.norm(trial_gradient) >= np.linalg.norm(gradient):
            break
        theta, steps, gradient, hessian = theta + step, steps + 1, trial_gradient, trial_hessian
    value, _, hessian = objective(theta)
    return Optimum(theta, value, gradient, hessian, steps, np.abs(theta - around) > WALL)


def standard_errors(hessian: np.ndarray, customers: float, directions: np.ndarray | None = None) -> np.ndarray:
    """Standard errors of the log-parameters, or of their sums weighted by each row of `directions`.

    Infinite where a direction has a part along which the likelihood does not bend.
    """
    bends, axes = np.linalg.eigh(hessian)
    flat = bends <= 1e-13 * max(bends[-1], 0.0)
    parts = ((np.eye(bends.size) if directions is None else np.atleast_2d(directions)) @ axes) ** 2
    variances = parts @ np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, bends * customers))
    return np.where(parts[:, flat].sum(axis=1) > 1e-3, np.inf, np.sqrt(variances))


def judge(
    best: Optimum, names: list[str], *, tol: float, customers: float, words: Callable[[tuple[str, ...]], str]
) -> Convergence:
    """Read the end of a search; `words` tells what it means that the parameters named are not determined."""
    wide = (standard_errors(best.hessian, customers) > WIDE) | best.cornered
    weak = tuple(name for name, is_wide in zip(names, wide, strict=True) if is_wide)
    converged = bool(best.gradient_norm <= max(tol, 1e-6))
    if not converged:
        said = (
            f"The search ended after {best.iterations} steps before the likelihood was flat "
            f"(slope {best.gradient_norm:.1g}): do not use these parameters."
        )
    else:
        said = (
            words(weak)
            if weak
            else f"The fit converged in {best.iterations} steps; the data determine every parameter."
        )
    return Convergence(converged, converged and not weak, weak, best.gradient_norm, best.iterations, said)


class NewtonFitter:
    """Mixed into a lifetimes fitter: covariance and draws from `_hessian_`, `params_`, `data` and `convergence_`.

    Where the Hessian cannot be inverted, lifetimes' attributes (`variance_matrix_`, `standard_errors_`,
    `confidence_intervals_`, `summary`) hold NaN, the one float that claims nothing, and `convergence_.words` says why.
    """

    params_: pd.Series
    data: pd.DataFrame
    convergence_: Convergence

    def _log_covariance(self) -> np.ndarray:
        customers = float(self.data["weights"].sum())
        if not np.isfinite(standard_errors(self._hessian_, customers)).all():
            return np.full(self._hessian_.shape, np.nan)
        inverse = np.linalg.inv(self._hessian_) / customers
        return (inverse + inverse.T) / 2

    def _compute_variance_matrix(self) -> pd.DataFrame:
        # delta method: d exp(u) = exp(u) du on both sides; lifetimes multiplies one side twice
        values = np.outer(self.params_, self.params_) * self._log_covariance()
        return pd.DataFrame(values, index=self.params_.index, columns=self.params_.index)

    def parameter_draws(self, n: int, *, seed: int) -> np.ndarray | NotComputable:
        """Draw `n` parameter sets, shape (n, k) in the order of `params_`, normal in log-parameters around the fit.

        They hold the uncertainty of the estimates for a model taken as true, nothing about the model being wrong.
        Where the data do not determine every parameter, the reason is returned instead.
        """
        if not (self.convergence_.converged and self.convergence_.identified):
            return NotComputable(self.convergence_.words)
        rng = np.random.default_rng(seed)
        centre = np.log(self.params_.to_numpy())
        return np.exp(rng.multivariate_normal(centre, self._log_covariance(), size=n, method="cholesky"))

    def _set_errors(self) -> None:
        self.variance_matrix_ = self._compute_variance_matrix()
        self.standard_errors_ = self._compute_standard_errors()
        self.confidence_intervals_ = self._compute_confidence_intervals()
