"""Charts are one SVG each, the same bytes each time, that brings alt text and no address."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import canvas, charts, pen, words

WEEKS = pd.date_range("2026-01-04", periods=30, freq="W")
DAYS = pd.date_range("2026-09-01", "2026-10-31")
LABELS = [str(n) for n in range(7)] + ["7+"]
SHARES = np.linspace(0, 1, 11)


def frames():
    """One sample of every chart: function, frame, keywords, words that its alt text must hold."""
    some = np.arange(1.0, 9.0)
    line = np.arange(30.0) + 10
    grid = pd.DataFrame(np.outer(SHARES, SHARES), index=np.arange(11) * 10, columns=np.arange(11))
    sources = pd.DataFrame(
        {"source": ["Search", "小红书"], "value": [71.0, 66.0], "low": [65.0, 58.0], "high": [77.0, 75.0]}
    )
    track = {
        "week": WEEKS,
        "actual": line,
        "expected": line,
        "actual_total": line.cumsum(),
        "expected_total": line.cumsum(),
    }
    return {
        "frequency_histogram": (
            {"repeat_orders": LABELS, "actual": some * 1000, "expected": some},
            {},
            "7+: 8,000 actual",
        ),
        "tracking": (track, {"origin": "2026-05-04"}, "made on 4 May 2026"),
        "holdout_by_frequency": (
            {"frequency": LABELS, "actual": some, "expected": some, "customers": some},
            {},
            "0: 1.00",
        ),
        "histogram": (
            {"low": [0, 7], "high": [7, np.inf], "count": [3, 4]},
            {"x": "days", "y": "orders"},
            "0 to below 7: 3",
        ),
        "value_distribution": (
            {"low": [0, 10], "high": [10, np.inf], "customers": [3, 4]},
            {"currency": "CNY", "x": "value, CNY"},
            "¥10 to above: 4",
        ),
        "deciles": ({"decile": [1, 2], "value": [8.0, 2.0], "share": [0.8, 0.2]}, {"currency": "CNY"}, "tenth 1: 80 %"),
        "concentration": (
            {"customers": SHARES, "past": SHARES**0.5, "later": SHARES},
            {"past": "2025", "later": "2026"},
            "held 20 %",
        ),
        "recency_frequency_map": (grid, {"measure": "P(alive)", "form": words.percent}, "from 0.0 % to 100.0 %"),
        "cohort_value": (
            {"month": ["2026-09", "2026-10"], "value": [5.0, 6.0], "low": [4.0, 5.0], "high": [6.0, 7.0]},
            {"currency": "CNY"},
            "October 2026: ¥6.00 (¥5.00–7.00)",
        ),
        "source_value": (sources, {"currency": "CNY"}, "小红书: ¥66.00"),
        "orders_by_day": (
            {"day": DAYS, "orders": np.arange(61.0), "gap": DAYS.day == 7},
            {},
            "2 days without an order",
        ),
        "rows_by_reason": ({"reason": ["kept", "unpaid"], "rows": [900, 3], "kept": [True, False]}, {}, "unpaid: 3"),
    }


FRAMES = frames()


def parse(svg):
    return ET.fromstring(svg)  # noqa: S314  our own picture


def make(name, title="What it says"):
    frame, keywords, _ = FRAMES[name]
    return getattr(charts, name)(pd.DataFrame(frame), title=title, **keywords)


def test_every_chart_is_tested():
    public = {name for name, thing in vars(charts).items() if getattr(thing, "__module__", "") == charts.__name__}
    assert {name for name in public if not name.startswith("_")} == set(FRAMES)


@pytest.mark.parametrize("name", FRAMES)
def test_one_svg_with_title_and_alt_and_no_address(name):
    chart = make(name)
    root = parse(chart.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == chart.alt
    assert FRAMES[name][2] in chart.alt.replace(words.SPACE, " ")
    assert chart.alt.startswith("What it says. ")
    assert chart.svg.count(">What it says</text>") == 2  # wide and narrow
    plain = chart.svg.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert "http" not in plain
    assert "nan" not in re.sub(r"<style>.*?</style>|data:image[^\"]*", "", plain, flags=re.DOTALL).lower()


@pytest.mark.parametrize("name", FRAMES)
def test_colours_follow_the_page_and_ids_are_unique(name):
    svg = make(name).svg
    assert not re.search("#01020[3-8]", svg)
    assert "var(--ink)" in svg
    colours = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{3,6})", svg))
    assert colours <= {"#000000"}  # matplotlib names black where nothing is painted
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= set(ids)


@pytest.mark.parametrize("name", FRAMES)
def test_the_same_frame_gives_the_same_bytes(name):
    assert make(name).svg == make(name).svg


def test_bytes_do_not_depend_on_the_reader_s_settings():
    import matplotlib as mpl

    quiet = make("deciles").svg
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert make("deciles").svg == quiet


def test_displays_itself_as_svg_with_alt():
    chart = make("deciles")
    data, metadata = chart._repr_mimebundle_()
    assert data == {"image/svg+xml": chart.svg, "text/plain": chart.alt}
    assert metadata == {"image/svg+xml": {"alt": chart.alt}}


@pytest.mark.parametrize("name", FRAMES)
def test_no_rows_are_said_not_drawn(name):
    frame, keywords, _ = FRAMES[name]
    chart = getattr(charts, name)(pd.DataFrame(frame).head(0), title="What it says", **keywords)
    assert chart.alt == "What it says. Nothing to draw: the data have 0 rows for this."
    assert "0 rows" in "".join(parse(chart.svg).itertext())
    chart = getattr(charts, name)(NotComputable("only 31 repeat customers"), title="What it says", **keywords)
    assert chart.alt == "What it says. only 31 repeat customers"


def test_own_alt_text():
    chart = charts.deciles(pd.DataFrame(FRAMES["deciles"][0]), title="t", currency="CNY", alt="In my words")
    assert chart.alt == "In my words"


@pytest.mark.parametrize("name", FRAMES)
def test_small_enough_for_a_page_of_twelve(name):
    assert len(make(name).svg.encode()) < 40_000


def test_a_missing_figure_is_refused():
    frame = pd.DataFrame({"decile": [1, 2], "value": [8.0, 2.0], "share": [0.8, np.nan]})
    with pytest.raises(PublishFailed, match="missing"):
        charts.deciles(frame, title="t", currency="CNY")


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    st.text(min_size=1, max_size=80)
    | st.sampled_from(["<script>alert(1)</script>", "$\\frac{", "中文" * 30, "a" * 200, '"><g onload="x"', "]]></svg>"])
)
def test_hostile_names_stay_text(name):
    frame = pd.DataFrame({"source": [name], "value": [1.0], "low": [0.5], "high": [2.0]})
    chart = charts.source_value(frame, title=f"t {name}", currency="CNY")
    root = parse(chart.svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "style", "g", "path", "text", "use", "defs", "clipPath", "rect", "tspan"}
    assert not {key for element in root.iter() for key in element.attrib if key.startswith("on")}


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=12))
def test_any_values_can_be_drawn(values):
    frame = pd.DataFrame({"decile": range(1, len(values) + 1), "value": values, "share": 0.1})
    parse(charts.deciles(frame, title="t", currency="CNY").svg)
    days = pd.date_range("2026-10-01", periods=len(values))
    frame = pd.DataFrame({"day": days, "orders": values, "gap": False})
    parse(charts.orders_by_day(frame, title="t").svg)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "¥0"), (0.5, "¥0.5"), (20_000, "¥20,000"), (1.5e6, "¥1.5 m"), (-2e9, "−¥2 bn")]
)
def test_axis_money(value, text):
    assert pen.tick_form("CNY")(value) == text.replace(" ", words.SPACE)


def luminance(colour):
    # WCAG 2.2, relative luminance
    channels = [
        int(part * (2 if len(colour) == 3 else 1), 16) / 255 for part in re.findall("." * (len(colour) // 3), colour)
    ]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", range(2), ids=["light", "dark"])
def test_colours_stand_out_from_their_paper(palette):
    found = [dict(re.findall(r"--(\w+):#([0-9a-f]+)", part)) for part in canvas._STYLE.split("@media")[:2]]
    colours = found[palette]
    assert contrast(colours["ink"], colours["paper"]) >= 7  # WCAG 1.4.6
    assert contrast(colours["muted"], colours["paper"]) >= 4.5  # WCAG 1.4.3, text
    assert contrast(colours["accent"], colours["paper"]) >= 3  # WCAG 1.4.11, graphics
    assert contrast(colours["second"], colours["paper"]) >= 3
