"""From executed notebooks to a complete staging folder: pages, tables, carried pages, manifest, checks.

in: a `Run` and its kernels; out: files in the staging folder, ready to be put in place
This module imports nbconvert; it is loaded while the kernels work.
"""

import json
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from clvbook.errors import PublishFailed
from clvbook.report import checks, manifest
from clvbook.report.execution import Executed
from clvbook.report.manifest import digest, page_name
from clvbook.report.publish import now, write
from clvbook.report.render import PageExporter, page

if TYPE_CHECKING:
    from clvbook.report.run import Run

_rendering = threading.Lock()
_exporters: list[PageExporter] = []


@dataclass(frozen=True)
class Made:
    """One notebook's page: its record in the manifest, its checks, its run."""

    record: dict[str, Any]
    checks: list[dict[str, Any]]
    executed: Executed


def one_page(run: "Run", stem: str, executed: Executed) -> Made:
    """Write an executed notebook and its page to the staging folder."""
    name = page_name(stem)
    before = time.perf_counter()
    with _rendering:  # nbconvert's exporter is built once, and is not made for threads
        if not _exporters:
            _exporters.append(PageExporter())
        html = page(executed.notebook, about=run.about(stem), exporter=_exporters[0])
    write(run.staging / f"{name}.html", html)
    write(run.staging / "notebooks" / f"{stem}.ipynb", nbformat.writes(executed.notebook) + "\n")
    part = run.staging / "parts" / stem
    tables = sorted(p for p in part.rglob("*") if p.is_file())
    kpis = executed.end.get("kpis", [])
    results = [
        *checks.check_page(html, name=name),
        *checks.check_kpis(kpis, name=name),
        *checks.check_tables(tables, name=name),
    ]
    record = {
        "notebook": stem,
        "source": digest(run.recipe.sources[stem]),
        "key": run.recipe.page_key(stem),
        "title": _title(executed, stem),
        "lead": _lead(executed),
        "answer": _answer(executed),
        "href": f"{name}.html",
        "carried": None,
        "kpis": kpis,
        "forecasts": executed.end.get("forecasts", []),
        "checks": executed.end.get("checks", []),
        "tables": {f"tables/{p.relative_to(part).as_posix()}": p.stat().st_size for p in tables},
        "seconds": {"executed": round(executed.seconds, 2), "rendered": round(time.perf_counter() - before, 2)},
    }
    return Made(record, results, executed)


def month(run: "Run", made: dict[str, Made]) -> dict[str, Any]:
    """Gather the pages into one month, check it, and write its manifest."""
    pages = {stem: one.record for stem, one in made.items()}
    left_out = []
    for stem in run.recipe.sources:
        if stem not in pages:
            old = _carry(run, stem)
            if old:
                pages[stem] = old
            else:
                left_out.append({"name": page_name(stem), "title": _source_title(run.recipe.sources[stem], stem)})
    pages = {page_name(stem): pages[stem] for stem in sorted(pages)}
    _gather_tables(run, made)
    results = [result for one in made.values() for result in one.checks]
    names = [kpi["name"] for one in pages.values() for kpi in one["kpis"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    results.append({"name": "kpis_have_one_name", "passed": not twice, "detail": ", ".join(twice), "page": "index"})
    checks.require(results)
    found = {
        "schema": manifest.SCHEMA,
        "status": "published",
        "shop": run.settings.shop,
        "title": run.settings.name,
        "month": run.settings.month,
        "revision": run.shelf.revision(run.settings.month) + 1,
        "key": manifest.month_key(pages),
        "index": "notebook" if "index" in pages else "month",
        "as_of": run.about(pages[next(iter(pages))]["notebook"])["as_of"],
        "data_through": run.about(pages[next(iter(pages))]["notebook"])["data_through"],
        "settings": run.recipe.parameters,
        "inputs": run.recipe.inputs,
        "code": run.recipe.code,
        "versions": run.recipe.versions,
        "facts": run.facts,
        "pages": pages,
        "left_out": left_out,
        **{kind: _flat(pages, kind) for kind in ("kpis", "forecasts")},
        "checks": [*_flat(pages, "checks"), *results],
        "changes": manifest.changes(run.published, run.recipe),
        "started": run.started,
        "finished": now(),
        "seconds": round(time.perf_counter() - run.start, 2),
        "outputs": manifest.outputs(run.staging),
    }
    write(run.staging / "manifest.json", json.dumps(found, indent=1, ensure_ascii=False, default=str))
    if found["index"] == "month":
        from clvbook.report.history import month_page

        html = month_page(found, {found["month"]: found})
        write(run.staging / "index.html", html)
        checks.require(checks.check_page(html, name="index"))
    return found


def _flat(pages: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [{**entry, "page": name} for name, one in pages.items() for entry in one[kind]]


def _carry(run: "Run", stem: str) -> dict[str, Any] | None:
    """Take a page over from the published revision where it would come out the same."""
    old = (run.published or {}).get("pages", {}).get(page_name(stem))
    if not old or old["notebook"] != stem or old["key"] != run.recipe.page_key(stem):
        return None
    folder = run.shelf.month(run.settings.month)
    for path in [old["href"], f"notebooks/{stem}.ipynb", *old["tables"]]:
        target = run.staging / path
        if target.exists():
            raise PublishFailed(f"{path}: 2 notebooks write it", "give each table a name of its own")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, target)
    return old | {"carried": old["carried"] or run.published["revision"]}


def _gather_tables(run: "Run", made: dict[str, Made]) -> None:
    """Move what each notebook wrote into the month's one tables folder, and copy what the caller gave."""
    parts = [run.staging / "parts" / stem for stem in made]
    for source in [*parts, *([Path(run.tables)] if run.tables else [])]:
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            target = run.staging / "tables" / path.relative_to(source)
            if target.exists():
                raise PublishFailed(f"tables/{target.name}: written twice", "give each table a name of its own")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target) if source not in parts else path.rename(target)
    shutil.rmtree(run.staging / "parts", ignore_errors=True)


def _title(executed: Executed, stem: str) -> str:
    return _first_heading((cell.cell_type, cell.source) for cell in executed.notebook.cells) or stem


def _lead(executed: Executed) -> str:
    """The line under the title: what the page answers."""
    lines = executed.notebook.cells[0].source.splitlines()
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")


def _answer(executed: Executed) -> str:
    """The first paragraph that the notebook says: what the page comes to."""
    shown = (output.get("data", {}) for cell in executed.notebook.cells for output in cell.get("outputs", []))
    said = (data for data in shown if data.get("text/html", "").startswith('<p class="clv-say">'))
    return next((data["text/plain"] for data in said), "")


def _source_title(source: bytes, stem: str) -> str:
    cells = json.loads(source)["cells"]
    return _first_heading((cell["cell_type"], "".join(cell["source"])) for cell in cells) or stem


def _first_heading(cells: Any) -> str | None:
    lines = (line for kind, source in cells if kind == "markdown" for line in source.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), None)
