"""Whom to contact with what under a budget: at most one offer a customer, for the most expected net profit.

in:  candidates — customer_id, segment, value, optional contacts, opted_out, held_out (Ibis; one row a customer);
     offers — segment, offer, cost, save_rate, optional incentive, kept_treated (pandas; see `offers.priced`)
out: frozen `Allocation`: the ranked list (Ibis), its gap to the bound, the frontier of net profit against budget

A multiple-choice knapsack (Sinha & Zoltners 1979). Each customer climbs the efficient offers of the segment; the steps
of all are taken in order of the value that a unit of their cost saves, until the budget ends or a unit saves less than
a unit. The engine ranks the steps; the customers at the edge of the budget are then solved exactly.
"""

import math
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.retention.offers import UNIT, efficient_steps, priced

EDGE = 20  # steps on either side of the budget's end whose customers are solved exactly
WAYS = 5_000  # ways to spend that are kept at once while they are
NO_SAVE_RATE = "no save rate is known: hold some customers out of a campaign, or set an assumption"
NO_VALUE = "no value is known: it is profit, which needs margin_rate"


@dataclass(frozen=True, eq=False)
class Frontier:
    """Net profit against budget, up to the budget beyond which the next unit returns less than one; currency.

    points: budget, contacts, saved (expected number kept), net, last_unit (value that the budget's last unit saves;
    null at a budget of 0). Net never falls, and rises ever more slowly.
    """

    points: pd.DataFrame

    @property
    def worth_spending(self) -> float:
        """The largest budget worth having: what is beyond it stays unspent."""
        return float(self.points.budget.iloc[-1])

    @property
    def net(self) -> float:
        """Net profit of that budget."""
        return float(self.points.net.iloc[-1])


@dataclass(frozen=True, eq=False)
class Allocation:
    """Whom to contact with what, and what is expected of it; money in currency.

    contacts: rank, customer_id, segment, offer, value, save_rate, cost, net (Ibis), the largest expected net profit
    first. customers, saved (expected number kept), spent, net: of the whole list. held_out: the same columns but rank,
    of those held out at random who would be on it: they cost nothing, and show what the list changes. budget: None is
    unlimited. bound: net that no list can exceed under it. last_unit: value that the last unit of currency spent saves
    (NaN where none is; swaps at the edge of the budget aside). left_out: reason, customers (pandas): those in neither,
    by the first reason that holds.
    """

    contacts: ibis.Table
    customers: int
    saved: float
    spent: float
    net: float
    budget: float | None
    bound: float
    last_unit: float
    left_out: pd.DataFrame
    frontier: Frontier
    held_out: ibis.Table

    @property
    def gap(self) -> float:
        """No other list brings more than this much more."""
        return max(0.0, self.bound - self.net)

    @property
    def cost_a_kept_customer(self) -> float | NotComputable:
        """What a customer kept because of the list costs, on average."""
        return self.spent / self.saved if self.saved > 0 else NotComputable("nobody is kept because of it")

    @property
    def unspent(self) -> float | NotComputable:
        """What is left of the budget, because nothing more returns its cost or fits."""
        return NotComputable("the budget is unlimited") if self.budget is None else self.budget - self.spent


