"""cohorts.py against a plain pandas count on random purchases, and on CDNOW."""

from datetime import date, timedelta
from decimal import Decimal

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from clvbook.errors import BadParameters
from clvbook.lifecycle.cohorts import VARIANTS, cohorts
from clvbook.settings import find_files

START = date(2025, 11, 20)


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect(threads=1)


def table(con, frame):
    schema = {"customer_id": "string", "day": "date", "amount": "decimal(18,4)"}
    con.con.register("days", pa.Table.from_pandas(frame, preserve_index=False))
    return con.table("days").cast(schema)


def frame_of(rows):
    """Customer, days after START, amount in cents; a customer's day stands once."""
    unique = {(name, START + timedelta(days=after)): Decimal(cents) / 100 for name, after, cents in rows}
    return pd.DataFrame([(*key, amount) for key, amount in unique.items()], columns=["customer_id", "day", "amount"])


def cdnow(con, file):
    (path,) = find_files(f"package://lifetimes/datasets/{file}")
    sample = "sample" in file
    names = ["_", "customer_id", "day", "n", "amount"] if sample else ["customer_id", "day", "n", "amount"]
    raw = pd.read_csv(path, header=None, skiprows=int(not sample), sep=r"\s+", names=names)
    amount = [Decimal(str(value)) for value in raw.amount]
    frame = pd.DataFrame(
        {"customer_id": raw.customer_id.astype(str), "day": pd.to_datetime(raw.day.astype(str)).dt.date}
    )
    rows = frame.assign(amount=amount).groupby(["customer_id", "day"], as_index=False).amount.sum()
    return table(con, rows)


def test_cdnow_cohorts(con):
    found = cohorts(cdnow(con, "CDNOW_master.txt"), as_of=date(1998, 6, 30), confidence=0.95)
    # Fader & Hardie's full file: 23,570 customers who bought first in 1997-01 to 1997-03; counted by the month with
    # awk '{m=substr($2,1,6); if(!($1 in f)||m<f[$1])f[$1]=m} END{for(c in f)n[f[c]]++; ...}' CDNOW_master.txt
    assert found.sizes.to_dict() == {"1997-01": 7846, "1997-02": 8476, "1997-03": 7248}
    assert found.sizes.sum() == 23570
    assert (found.too_young, found.through) == (0, date(1998, 6, 30))
    assert list(found.summary.months) == [17, 16, 15]


def test_cdnow_sample_repeat_customers(con):
    # as_of in the middle of a month: its first days are not looked at, so this is 1997-09-30
    found = cohorts(cdnow(con, "CDNOW_sample.txt"), as_of=date(1997, 10, 10), confidence=0.95)
    # Fader, Hardie & Lee 2005: 2,357 customers, 1,411 of them without a repeat purchase in 39 weeks (to 1997-09-30)
    assert found.through == date(1997, 9, 30)
    assert found.sizes.sum() == 2357
    assert found.summary.came_back.sum() == 2357 - 1411


purchase = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 250), st.integers(0, 50_000))


def plain(frame, as_of):
    """variant -> {(cohort, k): value} of the cells whose month is over, and cohort -> size; customer by customer."""
    months = pd.period_range("2025-11", "2026-12", freq="M")
    over = [m for m in months if m.end_time.date() <= as_of]
    seen = frame[[pd.Period(day, "M") in over for day in frame.day]].sort_values(["customer_id", "day"])
    cells = {variant: {} for variant in VARIANTS}
    sizes = {}
    for _, bought in seen.groupby("customer_id"):
        mine = [pd.Period(day, "M") for day in bought.day]
        sizes[str(mine[0])] = sizes.get(str(mine[0]), 0) + 1
        for month in (m for m in over if m >= mine[0]):
            cell = str(mine[0]), (month - mine[0]).n
            values = {
                "on": int(month in mine),
                "on_or_after": int(any(m >= month for m in mine)),
                "cumulative": int(sum(m <= month for m in mine) >= 2),
                "revenue": sum((a for a, m in zip(bought.amount, mine, strict=True) if m == month), Decimal(0)),
            }
            for variant, value in values.items():
                cells[variant][cell] = cells[variant].get(cell, 0) + value
    return cells, sizes


@given(st.lists(purchase, min_size=1, max_size=60), st.integers(0, 260))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_every_cell_is_what_a_plain_count_gives(con, rows, age):
    frame, as_of = frame_of(rows), START + timedelta(days=age)
    found = cohorts(table(con, frame), as_of=as_of, confidence=0.95)
    cells, sizes = plain(frame, as_of)
    if not sizes:
        assert "nobody bought first" in str(found)
        return
    assert found.sizes.to_dict() == sizes
    first = frame[frame.day <= as_of].groupby("customer_id").day.min()
    assert found.too_young == (first > found.through).sum()
    for variant in VARIANTS:
        triangle = found.triangle(variant).drop(columns="size")
        stacked = triangle.stack().dropna()
        assert {key: float(value) for key, value in stacked.items()} == {
            key: pytest.approx(float(value)) for key, value in cells[variant].items()
        }
        assert ((found.reasons != "") == triangle.isna()).all(axis=None)
        # the average: sums over sums of the filled cells, cohorts of zero among them
        for k, row in found.average(variant).iterrows():
            at = {cohort: value for (cohort, j), value in cells[variant].items() if j == k}
            assert (row.cohorts, row.eligible) == (len(at), sum(sizes[cohort] for cohort in at))
            mean = row.per_customer if variant == "revenue" else row.share
            assert mean == pytest.approx(float(sum(at.values())) / row.eligible)


