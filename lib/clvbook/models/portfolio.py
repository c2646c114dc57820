"""The scored customer base seen as a portfolio: totals, deciles, concentration, and what a new customer is worth.

in:  scores — one row a customer (Ibis): the columns of `customers.summarise`, and p_alive, expected_orders,
     discounted_orders, expected_spend, residual_revenue (all over the horizon, after the as-of day)
out: small pandas frames, each ready to be looked at
"""

import math
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm


@dataclass(frozen=True)
class Base:
    """The base in one row: customers, one_time and repeat_customers among them, their purchases and net revenue."""

    customers: int
    one_time: int
    repeat_customers: int
    purchases: int
    revenue: float

    @property
    def repeat_rate(self) -> float:
        """Share of customers with a repeat purchase so far; young customers have had little time for one."""
        return self.repeat_customers / self.customers


def base(customers: ibis.Table) -> Base:
    """Count the base; see `Base`. customers: the table of `customers.summarise`."""
    row = customers.aggregate(
        customers=_.count(),
        one_time=(_.frequency == 0).sum(),
        repeat_customers=(_.frequency > 0).sum(),
        purchases=(_.frequency + 1).sum(),
        revenue=_.revenue.cast("decimal(38,4)").sum().cast("float64"),
    )
    return Base(**row.to_pyarrow().to_pylist()[0])


def deciles(scores: ibis.Table) -> pd.DataFrame:
    """Ten equal groups, 1 the most valuable: decile, customers, value, share, mean, lowest, past_revenue.

    Ties are broken by customer_id, so the same data give the same groups. share is of the total residual revenue.
    """
    order = [_.residual_revenue.desc(), _.customer_id]
    frame = (
        scores.mutate(decile=ibis.ntile(10).over(order_by=order) + 1)
        .group_by("decile")
        .aggregate(
            customers=_.count(),
            value=_.residual_revenue.sum(),
            mean=_.residual_revenue.mean(),
            lowest=_.residual_revenue.min(),
            past_revenue=_.revenue.sum(),
        )
        .order_by("decile")
        .to_pandas()
    )
    frame["share"] = frame.value / frame.value.sum()
    return frame


def distribution(scores: ibis.Table, *, bins_per_decade: int = 5) -> pd.DataFrame:
    """Customers by residual revenue in bins of equal width on a log scale: low, high, customers, residual_revenue.

    Values under a hundredth of a currency unit share the lowest bin, whose low is 0.
    """
    floor = -2 * bins_per_decade
    bin_of = (_.residual_revenue.log10() * bins_per_decade).floor().cast("int64")
    frame = (
        scores.mutate(bin=ibis.ifelse(_.residual_revenue >= 10.0**-2, bin_of, floor - 1))
        .group_by("bin")
        .aggregate(customers=_.count(), residual_revenue=_.residual_revenue.sum())
        .order_by("bin")
        .to_pandas()
    )
    frame.insert(0, "high", 10.0 ** ((frame.bin + 1) / bins_per_decade))
    frame.insert(0, "low", np.where(frame.bin < floor, 0.0, 10.0 ** (frame.bin / bins_per_decade)))
    return frame.drop(columns="bin")


def concentration(known: ibis.Table, *, points: int = 20) -> pd.DataFrame:
    """Share of revenue held by the top share of customers, ranked by past revenue: customers, past, later.

    `known` is `customers.with_future`: `past` is their share of the revenue up to the origin, `later` the share that
    the *same* customers have of what all of them spent after it. Past shares overstate the future: part of being on
    top is luck. `later` is NaN where nobody bought after the origin. Ties are broken by customer_id.
    """
    ranked = known.mutate(
        rank=ibis.row_number().over(order_by=[_.revenue.desc(), _.customer_id]) + 1, n=_.count().over(ibis.window())
    )
    slices = (
        ranked.mutate(step=(_.rank * points / _.n).ceil().cast("int64"))
        .group_by("step")
        .aggregate(past=_.revenue.sum(), later=_.future_revenue.sum())
        .to_pandas()
        .set_index("step")
        .reindex(range(points + 1), fill_value=0.0)
    )
    sums = slices.cumsum()
    return pd.DataFrame(
        {
            "customers": np.arange(points + 1) / points,
            "past": sums.past / sums.past.iloc[-1] if sums.past.iloc[-1] else np.nan,
            "later": sums.later / sums.later.iloc[-1] if sums.later.iloc[-1] else np.nan,
        }
    )


def by_first_month(scores: ibis.Table, *, confidence: float) -> pd.DataFrame:
    """What a customer is worth by the month of the first order; see `worth`. month is YYYY-MM."""
    return worth(scores.mutate(month=_.first_day.strftime("%Y-%m")), by="month", confidence=confidence)


def worth(scores: ibis.Table, *, by: str, confidence: float) -> pd.DataFrame:
    """What a customer of each group is worth: `by`, customers, first_amount, repeat_rate, revenue, residual, value,
    low, high. Means per customer, in currency: revenue up to now, residual over the horizon, value their sum.

    [low, high] is the interval of the mean over customers (normal, NaN for a group of one); it does not hold the
    models' own uncertainty, which moves all groups together.
    """
    frame = (
        scores.mutate(value=_.revenue + _.residual_revenue)
        .group_by(by)
        .aggregate(
            customers=_.count(),
            first_amount=_.first_amount.mean(),
            repeat_rate=(_.frequency > 0).mean(),
            revenue=_.revenue.mean(),
            residual=_.residual_revenue.mean(),
            value=_.value.mean(),
            sd=_.value.std(how="sample"),
        )
        .order_by(by)
        .to_pandas()
    )
    half = norm.ppf((1 + confidence) / 2) * frame.sd / np.sqrt(frame.customers)
    return frame.assign(low=frame.value - half, high=frame.value + half).drop(columns="sd")


def spend_correlation(customers: ibis.Table) -> pd.Series:
    """How frequency and mean spend go together among repeat customers: n, pearson, low, high (Fisher's z, 95 %).

    Gamma-Gamma assumes that how often a customer buys says nothing about how much (Fader & Hardie, note 025).
    """
    repeat = customers.filter(_.frequency > 0, _.monetary_value > 0)
    n, r = (
        repeat.aggregate(n=_.count(), r=_.frequency.cast("float64").corr(_.monetary_value, how="pop"))
        .to_pandas()
        .iloc[0]
    )
    if n < 4 or r is None or not abs(r) < 1:
        return pd.Series({"n": n, "pearson": math.nan, "low": math.nan, "high": math.nan})
    z, half = math.atanh(r), norm.ppf(0.975) / math.sqrt(n - 3)
    return pd.Series({"n": n, "pearson": r, "low": math.tanh(z - half), "high": math.tanh(z + half)})
