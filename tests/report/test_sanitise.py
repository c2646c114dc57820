import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvbook.errors import PublishFailed
from clvbook.report.checks import Page
from clvbook.report.sanitise import clean_html, clean_markdown, clean_svg, local

# Ways in which markup runs code or fetches; OWASP's XSS filter evasion cheat sheet names most of them.
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='//evil.example/x'>x</a>",
    "<a href='https://evil.example'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<div style=\"background:url('https://evil.example/x.png')\">x</div>",
    '<div style="width:expression(alert(1))">x</div>',
    "<style>@import 'https://evil.example'</style>",
    "<form action='https://evil.example'><input></form>",
    "<object data='https://evil.example'></object>",
    "<base href='https://evil.example'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href='https://evil.example'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "</main></body><script>alert(1)</script>",
]


def faults(fragment):
    found = Page(f"<body><h1>x</h1>{fragment}</body>").faults
    return {name: found[name] for name in ("html_parses", "no_script", "no_outside_address") if found[name]}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_markup_does_not_pass(hostile):
    assert faults(clean_html(hostile)) == {}
    assert faults(clean_markdown(hostile, trusted=True)) == {}
    assert faults(clean_markdown(hostile, trusted=False)) == {}


def test_the_checks_see_what_the_wall_stops():
    assert sum(bool(faults(hostile)) for hostile in HOSTILE) >= len(HOSTILE) - 2


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<b>", "</div>", "<td", '"', "'", ">", "<!--", "text", "&lt;", "`", "\n\n"]),
        max_size=8,
    )
)
def test_no_mixture_passes_either(parts):
    assert faults(clean_html("".join(parts))) == {}
    assert faults(clean_markdown("".join(parts), trusted=False)) == {}


def test_a_table_of_ours_passes_as_it_is():
    table = (
        '<div class="clv-table"><div class="scroll" role="group" tabindex="0" aria-label="Orders">'
        '<table><caption><span>Orders</span></caption><thead><tr><th scope="col">Month</th></tr></thead>'
        '<tbody><tr class="total"><td class="figure bar" style="--share:57.1%;">¥1 &lt; 2</td></tr></tbody>'
        "</table></div>"
        '<p class="note">Also in <a href="tables/orders.csv">tables/orders.csv</a></p></div>'
    )
    assert clean_html(table) == table


def test_money_in_markdown_is_no_formula():
    assert (
        clean_markdown("Between $5 and $6, **so**", trusted=False) == "<p>Between $5 and $6, <strong>so</strong></p>\n"
    )


def test_addresses_stay_inside():
    for inside in ("#part", "tables/a.csv", "../index.html", "value.html#x", "./a"):
        assert local(inside)
    for outside in ("", "http://a", "//a", "javascript:x", "data:text/html,x", "mailto:a@b", " https://a", "\\\\a"):
        assert not local(outside)


SVG = """<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" onload="alert(1)">
<metadata><a href="https://evil.example">x</a></metadata>
<defs><clipPath id="p1"><rect width="1"/></clipPath><g id="m1"/></defs>
<script>alert(1)</script><foreignObject><p>x</p></foreignObject>
<style>.a{fill:url(https://evil.example)}</style><style>.b > g{fill:red}</style>
<g clip-path="url(#p1)"><use xlink:href="#m1" x="1"/><use xlink:href="https://evil.example#m"/>
<a xlink:href="javascript:alert(1)"><text>gone</text></a>
<text x="1">3 &lt; 4 <tspan>&amp;</tspan> more</text></g></svg>"""


def test_a_figure_keeps_its_shapes_its_name_and_ids_of_its_own():
    figure = clean_svg(SVG, alt='Orders "by" month <3', number=2)
    assert figure == (
        '<svg width="9" role="img" aria-label="Orders &quot;by&quot; month &lt;3">'
        '<defs><clipPath id="f2-1"><rect width="1"></rect></clipPath><g id="f2-2"></g></defs>'
        "<style>.b &gt; g{fill:red}</style>"
        '<g clip-path="url(#f2-1)"><use href="#f2-2" x="1"></use><use></use>'
        '<text x="1">3 &lt; 4 <tspan>&amp;</tspan> more</text></g></svg>'
    )
    assert faults(figure) == {}
    assert Page(f"<h1>x</h1>{figure}").faults["figures_have_alt"] == []


@pytest.mark.parametrize("broken", ["<svg>", "<div/>", "", '<!DOCTYPE svg [<!ENTITY a "b">]><svg/>'])
def test_what_is_no_figure_is_told(broken):
    with pytest.raises(PublishFailed, match="figure 1 cannot be read as SVG"):
        clean_svg(broken, alt="x", number=1)
