"""Tiles say name, figure, how sure, and a status in a word."""

from bs4 import BeautifulSoup

from clvbook.errors import NotComputable
from clvbook.present.tiles import SHAPES, Tile, tiles


def soup(*several):
    return BeautifulSoup(tiles(*several)._repr_html_(), "html.parser")


def test_label_value_detail():
    page = soup(Tile("Worth", "¥1.20\u00a0million", detail="95 % interval ¥1.15–1.26 million"))
    assert page.select_one(".label").text == "Worth"
    assert page.select_one(".value").text == "¥1.20 million"  # breaks at the space where the tile is narrow
    assert page.select_one(".detail").text == "95 % interval ¥1.15–1.26 million"


def test_a_reason_stands_in_place_of_the_value():
    page = soup(Tile("Profit", NotComputable("margin_rate is not set")))
    assert page.select_one(".why").text == "margin_rate is not set"
    assert page.select_one(".value") is None
    assert soup(Tile("Profit", "margin_rate is not set")).select_one(".why")


def test_status_is_a_word_and_a_shape():
    page = soup(*(Tile("x", "1", status=status, status_word=f"is {status}") for status in SHAPES))
    said = [span.text for span in page.select(".status")]
    assert said == [f"{shape} is {status}" for status, shape in SHAPES.items()]
    assert len(set(SHAPES.values())) == len(SHAPES)
    assert all(mark["aria-hidden"] == "true" for mark in page.select(".status > span"))


def test_text_from_data_is_escaped():
    page = soup(Tile("<b>x", '<script>"', detail="<i>", status="bad", status_word="<u>"))
    assert {tag.name for tag in page.find_all(True)} == {"ul", "li", "span"}


def test_plain_text_for_a_terminal():
    both = tiles(Tile("Customers", "2,357", detail="402 new"), Tile("Profit", NotComputable("margin_rate is not set")))
    assert repr(both) == "Customers: 2,357 (402 new)\nProfit: margin_rate is not set"
