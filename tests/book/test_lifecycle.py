"""lifecycle.py: lists agree with what the page says of them; a shop's own tables are used, or it is said what lacks."""

from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clvbook.book import open_book
from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.settings import Settings

SHORT = [[30, 60, 365], [10, 20, 400]]


@pytest.fixture(scope="module")
def brought(sim, opened, book):
    """The book with order lines and customers, of whom every fifth has opted out; an unreadable row in each table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_HOME", str(sim))
        orders, people = book.orders.to_pandas(), book.customers.to_pandas().customer_id.sort_values()
    lines = pd.DataFrame({"order_id": orders.order_id, "sku": "s1", "quantity": 1, "amount": 5, "category": "tea"})
    cups = lines.assign(sku="s2", amount=9, category="cups").iloc[::2]
    pd.concat([lines, cups, lines.iloc[:1].assign(quantity="many")]).to_csv(sim / "lines.csv", index=False)
    flags = (["true", "false", "", "no", "0"] * len(people))[: len(people)]
    out = pd.DataFrame({"customer_id": people, "opted_out": flags})
    pd.concat([out, pd.DataFrame({"customer_id": ["x"], "opted_out": ["perhaps"]})]).to_csv(
        sim / "people.csv", index=False
    )
    return opened(order_items="lines.csv", customers="people.csv")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The folder that a run gives its notebooks."""
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setenv("CLVBOOK_TABLES", str(folder))
    return folder


@pytest.mark.parametrize("bounds", [None, *SHORT], ids=str)
def test_what_waits_is_what_ends_on_the_first_days(book, opened, bounds):
    page = opened(stage_bounds=bounds) if bounds else book
    soon = page.stage_ends[page.stage_ends.day <= pd.Timestamp(page.as_of + timedelta(days=7))]
    ends = soon.groupby("trigger")[["customers", "one_time"]].sum()
    waiting = page.waiting.iloc[:-1].set_index("trigger")
    assert waiting.customers.to_dict() == ends.customers.to_dict()
    assert waiting.one_time.to_dict() == ends.one_time.to_dict()
    assert page.waiting.customers.iloc[-1] == page.stage_counts.now["lost"]
    assert waiting.customers.sum() > 10


def test_who_waits_is_worth_what_the_scores_say(book):
    scores = book.scores.to_pandas().set_index("customer_id").residual_revenue
    for trigger, told in book.waiting.iloc[:-1].set_index("trigger").value.items():
        people = book.actions.at(trigger).to_pandas()
        assert told == pytest.approx(scores[people.customer_id].sum(), rel=1e-9)
        assert people.valid_until.is_monotonic_increasing
        assert (people.groupby("valid_until").expected_revenue.diff().dropna() <= 0).all()
        assert people.expected_revenue.tolist() == pytest.approx(scores[people.customer_id].tolist(), abs=0.00501)
    lost = book.ledger.stages.set_index("stage").loc["lost"]
    assert book.waiting.value.iloc[-1] == pytest.approx(lost.value, rel=1e-9)
    assert book.waiting.revenue.iloc[-1] == pytest.approx(lost.revenue, rel=1e-9)


def test_the_lists_in_tables_are_those_of_the_actions(brought, tables):
    brought.save_actions()
    assert sorted(path.name for path in tables.iterdir()) == sorted(
        f"{n}.{kind}" for n in brought.list_names for kind in ("csv", "parquet")
    )
    assert brought.list_names == [f"act_{bound:03d}_stale_2026-10-08" for bound in (45, 90, 180)]
    for (name, wanted), told in zip(brought.actions.lists.items(), brought.waiting.itertuples(), strict=False):
        written = pd.read_parquet(tables / f"{name}.parquet")
        assert written.customer_id.tolist() == wanted.to_pandas().customer_id.tolist()
        assert len(written) == told.customers > 0
        assert (written.arm == "holdout").sum() == told.held_out
        assert (written.send == "yes").sum() == told.write_to == told.customers - told.held_out
        assert written.columns[0] == "send"
        assert pa.types.is_date(pq.read_schema(tables / f"{name}.parquet").field("valid_until").type)
        text = pd.read_csv(tables / f"{name}.csv", encoding="utf-8-sig", dtype=str)
        assert text.customer_id.tolist() == written.customer_id.tolist()
        assert text.columns.tolist() == written.columns.tolist()
        assert text.valid_until.str.fullmatch(r"2026-10-0[1-7]").all()  # a day, without a time of it
        assert text.offer.isna().tolist() == (text.send == "no").tolist()


def test_what_to_send_is_what_the_lists_hold(brought):
    rows = brought.to_send.set_index(["stage", "bought"])
    for trigger, stage in zip(brought.bounds, brought.stage_names, strict=False):
        listed = brought.actions.at(trigger).to_pandas()
        for offer, count in listed.offer[listed.send == "yes"].value_counts().items():
            assert rows.write_to[rows.offer == offer].tolist() == [count]
            assert rows.index[rows.offer == offer].get_level_values("stage").tolist() == [stage]
    total = rows.loc[("all", "")]
    assert total.write_to == brought.waiting.write_to.sum() == brought.due.write_to.sum() > 0
    assert total.value == pytest.approx(brought.waiting.value.iloc[:-1].sum())
    assert total.value_write_to < total.value


