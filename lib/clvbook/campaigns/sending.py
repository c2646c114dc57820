"""What was sent: one row a campaign with its counts and its clock, and the sends that cannot be right are refused.

in:  sends — campaign_id, customer_id, arm, assigned_at, sent_at, delivered, units (Ibis); campaigns (Ibis or pandas)
out: schedule — one row a campaign (pandas), which attribution, outcomes and costs all take
"""

import ibis
import pandas as pd
from ibis import _

from clvbook.errors import InputRefused

ARMS = ("treated", "holdout")


def check_sends(sends: ibis.Table, campaigns: ibis.Table | pd.DataFrame) -> None:
    """Refuse sends on which no campaign can be judged: InputRefused with the count of the first fault that is there.

    A customer who stands twice in a campaign would count twice, one without an arm in none, and messages of a campaign
    that is not listed would be left out of every total.
    """
    known = _frame(campaigns).campaign_id
    if again := int(known.duplicated().sum()):
        raise InputRefused(f"{again:,} of {len(known):,} rows of campaigns repeat a campaign_id", "keep one of each")
    pairs = sends.group_by("campaign_id", "customer_id").aggregate(rows=_.count())
    repeated = pairs.aggregate(n=(_.rows - 1).sum())
    counts = sends.aggregate(
        rows=_.count(),
        nobody=_.customer_id.isnull().sum(),
        arms=(~_.arm.isin(ARMS).fill_null(False)).sum(),
        unknown=(~_.campaign_id.isin(list(known)).fill_null(False)).sum(),
        no_clock=(_.assigned_at.isnull() & _.sent_at.isnull()).sum(),
    )
    found = {name: int(n or 0) for name, n in counts.to_pyarrow().to_pylist()[0].items()}
    found["repeated"] = int(repeated.to_pyarrow().to_pylist()[0]["n"] or 0)
    for name, fact, hint in (
        ("nobody", "name no customer", "set them aside"),
        ("arms", f"have an arm that is neither {' nor '.join(ARMS)}", "write one of the two in every row"),
        ("unknown", "belong to a campaign that is not listed", "add the campaign to the campaigns file"),
        ("no_clock", "have neither assigned_at nor sent_at", "say when the customer was chosen"),
        ("repeated", "repeat a customer of the same campaign", "keep one row a campaign and customer, units summed"),
    ):
        if n := found[name]:
            raise InputRefused(f"{n:,} of {found['rows']:,} sends {fact}", hint)


def schedule(sends: ibis.Table, campaigns: ibis.Table | pd.DataFrame) -> pd.DataFrame:
    """One row a campaign in order of starts_on: the columns of `campaigns`, and what became of it.

    chosen = treated + holdout: customers assigned. sent: customers written to, holdout_sent those of them who were to
    be held out. delivered, pending (no receipt yet), units billed. first_sent, last_sent; dates_only: every sent_at is
    a midnight, so the log has days and no times. opens: first_sent, or the first assigned_at where nobody was written
    to. A campaign without a row in `sends` has zeros and no times.
    """
    held, sent = _.arm == "holdout", _.sent_at.notnull()
    counts = sends.group_by("campaign_id").aggregate(
        chosen=_.count(),
        holdout=held.sum(),
        sent=sent.sum(),
        holdout_sent=(held & sent).sum(),
        delivered=(sent & _.delivered.fill_null(False)).sum(),
        pending=(sent & _.delivered.isnull()).sum(),
        units=_.units.sum(),
        first_sent=_.sent_at.min(),
        last_sent=_.sent_at.max(),
        dates_only=(_.sent_at == _.sent_at.truncate("D")).all(),
        assigned=_.assigned_at.min(),
    )
    frame = _frame(campaigns).merge(counts.to_pandas(), on="campaign_id", how="left")
    for name in ("chosen", "holdout", "sent", "holdout_sent", "delivered", "pending", "units"):
        frame[name] = frame[name].fillna(0).astype("int64")
    for name in ("starts_on", "first_sent", "last_sent", "assigned"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    for name in ("cost_fixed", "cost_per_unit"):
        frame[name] = frame[name].astype("float64")
    frame = frame.assign(
        attribution_days=frame.attribution_days.astype("int64"),
        treated=frame.chosen - frame.holdout,
        dates_only=frame.dates_only.eq(True) & frame.sent.gt(0),
        opens=frame.first_sent.fillna(frame.assigned),
    )
    return frame.drop(columns="assigned").sort_values(["starts_on", "campaign_id"], ignore_index=True)


def by_month(sends: ibis.Table) -> pd.DataFrame:
    """What each campaign sent in each calendar month: campaign_id, period (YYYY-MM), sent, units."""
    written = sends.filter(_.sent_at.notnull()).mutate(period=_.sent_at.strftime("%Y-%m"))
    grouped = written.group_by("campaign_id", "period").aggregate(sent=_.count(), units=_.units.sum().fill_null(0))
    return grouped.order_by("period", "campaign_id").to_pandas()


def _frame(table: ibis.Table | pd.DataFrame) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()
