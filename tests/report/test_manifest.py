import pytest

from clvbook.report.manifest import Recipe, changes, month_key, package_digest, page_name, read
from clvbook.settings import make_settings


def recipe(sha="a", source=b"{}", **values):
    settings = make_settings({"shop": "tiny", "orders": "o.csv", "month": "2026-10", **values})
    return Recipe(settings, [{"path": "o.csv", "sha256": sha, "bytes": 1}], {"1_value": source, "2_other": b"{}"})


def test_a_key_is_the_same_for_the_same_recipe_and_another_for_any_other():
    keys = {
        recipe().page_key("1_value"),
        recipe(sha="b").page_key("1_value"),
        recipe(source=b"{ }").page_key("1_value"),
        recipe(seed=2).page_key("1_value"),
        recipe(month="2026-09").page_key("1_value"),
    }
    assert len(keys) == 5
    assert recipe().page_key("1_value") == recipe().page_key("1_value")


def test_what_changes_only_speed_is_in_no_key():
    fast = recipe(engine_threads=2, engine_memory="8GB", cell_timeout_seconds=9, run_timeout_seconds=9)
    assert fast.page_key("1_value") == recipe().page_key("1_value")


def test_another_notebook_leaves_a_pages_key_alone():
    assert recipe(source=b"{ }").page_key("2_other") == recipe().page_key("2_other")
    a, b = {"key": "a"}, {"key": "b"}
    assert month_key({"x": a, "y": b}) != month_key({"x": a})


@pytest.mark.parametrize(
    ("stem", "name"),
    [("2_customer_value", "customer_value"), ("0_summary", "index"), ("notes", "notes"), ("10_a", "a")],
)
def test_page_names(stem, name):
    assert page_name(stem) == name


def test_the_packages_hash_sees_every_file(tmp_path):
    (tmp_path / "a.py").write_text("1")
    one = package_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert package_digest(tmp_path) == one
    (tmp_path / "b.j2").write_text("")
    two = package_digest(tmp_path)
    (tmp_path / "b.j2").rename(tmp_path / "c.j2")
    assert len({one, two, package_digest(tmp_path)}) == 3


def test_changes_are_told_in_words():
    old = {"inputs": recipe().inputs, "settings": recipe().parameters, "versions": recipe().versions | {"numpy": "1.0"},
           "code": "other", "pages": {"value": {"notebook": "1_value", "source": "other"}}}  # fmt: skip
    said = changes(old, recipe(sha="b", margin_rate=0.4, engine_threads=3))
    assert said[0] == "Restated data: 1 of 1 input files are new or changed."
    assert said[1] == "margin_rate: not set before, 0.4 now."
    assert said[2].startswith("numpy 1.0 before, ")
    assert said[3:] == ["The program itself changed.", "Changed notebooks: 1_value."]
    assert changes(None, recipe()) == []


def test_a_manifest_of_another_schema_is_not_read(tmp_path):
    assert read(tmp_path) is None
    for text in ("", "[]", '{"schema": 99}'):
        (tmp_path / "manifest.json").write_text(text)
        assert read(tmp_path) is None
