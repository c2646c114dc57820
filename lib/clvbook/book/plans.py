"""The part of the book about what campaigns leave behind and what to plan next: does it last, coupons, sizes, holdouts.

in:  an `EffectsBook`; out: `PlansBook`, which adds small pandas frames and results with sentences
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from clvbook.book.effects import EffectsBook, arms, compared
from clvbook.book.value import _with
from clvbook.campaigns import coupons, effects, outcomes, planning, pooling
from clvbook.errors import NotComputable

LATELY = 12  # campaigns from which the next ones are planned
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)


@dataclass(frozen=True)
class Plan:
    """What the next campaign is planned with, from the last `LATELY` whose window is over.

    campaigns: how many these are; customers: chosen for the last one; holdout_share; organic: share who buy without it;
    effect: how much more bought because of it, all campaigns together; basket: revenue a buyer; cost_each: cost a
    message; sd: standard deviation of revenue a customer.
    """

    campaigns: int
    customers: int
    holdout_share: float
    organic: float | NotComputable
    effect: float | NotComputable
    basket: float | NotComputable
    cost_each: float | NotComputable
    sd: float | NotComputable


@dataclass(frozen=True)
class CouponUse:
    """Coupons among the customers written to, all campaigns together, in customers and currency.

    used: customers with a coupon order in the window; caused: buyers that the campaigns caused, with its interval;
    to_regulars: users who can not have been caused, at least (used less the most that may have been caused);
    discount: granted in the window; face: of it a user; subsidy: what it would cost if all who buy anyway used one.
    """

    used: int
    buyers: int
    caused: float
    caused_low: float
    caused_high: float
    to_regulars: float
    discount: float
    face: float
    subsidy: float | NotComputable


class PlansBook(EffectsBook):
    """What next?"""

    def prepare_campaigns(self) -> None:
        """Count what takes long, so that the notebook finds it."""
        super().prepare_campaigns()
        self.cumulative  # noqa: B018

    # ---- does it last, and what did coupons do

    @cached_property
    def cumulative(self) -> coupons.Persistence | NotComputable:
        """Revenue a customer that came because of it, summed up to 90 days, and whether it stays; see `coupons`."""
        if isinstance(self.pooled_revenue, NotComputable):
            return self.pooled_revenue
        daily = self._kept("daily", self._count_days)
        daily = daily[daily.campaign_id.isin(list(self.trusted))]
        last = max(outcomes.DAYS)
        old = daily[daily.window_days == last].campaign_id
        if old.empty:
            return NotComputable(f"no campaign with a holdout is {last} days old")
        rows = []
        for day, part in daily[daily.campaign_id.isin(old)].groupby("window_days"):
            cells = [pooling.cell(*arms(one), "revenue", **self._level) for _, one in part.groupby("campaign_id")]
            found = pooling.pool(pd.DataFrame(cells), **self._level)
            if found:
                rows.append({"day": day, "delta": found.delta, "low": found.low, "high": found.high})
        days = pd.DataFrame(rows)
        return coupons.persisted(days, attribution_days=self.usual_window, campaigns=old.nunique())

    def _count_days(self) -> pd.DataFrame:
        found = outcomes.by_day(self.sends, self.orders, self.schedule, through=self.as_of)
        return compared(found.inputs)

    @property
    def usual_window(self) -> int | NotComputable:
        """Days that most campaigns have orders count for them."""
        return _with(self.schedule, lambda schedule: int(schedule.attribution_days.mode().iloc[0]))

    @cached_property
    def coupon_parts(self) -> pd.DataFrame | NotComputable:
        """Revenue a customer taken apart, all campaigns together; see `coupons.decompose`."""
        return _with(self._both, lambda both: coupons.decompose(*both))

    @cached_property
    def _both(self) -> tuple[effects.Arm, effects.Arm] | NotComputable:
        """Treated and held out, summed over the campaigns that can be pooled."""
        return _with(self._trusted_sums, arms)

    @cached_property
    def _trusted_sums(self) -> pd.DataFrame | NotComputable:
        if isinstance(self.pooled_conversion, NotComputable):
            return self.pooled_conversion
        return self._strata[self._strata.campaign_id.isin(list(self.trusted))]

    @cached_property
    def coupon_use(self) -> CouponUse | NotComputable:
        """Who used coupons, and how many of them would have bought anyway; see `CouponUse`."""

        def use(sums: pd.DataFrame) -> CouponUse | NotComputable:
            if not {"coupon_buyers", "discount"} <= set(sums.columns):
                return NotComputable("the orders have no columns coupon_id and discount")
            by_arm = sums.groupby("arm")[["n", "buyers", "coupon_buyers", "discount"]].sum()
            mine, held = by_arm.loc["treated"], by_arm.loc["holdout"]
            if not mine.coupon_buyers:
                return NotComputable("no customer written to used a coupon")
            lift = self.pooled_conversion
            caused, low, high = (max(each, 0.0) * mine.n for each in (lift.delta, lift.low, lift.high))
            face = mine.discount / mine.coupon_buyers
            return CouponUse(
                used=int(mine.coupon_buyers),
                buyers=int(mine.buyers),
                caused=caused,
                caused_low=low,
                caused_high=high,
                to_regulars=max(mine.coupon_buyers - high, 0.0),
                discount=mine.discount,
                face=face,
                subsidy=coupons.subsidy(
                    eligible_buyers=int(held.buyers), held_out=int(held.n), treated=int(mine.n), face_value=face
                ),
            )

        return _with(self._trusted_sums, use)

    @cached_property
    def ratio_with_coupons(self) -> coupons.Ratio | NotComputable:
        """Incremental revenue before discounts over messages and discounts, by Fieller; see `coupons`."""

        def divide(sums: pd.DataFrame) -> coupons.Ratio | NotComputable:
            if "revenue_discount" not in sums:
                return NotComputable("the orders have no column discount")
            if isinstance(self.programme_returns.cost, NotComputable):
                return self.programme_returns.cost
            sums = sums.groupby("arm")[["n", "revenue", "revenue_sq", "discount", "discount_sq", "revenue_discount"]]
            return coupons.random_cost_ratio(
                *(_cost_sums(sums.sum().loc[arm]) for arm in ("treated", "holdout")),
                fixed_cost=self.programme_returns.cost,
                **self._level,
            )

        return _with(self._trusted_sums, divide)

    # ---- the next campaign

    @cached_property
    def plan(self) -> Plan | NotComputable:
        """What the next campaign is planned with; see `Plan`."""

        def make(judged: pd.DataFrame) -> Plan | NotComputable:
            last = judged.head(LATELY)
            sent, buyers, revenue = (int(last.sent.sum()), int(last.buyers.sum()), float(last.revenue.sum()))
            if not sent:
                return NotComputable("nobody was written to")
            share = self.settings.campaign_holdout or self.settings.holdout_share or 0.1
            held = self._lately_held(last)
            known = self.pooled_conversion
            effect = _with(known, lambda found: found.delta)
            return Plan(
                campaigns=len(last),
                customers=int(self.schedule.chosen[self.schedule.chosen > 0].iloc[-1]),
                holdout_share=min(share, 0.5),
                organic=_with(held, lambda arm: arm.buyers / arm.n),
                effect=effect,
                basket=revenue / buyers if buyers and revenue > 0 else NotComputable("nobody bought: no basket"),
                cost_each=sum(last.cost, 0.0) / sent,
                sd=_with(held, lambda arm: arm.moments("revenue").variance ** 0.5),
            )

        return _with(self.judged, make)

    def _lately_held(self, last: pd.DataFrame) -> effects.Arm | NotComputable:
        """Those held out of the last campaigns, together."""

        def both(sums: pd.DataFrame) -> effects.Arm | NotComputable:
            held = arms(sums[sums.campaign_id.isin(last.campaign_id)])[1]
            return held if held.buyers else NotComputable("nobody who was held out bought")

        return _with(self._trusted_sums, both)

    @cached_property
    def planned_sizes(self) -> pd.DataFrame | NotComputable:
        """What campaigns of several sizes could show; see `planning.planned_sizes`."""

        def table(plan: Plan) -> pd.DataFrame:
            apart = [size for size in SIZES if not 0.8 < size / plan.customers < 1.25]
            sizes = sorted([*apart, plan.customers])
            return _with(
                plan.organic,
                lambda organic: planning.planned_sizes(
                    sizes, organic=organic, holdout_share=plan.holdout_share, sd=plan.sd, **self._level
                ),
            )

        return _with(self.plan, table)

    @cached_property
    def best_holdout(self) -> planning.HoldoutWorth | NotComputable:
        """The smallest holdout of the next campaign that settles whether it earns back its cost; see `planning`."""
        return _with(self._worth, lambda known: planning.best_holdout(self.plan.customers, **known))

    @cached_property
    def planned_holdout(self) -> planning.HoldoutWorth | NotComputable:
        """What the planned share, held out of the next campaign, costs and tells; see `planning.holdout_worth`."""
        return _with(
            self._worth,
            lambda known: planning.holdout_worth(self.plan.customers, holdout_share=self.plan.holdout_share, **known),
        )

    @cached_property
    def _worth(self) -> dict[str, Any] | NotComputable:
        def known(plan: Plan) -> dict[str, Any] | NotComputable:
            needed = {name: getattr(plan, name) for name in ("organic", "effect", "basket", "cost_each")}
            lacking = [value for value in needed.values() if isinstance(value, NotComputable)]
            if lacking:
                return lacking[0]
            if plan.effect <= 0:
                return NotComputable("the campaigns so far show no gain to plan with")
            return needed | {"margin_rate": self.settings.margin_rate} | self._level

        return _with(self.plan, known)

    @cached_property
    def months_needed(self) -> planning.Months | NotComputable:
        """Monthly campaigns until their effect can be seen; see `planning.months_needed`."""

        def ask(known: dict[str, Any]) -> planning.Months | NotComputable:
            plan = {name: known[name] for name in ("effect", "organic", "confidence")}
            return planning.months_needed(customers=self.plan.customers, holdout_share=self.plan.holdout_share, **plan)

        return _with(self._worth, ask)


def _cost_sums(arm: pd.Series) -> coupons.CostSums:
    """Revenue before the discount, and the discount as what it cost."""
    return coupons.CostSums(
        n=int(arm.n),
        revenue=arm.revenue + arm.discount,
        revenue_sq=arm.revenue_sq + 2 * arm.revenue_discount + arm.discount_sq,
        cost=arm.discount,
        cost_sq=arm.discount_sq,
        revenue_cost=arm.revenue_discount + arm.discount_sq,
    )
