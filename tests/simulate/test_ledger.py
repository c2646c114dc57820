import duckdb
import pytest

from clvbook.simulate import simulate_shop
from clvbook.simulate.truth import STAGES


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    return folder, simulate_shop(folder, customers=4_000, seed=4)


def test_money_reconciles_to_the_cent(shop):
    _, truth = shop
    check = truth.check
    parts = check["net_kept"] + check["refunded"] + check["paid_quarantined"]
    assert round(100 * check["paid_read"]) == round(100 * parts)
    kept = check["rows_kept"] + check["rows_without_customer"] + sum(check["quarantined"].values())
    assert check["rows_read"] == kept == truth.rows["orders"]


def test_costs_are_those_of_the_sends_and_the_coupons(shop):
    folder, truth = shop
    costs = dict(duckdb.sql(f"select campaign_id, amount from '{folder}/costs.csv' where kind = 'message'").fetchall())
    billed = dict(
        duckdb.sql(
            f"""select campaign_id, round(sum(units) * any_value(cost_per_unit), 2)
                from '{folder}/sends.csv.gz' join '{folder}/campaigns.csv' using (campaign_id) group by 1"""
        ).fetchall()
    )
    assert costs == pytest.approx(billed)
    used = duckdb.sql(
        f"select sum(discount) from (select distinct order_id, discount from '{folder}/orders.csv.gz')"
    ).fetchall()[0][0]
    assert sum(c["coupons"] for c in truth.campaigns) == pytest.approx(used)
    assert duckdb.sql(f"select sum(amount) from '{folder}/costs.csv' where kind = 'coupon'").fetchall() == [(used,)]
    stages = duckdb.sql(f"select distinct stage from '{folder}/costs.csv' where kind = 'service'").fetchall()
    assert {stage for (stage,) in stages} == set(STAGES)


def test_campaign_counts_are_those_of_the_files(shop):
    folder, truth = shop
    counted = duckdb.sql(
        f"""select campaign_id, count(*) filter (arm = 'treated'), count(*) filter (arm = 'holdout'),
                   count(*) filter (delivered) from '{folder}/sends.csv.gz' group by 1 order by 1"""
    ).fetchall()
    said = [
        (c["campaign_id"], *(sum(s[k] for s in c["stages"].values()) for k in ("treated", "holdout", "delivered")))
        for c in truth.campaigns
    ]
    assert counted == said
    caused = sum(s["caused"] for c in truth.campaigns for s in c["stages"].values())
    assert caused == truth.purchases["caused_by_campaigns"] == sum(s["caused"] for s in truth.lift.values())
