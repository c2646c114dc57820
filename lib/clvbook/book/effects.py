"""The part of the book about what campaigns caused: each against its holdout, all together, by segment, and the next.

in:  a `CampaignBook`; out: `EffectsBook`, which adds effects, small pandas frames, and plans

Without a holdout all of it is `NotComputable`: what came after a message need not have come because of it.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import ibis
import pandas as pd

from clvbook.book.campaigns import CampaignBook
from clvbook.book.value import _with
from clvbook.campaigns import adjustment, effects, history, outcomes, pooling, returns, standing
from clvbook.errors import NotComputable
from clvbook.lifecycle.stages import STAGES

STRATA = ("stage", "order_count")  # by which arms are stratified, where it helps
DIMENSIONS = {  # as pages call them, and the order of their segments where it is not that of size
    "stage": ("lifecycle stage", None),
    "order_count": ("earlier purchases", None),
    "basket": ("earlier basket", ["none", "below", "within", "above"]),
    "province": ("province", []),
    "source": ("source", []),
    "channel": ("channel", []),
}
NEWEST = 12  # campaigns in a chart
STEP = 1.25  # times the price of the next cheaper campaign, from which on a message has another price
LARGEST = 6  # segments of a dimension that stand for themselves; the others are one
OTHER = "all others"
ANEW = 0.1  # how much likelier the held out may be held out again before the draws count as one


class EffectsBook(CampaignBook):
    """What did the campaigns change, against those held out?"""

    def prepare_campaigns(self) -> None:
        """Count what takes long, so that the notebook finds it."""
        super().prepare_campaigns()
        self.segments, self.draws, self.incremental  # noqa: B018

    # ---- sums by arm

    @cached_property
    def _assigned(self) -> ibis.Table:
        """The sends with each customer's state of the day before; see `history.with_history`."""
        how = {"stage_bounds": self.bounds, "basket_range": tuple(self.settings.basket_range)}
        name = f"assigned_{'_'.join(map(str, [*self.bounds, *self.settings.basket_range]))}"
        return self._campaign_shelf.table(
            name, lambda: history.with_history(self.sends, self.orders, self.schedule, **how)
        )

    def _sums(self, strata: Sequence[str]) -> pd.DataFrame | NotComputable:
        """Sums by campaign, arm and `strata` of the campaigns whose window is over and that have a holdout."""
        if isinstance(self.held_out, NotComputable):
            return self.held_out
        name = f"sums_{'_'.join(strata)}_{'_'.join(map(str, [*self.bounds, *self.settings.basket_range]))}"
        found = self._kept(name, lambda: self._count(strata))
        if found.empty:
            return NotComputable("no campaign with a holdout has a window that is over")
        return found

    def _count(self, strata: Sequence[str]) -> pd.DataFrame:
        found = outcomes.outcomes(self._assigned, self.orders, self.schedule, through=self.as_of, strata=strata)
        return compared(found.inputs)

    @cached_property
    def held_out(self) -> int | NotComputable:
        """Customers held out of all campaigns, counted once a campaign; NotComputable where none was."""

        def count(schedule: pd.DataFrame) -> int | NotComputable:
            held = int(schedule.holdout.sum())
            return held or NotComputable("no customer was held out, so nobody can tell what the campaigns changed")

        return _with(self.schedule, count)

    @cached_property
    def _strata(self) -> pd.DataFrame | NotComputable:
        return self._sums(STRATA)

    # ---- each campaign

    @cached_property
    def effects(self) -> dict[str, effects.Effect] | NotComputable:
        """campaign_id -> `effects.Effect`, the newest first."""
        s = self.settings

        def compare(sums: pd.DataFrame) -> dict[str, effects.Effect]:
            cost = self.campaign_costs.by_campaign.set_index("campaign_id").cost
            found = {}
            for campaign in self._in_order(sums.campaign_id):
                known = cost[campaign]
                found[campaign] = effects.effect(
                    *arms(sums[sums.campaign_id == campaign]),
                    confidence=s.confidence,
                    cost=None if isinstance(known, NotComputable) else known,
                    margin_rate=s.margin_rate,
                    holdout=s.campaign_holdout,
                )
            return found

        return _with(self._strata, compare)

    def _in_order(self, campaigns: Sequence[str]) -> list[str]:
        there = set(campaigns)
        return [campaign for campaign in self.schedule.campaign_id[::-1] if campaign in there]

    @cached_property
    def adjusted(self) -> dict[str, adjustment.Adjusted | effects.Difference | NotComputable] | NotComputable:
        """campaign_id -> revenue a customer, adjusted for past spend or by strata where that explains enough."""

        def adjust(sums: pd.DataFrame) -> dict[str, Any]:
            return {
                campaign: adjustment.adjusted(
                    _pairs(sums[sums.campaign_id == campaign], STRATA), found.revenue, metric="revenue"
                )
                for campaign, found in self.effects.items()
            }

        return _with(self._strata, adjust)

    @cached_property
    def incremental(self) -> pd.DataFrame | NotComputable:
        """One row a campaign with a holdout, the newest first: name, starts_on, `effects.Effect.summary`, with p_holm
        and q_bh of the conversion over all campaigns, adjusted (revenue of all treated, low, high), method, narrower.
        """

        def rows(found: Mapping[str, effects.Effect]) -> pd.DataFrame:
            known = self.schedule.set_index("campaign_id")
            corrected = self.forest.set_index("campaign_id")
            made = []
            for campaign, effect in found.items():
                better, n = self.adjusted[campaign], effect.treated.n
                method, narrower = ("none", 0.0)
                if isinstance(better, adjustment.Adjusted):
                    method, narrower = better.method, 1 - (better.high - better.low) / _width(effect.revenue)
                parts = {
                    "campaign_id": campaign,
                    "name": known["name"][campaign],
                    "starts_on": known.starts_on[campaign],
                }
                parts |= effect.summary.to_dict()
                parts |= {"p_holm": corrected.p_holm[campaign], "q_bh": corrected.q_bh[campaign]}
                parts |= {
                    "adjusted": better.delta * n,
                    "adjusted_low": better.low * n,
                    "adjusted_high": better.high * n,
                }
                made.append(parts | {"method": method, "narrower": narrower})
            return pd.DataFrame(made, dtype=object)

        return _with(self.effects, rows)

    # ---- all together

    @cached_property
    def forest(self) -> pd.DataFrame | NotComputable:
        """Effects on conversion, corrected and pulled towards their average, with campaign_id; see `pooling.forest`."""

        def draw(found: Mapping[str, effects.Effect]) -> pd.DataFrame:
            drawn = pooling.forest(found, metric="conversion", **self._level)
            names = self.schedule.set_index("campaign_id")["name"]
            return drawn.assign(campaign_id=drawn.name, name=drawn.name.map(names))

        return _with(self.effects, draw)

    @cached_property
    def newest_forest(self) -> pd.DataFrame | NotComputable:
        """Those of `forest` that are the newest: the best ones only would be a lucky choice."""
        return _with(
            self.forest,
            lambda frame: frame[frame.campaign_id.isin(list(self.effects)[:NEWEST])].reset_index(drop=True),
        )

    @cached_property
    def shrunken(self) -> pooling.Shrunken | NotComputable:
        """Do the campaigns differ in their effect by more than chance? See `pooling.Shrunken`."""

        def shrink(frame: pd.DataFrame) -> pooling.Shrunken | NotComputable:
            sound = frame[frame.trustworthy.astype(bool) & frame.null_se.map(bool)]
            if len(sound) < 2:
                return NotComputable(f"not enough data: {len(sound)} campaigns to compare, 2 needed")
            return pooling.shrink(sound.effect, pooling.steady_se(sound), **self._level)

        return _with(self.forest, shrink)

    @cached_property
    def trusted(self) -> dict[str, effects.Effect] | NotComputable:
        """The campaigns whose arms are as planned and alike, with both arms: those that are pooled."""

        def keep(found: Mapping[str, effects.Effect]) -> dict[str, effects.Effect] | NotComputable:
            sound = {name: one for name, one in found.items() if one.trustworthy and one.conversion}
            return sound or NotComputable("no campaign has two arms that can be compared")

        return _with(self.effects, keep)

    @cached_property
    def pooled_conversion(self) -> pooling.Pooled | NotComputable:
        """Share of customers written to who bought because of it, all campaigns together; see `pooling.pool`."""
        return self._pool("buyers")

    @cached_property
    def pooled_revenue(self) -> pooling.Pooled | NotComputable:
        """Revenue a customer written to that came because of it, all campaigns together; see `pooling.pool`."""
        return self._pool("revenue")

    def _pool(self, metric: str) -> pooling.Pooled | NotComputable:
        if self.trusted and isinstance(self.draws, NotComputable):
            return self.draws
        return _with(self.trusted, lambda found: self._pooled(found.values(), metric))

    def _pooled(self, several: Iterable[effects.Effect], metric: str) -> pooling.Pooled | NotComputable:
        rows = [pooling.cell(one.treated, one.control, metric, **self._level) for one in several]
        return pooling.pool(pd.DataFrame(rows), **self._level)

    @cached_property
    def draws(self) -> float | NotComputable:
        """How much likelier who was held out is to be held out of the next campaign than who was not: 0 where each
        campaign draws anew, as pooling takes for granted; NotComputable where it does not: see `standing`.
        """

        def check(sends: ibis.Table) -> float | NotComputable:
            more = self._campaign_shelf.json("draws", lambda: outcomes.held_again(sends))
            if more is not None and more > ANEW:
                return NotComputable(
                    "the same customers are held out again and again: the campaigns are one experiment"
                )
            return more or 0.0

        return _with(self.sends, check)

    @cached_property
    def standing(self) -> standing.Standing | NotComputable:
        """What being in the programme changed, where the same customers are held out of every campaign: all campaigns
        of that time as one; see `standing.Standing`. NotComputable where each campaign draws anew.
        """
        if isinstance(self.held_out, NotComputable):
            return self.held_out
        if not isinstance(self.draws, NotComputable):
            anew = NotComputable("each campaign draws its holdout anew, so they are pooled one by one")
            return anew if self.pooled_conversion else self.pooled_conversion
        campaigns = standing.clock(self.schedule, through=self.as_of)
        if campaigns.empty:
            return NotComputable("no campaign with a holdout has a window that is over")
        found = self._kept("standing", lambda: standing.sums(self._assigned, self.orders, campaigns))
        return standing.standing(found, campaigns, holdout=self.settings.campaign_holdout, **self._level)

    @property
    def _stands(self) -> bool:
        """The same customers are held out again and again."""
        return bool(self.held_out) and isinstance(self.draws, NotComputable)

    @property
    def caused_conversion(self) -> pooling.Pooled | NotComputable:
        """Share who bought because of a campaign (`pooled_conversion`), or, where the same customers are always held
        out, because of all of them (`standing`).
        """
        return self.standing.conversion if self._stands else self.pooled_conversion

    @property
    def programme_table(self) -> pd.DataFrame | NotComputable:
        """`standing` as a table; see `standing.Standing.summary`."""
        return _with(self.standing, lambda found: found.summary)

    @cached_property
    def programme_returns(self) -> returns.Returns | NotComputable:
        """What all campaigns with sound arms, or all of a standing holdout's time, brought because of them, their cost
        and profit; see `returns.Returns`.
        """
        if self._stands:
            return _with(self.standing, self._standing_returns)
        return _with(self.pooled_revenue, lambda pooled: self._returns(pooled, self.trusted))

    def _standing_returns(self, found: standing.Standing) -> returns.Returns | NotComputable:
        """Of the customers treated; a message to them cost what all messages of that time did on average."""
        campaigns = standing.clock(self.schedule, through=self.as_of).campaign_id
        return self._returned(found.revenue, found.treated.n, self._cost(campaigns) * found.messages)

    def _returns(self, pooled: pooling.Pooled, names: Iterable[str]) -> returns.Returns | NotComputable:
        return self._returned(pooled, pooled.treated, self._cost(names))

    def _cost(self, names: Iterable[str]) -> float | NotComputable:
        costs = self.campaign_costs.by_campaign.set_index("campaign_id").cost
        return sum((costs[name] for name in names), 0.0)

    def _returned(
        self, pooled: pooling.Pooled | NotComputable, treated: int, cost: float | NotComputable
    ) -> returns.Returns | NotComputable:
        known = None if isinstance(cost, NotComputable) else cost
        return returns.returns(pooled, treated=treated, cost=known, margin_rate=self.settings.margin_rate)

    @cached_property
    def by_price(self) -> pd.DataFrame | NotComputable:
        """Campaigns by what a message cost, the cheapest first; a price begins where it is `STEP` times the next lower.

        price (the median), campaigns, passed (surely reach the ratio's bar), ratio (sales after the messages over cost)
        and caused with _low and _high: the same because of them. NotComputable where there is one price.
        """

        def group(judged: pd.DataFrame) -> pd.DataFrame | NotComputable:
            known = judged[[bool(each) and each > 0 for each in judged.cost_each]]
            known = known.assign(cost_each=known.cost_each.astype(float)).sort_values("cost_each", kind="stable")
            price = (known.cost_each / known.cost_each.shift()).ge(STEP).cumsum()
            if price.nunique() < 2:
                return NotComputable("a message cost the same in all campaigns, as far as its cost is known")
            return pd.DataFrame([self._priced(part) for _, part in known.groupby(price)])

        return _with(self.judged, group)

    def _priced(self, part: pd.DataFrame) -> dict[str, Any]:
        names = [name for name in part.campaign_id if self.pooled_revenue and name in self.trusted]
        pooled = self._pooled([self.trusted[name] for name in names], "revenue") if names else None
        why = NotComputable("nobody was held out") if self.pooled_revenue else self.pooled_revenue
        known = why if pooled is None else _with(pooled, lambda p: self._returns(p, names))
        caused = {f"caused{end}": getattr(known, f"ratio{end}") for end in ("", "_low", "_high")}
        row = {"price": part.cost_each.median(), "campaigns": len(part)}
        row |= {"passed": int((part.ratio_verdict == "pass").sum()), "ratio": sum(part.revenue) / sum(part.cost)}
        return row | caused

    # ---- who responds

    @cached_property
    def segments(self) -> pd.DataFrame | NotComputable:
        """Effect on conversion by segment, campaigns pooled within it: dimension, segment, treated, control, effect,
        low, high, p_holm and verdict of the dimension. Dimensions with one segment are left out.
        """
        if isinstance(self.pooled_conversion, NotComputable):
            return self.pooled_conversion
        rows = [row for dimension in DIMENSIONS for row in self._segments(dimension)]
        if not rows:
            return NotComputable("no dimension has two segments with buyers")
        frame = pd.DataFrame(rows)
        tests = pooling.segments(frame, **self._level).set_index("dimension")
        frame = frame.rename(columns={"delta": "effect"}).drop(columns=["se", "null_se"])
        return frame.assign(p_holm=frame.dimension.map(tests.p_holm), verdict=frame.dimension.map(tests.verdict))

    def _segments(self, dimension: str) -> list[dict[str, Any]]:
        sums = self._strata if dimension in STRATA else self._sums((dimension,))
        sums = sums[sums.campaign_id.isin(list(self.trusted))]
        size = sums.groupby(dimension).n.sum().sort_values(ascending=False, kind="stable")
        if len(size) > LARGEST + 1:
            sums = sums.assign(**{dimension: sums[dimension].where(sums[dimension].isin(size.index[:LARGEST]), OTHER)})
        name, order = DIMENSIONS[dimension]
        ranks = [*size.index[:LARGEST], OTHER] if order == [] else order or sorted(size.index)
        rows = []
        for segment, part in sorted(sums.groupby(dimension), key=lambda pair: _rank(ranks, pair[0])):
            each = [arms(campaign) for _, campaign in part.groupby("campaign_id")]
            cells = [pooling.cell(*pair, "buyers", **self._level) for pair in each if min(arm.n for arm in pair) >= 2]
            found = pooling.pool(pd.DataFrame(cells), **self._level) if cells else None
            if found:
                shown = {name: getattr(found, name) for name in ("treated", "control", "delta", "low", "high")}
                shown |= {"se": found.se, "null_se": found.null_se}
                rows.append({"dimension": name, "segment": _label(dimension, segment), **shown})
        return rows if len(rows) > 1 else []


