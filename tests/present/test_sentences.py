"""Sentences that appear only when there is something to say."""

import pandas as pd

from clvbook.errors import NotComputable
from clvbook.present import sentences, words


def test_nothing_to_say_shows_nothing():
    nothing = sentences.say("", banner=True)
    assert (nothing._repr_html_(), repr(nothing)) == ("", "")
    assert sentences.say("<b>", banner=True)._repr_html_() == '<p class="clv-banner">&lt;b&gt;</p>'


def test_a_page_warns_only_above_the_limit_of_unidentified_orders():
    assert sentences.unidentified(0.10, 0.10) == ""
    said = sentences.unidentified(0.259, 0.10)
    assert said.startswith(f"{words.percent(0.259)} of orders do not name their customer, more than the")
    assert "unidentified_limit" in said
    assert sentences.unidentified(0.001, 0.0).startswith(words.percent(0.001))


def test_what_the_flag_changes_is_said_in_orders_money_and_customers():
    frame = pd.DataFrame(
        {"version": ["as reported", "with"], "orders": [100, 110], "net": [1000.0, 1250.0], "customers": [40, 43]}
    )
    said = sentences.flagged(frame, "CNY").replace(words.SPACE, " ")
    assert said.startswith("10 orders worth ¥250 look like fake orders and count nowhere.")
    assert "net revenue would be 25.0 % higher" in said
    assert "3 more customers" in said
    assert sentences.flagged(NotComputable("no order was set aside as fake"), "CNY") == ""
    assert "all that there is" in sentences.flagged(frame.assign(net=[0.0, 250.0]), "CNY")