def allocate(
    candidates: ibis.Table,
    offers: pd.DataFrame,
    *,
    budget: float | None,
    max_contacts: int | None = None,
    points: int = 50,
) -> Allocation | NotComputable:
    """Choose at most one offer for each customer: the largest expected net profit whose cost is within `budget`.

    candidates: customer_id, segment, value (profit that a kept customer brings, currency; null: not known), optional
    contacts (messages had in the last days), opted_out and held_out (drawn at random before), one row a customer.
    Nobody is on the list who opted out, has had max_contacts, is held out, or whose offer is not expected to return
    its cost, so some budget may be left. Ranked by the engine the list falls short of the best one by less than one
    offer; the edge of the budget is solved exactly, which makes small lists optimal. points: of the frontier.
    NotComputable where no save rate or no value is known; InputRefused for a customer given twice, BadParameters for a
    negative budget.
    """
    if budget is not None and not budget >= 0:
        raise BadParameters(f"the budget is {budget:g}", "it cannot be below 0")
    known = priced(offers)
    if known.empty:
        return NotComputable(NO_SAVE_RATE)
    steps = efficient_steps(known)
    sorted_out = sort_out(candidates, steps, max_contacts=max_contacts)
    reasons = sorted_out.group_by("reason").aggregate(customers=_.count()).to_pandas().set_index("reason").customers
    _check(candidates, reasons)
    unknown = reasons.get("value not known", 0)
    if unknown and unknown == reasons.drop(["opted out", "contacted enough"], errors="ignore").sum():
        return NotComputable(NO_VALUE)
    con = candidates.get_backend()  # what is ranked once serves all that follows
    ranked = con.create_table(ibis.util.gen_name("ranked"), _rank(sorted_out.filter(_.reason == "worth it"), steps))
    cut = _cut(ranked, budget)
    chosen = _list(ranked, steps, cut, _solve_edge(ranked, steps, known, cut))
    contacts = con.create_table(ibis.util.gen_name("contacts"), chosen)
    curve = _frontier(ranked, points)
    spared = _rank(sorted_out.filter(_.reason == "held out"), steps)
    spared = spared if cut.complete else spared.filter(_.gain >= cut.last_unit)
    held_out = con.create_table(ibis.util.gen_name("held_out"), _offered(spared, steps))
    con.raw_sql(f"DROP TABLE {ranked.get_name()}")  # Ibis 12 writes DuckDB 2.0 a DROP TABLE without the name
    totals = contacts.aggregate(
        customers=_.count(), saved=_sum(_.save_rate), spent=_sum(_.cost), net=_sum(_.net)
    ).to_pandas()
    totals = totals.fillna(0).iloc[0]
    worth_it = reasons.reindex(["worth it", "held out"]).sum()
    listed = totals.customers + held_out.count().to_pyarrow().as_py()
    left_out = reasons.drop(["worth it", "held out"], errors="ignore")
    left_out["the budget ended"] = worth_it - listed
    return Allocation(
        contacts=contacts,
        customers=int(totals.customers),
        saved=float(totals.saved),
        spent=float(totals.spent),
        net=float(totals.net),
        budget=budget,
        bound=max(cut.bound, float(totals.net)),
        last_unit=cut.last_unit,
        left_out=left_out[left_out > 0].astype(int).sort_values(ascending=False, kind="stable").reset_index(),
        frontier=curve,
        held_out=held_out,
    )


def frontier(
    candidates: ibis.Table, offers: pd.DataFrame, *, max_contacts: int | None = None, points: int = 50
) -> Frontier | NotComputable:
    """Net profit against budget, at about `points` budgets; the arguments are those of `allocate`."""
    found = allocate(candidates, offers, budget=None, max_contacts=max_contacts, points=points)
    return found.frontier  # a NotComputable has itself for it


def sort_out(candidates: ibis.Table, steps: pd.DataFrame, *, max_contacts: int | None) -> ibis.Table:
    """`candidates` with value as a float, and reason: "worth it", or the first one that leaves the customer out."""
    if max_contacts is not None and "contacts" not in candidates.columns:
        raise InputRefused(
            f"max_contacts is {max_contacts}, but the candidates have no column contacts",
            "count each customer's messages of the last days, 0 for none",
        )
    no = ibis.literal(False)
    first = steps[steps.step == 1][["segment", "slope"]]
    first = ibis.memtable(first, schema={"segment": candidates.segment.type(), "slope": "float64"})
    people = candidates.mutate(value=_.value.cast("float64")).left_join(first, "segment").drop("segment_right")
    reason = ibis.cases(
        (people.opted_out.fill_null(False) if "opted_out" in people.columns else no, "opted out"),
        (people.contacts.fill_null(0) >= max_contacts if max_contacts is not None else no, "contacted enough"),
        (people.value.isnull() | people.value.isnan(), "value not known"),
        (people.slope.isnull(), "no offer saves anybody"),
        ((people.value <= 0) | (people.value * people.slope <= 1), "not worth the cost"),
        (people.held_out.fill_null(False) if "held_out" in people.columns else no, "held out"),
        else_="worth it",
    )
    return people.mutate(reason=reason).drop("slope")


