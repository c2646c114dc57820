"""Raw exports in, canonical orders out: every row is kept, or set aside with one reason."""

from clvbook.orders.clean import Cleaned, clean_orders, last_complete_month
from clvbook.orders.mapping import Mapping, load_mapping
from clvbook.orders.read import RawOrders, read_orders
from clvbook.orders.reconcile import Reconciliation

__all__ = [
    "Cleaned",
    "Mapping",
    "RawOrders",
    "Reconciliation",
    "clean_orders",
    "last_complete_month",
    "load_mapping",
    "read_orders",
]
