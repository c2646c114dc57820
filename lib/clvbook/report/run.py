"""Make a shop's month: notebooks run side by side in warm kernels, pages rendered, checked, put in place at once.

in: Settings with a month, input hashes, facts, a folder of notebooks; out: reports/<shop>/<YYYY-MM> and `Published`
Events for `progress` are dicts: step ("waiting", "warming", "prepared", "cell", "finished", "published"), text (a line
for a person, None where only a bar moves), done and total (cells), notebook (name or None).
"""

import difflib
import importlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clvbook.errors import BadParameters, ClvbookError, NotebookTimeout, PublishFailed
from clvbook.report.history import CSP, dates, month_name, refresh
from clvbook.report.kernels import Kernel, Kernels, imported_modules
from clvbook.report.manifest import Recipe, page_name
from clvbook.report.publish import Shelf, now
from clvbook.settings import Settings, home, month_end

# What notebooks reach without naming it: `open_book` imports the book, charts import matplotlib when first drawn.
WARM = ["clvbook.book", "matplotlib.figure", "matplotlib.backends.backend_svg", "ibis.backends.duckdb"]

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Published:
    """What a run answers; `status` is "published" or "current", `index` the page to open."""

    status: str
    shop: str
    month: str
    revision: int
    index: Path
    seconds: float


def produce(
    settings: Settings,
    *,
    inputs: list[dict[str, Any]],
    facts: dict[str, Any],
    reports: Path,
    notebooks: Path,
    tables: Path | None = None,
    only: list[str] | None = None,
    jobs: int = 2,
    force: bool = False,
    progress: Progress | None = None,
    prepare: Callable[[], dict[str, Any] | None] | None = None,
    kernels: Kernels | None = None,
) -> Published:
    """Publish `settings.month`, or answer "current" where nothing changed since the published revision.

    `inputs` is [{"path", "sha256", "bytes"}]. `facts` goes into the manifest; its "data_through" stands on the pages.
    `prepare` computes what the notebooks share while their kernels warm up; a dict that it returns is laid over
    `facts`. `tables` is a folder whose files are published as they are, beside what notebooks write.
    `only` names notebooks (2_customer_value or customer_value). Their pages are made new; a page that is not named is
    carried over from the published revision if settings, inputs, program and its own notebook are what it was made
    from, and else left out: the month's page says so.

    `kernels` is what `warm` gave; it is left open, so that several months share it.

    Errors: those of the commands' contract (exit codes 2 to 7). A failed run leaves the published month as it was, and
    a row in the shop's history.
    """
    start = time.perf_counter()
    if settings.month is None:
        raise BadParameters("month: not set", "the caller decides the month before a report is made")
    sources = {path.stem: path.read_bytes() for path in sorted(Path(notebooks).glob("*.ipynb"))}
    wanted = _wanted(sources, only)
    recipe = Recipe(settings, inputs, sources)
    shelf = Shelf(Path(reports) / settings.shop)
    telling = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with telling:  # cells end on several threads
            if progress:
                progress(event)

    with shelf.locked(lambda: _tell(tell, "waiting", f"another run of {settings.shop} is at work; waiting for it")):
        shelf.clear()
        published = shelf.current(settings.month)
        if not force and published and _is_current(published, recipe, wanted, whole=only is None):
            refresh(shelf)
            return _answer("current", settings, shelf, published["revision"], start)
        try:
            with _terminable():
                run = Run(recipe, shelf, wanted, published, facts, tables, jobs, tell, start)
                revision = run.publish(prepare, kernels)
        except BaseException as error:
            # Whatever ended the run, readers see that it ended, and the last good month.
            if not isinstance(error, ClvbookError | KeyboardInterrupt | SystemExit):
                error = PublishFailed(f"{type(error).__name__}: {error}", "this is a fault of clvbook; report it")
            shelf.record_failure(settings.month, error, title=settings.name, seconds=time.perf_counter() - start)
            with suppress(Exception):  # the run's own error is the one to tell
                refresh(shelf)
            shelf.clear()
            raise error from None
        return _answer("published", settings, shelf, revision, start)


def record_failure(settings: Settings, error: ClvbookError, *, reports: Path) -> None:
    """Give the shop's history a row for a run that ended before `produce` began, such as a refused input.

    Without a month there is no row to give.
    """
    if settings.month is None:
        return
    shelf = Shelf(Path(reports) / settings.shop)
    with shelf.locked(lambda: None):
        shelf.clear()
        shelf.record_failure(settings.month, error, title=settings.name)
        refresh(shelf)
        shelf.clear()