@given(st.lists(purchase, min_size=1, max_size=60))
@settings(deadline=None, max_examples=10, derandomize=True)
def test_triangles_keep_their_order(con, rows):
    found = cohorts(table(con, frame_of(rows)), as_of=date(2026, 8, 31), confidence=0.95)
    on, after, cumulative = (
        found.triangle(v).drop(columns="size").astype(float) for v in ("on", "on_or_after", "cumulative")
    )
    size = found.sizes
    assert (on[0] == size).all()
    assert (after[0] == size).all()
    filled = on.notna()
    for cells in (on, after, cumulative):
        assert (cells.le(size, axis=0) | ~filled).all(axis=None)
    assert ((on <= after) | ~filled).all(axis=None)
    assert ((cumulative.diff(axis=1) >= 0) | ~filled | (cumulative.columns == 0)).all(axis=None)
    assert ((after.diff(axis=1) <= 0) | ~filled | (after.columns == 0)).all(axis=None)


@pytest.fixture(scope="module")
def small(con):
    """a and b first bought in November, c and d in December; only a came back, in January; e is too young."""
    days = [
        ("a", date(2025, 11, 25), 1),
        ("a", date(2026, 1, 5), 2),
        ("b", date(2025, 11, 30), 4),
        ("c", date(2025, 12, 1), 8),
        ("d", date(2025, 12, 31), 16),
        ("e", date(2026, 2, 1), 32),
    ]
    frame = pd.DataFrame(days, columns=["customer_id", "day", "amount"]).assign(amount=lambda t: t.amount.map(Decimal))
    con.con.register("small_days", pa.Table.from_pandas(frame, preserve_index=False))
    return con.table("small_days").cast({"amount": "decimal(18,4)"})


def test_a_month_that_is_not_over_is_missing_with_its_reason(small):
    found = cohorts(small, as_of=date(2026, 2, 27), confidence=0.95)
    assert (found.through, found.too_young) == (date(2026, 1, 31), 1)
    triangle = found.triangle("on")
    assert list(triangle.columns) == ["size", 0, 1, 2]
    assert triangle.loc["2025-11"].tolist() == [2, 2, 0, 1]
    assert triangle.loc["2025-12", 1] == 0
    assert triangle.loc["2025-12", 2] is pd.NA
    assert found.reasons.loc["2025-12", 2] == "2026-02 is not over by 2026-02-27"
    # the day on which February is over fills its cells
    later = cohorts(small, as_of=date(2026, 2, 28), confidence=0.95).triangle("on")
    assert (later.loc["2025-12", 2], later.loc["2025-11", 3], later.loc["2026-02", 0]) == (0, 0, 1)


def test_the_average_counts_cohorts_of_whom_nobody_came(small):
    average = cohorts(small, as_of=date(2026, 2, 28), confidence=0.9).average("on")
    # k = 2: one of two of November, none of two of December (PostHog #30624 averaged over the first alone)
    row = average.loc[2]
    assert (row.cohorts, row.eligible, row.retained, row.share) == (2, 4, 1, 0.25)
    # Wilson: (p + z^2/2n -+ z sqrt(pq/n + z^2/4n^2)) / (1 + z^2/n)
    z, n, p = norm.ppf(0.95), 4, 0.25
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = ((p + z**2 / (2 * n) + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    assert (row.low, row.high) == (pytest.approx(low), pytest.approx(high))


def test_revenue_is_that_of_the_month_and_a_customer(small):
    found = cohorts(small, as_of=date(2026, 1, 31), confidence=0.95)
    assert found.triangle("revenue").loc["2025-11"].tolist() == [2, 5, 0, 2]
    assert found.triangle("revenue", per_customer=True).loc["2025-12", 0] == 12
    assert found.average("revenue").loc[0, "per_customer"] == 29 / 4
    row = found.summary.set_index("cohort").loc["2025-11"]
    assert (row.came_back, row.came_back_share, row.revenue, row.revenue_per_customer) == (1, 0.5, 7, 3.5)


def test_cohorts_of_the_burn_in_are_shown_and_left_out_of_averages(small):
    found = cohorts(small, as_of=date(2026, 2, 28), burn_in=date(2025, 11, 30), confidence=0.95)
    assert found.summary.set_index("cohort").burn_in.to_dict() == {"2025-11": True, "2025-12": False, "2026-02": False}
    assert found.triangle("on").loc["2025-11", 2] == 1
    assert found.average("on").loc[2].tolist()[:3] == [1, 2, 0]
    # a month that began in the burn-in is marked whole
    assert cohorts(small, as_of=date(2026, 2, 28), burn_in=date(2025, 12, 1), confidence=0.95).in_burn_in.sum() == 2


def test_on_or_after_marks_the_cells_that_later_months_will_raise(con):
    frame = frame_of([("a", 0, 1), ("a", 200, 1)])
    biased = cohorts(table(con, frame), as_of=date(2026, 9, 30), confidence=0.95).biased
    # November 2025 has ten months after it; six of them must follow a cell: 0 to 4 are settled, 5 to 10 are not
    assert biased.loc["2025-11"].tolist() == [False] * 5 + [True] * 6


def test_no_cohort_no_triangle(small):
    found = cohorts(small, as_of=date(2025, 11, 29), confidence=0.95)
    assert not found
    assert str(found) == "not enough data: nobody bought first in a month that was over by 2025-11-29"


def test_an_unknown_variant_names_those_that_are(small):
    with pytest.raises(BadParameters, match="choose one of on, on_or_after, cumulative, revenue"):
        cohorts(small, as_of=date(2026, 1, 31), confidence=0.95).triangle("classic")
