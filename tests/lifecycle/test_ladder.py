"""ladder.py on random purchases, under a known law, and on CDNOW."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable
from clvbook.lifecycle.ladder import ladder
from clvbook.settings import find_files

START = date(2026, 1, 1)
AS_OF = START + timedelta(days=100)


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect(threads=1)


def table(con, rows):
    """(customer, days after START) as the engine's table; a customer's day stands once."""
    frame = pd.DataFrame(sorted(set(rows)), columns=["customer_id", "day"])
    frame["day"] = [START + timedelta(days=int(day)) for day in frame.day]
    con.con.register("ladder_days", pa.Table.from_pandas(frame, preserve_index=False))
    return con.table("ladder_days")


def cdnow(con):
    (path,) = find_files("package://lifetimes/datasets/CDNOW_master.txt")
    raw = pd.read_csv(path, header=None, skiprows=1, sep=r"\s+", names=["customer_id", "day", "n", "amount"])
    frame = pd.DataFrame({"customer_id": raw.customer_id, "day": pd.to_datetime(raw.day.astype(str)).dt.date})
    con.con.register("cdnow_days", pa.Table.from_pandas(frame.drop_duplicates(), preserve_index=False))
    return con.table("cdnow_days")


purchase = st.tuples(st.sampled_from("abcdef"), st.integers(0, 110))


@given(st.lists(purchase, min_size=1, max_size=60))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_the_naive_ratio_is_never_above_the_estimate(con, rows):
    found = ladder(table(con, rows), as_of=AS_OF, windows=[10, 40], confidence=0.95, orders=4)
    if isinstance(found, NotComputable):
        assert all(day > 100 for _, day in rows)
        return
    for row in found.steps.to_dict("records"):
        if not isinstance(row["probability"], NotComputable):
            assert row["naive"] <= row["probability"] + 1e-12
            assert row["in_time"] + row["followed"] <= row["reached"]
            if row["in_time"] + row["followed"] == row["reached"]:  # all seen for the whole window: nothing to correct
                assert row["naive"] == pytest.approx(row["probability"])


def test_cdnow_steps(con):
    found = ladder(cdnow(con), as_of=date(1998, 6, 30), windows=[45, 90, 180], confidence=0.95)
    # 23,570 customers (Fader & Hardie); all first bought by 1997-03, so every window of the first step is over and
    # the estimate is the plain share; 11,516 bought again: awk '!s[$1,$2]++{n[$1]++} END{for(c in n) k+=n[c]>1; ...}'
    first = found.steps[found.steps.order == 1]
    assert first.reached.tolist() == [23570] * 3
    assert first.probability.astype(float).to_numpy() == pytest.approx(first.naive.astype(float).to_numpy())
    assert found.times.bought_again[0] == 11516
    assert found.times.reached[1] == 11516
    # fewer than half bought again
    assert str(found.times.median_days[0]).startswith("not reached: 51% had not bought again after")
    # later steps have open windows
    later = found.steps[found.steps.order > 1]
    assert (later.naive < later.probability).all()


def simulated(con, *, chances, customers, seed):
    """Customers who buy again with the chance of their step, after a geometric number of days (mean 30), or never."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        day, step = rng.integers(0, 100), 0
        while day <= 100:
            rows.append((str(customer), day))
            if rng.random() > chances[min(step, len(chances) - 1)]:
                break
            day, step = day + rng.geometric(1 / 30), step + 1
    return table(con, rows)


def test_young_customers_bias_the_ratio_and_not_the_estimate(con):
    truth = 0.8 * (1 - (1 - 1 / 30) ** 60)
    days = simulated(con, chances=[0.8], customers=4000, seed=4)
    step = ladder(days, as_of=AS_OF, windows=[60], confidence=0.99).steps.iloc[0]
    assert step.low < truth < step.high
    assert step.naive < step.low - 0.1


def test_the_curve_flattens_where_the_law_does(con):
    days = simulated(con, chances=[0.3, 0.6, 0.9, 0.9, 0.9], customers=4000, seed=2)
    found = ladder(days, as_of=AS_OF, windows=[20], confidence=0.99)
    assert found.gains(20).rises.tolist()[:2] == [True, True]
    flat = found.flattens_at(20)
    assert (flat.order, flat.window, flat.source) == (3, 20, "3 to 5")
    assert flat.low <= 0 <= flat.high
    # gain and its standard error, from the steps on both sides
    one, two = (found.steps[found.steps.order == order].iloc[0] for order in (3, 4))
    assert flat.gain == pytest.approx(two.probability - one.probability)
    assert (flat.high - flat.low) / 2 == pytest.approx(2.5758293 * np.hypot(one.se, two.se))  # z of 99 %


def test_what_cannot_be_told_has_its_reason(con):
    rows = [("a", 0), ("a", 5), ("b", 90), ("c", 95)]
    found = ladder(table(con, rows), as_of=AS_OF, windows=[5, 45], confidence=0.95, orders=3)
    by = found.steps.set_index(["order", "window"])
    assert by.loc[(1, 5), "probability"] == pytest.approx(1 / 3)
    assert str(by.loc[(3, 45), "probability"]) == "not enough data: nobody has made 3 purchases"
    assert str(by.loc[(2, 5), "low"]).startswith("nobody seen bought again within 5 days of purchase 2")
    assert by.loc[(2, 5), "probability"] == 0
    assert str(found.times.median_days[1]) == "not reached: 100% had not bought again after 95 days"
    assert str(found.flattens_at(5)) == (
        "not enough data: 1 customers with a next purchase within 5 days after purchase 1, 10 needed"
    )
    young = ladder(table(con, [("b", 90), ("c", 95), ("c", 97)]), as_of=AS_OF, windows=[45], confidence=0.95)
    expected = "not enough data: nobody was seen for 45 days after purchase 1 (10 at most)"
    assert str(young.steps.probability[0]) == expected
    assert not ladder(table(con, [("a", 101)]), as_of=AS_OF, windows=[45], confidence=0.95)
