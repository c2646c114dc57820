"""What each campaign cost: what was billed where the shop booked it, else what was planned; coupons on their own line.

in:  schedule (`sending.schedule`), costs — period, kind, campaign_id, stage, amount (Ibis, pandas, or None),
     sent — campaign_id, period, sent, units (`sending.by_month`)
out: a frozen `CampaignCosts`

Against counting money twice, part by part:
- messages: rows of `costs` that name the campaign and are of a message kind; without them units x cost_per_unit; where
  that is not known either, the campaign's share of message bills that name no campaign.
- fixed: rows that name the campaign and are of any other kind but coupons; without them cost_fixed.
- coupons: never part of `cost`, as orders are already net of the discount.
"""

from dataclasses import dataclass

import ibis
import pandas as pd

from clvbook.errors import NotComputable

MESSAGES = ("message", "messages", "sms", "email", "push", "短信")
COUPONS = ("coupon", "coupons", "优惠券")


@dataclass(frozen=True)
class CampaignCosts:
    """by_campaign: one row a campaign; unallocated: period, kind, amount of lump sums that no campaign bears.

    by_campaign: campaign_id, message, message_basis ("billed", "planned", "allocated", "unknown"), fixed, fixed_basis
    ("billed", "planned"), cost = message + fixed, coupon (booked), allocated: the campaign's share, by units (by
    messages where no unit is known), of the month's message bills that name no campaign. The share is part of `cost`
    only under the basis "allocated": such a bill may well be what the campaigns' units have been paid with. Figures in
    currency, or a NotComputable. A cost of 0 or below (credits) is a figure; a ratio to it is for the caller to refuse.
    """

    by_campaign: pd.DataFrame
    unallocated: pd.DataFrame


def campaign_costs(
    schedule: pd.DataFrame, costs: ibis.Table | pd.DataFrame | None, sent: pd.DataFrame
) -> CampaignCosts:
    """The cost of each campaign of `schedule`, in its order; see `CampaignCosts` and the rules above.

    Lump sums that name neither a campaign nor a stage are shown as unallocated unless they are message bills of a
    month in which something was sent; so is what names a campaign that `schedule` does not have. What is spent on a
    stage is no campaign's cost. `kind` is compared in small letters.
    """
    booked = _frame(costs)
    kind = booked.kind.str.strip().str.lower()
    part = pd.Series("fixed", booked.index).mask(kind.isin(MESSAGES), "message").mask(kind.isin(COUPONS), "coupon")
    named = booked.campaign_id.notna()
    own = booked[named].groupby(["campaign_id", part[named]]).amount.sum()
    stray = named & ~booked.campaign_id.isin(schedule.campaign_id)
    lump = booked[~named & booked.stage.isna()]
    bills = lump[part[lump.index] == "message"].groupby("period").amount.sum()
    shares = _shares(bills, sent)
    rows = [_cost(campaign, own, shares, booked=costs is not None) for campaign in schedule.itertuples()]
    left = pd.concat([booked[stray], lump[(part[lump.index] != "message") | ~lump.period.isin(sent.period)]])
    unallocated = left.groupby(["period", "kind"], as_index=False).amount.sum()
    columns = ["campaign_id", "message", "message_basis", "fixed", "fixed_basis", "cost", "coupon", "allocated"]
    return CampaignCosts(pd.DataFrame(rows, columns=columns, dtype=object), unallocated)


def _cost(campaign, own: pd.Series, shares: pd.Series, *, booked: bool) -> tuple:
    """One campaign's row of `CampaignCosts.by_campaign`."""
    name = campaign.campaign_id
    share = float(shares.get(name, 0.0))
    fixed, fixed_basis = campaign.cost_fixed, "planned"
    if (name, "fixed") in own:
        fixed, fixed_basis = own[name, "fixed"], "billed"
    fixed = 0.0 if pd.isna(fixed) else float(fixed)
    if (name, "message") in own:
        message, basis = float(own[name, "message"]), "billed"
    elif not isinstance(planned := _planned(campaign), NotComputable):
        message, basis = planned, "planned"
    elif name in shares.index:
        message, basis = share, "allocated"
    else:
        message, basis = planned, "unknown"
    coupon = float(own.get((name, "coupon"), 0.0)) if booked else NotComputable("there is no costs file")
    return name, message, basis, fixed, fixed_basis, message + fixed, coupon, share


def _planned(campaign) -> float | NotComputable:
    """Units x cost_per_unit, where both are known."""
    if not campaign.sent:
        return 0.0
    if pd.isna(campaign.cost_per_unit):
        return NotComputable("cost is not known: the campaign has no cost_per_unit and no message bill")
    if campaign.cost_per_unit and not campaign.units:
        return NotComputable(f"cost is not known: 0 units billed for {campaign.sent:,} messages")
    return float(campaign.units * campaign.cost_per_unit)


def _shares(bills: pd.Series, sent: pd.DataFrame) -> pd.Series:
    """What each campaign bears of the months' message bills, by units, by messages where a month has no units."""
    known = sent.groupby("period").units.transform("sum") > 0
    weight = sent.units.where(known, sent.sent)
    share = weight / weight.groupby(sent.period).transform("sum") * sent.period.map(bills).astype("float64")
    return share.groupby(sent.campaign_id).sum(min_count=1).dropna()


def _frame(costs: ibis.Table | pd.DataFrame | None) -> pd.DataFrame:
    columns = ["period", "kind", "campaign_id", "stage", "amount"]
    if costs is None:
        frame = pd.DataFrame(columns=columns, dtype=object)
    else:
        frame = costs if isinstance(costs, pd.DataFrame) else costs.to_pandas()
    frame = frame.reindex(columns=columns)
    text = dict.fromkeys(columns[:4], "object")
    return frame.astype(text).assign(kind=frame.kind.astype("str"), amount=frame.amount.astype("float64"))
