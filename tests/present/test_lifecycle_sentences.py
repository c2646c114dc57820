"""lifecycle_sentences.py: a sentence says what its numbers say, turns where they turn, and prints a reason for one."""

from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import lifecycle_sentences as s
from clvbook.present import words
from clvbook.present.sentences import say
from clvbook.settings import make_settings

WHY = NotComputable("not enough data: 3 customers, 200 needed")
PLAIN = make_settings({"shop": "a", "orders": "o.csv"})
STAGES = ["active", "silent", "sleeping", "lost"]


def told(*sentences):
    """As a reader meets it, with plain spaces; no figure is broken, no word missing."""
    found = repr(say(*sentences)).replace(words.SPACE, " ")
    for fault in ("nan", "inf ", "None", "NotComputable(", "  ", " .", ",,", "..", "()"):
        assert fault not in found, (fault, found)
    return found


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: s.ledger(WHY, PLAIN),
        lambda: s.mix(WHY),
        lambda: s.flow(WHY),
        lambda: s.grid(WHY),
        lambda: s.moves(WHY, WHY, WHY, WHY),
        lambda: s.forecast(WHY, WHY, WHY, 100, PLAIN),
    ],
)
def test_what_cannot_be_computed_is_its_reason_and_nothing_else(sentence):
    assert sentence() == WHY


def book(**changes):
    """A ledger of 100 customers; `changes` to cells by name of the stage or total."""
    frame = pd.DataFrame(
        {
            "stage": [*STAGES, "total"],
            "customers": [20, 15, 15, 50, 100],
            "share": [0.2, 0.15, 0.15, 0.5, 1.0],
            "value": [2000.0, 500.0, 500.0, 1000.0, 4000.0],
            "written_off": [0.4, 0.5, 0.6, 0.9, 0.7],
            "extrapolated": [0.0, 0.1, 0.2, 0.4, 0.25],
        }
    ).astype(object).set_index("stage")  # fmt: skip
    for stage, cells in changes.items():
        for name, cell in cells.items():
            frame.loc[stage, name] = cell
    return SimpleNamespace(stages=frame.iloc[:4].reset_index(), total=frame.loc["total"])


def test_the_ledger_weighs_the_lost_by_value_and_by_who_stays_away():
    assert told(s.ledger(book(), PLAIN)) == (
        "50 % of all customers ever won are lost by the stage's definition (silent for more than 180 days). The value "
        "model still expects 25 % of the value to come from them, ¥20.00 each; from an active customer ¥100. Judged by "
        "how long customers of this shop have stayed away before, 70 % of all customers are expected not to buy in the "
        "next 365 days: 40 % of the active and 90 % of the lost. For 25 % of customers that looks beyond the longest "
        "silence the shop has seen, and supposes that they come back as seldom as the longest silent so far."
    )
    near = told(s.ledger(book(total={"extrapolated": 0.0}), PLAIN))
    assert near.endswith("and 90 % of the lost.")


def test_the_ledger_leaves_out_what_is_not_known():
    valueless = {stage: {"value": WHY} for stage in [*STAGES, "total"]}
    assert "value" not in told(s.ledger(book(**valueless), PLAIN))
    far = told(s.ledger(book(total={"written_off": WHY}), PLAIN))
    assert far.endswith(f"How many of all will stay away is not computable: {WHY}.")
    assert "365 days: 40 % of the active. For" in told(s.ledger(book(lost={"written_off": WHY}), PLAIN))
    both = {"lost": {"written_off": WHY}, "active": {"written_off": WHY, "customers": 0}}
    said = told(s.ledger(book(**both), PLAIN))
    assert "not to buy in the next 365 days. For 25 %" in said
    assert "active" not in said
    young = told(s.ledger(book(lost={"customers": 0, "share": 0.0, "value": 0.0, "written_off": WHY}), PLAIN))
    assert young.startswith("No customer is lost yet (silent for more than 180 days). Judged by")


