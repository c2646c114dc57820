"""actions.py: who is on a list on which day, who is held out, and what the lists and their summary say."""

import hashlib
from datetime import date, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency, kstest

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle import actions

AS_OF = date(2026, 10, 31)
BOUNDS = [45, 90, 180]
ASK = {"as_of": AS_OF, "bounds": BOUNDS, "within_days": 7, "holdout_share": 0.1, "shop": "demo"}


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect(threads=1)


def registered(con, name, frame, **types):
    con.con.register(name, pa.Table.from_pandas(frame, preserve_index=False))
    return con.table(name).cast({"customer_id": "string", **types})


def customers(con, recencies, frequencies=None, name="customers"):
    """Customers c0, c1, ... who bought last so many days before AS_OF."""
    frequency = np.zeros(len(recencies), int) if frequencies is None else frequencies
    last = [AS_OF - timedelta(days=int(r)) for r in recencies]
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(len(last))],
            "first_day": [day - timedelta(days=10 * int(x)) for day, x in zip(last, frequency, strict=True)],
            "last_day": last,
            "frequency": frequency,
            "revenue": [100.0 + i for i in range(len(last))],
        }
    )
    return registered(con, name, frame, first_day="date", last_day="date", frequency="int64")


def ids(table):
    return table.to_pandas().customer_id.tolist()


def test_a_stage_ends_with_the_day_of_its_bound(con):
    # day 45 is still active: with 38 to 44 days behind, it lies in the next seven; with 45 it is today
    found = actions.ending(customers(con, [37, 38, 44, 45, 46]), **ASK).at(45).to_pandas()
    assert sorted(found.customer_id) == ["c1", "c2"]
    by = found.set_index("customer_id")
    assert by.valid_until.dt.date.to_dict() == {"c1": date(2026, 11, 7), "c2": date(2026, 11, 1)}
    assert set(found.stage) | set(found.next_stage) == {"active", "silent"}


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), min_size=1, max_size=50),
    st.integers(1, 44),
    st.integers(1, 200),
)
@settings(deadline=None, max_examples=10, derandomize=True)
def test_lists_and_the_lost_are_what_a_plain_count_gives(con, people, within, middle):
    bounds = [45, 45 + 45 + middle, 45 + 45 + middle + 45]
    recency, frequency = zip(*people, strict=True)
    table = customers(con, recency, frequency)
    found = actions.ending(table, **{**ASK, "bounds": bounds, "within_days": within})
    waiting, everybody = found.waiting, []
    for place, bound in enumerate(bounds):
        due = [f"c{i}" for i, r in enumerate(recency) if r < bound <= r + within]
        listed = found.at(bound).to_pandas()
        everybody += listed.customer_id.tolist()
        days_left = [bound - recency[int(c[1:])] for c in listed.customer_id]
        assert listed.valid_until.dt.date.tolist() == [AS_OF + timedelta(days=n) for n in days_left]
        assert sorted(listed.customer_id) == sorted(due)
        assert (listed.orders == [frequency[int(c[1:])] + 1 for c in listed.customer_id]).all()
        assert (listed.one_time == (listed.orders == 1)).all()
        row = waiting.loc[place]
        counts = (len(due), int(listed.one_time.sum()), int((listed.arm == "holdout").sum()))
        assert (row.customers, row.one_time, row.held_out) == counts
        assert row.write_to == (listed.send == "yes").sum() == row.customers - row.held_out
        assert ((listed.send == "yes") == (listed.arm == "treated")).all()
        assert (listed.offer.notna() == (listed.arm == "treated")).all()
        assert listed.revenue_so_far.tolist() == [100 + int(c[1:]) for c in listed.customer_id]
        assert row.revenue == pytest.approx(sum(100 + int(c[1:]) for c in due))
    assert waiting.customers[3] == sum(r > bounds[-1] for r in recency)
    assert waiting.write_to[3] == 0
    assert waiting.next_stage.tolist() == ["silent", "sleeping", "lost", None]
    assert len(everybody) == len(set(everybody))  # nobody is on two lists


