"""What a stage is worth and how long contacts pay, where customers move between stages as a Markov chain.

in:  P — rates of one step (from, to), rows sum to 1 (less where customers leave for good); R — money a step, by stage;
     moves — of `transitions.moves`, for the shop's own
out: arrays, and frozen results with frames of a row a stage

Pfeifer & Carraway 2000, Modeling customer relationships as Markov chains, Journal of Interactive Marketing 14(2).
A step's money counts at its start: R of today's stage is not discounted, that of the next step once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components

from clvbook.errors import BadParameters, NotComputable
from clvbook.lifecycle.transitions import Flows, flows, rates

UNKNOWN = NotComputable("the rates of a stage are not known: nobody was in it at the start of a step")


def step_discount(annual_discount_rate: float, *, days: float) -> float:
    """The discount rate of a step of `days`: (1 + annual_discount_rate)^(days / 365) - 1."""
    return (1 + annual_discount_rate) ** (days / 365) - 1


def markov_value(
    P: np.ndarray, R: np.ndarray, *, discount: float, horizon: int | None = None
) -> np.ndarray | NotComputable:
    """Discounted money of all steps to come by stage of today: V = (I - P / (1 + discount))^-1 R (ibid.).

    discount: of one step. horizon: count only so many steps, V = sum of (P / (1 + discount))^k R for k < horizon. P may
    be many matrices (..., from, to), R then (..., from). BadParameters where P holds no shares. NotComputable where a
    row is undefined, and without a discount or horizon unless P leads everybody out of it: give the stages that are
    left (the Q block) then.
    """
    P, R = np.asarray(P, dtype=float), np.asarray(R, dtype=float)
    if np.isnan(P).any() or np.isnan(R).any():
        return UNKNOWN
    wrong = int(((P < 0).any(axis=-1) | (P.sum(axis=-1) > 1 + 1e-9)).sum())
    if wrong or discount < 0:
        raise BadParameters(
            f"{wrong} of {P.shape[-1]} rows of P are no shares, discount is {discount:g}.",
            "rows hold shares of at most 1 in all, and discount is 0 or more.",
        )
    if horizon is not None:
        value = np.zeros(np.broadcast_shapes(R.shape, P.shape[:-1]))
        for _ in range(horizon):
            value = R + (P @ value[..., None])[..., 0] / (1 + discount)
        return value
    if not discount and _radius(P) > 1 - 1e-12:
        return NotComputable("without a discount a chain that never ends has no finite value")
    return np.linalg.solve(np.eye(P.shape[-1]) - P / (1 + discount), R[..., None])[..., 0]


def _radius(P: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(P)).max()) if P.size else 0.0


def recency_states(
    p: Sequence[float], *, margin: float, contact_cost: float, depth: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """P and R of customers contacted once a step until they buy: states recency 1 .. depth, then former (for good).

    p: chance to buy at recency 1, 2, ...; margin: money of a purchase, which leads to recency 1; contact_cost: of a
    contact. Only the first `depth` recencies are contacted (default: all of p), and nobody else buys (ibid.).
    """
    depth = len(p) if depth is None else depth
    P = np.diag(1 - np.asarray(p[:depth], dtype=float), k=1)
    P[:depth, 0] += p[:depth]
    R = np.append(np.full(depth, -float(contact_cost)), 0.0)
    R[0] += margin
    if depth:
        P[-1, -1] = 1  # at depth 0 a customer is former at once, and the margin of the purchase comes only once
    return P, R


@dataclass(frozen=True, eq=False)
class ContactDepth:
    """How many contacts in a row without a purchase pay.

    best: the number that makes a new purchaser worth most (`value`); by_depth: depth, value. first_negative: the first
    recency at which the value is negative if all recencies of p are contacted.
    """

    best: int
    value: float
    first_negative: int | NotComputable
    by_depth: pd.DataFrame


def best_depth(p: Sequence[float], *, margin: float, contact_cost: float, discount: float) -> ContactDepth:
    """The depth of contact that maximises the value of a customer who has just bought; see `recency_states`."""
    each = [recency_states(p, margin=margin, contact_cost=contact_cost, depth=depth) for depth in range(len(p) + 1)]
    values = [markov_value(P, R, discount=discount) if discount else _until_former(P, R) for P, R in each]
    first = np.array([value[0] for value in values])
    negative = np.flatnonzero(values[-1] < 0)
    nowhere = NotComputable(f"no recency of {len(p)} has a negative value at a contact cost of {contact_cost:g}")
    return ContactDepth(
        best=int(first.argmax()),
        value=float(first.max()),
        first_negative=int(negative[0]) + 1 if negative.size else nowhere,
        by_depth=pd.DataFrame({"depth": range(len(p) + 1), "value": first}),
    )


def _until_former(P: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Value without a discount: that of the states before the last, which brings nothing once one is there."""
    return np.append(markov_value(P[:-1, :-1], R[:-1], discount=0.0), 0.0) if len(P) > 1 else R


