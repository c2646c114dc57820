"""What must hold before a month is shown to anyone; each check has a name, and one that fails stops the publication.

in: pages and tables of the staging folder, the end marks; out: [{name, passed, detail, page}]
"""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from clvbook.errors import PublishFailed
from clvbook.report.sanitise import PICTURE, local

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ADDRESSES = {"src", "href", "xlink:href", "action", "formaction", "poster", "data", "srcset", "background"}
PAGE_LIMIT = 20_000_000  # bytes; a browser on a phone gives up somewhere above
SIGNS = frozenset("=+-@\t\r＝＋－＠")  # what a spreadsheet may take for the start of a formula
FORMULA = re.compile(r"[^-]|-(?![0-9.])")
LONGEST_CELL = 1 << 27  # Python itself reads no cell above 128 kB, and a shop may have one


class Page(HTMLParser):
    """One pass over a page that collects what the checks ask for."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: dict[str, list[str]] = {
            name: []
            for name in ("html_parses", "no_script", "no_outside_address", "figures_have_alt", "one_h1", "unique_ids")
        }
        self.ids: set[str] = set()
        self.h1 = 0
        self.figures = 0
        self.feed(html)
        self.close()
        if self.open:
            self._fault("html_parses", f"<{self.open[-1]}> is never closed")
        if self.h1 != 1:
            self._fault("one_h1", f"{self.h1} h1 headings")

    def _fault(self, name: str, detail: str) -> None:
        self.faults[name].append(detail)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element and its attributes."""
        attributes = {name: value or "" for name, value in attrs}
        line = f"line {self.getpos()[0]}"
        if tag in ("script", "iframe", "object", "embed", "form", "base", "link"):
            self._fault("no_script", f"{line}: <{tag}>")
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            self._fault("no_outside_address", f"{line}: refresh")
        if tag == "h1":
            self.h1 += 1
        if tag in ("img", "svg") and "svg" not in self.open:
            self.figures += 1
            named = attributes.get("alt") if tag == "img" else attributes.get("aria-label")
            if not (named or "").strip():
                self._fault("figures_have_alt", f"figure {self.figures}: no alt text")
        for name, value in attributes.items():
            if name.startswith("on"):
                self._fault("no_script", f"{line}: {name} on <{tag}>")
            elif name in ADDRESSES and not local(value) and not PICTURE.fullmatch(value):
                self._fault("no_outside_address", f"{line}: {name}={value[:60]!r}")
            elif name == "style":
                self._style(value, line)
            elif name == "id":
                if value in self.ids:
                    self._fault("unique_ids", f"{line}: id {value!r} again")
                self.ids.add(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """<path ... /> opens and closes at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Every element closes in its order."""
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self._fault("html_parses", f"line {self.getpos()[0]}: </{tag}> closes nothing")
            if tag not in self.open:
                return
            while self.open[-1] != tag:
                self.open.pop()
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Style sheets may fetch nothing."""
        if self.open and self.open[-1] == "style":
            self._style(data, f"line {self.getpos()[0]}")

    def _style(self, css: str, line: str) -> None:
        for found in re.findall(r"url\(\s*['\"]?([^)]*)|(@import)", css, re.IGNORECASE):
            address = "".join(found).strip("'\" ")
            if not address.startswith("#") and not PICTURE.fullmatch(address):
                self._fault("no_outside_address", f"{line}: style {address[:60]!r}")


def check_page(html: str, *, name: str) -> list[dict[str, Any]]:
    """The checks of one page's HTML."""
    faults = Page(html).faults
    weight = len(html.encode())
    faults["page_size"] = [f"{weight:,} bytes, at most {PAGE_LIMIT:,}"] if weight > PAGE_LIMIT else []
    return [_result(check, found, name) for check, found in faults.items()]


def check_kpis(kpis: list[dict[str, Any]], *, name: str) -> list[dict[str, Any]]:
    """Each figure of an end mark has a name and a value, or the reason why not."""
    faults = []
    for kpi in kpis:
        if not isinstance(kpi, dict) or not kpi.get("name") or not kpi.get("label"):
            faults.append(f"{kpi!r} has no name or label")
        elif kpi.get("value") is None and not kpi.get("reason"):
            faults.append(f"{kpi['name']}: neither value nor reason")
        elif kpi.get("value") is not None and not kpi.get("text"):
            faults.append(f"{kpi['name']}: a value without its text")
    return [_result("kpis_have_value_or_reason", faults, name)]


def check_tables(tables: list[Path], *, name: str) -> list[dict[str, Any]]:
    """No CSV cell would run as a formula in a spreadsheet."""
    csv.field_size_limit(LONGEST_CELL)
    faults = []
    for path in tables:
        if path.suffix != ".csv":
            continue
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if found := next((cell for cell in row if cell[:1] in SIGNS and FORMULA.match(cell)), None):
                    faults.append(f"{path.name} line {number}: {found[:40]!r}")
                    break
    return [_result("tables_hold_no_formula", faults, name)]


def _result(check: str, faults: list[str], page: str) -> dict[str, Any]:
    detail = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
    return {"name": check, "passed": not faults, "detail": detail, "page": page}


def require(results: list[dict[str, Any]]) -> None:
    """PublishFailed naming each check that does not hold."""
    failed = [result for result in results if not result["passed"]]
    if failed:
        raise PublishFailed(
            "\n".join(
                [
                    f"{len(failed)} of {len(results)} checks do not hold:",
                    *(f"  {result['page']}: {result['name']}: {result['detail']}" for result in failed),
                ]
            ),
            "the last published month stands as it was; mend the notebook that made the page",
        )
