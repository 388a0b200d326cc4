"""Redact: secrets and personal data masked in events, raw lines and error texts, before anything leaves.

Nearly every event holds nothing of the kind. `suspicious` finds out from the raw text at the cost of a few searches in
compiled code; it may be wrong in one direction only.
"""

import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

from processors.envelope import LONE_SURROGATES
from processors.escape import spelled
from schemas.event import KNOWN_FIELDS

if TYPE_CHECKING:
    from processors.linear import Linear

DEFAULT_FIELDS = (
    "password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "refresh_token", "id_token",
    "authorization", "cookie", "set_cookie", "api_key", "apikey", "private_key", "session_id", "ssn",
    "card_number", "cvv",
)  # fmt: skip
HASH_DIGITS, KEY_DIGITS = 12, 4
"""Of a value's hash, and of the name of the key that made it."""
DEEPEST = 100
MOST_PARTS = 3
"""Parts of a field's name whose spellings are looked for one by one; of a longer name, its longest part is."""
MOST_KEPT, LONGEST_KEPT = 20_000, 200
"""Texts remembered to hold nothing: how many, and how long one may be."""


class Pattern(NamedTuple):
    """A built-in pattern: where a value may stand, and what else it must be. Group `value`, if any, is masked."""

    regex: re.Pattern[str]
    hints: tuple[str, ...] = ()
    """One of these, in lower case, is in every text that the pattern matches."""
    long_number: bool = False
    """Whether what it matches is a long number."""
    holds: Callable[[str], bool] = lambda _value: True
    normal: Callable[[str], str] = str
    """The spelling that is hashed, so that one value has one hash however it is written."""


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign in "0123456789")


def luhn(text: str) -> bool:
    """Whether the digits pass the check of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:  # noqa: PLR2004 -- lengths of card numbers
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0  # noqa: PLR2004


def french_nir(text: str) -> bool:
    """Whether a French social security number passes its key: 97 minus the number modulo 97 (INSEE)."""
    compact = text.upper().replace(" ", "").replace(".", "").replace("-", "")
    number = compact[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and compact[13:].isdigit() and int(compact[13:]) == 97 - int(number) % 97


def _compact(number: str) -> str:
    """A number without what separates its digits."""
    return ("+" if number.startswith("+") else "") + "".join(filter(str.isalnum, number.upper()))


WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|credential"
)
WORD = re.compile(rf"(?:{WORDS})[\w-]{{0,20}}\Z", re.IGNORECASE)
"""Names whose values the pattern `password` finds."""
PREFIX = r"(?:[bu](?=\\{0,7}+[\"']))?+"
GIVEN = rf"\\{{0,7}}+[\"']?+\s{{0,4}}+[=:]{{1,2}}+>?+\s{{0,4}}+{PREFIX}"
"""What stands between a name and its value, in JSON, in JSON within JSON, in a query, in words and in code."""
QUOTED = r"(?:(?!(?<!\\)(?P=quote))(?:\\.|[^\\\n]))++"
"""A value up to the quote that began it; a quote behind a backslash is part of it."""
BARE = r"[^\s\"',;&)}\]]++"
NESTED = r"(?!\[redacted:)[\[{(](?:(?=[\s\[{(]{0,20}+[bu]?+\\{0,7}+[\"'])(?s:.)++|[^\])}\n]++)"
"""A value that is an object or a list: nothing tells the end of one that holds texts, and all that follows is of it."""
PATTERNS: dict[str, Pattern] = {
    "header": Pattern(
        re.compile(
            r"\b(?:set-cookie|cookie|(?:proxy-)?authorization):[ \t]{0,4}(?P<value>[^\r\n\"'\\]++)", re.IGNORECASE
        ),
        ("cookie", "authorization"),
    ),
    "url_password": Pattern(
        re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{0,128}:(?P<value>[^\s@'\"]{1,256})@", re.IGNORECASE),
        ("://",),
    ),
    "bearer": Pattern(
        re.compile(r"\b(?:bearer|basic)\s{1,4}(?P<value>[A-Za-z0-9+/_.~=-]{8,}+)", re.IGNORECASE),
        ("bearer", "basic"),
    ),
    "jwt": Pattern(
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+)?", re.IGNORECASE),
        ("eyj",),
    ),
    "password": Pattern(
        re.compile(
            rf"(?:{WORDS})[\w-]{{0,20}}{GIVEN}(?P<quote>\\{{0,7}}[\"'])?(?P<value>(?(quote){QUOTED}|(?:{NESTED}|{BARE})))",
            re.IGNORECASE,
        ),
        ("pass", "pwd", "secret", "token", "key", "credential"),
    ),
    "email": Pattern(
        re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        ("@",),
        normal=str.lower,
    ),
    "card": Pattern(re.compile(r"(?<![\w.-])(?:4\d{12}|[2-6](?:[ +-]?\d){13,18})(?![\w-])"), (), True, luhn, _compact),
    "national_id": Pattern(
        re.compile(
            r"(?<!\w)[12][ .+-]?\d\d[ .+-]?\d\d[ .+-]?(?:\d\d|2[ABab])[ .+-]?\d{3}[ .+-]?\d{3}[ .+-]?\d\d(?!\w)"
        ),
        (),
        True,
        french_nir,
        _compact,
    ),
    "phone": Pattern(
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{2,4}\)[ .-]?\d(?:[ .-]?\d){5,11}|\d(?:[ .-]?\d){7,11})"
            r"|0[1-9](?:[ .-]?\d\d){4})(?![\w-])"
        ),
        (),
        True,
        normal=_compact,
    ),
}
"""Built-in patterns by name, in the order they are tried."""

ENCODED = ("%20", "%25", "%2b", "%3a", "%3d", "%40", "\\u00")
"""Signs of a text in which a space, `+`, `:`, `=`, `@`, or a `%` before such a sign, is written in another way.

