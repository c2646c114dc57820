"""A standing holdout: the same customers are kept out of every campaign, so all campaigns together are one experiment.

in:  sends (with `pre` of `history.with_history`), orders (Ibis), schedule (`sending.schedule`)
out: sums by the campaign with which a customer joined, and a frozen `Standing`: the effect of being in the programme

One row a customer over the whole time, whatever number of campaigns: nobody counts twice, and what a message only
brought forward within that time counts once in both arms. A customer counts from the opening of the first campaign
that chose them, in the arm drawn then: nothing before it can have been changed, and later choices may have been.
"""

from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import add, or_

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import norm

from clvbook.campaigns.attribution import data_end
from clvbook.campaigns.effects import ALARM, MIN_EXPECTED, Arm, Reason, sample_ratio
from clvbook.campaigns.outcomes import exact
from clvbook.campaigns.pooling import Pooled, cell, pool, sizes
from clvbook.campaigns.sending import ARMS
from clvbook.errors import NotComputable

MOVED = 0.05  # customers whose arm may change before the holdout is not called standing, share of their first arm
_CHANGES = {
    "holdout": "held out at first were written to later",
    "treated": "chosen to be written to at first were held out later",
}
_CLOCK = {"campaign_id": "string", "place": "int64", "opens": "timestamp(6)", "compared": "boolean"}


@dataclass(frozen=True)
class Standing:
    """All campaigns of a time as one: begins, ends, campaigns; customers by arm (`treated`, `control`), once each.

    conversion: share who bought at all in that time; revenue: what a customer bought in it; both pooled over the
    customers' first campaigns. bought and spent are the same of each arm (treated, control), weighed alike. near and
    spent_near: of the revenue in the windows of the campaigns alone; it is surer, as less is in it that comes anyway,
    and takes what was only brought forward for a gain.
    moved: customers whose arm changed. left_out: customers whose first campaign has fewer than two in an arm.
    messages: those to customers treated, share of all messages of that time.
    """

    begins: pd.Timestamp
    ends: pd.Timestamp
    campaigns: int
    treated: Arm
    control: Arm
    conversion: Pooled | NotComputable
    bought: tuple[float, float]
    revenue: Pooled | NotComputable
    spent: tuple[float, float]
    near: Pooled | NotComputable
    spent_near: tuple[float, float]
    moved: int
    left_out: int
    messages: float | NotComputable

    @property
    def summary(self) -> pd.DataFrame:
        """One row a measure, for a table: the customers, both arms' means, the difference, and that of all treated."""
        span = {"begins": self.begins, "ends": self.ends, "campaigns": self.campaigns}
        span |= {"treated": self.treated.n, "control": self.control.n}
        rows = []
        for measure, found, means in (
            ("conversion", self.conversion, self.bought),
            ("revenue", self.revenue, self.spent),
            ("window_revenue", self.near, self.spent_near),
        ):
            row = {"measure": measure, **span, "treated_mean": means[0], "control_mean": means[1]}
            row |= {"effect": found.delta, "low": found.low, "high": found.high, "p": found.p}
            totals = {"total": found.delta, "total_low": found.low, "total_high": found.high}
            rows.append(row | {name: self.treated.n * each for name, each in totals.items()})
        return pd.DataFrame(rows, dtype=object)


def clock(schedule: pd.DataFrame, *, through: date) -> pd.DataFrame:
    """The campaigns of the time in which customers were held out, in order: campaign_id, place, opens, compared (both
    arms, and its window is over), closes (its window), ends (the whole time, with the last window that is over), sent.
    Empty where none is compared.
    """
    known = schedule[schedule.opens.notna()].sort_values(["opens", "campaign_id"])
    closes = known.last_sent.fillna(known.opens) + pd.to_timedelta(known.attribution_days, unit="D")
    compared = (known.treated > 0) & (known.holdout > 0) & (closes <= data_end(through))
    ends = closes[compared].max()
    inside = (known.opens >= known.opens[compared].min()) & (known.opens < ends)
    frame = known.assign(compared=compared, closes=closes, ends=ends)[inside].reset_index(drop=True)
    return frame.assign(place=range(len(frame)))[[*_CLOCK, "closes", "ends", "sent"]]


