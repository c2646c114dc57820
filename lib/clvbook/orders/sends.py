"""Who was written to and who was held out: the message platform's log and the shop's assignments to canonical sends.

in: log files (who was sent what, and did it arrive) and assignment files (who was chosen, in which arm)
out: `Sends`: one row a customer and campaign, and what became of every row of both
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis import _
from ibis.expr.types import IntegerValue, StringValue, Table

from clvbook.errors import BadParameters
from clvbook.orders.identity import hashed, phone, salt
from clvbook.orders.parse import amount, customer, filled, moment
from clvbook.orders.read import RawOrders
from clvbook.orders.tables import Account, account, meaning, read_table, set_aside, with_reason

_LOSSY = r"^\d(\.\d+)?[eE]\+\d+$"


@dataclass(frozen=True)
class Sends:
    """The canonical sends, one row a customer chosen for a campaign.

    table: campaign_id, customer_id, arm, assigned_at, sent_at, delivered, units. A treated customer whom no log shows
    has no sent_at: chosen, not known to be written to; a pending receipt is a null in `delivered`. A held-out one who
    was written to keeps the arm, with what was sent.

    without_assignments: only the log was there. Nobody was held out, so what came after a message can be counted, and
    not what came because of it.
    """

    table: Table
    log: Account | None
    assignments: Account | None
    log_set_aside: Table | None
    assignments_set_aside: Table | None

    @property
    def without_assignments(self) -> bool:
        """Whether arms are unknown."""
        return self.assignments is None

    @property
    def summary(self) -> dict[str, int]:
        """Counts: treated, holdout, not_in_log (treated), holdout_written_to, delivered, pending, units."""
        held, sent = _.arm == "holdout", _.sent_at.notnull()
        counts = self.table.agg(
            treated=(~held).sum(),
            holdout=held.sum(),
            not_in_log=(~held & ~sent).sum(),
            holdout_written_to=(held & sent).sum(),
            delivered=_.delivered.sum(),
            pending=(sent & _.delivered.isnull()).sum(),
            units=_.units.sum(),
        )
        return {name: int(value or 0) for name, value in counts.to_pyarrow().to_pylist()[0].items()}


def read_sends(
    con: ibis.BaseBackend,
    *,
    timezone: str,
    log: Sequence[Path] = (),
    assignments: Sequence[Path] = (),
    log_mapping: str = "yunpian",
    assignment_mapping: str = "assignments",
    campaign_id: str | None = None,
    within_days: int = 30,
) -> Sends:
    """Read the log, the assignments, or both.

    A message belongs to the campaign that its row names; else to the latest campaign for which the phone was chosen,
    to be treated before held out, in the `within_days` days before it; without assignments to `campaign_id`. A customer
    is the assignment's customer_id, else the hashed phone, as `identity: phone` makes it of orders.

    Reasons for rows set aside: duplicate_row, superseded (the same message or assignment again, with other content: the
    later holds), lossy_id, no_customer, bad_date, bad_units, no_campaign. Errors: as for orders.
    """
    if not log and not assignments:
        raise BadParameters("sends: 0 files", "name the platform's log, the shop's assignments, or both")
    chosen = chosen_raw = sent = sent_raw = None
    if assignments:
        chosen_raw = read_table(con, assignments, assignment_mapping)
        chosen = _assignments(con, chosen_raw, timezone)
    if log:
        sent_raw = read_table(con, log, log_mapping)
        sent = _explained(con, _messages(con, sent_raw, timezone, campaign_id), chosen, within_days)
    return Sends(
        _sends(sent, chosen),
        account(sent_raw, sent) if log else None,
        account(chosen_raw, chosen) if assignments else None,
        set_aside(sent_raw, sent) if log else None,
        set_aside(chosen_raw, chosen) if assignments else None,
    )


def _units(text: StringValue, raw: RawOrders) -> IntegerValue:
    """Whole units, 0 or more; null otherwise."""
    value = amount(text, raw.mapping.format)
    return ibis.ifelse((value >= 0) & (value == value.cast("int64")), value, None).cast("int64")


def _people(raw: RawOrders) -> dict[str, StringValue]:
    """customer_id, and `who`: the phone if there is one, by which the log and the assignments meet."""
    text, nobody = raw.table, ibis.null("string")
    by_phone = hashed("phone", phone(text.phone), salt()) if "phone" in raw.columns else nobody
    named = customer(filled(text.customer_id), raw.mapping) if "customer_id" in raw.columns else nobody
    return {"customer_id": ibis.coalesce(named, by_phone), "who": ibis.coalesce(by_phone, named)}


def _messages(con: ibis.BaseBackend, raw: RawOrders, timezone: str, campaign_id: str | None) -> Table:
    text, fixed = raw.table, ibis.literal(campaign_id, "string")
    state = meaning(raw, "state")
    rows = text.select(
        "seq",
        "cells",
        sid=filled(text.sid),
        campaign_id=ibis.coalesce(filled(text.campaign_id), fixed) if "campaign_id" in raw.columns else fixed,
        sent_at=moment(text.sent_at, raw.mapping, timezone),
        state=state,
        units=_units(text.units, raw),
        **_people(raw),
    )
    # A number that lost its digits may be several messages': it does not tell that one stands twice.
    rows = rows.mutate(message=ibis.ifelse(rows.sid.re_search(_LOSSY), None, rows.sid))
    reasons = {
        "lossy_id": rows.sid.re_search(_LOSSY),
        "no_customer": rows.who.isnull(),
        "bad_date": rows.sent_at.isnull(),
        "bad_units": rows.units.isnull(),
    }
    return with_reason(con, rows, key=["message"], reasons=reasons)


def _assignments(con: ibis.BaseBackend, raw: RawOrders, timezone: str) -> Table:
    text, has = raw.table, raw.columns
    rows = text.select(
        "seq",
        "cells",
        campaign_id=filled(text.campaign_id),
        arm=meaning(raw, "arm"),
        assigned_at=moment(text.assigned_at, raw.mapping, timezone),
        sent_at=moment(text.sent_at, raw.mapping, timezone) if "sent_at" in has else ibis.null("timestamp"),
        state=meaning(raw, "delivered") if "delivered" in has else ibis.null("string"),
        units=_units(text.units, raw) if "units" in has else ibis.null("int64"),
        **_people(raw),
    )
    reasons = {
        "no_customer": rows.customer_id.isnull(),
        "no_campaign": rows.campaign_id.isnull(),
        "bad_date": rows.assigned_at.isnull(),
    }
    return with_reason(con, rows, key=["campaign_id", "customer_id"], reasons=reasons)


def _explained(con: ibis.BaseBackend, sent: Table, chosen: Table | None, within_days: int) -> Table:
    """Messages with the campaign and customer that their assignment names; no_campaign where nothing names one."""
    if chosen is None:
        return sent.mutate(reason=ibis.ifelse(_.reason.isnull() & _.campaign_id.isnull(), "no_campaign", _.reason))
    live = chosen.filter(_.reason.isnull()).select("who", "arm", "assigned_at", to="campaign_id", person="customer_id")
    pairs = sent.filter(_.reason.isnull()).inner_join(live, "who")
    days = ibis.interval(days=within_days)
    recent = (pairs.assigned_at <= pairs.sent_at) & (pairs.assigned_at >= pairs.sent_at - days)
    pairs = pairs.filter((pairs.campaign_id == pairs.to) | (pairs.campaign_id.isnull() & recent))
    best = ibis.window(group_by="seq", order_by=[ibis.desc(_.arm == "treated"), ibis.desc("assigned_at"), "to"])
    pairs = pairs.mutate(place=ibis.row_number().over(best)).filter(_.place == 0).select("seq", "to", "person")
    found = sent.left_join(pairs, "seq").drop("seq_right")
    found = found.mutate(reason=ibis.ifelse(_.reason.isnull() & _.to.isnull(), "no_campaign", _.reason))
    found = found.mutate(campaign_id=_.to, customer_id=_.person).drop("to", "person")
    return con.create_table(ibis.util.gen_name("messages"), found)


def _sends(sent: Table | None, chosen: Table | None) -> Table:
    """One row a customer and campaign."""
    arrived = ibis.cases(((_.state == "delivered").any(), True), ((_.state == "pending").any(), None), else_=False)
    if sent is not None:
        messages = sent.filter(_.reason.isnull()).group_by("campaign_id", "customer_id")
        sent = messages.agg(first=_.sent_at.min(), arrived=arrived, billed=_.units.sum())
    if chosen is None:
        rows = sent.mutate(arm=ibis.literal("treated"), assigned_at=_.first)
        rows = rows.rename(sent_at="first", delivered="arrived", units="billed")
    else:
        own = ibis.cases((_.state == "delivered", True), (_.state == "failed", False), else_=None)
        rows = chosen.filter(_.reason.isnull()).mutate(delivered=ibis.ifelse(_.sent_at.notnull(), own, None))
        if sent is not None:
            rows = rows.left_join(sent, ["campaign_id", "customer_id"])
            rows = rows.mutate(
                sent_at=ibis.coalesce(_.first, _.sent_at),
                delivered=ibis.ifelse(_.first.notnull(), _.arrived, _.delivered),
                units=ibis.coalesce(_.billed, _.units),
            )
    rows = rows.mutate(units=_.units.fill_null(0).cast("int64"))
    columns = ["campaign_id", "customer_id", "arm", "assigned_at", "sent_at", "delivered", "units"]
    return rows.select(columns).order_by("campaign_id", "customer_id")
