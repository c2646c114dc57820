"""What every chart shares: two widths in one SVG, colours that follow the page's light, dark or print.

in: a function that paints with a `Pen`   out: a `Chart` that displays itself as image/svg+xml with its alt text

Colours are drawn as placeholders and become CSS variables in the SVG, so one picture serves light, dark and paper. The
narrow drawing replaces the wide one on a phone, where a shrunken chart could not be read. Text stays text: small,
searchable, in the reader's own fonts, Chinese included. The same frame gives the same bytes.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from html import escape
from typing import Any

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import words
from clvbook.present.pen import ACCENT, GRID, HEAT, INK, MUTED, PAPER, SECOND, SMALL, STAGES, WIDTHS, Pen

_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", ACCENT: "accent", SECOND: "second", HEAT: "heat"}
_NAMES |= {colour: f"stage-{at}" for at, colour in enumerate(STAGES)}

# Blue and orange differ in lightness, too, and for every kind of colour blindness; each has more than 3:1 to its paper.
# Stages fade from active to lost, in even steps of lightness.
_STYLE = """
.clv-chart{--ink:#1c2733;--muted:#57636f;--grid:#dde2e7;--paper:#fff;--accent:#2166a5;--second:#c85a11;background:#fff;
--heat:#8fb4dc;--stage-0:#08336b;--stage-1:#265c91;--stage-2:#587a96;--stage-3:#929598;
display:block;width:100%;max-width:720px;height:auto;aspect-ratio:var(--wide);
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",Arial,"PingFang SC",
"Microsoft YaHei","Noto Sans CJK SC",sans-serif;font-variant-numeric:tabular-nums}
.clv-chart .narrow{display:none}
@media screen and (prefers-color-scheme:dark){.clv-chart{--ink:#e6eaee;--muted:#a3afba;--grid:#343d47;--paper:#14191f;
--accent:#6db1ec;--second:#f2994f;background:#14191f;
--heat:#2c5f91;--stage-0:#cfe6ff;--stage-1:#8dbbe4;--stage-2:#6b92b3;--stage-3:#6a7178}}
@media screen and (max-width:600px){.clv-chart{aspect-ratio:var(--narrow)}.clv-chart .wide{display:none}
.clv-chart .narrow{display:inline}}
"""
_LOOKS = {
    "svg.fonttype": "none", "text.parse_math": False, "text.color": INK, "font.size": SMALL, "axes.facecolor": "none",
    "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 1, "lines.linewidth": 2,
    "axes.formatter.use_locale": False, "legend.frameon": False, "legend.borderpad": 0, "legend.borderaxespad": 0,
    "legend.handlelength": 1.6, "legend.columnspacing": 1.6,
}  # fmt: skip


# neighbours that look alike; no look with an opacity of its own, which a group would blend otherwise
_LOOK = r'(?: clip-path="[^"]*")? style="(?!opacity|[^"]* opacity)[^"]*"'
_SHAPES = re.compile(rf'<path d="[^"]*"({_LOOK})/>(?:<path d="[^"]*"\1/>)+')
_TEXTS = re.compile(r'<text( style="[^"]*") x=[^>]*>[^<]*</text>(?:<text\1 x=[^>]*>[^<]*</text>)+')


@dataclass(frozen=True)
class Chart:
    """A finished picture: its SVG, the message it was drawn for, and the same in words for who cannot see it."""

    svg: str
    title: str
    alt: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return {"image/svg+xml": self.svg, "text/plain": self.alt}, {"image/svg+xml": {"alt": self.alt}}

    def __repr__(self) -> str:
        return self.alt


def draw(paint: Callable[[Pen], None], *, title: str, alt: str, height: int = 330, narrow: int = 300) -> Chart:
    """Paint twice, for a page and for a phone (`height` and `narrow` pixels high), and put both into one SVG."""
    title, alt = re.sub(r"(?<=\d) %", f"{words.SPACE}%", words.text(title)), words.text(alt)
    heights = {"wide": height, "narrow": narrow}
    inner = "".join(_paint(paint, title, name, WIDTHS[name], tall) for name, tall in heights.items())
    ratios = ";".join(f"--{name}:{WIDTHS[name]}/{tall}" for name, tall in heights.items())
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="clv-chart" '
        f'role="img" aria-label="{escape(alt)}" width="720" height="{height}" style="{ratios}">'
        f"<style>{_STYLE}</style>{inner}</svg>"
    )
    return Chart(svg, title, alt)


def drawn(chart: Callable[..., Chart]) -> Callable[..., Chart]:
    """A chart of a frame without rows, or of `NotComputable`, is its title and a line that says why."""

    @wraps(chart)
    def made(frame: pd.DataFrame | NotComputable, *, title: str, **options: Any) -> Chart:
        if isinstance(frame, pd.DataFrame) and not frame.empty:
            return chart(frame, title=title, **options)
        why = frame.reason if isinstance(frame, NotComputable) else "Nothing to draw: the data have 0 rows for this."
        return draw(lambda pen: pen.nothing(why), title=title, alt=f"{title}. {why}", height=80, narrow=120)

    return made


def _paint(paint: Callable[[Pen], None], title: str, name: str, width: int, height: int) -> str:
    """One drawing as a nested <svg class="wide"> or "narrow"."""
    from matplotlib import style
    from matplotlib.figure import Figure

    looks = {**_LOOKS, "svg.hashsalt": f"{title}/{name}"}
    with style.context(["default", looks]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's browser has the font
        figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
        pen = Pen(figure, wide=name == "wide")
        paint(pen)
        pen.arrange(title, width, height)
        raw = io.StringIO()
        figure.savefig(raw, format="svg", metadata={"Date": None, "Creator": None})
    return _clean(raw.getvalue(), name, width, height)


def _shortened(tag: re.Match) -> str:
    """A tag whose coordinates have a tenth of a pixel, which is more than anyone sees."""
    return re.sub(r"-?\d+\.\d{2,}", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), tag[0])


def _grouped(alike: re.Match) -> str:
    """The same shapes or texts in one group that has their look, instead of each."""
    return f"<g{alike[1]}>" + re.sub(r"<[^>]*>", lambda tag: tag[0].replace(alike[1], ""), alike[0]) + "</g>"


def _clean(svg: str, name: str, width: int, height: int) -> str:
    """The SVG that matplotlib wrote without what a page does not need, with our colours and the reader's fonts."""
    body = re.sub(r"(?s)<metadata>.*?</metadata>|<!--.*?-->|<style type=.*?</style>", "", svg)
    body = body[body.index("<g id=") : body.rindex("</svg>")]
    body = re.sub(r' id="[A-Za-z][A-Za-z0-9.]*_\d+"| transform="rotate\(-0 [^)]*\)"|font-family: [^;"]*; ', "", body)
    body = re.sub(r"<[^>]*>", _shortened, body)  # in tags alone: a figure in a text keeps its digits
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    for _ in range(2):  # groups of one that say nothing
        body = re.sub(r"<g>(<path [^>]*/>|<text [^>]*>[^<]*</text>)</g>", r"\1", body)
    body = _TEXTS.sub(_grouped, _SHAPES.sub(_grouped, body))
    for colour, variable in _NAMES.items():
        body = body.replace(colour, f"var(--{variable})")
    return f'<svg class="{name}" viewBox="0 0 {width} {height}">{body}</svg>'
