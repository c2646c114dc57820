"""list_sentences.py: the head and the lists say what goes to how many, up to which day, and what is on no list."""

from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.present import list_sentences as s
from clvbook.present import words
from clvbook.present.sentences import say
from clvbook.settings import make_settings

WHY = NotComputable("not enough data: 3 customers, 200 needed")
PLAIN = make_settings({"shop": "a", "orders": "o.csv"})
FULL = make_settings({"shop": "a", "orders": "o.csv", "customers": "c.csv", "order_items": "i.csv"})
STAGES = ["active", "silent", "sleeping", "lost"]
WAITING = pd.DataFrame(
    {
        "trigger": [45, 90, 180, 180],
        "stage": STAGES,
        "next_stage": [*STAGES[1:], None],
        "customers": [41, 1, 0, 700],
        "one_time": [20, 1, 0, 500],
        "held_out": [4, 1, 0, 0],
        "write_to": [37, 0, 0, 0],
        "opted_out": [2, 0, 0, 30],
        "revenue": [5000.0, 100.0, 0.0, 9e4],
        "value": [4680.0, 95.5, 0.0, 4e4],
        "offer": ["new arrivals", "small coupon", "strong offer", "park until the big sale"],
        "stale_on": [date(2026, 10, 8)] * 3 + [None],
    }
)
SEND = pd.DataFrame(
    {
        "stage": ["active", "active", "silent", "silent", "sleeping", "sleeping", "all"],
        "bought": ["twice or more", "once"] * 3 + [""],
        "offer": ["new arrivals", "gift", "small coupon", "better gift", "strong offer", "best gift", ""],
        "write_to": [18, 19, 0, 0, 0, 0, 37],
        "value_write_to": [3000.0, 1000.0, 0.0, 0.0, 0.0, 0.0, 4000.0],
    }
)
DUE = pd.DataFrame({"valid_until": pd.to_datetime(["2026-10-01", "2026-10-06"]), "write_to": [7, 30]})
ENDS = pd.DataFrame(
    {
        "day": list(pd.date_range("2026-10-01", periods=2)) * 3,
        "stage": ["active"] * 2 + ["silent"] * 2 + ["sleeping"] * 2,
    }
).assign(customers=[3, 4, 5, 0, 0, 0])
MONTH = pd.DataFrame({"day": pd.date_range("2026-10-01", periods=30), "stage": "active", "customers": 2})


def told(*sentences):
    """As a reader meets it, with plain spaces; no figure is broken, no word missing."""
    found = repr(say(*sentences)).replace(words.SPACE, " ")
    for fault in ("nan", "inf ", "None", "NotComputable(", "  ", " .", ",,", "..", "()"):
        assert fault not in found, (fault, found)
    return found


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: s.about_to_move(WHY, WHY, WHY, PLAIN),
        lambda: s.parked(WHY),
        lambda: s.lists(WHY, WHY, PLAIN, []),
    ],
)
def test_what_cannot_be_computed_is_its_reason_and_nothing_else(sentence):
    assert sentence() == WHY


def test_the_head_names_who_moves_what_goes_to_how_many_and_who_is_held_out():
    assert told(s.about_to_move(WAITING, SEND, DUE, PLAIN)) == (
        "In the next 7 days, unless they buy before: 41 customers become silent (45 days without a purchase); send new "
        "arrivals to 18 who bought twice or more and gift to 19 who bought once. 1 customer becomes sleeping (90 days "
        "without a purchase); send nothing (held out). The 5 left out, drawn at random, get nothing, so that the "
        "difference can be measured. The lists are in tables/. 7 of their 37 messages must go out by 1 October 2026, "
        "the last by 6 October 2026: skip rows whose day (valid_until) is over."
    )
    more = SEND.assign(write_to=[0, 40, 0, 1, 0, 0, 41])
    one = told(s.about_to_move(WAITING.assign(held_out=[1, 0, 0, 0]), more, DUE.iloc[:1], PLAIN))
    assert "send gift to 40 who bought once. 1 customer becomes sleeping (90 days without a purchase); send bet" in one
    assert "The one left out, drawn at random, gets nothing, so that" in one
    assert one.endswith("measured. The lists are in tables/; all of it must go out by 1 October 2026.")
    nobody = told(s.about_to_move(WAITING.assign(customers=[0, 0, 0, 700]), SEND, DUE, PLAIN))
    assert nobody == "No customer's stage ends in the next 7 days: there is nobody to write to."


def test_where_all_are_held_out_no_list_is_named():
    nothing = told(s.about_to_move(WAITING, SEND.assign(write_to=0), DUE.iloc[:0], PLAIN))
    assert "send nothing (held out). 1 customer" in nothing
    assert nothing.endswith("difference can be measured.")


def test_the_head_needs_no_values_to_say_what_to_send():
    valueless = s.about_to_move(WAITING.assign(value=[WHY] * 4), SEND.assign(value_write_to=[WHY] * 7), DUE, PLAIN)
    assert valueless == s.about_to_move(WAITING, SEND, DUE, PLAIN)