def _transient(P: np.ndarray) -> np.ndarray | NotComputable:
    """The Q block: rates between the stages that are left for good, those whose own rate is not 1."""
    stays = np.isclose(np.diag(P), 1, rtol=0, atol=1e-12)
    Q = P[np.ix_(~stays, ~stays)]
    if np.isnan(P).any():
        return UNKNOWN
    if not stays.any() or _radius(Q) > 1 - 1e-12:
        return NotComputable("customers can come back from every stage: none is for good")
    return Q


def steps_to_absorption(P: np.ndarray) -> np.ndarray | NotComputable:
    """Expected steps until a stage that is for good, by stage among the others: (I - Q)^-1 1, not discounted."""
    Q = _transient(P)
    return Q if isinstance(Q, NotComputable) else np.linalg.solve(np.eye(len(Q)) - Q, np.ones(len(Q)))


def steady_stock(P: np.ndarray, entrants: np.ndarray) -> np.ndarray | NotComputable:
    """Customers in the stages that are not for good, once `entrants` (a step, over these stages) have come for long:
    x = e (I - Q)^-1.
    """
    Q = _transient(P)
    return Q if isinstance(Q, NotComputable) else np.linalg.solve(np.eye(len(Q)) - Q.T, np.asarray(entrants, float))


def steady_state(P: np.ndarray) -> np.ndarray | NotComputable:
    """Shares of customers by stage in the long run without entrants, pi P = pi.

    NotComputable unless each stage leads to each other one and the shares settle (irreducible and aperiodic).
    """
    if np.isnan(P).any():
        return UNKNOWN
    parts, _ = connected_components(P > 0, connection="strong")
    if parts > 1:
        return NotComputable("some stages are never reached from others: the long run depends on the start")
    if (np.abs(np.linalg.eigvals(P)) > 1 - 1e-12).sum() > 1:
        return NotComputable("customers return to a stage only every second or further step: shares never settle")
    equations = np.vstack([P.T - np.eye(len(P)), np.ones(len(P))])
    return np.linalg.lstsq(equations, np.append(np.zeros(len(P)), 1.0))[0]


@dataclass(frozen=True, eq=False)
class StageValues:
    """What customers of each stage bring from now on at the rates and amounts of the steps seen, discounted.

    of: "margin" or "revenue", what the money is. by_stage: stage; customers at the last snapshot; brings (money a step
    and customer); contact_cost (a step and customer, NaN where not given); value, net of contact_cost where given;
    [low, high] from resampled groups of customers; below_zero: share of resamples with a value under 0; break_even:
    the contact cost, the same in every stage up to this one, at which the last contact here just pays (NaN without a
    margin). losing_from: from this stage on each value is negative: contacts at that cost lose money even if no
    purchase would have come without them. best_stop: contacting the first so many stages, and dropping customers
    afterwards, makes the stages worth most in all. A positive value does not prove that contacts pay: some purchases
    would have come without.
    """

    of: str
    discount: float
    by_stage: pd.DataFrame
    losing_from: int | NotComputable
    best_stop: int | NotComputable


