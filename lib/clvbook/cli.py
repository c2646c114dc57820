"""The commands: run, check, init, simulate. A thin wrapper: it reads words, calls one function, prints what came of it.

stdout carries the result (the last line of `run` is one JSON object), stderr the progress and the errors.
"""

import json
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from clvbook.errors import BadParameters, ClvbookError
from clvbook.settings import Settings, home, load_settings, make_settings, months_between, parse_override

PATHS = {"orders", "mapping"}  # on the command line these count from the caller's folder, as anyone expects


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clvbook")
def main() -> None:
    """The customer-value workbook of an online shop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


params = click.argument("params", type=click.Path(path_type=Path))
sets = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Lay one parameter over the file's.")


@main.command()
@params
@click.option("--month", metavar="YYYY-MM", help="Report month; default: the file's, or the last complete one.")
@click.option("--from", "first", metavar="YYYY-MM", help="First of several months.")
@click.option("--to", "last", metavar="YYYY-MM", help="Last of several months.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this notebook alone, such as customer_value.")
@sets
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Where reports go; default: reports/.")
@click.option("--jobs", type=click.IntRange(1, 64), default=os.cpu_count() or 1, help="Notebooks side by side.")
@click.option("--force", is_flag=True, help="Run although nothing changed.")
def run(params, month, first, last, only, sets, output, jobs, force) -> None:
    """Run a shop's notebooks and publish its month."""
    result = {"status": "failed", "shop": None, "month": month, "revision": None, "index": None}
    with _answering(result):
        settings = load_settings(params, _overrides(sets, month))
        result["shop"] = settings.shop
        reports = _writable(output or home() / "reports")
        from clvbook import report

        with report.warm(home() / "notebooks") as kernels:
            for each in _months(month, first, last):
                one = settings.model_copy(update={"month": each}) if each else settings
                with _progress() as progress:
                    options = {"only": list(only) or None, "jobs": jobs, "force": force, "progress": progress}
                    _run_month(one, result, kernels=kernels, reports=reports, **options)
                if result["status"] == "current":
                    click.echo(f"{result['month']} is already current (revision {result['revision']})", err=True)
                click.echo(result["index"])


def _writable(folder: Path) -> Path:
    """The folder, there and to be written to: better known before the work than after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink(missing_ok=True)
    except OSError as error:
        fact = f"{folder}: reports cannot be written there: {error.strerror}"
        raise BadParameters(fact, "name another folder with --output, or make room for this one") from error
    return folder


def _run_month(settings: Settings, result: dict[str, Any], *, kernels, reports: Path, **options: Any) -> None:
    from clvbook import report

    result |= {"month": settings.month, "revision": None, "index": None}
    try:
        # in a process that has imported the book already; this one never needs to
        found = kernels.call("clvbook.book:prepared", settings=settings.model_dump(mode="json", exclude_unset=True))
    except ClvbookError as error:
        report.record_failure(settings, error, reports=reports)
        raise
    for note in found["notes"]:
        click.echo(f"note: {note}", err=True)
    opened = make_settings(found["settings"])
    result["month"] = opened.month
    published = report.produce(
        opened,
        inputs=found["inputs"],
        facts=found["facts"],
        reports=reports,
        notebooks=home() / "notebooks",
        kernels=kernels,
        **options,
    )
    result |= {"status": published.status, "revision": published.revision, "index": str(published.index)}


@main.command()
@params
@sets
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def check(params, sets, as_json) -> None:
    """Read and clean all there is, run nothing: is every row and every cent accounted for?"""
    with _told():
        settings = load_settings(params, _overrides(sets))
        from clvbook import book

        found = book.check_orders(settings)
    click.echo(json.dumps(found.as_numbers(), ensure_ascii=False) if as_json else book.account(found, settings))


@main.command()
@click.argument("name")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--from", "platform", metavar="PLATFORM", help="Whose export it is; default: the one that fits.")
@sets
def init(name, files, platform, sets) -> None:
    """Look at order files, say what is recognised, and write params/NAME.yml; it overwrites nothing."""
    with _told():
        from clvbook import book

        files, platform = [_from_here(each) for each in files], _from_here(platform) if platform else None
        draft = book.draft(name, files=files, platform=platform, given=_overrides(sets))
        click.echo(f"{draft.recognition}\n")
        click.echo(f"{book.account(draft.found, draft.settings)}\n")
        click.echo(f"written: {draft.write()}")
        for line in draft.unsure:
            click.echo(f"look at it: {line} (the files do not say)")
        click.echo(f"next: {_shown(Path(sys.argv[0]))} run {_shown(draft.path)}")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--customers", type=click.IntRange(min=1), required=True, help="How many customers.")
@click.option("--months", type=click.IntRange(min=1), default=26, help="Calendar months up to 2026-10; default: 26.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="The same seed, the same shop.")
@click.option("--seasons/--no-seasons", default=True, help="Without: exactly BG/NBD and Gamma-Gamma.")
@click.option("--only-orders", is_flag=True, help="Write no other table.")
def simulate(directory, customers, months, seed, seasons, only_orders) -> None:
    """Write a shop with known truth (truth.json): canonical CSV, or Parquet above 200,000 customers."""
    with _told():
        from clvbook.simulate import simulate_shop

        simulate_shop(
            directory, customers=customers, months=months, seed=seed, seasons=seasons, only_orders=only_orders
        )
    click.echo(str(directory))


def _overrides(sets: tuple[str, ...], month: str | None = None) -> dict[str, Any]:
    given = dict(parse_override(text) for text in sets)
    for name in PATHS & given.keys():
        several = given[name] if isinstance(given[name], list) else [given[name]]
        several = [_from_here(each) if isinstance(each, str) else each for each in several]
        given[name] = several if isinstance(given[name], list) else several[0]
    return given | ({"month": month} if month else {})


def _from_here(location: str) -> str:
    """A path as the caller sees it; what is not there from here is left for the project's folder."""
    path = Path(location).expanduser()
    here = Path.cwd() / path
    return str(here) if here.exists() or (here.parent.is_dir() and list(here.parent.glob(here.name))) else location


