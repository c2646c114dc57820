"""effects.py: on the demo shop, whose truth is known, effects hold the truth and agree with plain pandas."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvbook.book import open_book
from clvbook.book.effects import OTHER, EffectsBook
from clvbook.errors import NotComputable
from clvbook.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo shop's book; its cache lies in a folder of its own."""
    home = tmp_path_factory.mktemp("demo")
    (home / "data").symlink_to(ROOT / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(home))
        book = open_book(load_settings(ROOT / "params" / "demo.yml"))
        book.prepare_campaigns()
        yield book


@pytest.fixture(autouse=True)
def cache_beside_the_shop(demo, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(demo._campaign_shelf.folder.parents[2]))


@pytest.fixture(scope="module")
def truth():
    known = json.loads((ROOT / "data" / "demo" / "truth.json").read_text(encoding="utf-8"))
    return {campaign["campaign_id"]: campaign for campaign in known["campaigns"]}


def lift(stages):
    """The share of those assigned whom a message caused to buy: the lift of those whom it reached."""
    return sum(one["lift"] * one["delivered"] for one in stages) / sum(one["treated"] for one in stages)


def test_the_true_effects_are_inside_the_intervals_at_the_stated_rate(demo, truth):
    found = demo.forest.set_index("campaign_id")
    true = pd.Series({name: lift(truth[name]["stages"].values()) for name in found.index})
    inside = (found.low <= true) & (true <= found.high)
    # 24 intervals at 95 %: 23 expected; fewer than 21 has a chance of 2 % (binomial)
    assert len(inside) == 24
    assert inside.sum() >= 21
    money = demo.incremental.set_index("campaign_id")
    caused = pd.Series({name: truth[name]["caused_net"] for name in money.index})
    held = (money.incremental_revenue_low <= caused) & (caused <= money.incremental_revenue_high)
    assert held.sum() >= 21


def test_all_campaigns_together_hold_the_truth(demo, truth):
    weights = demo.forest.treated * demo.forest.control / (demo.forest.treated + demo.forest.control)
    true = np.average([lift(truth[name]["stages"].values()) for name in demo.forest.campaign_id], weights=weights)
    assert demo.pooled_conversion.low < true < demo.pooled_conversion.high
    total = sum(truth[name]["caused_net"] for name in demo.trusted)
    assert demo.programme_returns.revenue_low < total < demo.programme_returns.revenue_high
    assert demo.programme_returns.cost == pytest.approx(demo.programme_cost)
    assert abs(demo.draws) < 0.02  # each campaign draws anew


def test_the_arms_are_those_of_the_files(demo):
    sends = demo.sends.to_pandas()
    for campaign in ("SMS-2024-12", "SMS-2026-06"):
        effect, mine = demo.effects[campaign], sends[sends.campaign_id == campaign]
        assert (effect.treated.n, effect.control.n) == tuple(mine.arm.value_counts()[["treated", "holdout"]])
        orders = demo.orders.to_pandas()
        opened = mine.sent_at.min()
        window = orders[(orders.paid_at >= opened) & (orders.paid_at < opened + pd.Timedelta(days=7))]
        for arm, sums in (("treated", effect.treated), ("holdout", effect.control)):
            bought = window[window.customer_id.isin(mine.customer_id[mine.arm == arm])]
            assert sums.buyers == bought.customer_id.nunique()
            assert sums.revenue == pytest.approx(bought.net.astype(float).sum())


def test_segments_are_everybody_once(demo):
    segments = demo.segments
    everyone = demo.pooled_conversion.treated
    for dimension, group in segments.groupby("dimension"):
        assert group.treated.sum() <= everyone, dimension
        assert group.treated.sum() >= 0.98 * everyone, dimension  # cells without a customer in an arm are left out
    assert OTHER in set(segments.segment[segments.dimension == "province"])
    assert "channel" not in set(segments.dimension)  # all by SMS: nothing to compare
    stage = segments[segments.dimension == "lifecycle stage"]
    assert list(stage.segment) == ["active", "silent", "sleeping", "lost"]
    assert set(stage.verdict) == {"differ"}  # and so they do: data/demo/truth.json, lift by stage


def test_a_chart_of_the_newest_is_not_one_of_the_luckiest(demo):
    newest = sorted(demo.schedule.campaign_id)[-12:]
    assert sorted(demo.newest_forest.campaign_id) == newest


def test_holm_is_over_all_campaigns_that_were_tested(demo):
    table = demo.incremental.set_index("campaign_id")
    tested = [name for name in table.index if not isinstance(table.p_holm[name], NotComputable)]
    smallest = min(tested, key=lambda name: table.conversion_p[name])
    assert table.p_holm[smallest] == pytest.approx(min(1.0, len(tested) * table.conversion_p[smallest]))
    assert set(table.verdict) <= {"paid", "did not pay", "not enough data"}