def sums(sends: ibis.Table, orders: ibis.Table, campaigns: pd.DataFrame) -> pd.DataFrame:
    """One row a first campaign (`place` in `campaigns`, which is of `clock`) and arm, over all of its customers: n,
    moved (customers who were in the other arm, too), messages, pre, pre_sq; and of what they bought from its opening
    to the end: buyers, orders, revenue, revenue_sq; near and near_sq, the revenue in the windows of any campaign.
    """
    times = ibis.memtable(campaigns[list(_CLOCK)], schema=_CLOCK)
    held = _.arm == "holdout"
    people = (
        sends.inner_join(times, "campaign_id")
        .group_by("customer_id")
        .aggregate(
            place=_.place.min(where=_.compared),
            begins=_.opens.argmin(_.place, where=_.compared),
            first_arm=_.arm.argmin(_.place, where=_.compared),
            pre=_.pre.argmin(_.place, where=_.compared),
            changes=held.any() & (~held).any(),
            messages=_.sent_at.notnull().sum(),
        )
        .filter(_.place.notnull())
    )
    ends = ibis.literal(campaigns.ends.iloc[0].to_pydatetime())
    windows = [
        (_.paid_at >= row.opens.to_pydatetime()) & (_.paid_at < row.closes.to_pydatetime())
        for row in campaigns.itertuples()
    ]
    paid = orders.filter(_.paid_at < ends).select("paid_at", "net", near=reduce(or_, windows), buyer="customer_id")
    inside = [people.customer_id == paid.buyer, people.begins <= paid.paid_at]
    own = ["customer_id", "place", "first_arm", "pre", "changes", "messages"]
    bought = (
        people.left_join(paid, inside)
        .group_by(own)
        .aggregate(
            orders=_.paid_at.count(),
            revenue=_.net.sum().cast("float64").fill_null(0.0),
            near=_.net.sum(where=_.near).cast("float64").fill_null(0.0),
        )
    )
    found = bought.group_by("place", arm="first_arm").aggregate(
        n=_.count(),
        moved=_.changes.sum(),
        messages=_.messages.sum(),
        pre=exact(_.pre),
        pre_sq=exact(_.pre * _.pre),
        buyers=(_.orders > 0).sum(),
        orders=_.orders.sum(),
        revenue=exact(_.revenue),
        revenue_sq=exact(_.revenue * _.revenue),
        near=exact(_.near),
        near_sq=exact(_.near * _.near),
    )
    return found.order_by("place", "arm").to_pandas()


