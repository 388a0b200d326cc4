"""Words: what full-text search takes for one, the same for text that is stored and text that is asked for.

The full-text index cuts text with SQLite's `ascii` tokenizer: ASCII letters and digits and every character beyond
ASCII make up a token, and ASCII case is folded. `folded` takes everything from the text on which that tokenizer and
`words` could disagree, so that the index never misses what `Wanted` would accept.
"""

import re
import unicodedata
from typing import NamedTuple
from zlib import crc32

KEY = "\u00a7"
"""Begins tokens that are no words: `folded` leaves it in no text."""

_WORD = re.compile(r"[^\W_]+")
_SEPARATORS = re.compile(r"[^\x00-\x7f\w]")
_PIECES = re.compile(r'"([^"]*)"|(\S+)')


def folded(text: str) -> str:
    """`text` without case, accents and characters beyond ASCII that are part of no word; ASCII text as it is."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return _SEPARATORS.sub(" ", plain)


def words(text: str) -> list[str]:
    """The words of `text` in their order."""
    return _WORD.findall(text.lower() if text.isascii() else folded(text))


def hashed(value: str) -> int:
    """32 bits that stand for `value` in an index; equal values are told from colliding ones by the document."""
    return crc32(value.encode("utf-8", "surrogatepass"))


def key(kind: str, value: str) -> str:
    """The token by which the index knows that a block holds an event, level or container of that name."""
    return f"{KEY}{kind}{hashed(value):x}"


class Wanted(NamedTuple):
    """A text search: phrases of one or more words, all of which must appear."""

    phrases: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> "Wanted":
        """Read what a person typed: words, and phrases in double quotes; nothing in it is an operator or an error."""
        pieces = (quoted or bare for quoted, bare in _PIECES.findall(text))
        return cls(tuple(found for piece in pieces if (found := tuple(words(piece)))))

    def tokens(self) -> set[str]:
        """Tokens that every match holds."""
        return {word for phrase in self.phrases for word in phrase}

    def matches(self, text: str) -> bool:
        """Whether all phrases appear in `text`."""
        line = f" {' '.join(words(text))} "
        return all(f" {' '.join(phrase)} " in line for phrase in self.phrases)
