"""A platform is one YAML file: docs/adding-a-platform.md, followed word for word."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from clvbook.cli import main
from clvbook.orders import mapping
from clvbook.settings import load_settings

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-platform.md"


def block(kind):
    """The one block of that kind on the page."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return found


@pytest.fixture
def corner(tmp_path, monkeypatch):
    """A project that holds the page's export and the page's mapping, and nothing else."""
    for name in ("notebooks", "params", "data/corner"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "corner" / "kiosk-2026-10.csv").write_text(block("csv"), encoding="utf-8")
    (tmp_path / "data" / "corner" / "kiosk.yml").write_text(block("yaml"), encoding="utf-8")
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(command):
    return CliRunner().invoke(main, command.split()[1:])


def is_the_kiosk(done, corner):
    assert done.exit_code == 0, done.output
    assert "1 file read as kiosk (Kiosk till)" in done.stdout
    assert "refund       from  Zurück" in done.stdout
    assert "2 orders kept, 1 of them without a customer; 1 customers; 2026-09-30 to 2026-10-01." in done.stdout
    for row in [
        "1            1,234.50  kept, with a customer",
        "1               12.00    unpaid",
        "1                0.00    zero_amount",
    ]:
        assert row in done.stdout
    settings = load_settings(corner / "params" / "corner.yml")
    assert (settings.timezone, settings.currency) == ("Europe/Berlin", "EUR")
    return settings


def test_the_page_as_it_stands(corner):
    (command,) = re.findall(r"^clvbook init .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    settings = is_the_kiosk(call(command), corner)
    assert settings.mapping == "data/corner/kiosk.yml"
    assert call("clvbook check params/corner.yml").exit_code == 0


def test_a_mapping_put_beside_the_shipped_ones_is_known_by_name_and_by_its_columns(corner, monkeypatch):
    shutil.copytree(mapping.SHIPPED, corner / "mappings")
    shutil.copy(corner / "data" / "corner" / "kiosk.yml", corner / "mappings" / "kiosk.yml")
    monkeypatch.setattr(mapping, "SHIPPED", corner / "mappings")
    settings = is_the_kiosk(call("clvbook init corner data/corner/kiosk-2026-10.csv"), corner)
    assert settings.mapping == "kiosk"
    wrong = call("clvbook init other --from online_retail data/corner/kiosk-2026-10.csv")
    assert wrong.exit_code == 3
    assert "the file fits kiosk: write --from kiosk" in wrong.stderr


def test_the_page_names_what_a_mapping_can_say():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in mapping.Mapping.model_fields if f"`{name}`" not in page] == []
