import signal

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from clvbook.errors import KernelDied, NotebookFailed, NotebookTimeout
from clvbook.report.failures import OPEN_IT, explain, left_early, no_end_mark, not_run, said, where


def notebook(*cells):
    """Cells of a notebook: Markdown where one starts with #."""
    kinds = [nbformat.v4.new_markdown_cell if cell.startswith("#") else nbformat.v4.new_code_cell for cell in cells]
    return [kind(cell) for kind, cell in zip(kinds, cells, strict=True)]


CELLS = notebook("# Value", "import numpy", "## What the base is worth\n\nText", "fit()", "", "show()")
PLACE = '2_value, under "What the base is worth"'


def told(error, *, code=None):
    return explain(error, name="2_value", cells=CELLS, at=3, code=code, seconds=600)


def raised(name, text):
    return told(PapermillExecutionError(3, 2, "fit()", name, text, ["Traceback", "fit()"]))


@pytest.mark.parametrize(
    ("code", "fact", "hint"),
    [
        (
            -signal.SIGKILL,
            "the kernel was killed",
            "most often memory ran out: lower engine_memory, or run with --jobs 1",
        ),
        (-signal.SIGSEGV, "the kernel ended by itself (signal SIGSEGV)", OPEN_IT),
        (3, "the kernel ended by itself (exit code 3)", OPEN_IT),
        (0, "the kernel ended by itself (exit code 0)", OPEN_IT),
    ],
)
def test_a_dead_kernel_is_told_by_how_it_ended(code, fact, hint):
    error = told(DeadKernelError("Kernel died"), code=code)
    assert isinstance(error, KernelDied)
    assert (error.exit_code, error.fact, error.hint) == (6, f"{PLACE}: {fact}", hint)


def test_a_late_cell_is_told_with_its_limit_and_the_parameter_that_sets_it():
    error = told(CellTimeoutError.error_from_timeout_and_cell("Cell execution timed out", 600, CELLS[3]))
    assert isinstance(error, NotebookTimeout)
    assert (error.exit_code, error.fact) == (5, f"{PLACE}: the cell took longer than 600 seconds")
    assert "cell_timeout_seconds" in error.hint


@pytest.mark.parametrize(
    ("name", "text", "fact", "hint"),
    [
        ("ValueError", "3 of 7 rows", "ValueError: 3 of 7 rows", OPEN_IT),
        ("KeyError", "'paid'", "KeyError: 'paid'", OPEN_IT),
        ("AssertionError", "", "AssertionError", OPEN_IT),
        ("KeyboardInterrupt", None, "KeyboardInterrupt", OPEN_IT),
        ("ValidationError", "2 faults\n\n  \x1b[31mis missing\x1b[0m\n", "ValidationError: is missing", OPEN_IT),
        ("InputRefused", "0 of 9 are paid\nHint: check it", "InputRefused: 0 of 9 are paid", "check it"),
        (
            "StdinNotImplementedError", "raw_input was called, but this frontend does not support input requests.",
            "StdinNotImplementedError: the cell asks for input, and a report has nobody to ask", "make it a parameter",
        ),
        (
            "SystemExit", "0", "the notebook was left early; 2 of 3 code cells did not run to their end",
            "remove sys.exit()/exit() and skip tags: a report runs every cell or raises an error that says why",
        ),
    ],
)  # fmt: skip
def test_what_a_cell_raises_is_told_with_its_place_and_what_to_do(name, text, fact, hint):
    error = raised(name, text)
    assert isinstance(error, NotebookFailed)
    assert (error.exit_code, error.fact, error.hint) == (4, f"{PLACE}: {fact}", hint)


def test_a_notebook_that_does_not_reach_its_end_is_told():
    assert left_early("2_value", CELLS, 1).fact == (
        '2_value, under "Value": the notebook was left early; 3 of 3 code cells did not run to their end'
    )
    error = no_end_mark("2_value")
    assert (error.exit_code, str(error)) == (
        4,
        "2_value: 0 end marks found\nHint: end the notebook with book.finish(...)",
    )


def test_the_place_of_a_cell_is_the_last_heading_above_it():
    cells = notebook("1", "# One #\n\nText\n\n### Two  \nText", "2", "#hashtag only", "3", "# Three", "4")
    assert [where("n", cells, at) for at in (0, 2, 4, 6)] == [
        "n, cell 1", 'n, under "Two"', 'n, under "Two"', 'n, under "Three"',
    ]  # fmt: skip


def test_code_cells_are_counted_from_the_one_that_was_left():
    assert [not_run(CELLS, at) for at in range(6)] == [
        f"{left} of 3 code cells" for left in (3, 3, 2, 2, 1, 1)
    ]  # fmt: skip


LINES = st.text("abc \t\x1b[31m0;é<", max_size=400)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(lines=st.lists(LINES, max_size=5), hint=st.none() | LINES)
def test_whatever_an_exception_says_is_one_short_line_and_its_own_hint(lines, hint):
    text = "\n".join(lines)
    fact, cure = said(text if hint is None else f"{text}\nHint: {hint}")
    assert len(fact) <= 300
    assert len(cure) <= 300
    assert "\n" not in fact
    assert "\x1b[31m" not in fact + cure
    plain = text.replace("\x1b[31m", "").replace("\x1b[0m", "").replace("\x1b[m", "")
    if "\x1b" not in plain:
        filled = [line.strip() for line in plain.splitlines() if line.strip()]
        assert fact == (filled[-1][:300] if filled else "")
    if hint is None:
        assert cure == ""
