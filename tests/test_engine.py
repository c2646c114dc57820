"""engine.py: the engine keeps to its threads and memory, spills where it is told, and fetches nothing."""

import duckdb
import pytest

from clvbook.engine import connect
from clvbook.settings import make_settings

SORT = "create table sorted as select * from (select hash(range) as h, range from range(3000000)) order by h"


def opened(*, spill=None, **values):
    return connect(make_settings({"shop": "a", "orders": "o.csv", **values}), spill=spill)


def option(con, name):
    return con.raw_sql(f"select current_setting('{name}')").fetchone()[0]


def test_threads_and_memory_are_those_of_the_settings():
    con = opened(engine_threads=1, engine_memory="100MB")
    assert option(con, "threads") == 1
    assert option(con, "memory_limit") == "95.3 MiB"  # 100 MB in powers of 1,024


def test_no_extension_is_fetched():
    con = opened()
    assert option(con, "autoinstall_known_extensions") is False
    assert option(con, "autoload_known_extensions") is False


def test_what_does_not_fit_spills_into_the_folder(tmp_path):
    spill = tmp_path / "spill"
    con = opened(spill=spill, engine_threads=1, engine_memory="40MB")
    con.raw_sql(SORT)
    assert list(spill.iterdir())
    assert con.table("sorted").count().execute() == 3_000_000
    con.disconnect()
    assert not spill.exists()  # nothing stays behind


def test_without_a_folder_the_same_does_not_fit():
    con = opened(engine_threads=1, engine_memory="40MB")
    con.raw_sql("set temp_directory = ''")
    with pytest.raises(duckdb.OutOfMemoryException):
        con.raw_sql(SORT)
