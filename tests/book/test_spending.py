"""spending.py: the list, the break-even, spending a head, on a simulated shop with its campaigns."""

import numpy as np
import pytest
from ibis import _

from clvbook.errors import NotComputable


def test_the_list_is_within_the_budget_and_funds_nobody_at_a_loss(assumed):
    listed = assumed.retention_list.to_pandas()
    written = listed[listed.send == "yes"]
    assert 0 < written.cost.sum() <= 20.0
    assert (written.net > 0).all()
    assert written.net.is_monotonic_decreasing
    assert written["rank"].tolist() == list(range(1, len(written) + 1))
    assert listed["rank"].count() == len(written)
    assert listed.customer_id.is_unique
    people = assumed.candidates.to_pandas().set_index("customer_id").loc[listed.customer_id]
    assert not people.opted_out.fillna(False).any()
    assert (people.contacts < 3).all()
    assert assumed.top_of_list.customer_id.tolist() == written.customer_id.head(5).tolist()
    assert assumed.listed.customers.sum() == len(written)
    assert assumed.listed.net.sum() == pytest.approx(assumed.allocation.net)
    spent = assumed.listed[["contact", "incentive_saved", "incentive_stayers"]].sum().sum()
    assert spent == pytest.approx(assumed.listed.cost.sum(), rel=1e-4)  # costs are rounded to a millionth each


def test_the_cost_is_taken_apart_even_where_all_would_stay(whole, there):
    book = whole(retention_save_rate=1.0, retention_incentive=1.0)
    parts = book.listed[["contact", "incentive_saved", "incentive_stayers"]].sum().sum()
    assert parts == pytest.approx(book.listed.cost.sum(), rel=1e-4)  # costs are rounded to a millionth each


def test_a_tenth_of_the_list_is_held_out_and_gets_nothing(assumed):
    listed = assumed.retention_list.to_pandas()
    spared = listed[listed.send == "no"]
    assert 0 < len(spared) < 0.2 * len(listed)
    assert assumed.listed.held_out.sum() == len(spared)
    assert (spared.arm == "holdout").all()
    assert (listed.arm[listed.send == "yes"] == "treated").all()
    assert spared[["rank", "offer", "cost", "net"]].isna().all(axis=None)
    worth = (
        spared.value * spared.save_rate
        - assumed.retention_list.to_pandas().groupby("stage").cost.first()[spared.stage].to_numpy()
    )
    assert assumed.listed.forgone.sum() == pytest.approx(worth.sum(), rel=0.01)  # the list's figures are rounded
    assert set(listed.campaign_id) == {"sim-2026-09-retention"}
    assert set(listed.assigned_at.astype(str)) == {"2026-10-01"}
    # ranked as they would be if they were written to: the list may be cut after any row
    same = listed[listed.stage == listed.stage[0]]
    assert same.value.is_monotonic_decreasing
    assert assumed.left_out.customers.sum() + len(listed) == assumed.base.customers


def test_who_is_held_out_of_a_lifecycle_list_is_held_out_here(assumed):
    people = assumed.candidates.to_pandas().set_index("customer_id")
    waiting = assumed.actions.moving.filter(_.arm.notnull(), ~_.opted_out).to_pandas().set_index("customer_id")
    on_list = people[people.act_list.notna()]
    assert set(on_list.index) == set(waiting.index)
    assert set(on_list.act_list) <= set(assumed.list_names)
    assert (on_list.held_out == (waiting.arm.loc[on_list.index] == "holdout")).all()
    others = people[people.act_list.isna()]
    assert others.held_out.mean() == pytest.approx(0.1, abs=0.03)


def test_nobody_is_held_out_if_the_shop_wants_none(whole, there):
    book = whole(retention_save_rate=0.03, retention_incentive=1.0, holdout_share=0.0)
    assert not book.candidates.held_out.any().to_pyarrow().as_py()
    assert book.listed.held_out.sum() == 0


def test_candidates_are_all_customers_once(assumed):
    people = assumed.candidates.to_pandas()
    assert len(people) == assumed.base.customers
    assert people.value.sum() == pytest.approx(0.4 * assumed.scores.residual_revenue.sum().to_pyarrow().as_py())
    stage = assumed.stage_counts.now.to_numpy()
    assert people.groupby("segment").size().tolist() == stage.tolist()


def test_what_a_head_to_spend_needs_an_effect_that_is_there(assumed, whole, there):
    assert not any(isinstance(cell, NotComputable) for cell in assumed.optimal.spend)  # an assumption is taken as given
    book = whole()
    for row in book.optimal.itertuples():
        if not book.save_rates.set_index("stage").sure[row.stage]:
            assert "not surely above 0" in str(row.spend)


def test_results_are_known_when_the_first_stage_is_over(assumed):
    assert str(assumed.known_on) == "2026-11-15"  # 1 October and 45 days


def test_break_even_is_save_rate_times_value(assumed):
    table = assumed.break_even
    never = assumed.left_out.set_index("reason").customers.reindex(["opted out", "contacted enough"]).sum()
    assert table.customers.sum() + never < assumed.base.customers  # nor those held out
    assert table.net.clip(lower=0).sum() <= assumed.allocation.frontier.net  # what a list may attain, or less
    assert table.break_even.astype(float).to_numpy() == pytest.approx((0.03 * table.value).to_numpy())
    assert (table.spend == (table.break_even > table.cost_a_head)).all()


def test_optimal_spending_stops_where_the_next_unit_returns_one(assumed):
    for row in assumed.optimal.itertuples():
        k = -np.log(1 - row.kept_today / 0.10) / row.today
        if row.spend > 0:
            assert row.value * 0.10 * k * np.exp(-k * row.spend) == pytest.approx(1)


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
