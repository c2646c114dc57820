"""Orders from a real PostgreSQL server, which this file starts: same rows, same money, and no password anywhere."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from clvbook import settings as parameters
from clvbook.book import check_orders
from clvbook.book.orders import OrdersBook
from clvbook.cli import main
from clvbook.engine import connect
from clvbook.errors import BadParameters, InputRefused
from clvbook.orders import clean_orders, read_orders
from clvbook.orders.database import KEPT, order_files

PASSWORD = "s3cret/ü@:pa ss"  # with what would break an address
HINT = "no PostgreSQL server. Hint: apt-get install postgresql"


def programs():
    """Where initdb and pg_ctl are: on the path, or where Debian keeps them."""
    found = [shutil.which("initdb"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), reverse=True)]
    return next((Path(each).parent for each in found if each), None)


@pytest.fixture(scope="module")
def server():
    """A server of our own on the loopback, that asks for a password: a function SQL -> rows, with host and port."""
    binaries = programs()
    if not binaries:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HINT)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # not tmp_path: its parents are closed to another user
    as_user = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def pg(program, *arguments):
        command = [binaries / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=60, **as_user)

    init = ["-U", "shop", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8", "--locale", "C.UTF-8"]
    pg("initdb", *init)
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off -c log_min_messages=panic"
    pg("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")

    def sql(text, *rows):
        address = {"host": "127.0.0.1", "port": port, "user": "shop", "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(**address, autocommit=True) as con:
            return con.cursor().executemany(text, rows) if rows else con.execute(text)

    sql.port, sql.folder = port, folder
    yield sql
    pg("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


TABLE = '''
DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP TYPE IF EXISTS state CASCADE;
CREATE TYPE state AS ENUM ('completed', 'unpaid');
CREATE TABLE orders (order_id bigint, customer_id text, paid_at timestamptz, paid numeric, status state,
                     "Note, ""odd""" text, extra jsonb);
