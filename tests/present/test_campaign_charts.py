"""Campaign charts: every figure is in the alt text, what is not known is said, a verdict is never a colour alone."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import campaign_charts as charts
from clvbook.present import words

FEW = NotComputable("not enough data: 3 buyers of 900 customers")
VERDICTS = ["pass", "fail", "not enough data"]
YUAN = words.money_in("CNY")


def samples():
    """One sample of every chart: frame, keywords, words that its alt text must hold."""
    rows = pd.DataFrame(
        {"name": ["Spring", "双11 预热", "Late"], "low": [0.004, 0.001, 0.0], "high": [0.02, 0.002, 0.2]}
    )
    forest = {
        "name": ["Spring", "双11 预热", "Late", "None"],
        "effect": [1.5, -2.0, 0.3, FEW],
        "low": [0.5, -90.0, -1.0, FEW],
        "high": [2.5, 1.0, 1.5, FEW],
        "shrunken": [1.0, 0.2, FEW, FEW],
        "p_holm": [0.0004, 0.74, FEW, FEW],
        "trustworthy": [True, True, False, True],
        "verdict": ["paid", "did not pay", "not enough data", "not enough data"],
    }
    by_day = {"day": [1, 7, 30], "effect": [1.0, 5.0, 2.0], "low": [-3.0, 1.0, -9.0], "high": [3.0, 9.0, 12.0]}
    parts = {
        "dimension": ["stage", "stage", "channel"],
        "segment": ["active", "lost", "sms"],
        "effect": [1.0, -1.0, 0.2],
        "low": [0.5, -2.0, -0.1],
        "high": [1.5, 0.1, 0.5],
        "p_holm": [0.012, 0.012, FEW],
    }
    sizes = {
        "customers": [500, 5_000, 50_000],
        "smallest_difference": [FEW, 0.023, 0.006],
        "smallest_lift": [FEW, 1.35, 0.35],
    }
    return {
        "bars_of_campaigns": (
            rows.assign(conversion=[0.01, 0.0015, 0.05], target=0.003, verdict=VERDICTS),
            {},
            ["target 0.3 %", "Spring: 1.0 % (0.4–2.0 %), pass", "双11 预热: 0.2 % (0.1–0.2 %), fail"],
        ),
        "ratio": (
            pd.DataFrame(
                {
                    "name": ["Spring", "Autumn", "Gift"],
                    "ratio": [44.0, 12.5, FEW],
                    "low": [35.0, FEW, FEW],
                    "high": [60.0, 200.0, FEW],
                    "target": 30.0,
                    "verdict": ["pass", "not enough data", "not enough data"],
                }
            ),
            {},
            ["target 1:30", "Spring: 1:44 (1:35 to 1:60), pass", f"Autumn: 1:12.5 ({FEW}), not", f"Gift: {FEW}, not"],
        ),
        "forest": (
            pd.DataFrame(forest),
            {"x": "revenue a customer", "form": YUAN, "pooled": (0.6, 0.1, 1.1)},
            [
                "Spring: ¥1.50 (¥0.50–2.50), pulled towards the average ¥1.00, p < 0.001, paid",
                "p 0.74, did not pay",
                "not comparable",
                f"None: {FEW}",
                "all together: ¥0.60 (¥0.10–1.10)",
            ],
        ),
        "cumulative": (
            pd.DataFrame(by_day),
            {"y": "all", "currency": "CNY", "attribution_days": 7},
            ["ends on day 7", "day 30: ¥2.00 (−¥9.00 to ¥12.00)"],
        ),
        "windows": (
            pd.DataFrame({"window_days": [1, 7, 30], "revenue": [5e3, 3e4, 2e6], "campaigns": [24, 24, 23]}),
            {"currency": "CNY", "chosen": 7},
            ["1 day: ¥5,000", "30 days: ¥2.00 million", "uses 7 days"],
        ),
        "segments": (
            pd.DataFrame(parts),
            {"x": "revenue a customer", "form": YUAN, "overall": 0.6},
            ["everybody: ¥0.60", "stage (differ, p 0.012)", "lost −¥1.00 (−¥2.00 to ¥0.10)", "channel (not tested)"],
        ),
        "planning": (
            pd.DataFrame(sizes),
            {"observed": 0.01},
            [
                f"500 customers: {FEW}",
                "5,000 customers: +2.3 points",
                "This shop: +1.0 points; seen from 50,000 customers",
            ],
        ),
        "pressure": (
            pd.DataFrame({"messages": ["0", "10+"], "customers": [4737, 12], "conversion_observational": [0.05, 0.25]}),
            {},
            ["observational", "10+: 12 customers, 25.0 % bought"],
        ),
    }


SAMPLES = samples()


def make(name, **more):
    frame, keywords, _ = SAMPLES[name]
    return getattr(charts, name)(frame, title="What it says", **(keywords | more))


def drawings(chart):
    """What the wide and the narrow drawing have written, as text."""
    root = ET.fromstring(chart.svg)  # noqa: S314  our own picture
    return ["\n".join(part.itertext()).replace(words.SPACE, " ") for part in root if part.get("class")]


def test_every_chart_is_tested():
    public = {name for name, thing in vars(charts).items() if getattr(thing, "__module__", "") == charts.__name__}
    assert {name for name in public if not name.startswith("_")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_one_svg_whose_alt_text_has_the_numbers(name):
    chart = make(name)
    root = ET.fromstring(chart.svg)  # noqa: S314  our own picture
    assert root.get("aria-label") == chart.alt
    assert chart.alt.startswith("What it says. ")
    for said in SAMPLES[name][2]:
        assert said in chart.alt.replace(words.SPACE, " ")
    assert make(name, alt="In my words").alt == "In my words"
    assert chart.svg == make(name).svg
    plain = re.sub(r"<style>.*?</style>", "", chart.svg, flags=re.DOTALL)
    assert "nan" not in plain.lower()
    assert not re.search("#01020[3-8]", plain)
    assert len(chart.svg) < 40_000


@pytest.mark.parametrize("name", SAMPLES)
def test_no_rows_are_said_not_drawn(name):
    frame, keywords, _ = SAMPLES[name]
    chart = getattr(charts, name)(frame.head(0), title="What it says", **keywords)
    assert chart.alt == "What it says. Nothing to draw: the data have 0 rows for this."
    chart = getattr(charts, name)(FEW, title="What it says", **keywords)
    assert chart.alt == f"What it says. {FEW}"


@pytest.mark.parametrize(("name", "column"), [("ratio", "low"), ("forest", "shrunken"), ("segments", "effect")])
def test_a_missing_figure_is_refused(name, column):
    frame, keywords, _ = SAMPLES[name]
    frame = frame.assign(**{column: [np.nan, *frame[column][1:]]})
    with pytest.raises(PublishFailed, match="missing"):
        getattr(charts, name)(frame, title="t", **keywords)


@pytest.mark.parametrize("name", ["bars_of_campaigns", "ratio"])
def test_verdict_and_target_are_written(name):
    for text in drawings(make(name)):
        for verdict in SAMPLES[name][0]["verdict"]:
            assert verdict in text
        assert re.search(r"target (0\.3 %|1:30)", text)


def test_each_campaign_may_have_a_target_of_its_own():
    frame = SAMPLES["bars_of_campaigns"][0].assign(target=[0.003, 0.003, 0.01])
    chart = charts.bars_of_campaigns(frame, title="t")
    assert "target by campaign" in chart.alt
    assert "target 0.3" not in drawings(chart)[0]


def test_a_ratio_that_is_not_known_says_why_in_its_row():
    wide, narrow = drawings(make("ratio"))
    assert "not enough data: 3 buyers of 900 customers" in wide
    assert "not enough data: 3 buyers of" in narrow


def test_forest_names_what_is_not_comparable_and_the_pooled_effect():
    for text in drawings(make("forest")):
        assert "not comparable" in text
        assert "pulled towards the average" in text
        assert "all together" in text
    chart = make("forest", pooled=NotComputable("no campaign has a holdout"))
    assert chart.alt.endswith("all together: no campaign has a holdout.")
    assert all("no campaign has a holdout" in text for text in drawings(chart))
    assert "all together" not in make("forest", pooled=None).alt


def test_forest_of_nothing_but_reasons():
    frame = SAMPLES["forest"][0].tail(1)
    chart = charts.forest(frame, title="t", x="revenue", form=YUAN, pooled=FEW)
    assert str(FEW) in drawings(chart)[0]


def test_segments_say_where_differences_are_more_than_chance():
    for text in drawings(make("segments")):
        assert "differ, p 0.012" in text
        assert "not tested" in text
        assert "everybody ¥0.60" in text
    assert "stage (may be chance, p 0.012)" in make("segments", confidence=0.99).alt.replace(words.SPACE, " ")


def test_segments_apart_in_the_frame_stand_together():
    frame, keywords, _ = SAMPLES["segments"]
    together = charts.segments(frame, title="t", **keywords)
    assert charts.segments(frame.iloc[[0, 2, 1]], title="t", **keywords).svg == together.svg


def test_windows_of_orders_have_no_currency():
    frame = pd.DataFrame({"window_days": [1, 7], "orders": [440.0, 2197.0]})
    chart = charts.windows(frame, title="t")
    assert chart.alt == "t. Orders after a message, by window. 1 day: 440; 7 days: 2,197.".replace(
        " day", f"{words.SPACE}day"
    )
    assert "orders after a message" in drawings(chart)[0]


def test_planning_says_that_no_size_would_do():
    assert make("planning", observed=0.001).alt.endswith("seen by none of these.")
    assert "This shop" not in make("planning", observed=None).alt
    assert make("planning", observed=FEW).alt.endswith(f"This shop: {FEW}.")
    assert "5,000 customers: 135.0 %" in make("planning", lift=True, observed=0.4).alt.replace(words.SPACE, " ")
    assert "this shop" not in drawings(make("planning", observed=-0.01))[0]  # below 0 a log axis has no place


def test_planning_where_no_size_shows_anything():
    frame = SAMPLES["planning"][0].head(1)
    assert str(FEW) in charts.planning(frame, title="t", observed=0.01).alt


def test_pressure_is_called_observational():
    assert all("observational" in text for text in drawings(make("pressure")))


def test_twenty_four_campaigns_fit_a_page():
    frame = pd.concat([SAMPLES["bars_of_campaigns"][0]] * 8, ignore_index=True)
    assert len(charts.bars_of_campaigns(frame, title="t").svg) < 80_000


money = st.floats(-1e7, 1e7, allow_subnormal=False).map(lambda value: round(value, 2))


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.tuples(money, money, money), min_size=1, max_size=4))
def test_any_figures_can_be_drawn(rows):
    low, value, high = np.sort(np.array(rows), axis=1).T
    names = ["$\\frac{", "<script>", "中文" * 30, "a" * 200][: len(rows)]
    frame = pd.DataFrame({"name": names, "low": low, "high": high, "verdict": "pass", "target": 30.0})
    told = charts.ratio(frame.assign(ratio=value), title="t")
    frame = frame.assign(effect=value, shrunken=value, p_holm=0.5, trustworthy=True)
    more = charts.forest(frame, title="t", x="x", form=YUAN, pooled=(value[0], low[0], high[0]))
    for chart in (told, more):
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(chart.svg).iter()}  # noqa: S314
        assert tags <= {"svg", "style", "g", "path", "text", "use", "defs", "clipPath", "rect", "tspan"}
