"""The part of the book that stands before any model: orders, customers and cells of one shop and month.

in:  Settings; out: `OrdersBook`, whose attributes are tables (Ibis over Parquet) and small pandas frames
"""

from functools import cached_property
from pathlib import Path

import ibis
import pandas as pd
from ibis import _

from clvbook import customers as people
from clvbook.book import output
from clvbook.book.cache import Cache, digest
from clvbook.book.shop_tables import NEEDED_FOR, ShopTables, told
from clvbook.engine import connect
from clvbook.errors import InputRefused, NotComputable
from clvbook.orders import Reconciliation, clean_orders, identity, last_complete_month, load_mapping, quality
from clvbook.orders.database import order_files
from clvbook.orders.mapping import own_file
from clvbook.settings import Settings, home, is_database, month_end, month_of

# What the cleaned orders depend on, beside the files
STRAY_DAYS = 92  # a newest order so long after the one before it is more often a wrong date than a quiet shop
CLEANING = {"mapping", "identity", "data_through", "timezone", "currency", "non_product"}
CLEANING |= {"fake_words", "price_floor", "fake_customers_per_address"}


def open_engine(settings: Settings) -> ibis.BaseBackend:
    """The engine, with the project's cache to overflow into rather than the folder that a kernel happens to be in."""
    cache = home() / ".cache"
    cache.mkdir(parents=True, exist_ok=True)
    return connect(settings, spill=cache / ".spill")


