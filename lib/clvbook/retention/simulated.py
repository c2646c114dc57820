"""A check of the method where the truth is known: what the recommended list earns beside the best one and the riskiest.

in:  a connection to the engine and seeds; out: a small pandas frame, one row a simulated shop

The shop has four stages and two offers that save most among the silent, little among the active, who stay anyway, and
hardly any of the lost. The method sees what a real shop sees: an experiment with a holdout, not the save rates.
"""

from collections.abc import Iterable

import ibis
import numpy as np
import pandas as pd

from clvbook.retention.allocation import allocate
from clvbook.retention.alternatives import by_rule
from clvbook.retention.save_rates import save_rates

STAYS = np.array([0.70, 0.40, 0.15, 0.04])  # without an offer, by stage
SHARE = [0.30, 0.20, 0.25, 0.25]  # of the customers
TRUTH = {"message": (0.06, [0.004, 0.020, 0.010, 0.002]), "coupon": (3.0, [0.015, 0.080, 0.050, 0.008])}


def method_check(
    con: ibis.BaseBackend,
    *,
    shops: Iterable[int],
    per_arm: Iterable[int] = (2_000, 4_000, 16_000),
    customers: int = 20_000,
    budget: float = 8_000.0,
) -> pd.DataFrame:
    """What lists earn in the truth of simulated shops, in currency.

    per_arm, shop, best, recommended, valuable, riskiest, share; one row a size of the experiment and shop.

    shops: a seed each. best: the allocation with the true save rates; recommended: that with the shrunken ones of an
    experiment with `per_arm` customers a stage and arm; valuable, riskiest: the better offer to those worth most, or
    likeliest to leave, until the budget ends. share: recommended over best.
    """
    truth, rows = _truth(), []
    for shop in shops:
        generator = np.random.default_rng(shop)
        people = _shop(con, generator, customers)
        best = allocate(people, truth, budget=budget).net
        rules = [
            max(_earned(by_rule(people, truth, rule=rule, offer=offer, budget=budget), truth) for offer in TRUTH)
            for rule in ("most valuable", "riskiest")
        ]
        for n in per_arm:
            measured = save_rates(_experiment(generator, n)).drop(columns="save_rate")
            known = measured.rename(columns={"shrunken": "save_rate"})
            recommended = _earned(allocate(people, known, budget=budget).contacts, truth)
            rows.append((n, shop, best, recommended, *rules, recommended / best))
    names = ["per_arm", "shop", "best", "recommended", "valuable", "riskiest", "share"]
    return pd.DataFrame(rows, columns=names).sort_values(["per_arm", "shop"], ignore_index=True)


def _truth() -> pd.DataFrame:
    rows = [(stage, offer, cost, rate) for offer, (cost, rates) in TRUTH.items() for stage, rate in enumerate(rates)]
    return pd.DataFrame(rows, columns=["segment", "offer", "cost", "save_rate"])


def _shop(con: ibis.BaseBackend, generator: np.random.Generator, customers: int) -> ibis.Table:
    """customer_id, segment, value (profit, the less the longer silent), risk (of leaving)."""
    segment = generator.choice(len(STAYS), customers, p=SHARE)
    value = generator.gamma(1.5, 60, customers) * np.array([1.5, 1.2, 0.9, 0.5])[segment]
    risk = np.clip(1 - STAYS[segment] + generator.normal(0, 0.05, customers), 0, 1)
    frame = pd.DataFrame({"segment": segment, "value": value, "risk": risk})
    frame.insert(0, "customer_id", [f"c{n:07}" for n in range(customers)])
    return con.create_table(ibis.util.gen_name("simulated"), ibis.memtable(frame), temp=True)


def _experiment(generator: np.random.Generator, per_arm: int) -> pd.DataFrame:
    """The counts of an experiment with each offer in each stage, with costs."""
    rows = _truth()
    without = STAYS[rows.segment]
    kept = generator.binomial(per_arm, without + rows.save_rate)
    counts = {"treated": per_arm, "kept_treated": kept, "held_out": per_arm}
    return rows.drop(columns="save_rate").assign(**counts, kept_held_out=generator.binomial(per_arm, without))


def _earned(contacts: ibis.Table, truth: pd.DataFrame) -> float:
    """Net profit of a list at the true save rates."""
    listed = contacts.select("segment", "offer", "value").to_pandas().merge(truth, on=["segment", "offer"])
    return float((listed.value * listed.save_rate - listed.cost).sum())
