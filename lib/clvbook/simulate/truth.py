"""The known truth of a simulated shop: the parameters that make it, and what came of them.

in: numbers chosen for a plausible cosmetics shop; out: `Parameters` (before) and `Truth` (after, written as truth.json)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STAGES = ("active", "silent", "sleeping", "lost")
STAGE_ENDS = (45, 90, 180)  # last day since the last order that still belongs to each of the first three stages
REASONS = ("natural", "competition", "fault", "malicious")


@dataclass(frozen=True)
class Parameters:
    """What is true of the shop. Rates are per day, money is CNY, shares lie between 0 and 1.

    Purchases are BG/NBD (Fader, Hardie & Lee 2005): rate lambda ~ Gamma(r, rate alpha), dropout after each *repeat*
    purchase p ~ Beta(a, b). Spend of a customer-day is Gamma-Gamma (Fader & Hardie 2013): z ~ Gamma(p, rate nu),
    nu ~ Gamma(q, rate v), so the mean is p v / (q - 1).
    """

    r: float = 0.6
    alpha: float = 200.0
    a: float = 0.8
    b: float = 2.5
    p: float = 6.0
    q: float = 4.0
    v: float = 75.0
    margin_rate: float = 0.45
    # Campaigns: probability that a delivered message causes one order which would not have been made, by stage.
    lift: tuple[float, ...] = (0.004, 0.013, 0.008, 0.003)
    reach: float = 0.5  # share of those eligible who are in a campaign
    holdout: float = 0.10
    delivered: float = 0.97
    cost_per_unit: float = 0.05
    attribution_days: int = 7
    opted_out: float = 0.03
    coupon_natural: float = 0.3  # share of those who would have bought anyway that use the campaign's coupon
    coupon_caused: float = 0.7
    # Rows beside the clean purchases, as shares of them.
    same_day: float = 0.015  # purchases placed as two orders on one day
    without_customer: float = 0.02  # orders of guests
    part_refunded: float = 0.02
    superseded: float = 0.003
    duplicate_row: float = 0.005
    test_order: float = 0.001
    unpaid: float = 0.001
    closed_unpaid: float = 0.04
    cancelled: float = 0.005
    closed_refunded: float = 0.02
    paid_before_created: float = 0.0005
    zero_amount: float = 0.003
    fully_refunded: float = 0.004
    # Churn survey: true shares of REASONS, and who answers, among one-time and repeat buyers.
    reasons_one_time: tuple[float, ...] = (0.45, 0.30, 0.18, 0.07)
    reasons_repeat: tuple[float, ...] = (0.25, 0.35, 0.32, 0.08)
    answers_one_time: float = 0.25
    answers_repeat: float = 0.45


@dataclass(frozen=True)
class Truth:
    """What a simulated shop is made of and what it will do; `truth.json` holds the same.

    `check` has the keys of `clvbook check --json`. `future[days]` counts customer-days in the
    days after `end` by customers acquired until `end`. Money is CNY, exact to the cent.
    """

    shop: dict[str, Any]
    parameters: dict[str, Any]
    seasons: list[dict[str, Any]]
    rows: dict[str, int]
    planted: dict[str, int]
    check: dict[str, Any]
    purchases: dict[str, Any]
    future: dict[str, dict[str, Any]]
    campaigns: list[dict[str, Any]]
    lift: dict[str, dict[str, Any]]
    churn_survey: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write truth.json."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_truth(directory: str | Path) -> Truth:
    """The truth of a shop that was simulated into `directory`."""
    return Truth(**json.loads((Path(directory) / "truth.json").read_text(encoding="utf-8")))
