"""Tables kept by content: the same inputs, parameters and source find what an earlier notebook computed.

in:  the content that a table depends on, and how to make it
out: the table, read from Parquet under <home>/.cache/<shop>/<key>/
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ibis

from clvbook.settings import home

KEPT = 16  # folders a shop keeps, latest first: a month needs some eight


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def source_digest() -> str:
    """SHA-256 over clvbook's own source and mappings, so that no table outlives the code that made it."""
    whole = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.yml")]):
        whole.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def key_of(content: Mapping[str, Any]) -> str:
    """A short key for anything that JSON can hold (days as text)."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Cache:
    """One folder of tables that share a key. Writing is aside, then renamed: never a half table, whoever is killed."""

    def __init__(self, con: ibis.BaseBackend, shop: str, content: Mapping[str, Any]) -> None:
        self.con = con
        shelf = home() / ".cache" / shop
        self.folder = shelf / key_of({**content, "source": source_digest()})
        self.folder.mkdir(parents=True, exist_ok=True)
        os.utime(self.folder)
        for old in sorted(shelf.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def tables(self, names: Iterable[str], make: Callable[[], Iterable[ibis.Table]]) -> list[ibis.Table]:
        """The tables of these names; where one is missing, `make` gives the expressions for all of them, in order."""
        paths = [self.folder / f"{name}.parquet" for name in names]
        if not all(path.exists() for path in paths):
            for path, table in zip(paths, make(), strict=True):
                with self._aside(path) as temporary:
                    table.to_parquet(temporary)
        return [self.con.read_parquet(path) for path in paths]

    def table(self, name: str, make: Callable[[], ibis.Table]) -> ibis.Table:
        """The table of this name, made where it is missing."""
        return self.tables([name], lambda: [make()])[0]

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON value of this name, made where it is missing."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            value = make()
            with self._aside(path) as temporary:
                temporary.write_text(json.dumps(value, ensure_ascii=False, default=str), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    def _aside(self, path: Path):
        return _Aside(path)


class _Aside:
    """Write to a temporary file beside `path`; it takes the name of `path` only when all went well."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        os.close(handle)
        self.temporary = Path(name)
        return self.temporary

    def __exit__(self, failed, *_: object) -> None:
        if failed:
            self.temporary.unlink(missing_ok=True)
        else:
            self.temporary.replace(self.path)