def shares(active, months=14):
    ends = pd.date_range("2025-08-31", periods=months, freq="ME")
    rows = [
        (end, stage, n)
        for k, end in enumerate(ends)
        for stage, n in zip(STAGES, (active + k, 10, 10, 80 - active + 2 * k), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["snapshot", "stage", "customers"])
    return frame.assign(share=frame.customers / frame.groupby("snapshot").customers.transform("sum"))


def test_the_mix_is_held_against_a_year_ago_or_as_long_as_there_is():
    assert told(s.mix(shares(20))).startswith(
        "33 customers are active, 23.7 % of all; 12 months ago it was 21, 20.4 %. A falling share alone is no alarm"
    )
    assert told(s.mix(shares(20, months=2))).startswith("21 customers are active, 20.4 % of all; 1 month ago it was 20")
    high = shares(20)
    high.loc[(high.stage == "active") & (high.snapshot == pd.Timestamp("2026-03-31")), "customers"] = 44
    assert told(s.mix(high)).startswith(
        "33 customers are active, 23.7 % of all; 12 months ago it was 21, 20.4 %; the most since then were 44 at the "
        "end of March 2026, now it is 25 % less. A falling share"
    )
    assert told(s.mix(shares(20, months=1))) == "20.0 % of customers are active."
    assert told(s.mix(shares(0, months=2))).startswith("1 customer is active")


def flow(new, returning, resurrected, dormant, burn_in=0, months=3):
    frame = pd.DataFrame({"snapshot": pd.date_range("2026-07-31", periods=months, freq="ME")})
    active, before = new + returning + resurrected, returning + dormant
    figures = {"new": new, "returning": returning, "resurrected": resurrected, "dormant": dormant}
    return frame.assign(**figures, active=active, active_before=before, burn_in=[n < burn_in for n in range(months)])


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (flow(5, 3, 2, 4), "10 customers bought, 3 more than the month before: 5 for the first time, 3 who had"),
        (flow(5, 3, 2, 9), "10 customers bought, 2 fewer than the month before: 5"),
        (flow(5, 3, 2, 7), "10 customers bought, as many as the month before: 5"),
        (flow(0, 0, 1, 1), "1 customer bought, as many as the month before: 0 for the first time"),
        (flow(5, 3, 2, 1), "after a pause. 1 buyer of the month before did not buy again."),
        (
            flow(5, 3, 2, 1, burn_in=1),
            "again. In the first month of the export old customers look new: they are hatched.",
        ),
        (flow(5, 3, 2, 1, burn_in=2), "In the first 2 months of the export"),
    ],
)
def test_the_flow_says_whether_buyers_became_more(frame, said):
    assert said in told(s.flow(frame))


def test_a_first_month_is_compared_with_nothing():
    assert told(s.flow(flow(5, 0, 0, 0, months=1))) == (
        "In July 2026 5 customers bought. It is the first month of the orders: everybody looks new in it."
    )


def test_the_grid_counts_prospects_or_says_why_not():
    frame = pd.DataFrame(
        {"count": ["prospect", "new", "old", "regular", "sticky"], "customers": [3, 60, 20, 12, 8]}, dtype=object
    )
    start = "60 % of customers bought once, 8.0 % five times or more."
    assert told(s.grid(frame)) == f"{start} 3 prospects ordered and never paid: they wanted to buy already."
    frame.loc[0, "customers"] = 0
    assert (
        told(s.grid(frame))
        == f"{start} Whoever left an order unpaid has bought at another time: there are no prospects."
    )
    frame["customers"] = [WHY, 60, 20, 12, 8]
    assert told(s.grid(frame)) == f"{start} Prospects cannot be counted: {WHY}."


def rates(active=0.4, lost=0.95):
    stay = {"active": active, "silent": 0.1, "sleeping": 0.5, "lost": lost}
    rows = [(a, b, stay[a] if a == b else (1 - stay[a]) / 3) for a in STAGES for b in STAGES]
    frame = pd.DataFrame(rows, columns=["from", "to", "rate"])
    return frame.assign(low=frame.rate - 0.02, high=frame.rate + 0.02)


def by_month(stages=("active", "lost"), months=6):
    each = pd.DataFrame({"snapshot": pd.date_range("2026-01-31", periods=months, freq="ME"), "customers": 100})
    moved = {"active": [50, 70, 60, 58, 62, 57], "lost": [9, 5, 4, 4, 3, 2]}
    left = [each.assign(stage=stage, moved=moved[stage][:months]) for stage in stages]
    return pd.concat(left, ignore_index=True).assign(rate=lambda t: t.moved / t.customers)


NONE_WRONG = pd.DataFrame({"customers": []})
ALIKE = SimpleNamespace(homogeneous=True)


