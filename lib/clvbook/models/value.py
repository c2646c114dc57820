"""What customers are still worth: discounted expected orders, times expected spend, times margin where it is set.

in:  fitted BetaGeoFitter (in days) and GammaGammaFitter; cells — frequency, recency, T, weight, and for money also
     spend, the sum of monetary_value over the customers of a cell
out: scored cells; frozen totals with intervals; a figure that cannot be computed is a `NotComputable`

Money at a time s days ahead counts (1 + annual_discount_rate)^(-s / 365): continuous, no months of 30 days. "Value"
is what comes after the cells' day over `horizon_days`; what was spent before is no part of it.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from clvbook.errors import NotComputable
from clvbook.models import future
from clvbook.models.beta_geo import BetaGeoFitter
from clvbook.models.gamma_gamma import GammaGammaFitter

AGES = 16  # ages per count at which a draw is evaluated; in between interpolated, relative error 1e-10 in trials


@dataclass(frozen=True)
class OrdersTotal:
    """Repeat orders of all customers of the cells over the horizon, undiscounted, in number.

    `expected`: their expectation at the fitted parameters. [mean_low, mean_high]: confidence interval of that
    expectation, from the parameters' uncertainty alone; a realised total may well lie outside. [low, high]:
    prediction interval of the realised total, which adds the chance in each customer's orders. Neither holds that the
    model may be wrong: seasons, campaigns, or customers who influence each other.
    """

    expected: float
    low: float | NotComputable
    high: float | NotComputable
    mean_low: float | NotComputable
    mean_high: float | NotComputable


@dataclass(frozen=True)
class ValueTotal:
    """Discounted revenue expected from all customers of the cells over the horizon, in currency.

    [low, high]: confidence interval of that expectation, from the uncertainty of both models' parameters. It is no
    prediction interval: the chance in orders and amounts, and a wrong model, are not in it.
    """

    expected: float | NotComputable
    low: float | NotComputable
    high: float | NotComputable


@dataclass(frozen=True)
class NewCustomer:
    """What a customer brings after the first order, over the horizon counted from it; the first order is not in it.

    orders, discounted_orders: expected repeat orders. spend: expected amount of one. revenue: discounted_orders x
    spend. profit: revenue x margin_rate.
    """

    orders: float
    discounted_orders: float
    spend: float | NotComputable
    revenue: float | NotComputable
    profit: float | NotComputable


def score_cells(
    model: BetaGeoFitter, cells: pd.DataFrame, *, horizon_days: float, annual_discount_rate: float
) -> pd.DataFrame:
    """Score each cell: frequency, recency, T, weight, p_alive, expected_orders, discounted_orders (a customer each).

    expected_orders in (T, T + horizon_days]; discounted_orders the same, each counted at its discount. The costly part
    is computed once a distinct (frequency, T).
    """
    rate = _daily(annual_discount_rate)
    _, alpha, *_ = params = model._params()
    alive = model.conditional_probability_alive(cells["frequency"], cells["recency"], cells["T"])
    (x, T), which = future.distinct(cells["frequency"], cells["T"].astype(float))
    expected = future.expected_orders(params, x, alpha + T, horizon_days)
    discounted = future.discounted_orders(params, x, alpha + T, horizon_days, rate) if rate else expected
    return cells[["frequency", "recency", "T", "weight"]].assign(
        p_alive=alive, expected_orders=alive * expected[which], discounted_orders=alive * discounted[which]
    )


def expected_spend_coefficients(gamma_gamma: GammaGammaFitter, frequency) -> pd.DataFrame | NotComputable:
    """Expected spend an order = intercept + slope x the customer's own mean: frequency, intercept, slope.

    One row for each value of `frequency`, under its index; at 0 the slope is 0, the intercept the population's mean.
    NotComputable where the fitted distribution has no finite mean for one of them.
    """
    frequency = pd.Series(frequency, name="frequency")
    coefficients = gamma_gamma.spend_coefficients(frequency)
    if isinstance(coefficients, NotComputable):
        return coefficients
    return pd.DataFrame({"frequency": frequency, "intercept": coefficients[0], "slope": coefficients[1]})


def new_customer_value(
    model: BetaGeoFitter,
    gamma_gamma: GammaGammaFitter | NotComputable,
    *,
    horizon_days: float,
    annual_discount_rate: float,
    margin_rate: float | None = None,
) -> NewCustomer:
    """What a customer brings after the first order; see `NewCustomer`."""
    rate = _daily(annual_discount_rate)
    _, alpha, *_ = params = model._params()
    x, u = np.zeros(1, dtype=int), np.array([alpha])
    orders = float(future.expected_orders(params, x, u, horizon_days)[0])
    discounted = float(future.discounted_orders(params, x, u, horizon_days, rate)[0])
    spend = gamma_gamma.population_mean_spend()
    revenue = discounted * spend
    return NewCustomer(orders, discounted, spend, revenue, profit(revenue, margin_rate=margin_rate))


def profit(revenue, *, margin_rate: float | None):
    """Revenue times margin; NotComputable where the margin is not set."""
    return NotComputable("margin_rate is not set") if margin_rate is None else revenue * margin_rate


def expected_cumulative(model: BetaGeoFitter, first_days_counts: pd.Series, days) -> np.ndarray:
    """Expected repeat orders made by the end of each of `days`: sum over first days of count x E[X(day - first day)].

    first_days_counts: customers, indexed by the day of their first order; days on the same clock (any whole numbers).
    """
    lags = np.maximum(np.asarray(days)[:, None] - first_days_counts.index.to_numpy()[None, :], 0)
    return model.expected_number_of_purchases_up_to_time(lags) @ first_days_counts.to_numpy(dtype=float)


def orders_total(
    model: BetaGeoFitter, cells: pd.DataFrame, *, horizon_days: float, confidence: float, draws: int, seed: int
) -> OrdersTotal:
    """The total of repeat orders over the horizon with both its intervals: see `OrdersTotal`.

    Parameter draws are normal in log-parameters (`parameter_draws`), and both intervals normal on the log scale.
    """
    scores = score_cells(model, cells, horizon_days=horizon_days, annual_discount_rate=0.0)
    expected = float(scores["expected_orders"] @ scores["weight"])
    parameters = model.parameter_draws(draws, seed=seed)
    if isinstance(parameters, NotComputable):
        return OrdersTotal(expected, *[parameters] * 4)
    base = _Base(cells, model)
    totals = [base.orders(row, horizon_days, 0.0)[0].sum() for row in parameters]
    chance = math.sqrt(order_variance(model, cells, horizon_days=horizon_days)) / expected
    spread = float(np.std(np.log(totals)))
    interval = _interval(expected, math.hypot(spread, chance), confidence)
    return OrdersTotal(expected, *interval, *_interval(expected, spread, confidence))


def order_variance(model: BetaGeoFitter, cells: pd.DataFrame, *, horizon_days: float) -> float:
    """Variance of the realised total of orders over the horizon given the parameters, customers independent.

    A customer's orders N have Var N = P E[N (N - 1)] + m - m^2, with m = P E[N], P = P(alive), and the expectations
    given activity.
    """
    _, alpha, *_ = params = model._params()
    alive = model.conditional_probability_alive(cells["frequency"], cells["recency"], cells["T"])
    (x, T), which = future.distinct(cells["frequency"], cells["T"].astype(float))
    mean = alive * future.expected_orders(params, x, alpha + T, horizon_days)[which]
    pairs = alive * future.expected_order_pairs(params, x, alpha + T, horizon_days)[which]
    return float((pairs + mean - mean**2) @ cells["weight"])


def value_total(
    model: BetaGeoFitter,
    gamma_gamma: GammaGammaFitter | NotComputable,
    cells: pd.DataFrame,
    *,
    horizon_days: float,
    annual_discount_rate: float,
    confidence: float,
    draws: int,
    seed: int,
) -> ValueTotal:
    """Discounted revenue expected over the horizon, with its confidence interval: see `ValueTotal`.

    cells need `spend`. Draws of the two models are independent, as their likelihoods are.
    """
    scores = score_cells(model, cells, horizon_days=horizon_days, annual_discount_rate=annual_discount_rate)
    coefficients = gamma_gamma.spend_coefficients(cells["frequency"])
    if isinstance(coefficients, NotComputable):
        return ValueTotal(coefficients, coefficients, coefficients)
    intercept, slope = coefficients
    expected = float(scores["discounted_orders"] @ (intercept * cells["weight"] + slope * cells["spend"]))
    orders, amounts = (one.parameter_draws(draws, seed=seed + i) for i, one in enumerate((model, gamma_gamma)))
    for sample in (orders, amounts):
        if isinstance(sample, NotComputable):
            return ValueTotal(expected, sample, sample)
    base, totals = _Base(cells, model), []
    for row, amount in zip(orders, amounts, strict=True):
        coefficients = _with(gamma_gamma, amount).spend_coefficients(base.x)
        if isinstance(coefficients, NotComputable):
            reason = NotComputable(f"the uncertainty of spend reaches distributions without a mean: {coefficients}")
            return ValueTotal(expected, reason, reason)
        by_weight, by_spend = base.orders(row, horizon_days, _daily(annual_discount_rate))
        totals.append(coefficients[0] @ by_weight + coefficients[1] @ by_spend)
    return ValueTotal(expected, *_interval(expected, float(np.std(np.log(totals))), confidence))


class _Base:
    """Cells laid out so that a total costs little for one more set of parameters.

    Given activity, orders depend on a cell by (x, T) alone, and smoothly on T: they are computed at a few ages
    (Chebyshev points in log(alpha + T)), and the weights are shared out to these ages by Lagrange's coefficients.
    """

    def __init__(self, cells: pd.DataFrame, model: BetaGeoFitter) -> None:
        self.model = model
        self.cells = cells[["frequency", "recency", "T"]].to_numpy(dtype=float).T
        self.weights = [cells[name].to_numpy(dtype=float) for name in ("weight", "spend") if name in cells]
        self.x, x_of = np.unique(cells["frequency"].to_numpy(), return_inverse=True)
        ages, age_of = np.unique(self.cells[2], return_inverse=True)
        self.pair, self.shape = x_of * ages.size + age_of, (self.x.size, ages.size)
        if ages.size <= AGES:
            self.ages, self.share = ages, np.eye(ages.size)
            return
        alpha = model.params_["alpha"]
        y = np.log(alpha + ages)
        points = (y[0] + y[-1]) / 2 + (y[-1] - y[0]) / 2 * np.cos(np.pi * (np.arange(AGES) + 0.5) / AGES)
        self.ages = np.exp(points) - alpha
        others = ~np.eye(AGES, dtype=bool)
        ratios = np.where(others, (y[:, None, None] - points) / np.where(others, points[:, None] - points, 1.0), 1.0)
        self.share = ratios.prod(axis=2)

    def orders(self, parameters: np.ndarray, horizon: float, rate: float) -> list[np.ndarray]:
        """Sums by count x of weight (and of spend, where the cells have it) times a customer's discounted orders."""
        params = tuple(parameters)
        alive = _with(self.model, parameters).conditional_probability_alive(*self.cells)
        x, u = np.repeat(self.x, self.ages.size), params[1] + np.tile(self.ages, self.x.size)
        given = (
            future.discounted_orders(params, x, u, horizon, rate)
            if rate
            else future.expected_orders(params, x, u, horizon)
        ).reshape(self.x.size, -1)
        size = math.prod(self.shape)
        sums = (np.bincount(self.pair, alive * weight, size).reshape(self.shape) for weight in self.weights)
        return [((total @ self.share) * given).sum(axis=1) for total in sums]


def _with(model, parameters: np.ndarray):
    """The same model at other parameters."""
    other = copy.copy(model)
    other.params_ = pd.Series(parameters, index=model.params_.index)
    return other


def _daily(annual_discount_rate: float) -> float:
    return math.log1p(annual_discount_rate) / 365


def _interval(expected: float, spread: float, confidence: float) -> tuple[float, float]:
    z = norm.ppf((1 + confidence) / 2)
    return expected * math.exp(-z * spread), expected * math.exp(z * spread)
