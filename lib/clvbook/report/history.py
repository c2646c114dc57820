"""The month's page and the shop's history, made again from the manifests whenever a month is added.

in: the manifests of a `Shelf`; out: <month>/index.html of every revision (unless notebook 0 makes it), index.html, and
    revisions/index.html, where "all months" of a page leads that is read in its old revision's folder
Templates: template/month.html.j2 and template/history.html.j2, autoescaped. All hrefs are relative and ready to use.

month.html.j2 gets
    csp, shop (as a person writes it), month "2026-10", month_name "October 2026", dates "1–31 October 2026",
    as_of "2026-10-31", data_through "2026-10-31" or None, revision 2, key "0a1b2c3d4e5f",
    versions [(name, version)], history (href), manifest (href),
    superseded {revision, href} or None             this is an old revision
    previous, next {month, month_name, href} or None
    revisions [{revision, href, current}]           this month's, newest first; current = the page itself
    changes [str]                                   what this revision was made from that the one before was not
    pages [{name, title, lead, answer, href, notebook, carried, tiles}]
                                                    carried = revision it was taken over from, or None; answer = what
                                                    the page comes to, its first paragraph; tiles = its figures
                                                    [{name, label, text, unit, value, low, high, reason, href, page,
                                                    previous}], previous = {month_name, text} or None; value None
                                                    comes with reason
    left_out [{name, title}]                        notebooks that this revision did not run
    tables [{name, href, kind, size, page}]         kind "CSV" or "Parquet", size "12 kB"
    checks [{name, passed, detail, page}]

history.html.j2 gets
    csp, shop, versions,
    rows [{status "published" | "failed", word, month, month_name, dates, href or None, revision or None, when, seconds,
           tiles (first three, as above), reason, hint, notebooks [{name, href}], revisions [{revision, href}]}]
                                                    newest month first; word = "published" or the failure's word

revisions.html.j2 gets csp, shop, versions, months [{month_name, revisions [{revision, href}]}], the newest first
"""

from functools import cache
from pathlib import Path
from typing import Any

from clvbook.report import manifest
from clvbook.report.publish import Shelf, write
from clvbook.settings import month_end

TEMPLATES = Path(__file__).parent / "template"
CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September"]
MONTHS += ["October", "November", "December"]


def refresh(shelf: Shelf) -> None:
    """Write the month pages and the history again where they would change."""
    months = shelf.months()
    manifests = {month: found for month in months if (found := shelf.current(month))}
    for month, newest in manifests.items():
        for number in range(1, newest["revision"] + 1):
            folder = shelf.revision_folder(month, number)
            found = newest if number == newest["revision"] else manifest.read(folder)
            if found and found["index"] == "month":
                write(folder / "index.html", month_page(found, manifests))
    write(shelf.folder / "index.html", history_page(shelf, manifests))
    if manifests:
        write(shelf.folder / "revisions" / "index.html", revisions_page(manifests))


def month_page(found: dict[str, Any], manifests: dict[str, dict[str, Any]]) -> str:
    """The page of one revision of a month among the published ones."""
    month, newest = found["month"], manifests.get(found["month"], found)["revision"]
    old = found["revision"] < newest
    root = "../../" if old else "../"  # an old revision is read in revisions/, the newest through its month's link
    before = max((m for m in manifests if m < month), default=None)
    after = min((m for m in manifests if m > month), default=None)
    known = [kpi for kpi in manifests[before]["kpis"] if kpi.get("value") is not None] if before else []
    texts = {kpi["name"]: kpi["text"] for kpi in known}
    tiles = [
        tile | {"previous": {"month_name": month_name(before), "text": texts[tile["name"]]}}
        if tile["name"] in texts
        else tile
        for tile in _tiles(found)
    ]
    context = {
        **_common(found),
        "month": month,
        "month_name": month_name(month),
        "dates": dates(month),
        "as_of": month_end(month).isoformat(),
        "data_through": found["data_through"],
        "revision": found["revision"],
        "key": found["key"][:12],
        "history": f"{root}index.html",
        "manifest": "manifest.json",
        "superseded": {"revision": newest, "href": f"{root}{month}/index.html"} if old else None,
        "previous": _neighbour(before, root),
        "next": _neighbour(after, root),
        "revisions": [
            {
                "revision": number,
                "href": f"{root}{month}/index.html" if number == newest else _revision(root, month, number),
                "current": number == found["revision"],
            }
            for number in range(newest, 0, -1)
        ],
        "changes": found["changes"],
        "pages": [
            {
                "name": name,
                "title": page["title"],
                "lead": page.get("lead", ""),
                "answer": page.get("answer", ""),
                "tiles": [tile for tile in tiles if tile["page"] == name],
                "href": page["href"],
                "notebook": f"notebooks/{page['notebook']}.ipynb",
                "carried": page["carried"],
            }
            for name, page in found["pages"].items()
        ],
        "left_out": found["left_out"],
        "tables": [
            {
                "name": Path(path).stem,
                "href": path,
                "kind": {".csv": "CSV", ".parquet": "Parquet"}.get(Path(path).suffix, Path(path).suffix.strip(".")),
                "size": size(count),
                "page": name,
            }
            for name, page in found["pages"].items()
            for path, count in page["tables"].items()
        ],
        "checks": found["checks"],
    }
    return _templates().get_template("month.html.j2").render(context)


