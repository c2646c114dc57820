"""Gamma-Gamma: what does a customer spend on an order? A drop-in for `lifetimes.GammaGammaFitter`.

in:  frequency (repeat orders, x >= 1), monetary_value (their mean amount, > 0), optionally weights
out: a fitted model: params_ (p, q, v), summary, convergence_; expected spend; lifetimes' customer_lifetime_value

Source: Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.

With q <= 1 the population has no finite mean. lifetimes then answers with a negative value; here the question is
refused with a reason, and only for customers whom it concerns: p x + q <= 1.
"""

import lifetimes
import numpy as np
import pandas as pd
from scipy.special import betaln, polygamma, psi

from clvbook.errors import ClvbookError, NotComputable
from clvbook.models import newton

NAMES = ["p", "q", "v"]
HINT = "fit on repeat customers only (frequency > 0), with refunds taken off and free orders left out."
MONTH = {"W": 4.345, "M": 1.0, "D": 30, "H": 720, "h": 720}  # units of time in lifetimes' "month"


class SpendNotComputable(ClvbookError, ValueError):
    """The fitted spend distribution has no finite mean for some of the customers asked about."""


def objective(x: np.ndarray, m: np.ndarray, weights: np.ndarray, penalizer_coef: float = 0.0) -> newton.Objective:
    """Mean negative log-likelihood (eq. 1a) in log(p, q, v), with gradient and Hessian.

    Only ln(x m + v) is taken a row; everything else is summed over rows of equal x first.
    """
    total = weights.sum()
    counts, which = np.unique(x, return_inverse=True)

    def by_count(values: np.ndarray) -> np.ndarray:
        return np.bincount(which, weights * values)

    W, M, spent = by_count(np.ones_like(m)), by_count(np.log(m)), x * m

    def at(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        params = p, q, v = np.exp(theta)
        px, pxq = p * counts, p * counts + q
        E, D, Q = by_count(np.log(spent + v)), by_count(1 / (spent + v)), by_count((spent + v) ** -2.0)
        value = W @ (q * np.log(v) + px * np.log(counts) - betaln(px, q)) + (px - 1) @ M - pxq @ E
        g = np.array(
            [
                counts @ (W * (psi(pxq) - psi(px) + np.log(counts)) + M - E),
                W @ (psi(pxq) - psi(q) + np.log(v)) - E.sum(),
                W.sum() * q / v - pxq @ D,
            ]
        )
        bend = W * polygamma(1, pxq)
        H = np.array(
            [
                [counts**2 @ (bend - W * polygamma(1, px)), counts @ bend, -counts @ D],
                [counts @ bend, bend.sum() - total * polygamma(1, q), total / v - D.sum()],
                [-counts @ D, total / v - D.sum(), pxq @ Q - total * q / v**2],
            ]
        )
        g, H = -g / total + 2 * penalizer_coef * params, -H / total + 2 * penalizer_coef * np.eye(3)
        return (
            -value / total + penalizer_coef * (params @ params),
            g * params,
            H * np.outer(params, params) + np.diag(g * params),
        )

    return at


class GammaGammaFitter(newton.NewtonFitter, lifetimes.GammaGammaFitter):
    """The Gamma-Gamma model with lifetimes' interface; see the module for what differs.

    `penalizer_coef` is lifetimes': times the sum of squared parameters, added to the mean negative log-likelihood.
    After `fit`, `data` holds the rows as given: monetary_value, frequency, weights.
    """

    def fit(
        self,
        frequency,
        monetary_value,
        weights=None,
        initial_params=None,
        verbose=False,
        tol=1e-7,
        index=None,
        q_constraint=False,
        **kwargs,
    ) -> "GammaGammaFitter":
        """Fit by maximum likelihood; arguments as in lifetimes.

        frequency, monetary_value: one row a repeat customer, or one a cell with `weights` customers. q_constraint:
        hold q at 1 or above. kwargs: options of the search (`maxiter`, `gtol`). Rows without a repeat order or with a
        value of zero or less raise `newton.InvalidSummary`, a ValueError, with their count.
        """
        x, m = newton.as_columns(frequency=frequency, monetary_value=monetary_value)
        weights = newton.as_weights(weights, x.size)
        rules = {
            "a frequency that is no whole number": x != np.floor(x),
            "monetary_value <= 0": m <= 0,
            "frequency < 1": x < 1,
        }
        newton.check_rows(rules, HINT)
        x_cells, m_cells, n = newton.merge_rows(weights, x=x, m=m)
        at = objective(x_cells, m_cells, n, self.penalizer_coef)
        usual = np.log([1.0, 2.0, (m_cells @ n) / n.sum()])
        start = usual if initial_params is None else initial_params
        best = newton.search(at, start, around=usual, tol=tol, verbose=verbose, **kwargs)
        if q_constraint and best.theta[1] < 0:
            best = _hold_q(at, usual, tol=tol, verbose=verbose, **kwargs)

        self.params_ = pd.Series(np.exp(best.theta), index=NAMES)
        self.data = pd.DataFrame({"monetary_value": m, "frequency": x, "weights": weights}, index=index)
        self._negative_log_likelihood_, self._hessian_ = best.value, best.hessian
        self.convergence_ = newton.judge(best, NAMES, tol=tol, customers=n.sum(), words=self._words)
        self._set_errors()
        return self

    def _words(self, weak: tuple[str, ...]) -> str:
        if self.params_["q"] == 1:
            return "q is held at 1 by q_constraint: spend has no finite mean, and its intervals cannot be computed."
        return (
            f"The data do not determine {', '.join(weak)} (amounts of one customer, or of all, hardly differ, or there "
            "are too few): expected spend is close to each customer's own mean; use it without an interval."
        )

    def population_mean_spend(self) -> float | NotComputable:
        """Expected amount an order of a customer of whom nothing is known, p v / (q - 1); not computable for q <= 1."""
        p, q, v = self._unload_params(*NAMES)
        return float(p * v / (q - 1)) if q > 1 else NotComputable(_no_mean(q))

    def conditional_expected_average_profit(self, frequency=None, monetary_value=None):
        """Expected amount an order of customers with `frequency` repeat orders of mean `monetary_value`: eq. (5).

        By default of the customers fitted on. A Series in gives a Series out. Raises `SpendNotComputable`, a
        ValueError, where q <= 1 leaves some of them without a finite mean (p x + q <= 1).
        """
        frequency = self.data["frequency"] if frequency is None else frequency
        monetary_value = self.data["monetary_value"] if monetary_value is None else monetary_value
        coefficients = self.spend_coefficients(frequency)
        if isinstance(coefficients, NotComputable):
            raise SpendNotComputable(
                coefficients.reason,
                "ask about repeat customers only, or check the largest amounts: are they orders of consumers?",
            )
        intercept, slope = coefficients
        return intercept + slope * monetary_value

    def spend_coefficients(self, frequency) -> tuple | NotComputable:
        """Intercept and slope in the customer's own mean of the expected spend, each in the shape of `frequency`."""
        p, q, v = self._unload_params(*NAMES)
        below = p * frequency + q - 1
        if missing := int(np.count_nonzero(np.asarray(below) <= 0)):
            return NotComputable(
                f"{_no_mean(q)}: {missing:,} of {np.size(below):,} expected amounts cannot be computed"
            )
        return p * v / below, p * frequency / below

    def customer_lifetime_value(
        self, transaction_prediction_model, frequency, recency, T, monetary_value, time=12, discount_rate=0.01, freq="D"
    ) -> pd.Series:
        """Residual value by lifetimes' convention: `time` "months" of 30 days (or 4.345 weeks), discounted monthly.

        `discount_rate` is per such month, paid at its end. Arrays work as well as Series; the index is that of the
        first Series given. For calendar days and an annual rate use `value.score_cells`.
        """
        if freq not in MONTH:
            raise newton.InvalidSummary(
                f"freq is {freq!r}.", f"use one of {', '.join(MONTH)}: the unit of recency and T."
            )
        given = (frequency, recency, T, monetary_value)
        index = next((values.index for values in given if isinstance(values, pd.Series)), None)
        frequency, recency, T, monetary_value = (np.asarray(values, dtype=float) for values in given)
        spend = self.conditional_expected_average_profit(frequency, monetary_value)
        value, before = 0.0, 0.0
        for month in range(1, int(time) + 1):
            until = transaction_prediction_model.predict(month * MONTH[freq], frequency, recency, T)
            value = value + spend * (until - before) / (1 + discount_rate) ** month
            before = until
        return pd.Series(np.atleast_1d(value), index=index, name="clv")


def _no_mean(q: float) -> str:
    return f"spend has no finite mean (q = {q:.3g}, which must be above 1: a few orders hold most of the money)"


def _hold_q(at: newton.Objective, usual: np.ndarray, **options) -> newton.Optimum:
    """The best fit with q = 1, where the bound holds q and not the data: the slope in q is no part of its gradient."""
    rest = np.array([0, 2])

    def embed(theta: np.ndarray) -> np.ndarray:
        return np.array([theta[0], 0.0, theta[1]])

    def within(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, g, H = at(embed(theta))
        return value, g[rest], H[np.ix_(rest, rest)]

    best = newton.search(within, usual[rest], around=usual[rest], **options)
    value, _, hessian = at(embed(best.theta))
    cornered = np.array([best.cornered[0], True, best.cornered[1]])
    return newton.Optimum(embed(best.theta), value, best.gradient, hessian, best.iterations, cornered)