def _check(candidates: ibis.Table, reasons: pd.Series) -> None:
    customers = int(candidates.customer_id.nunique().to_pyarrow().as_py())
    if customers != reasons.sum():
        raise InputRefused(
            f"{reasons.sum():,} candidates are {customers:,} different customers", "bring one row a customer"
        )


def _rank(people: ibis.Table, steps: pd.DataFrame) -> ibis.Table:
    """One row a customer and step that returns its cost, in the order in which they are taken.

    gain: value saved a unit of cost; running: units of cost up to this row; place: 1, 2, ...
    """
    kinds = {"segment": people.segment.type(), "step": "int64", "units": "int64"}
    kinds |= {"added": "float64", "slope": "float64"}
    order = [_.gain.desc(), _.customer_id, _.step]
    return (
        people.select("customer_id", "segment", "value")
        .inner_join(ibis.memtable(steps[list(kinds)], schema=kinds), "segment")
        .mutate(gain=_.value * _.slope, net=_.value * _.added - _.units / UNIT)
        .filter(_.gain > 1)
        .mutate(
            running=_.units.sum().over(ibis.cumulative_window(order_by=order)).cast("int64"),
            place=ibis.row_number().over(order_by=order) + 1,
        )
        .drop("slope")
    )


@dataclass(frozen=True)
class _Cut:
    """Where the budget ends among the ranked steps: `taken` of them cost at most `end` units, `spent` in all."""

    end: int
    taken: int
    spent: int
    bound: float
    price: float  # net that one more unit of currency would bring
    last_unit: float  # value that the last unit spent saves; nothing compares with it where nothing is spent
    complete: bool


def _cut(ranked: ibis.Table, budget: float | None) -> _Cut:
    end = 2**62 if budget is None else min(2**62, math.floor(round(budget * UNIT, 3)))
    within = _.running <= end
    row = ranked.aggregate(
        steps=_.count(),
        taken=within.sum(),
        spent=_.running.max(where=within),
        net=_.net.cast("decimal(38,9)").sum(where=within).cast("float64"),
        next=_.gain.max(where=~within),
        last_unit=_.gain.min(where=within),
    )
    row = row.to_pandas().fillna({"last_unit": math.nan}).fillna(0).iloc[0]
    complete = bool(row.steps == row.taken)
    # the linear relaxation takes a part of the first step that does not fit
    price = 0.0 if complete else float(row.next - 1)
    rest = 0.0 if complete else (end - row.spent) / UNIT * price
    return _Cut(end, int(row.taken), int(row.spent), float(row.net + rest), price, float(row.last_unit), complete)


def _solve_edge(ranked: ibis.Table, steps: pd.DataFrame, known: pd.DataFrame, cut: _Cut) -> pd.DataFrame:
    """The best offers for the customers around the budget's end, who share what all others leave of it.

    One row each: customer_id, segment, value, offer (null: none), save_rate, cost. Empty where the budget suffices.
    """
    near = ranked.filter(_.place > cut.taken - EDGE, _.place <= cut.taken + EDGE, ibis.literal(not cut.complete))
    rows = ranked.semi_join(near, "customer_id").to_pandas().sort_values("place")
    people = rows[["customer_id", "segment", "value"]].drop_duplicates("customer_id")
    taken = rows[rows.place <= cut.taken]
    options = people.merge(known, on="segment").sort_values(["customer_id", "offer"], ignore_index=True)
    options["net"] = options.value * options.save_rate - options.cost
    last = taken.drop_duplicates("customer_id", keep="last").merge(steps, on=["segment", "step"])
    greedy = options.merge(last[["customer_id", "offer"]], on=["customer_id", "offer"])
    units = cut.end - cut.spent + int(taken.units.sum())
    best = max(greedy, _knapsack(options, units=units, price=cut.price), key=lambda t: t.net.sum())
    return people.merge(best.drop(columns=["segment", "value", "net"]), on="customer_id", how="left")


