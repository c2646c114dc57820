import gzip
import json
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy import stats

from clvbook import engine, simulate
from clvbook.errors import BadParameters
from clvbook.models import BetaGeoFitter
from clvbook.orders import clean_orders
from clvbook.settings import load_settings
from clvbook.simulate import Parameters, read_truth, simulate_shop

DEMO = Path(__file__).parents[1] / "data" / "demo"
KEPT = """select distinct * from '{orders}' where status in ('paid', 'shipped', 'completed', 'part_refunded')
          and paid > refund and created_at <= paid_at"""


def contents(folder):
    """Each file's rows as bytes; gzip's own bytes may differ between its versions."""
    unpack = {".gz": gzip.decompress}
    return {
        path.name: unpack.get(path.suffix, bytes)(path.read_bytes())
        for path in sorted(folder.iterdir())
        if path.name != "README.md"
    }


def count(folder, where="true", what="count(*)"):
    return duckdb.sql(f"select {what} from '{folder}/orders.csv.gz' where {where}").fetchall()[0][0]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, simulate_shop(folder, customers=20_000)


def test_the_committed_demo_is_what_simulate_makes_today(demo):
    made, committed = contents(demo[0]), contents(DEMO)
    assert list(made) == list(committed)
    for name, rows in made.items():
        assert rows == committed[name], name


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_same_call_makes_the_same_bytes_and_another_seed_does_not(tmp_path, kind):
    shops = []
    for name, seed in [("one", 7), ("two", 7), ("three", 8)]:
        simulate_shop(tmp_path / name, customers=800, months=15, seed=seed, format=kind)
        shops.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert shops[0] == shops[1]
    assert shops[0] != shops[2]
    assert len(shops[0]) == 8


def test_what_is_planted_is_in_the_file(demo):
    folder, truth = demo
    planted = truth.planted
    orders = count(folder, what="count(distinct order_id)")
    assert count(folder) == truth.rows["orders"] == orders + planted["duplicate_row"] + planted["superseded"]
    exact = duckdb.sql(f"select count(*) from (select distinct * from '{folder}/orders.csv.gz')").fetchall()[0][0]
    assert truth.rows["orders"] - exact == planted["duplicate_row"]
    for status in ("unpaid", "closed_unpaid", "cancelled"):
        assert count(folder, f"status = '{status}'") == planted[status]
        assert count(folder, f"status = '{status}' and (paid_at is not null or paid > 0)") == 0
    assert (
        count(folder, "status = 'closed_refunded' and paid_at is not null and paid = refund")
        == (planted["closed_refunded"])
    )
    assert count(folder, "status = 'test'") == planted["test_order"]
    assert count(folder, "customer_id is null and status <> 'test'") == planted["without_customer"]
    assert count(folder, "status = 'completed' and paid = 0") == planted["zero_amount"]
    assert count(folder, "status = 'completed' and paid = refund and paid > 0") == planted["fully_refunded"]
    assert count(folder, "created_at > paid_at") == planted["paid_before_created"]
    assert (
        count(folder, "status = 'part_refunded' and 0 < refund and refund < paid", "count(distinct order_id)")
        == (planted["part_refunded"])
    )


def test_reading_and_cleaning_the_demo_finds_what_the_truth_says():
    settings = load_settings(DEMO.parents[1] / "params" / "demo.yml", {"orders": str(DEMO / "orders.csv.gz")})
    found = clean_orders(engine.connect(settings), settings).reconciliation
    told = found.as_numbers()
    for name, said in read_truth(DEMO).check.items():
        assert told[name] == said, name


def test_purchases_are_the_customer_days_of_the_kept_orders(demo):
    folder, truth = demo
    kept = KEPT.format(orders=f"{folder}/orders.csv.gz")
    # an older version of an order differs from the newer in its status or refund alone: the newer stands later
    days, repeat, net = duckdb.sql(
        f"""with kept as (select order_id, any_value(customer_id) c, any_value(paid_at)::date d,
                                 min((paid - refund)::decimal(18, 2)) net from ({kept}) group by 1),
                 days as (select c, d, sum(net) net from kept where c is not null group by all)
            select sum(n)::bigint, count(*) filter (n > 1), sum(net)
            from (select count(*) n, sum(net) net from days group by c)"""
    ).fetchall()[0]
    assert days == truth.purchases["customer_days"]
    assert repeat == truth.purchases["repeat_customers"]
    assert float(net) == truth.purchases["net"]


def test_items_of_an_order_sum_to_its_paid(demo):
    folder, _ = demo
    wrong = duckdb.sql(
        f"""with one as (select distinct order_id, paid::decimal(18, 2) paid from '{folder}/orders.csv.gz'),
                 lines as (select order_id, sum(amount::decimal(18, 2)) amount
                           from '{folder}/order_items.csv.gz' group by order_id)
            select count(*) from one left join lines using (order_id) where paid <> coalesce(amount, 0)"""
    ).fetchall()
    assert wrong == [(0,)]


def test_sends_leave_out_who_opted_out(demo):
    folder, _ = demo
    opted_out, held_out = duckdb.sql(
        f"""select count(*) filter (opted_out), avg((arm = 'holdout')::int)
            from '{folder}/sends.csv.gz' join '{folder}/customers.csv.gz' using (customer_id)"""
    ).fetchall()[0]
    assert opted_out == 0
    assert held_out == pytest.approx(0.10, abs=0.005)  # 118,000 sends: 5 standard errors


