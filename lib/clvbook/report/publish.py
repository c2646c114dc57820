"""Put a checked month in place at once, keep what it replaces, and clear away what a killed run left.

in: a staging folder; out: reports/<shop>/<YYYY-MM>, a symlink to revisions/<YYYY-MM>.<n>, replaced in one step

    reports/<shop>/index.html              the history, made from the manifests
                  /2026-10 -> revisions/2026-10.2
                  /revisions/2026-10.1/    older revisions are kept
                  /failures/2026-10/       the last failed run since: record.json and its notebooks as far as they ran
                  /.staging/<id>/          a run at work; of a dead one the next run clears it
                  /.lock                   one run a shop at a time
"""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clvbook.errors import ClvbookError, PublishFailed
from clvbook.report import manifest

WORDS = {
    2: "bad parameters",
    3: "input refused",
    4: "notebook failed",
    5: "timeout",
    6: "kernel died",
    7: "not published",
}


@dataclass(frozen=True)
class Shelf:
    """One shop's folder of months."""

    folder: Path

    def month(self, month: str) -> Path:
        """Where readers find a month."""
        return self.folder / month

    def revision(self, month: str) -> int:
        """The number of the published revision; 0 where the month is not published."""
        try:
            target = (self.folder / month).readlink().name
        except OSError:
            return 0
        found = re.fullmatch(re.escape(month) + r"\.(\d+)", target)
        return int(found[1]) if found and (self.folder / "revisions" / target).is_dir() else 0

    def revision_folder(self, month: str, number: int) -> Path:
        """Where a revision lies for good."""
        return self.folder / "revisions" / f"{month}.{number}"

    def months(self) -> list[str]:
        """The published months, oldest first."""
        names = [p.name for p in self.folder.glob("[0-9]*") if p.is_symlink() and self.revision(p.name)]
        return sorted(names)

    def current(self, month: str) -> dict[str, Any] | None:
        """The manifest of the published revision."""
        return manifest.read(self.month(month)) if self.revision(month) else None

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the shop; `waiting` is called once where another run holds it. The lock ends with its process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def clear(self) -> None:
        """Remove what dead runs left: staging folders, and revisions that were never put in place."""
        shutil.rmtree(self.folder / ".staging", ignore_errors=True)
        for folder in (self.folder / "revisions").glob("*.*"):
            month, _, number = folder.name.partition(".")
            if number.isdigit() and int(number) > self.revision(month):
                shutil.rmtree(folder)

    def stage(self) -> Path:
        """A new empty folder to build a month in."""
        folder = self.folder / ".staging" / secrets.token_hex(4)
        folder.mkdir(parents=True)
        return folder

    def publish(self, staging: Path, month: str) -> int:
        """Make `staging` the month's new revision, in one step for who reads; the revision's number."""
        number = self.revision(month) + 1
        target = self.revision_folder(month, number)
        try:
            target.parent.mkdir(exist_ok=True)
            staging.rename(target)
            link = self.folder / ".staging" / f"{month}.link"
            link.symlink_to(Path("revisions") / target.name)
            link.replace(self.month(month))
        except OSError as error:
            raise PublishFailed(
                f"{self.month(month)}: the month could not be put in place: {error.strerror}",
                "see that this is a link and that the disk has room; nothing was changed",
            ) from error
        shutil.rmtree(self.folder / "failures" / month, ignore_errors=True)
        return number

    def failure(self, month: str) -> dict[str, Any] | None:
        """The record of the last failed run, where the month was not published since."""
        try:
            return json.loads((self.folder / "failures" / month / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def failures(self) -> list[dict[str, Any]]:
        """Every month's record of a failed run."""
        names = [p.name for p in (self.folder / "failures").glob("*")]
        return [record for name in sorted(names) if (record := self.failure(name))]

    def record_failure(self, month: str, error: BaseException, *, title: str, seconds: float = 0) -> None:
        """Keep when, why and how far; readers see it as a row of the history."""
        code = error.exit_code if isinstance(error, ClvbookError) else getattr(error, "code", 130)
        folder = self.stage()
        for stem, notebook in getattr(error, "notebooks", {}).items():
            write(folder / f"{stem}.ipynb", json.dumps(notebook, indent=1, ensure_ascii=False))
        record = {
            "month": month,
            "title": title,
            "when": now(),
            "exit_code": code,
            "word": WORDS.get(code, "stopped"),
            "fact": getattr(error, "fact", "the run was stopped"),
            "hint": getattr(error, "hint", "run it again"),
            "notebooks": sorted(f"{stem}.ipynb" for stem in getattr(error, "notebooks", {})),
            "seconds": round(seconds, 1),
        }
        write(folder / "record.json", json.dumps(record, indent=1, ensure_ascii=False))
        place = self.folder / "failures" / month
        place.parent.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)


def now() -> str:
    """The time of a run, to the second, in UTC; manifests and the history hold it, pages do not."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write(path: Path, text: str) -> None:
    """Write a whole file or none: a reader never meets half of it. Unchanged text is left alone."""
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(data)
    os.replace(temporary, path)  # noqa: PTH105
