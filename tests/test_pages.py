"""Pages as a reader meets them: in Chromium at a desk, in the dark, on a phone, on paper."""

import re

import nbformat
import pandas as pd
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clvbook.errors import NotComputable
from clvbook.present import charts, tables, tiles, words
from clvbook.report.history import CSP, TEMPLATES
from clvbook.report.render import PageExporter
from clvbook.report.render import page as render

HOSTILE = "<script>alert(1)</script> $x$ 示例店"
ABOUT = {
    "csp": CSP, "shop": HOSTILE, "month": "2026-10", "month_name": "October 2026", "dates": "1–31 October 2026",
    "as_of": "2026-10-31", "data_through": "2026-11-02", "key": "0a1b2c3d4e5f", "home": "index.html",
    "history": "../index.html", "versions": [("python", "3.11.7"), ("clvbook", "0.1.0")],
}  # fmt: skip


def shown(*things):
    cell = nbformat.v4.new_code_cell("hidden()")
    for thing in things:
        if hasattr(thing, "_repr_mimebundle_"):
            data, metadata = thing._repr_mimebundle_()
        else:
            data, metadata = {"text/html": thing._repr_html_(), "text/plain": repr(thing)}, {}
        cell.outputs.append(nbformat.v4.new_output("display_data", data=data, metadata=metadata))
    return cell


