"""book/__init__.py: what a notebook opens; and any shop at all, however small, computes or says why not."""

import dataclasses
import json
import math
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from clvbook import book as module
from clvbook.book import Book, output
from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.settings import make_settings

ACTIONS = {"save_table", "kpi", "finish", "prepare", "history_map", "con"}
FIGURES = [name for name in dir(Book) if not name.startswith("_") and name not in ACTIONS]
ORDERS = {"order_id", "customer_id", "created_at", "items", "discount", "coupon_id", "province", "source", "remark"}
INTERVAL = {"low", "high"}
# Columns that may be empty by what they mean, as their docstrings say; each other figure is a number or a reason.
MAY_LACK = {
    **dict.fromkeys(["kept_orders", "orders", "set_aside"], ORDERS),
    **{name: {"source"} for name in ["purchases", "customers", "scores", "customer_list", "valued", "newcomers"]},
    # the lost are on no list, and the holdout gets no offer
    "actions": {"value", "last_category", "offer", "valid_until", "campaign_id", "arm", "trigger"},
    "waiting": {"next_stage", "stale_on"},
    "moves": {"from_stage"},
    "grown_moves": {"from_stage"},
    "rates": {"rate", *INTERVAL},  # of a stage that nobody was in
    "return_curve": INTERVAL,
    "ladder": INTERVAL,
    "stage_values": {"contact_cost", "break_even"},
}


def test_a_notebook_hands_over_its_names(sim):
    names = {"shop": "sim", "orders": "shop/orders.csv.gz", "month": "2026-09", "book": 1, "_": [], "horizon": "x"}
    found = module.open_book(names)
    assert found.settings == make_settings({"shop": "sim", "orders": "shop/orders.csv.gz", "month": "2026-09"})


def test_a_fault_in_a_notebook_names_the_notebook():
    with pytest.raises(BadParameters, match="the notebook's parameters: month: '2026': is not a month"):
        module.open_book({"shop": "sim", "orders": "o.csv", "month": "2026"})


def test_the_facts_of_a_month_can_be_stored(book):
    facts = json.loads(json.dumps(book.facts))
    assert facts["not_yet"] == book.not_yet
    assert facts["data_through"] == "2026-10-31"
    assert facts["reconciliation"]["rows_read"] == book.reconciliation.rows_read


def test_after_preparing_nothing_is_left_to_a_notebook(opened, home, sim, monkeypatch):
    found = opened(home, orders=str(sim / "shop" / "orders.csv.gz"))
    monkeypatch.setenv("CLVBOOK_HOME", str(home))
    found.prepare()
    names = {path.name for path in (home / ".cache" / "sim").rglob("*") if path.is_file()}
    tables = {"orders", "set_aside", "flagged", "purchases", "customers", "scores", "stages", "candidates"}
    assert names == {"reconciliation.json"} | {f"{name}.parquet" for name in tables}


def test_an_account_of_all_there_is(sim, book):
    given_ = make_settings({"shop": "sim", "orders": "shop/orders.csv.gz"})
    found = module.check_orders(given_)
    assert found == book.reconciliation
    said = module.account(found, given_)
    assert f"{found.rows_read:,}" in said
    for reason, rows in found.quarantined.items():
        assert any(reason in line and f"{rows:,} " in line for line in said.splitlines())


def test_figures_and_the_end_mark_carry_text_and_reasons(book):
    kpi = book.kpi("customers", "Customers", 12, "{:,}".format, unit="customers", low=10, high=14)
    assert (kpi.text, kpi.low, kpi.high, kpi.unit) == ("12", 10, 14, "customers")
    reason = NotComputable("margin_rate is not set")
    missing = book.kpi("profit", "Profit", reason, str)
    mark = book.finish("x", kpis=[kpi, missing], checks={"adds_up": (False, "2 of 3")}, forecasts=book.forecasts)
    shown = mark._repr_mimebundle_()[output.END_MARK]
    assert [one["value"] for one in shown["kpis"]] == [12, None]
    assert shown["kpis"][1]["reason"] == shown["kpis"][1]["text"] == "margin_rate is not set"
    assert shown["checks"] == [{"name": "adds_up", "passed": False, "detail": "2 of 3"}]
    assert len(shown["forecasts"]) == 2


def test_a_table_is_written_where_a_run_wants_it(book, tmp_path, monkeypatch):
    monkeypatch.setenv(output.FOLDER, str(tmp_path))
    book.save_table("customers", book.scores)
    assert len(pd.read_parquet(tmp_path / "customers.parquet")) == book.base.customers


