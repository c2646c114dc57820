"""alternatives.py by hand, and the check of the method: a simulated shop whose truth says what each list earns."""

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from ibis import _

from clvbook.errors import BadParameters, InputRefused
from clvbook.retention.allocation import allocate
from clvbook.retention.alternatives import RULES, by_rule, compare_rules, scenarios, what_if
from clvbook.retention.save_rates import save_rates


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def candidates(con, **columns):
    ids = pa.array([f"c{n:06}" for n in range(len(columns["value"]))], "string")
    name = ibis.util.gen_name("candidates")
    con.con.register(name, pa.table({"customer_id": ids} | {name: pa.array(given) for name, given in columns.items()}))
    return con.table(name)


OFFERS = pd.DataFrame(
    [(0, "sms", 1.0, 0.05), (1, "sms", 1.0, 0.01), (0, "coupon", 4.0, 0.10)],
    columns=["segment", "offer", "cost", "save_rate"],
)


@pytest.fixture
def four(con):
    return candidates(con, value=[100.0, 300.0, 200.0, 50.0], segment=[0, 1, 0, 1], risk=[0.1, 0.9, 0.2, 0.8])


def ids(table):
    return table.order_by("rank").customer_id.to_pyarrow().to_pylist()


def test_rules_take_everybody_in_their_order(four):
    common = {"offer": "sms", "budget": 3.0}
    risky = by_rule(four, OFFERS, rule="riskiest", **common)
    assert ids(risky) == ["c000001", "c000003", "c000002"]
    assert risky.order_by("rank").net.to_pyarrow().to_pylist() == pytest.approx([2, -0.5, 9])
    assert ids(by_rule(four, OFFERS, rule="most valuable", **common)) == ["c000001", "c000002", "c000000"]
    drawn = [ids(by_rule(four, OFFERS, rule="random", seed=seed, **common)) for seed in range(20)]
    assert drawn[3] == ids(by_rule(four, OFFERS, rule="random", seed=3, **common))
    assert len({tuple(each) for each in drawn}) > 5
    assert ids(by_rule(four, OFFERS, rule="most valuable", offer="coupon", budget=9.0)) == ["c000002", "c000000"]


def test_rules_keep_to_those_who_may_be_contacted(con):
    people = candidates(
        con,
        value=[100.0, 90.0, 80.0, None],
        segment=[0, 0, 0, 0],
        opted_out=[True, False, False, False],
        contacts=[0, 4, 1, 0],
    )
    assert ids(by_rule(people, OFFERS, rule="most valuable", offer="sms", budget=9.0, max_contacts=4)) == ["c000002"]


def test_rules_beside_the_allocation(four):
    found = compare_rules(four, OFFERS, budget=3.0)
    assert found.rule.iloc[0] == "net profit"
    assert found.net.iloc[0] == pytest.approx(9 + 4 + 2)
    assert len(found) == 1 + 2 * len(RULES)
    risky = found[(found.rule == "riskiest") & (found.offer == "sms")].iloc[0]
    assert (risky.customers, risky.spent, risky.saved, risky.net) == pytest.approx((3, 3, 0.07, 10.5))
    assert "riskiest" not in set(compare_rules(four.drop("risk"), OFFERS, budget=3.0).rule)
    assert "no save rate" in str(compare_rules(four, OFFERS.assign(save_rate=np.nan), budget=3.0))


def test_a_wrong_rule_is_refused(four):
    with pytest.raises(BadParameters, match="'risk' is no rule"):
        by_rule(four, OFFERS, rule="risk", offer="sms", budget=1)
    with pytest.raises(InputRefused, match="no column risk"):
        by_rule(four.drop("risk"), OFFERS, rule="riskiest", offer="sms", budget=1)