def _shown(path: Path) -> Path:
    """A path as it can be typed from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _months(month: str | None, first: str | None, last: str | None) -> list[str | None]:
    if not first and not last:
        return [None]
    if month or not (first and last):
        raise BadParameters("--from and --to go together, and without --month", "write --from 2026-01 --to 2026-03")
    return months_between(first, last)


@contextmanager
def _answering(result: dict[str, Any]):
    """Whatever happens inside, the last line on stdout is `result` as JSON, and the exit code is the contract's."""
    start, code, error = time.monotonic(), 0, None
    try:
        yield
    except ClvbookError as failure:
        error, code = str(failure), failure.exit_code
    except KeyboardInterrupt:
        error, code = "interrupted", 130
    except SystemExit as stopped:
        error, code = "stopped by a signal", stopped.code
    except Exception as failure:
        error, code = _fault(failure), 1
    if error:
        result["status"] = "failed"
        click.echo(error, err=True)
    click.echo(
        json.dumps({**result, "seconds": round(time.monotonic() - start, 2), "error": error}, ensure_ascii=False)
    )
    sys.exit(code)


@contextmanager
def _told():
    """Errors as a fact and a hint on stderr, with the contract's exit code."""
    try:
        yield
    except ClvbookError as failure:
        click.echo(failure, err=True)
        sys.exit(failure.exit_code)
    except Exception as failure:
        click.echo(_fault(failure), err=True)
        sys.exit(1)


def _fault(failure: Exception) -> str:
    if os.environ.get("CLVBOOK_TRACEBACK"):
        traceback.print_exception(failure)
    return (
        f"{type(failure).__name__}: {failure}\n"
        "Hint: this is a fault of clvbook; run again with CLVBOOK_TRACEBACK=1 and report what it prints"
    )


@contextmanager
def _progress():
    """A bar on a terminal, plain lines elsewhere; gives the function that takes `report.produce`'s events."""
    if not sys.stderr.isatty():
        yield lambda event: event["text"] and click.echo(event["text"], err=True)
        return
    from tqdm import tqdm

    with tqdm(unit="cell", leave=False, bar_format="{desc} {bar:30} {n_fmt}/{total_fmt} cells, {elapsed}") as bar:

        def show(event: dict[str, Any]) -> None:
            if event.get("total"):
                bar.total = event["total"]
            if event["text"]:
                bar.set_description_str(event["text"])
            bar.n = event.get("done") or bar.n
            bar.refresh()

        yield show