@given(st.lists(st.integers(0, 400), min_size=1, max_size=50), st.integers(1, 60))
@settings(deadline=None, max_examples=8, derandomize=True)
def test_stage_ends_by_day(con, recencies, days):
    frame = actions.stage_ends(customers(con, recencies), as_of=AS_OF, bounds=BOUNDS, days=days)
    assert len(frame) == 3 * days
    for row in frame.itertuples():
        ahead = (row.day.date() - AS_OF).days
        assert row.customers == row.one_time == sum(r + ahead == row.trigger for r in recencies)
    # the lists are the first days of this calendar
    listed = actions.ending(customers(con, recencies), **{**ASK, "within_days": min(days, 44)}).waiting
    soon = frame[frame.day <= pd.Timestamp(AS_OF + timedelta(days=min(days, 44)))]
    assert soon.groupby("trigger").customers.sum().tolist() == listed.customers[:3].tolist()


def test_the_list_is_an_assignment_file_and_says_what_to_send(con):
    found = actions.ending(customers(con, [40] * 200 + [85, 175], [0, 1] * 100 + [0, 0]), **ASK)
    listed = found.at(45).to_pandas()
    assert set(listed.campaign_id) == {"demo-2026-10-day045"}
    assert set(listed.assigned_at) == {pd.Timestamp(datetime(2026, 11, 1))}
    offers = listed.fillna({"offer": "none"}).groupby(["send", "arm", "one_time"]).offer.unique().map(list).to_dict()
    assert offers == {
        ("no", "holdout", False): ["none"],
        ("no", "holdout", True): ["none"],
        ("yes", "treated", False): ["new arrivals and pairings"],
        ("yes", "treated", True): ["second-purchase gift (one of the season)"],
    }
    # what whoever sends needs comes first
    assert listed.columns.tolist() == [
        *("send", "customer_id", "offer", "valid_until", "last_category", "orders", "one_time"),
        *("expected_revenue", "revenue_so_far", "last_day"),
        *("stage", "next_stage", "first_day", "campaign_id", "arm", "assigned_at"),
    ]
    # a day to the engine as well, and not a moment that is called one
    assert found.at(45).schema()["valid_until"].is_date()
    assert set(found.at(45).valid_until.typeof().to_pandas()) == {"DATE"}
    assert found.waiting.offer.tolist() == [*actions.OFFERS, actions.PARKED]
    assert list(found.lists) == [f"act_{b}_stale_2026-11-08" for b in ("045", "090", "180")]
    # the file is stale on the day in its name: the day after the last one on which a stage on it may end
    assert found.stale_on == date(2026, 11, 8)
    assert actions.list_name(45, date(2026, 11, 7)) == "act_045_stale_2026-11-08"
    assert found.waiting.stale_on.tolist() == [date(2026, 11, 8)] * 3 + [None]


def test_earliest_day_first_then_the_most_valuable_and_unknown_values_last(con):
    table = customers(con, [40, 40, 40, 40, 300])
    scores = registered(
        con, "scores", pd.DataFrame({"customer_id": ["c0", "c1", "c3"], "residual_revenue": [5.0, 9, 5]})
    )
    categories = registered(con, "cats", pd.DataFrame({"customer_id": ["c1"], "category": ["tea"]}))
    found = actions.ending(table, scores=scores, last_categories=categories, **ASK)
    listed = found.at(45).to_pandas()
    # c3 before c0: as valuable, more revenue; c2 has no score
    assert listed.customer_id.tolist() == ["c1", "c3", "c0", "c2"]
    assert listed.expected_revenue.tolist()[:3] == [9, 5, 5]
    assert listed.expected_revenue.isna().tolist() == [False, False, False, True]
    assert listed.revenue_so_far.tolist() == [101, 103, 100, 102]
    assert listed.last_category.fillna("").tolist() == ["tea", "", "", ""]
    assert str(found.waiting.value[0]) == "1 of 4 customers have no score"
    whole = actions.ending(
        table, scores=scores.union(ibis.memtable({"customer_id": ["c2"], "residual_revenue": [1.0]})), **ASK
    )
    assert whole.waiting.value[0] == 20
    assert whole.waiting.value[1] == 0
    assert str(whole.waiting.value[3]) == "1 of 1 customers have no score"
    why = NotComputable("not enough data: 5 customers, 200 needed")
    unscored = actions.ending(table, scores=why, last_categories=why, **ASK)
    assert unscored.waiting.value[0] == why
    assert ids(unscored.at(45)) == ["c3", "c2", "c1", "c0"]
    days = customers(con, [39, 40, 41, 42], name="days")  # whose stage ends sooner comes first, whatever the value
    by_day = actions.ending(days, scores=scores, **ASK).at(45).to_pandas()
    assert by_day.customer_id.tolist() == ["c3", "c2", "c1", "c0"]
    assert by_day.valid_until.is_monotonic_increasing


