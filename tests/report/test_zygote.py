import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from clvbook.report.kernels import Kernels

ORPHANS = """
import pathlib, psutil, sys
from clvbook.report.kernels import Kernels
kernels = Kernels([], folder=pathlib.Path.cwd())
kernel = kernels.start("one", env={{}})
kernel.bound.wait()
print(kernels.process.pid, psutil.Process(kernels.process.pid).children()[0].pid, kernels.runtime, flush=True)
sys.stdin.read()
"""


class Talk:
    """A zygote of its own, spoken to as kernels.py speaks to it."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clvbook.report.zygote", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def heard(self):
        line = self.process.stdout.readline()
        assert line, "the zygote has ended"
        return json.loads(line)

    def start(self, name):
        """Have a kernel started; answers its process once it listens."""
        ports = {f"{port}_port": at for at, port in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)}
        connection = {"transport": "ipc", "ip": str(self.folder / name), "key": secrets.token_hex(), **ports}
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(connection | {"signature_scheme": "hmac-sha256"}))
        before = {child.pid for child in psutil.Process(self.process.pid).children()}
        self.order(start=name, connection=str(file), env={})
        assert self.heard()["bound"] == name
        (kernel,) = [child for child in psutil.Process(self.process.pid).children() if child.pid not in before]
        return kernel


@pytest.fixture
def talk(tmp_path_factory):
    talk = Talk(Path(tmp_path_factory.mktemp("z")) / "run")
    yield talk
    talk.process.kill()
    talk.process.wait()
    for pipe in (talk.process.stdin, talk.process.stdout):
        with suppress(BrokenPipeError):
            pipe.close()


def test_a_kernel_that_ends_is_reported_and_all_end_when_nobody_speaks_to_their_parent_any_more(talk):
    first, second, third = (talk.start(name) for name in ("first", "second", "third"))
    talk.order(kill="nobody")
    talk.order(kill="first")
    assert talk.heard() == {"ended": "first", "code": -signal.SIGKILL}
    second.kill()  # as the system does where memory runs out
    assert talk.heard() == {"ended": "second", "code": -signal.SIGKILL}
    assert [kernel.is_running() for kernel in (first, second, third)] == [False, False, True]
    talk.process.stdin.close()
    assert talk.process.wait(10) == 0
    _, alive = psutil.wait_procs([third], timeout=5)
    assert not alive
    assert not talk.folder.exists()


BAD = {
    "raises": "raise RuntimeError('no')",
    "half": "def",
    "prints": "import os, sys\nprint('loud', flush=True)\nos.write(1, b'{')\nimport nowhere",
    "warns": "import warnings\nwarnings.warn('old', DeprecationWarning)",
}


def test_imports_that_fail_or_speak_do_not_end_it_nor_disturb_what_it_says(tmp_path, monkeypatch, request):
    for name, source in BAD.items():
        (tmp_path / f"{name}.py").write_text(source + "\n")
    (tmp_path / "last.py").write_text("open(__file__ + '.seen', 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    talk = request.getfixturevalue("talk")
    talk.order(**{"import": ["nowhere", "json.nowhere", *BAD, "last"]})
    assert talk.heard()["warm"] > 0
    assert (tmp_path / "last.py.seen").exists()
    assert talk.start("one").is_running()


def test_an_import_that_leaves_does_not_end_it(tmp_path, monkeypatch, request):
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit('usage: leaves FILE')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    talk = request.getfixturevalue("talk")
    talk.order(**{"import": ["leaves"]})
    assert talk.heard()["warm"] > 0


def test_kernels_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS.format()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    zygote, kernel, runtime = parent.stdout.readline().split()
    children = [psutil.Process(int(pid)) for pid in (zygote, kernel)]
    parent.kill()
    _, alive = psutil.wait_procs(children, timeout=5)
    parent.communicate()
    assert not alive
    assert not os.path.exists(runtime)  # noqa: PTH110


def test_closing_does_not_wait_for_an_import(tmp_path, monkeypatch):
    (tmp_path / "slow_import.py").write_text("import time\nopen(__file__ + '.seen', 'w').close()\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    start = time.monotonic()
    with Kernels(["slow_import"], folder=tmp_path) as kernels:
        while not list(tmp_path.glob("*.seen")) and time.monotonic() < start + 20:
            time.sleep(0.02)
        imported = time.monotonic()
    assert time.monotonic() - imported < 5
    assert not kernels.runtime.exists()


def test_a_kernel_ended_before_it_is_up_is_ended(zygote):
    ready = zygote.start("ready", env={})
    assert ready.bound.wait(30)  # until its imports are done it hears nothing
    zygote.kill(ready)
    for _ in range(200):  # an end that comes just before the zygote waits for its next order must be heard, too
        kernel = zygote.start("early", env={})
        zygote.kill(kernel)
        assert kernel.ended.wait(5)
        assert kernel.code == -signal.SIGKILL
