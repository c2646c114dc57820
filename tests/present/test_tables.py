"""Tables escape what they show, keep figures apart from words, and leave no cell blank."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import NotComputable, PublishFailed
from clvbook.present import tables, words

FRAME = pd.DataFrame(
    {
        "source": ["Search", "小红书", "Friends", "all"],
        "customers": [4000, 2000, 12, 6012],
        "value": [71.2, 66.1, NotComputable("12 customers, 200 needed"), 69.3],
    }
)
COLUMNS = {
    "source": ("Source", words.text),
    "customers": ("Customers", words.number),
    "value": ("Value, CNY", words.money_in("CNY", digits=2)),
}


def soup(table):
    return BeautifulSoup(table._repr_html_(), "html.parser")


def test_caption_scopes_and_alignment():
    page = soup(tables.table(FRAME, caption="Value by source", columns=COLUMNS))
    assert page.caption.text == "Value by source"
    assert [th["scope"] for th in page.thead.find_all("th")] == ["col"] * 3
    assert [th["scope"] for th in page.tbody.find_all("th")] == ["row"] * 4
    first = page.tbody.tr.find_all(["th", "td"])
    assert [cell.text for cell in first] == ["Search", "4,000", "¥71.20"]
    assert [cell.get("class") for cell in first] == [None, ["figure"], ["figure"]]


def test_wide_tables_scroll_in_a_box_that_takes_the_focus():
    box = soup(tables.table(FRAME, caption="Value by source", columns=COLUMNS)).select_one(".scroll")
    assert (box["tabindex"], box["role"], box["aria-label"]) == ("0", "group", "Value by source")


def test_a_reason_stands_where_a_figure_cannot():
    page = soup(tables.table(FRAME, caption="c", columns=COLUMNS))
    assert [cell.text for cell in page.select("td.why")] == ["12 customers, 200 needed"]


def test_neighbours_that_share_a_reason_say_it_once():
    why, other = NotComputable("12 customers, 200 needed"), NotComputable("no cost")
    frame = pd.DataFrame([["a", why, why, other, 3]], columns=["name", "x", "y", "z", "n"], dtype=object)
    columns = {name: (name, words.text if name == "name" else words.number) for name in frame.columns}
    page = soup(tables.table(frame, caption="c", columns=columns))
    assert [(cell.text, cell.get("colspan")) for cell in page.select("tbody td")] == [
        ("12 customers, 200 needed", "2"),
        ("no cost", None),
        ("3", None),
    ]
    frame.loc[0, "name"] = why  # what names the row stands alone
    assert soup(tables.table(frame, caption="c", columns=columns)).select_one("tbody th").get("colspan") is None


def test_a_heading_may_be_a_reason():
    shown = tables.table(FRAME, caption="c", columns=COLUMNS | {"value": (NotComputable("no margin"), words.number)})
    assert "no margin" in repr(shown)
    assert "no margin" in shown.html


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_blank_cell_is_refused(missing):
    frame = pd.DataFrame({"source": ["a"], "customers": pd.Series([missing], dtype=object), "value": [1.0]})
    with pytest.raises(PublishFailed, match="1 value to print is missing"):
        tables.table(frame, caption="c", columns=COLUMNS)


def test_bars_are_shares_of_the_largest_and_the_total_has_none():
    page = soup(tables.table(FRAME, caption="c", columns=COLUMNS, bars=["customers"], total=True))
    assert [cell["style"] for cell in page.select("td.bar")] == ["--share:100.0%", "--share:50.0%", "--share:0.3%"]
    assert page.select_one("tr.total").th.text == "all"


def test_bars_skip_what_is_not_computable():
    page = soup(tables.table(FRAME, caption="c", columns=COLUMNS, bars=["value"]))
    assert len(page.select("td.bar")) == 3


def test_rows_left_out_are_counted_with_their_file():
    page = soup(tables.table(FRAME, caption="c", columns=COLUMNS, rows=1, total=True, file="sources.csv", note="Net."))
    assert len(page.tbody.find_all("tr")) == 2
    notes = page.select("p.note")
    assert notes[0].text.replace(words.SPACE, " ") == "and 2 more rows in tables/sources.csv"
    assert notes[0].a["href"] == "tables/sources.csv"
    assert notes[1].text == "Net."


def test_an_empty_frame_says_so():
    page = soup(tables.table(FRAME.head(0), caption="c", columns=COLUMNS, bars=["customers"]))
    assert page.tbody.text == "no rows"
    assert page.tbody.td["colspan"] == "3"
    page = soup(
        tables.table(NotComputable("only 31 customers"), caption="c", columns=COLUMNS, bars=["value"], total=True)
    )
    assert page.tbody.text == "only 31 customers"


def test_short_row_names_stay_on_one_line():
    frame = FRAME.head(2).assign(source=["October 2026", "A name that is longer than most"])
    page = soup(tables.table(frame, caption="c", columns=COLUMNS))
    assert [th.text for th in page.tbody.find_all("th")] == ["October\u00a02026", "A name that is longer than most"]


def test_plain_text_for_a_terminal():
    assert repr(tables.table(FRAME.head(1), caption="By source", columns=COLUMNS)).splitlines() == [
        "By source", "Source  Customers  Value, CNY", "Search      4,000      ¥71.20"
    ]  # fmt: skip


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    st.text(max_size=30) | st.sampled_from(["<script>alert(1)</script>", '"><img src=x onerror=y>', "'&amp;", "]]>"])
)
def test_hostile_text_stays_text(name):
    frame = pd.DataFrame({"source": [name], "customers": [1], "value": [1.0]})
    columns = COLUMNS | {"source": (name, words.text)}
    made = tables.table(frame, caption=name, columns=columns, note=f"x{name}", file=f"x{name}")
    page = soup(made)
    assert {tag.name for tag in page.find_all(True)} == set("div table caption span thead tbody tr th td p a".split())  # noqa: SIM905
    assert page.tbody.th.text.replace(words.SPACE, " ") == words.text(name).replace(words.SPACE, " ")
    assert not {key for tag in page.find_all(True) for key in tag.attrs if key.startswith("on")}
