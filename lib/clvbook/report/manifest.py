"""What a month was made from: the keys that tell whether it would come out the same, and the manifest that says it.

in: Settings, input hashes, notebook sources; out: `Recipe` (keys) and the manifest's dict
A page's key covers settings, inputs, the package, its versions and the page's own notebook; a month's key covers its
pages' keys. What only changes speed (threads, memory, timeouts) is in no key.
"""

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from clvbook.settings import Settings

SCHEMA = 1
SPEED_ONLY = {"engine_threads", "engine_memory", "cell_timeout_seconds", "run_timeout_seconds"}
PACKAGE = Path(__file__).resolve().parents[1]


def digest(value: Any) -> str:
    """SHA-256 of bytes, or of a value's sorted JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(data).hexdigest()


def package_digest(folder: Path = PACKAGE) -> str:
    """One hash over every source and template file of the package."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.name[0] != ".")
    return digest([(str(p.relative_to(folder)), digest(p.read_bytes())) for p in files])


def versions() -> dict[str, str]:
    """Python, clvbook and each package that it depends on directly, with the versions that run here."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "clvbook": metadata.version("clvbook")}
    for requirement in metadata.requires("clvbook") or []:
        if "extra ==" not in requirement:
            name = re.match(r"[\w.-]+", requirement)[0]
            found[name] = metadata.version(name)
    return found


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a month comes out; `sources` is notebook stem -> file bytes."""

    settings: Settings
    inputs: list[dict[str, Any]]
    sources: dict[str, bytes]

    @cached_property
    def versions(self) -> dict[str, str]:
        """Package -> version."""
        return versions()

    @cached_property
    def code(self) -> str:
        """The package's hash."""
        return package_digest()

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """All settings as plain values, those not set included: a notebook's own default must not fill the gap."""
        return self.settings.model_dump(mode="json")

    @cached_property
    def base(self) -> str:
        """The key's part that all pages share."""
        settings = {name: value for name, value in self.parameters.items() if name not in SPEED_ONLY}
        return digest([settings, sorted(entry["sha256"] for entry in self.inputs), self.code, self.versions])

    def page_key(self, stem: str) -> str:
        """The key of one notebook's page."""
        return digest([self.base, digest(self.sources[stem])])


def page_name(stem: str) -> str:
    """2_customer_value -> customer_value; the notebook numbered 0 makes the month's own page: 0_summary -> index."""
    number, _, rest = stem.partition("_")
    if number.isdigit() and rest:
        return "index" if int(number) == 0 else rest
    return stem


def month_key(pages: dict[str, dict[str, Any]]) -> str:
    """The key of a month from its pages' keys."""
    return digest(sorted(page["key"] for page in pages.values()))


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a published month or revision; None where there is none that this version reads."""
    try:
        found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def outputs(folder: Path) -> list[dict[str, Any]]:
    """Path, hash and size of every file of a month's folder but the month's page, whose links change with its
    neighbours, and the manifest itself.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("index.html", "manifest.json"))
    return [
        {"path": p.relative_to(folder).as_posix(), "sha256": _file_digest(p), "bytes": p.stat().st_size} for p in files
    ]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changes(old: dict[str, Any] | None, recipe: Recipe) -> list[str]:
    """In words, what a new revision was made from that the one before was not."""
    if old is None:
        return []
    said = []
    before = {entry["sha256"] for entry in old["inputs"]}
    after = {entry["sha256"] for entry in recipe.inputs}
    if before != after:
        said.append(f"Restated data: {len(after - before)} of {len(after)} input files are new or changed.")
    for name, value in recipe.parameters.items():
        was = old["settings"].get(name)
        if was != value and name not in SPEED_ONLY:
            said.append(f"{name}: {_shown(was)} before, {_shown(value)} now.")
    for name, version in recipe.versions.items():
        if (was := old["versions"].get(name)) != version:
            said.append(f"{name} {was} before, {version} now.")
    if old["code"] != recipe.code:
        said.append("The program itself changed.")
    known = {page["notebook"]: page["source"] for page in old["pages"].values()}
    changed = [s for s, source in recipe.sources.items() if s in known and known[s] != digest(source)]
    if changed:
        said.append(f"Changed notebooks: {', '.join(changed)}.")
    return said or ["Nothing that goes into the pages; the run was forced or covers other pages."]


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
