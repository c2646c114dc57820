"""Which platform do these files come from, and which of their columns are read?

in: order files and a platform's name, or none; out: `Recognition`, which says it in words

It knows nothing but the mappings: a platform added as a YAML file is recognised like any other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clvbook.errors import InputRefused
from clvbook.orders.files import OrderFile, UnknownHeader, known_columns, look
from clvbook.orders.mapping import Mapping, load_mapping, shipped
from clvbook.orders.mapping import recognise as columns_in

_SHOWN = 60  # signs of a header's cell that a line shows


@dataclass(frozen=True)
class Recognition:
    """Files under one mapping: those of the orders, and those of their lines (`details`), where they come apart.

    `better` names a shipped mapping that knows more of the columns, if one does.
    """

    mapping: Mapping
    files: tuple[OrderFile, ...]
    details: tuple[OrderFile, ...] = ()
    better: str | None = None

    @property
    def found(self) -> dict[str, list[str]]:
        """The canonical columns that a file has, each with the names it goes by in the files."""
        return _names(self.mapping.columns, self.files)

    @property
    def absent(self) -> list[str]:
        """The canonical columns that the mapping knows and no file has."""
        return [column for column in self.mapping.columns if not any(column in file.found for file in self.files)]

    @property
    def unread(self) -> list[str]:
        """The columns of the files that no canonical column is read from."""
        cells = [c for f in self.files for at, c in enumerate(f.header) if at not in f.found.values()]
        return list(dict.fromkeys(cells))

    @property
    def _lines(self) -> dict[str, list[str]]:
        return _names(self.mapping.details.columns, self.details)

    def __str__(self) -> str:
        """What was recognised and what was not, as lines for a terminal."""
        count = len(self.files)
        lines = [f"{count:,} file{'s' * (count != 1)} read as {self.mapping.name} ({self.mapping.title})", ""]
        for column, names in self.found.items():
            having = sum(column in file.found for file in self.files)
            some = f"  (in {having} of {count} files)" if having < count else ""
            lines.append(f"  {column:<12} from  {', '.join(map(_shown, names))}{some}")
        if self.details:
            told = [f"{column} from {', '.join(map(_shown, names))}" for column, names in self._lines.items()]
            count = len(self.details)
            lines += ["", f"{count:,} file{'s' * (count > 1)} of the orders' lines: {'; '.join(told)}"]
        if self.files and self.absent:
            lines += ["", f"not in the files: {', '.join(self.absent)}"]
        if self.unread:
            lines += ["", f"in the files and not read: {', '.join(map(_shown, self.unread))}"]
        if self.better:
            lines += ["", f"{self.better} knows more of these columns: is it rather --from {self.better}?"]
        return "\n".join(lines)


def recognise_files(paths: Sequence[Path], *, platform: str | None = None) -> Recognition:
    """Hold files against a mapping: the named one, or the shipped one that knows most of the first file's columns.

    Errors: BadParameters where there is no such mapping; InputRefused where a file cannot be read or lacks a required
    column, with the platform that fits it, if one does.
    """
    mapping = load_mapping(platform) if platform else _of(paths[0])
    files = []
    for path in paths:
        try:
            files.append(look(path, mapping))
        except InputRefused as refused:
            fitting = next((name for name, _ in _candidates(path) if name != mapping.name), None)
            if not fitting:
                raise
            fact = refused.fact if isinstance(refused, UnknownHeader) else f"{path}: is no {mapping.title}"
            hint = f"the file fits {fitting}: write --from {fitting}"
            if files and not files[0].is_details:
                hint = f"it fits {fitting}, {files[0].path.name} fits {mapping.name}: name one platform's files alone"
            raise InputRefused(fact, hint) from None
    orders = tuple(file for file in files if not file.is_details)
    details = tuple(file for file in files if file.is_details)
    return Recognition(mapping, orders, details, _better(mapping, orders[0]) if orders else None)


def _names(columns: Iterable[str], files: Sequence[OrderFile]) -> dict[str, list[str]]:
    """What each canonical column is called in the files, in the order of the mapping."""
    every = {column: [f.header[f.found[column]] for f in files if column in f.found] for column in columns}
    return {column: list(dict.fromkeys(names)) for column, names in every.items() if names}


def _of(path: Path) -> Mapping:
    if candidates := _candidates(path):
        return load_mapping(candidates[0][0])
    known = {name: known_columns(path, load_mapping(name)) for name in shipped()}
    most = load_mapping(max(known, key=lambda name: (known[name] > 1) * known[name]))  # one column may be chance
    try:
        return look(path, most) and most
    except UnknownHeader as refused:
        like = f"the file is most like {most.title}" if known[most.name] > 1 else f"shipped are {', '.join(known)}"
        raise InputRefused(refused.fact, f"{refused.hint}; {like}; docs/adding-a-platform.md adds others") from None


def _candidates(path: Path) -> list[tuple[str, int]]:
    """The shipped mappings that can read a file, each with how many of its columns it knows; most first."""
    counts = {}
    for name in shipped():
        try:
            counts[name] = len(look(path, load_mapping(name)).found)
        except InputRefused:
            continue
    return sorted(counts.items(), key=lambda found: -found[1])


def _better(mapping: Mapping, file: OrderFile) -> str | None:
    for other in map(load_mapping, shipped()):
        found = columns_in(other, file.header)[0]
        if set(other.required) <= set(found) and len(found) > len(file.found) and other.name != mapping.name:
            return other.name
    return None


def _shown(cell: str) -> str:
    """A header's cell on a terminal: no sign that moves the cursor or turns the line around, and not too long."""
    plain = "".join(sign if sign.isprintable() else " " for sign in cell).strip()
    return plain[:_SHOWN] + "…" * (len(plain) > _SHOWN) or "(no name)"
