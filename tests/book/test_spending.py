"""spending.py: save rates from holdouts, the list, the break-even, on a simulated shop with its campaigns."""

import numpy as np
import pytest

from clvbook.errors import NotComputable
from clvbook.simulate import simulate_shop


@pytest.fixture(scope="module")
def sold(tmp_path_factory):
    """A folder with a shop of 2,000 customers and all its tables."""
    folder = tmp_path_factory.mktemp("sold")
    simulate_shop(folder / "shop", customers=2000, seed=5, format="csv")
    return folder


FILES = {"campaigns": "shop/campaigns.csv", "sends": "shop/sends.csv.gz", "customers": "shop/customers.csv.gz"}


@pytest.fixture(scope="module")
def whole(sold, opened):
    """A function: settings -> the book of that shop."""
    return lambda **values: opened(home=sold, **FILES, **values)


@pytest.fixture
def there(sold, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(sold))


@pytest.fixture
def assumed(whole, there):
    return whole(retention_save_rate=0.03, retention_budget=20.0, retention_incentive=1.0)


def test_holdouts_give_the_save_rates(whole, there):
    book = whole()
    rates = book.save_rates.set_index("segment")
    sums = book._kept_sums
    for stage, row in rates.iterrows():
        part = sums[sums.stage == stage]
        treated = part[part.arm == "treated"].set_index("campaign_id")
        held = part[(part.arm == "holdout") & (part.n > 0)].set_index("campaign_id")
        both = treated.join(held[["n", "buyers"]].add_suffix("_held"), how="inner")
        without = np.average(both.buyers_held / both.n_held, weights=both.n)
        assert row.treated == both.n.sum()
        assert row.held_out <= both.n_held.sum()
        expected = both.buyers.sum() / both.n.sum() - without
        assert row.measured == pytest.approx(expected, abs=0.51 / row.held_out)  # whole customers
        assert row.low <= row.measured <= row.high
    assert rates.save_rate.std() <= rates.measured.std()  # shrunken


def test_an_assumption_goes_before_the_holdouts_and_is_called_one(assumed):
    rates = assumed.save_rates
    assert assumed.assumed
    assert rates.save_rate.tolist() == [0.03] * 4
    assert (rates.low.tolist()[0], rates.high.tolist()[0]) == pytest.approx((0.015, 0.045))
    assert str(rates.treated[0]) == "assumed (retention_save_rate)"


def test_the_list_is_within_the_budget_and_funds_nobody_at_a_loss(assumed):
    listed = assumed.retention_list.to_pandas()
    assert 0 < listed.cost.sum() <= 20.0
    assert (listed.net > 0).all()
    assert listed.net.is_monotonic_decreasing
    assert listed.customer_id.is_unique
    people = assumed.candidates.to_pandas().set_index("customer_id").loc[listed.customer_id]
    assert not people.opted_out.fillna(False).any()
    assert (people.contacts < 3).all()
    assert assumed.top_of_list.customer_id.tolist() == listed.customer_id.head(5).tolist()
    assert assumed.listed.customers.sum() == len(listed)
    assert assumed.listed.net.sum() == pytest.approx(assumed.allocation.net)
    spent = assumed.listed[["contact", "incentive_saved", "incentive_stayers"]].sum().sum()
    assert spent == pytest.approx(assumed.listed.cost.sum(), rel=1e-4)  # costs are rounded to a millionth each


def test_candidates_are_all_customers_once(assumed):
    people = assumed.candidates.to_pandas()
    assert len(people) == assumed.base.customers
    assert people.value.sum() == pytest.approx(0.4 * assumed.scores.residual_revenue.sum().to_pyarrow().as_py())
    stage = assumed.stage_counts.now.to_numpy()
    assert people.groupby("segment").size().tolist() == stage.tolist()


def test_break_even_is_save_rate_times_value(assumed):
    table = assumed.break_even
    assert table.customers.sum() == assumed.base.customers
    assert table.break_even.astype(float).to_numpy() == pytest.approx((0.03 * table.value).to_numpy())
    assert (table.spend == (table.break_even > table.cost_a_head)).all()


def test_optimal_spending_stops_where_the_next_unit_returns_one(assumed):
    for row in assumed.optimal.itertuples():
        k = -np.log(1 - row.kept_today / 0.10) / row.today
        if row.spend > 0:
            assert row.value * 0.10 * k * np.exp(-k * row.spend) == pytest.approx(1)


def test_the_cost_of_a_message_is_what_campaigns_paid_else_contact_cost(whole, there, opened):
    measured = whole().message_cost
    assert 0.05 <= measured <= 0.10  # 0.05 a unit, one or two units
    plain = opened(contact_cost=0.2)
    assert plain.message_cost == 0.2
    assert "contact_cost" in str(opened().message_cost)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "no save rate is known"),
        ({"retention_save_rate": 0.02}, "no cost of a message is known"),
        ({"retention_save_rate": 0.02, "contact_cost": 0.1, "margin_rate": None}, "margin_rate is not set"),
    ],
)
def test_what_is_missing_is_said_everywhere(opened, values, says):
    book = opened(**values)
    for name in (
        "allocation", "retention_list", "top_of_list", "listed", "left_out", "frontier", "break_even", "optimal",
        "outlook", "tornado", "rules", "scenarios", "margins",
    ):  # fmt: skip
        found = getattr(book, name)
        assert isinstance(found, NotComputable), name
        assert says in str(found), name
    assert book.retention_checks == {}
    assert says in str(book.what_if(save_rate=0.5))


def test_without_sends_nobody_is_capped(opened):
    book = opened(retention_save_rate=0.02, contact_cost=0.01, retention_incentive=0.0)
    assert "contacts" not in book.candidates.columns
    assert book.allocation.customers > 0
    assert book.allocation.budget is None
