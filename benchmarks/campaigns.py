"""A campaign's sums by arm, and its attribution: clvbook's engine against plain pandas on the same Parquet files.

    python benchmarks/campaigns.py [SENDS ...]        default: 1000000 10000000

Made up: 20 campaigns a month apart that each reach SENDS / 20 of as many customers, a tenth held out, and one order for
every ten sends. Each run is a process of its own; printed are its time without imports and its peak of memory. pandas
goes campaign by campaign, as a careful analyst would: one merge of everything would need several times as much.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SIZES = [1_000_000, 10_000_000]
CAMPAIGNS, WINDOW = 20, 7
COLUMNS = ["n", "buyers", "orders", "revenue", "revenue_sq"]


def run_simulate(folder: Path, sends: str) -> None:
    """sends.parquet, orders.parquet, campaigns.csv."""
    import duckdb

    each = int(sends) // CAMPAIGNS
    customer = "'C' || lpad(cast({} as varchar), 9, '0')"
    start = "timestamp '2024-01-10 10:00:00' + to_months(cast({} as int))"
    held = "hash(c, k) % 10 = 0"
    duckdb.sql(
        f"COPY (SELECT 'K' || k campaign_id, {customer.format('c')} customer_id, "  # noqa: S608  own numbers
        f"if({held}, 'holdout', 'treated') arm, {start.format('k')} assigned_at, "
        f"if({held}, null, {start.format('k')}) sent_at, if({held}, null, hash(k, c) % 33 > 0) delivered, "
        f"if({held}, 0, 1)::BIGINT units FROM range({CAMPAIGNS}) a(k), range({each}) b(c)) "
        f"TO '{folder}/sends.parquet'"
    )
    duckdb.sql(
        f"COPY (SELECT 'O' || n order_id, {customer.format(f'hash(n) % {each}')} customer_id, "  # noqa: S608
        f"timestamp '2024-01-01' + to_seconds(cast(hash(n, 1) % {CAMPAIGNS * 30 * 86400} as bigint)) paid_at, "
        f"cast(paid_at as date) AS day, cast(hash(n, 2) % 30000 / 100 as decimal(18,4)) net "
        f"FROM range({int(sends) // 10}) t(n)) TO '{folder}/orders.parquet'"
    )
    duckdb.sql(
        f"COPY (SELECT 'K' || k campaign_id, 'K' || k AS name, 'sms' channel, {WINDOW} attribution_days, "  # noqa: S608
        f"cast({start.format('k')} as date) starts_on, 0.0 cost_fixed, 0.05 cost_per_unit "
        f"FROM range({CAMPAIGNS}) t(k)) TO '{folder}/campaigns.csv'"
    )
    print(json.dumps({"orders": int(sends) // 10}))


def run_clvbook(folder: Path) -> None:
    """Our side: the engine joins and groups, Python sees one row a campaign and arm."""
    from datetime import date

    import ibis.backends.duckdb  # noqa: F401  ibis.duckdb.connect would import it: it counts as an import
    import pandas as pd

    from clvbook.campaigns import attribution, history, outcomes, sending
    from clvbook.engine import connect
    from clvbook.settings import Settings

    laps, started = {}, time.perf_counter()
    con = connect(Settings(shop="benchmark", orders="none"), spill=folder / "spill")
    sends, orders = (con.read_parquet(folder / f"{name}.parquet") for name in ("sends", "orders"))
    campaigns = pd.read_csv(folder / "campaigns.csv")
    through = date(2025, 12, 31)

    def lap(name: str) -> None:
        nonlocal started
        laps[name], started = time.perf_counter() - started, time.perf_counter()

    schedule = sending.schedule(sends, campaigns)
    found = outcomes.outcomes(sends, orders, schedule, through=through).inputs
    lap("sums by arm")
    attributed = attribution.attribute(orders, sends, schedule, through=through, refund_days=15)
    lap("attribution")
    known = history.with_history(sends, orders, schedule, stage_bounds=[45, 90, 180], basket_range=(100, 200))
    strata = outcomes.outcomes(known, orders, schedule, through=through, strata=["stage", "order_count"]).inputs
    lap("by stage, with covariate")
    sending.check_sends(sends, campaigns)
    lap("check of every send")
    assert strata.n.sum() == found.n.sum()
    sums = found.groupby("arm")[COLUMNS].sum().sum()
    print(json.dumps({"laps": laps, "sums": [*sums, attributed.programme.orders, attributed.programme.revenue]}))


def run_pandas(folder: Path) -> None:
    """Their side: campaign by campaign, all customers of one and all orders in memory."""
    import pandas as pd

    laps, started = {}, time.perf_counter()
    orders = pd.read_parquet(folder / "orders.parquet").assign(net=lambda t: t.net.astype(float))
    sends = pd.read_parquet(folder / "sends.parquet", columns=["campaign_id", "customer_id", "arm", "sent_at"])
    window = pd.Timedelta(days=WINDOW)
    sums = pd.Series(0.0, COLUMNS)
    for _, own in sends.groupby("campaign_id"):
        opens = own.sent_at.min()
        inside = orders[(orders.paid_at >= opens) & (orders.paid_at < own.sent_at.max() + window)]
        each = inside.groupby("customer_id").net.agg(["size", "sum"])
        one = own.merge(each, left_on="customer_id", right_index=True, how="left")
        one = one.assign(n=1, buyers=one["size"].notna(), revenue_sq=one["sum"] ** 2)
        one = one.rename(columns={"size": "orders", "sum": "revenue"})
        sums += one.groupby("arm")[COLUMNS].sum().sum()
    laps["sums by arm"], started = time.perf_counter() - started, time.perf_counter()
    found, revenue = 0, 0.0
    for _, own in sends.dropna(subset=["sent_at"]).groupby("campaign_id"):
        both = own.merge(orders, on="customer_id")
        both = both[(both.paid_at >= both.sent_at) & (both.paid_at < both.sent_at + window)]
        found, revenue = found + len(both), revenue + both.net.sum()
    laps["attribution"] = time.perf_counter() - started
    print(json.dumps({"laps": laps, "sums": [*sums, found, revenue]}))


STEPS = {"simulate": run_simulate, "clvbook": run_clvbook, "pandas": run_pandas}


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
    return json.loads(answer.splitlines()[-1]) | {"peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)}


def bench(sends: int) -> bool:
    """One size: simulate, run both sides, print; whether both came to the same."""
    with tempfile.TemporaryDirectory(prefix="clvbook-bench-") as folder:
        orders = child("simulate", folder, sends)["orders"]
        print(f"\n{sends:,} sends, {orders:,} orders, {CAMPAIGNS} campaigns", flush=True)
        ours, theirs = child("clvbook", folder), child("pandas", folder)
    print(f"  {'':26}{'clvbook':>12}{'pandas':>12}")
    for name, seconds in ours["laps"].items():
        them = f"{theirs['laps'][name]:>10.2f} s" if name in theirs["laps"] else ""
        print(f"  {name:26}{seconds:>10.2f} s{them}")
    print(f"  {'peak memory (RSS)':26}{ours['peak'] / 2**20:>9.0f} MB{theirs['peak'] / 2**20:>9.0f} MB")
    names = [*COLUMNS, "attributed", "their revenue"]
    same = [abs(us - them) <= 1e-9 * abs(them) for us, them in zip(ours["sums"], theirs["sums"], strict=True)]
    different = [name for name, equal in zip(names, same, strict=True) if not equal]
    print(f"  the same sums on both sides: {'yes' if all(same) else 'NO: ' + ', '.join(different)}")
    return all(same)


def main() -> None:
    if sys.argv[1:] and sys.argv[1] in STEPS:
        STEPS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("clvbook", "duckdb", "pandas"))
    print(f"Campaigns: sums by arm and attribution\n{versions}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    agree = [bench(sends) for sends in map(int, sys.argv[1:] or SIZES)]
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    sys.exit(0 if all(agree) else "the two sides differ: see NO above")


if __name__ == "__main__":
    main()