def test_a_contact_may_cost_what_the_last_days_of_the_stage_allow(book, opened):
    values = book.step_values.set_index("silent").break_even
    assert book.most_a_contact.to_dict() == {
        "active": values["0 to 45 days"], "silent": values["46 to 90 days"], "sleeping": values["136 to 180 days"]
    }  # fmt: skip
    assert opened(margin_rate=None).most_a_contact == NotComputable("margin_rate is not set")


def test_who_opted_out_is_on_no_list(book, brought, sim):
    people = pd.read_csv(sim / "people.csv", dtype=str)
    out = set(people.customer_id[people.opted_out == "true"])
    listed = [set(brought.actions.at(bound).to_pandas().customer_id) for bound in brought.bounds]
    for bound, here in zip(brought.bounds, listed, strict=True):
        all_of_them = set(book.actions.at(bound).to_pandas().customer_id)
        assert here == all_of_them - out
    assert sum(map(len, listed)) < book.waiting.customers.iloc[:-1].sum()
    both = brought.waiting.customers + brought.waiting.opted_out
    assert both.tolist() == book.waiting.customers.tolist()
    assert brought.stage_ends.equals(book.stage_ends)


def test_a_list_names_what_was_bought_last(book, brought):
    orders = (
        brought.orders.filter(brought.orders.customer_id.notnull()).to_pandas().sort_values(["paid_at", "order_id"])
    )
    last = orders.groupby("customer_id").order_id.last()
    lines = brought.shop_table("order_items").to_pandas()
    largest = lines.sort_values("amount").groupby("order_id").category.last()
    listed = brought.actions.at(45).to_pandas().set_index("customer_id")
    assert set(listed.last_category) == {"tea", "cups"}
    assert listed.last_category.to_dict() == {c: largest[last[c]] for c in listed.index}
    assert book.actions.at(45).last_category.to_pandas().isna().all()


def test_every_row_of_a_shops_tables_is_accounted_for(book, brought, sim):
    account = brought.shop_tables.set_index("table")
    assert account.index.tolist() == ["order_items", "customers"]
    assert (account.used + account.set_aside == account.rows).all()
    assert account.rows.tolist() == [len(pd.read_csv(sim / name)) for name in ("lines.csv", "people.csv")]
    assert account.reasons.tolist() == ["1 bad_quantity", "1 bad_opted_out"]
    assert brought.shop_table("customers").count().to_pandas() == account.used["customers"]
    aside = brought.shop_set_aside("customers").to_pandas()
    assert (aside.reason.tolist(), aside.line.tolist()) == (["bad_opted_out"], [account.rows["customers"] + 1])
    named = [entry["path"] for entry in brought.inputs]
    assert {"lines.csv", "people.csv"} <= set(named)
    assert brought.reconciliation == book.reconciliation  # of the orders alone
    assert brought.history.equals(book.history) or brought.stage_mix.equals(book.stage_mix)
    assert book.shop_tables.empty
    assert "data/README.md says which export gives who opted out" in str(book.shop_table("customers"))


def test_customers_under_other_names_stop_the_lists(opened, sim):
    pd.DataFrame({"customer_id": ["mia@b.eu", "leo@b.eu"], "opted_out": ["true", "false"]}).to_csv(
        sim / "others.csv", index=False
    )
    other = opened(customers="others.csv")
    assert str(other.actions).startswith("0 of 2 rows of the customers table are of a customer of the orders")
    assert other.waiting == other.actions
    assert other.list_names == []
    other.save_actions()


def test_a_table_that_is_not_there_is_told_before_anything_is_computed(opened, sim):
    with pytest.raises(BadParameters, match=r"customers: 0 files found at nowhere.csv"):
        opened(customers="nowhere.csv")
    (sim / "wrong.csv").write_text("who\nanna\n")
    with pytest.raises(InputRefused, match="customer_id"):
        opened(customers="wrong.csv").actions  # noqa: B018


def test_the_shops_own_bounds_stand_beside_the_given(book):
    own = book.calibration
    assert own.bounds.given.tolist() == book.bounds
    assert own.bounds.own.is_monotonic_increasing
    curve = book.return_curve.set_index("day").survival
    seen = 1 - curve[curve.index <= 45].iloc[-1]
    assert own.bounds.returned[0] == pytest.approx(seen / own.eventually)
    assert book.return_rates.silent_days.tolist() == list(range(0, 30 * len(book.return_rates), 30))
    steps = book.ladder.steps
    assert steps.reached[(steps.order == 1) & (steps.window == 45)].item() == book.base.customers
    assert steps.reached[(steps.order == 2) & (steps.window == 45)].item() == book.base.repeat_customers