def test_a_holdout_of_nobody_is_not_told_as_one():
    none = WAITING.assign(held_out=0)
    said = told(s.about_to_move(none, SEND, DUE, PLAIN))
    assert (
        "So few are on the lists that nobody was drawn to get nothing: the difference cannot be measured. The" in said
    )
    without = told(s.about_to_move(none, SEND, DUE, PLAIN.model_copy(update={"holdout_share": 0.0})))
    assert "(held out). The lists are in tables/." in without
    assert "measured" not in without
    assert "can never be known" in s.holdout(0.0)
    assert s.holdout(0.1) == ""


def test_what_a_contact_may_cost_is_message_and_gift_together():
    most = pd.Series([10.5, 9.0, 6.9], index=STAGES[:3])
    plain = told(s.caps(most, PLAIN))
    assert plain == (
        "The message and the gift or discount that goes with it may together cost at most so much a customer, on "
        "average of those written to: active ¥10.50, silent ¥9.00 and sleeping ¥6.90 (What may a contact cost?)."
    )
    assert told(s.caps(NotComputable("margin_rate is not set"), PLAIN)) == (
        "What a message and its gift or discount may cost at most is not computable: margin_rate is not set."
    )
    costs = PLAIN.model_copy(update={"contact_cost": 0.05})
    assert told(s.caps(most, costs)) == f"{plain} ¥0.05 (contact_cost) is the message alone."


def test_the_lost_are_left_to_the_page_that_weighs_them():
    assert told(s.parked(WAITING)) == (
        "700 lost customers are on none of these lists: to park until the big sale is the practice of the source that "
        "the offers come from, not a finding of this page. Whether a message to one of them pays, the Retention page "
        "weighs customer by customer."
    )
    assert told(s.parked(WAITING.assign(customers=1))).startswith("1 lost customer is on none of these lists")
    assert s.parked(WAITING.assign(customers=0)) == ""


def test_the_lists_say_whom_to_take_off():
    files = ["act_045", "act_090", "act_180"]
    said = told(s.lists(WAITING, ENDS, FULL, files))
    assert said.startswith("tables/act_045.csv, tables/act_090.csv and tables/act_180.csv name the customers with")
    assert "with what they bought last, the offer and the last day on which it is in time (valid_until): the" in said
    assert "the earliest days first, the most valuable of a day first. Write to the rows with send = yes from" in said
    assert "from the top; before that, take off whoever has bought" in said
    assert "bought since the month's end (2 customers who opted out already came off). Keep the files: with" in said
    one = told(s.lists(WAITING.assign(opted_out=[1, 0, 0, 30]), ENDS, FULL, files))
    assert "(1 customer who opted out already came off)" in one
    # without a holdout the files show nothing of what the messages changed
    alone = told(s.lists(WAITING, ENDS, FULL.model_copy(update={"holdout_share": 0.0}), files))
    assert "already came off). Stages end every day" in alone
    assert "changed" not in alone
    plain = told(s.lists(WAITING, ENDS, PLAIN, files))
    assert "whoever wants no messages: that is not known here (customers is not set)." in plain
    assert "bought last" not in plain
    assert "opted out" not in told(s.lists(WAITING.assign(opted_out=0), ENDS, FULL, files))


def test_the_lists_say_how_many_stages_end_after_them():
    whole = told(s.lists(WAITING, ENDS, PLAIN, ["act_045"]))
    assert whole.endswith(
        "over the next 2 days those of 7 active, 5 silent and 0 sleeping customers, of which 12 in the 7 days of these "
        "lists."
    )
    week = told(s.lists(WAITING, MONTH, PLAIN, ["act_045"]))
    assert week.endswith(
        "over the next 30 days those of 60 active customers, of which 14 in the 7 days of these lists. The other 46 "
        "are on no list, and the next month's lists begin on 1 November 2026: a run with act_within_days: 30 lists "
        "them too, and keeps who is written to and who is held out."
    )


@pytest.mark.parametrize(
    ("bounds", "within", "said"),
    [
        (
            [20, 90, 180],
            7,
            "a run with act_within_days: 19, the most that these stage_bounds allow, lists more of them.",
        ),
        ([20, 90, 180], 19, "with these stage_bounds act_within_days cannot be more than 19."),
        ([45, 65, 180], 19, "with these stage_bounds act_within_days cannot be more than 19."),
        (
            [31, 90, 180],
            7,
            "a run with act_within_days: 30 lists them too, and keeps who is written to and who is held",
        ),
    ],
)
def test_a_longer_list_is_proposed_as_far_as_the_bounds_allow(bounds, within, said):
    made = make_settings({"shop": "a", "orders": "o.csv", "stage_bounds": bounds, "act_within_days": within})
    assert said in told(s.lists(WAITING, MONTH, made, ["act"]))


def test_small_words():
    assert (s.stale(date(2026, 10, 8)), s.stale(None)) == ("8 October 2026", "no list")
    total = SEND.iloc[-1]
    assert s.written_to(total, words.money_in("CNY")).startswith("¥4,000 from the 37 to write to; not all")
    assert s.written_to(SimpleNamespace(value_write_to=WHY, write_to=3), str) == ""
    assert s.written_to(WHY, str) == ""
