"""clvbook against lifetimes on the same simulated shop: order file -> one row a customer -> fit -> scores, as Parquet.

    python benchmarks/customer_value.py [CUSTOMERS ...]        default: 100000 1000000

Each run is a process of its own, the sides take turns, each has RUNS runs: printed are the fastest one's time and
the largest peak of memory. What is fair, and what is not the same on both sides, stands in README.md beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SIZES = [100_000, 1_000_000]
RUNS = 3
AS_OF = "2026-10-31"
HORIZON = 365
ANNUAL_RATE = 0.10
TYPES = {"customer_id": "string", "paid_at": "timestamp", "amount": "decimal(18,4)"}  # of the order file
COLUMNS = ["customer_id", "frequency", "recency", "T", "monetary_value", "expected_orders", "p_alive", "clv"]


class Watch:
    """Seconds of each stage, and at the end the run's answer as a JSON line; made once everything is imported."""

    def __init__(self) -> None:
        self.stages, self.last, self.cpu = {}, time.perf_counter(), time.process_time()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage], self.last = now - self.last, now

    def report(self, orders, spend) -> None:
        params = {name: float(value) for fit in (orders, spend) for name, value in fit.params_.items()}
        print(json.dumps({"stages": self.stages, "cpu": time.process_time() - self.cpu, "params": params}))


def run_clvbook(folder: Path) -> None:
    """Our side: the engine groups and joins, Python sees cells."""
    from datetime import date

    import ibis.backends.duckdb  # noqa: F401  ibis.duckdb.connect would import it: it counts as an import
    from ibis import _

    from clvbook import customers as people
    from clvbook.engine import connect
    from clvbook.models import value
    from clvbook.models.beta_geo import BetaGeoFitter
    from clvbook.models.gamma_gamma import GammaGammaFitter
    from clvbook.settings import Settings

    watch, as_of = Watch(), date.fromisoformat(AS_OF)
    file = folder / "orders.csv"
    con = connect(Settings(shop="benchmark", orders=str(file)))
    orders = con.read_csv(file, types=TYPES).mutate(day=_.paid_at.date(), net=_.amount)
    summary = people.summarise(people.customer_days(orders, as_of=as_of), as_of=as_of)
    customers = con.create_table("customers", summary.select(*COLUMNS[:5]))
    cells = people.cells(customers).to_pandas()
    watch.lap("summary")

    model = BetaGeoFitter().fit(cells.frequency, cells.recency, cells["T"], weights=cells.weight)
    repeat = people.spend_cells(customers).to_pandas()
    spend_model = GammaGammaFitter().fit(repeat.frequency, repeat.monetary_value, weights=repeat.weight)
    watch.lap("fit")

    scored = value.score_cells(model, cells, horizon_days=HORIZON, annual_discount_rate=ANNUAL_RATE)
    spend = value.expected_spend_coefficients(spend_model, scored.frequency)
    scores = people.with_scores(customers, scored.assign(intercept=spend.intercept, slope=spend.slope))
    scores.rename(clv="residual_revenue").select(*COLUMNS).to_parquet(folder / "clvbook.parquet")
    watch.lap("score")
    watch.report(model, spend_model)


def run_lifetimes(folder: Path) -> None:
    """Their side: as its documentation has it, one row a customer all the way."""
    import warnings

    import pandas as pd
    from lifetimes import BetaGeoFitter, GammaGammaFitter
    from lifetimes.utils import summary_data_from_transaction_data

    warnings.simplefilter("ignore")
    watch = Watch()
    orders = pd.read_csv(folder / "orders.csv", parse_dates=["paid_at"])
    table = summary_data_from_transaction_data(
        orders, "customer_id", "paid_at", "amount", observation_period_end=pd.Timestamp(AS_OF), freq="D"
    )
    del orders
    history = table.frequency, table.recency, table["T"]
    watch.lap("summary")

    model = BetaGeoFitter().fit(*history)
    repeat = table[(table.frequency > 0) & (table.monetary_value > 0)]
    spend_model = GammaGammaFitter().fit(repeat.frequency, repeat.monetary_value)
    watch.lap("fit")

    table["expected_orders"] = model.conditional_expected_number_of_purchases_up_to_time(HORIZON, *history)
    table["p_alive"] = model.conditional_probability_alive(*history)
    monthly = (1 + ANNUAL_RATE) ** (30 / 365) - 1
    table["clv"] = spend_model.customer_lifetime_value(
        model, *history, table.monetary_value, time=12, discount_rate=monthly, freq="D"
    )
    table.to_parquet(folder / "lifetimes.parquet")
    watch.lap("score")
    watch.report(model, spend_model)


def run_simulate(folder: Path, customers: str) -> None:
    """A BG/NBD shop without seasons, all rows clean: what both sides read."""
    import duckdb

    from clvbook.simulate import simulate_shop

    shop = {"seasons": False, "dirt": False, "only_orders": True, "format": "parquet"}
    simulate_shop(folder / "shop", customers=int(customers), end=AS_OF, **shop)
    source, target = folder / "shop" / "orders.parquet", folder / "orders.csv"
    plain = f"SELECT customer_id, paid_at, paid - refund AS amount FROM '{source}'"  # noqa: S608  our own folder
    duckdb.sql(f"COPY ({plain}) TO '{target}'")
    print(json.dumps({"orders": duckdb.execute(f"SELECT count(*) FROM '{source}'").fetchone()[0]}))  # noqa: S608


