"""Tiny notebooks, each named for its fault, and a shop to run them for."""

import json

import nbformat
import pytest

from clvbook.report import produce
from clvbook.report.kernels import Kernels
from clvbook.settings import make_settings

END = "application/vnd.clvbook.end+json"


def end_cell(name, kpis=()):
    mark = json.dumps({"notebook": name, "kpis": list(kpis), "checks": [], "forecasts": []})
    return (
        "import json\nfrom IPython.display import display\n"
        f"display({{{END!r}: json.loads({mark!r}), 'text/plain': 'end'}}, raw=True)"
    )


class Desk:
    """A folder with notebooks and reports; `run()` publishes a month of a shop named tiny."""

    def __init__(self, folder):
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.reports = folder / "reports"
        self.notebooks.mkdir(exist_ok=True)
        self.inputs = [{"path": "orders.csv", "sha256": "a" * 64, "bytes": 1}]

    def write(self, stem, *cells, end=True, kpis=(), title="# A question"):
        """A notebook: title, parameters cell, `cells` (Markdown where one starts with #), end mark."""
        nb = nbformat.v4.new_notebook()
        nb.cells.append(nbformat.v4.new_markdown_cell(title))
        nb.cells.append(nbformat.v4.new_code_cell("shop: str = 'demo'", metadata={"tags": ["parameters"]}))
        for cell in cells:
            kind = nbformat.v4.new_markdown_cell if cell.startswith("# ") or cell.startswith("## ") else None
            nb.cells.append((kind or nbformat.v4.new_code_cell)(cell))
        if end:
            nb.cells.append(nbformat.v4.new_code_cell(end_cell(stem, kpis)))
        for place, cell in enumerate(nb.cells):
            cell.id = f"c{place}"
        nb.metadata["kernelspec"] = {"name": "a-kernel-nobody-has", "display_name": "?", "language": "python"}
        nbformat.write(nb, self.notebooks / f"{stem}.ipynb")

    def settings(self, **values):
        return make_settings({"shop": "tiny", "orders": "orders.csv", "month": "2026-10", **values})

    def run(self, *, only=None, force=False, progress=None, prepare=None, jobs=2, tables=None, facts=None, **values):
        return produce(
            self.settings(**values),
            inputs=self.inputs,
            facts=facts or {"data_through": "2026-10-31"},
            reports=self.reports,
            notebooks=self.notebooks,
            only=only,
            force=force,
            progress=progress,
            prepare=prepare,
            jobs=jobs,
            tables=tables,
        )

    @property
    def shop(self):
        return self.reports / "tiny"

    @property
    def month(self):
        return self.shop / "2026-10"

    def manifest(self):
        return json.loads((self.month / "manifest.json").read_text())


class Shared:
    """One zygote for all tests, in place of one a run: leaving a run ends its kernels, and not the zygote."""

    def __init__(self, kernels):
        self.kernels = kernels
        self.started = []

    def __call__(self, modules, *, folder):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()
        assert all(kernel.ended.wait(5) for kernel in self.started)

    def start(self, name, *, env):
        self.started.append(self.kernels.start(name, env=env))
        return self.started[-1]

    def kill(self, kernel):
        self.kernels.kill(kernel)

    def kill_all(self):
        for kernel in self.started:
            self.kill(kernel)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    with Kernels(["nbformat", "numpy"], folder=tmp_path_factory.mktemp("kernels")) as kernels:
        yield kernels
    assert kernels.process.returncode == 0
    assert not kernels.runtime.exists()


@pytest.fixture
def desk(tmp_path, zygote, monkeypatch):
    monkeypatch.setattr("clvbook.report.run.Kernels", Shared(zygote))
    return Desk(tmp_path)


@pytest.fixture
def own_desk(tmp_path, monkeypatch):
    """A desk whose runs start a zygote of their own, as they do outside tests."""
    monkeypatch.setattr("clvbook.report.run.WARM", [])  # tiny notebooks draw nothing
    return Desk(tmp_path)
