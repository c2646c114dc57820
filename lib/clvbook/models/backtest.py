"""How far the forecast misses: fit on orders up to an origin, forecast the days after it, compare with what came.

in:  cells as of the origin with what they then did — frequency, recency, T, weight, spend, future_orders,
     future_revenue (sums over the customers of a cell; spend is the sum of monetary_value)
out: a frozen `Backtest`

Customers who bought first after the origin are no part of it: the forecast is of the base that was known then.
"""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.models.beta_geo import BetaGeoFitter
from clvbook.models.gamma_gamma import GammaGammaFitter
from clvbook.models.value import expected_spend_coefficients, orders_total

LAST = 7  # repeat orders from here on share one row


@dataclass(frozen=True)
class Backtest:
    """What was forecast at the end of `origin` for the days until `until`, and what came.

    orders_*: repeat orders of the customers known at the origin, in number; [orders_low, orders_high] the forecast's
    prediction interval. revenue_*: what they spent, in currency, undiscounted. by_frequency: frequency before the
    origin ("0" .. "7+"), customers, actual, expected (mean orders a customer in the days held out). model: the
    BG/NBD fitted at the origin.
    """

    origin: date
    until: date
    days: int
    customers: int
    orders_actual: float
    orders_expected: float
    orders_low: float | NotComputable
    orders_high: float | NotComputable
    revenue_actual: float
    revenue_expected: float | NotComputable
    by_frequency: pd.DataFrame
    model: BetaGeoFitter

    @property
    def orders_error(self) -> float | NotComputable:
        """Expected orders over actual, less one: +0.08 is a forecast 8 % too high."""
        return _error(self.orders_expected, self.orders_actual)

    @property
    def revenue_error(self) -> float | NotComputable:
        """Expected revenue over actual, less one."""
        return _error(self.revenue_expected, self.revenue_actual)

    @property
    def within_interval(self) -> bool | NotComputable:
        """Did what came fall into the forecast's interval?"""
        if isinstance(self.orders_low, NotComputable):
            return self.orders_low
        return self.orders_low <= self.orders_actual <= self.orders_high


def _error(expected: float | NotComputable, actual: float) -> float | NotComputable:
    if isinstance(expected, NotComputable):
        return expected
    return expected / actual - 1 if actual > 0 else NotComputable("nobody bought in the days held out")


def run(
    model: BetaGeoFitter,
    spend_model: GammaGammaFitter | NotComputable,
    cells: pd.DataFrame,
    *,
    origin: date,
    until: date,
    confidence: float,
    draws: int,
    seed: int,
) -> Backtest:
    """Hold the forecast of `model` and `spend_model`, both fitted as of `origin`, against what the cells then did."""
    days = (until - origin).days
    total = orders_total(model, cells, horizon_days=days, confidence=confidence, draws=draws, seed=seed)
    each = model.conditional_expected_number_of_purchases_up_to_time(
        days, cells["frequency"], cells["recency"], cells["T"]
    )
    revenue = spend = expected_spend_coefficients(spend_model, cells["frequency"])
    if not isinstance(spend, NotComputable):
        revenue = float((each * (spend.intercept * cells["weight"] + spend.slope * cells["spend"])).sum())
    return Backtest(
        origin=origin,
        until=until,
        days=days,
        customers=int(cells["weight"].sum()),
        orders_actual=float(cells["future_orders"].sum()),
        orders_expected=total.expected,
        orders_low=total.low,
        orders_high=total.high,
        revenue_actual=float(cells["future_revenue"].sum()),
        revenue_expected=revenue,
        by_frequency=by_frequency(cells, each),
        model=model,
    )


def by_frequency(cells: pd.DataFrame, expected: pd.Series) -> pd.DataFrame:
    """Mean future orders a customer by frequency before: frequency ("0" .. "7+"), customers, actual, expected."""
    sums = (
        pd.DataFrame(
            {
                "customers": cells["weight"],
                "actual": cells["future_orders"],
                "expected": expected * cells["weight"],
            }
        )
        .groupby(cells["frequency"].clip(upper=LAST))
        .sum()
    )
    sums[["actual", "expected"]] = sums[["actual", "expected"]].div(sums["customers"], axis=0)
    labels = [f"{n}+" if n == LAST else str(n) for n in sums.index]
    return sums.assign(frequency=labels)[["frequency", "customers", "actual", "expected"]].reset_index(drop=True)