def test_moves_are_told_by_who_leaves_and_who_comes_back():
    assert told(s.moves(rates(), by_month(), NONE_WRONG, ALIKE)) == (
        "In an average month 60.0 % of the active stop being so (interval of this mean 58.0–62.0 %; single months had "
        "50.0–70.0 %, the last 3 together 59.0 %); 5.0 % of the lost come back (interval of this mean 3.0–7.0 %; "
        "single months had 2.0–9.0 %, the last 3 together 3.0 %). That the months differ is not shown: one matrix may "
        "stand for all."
    )
    assert "single months had 50.0–70.0 %, the last 2 together 60.0 %" in told(
        s.moves(rates(), by_month(months=2), NONE_WRONG, ALIKE)
    )
    differ = SimpleNamespace(
        homogeneous=False, by_step=pd.DataFrame({"snapshot": pd.to_datetime(["2025-11-30", "2026-02-28"])})
    )
    assert "Months do differ by more than chance, most of all November 2025" in told(
        s.moves(rates(), by_month(), NONE_WRONG, differ)
    )
    assert told(s.moves(rates(), by_month(), NONE_WRONG, WHY)).endswith("together 3.0 %).")
    wrong = told(s.moves(rates(), by_month(), pd.DataFrame({"customers": [1, 2]}), WHY))
    assert wrong.endswith("3 moves are some that cannot happen in a month: the data or the program is wrong.")
    empty = rates(active=float("nan"))
    assert "In an average month nobody was active at the beginning of a month; 5.0 % of the lost" in told(
        s.moves(empty, by_month(["lost"]), NONE_WRONG, ALIKE)
    )


def ahead():
    rows = [
        (pd.Timestamp(end), k, stage, 100.0 + k, 90.0, 115.0)
        for k, end in ((1, "2026-10-31"), (2, "2026-11-30"))
        for stage in STAGES
    ]
    return pd.DataFrame(rows, columns=["snapshot", "ahead", "stage", "expected", "low", "high"])


def record(error, of_active=0.2):
    rows = [(k, stage, of_active if stage == 0 else 0.1) for k in (1, 2) for stage in range(4)]
    return SimpleNamespace(
        hit_rate=0.93,
        by_ahead=pd.DataFrame({"ahead": [1, 2], "error": [0.01, error]}, dtype=object),
        by_stage=pd.DataFrame(rows, columns=["ahead", "stage", "error"]).astype({"error": object}),
    )


MADE = SimpleNamespace(steps=12, entrants=20.2)


def test_a_forecast_stands_beside_today_and_how_past_ones_did():
    start = (
        "If customers go on as in the last 12 months, 102 will be active at the end of November 2026 (95 % interval "
        "90–115); now it is 98, and a rise is not certain. That counts on 20 new customers a month, the average of "
        "these months, and knows no seasons and no campaigns to come. tables/stage_forecast.csv has every stage and "
        "month."
    )
    good = told(s.forecast(ahead(), MADE, record(0.1), 98, PLAIN))
    assert good == (
        f"{start} Of forecasts made in the same way in past months, of all stages, 93 % had what came in their "
        "interval (it should be 95 %), and 2 months ahead they were off by 10.0 % on average, those of the active by "
        "20.0 %."
    )
    poor = told(s.forecast(ahead(), MADE, record(0.3), 98, PLAIN))
    assert poor.endswith("off by 30.0 % on average, those of the active by 20.0 %: do not plan with it.")
    assert "by 40.0 %: do not plan with it." in told(s.forecast(ahead(), MADE, record(0.1, 0.4), 98, PLAIN))
    assert told(s.forecast(ahead(), MADE, record(0.1, WHY), 98, PLAIN)).endswith("off by 10.0 % on average.")
    assert told(s.forecast(ahead(), MADE, record(WHY), 98, PLAIN)).endswith("(it should be 95 %).")
    assert told(s.forecast(ahead(), MADE, WHY, 98, PLAIN)) == (
        f"{start} Whether such forecasts were good cannot be said: {WHY}."
    )


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (104, "now it is 104, and a fall is not certain. That"),
        (80, "now it is 80. That counts on"),
        (120, "now it is 120. That counts on"),
    ],
)
def test_a_rise_or_fall_is_certain_only_beyond_the_interval(now, said):
    assert said in told(s.forecast(ahead(), MADE, WHY, now, PLAIN))


def test_small_words():
    assert s.since(12, 10) == "+2 in the month"
    assert s.since(10, 12) == f"{words.MINUS}2 in the month"
    assert s.since(10, 10) == "0 in the month"
    assert s.since(10, WHY) == s.since(WHY, 10) == ""
    assert s.signed(WHY) == WHY.reason
    assert (s.people(1200), s.people(WHY)) == ("1,200", "not known")
    assert [s.purchases(n) for n in ("prospect", "new", "old", "regular", "sticky")][1:] == [
        "1",
        "2",
        "3 or 4",
        "5 or more",
    ]
