"""present/canvas.py: one picture in two widths whose texts say exactly what they were given."""

from clvbook.errors import NotComputable
from clvbook.present import canvas


def test_figures_in_texts_keep_their_digits():
    def paint(pen):
        axes = pen.axes(y="0.125 a unit", x="x")
        axes.plot([0, 1], [0.123456, 0.98765])
        axes.set_yticks([0.25, 0.75], ["0.25", "0.75"])

    made = canvas.draw(paint, title="0.36 came, 12.345 expected", alt="alt")
    for text in ["0.36 came, 12.345 expected", "0.125 a unit", ">0.25<", ">0.75<"]:
        assert made.svg.count(text) >= 2, text  # once in each drawing
    assert "0.123456" not in made.svg


def test_a_chart_without_a_frame_says_why():
    drawn = canvas.drawn(lambda frame, *, title: None)
    made = drawn(NotComputable("not enough data: 3 customers"), title="Who carries the value")
    assert "not enough data: 3 customers" in made.svg
    assert made.alt == "Who carries the value. not enough data: 3 customers"


def test_the_same_picture_has_the_same_bytes_and_no_outside_address():
    def paint(pen):
        pen.axes(y="y", x="x").plot([0, 1], [0, 1])

    first, second = (canvas.draw(paint, title="t", alt="a") for _ in range(2))
    assert first.svg == second.svg
    assert "http" not in first.svg.replace("http://www.w3.org/", "")
