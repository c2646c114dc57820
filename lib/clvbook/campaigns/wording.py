"""How a verdict writes its numbers: few digits, none that is nan or infinite, and 0 only for what is 0.

in: finite numbers, counts of sends, `NotComputable`   out: text
"""

from clvbook.errors import NotComputable

MANY = 10**9  # sends beyond which a number helps nobody
_SPACE = "\u00a0"  # between a number and its unit: no line breaks there


def number(value: float) -> str:
    """9.0 -> "9", 31.46 -> "31.5", 1234.5 -> "1,234", -5 -> "−5"."""
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    shown = f"{abs(value):,.{digits}f}"
    shown = shown.rstrip("0").rstrip(".") if digits else shown
    if value and shown == "0":
        return "almost 0"
    return f"\u2212{shown}" if value < 0 else shown


def percent(share: float) -> str:
    """0.003 -> "0.3 %", 0.00102 -> "0.102 %", 0.278 -> "27.8 %"."""
    return f"{_hundredths(share)}{_SPACE}%"


def points(difference: float) -> str:
    """The difference of two shares: 0.00152 -> "0.152 points"."""
    return f"{_hundredths(difference)}{_SPACE}points"


def count(amount: int, noun: str) -> str:
    """1 -> "1 buyer", 1200 -> "1,200 buyers"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def rough(amount: int) -> int:
    """A planned number to two digits, rounded up, since more would feign an accuracy: 16,234 -> 17,000."""
    unit = 10 ** max(len(str(amount)) - 2, 0)
    return -(-amount // unit) * unit


def more_sends(needed: int | NotComputable, *, so_far: int) -> str:
    """A sentence on how many more sends would settle a verdict, next to the sends `so_far`."""
    if isinstance(needed, NotComputable):
        return f"{needed.reason[0].upper()}{needed.reason[1:]}."
    if needed > MANY:
        return f"It would take more than {MANY:,} more sends: in practice no number settles it."
    said = f"If customers go on as so far, about {count(rough(needed), 'more send')} would settle it"
    return f"{said}, {count(rough(-(-needed // so_far)), 'campaign')} of this size." if needed > so_far else f"{said}."


def _hundredths(share: float) -> str:
    digits = 3 if abs(share) < 0.01 else 2 if abs(share) < 0.1 else 1
    shown = f"{abs(100 * share):,.{digits}f}".rstrip("0").rstrip(".")
    if share and shown == "0":
        return "almost 0"
    return f"\u2212{shown}" if share < 0 else shown
