"""return_sentences.py: who comes back in words; a bound, sale, contact or habit is claimed as far as it shows."""

from types import SimpleNamespace

import pandas as pd
import pytest

from clvbook.errors import NotComputable
from clvbook.lifecycle.cohorts import Cohorts
from clvbook.lifecycle.ladder import Flattening
from clvbook.present import return_sentences as s
from clvbook.present import words
from clvbook.present.sentences import say
from clvbook.settings import make_settings

WHY = NotComputable("not enough data: 3 customers, 200 needed")
PLAIN = make_settings({"shop": "a", "orders": "o.csv"})
PAYS = make_settings({"shop": "a", "orders": "o.csv", "margin_rate": 0.4, "contact_cost": 0.5})


def told(*sentences):
    """As a reader meets it, with plain spaces; no figure is broken, no word missing."""
    found = repr(say(*sentences)).replace(words.SPACE, " ")
    for fault in ("nan", "inf ", "None", "NotComputable(", "  ", " .", ",,", "..", "()"):
        assert fault not in found, (fault, found)
    return found


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: s.calibration(WHY, PLAIN),
        lambda: s.stop_rule(WHY, WHY, PLAIN),
        lambda: s.contact_depth(WHY, [], WHY, PLAIN),
        lambda: s.ladder(WHY, PLAIN),
        lambda: s.cohorts(WHY),
    ],
)
def test_what_cannot_be_computed_is_its_reason_and_nothing_else(sentence):
    assert sentence() == WHY


def own(*days):
    bounds = pd.DataFrame({"given": [45, 90, 180], "own": days, "returned": [0.3, 0.5, 0.8]})
    return SimpleNamespace(reliable_day=600, eventually=0.6, bounds=bounds)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        # of 100 purchases 60 are followed, 18 by day 45: 42 of the 82 who are left then
        (
            (133, 283, 447),
            "on day 45, when they begin to count as silent, 70 % of those who will come back are still to come: they "
            "are 51 % of those whom an offer reaches then. Bounds on these days, stage_bounds: [133, 283, 447] "
            "instead of [45, 90, 180], say how fast customers return. They do not show when a message pays and would "
            "move the first message from day 45 to day 133: change them when the holdouts of some months have shown "
            "what messages do.",
        ),
        (
            (20, 40, 90),
            "return sooner than the bounds suppose. Bounds on these days, stage_bounds: [20, 40, 90] instead",
        ),
        ((20, 40, 90), "would move the first message from day 45 to day 20: change"),
        ((45, 100, 170), "The given bounds fit. Bounds on these days, stage_bounds: [45, 100, 170] instead"),
        ((45, 100, 170), "They do not show when a message pays: change them when the holdouts"),
        ((45, 100, 400), "The given bounds fit in part. Bounds on these days, stage_bounds: [45, 100, 400]"),
        ((1, 1, 7), "So close together they are no stages: stay with stage_bounds: [45, 90, 180]."),
        ((0, 5, 9), "stay with stage_bounds: [45, 90, 180]."),
    ],
)
def test_bounds_are_proposed_where_the_shops_own_differ_and_can_be_set(days, said):
    found = told(s.calibration(own(*days), PLAIN))
    assert found.startswith(
        "Of all purchases, each of a frequent buyer counted, 60 % are followed by another within 600 days; of those, "
        f"half by day {days[0]}, three quarters by day {days[1]} and nine tenths by day {days[2]}. "
    )
    assert said in found


def chances(*rows):
    frame = pd.DataFrame(rows, columns=["silent_days", "rate"])
    return frame.assign(low=frame.rate - 0.005, high=frame.rate + 0.005)


STEADY = chances((0, 0.2), (150, 0.06), (180, 0.05), (210, 0.045), (600, 0.01))


def back(best, months=14):
    frame = pd.DataFrame({"snapshot": pd.date_range("2025-08-31", periods=months, freq="ME"), "customers": 1000})
    frame["moved"] = [best, *[20] * (months - 1)]
    return frame.assign(rate=frame.moved / frame.customers)


