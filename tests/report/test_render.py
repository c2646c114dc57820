import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from clvbook.report.checks import Page
from clvbook.report.execution import END_MARK
from clvbook.report.history import CSP
from clvbook.report.render import PageExporter, page, tidy

ABOUT = {
    "csp": CSP, "shop": "Ma & <Pa>", "month": "2026-10", "month_name": "October 2026", "dates": "1–31 October 2026",
    "as_of": "2026-10-31", "data_through": "2026-10-31", "key": "0a1b2c3d4e5f", "versions": [("clvbook", "0.1.0")],
    "home": "index.html", "history": "../index.html",
}  # fmt: skip
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><style>.c{fill:red}</style><g id="axes_1"><path id="p"/></g></svg>'


def shown(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def figure(alt):
    return shown({"image/svg+xml": SVG, "text/plain": "chart"}, **{"image/svg+xml": {"alt": alt}})


@pytest.fixture(scope="module")
def exporter():
    return PageExporter()


@pytest.fixture
def notebook():
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        new_markdown_cell("# Value\n\nWhat is each customer *worth*?"),
        new_code_cell("secret_parameter = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("other_secret = 2", metadata={"tags": ["injected-parameters"]}),
        new_markdown_cell("## Try a secret", metadata={"tags": ["notebook-only"]}),
        new_code_cell(
            "3", outputs=[shown({"text/plain": "secret of the analyst"})], metadata={"tags": ["notebook-only"]}
        ),
        new_markdown_cell("## Who buys\n\n## Who buys\n\n### 2026 <b>so far</b>"),
        new_code_cell(
            "hidden_code()",
            outputs=[
                new_output("stream", name="stdout", text="printed <i>\n"),
                new_output("stream", name="stderr", text="a warning nobody should see"),
                figure("Orders rose"),
                figure("Orders fell"),
                shown({"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "plain twin"}),
                shown({"text/markdown": "## Who buys\n\n<script>x</script>"}),
                shown({"text/plain": "just <text>"}),
                shown({"application/javascript": "alert(1)"}),
                shown({END_MARK: {"kpis": []}, "text/plain": "the end mark"}),
            ],
        ),
    ]
    return nb


def test_a_page_stands_alone_and_passes_every_check(notebook, exporter):
    html = page(notebook, about=ABOUT, exporter=exporter)
    assert {name: found for name, found in Page(html).faults.items() if found} == {}
    assert '<html lang="en">' in html
    assert f'content="{CSP}"'.replace("'", "&#39;") in html
    assert "Ma &amp; &lt;Pa&gt;" in html
    assert re.search(r"<title>Value\b", html)
    assert "0a1b2c3d4e5f" in html
    for gone in ("secret", "hidden_code", "nobody", "plain twin", "the end mark", "alert(1)", "<script"):
        assert gone not in html
    assert "printed &lt;i&gt;" in html
    assert "just &lt;text&gt;" in html
    assert html == page(notebook, about=ABOUT, exporter=exporter)


def test_headings_have_ids_of_their_own_and_make_the_contents(notebook, exporter):
    html = page(notebook, about=ABOUT, exporter=exporter)
    assert re.findall(r'<h[1-3][^>]* id="([^"]*)"', html) == [
        "value", "who-buys", "who-buys-2", "section-2026-so-far", "who-buys-3",
    ]  # fmt: skip
    _, contents, title = tidy(notebook)
    assert title == "Value"
    assert contents[2] == {"level": 3, "id": "section-2026-so-far", "text": "2026 so far"}


def test_two_figures_share_no_id_and_one_style(notebook, exporter):
    html = page(notebook, about=ABOUT, exporter=exporter)
    assert re.findall(r'id="(f\d-\d)"', html) == ["f1-1", "f1-2", "f2-1", "f2-2"]
    assert re.findall(r'role="img" aria-label="([^"]*)"', html) == ["Orders rose", "Orders fell"]
    assert html.count(".c{fill:red}") == 1


def test_the_notebook_itself_is_not_changed(notebook, exporter):
    before = nbformat.writes(notebook)
    page(notebook, about=ABOUT, exporter=exporter)
    assert nbformat.writes(notebook) == before


def test_a_template_in_the_callers_folder_shadows_nothing(tmp_path, monkeypatch, notebook):
    (tmp_path / "clvbook").mkdir()
    (tmp_path / "clvbook" / "index.html.j2").write_text("stray")
    monkeypatch.chdir(tmp_path)
    assert "stray" not in page(notebook, about=ABOUT, exporter=PageExporter())