def compared(inputs: pd.DataFrame) -> pd.DataFrame:
    """The rows of the campaigns that have customers in both arms."""
    both = inputs[inputs.n > 0].groupby("campaign_id").arm.transform("nunique").reindex(inputs.index)
    return inputs[both == 2].reset_index(drop=True)


def arms(sums: pd.DataFrame) -> tuple[effects.Arm, effects.Arm]:
    """Treated and held out, all rows of each added up."""
    by_arm = sums.drop(columns=["window_days"]).groupby("arm").sum(numeric_only=True)
    nobody = {"n": 0, "buyers": 0, "revenue": 0.0, "revenue_sq": 0.0}
    return tuple(
        effects.Arm.from_row(by_arm.loc[arm] if arm in by_arm.index else nobody) for arm in ("treated", "holdout")
    )


def _pairs(sums: pd.DataFrame, strata: Sequence[str]) -> list[tuple[effects.Arm, effects.Arm]]:
    return [arms(part) for _, part in sums.groupby(list(strata))]


def _rank(ranks: Sequence[Any], segment: Any) -> int:
    return list(ranks).index(segment) if segment in ranks else len(ranks)


def _width(found: Any) -> float:
    return found.high - found.low


def _label(dimension: str, segment: Any) -> str:
    if dimension == "stage":
        return "never bought" if segment == history.PROSPECT else STAGES[int(segment)]
    if dimension == "order_count":
        return f"{segment} purchase{'' if str(segment) == '1' else 's'}"
    if dimension == "basket":
        return (
            "no basket yet" if segment == "none" else f"{segment} the range" if segment != "within" else "in the range"
        )
    return str(segment)