def test_the_last_bound_is_judged_by_the_days_on_its_two_sides():
    said = told(s.stop_rule(STEADY, WHY, PLAIN))
    assert said.startswith(
        "Stop after 180 days? These data do not mark that day: the chance to come back makes no sudden drop there. "
        "The rule is that of the source of the bounds. Of customers without a purchase for 180 days 5.0 % (4.5–5.5 "
        "%), for 210 days 4.5 % (4.0–5.0 %) and for 600 days 1.0 % (0.5–1.5 %) buy within the next 30 days. Keep the "
        "strong offer for a big sale? That can be told after"
    )
    cliff = told(s.stop_rule(chances((180, 0.05), (210, 0.01)), WHY, PLAIN))
    assert cliff.startswith("Stop after 180 days? There is something to it: the chance to come back drops there. Of")
    assert "for 180 days 5.0 % (4.5–5.5 %) and for 210 days 1.0 % (0.5–1.5 %) buy within" in cliff
    slope = told(s.stop_rule(chances((150, 0.07), (180, 0.05), (210, 0.03)), WHY, PLAIN))
    assert slope.startswith("Stop after 180 days? These data do not mark that day")
    assert s.stop_rule(STEADY.iloc[:3], WHY, PLAIN) == NotComputable("not enough data on silences beyond 180 days")


def test_the_best_of_many_months_needs_more_than_the_best_of_luck():
    grown = back(60)
    grown.loc[11:, "customers"], grown.loc[13, "customers"] = 1000, 3000
    assert told(s.stop_rule(STEADY, grown, PLAIN)).endswith(
        "Keep the strong offer for a big sale? Plausible: in the best of 14 months, August 2025, 6.0 % of the lost "
        "came back, against 2.0 % in an average one, more than chance explains. 1,000 were lost before that month "
        "and 3,000 before the last one; of the last 3 months the rate is 1.2 %: plan with that. Some came back by "
        "themselves, some were written to: what a message adds, only a holdout tells."
    )
    # 31 of 1,000 where 2.1 % are usual: some 2 % likely in one month, but not in the best of 14
    luck = told(s.stop_rule(STEADY, back(31), PLAIN))
    assert "big sale? Not shown: in the best of 14 months, August 2025, 3.1 % of the lost came back" in luck
    assert "against 2.1 % in an average one, which may be chance." in luck
    young = told(s.stop_rule(STEADY, back(60, months=11), PLAIN))
    assert young.endswith("big sale? That can be told after a year of months with lost customers.")
    never = back(0).assign(moved=0, rate=0.0)
    assert told(s.stop_rule(STEADY, never, PLAIN)).endswith("Nobody of the lost came back in any month.")


LEDGER = SimpleNamespace(total=SimpleNamespace(value=9000.0))
NAMES = ["0 to 45 days", "46 to 90 days", "91 to 180 days", "more than 180 days"]


def values(*value, of="margin", losing=WHY):
    frame = pd.DataFrame({"value": value, "break_even": [5.0, 4.0, 3.0, 2.0]})
    return SimpleNamespace(of=of, by_stage=frame, losing_from=losing)


