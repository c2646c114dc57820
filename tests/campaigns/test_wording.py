"""wording.py: few digits, no zero for what is not 0, and whole sentences for what cannot be told."""

import pytest

from clvbook.campaigns import wording
from clvbook.errors import NotComputable


@pytest.mark.parametrize(
    ("value", "shown"),
    [(9.0, "9"), (31.46, "31.5"), (0.333, "0.33"), (1234.5, "1,234"), (-5, "−5"), (0, "0"), (0.001, "almost 0")],
)
def test_a_number(value, shown):
    assert wording.number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.003, "0.3"), (0.00102, "0.102"), (0.0132, "1.32"), (0.278, "27.8"), (1, "100"), (0, "0"), (1e-7, "almost 0")],
)
def test_a_share(share, shown):
    assert wording.percent(share) == f"{shown}\u00a0%"
    assert wording.points(share) == f"{shown}\u00a0points"


def test_a_share_below_zero():
    assert wording.points(-0.0015) == "−0.15\u00a0points"


def test_counts_and_rough_numbers():
    assert [wording.count(n, "buyer") for n in (0, 1, 1200)] == ["0 buyers", "1 buyer", "1,200 buyers"]
    assert [wording.rough(n) for n in (0, 7, 99, 100, 101, 16_234)] == [0, 7, 99, 100, 110, 17_000]


def test_how_many_more_sends():
    told = wording.more_sends(19_472, so_far=1000)
    assert told == "If customers go on as so far, about 20,000 more sends would settle it, 20 campaigns of this size."
    assert wording.more_sends(1, so_far=5).endswith("about 1 more send would settle it.")
    assert "no number" in wording.more_sends(10**12, so_far=5)
    assert wording.more_sends(NotComputable("not now"), so_far=5) == "Not now."