It is looked at decoded as well.
"""
NEEDLES = (*(hint for pattern in PATTERNS.values() for hint in pattern.hints if hint != "@"), *ENCODED)
"""One of these, in any case, is in every text that a pattern of words can match."""
ESCAPE = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")
MASKED = re.compile(r"\[redacted:[^\]\s]{1,120}\]?")
NUMBER = re.compile(r"(?<![\w.-])\+?\d(?:[ .()+-]{0,2}[\dABab]){8,}")
"""Nine digits or more with separators: every card, telephone and social security number is one."""
SHORT_NUMBER = 12
"""A number written in so few characters is none that is masked."""
LONGEST_END = 256
IPV4 = re.compile(r"(?<![\d.+])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
"""Addresses of clients are in every access line, and no pattern can match one."""
SHAPED = frozenset({"correlation_id", "timestamp"})
"""Fields whose text is bound by the schema: a number in it is nobody's, and words are looked for where signs allow."""
_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _number_in(text: str) -> bool:
    """Whether a text may hold a long number; most are ruled out by their digits alone."""
    digits = text.encode("utf-8", "replace").translate(_ZEROS, b" .()+-")
    return b"00000000" in digits and NUMBER.search(IPV4.sub("", text)) is not None


def _wordy(text: str) -> bool:
    """Whether a text without spaces may hold a word and its value, a URL, or a token of three parts."""
    return "=" in text or ":" in text or text.count(".") > 1


def unsplit(text: str) -> str:
    """A text that was cut off, without the word or number that it ends in: half a secret is recognised by nobody.

    At most LONGEST_END characters go.
    """
    kept = max(0, len(text) - LONGEST_END)
    end = text[kept:].rstrip()
    end = end[: len(end) - len(end.split()[-1])] if end else end
    return text[:kept] + end.rstrip("0123456789 .()+-")


def key_id(key: bytes) -> str:
    """The name of a key, by which a hash tells what made it: four hexadecimal digits that follow from the key."""
    return hmac.digest(key, b"the name of this key", "sha256").hex()[:KEY_DIGITS]


def hash_of(key: bytes, value: str) -> str:
    """What stands for `value` under `key`: the key's name and twelve digits of HMAC-SHA256."""
    digest = hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"{key_id(key)}-{digest[:HASH_DIGITS]}"


def spellings(value: str) -> Iterator[str]:
    """`value` in each spelling that redaction may have hashed: as a field's, and as what a pattern takes it for."""
    found = [value]
    found += [pattern.normal(value) for pattern in PATTERNS.values() if pattern.regex.fullmatch(value)]
    yield from dict.fromkeys(found)