def blanks(value, lack=frozenset()):
    """Where a figure holds NaN, infinity or nothing, instead of a number or a reason; `lack`: but in these columns."""
    if isinstance(value, NotComputable):
        return [] if value.reason else ["no reason"]
    if isinstance(value, float):
        return [] if math.isfinite(value) else [value]
    if isinstance(value, pd.DataFrame):
        return [name for name in value if name not in lack and value[name].isna().any()]
    if isinstance(value, pd.Series):
        return list(value.index[value.isna()])
    if dataclasses.is_dataclass(value):
        return [(f.name, found) for f in dataclasses.fields(value) for found in blanks(getattr(value, f.name), lack)]
    return blanks(value.to_pandas(), lack) if hasattr(value, "to_pandas") else []


amounts = st.sampled_from(["0", "0.01", "10", "10", "25.50", "999999999.99"])
orders = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400), amounts), min_size=1, max_size=30)
knobs = st.fixed_dictionaries(
    {
        "span": st.sampled_from([1, 30, 400]),
        "min_customers": st.sampled_from([1, 200]),
        "horizon_days": st.sampled_from([1, 365]),
        "margin_rate": st.sampled_from([None, 0.4]),
        "alone": st.booleans(),  # each order its own customer: one-time buyers only
    }
)
LOYAL = [(customer, 10 * n, "10") for customer in range(1, 6) for n in range(6)]
BASIC = {"span": 400, "min_customers": 1, "horizon_days": 365, "margin_rate": None, "alone": False}


@given(orders, knobs)
@example(LOYAL, BASIC)  # all alike: the same days, the same amounts
@example([(0, 0, "10")], BASIC)  # nobody named
@example(LOYAL, {**BASIC, "span": 1})  # all on one day
@example(LOYAL, {**BASIC, "alone": True})
@example([(n % 5 + 1, 13 * n, amount) for n, amount in enumerate(["10", "25.50", "0.01"] * 10)], BASIC)
@settings(
    deadline=None,
    max_examples=12,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking a whole shop takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_shop_computes_or_says_why_not(tiny, rows, knobs):
    knobs = dict(knobs)
    span, alone = knobs.pop("span"), knobs.pop("alone")
    lines = []
    for n, (customer, day, paid) in enumerate(rows):
        # customer 0 is one whom the export does not name
        name = f"n{n}" if alone else f"c{customer}" if customer else ""
        lines.append((f"o{n}", name, date(2025, 1, 1) + timedelta(days=day % span), paid))
    fixed = {"month": "2026-02", "min_repeat_customers": 2, "resamples": 50, "backtest_days": 28}
    if all(paid == "0" for *_, paid in rows):
        with pytest.raises(InputRefused, match=r"^0 of "):
            tiny(lines, **fixed, **knobs)
        return
    found = tiny(lines, **fixed, **knobs)
    figures = {name: getattr(found, name) for name in FIGURES}
    if not isinstance(figures["scores"], NotComputable) and isinstance(figures["valued"], NotComputable):
        # without a spend model the columns of money are null
        money = [name for name in found.scores.columns if name.startswith(("expected_spend", "residual"))]
        assert found.scores.select(money).to_pandas().isna().all(axis=None)
        figures["scores"] = found.scores.drop(money)
        figures["customer_list"] = found.customer_list.drop("spend_a_purchase", "value")
    for name, value in figures.items():
        assert blanks(value, MAY_LACK.get(name, frozenset())) == [], name
    for measure in ("p_alive", "expected_orders"):
        drawn = found.history_map(measure)
        if not isinstance(drawn, NotComputable):  # but for histories that cannot be, a map has values
            assert drawn[0].tolist()[0] > 0
            assert drawn.iloc[-1, 1:].between(0, math.inf, inclusive="left").sum() > 0
    if knobs["min_customers"] == 200:
        assert str(found.residual_value).startswith("not enough data: ")
    if isinstance(found.scores, NotComputable):
        assert not found.model
    else:
        assert ("residual_profit" in found.scores.columns) == (knobs["margin_rate"] is not None)
        total = found.scores.expected_orders.sum().to_pandas()
        assert total == pytest.approx(found.expected_orders.expected, rel=1e-9)


def test_a_shop_that_names_nobody_has_orders_and_no_base(tiny):
    found = tiny([("1", "", "2026-01-01", 9), ("2", "", "2026-01-02", 9)], month="2026-01")
    assert found.base == NotComputable("no order names its customer")
    assert found.base.repeat_rate == found.base
    assert found.identified_share == 0
    assert str(found.residual_value) == "not enough data: 0 customers, 200 needed"
