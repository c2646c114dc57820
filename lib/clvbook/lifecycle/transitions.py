"""Who moved from which stage to which between two snapshots, at what rate, how surely, and whether months are alike.

in:  history — customer_id, snapshot, stage, spent (Ibis; `stages.stage_history`: one row a customer and snapshot from
     the first purchase on)
out: moves — snapshot, previous, group, from_stage, to_stage, customers, spent (pandas), and frozen results made of it

A step runs from one snapshot to the next. Customers meet again in every step, so a shop has fewer independent
observations than moves: `group` splits customers at random, and intervals come from how the groups differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import chi2, norm, t

from clvbook.errors import InputRefused, NotComputable


def moves(history: ibis.Table, *, groups: int = 100) -> pd.DataFrame:
    """Count the moves of each step: snapshot (its end), previous (its start), group, from_stage, to_stage, customers,
    spent (in the step, net, currency).

    from_stage is null for entrants, who bought first after `previous`. group is customer_id's MD5 modulo `groups`: the
    same on every engine and in every month. The first snapshot is a start only. Where most snapshots are month ends
    only steps between two of them in a row count, elsewhere only those of the most frequent length: a partial month
    is no step. InputRefused without a full step.
    """
    # hashed once a customer: at every snapshot it would cost more than the moves
    group = history.select("customer_id").distinct().mutate(group=lambda t: _group(t.customer_id, groups))
    before = _.stage.lag().over(ibis.window(group_by="customer_id", order_by="snapshot"))
    frame = (
        history.select("customer_id", "snapshot", "stage", "spent", from_stage=before)
        .join(group, "customer_id")
        .group_by("snapshot", "group", "from_stage", to_stage=_.stage)
        .aggregate(customers=_.count(), spent=_.spent.cast("decimal(38,9)").sum().cast("float64"))
        .to_pandas()
    )
    frame["snapshot"] = pd.to_datetime(frame.snapshot).astype("datetime64[s]")
    steps = _full_steps(pd.DatetimeIndex(np.sort(frame.snapshot.unique())))
    if steps.empty:
        raise InputRefused(
            f"{frame.snapshot.nunique()} snapshots make no full step.",
            "bring at least two month ends of history; transitions need a start and an end.",
        )
    key = ["snapshot", "previous", "group", "from_stage", "to_stage"]
    kinds = {"group": "int16", "from_stage": "Int8", "to_stage": "int8", "customers": "int64"}
    found = frame.merge(steps, on="snapshot").astype(kinds)
    return found[[*key, "customers", "spent"]].sort_values(key).reset_index(drop=True)


def _group(customer_id: ibis.Value, groups: int) -> ibis.Value:
    digest = customer_id.hexdigest("md5")
    digits = [ibis.literal("0123456789abcdef").find(digest.substr(n, 1)) * 16**n for n in range(4)]
    return sum(digits[1:], digits[0]) % groups


def _full_steps(snapshots: pd.DatetimeIndex) -> pd.DataFrame:
    previous, snapshot = snapshots[:-1], snapshots[1:]
    if snapshots.is_month_end.mean() > 0.5:
        full = previous.is_month_end & (snapshot == previous + pd.offsets.MonthEnd(1))
    else:
        days = pd.Series((snapshot - previous).days)
        full = (days == days.mode()[0]).to_numpy() if len(days) else []
    return pd.DataFrame({"snapshot": snapshot, "previous": previous})[full]


@dataclass(frozen=True, eq=False)
class Flows:
    """The moves as arrays over (step, group, from, to), entrants in the last row of from.

    snapshots: the ends of the steps. customers: whole numbers; spent: currency.
    """

    snapshots: pd.DatetimeIndex
    customers: np.ndarray
    spent: np.ndarray

    @property
    def stock(self) -> np.ndarray:
        """Customers by stage at the end of each step, shape (steps, stages)."""
        return self.customers.sum(axis=(1, 2))

    def resampled(self, resamples: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Customers and spent of shops made of as many groups drawn with replacement: (resamples, step, from, to)."""
        groups = self.customers.shape[1]
        weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), resamples)
        return tuple(np.einsum("rg,tgij->rtij", weights, each, optimize=True) for each in (self.customers, self.spent))