'''
ROWS = [
    (900719925474099301, "anna", "2026-09-30 23:30:00+02", "129.0000", "completed", "a\nb", '{"a": 1}'),
    (900719925474099302, "bert", "2026-10-01 08:15:00.123456+02", "59.90", "completed", "", None),
    (900719925474099303, None, "2026-10-02 08:15:00+02", "10", "completed", "'; DROP TABLE orders; --", None),
    (900719925474099304, "anna", "2026-10-03 08:15:00+02", "7", "unpaid", None, None),
    (900719925474099305, "anna", None, "8", "completed", None, None),
]


@pytest.fixture
def shop(server, tmp_path, monkeypatch):
    """The table `orders` on the server, and Settings that point there."""
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("CLVBOOK_PASSWORD", PASSWORD)
    monkeypatch.delenv("CLVBOOK_INPUTS", raising=False)
    server(TABLE)
    server("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s, %s)", *ROWS)
    address = f"postgresql://shop@127.0.0.1:{server.port}/postgres"

    def made(tail="?table=orders", **more):
        more = {"timezone": "Europe/Berlin", "currency": "EUR"} | more
        return parameters.Settings(shop="t", orders=address + tail, **more)

    return made


def test_a_table_is_read_with_every_digit_and_accounted_for(shop):
    settings = shop()
    cleaned = clean_orders(connect(settings), settings)
    account = cleaned.reconciliation
    assert (account.rows_read, account.rows_kept, account.rows_without_customer) == (5, 2, 1)
    assert account.quarantined == {"unpaid": 1, "bad_date": 1}
    assert (account.paid_read, account.net_kept) == (Decimal("213.9000"), Decimal("198.9000"))
    kept = cleaned.orders.order_by("order_id").to_pyarrow().to_pylist()
    assert [row["order_id"] for row in kept] == [str(row[0]) for row in ROWS[:3]]
    assert str(kept[0]["day"]) == "2026-09-30"  # 23:30 in Berlin, by whatever clock the server runs
    aside = cleaned.set_aside.order_by("line").to_pyarrow().to_pylist()
    assert [(row["source_file"], row["line"], row["reason"]) for row in aside] == [
        ("orders.parquet", 4, "unpaid"),
        ("orders.parquet", 5, "bad_date"),
    ]
    assert json.loads(aside[0]["cells"])['Note, "odd"'] is None


def test_a_query_gives_what_it_selects_in_its_own_order(shop):
    query = "SELECT order_id % 2 AS order_id, 'x' AS customer_id, paid_at, paid FROM orders ORDER BY paid DESC -- end"
    settings = shop("", orders_query=query + "\n;")
    cleaned = clean_orders(connect(settings), settings)
    # 129, 59.90, 10, 8 (no date), 7: the last row of an order holds
    assert cleaned.reconciliation.quarantined == {"superseded": 3, "bad_date": 1}
    assert cleaned.orders.order_by("order_id").paid.to_pyarrow().to_pylist() == [Decimal("7.0000")]


def test_the_socket_and_a_schema_are_reached(shop, server):
    server('CREATE SCHEMA IF NOT EXISTS "Sales"; DROP TABLE IF EXISTS "Sales"."Orders"')
    server('CREATE TABLE "Sales"."Orders" AS SELECT * FROM orders WHERE paid > 50')
    location = f"postgres://shop@:{server.port}/postgres?host={server.folder}&table=Sales.Orders"
    settings = shop().model_copy(update={"orders": location})
    assert read_orders(connect(settings), settings).rows == 2


def test_database_and_files_are_read_together(shop, tmp_path):
    (tmp_path / "old.csv").write_text("order_id,customer_id,paid_at,paid\n1,anna,2026-01-01,5\n")
    location = shop().orders
    settings = shop().model_copy(update={"orders": ["old.csv", location]})
    assert clean_orders(connect(settings), settings).reconciliation.rows_read == 6


def test_many_rows_come_in_pieces_and_are_counted_twice(shop, server, monkeypatch):
    monkeypatch.setattr("clvbook.orders.database.ROWS_AT_ONCE", 1000)
    server("TRUNCATE orders")
    server(
        "INSERT INTO orders SELECT n, n % 700, timestamptz '2026-01-01' + n * interval '1 min', n, 'completed' "
        "FROM generate_series(1, 12345) AS n"
    )
    account = check_orders(shop())
    assert (account.rows_kept, account.customers) == (12345, 700)
    assert account.net_kept == sum(range(12346))


def test_nothing_can_be_written(shop, server):
    for query, told in [
        ("DELETE FROM orders RETURNING *", "no single query"),
        ("SELECT 1; DROP TABLE orders", "no single query"),
        ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "cannot be read"),
        ("SELECT * FROM orders) AS q; DROP TABLE orders; --", "is no query"),
        ("SELECT setval('s', 1)", "cannot be read"),
    ]:
        settings = shop("", orders_query=query)
        with pytest.raises(InputRefused, match=told):
            order_files(connect(settings), settings)
    assert check_orders(shop()).rows_read == 5


@pytest.mark.parametrize(
    ("tail", "more", "told"),
    [
        ("?table=order", {}, "there is no table order(.|\n)*did you mean orders"),
        ("", {"orders_query": "SELECT * FROM nowhere"}, 'relation "nowhere" does not exist'),
        ("", {"orders_query": "SELECT 1 AS a, 2 AS a"}, "ambiguous"),
        ("", {"orders_query": "SELECT FROM WHERE"}, "orders_query"),
        ("", {"orders_query": "SELECT order_id FROM orders"}, "required columns are missing"),
        ("", {"orders_query": "SELECT * FROM orders WHERE false"}, "0 rows"),
    ],
)
def test_what_cannot_be_read_is_refused(shop, tail, more, told):
    settings = shop(tail, **more)
    with pytest.raises(InputRefused, match=told):
        read_orders(connect(settings), settings)


@pytest.mark.parametrize(
    ("tail", "more", "told"),
    [
        ("", {}, "names no table"),
        ("?table=orders", {"orders_query": "SELECT 1"}, "orders_query is set as well"),
        ("/deep?table=orders", {}, "no single database"),
        ("?table=orders&options=-cx", {}, "options is not understood"),
        ("?table", {}, "no database address"),
    ],
)
def test_an_address_that_says_nothing_clear_is_a_bad_parameter(shop, tail, more, told):
    settings = shop(tail, **more)
    with pytest.raises(BadParameters, match=told):
        read_orders(connect(settings), settings)


def test_a_server_that_is_not_there_or_a_wrong_password_is_told_without_the_password(shop, monkeypatch):
    settings = shop()
    away = settings.model_copy(update={"orders": "postgresql://shop@127.0.0.1:1/postgres?table=orders"})
    with pytest.raises(InputRefused, match="cannot be read") as refused:
        check_orders(away)
    monkeypatch.setenv("CLVBOOK_PASSWORD", "wrong-" + PASSWORD)
    with pytest.raises(InputRefused, match="authentication failed") as wrong:
        check_orders(settings)
    monkeypatch.delenv("CLVBOOK_PASSWORD")
    with pytest.raises(InputRefused, match="CLVBOOK_PASSWORD is not set") as none:
        check_orders(settings)
    assert PASSWORD not in f"{refused.value}{wrong.value}{none.value}"
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert check_orders(settings).rows_read == 5


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://shop:hush@db/shop?table=orders",
        "postgresql://:hush@db/shop",
        "postgres://shop:hu/hush@x@db:5432/shop",
        "postgresql://shop:1/hush@db/shop",
        "POSTGRESQL://shop:a?hush=1@db/shop",
        "postgresql://db/shop?password=hush",
        "postgresql://db/shop?table=o&sslpassword=hush",
    ],
)
def test_a_password_in_the_parameters_is_refused_and_not_repeated(location, tmp_path):
    params = tmp_path / "t.yml"
    for value in (location, f"[a.csv, '{location}']"):
        params.write_text(f"shop: t\norders: {value}\n")
        for command in ("check", "run"):
            answer = CliRunner().invoke(main, [command, str(params)])
            assert answer.exit_code == 2
            assert "holds a password" in answer.output
            assert "hush" not in answer.output


def test_the_book_names_the_address_and_a_later_notebook_reads_what_the_run_read(shop, server, monkeypatch):
    first = OrdersBook(shop())
    assert [entry["path"] for entry in first.inputs] == [shop().orders]
    assert OrdersBook(shop()).inputs == first.inputs  # the same content is the same input
    server("INSERT INTO orders VALUES (1, 'carl', '2026-10-05 10:00:00+00', 3, 'completed')")
    monkeypatch.setenv("CLVBOOK_INPUTS", first.inputs[0]["sha256"])
    assert OrdersBook(shop()).inputs == first.inputs
    assert OrdersBook(shop()).reconciliation.rows_read == 5
    monkeypatch.delenv("CLVBOOK_INPUTS")
    assert OrdersBook(shop()).reconciliation.rows_read == 6


def test_old_snapshots_go(shop, server, tmp_path):
    for number in range(KEPT + 2):
        server("INSERT INTO orders VALUES (%s, 'carl', '2026-10-05 10:00:00+00', 3, 'completed')", (number,))
        check_orders(shop())
    assert len(list((tmp_path / ".cache" / ".databases").glob("*/*"))) == KEPT


def test_the_commands_leave_no_password_behind(shop, server, tmp_path):
    params = tmp_path / "t.yml"
    params.write_text(f"shop: t\norders: {shop().orders}\ntimezone: Europe/Berlin\ncurrency: EUR\n")
    found = CliRunner().invoke(main, ["check", str(params), "--json"])
    assert json.loads(found.stdout)["rows_read"] == 5
    secret = PASSWORD.encode()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 2
    assert [path for path in written if secret in path.read_bytes()] == []
    assert PASSWORD not in found.output
