"""The contact list under a budget: clvbook's allocation against scipy's solver (HiGHS), and its time at scale.

    python benchmarks/retention.py [CUSTOMERS ...]        default: 1000 10000 1000000

Four stages, three offers, a budget that about a third of the worthwhile contacts exhaust. Both sides get the same
candidates; the solver runs up to SOLVER_LIMIT customers, to a relative gap of 1e-6. Memory is the process's peak.
"""

import os
import resource
import sys
import time
from importlib.metadata import version

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.optimize import milp
from scipy.sparse import csr_array

from clvbook.retention.allocation import allocate

SIZES = [1_000, 10_000, 1_000_000]
SOLVER_LIMIT = 10_000  # beyond it HiGHS found nothing in five minutes
SECONDS = 300
OFFERS = pd.DataFrame(
    [
        (stage, offer, cost, rate * response)
        for stage, response in enumerate([0.3, 1.0, 0.8, 0.2])
        for offer, cost, rate in [("sms", 0.05, 0.012), ("coupon", 3.1, 0.06), ("gift", 8.7, 0.09)]
    ],
    columns=["segment", "offer", "cost", "save_rate"],
)


def shop(customers: int) -> pa.Table:
    """Candidates with values as they are spread in shops: many small ones, few large ones."""
    generator = np.random.default_rng(1)
    ids = np.char.add("C", np.char.zfill(generator.permutation(customers).astype(str), 8))
    return pa.table(
        {
            "customer_id": ids,
            "segment": generator.integers(0, 4, customers).astype(np.int8),
            "value": generator.gamma(1.2, 70, customers),
        }
    )


def solve(people: pa.Table, budget: float) -> tuple[float, float] | None:
    """Net profit that HiGHS finds, and the bound that it proves; None where it finds nothing in SECONDS."""
    options = people.to_pandas().merge(OFFERS, on="segment")
    net = options.value * options.save_rate - options.cost
    owner = pd.factorize(options.customer_id)[0]
    one_each = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))))
    found = milp(
        -net.to_numpy(),
        integrality=1,
        bounds=(0, 1),
        constraints=[(one_each, -np.inf, 1), (options.cost.to_numpy()[None, :], -np.inf, budget)],
        options={"mip_rel_gap": 1e-6, "time_limit": SECONDS},
    )
    return None if found.x is None else (-found.fun, -found.mip_dual_bound)


def bench(customers: int) -> None:
    """One size: the allocation, and the solver where it still runs."""
    people, budget = shop(customers), 0.4 * customers
    con = ibis.duckdb.connect()
    con.con.register("people", people)
    candidates = con.create_table("candidates", con.table("people"))
    started = time.perf_counter()
    found = allocate(candidates, OFFERS, budget=budget)
    ours = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)
    print(f"\n{customers:,} customers, budget {budget:,.0f}: {found.customers:,} contacted, {found.spent:,.2f} spent")
    print(f"  clvbook  {ours:8.2f} s   net {found.net:16,.4f}   gap to the bound {found.gap:.4f}   peak {peak:,.0f} MB")
    assert found.spent <= budget
    if customers > SOLVER_LIMIT:
        return
    started = time.perf_counter()
    solved = solve(people, budget)
    theirs = time.perf_counter() - started
    if solved is None:
        print(f"  HiGHS    {theirs:8.2f} s   found nothing")
        return
    net, bound = solved
    print(f"  HiGHS    {theirs:8.2f} s   net {net:16,.4f}   gap to the bound {bound - net:.4f}   {theirs / ours:.1f}x")
    print(f"  clvbook less HiGHS {found.net - net:+.4f}, {(found.net - net) / net:+.1e} of the net profit")


def main() -> None:
    """Every size in turn."""
    names = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "ibis-framework", "scipy"))
    print(f"Contact list under a budget; {names}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for customers in map(int, sys.argv[1:] or SIZES):
        bench(customers)


if __name__ == "__main__":
    main()
