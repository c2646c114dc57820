"""What other lists and other assumptions would give: rules of thumb beside the allocation, scenarios, a what-if.

in:  candidates (Ibis) and offers (pandas) as in `allocation.allocate`; for "riskiest" also a column risk
out: lists by a rule (Ibis); rules and scenarios side by side (pandas); `Allocation` under changed assumptions

Contacting those most likely to leave spends on customers whom nothing keeps, or who are worth little (Ascarza 2018,
Retention futility, Journal of Marketing Research 55): the rules are here to be compared with, not to be used.
"""

from collections.abc import Mapping

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import BadParameters, InputRefused, NotComputable
from clvbook.retention.allocation import Allocation, allocate, sort_out
from clvbook.retention.offers import UNIT, efficient_steps, priced

RULES = ("riskiest", "most valuable", "random")
AT_ALL_COSTS = ["opted out", "contacted enough", "value not known"]  # no rule contacts these


def by_rule(
    candidates: ibis.Table,
    offers: pd.DataFrame,
    *,
    rule: str,
    offer: str,
    budget: float,
    max_contacts: int | None = None,
    seed: int = 0,
) -> ibis.Table:
    """The list that a rule of thumb gives: everybody in its order gets `offer` until the budget ends.

    rule: "riskiest" (column risk, largest first), "most valuable" or "random" (by a hash of customer_id and `seed`,
    the same on every engine). Columns as `Allocation.contacts`; rank is the rule's order, net may be below 0.
    """
    if rule not in RULES:
        raise BadParameters(f"{rule!r} is no rule", f"the rules are {', '.join(RULES)}")
    if rule == "riskiest" and "risk" not in candidates.columns:
        raise InputRefused("the candidates have no column risk", "add the probability of having left, or days since")
    known = priced(offers)
    people = sort_out(candidates, efficient_steps(known), max_contacts=max_contacts)
    if rule == "random":
        order = [(_.customer_id.cast("string") + f" {seed}").hexdigest("md5"), _.customer_id]
    else:
        order = [_["risk" if rule == "riskiest" else "value"].desc(), _.customer_id]
    kinds = {"segment": candidates.segment.type(), "offer": "string", "save_rate": "float64", "cost": "float64"}
    table = ibis.memtable(known.loc[known.offer == offer, list(kinds)], schema=kinds)
    columns = ["customer_id", "segment", "offer", "value", "save_rate", "cost"]
    units = (_.cost * UNIT).round().cast("int64")
    return (
        (people.filter(~_.held_out.fill_null(False)) if "held_out" in people.columns else people)
        .filter(_.reason.notin(AT_ALL_COSTS))
        .inner_join(table, "segment")
        .mutate(
            running=units.sum().over(ibis.cumulative_window(order_by=order)),
            rank=ibis.row_number().over(order_by=order) + 1,
        )
        .filter(_.running <= round(budget * UNIT))
        .select("rank", *columns, net=_.value * _.save_rate - _.cost)
    )


def compare_rules(
    candidates: ibis.Table,
    offers: pd.DataFrame,
    *,
    budget: float,
    max_contacts: int | None = None,
    seed: int = 0,
) -> pd.DataFrame | NotComputable:
    """The allocation and every rule with every offer: rule, offer, customers, saved, spent, net, the most net first.

    The allocation, "net profit", has no one offer (null). net is expected, from the same save rates for all. "riskiest"
    stands there only where the candidates have a column risk.
    """
    best = allocate(candidates, offers, budget=budget, max_contacts=max_contacts)
    if isinstance(best, NotComputable):
        return best
    rows = [("net profit", None, best.customers, best.saved, best.spent, best.net)]
    for rule in RULES if "risk" in candidates.columns else RULES[1:]:
        for offer in sorted(priced(offers).offer.unique()):
            found = by_rule(
                candidates, offers, rule=rule, offer=offer, budget=budget, max_contacts=max_contacts, seed=seed
            )
            exact = {name: _[name].cast("decimal(38,9)").sum().cast("float64") for name in ("save_rate", "cost", "net")}
            sums = found.aggregate(n=_.count(), **exact).to_pandas().fillna(0).iloc[0]
            rows.append((rule, offer, int(sums.n), sums.save_rate, sums.cost, sums.net))
    frame = pd.DataFrame(rows, columns=["rule", "offer", "customers", "saved", "spent", "net"])
    return frame.sort_values("net", ascending=False, kind="stable", ignore_index=True)


def what_if(
    candidates: ibis.Table,
    offers: pd.DataFrame,
    *,
    budget: float | None,
    save_rate: float = 1.0,
    value: float = 1.0,
    cost: float = 1.0,
    max_contacts: int | None = None,
) -> Allocation | NotComputable:
    """`allocate` with every save rate, value and cost multiplied by a factor; the factors 1 change nothing."""
    changed = offers.assign(save_rate=offers.save_rate * save_rate, cost=offers.cost * cost)
    if "incentive" in offers:
        changed["incentive"] = offers.incentive * cost
    people = candidates.mutate(value=_.value.cast("float64") * value)
    return allocate(people, changed, budget=budget, max_contacts=max_contacts)


def scenarios(
    candidates: ibis.Table,
    offers: pd.DataFrame,
    *,
    budget: float,
    cases: Mapping[str, Mapping[str, float]],
    max_contacts: int | None = None,
) -> pd.DataFrame | NotComputable:
    """`what_if` for each of the named cases, whose factors are save_rate, value, cost and budget (1 where not given).

    scenario, the four factors, customers, saved, spent, unspent, net, worth_spending (the budget beyond which the next
    unit returns less than one), worth_a_contact (the customers whom it would reach).
    """
    rows = []
    for name, factors in cases.items():
        factor = {"save_rate": 1.0, "value": 1.0, "cost": 1.0, "budget": 1.0} | dict(factors)
        if len(factor) > 4 or not all(given > 0 for given in factor.values()):
            raise BadParameters(
                f"scenario {name!r}: {dict(factors)}", "factors above 0: save_rate, value, cost, budget"
            )
        size = factor.pop("budget") * budget
        found = what_if(candidates, offers, budget=size, max_contacts=max_contacts, **factor)
        if isinstance(found, NotComputable):
            return found
        sums = (found.customers, found.saved, found.spent, found.unspent, found.net, found.frontier.worth_spending)
        reached = int(found.frontier.points.contacts.iloc[-1])
        rows.append((name, *factor.values(), size / budget if budget else 1.0, *sums, reached))
    names = ["scenario", "save_rate", "value", "cost", "budget"]
    names += ["customers", "saved", "spent", "unspent", "net", "worth_spending", "worth_a_contact"]
    return pd.DataFrame(rows, columns=names)
