"""The house rules that a machine can keep: imports, folders, notebooks, one list of versions, commands that exist."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from clvbook.cli import main
from clvbook.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "lib" / "clvbook"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMS = sorted((ROOT / "params").glob("*.yml"))

ANALYSES = ["lifecycle", "campaigns", "retention"]
# The design's "who may import whom"; a part may always import itself, settings and errors.
MAY_IMPORT = {
    "cli": {"report", "book", "simulate"},
    "report": set(),
    "book": {"engine", "orders", "customers", "models", *ANALYSES},
    "simulate": set(),
    **{part: set() for part in ["engine", "orders", "customers", "models", "present", "settings", "errors", *ANALYSES]},
    "__init__": {"book"},
}
NOTEBOOK_MAY_IMPORT = {"book", "models", "present", *ANALYSES}


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def imported_parts(source):
    """The parts of clvbook that a piece of Python imports: `from clvbook.models import x` -> models."""
    parts = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package"
            names = [f"clvbook.{alias.name}" for alias in node.names] if node.module == "clvbook" else [node.module]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("clvbook.")}
    return parts


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_part_imports_only_what_the_design_lets_it(path):
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    allowed = MAY_IMPORT[part] | {part, "settings", "errors"}
    assert imported_parts(path.read_text(encoding="utf-8")) <= allowed


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_begins_with_a_sentence_and_stays_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 400


def test_only_the_expected_folders_exist():
    top = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    assert top == {".ci", "benchmarks", "data", "docs", "lib", "notebooks", "params", "tests"}


def test_each_module_has_its_test():
    modules = {p.relative_to(SOURCE) for p in SOURCE.rglob("*.py") if p.name != "__init__.py"}
    missing = [str(m) for m in sorted(modules) if not (ROOT / "tests" / m.parent / f"test_{m.name}").exists()]
    assert missing == []


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_committed_without_outputs(path):
    for cell in code_cells(path):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_follow_the_house_style(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    assert [c["metadata"].get("tags") for c in cells if "tags" in c["metadata"]][:1] == [["parameters"]]
    sources = ["".join(cell["source"]) for cell in code_cells(path)]
    for source in sources:
        tree = ast.parse(source)
        banned = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.While)
        assert not [n for n in ast.walk(tree) if isinstance(n, banned)], source
        assert imported_parts(source) <= NOTEBOOK_MAY_IMPORT
    assert "book.finish(" in sources[-1]


def parameters(path):
    """name -> (annotation, value, help) of a notebook's `parameters` cell."""
    (cell,) = [c for c in code_cells(path) if "parameters" in c["metadata"].get("tags", [])]
    source = "".join(cell["source"])
    found = {}
    for node, line in zip(ast.parse(source).body, source.splitlines(), strict=True):
        help_text = line[node.end_col_offset :].strip().removeprefix("# ")
        found[node.target.id] = (ast.unparse(node.annotation), ast.literal_eval(node.value), help_text)
    return found


def json_types(name):
    """The JSON types that `settings.py` accepts for a parameter: {"string", "null"}, ..."""
    schema = Settings.model_json_schema()["properties"][name]
    return {kind["type"] for kind in schema.get("anyOf", [schema])}


JSON_TYPE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
JSON_TYPE |= {"list[str]": "array", "list[int]": "array", "list[float]": "array"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebooks_parameters_are_those_of_settings(path):
    demo = load_settings(ROOT / "params" / "demo.yml")
    for name, (annotation, value, help_text) in parameters(path).items():
        field = Settings.model_fields[name]
        assert {JSON_TYPE[part] for part in annotation.split(" | ")} == json_types(name), name
        # without parameters a notebook shows the demo shop; no other value of the demo may stand here, or it would
        # pass for the shop's own where papermill is given a file that does not name it
        assert value == (getattr(demo, name) if field.is_required() else field.default), name
        assert help_text == field.description, name
    assert {name for name, field in Settings.model_fields.items() if field.is_required()} <= set(parameters(path))


@pytest.mark.parametrize("path", PARAMS, ids=lambda p: p.stem)
def test_params_files_hold_only_what_settings_knows(path):
    assert load_settings(path).shop == path.stem


def locked():
    """name -> version (and marker) of requirements.lock."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9][^\s;]*==[^\s;]+(?: ; [^\\\n]*?)?)(?: \\)?$", text, re.MULTILINE))


def test_every_locked_version_has_a_hash():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) == len(locked()) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {entry for entry in pip if not entry.startswith("-e ")} == locked()


def test_the_lock_holds_every_dependency_that_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(entry for extra in extras for entry in extra)]
    names = {re.match(r"[a-z0-9-]+", entry)[0] for entry in declared}
    assert names <= {entry.split("==")[0] for entry in locked()}


def test_the_readmes_commands_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", readme, re.MULTILINE)) <= targets
    used = set(re.findall(r"^(?:\.venv/bin/)?clvbook ([a-z]+)", readme, re.MULTILINE))
    assert used
    assert used <= set(main.commands)
    for link in re.findall(r"\]\((?!http)([^)#]+)", readme):
        assert (ROOT / link).exists(), link


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"\.PHONY: help (.*)", makefile)[1].split()
    assert re.findall(r"make (\w+)", listed) == targets


def test_nothing_is_ignored_that_belongs_to_the_house():
    ignored = subprocess.run(
        ["git", "check-ignore", "lib/clvbook/new.py", "data/demo/new.csv", "params/new.yml", "notebooks/9_new.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ignored.stdout == ""
