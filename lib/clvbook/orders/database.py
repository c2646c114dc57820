"""Orders from PostgreSQL: a table or query, read through Ibis in one snapshot, counted by the server and by us.

in: `orders: postgresql://user@host:5432/db?table=orders`, or without a table and with `orders_query`; the password from
CLVBOOK_PASSWORD, else as PostgreSQL's own tools have it (PGPASSWORD, ~/.pgpass)
out: a Parquet file of text under <home>/.cache/.databases, named by its content, which is then read as any file is
"""

import difflib
import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot as sg

from clvbook.errors import BadParameters, InputRefused
from clvbook.settings import Settings, find_files, hide_password, home, is_database

KEPT = 3  # snapshots of one table or query, latest first
ROWS_AT_ONCE = 20_000
_ALLOWED = {"table", "host", "sslmode", "sslrootcert"}
# Nothing is written to the server, and the same table comes in the same order however its pages are cached.
_SESSION = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": r"repeatable\ read",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
    "datestyle": "ISO",
    "extra_float_digits": "1",
}
_read: dict[int, dict[str, Path]] = {}  # by the connection's id: Ibis calls any two connections to memory equal


def order_files(con: ibis.BaseBackend, settings: Settings) -> dict[Path, str]:
    """The files behind `orders`, each with the name that people see; a database is read anew once a connection.

    A notebook of a run reads what the run has read: CLVBOOK_INPUTS holds the hashes of the run's inputs.
    Errors: BadParameters for a location that names nothing; InputRefused where the server does not give its rows.
    """
    locations = [settings.orders] if isinstance(settings.orders, str) else settings.orders
    if not any(map(is_database, locations)):
        return {path: str(path) for path in settings.order_files}
    if id(con) not in _read:
        _read[id(con)] = {}
        weakref.finalize(con, _read.pop, id(con))
    read, files = _read[id(con)], {}
    for location in locations:
        if not is_database(location):
            files |= {path: str(path) for path in find_files(location)}
            continue
        key = f"{location}\n{settings.orders_query or ''}"
        if key not in read:
            read[key] = _of_the_run(key) or _snapshot(location, settings.orders_query, _shelf(key))
        files[read[key]] = location
    return files


def _shelf(key: str) -> Path:
    return home() / ".cache" / ".databases" / hashlib.sha256(key.encode()).hexdigest()[:16]


def _of_the_run(key: str) -> Path | None:
    hashes = os.environ.get("CLVBOOK_INPUTS", "").split()
    return next((path for path in sorted(_shelf(key).glob("*/*.parquet")) if path.parent.name in hashes), None)


