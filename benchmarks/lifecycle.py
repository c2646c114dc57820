"""The stages of every customer at 24 month ends: one pass of clvbook's engine against pandas, month by month.

    python benchmarks/lifecycle.py [CUSTOMERS]        default: 1000000

Both sides read the same Parquet file of purchases and add up the history by month end and stage (customers, orders,
purchases since, amount). Each run is a process of
its own, the sides take turns, each has RUNS runs: printed are the fastest one's time without imports and the largest
peak of memory. Exit code 1 where the sums differ, or where clvbook is not at least LEAST times as fast.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

CUSTOMERS = 1_000_000
RUNS = 3
LEAST = 10
FIRST, LAST = date(2024, 11, 1), date(2026, 10, 31)
BOUNDS = [45, 90, 180]


def run_make(folder: Path, customers: str) -> dict:
    """Purchases of two years: customers come evenly over time, each buys 1 + a geometric number of times."""
    import duckdb

    duckdb.execute(
        f"""COPY (
            WITH people AS (
                SELECT id, hash(id) % 700 AS born, 1 + floor(-ln((1 + hash(id + 1e9) % 1e6) / 1e6) * 3) AS purchases
                FROM range({int(customers)}) AS t(id)
            ), purchases AS (
                SELECT id, unnest(range(purchases::INT)) AS n, born FROM people
            )
            SELECT 'c' || lpad(id::VARCHAR, 8, '0') AS customer_id,
                   DATE '{FIRST}' + (born + if(n = 0, 0, hash(id * 1000 + n) % (730 - born)))::INT AS day,
                   sum(20 + hash(id + n) % 300)::DECIMAL(18, 4) AS amount
            FROM purchases GROUP BY ALL ORDER BY day
        ) TO '{folder}/days.parquet'"""  # noqa: S608  our own folder
    )
    return {"purchases": duckdb.execute(f"SELECT count(*) FROM '{folder}/days.parquet'").fetchone()[0]}  # noqa: S608


def run_clvbook(folder: Path) -> dict:
    """Our side: one expression for all months."""
    import ibis.backends.duckdb  # noqa: F401  ibis.duckdb.connect would import it: it counts as an import
    from ibis import _

    from clvbook.engine import connect
    from clvbook.lifecycle import stages
    from clvbook.settings import Settings

    con = connect(Settings(shop="benchmark", orders="none"))
    started, cpu = time.perf_counter(), time.process_time()
    days = con.read_parquet(folder / "days.parquet")
    history = stages.stage_history(days, snapshots=stages.month_ends(FIRST, LAST), bounds=BOUNDS)
    sums = history.group_by("snapshot", "stage").aggregate(
        customers=_.count(), orders=_.orders.sum(), bought=_.bought.sum(), spent=_.spent.sum()
    )
    table = sums.order_by("snapshot", "stage").to_pandas()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "table": table.iloc[:, 1:].astype(float).to_numpy().tolist()}


def run_pandas(folder: Path) -> dict:
    """Their side: what a notebook does, one month after the other."""
    import pandas as pd

    started, cpu = time.perf_counter(), time.process_time()
    days = pd.read_parquet(folder / "days.parquet", columns=["customer_id", "day", "amount"])
    days["day"], days["amount"] = pd.to_datetime(days["day"]), days["amount"].astype(float)
    table, before = [], pd.Timestamp.min
    for snapshot in pd.date_range(FIRST, LAST, freq="ME"):
        past = days[days["day"] <= snapshot]
        people = past.groupby("customer_id")["day"].agg(first_day="min", last_day="max", orders="size")
        people["recency_days"] = (snapshot - people["last_day"]).dt.days
        people["stage"] = pd.cut(people["recency_days"], [-1, *BOUNDS, 10**6], labels=False)
        since = past[past["day"] > before].groupby("customer_id")["amount"].agg(bought="size", spent="sum")
        people = people.join(since).fillna({"bought": 0, "spent": 0})
        sums = people.groupby("stage")[["orders", "bought", "spent"]].sum()
        sums.insert(0, "customers", people.groupby("stage").size())
        table += sums.reset_index().astype(float).to_numpy().tolist()
        before = snapshot
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "table": table}


STEPS = {"make": run_make, "clvbook": run_clvbook, "pandas": run_pandas}


def child(step: str, *arguments: object) -> dict:
    """Run a step in a process of its own; its JSON answer with `peak` (bytes, getrusage).

    Linux hands a child its parent's peak down, so this parent imports nothing but the standard library.
    """
    command = [sys.executable, __file__, step, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{step} ended with exit code {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return json.loads(answer.splitlines()[-1]) | {"peak": peak}


def main() -> None:
    if sys.argv[1:] and sys.argv[1] in STEPS:
        print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
        return
    customers = int(sys.argv[1]) if sys.argv[1:] else CUSTOMERS
    versions = ", ".join(f"{name} {version(name)}" for name in ("clvbook", "duckdb", "pandas"))
    print(f"Stage history of 24 months; {versions}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="clvbook-bench-") as folder:
        purchases = child("make", folder, customers)["purchases"]
        print(f"{customers:,} customers, {purchases:,} purchases; fastest of {RUNS} runs", flush=True)
        pairs = [(child("clvbook", folder), child("pandas", folder)) for _ in range(RUNS)]
    ours, theirs = zip(*pairs, strict=True)
    same = all(run["table"] == theirs[0]["table"] for run in (*ours, *theirs))
    us, them = (min(run["seconds"] for run in runs) for runs in (ours, theirs))
    cpu, their_cpu = (min(run["cpu"] for run in runs) for runs in (ours, theirs))
    mine, peer = (max(run["peak"] for run in runs) / 2**20 for runs in (ours, theirs))
    print(f"  {'':24}{'clvbook':>14}{'pandas':>14}{'pandas/clvbook':>18}")
    print(f"  {'work without imports':24}{us:>11.2f} s {them:>12.2f} s{them / us:>17.1f}x")
    print(f"  {'  CPU time of it':24}{cpu:>11.2f} s {their_cpu:>12.2f} s{their_cpu / cpu:>17.1f}x")
    print(f"  {'peak memory (RSS)':24}{mine:>10.0f} MB {peer:>11.0f} MB{peer / mine:>17.1f}x")
    rows = int(sum(row[1] for row in ours[0]["table"]))
    print(f"  {rows:,} rows of history; the same sums in every month and stage: {'yes' if same else 'NO'}")
    if not same or them / us < LEAST:
        sys.exit(f"expected the same sums, and at least {LEAST}x")


if __name__ == "__main__":
    main()
