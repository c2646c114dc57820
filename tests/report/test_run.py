import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from clvbook.errors import InputRefused, KernelDied, NotebookFailed, NotebookTimeout
from clvbook.report import produce, record_failure, warm

KPI = {"name": "customers", "label": "Customers", "value": 7, "text": "7", "unit": None}
WRITES_A_TABLE = "import os, pathlib; pathlib.Path(os.environ['CLVBOOK_TABLES'], 'scored.csv').write_text('a\\n1\\n')"


def files(folder):
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
    found.pop("manifest.json", None)  # it holds the run's times
    return found


def kernels_of(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_a_month_is_published_once_and_the_same_each_time(desk):
    desk.write("1_data_quality", "## Part\n\nText.", "print('rows of', shop, 'in', month)")
    desk.write("2_value", WRITES_A_TABLE, "import numpy as np; np.random.default_rng(seed).random()", kpis=[KPI])
    events = []
    order = []
    first = desk.run(progress=events.append, prepare=lambda: order.append("prepared") or {"rows_read": 9})
    assert (first.status, first.shop, first.month, first.revision) == ("published", "tiny", "2026-10", 1)
    assert first.index == desk.month / "index.html"
    assert set(files(desk.month)) == {
        "index.html", "data_quality.html", "value.html", "tables/scored.csv", "notebooks/1_data_quality.ipynb",
        "notebooks/2_value.ipynb",
    }  # fmt: skip
    assert "rows of tiny in 2026-10" in (desk.month / "data_quality.html").read_text()
    index = first.index.read_text()
    assert 'href="value.html"' in index
    assert "1–31 October 2026" in index
    assert ">7<" in index
    found = desk.manifest()
    assert found["facts"] == {"data_through": "2026-10-31", "rows_read": 9}
    assert found["kpis"] == [KPI | {"page": "value"}]
    assert found["inputs"] == desk.inputs
    assert found["settings"]["shop"] == "tiny"
    assert found["settings"]["margin_rate"] is None
    assert {entry["path"] for entry in found["outputs"]} == set(files(desk.month)) - {"index.html"}
    assert all(check["passed"] for check in found["checks"])
    assert order == ["prepared"]
    assert events[-1]["step"] == "published"
    cells = [event["done"] for event in events if event["step"] == "cell"]
    assert cells == list(range(1, events[-1]["total"] + 1))

    def never():
        raise AssertionError("a kernel's work began")

    again = desk.run(prepare=never)
    assert (again.status, again.revision, again.index) == ("current", 1, first.index)
    assert desk.run(engine_threads=1, run_timeout_seconds=99, prepare=never).status == "current"

    before = files(desk.month)
    forced = desk.run(force=True)
    assert (forced.status, forced.revision) == ("published", 2)
    after = files(desk.month)
    assert before.keys() == after.keys()
    # The month's page names its revision; all else is the same to the byte.
    assert [name for name in before if before[name] != after[name]] == ["index.html"]
    assert not list((desk.shop / ".staging").glob("*"))


def test_restated_data_make_a_new_revision_and_keep_the_old_one(desk):
    desk.write("1_value", "print(margin_rate)", kpis=[KPI])
    desk.run()
    old = files(desk.month)
    desk.inputs = [{"path": "orders.csv", "sha256": "b" * 64, "bytes": 2}]
    assert desk.run(margin_rate=0.5).revision == 2
    assert desk.manifest()["changes"] == [
        "Restated data: 1 of 1 input files are new or changed.",
        "margin_rate: not set before, 0.5 now.",
    ]
    kept = files(desk.shop / "revisions" / "2026-10.1")
    assert {name for name in old if kept[name] != old[name]} == {"index.html"}
    assert "../../2026-10/index.html" in kept["index.html"].decode()  # the old page points to the new one
    # what its other pages call "all months" is one folder up, wherever they are read
    up = (desk.shop / "revisions" / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', up)
    assert links == ["../index.html", "2026-10.2/index.html", "2026-10.1/index.html"]
    assert all((desk.shop / "revisions" / link).exists() for link in links)
    assert "margin_rate: not set before, 0.5 now." in (desk.month / "index.html").read_text()


def test_months_link_to_their_neighbours(desk):
    desk.write("1_value", kpis=[KPI])
    for month in ("2026-08", "2026-10", "2026-09"):
        desk.run(month=month, force=True)
    page = (desk.shop / "2026-09" / "index.html").read_text()
    assert 'href="../2026-08/index.html"' in page
    assert 'href="../2026-10/index.html"' in page
    assert 'href="../2026-09/index.html"' in (desk.month / "index.html").read_text()
    history = (desk.shop / "index.html").read_text()
    assert history.index("October 2026") < history.index("September 2026") < history.index("August 2026")


def test_a_failed_run_leaves_the_month_and_a_row_in_the_history(desk):
    desk.write("1_value", kpis=[KPI])
    desk.run()
    before = files(desk.month)
    desk.write("1_value", "## The sum\n\nText", "raise ValueError('<b>3 of 7</b> rows')")
    with pytest.raises(NotebookFailed, match="3 of 7"):
        desk.run()
    assert files(desk.month) == before
    assert not (desk.shop / ".staging").exists()
    history = (desk.shop / "index.html").read_text()
    assert "notebook failed" in history
    assert "&lt;b&gt;3 of 7&lt;/b&gt; rows" in history
    assert 'href="2026-10/index.html"' in history
    record = json.loads((desk.shop / "failures/2026-10/record.json").read_text())
    assert (record["exit_code"], record["notebooks"]) == (4, ["1_value.ipynb"])
    failed = nbformat.read(desk.shop / "failures/2026-10/1_value.ipynb", as_version=4)
    assert failed.metadata.papermill.exception is True
    desk.write("1_value", kpis=[KPI])
    assert desk.run().status == "current"
    desk.run(force=True)
    assert "notebook failed" not in (desk.shop / "index.html").read_text()


def test_a_refused_input_is_a_failed_run_of_a_month_that_was_never_published(desk):
    desk.write("1_value")

    def refuse():
        raise InputRefused("0 of 9 orders are paid", "check the mapping")

    with pytest.raises(InputRefused, match="0 of 9"):
        desk.run(prepare=refuse)
    assert not desk.month.exists()
    assert "0 of 9 orders are paid" in (desk.shop / "index.html").read_text()
    record_failure(
        desk.settings(month="2026-09"), InputRefused("3 of 3 files are empty", "export again"), reports=desk.reports
    )
    assert "3 of 3 files are empty" in (desk.shop / "index.html").read_text()
    record_failure(desk.settings(month=None), InputRefused("no month", "wait"), reports=desk.reports)
    assert "no month" not in (desk.shop / "index.html").read_text()


def test_kernels_that_were_warmed_before_serve_several_months(own_desk):
    own_desk.write("1_value", kpis=[KPI])
    with warm(own_desk.notebooks) as kernels:
        for month in ("2026-08", "2026-09"):
            produced = produce(
                own_desk.settings(month=month), inputs=own_desk.inputs, facts={}, reports=own_desk.reports,
                notebooks=own_desk.notebooks, kernels=kernels,
            )  # fmt: skip
            assert produced.status == "published"
        assert kernels.process.poll() is None
    assert kernels.process.poll() == 0


def test_one_notebook_that_dies_ends_the_others(own_desk):
    desk = own_desk
    desk.write("1_slow", "import time; time.sleep(600)")
    desk.write("2_dies", "import os; os._exit(1)")
    before = kernels_of(os.getpid())
    start = time.monotonic()
    with pytest.raises(KernelDied, match="2_dies"):
        desk.run()
    assert time.monotonic() - start < 60
    assert kernels_of(os.getpid()) == before


def test_the_whole_run_has_a_time_limit(own_desk):
    desk = own_desk
    before = kernels_of(os.getpid())
    desk.write("1_slow", "import time; time.sleep(600)")
    desk.write("2_stubborn", "import time\nwhile True:\n    try: time.sleep(600)\n    except KeyboardInterrupt: pass")
    with pytest.raises(NotebookTimeout, match="2 of 2 notebooks did not finish within 3 seconds"):
        desk.run(run_timeout_seconds=3)
    assert kernels_of(os.getpid()) == before
    assert not desk.month.exists()
    record = json.loads((desk.shop / "failures/2026-10/record.json").read_text())
    assert (record["exit_code"], record["word"]) == (5, "timeout")


SCRIPT = """
import sys, pathlib
sys.path.insert(0, {here!r})
from clvbook.report import run
from conftest import Desk
run.WARM = []
Desk(pathlib.Path({folder!r})).run(force=True, progress=lambda event: print(event["step"], flush=True))
"""


def start_run(desk):
    script = SCRIPT.format(here=str(Path(__file__).parent), folder=str(desk.folder))
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize(
    ("step", "seconds"), [("warming", 0.2), ("prepared", 0.0), ("cell", 0.01), ("finished", 0.004)]
)
def test_killed_at_any_moment_the_published_month_stands_whole(desk, step, seconds):
    desk.write("1_value", WRITES_A_TABLE, kpis=[KPI])
    desk.run()
    with start_run(desk) as process:
        while process.stdout.readline().strip() != step:
            assert process.poll() is None
        time.sleep(seconds)
        children = kernels_of(process.pid)
        process.kill()
    number = desk.manifest()["revision"]
    assert desk.month.readlink() == Path("revisions") / f"2026-10.{number}"
    for entry in desk.manifest()["outputs"]:
        assert hashlib.sha256((desk.month / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    assert (desk.month / "index.html").read_text().rstrip().endswith("</html>")
    _, alive = psutil.wait_procs(children, timeout=5)
    assert children or step == "finished"  # by then the kernels may have ended by themselves
    assert not alive
    assert desk.run(force=True).revision == number + 1
    assert not list((desk.shop / ".staging").glob("*"))
    kept = {path.name for path in (desk.shop / "revisions").iterdir()}
    assert kept == {"index.html", *(f"2026-10.{made}" for made in range(1, number + 2))}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_no_kernel_is_left(desk, how):
    here = desk.shop.parent / "started"
    desk.write("1_slow", f"import pathlib; pathlib.Path({str(here)!r}).touch()", "import time; time.sleep(600)")
    with start_run(desk) as process:
        deadline = time.monotonic() + 60
        while not here.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        started = kernels_of(process.pid)
        process.send_signal(how)
        assert process.wait(20) == (143 if how == signal.SIGTERM else -signal.SIGINT)
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive
    assert len(started) >= 2
    assert json.loads((desk.shop / "failures/2026-10/record.json").read_text())["word"] == "stopped"


def test_a_second_run_of_a_shop_waits_for_the_first(desk):
    desk.write("1_value", "import time; time.sleep(1)", kpis=[KPI])
    events = []
    first = threading.Thread(target=desk.run)
    first.start()
    while not (desk.shop / ".staging").exists():
        time.sleep(0.01)
    assert desk.run(progress=events.append).status == "current"
    first.join()
    assert events[0]["text"] == "another run of tiny is at work; waiting for it"