def _answer(status: str, settings: Settings, shelf: Shelf, revision: int, start: float) -> Published:
    index = shelf.month(settings.month) / "index.html"
    return Published(status, settings.shop, settings.month, revision, index, round(time.perf_counter() - start, 3))


def _wanted(sources: dict[str, bytes], only: list[str] | None) -> list[str]:
    if not sources:
        raise BadParameters(
            "0 notebooks found", "the notebooks folder holds the analyses, such as 1_data_quality.ipynb"
        )
    names = {page_name(stem): stem for stem in sources}
    if len(names) < len(sources):
        raise BadParameters(f"{len(sources)} notebooks make {len(names)} pages", "give each notebook a name of its own")
    stems = []
    for name in only or sources:
        stem = name if name in sources else names.get(name)
        if stem is None:
            near = difflib.get_close_matches(name, [*sources, *names], 1, cutoff=0.4)
            raise BadParameters(
                f"--only {name}: there is no such notebook", f"did you mean {near[0]}?" if near else ", ".join(sources)
            )
        stems.append(stem)
    return sorted(set(stems))


def _is_current(published: dict[str, Any], recipe: Recipe, wanted: list[str], *, whole: bool) -> bool:
    keys = {page["notebook"]: page["key"] for page in published["pages"].values()}
    if whole and set(keys) != set(recipe.sources):
        return False
    return all(keys.get(stem) == recipe.page_key(stem) for stem in wanted)