def test_contacts_are_judged_as_far_as_they_surely_lose():
    some = told(s.contact_depth(values(40.0, 10.0, -1.0, -2.0, losing=2), NAMES, LEDGER, PAYS))
    assert some == (
        "At the rates seen, a customer who bought in the last 45 days brings ¥40.00 of margin over the next 365 days, "
        "one silent for more than 180 days −¥2.00, contacts paid. The ledger above knows each customer's own "
        "purchases, this nothing but the days since the last one, so the two differ: choose among customers by the "
        "ledger's values (the lists have them), and take from here the limit of a contact. With a contact every 45 "
        "days at ¥0.50, customers silent for 91 to 180 days or longer lose money even if every purchase came because "
        "of it: leave them alone."
    )
    last = told(s.contact_depth(values(40.0, 10.0, 1.0, -2.0, losing=3), NAMES, LEDGER, PAYS))
    assert "customers silent for more than 180 days lose money" in last
    every = told(s.contact_depth(values(-4.0, -3.0, -2.0, -1.0, losing=0), NAMES, LEDGER, PAYS))
    assert "all customers lose money" in every
    none = told(s.contact_depth(values(40.0, 10.0, 4.0, 2.0), NAMES, LEDGER, PAYS))
    assert none.endswith(
        "With a contact every 45 days at ¥0.50 there is no silence from which on contacts surely lose money. ¥0.50 is "
        "the message alone. With the gift or discount that goes with it one contact may cost at most ¥5.00 for "
        "customers silent for 0 to 45 days and ¥2.00 for more than 180 days, on average of those written to: so much "
        "one contact can earn if every purchase came because of it, while ¥40.00 and ¥2.00 are of all 365 days. Do "
        "not multiply it by the contacts of that time. Some come anyway, so below it a contact may pay; only a "
        "holdout shows whether it does."
    )


def test_without_a_value_model_nothing_is_said_of_the_ledgers_values():
    unknown = SimpleNamespace(total=SimpleNamespace(value=WHY))
    said = told(s.contact_depth(values(40.0, 10.0, 4.0, 2.0), NAMES, unknown, PAYS))
    assert "180 days ¥2.00, contacts paid. With a contact every 45 days" in said


def test_without_margin_or_cost_nothing_is_said_of_contacts():
    why = NotComputable("contact_cost and margin_rate not set: whether a contact pays is not known")
    said = told(s.contact_depth(values(90.0, 9.0, 8.0, 7.0, of="revenue", losing=why), NAMES, LEDGER, PLAIN))
    assert "brings ¥90.00 of revenue (margin_rate is not set) over" in said
    assert said.endswith(f"Down to which stage a contact pays cannot be told: {why}.")
    assert "contacts paid" not in said
    assert "choose among customers by the ledger's values (the lists have them). Down to" in said


def ladder(flat, probabilities=(0.3, 0.4, 0.5), naive=0.25, rises=(False, False, WHY)):
    n = len(probabilities)
    reached = [900, 300, 90][:n]
    steps = pd.DataFrame(
        {"order": range(1, n + 1), "window": 180, "probability": probabilities, "naive": naive, "reached": reached},
        dtype=object,
    )
    lacks = [isinstance(p, NotComputable) for p in probabilities]
    steps["low"] = [p if lack else p - 0.05 for p, lack in zip(probabilities, lacks, strict=True)]
    steps["high"] = [p if lack else p + 0.05 for p, lack in zip(probabilities, lacks, strict=True)]
    gains = pd.DataFrame({"order": [1, 2, 3], "gain": [0.1, 0.2, WHY], "rises": list(rises)}, dtype=object)
    return SimpleNamespace(steps=steps, flattens_at=lambda window: flat, gains=lambda window: gains)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (
            1,
            "That a second purchase makes the next one likelier is not shown: its step (+1.0 points, interval",
        ),
        (2, "Up to purchase 2 each one is followed by the next more often; the step after it (+1.0 points, interval"),
        (2, "That is before the 3 to 5 purchases"),
        (3, "That is within the 3 to 5 purchases"),
        (5, "That is within the 3 to 5 purchases"),
        (6, "That is after the 3 to 5 purchases"),
    ],
)
def test_the_habit_is_where_the_ladder_flattens(order, said):
    found = told(s.ladder(ladder(Flattening(order, 180, 0.01, -0.02, 0.04)), PLAIN))
    assert found.startswith(
        "After the first purchase 30 % (25–35 %) buy again within 180 days, after purchase 3 50 % (45–55 %). But only "
        "90 of 900 customers got to purchase 3, and who did was keener to begin with: pushing others to that number "
        "need not make them so. No later step loses as many as the first: 70 % do not buy a second time within 180 "
        "days. Simply dividing buyers by customers would give 25 % after the first"
    )
    assert said in found


