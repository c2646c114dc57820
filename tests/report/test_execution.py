"""Each notebook here is named for its fault; all share one zygote, so a kernel costs a fork."""

import os
import time

import nbformat
import psutil
import pytest

from clvbook.errors import BadParameters, KernelDied, NotebookFailed, NotebookTimeout
from clvbook.report.execution import END_MARK, STREAM_LIMIT, execute, require_plain

END = f"""from IPython.display import display
display({{"{END_MARK}": {{"notebook": "x", "kpis": []}}, "text/plain": "end"}}, raw=True)"""


@pytest.fixture
def run(zygote, request):
    """Run cells (Markdown where a cell starts with #) and answer the executed notebook; end=False: no end mark."""

    def run(*cells, end=True, cell_timeout=30, parameters=None, **metadata):
        nb = nbformat.v4.new_notebook(metadata=metadata)
        for cell in [*cells, END] if end else cells:
            kind = nbformat.v4.new_markdown_cell if cell.startswith("#") else nbformat.v4.new_code_cell
            nb.cells.append(kind(cell))
        kernel = zygote.start(request.node.name, env={"CLVBOOK_MARK": "set"})
        run.kernel = kernel
        try:
            return execute(
                nbformat.writes(nb),
                name="2_value",
                parameters=parameters or {"seed": 1},
                kernel=kernel,
                cell_timeout=cell_timeout,
            )
        finally:
            zygote.kill(kernel)
            assert kernel.ended.wait(5)

    return run


def statuses(notebook):
    return [cell.metadata.papermill.status for cell in notebook.cells if cell.cell_type == "code"]


def test_a_good_notebook_runs_whatever_kernel_it_names(run):
    done = run(
        "print(seed, months, missing)", parameters={"seed": 3, "months": ["2026-10"], "missing": None},
        kernelspec={"name": "conda-env-of-someone", "display_name": "?", "language": "python"},
    )  # fmt: skip
    assert done.end == {"notebook": "x", "kpis": []}
    assert done.notebook.cells[1].outputs[0].text == "3 ['2026-10'] None\n"
    assert statuses(done.notebook) == ["completed"] * 3
    assert done.notebook.metadata.kernelspec.name == "python3"


def test_a_cell_that_raises_is_told_with_its_heading_and_last_line(run):
    with pytest.raises(NotebookFailed) as caught:
        run("# Value", "1 + 1", "## What the base is worth\n\nText", "raise ValueError('first\\n3 of 7 rows')", "2 + 2")
    assert caught.value.fact == '2_value, under "What the base is worth": ValueError: 3 of 7 rows'
    assert statuses(caught.value.notebook) == ["completed", "completed", "failed", "pending", "pending"]
    assert caught.value.notebook.metadata.papermill.exception is True


def test_the_hint_of_an_error_of_ours_is_kept(run):
    with pytest.raises(NotebookFailed) as caught:
        run(
            "from clvbook.errors import InputRefused",
            "raise InputRefused('0 of 9 orders are paid', 'check the mapping')",
        )
    assert caught.value.fact == "2_value, cell 3: InputRefused: 0 of 9 orders are paid"
    assert caught.value.hint == "check the mapping"


@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "import sys; sys.exit()", "raise SystemExit(3)"])
def test_leaving_early_is_no_success(run, leave):
    with pytest.raises(NotebookFailed, match="left early; 2 of 4 code cells did not run to their end"):
        run("1", leave)


def test_a_notebook_without_its_end_mark_failed(run):
    with pytest.raises(NotebookFailed, match="0 end marks"):
        run("1 + 1", end=False)


@pytest.mark.parametrize("tag", ["skip-execution", "raises-exception"])
def test_a_tag_makes_nothing_pass(zygote, tag):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0", metadata={"tags": [tag]})])
    nb.cells.append(nbformat.v4.new_code_cell(END))
    kernel = zygote.start(tag, env={})
    with pytest.raises(NotebookFailed):
        execute(nbformat.writes(nb), name="tagged", parameters={}, kernel=kernel, cell_timeout=30)


def test_a_kernel_that_leaves_is_dead_and_its_cell_is_not_completed(run):
    with pytest.raises(KernelDied, match=r"under \"Part\": the kernel ended by itself \(exit code 3\)") as caught:
        run("## Part", "import os; os._exit(3)", "2 + 2")
    assert statuses(caught.value.notebook) == ["completed", "failed", "pending", "pending"]
    assert caught.value.notebook.metadata.papermill.exception is True


def test_a_kernel_that_is_killed_is_dead(run):
    with pytest.raises(KernelDied, match="was killed"):
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_a_cell_that_hangs_and_ignores_interrupts_is_ended(run):
    with pytest.raises(NotebookTimeout, match="longer than 1 seconds") as caught:
        run("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", cell_timeout=1)
    assert statuses(caught.value.notebook) == ["completed", "failed", "pending"]


def test_what_a_cell_forks_ends_with_its_kernel(run):
    done = run("import os, time\npid = os.fork()\nif not pid:\n    time.sleep(600)\n    os._exit(0)\nprint(pid)")
    pid = int(done.notebook.cells[1].outputs[0].text)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_a_flood_of_output_is_cut(run):
    done = run("for _ in range(100): print('x' * 1_000_000)", "import sys; print('y' * 1000, file=sys.stderr)")
    text = done.notebook.cells[1].outputs[0].text
    assert STREAM_LIMIT < len(text) < STREAM_LIMIT + 100
    assert text.endswith("[cut after 200,000 characters]\n")


def test_many_displays_lose_nothing(run):
    done = run("from IPython.display import display\nfor n in range(3000): display(n)")
    assert len(done.notebook.cells[1].outputs) == 3000


def test_a_cell_that_asks_for_input_fails_at_once(run):
    with pytest.raises(NotebookFailed, match="asks for input"):
        run("input('?')")


def test_nothing_but_plain_values_becomes_source():
    require_plain({"seed": 1, "orders": ["a", "b"], "margin_rate": None, "rate": 0.1, "on": True})
    for bad in ({"x; import os; y": 2}, {"x": {1, 2}}, {"x": print}, {"x": {"a": 1}}, {"X": 1}, {"x": [object()]}):
        with pytest.raises(BadParameters):
            require_plain(bad)


def test_what_a_notebook_says_is_the_same_each_time(run):
    cells = [
        "import warnings; warnings.warn('again')",
        "object()",
        "print('a'); import sys; print('b', file=sys.stderr)",
    ]
    first, second = (nbformat.writes(run(*cells).notebook) for _ in range(2))
    assert first == second
    assert str(os.getpid()) not in first
