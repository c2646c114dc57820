"""A shop with known truth: the demo, the tests' oracle and the benchmarks' scale.

in: a folder, numbers of customers and months, a seed; out: the design's tables in that folder, and truth.json
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np

from clvbook.errors import BadParameters
from clvbook.simulate import tables
from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.campaigns import plan_campaigns
from clvbook.simulate.chunk import CHUNK, make_chunk
from clvbook.simulate.ledger import Ledger, campaign_columns
from clvbook.simulate.truth import Parameters, Truth, read_truth

__all__ = ["Parameters", "Truth", "read_truth", "simulate_shop"]

PARQUET_FROM = 200_001  # customers from which a shop is Parquet unless asked otherwise


def simulate_shop(
    directory: str | Path,
    *,
    customers: int,
    months: int = 26,
    end: str | date = "2026-10-31",
    seed: int = 1,
    seasons: bool = True,
    campaigns: bool | None = None,
    dirt: bool = True,
    only_orders: bool = False,
    format: str | None = None,  # noqa: A002
    future_days: int = 365,
    parameters: Parameters | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Write a simulated shop's tables and truth.json into `directory`, and return the truth.

    The window is `months` calendar months up to day `end`, inclusive. Without `seasons` (and so without `campaigns`,
    whose default follows it) the customer-days are exactly BG/NBD; guests, refunds and rows to set aside (`dirt`) stand
    beside the purchases and leave them as they are. `only_orders` leaves out every table but orders. `format` is csv
    (large tables gzipped) or parquet (the default above 200,000 customers). The future of `future_days` beyond `end`
    is simulated too, campaigns included, and only counted. `progress` is called with (customers made, customers).

    The same arguments give the same bytes; memory is bounded by 200,000 customers, each such chunk with its own stream.
    Errors: BadParameters for numbers out of range.
    """
    end = date.fromisoformat(end) if isinstance(end, str) else end
    kind = format or ("parquet" if customers >= PARQUET_FROM else "csv")
    campaigns = seasons if campaigns is None else campaigns
    _check(customers=customers, months=months, seed=seed, future_days=future_days, kind=kind)
    truth = parameters or Parameters()
    year, month = divmod(end.year * 12 + end.month - months, 12)
    calendar = make_calendar(date(year, month + 1, 1), end, future_days=future_days, seasons=seasons)
    plan = plan_campaigns(calendar) if campaigns else []

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "truth.json").unlink(missing_ok=True)  # written last: where it is, the shop is whole
    starts = range(0, customers, CHUNK)
    streams = np.random.SeedSequence(seed).spawn(len(starts))
    ledger = Ledger(calendar, plan, truth)
    with tables.TableFiles(directory, kind=kind) as files:
        for k, (first, stream) in enumerate(zip(starts, streams, strict=True)):
            size = min(CHUNK, customers - first)
            chunk = make_chunk(
                stream, size, number=k, first=first, calendar=calendar, plan=plan, truth=truth, dirt=dirt
            )
            for name, columns in chunk.tables():
                if name == "orders" or not only_orders:
                    files.add(name, columns)
            ledger.add(chunk)
            if progress:
                progress(first + size, customers)
        if not only_orders:
            files.add("campaigns", campaign_columns(plan, calendar, truth))
            files.add("costs", ledger.cost_columns())
    shop = {"customers": customers, "months": months, "start": str(calendar.start), "end": str(end), "seed": seed}
    shop |= {"seasons": seasons, "campaigns": campaigns, "dirt": dirt, "format": kind, "future_days": future_days}
    result = ledger.truth(shop, asdict(truth), files.rows)
    result.write(directory / "truth.json")
    return result


def _check(*, customers: int, months: int, seed: int, future_days: int, kind: str) -> None:
    for name, value, least, most in (
        ("customers", customers, 1, 99_999_999),
        ("months", months, 1, 240),
        ("seed", seed, 0, 2**63),
        ("future_days", future_days, 0, 3650),
    ):
        if not least <= value <= most:
            raise BadParameters(f"{name}: {value} is outside {least} to {most}", f"choose {name} within this range")
    if kind not in ("csv", "parquet"):
        raise BadParameters(f"format: {kind!r} is not known", "choose csv or parquet")
