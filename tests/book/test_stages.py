"""stages.py: the lifecycle page's figures add up, also to those of the value page; what is missing has its reason."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvbook.errors import NotComputable

OTHER = [[30, 60, 365], [10, 20, 400]]
FIGURES = ["history", "stage_mix", "grid", "flow", "stocks", "ledger", "ledger_change", "ledger_rows", "moves",
           "grown_moves", "matrix", "rates", "left_by_month", "impossible_moves", "homogeneity", "last_moves",
           "lost_back", "outlook_of_stages", "stage_forecast", "stage_record", "stage_values",
           "step_values"]  # fmt: skip


@pytest.fixture(scope="module", params=[None, *OTHER], ids=str)
def staged(request, book, opened):
    return opened(stage_bounds=request.param, history_complete=True) if request.param else book


@pytest.fixture
def recency(staged):
    """Days since the last purchase, one a customer, counted by pandas."""
    return (pd.Timestamp(staged.as_of) - pd.to_datetime(staged.customers.to_pandas().last_day)).dt.days


def test_stages_hold_every_customer_by_days_since_the_last_purchase(staged, recency):
    counted = pd.cut(recency, [-1, *staged.bounds, np.inf], labels=staged.stage_names).value_counts()
    assert staged.stage_counts.now.to_dict() == counted.to_dict()
    assert staged.stage_counts.now.sum() == staged.base.customers == len(recency)
    mix = staged.stage_mix
    assert mix.stage.tolist() == staged.stage_names * len(staged.month_ends)
    assert mix.groupby("snapshot").share.sum().tolist() == pytest.approx([1] * len(staged.month_ends))
    at_end = mix[mix.snapshot == pd.Timestamp(staged.as_of)].set_index("stage").customers
    assert at_end.to_dict() == staged.stage_counts.now.to_dict()


def test_the_grid_the_ledger_and_the_stocks_count_the_same_customers(staged):
    now = staged.stage_counts.now
    known = staged.grid[staged.grid["count"] != "prospect"]
    assert known[staged.stage_names].sum().to_dict() == now.to_dict()
    assert known.set_index("count").customers["new"] == staged.base.one_time
    assert staged.ledger.stages.customers.tolist() == now.tolist()
    assert staged.ledger.total.customers == staged.base.customers
    assert staged.ledger.total.orders == staged.base.purchases
    assert staged.ledger.total.revenue == pytest.approx(staged.base.revenue, rel=1e-9)
    last = staged.stocks[staged.stocks.snapshot == staged.stocks.snapshot.max()].set_index("stage")
    assert last.after.to_dict() == now.to_dict()
    assert last.before.to_dict() == staged.stage_counts.month_before.to_dict()


def test_the_ledgers_value_is_that_of_the_value_page(staged):
    stages, total = staged.ledger.stages, staged.ledger.total
    assert total.value == pytest.approx(staged.residual_value.expected, rel=1e-8)
    assert stages.value.sum() == pytest.approx(total.value, rel=1e-9)
    assert stages.profit.sum() == pytest.approx(0.4 * total.value, rel=1e-9)
    rows = staged.ledger_rows.set_index("stage")
    assert rows.index.tolist() == [*staged.stage_names, "all"]
    assert rows.value["all"] == total.value
    apart = staged.stage_counts.now - staged.stage_counts.month_before
    assert rows.change[staged.stage_names].tolist() == apart.tolist()
    assert rows.change["all"] == apart.sum()
    assert isinstance(staged.ledger_change.total.value, NotComputable)  # of last month's report


def test_who_came_and_who_went_add_up(staged):
    flow, stocks = staged.flow, staged.stocks
    assert (flow.new + flow.returning + flow.resurrected == flow.active).all()
    assert (flow.returning + flow.dormant == flow.active_before).all()
    assert flow.active_before.iloc[1:].tolist() == flow.active.iloc[:-1].tolist()
    assert flow.new.sum() == staged.base.customers
    assert (stocks.before + stocks.came - stocks.left == stocks.after).all()
    assert stocks.groupby("snapshot").of_them_new.sum().tolist() == flow.new.tolist()
    purchases = staged.purchases.to_pandas()
    month = purchases[pd.to_datetime(purchases.day) > pd.Timestamp(staged.month_ends[-2])]
    assert flow.active.iloc[-1] == month.customer_id.nunique()


def test_only_an_export_from_the_first_order_on_has_no_burn_in(book, opened):
    assert book.flow.burn_in.sum() == 6  # months that begin less than 180 days after the first purchase
    assert not opened(history_complete=True).flow.burn_in.any()


def test_moves_lead_from_one_months_stages_to_the_next(staged):
    assert staged.impossible_moves.empty
    moved = staged.last_moves
    assert moved.groupby("to_stage").customers.sum().reindex(staged.stage_names, fill_value=0).tolist() == (
        staged.stage_counts.now.tolist()
    )
    assert moved[moved.from_stage == "new"].customers.sum() == staged.flow.new.iloc[-1]
    begun = moved[moved.from_stage != "new"].groupby("from_stage").customers.sum()
    assert begun.reindex(staged.stage_names, fill_value=0).tolist() == staged.stage_counts.month_before.tolist()
    rates = staged.rates
    assert rates.groupby("from").rate.sum().tolist() == pytest.approx([1] * 4)
    assert (rates.rate[rates.impossible] == 0).all()
    assert ((rates.low <= rates.rate) & (rates.rate <= rates.high)).all()
    # stages only fill until somebody can be lost: those months are not in the rates
    first = pd.to_datetime(staged.purchases.to_pandas().day).min()
    assert staged.grown_moves.previous.min() > first + pd.Timedelta(days=staged.bounds[-1])


def test_the_lost_who_are_back_are_those_who_bought(staged):
    """Also where who bought early in the month is no longer active at its end."""
    history = staged.history.to_pandas().sort_values(["customer_id", "snapshot"])
    history["before"] = history.groupby("customer_id").stage.shift()
    lost = history[history.before == 3]
    bought = (lost.bought > 0).groupby(lost.snapshot).sum()
    found = staged.lost_back
    assert found.moved.tolist() == bought.tolist()
    assert found.customers.tolist() == lost.groupby("snapshot").size().tolist()
    assert (found.low.between(0, found.rate + 1e-12) & found.high.between(found.rate, 1)).all()
    np.testing.assert_allclose(found.rate, found.moved / found.customers)


def test_who_left_a_stage_month_by_month_makes_the_matrix(staged):
    left = staged.left_by_month
    assert left.stage.unique().tolist() == staged.stage_names
    assert left.snapshot.nunique() == staged.grown_moves.snapshot.nunique()
    both = left.groupby("stage")[["moved", "customers"]].sum()
    stay = staged.rates[staged.rates["from"] == staged.rates["to"]].set_index("from").rate
    for stage in staged.stage_names:
        assert both.moved[stage] / both.customers[stage] == pytest.approx(1 - stay[stage])
    lost = staged.lost_back.merge(left[left.stage == "lost"], on="snapshot", suffixes=("", "_left"))
    assert len(lost) == (left.stage == "lost").sum()
    assert lost.moved.tolist() == lost.moved_left.tolist()


def test_the_ledger_stands_beside_that_of_twelve_months_ago(staged):
    rows = staged.ledger_rows.set_index("stage")
    then = pd.Timestamp(staged.month_ends[-13])
    counts = staged.stage_mix[staged.stage_mix.snapshot == then].set_index("stage").customers
    assert rows.year_before[staged.stage_names].tolist() == counts[staged.stage_names].tolist()
    assert rows.year_before["all"] == counts.sum() > 0


def test_a_forecast_has_every_stage_at_every_month_end_ahead(staged):
    made = staged.stage_forecast
    ends = pd.date_range("2026-10-31", periods=6, freq="ME")
    assert made.groupby("snapshot").stage.agg(list).to_dict() == dict.fromkeys(ends, staged.stage_names)
    assert ((made.low <= made.expected) & (made.expected <= made.high)).all()
    assert made.expected.tolist() == staged.outlook_of_stages.by_stage.expected.tolist()
    assert staged.outlook_of_stages.entrants == pytest.approx(staged.flow.new.iloc[-12:].mean())
    total = made.groupby("ahead").expected.sum()
    assert total.is_monotonic_increasing  # nobody leaves the count
    assert total[1] >= staged.base.customers
    told = staged.stage_forecasts
    assert [(one.name, one.made_on, one.last) for one in told] == [
        ("active_customers", staged.as_of, end.date()) for end in ends
    ]
    assert [one.value for one in told] == made[made.stage == "active"].expected.tolist()
    record = staged.stage_record
    assert set(record.forecasts.stage) == set(range(4))
    assert record.forecasts.snapshot.max() == pd.Timestamp(staged.as_of)
    last = record.forecasts[record.forecasts.snapshot == pd.Timestamp(staged.as_of)]
    assert last.groupby("stage").actual.unique().str[0].tolist() == staged.stage_counts.now.tolist()


def test_values_by_silence_hold_every_customer_once(staged, recency):
    values = staged.step_values
    upper = [*staged.step_bounds, np.inf]
    assert values.customers.tolist() == pd.cut(recency, [-1, *upper]).value_counts(sort=False).tolist()
    assert values.silent.tolist() == staged.silences
    assert set(staged.bounds) <= set(staged.step_bounds)
    assert len(values) <= 30  # also where the last bound is many steps away
    assert ((values.low <= values.value) & (values.value <= values.high)).all()


def test_silences_are_named_without_a_gap(book):
    assert book.silences[0] == "0 to 45 days"
    assert book.silences[1] == "46 to 90 days"
    assert book.silences[-1].startswith("more than ")
    ends = [int(text.split()[2]) for text in book.silences[:-1]]
    assert [int(text.split()[0]) for text in book.silences[1:-1]] == [end + 1 for end in ends[:-1]]


def test_without_a_margin_there_is_revenue_and_no_break_even(opened):
    plain = opened(margin_rate=None)
    assert plain.stage_values.of == "revenue"
    assert set(plain.step_values.break_even) == {NotComputable("margin_rate is not set")}
    assert "profit" not in plain.ledger.stages.columns


def test_the_same_history_is_found_again_and_not_made_anew(book, opened, monkeypatch):
    first = book.history.to_pandas()
    again = opened()
    monkeypatch.setattr(type(again), "_history", None)
    assert again.history.to_pandas().equals(first)
    assert opened(stage_bounds=[30, 60, 90])._stage_shelf.folder != again._stage_shelf.folder


def few(customers, months):
    first = date(2025, 1, 3)
    return [
        (f"{c}-{m}", f"c{c}", str(first + timedelta(days=29 * m)), 10 + c)
        for c in range(customers)
        for m in range(months)
    ]


def test_one_month_of_three_customers_is_counted_and_moves_have_a_reason(tiny):
    book = tiny(few(3, 1), month="2025-01")
    assert book.stage_counts.now.tolist() == [3, 0, 0, 0]
    assert book.stage_counts.month_before.tolist() == [NotComputable("the data begin in this month")] * 4
    assert book.flow[["new", "active"]].to_numpy().tolist() == [[3, 3]]
    assert str(book.moves) == "not enough data: 1 of 3 months"
    assert str(book.ledger_change) == "not enough data: 1 of 2 months"
    assert str(book.stage_values) == "not enough data: 0 of 3 steps of 45 days"
    names = ["matrix", "rates", "homogeneity", "lost_back", "left_by_month", "stage_forecast", "stage_record"]
    for name in [*names, "outlook_of_stages"]:
        assert getattr(book, name) == book.moves, name
    assert book.stage_forecasts == []
    assert str(book.ledger.total.value).startswith("not enough data: 3 customers, ")
    assert str(book.ledger.total.not_back).startswith("not enough data: 3 purchases to wait after")
    assert book.ledger_rows.customers.tolist() == [3, 0, 0, 0, 3]
    assert set(book.ledger_rows.year_before) == {NotComputable("the data have 1 of 13 month ends")}


def test_a_shop_younger_than_its_last_bound_has_moves_and_no_rates(tiny):
    book = tiny(few(5, 4), month="2025-04")
    assert len(book.last_moves)
    assert str(book.rates) == "not enough data: 0 of 3 months since the first customers could be lost"
    assert book.homogeneity == book.matrix == book.rates
    assert book.impossible_moves.empty


@pytest.mark.parametrize("name", ["", "c***"])
def test_orders_that_name_nobody_are_a_reason_everywhere(tiny, name):
    rows = [(str(n), name, str(date(2025, 1, 1) + timedelta(days=n)), 9) for n in range(200)]
    book = tiny(rows, month="2025-06")
    book.prepare()  # as a run does
    for figure in FIGURES:
        found = getattr(book, figure)
        assert found == NotComputable("not enough data: no order up to 2025-06-30 names its customer"), figure
    assert book.stage_counts.map(lambda cell: isinstance(cell, NotComputable)).all(axis=None)
    assert book.stage_forecasts == []
    assert book.silences
