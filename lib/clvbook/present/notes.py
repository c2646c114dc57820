"""The sentences between the pictures: what to take away, what to be careful about, how to read what stands above.

in: text, made from the numbers it stands under with `words`   out: a `Note` that a notebook displays
Text from data is escaped; `**two stars**` set the words that matter in bold, and nothing else is markup.
"""

import re
from dataclasses import dataclass
from html import escape

from clvbook.present import words


@dataclass(frozen=True)
class Note:
    """One paragraph: HTML for the page, plain text for a terminal."""

    html: str
    plain: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def say(*sentences: str) -> Note:
    """The sentences a section ends in, which a manager can act on."""
    html, plain = _both(sentences)
    return Note(f'<p class="clv-say">{html}</p>', plain)


def warn(*sentences: str) -> Note:
    """What limits the figures near it, marked by a word and a shape, too."""
    html, plain = _both(sentences)
    mark = '<span class="mark"><span aria-hidden="true">▲</span> Mind:</span>'
    return Note(f'<p class="clv-warn">{mark} {html}</p>', f"Mind: {plain}")


def explain(*sentences: str) -> Note:
    """How to read the picture or table above."""
    html, plain = _both(sentences)
    return Note(f'<p class="clv-read"><strong>How to read this.</strong> {html}</p>', f"How to read this. {plain}")


def _both(sentences: tuple[str, ...]) -> tuple[str, str]:
    text = " ".join(words.text(sentence) for sentence in sentences)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text)), text.replace("**", "")