def flows(moves: pd.DataFrame, *, stages: int) -> Flows:
    """Lay `moves` out as `Flows`; a group without a customer is no group. InputRefused for a stage beyond `stages`."""
    beyond = moves.customers[(moves.to_stage >= stages) | (moves.from_stage >= stages).fillna(False)].sum()
    if beyond or moves.empty:
        raise InputRefused(
            f"{beyond:,} of {moves.customers.sum():,} moves are from or to a stage beyond {stages - 1}.",
            "stages is the number of bounds plus one.",
        )
    step, snapshots = pd.factorize(moves.snapshot, sort=True)
    group, names = pd.factorize(moves.group, sort=True)
    start = moves.from_stage.fillna(stages).to_numpy(dtype=int)
    shape = (len(snapshots), len(names), stages + 1, stages)
    place = np.ravel_multi_index((step, group, start, moves.to_stage.to_numpy(dtype=int)), shape)
    customers = np.zeros(shape, dtype=np.int64)
    spent = np.zeros(shape)
    np.add.at(customers.ravel(), place, moves.customers.to_numpy())
    np.add.at(spent.ravel(), place, moves.spent.to_numpy())
    return Flows(pd.DatetimeIndex(snapshots), customers, spent)


def rates(counts: np.ndarray) -> np.ndarray:
    """Shares of each row of (..., from, to); the shares of a row without customers are NaN."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


@dataclass(frozen=True, eq=False)
class TransitionMatrix:
    """How customers move between stages in one step; arrays over (from, to).

    counts: moves seen in all steps. rates: their share of the row; [low, high] its interval at `confidence`. A row
    without a customer is NaN, and `undefined` has its reason. entrants: snapshot, to, customers: first purchases in
    each step by the stage at its end.
    """

    counts: np.ndarray
    rates: np.ndarray
    low: np.ndarray
    high: np.ndarray
    entrants: pd.DataFrame
    confidence: float

    @property
    def undefined(self) -> dict[int, NotComputable]:
        """The stages nobody was in at the start of any step, with the reason that their rates are missing."""
        empty = np.flatnonzero(self.counts.sum(axis=1) == 0).tolist()
        return {stage: NotComputable(f"nobody was in stage {stage} at the start of any step") for stage in empty}

    @property
    def summary(self) -> pd.DataFrame:
        """One row a pair of stages: from, to, customers, rate, low, high."""
        start, end = np.indices(self.counts.shape, dtype=np.int8)
        columns = (start, end, self.counts, self.rates, self.low, self.high)
        names = ["from", "to", "customers", "rate", "low", "high"]
        return pd.DataFrame({name: each.ravel() for name, each in zip(names, columns, strict=True)})


def matrix(
    moves: pd.DataFrame, *, stages: int, confidence: float = 0.95, grouped: bool = True
) -> TransitionMatrix | NotComputable:
    """The rates of all steps taken together; see `TransitionMatrix`.

    Intervals are Wilson's at the number of independent observations. `grouped`: that number is moves over the design
    effect, the variance that resampling the groups of customers gives the rate, over that of independent moves, at
    least 1; with grouped=False every move counts as one, which is too sure where customers differ. (Percentiles of
    resampled rates miss too often in cells with few customers: with no move seen they have no width. The variance is
    that of a ratio of group sums, the limit of the bootstrap; the effective number in Wilson's interval, with Student's
    t for the number of groups, is that of Korn & Graubard 1998, Survey Methodology 24.) NotComputable for fewer than 2
    groups.
    """
    found = flows(moves, stages=stages)
    by_group = found.customers[:, :, :stages].sum(axis=0)
    counts = by_group.sum(axis=0)
    total = counts.sum(axis=1, keepdims=True)
    shares = rates(counts)
    effect = np.ones(counts.shape)
    if grouped:
        groups = len(by_group)
        if groups < 2:
            return NotComputable(f"not enough data: customers of {groups} group, 2 needed for an interval")
        beyond = by_group - shares * by_group.sum(axis=2, keepdims=True)
        between = groups / (groups - 1) * (beyond**2).sum(axis=0)
        alone = total * shares * (1 - shares)
        effect = np.maximum(np.divide(between, alone, out=effect, where=alone > 0), 1)
        effect *= (t.ppf((1 + confidence) / 2, groups - 1) / norm.ppf((1 + confidence) / 2)) ** 2
    low, high = wilson(shares, np.where(total, total, np.nan) / effect, confidence=confidence)
    entrants = pd.DataFrame(found.customers[:, :, stages].sum(axis=1), index=found.snapshots)
    entrants = entrants.rename_axis(index="snapshot", columns="to").stack().rename("customers").reset_index()
    return TransitionMatrix(counts, shares, low, high, entrants, confidence)


def rate_by_step(moves: pd.DataFrame, *, start: int, end: int, confidence: float) -> pd.DataFrame:
    """The rate of one move, step by step: snapshot, customers (in `start` at its beginning), moved (to `end`), rate,
    low, high (Wilson: within a step every customer counts once). Steps that begin with nobody there are left out.
    """
    there = moves[(moves.from_stage == start).fillna(False)]
    moved = there.customers.where(there.to_stage == end, 0)
    frame = there.assign(moved=moved).groupby("snapshot", as_index=False)[["customers", "moved"]].sum()
    rate = frame.moved / frame.customers
    low, high = wilson(rate.to_numpy(), frame.customers.to_numpy(), confidence=confidence)
    return frame.assign(rate=rate, low=low, high=high)


def wilson(share: np.ndarray, n: np.ndarray, *, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share of `n` independent observations (n need not be whole): low, high."""
    z2 = norm.ppf((1 + confidence) / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


@dataclass(frozen=True, eq=False)
class Homogeneity:
    """Do all steps share one matrix? Likelihood-ratio test.

    statistic: twice the log-likelihood gained by a matrix a step, df its degrees of freedom, p the chance of as large a
    gain where one matrix holds; `simulated`: p is from simulated shops, because a cell expects fewer than 5 customers
    and the chi-square distribution would not do. by_step: snapshot, previous, statistic (the step's part), customers,
    and from, to, rate, usual: the move that differs most there (in standard errors), its rate then and in all steps;
    steps that differ most come first. In a large shop a small difference is sure: look at by_step, too.
    """

    statistic: float
    df: int
    p: float
    simulated: bool
    by_step: pd.DataFrame

    @property
    def homogeneous(self) -> bool:
        """No difference shown at 5 %: one matrix may stand for all steps."""
        return self.p >= 0.05


def homogeneity(
    moves: pd.DataFrame, *, stages: int, resamples: int = 200, seed: int = 0
) -> Homogeneity | NotComputable:
    """Test that all steps share one matrix; see `Homogeneity`.

    LR = 2 sum n_ij(t) ln(p_ij(t) / p_ij), df = sum over rows of (steps with customers in it - 1)(cells - 1), cells
    without a customer in any step excluded (Anderson & Goodman 1957, Statistical inference about Markov chains; their
    df where every row has customers in every step is (T - 1) sum of (cells - 1)). Moves of one step are of different
    customers, so no design effect is due. NotComputable where no two steps can be compared.
    """
    found = flows(moves, stages=stages)
    counts = found.customers[:, :, :stages].sum(axis=1)
    total = counts.sum(axis=2, keepdims=True)
    usual = rates(counts.sum(axis=0))
    cells = (usual > 0).sum(axis=1)
    df = int(((total[:, :, 0] > 0).sum(axis=0) - 1).clip(0) @ (cells - 1).clip(0))
    if not df:
        return NotComputable(f"not enough data: {len(counts)} steps, two with moves from the same stage needed")
    expected = np.nan_to_num(total * usual)
    parts = _gain(counts, expected)
    statistic = float(parts.sum())
    simulated = bool(((expected > 0) & (expected < 5)).any())
    p = float(chi2.sf(statistic, df))
    if simulated:
        rng = np.random.default_rng(seed)
        shares = np.where(np.isnan(usual), np.eye(stages), usual)
        drawn = rng.multinomial(total[:, :, 0], shares, size=(resamples, *total.shape[:2]))
        again = drawn.sum(axis=1, keepdims=True)
        null = _gain(drawn, np.nan_to_num(total * rates(again))).sum(axis=(1, 2))
        p = float((1 + (null >= statistic).sum()) / (1 + resamples))
    error = np.sqrt(expected * (1 - usual))
    z = np.abs(np.divide(counts - expected, error, out=np.zeros(counts.shape), where=error > 0))
    z = np.where(total > 0, z, -1)  # a stage that nobody was in differs from nothing
    start, end = np.divmod(z.reshape(len(z), -1).argmax(axis=1), stages)
    steps = moves[["snapshot", "previous"]].drop_duplicates().sort_values("snapshot", ignore_index=True)
    each = np.arange(len(counts))
    by_step = steps.assign(statistic=parts.sum(axis=1), customers=total.sum(axis=(1, 2)))
    by_step = by_step.assign(
        rate=rates(counts)[each, start, end], usual=usual[start, end], **{"from": start, "to": end}
    )
    by_step = by_step[by_step.customers > 0][
        ["snapshot", "previous", "statistic", "customers", "from", "to", "rate", "usual"]
    ]
    by_step = by_step.sort_values("statistic", ascending=False, kind="stable", ignore_index=True)
    return Homogeneity(statistic, df, p, simulated, by_step)


def _gain(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """2 n ln(n / expected) summed over each row of (..., from, to)."""
    ratio = np.divide(counts, expected, out=np.ones(counts.shape), where=counts > 0)
    return 2 * (counts * np.log(ratio)).sum(axis=-1)


def structural_zeros(bounds: Sequence[int], *, days: int) -> np.ndarray:
    """Moves that cannot happen in a step of `days`: bool (from, to).

    Whoever buys in the step ends it 0 .. days - 1 days after the last purchase, whoever does not is `days` days older.
    Stages are right-closed: stage i holds recencies from bounds[i - 1] + 1 (0 for the first) to bounds[i].
    """
    first = np.array([0, *np.asarray(bounds) + 1], dtype=float)
    last = np.array([*bounds, np.inf])

    def reached(low, high):
        return (low <= last) & (high >= first)

    stays = reached((first + days)[:, None], (last + days)[:, None])
    return ~(stays | reached(0, days - 1))


def impossible_moves(moves: pd.DataFrame, bounds: Sequence[int]) -> pd.DataFrame:
    """A check of the data: moves that no step of that length allows: previous, snapshot, days, from_stage, to_stage,
    customers. No row is well; entrants move as buyers do, whatever stage they would come from.
    """
    key = ["previous", "snapshot", "from_stage", "to_stage"]
    seen = moves.groupby(key, dropna=False, as_index=False).customers.sum()
    seen.insert(2, "days", (seen.snapshot - seen.previous).dt.days)
    wrong = np.zeros(len(seen), dtype=bool)
    for days in seen.days.unique():
        zeros = structural_zeros(bounds, days=int(days))
        entered = np.array([0, *np.asarray(bounds) + 1]) > days - 1
        table = np.vstack([zeros, entered])
        start = seen.from_stage.fillna(len(zeros)).to_numpy(dtype=int)
        wrong |= (seen.days == days).to_numpy() & table[start, seen.to_stage]
    return seen[wrong].reset_index(drop=True)
