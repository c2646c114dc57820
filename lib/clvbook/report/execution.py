"""Run one notebook in one warm kernel through papermill, and never take its word that all went well.

in: a notebook, plain parameters, a started `Kernel`; out: `Executed`, the notebook with its end mark
Errors: NotebookFailed (4), NotebookTimeout (5), KernelDied (6); each has `.notebook`, as far as it ran, marked rightly.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import nbformat
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill import execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from clvbook.errors import BadParameters, ClvbookError
from clvbook.report.failures import explain, left_early, no_end_mark
from clvbook.report.kernels import Kernel

END_MARK = "application/vnd.clvbook.end+json"
CELL_FILE = re.compile(r"(?:/[\w.-]{1,99}){0,20}/ipykernel_\d+/\d+\.py")
MEMORY_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
STREAM_LIMIT = 200_000  # characters of print that one cell may leave in a notebook

logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it warns of each parameter that a notebook need not declare
logging.getLogger("traitlets").setLevel(logging.CRITICAL)  # nbclient says there what is raised as well


@dataclass(frozen=True)
class Executed:
    """A notebook that ran to its end: the node, the end mark's content, seconds."""

    notebook: NotebookNode
    end: dict[str, Any]
    seconds: float


@dataclass
class Attempt:
    """What is known of a notebook while it runs: its cells, and which of them the kernel confirmed."""

    notebook: NotebookNode
    finished: Callable[[], None]
    cells: list[NotebookNode] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)
    at: int = 0


