import json
import time

import nbformat
import pytest

from clvbook.errors import BadParameters, PublishFailed
from clvbook.report import assemble, history
from clvbook.report.execution import Executed
from clvbook.report.manifest import Recipe
from clvbook.report.publish import Shelf
from clvbook.report.run import Run
from clvbook.settings import make_settings

KPI = {"name": "customers", "label": "Customers", "value": 7, "text": "7", "unit": None}
WRITES_A_TABLE = "import os, pathlib; pathlib.Path(os.environ['CLVBOOK_TABLES'], 'scored.csv').write_text('a\\n1\\n')"


def notebook(text):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1")])
    for at, cell in enumerate(nb.cells):
        cell.id = f"c{at}"
    return nb


class Bench:
    """A month assembled from notebooks that were never run: what they wrote and said is given."""

    def __init__(self, folder):
        self.shelf = Shelf(folder / "tiny")
        self.settings = make_settings({"shop": "tiny", "orders": "orders.csv", "month": "2026-10"})
        self.sources = {}

    def write(self, stem, text="# A question\n\nWhat is it?"):
        self.sources[stem] = nbformat.writes(notebook(text)).encode()

    def run(self, *, tables=None, **made):
        """Assemble the month from `made`: stem -> (kpis, names of tables); other notebooks are not run."""
        recipe = Recipe(self.settings, [{"path": "orders.csv", "sha256": "a" * 64, "bytes": 1}], self.sources)
        published = self.shelf.current("2026-10")
        run = Run(recipe, self.shelf, sorted(made), published, {}, tables, 1, lambda event: None, time.perf_counter())
        (run.staging / "notebooks").mkdir()
        for stem, (_, names) in made.items():
            for name in names:
                path = run.staging / "parts" / stem / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(stem)
        pages = {}
        for stem, (kpis, _) in made.items():
            executed = Executed(nbformat.reads(self.sources[stem], as_version=4), {"kpis": kpis}, 1.5)
            pages[stem] = assemble.one_page(run, stem, executed)
        found = assemble.month(run, pages)
        self.shelf.publish(run.staging, "2026-10")
        return found

    def path(self, name):
        return self.shelf.month("2026-10") / name


def test_what_a_page_comes_to_is_the_first_paragraph_that_it_says():
    shown = [
        {"text/html": "<table></table>", "text/plain": "a table"},
        {"text/html": '<p class="clv-banner">Beware.</p>', "text/plain": "Beware."},
        {"text/html": '<p class="clv-say">Spend &lt;1.</p>', "text/plain": "Spend <1."},
        {"text/html": '<p class="clv-say">More.</p>', "text/plain": "More."},
    ]
    nb = notebook("# A question")
    nb.cells[1].outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    assert assemble._answer(Executed(nb, {}, 1.0)) == "Spend <1."


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_page_is_recorded_with_its_title_its_question_and_its_tables(bench, tmp_path):
    bench.write("1_value", "# What it is worth\n\nWho is worth what?\n\n## Not this one")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "set_aside.csv").write_text("reason\n")
    found = bench.run(**{"1_value": ([KPI], ["scored.csv", "by_month/2026-10.csv"])}, tables=tmp_path / "given")
    record = found["pages"]["value"]
    assert (record["title"], record["lead"], record["href"]) == ("What it is worth", "Who is worth what?", "value.html")
    assert record["answer"] == ""  # it says nothing
    assert record["tables"] == {"tables/by_month/2026-10.csv": 7, "tables/scored.csv": 7}
    assert (record["carried"], record["seconds"]["executed"]) == (None, 1.5)
    assert found["kpis"] == [KPI | {"page": "value"}]
    assert (found["index"], found["revision"], found["left_out"]) == ("month", 1, [])
    assert json.loads(bench.path("manifest.json").read_text()) == found
    assert bench.path("tables/scored.csv").read_text() == "1_value"
    assert bench.path("tables/set_aside.csv").read_text() == "reason\n"
    assert (tmp_path / "given" / "set_aside.csv").exists()  # what the caller gave stays with the caller
    assert not bench.path("parts").exists()
    assert "What it is worth" in bench.path("index.html").read_text()


def test_two_pages_may_not_give_one_name_to_two_figures(bench):
    bench.write("1_quality")
    bench.write("2_value")
    for kpis in ({"1_quality": [KPI], "2_value": [KPI]}, {"1_quality": [], "2_value": [KPI, KPI]}):
        with pytest.raises(PublishFailed, match="index: kpis_have_one_name: customers"):
            bench.run(**{stem: (made, []) for stem, made in kpis.items()})
    assert not bench.path("").exists()
    bench.run(**{"1_quality": ([KPI], []), "2_value": ([KPI | {"name": "buyers"}], [])})
    with pytest.raises(PublishFailed, match="index: kpis_have_one_name: customers"):
        bench.run(**{"2_value": ([KPI], [])})  # the page that is carried over has that name already
    assert bench.run(**{"2_value": ([], [])})["kpis"] == [KPI | {"page": "quality"}]


def test_no_table_takes_the_place_of_another(bench, tmp_path):
    bench.write("1_quality")
    bench.write("2_value")
    with pytest.raises(PublishFailed, match=r"tables/scored\.csv: written twice"):
        bench.run(**{"1_quality": ([], ["scored.csv"]), "2_value": ([], ["scored.csv"])})
    (tmp_path / "scored.csv").write_text("given\n")
    with pytest.raises(PublishFailed, match=r"tables/scored\.csv: written twice"):
        bench.run(**{"1_quality": ([], ["scored.csv"])}, tables=tmp_path)
    bench.run(**{"1_quality": ([], ["scored.csv"]), "2_value": ([], ["a/scored.csv"])})
    assert bench.path("tables/a/scored.csv").read_text() == "2_value"
    with pytest.raises(PublishFailed, match=r"tables/scored\.csv: written twice"):
        bench.run(**{"2_value": ([], ["scored.csv"])})  # the page that is carried over brings its own
    assert bench.path("tables/scored.csv").read_text() == "1_quality"


