import os
import shutil
from pathlib import Path

import pytest

from clvbook.errors import PublishFailed
from clvbook.report.publish import Shelf, write


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "tiny")


def put(shelf, text, month="2026-10"):
    folder = shelf.stage()
    (folder / "a.html").write_text(text)
    (folder / "b.html").write_text(text)
    return shelf.publish(folder, month)


def test_revisions_count_up_and_stay(shelf):
    assert [put(shelf, text) for text in ("one", "two", "three")] == [1, 2, 3]
    assert shelf.months() == ["2026-10"]
    assert shelf.revision("2026-10") == 3
    assert [(shelf.revision_folder("2026-10", n) / "a.html").read_text() for n in (1, 2, 3)] == ["one", "two", "three"]
    assert shelf.month("2026-10").readlink() == Path(
        "revisions/2026-10.3"
    )  # relative: the folder may be moved or copied


def test_killed_before_any_step_a_reader_sees_one_whole_month(shelf, monkeypatch):
    """The n-th change to the disk is the one that the process does not live to make."""
    put(shelf, "old")
    reached = 0
    for moment in range(1, 9):
        child = os.fork()
        if not child:
            count = [0]

            def dying(original, count=count, moment=moment):
                def step(*arguments, **options):
                    count[0] += 1
                    if count[0] == moment:
                        os.kill(os.getpid(), 9)
                    return original(*arguments, **options)

                return step

            for owner, name in (
                (Path, "rename"),
                (Path, "symlink_to"),
                (Path, "replace"),
                (Path, "mkdir"),
                (shutil, "rmtree"),
            ):
                setattr(owner, name, dying(getattr(owner, name)))
            put(shelf, f"new {moment}")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        reached += os.WIFSIGNALED(status)
        seen = {(shelf.month("2026-10") / name).read_text() for name in ("a.html", "b.html")}
        assert len(seen) == 1, "half of one month and half of another"
        shelf.clear()
        number = shelf.revision("2026-10")
        assert sorted(p.name for p in (shelf.folder / "revisions").iterdir()) == [
            f"2026-10.{n}" for n in range(1, number + 1)
        ]
        assert not (shelf.folder / ".staging").exists()
    assert reached >= 5
    number = shelf.revision("2026-10")
    assert put(shelf, "last") == number + 1


def test_a_folder_in_the_months_place_is_not_touched(shelf):
    (shelf.folder / "2026-10").mkdir(parents=True)
    (shelf.folder / "2026-10" / "mine.txt").write_text("mine")
    with pytest.raises(PublishFailed, match="could not be put in place"):
        put(shelf, "new")
    assert (shelf.folder / "2026-10" / "mine.txt").read_text() == "mine"


def test_write_leaves_no_half_file_and_no_temporary(tmp_path):
    path = tmp_path / "page.html"
    write(path, "one")
    before = path.stat().st_mtime_ns
    write(path, "one")
    assert path.stat().st_mtime_ns == before
    write(path, "two")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "two"


def test_a_failure_is_kept_until_the_month_is_published(shelf):
    put(shelf, "old")
    shelf.record_failure("2026-10", PublishFailed("1 of 9 checks does not hold", "look"), title="Tiny", seconds=2)
    assert shelf.failures()[0] | {"when": ""} == {
        "month": "2026-10", "title": "Tiny", "when": "", "exit_code": 7, "word": "not published",
        "fact": "1 of 9 checks does not hold", "hint": "look", "notebooks": [], "seconds": 2,
    }  # fmt: skip
    put(shelf, "new")
    assert shelf.failures() == []
