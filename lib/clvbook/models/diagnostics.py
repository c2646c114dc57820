"""Does the model fit, and what does it make of a history: counts by frequency, weekly tracking, two maps.

in:  a fitted BetaGeoFitter in days, and cells — frequency, recency, T, weight
out: small pandas frames, each ready to be looked at
"""

from datetime import date

import numpy as np
import pandas as pd

from clvbook.models.beta_geo import BetaGeoFitter
from clvbook.models.value import expected_cumulative


def frequency_fit(cells: pd.DataFrame, model: BetaGeoFitter, *, last: int = 7) -> pd.DataFrame:
    """Customers by number of repeat orders, counted and expected: repeat_orders ("0" .. "7+"), actual, expected.

    Expected is the sum over customers of P(X(T) = n), Fader, Hardie & Lee (2005), eq. (8), each at the own age T.
    """
    actual = cells.groupby(cells.frequency.clip(upper=last)).weight.sum().reindex(range(last + 1), fill_value=0)
    ages = cells.groupby("T").weight.sum()
    chance = model.probability_of_n_purchases_up_to_time(ages.index.to_numpy()[:, None], np.arange(last)[None, :])
    expected = ages.to_numpy() @ chance
    labels = [*map(str, range(last)), f"{last}+"]
    expected = [*expected, ages.sum() - expected.sum()]
    return pd.DataFrame({"repeat_orders": labels, "actual": actual.to_numpy(), "expected": expected})


def tracking(first_days: pd.DataFrame, repeats: pd.DataFrame, model: BetaGeoFitter, *, until: date) -> pd.DataFrame:
    """Repeat orders of each whole week, counted and expected: week (its last day), actual, expected, and their sums so
    far actual_total, expected_total.

    first_days: first_day, customers; repeats: day, repeats. Every customer counts from the first order on, also those
    who came after the model was fitted: as many as came, each as the model expects of a new one.
    """
    start = pd.Timestamp(first_days.first_day.min())
    weeks = np.arange(7, (pd.Timestamp(until) - start).days + 2, 7)
    day_of = (pd.to_datetime(repeats.day) - start).dt.days.to_numpy()
    actual = np.array([repeats.repeats.to_numpy()[day_of < end].sum() for end in weeks])
    begun = pd.Series(
        first_days.customers.to_numpy(), index=(pd.to_datetime(first_days.first_day) - start).dt.days.to_numpy()
    )
    expected = expected_cumulative(model, begun, weeks - 1)
    frame = pd.DataFrame({"week": start + pd.to_timedelta(weeks - 1, unit="day")})
    frame["actual"], frame["expected"] = np.diff(actual, prepend=0), np.diff(expected, prepend=0.0)
    frame["actual_total"], frame["expected_total"] = actual, expected
    return frame


def history_map(
    cells: pd.DataFrame, model: BetaGeoFitter, *, measure: str, horizon_days: int, rows: int = 40
) -> pd.DataFrame:
    """The model's opinion of every history of the oldest customer's age: index recency in days, columns frequency.

    measure: "p_alive", or "expected_orders" in the next `horizon_days`. Frequencies reach to the 99.9th percentile of
    customers; NaN where no history can be (orders without a day between the first and the last).
    """
    age = float(cells["T"].max())
    by_frequency = cells.groupby("frequency").weight.sum().sort_index()
    top = int(by_frequency.index[(by_frequency.cumsum() >= 0.999 * by_frequency.sum()).argmax()])
    frequency = np.arange(max(top, 3) + 1)
    recency = np.linspace(0, age, min(rows, int(age) + 1)).round()
    x, t_x = np.meshgrid(frequency, recency)
    possible = np.where(x == 0, t_x == 0, t_x >= x)
    x, t_x = x[possible], t_x[possible]
    if measure == "p_alive":
        values = model.conditional_probability_alive(x, t_x, np.full(x.size, age))
    else:
        values = model.conditional_expected_number_of_purchases_up_to_time(horizon_days, x, t_x, np.full(x.size, age))
    matrix = np.full(possible.shape, np.nan)
    matrix[possible] = values
    return pd.DataFrame(matrix, index=recency, columns=frequency)