def _snapshot(location: str, query: str | None, shelf: Path) -> Path:
    """Read the table or query into a file that its content names."""
    url = _checked(location, query)
    shelf.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
    try:
        path = staged / f"{url['table'] or 'query'}.parquet".replace("/", "_")
        with _connected(location, url) as postgres:
            _write(postgres, _selection(postgres, location, url["table"], query), location, path)
        with path.open("rb") as file:
            folder = shelf / hashlib.file_digest(file, "sha256").hexdigest()
        if folder.is_dir():
            os.utime(folder)
        else:
            staged.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    stored = sorted(shelf.glob("[0-9a-f]*"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in stored[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder / path.name


def _checked(location: str, query: str | None) -> dict[str, str | int | None]:
    """The parts of a location; BadParameters where one is not understood, or where table and query clash."""
    shown = hide_password(location)
    try:
        url = urlsplit(location)
        asked = {name: values[-1] for name, values in parse_qs(url.query, strict_parsing=bool(url.query)).items()}
        port, unknown = url.port, sorted(asked.keys() - _ALLOWED)
    except ValueError as error:
        raise BadParameters(f"orders: {shown}: is no database address: {error}", _FORM) from None
    database = unquote(url.path.removeprefix("/"))
    if unknown or not database or "/" in database or "@" in database or url.fragment:
        wrong = f"{', '.join(unknown)} is not understood" if unknown else "names no single database"
        raise BadParameters(f"orders: {shown}: {wrong}", _FORM)
    if bool(asked.get("table")) == bool(query):
        fact = "names a table, and orders_query is set as well" if query else "names no table, and no query is set"
        raise BadParameters(f"orders: {shown}: {fact}", "write ?table=orders behind the address, or set orders_query")
    user = unquote(url.username) if url.username else None
    host = asked.get("host") or url.hostname
    secure = {name: asked[name] for name in ("sslmode", "sslrootcert") if name in asked}
    return {
        "host": host,
        "port": port or 5432,
        "user": user,
        "database": database,
        "table": asked.get("table"),
    } | secure


_FORM = "write postgresql://user@host:5432/database?table=orders"


@contextmanager
def _connected(location: str, url: dict[str, str | int | None]) -> Iterator[ibis.BaseBackend]:
    """An Ibis connection within one read-only transaction: what is counted is what is read."""
    import psycopg

    password = os.environ.get("CLVBOOK_PASSWORD") or os.environ.get("PGPASSWORD")
    given = {name: value for name, value in url.items() if name != "table"}
    given |= {"options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items())}
    given |= {"client_encoding": "utf8", "connect_timeout": 10, "application_name": "clvbook"}
    postgres = None
    try:
        postgres = ibis.postgres.connect(**given, **({"password": password} if password else {}))
        with postgres.con.transaction():
            yield postgres
    except (psycopg.Error, UnicodeError, pa.ArrowException) as error:
        said = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        said = said.replace(password, "***") if password else said
        raise InputRefused(f"{hide_password(location)}: cannot be read: {said}", _hint(error, password)) from None
    finally:
        if postgres is not None:
            postgres.disconnect()


def _hint(error: Exception, password: str | None) -> str:
    import psycopg

    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "the user needs the right to read the table: GRANT SELECT"
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "orders_query may only read: write one SELECT"
    if isinstance(error, psycopg.OperationalError):
        given = "is set" if password else "is not set, nor is PGPASSWORD"
        return f"is the server up, the address right, the password? CLVBOOK_PASSWORD {given}"
    return "try the query in psql; it must be one SELECT whose columns have names of their own"


def _selection(postgres: ibis.BaseBackend, location: str, table: str | None, query: str | None) -> ibis.Table:
    """Every column as text, written by the server itself, so that no digit and no type is lost on the way.

    A table comes sorted by all its columns; a query as it sorts: of an order that stands twice its last row holds.
    """
    if table:
        schema, _, name = table.rpartition(".")
        names = postgres.list_tables(database=schema or None)
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {len(names)}: {', '.join(sorted(names)[:20])}"
            raise InputRefused(f"{location}: there is no table {table} that this user sees", hint)
        query = sg.select("*").from_(sg.table(name, db=schema or None, quoted=True)).sql("postgres")
    query = query.strip().rstrip(";")
    try:
        parsed = sg.parse(query, read="postgres")
    except sg.errors.SqlglotError as error:
        raise InputRefused(
            f"orders_query: is no query: {str(error).splitlines()[0][:300]}", "write one SELECT"
        ) from None
    if len(parsed) != 1 or not isinstance(parsed[0], sg.exp.Query):
        raise InputRefused("orders_query: is no single query", "write one SELECT")
    with postgres.con.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0")  # noqa: S608 - read-only, and the shop's own query
        header = [column.name for column in cursor.description]
    cells = ", ".join(f"CAST({sg.to_identifier(name, quoted=True).sql('postgres')} AS TEXT)" for name in header)
    names = [f"c{place}" for place in range(len(header))]
    text = f"SELECT * FROM (SELECT {cells} FROM ({query}\n) AS q) AS t({', '.join(names)})"  # noqa: S608 - as above
    found = postgres.sql(text, schema=dict.fromkeys(names, "string"))
    found = found.order_by(names) if table else found
    return found.rename(dict(zip(header, names, strict=True)))


def _write(postgres: ibis.BaseBackend, rows: ibis.Table, location: str, path: Path) -> None:
    """Stream the rows into Parquet; InputRefused where the server counts others than came."""
    expected, written = int(rows.count().execute()), 0
    schema = pa.schema([(name, pa.string()) for name in rows.columns])
    with pq.ParquetWriter(path, schema) as parquet:
        for batch in postgres.to_pyarrow_batches(rows, chunk_size=ROWS_AT_ONCE):
            parquet.write_batch(batch)
            written += len(batch)
    if written != expected:
        raise InputRefused(
            f"{location}: {expected:,} rows stand in the table, {written:,} were read",
            "run again; report it if it stays",
        )