def test_what_to_send_is_told_by_kind_and_adds_up_to_the_lists(con):
    table = customers(con, [40] * 60 + [85] * 5 + [300], [0, 0, 1] * 20 + [0] * 5 + [1])
    scores = registered(
        con, "worth", pd.DataFrame({"customer_id": [f"c{i}" for i in range(66)], "residual_revenue": 2.0})
    )
    out = registered(con, "gone", pd.DataFrame({"customer_id": ["c0", "c2"]}))
    found = actions.ending(table, scores=scores, opted_out=out, **ASK)
    told = found.to_send.set_index(["stage", "bought"])
    assert told.index.tolist() == [
        *((stage, often) for stage in ("active", "silent", "sleeping") for often in actions.BOUGHT),
        ("all", ""),
    ]
    assert told.offer.tolist()[:4:2] == list(actions.OFFERS[:2])
    assert told.offer.tolist()[1:4:2] == list(actions.SECOND_PURCHASE[:2])
    assert told.customers.tolist() == [19, 39, 0, 5, 0, 0, 63]
    assert told.opted_out.tolist() == [1, 1, 0, 0, 0, 0, 2]
    for place, bound in enumerate(BOUNDS):
        listed = found.at(bound).to_pandas()
        sent = listed[listed.send == "yes"]
        mine = told.iloc[2 * place : 2 * place + 2]
        assert mine.write_to.tolist() == [(~sent.one_time).sum(), sent.one_time.sum()]
        assert mine.held_out.sum() == len(listed) - len(sent)
        assert mine.value_write_to.sum() == 2 * len(sent)
    assert (told.held_out + told.write_to == told.customers).all()
    counts = ["customers", "held_out", "write_to", "opted_out", "revenue", "value", "value_write_to"]
    assert told[counts].iloc[:-1].sum().tolist() == told[counts].iloc[-1].tolist()
    unscored = actions.ending(table, **ASK).to_send
    assert str(unscored.value.iloc[-1]) == str(unscored.value_write_to.iloc[-1]) == "65 of 65 customers have no score"
    assert unscored.value[2] == 0  # nobody in it


def test_the_days_on_which_rows_end_are_those_of_what_is_sent(con):
    found = actions.ending(customers(con, [40] * 30 + [42] * 30 + [86] * 30 + [300] * 9), **ASK)
    rows = pd.concat([found.at(bound).to_pandas() for bound in BOUNDS])
    sent = rows[rows.send == "yes"].groupby("valid_until").size()
    assert found.due.valid_until.tolist() == sent.index.tolist()
    assert found.due.write_to.tolist() == sent.tolist()
    assert actions.ending(customers(con, [300]), **ASK).due.empty


def test_a_longer_list_keeps_who_is_written_to(con):
    table = customers(con, [*range(60)] * 20)
    week, month = (actions.ending(table, **{**ASK, "within_days": days}).at(45).to_pandas() for days in (7, 30))
    arms = month.set_index("customer_id").arm
    assert len(month) > len(week)
    assert (week.set_index("customer_id").arm == arms.reindex(week.customer_id)).all()


def test_who_opted_out_is_counted_and_not_listed(con):
    table = customers(con, [40, 40, 41, 300])
    out = registered(con, "out", pd.DataFrame({"customer_id": ["c1", "c1", "c3", None, "stranger"]}))
    found = actions.ending(table, opted_out=out, **ASK)
    assert ids(found.at(45)) == ["c2", "c0"]
    assert found.waiting.customers.tolist() == [2, 0, 0, 0]
    assert found.waiting.opted_out.tolist() == [1, 0, 0, 1]
    assert found.waiting.revenue.tolist() == [202.0, 0, 0, 0]


def drawn(con, n, campaign, share):
    table = registered(con, "drawn", pd.DataFrame({"customer_id": [f"C{i:08d}" for i in range(n)]}))
    arm = actions.arm(table.customer_id, ibis.literal(campaign), holdout_share=share)
    return table.mutate(arm=arm).to_pandas().set_index("customer_id").arm