def _knapsack(options: pd.DataFrame, *, units: int, price: float) -> pd.DataFrame:
    """The rows of `options`, one a customer at most, of most net whose costs are within `units`.

    Customer by customer the ways to spend so far are kept, less those that cost as much as another and bring no more.
    Exact while there are no more than WAYS of them; then those stay whose net, less their cost at the budget's
    `price`, is largest.
    """
    cost, net = np.zeros(1, dtype=np.int64), np.zeros(1)
    trail = []
    for rows in options.groupby("customer_id").indices.values():
        offered = options.iloc[rows]
        row = np.repeat(np.r_[-1, rows], len(cost))
        before = np.tile(np.arange(len(cost)), len(rows) + 1)
        cost = np.add.outer(np.r_[0, (offered.cost * UNIT).round().astype(np.int64)], cost).ravel()
        net = np.add.outer(np.r_[0, offered.net], net).ravel()
        order = np.lexsort((-net, cost))
        order = order[cost[order] <= units]
        order = order[np.diff(np.maximum.accumulate(net[order]), prepend=-1.0) > 0]
        if len(order) > WAYS:
            order = np.sort(order[np.argpartition(cost[order] * price / UNIT - net[order], WAYS)[:WAYS]])
        trail.append((row[order], before[order]))
        cost, net = cost[order], net[order]
    way, best = int(net.argmax()), []
    for row, before in reversed(trail):
        best.append(row[way])
        way = before[way]
    return options.iloc[[row for row in best if row >= 0]]


def _list(ranked: ibis.Table, steps: pd.DataFrame, cut: _Cut, edge: pd.DataFrame) -> ibis.Table:
    """What the steps taken offer each customer, or what the edge has chosen, ranked by expected net profit."""
    taken = ranked.filter(_.place <= cut.taken)
    if len(edge):
        taken = taken.filter(_.customer_id.notin(edge.customer_id.tolist()))
    greedy = _offered(taken, steps)
    kinds = {name: greedy[name].type() for name in greedy.columns}
    exact = edge[edge.offer.notna()].assign(net=lambda t: t.value * t.save_rate - t.cost)
    chosen = greedy.union(ibis.memtable(exact[list(kinds)], schema=kinds))
    rank = ibis.row_number().over(order_by=[_.net.desc(), _.customer_id]) + 1
    return chosen.select(rank=rank, **{name: _[name] for name in kinds}).order_by("rank")


def _offered(taken: ibis.Table, steps: pd.DataFrame) -> ibis.Table:
    """The last step that each customer has taken: customer_id, segment, value, offer, save_rate, cost, net."""
    last = taken.group_by("customer_id").aggregate(segment=_.segment.min(), value=_.value.max(), step=_.step.max())
    kinds = {"segment": taken.segment.type(), "step": "int64"}
    kinds |= {"offer": "string", "save_rate": "float64", "cost": "float64"}
    found = last.inner_join(ibis.memtable(steps[list(kinds)], schema=kinds), ["segment", "step"]).drop("step")
    return found.relocate("customer_id", "segment", "value").mutate(net=_.value * _.save_rate - _.cost)


def _frontier(ranked: ibis.Table, points: int) -> Frontier:
    """Steps in `points` classes of equal cost, summed up: between two of them the frontier is all but straight."""
    share = _.running / ranked.running.max().as_scalar().nullif(0)
    sums = (
        ranked.mutate(point=(share * points).ceil().fill_null(0))
        .group_by("point")
        .aggregate(
            budget=_.running.max() / UNIT,
            contacts=(_.step == 1).sum(),
            saved=_sum(_.added),
            net=_sum(_.net),
            last_unit=_.gain.min(),
        )
        .order_by("point")
        .to_pandas()
    )
    sums = sums.assign(**{name: sums[name].cumsum() for name in ("contacts", "saved", "net")})
    if sums.empty or sums.budget.iloc[0] > 0:
        nothing = {"budget": [0.0], "contacts": [0], "saved": [0.0], "net": [0.0], "last_unit": [math.nan]}
        sums = pd.concat([pd.DataFrame(nothing), sums], ignore_index=True) if len(sums) else pd.DataFrame(nothing)
    return Frontier(sums[["budget", "contacts", "saved", "net", "last_unit"]])


def _sum(column: ibis.Deferred) -> ibis.Deferred:
    # as decimals: a sum of floats would depend on the order in which the engine's threads meet them
    return column.cast("decimal(38,9)").sum().cast("float64")
