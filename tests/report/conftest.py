"""Tiny notebooks, each named for its fault, and a shop to run them for."""

import json

import nbformat
import pytest

from clvbook.report import produce
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
        self.notebooks.mkdir()
        self.inputs = [{"path": "orders.csv", "sha256": "a" * 64, "bytes": 1}]

    def write(self, stem, *cells, end=True, kpis=(), title="# A question"):
        """A notebook of a title, a parameters cell, `cells` (code; Markdown where it starts with #), and an end mark."""
        nb = nbformat.v4.new_notebook()
        nb.cells.append(nbformat.v4.new_markdown_cell(title))
        nb.cells.append(nbformat.v4.new_code_cell("shop: str = 'demo'", metadata={"tags": ["parameters"]}))
        for cell in cells:
            kind = nbformat.v4.new_markdown_cell if cell.startswith("# ") or cell.startswith("## ") else None
            nb.cells.append((kind or nbformat.v4.new_code_cell)(cell))
        if end:
            nb.cells.append(nbformat.v4.new_code_cell(end_cell(stem, kpis)))
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


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    """Tiny notebooks draw nothing: their kernels import nothing heavy."""
    monkeypatch.setattr("clvbook.report.run.WARM", [])


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)