def standing(
    found: pd.DataFrame, campaigns: pd.DataFrame, *, confidence: float, holdout: float | None = None
) -> Standing | NotComputable:
    """The effect of being in the programme, from `sums` and `clock`; holdout: the planned share, to check the sizes by.

    Customers who joined with one campaign are one experiment, as all of them are watched over the same days: their
    differences are pooled by sizes (`pooling.pool`), so that the share held out may change from one to the next, and
    customers who joined with a campaign that held out fewer than two of them are left out. NotComputable where arms
    changed (`MOVED`), where sizes or past spend are not those of a lot, and with too few buyers for a test.
    """
    by_arm = found.groupby("arm")[["n", "moved"]].sum().reindex(["treated", "holdout"], fill_value=0)
    for arm, done in _CHANGES.items():
        n, moved = by_arm.loc[arm]
        if moved > MOVED * n:
            return NotComputable(f"{moved:,} of {n:,} customers {done}: no holdout stood all the time")
    joined = {place: _arms(part) for place, part in found.groupby("place")}
    pairs = {place: pair for place, pair in joined.items() if min(arm.n for arm in pair) >= 2}
    if not pairs:
        return NotComputable("not enough data: no campaign brought two customers to each arm")
    treated, control = (reduce(add, several) for several in zip(*pairs.values(), strict=True))
    fault = _fault(treated, control, holdout)
    if fault:
        return NotComputable(fault)
    known = list(pairs.values())
    before, conversion, revenue = (_pooled(known, metric, confidence) for metric in ("pre", "buyers", "revenue"))
    if before and before.p < ALARM:
        return NotComputable(str(Reason.PAST_SPEND))
    columns = {"near": "revenue", "near_sq": "revenue_sq"}
    near = [_arms(part) for _, part in found.drop(columns=columns.values()).rename(columns=columns).groupby("place")]
    near = [pair for pair, place in zip(near, joined, strict=True) if place in pairs]
    sent, messages = int(campaigns.sent.sum()), found[(found.arm == "treated") & found.place.isin(list(pairs))].messages
    return Standing(
        begins=campaigns.opens[campaigns.compared].min(),
        ends=campaigns.ends.iloc[0],
        campaigns=len(campaigns),
        treated=treated,
        control=control,
        conversion=conversion,
        bought=_means(known, "buyers"),
        revenue=revenue,
        spent=_means(known, "revenue"),
        near=_pooled(near, "revenue", confidence),
        spent_near=_means(near, "revenue"),
        moved=int(by_arm.moved.sum()),
        left_out=int(by_arm.n.sum()) - treated.n - control.n,
        messages=float(messages.sum()) / sent if sent else NotComputable("nobody was written to"),
    )


def _arms(part: pd.DataFrame) -> tuple[Arm, Arm]:
    """Treated and held out of one first campaign."""
    known = part.set_index("arm")
    nobody = {"n": 0, "buyers": 0, "revenue": 0.0, "revenue_sq": 0.0, "pre": 0.0, "pre_sq": 0.0}
    return tuple(Arm.from_row(known.loc[arm] if arm in known.index else nobody) for arm in ARMS)


def _share(pairs: list[tuple[Arm, Arm]]) -> np.ndarray:
    """What each first campaign weighs, after Mantel and Haenszel; together 1."""
    weights = sizes(pd.DataFrame({"treated": [t.n for t, _c in pairs], "control": [c.n for _t, c in pairs]}))
    return weights / weights.sum()


def _means(pairs: list[tuple[Arm, Arm]], metric: str) -> tuple[float, float]:
    """Of each arm, over the first campaigns as they weigh."""
    share = _share(pairs)
    return tuple(float(share @ [arm.moments(metric).mean for arm in arms]) for arms in zip(*pairs, strict=True))


def _pooled(pairs: list[tuple[Arm, Arm]], metric: str, confidence: float) -> Pooled | NotComputable:
    """`pooling.pool` over the first campaigns, with the interval that belongs to its test: by the variance between the
    customers of both arms. A few hundred held out who by luck spent little vary little, too, and by their own variance
    look surer than they are: 95 % intervals then held 92-93 % of simulated truths.
    """
    found = pool(pd.DataFrame([cell(*pair, metric, confidence=confidence) for pair in pairs]), confidence=confidence)
    if isinstance(found, NotComputable):
        return found
    half = float(norm.ppf((1 + confidence) / 2)) * found.null_se
    return replace(found, low=found.delta - half, high=found.delta + half)


def _fault(treated: Arm, control: Arm, holdout: float | None) -> str:
    """Why these arms are not compared; "" where they are."""
    buyers, customers = treated.buyers + control.buyers, treated.n + control.n
    if buyers * min(treated.n, control.n) / customers < MIN_EXPECTED:
        return f"{Reason.FEW_BUYERS}: {buyers:,} of {customers:,} customers bought, {control.n:,} of them held out"
    if holdout is not None and not sample_ratio(treated.n, control.n, holdout=holdout).passes:
        return f"{Reason.SAMPLE_RATIO}: {control.n:,} of {customers:,} customers are held out of the campaigns"
    return ""
