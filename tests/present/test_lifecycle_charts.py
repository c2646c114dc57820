"""Charts of stages say their numbers, keep one colour a stage, and leave out what cannot be computed."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import canvas, lifecycle_charts, words
from clvbook.report.sanitise import clean_svg

STAGES = ["active", "silent", "sleeping", "lost"]
ENDS = pd.date_range("2024-09-30", periods=26, freq="ME")
AHEAD = pd.date_range("2026-11-30", periods=3, freq="ME")


def mix():
    counts = [(1000 - 10 * n, 200, 300, 500 + 20 * n) for n in range(26)]
    rows = [(end, *pair) for end, count in zip(ENDS, counts, strict=True) for pair in zip(STAGES, count, strict=True)]
    frame = pd.DataFrame(rows, columns=["snapshot", "stage", "customers"])
    return frame.assign(share=frame.customers / frame.groupby("snapshot").customers.transform("sum"))


def matrix(empty=None):
    rows = [(start, end) for start in STAGES for end in STAGES]
    frame = pd.DataFrame(rows, columns=["from", "to"]).assign(rate=0.25, low=0.21, high=0.29, customers=25)
    frame["impossible"] = (frame["from"] == "active") & (frame["to"] == "lost")
    frame.loc[frame["from"] == empty, ["rate", "low", "high"]] = np.nan
    frame.loc[frame["from"] == empty, "customers"] = 0
    return frame


def forecast():
    rows = [(end, stage, 100.0, 90.0, 117.0) for end in AHEAD for stage in STAGES]
    return pd.DataFrame(rows, columns=["snapshot", "stage", "expected", "low", "high"])


FLOW = pd.DataFrame(
    {"snapshot": ENDS, "new": 100, "returning": 20, "resurrected": 30, "dormant": 61, "burn_in": np.arange(26) < 2}
)
MOVES = pd.DataFrame(
    [("new", "active", 816), ("active", "silent", 1601), ("silent", "active", 3), ("lost", "lost", 10_163)],
    columns=["from_stage", "to_stage", "customers"],
)
VALUE = pd.DataFrame({"stage": STAGES, "customers": [10, 20, 30, 40], "value": [600.0, 200.0, 150.0, 50.0]})

# function: frame, keywords, words that its alt text must hold
SAMPLES = {
    "stage_mix": (mix(), {}, "31 October 2026: active 750 (33.3 %)"),
    "flow": (FLOW, {}, "100 new, 20 returning, 30 resurrected, 61 dormant. A period has"),
    "alluvial": (MOVES, {"stages": STAGES}, "from new: 816 to active; from active: 1,601 to silent"),
    "matrix": (matrix(), {"confidence": 0.95}, "from active: active 25.0 % (21.0–29.0 %)"),
    "forecast": (forecast(), {"history": mix(), "confidence": 0.95}, "100 (90–117) expected on 31 January 2027"),
    "value_by_stage": (VALUE, {"currency": "CNY"}, "active: 10 customers, 10 %; ¥600 to come, 60 %"),
}


def make(name, frame=None, title="What it says"):
    sample, keywords, _ = SAMPLES[name]
    return getattr(lifecycle_charts, name)(sample if frame is None else frame, title=title, **keywords)


def texts(chart):
    """What stands in the picture, wide and narrow."""
    root = ET.fromstring(chart.svg)  # noqa: S314  our own picture
    found = ("".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text"))
    return [text.replace(words.SPACE, " ") for text in found]


def looks(element, look=""):
    """Every text with the style that it or its group has."""
    look = element.get("style", look)
    if element.tag.endswith("}text"):
        yield look, element
    for child in element:
        yield from looks(child, look)


def test_every_chart_is_tested():
    things = vars(lifecycle_charts).items()
    public = {name for name, thing in things if getattr(thing, "__module__", "") == lifecycle_charts.__name__}
    assert {name for name in public if not name.startswith("_")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_says_its_numbers(name):
    chart = make(name)
    assert chart.alt.startswith("What it says. ")
    assert SAMPLES[name][2] in chart.alt.replace(words.SPACE, " ")
    assert texts(chart).count("What it says") == 2  # wide and narrow
    assert "nan" not in " ".join(texts(chart))


@pytest.mark.parametrize("name", SAMPLES)
def test_same_bytes_colours_of_the_page_and_passes_the_report_s_wall(name):
    svg = make(name).svg
    assert svg == make(name).svg
    assert "#0102" not in svg
    assert set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{3,6})", svg)) <= {"#000000"}  # black where nothing is painted
    cleaned = clean_svg(svg, alt="a", number=1)
    assert cleaned.count("<path") == svg.count("<path")
    assert cleaned.count("<pattern") == svg.count("<pattern")
    assert len(svg.encode()) < 45_000


@pytest.mark.parametrize("name", SAMPLES)
def test_every_text_is_inside_the_phone_s_picture(name):
    root = ET.fromstring(make(name).svg)  # noqa: S314  our own picture
    narrow = next(part for part in root if part.get("class") == "narrow")
    for look, element in looks(narrow):
        size = float(re.search(r"font-size: ([\d.]+)px|(?:^|\D)([\d.]+)px", look).expand(r"\1\2"))
        width = len("".join(element.itertext())) * size * 0.53  # the mean letter of the usual fonts
        share = {"middle": 0.5, "end": 1}.get((re.findall(r"text-anchor: (\w+)", look) or ["start"])[0], 0)
        start = (
            float(element.get("x") or re.search(r"translate\(([\d.-]+)", element.get("transform"))[1]) - share * width
        )
        assert start >= -1, "".join(element.itertext())
        assert start + width <= 361, "".join(element.itertext())


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><g onload="x"', "]]></svg>", "中文" * 30, "$\\frac{"])
def test_hostile_names_stay_text(name):
    frame = VALUE.assign(stage=[name, *STAGES[1:]])
    root = ET.fromstring(make("value_by_stage", frame, title=name).svg)  # noqa: S314  our own picture
    assert root.get("aria-label").startswith(name)
    assert not any("script" in element.tag or element.get("onload") for element in root.iter())


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_to_draw_is_said(name):
    assert make(name, NotComputable("only 1 month")).alt == "What it says. only 1 month"
    assert "0 rows" in make(name, SAMPLES[name][0].head(0)).alt


def test_a_stage_has_one_colour_in_all_charts():
    # the last stage's colour follows its word, not its place among those that a frame happens to hold
    few = MOVES[MOVES.to_stage != "silent"]
    for chart in (make("stage_mix"), make("forecast"), make("value_by_stage"), make("alluvial", few)):
        assert "var(--stage-0)" in chart.svg
        assert "var(--stage-3)" in chart.svg
    assert "var(--stage-1)" in make("alluvial", few).svg
    assert "var(--stage-2)" not in make("alluvial", few).svg


def test_stages_stand_by_their_names_where_they_are_drawn():
    assert texts(make("stage_mix")).count("lost 44 %") == 2
    assert texts(make("forecast")).count("sleeping, customers") == 2
    assert texts(make("value_by_stage")).count("40 customers, 40 %") == 2


def test_thin_bands_keep_their_figure():
    assert texts(make("alluvial")).count("to active 3") == 2


def test_moves_that_nobody_made_are_not_drawn():
    none = pd.DataFrame([("sleeping", "lost", 0)], columns=MOVES.columns)
    assert make("alluvial", pd.concat([MOVES, none])).svg == make("alluvial").svg


def test_bands_fill_their_stages():
    shares = pd.Series([0.5, 0.2, 0.3])
    assert lifecycle_charts._tops(shares, 0.1).tolist() == pytest.approx([0, 0.6, 0.9])


def test_hatched_only_where_new_cannot_be_told():
    assert "too early to tell new from old" in texts(make("flow"))
    assert "Hatched: 2 periods too early" in make("flow").alt.replace(words.SPACE, " ")
    clear = make("flow", FLOW.assign(burn_in=False))
    assert "pattern" not in clear.svg
    assert "Hatched" not in clear.alt
    assert "mean" not in make("flow", FLOW.assign(burn_in=True)).alt


def test_impossible_and_undefined_are_told_apart():
    chart = make("matrix", matrix(empty="lost"))
    assert "lost impossible" in chart.alt
    assert "from lost: nobody was in it at the start of a step" in chart.alt
    assert texts(chart).count(words.DASH) == 2  # one cell, wide and narrow
    assert texts(chart).count("25.0 %") == 2 * 11


def test_value_that_cannot_be_computed_is_said():
    missing = VALUE.assign(value=[NotComputable("no model")] * 4)
    chart = make("value_by_stage", missing)
    assert texts(chart).count("no model") == 8
    assert "active: 10 customers, 10 %; no model" in chart.alt.replace(words.SPACE, " ")


def test_a_missing_share_is_refused():
    broken = mix()
    broken.loc[broken.index[-1], "share"] = np.nan
    with pytest.raises(PublishFailed, match="missing"):
        make("stage_mix", broken)


@pytest.mark.parametrize("name", ["stage_mix", "flow"])
def test_one_period_can_be_drawn(name):
    frame = SAMPLES[name][0]
    assert texts(make(name, frame[frame.snapshot == ENDS[-1]]))


@settings(deadline=None, max_examples=10, derandomize=True)
@given(st.lists(st.integers(0, 10**8), min_size=16, max_size=16).filter(any))
def test_any_moves_can_be_drawn(customers):
    pairs = [(start, end) for start in STAGES for end in STAGES]
    frame = pd.DataFrame(pairs, columns=["from_stage", "to_stage"]).assign(customers=customers)
    chart = make("alluvial", frame)
    for (_, end), count in zip(pairs, customers, strict=True):
        if count:
            assert f"{words.number(count)} to {end}" in chart.alt


def luminance(colour):
    # WCAG 2.2, relative luminance
    channels = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("palette", "paper"), [(0, "ffffff"), (1, "14191f")], ids=["light", "dark"])
def test_stages_fade_in_steps_and_maps_can_be_read(palette, paper):
    style = canvas._STYLE.split("@media")[palette]
    colours = dict(re.findall(r"--([\w-]+):#([0-9a-f]+)", style))
    to_paper = [contrast(colours[f"stage-{at}"], paper) for at in range(4)]
    assert min(to_paper) >= 3  # WCAG 1.4.11, graphics
    # a sequence by lightness alone, so that no kind of colour blindness mixes it up
    assert min(np.array(to_paper[:-1]) / to_paper[1:]) > 1.25
    assert contrast(colours["heat"], colours["ink"]) >= 4.5  # WCAG 1.4.3, text on the deepest square