def notebook():
    """Every kind of thing that a page shows; no number in it means anything."""
    tenths = pd.DataFrame({"decile": range(1, 11), "value": range(1000, 0, -100), "share": 0.1})
    sources = pd.DataFrame({"source": [HOSTILE, "b"], "value": [5.0, 6.0], "low": [4.0, 5.0], "high": [6.0, 7.0]})
    matrix = pd.DataFrame([[0.1, 0.9], [0.5, float("nan")]], index=[0, 30], columns=[0, 1])
    wide = pd.DataFrame({"name": [HOSTILE], **{f"c{n}": [1_000_000.0 + n] for n in range(9)}})
    wide["c3"] = [NotComputable("margin_rate is not set")]
    form = words.money_in("CNY", digits=2)
    columns = {"name": ("Name", words.text), **{f"c{n}": (f"Column {n}", form) for n in range(9)}}
    cells = [
        nbformat.v4.new_markdown_cell("# Customer value\n\nWhat customers are worth."),
        shown(
            tiles.tiles(
                tiles.Tile("Worth", "¥1.20 million", detail="95 % interval", status="good", status_word="held"),
                tiles.Tile("Profit", NotComputable("margin_rate is not set"), status="unknown", status_word="no data"),
                tiles.Tile("Error", "3.1 %", status="watch", status_word="above 3 %"),
                tiles.Tile("Set aside", "3.0 %", status="bad", status_word="above 1 %"),
            )
        ),
        nbformat.v4.new_markdown_cell(
            "## Base\n\n> A quote with `code` and a [link](other.html).\n\n### Detail\n\n- one"
        ),
        shown(
            charts.deciles(tenths, title="The best tenth carries most", currency="CNY"),
            charts.source_value(sources, title=HOSTILE, currency="CNY"),
            charts.recency_frequency_map(matrix, title="Silence weighs", measure="P(alive)", form=words.percent),
        ),
        nbformat.v4.new_markdown_cell("## Base"),
        shown(tables.table(wide, caption="A wide table", columns=columns, bars=["c0"], file="wide.csv", note=HOSTILE)),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def kpi(name, text, *, reason=None, previous=None):
    return {
        "name": name, "label": name.title(), "text": text, "unit": None, "value": None if reason else 1, "low": None,
        "high": None, "reason": reason, "href": "customer_value.html", "page": "customer_value", "previous": previous,
    }  # fmt: skip


KPIS = [
    kpi("customers", "20,114", previous={"month_name": "September 2026", "text": "19,712"}),
    kpi("worth", "¥1.20 million"),
    kpi("profit", "", reason="margin_rate is not set"),
]
MONTH = {
    **{name: ABOUT[name] for name in ("csp", "shop", "month", "month_name", "dates", "as_of", "data_through", "key")},
    "versions": ABOUT["versions"], "revision": 2, "history": "../index.html", "manifest": "manifest.json",
    "superseded": {"revision": 3, "href": "../2026-10/index.html"}, "previous": None,
    "next": {"month": "2026-11", "month_name": "November 2026", "href": "../2026-11/index.html"},
    "revisions": [{"revision": n, "href": "x/index.html", "current": n == 2} for n in (3, 2, 1)],
    "changes": ["Restated data: 1 of 2 input files are new or changed."],
    "pages": [{"name": "customer_value", "title": "Customer value", "lead": "What is it worth?",
               "answer": f"It is worth ¥1.20 million. {HOSTILE}", "tiles": KPIS,
               "href": "customer_value.html", "notebook": "notebooks/2_customer_value.ipynb", "carried": 1}],
    "left_out": [{"name": "campaign_roi", "title": "Campaigns"}],
    "tables": [{"name": "scores", "href": f"tables/scores.{kind}", "kind": kind.upper(), "size": "12 kB",
                "page": "customer_value"} for kind in ("csv", "parquet")],
    "checks": [{"name": "money_reconciles", "passed": True, "detail": HOSTILE, "page": "data_quality"},
               {"name": "forecast_kept", "passed": False, "detail": "missed by 12 %", "page": "customer_value"}],
}  # fmt: skip
ROW = {
    "status": "published", "word": "published", "month": "2026-10", "month_name": "October 2026", "dates": "",
    "href": "2026-10/index.html", "revision": 2, "when": "2026-11-02T03:10:00+00:00", "seconds": 12, "tiles": KPIS,
    "reason": None, "hint": None, "notebooks": [], "revisions": [{"revision": 1, "href": "revisions/x/index.html"}],
}  # fmt: skip
FAILED = ROW | {
    "status": "failed", "word": "input refused", "month_name": "November 2026", "href": None, "revision": None,
    "tiles": [], "revisions": [], "reason": HOSTILE, "hint": "export again",
    "notebooks": [{"name": "1_data_quality.ipynb", "href": "failures/2026-11/1_data_quality.ipynb"}],
}  # fmt: skip
REVISIONS = {
    "csp": CSP, "shop": HOSTILE, "versions": ABOUT["versions"],
    "months": [{"month_name": "October 2026", "revisions": [{"revision": n, "href": f"{n}/a.html"} for n in (2, 1)]}],
}  # fmt: skip
HISTORY = {"csp": CSP, "shop": HOSTILE, "versions": ABOUT["versions"], "rows": [FAILED, ROW, ROW | {"tiles": KPIS[:1]}]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    jinja = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    made = {
        "notebook": render(notebook(), about=ABOUT, exporter=PageExporter()),
        "month": jinja.get_template("month.html.j2").render(MONTH),
        "history": jinja.get_template("history.html.j2").render(HISTORY),
        "first": jinja.get_template("history.html.j2").render(HISTORY | {"rows": [FAILED]}),
        "revisions": jinja.get_template("revisions.html.j2").render(REVISIONS),
    }
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", ["notebook", "month", "history", "revisions"])
def test_nothing_troubles_a_reader(pages, faults, name):
    assert faults(pages[name]) == []


@pytest.mark.parametrize("name", ["notebook", "month", "history", "first", "revisions"])
def test_one_file_without_script_or_address(pages, name):
    html = pages[name].read_text(encoding="utf-8")
    assert "<script" not in html
    assert "hidden()" not in html
    assert not re.search(r"https?:|url\((?!#)|@import", html)
    assert len(html.encode()) < 500_000


def test_a_fault_is_found(tmp_path, faults):
    page = tmp_path / "bad.html"
    page.write_text(
        "<img src='https://example.invalid/x.png'><div style='width:2000px'>x</div><script>throw 1</script>"
    )
    found = " ".join(faults(page))
    for fault in ("image-alt", "html-has-lang", "phone: 20", "asks for https://example.invalid", "error: 1"):
        assert fault in found


def test_paper_is_light_and_shows_wide_drawings(chromium, pages):
    with chromium.new_context(viewport={"width": 680, "height": 900}, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(pages["notebook"].as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        style = "(name, what, of) => getComputedStyle(document.querySelector(name), of)[what]"
        read = lambda name, what: page.evaluate(f"([name, what]) => ({style})(name, what)", [name, what])  # noqa: E731
        assert read("html", "backgroundColor") == "rgb(255, 255, 255)"
        assert read("aside", "display") == "none"
        assert read("figure", "breakInside") == "avoid"
        assert read(".clv-chart .narrow", "display") == "none"
        assert read(".clv-chart text", "fill") == "rgb(87, 99, 111)"  # --muted of the light palette


def test_a_phone_gets_the_narrow_drawing(chromium, pages):
    with chromium.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(pages["notebook"].as_uri())
        drawn = page.evaluate(
            "[...document.querySelectorAll('.clv-chart > svg')].map(s => getComputedStyle(s).display)"
        )
        assert drawn == ["none", "inline"] * 3
        sizes = page.evaluate(
            "[...document.querySelectorAll('.clv-chart')].map(s => s.getBoundingClientRect().width / 360 * 12)"
        )
        assert min(sizes) > 11  # pixels of the smallest letters
        # the wide table moves in its own box
        box = page.evaluate("(b => [b.scrollWidth, b.clientWidth])(document.querySelector('.scroll'))")
        assert box[0] > box[1]