class Redactor:
    """Masks configured fields and patterns; also a structlog processor."""

    def __init__(
        self,
        fields: Iterable[str] = DEFAULT_FIELDS,
        patterns: Iterable[str] = tuple(PATTERNS),
        *,
        key: bytes | None = None,
        mode: Literal["mask", "hash"] = "mask",
        extra_patterns: Mapping[str, str] | None = None,
    ) -> None:
        """`key` is needed for mode `hash`. Raises ValueError for a pattern that is unknown, or none that RE2 takes."""
        if mode == "hash" and not key:
            raise ValueError("redaction by hash needs a key: give redact.key_file")
        unknown = [name for name in patterns if name not in PATTERNS]
        if unknown:
            raise ValueError(f"no built-in pattern is called {unknown[0]!r}; there are {', '.join(PATTERNS)}")
        self._key = key if mode == "hash" else None
        fields = tuple(fields)
        self._fields = frozenset(_plain_name(name) for name in fields)
        self._patterns = {name: PATTERNS[name] for name in patterns}
        left = "password" in self._patterns
        named, hints, told = named_values(name for name in fields if not (left and WORD.search(name)))
        if named is not None:
            self._patterns = {"field": Pattern(named, hints), **self._patterns}
        self.needles = (*NEEDLES, *(hint for hint in hints if hint not in NEEDLES))
        """One of these, in any case, is in every text that a pattern of words or a field's name can match."""
        self._extra = {name: self._linear(name, regex) for name, regex in (extra_patterns or {}).items()}
        self._always = bool(extra_patterns) or not told
        self._clean: set[str] = set()
        self._clean_names: set[str] = set()

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Mask an application's own entry."""
        return self.redact_event(event_dict)

    @staticmethod
    def _linear(name: str, regex: str) -> "Linear":
        """A configured pattern. Raises ValueError."""
        from processors.linear import Linear  # noqa: PLC0415 -- most configurations have none, and it takes its time

        try:
            return Linear(regex)
        except ValueError as error:
            raise ValueError(f"redaction pattern {name!r} is no regular expression of RE2: {error}") from error

    @property
    def masked_names(self) -> frozenset[str] | None:
        """Names of fields that are masked, in lower case without `-` and `_`; None where texts are looked at anyway."""
        return None if self._always else self._fields

    def suspicious(self, raw: str, event: dict[str, Any]) -> bool:
        """Whether `event`, decoded from `raw`, may hold something to mask; false means that it holds nothing.

        Escapes can hide anything, so a raw text with a backslash is always looked at closely.
        """
        if self._always or "@" in raw or "\\" in raw:
            return True
        clean = self._clean
        for name, value in event.items():
            if (
                type(value) is str
                and value not in clean
                and (self._may_hold(value) if name not in SHAPED else _wordy(value) and self._hinted(value.lower()))
            ):
                return True
        extra = event.get("extra")
        return extra is not None and self._suspicious_extra(extra)

    def _suspicious_extra(self, extra: Any) -> bool:  # noqa: ANN401 -- any JSON value
        """The same for what the schema does not know; what is nested is always looked at closely."""
        if type(extra) is not dict:
            return True
        clean = self._clean
        for name, value in extra.items():
            if name not in self._clean_names and self._telling(name):
                return True
            if type(value) is str:
                if value not in clean and self._may_hold(value):
                    return True
            elif isinstance(value, dict | list) or (value is not None and len(str(value)) > SHORT_NUMBER):
                return True
        return False

    def _telling(self, name: str) -> bool:
        """Whether a field's name is sensitive or holds something itself; names that are neither are remembered."""
        if _plain_name(name) in self._fields or self._may_hold(name):
            return True
        if len(name) < LONGEST_KEPT and len(self._clean_names) < MOST_KEPT:
            self._clean_names.add(name)
        return False

    def _hinted(self, lowered: str) -> bool:
        """Whether a text in lower case has a sign of what a pattern of words or a field's name can match."""
        return any([needle in lowered for needle in self.needles])  # noqa: C419 -- twice as fast

    def _may_hold(self, value: str) -> bool:
        """Whether one text may hold something; texts that hold nothing are remembered, for most come again."""
        if self._hinted(value.lower()) or _number_in(value):
            return True
        if len(value) < LONGEST_KEPT:
            if len(self._clean) >= MOST_KEPT:
                self._clean.clear()
            self._clean.add(value)
        return False

    def redact_text(self, text: str) -> str:
        """`text` with every match of a pattern masked, also where it is written with percents or escapes."""
        if not self._always and "@" not in text and (text in self._clean or not self._may_hold(text)):
            return text
        masked = self._matches(text)
        decoded = _decoded(masked)
        if decoded != masked and (found := self._matches(decoded)) != decoded:
            return found
        return masked

    def redact_raw(self, text: str) -> str:
        """A raw line masked: where it is JSON by its fields as an event is, then as a text.

        Otherwise it stays as it was written. A name that an object holds twice is looked at each time.
        """
        if not self._always and "@" not in text and "\\" not in text and not self._may_hold(text):
            return text
        if text.lstrip("\ufeff \t")[:1] == "{":
            try:
                found = json.loads(text.strip("\ufeff \t\r\n\0"), strict=False, object_pairs_hook=_Pairs)
                masked = self._value("", found, 0)
                if masked != found:
                    text = _written(masked)
            except (ValueError, RecursionError):
                pass  # no JSON: it is looked at as a text alone
        return self.redact_text(text)

    def _matches(self, text: str, *, numbers: bool = True) -> str:
        lowered, numbers = text.lower(), numbers and _number_in(text)
        for name, pattern in self._patterns.items():
            if pattern.long_number:
                possible = numbers
            else:
                possible = not pattern.hints or any([hint in lowered for hint in pattern.hints])  # noqa: C419
            if possible:
                text = pattern.regex.sub(partial(self._masked, name=name, pattern=pattern), text)
        for name, extra in self._extra.items():
            text = extra.sub(lambda value, name=name: self._replacement(name, value), text)  # type: ignore[misc]
        return text

    def redact_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """A copy of the event with fields and patterns masked at any depth; keys are looked at as well."""
        return {
            name: self._shaped(value) if name in SHAPED else self._value(name, value, 0)
            for name, value in event.items()
        }

    def _shaped(self, value: Any) -> Any:  # noqa: ANN401 -- an application's own entry may hold anything
        if isinstance(value, str):
            return self._matches(value, numbers=False) if self._always or "@" in value or _wordy(value) else value
        return self._value("", value, 0)

    def _value(self, name: str, value: Any, depth: int) -> Any:  # noqa: ANN401 -- any JSON value
        if value is not None and name not in KNOWN_FIELDS and _plain_name(name) in self._fields:
            return self._replacement("field", value if isinstance(value, str) else spelled(value))
        if isinstance(value, str):
            return self.redact_text(value)
        if depth > DEEPEST:
            return self._replacement("depth", "")
        if isinstance(value, _Pairs):
            return _Pairs((self.redact_text(key), self._value(key, item, depth + 1)) for key, item in value)
        if isinstance(value, dict):
            found: dict[str, Any] = {}
            for key, item in value.items():
                found[_free(self.redact_text(str(key)), found)] = self._value(str(key), item, depth + 1)
            return found
        if isinstance(value, list | tuple):
            return [self._value("", item, depth + 1) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in KNOWN_FIELDS:
            masked = self.redact_text(str(value))
            return value if masked == str(value) else masked
        return value

    def _masked(self, match: re.Match[str], *, name: str, pattern: Pattern) -> str:
        group = "value" if "value" in match.re.groupindex else 0
        value = match[group]
        if not pattern.holds(value) or MASKED.fullmatch(value):
            return match[0]
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + self._replacement(name, pattern.normal(value)) + match[0][end:]

    def _replacement(self, name: str, value: str) -> str:
        return f"[redacted:{name}]" if self._key is None else f"[redacted:{name}:{hash_of(self._key, value)}]"


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with all that it holds, names that come twice too."""


def _written(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """JSON of a value in which objects may be `_Pairs`; lone surrogates stay the escapes that they were read from."""
    if isinstance(value, _Pairs):
        return "{" + ",".join(f"{_written(name)}:{_written(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return LONE_SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """`name`, or the first of `name (2)`, `name (3)` … that is not taken: two that are masked are still two."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def _decoded(text: str) -> str:
    r"""`text` with `%40` and `\u0040` as the signs that they stand for, in a query within a query too."""
    found = ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    for _ in range(2):
        found = unquote(found, errors="replace") if "%" in found else found
    return found


def named_values(fields: Iterable[str]) -> tuple[re.Pattern[str] | None, tuple[str, ...], bool]:
    """What finds `name=value` and `"name": value` of fields in a text, the hints to it, and whether they are enough.

    Of a value that is an object or a list, nothing tells the end, and all that follows is masked.
    """
    names, hints, told = [], [], True
    for field in dict.fromkeys(name.lower() for name in fields):
        parts = [part for part in re.split(r"[-_]+", field) if part]
        if not parts:
            continue
        names.append("[-_]?".join(map(re.escape, parts)))
        if len(parts) <= MOST_PARTS and field.isascii():
            signs = product(("", "-", "_"), repeat=len(parts) - 1)
            hints += ["".join(chain.from_iterable(zip(parts, (*between, ""), strict=True))) for between in signs]
        else:
            hint = max(re.findall(r"[a-z0-9]+", " ".join(parts)) or [""], key=len)
            hints.append(hint)
            told = told and bool(hint)
    if not names:
        return None, (), True
    given = rf"(?:\\{{0,7}}+[\"']\s{{0,4}}+[=:]|\s{{0,4}}+=)=?+>?+\s{{0,4}}+{PREFIX}"
    value = rf"(?P<quote>\\{{0,7}}[\"'])?(?P<value>(?(quote){QUOTED}|(?:(?!\[redacted:)[\[{{](?s:.)++|{BARE})))"
    regex = rf"(?<![A-Za-z0-9])(?:{'|'.join(names)}){given}{value}"
    return re.compile(regex, re.IGNORECASE), tuple(hints), told


def _plain_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
