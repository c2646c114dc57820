"""The part of the book about what a contact keeps and costs, stage by stage: offers as the allocation takes them.

in:  a `RetentionBook`; out: `OffersBook`, which adds small pandas frames

A customer counts as kept who buys within the days of the first stage after a message. What is kept because of it, the
holdouts of campaigns tell by stage; without them it is an assumption of the parameters.
"""

from __future__ import annotations  # the book's attributes are called as the modules that make them

from functools import cached_property

import numpy as np
import pandas as pd

from clvbook.book.retention import RetentionBook, in_words
from clvbook.book.value import _with
from clvbook.campaigns import outcomes
from clvbook.errors import NotComputable
from clvbook.lifecycle.stages import STAGES
from clvbook.retention import save_rates

OFFER = "message"
SURELY = 0.0005  # a save rate whose interval begins lower prints as one that begins at 0
NOT_SURE = (0.5, 1.5)  # how far off an assumption may be, as a factor
NO_RATE = NotComputable("no save rate is known: bring sends with a holdout, or set retention_save_rate")
NO_COST = NotComputable("no cost of a message is known: set contact_cost, or bring campaigns with cost_per_unit")


class OffersBook(RetentionBook):
    """What does a message keep, and what does it cost?"""

    @cached_property
    def assumed(self) -> bool:
        """Whether the save rate is an assumption of the parameters."""
        return self.settings.retention_save_rate is not None

    @cached_property
    def save_rates(self) -> pd.DataFrame | NotComputable:
        """Share of customers kept because of a message, by stage: segment, stage, offer, treated, kept_treated,
        held_out, kept_held_out, bought (share of the treated), bought_held_out, save_rate (shrunken: what is planned
        with), measured, low, high, sure (whether it is surely above 0). Where it is assumed: the same for all stages,
        the counts NotComputable.
        """
        if self.assumed:
            return self._assumed_rates
        return _with(self._kept_counts, self._shrunken)

    @property
    def _assumed_rates(self) -> pd.DataFrame:
        given, few = self.settings.retention_save_rate, NotComputable("assumed (retention_save_rate)")
        names = ["treated", "kept_treated", "held_out", "kept_held_out", "bought", "bought_held_out", "measured"]
        rows = [
            {"segment": n, "offer": OFFER, **dict.fromkeys(names, few), "save_rate": given}
            | {"low": given * NOT_SURE[0], "high": given * NOT_SURE[1], "sure": False}
            for n in range(len(STAGES))
        ]
        return in_words(pd.DataFrame(rows))

    def _shrunken(self, counts: pd.DataFrame) -> pd.DataFrame:
        found = save_rates.save_rates(counts[counts.held_out > 0], **self._level)
        found = found.rename(columns={"save_rate": "measured", "shrunken": "save_rate"})
        bought = {"bought": found.kept_treated / found.treated, "bought_held_out": found.kept_held_out / found.held_out}
        return in_words(found.assign(**bought, sure=found.low >= SURELY))

    @cached_property
    def _kept_sums(self) -> pd.DataFrame | NotComputable:
        """Sums by campaign, arm and stage over the days of the first stage; see `outcomes.Outcomes`."""
        if isinstance(self.held_out, NotComputable):
            return NO_RATE
        if isinstance(self.pooled_conversion, NotComputable):
            return self.pooled_conversion

        def count() -> pd.DataFrame:
            window = {"windows": [self.bounds[0]], "strata": ("stage",)}
            found = outcomes.outcomes(self._assigned, self.orders, self.schedule, through=self.as_of, **window)
            return found.inputs

        name = f"kept_{'_'.join(map(str, [*self.bounds, *self.settings.basket_range]))}"
        sums = self._kept(name, count)
        sums = sums[sums.campaign_id.isin(list(self.trusted)) & (sums.stage >= 0)]
        few = NotComputable(f"no campaign with a holdout is older than the {self.bounds[0]} days of the first stage")
        return few if sums.empty else sums

    @cached_property
    def _kept_counts(self) -> pd.DataFrame | NotComputable:
        """segment, offer, treated, kept_treated, held_out, kept_held_out: all campaigns, as if each had held out the
        same share (campaigns are weighted as their treated are, and the holdouts count for as many as that is worth).
        """

        def add_up(sums: pd.DataFrame) -> pd.DataFrame:
            arm = {name: rows.set_index(["stage", "campaign_id"]) for name, rows in sums.groupby("arm")}
            held_out = arm["holdout"][["n", "buyers"]].add_suffix("_held")
            both = arm["treated"][["n", "buyers"]].join(held_out, how="inner")
            rows = []
            for stage, part in both[both.n_held > 0].groupby(level="stage"):
                weight = part.n / part.n.sum()
                held = round(1 / (weight**2 / part.n_held).sum())
                kept = float((weight * part.buyers_held / part.n_held).sum())
                treated = {"treated": int(part.n.sum()), "kept_treated": int(part.buyers.sum())}
                each = {"held_out": held, "kept_held_out": round(held * kept)}
                rows.append({"segment": int(stage), "offer": OFFER, **treated, **each})
            return pd.DataFrame(rows)

        return _with(self._kept_sums, add_up)

    @cached_property
    def message_cost(self) -> float | NotComputable:
        """Cost of one contact: what the last campaigns' messages cost, else contact_cost."""
        measured = self.plan.cost_each
        if not isinstance(measured, NotComputable):
            return float(measured)
        return NO_COST if self.settings.contact_cost is None else self.settings.contact_cost

    @cached_property
    def incentive(self) -> float:
        """Given to a customer who buys after a contact: retention_incentive, else what coupons took off more among
        those written to than among those held out, who have other campaigns' coupons; 0 without coupons.
        """
        given = self.settings.retention_incentive
        if given is not None:
            return given
        sums = self._kept_sums
        if isinstance(sums, NotComputable) or "discount" not in sums:
            return 0.0
        arm = {
            name: rows.groupby("campaign_id")[["n", "buyers", "discount"]].sum() for name, rows in sums.groupby("arm")
        }
        both = arm["treated"].join(arm["holdout"].add_suffix("_held"), how="inner")
        both = both[both.n_held > 0].astype(float)  # as much of the treated as have somebody to be compared with
        more = both.discount - both.n * both.discount_held / both.n_held
        return max(0.0, float(more.sum() / both.buyers.sum())) if both.buyers.sum() else 0.0

    @cached_property
    def offers(self) -> pd.DataFrame | NotComputable:
        """What a contact costs and saves by stage, as `allocation.allocate` takes it, with kept_untreated."""

        def rows(found: pd.DataFrame) -> pd.DataFrame | NotComputable:
            if isinstance(self.message_cost, NotComputable):
                return self.message_cost
            untreated = self._untreated(found)
            return pd.DataFrame(
                {
                    "segment": found.segment.astype("int64"),
                    "offer": OFFER,
                    "cost": self.message_cost,
                    "incentive": self.incentive,
                    "save_rate": found.save_rate.astype(float),
                    "kept_untreated": untreated,
                    "kept_treated": np.clip(untreated + found.save_rate.astype(float), 0, 1),
                }
            )

        return _with(self.save_rates, rows)

    def _untreated(self, found: pd.DataFrame) -> pd.Series:
        """The share that stays without a contact: of the holdouts, else who of the stage is expected back within the
        horizon, and all where that is not known: an incentive is then taken to be paid to everybody.
        """
        if not self.assumed:
            return found.kept_held_out / found.held_out
        lost = self.ledger.stages.written_off if not isinstance(self.ledger, NotComputable) else []
        stays = dict(enumerate(1.0 if isinstance(share, NotComputable) else 1 - float(share) for share in lost))
        return found.segment.map(stays).fillna(1.0)