def _tell(tell: Progress, step: str, text: str | None, **more: Any) -> None:
    tell({"step": step, "text": text, "done": 0, "total": 0, "notebook": None} | more)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does, so that its kernels end with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Run:
    """One month at work: staging folder, kernels, pages."""

    def __init__(
        self,
        recipe: Recipe,
        shelf: Shelf,
        wanted: list[str],
        published: dict[str, Any] | None,
        facts: dict[str, Any],
        tables: Path | None,
        jobs: int,
        tell: Progress,
        start: float,
    ) -> None:
        self.recipe, self.shelf, self.wanted, self.published = recipe, shelf, wanted, published
        self.facts, self.tables, self.jobs, self.tell, self.start = dict(facts), tables, max(1, jobs), tell, start
        self.settings, self.started = recipe.settings, now()
        self.staging = shelf.stage()
        self.stopped: ClvbookError | None = None
        self.done = 0
        self.counting = threading.Lock()

    def publish(self, prepare: Callable[[], dict[str, Any] | None] | None, kernels: Kernels | None) -> int:
        """Run, check, put in place; the new revision's number."""
        for folder in ("tables", "notebooks"):
            (self.staging / folder).mkdir()
        nodes = [json.loads(self.recipe.sources[stem]) for stem in self.wanted]
        # papermill adds a cell of parameters to each
        self.total = sum(cell["cell_type"] == "code" for node in nodes for cell in node["cells"]) + len(nodes)
        _tell(self.tell, "warming", None, total=self.total)
        with nullcontext(kernels) if kernels else warm(nodes) as kernels:
            started = {stem: kernels.start(stem, env=self._environment(stem)) for stem in self.wanted}
            self.facts |= (prepare() if prepare else None) or {}
            prepared = time.perf_counter() - self.start
            text = f"shared tables are ready after {prepared:.1f} s" if prepare else None
            _tell(self.tell, "prepared", text, total=self.total)
            made = self._side_by_side(kernels, started)
        from clvbook.report import assemble

        month = assemble.month(self, made)
        revision = self.shelf.publish(self.staging, self.settings.month)
        refresh(self.shelf)
        _tell(
            self.tell,
            "published",
            f"published revision {revision} of {month['month']}",
            done=self.total,
            total=self.total,
        )
        return revision

    def _environment(self, stem: str) -> dict[str, str]:
        folder = self.staging / "parts" / stem
        folder.mkdir(parents=True)
        read = " ".join(entry["sha256"] for entry in self.recipe.inputs)
        return {"CLVBOOK_TABLES": str(folder.resolve()), "CLVBOOK_HOME": str(home()), "CLVBOOK_INPUTS": read}

    def _side_by_side(self, kernels: Kernels, started: dict[str, Kernel]) -> dict[str, Any]:
        """Execute and render on `jobs` threads; the first failure, or the run's time limit, ends them all."""
        limit = self.settings.run_timeout_seconds
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="notebook") as pool:
            futures = {stem: pool.submit(self._page, stem, started[stem], kernels) for stem in self.wanted}
            try:
                done, _ = wait(futures.values(), timeout=limit, return_when=FIRST_EXCEPTION)
                failed = any(future.exception() for future in done)
                if not failed and len(done) < len(futures):
                    self.stopped = NotebookTimeout(
                        f"{len(futures) - len(done)} of {len(futures)} notebooks did not finish within {limit} seconds",
                        "raise run_timeout_seconds, or run with more --jobs",
                    )
            finally:
                # Nothing may outlive the run, whether it ends well, by an error, by Ctrl-C or by SIGTERM.
                for future in futures.values():
                    future.cancel()
                kernels.kill_all()
        errors = {
            s: future.exception() for s, future in futures.items() if not future.cancelled() and future.exception()
        }
        if not errors and not self.stopped:
            return {stem: future.result() for stem, future in futures.items()}
        # The first error ended the run; later ones follow from it, as it ended their kernels.
        error = self.stopped or min(errors.values(), key=lambda error: error.when)
        error.notebooks = {stem: e.notebook for stem, e in errors.items() if hasattr(e, "notebook")}
        raise error

    def _page(self, stem: str, kernel: Kernel, kernels: Kernels) -> Any:
        from clvbook.report.execution import execute

        try:
            executed = execute(
                self.recipe.sources[stem],
                name=stem,
                parameters=self.recipe.parameters,
                kernel=kernel,
                cell_timeout=self.settings.cell_timeout_seconds,
                finished=lambda: self.cell_done(stem),
            )
            kernels.kill(kernel)  # a kernel serves one notebook; nothing is to be asked of it any more
            from clvbook.report import assemble

            made = assemble.one_page(self, stem, executed)
        except BaseException as error:
            error.when = time.perf_counter()
            raise
        text = f"{stem}: {executed.seconds:.1f} s"
        _tell(self.tell, "finished", text, done=self.done, total=self.total, notebook=stem)
        return made

    def cell_done(self, stem: str) -> None:
        """Count a cell for the progress bar."""
        with self.counting:
            self.done += 1
        _tell(self.tell, "cell", None, done=self.done, total=self.total, notebook=stem)

    def about(self, stem: str) -> dict[str, Any]:
        """What a page says of its run."""
        month = self.settings.month
        through = self.facts.get("data_through") or self.settings.data_through
        return {
            "csp": CSP,
            "shop": self.settings.name,
            "month": month,
            "month_name": month_name(month),
            "dates": dates(month),
            "as_of": month_end(month).isoformat(),
            "data_through": str(through) if through else None,
            "key": self.recipe.page_key(stem)[:12],
            "versions": list(self.recipe.versions.items()),
            "home": "index.html",
            "history": "../index.html",
        }


def warm(notebooks: Path | Iterable[dict[str, Any]]) -> Kernels:
    """Begin to import what the notebooks (a folder, or their nodes) import: the earlier, the sooner kernels are up.

    A context: leaving it ends every process that it started. Its `call` answers from such a process, so that the caller
    need not import what reads the orders: what that answers is ready as soon as the imports are.
    """
    if isinstance(notebooks, Path):
        notebooks = [json.loads(path.read_bytes()) for path in sorted(notebooks.glob("*.ipynb"))]
    code = (cell["source"] for node in notebooks for cell in node["cells"] if cell["cell_type"] == "code")
    kernels = Kernels([*WARM, *imported_modules(["".join(source) for source in code])], folder=home())
    threading.Thread(target=_load, args=("execution", "assemble"), daemon=True).start()
    return kernels


def _load(*modules: str) -> None:
    """Import papermill and nbconvert beforehand; what fails here fails again, with its place, where it is used."""
    # jsonschema, which both bring, checks IRIs if it can, and building that grammar takes 1.0 of papermill's 1.5 s.
    # No notebook holds an IRI, so the grammar is not there while jsonschema looks for it.
    grammar = "rfc3987_syntax"
    absent = sys.modules.setdefault(grammar, None) is None
    with suppress(Exception):
        importlib.import_module("jsonschema")
    if absent:
        sys.modules.pop(grammar, None)
    for module in modules:
        with suppress(Exception):
            importlib.import_module(f"clvbook.report.{module}")
