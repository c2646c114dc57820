"""output.py: tables that a spreadsheet may open, and an end mark that refuses a blank figure."""

from datetime import date

import ibis
import pandas as pd
import pytest

from clvbook.book import output
from clvbook.errors import NotComputable

HOSTILE = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", " =1", "＝1", "\u3000＠x", "plain", None, '"quoted", 中文']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(output.FOLDER, str(tmp_path))
    return tmp_path


def test_a_table_is_written_twice_and_no_formula_reaches_a_spreadsheet(folder):
    frame = pd.DataFrame({"who": HOSTILE, "value": [-1.5] * len(HOSTILE)})
    output.save_table(ibis.duckdb.connect(), frame, "people")
    assert sorted(path.name for path in folder.iterdir()) == ["people.csv", "people.parquet"]
    raw = (folder / "people.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    written = pd.read_csv(folder / "people.csv", keep_default_na=False)
    assert [text[:1] for text in written.who[:8]] == ["'"] * 8
    assert list(written.who[8:]) == ["plain", "", '"quoted", 中文']
    assert (written.value == -1.5).all()  # a negative number is no formula
    kept = pd.read_parquet(folder / "people.parquet")
    assert [None if pd.isna(text) else text for text in kept.who] == HOSTILE


def test_the_same_table_has_the_same_bytes(folder):
    frame = pd.DataFrame({"n": range(50_000), "name": [f"c{i % 997}" for i in range(50_000)]})
    written = []
    for _ in range(2):
        output.save_table(ibis.duckdb.connect(), frame, "same")
        written.append([(folder / name).read_bytes() for name in ("same.csv", "same.parquet")])
    assert written[0] == written[1]


def test_outside_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv(output.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    output.save_table(ibis.duckdb.connect(), pd.DataFrame({"a": [1]}), "t")
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_computed_is_not_written(folder):
    output.save_table(ibis.duckdb.connect(), NotComputable("not enough data"), "t")
    assert list(folder.iterdir()) == []


def test_the_end_mark_carries_figures_reasons_checks_and_forecasts():
    mark = output.EndMark(
        "customer_value",
        [
            output.Kpi("customers", "Customers", 2357, "2,357", unit="customers"),
            output.Kpi("profit", "Profit", NotComputable("margin_rate is not set"), "margin_rate is not set"),
        ],
        {"reconciles": (True, "to the cent")},
        [output.Forecast("orders", date(2026, 10, 31), date(2026, 11, 1), date(2027, 10, 31), 10.5, 9, 12)],
    )
    shown = mark._repr_mimebundle_()
    content = shown[output.END_MARK]
    assert content["kpis"][0]["value"] == 2357
    assert (content["kpis"][1]["value"], content["kpis"][1]["reason"]) == (None, "margin_rate is not set")
    assert content["checks"] == [{"name": "reconciles", "passed": True, "detail": "to the cent"}]
    assert content["forecasts"][0] == {
        "name": "orders",
        "made_on": "2026-10-31",
        "from": "2026-11-01",
        "to": "2027-10-31",
        "value": 10.5,
        "low": 9,
        "high": 12,
    }
    assert "Customers: 2,357" in shown["text/plain"]


def test_a_blank_figure_is_refused():
    with pytest.raises(ValueError, match="NotComputable"):
        output.Kpi("x", "X", float("nan"), "").as_json()


def test_a_figure_that_cannot_be_computed_is_empty_with_its_reason_beside(folder):
    why = NotComputable("not enough data: 3 buyers")
    frame = pd.DataFrame(
        {"name": ["a", "b"], "ratio": [1.5, why], "p": [why, why], "sure": [True, False]}, dtype=object
    )
    output.save_table(ibis.duckdb.connect(), frame, "campaigns")
    read = pd.read_parquet(folder / "campaigns.parquet")
    assert read.ratio.isna().tolist() == [False, True]
    assert read.ratio[0] == 1.5
    assert read.p.isna().all()
    assert read.sure.tolist() == [True, False]
    assert list(read.not_computable) == [f"p: {why}", f"ratio: {why}; p: {why}"]
    output.save_table(ibis.duckdb.connect(), frame[["name", "sure"]], "whole")
    assert list(pd.read_parquet(folder / "whole.parquet")) == ["name", "sure"]
