"""One family of errors: the counted fact, then a Hint; and the value that says why a number is missing.

Every error carries the exit code of the commands' contract, so that a scheduler can tell them apart.
"""

from dataclasses import dataclass


class ClvbookError(Exception):
    """What is wrong, as a counted fact, and what to do about it."""

    exit_code = 1

    def __init__(self, fact: str, hint: str) -> None:
        super().__init__(fact, hint)
        self.fact = fact
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.fact}\nHint: {self.hint}"


class BadParameters(ClvbookError):
    """A parameter is unknown, of the wrong type, out of range, or names a file that is not there."""

    exit_code = 2


class InputRefused(ClvbookError):
    """The shop's data cannot carry the run: unreadable, empty, or money that does not reconcile."""

    exit_code = 3


class NotebookFailed(ClvbookError):
    """A cell raised, left early, or the notebook ended without its end mark."""

    exit_code = 4


class NotebookTimeout(ClvbookError):
    """A cell or the whole run took longer than it may."""

    exit_code = 5


class KernelDied(ClvbookError):
    """The kernel process ended under a notebook (out of memory, killed)."""

    exit_code = 6


class PublishFailed(ClvbookError):
    """The pages were not rendered, did not pass their checks, or could not be put in place."""

    exit_code = 7


@dataclass(frozen=True)
class NotComputable:
    """The value of a figure that the data cannot give: a reason, never 0 and never a blank.

    It is contagious, as NaN is, but keeps its reason: what is read from it or computed with it is the same
    NotComputable, and it formats as the reason under any format specification. So a notebook needs no branch for
    a shop whose data do not suffice; its tables, charts and sentences show the reason.
    """

    reason: str

    def __str__(self) -> str:
        return self.reason

    def __format__(self, spec: str) -> str:
        return self.reason

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> "NotComputable":
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def _itself(self, *_: object, **__: object) -> "NotComputable":
        return self

    __iter__ = None  # else Python would read items for ever
    __call__ = __getitem__ = __neg__ = __abs__ = __round__ = _itself
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _itself