def test_a_page_is_carried_over_with_its_files_from_the_revision_that_made_it(bench):
    bench.write("1_quality")
    bench.write("2_value")
    bench.run(**{"1_quality": ([KPI], ["aside.csv"]), "2_value": ([], ["scored.csv"])})
    names = ["quality.html", "notebooks/1_quality.ipynb", "tables/aside.csv"]
    before = [bench.path(name).read_bytes() for name in names]
    for revision in (2, 3):
        found = bench.run(**{"2_value": ([], ["scored.csv"])})
        assert found["revision"] == revision
        assert found["pages"]["quality"]["carried"] == 1  # made in the first, whoever carried it since
        assert found["pages"]["value"]["carried"] is None
        assert [bench.path(name).read_bytes() for name in names] == before
        assert {"quality.html", "tables/aside.csv"} < {entry["path"] for entry in found["outputs"]}


def test_a_page_that_would_come_out_otherwise_is_left_out_and_named(bench):
    bench.write("1_quality")
    bench.write("2_value")
    bench.run(**{"1_quality": ([KPI], ["aside.csv"]), "2_value": ([], [])})
    bench.write("1_quality", "Text first.\n\n# Another question")
    found = bench.run(**{"2_value": ([], [])})
    assert found["left_out"] == [{"name": "quality", "title": "Another question"}]
    assert set(found["pages"]) == {"value"}
    assert found["kpis"] == []
    assert not bench.path("quality.html").exists()
    assert not bench.path("tables/aside.csv").exists()
    assert "Another question" in bench.path("index.html").read_text()


# ---- the same, through a whole run


def test_only_carries_over_what_would_come_out_the_same(desk):
    desk.write("1_first", WRITES_A_TABLE, kpis=[KPI])
    desk.write("2_second", "print('old')")
    desk.run()
    names = ["first.html", "tables/scored.csv"]
    first = [(desk.month / name).read_bytes() for name in names]
    desk.write("2_second", "print('new')")
    assert desk.run(only=["second"]).revision == 2
    assert [(desk.month / name).read_bytes() for name in names] == first
    assert "new" in (desk.month / "second.html").read_text()
    assert desk.manifest()["pages"]["first"]["carried"] == 1
    assert desk.manifest()["kpis"] == [KPI | {"page": "first"}]
    assert desk.run().status == "current"  # nothing is left that a whole run would make otherwise
    desk.run(only=["2_second"], margin_rate=0.5)
    assert not (desk.month / "first.html").exists()
    assert desk.manifest()["left_out"] == [{"name": "first", "title": "A question"}]
    assert desk.run(only=["2_second"], margin_rate=0.5).status == "current"
    with pytest.raises(BadParameters, match="no such notebook\nHint: did you mean 2_second"):
        desk.run(only=["2_secnd"])


def test_notebook_0_makes_the_months_page(desk):
    desk.write("0_summary", "print('for a manager')")
    desk.write("1_value", kpis=[KPI])
    index = desk.run().index.read_text()
    assert "for a manager" in index
    assert all((desk.month / name).exists() for name in ("value.html", "notebooks/0_summary.ipynb"))


def test_a_page_that_does_not_hold_is_not_published(desk):
    desk.write(
        "1_value",
        WRITES_A_TABLE.replace("1", "=1"),
        "from IPython.display import display; display({'image/svg+xml': '<svg/>'}, raw=True)",
        title="# One\n\n# Two",
        kpis=[KPI, {"name": "n", "label": "N", "value": None}],
    )
    with pytest.raises(PublishFailed) as caught:
        desk.run()
    for name in ("figures_have_alt", "one_h1", "kpis_have_value_or_reason", "tables_hold_no_formula"):
        assert f"value: {name}: " in caught.value.fact
    assert not desk.month.exists()


def test_a_page_without_a_single_figure_gives_its_answer_alone(bench):
    bench.write("1_value")
    known, missing = KPI, KPI | {"name": "worth", "label": "Worth", "value": None, "text": "", "reason": "no margin"}
    found = bench.run(**{"1_value": ([known, missing], [])})
    page = found["pages"]["value"]
    both = history.month_page(found, {"2026-10": found})
    assert both.count('<span class="label">') == 2
    found["kpis"] = [missing | {"page": "value"}]
    assert history.month_page(found, {"2026-10": found}).count('<span class="label">') == 1  # nothing else is said
    page["answer"] = "Not computable: no margin."
    alone = history.month_page(found, {"2026-10": found})
    assert "Not computable: no margin." in alone
    assert '<span class="label">' not in alone


def test_a_figure_stands_beside_that_of_the_month_before_if_there_was_one(bench):
    bench.write("1_value")
    found = bench.run(**{"1_value": ([KPI], [])})
    earlier = found | {"month": "2026-09", "kpis": [KPI | {"page": "value", "text": "5", "value": 5}]}
    assert "5 in September 2026" in history.month_page(found, {"2026-09": earlier, "2026-10": found})
    earlier["kpis"] = [KPI | {"page": "value", "text": "too few days", "value": None, "reason": "too few days"}]
    assert "too few days" not in history.month_page(found, {"2026-09": earlier, "2026-10": found})
