"""What went wrong in a notebook, as a person reads it: which notebook, under which heading, what it said.

in: the exception and the cells; out: one of NotebookFailed, NotebookTimeout, KernelDied
"""

import re
import signal

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from clvbook.errors import ClvbookError, KernelDied, NotebookFailed, NotebookTimeout

OPEN_IT = "open the notebook in JupyterLab, run it from the top, and look at that cell"


def explain(
    error: Exception, *, name: str, cells: list[NotebookNode], at: int, code: int | None, seconds: int
) -> ClvbookError:
    """The error of the commands' contract that stands behind what papermill or nbclient raised in cell `at`."""
    place = where(name, cells, at)
    if isinstance(error, DeadKernelError):
        if code == -signal.SIGKILL:
            return KernelDied(
                f"{place}: the kernel was killed",
                "most often memory ran out: lower engine_memory, or run with --jobs 1",
            )
        how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return KernelDied(f"{place}: the kernel ended by itself ({how})", OPEN_IT)
    if isinstance(error, CellTimeoutError):
        return NotebookTimeout(
            f"{place}: the cell took longer than {seconds} seconds",
            "raise cell_timeout_seconds, or look at what the cell waits for",
        )
    assert isinstance(error, PapermillExecutionError)  # noqa: S101
    if error.ename == "SystemExit":
        return left_early(name, cells, at)
    fact, hint = said(error.evalue)
    if error.ename == "StdinNotImplementedError":
        fact, hint = "the cell asks for input, and a report has nobody to ask", "make it a parameter"
    return NotebookFailed(f"{place}: {error.ename}: {fact}" if fact else f"{place}: {error.ename}", hint or OPEN_IT)


def left_early(name: str, cells: list[NotebookNode], at: int) -> NotebookFailed:
    """A cell was left by `sys.exit`, or skipped by a tag: the rest of the report is missing."""
    return NotebookFailed(
        f"{where(name, cells, at)}: the notebook was left early; {not_run(cells, at)} did not run to their end",
        "remove sys.exit()/exit() and skip tags: a report runs every cell or raises an error that says why",
    )


def no_end_mark(name: str) -> NotebookFailed:
    """Every cell ran, but none of them said that the report is complete."""
    return NotebookFailed(f"{name}: 0 end marks found", "end the notebook with book.finish(...)")


def where(name: str, cells: list[NotebookNode], at: int) -> str:
    """`2_customer_value, under "What the base is worth"`: the place of cell `at` for someone who reads the page."""
    for cell in reversed(cells[: at + 1]):
        if cell.cell_type == "markdown" and (heading := re.findall(r"(?m)^#{1,6}\s+(.+?)\s*#*$", cell.source)):
            return f'{name}, under "{heading[-1]}"'
    return f"{name}, cell {at + 1}"


def not_run(cells: list[NotebookNode], at: int) -> str:
    """`3 of 8 code cells`: those from `at` on."""
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
    return f"{sum(i >= at for i in code)} of {len(code)} code cells"


def said(text: str | None) -> tuple[str, str]:
    """The fact and the hint in an exception's own words: its last line, without terminal colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text or "")
    fact, _, hint = text.partition("\nHint: ")
    lines = [line.strip() for line in fact.splitlines() if line.strip()]
    return (lines[-1][:300] if lines else ""), hint.strip()[:300]