def revisions_page(manifests: dict[str, dict[str, Any]]) -> str:
    """Every revision of every month, as links from within revisions/."""
    months = [
        {
            "month_name": month_name(month),
            "revisions": [
                {"revision": number, "href": f"{month}.{number}/index.html"}
                for number in range(manifests[month]["revision"], 0, -1)
            ],
        }
        for month in sorted(manifests, reverse=True)
    ]
    newest = manifests[max(manifests)]
    return _templates().get_template("revisions.html.j2").render({**_common(newest), "months": months})


def history_page(shelf: Shelf, manifests: dict[str, dict[str, Any]]) -> str:
    """The shop's page: a row a month, newest first; above a month the failed run that came after it."""
    rows = []
    failures = {record["month"]: record for record in shelf.failures()}
    for month in sorted({*manifests, *failures}, reverse=True):
        common = {"month": month, "month_name": month_name(month), "dates": dates(month)}
        if record := failures.get(month):
            rows.append(
                {
                    **common,
                    "status": "failed",
                    "href": None,
                    "revision": None,
                    "tiles": [],
                    "revisions": [],
                    "reason": record["fact"],
                    **{name: record[name] for name in ("word", "when", "seconds", "hint")},
                    "notebooks": [{"name": name, "href": f"failures/{month}/{name}"} for name in record["notebooks"]],
                }
            )
        if found := manifests.get(month):
            rows.append(
                {
                    **common,
                    "status": "published",
                    "word": "published",
                    "href": f"{month}/index.html",
                    "revision": found["revision"],
                    "when": found["finished"],
                    "seconds": found["seconds"],
                    "tiles": _tiles(found, root=f"{month}/")[:3],
                    "reason": None,
                    "hint": None,
                    "notebooks": [],
                    "revisions": [
                        {"revision": number, "href": _revision("", month, number)}
                        for number in range(found["revision"] - 1, 0, -1)
                    ],
                }
            )
    newest = manifests[max(manifests)] if manifests else None
    title = newest["title"] if newest else next((r["title"] for r in failures.values()), shelf.folder.name)
    context = _common(newest or {"title": title, "versions": {}}) | {"rows": rows}
    return _templates().get_template("history.html.j2").render(context)


def month_name(month: str) -> str:
    """2026-10 -> October 2026."""
    return f"{MONTHS[int(month[5:]) - 1]} {month[:4]}"


def dates(month: str) -> str:
    """2026-10 -> 1–31 October 2026."""
    return f"1–{month_end(month).day} {month_name(month)}"


def size(count: int) -> str:
    """Bytes as a person reads them."""
    for unit, scale in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}" if count < 10 * scale else f"{count / scale:,.0f} {unit}"
    return f"{count} bytes"


def _common(found: dict[str, Any]) -> dict[str, Any]:
    return {"csp": CSP, "shop": found["title"], "versions": list(found["versions"].items())}


def _tiles(found: dict[str, Any], root: str = "") -> list[dict[str, Any]]:
    gaps = {"label": "", "text": "", "unit": None, "value": None, "low": None, "high": None, "reason": None}
    return [
        {**gaps, **kpi, "href": root + found["pages"][kpi["page"]]["href"], "previous": None} for kpi in found["kpis"]
    ]


def _neighbour(month: str | None, root: str) -> dict[str, str] | None:
    return month and {"month": month, "month_name": month_name(month), "href": f"{root}{month}/index.html"}


def _revision(root: str, month: str, number: int) -> str:
    return f"{root}revisions/{month}.{number}/index.html"


@cache
def _templates():
    from jinja2 import Environment, FileSystemLoader  # a run that is current needs none of it

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