@pytest.mark.parametrize("complete", [False, True])
def test_cohorts_hold_every_customer_and_leave_out_the_first_months(opened, book, complete):
    page = opened(history_complete=True) if complete else book
    found = page.cohorts
    assert found.sizes.sum() == page.base.customers
    assert found.sizes.tolist() == page.flow.new[page.flow.new > 0].tolist()
    assert found.in_burn_in.sum() == (0 if complete else 6)
    assert found.triangle("revenue").iloc[:, 1:].sum().sum() == pytest.approx(page.base.revenue, rel=1e-9)
    average = page.cohort_average.set_index("k")
    assert average.loc[0, ["eligible", "share", "cumulative"]].iloc[0] == found.sizes[~found.in_burn_in].sum()
    assert (average.cumulative >= average.share)[1:2].all()
    assert average.cohorts[0] == len(found.sizes) - found.in_burn_in.sum()


def test_triangles_are_written_with_empty_cells_for_what_is_not_over(book, tables):
    book.save_cohorts()
    assert sorted(path.stem for path in tables.glob("*.csv")) == [
        "cohorts_cumulative", "cohorts_on", "cohorts_on_or_after", "cohorts_revenue"
    ]  # fmt: skip
    written = pd.read_csv(tables / "cohorts_on.csv", encoding="utf-8-sig")
    assert written["0"].tolist() == written["size"].tolist() == book.cohorts.sizes.tolist()
    assert written.iloc[-1, 3:].isna().all()
    assert written.iloc[0].notna().all()


def test_what_is_not_computable_is_an_empty_cell_with_its_reason_beside(book, tables):
    for name in ["ledger_rows", "grid", "waiting", "to_send", "step_values", "cohort_average"]:
        book.save_table(name, getattr(book, name))
        written, shown = pd.read_parquet(tables / f"{name}.parquet"), getattr(book, name)
        lacks = shown.map(lambda cell: isinstance(cell, NotComputable) or cell is None)
        assert (written[shown.columns].isna().to_numpy() == lacks.to_numpy()).all(), name
        reasons = {cell.reason for cell in shown.to_numpy().ravel() if isinstance(cell, NotComputable)}
        beside = " ".join(written.get("not_computable", []))
        assert all(reason in beside for reason in reasons), name
    grid = pd.read_parquet(tables / "grid.parquet")
    assert grid.active.dropna().tolist() == book.grid.active[1:].tolist()
    assert pd.api.types.is_numeric_dtype(grid.active)


def test_the_checks_of_the_page_pass_and_would_not_always(book, monkeypatch):
    assert {name: passed for name, (passed, _) in book.lifecycle_checks.items()} == {
        "stages_add_up": True,
        "no_impossible_moves": True,
    }
    monkeypatch.setitem(vars(book), "impossible_moves", pd.DataFrame({"customers": [3]}))
    monkeypatch.setitem(vars(book), "stage_counts", book.stage_counts + 1)
    assert [passed for passed, _ in book.lifecycle_checks.values()] == [False, False]
    assert book.lifecycle_checks["no_impossible_moves"][1] == "3 moves that no month allows"


def test_a_very_small_shop_has_lists_and_reasons(tiny, tables):
    rows = 3
    book = tiny([(str(n), f"c{n}", "2025-01-31", 9.5) for n in range(rows)], month="2025-03")
    book.save_actions()
    book.save_cohorts()
    # their 45th day of silence is over on 17 March, the 90th on 1 May
    assert book.waiting.customers.tolist() == [0, 0, 0, 0]
    assert book.stage_counts.now["silent"] == rows
    for name in ("calibration", "return_rates"):
        assert str(getattr(book, name)).startswith("not enough data: "), name
    assert book.lifecycle_checks["stages_add_up"] == (True, f"{rows} customers in stages, {rows} in all")
    soon = tiny([(str(n), f"c{n}", "2025-02-16", 9.5) for n in range(rows)], month="2025-03")
    assert soon.waiting.customers.tolist() == [rows, 0, 0, 0]
    assert str(soon.waiting.value[0]).startswith(f"not enough data: {rows} customers, 200 needed")
    soon.save_table("waiting", soon.waiting)
    assert pd.read_parquet(tables / "waiting.parquet").value.tolist()[1:] == [0, 0, 0]


def test_an_export_without_buyers_says_which_to_bring(tmp_path, monkeypatch, tables):
    monkeypatch.setenv("CLVBOOK_HOME", str(tmp_path))
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(400)]
    lines = [f"#{n},paid,{day} 10:00:00 +0100,5.00,EUR" for n, day in enumerate(days)]
    (tmp_path / "orders.csv").write_text("\n".join(["Name,Financial Status,Paid at,Total,Currency", *lines]) + "\n")
    made = {"shop": "t", "orders": "orders.csv", "mapping": "shopify", "currency": "EUR", "month": "2025-12"}
    book = open_book(Settings(**made))
    book.prepare()
    names = "history stage_mix ledger moves stage_forecast stage_values calibration return_rates ladder cohorts"
    for name in [*names.split(), "cohort_average", "actions", "waiting", "to_send", "due", "stage_ends"]:
        found = getattr(book, name)
        assert isinstance(found, NotComputable), name
        assert "Shopify admin, Orders, Export" in found.reason, name
    book.save_actions()
    book.save_cohorts()
    assert list(tables.iterdir()) == []
    assert book.lifecycle_checks == {}
