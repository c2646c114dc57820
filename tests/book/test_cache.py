"""cache.py: computed once, found again by content, never half written."""

import os

import ibis
import pandas as pd
import pytest

from clvbook.book import cache


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    return lambda **content: cache.Cache(ibis.duckdb.connect(), "shop", content)


def counted(frame):
    calls = []

    def make():
        calls.append(1)
        return ibis.memtable(frame)

    return make, calls


def test_a_table_is_made_once_for_the_same_content(shelf):
    make, calls = counted(pd.DataFrame({"a": [1, 2]}))
    for _ in range(2):
        table = shelf(x=1).table("numbers", make)
        assert table.to_pandas().a.tolist() == [1, 2]
    shelf(x=2).table("numbers", make)
    assert len(calls) == 2


def test_json_is_made_once(shelf):
    calls = []
    for _ in range(2):
        assert shelf(x=1).json("facts", lambda: calls.append(1) or {"a": "中"}) == {"a": "中"}
    assert calls == [1]


def test_what_fails_leaves_nothing_behind(shelf):
    def fail():
        return ibis.memtable(pd.DataFrame({"a": ["x"]})).mutate(b=ibis._.a.cast("int"))

    shelf_ = shelf(x=1)
    with pytest.raises(Exception, match="x"):
        shelf_.table("broken", fail)
    assert list(shelf_.folder.iterdir()) == []


def test_a_change_of_the_source_makes_anew(shelf, monkeypatch):
    make, calls = counted(pd.DataFrame({"a": [1]}))
    shelf(x=1).table("t", make)
    monkeypatch.setattr(cache, "source_digest", lambda: "another")
    shelf(x=1).table("t", make)
    assert len(calls) == 2


def test_only_the_latest_folders_are_kept(shelf):
    folders = []
    for n in range(cache.KEPT + 3):
        folders.append(shelf(n=n).folder)
        os.utime(folders[-1], (n, n))
    shelf(n=0)  # asked for again: the newest now
    assert folders[0].exists()
    assert not folders[1].exists()
    assert sum(folder.exists() for folder in folders) == cache.KEPT
