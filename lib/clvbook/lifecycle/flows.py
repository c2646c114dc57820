"""Who came and who went between two snapshots: new, returning, resurrected and dormant customers, and stages' stocks.

in:  history — the table of `stages.stage_history` (Ibis), from the period of the first purchase on
out: small pandas frames whose rows add up

A period is the days after one snapshot up to the next; active in it is who bought in it. The identities are those of
PostHog's lifecycle: active(t) = new + returning + resurrected, and active(t - 1) = returning + dormant.
"""

import ibis
import pandas as pd
from ibis import _


def moves(history: ibis.Table) -> pd.DataFrame:
    """Customers by what they did between snapshots: snapshot, before, stage, was_active, active, customers.

    before: the stage at the previous snapshot, missing for who had not bought yet; was_active, active: whether they
    bought in the period that ends with the previous snapshot, and with this one. One row a combination that occurs.
    """
    # Where somebody stood before follows from the last purchase then, `prior`. Only who bought since has another one,
    # so only those rows, few of all, have to be put in order.
    seen = history.select("customer_id", "snapshot", "stage", "last_day", active=_.bought > 0)
    prior = _.last_day.lag().over(ibis.window(group_by="customer_id", order_by="snapshot"))
    bought, idle = seen.filter(_.active).mutate(prior=prior), seen.filter(~_.active).mutate(prior=_.last_day)
    keys = ["snapshot", "stage", "prior", "active"]
    counted = ibis.union(*(rows.group_by(keys).aggregate(customers=_.count()) for rows in (bought, idle))).to_pandas()
    stood = history.select("snapshot", "last_day", "stage").distinct().to_pandas().astype({"stage": "Int8"})

    snapshots = pd.Series(sorted(stood["snapshot"].unique()))
    began = dict(zip(snapshots, snapshots.shift(), strict=True))
    counted["earlier"] = counted["snapshot"].map(began)
    stood = stood.rename(columns={"snapshot": "earlier", "last_day": "prior", "stage": "before"})
    counted = counted.merge(stood, "left", on=["earlier", "prior"])
    # in the first period whoever is known was active
    counted["was_active"] = ~(counted["prior"] <= counted["earlier"].map(began)) & counted["prior"].notna()
    keys = ["snapshot", "before", "stage", "was_active", "active"]
    return counted.groupby(keys, dropna=False)["customers"].sum().reset_index()


def flow(history: ibis.Table, *, lookback_days: int) -> pd.DataFrame:
    """Who was active in each period: snapshot (its end), active_before, new, returning, resurrected, dormant, active,
    burn_in.

    new: the first purchase of the whole history lies in the period; returning: bought in this period and the one
    before; resurrected: bought in this one, not in the one before, but earlier; dormant: bought in the one before, not
    in this one. In the first period all are new and nobody was active before.

    burn_in: the period begins less than `lookback_days` after the first purchase in the data. An export that starts in
    the middle of a shop's history shows old customers as new for as long as it takes them to come again; the data
    cannot tell that from a shop that opened on that day, so every such period is marked. For a shop that did open then,
    lookback_days=0 marks none.
    """
    counted = moves(history)
    known, was, now = counted["before"].notna(), counted["was_active"], counted["active"]
    groups = {"new": ~known, "returning": was & now, "resurrected": known & ~was & now, "dormant": was & ~now}
    customers = {name: counted["customers"].where(rows, 0) for name, rows in groups.items()}
    table = pd.DataFrame(customers).groupby(counted["snapshot"]).sum()
    table["active_before"] = table["returning"] + table["dormant"]
    table["active"] = table["new"] + table["returning"] + table["resurrected"]
    table = table.reset_index()
    opened = pd.Timestamp(history.aggregate(day=_.first_day.min()).to_pandas()["day"][0])
    began = table["snapshot"].shift(fill_value=opened)
    table["burn_in"] = began < opened + pd.Timedelta(days=lookback_days)
    order = ["snapshot", "active_before", "new", "returning", "resurrected", "dormant", "active", "burn_in"]
    return table[order]


def stocks(history: ibis.Table) -> pd.DataFrame:
    """Each stage's account: snapshot, stage, before, came, of_them_new, left, after; before + came - left = after.

    before and after: customers in the stage at the previous snapshot and at this one; came: those in it now and not
    then, of_them_new among them those who had not bought at all; left: those in it then and not now.
    """
    counted = moves(history)
    moved = counted[counted["before"].isna() | (counted["before"] != counted["stage"])]
    into = ["snapshot", "stage"]
    sums = {
        "before": counted.dropna(subset="before").groupby(["snapshot", "before"])["customers"].sum(),
        "came": moved.groupby(into)["customers"].sum(),
        "of_them_new": moved[moved["before"].isna()].groupby(into)["customers"].sum(),
        "left": moved.dropna(subset="before").groupby(["snapshot", "before"])["customers"].sum(),
        "after": counted.groupby(into)["customers"].sum(),
    }
    stages = sorted({*counted["stage"], *counted["before"].dropna()})
    every = pd.MultiIndex.from_product([sorted(counted["snapshot"].unique()), stages], names=into)
    table = pd.DataFrame({name: column.reindex(every, fill_value=0) for name, column in sums.items()})
    return table.astype("int64").reset_index()
