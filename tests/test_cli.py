"""cli.py: words in, one call, the contract out: exit codes, and one JSON object as the last line of `run`."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from clvbook import report
from clvbook.cli import _writable, main
from clvbook.simulate import simulate_shop

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small shop with its params file, and where its reports go."""
    folder = tmp_path_factory.mktemp("shop")
    simulate_shop(folder / "data", customers=400, months=8, seed=5, only_orders=True)
    params = folder / "small.yml"
    params.write_text(
        f"shop: small\norders: {folder}/data/orders.csv.gz\nresamples: 50\nbacktest_days: 60\nhorizon_days: 90\n",
        encoding="utf-8",
    )
    return params


@pytest.fixture(scope="module")
def kernels():
    """What `run` starts first, for all that is refused here: warming it each time takes longer than what it is for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(ROOT))
        with report.warm(ROOT / "notebooks") as kernels:
            yield kernels


def call(*words, **environment):
    """Run the command as a scheduler does: exit code, lines of stdout, stderr."""
    done = subprocess.run(
        [Path(sys.executable).parent / "clvbook", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"CLVBOOK_HOME": str(ROOT)} | environment,
        timeout=300,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_month_is_published_then_current_and_the_last_line_says_so(shop, tmp_path):
    code, lines, err = call("run", shop, "--output", tmp_path, "--jobs", 2)
    result = json.loads(lines[-1])
    assert (code, result["status"], result["shop"], result["month"], result["revision"], result["error"]) == (
        0, "published", "small", "2026-10", 1, None,
    )  # fmt: skip
    assert lines[-2] == result["index"]
    assert Path(result["index"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "Traceback" not in err
    code, lines, _ = call("run", shop, "--output", tmp_path)
    assert (code, json.loads(lines[-1])["status"]) == (0, "current")
    # a month before, one page alone
    code, lines, _ = call("run", shop, "--output", tmp_path, "--month", "2026-09", "--only", "data_quality")
    assert (code, json.loads(lines[-1])["month"]) == (0, "2026-09")
    assert {p.name for p in (tmp_path / "small" / "2026-09").glob("*.html")} == {"data_quality.html", "index.html"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["{params}", "--set", "horizn_days=3"], 2, "did you mean horizon_days?"),
        (["{params}", "--set", "horizon_days=0"], 2, "horizon_days"),
        (["{params}", "--set", "horizon_days"], 2, "has no '='"),
        (["{params}", "--month", "2026-13"], 2, "is not a month"),
        (["{params}", "--from", "2026-01"], 2, "--from and --to go together"),
        (["{params}", "--from", "2026-03", "--to", "2026-01"], 2, "is after"),
        (["{params}", "--only", "custmer_value"], 2, "did you mean customer_value?"),
        (["nowhere.yml"], 2, "No such file"),
        (["{params}", "--set", "orders=nowhere.csv"], 2, "0 files found"),
        (["{params}", "--set", "mapping=nowhere"], 2, "nowhere"),
        (["{params}", "--set", "orders=README.md"], 3, "README.md"),
        (["{params}", "--month", "2001-01"], 3, "choose a later month"),
        (["{params}", "--set", "currency=USD"], 3, "0 of"),
    ],
)
def test_what_cannot_be_run_is_told_with_its_exit_code_and_a_hint(
    shop, kernels, tmp_path, monkeypatch, words, code, said
):
    monkeypatch.setattr(report, "warm", lambda _: nullcontext(kernels))
    monkeypatch.setenv("CLVBOOK_HOME", str(ROOT))
    monkeypatch.chdir(ROOT)
    words = [str(shop) if word == "{params}" else word for word in words]
    done = CliRunner().invoke(main, ["run", *words, "--output", str(tmp_path)])
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.exit_code, result["status"], result["index"]) == (code, "failed", None)
    assert said in result["error"]
    assert "\nHint: " in result["error"]
    assert result["error"] in done.stderr
    assert not list(tmp_path.glob("small/2*"))  # no month; the history may tell of the failure


def test_a_folder_that_takes_no_reports_is_told_before_anything_runs(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(ROOT))
    monkeypatch.setattr(report, "warm", None)  # nothing is started
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    done = CliRunner().invoke(main, ["run", str(shop), "--output", str(tmp_path / "file")])
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.exit_code, result["status"], result["shop"]) == (2, "failed", "small")
    assert "reports cannot be written there" in result["error"]
    assert "\nHint: name another folder with --output" in result["error"]
    fine = tmp_path / "new" / "folder"
    assert _writable(fine) == fine
    assert not list(fine.iterdir())


def test_a_run_that_is_refused_leaves_no_process(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(ROOT))
    before = set(psutil.Process().children(recursive=True))
    done = CliRunner().invoke(main, ["run", str(shop), "--set", "currency=USD", "--output", str(tmp_path)])
    assert done.exit_code == 3
    assert set(psutil.Process().children(recursive=True)) <= before


def test_months_from_to_are_run_one_after_another(shop, tmp_path):
    code, lines, _ = call(
        "run", shop, "--output", tmp_path, "--from", "2026-08", "--to", "2026-09", "--only", "data_quality"
    )
    assert code == 0
    assert [Path(line).parent.name for line in lines[:-1]] == ["2026-08", "2026-09"]
    assert json.loads(lines[-1])["month"] == "2026-09"


def test_sigterm_ends_a_run_as_a_failed_one(shop, tmp_path):
    command = [Path(sys.executable).parent / "clvbook", "run", shop, "--output", tmp_path, "--force"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    time.sleep(1.5)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 143
    assert json.loads(out.splitlines()[-1])["status"] == "failed"
    assert "Traceback" not in err


def test_check_prints_the_account_and_as_json_the_contracts_fields(shop, monkeypatch):
    monkeypatch.setenv("CLVBOOK_HOME", str(ROOT))
    truth = json.loads((shop.parent / "data" / "truth.json").read_text(encoding="utf-8"))["check"]
    done = CliRunner().invoke(main, ["check", str(shop), "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {name: found[name] for name in truth} == truth
    done = CliRunner().invoke(main, ["check", str(shop)])
    assert f"{truth['rows_read']:,}" in done.stdout
    assert f"{truth['customers']:,} customers" in done.stdout
    assert CliRunner().invoke(main, ["check", "nowhere.yml"]).exit_code == 2


def test_simulate_writes_a_shop(tmp_path):
    done = CliRunner().invoke(main, ["simulate", str(tmp_path / "x"), "--customers", "50", "--months", "3"])
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "x"))
    assert (tmp_path / "x" / "truth.json").exists()
    assert CliRunner().invoke(main, ["simulate", str(tmp_path / "y"), "--customers", "0"]).exit_code == 2


def test_a_fault_of_clvbook_is_no_traceback(shop, monkeypatch):
    monkeypatch.setattr("clvbook.cli.load_settings", lambda *_: 1 / 0)
    done = CliRunner().invoke(main, ["run", str(shop)])
    assert done.exit_code == 1
    assert "ZeroDivisionError" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert "Traceback" not in done.stderr


def test_another_salt_makes_a_published_month_anew(tmp_path):
    rows = [f"#{n},{n % 7}@b.eu,paid,2026-0{1 + n % 3}-{1 + n % 28:02d} 10:00:00 +0100,5.00" for n in range(60)]
    (tmp_path / "orders.csv").write_text("\n".join(["Name,Email,Financial Status,Paid at,Total", *rows]) + "\n")
    params = tmp_path / "guests.yml"
    params.write_text(f"shop: guests\norders: {tmp_path}/orders.csv\nmapping: shopify\nmonth: 2026-02\n")

    def run(**environment):
        code, lines, err = call("run", params, "--output", tmp_path, "--only", "data_quality", **environment)
        assert code == 0, err
        return json.loads(lines[-1])["status"], json.loads(lines[-1])["revision"]

    assert run() == ("published", 1)
    assert run() == ("current", 1)
    assert run(CLVBOOK_SALT="another salt altogether") == ("published", 2)