def cells(path):
    """(frequency, recency, T, weight) as of 2026-10-31, from the kept orders of a shop without dirt."""
    return duckdb.sql(
        f"""with days as (select distinct customer_id c, paid_at::date d from '{path}/orders.parquet'),
                 one as (select count(*) - 1 x, max(d) - min(d) t, date '2026-10-31' - min(d) age from days group by c)
            select x, t, age, count(*) from one group by all order by all"""
    ).fetchnumpy()


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Eight shops without seasons of 60,000 customers: (truth, fitted model, expected orders by horizon)."""
    results = []
    for seed in range(1, 9):
        folder = tmp_path_factory.mktemp("clean")
        truth = simulate_shop(
            folder, customers=60_000, seed=seed, seasons=False, dirt=False, only_orders=True, format="parquet"
        )
        x, t, age, n = (np.asarray(column, float) for column in cells(folder).values())
        model = BetaGeoFitter().fit(x, t, age, weights=n)
        expected = {
            days: n @ np.asarray(model.conditional_expected_number_of_purchases_up_to_time(int(days), x, t, age))
            for days in truth.future
        }
        results.append((truth, model, expected))
    return results


def test_without_seasons_the_bg_nbd_parameters_lie_in_their_intervals(fits):
    inside, z = [], []
    for truth, model, _ in fits:
        summary = model.summary
        true = np.array([truth.parameters[name] for name in summary.index])
        inside.append((summary["lower 95% bound"] <= true) & (true <= summary["upper 95% bound"]))
        z.append((summary["coef"] - true) / summary["se(coef)"])
    # One interval in twenty is meant to miss: of 8, more than 2 of one parameter would have probability 0.006.
    assert (np.sum(inside, axis=0) >= 6).all()
    # A bias too small for one shop's interval shows in the mean of eight.
    assert (np.abs(np.mean(z, axis=0)) < stats.norm.ppf(0.995) / np.sqrt(len(z))).all()


def test_without_seasons_expected_orders_are_within_3_percent_of_what_then_happens(fits):
    for truth, _, expected in fits:
        assert truth.purchases["caused_by_campaigns"] == 0
        actual = truth.future["365"]["orders"]
        assert expected["365"] == pytest.approx(actual, rel=0.03), truth.shop["seed"]


def test_treated_minus_holdout_recovers_the_caused_orders(tmp_path):
    truth = simulate_shop(tmp_path, customers=60_000, seed=5, dirt=False, format="parquet")
    treated, held, buyers_treated, buyers_held = duckdb.sql(
        f"""with sent as (select campaign_id, customer_id, arm, assigned_at + interval 1 hour sent_at
                          from '{tmp_path}/sends.parquet'),
                 bought as (select distinct campaign_id, customer_id from sent join '{tmp_path}/orders.parquet'
                            using (customer_id) where paid_at >= sent_at and paid_at < sent_at + interval 7 day)
            select count(*) filter (arm = 'treated'), count(*) filter (arm = 'holdout'),
                   count(b.customer_id) filter (arm = 'treated'), count(b.customer_id) filter (arm = 'holdout')
            from sent left join bought b using (campaign_id, customer_id)"""
    ).fetchall()[0]
    rates = np.array([buyers_treated / treated, buyers_held / held])
    error = np.sqrt((rates * (1 - rates) / [treated, held]).sum())
    true = sum(stage["caused"] for stage in truth.lift.values()) / treated
    assert rates[0] - rates[1] == pytest.approx(true, abs=2.5 * error)
    assert true > 4 * error  # large enough to be seen


def test_memory_is_bounded_by_chunks_and_a_larger_shop_begins_like_a_smaller_one(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "CHUNK", 2_000)
    peaks, heads = [], []
    for name, customers in [("small", 4_000), ("large", 24_000)]:
        tracemalloc.start()
        truth = simulate_shop(tmp_path / name, customers=customers, seed=6, only_orders=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert truth.check["customers"] == customers
        heads.append(contents(tmp_path / name)["orders.csv.gz"])
    assert heads[1].startswith(heads[0])
    assert peaks[1] < 1.2 * peaks[0]


def test_a_small_shop_with_a_short_past_and_no_future_can_be_made(tmp_path):
    truth = simulate_shop(tmp_path, customers=1, months=1, end="2026-02-28", seed=1, future_days=0)
    assert truth.check["customers"] == 1
    assert truth.shop["start"] == "2026-02-01"
    assert truth.future == {}
    assert truth.churn_survey["one_time"]["asked"] == 0


def test_progress_is_told_and_truth_is_written_last(tmp_path):
    (tmp_path / "truth.json").write_text("{}")

    def stop(made, customers):
        assert (made, customers) == (300, 300)
        assert not (tmp_path / "truth.json").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_shop(tmp_path, customers=300, progress=stop)
    assert not (tmp_path / "truth.json").exists()


def test_parameters_can_be_chosen_and_are_recorded(tmp_path):
    chosen = replace(Parameters(), p=3.0, lift=(0.0, 0.0, 0.0, 0.0))
    truth = simulate_shop(tmp_path, customers=2_000, parameters=chosen)
    assert truth.purchases["caused_by_campaigns"] == 0
    assert json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))["parameters"] == json.loads(
        json.dumps(asdict(chosen))
    )


@pytest.mark.parametrize(
    "wrong", [{"customers": 0}, {"months": 0}, {"seed": -1}, {"format": "xlsx"}, {"future_days": -1}]
)
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(BadParameters, match=next(iter(wrong))):
        simulate_shop(tmp_path, **{"customers": 10, **wrong})
