"""BG/NBD: when will a customer order again? A drop-in for `lifetimes.BetaGeoFitter`, fitted on weighted cells.

in:  frequency (repeat orders, x), recency (time of the last, t_x), T (age), optionally weights; one unit of time
out: a fitted model: params_ (r, alpha, a, b), summary, convergence_; P(alive), expected orders, their distribution

Source: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24 (2), 275-84.

Differences from lifetimes 0.11.3, each a cure: exact gradient and Hessian; start values from the data; a fit
that lifetimes gives up with ConvergenceError ends with `convergence_.words`; a symmetric covariance; no NaN for
a + b < 1, a = 1 or large counts; `generate_new_data` follows the model instead of merging orders by whole units.
"""

import lifetimes
import numpy as np
import pandas as pd
from scipy.special import betainc, expit, xlogy

from clvbook.models import future, newton

NAMES = ["r", "alpha", "a", "b"]
ROWS = 8192
HINT = "recency is the time from the first order to the last, T from the first order to the period's end."


def objective(
    x: np.ndarray, recency: np.ndarray, T: np.ndarray, weights: np.ndarray, penalizer_coef: float = 0.0
) -> newton.Objective:
    """Mean negative log-likelihood (eq. 6) of weighted cells in log(r, alpha, a, b), with gradient and Hessian.

    The gamma functions are sums over repeat orders, ln G(c + x) - ln G(c) = sum of ln(c + j) for j < x: exact for
    large a and b, and evaluated once a count rather than once a cell.
    """
    total = weights.sum()
    above = total - np.cumsum(np.bincount(x, weights))[:-1]  # customers with more than j repeat orders
    j = np.arange(above.size)
    ages, age = np.unique(T, return_inverse=True)
    at_age, orders_at_age = np.bincount(age, weights), np.bincount(age, weights * x)
    lasts, last = np.unique(recency, return_inverse=True)
    again = np.flatnonzero(x)
    blocks = [again[i : i + ROWS] for i in range(0, again.size, ROWS)]
    repeaters = [(x[rows], age[rows], last[rows], weights[rows]) for rows in blocks]

    def at(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        params = r, alpha, a, b = np.exp(theta)
        rj, bj, abj = 1 / (r + j), 1 / (b + j), 1 / (a + b + j)
        u, v = alpha + ages, alpha + lasts
        log_u, log_v, log_age = np.log(u), np.log(v), np.log1p(ages / alpha)
        R_at_age = r * at_age + orders_at_age
        value = above @ (np.log(r + j) - np.log1p(a * bj)) - r * (at_age @ log_age) - orders_at_age @ log_u
        g = np.array(
            [
                above @ rj - at_age @ log_age,
                total * r / alpha - R_at_age @ (1 / u),
                -above @ abj,
                above @ (a * bj * abj),
            ]
        )
        H = np.zeros((4, 4))
        H[0, 0] = -above @ rj**2
        H[0, 1] = total / alpha - at_age @ (1 / u)
        H[1, 1] = R_at_age @ u**-2.0 - total * r / alpha**2
        H[2, 2] = H[2, 3] = above @ abj**2
        H[3, 3] = H[2, 3] - above @ bj**2

        # who ordered again may have dropped out at the last order: with odds exp(odds) against being active
        for xs, age_of, last_of, w in repeaters:
            J = np.empty((4, xs.size))  # slopes of the odds in r, alpha, a, b
            J[0] = log_u[age_of] - log_v[last_of]
            near, far = (1 / v)[last_of], (1 / u)[age_of]
            J[1] = (r + xs) * (far - near)
            J[2] = 1 / a
            J[3] = -bj[xs - 1]
            odds = (r + xs) * J[0] + np.log(a * bj)[xs - 1]
            small = np.exp(-np.abs(odds))
            gone = np.where(odds > 0, 1.0, small) / (1 + small)
            wg = w * gone
            value += w @ (np.maximum(odds, 0) + np.log1p(small))
            g += J @ wg
            H += (J * (wg * (1 - gone))) @ J.T
            H[0, 1] += wg @ (far - near)
            H[1, 1] -= (wg * J[1]) @ (far + near)
            H[2, 2] -= wg.sum() / a**2
            H[3, 3] += wg @ J[3] ** 2

        H = np.triu(H) + np.triu(H, 1).T
        g, H = -g / total + 2 * penalizer_coef * params, -H / total + 2 * penalizer_coef * np.eye(4)
        return (
            -value / total + penalizer_coef * (params @ params),
            g * params,
            H * np.outer(params, params) + np.diag(g * params),
        )

    return at


class BetaGeoFitter(newton.NewtonFitter, lifetimes.BetaGeoFitter):
    """The BG/NBD model with lifetimes' interface; see the module for what differs.

    `penalizer_coef` is lifetimes': times the sum of squared (time-scaled) parameters, added to the mean negative
    log-likelihood. After `fit`, `data` holds the rows as given: frequency, recency, T, weights.
    """

    def fit(
        self, frequency, recency, T, weights=None, initial_params=None, verbose=False, tol=1e-7, index=None, **kwargs
    ) -> "BetaGeoFitter":
        """Fit by maximum likelihood; arguments as in lifetimes.

        frequency, recency, T: one row a customer, or one a cell with `weights` customers. initial_params: four
        log-parameters, alpha in units of max T. tol: slope at which the search ends. kwargs: options of the search
        (`maxiter`, `gtol`). Rows that break the definitions raise `newton.InvalidSummary`, a ValueError.
        """
        frequency, recency, T = newton.as_columns(frequency=frequency, recency=recency, T=T)
        weights = newton.as_weights(weights, frequency.size)
        rules = {
            "a frequency that is no whole number": frequency != np.floor(frequency),
            "frequency < 0": frequency < 0,
            "recency > T": recency > T,
            "recency < 0": recency < 0,
            "recency above 0 without a repeat order": (frequency == 0) & (recency != 0),
        }
        newton.check_rows(rules, HINT)
        if not T.max() > 0:
            raise newton.InvalidSummary(f"All {T.size:,} customers have T = 0.", HINT)
        frequency = frequency.astype(int)
        self._scale = 1.0 / T.max()
        x, t_x, age, n = newton.merge_rows(weights, x=frequency, recency=recency * self._scale, T=T * self._scale)
        at = objective(x, t_x, age, n, self.penalizer_coef)
        usual = np.log([0.5, 0.5 * (age @ n) / (x @ n + 0.5), 0.5, 2.0])
        start = usual if initial_params is None else initial_params
        best = newton.search(at, start, around=usual, tol=tol, verbose=verbose, **kwargs)

        self.params_ = pd.Series(np.exp(best.theta) / [1, self._scale, 1, 1], index=NAMES)
        self.data = pd.DataFrame({"frequency": frequency, "recency": recency, "T": T, "weights": weights}, index=index)
        self._negative_log_likelihood_, self._hessian_ = best.value, best.hessian
        self.convergence_ = self._judge(best, tol, n.sum(), int((n * (x > 0)).sum()))
        self._set_errors()
        return self

    def _judge(self, best: newton.Optimum, tol: float, customers: float, repeaters: int) -> newton.Convergence:
        a, b = self.params_["a"], self.params_["b"]
        leaving = a / (a + b)  # mean chance of dropping out after an order; known to a factor exp(2 * error)
        error = newton.standard_errors(best.hessian, customers, np.array([0, 0, 1, -1]) * (1 - leaving))[0]

        def words(weak: tuple[str, ...]) -> str:
            if not repeaters:
                return "Nobody has ordered a second time: neither the rate of orders nor dropout can be told."
            if {"a", "b"} & set(weak) and (leaving < 1e-3 or error > 0.5):
                return (
                    "Dropout is not visible in these data yet: the model takes nearly every customer as staying for "
                    "good, so orders far ahead are an upper bound rather than a forecast, without intervals."
                )
            if set(weak) <= {"a", "b"}:
                return (
                    f"Only the mean chance of dropping out after an order, {leaving:.1%}, is determined by the data, "
                    "not how it differs between customers: use the expected orders, without intervals."
                )
            if set(weak) <= {"r", "alpha"}:
                return (
                    "Only the mean order rate is determined by the data, not how it differs between customers: "
                    "use the expected orders with care, without intervals."
                )
            return f"The data do not determine {', '.join(weak)}: use the forecast with care, without intervals."

        return newton.judge(best, NAMES, tol=tol, customers=customers, words=words)

    # ---- the future of customers

    def _params(self) -> tuple[float, ...]:
        return tuple(float(value) for value in self._unload_params(*NAMES))

    def conditional_expected_number_of_purchases_up_to_time(self, t, frequency, recency, T):
        """Expected orders in (T, T + t] of customers with history (frequency, recency, T): eq. (10).

        Arguments broadcast; a Series in gives a Series out. Computed once for each distinct (frequency, T, t).
        """
        _, alpha, *_ = params = self._params()
        alive = self.conditional_probability_alive(frequency, recency, T)
        (x, age, ahead), which = future.distinct(frequency, T, t)
        expected = future.expected_orders(params, x, alpha + age, ahead)[which]
        return _like(expected * alive, frequency, recency, T, t)

    predict = conditional_expected_number_of_purchases_up_to_time

    def conditional_probability_alive(self, frequency, recency, T) -> np.ndarray:
        """P(alive) at T of customers with history (frequency, recency, T); an array, as in lifetimes.

        It is 1 for everyone without a repeat order, by the model's assumption that customers drop out only right
        after a repeat order: it says nothing about one-time buyers. http://brucehardie.com/notes/021/
        """
        r, alpha, a, b = self._params()
        x, t_x, T = (np.asarray(values, dtype=float) for values in (frequency, recency, T))
        odds = np.log(a) - np.log(b + np.maximum(x, 1) - 1) + (r + x) * np.log1p((T - t_x) / (alpha + t_x))
        return np.atleast_1d(np.where(x == 0, 1.0, expit(-odds)))

    def expected_number_of_purchases_up_to_time(self, t):
        """Expected repeat orders of a new customer in t after the first order: eq. (9)."""
        _, alpha, *_ = params = self._params()
        (ahead,), which = future.distinct(t)
        zeros = np.zeros(ahead.size, dtype=int)
        return _like(future.expected_orders(params, zeros, zeros + alpha, ahead)[which], t)

    def probability_of_n_purchases_up_to_time(self, t, n):
        """P(a new customer makes exactly n repeat orders in t): eq. (8); t and n broadcast, n of any size."""
        r, alpha, a, b = self._params()
        t, n = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(n, dtype=int))
        j = np.arange(max(int(n.max(initial=0)), 1))
        up_to = lambda terms: np.concatenate([[0.0], np.cumsum(terms)])[n]  # noqa: E731  sum over j < n
        stays = up_to(-np.log1p(a / (b + j)))  # ln of E[(1 - p)^n]
        counts = up_to(np.log(r + j) - np.log1p(j)) - r * np.log1p(t / alpha) + xlogy(n, t / (alpha + t))
        at_least_n = np.where(n > 0, betainc(np.maximum(n, 1), r, t / (alpha + t)), 0.0)
        leaves = a / (b + np.maximum(n, 1) - 1)  # E[p (1 - p)^(n-1)] over E[(1 - p)^n]
        return np.minimum(np.exp(stays + counts) + np.exp(stays) * leaves * at_least_n, 1.0)[()]

    def generate_new_data(self, size: int = 1, seed: int | None = None) -> pd.DataFrame:
        """Simulate `size` customers of the ages in `data` (over again where there are more): columns as lifetimes.

        Without a seed it draws from numpy's global state, as lifetimes does, so repeated calls differ.
        """
        rng = np.random if seed is None else np.random.default_rng(seed)
        r, alpha, a, b = self._params()
        T = np.resize(self.data["T"].to_numpy(), size)
        rate, p = rng.gamma(r, 1 / alpha, size=size), rng.beta(a, b, size=size)
        frequency, recency, alive = np.zeros(size), np.zeros(size), np.ones(size, dtype=bool)
        going = np.flatnonzero(rate > 0)
        while going.size:
            then = recency[going] + rng.standard_exponential(going.size) / rate[going]
            going, then = going[then < T[going]], then[then < T[going]]
            frequency[going] += 1
            recency[going] = then
            alive[going] = rng.random(going.size) > p[going]
            going = going[alive[going]]
        columns = {"frequency": frequency, "recency": recency, "T": T, "lambda": rate, "p": p, "alive": alive}
        return pd.DataFrame(columns, index=pd.RangeIndex(size, name="customer_id"))


def _like(values: np.ndarray, *given) -> pd.Series | np.ndarray | float:
    """The answer in the shape that was asked: a Series where one was given, a number for numbers."""
    for argument in given:
        if isinstance(argument, pd.Series):
            return pd.Series(values, index=argument.index)
    return float(np.squeeze(values)) if not any(np.ndim(argument) for argument in given) else values
