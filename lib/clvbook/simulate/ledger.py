"""What is added up over chunks: the counts and money of truth.json, and the tables of campaigns and costs.

in: chunks, one after another; out: `Truth`
"""

from typing import Any

import numpy as np
import pyarrow as pa

from clvbook.simulate import orders, tables
from clvbook.simulate.calendar import Calendar
from clvbook.simulate.campaigns import Campaign, count_by_stage
from clvbook.simulate.chunk import Chunk
from clvbook.simulate.truth import REASONS, STAGES, Parameters, Truth

FUTURES = (90, 180, 365)
SERVICE_COST = (30, 12, 6, 2)  # cents a month for looking after one customer, by stage
SET_ASIDE = ["duplicate_row", "superseded", *orders.SET_ASIDE]


def campaign_columns(plan: list[Campaign], calendar: Calendar, truth: Parameters) -> dict[str, pa.Array]:
    """The campaigns table: those that began until the end."""
    begun = [campaign for campaign in plan if campaign.day < calendar.window]
    n = len(begun)
    epoch = np.datetime64(calendar.start, "D").astype(np.int64)
    return {
        "campaign_id": pa.array([c.campaign_id for c in begun], pa.string()),
        "name": pa.array([c.name for c in begun], pa.string()),
        "channel": pa.array(["sms"] * n, pa.string()),
        "starts_on": tables.day(epoch + np.array([c.day for c in begun], np.int64)),
        "attribution_days": pa.array([truth.attribution_days] * n, pa.int64()),
        "cost_fixed": tables.money(np.zeros(n, np.int64)),
        "cost_per_unit": tables.money(np.full(n, round(100 * truth.cost_per_unit), np.int64)),
    }


