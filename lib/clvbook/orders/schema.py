"""The canonical tables: each column once, with its type, unit and meaning.

in: nothing; out: `TABLES`, `STATUSES`, `REASONS`, and `markdown`, which data/README.md is made of
"""

from dataclasses import dataclass

MONEY = "decimal(18,4)"


@dataclass(frozen=True)
class Column:
    """One column: `type` is an Ibis type; an `optional` one may be absent, and `meaning` says what then holds."""

    name: str
    type: str
    unit: str
    meaning: str
    optional: bool = False


STATUSES = {
    "unpaid": "ordered, not paid",
    "paid": "paid, not yet sent",
    "shipped": "sent, not yet received",
    "completed": "received",
    "part_refunded": "paid, a part of the money given back",
    "closed_unpaid": "closed without a payment",
    "closed_refunded": "closed, all money given back",
    "cancelled": "called off",
    "failed": "the payment did not go through",
    "test": "a trial order of the shop itself",
}

REASONS = {
    "duplicate_row": "every cell equals an earlier row",
    "superseded": "the same order stands again, with other content, in a later line or file: the later export holds",
    "missing_order_id": "no order number",
    "lossy_order_id": "the order number lost digits in a spreadsheet (3.515E+18)",
    "test_order": "a trial order of the shop itself",
    "unpaid": "ordered but not paid, or the payment failed",
    "closed_unpaid": "closed without a payment",
    "cancelled": "called off",
    "closed_refunded": "closed, all money given back",
    "bad_amount": "an amount, quantity, price or refund is no plain number, or contradicts its own sign",
    "bad_date": "no readable date, or one before 1990 or after 2099",
    "future_date": "paid after `data_through`, the last day that the export covers",
    "paid_before_created": "paid before it was ordered",
    "other_currency": "not in the shop's one currency",
    "flagged_fake": "marked as a fake order",
    "non_product": "postage, fees, adjustments: no product",
    "negative_amount": "a negative amount that no earlier sale explains",
    "zero_amount": "nothing was paid: gifts, replacements",
    "fully_refunded": "all of it was given back, or it is the refund of such an order",
}

_ORDERS = (
    Column("order_id", "string", "", "the order's number; text, so that no digit is lost"),
    Column("customer_id", "string", "", "who bought; the same person always has the same one; empty: not known"),
    Column("created_at", "timestamp", "local time", "when it was ordered; absent: not checked", optional=True),
    Column("paid_at", "timestamp", "local time", "when it was paid; its calendar day is the day of the order"),
    Column("status", "string", "", "one of the statuses below; absent or empty: completed", optional=True),
    Column("paid", MONEY, "currency", "what the customer paid, before refunds"),
    Column("refund", MONEY, "currency", "what was given back of it; absent or empty: 0", optional=True),
    Column("currency", "string", "ISO 4217", "absent or empty: the shop's `currency`", optional=True),
    Column("items", MONEY, "pieces", "pieces in the order", optional=True),
    Column("discount", MONEY, "currency", "reduction granted, already taken off `paid`", optional=True),
    Column("coupon_id", "string", "", "the coupon used", optional=True),
    Column("province", "string", "", "region or country of the customer", optional=True),
    Column("source", "string", "", "where the customer came from", optional=True),
    Column("remark", "string", "", "the shop's own note", optional=True),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "orders": _ORDERS,
    "order_items": (
        Column("order_id", "string", "", "the order it belongs to"),
        Column("sku", "string", "", "the item's code"),
        Column("title", "string", "", "the item's name", optional=True),
        Column("category", "string", "", "the item's category", optional=True),
        Column("quantity", MONEY, "pieces", "pieces bought"),
        Column("amount", MONEY, "currency", "what was paid for this line"),
    ),
    "customers": (
        Column("customer_id", "string", "", "as in orders"),
        Column("tier", "string", "", "member tier as of the export", optional=True),
        Column("joined_at", "timestamp", "local time", "when the customer became a member", optional=True),
        Column("region", "string", "", "where the customer lives", optional=True),
        Column("source", "string", "", "where the customer came from", optional=True),
        Column("acquisition_cost", MONEY, "currency", "what winning this customer cost", optional=True),
        Column("opted_out", "boolean", "", "wants no messages; absent: false", optional=True),
    ),
    "campaigns": (
        Column("campaign_id", "string", "", "the campaign's number"),
        Column("name", "string", "", "as pages print it"),
        Column("channel", "string", "", "sms, email, push, ..."),
        Column("starts_on", "date", "local day", "first day of sending"),
        Column("attribution_days", "int64", "days", "how long after a send an order counts for it"),
        Column("cost_fixed", MONEY, "currency", "cost whatever is sent"),
        Column("cost_per_unit", MONEY, "currency per unit", "cost of one billed message unit"),
    ),
    "sends": (
        Column("campaign_id", "string", "", "as in campaigns"),
        Column("customer_id", "string", "", "as in orders"),
        Column("arm", "string", "", "treated, or holdout: chosen but on purpose not written to"),
        Column("assigned_at", "timestamp", "local time", "when the arm was drawn"),
        Column("sent_at", "timestamp", "local time", "when the message left; empty for the holdout"),
        Column("delivered", "boolean", "", "whether it arrived; empty for the holdout"),
        Column("units", "int64", "units", "message units billed; 0 for the holdout"),
    ),
    "costs": (
        Column("period", "string", "YYYY-MM", "the month the cost belongs to"),
        Column("kind", "string", "", "what it was spent on: messages, coupons, service, ..."),
        Column("campaign_id", "string", "", "the campaign it belongs to, if one", optional=True),
        Column("stage", "string", "", "the lifecycle stage it was spent on, if one", optional=True),
        Column("amount", MONEY, "currency", "what was spent"),
    ),
    "churn_survey": (
        Column("customer_id", "string", "", "as in orders"),
        Column("asked_on", "date", "local day", "when the customer was asked"),
        Column("answered_on", "date", "local day", "when the answer came; empty: no answer"),
        Column("reason", "string", "", "natural, competition, fault or malicious; empty: no answer"),
    ),
}


def columns(table: str) -> dict[str, Column]:
    """The columns of a canonical table by name."""
    return {column.name: column for column in TABLES[table]}


def markdown(table: str) -> str:
    """A canonical table as data/README.md prints it."""
    rows = ["| column | needed | type | unit | meaning |", "| --- | --- | --- | --- | --- |"]
    for column in TABLES[table]:
        needed = "" if column.optional else "yes"
        rows.append(f"| `{column.name}` | {needed} | {column.type} | {column.unit} | {column.meaning} |")
    return "\n".join(rows)