def test_the_largest_step_is_named_where_one_surely_rises():
    found = told(s.ladder(ladder(WHY, probabilities=(0.6, 0.7, 0.9), rises=(True, True, WHY)), PLAIN))
    assert "The largest step is that of purchase 3: 90 % buy again after it, 70 % after the one before." in found
    falling = told(s.ladder(ladder(WHY, probabilities=(0.6, 0.5, 0.9)), PLAIN))
    assert "No later step" not in falling
    assert "The largest step" not in told(s.ladder(ladder(WHY), PLAIN))
    both = told(s.ladder(ladder(WHY, naive=0.3, rises=(True, True, WHY)), PLAIN))
    assert " The largest step is that of purchase 3: 50 % buy again after it, 40 % after the one before. Where" in both
    first = told(s.ladder(ladder(WHY, naive=0.3, rises=(True, False, WHY)), PLAIN))
    assert " The largest step is that of purchase 2: 40 % buy again after it, 30 % after the one before. Where" in first


def test_a_step_down_is_not_told_as_none():
    assert "points) falls again." in told(s.ladder(ladder(Flattening(1, 180, -0.1, -0.2, -0.05)), PLAIN))
    assert told(s.ladder(ladder(WHY), PLAIN)).endswith(f"cannot be seen: {WHY}. Guides name 3 to 5 purchases.")


def test_a_ladder_tells_the_steps_that_have_an_interval():
    short = told(s.ladder(ladder(WHY, probabilities=(0.3, WHY, WHY), naive=0.3), PLAIN))
    assert short.startswith("After the first purchase 30 % (25–35 %) buy again within 180 days. Where the habit")
    assert "got to purchase" not in short
    assert "Simply dividing" not in short  # it would give the same
    everybody = ladder(WHY, probabilities=(1.0, WHY, WHY))
    everybody.steps.loc[0, ["low", "high"]] = WHY
    assert s.ladder(everybody, PLAIN) == WHY  # all who could be seen bought: no share to be told


def cohort(shares, size=1000, burn_in=None):
    months = [f"2025-{n + 1:02d}" for n in range(len(shares))]
    cells = pd.DataFrame({k: [round(share * size) * (k > 0) for share in shares] for k in range(4)}, index=months)
    sizes = pd.Series(size, index=months, name="size")
    every = dict.fromkeys(["on", "on_or_after", "cumulative", "revenue"], cells.astype("Int64"))
    day = pd.Timestamp("2026-03-31").date()
    return Cohorts(day, day, burn_in, 0.95, 0, sizes, every)


def test_newer_customers_are_compared_with_older_ones():
    better = told(s.cohorts(cohort([0.2] * 4 + [0.3] * 4)))
    assert better.startswith(
        "Within 3 months after the month of the first purchase 20.0 % of the customers of January 2025 to April 2025 "
        "had bought again, and 30.0 % of those of May 2025 to August 2025: newer customers come back more often, by "
        "more than chance."
    )
    assert "seasons are in it" in better
    assert "come back less often" in told(s.cohorts(cohort([0.3] * 4 + [0.2] * 4)))
    alike = told(s.cohorts(cohort([0.2] * 4 + [0.21] * 4)))
    assert "and 21.0 % of those of May 2025 to August 2025: the difference may be chance. They" in alike
    # nobody of two against one of two is chance
    assert "the difference may be chance" in told(s.cohorts(cohort([0.0, 0.0, 0.0, 1.0], size=1)))
    same = told(s.cohorts(cohort([0.2] * 8)))
    assert "and 20.0 % of those of May 2025 to August 2025: there is no difference. They" in same


def test_too_few_cohorts_are_counted():
    few = s.cohorts(cohort([0.2] * 3))
    assert few == NotComputable("not enough data: 3 of 4 months whose new customers can be compared a month later")
    begun = s.cohorts(cohort([0.2] * 6, burn_in=pd.Timestamp("2025-05-15").date()))
    assert str(begun).startswith("not enough data: 1 of 4 months")