class Ledger:
    """Running totals; integers only, money in cents."""

    def __init__(self, calendar: Calendar, plan: list[Campaign], truth: Parameters) -> None:
        self.calendar, self.plan, self.parameters = calendar, plan, truth
        k, s = len(plan), len(STAGES)
        self.planted: dict[str, int] = {}
        self.check = dict.fromkeys(("paid_read", "net_kept", "refunded", "paid_quarantined", "customers"), 0)
        self.days = [calendar.window, -1]
        self.purchases = dict.fromkeys(("customer_days", "caused_by_campaigns", "repeat_customers", "net"), 0)
        self.future = {days: np.zeros(3, np.int64) for days in FUTURES}  # orders, caused, cents
        self.arms = np.zeros((k, 3, s), np.int64)  # treated, delivered, holdout
        self.caused = np.zeros((k, s), np.int64)
        self.caused_net, self.coupons = np.zeros((2, k), np.int64)
        self.heads = np.zeros((k, s), np.int64)
        self.survey = np.zeros((2, 2, len(REASONS)), np.int64)

    def add(self, chunk: Chunk) -> None:
        """Count one chunk in."""
        rows, bought = chunk.rows, chunk.purchases
        for name, count in orders.count_planted(rows).items():
            self.planted[name] = self.planted.get(name, 0) + count
        kept = (rows.repeated < 0) & (rows.kind <= orders.KINDS.index("without_customer"))
        self.check["paid_read"] += int(rows.paid.sum())
        self.check["net_kept"] += int((rows.paid - rows.refund)[kept].sum())
        self.check["refunded"] += int(rows.refund[kept].sum())
        self.check["paid_quarantined"] += int(rows.paid[~kept].sum())
        self.check["customers"] += len(chunk.customers)
        # A guest may be the first or the last to order.
        paid_days = rows.paid_at[kept] // orders.DAY - np.datetime64(self.calendar.start, "D").astype(np.int64)
        self.days = [min(self.days[0], int(paid_days.min())), max(self.days[1], int(paid_days.max()))]
        self.purchases["customer_days"] += bought.who.size
        self.purchases["caused_by_campaigns"] += int((bought.caused >= 0).sum())
        self.purchases["repeat_customers"] += int((np.bincount(bought.who) > 1).sum())
        self.purchases["net"] += int(bought.net.sum())
        for days, total in self.future.items():
            then = chunk.future.day < self.calendar.window + days
            total += [then.sum(), (chunk.future.caused[then] >= 0).sum(), chunk.future.net[then].sum()]
        for k, sent in enumerate(chunk.sends):
            for arm, members in enumerate((sent.treated, sent.delivered, ~sent.treated)):
                self.arms[k, arm] += count_by_stage(sent.stage[members])
            self.caused[k] += count_by_stage(sent.caused_stage[sent.caused_day < self.calendar.window])
            self.heads[k] += sent.heads
        by_campaign = bought.caused[bought.caused >= 0]
        np.add.at(self.caused_net, by_campaign, bought.net[bought.caused >= 0])
        used = (rows.repeated < 0) & (rows.coupon >= 0)
        np.add.at(self.coupons, rows.coupon[used], orders.COUPON)
        self.survey += chunk.survey

    def cost_columns(self) -> dict[str, pa.Array]:
        """The costs table: a campaign's messages (as billed) and coupons, and the month's service by stage."""
        lines = []
        for k, campaign in enumerate(self.plan):
            if campaign.day >= self.calendar.window:
                continue
            month = f"{self.calendar.date(campaign.day):%Y-%m}"
            units = int(self.arms[k, 1].sum()) * campaign.units
            lines.append(
                (month, "message", campaign.campaign_id, None, round(100 * units * self.parameters.cost_per_unit))
            )
            lines.append((month, "coupon", campaign.campaign_id, None, int(self.coupons[k])))
            for stage, heads, cents in zip(STAGES, self.heads[k], SERVICE_COST, strict=True):
                lines.append((month, "service", None, stage, int(heads) * cents))
        period, kind, campaign_id, stage, amount = zip(*lines, strict=True) if lines else ((),) * 5
        columns = {"period": period, "kind": kind, "campaign_id": campaign_id, "stage": stage}
        columns = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        return columns | {"amount": tables.money(np.array(amount, np.int64))}

    def truth(self, shop: dict[str, Any], parameters: dict[str, Any], rows: dict[str, int]) -> Truth:
        """Everything counted, as truth.json has it."""
        planted = self.planted
        set_aside = {reason: planted[reason] for reason in SET_ASIDE if planted[reason]}
        without = planted["without_customer"]
        kept = planted["purchase"]
        check: dict[str, Any] = {
            "rows_read": rows["orders"],
            "rows_kept": kept,
            "rows_without_customer": without,
            "rows_refund": 0,
            "quarantined": set_aside,
            "orders_kept": kept,  # with a customer, as the contract of `clvbook check --json` counts
            "orders_without_customer": without,
        }
        check |= {name: cents / 100 for name, cents in self.check.items() if name != "customers"}
        check |= {"customers": self.check["customers"]}
        check |= {
            "first_order": str(self.calendar.date(self.days[0])),
            "last_order": str(self.calendar.date(self.days[1])),
        }
        bought = self.purchases
        return Truth(
            shop=shop,
            parameters=parameters,
            seasons=self.calendar.seasons,
            rows=rows,
            planted=planted | {"same_day": kept - bought["customer_days"]},
            check=check,
            purchases=bought | {"net": bought["net"] / 100},
            future={
                str(days): {"orders": int(n), "caused_by_campaigns": int(caused), "net": int(cents) / 100}
                for days, (n, caused, cents) in self.future.items()
                if days <= shop["future_days"]
            },
            campaigns=[self._campaign(k) for k, c in enumerate(self.plan) if c.day < self.calendar.window],
            lift=self._lift(),
            churn_survey=self._survey(),
        )

    def _campaign(self, k: int) -> dict[str, Any]:
        campaign, lift = self.plan[k], self.parameters.lift
        by_stage = zip(STAGES, lift, self.arms[k].T.tolist(), self.caused[k].tolist(), strict=True)
        return {
            "campaign_id": campaign.campaign_id,
            "starts_on": str(self.calendar.date(campaign.day)),
            "strength": campaign.strength,
            "units_a_message": campaign.units,
            "caused_net": int(self.caused_net[k]) / 100,
            "coupons": int(self.coupons[k]) / 100,
            "stages": {
                stage: {
                    "lift": round(rate * campaign.strength, 6),
                    "treated": treated,
                    "delivered": delivered,
                    "holdout": holdout,
                    "caused": caused,
                }
                for stage, rate, (treated, delivered, holdout), caused in by_stage
            },
        }

    def _lift(self) -> dict[str, dict[str, Any]]:
        begun = [k for k, campaign in enumerate(self.plan) if campaign.day < self.calendar.window]
        treated, _, holdout = self.arms[begun].sum(axis=0).tolist()
        caused = self.caused[begun].sum(axis=0).tolist()
        return {
            stage: {"treated": t, "holdout": h, "caused": c, "caused_per_treated": c / t if t else None}
            for stage, t, h, c in zip(STAGES, treated, holdout, caused, strict=True)
        }

    def _survey(self) -> dict[str, Any]:
        groups = {"one_time": self.survey[0], "repeat": self.survey[1]}
        return {
            name: {
                "asked": int(counts.sum()),
                "answered": int(counts[1].sum()),
                "true_reasons_of_all_asked": dict(zip(REASONS, counts.sum(axis=0).tolist(), strict=True)),
                "reasons_answered": dict(zip(REASONS, counts[1].tolist(), strict=True)),
            }
            for name, counts in groups.items()
        }
