"""The second wall between data and markup: whatever a notebook displayed, only harmless HTML and SVG pass.

in: HTML, Markdown or SVG as a cell displayed it; out: markup of allowed elements, no script, no address outside
The first wall is that every helper escapes what it prints; this one does not trust them.
"""

import html
import re
from collections.abc import Iterator
from functools import cache
from xml.etree import ElementTree as ET

from markupsafe import Markup

from clvbook.errors import PublishFailed

TAGS = {
    "a", "abbr", "aside", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details",
    "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
    "kbd", "li", "mark", "ol", "p", "pre", "s", "section", "small", "span", "strong", "sub", "summary", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "alt", "aria-hidden", "aria-label", "class", "colspan", "datetime", "dir", "lang", "open", "role", "rowspan",
    "scope", "span", "start", "tabindex", "title",
}  # fmt: skip
STYLES = {
    "--share", "background-color", "color", "font-style", "font-variant-numeric", "font-weight", "max-width",
    "min-width", "text-align", "vertical-align", "white-space", "width",
}  # fmt: skip
SHAPES = {
    "circle", "clipPath", "defs", "desc", "ellipse", "g", "image", "line", "linearGradient", "marker", "mask", "path",
    "pattern", "polygon", "polyline", "radialGradient", "rect", "stop", "style", "svg", "symbol", "text", "title",
    "tspan", "use",
}  # fmt: skip
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]+")
ADDRESS = re.compile(r"url\(\s*(?!['\"]?#)|@import|expression\(|javascript:|\\", re.IGNORECASE)


def clean_html(fragment: str) -> Markup:
    """A displayed fragment without scripts, handlers, forms, frames, ids, or addresses outside the month's folder."""
    return Markup(_cleaner().clean(fragment))  # noqa: S704


def clean_markdown(text: str, *, trusted: bool) -> Markup:
    """Markdown as clean HTML; only a notebook's own cell (`trusted`) may hold HTML, text made from data may not."""
    return clean_html(_markdown(escape=not trusted)(text))


def local(address: str) -> bool:
    """Whether an address stays within the page or the reports: an anchor or a relative path."""
    return bool(re.match(r"(#|\.{0,2}/?[\w%-])", address)) and ":" not in address and not address.startswith("//")


@cache
def _cleaner():
    from bleach.css_sanitizer import CSSSanitizer
    from bleach.sanitizer import Cleaner

    def allowed(tag: str, name: str, value: str) -> bool:
        if name == "href":
            return tag == "a" and local(value)
        if name == "src":
            return tag == "img" and PICTURE.fullmatch(value) is not None
        if name == "style":
            return not ADDRESS.search(value)
        return name in ATTRIBUTES

    # bleach lets relative addresses pass only beside a web protocol; `allowed` has refused those by then.
    css = CSSSanitizer(allowed_css_properties=STYLES, allowed_svg_properties=[])
    return Cleaner(tags=TAGS, attributes=allowed, protocols={"data", "https"}, css_sanitizer=css, strip=True)


@cache
def _markdown(*, escape: bool):
    import mistune

    return mistune.create_markdown(escape=escape, plugins=["table", "strikethrough"])


def clean_svg(source: str, *, alt: str, number: int) -> Markup:
    """A figure to stand inside a page: named by its alt text, ids its own (`f<number>-1`, ...), shapes only.

    Errors: PublishFailed where the source is not an SVG.
    """
    try:
        if "<!ENTITY" in source:
            raise ET.ParseError("it defines entities")
        root = ET.fromstring(source)  # noqa: S314  entities are refused above
        if _local_name(root.tag) != "svg":
            raise ET.ParseError("its first element is not svg")
    except ET.ParseError as error:
        raise PublishFailed(
            f"figure {number} cannot be read as SVG: {error}", "display charts of clvbook.present"
        ) from None
    names = (element.get("id") for element in root.iter())
    ids = {name: f"f{number}-{place}" for place, name in enumerate((n for n in names if n), 1)}
    for name in ("role", "aria-label"):
        root.attrib.pop(name, None)
    if alt:
        root.attrib |= {"role": "img", "aria-label": alt}
    return Markup("".join(_svg(root, ids)))  # noqa: S704


def _svg(element: ET.Element, ids: dict[str, str]) -> Iterator[str]:
    name = _local_name(element.tag)
    if name not in SHAPES or (name == "style" and (ADDRESS.search(element.text or "") or len(element))):
        return
    yield f"<{name}"
    for key, value in element.attrib.items():
        key = _local_name(key)
        if key == "id":
            value = ids[value]
        elif key == "href":
            if not (value[:1] == "#" and value[1:] in ids) and not (name == "image" and PICTURE.fullmatch(value)):
                continue
            value = f"#{ids[value[1:]]}" if value[:1] == "#" else value
        elif key.startswith("on") or not re.fullmatch(r"[A-Za-z][\w-]*", key) or ADDRESS.search(value):
            continue
        else:
            value = re.sub(r"url\(['\"]?#([^)'\"]*)['\"]?\)", lambda m: f"url(#{ids.get(m[1], '')})", value)
        yield f' {key}="{html.escape(value)}"'
    yield ">"
    if element.text and (name in ("text", "tspan", "title", "desc", "style") or element.text.strip()):
        yield html.escape(element.text, quote=False)
    for child in element:
        yield from _svg(child, ids)
        if child.tail and (name in ("text", "tspan") or child.tail.strip()):
            yield html.escape(child.tail, quote=False)
    yield f"</{name}>"


def _local_name(name: object) -> str:
    return name.rpartition("}")[2] if isinstance(name, str) else ""  # comments have a function for a name
