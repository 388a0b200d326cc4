"""Texts that are known to hold nothing to mask, by their *shape*: the text with each digit written as 0.

The filter before redaction decides by letters and by the places of digits, so that its answer for one text holds for
all of the same shape. Most texts of a log repeat a few shapes: they are examined once.
"""

import re
from collections.abc import Iterable

from shipper_processors.redact_filter import TextFilter
from shipper_processors.redact_names import NameRule

ZEROS = bytes.maketrans(b"123456789", b"000000000")
MOST_BYTES, LONGEST = 2 * 1024 * 1024, 2048
"""Bytes of all cached shapes of one kind, and of the longest one."""
HEXADECIMAL = b"0abcdef-"
"""Characters of the shapes of most ids."""
SHORTEST_PIECE, LONGEST_PIECE, MOST_PIECES = 3, 40, 10_000
PLAIN_NAME = re.compile(r"[A-Za-z0-9_. -]*+")
"""Names that texts may hold; the filter of texts recognises them."""


def shape_of(text: str) -> bytes:
    """Return the shape of a text, as UTF-8."""
    try:
        return text.encode().translate(ZEROS)
    except UnicodeEncodeError:  # lone surrogates
        return text.encode("utf-8", "surrogatepass").translate(ZEROS)


class Shapes:
    """A bounded set of shapes."""

    __slots__ = ("_bytes", "known")

    def __init__(self) -> None:
        """Begin empty."""
        self.known: set[bytes] = set()
        self._bytes = 0

    def add(self, shape: bytes) -> None:
        """Add a shape, unless it is long; a full set starts again."""
        if len(shape) > LONGEST:
            return
        if self._bytes > MOST_BYTES:
            self.known.clear()
            self._bytes = 0
        self.known.add(shape)
        self._bytes += len(shape)


class CleanTexts:
    """Knows texts that hold nothing to mask, by their shape; never one that the filter reports."""

    def __init__(self, text_filter: TextFilter, names: NameRule) -> None:
        """Ask `text_filter` about each new shape, and `names` about names that no text can hold, such as `api/key`."""
        self._filter, self._names = text_filter, names
        self._texts, self._items, self._ids = Shapes(), Shapes(), Shapes()
        self._pieces: set[str] = set()
        self._hexadecimal_is_clean = not text_filter.has_keyword_of(HEXADECIMAL.decode())

    def is_text(self, text: str) -> bool:
        """True if a text holds nothing."""
        shape = shape_of(text)
        return shape in self._texts.known or self._examine(text, shape, self._texts)

    def is_item(self, text: str) -> bool:
        """True if a text holds nothing where it may also be the name of the value beside it."""
        shape = shape_of(text)
        return shape in self._items.known or self._examine(text, shape, self._items, marked=True)

    def is_id(self, text: str) -> bool:
        """True if a text in which numbers are not personal holds nothing."""
        shape = shape_of(text)
        if self._hexadecimal_is_clean and not shape.strip(HEXADECIMAL):
            return True
        return shape in self._ids.known or self._examine(text, shape, self._ids, numbers=False)

    def is_json(self, raw: str) -> bool:
        """True if a line, which may be JSON, holds nothing in any of the pieces between its quotes.

        No rule reads across a quote, except that a piece may be the name of the next one.
        """
        unknown = set(raw.split('"')) - self._pieces
        if not all(map(self.is_item, unknown)):
            return False
        self._remember(unknown)
        return True

    def _remember(self, pieces: Iterable[str]) -> None:
        """Remember the pieces that are names or signs, which repeat."""
        if len(self._pieces) > MOST_PIECES:
            self._pieces.clear()
        for piece in pieces:
            if len(piece) <= SHORTEST_PIECE or (len(piece) <= LONGEST_PIECE and piece.isidentifier()):
                self._pieces.add(piece)

    def _examine(self, text: str, shape: bytes, shapes: Shapes, *, numbers: bool = True, marked: bool = False) -> bool:
        if self._filter.may_hold(text, numbers=numbers, marked=marked):
            return False
        is_odd = marked and PLAIN_NAME.fullmatch(text) is None
        if is_odd and self._names.kind(text):
            return False
        if not self._filter.depends_on_digits(shape) and not (is_odd and self._filter.has_numbered_names):
            shapes.add(shape)
        return True
