import pytest

from clvbook.errors import PublishFailed
from clvbook.report.checks import check_kpis, check_page, check_tables, require

GOOD = '<html><body><h1 id="a">x</h1><p id="b">y<br><a href="#a">z</a></p></body></html>'


def failed(html):
    return {result["name"]: result["detail"] for result in check_page(html, name="value") if not result["passed"]}


def test_a_good_page_passes():
    assert failed(GOOD) == {}


@pytest.mark.parametrize(
    ("fault", "name", "detail"),
    [
        ("<p>", "html_parses", "<p> is never closed"),
        ("</div>", "html_parses", "</div> closes nothing"),
        ("<script></script>", "no_script", "<script>"),
        ('<p onclick="x()"></p>', "no_script", "onclick on <p>"),
        ('<img alt="a" src="https://a.example/b.png">', "no_outside_address", "https://a.example/b.png"),
        ('<p style="background:url(//a.example)"></p>', "no_outside_address", "//a.example"),
        ("<style>@import 'x.css';</style>", "no_outside_address", "@import"),
        ('<img src="data:image/png;base64,AA==" alt=" ">', "figures_have_alt", "no alt text"),
        ("<svg><svg></svg></svg>", "figures_have_alt", "figure 1"),
        ("<h1>again</h1>", "one_h1", "2 h1 headings"),
        ('<p id="a"></p>', "unique_ids", "id 'a' again"),
    ],
)
def test_each_fault_is_named(fault, name, detail):
    html = GOOD.replace("</body>", f"{fault}</body>") if fault != "<p>" else GOOD + fault
    assert detail in failed(html)[name]


def test_a_page_too_heavy_to_open(monkeypatch):
    monkeypatch.setattr("clvbook.report.checks.PAGE_LIMIT", 10)
    assert failed(GOOD) == {"page_size": f"{len(GOOD)} bytes, at most 10"}


def test_a_kpi_has_a_value_or_a_reason():
    good = [
        {"name": "a", "label": "A", "value": 0, "text": "0"},
        {"name": "b", "label": "B", "value": None, "reason": "margin_rate is not set"},
    ]
    assert check_kpis(good, name="value")[0]["passed"]
    for bad in (
        {"name": "a", "label": "A", "value": None},
        {"label": "A", "value": 1},
        {"name": "a", "label": "A", "value": 1},
        "a",
    ):
        assert not check_kpis([bad], name="value")[0]["passed"]


def test_a_cell_that_a_spreadsheet_would_run_is_found(tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text('id,note,change\n1,"a,=b",-0.5\n2,\'=1+1,-1e-5\n', encoding="utf-8")
    assert check_tables([good], name="value")[0]["passed"]
    for cell in ("=1+1", "+1", "@SUM(A1)", "-cmd|x", '"\t=1"'):
        bad.write_text(f"id,note\n1,{cell}\n", encoding="utf-8-sig")
        result = check_tables([good, bad], name="value")[0]
        assert not result["passed"]
        assert result["detail"].startswith("bad.csv line 2: ")


def test_every_check_that_fails_is_told_at_once():
    with pytest.raises(PublishFailed) as caught:
        require([*check_page(GOOD, name="quality"), *check_page("<p>", name="value")])
    assert caught.value.fact.splitlines()[0] == "2 of 14 checks do not hold:"
    assert "  value: one_h1: 0 h1 headings" in caught.value.fact