def stage_values(
    moves: pd.DataFrame,
    *,
    stages: int,
    annual_discount_rate: float,
    margin_rate: float | None = None,
    contact_cost: float | Sequence[float] | None = None,
    horizon: int | None = None,
    confidence: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> StageValues | NotComputable:
    """Value by stage of the shop's own moves; see `StageValues`.

    contact_cost: currency a customer and step, one for all stages or one a stage. margin_rate: share of net revenue;
    without it the value is revenue. horizon: steps counted, default all to come. All customers of a stage come back at
    one rate for ever: where the last stage mixes fresh and old leavers that overstates it, so split it by more bounds,
    or count a horizon. NotComputable where nobody was in some stage at the start of a step, and without a discount
    where there is no horizon.
    """
    found = flows(moves, stages=stages)
    steps = moves[["snapshot", "previous"]].drop_duplicates()
    discount = step_discount(annual_discount_rate, days=(steps.snapshot - steps.previous).dt.days.mean())
    cost = np.broadcast_to(np.nan if contact_cost is None else np.asarray(contact_cost, dtype=float), stages)
    margin = 1.0 if margin_rate is None else margin_rate
    P, brings = _law(found.customers.sum(axis=(0, 1)), found.spent.sum(axis=(0, 1)), margin)
    how = {"discount": discount, "horizon": horizon}
    value = markov_value(P, brings - np.nan_to_num(cost), **how)
    if isinstance(value, NotComputable):
        return value
    pooled = Flows(found.snapshots[-1:], *(each.sum(axis=0, keepdims=True) for each in (found.customers, found.spent)))
    drawn_P, drawn_R = _law(*(each[:, 0] for each in pooled.resampled(resamples, seed=seed)), margin)
    known = ~np.isnan(drawn_P).any(axis=(1, 2))  # a resample may leave a small stage empty
    draws = markov_value(drawn_P[known], drawn_R[known] - np.nan_to_num(cost), **how)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    by_stage = pd.DataFrame(
        {
            "stage": np.arange(stages, dtype=np.int8),
            "customers": found.stock[-1],
            "brings": brings,
            "contact_cost": cost,
            "value": value,
            "low": low,
            "high": high,
            "below_zero": (draws < 0).mean(axis=0),
            "break_even": np.nan if margin_rate is None else _break_even(P, brings, **how),
        }
    )
    missing = [name for name, given in (("contact_cost", contact_cost), ("margin_rate", margin_rate)) if given is None]
    losing = stop = NotComputable(f"{' and '.join(missing)} not set: whether a contact pays is not known")
    if not missing:
        losing, stop = _losing_from(value), _best_stop(P, brings - cost, **how)
    return StageValues("revenue" if margin_rate is None else "margin", discount, by_stage, losing, stop)


def _law(customers: np.ndarray, spent: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """P and the money a step and customer by stage of (..., from with entrants last, to)."""
    customers, spent = customers[..., :-1, :], spent[..., :-1, :].sum(axis=-1)
    total = customers.sum(axis=-1)
    return rates(customers), margin * np.divide(spent, total, out=np.full(spent.shape, np.nan), where=total > 0)


def _break_even(P: np.ndarray, brings: np.ndarray, **how) -> list[float]:
    """The cost c with V_k = 0 where stages 0 .. k are contacted at c and later ones dropped; V is linear in c."""
    found = []
    for k in range(1, len(P) + 1):
        gain, contacts = (markov_value(P[:k, :k], R, **how)[-1] for R in (brings[:k], np.ones(k)))
        found.append(float(gain / contacts))
    return found


def _losing_from(value: np.ndarray) -> int | NotComputable:
    losing = int(np.append(np.flatnonzero(value >= 0), -1).max()) + 1
    return losing if losing < len(value) else NotComputable("at this cost a contact in the last stage loses no money")


def _best_stop(P: np.ndarray, R: np.ndarray, **how) -> int:
    worth = [0.0, *(markov_value(P[:k, :k], R[:k], **how).sum() for k in range(1, len(P) + 1))]
    return int(np.argmax(worth))
