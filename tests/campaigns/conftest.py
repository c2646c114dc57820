"""The demo shop's sends, campaigns, costs, kept orders and truth, read once; and small tables with canonical types."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from clvbook.engine import connect
from clvbook.orders import clean_orders
from clvbook.settings import load_settings

ROOT = Path(__file__).parents[2]
TYPES = {
    "orders": {"order_id": "string", "customer_id": "string", "paid_at": "timestamp(6)", "net": "decimal(18,4)"},
    "sends": {"campaign_id": "string", "customer_id": "string", "arm": "string", "assigned_at": "timestamp(6)"}
    | {"sent_at": "timestamp(6)", "delivered": "boolean", "units": "int64"},
}
MORE = {"coupon_id": "string", "discount": "decimal(18,4)", "province": "string", "source": "string"}


@pytest.fixture(scope="session")
def con():
    return ibis.duckdb.connect()


@pytest.fixture(scope="session")
def tables(con):
    """A function: rows (dicts) of orders or sends -> the canonical table; orders get their day."""

    def make(name, rows):
        given = rows[0] if name == "orders" and rows else {}
        types = TYPES[name] | {column: MORE[column] for column in MORE if column in given}
        schema = ibis.schema(types)
        columns = {column: [row[column] for row in rows] for column in types}
        arrow = pa.table(columns, schema=schema.to_pyarrow())
        table = ibis.memtable(arrow, schema=schema)
        return table.mutate(day=table.paid_at.date()) if name == "orders" else table

    return make


@pytest.fixture(scope="session")
def demo():
    """The demo shop: con, orders, sends, campaigns, costs, details, truth, through."""
    settings = load_settings(ROOT / "params" / "demo.yml")
    con = connect(settings)
    files = {name: con.read_csv(ROOT / "data" / "demo" / f"{name}.csv.gz") for name in ("sends", "customers")}
    return SimpleNamespace(
        con=con,
        orders=clean_orders(con, settings).orders,
        sends=files["sends"],
        details=files["customers"],
        campaigns=pd.read_csv(ROOT / "data" / "demo" / "campaigns.csv"),
        costs=con.read_csv(ROOT / "data" / "demo" / "costs.csv"),
        truth=json.loads((ROOT / "data" / "demo" / "truth.json").read_text(encoding="utf-8")),
        through=date(2026, 10, 31),
    )