def test_scenarios_are_allocations_under_other_assumptions(four):
    cases = {
        "as assumed": {},
        "half the effect": {"save_rate": 0.5},
        "dear and rich": {"cost": 2, "value": 1.5, "budget": 3},
    }
    found = scenarios(four, OFFERS, budget=6.0, cases=cases).set_index("scenario")
    plain = allocate(four, OFFERS, budget=6.0)
    first = found.loc["as assumed"]
    assert (first.net, first.customers, first.spent) == (plain.net, plain.customers, plain.spent)
    half = allocate(four, OFFERS.assign(save_rate=OFFERS.save_rate / 2), budget=6.0)
    assert found.net["half the effect"] == half.net
    rich = allocate(four.mutate(value=_.value * 1.5), OFFERS.assign(cost=OFFERS.cost * 2), budget=18.0)
    assert found.net["dear and rich"] == rich.net
    assert found.worth_spending["dear and rich"] == rich.frontier.worth_spending
    assert found.budget.tolist() == [1, 1, 3]
    assert what_if(four, OFFERS.assign(incentive=1.0, kept_treated=0.5), budget=None, cost=2).spent == pytest.approx(
        what_if(four, OFFERS.assign(cost=OFFERS.cost + 0.5), budget=None, cost=2).spent
    )
    assert "no save rate" in str(scenarios(four, OFFERS.assign(save_rate=np.nan), budget=6.0, cases=cases))
    with pytest.raises(BadParameters, match="scenario 'odd'"):
        scenarios(four, OFFERS, budget=6.0, cases={"odd": {"price": 2}})


# The check of the method, in a shop of 20,000 customers. STAYS: what stays of a stage without an offer. TRUTH: what an
# offer costs and saves, most among the silent, little among the active, who stay anyway, and the lost, whom nothing
# brings back.
STAYS = [0.70, 0.40, 0.15, 0.04]
TRUTH = {"sms": (0.06, [0.004, 0.020, 0.010, 0.002]), "coupon": (3.0, [0.015, 0.080, 0.050, 0.008])}
PEOPLE, PER_ARM, BUDGET = 20_000, 8_000, 8_000.0  # PER_ARM: a year's campaigns of a large shop, pooled


def truth():
    return pd.DataFrame(
        [(stage, offer, cost, rate) for offer, (cost, rates) in TRUTH.items() for stage, rate in enumerate(rates)],
        columns=["segment", "offer", "cost", "save_rate"],
    )


def experiment(generator):
    """The truth as a holdout experiment of PER_ARM customers a stage and arm shows it."""
    known = truth()
    stays = np.array(STAYS)[known.segment]
    held_out = generator.binomial(PER_ARM, STAYS)
    kept = generator.binomial(PER_ARM, stays + known.save_rate)
    counts = known.assign(treated=PER_ARM, kept_treated=kept, held_out=PER_ARM, kept_held_out=held_out[known.segment])
    return save_rates(counts.drop(columns="save_rate"))


def shop(con, generator):
    segment = generator.choice(4, PEOPLE, p=[0.25, 0.2, 0.25, 0.3])
    risk = 1 - np.array(STAYS)[segment] + generator.uniform(-0.02, 0.02, PEOPLE)
    return candidates(con, value=generator.gamma(1.2, 70, PEOPLE), segment=segment, risk=risk)


def earned(contacts):
    """Net profit of a list in the simulator's truth."""
    listed = contacts.select("segment", "offer", "value").to_pandas().merge(truth(), on=["segment", "offer"])
    return (listed.value * listed.save_rate - listed.cost).sum()


def test_the_recommended_list_earns_nearly_what_the_best_one_would(con):
    # share of 60 seeds that reach 95 % of the best list, and their mean: 1,000 a stage and arm .40, .89;
    # 2,000 .67, .95; 4,000 .78, .96; 8,000 .87, .98; 16,000 .97, .99. Not shrunken, 8,000: .77, .97
    shares = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        people = shop(con, generator)
        best = allocate(people, truth(), budget=BUDGET)
        assert best.net == pytest.approx(earned(best.contacts))
        measured = experiment(generator).drop(columns="save_rate").rename(columns={"shrunken": "save_rate"})
        recommended = earned(allocate(people, measured, budget=BUDGET).contacts)
        lists = [by_rule(people, truth(), rule="riskiest", offer=offer, budget=BUDGET) for offer in TRUTH]
        assert recommended > max(map(earned, lists))  # even where that rule knows which offer serves it best
        shares.append(recommended / best.net)
    assert np.mean(np.array(shares) >= 0.95) >= 0.75
    assert np.mean(shares) > 0.96
    assert max(shares) <= 1 + 1e-6
