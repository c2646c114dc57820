import psutil
import pytest

from clvbook.errors import InputRefused, KernelDied
from clvbook.report.kernels import Kernels, imported_modules

ASKED = """
import datetime, os
from clvbook.errors import InputRefused

def double(value):
    return {"twice": value * 2, "day": datetime.date(2026, 10, 31)}

def refuse():
    raise InputRefused("0 of 9 orders", "look")

def fault():
    1 / 0

def die():
    os._exit(3)
"""


def test_the_modules_that_notebooks_import():
    sources = [
        "import pandas as pd\nfrom clvbook.present import charts, tables",
        "%magic",
        "import os.path\nfrom . import x",
    ]
    assert imported_modules(sources) == [
        "pandas", "clvbook.present", "clvbook.present.charts", "clvbook.present.tables", "os.path",
    ]  # fmt: skip


def test_a_dead_zygote_ends_its_kernels(tmp_path):
    with Kernels([], folder=tmp_path) as kernels:
        kernel = kernels.start("one", env={})
        assert kernel.bound.wait(30)
        (process,) = psutil.Process(kernels.process.pid).children()
        kernels.process.kill()
        assert kernel.ended.wait(5)
        _, alive = psutil.wait_procs([process], timeout=5)
        assert not alive
        assert kernels.start("late", env={}).ended.wait(5)
    assert not kernels.runtime.exists()


@pytest.mark.parametrize("fork", ["1", ""])
def test_a_function_is_called_in_a_process_of_its_own(tmp_path, monkeypatch, fork):
    (tmp_path / "asked.py").write_text(ASKED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CLVBOOK_NO_FORK", fork)
    with Kernels(["asked"], folder=tmp_path) as kernels:
        assert kernels.call("asked:double", value=[1, None, "a"]) == {"twice": [1, None, "a"] * 2, "day": "2026-10-31"}
        with pytest.raises(InputRefused, match=r"0 of 9 orders\nHint: look"):
            kernels.call("asked:refuse")
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            kernels.call("asked:fault")
        with pytest.raises(KernelDied, match="without an answer"):
            kernels.call("asked:die")


@pytest.mark.parametrize("fork", ["1", ""])
def test_kernels_without_a_fork(tmp_path, monkeypatch, fork):
    """Where forking is not safe a kernel starts from nothing; it answers just the same."""
    import asyncio

    monkeypatch.setenv("CLVBOOK_NO_FORK", fork)
    with Kernels([], folder=tmp_path) as kernels:
        kernel = kernels.start("one", env={})

        async def ask():
            client = await kernel.connect()
            client.stop_channels()
            client.context.destroy(linger=0)

        asyncio.run(ask())
        assert kernel.alive
    assert not kernel.alive
