"""What became of everything that was read, in sentences.

in: reconciliations and frames of rows set aside; out: plain sentences for `sentences.say`
"""

from typing import Any

import pandas as pd

from clvbook.present import words


def accounted(reconciliation: Any, currency: str) -> str:
    """Is everything that was read accounted for?"""
    r = reconciliation
    unread = r.quarantined.get("bad_amount", 0)
    return (
        f"All {words.number(r.rows_read)} rows are accounted for: {words.count(r.orders_kept, 'order')} kept with "
        f"{words.short_money(r.net_kept, currency)} net of refunds, {words.count(sum(r.quarantined.values()), 'row')} "
        f"({words.percent(r.share_set_aside)}) set aside. The money adds up to the cent"
        + (
            f", but {words.count(unread, 'row has', 'rows have')} no readable amount and are in no sum."
            if unread
            else "."
        )
    )


def not_yet(orders: int, as_of: Any) -> str:
    """Does the export reach beyond the month?"""
    if not orders:
        return ""
    return (
        f"{words.count(orders, 'kept order')} paid after {words.day(as_of)} stay out of this month's figures: for this "
        "page they have not happened yet."
    )


def set_aside(reasons: pd.DataFrame) -> str:
    """Which reason weighs most?"""
    if reasons.empty:
        return "No row had to be set aside."
    first = reasons.iloc[0]
    return (
        f"The largest group set aside, {words.count(first.rows, 'row')}, is {first.reason.replace('_', ' ')} "
        f"({first.meaning}). Each row is listed with its file and line, so that it can be put right at its source."
    )


def linked(reconciliation: Any) -> str:
    """Were orders given to a customer whom they do not name by the account?"""
    if not (orders := reconciliation.orders_linked):
        return ""
    return (
        f"{words.count(orders, 'guest order is', 'guest orders are')} counted with the one customer who has the same "
        "e-mail or telephone number."
    )


def refunds(reconciliation: Any) -> str:
    """Does the export say what was given back?"""
    if not (column := reconciliation.no_refunds):
        return ""
    return (
        f"The export has no column of refunds (“{column}”): what was given back of an order is not known, and net "
        "revenue is what was paid."
    )


def lines(reconciliation: Any) -> str:
    """What became of the orders' lines, where files of their own hold them?"""
    if not (counts := reconciliation.lines):
        return ""
    lost = {
        "of no kept order": counts["without_order"],
        "that stand again in a later file": counts["repeated"],
        "without an order number or a readable quantity": counts["unread"],
    }
    told = [f"{words.number(rows)} {why}" for why, rows in lost.items() if rows]
    told = ", ".join([f"{words.number(counts['joined'])} with the pieces of kept orders", *told])
    return f"Files of the orders' lines have {words.count(counts['read'], 'row')}: {told}. They add no money."


def shop_tables(frame: pd.DataFrame, missing: dict[str, str]) -> str:
    """What else does the shop bring, and what would further tables add?"""
    aside = int(frame.set_aside.sum())
    told = [
        f"{words.count(aside, 'row')} of these tables are set aside, listed with file and line in tables/."
        if aside
        else "Every row of these tables is used."
        if len(frame)
        else "The shop brings its orders only."
    ]
    told += [f"{name} is not set: it gives {gives}." for name, gives in missing.items()]
    return " ".join(told)