class Client(PapermillNotebookClient):
    """papermill's client, which remembers what the kernel confirmed and lets no cell flood it."""

    def __init__(self, nb_man: Any, *, attempt: Attempt, **options: Any) -> None:
        super().__init__(nb_man, force_raise_errors=True, record_timing=False, iopub_timeout=60, **options)
        self.attempt = attempt
        self.printed: dict[tuple[int, str], int] = {}
        self.on_cell_start = self._start
        self.on_cell_executed = self._confirm

    def _start(self, cell: NotebookNode, cell_index: int) -> None:
        self.attempt.at = cell_index

    def _confirm(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        if execute_reply["content"]["status"] == "ok":
            self.attempt.confirmed.add(cell_index)
            self.attempt.finished()

    def output(self, outs: list, msg: dict[str, Any], display_id: str | None, cell_index: int) -> NotebookNode | None:
        """Join prints into one stream a cell, and cut what is longer than anyone reads."""
        if msg["msg_type"] != "stream":
            return super().output(outs, msg, display_id, cell_index)
        name, text = msg["content"]["name"], msg["content"]["text"]
        before = self.printed.get((cell_index, name), 0)
        self.printed[cell_index, name] = before + len(text)
        if before > STREAM_LIMIT:
            return None
        if before + len(text) > STREAM_LIMIT:
            text = f"{text[: STREAM_LIMIT - before]}\n[cut after {STREAM_LIMIT:,} characters]\n"
        same = next((out for out in outs if out.output_type == "stream" and out.name == name), None)
        if same is None or self.clear_before_next_output:
            msg["content"]["text"] = text
            return super().output(outs, msg, display_id, cell_index)
        same.text += text
        return None


class WarmEngine(NBClientEngine):
    """papermill's engine on a kernel that already runs; a dead or late cell is marked failed, not completed."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, kernel: Kernel, attempt: Attempt, cell_timeout: int, **_: Any
    ) -> None:
        """Run every cell; `attempt` is filled as they finish."""
        attempt.notebook, attempt.cells = nb_man.nb, list(nb_man.nb.cells)
        connection = ensure_event_loop().run_until_complete(kernel.connect())
        client = Client(nb_man, km=kernel, timeout=cell_timeout, attempt=attempt)
        client.kc = connection
        try:
            client.execute(cleanup_kc=False)
        except (DeadKernelError, CellTimeoutError):
            nb_man.cell_exception(attempt.cells[attempt.at], cell_index=attempt.at)
            raise
        finally:
            connection.stop_channels()
            connection.context.destroy(linger=0)


papermill_engines.register("clvbook", WarmEngine)


def execute(
    source: str | bytes,
    *,
    name: str,
    parameters: dict[str, Any],
    kernel: Kernel,
    cell_timeout: int,
    finished: Callable[[], None] = lambda: None,
) -> Executed:
    """Run a notebook's `source` to its end mark; `finished` is called after each cell."""
    require_plain(parameters)
    start = time.perf_counter()
    nb = nbformat.v4.upgrade(nbformat.reads(source, as_version=4))
    attempt = Attempt(nb, finished)
    # A notebook may name a kernel that this machine has not: ours is always the running Python.
    nb.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nb.metadata["papermill"] = {}
    try:
        execute_notebook(
            nb,
            None,
            parameters=parameters,
            engine_name="clvbook",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel=kernel,
            attempt=attempt,
            cell_timeout=cell_timeout,
        )
        error = _unfinished(name, attempt)
    except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as caught:
        error = explain(caught, name=name, cells=attempt.cells, at=attempt.at, code=kernel.code, seconds=cell_timeout)
    except ClvbookError as caught:
        error = caught
    finally:
        _close(ensure_event_loop())
    if error:
        error.notebook = settle(attempt)
        raise error
    return Executed(settle(attempt), end_mark(attempt.cells), time.perf_counter() - start)


def _unfinished(name: str, attempt: Attempt) -> ClvbookError | None:
    """Success is every code cell confirmed by the kernel, and the end mark; papermill's metadata proves neither."""
    for index, cell in enumerate(attempt.cells):
        if cell.cell_type == "code" and cell.source.strip() and index not in attempt.confirmed:
            return left_early(name, attempt.cells, index)
    return None if end_mark(attempt.cells) else no_end_mark(name)


def end_mark(cells: list[NotebookNode]) -> dict[str, Any] | None:
    """The content of the end mark that `book.finish(...)` displays last."""
    for cell in reversed(cells):
        for output in cell.get("outputs", []):
            mark = output.get("data", {}).get(END_MARK)
            if isinstance(mark, dict) and isinstance(mark.get("kpis", []), list):
                return mark
    return None


def settle(attempt: Attempt) -> NotebookNode:
    """Keep of an executed notebook what is true and the same in each run: no clock, no random id, no process id."""
    nb = attempt.notebook
    parameters = nb.metadata["papermill"].get("parameters", {})
    done = all(cell.cell_type != "code" or cell.metadata.papermill["status"] == "completed" for cell in attempt.cells)
    nb.metadata["papermill"] = {"parameters": parameters, "exception": None if done else True}
    nb.metadata.pop("widgets", None)
    nb.nbformat_minor = max(nb.nbformat_minor, 5)
    for index, cell in enumerate(attempt.cells):
        papermill = cell.metadata.pop("papermill", {})
        cell.id = f"cell-{index}"
        if cell.cell_type != "code":
            continue
        status = papermill.get("status", "pending")
        if status == "completed" and cell.source.strip() and index not in attempt.confirmed:
            status = "pending"
        cell.metadata["papermill"] = {"status": status, "exception": status == "failed"}
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = CELL_FILE.sub("<cell>", output.text)
            elif "text/plain" in output.get("data", {}):
                output.data["text/plain"] = MEMORY_ADDRESS.sub("", output.data["text/plain"])
    ran = {id(cell) for cell in attempt.cells}
    for index, cell in enumerate(cell for cell in nb.cells if id(cell) not in ran):
        cell.id = f"note-{index}"
    return nb


def require_plain(parameters: dict[str, Any]) -> None:
    """Papermill writes parameters as source code: only plain values may reach it. BadParameters for others."""

    def plain(value: Any) -> bool:
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (bool, int, float, str)

    for key, value in parameters.items():
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", key) or not plain(value):
            raise BadParameters(
                f"{key}: {type(value).__name__} cannot be passed to a notebook", "pass text, numbers, true/false, lists"
            )


def _close(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    with suppress(Exception):
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
