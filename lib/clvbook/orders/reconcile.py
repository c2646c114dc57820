"""The account of a cleaning: what became of every row and every cent.

in: rows with their fates and the kept orders; out: `Reconciliation`, which refuses what does not add up
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ibis import _
from ibis.expr.types import Table
from pydantic import TypeAdapter

from clvbook.errors import InputRefused
from clvbook.orders.schema import REASONS


@dataclass(frozen=True)
class Reconciliation:
    """What became of every row and every cent. Money is exact, in the shop's currency.

    rows_read = rows_kept + rows_without_customer + rows_refund + all of quarantined;
    paid_read = net_kept + refunded + paid_quarantined. `rows_refund` are rows that give back money of kept orders:
    their amounts are in `refunded`, all other rows' amounts in `paid_read`. `net_kept` counts kept orders with and
    without a customer. An amount that is no number counts as 0.
    """

    rows_read: int
    rows_kept: int
    rows_without_customer: int
    rows_refund: int
    quarantined: dict[str, int]
    orders_kept: int
    orders_without_customer: int
    paid_read: Decimal
    net_kept: Decimal
    refunded: Decimal
    paid_quarantined: Decimal
    customers: int
    first_order: date | None
    last_order: date | None
    paid_quarantined_by_reason: dict[str, Decimal] = field(default_factory=dict)
    net_without_customer: Decimal = Decimal(0)
    rows_repeated: int = 0  # rows whose every cell equals an earlier row's, kept or not
    refunds_unmatched: int = 0  # refund rows that no earlier sale covers, set aside as negative_amount
    refunded_beyond: Decimal = Decimal(0)  # part of rows_refund's money that went to orders set aside
    orders_linked: int = 0  # kept orders of guests given to the one customer with the same e-mail or phone
    no_buyer: str = ""  # why there can be no customers, where no column names them
    no_refunds: str = ""  # which column of refunds no file has: money given back in part is then unknown
    lines: dict[str, int] = field(default_factory=dict)  # of detail files, see `Details.account`; empty: there are none

    def check(self) -> "Reconciliation":
        """Itself, if every row and every cent is accounted for; InputRefused otherwise."""
        rows = self.rows_kept + self.rows_without_customer + self.rows_refund + sum(self.quarantined.values())
        money = self.net_kept + self.refunded + self.paid_quarantined
        if rows != self.rows_read or money != self.paid_read:
            by_reason = ", ".join(f"{reason} {paid}" for reason, paid in self.paid_quarantined_by_reason.items())
            raise InputRefused(
                f"rows or money do not reconcile: {self.rows_read:,} rows read, {rows:,} accounted for; "
                f"{self.paid_read} paid, {money} accounted for ({by_reason or 'nothing set aside'})",
                "this is a fault of clvbook or of the mapping, not of the shop: report it with the mapping used",
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """The reconciliation to be stored: money as text with every digit, days as YYYY-MM-DD."""
        return TypeAdapter(Reconciliation).dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Reconciliation":
        """What `as_dict` gave, back again."""
        return TypeAdapter(Reconciliation).validate_python(values)

    def as_numbers(self) -> dict[str, Any]:
        """The reconciliation as `clvbook check --json` prints it: money as numbers, exact to 15 figures.

        The contract counts kept orders with and without a customer apart: orders_kept there leaves out the latter.
        """
        money = {name: float(value) for name, value in vars(self).items() if isinstance(value, Decimal)}
        by_reason = {reason: float(paid) for reason, paid in self.paid_quarantined_by_reason.items()}
        known = self.orders_kept - self.orders_without_customer
        numbers = {**self.as_dict(), **money, "orders_kept": known, "paid_quarantined_by_reason": by_reason}
        return numbers if self.lines else {name: value for name, value in numbers.items() if name != "lines"}

    @property
    def share_set_aside(self) -> float:
        """Rows set aside over rows read."""
        return sum(self.quarantined.values()) / self.rows_read if self.rows_read else 0.0


def reconcile(rows: Table, orders: Table, *, rows_read: int, **said: Any) -> Reconciliation:
    """Count rows by fate and money by where it went; `rows_read` comes from the files themselves.

    rows: code, gives_back, refunding (null or boolean), customer_id, amount, cells. orders: the kept ones, canonical.
    said: fields of the `Reconciliation` that others know.
    """
    fates = (
        rows.group_by("code", "gives_back", "refunding", nobody=_.customer_id.isnull())
        .agg(rows=_.count(), amount=_.amount.sum().fill_null(0))
        .to_pyarrow()
        .to_pylist()
    )
    kept = (
        orders.aggregate(
            orders=_.count(),
            nobody=_.customer_id.isnull().sum().fill_null(0),
            net=_.net.sum().fill_null(0),
            net_nobody=_.net.sum(where=_.customer_id.isnull()).fill_null(0),
            refund=_.refund.sum().fill_null(0),
            customers=_.customer_id.nunique(),
            first=_.day.min(),
            last=_.day.max(),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    aside = [fate for fate in fates if fate["code"] is not None]
    back = [fate for fate in fates if fate["code"] is None and fate["refunding"]]
    stay = [fate for fate in fates if fate["code"] is None and not fate["refunding"]]
    rows_by_reason: dict[str, int] = {}
    paid_by_reason: dict[str, Decimal] = {}
    for code, reason in enumerate(REASONS):
        if here := [fate for fate in aside if fate["code"] == code]:
            rows_by_reason[reason] = sum(fate["rows"] for fate in here)
            paid_by_reason[reason] = sum((fate["amount"] for fate in here), Decimal(0))
    unmatched = [
        fate for fate in aside if fate["gives_back"] and fate["code"] == list(REASONS).index("negative_amount")
    ]
    return Reconciliation(
        rows_read=rows_read,
        rows_kept=sum(fate["rows"] for fate in stay if not fate["nobody"]),
        rows_without_customer=sum(fate["rows"] for fate in stay if fate["nobody"]),
        rows_refund=sum(fate["rows"] for fate in back),
        quarantined=rows_by_reason,
        orders_kept=kept["orders"],
        orders_without_customer=kept["nobody"],
        paid_read=sum((fate["amount"] for fate in [*stay, *aside]), Decimal(0)),
        net_kept=kept["net"],
        refunded=kept["refund"],
        paid_quarantined=sum(paid_by_reason.values(), Decimal(0)),
        customers=kept["customers"],
        first_order=kept["first"],
        last_order=kept["last"],
        paid_quarantined_by_reason=paid_by_reason,
        net_without_customer=kept["net_nobody"],
        rows_repeated=rows_read - rows.cells.nunique().execute(),
        refunds_unmatched=sum(fate["rows"] for fate in unmatched),
        refunded_beyond=max(-sum((fate["amount"] for fate in back), Decimal(0)) - kept["refund"], Decimal(0)),
        orders_linked=_linked(rows),
        **said,
    )


def _linked(rows: Table) -> int:
    if "linked" not in rows.columns:
        return 0
    kept = rows.filter(_.linked, _.code.isnull(), ~_.gives_back)
    return int(kept.order_id.nunique().execute())
