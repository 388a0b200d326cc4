"""The filter before redaction: one pass of fast searches that rules out nearly all texts.

It reports every text that a rule of redaction could change, and some more. `tests/processors/test_redact.py` holds it
to that.
"""

import re
from collections.abc import Iterable
from itertools import product
from urllib.parse import unquote

from shipper_processors.redact_assignments import NOTATION_KEYWORDS
from shipper_processors.redact_names import AT_END, QUERY_ENDING, QUERY_NAMES, Listed
from shipper_processors.redact_numbers import CORSICAN, IBAN, RUN
from shipper_processors.redact_patterns import KEY, LINK, LINK_STEMS, PREFIXES, WORD_KEYWORDS

MARKS = re.compile(r"[=:<&'\"-]")
"""A name and its value are written with one of these between or around them."""
ESCAPE = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")
JSON_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_SIGNS = dict.fromkeys("bfnrt", "\n")
SIGNS = ("", "_", "-", ".", " ")
"""Between two words of a name in text."""
SIGNS_BYTES = "".join(SIGNS).encode()
NEAR = 40
OBJECT = re.compile(r"\"\s{0,8}:\s{0,8}[\[{]")
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LEAST = b"000000000"
_CORSICAN = (b"0A00000000", b"0B00000000", b"0a00000000", b"0b00000000")


def decoded(text: str) -> str:
    r"""Return `text` with `%40` and `\u0040` decoded, also in a query within a query."""
    text = ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text) if "\\u00" in text else text
    for _ in range(2):
        text = unquote(text, errors="replace") if "%" in text else text
    return text


def without_escapes(text: str) -> str:
    r"""Return `text` with all that looks like an escape of JSON decoded: `\nghp_…` has a key, `\/reset\/…` a link."""
    return JSON_ESCAPE.sub(
        lambda escape: chr(int(escape[1], 16)) if escape[1] else _SIGNS.get(escape[2], escape[2]), text
    )


def may_hold_number(text: str) -> bool:
    """True if a text may hold a personal number; counting digits rules out most texts."""
    digits = text.encode("utf-8", "replace").translate(_ZEROS, b" .()+-")
    if _LEAST in digits:
        return RUN.search(text) is not None or IBAN.search(text) is not None
    return any(zeros in digits for zeros in _CORSICAN) and CORSICAN.search(text) is not None


class TextFilter:
    """Recognises texts in which a listed name, a known form or a number may occur."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        """`listed` are the names of the rule."""
        listed = tuple(listed)
        single = dict.fromkeys(name.words[0] for name in listed if len(name.words) == 1)
        strong = [word for word in single if len(word) >= AT_END and word.isascii()]
        strong = [word for word in strong if not any(other in word for other in strong if other != word)]
        self.short = tuple(word for word in single if len(word) < AT_END and word.isascii())
        """Names that count as whole words only."""
        self._phrases = [name.words for name in listed if len(name.words) > 1]
        self._strong = (*strong, *NOTATION_KEYWORDS, *(f"{name}=" for name in (*QUERY_NAMES, QUERY_ENDING)))
        self.every_text = not all(word.isascii() for name in listed for word in name.words)
        """True if a name has letters that only a full comparison recognises."""
        self._whole_words = {word: re.compile(_whole_word(word)) for word in self.short}
        joined = dict.fromkeys("".join(words).encode().decode("latin-1") for words in self._phrases)
        self._joined = tuple(one for one in joined if not any(other in one for other in joined if other != one))
        """Names of several words, without the signs between them."""
        heads = dict.fromkeys(word for words in self._phrases for word in words[:-1])
        self._heads = tuple(end for word in heads for end in (word, f"{word}s"))
        self.has_numbered_names = any(map(str.isdigit, "".join(word for name in listed for word in name.words)))
        self._keywords = (*WORD_KEYWORDS, *self._strong, *self.short, *self._joined, *PREFIXES)
        numbered = (keyword.lower().encode() for keyword in self._keywords if any(map(str.isdigit, keyword)))
        self._numbered = tuple(keyword.translate(_ZEROS) for keyword in numbered)
        """Keywords with digits, each digit as 0."""

    @property
    def keywords(self) -> tuple[str, ...]:
        """Every text in which a listed name may have a value contains one of these, or a whole word of `short`."""
        spelled = (
            "".join(part for pair in zip(words, (*signs, ""), strict=True) for part in pair)
            for words in self._phrases
            for signs in product(SIGNS, repeat=len(words) - 1)
        )
        return tuple(dict.fromkeys((*self._strong, *spelled)))

    def may_hold(self, text: str, *, numbers: bool = True, marked: bool = False) -> bool:
        """True if a text may hold something to mask; with `marked`, also if it may be a name beside its value."""
        if self._in(text, numbers=numbers, marked=marked):
            return True
        if "%" in text or "\\u00" in text:
            other = decoded(text)
            return other != text and self._in(other, numbers=numbers, marked=marked)
        return False

    def depends_on_digits(self, shape: bytes) -> bool:
        """True if the filter's answer may differ between texts of a shape: UTF-8 with each digit as 0."""
        if b"%" in shape or b"\\u00" in shape:  # the digits are a character's code
            return True
        if any(zeros in shape.translate(None, b" .()+-") for zeros in _CORSICAN):
            return True
        lowered = shape.lower()
        joined = lowered.translate(None, SIGNS_BYTES)
        return any(keyword in lowered or keyword in joined for keyword in self._numbered)

    def has_keyword_of(self, characters: str) -> bool:
        """True if a keyword has none but these characters."""
        return any(set(keyword).issubset(characters) for keyword in self._keywords)

    def may_hold_nested(self, raw: str) -> bool:
        """True if JSON may hold a listed name in parts, as `{"api": {"key": …}}`."""
        if raw.count("{") < 2 and "[" not in raw:  # noqa: PLR2004 -- one object in another
            return False
        places = (raw[max(0, match.start() - NEAR) : match.start()] for match in OBJECT.finditer(raw))
        return any(place.lower().rstrip("\\").endswith(self._heads) for place in places)

    def _in(self, text: str, *, numbers: bool, marked: bool) -> bool:
        if "@" in text:
            return True
        lowered = text.lower()
        if any([word in lowered for word in WORD_KEYWORDS]):  # noqa: C419 -- twice as fast as a generator
            return True
        if marked or MARKS.search(text) is not None:
            if any([word in lowered for word in self._strong]):  # noqa: C419
                return True
            for word, expression in self._whole_words.items():
                if word in lowered and expression.search(text):
                    return True
            joined = lowered.encode("utf-8", "replace").translate(None, SIGNS_BYTES).decode("latin-1")
            if any([name in joined for name in self._joined]):  # noqa: C419
                return True
        if any([prefix in text for prefix in PREFIXES]) and KEY.search(text) is not None:  # noqa: C419
            return True
        if "/" in text and any([stem in lowered for stem in LINK_STEMS]) and LINK.search(text) is not None:  # noqa: C419
            return True
        return numbers and may_hold_number(text)


def _whole_word(word: str) -> str:
    """Return an expression for a word that no letter continues, except at a change of case."""
    first, rest = word[0], word[1:]
    return rf"(?:(?<![A-Za-z])(?i:{re.escape(first)})|{re.escape(first.upper())})(?i:{re.escape(rest)}s?)(?![a-z])"
