"""Charts of coming back say their numbers, leave out what cannot be computed, and mark what is not to be trusted."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import canvas, cohort_charts, words
from clvbook.report.sanitise import clean_svg

WHY = NotComputable("not enough data: 3 purchases, 100 needed")


def curve(days=800):
    day = np.arange(days)
    survival = 0.4 + 0.6 * np.exp(-day / 200)
    return pd.DataFrame({"day": day, "survival": survival, "low": survival - 0.01, "high": survival + 0.01})


BOUNDS = pd.DataFrame({"given": [45, 90, 180], "own": [132, 294, 505], "share": [0.5, 0.75, 0.9]})
RATES = pd.DataFrame({"silent_days": [0, 30, 60], "rate": [0.11, 0.09, 0.05], "low": [0.1, 0.08, 0.04], "high": 0.12})


def steps(lacking=()):
    rows = [
        (order, window, 0.1 * order, 0.1 * order - 0.02, 0.1 * order + 0.02, 0.09 * order)
        for order in range(1, 7)
        for window in (45, 90)
    ]
    frame = pd.DataFrame(rows, columns=["order", "window", "probability", "low", "high", "naive"]).astype(object)
    for order in lacking:
        frame.loc[frame.order == order, ["probability", "low", "high"]] = WHY
    return frame


def triangle(cohorts=8):
    names = pd.period_range("2026-01", periods=cohorts, freq="M").astype(str)
    frame = pd.DataFrame(pd.NA, index=names, columns=["size", *range(cohorts)], dtype="Float64")
    for row in range(cohorts):
        frame.iloc[row, 1 : cohorts - row + 1] = [1.0, *np.linspace(0.12, 0.04, cohorts - 1)][: cohorts - row]
    frame["size"] = 100
    return frame


# function: frame, keywords, words that its alt text must hold
SAMPLES = {
    "return_curve": (curve(), {"bounds": BOUNDS, "last_day": 700}, "by day 45 12.1 %, by day 132 29.0 %"),
    "return_rates": (RATES, {"mark": 180}, "after 30 days 9.0 % (8.0–12.0 %)"),
    "ladder": (steps(), {}, "10.0 % after purchase 1 (simply divided 9.0 %)"),
    "triangle": (triangle(), {}, "All cohorts together month 1: 12.0 %"),
}


def make(name, frame=None, title="What it says", **more):
    sample, keywords, _ = SAMPLES[name]
    return getattr(cohort_charts, name)(sample if frame is None else frame, title=title, **{**keywords, **more})


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
    things = vars(cohort_charts).items()
    public = {name for name, thing in things if getattr(thing, "__module__", "") == cohort_charts.__name__}
    assert {name for name in public if not name.startswith("_")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_chart_says_its_numbers_and_is_the_same_twice(name):
    chart = make(name)
    assert SAMPLES[name][2] in chart.alt.replace(words.SPACE, " ")
    assert chart.svg == make(name).svg
    cleaned = clean_svg(chart.svg, alt="a", number=1)
    assert cleaned.count("<path") == chart.svg.count("<path")
    assert "#0102" not in chart.svg
    assert "What it says" in texts(chart)
    assert "nan" not in chart.alt.lower()


@pytest.mark.parametrize("name", SAMPLES)
def test_without_a_frame_the_reason_stands_in_its_place(name):
    chart = make(name, WHY)
    assert isinstance(chart, canvas.Chart)
    assert WHY.reason in chart.alt


def test_a_curve_without_bounds_has_no_marks_and_is_read_to_its_end():
    chart = make("return_curve", bounds=WHY, last_day=WHY)
    assert "days by which this shop's customers returned" not in texts(chart)
    assert f"by day 799 {words.percent(1 - curve().survival.iloc[-1])}" in chart.alt
    assert "days by which this shop's customers returned" in texts(make("return_curve"))


def test_a_long_curve_is_no_heavier_than_a_short_one():
    assert len(make("return_curve", curve(5000), last_day=4999).svg) < 1.2 * len(make("return_curve").svg)


def test_a_step_that_is_not_computable_is_not_drawn():
    full, lacking = make("ladder"), make("ladder", steps(lacking=[6]))
    assert "after purchase 6" in full.alt
    assert "after purchase 6" not in lacking.alt
    assert len(lacking.svg) < len(full.svg)


def test_months_that_are_not_over_are_blank_and_doubtful_cohorts_starred():
    burn_in = pd.Series([True, *[False] * 7], index=triangle().index)
    chart = make("triangle", burn_in=burn_in)
    found = texts(chart)
    assert "2026-01* (100)" in found
    assert "2026-02 (100)" in found
    assert "With a star: 1 cohort" in chart.alt.replace(words.SPACE, " ")
    # month 1 of seven cohorts, wide and narrow; the eighth has only its own month
    assert found.count("12") == 2 * 7
    assert found.count(words.DASH) == 7 + 6  # where the blanks of a row begin; on a phone month 7 is cut off
    assert "star" not in make("triangle").alt


@pytest.mark.parametrize("cohorts", [1, 2, 26])
def test_few_and_many_cohorts_are_drawn(cohorts):
    frame = triangle(cohorts)
    chart = make("triangle", frame)
    assert {f"{cohort} (100)" for cohort in frame.index} <= set(texts(chart))
    assert len(chart.svg.encode()) < 75_000
    wide = "per cent, by months after it" + ("; the first 24" if cohorts > 24 else "")
    assert wide in texts(chart)


def test_a_mark_far_to_the_right_is_written_to_its_left():
    # the text ends at the line where more than half of the axis lies before it, and begins there otherwise
    for last, anchor in ((300, "end"), (720, "start")):
        frame = RATES.assign(silent_days=[0, last / 2, last])
        style = re.findall(r'style="([^"]*)"[^<]*>\u2002day 180', make("return_rates", frame).svg)
        assert len(style) == 2
        assert all(f"text-anchor: {anchor}" in look or (anchor == "start" and "anchor" not in look) for look in style)


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


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", '"><g onload="x"', "]]></svg>", "中文" * 30, "$\\frac{"]
)
def test_hostile_titles_stay_text(title):
    root = ET.fromstring(make("ladder", title=title).svg)  # noqa: S314  our own picture
    assert root.get("aria-label").startswith(title)
    assert not any("script" in element.tag or element.get("onload") for element in root.iter())


def test_colour_is_of_the_page_and_never_a_stage():
    assert not any("var(--stage-" in make(name).svg for name in SAMPLES)