def test_the_holdout_is_as_large_as_asked_and_independent_between_campaigns(con):
    n = 20_000
    # as fractions of 1 the digits are uniform (Kolmogorov-Smirnov; not 1 chance in 1,000 of a worse fit)
    names = [f"demo-2026-10-day045|C{i:08d}" for i in range(n)]
    fractions = [int(hashlib.md5(name.encode()).hexdigest()[:13], 16) / 16**13 for name in names]  # noqa: S324
    assert kstest(fractions, "uniform").pvalue > 0.001
    for share in (0.02, 0.1, 0.5):
        arms = {
            c: drawn(con, n, f"demo-{c}", share) == "holdout"
            for c in ("2026-10-day045", "2026-11-day045", "2026-10-day090")
        }
        for held in arms.values():
            assert binomtest(int(held.sum()), n, share).pvalue > 0.001
        one, *others = arms.values()
        for other in others:
            assert chi2_contingency(pd.crosstab(one, other)).pvalue > 0.001
    held = drawn(con, n, "demo-2026-10-day045", 0.1) == "holdout"
    assert (held.to_numpy() == (np.array(fractions) < 0.1)).all()  # whoever has Python finds the same arms


def test_the_holdout_does_not_depend_on_the_run_the_order_or_who_else_is_there(con):
    recencies = [40] * 300
    arms = actions.ending(customers(con, recencies), **ASK).at(45).to_pandas().set_index("customer_id").arm
    again = actions.ending(customers(ibis.duckdb.connect(threads=2), recencies), **ASK).at(45).to_pandas()
    assert (again.set_index("customer_id").arm == arms.reindex(again.customer_id)).all()
    table = customers(con, recencies).order_by(ibis._.customer_id.desc()).filter(ibis._.customer_id >= "c2")
    fewer = actions.ending(table, **ASK).at(45).to_pandas().set_index("customer_id").arm
    assert len(fewer) < len(arms)
    assert (fewer == arms.reindex(fewer.index)).all()
    # a larger share holds out the same customers and more
    more = drawn(con, 5000, "x", 0.3) == "holdout"
    assert (more | ~(drawn(con, 5000, "x", 0.1) == "holdout")).all()
    assert (drawn(con, 5000, "x", 0.0) == "treated").all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"within_days": 0}, "choose 1 to 44 days"),
        ({"within_days": 45}, "choose 1 to 44 days"),
        ({"holdout_share": 1.0}, "from 0 to below 1"),
        ({"holdout_share": -0.1}, "from 0 to below 1"),
        ({"bounds": [45, 90]}, "offers for 3"),
        ({"bounds": [90, 45, 180]}, "each more than the one before"),
    ],
)
def test_what_makes_no_list_is_refused(con, change, told):
    with pytest.raises(BadParameters, match=told):
        actions.ending(customers(con, [40]), **{**ASK, **change})


def test_an_unknown_trigger_names_those_there_are(con):
    with pytest.raises(BadParameters, match=r"one of \[45, 90, 180\]"):
        actions.ending(customers(con, [40]), **ASK).at(60)


def test_the_last_category_is_that_of_the_largest_line_of_the_last_order(con):
    at = datetime(2026, 10, 1, 12)
    orders = pd.DataFrame(
        [
            ("1", "a", at),
            ("2", "a", at + timedelta(hours=1)),
            ("3", "b", at),
            ("4", None, at),
            ("5", "d", at),
            ("6", "e", at),
        ],
        columns=["order_id", "customer_id", "paid_at"],
    )
    items = pd.DataFrame(
        [
            ("1", "s1", "Oolong", "tea", 99.0),
            ("2", "s2", "Pot", "pots", 20.0),
            ("2", "s3", "Cup", "cups", 30.0),
            ("3", "s4", "Tray", "", 5.0),
            ("4", "s1", "Oolong", "tea", 5.0),
            ("6", "s6", None, None, 7.0),
            ("6", "s5", None, None, 7.0),
        ],
        columns=["order_id", "sku", "title", "category", "amount"],
    )
    con.con.register("items", pa.Table.from_pandas(items, preserve_index=False))
    ordered = registered(con, "orders", orders)
    found = actions.last_category(ordered, con.table("items")).to_pandas().set_index("customer_id").category.to_dict()
    # a: the larger line of the later order; b: no category, so the title; d: no lines; e: a tie, so the first sku
    assert found == {"a": "cups", "b": "Tray", "e": "s5"}
    bare = actions.last_category(ordered, con.table("items").drop("title", "category")).to_pandas()
    assert bare.set_index("customer_id").category.to_dict() == {"a": "s3", "b": "s4", "e": "s5"}
