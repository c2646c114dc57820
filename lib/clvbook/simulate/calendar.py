"""The shop's days: when customers come, how busy a day is, and when campaigns go out.

in: first and last day, days of future, whether there are seasons; out: a `Calendar` of daily intensities
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

# New Year's days of the Chinese calendar (Hong Kong Observatory's conversion tables).
CHINESE_NEW_YEAR = {
    2016: (2, 8), 2017: (1, 28), 2018: (2, 16), 2019: (2, 5), 2020: (1, 25), 2021: (2, 12), 2022: (2, 1),
    2023: (1, 22), 2024: (2, 10), 2025: (1, 29), 2026: (2, 17), 2027: (2, 6), 2028: (1, 26), 2029: (2, 13),
    2030: (2, 3), 2031: (1, 23), 2032: (2, 11), 2033: (1, 31), 2034: (2, 19), 2035: (2, 8),
}  # fmt: skip
GROWTH = 0.3  # the last day of the window brings this much more new customers than the first


@dataclass(frozen=True)
class Calendar:
    """Days are counted from `start` (day 0). The window is what the shop's files cover; the future follows it.

    `edges[d]` is the business time at which day d begins (without seasons d itself), so a waiting time drawn at a
    constant rate and laid along `edges` falls more often on busy days (a time change: seasons without new parameters).
    """

    start: date
    window: int
    horizon: int
    seasons: list[dict]
    edges: np.ndarray
    arrivals: np.ndarray

    def day(self, when: date) -> int:
        return (when - self.start).days

    def date(self, day: int) -> date:
        return self.start + timedelta(days=int(day))

    def months(self, until: int) -> list[tuple[int, int]]:
        """(year, month) of each month that has a day before day `until`."""
        last = self.date(until - 1)
        count = (last.year - self.start.year) * 12 + last.month - self.start.month + 1
        return [divmod(self.start.year * 12 + self.start.month - 1 + k, 12) for k in range(count)]

    def next_day(self, day: np.ndarray, wait: np.ndarray) -> np.ndarray:
        """The day reached from the middle of `day` after `wait` of business time; a later one, `horizon` if beyond.

        From middle to middle the rounding to whole days has no first-order bias: daily data carry the true rates.
        """
        middle = (self.edges[day] + self.edges[day + 1]) / 2
        reached = np.searchsorted(self.edges, middle + wait, side="right") - 1
        return np.minimum(np.maximum(reached, day + 1), self.horizon)


def make_calendar(start: date, end: date, *, future_days: int, seasons: bool) -> Calendar:
    """Daily intensities from `start` to `end` and `future_days` beyond; the mean intensity of purchase is 1."""
    window = (end - start).days + 1
    horizon = window + future_days
    intensity = np.ones(horizon)
    found = _seasons(start, start + timedelta(days=horizon - 1)) if seasons else []
    for season in found:
        first, last = (date.fromisoformat(season[k]) for k in ("from", "to"))
        intensity[max((first - start).days, 0) : (last - start).days + 1] *= season["factor"]
    edges = np.concatenate([[0.0], np.cumsum(intensity / intensity.mean())])
    arrivals = np.cumsum(intensity[:window] * np.linspace(1, 1 + GROWTH, window))
    return Calendar(start, window, horizon, found, edges, arrivals / arrivals[-1])


def _seasons(first: date, last: date) -> list[dict]:
    found = []
    for year in range(first.year, last.year + 1):
        found.append(("618", date(year, 6, 1), date(year, 6, 20), 1.7))
        found.append(("Double 11", date(year, 11, 1), date(year, 11, 11), 2.3))
        if year in CHINESE_NEW_YEAR:
            new_year = date(year, *CHINESE_NEW_YEAR[year])
            found.append(("Chinese New Year", new_year - timedelta(days=7), new_year + timedelta(days=7), 0.5))
    return [
        {"name": name, "from": str(a), "to": str(b), "factor": factor}
        for name, a, b, factor in sorted(found, key=lambda season: season[1])
        if a <= last and b >= first
    ]