def run_compare(folder: Path) -> None:
    """The two tables, customer by customer."""
    import duckdb

    def gap(name: str) -> str:
        return f"max(abs(a.{name} - b.{name}) / greatest(abs(b.{name}), 1e-9))"

    found = duckdb.execute(
        f"SELECT count(*), count(a.customer_id), count(b.customer_id), {gap('frequency')}, {gap('recency')}, "  # noqa: S608
        f"{gap('T')}, {gap('monetary_value')}, {gap('expected_orders')}, {gap('p_alive')}, sum(a.clv), sum(b.clv) "
        f"FROM '{folder}/clvbook.parquet' a FULL JOIN '{folder}/lifetimes.parquet' b USING (customer_id)"
    ).fetchone()
    names = ["rows", "ours", "theirs", "frequency", "recency", "T", "monetary_value", "expected_orders", "p_alive"]
    print(json.dumps(dict(zip([*names, "clv_ours", "clv_theirs"], found, strict=True))))


STEPS = {
    "simulate": run_simulate,
    "clvbook": run_clvbook,
    "lifetimes": run_lifetimes,
    "compare": run_compare,
}


def child(step: str, *arguments: object) -> dict:
    """Run a step in a process of its own; its JSON answer with `whole` (seconds) and `peak` (bytes, getrusage).

    Linux hands a child its parent's peak down, so this parent imports nothing but the standard library.
    """
    started = time.perf_counter()
    command = [sys.executable, __file__, step, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{step} ended with exit code {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return json.loads(answer.splitlines()[-1]) | {"whole": whole, "peak": peak}


def best(runs: list[dict]) -> dict:
    """The fastest run, with the largest peak of all runs."""
    return min(runs, key=lambda run: sum(run["stages"].values())) | {"peak": max(run["peak"] for run in runs)}


def bench(customers: int) -> bool:
    """One size: simulate, run both sides in turns, print; whether both came to the same."""
    with tempfile.TemporaryDirectory(prefix="clvbook-bench-") as folder:
        orders = child("simulate", folder, customers)["orders"]
        print(f"\n{customers:,} customers, {orders:,} orders", flush=True)
        pairs = [(child("clvbook", folder), child("lifetimes", folder)) for _ in range(RUNS)]
        same = child("compare", folder)
    ours, theirs = (best(list(runs)) for runs in zip(*pairs, strict=True))
    rows = [("work without imports", sum(ours["stages"].values()), sum(theirs["stages"].values()), "s")]
    rows += [(f"  {stage}", ours["stages"][stage], theirs["stages"][stage], "s") for stage in ours["stages"]]
    rows += [("  CPU time of it", ours["cpu"], theirs["cpu"], "s")]
    rows += [("whole process", ours["whole"], theirs["whole"], "s")]
    rows += [("peak memory (RSS)", ours["peak"] / 2**20, theirs["peak"] / 2**20, "MB")]
    print(f"  {'':24}{'clvbook':>14}{'lifetimes':>14}{'lifetimes/clvbook':>20}")
    for name, us, them, unit in rows:
        form = ".2f" if unit == "s" else ".0f"
        print(f"  {name:24}{us:>11{form}} {unit:2}{them:>11{form}} {unit:2}{them / us:>19.1f}x")
    print(f"  {'parameter':24}{'clvbook':>14}{'lifetimes':>14}{'equal to 1e-4, relative':>26}")
    whole = same["rows"] == same["ours"] == same["theirs"] == customers
    agree = [whole]
    for name, us in ours["params"].items():
        them = theirs["params"][name]
        agree.append(abs(us / them - 1) <= 1e-4)
        print(f"  {name:24}{us:>14.6g}{them:>14.6g}{'yes' if agree[-1] else 'NO':>26}")
    summary = max(same[name] for name in ("frequency", "recency", "T", "monetary_value"))
    print(
        f"  the same customers on both sides: {'yes' if whole else 'NO'}; largest relative difference in a customer's"
    )
    print(f"  summary {summary:.0e}, expected orders {same['expected_orders']:.0e}, P(alive) {same['p_alive']:.0e}")
    print(
        f"  CLV of all, not the same by design: {same['clv_ours']:,.0f} (365 days), "
        f"{same['clv_theirs']:,.0f} (12 times 30 days)"
    )
    return all(agree)


def main() -> None:
    if sys.argv[1:] and sys.argv[1] in STEPS:
        STEPS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("clvbook", "lifetimes", "duckdb", "pandas", "numpy"))
    print(
        "Customer value: order file -> summary -> BG/NBD and Gamma-Gamma -> expected orders, P(alive), CLV -> Parquet"
    )
    print(f"{versions}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; fastest of {RUNS} runs")
    agree = [bench(customers) for customers in map(int, sys.argv[1:] or SIZES)]
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    sys.exit(0 if all(agree) else "the two sides differ: see NO above")


if __name__ == "__main__":
    main()
