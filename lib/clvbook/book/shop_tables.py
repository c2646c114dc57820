"""The tables that a shop brings beside its orders: order lines, customers, campaigns, sends, costs, why they left.

in:  settings that name their files; out: `ShopTables`: each as an Ibis table, and what became of its rows
"""

import ibis
import pandas as pd

from clvbook.book.cache import Cache, digest
from clvbook.errors import NotComputable
from clvbook.orders import identity
from clvbook.orders.canonical import CanonicalTable, read_canonical
from clvbook.orders.costs import read_costs
from clvbook.orders.mapping import own_file
from clvbook.orders.sends import read_sends
from clvbook.settings import Settings

LOG = "send_log"
# What each gives, and so what is missing from the pages without it
NEEDED_FOR = {
    "order_items": "lists that name what a customer bought last",
    "customers": "who opted out of messages",
    "campaigns": "what each campaign was, when it began and what it cost",
    "sends": "who was written to, when, and who was held out",
    "costs": "what was spent",
    "churn_survey": "why customers left",
}


class ShopTables:
    """Read when first asked for, and kept by content."""

    def __init__(self, con: ibis.BaseBackend, settings: Settings) -> None:
        self.con, self.settings = con, settings
        self.files = {name: settings.files(name) for name in (*NEEDED_FOR, LOG) if getattr(settings, name) is not None}
        mapping = own_file(settings.send_log_mapping) if LOG in self.files else None
        self.paths = sorted({path for paths in self.files.values() for path in paths} | ({mapping} - {None}))
        self._read: dict[str, CanonicalTable] = {}

    def table(self, name: str) -> ibis.Table | NotComputable:
        """A table of `NEEDED_FOR` as read; or how to bring it. The log alone gives sends, too: nobody is held out."""
        found = LOG if name == "sends" and name not in self.files else name
        if found not in self.files:
            return NotComputable(f"{name} is not set; data/README.md says which export gives {NEEDED_FOR[name]}")
        return self._shelf(found).table("rows", lambda: self._of(found).table)

    @property
    def accounts(self) -> pd.DataFrame:
        """What became of the rows: table, rows, used, set_aside, reasons (in words)."""
        rows = []
        for name in self.files:
            one = self._shelf(name).json("account", lambda name=name: vars(self._of(name).account))
            aside = one["set_aside"]
            rows.append((name, one["rows_read"], one["rows_used"], sum(aside.values()), told(aside)))
        return pd.DataFrame(rows, columns=["table", "rows", "used", "set_aside", "reasons"])

    def set_aside(self, name: str) -> ibis.Table:
        """The rows of a table that were set aside: reason, source_file, line, cells."""
        return self._shelf(name).table("set_aside", lambda: self._of(name).set_aside)

    def key(self, name: str) -> str:
        """What the rows of a table depend on, for a cache; empty where it is not set."""
        found = LOG if name == "sends" and name not in self.files else name
        return self._shelf(found).folder.name if found in self.files else ""

    def _of(self, name: str) -> CanonicalTable:
        if name not in self._read:
            self._read |= self._sent() if name in ("sends", LOG) else {name: self._canonical(name)}
        return self._read[name]

    def _canonical(self, name: str) -> CanonicalTable:
        if name == "costs":
            costs = read_costs(self.con, self.files[name])
            return CanonicalTable(costs.table, costs.set_aside, costs.account)
        return read_canonical(self.con, self.files[name], name, timezone=self.settings.timezone)

    def _sent(self) -> dict[str, CanonicalTable]:
        """The shop's assignments and the platform's log, which are one table together."""
        sends = read_sends(
            self.con,
            timezone=self.settings.timezone,
            log=self.files.get(LOG, ()),
            assignments=self.files.get("sends", ()),
            log_mapping=self.settings.send_log_mapping,
        )
        both = {
            "sends": CanonicalTable(sends.table, sends.assignments_set_aside, sends.assignments),
            LOG: CanonicalTable(sends.table, sends.log_set_aside, sends.log),
        }
        return {name: both[name] for name in both if name in self.files}

    def _shelf(self, name: str) -> Cache:
        names = [part for part in ("sends", LOG) if part in self.files] if name in ("sends", LOG) else [name]
        content = {"table": name, "inputs": [digest(path) for part in names for path in self.files[part]]}
        if LOG in names:  # telephone numbers are hashed
            content |= {"mapping": self.settings.send_log_mapping, "salt": identity.salt_mark()}
            content |= {"own": digest(own) if (own := own_file(self.settings.send_log_mapping)) else None}
        return Cache(self.con, self.settings.shop, {**content, "timezone": self.settings.timezone})


def told(counts: dict[str, int]) -> str:
    """Counts by reason, in words."""
    return ", ".join(f"{rows:,} {reason}" for reason, rows in counts.items()) or "none"