class OrdersBook:
    """Orders, customers and cells of one month. Attributes are computed when first asked for and kept."""

    def __init__(self, settings: Settings) -> None:
        self.con = open_engine(settings)
        self.inputs = [
            {"path": _shown(path, named), "sha256": digest(path), "bytes": path.stat().st_size}
            for path, named in order_files(self.con, settings).items()
        ]
        self.files = len(self.inputs)
        mapping = load_mapping(settings.mapping)
        if own := own_file(settings.mapping):  # the shop's own mapping may change as its orders do
            self.inputs.append({"path": _shown(own, str(own)), "sha256": digest(own), "bytes": own.stat().st_size})
        if mark := identity.fingerprint(mapping, settings):  # with another salt every customer has another name
            self.inputs.append({"path": "CLVBOOK_SALT", "sha256": mark, "bytes": 0})
        content = {
            "inputs": list(self.inputs),
            **settings.model_dump(include=CLEANING),
        }
        self._shelf = Cache(self.con, settings.shop, content)
        self.settings = settings
        self._shop_tables = ShopTables(self.con, settings)
        self.files_of = self._shop_tables.files
        self.inputs += [
            {"path": _shown(path, str(path)), "sha256": digest(path), "bytes": path.stat().st_size}
            for path in self._shop_tables.paths
        ]
        read = self.reconciliation
        if not read.orders_kept:
            why = told(read.quarantined) if read.quarantined else "the files have no rows"
            raise InputRefused(
                f"0 of {read.rows_read:,} rows can be kept ({why})",
                "is it the right file, and the right mapping for it? clvbook check shows the counts",
            )
        if "currency" not in settings.model_fields_set and (others := read.quarantined.get("other_currency")):
            raise InputRefused(
                f"{others:,} rows are not in {settings.currency}",
                f"write `currency: {settings.currency}` into the parameters: orders in another one are then set aside",
            )
        self.month = settings.month or self._last_month()
        self.as_of = month_end(self.month)
        self.settings = settings.model_copy(update={"month": self.month})
        through = settings.data_through or read.last_order
        if read.first_order > self.as_of:
            raise InputRefused(
                f"0 of {read.orders_kept:,} kept orders were paid up to the end of {self.month}; "
                f"the first was on {read.first_order}",
                "choose a later month",
            )
        if through < self.as_of:
            raise InputRefused(
                f"the data end on {through}: {(self.as_of - through).days} days of {self.month} are not in them",
                "choose an earlier month; or, where the export does cover the month, say so with "
                f"`data_through: {self.as_of}`",
            )

    def _last_month(self) -> str:
        """The last month complete in the data; InputRefused where one stray date would decide it."""
        read = self.reconciliation
        if not self.settings.data_through:
            last = self.kept_orders.select("day").distinct().order_by(_.day.desc()).limit(2).to_pandas().day
            if len(last) == 2 and (apart := (last[0] - last[1]).days) > STRAY_DAYS:
                raise InputRefused(
                    f"the newest order, of {read.last_order}, comes {apart:,} days after the one before it",
                    "is that date right? Say which month to report with --month, or up to which day the export "
                    "reaches with `data_through`: orders after it are then set aside",
                )
        return last_complete_month(read.last_order, self.settings)

    @property
    def notes(self) -> list[str]:
        """What whoever runs the month should know and a page does not say: defaults taken, an incomplete month."""
        given, read = self.settings.model_fields_set, self.reconciliation
        told = [
            f"{name}: {getattr(self.settings, name)}, the default; set it in the parameters if the shop has another"
            for name in ("currency", "timezone")
            if name not in given
        ]
        if self.month < month_of(read.last_order) and not self.settings.data_through:
            told.append(
                f"the data end on {read.last_order}, so {self.month} is the last complete month; where the export "
                "covers that day's whole month, say so with data_through"
            )
        return told

    @cached_property
    def reconciliation(self) -> Reconciliation:
        """Rows and money of everything read: what was kept, and what became of the rest."""
        return Reconciliation.from_dict(
            self._shelf.json("reconciliation", lambda: self._cleaned.reconciliation.as_dict())
        )

    @cached_property
    def kept_orders(self) -> ibis.Table:
        """Every kept order, with and without a customer, also those paid after the month's end."""
        return self._shelf.table("orders", lambda: self._cleaned.orders)

    @cached_property
    def set_aside(self) -> ibis.Table:
        """Every row set aside, with its reason, file and line."""
        return self._shelf.table("set_aside", lambda: self._cleaned.set_aside)

    @cached_property
    def with_flagged(self) -> pd.DataFrame | NotComputable:
        """The headline figures with and without the orders set aside as fake; see `quality.with_flagged`."""
        flagged = self._shelf.table("flagged", lambda: self._cleaned.flagged)
        return quality.with_flagged(self.orders, flagged, as_of=self.as_of)

    @cached_property
    def _cleaned(self):
        cleaned = clean_orders(self.con, self.settings)
        cleaned.reconciliation.check()
        return cleaned

    def shop_table(self, name: str) -> ibis.Table | NotComputable:
        """A table that the shop brings beside its orders, as read; see `shop_tables.ShopTables`."""
        return self._shop_tables.table(name)

    @cached_property
    def shop_tables(self) -> pd.DataFrame:
        """What became of the rows of the shop's other tables: table, rows, used, set_aside, reasons (in words)."""
        return self._shop_tables.accounts

    @property
    def missing_tables(self) -> dict[str, str]:
        """The tables that the shop does not bring, and what they would give."""
        return {name: gives for name, gives in NEEDED_FOR.items() if name not in self.files_of}

    def save_shop_set_aside(self) -> None:
        """Write the rows set aside of each of the shop's tables into the run's tables/; none where all are used."""
        for name, rows in zip(self.shop_tables.table, self.shop_tables.set_aside, strict=True):
            if rows:
                output.save_table(self.con, self.shop_set_aside(name), f"set_aside_{name}")

    def shop_set_aside(self, name: str) -> ibis.Table:
        """The rows of a shop's table that were set aside: reason, source_file, line, cells."""
        return self._shop_tables.set_aside(name)

    @cached_property
    def orders(self) -> ibis.Table:
        """The kept orders that the month sees: paid up to its last day."""
        return self.kept_orders.filter(_.day <= self.as_of)

    @cached_property
    def not_yet(self) -> int:
        """Kept orders paid after the month's end: not yet there, and not set aside."""
        return int(self.con.execute(self.kept_orders.filter(_.day > self.as_of).count()))

    @cached_property
    def fates(self) -> pd.DataFrame:
        """What became of every row and every cent; see `quality.fates`."""
        return quality.fates(self.reconciliation)

    @cached_property
    def rows_by_fate(self) -> pd.DataFrame:
        """Rows kept and set aside, for a chart; see `quality.rows_by_fate`."""
        return quality.rows_by_fate(self.reconciliation)

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """Rows set aside by reason; see `quality.reasons`."""
        return quality.reasons(self.reconciliation)

    @cached_property
    def daily(self) -> pd.DataFrame:
        """Orders of each calendar day; see `quality.by_day`."""
        return quality.by_day(self.orders, as_of=self.as_of)

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Runs of days without orders that chance does not explain; see `quality.gaps`."""
        return quality.gaps(self.daily)

    @cached_property
    def monthly(self) -> pd.DataFrame:
        """Orders, money and identity of each month; see `quality.by_month`."""
        return quality.by_month(self.orders, as_of=self.as_of)

    @property
    def this_month(self) -> pd.Series:
        """The report month's row of `monthly`; zeros where nothing was sold."""
        return self.monthly.set_index("month").reindex([self.month]).fillna(0).iloc[0]

    @property
    def identified_share(self) -> float:
        """Orders that name their customer, as a share of those up to the month's end."""
        return float(self.monthly.identified.sum() / self.monthly.orders.sum())

    @property
    def identified_revenue_share(self) -> float:
        """Net revenue of orders that name their customer, as a share of that up to the month's end."""
        return float(self.monthly.net_identified.sum() / (self.monthly.net.sum() or 1))

    @cached_property
    def support(self) -> pd.DataFrame:
        """What the month's data can carry; see `quality.support`."""
        return quality.support(
            customers=int(self.cells.weight.sum()),
            repeat_customers=int(self.cells.weight[self.cells.frequency > 0].sum()),
            three_or_more=int(self.cells.weight[self.cells.frequency >= 2].sum()),
            days=len(self.daily),
            days_since_last=int((self.daily.day.max() - self.daily[self.daily.orders > 0].day.max()).days),
            identified_share=self.identified_share,
            unidentified_limit=self.settings.unidentified_limit,
            min_customers=self.settings.min_customers,
            min_repeat_customers=self.settings.min_repeat_customers,
            horizon_days=self.settings.horizon_days,
        )

    @cached_property
    def purchases(self) -> ibis.Table:
        """Customer-days up to the month's end; see `customers.customer_days`."""
        return self._month_shelf.table("purchases", lambda: people.customer_days(self.orders, as_of=self.as_of))

    @cached_property
    def customers(self) -> ibis.Table:
        """One row a customer as of the month's end; see `customers.summarise`."""
        return self._month_shelf.table("customers", lambda: people.summarise(self.purchases, as_of=self.as_of))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Distinct (frequency, recency, T) and their weight."""
        return people.cells(self.customers).to_pandas()

    @cached_property
    def _month_shelf(self) -> Cache:
        return Cache(self.con, self.settings.shop, {"orders": self._shelf.folder.name, "month": self.month})


def _shown(path: Path, named: str) -> str:
    """An input as manifests print it: a database's address; a path from the project's folder, else the name alone."""
    if is_database(named):
        return named
    return str(path.relative_to(home())) if path.is_relative_to(home()) else path.name
