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


def test_neighbours_that_look_alike_share_one_look():
    def paint(pen):
        axes = pen.axes()
        axes.set_xlim(0, 9)
        for at in range(1, 8):
            axes.bar(at, 1, color="#010207")
            axes.text(at, 0.5, ' style="font-size: 12px"')

    svg = canvas.draw(paint, title="t", alt="a").svg
    for part in svg.split('<svg class="')[1:]:
        assert part.count("fill: var(--accent)") == 1
        assert part.count("<path d=") >= 7
        assert part.count('> style="font-size: 12px"<') == 7  # what a text says is nobody's look


def test_a_look_that_a_group_would_blend_otherwise_stays_with_each():
    def paint(pen):
        axes = pen.axes()
        for at in (1, 1.2, 1.4):
            axes.bar(at, 1, color="#010207", alpha=0.5)

    for part in canvas.draw(paint, title="t", alt="a").svg.split('<svg class="')[1:]:
        assert not [group for group in part.split("<g ")[1:] if " opacity" in group.split(">")[0]]
