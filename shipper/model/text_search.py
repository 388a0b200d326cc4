"""Words of full-text search, split the same way in stored text and in queries.

The full-text index splits text with SQLite's `ascii` tokenizer: ASCII letters and digits and every character beyond
ASCII form tokens, and ASCII case is folded. `folded` removes everything from the text on which that tokenizer and
`words` could disagree, so that the index never misses a match of `TextQuery`.
"""

import re
import unicodedata
from typing import NamedTuple
from zlib import crc32

KEY = "\u00a7"
"""First character of tokens that are not words: `folded` removes it from every text."""

_WORD = re.compile(r"[^\W_]+")
_SEPARATORS = re.compile(r"[^\x00-\x7f\w]")
_PIECES = re.compile(r'"([^"]*)"|(\S+)')


def folded(text: str) -> str:
    """Return `text` without case, accents and non-word characters beyond ASCII; ASCII text is returned unchanged."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return _SEPARATORS.sub(" ", plain)


def words(text: str) -> list[str]:
    """Return the words of `text` in their order."""
    return _WORD.findall(text.lower() if text.isascii() else folded(text))


def hashed(value: str) -> int:
    """Return a 32-bit hash of `value` for an index; the document itself decides between colliding values."""
    return crc32(value.encode("utf-8", "surrogatepass"))


def key(kind: str, value: str) -> str:
    """Return the index token for a block that contains an event, level or container of that name."""
    return f"{KEY}{kind}{hashed(value):x}"


class TextQuery(NamedTuple):
    """A text search: phrases of one or more words, all of which must appear."""

    phrases: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> "TextQuery":
        """Parse user input: words, and phrases in double quotes; there are no operators and no errors."""
        pieces = (quoted or bare for quoted, bare in _PIECES.findall(text))
        return cls(tuple(phrase for piece in pieces if (phrase := tuple(words(piece)))))

    def tokens(self) -> set[str]:
        """Return the tokens that every match contains."""
        return {word for phrase in self.phrases for word in phrase}

    def matches(self, text: str) -> bool:
        """Return True if all phrases appear in `text`."""
        line = f" {' '.join(words(text))} "
        return all(f" {' '.join(phrase)} " in line for phrase in self.phrases)
