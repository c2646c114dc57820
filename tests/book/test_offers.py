"""offers.py: save rates from holdouts or assumed, what a message costs, on a simulated shop with its campaigns."""

import numpy as np
import pytest


def test_holdouts_give_the_save_rates(whole, there):
    book = whole()
    rates = book.save_rates.set_index("segment")
    sums = book._kept_sums
    for stage, row in rates.iterrows():
        part = sums[sums.stage == stage]
        treated = part[part.arm == "treated"].set_index("campaign_id")
        held = part[(part.arm == "holdout") & (part.n > 0)].set_index("campaign_id")
        both = treated.join(held[["n", "buyers"]].add_suffix("_held"), how="inner")
        without = np.average(both.buyers_held / both.n_held, weights=both.n)
        assert row.treated == both.n.sum()
        assert row.held_out <= both.n_held.sum()
        expected = both.buyers.sum() / both.n.sum() - without
        assert row.measured == pytest.approx(expected, abs=0.51 / row.held_out)  # whole customers
        assert row.low <= row.measured <= row.high
        assert row.bought - row.bought_held_out == pytest.approx(row.measured)
        assert row.sure == (row.low >= 0.0005)
    assert rates.save_rate.std() <= rates.measured.std()  # shrunken


def test_an_assumption_goes_before_the_holdouts_and_is_called_one(assumed):
    rates = assumed.save_rates
    assert assumed.assumed
    assert rates.save_rate.tolist() == [0.03] * 4
    assert (rates.low.tolist()[0], rates.high.tolist()[0]) == pytest.approx((0.015, 0.045))
    assert str(rates.treated[0]) == "assumed (retention_save_rate)"


def test_the_cost_of_a_message_is_what_campaigns_paid_else_contact_cost(whole, there, opened):
    measured = whole().message_cost
    assert 0.05 <= measured <= 0.10  # 0.05 a unit, one or two units
    plain = opened(contact_cost=0.2)
    assert plain.message_cost == 0.2
    assert "contact_cost" in str(opened().message_cost)


def test_coupons_count_as_far_as_the_campaign_gave_them(whole, there):
    book = whole()
    sums = book._kept_sums.set_index("campaign_id")
    treated, held = (
        sums[sums.arm == name].groupby("campaign_id")[["n", "buyers", "discount"]].sum()
        for name in ("treated", "holdout")
    )
    compared = [name for name in treated.index if name in held.index and held.n[name] > 0]
    more = sum(treated.discount[c] - treated.n[c] * held.discount[c] / held.n[c] for c in compared)
    assert book.incentive == pytest.approx(max(0.0, more / treated.buyers[compared].sum()))
    assert book.incentive < treated.discount.sum() / treated.buyers.sum()  # the held out have other campaigns' coupons
    assert whole(retention_incentive=3.0).incentive == 3.0
