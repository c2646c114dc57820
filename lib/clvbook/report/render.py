"""An executed notebook as one page: a single file, no script, no network, its code hidden.

in: an executed notebook and what the page says of its run; out: HTML through nbconvert and template/clvbook

The template (autoescaped) gets nbconvert's `nb` and `resources`. Every cell and output is clean by then:
    markdown cell.source               Markup; headings have unique ids
    output.data["text/html"]           Markup (tables, and Markdown that a cell displayed)
    output.data["image/svg+xml"]       Markup, role="img", aria-label = alt text; output.alt
    output.data["image/png"]           base64, with output.alt
    output.data["text/plain"], stream stdout: text. Each output has exactly one of these; stderr and code are gone.
    resources.include_css("page.css")  a file of the pack as <style>
    resources.language_code            "en"
    resources.page                     title, contents [{level 2 or 3, id, text}], csp, shop, month, month_name, dates,
                                       as_of, data_through or None, key (12 letters), versions [(name, version)],
                                       home (href of the month's page), history (href)
"""

import re
import unicodedata
from copy import deepcopy
from typing import Any

from markupsafe import Markup, escape
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode
from traitlets import default

from clvbook.report.execution import END_MARK
from clvbook.report.history import TEMPLATES
from clvbook.report.sanitise import PICTURE, clean_html, clean_markdown, clean_svg

SHOWN = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain")
# what is for the analyst in JupyterLab alone is tagged notebook-only: it runs, and is not published
HIDDEN_TAGS = {"parameters", "injected-parameters", "papermill-error-cell-tag", "notebook-only"}
HEADING = re.compile(r"<h([1-6])([^>]*)>(.*?)</h\1>", re.DOTALL)


class PageExporter(TemplateExporter):
    """nbconvert with our template pack alone: no stray folder shadows it, no preprocessor adds to it."""

    output_mimetype = "text/html"
    exclude_input = exclude_input_prompt = exclude_output_prompt = True

    @default("template_name")
    def _template_name_default(self) -> str:
        return "clvbook"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    @default("extra_template_basedirs")
    def _default_extra_template_basedirs(self) -> list[str]:
        return [str(TEMPLATES)]

    @default("default_preprocessors")
    def _default_preprocessors(self) -> list:
        return []

    def _create_environment(self):
        environment = super()._create_environment()
        environment.autoescape = True
        return environment


def page(notebook: NotebookNode, *, about: dict[str, Any], exporter: PageExporter) -> str:
    """The page of an executed notebook; `about` is all of `resources.page` but title and contents."""
    nb, contents, title = tidy(notebook)
    resources = {
        "language_code": "en",
        "page": {**about, "title": title, "contents": contents},
        "include_css": lambda name: Markup("<style>\n{}</style>").format(
            Markup((TEMPLATES / "clvbook" / name).read_text(encoding="utf-8"))  # noqa: S704
        ),
    }
    html, _ = exporter.from_notebook_node(nb, resources=resources)
    return html


def tidy(notebook: NotebookNode) -> tuple[NotebookNode, list[dict[str, Any]], str]:
    """A copy with what a page shows, clean; its contents list; its title."""
    nb = deepcopy(notebook)
    headings = Headings()
    figures = 0
    styles: set[str] = set()
    cells = []
    for cell in nb.cells:
        if HIDDEN_TAGS & set(cell.metadata.get("tags", [])) or cell.cell_type == "raw":
            continue
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = headings.number(clean_markdown(cell.source, trusted=True))
            continue
        cell.source = ""
        shown = []
        for output in cell.outputs:
            if output.output_type == "stream":
                if output.name == "stdout" and output.text.strip():
                    shown.append(output)
            elif "data" in output and END_MARK not in output.data:
                kind = next((kind for kind in SHOWN if kind in output.data), None)
                if kind is None:
                    continue
                source = output.data[kind]
                output.alt = str(output.metadata.get(kind, {}).get("alt", "")).strip()
                if kind == "text/html":
                    source = headings.number(clean_html(source))
                elif kind == "text/markdown":
                    kind, source = "text/html", headings.number(clean_markdown(source, trusted=False))
                elif kind == "image/svg+xml":
                    figures += 1
                    source = _once(clean_svg(source, alt=output.alt, number=figures), styles)
                elif kind == "image/png":
                    figures += 1
                    source = source.strip() if PICTURE.fullmatch(f"data:image/png;base64,{source}") else ""
                output.data = NotebookNode({kind: source})
                shown.append(output)
        cell.outputs = shown
    nb.cells = cells
    contents = [entry for entry in headings.entries if entry["level"] in (2, 3)]
    title = next((entry["text"] for entry in headings.entries if entry["level"] == 1), "")
    return nb, contents, title


class Headings:
    """Headings in the order of the page, each with an id of its own."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.taken = {"", "main", "contents", "top"}

    def number(self, html: Markup) -> Markup:
        """The fragment with an id on each heading."""
        return Markup(HEADING.sub(self._number, html))  # noqa: S704

    def _number(self, found: re.Match) -> str:
        level, attributes, inner = found.groups()
        text = Markup(inner).striptags()  # noqa: S704
        slug = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFKC", text).lower()).strip("-") or "section"
        # f1-2 is an id inside figure 1
        slug = f"section-{slug}" if re.match(r"f\d", slug) or slug[0].isdigit() else slug
        name, count = slug, 1
        while name in self.taken:
            count += 1
            name = f"{slug}-{count}"
        self.taken.add(name)
        self.entries.append({"level": int(level), "id": name, "text": text})
        return f'<h{level}{attributes} id="{escape(name)}">{inner}</h{level}>'


def _once(svg: Markup, styles: set[str]) -> Markup:
    """A style sheet inside a figure counts for the whole page: the second copy of one is dropped."""

    def keep(found: re.Match) -> str:
        known = found[0] in styles
        styles.add(found[0])
        return "" if known else found[0]

    return Markup(re.sub(r"<style>.*?</style>", keep, svg, flags=re.DOTALL))  # noqa: S704
