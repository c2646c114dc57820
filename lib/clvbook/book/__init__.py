"""What each notebook opens: settings in, the month's tables, models and figures out, each computed once.

in:  a `Settings`, or the names and values of a notebook's parameters
out: `Book`: orders, customers and cells (orders.py), models and value (value.py), and what a notebook leaves behind
"""

from collections.abc import Callable, Mapping
from typing import Any

import ibis
import pandas as pd

from clvbook.book import output
from clvbook.book.init import Draft, draft
from clvbook.book.orders import open_engine
from clvbook.book.outlook import OutlookBook
from clvbook.errors import NotComputable
from clvbook.orders import Reconciliation, clean_orders, quality
from clvbook.settings import Settings, make_settings

__all__ = ["Book", "Draft", "account", "check_orders", "draft", "open_book"]


def open_book(parameters: Settings | Mapping[str, Any]) -> "Book":
    """Open the book of one shop and month.

    A notebook hands over its own names, `open_book(globals())`: those that settings.py knows are taken and checked.
    Errors: BadParameters; InputRefused where the order files cannot be read or do not reconcile.
    """
    if isinstance(parameters, Settings):
        return Book(parameters)
    known = {name: parameters[name] for name in Settings.model_fields if name in parameters}
    return Book(make_settings(known, source="the notebook's parameters"))


def prepared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Compute a month's shared tables, and say in plain values what a report needs to know of them.

    settings: names and values given; out: settings (all, the month decided), inputs, facts, notes (for whoever runs
    it). Errors as `open_book`.
    """
    book = Book(make_settings(settings))
    book.prepare()
    notes = [*book.notes, *([f"customer value: {book.model}"] if isinstance(book.model, NotComputable) else [])]
    settings = book.settings.model_dump(mode="json")
    return {"settings": settings, "inputs": book.inputs, "facts": book.facts, "notes": notes}


def check_orders(settings: Settings) -> Reconciliation:
    """Read and clean all there is, and nothing more. InputRefused where it cannot be read or does not reconcile."""
    return clean_orders(open_engine(settings), settings).reconciliation.check()


def account(found: Reconciliation, settings: Settings) -> str:
    """The reconciliation as lines for a terminal: every row's fate, then the rows set aside by reason."""
    lines = [("rows", f"paid, {settings.currency}", "")]
    lines += [
        (f"{rows:,}", f"{money:,.2f}", fate) for fate, rows, money in quality.fates(found).itertuples(index=False)
    ]
    lines += [("", "", "set aside:")] if any(found.quarantined.values()) else []
    for row in quality.reasons(found).itertuples():
        lines.append((f"{row.rows:,}", f"{row.money:,.2f}", f"  {row.reason}: {row.meaning}"))
    table = "\n".join(f"{rows:>12}  {money:>18}  {words}".rstrip() for rows, money, words in lines)
    told = (
        f"{table}\n\n{found.orders_kept:,} orders kept, {found.orders_without_customer:,} of them without a customer; "
        f"{found.customers:,} customers; {found.first_order} to {found.last_order}."
    )
    if found.orders_linked:
        told += f"\nGuest orders that are a known customer's, by e-mail or telephone: {found.orders_linked:,}."
    if found.lines:
        each = ", ".join(f"{rows:,} {fate.replace('_', ' ')}" for fate, rows in found.lines.items())
        told += f"\nLines of orders, for their pieces alone: {each}."
    if found.no_refunds:
        told += f"\nRefunds are not in this export (no column “{found.no_refunds}”): net revenue is what was paid."
    return told + (f"\nNo customer pages: {found.no_buyer}." if found.no_buyer else "")


class Book(OutlookBook):
    """One shop, one month."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of the data: the reconciliation, and the last day that orders were read for."""
        return {
            "data_through": str(self.settings.data_through or self.reconciliation.last_order),
            "not_yet": self.not_yet,
            "reconciliation": self.reconciliation.as_dict(),
        }

    def prepare(self) -> None:
        """Compute the shared tables, so that notebooks find them."""
        for name in ("set_aside", "with_flagged", "shop_tables", "scores", "history"):
            getattr(self, name)
        self.prepare_campaigns()
        self.prepare_retention()

    def save_table(self, name: str, table: ibis.Table | pd.DataFrame) -> None:
        """Write a table into the run's tables/; outside a run nothing is written. See `output.save_table`."""
        output.save_table(self.con, table, name)

    def kpi(self, name: str, label: str, value: Any, form: Callable[[Any], str], **more: Any) -> output.Kpi:
        """A figure of the month: `form` makes its text, as it makes the text on the page."""
        return output.Kpi(name, label, value, form(value), **more)

    def finish(self, notebook: str, *, kpis=(), checks=None, forecasts=()) -> output.EndMark:
        """The end mark, to be shown by a notebook's last cell."""
        return output.EndMark(notebook, list(kpis), dict(checks or {}), list(forecasts))