def test_a_planted_fault_in_the_arms_is_greyed_out(demo):
    everybody = demo.settings.model_copy(update={"campaign_holdout": 0.3})  # a third of them got lost
    found = open_book(everybody)
    assert not any(effect.trustworthy for effect in found.effects.values())
    assert str(found.pooled_conversion) == "no campaign has two arms that can be compared"
    assert set(found.incremental.verdict) == {"not enough data"}


def test_where_each_campaign_draws_anew_no_holdout_stands(demo):
    assert str(demo.standing) == str(demo.programme_table)
    assert str(demo.standing) == "each campaign draws its holdout anew, so they are pooled one by one"
    assert demo.caused_conversion is demo.pooled_conversion
    nothing = open_book(demo.settings.model_copy(update={"campaign_holdout": 0.3}))
    assert nothing.standing == nothing.pooled_conversion  # one reason, not two


@pytest.fixture(scope="module")
def stood(tmp_path_factory, demo):
    """The demo shop, had one tenth of its customers, drawn after the fact, been kept out of every campaign."""
    home = tmp_path_factory.mktemp("stood")
    (home / "data").symlink_to(ROOT / "data")
    sends = demo.sends.to_pandas()
    people = sorted(sends.customer_id.unique())
    held = np.random.default_rng(51).choice(people, len(people) // 10, replace=False)
    sends["arm"] = np.where(sends.customer_id.isin(held), "holdout", "treated")
    treated = sends.arm == "treated"
    sends["sent_at"] = (sends.assigned_at + pd.Timedelta(hours=1)).where(treated)
    sends = sends.assign(delivered=treated.where(treated), units=sends.units.clip(lower=1).where(treated, 0))
    sends.to_csv(home / "sends.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(home))
        book = open_book(demo.settings.model_copy(update={"shop": "stood", "sends": [str(home / "sends.csv")]}))
        book.prepare_campaigns()
        assert book.programme_returns
        assert book.by_price is not None
        yield book


def test_a_holdout_that_stands_is_one_experiment(stood, demo):
    found = stood.standing
    assert str(stood.pooled_conversion) == str(stood.draws)
    assert str(stood.draws).startswith("the same customers are held out again and again")
    assert stood.caused_conversion is found.conversion
    everybody = demo.sends.to_pandas().customer_id
    assert found.treated.n + found.control.n + found.left_out == everybody.nunique()
    assert found.campaigns == len(demo.schedule) == 24
    assert found.conversion.low < 0 < found.conversion.high  # the tenth was drawn after the fact: there is no effect
    assert found.revenue.low < 0 < found.revenue.high
    table = stood.programme_table.set_index("measure")
    assert table.total["revenue"] == pytest.approx(found.treated.n * found.revenue.delta)


def test_a_standing_holdouts_returns_are_of_all_its_customers_and_messages(stood):
    brought, found = stood.programme_returns, stood.standing
    assert brought.revenue == pytest.approx(found.treated.n * found.revenue.delta)
    assert brought.cost == pytest.approx(stood.programme_cost * found.messages)
    assert brought.profit == pytest.approx(0.45 * brought.revenue - brought.cost)
    assert set(stood.by_price.caused) == {stood.draws}  # by price there is nothing to compare, and not for want of one
    assert stood.segments == stood.draws


def test_a_holdout_whose_windows_are_all_open_says_so(demo):
    made = object.__new__(EffectsBook)
    vars(made).update(
        as_of=demo.as_of,
        held_out=9,
        draws=NotComputable("the same"),
        schedule=demo.schedule.assign(attribution_days=10**4),
    )
    assert str(made.standing) == "no campaign with a holdout has a window that is over"
    assert made.caused_conversion == made.standing


def test_the_demo_has_campaigns_that_pass_that_fail_and_that_cannot_be_judged(demo):
    assert set(demo.judged.ratio_verdict) == {"pass", "fail", "not enough data"}
    assert (demo.judged.next_step.str.len() > 20).all()


def test_campaigns_are_compared_by_the_price_of_a_message(demo):
    found, judged = demo.by_price, demo.judged
    cheap = judged[judged.cost_each.astype(float) < 0.07]  # data/demo/campaigns.csv: 0.05 a part, of one part or two
    assert list(found.campaigns) == [len(cheap), len(judged) - len(cheap)] == [12, 12]
    assert found.passed.iloc[0] == (cheap.ratio_verdict == "pass").sum()
    assert found.ratio.iloc[0] == pytest.approx(cheap.revenue.sum() / cheap.cost.sum())
    assert (found.caused_low < found.caused).all()
    assert (found.caused < found.caused_high).all()
    whole = demo.programme_returns.ratio
    assert found.caused.min() < whole < found.caused.max()
