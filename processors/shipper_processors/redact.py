"""Redact: secrets and personal data masked in events, raw lines and error texts, before anything leaves.

Nearly every event holds nothing of the kind. `suspicious` finds out from the raw text at the cost of a few searches in
compiled code; it may be wrong in one direction only.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from shipper_processors.chain_plan import SCHEMA, RedactionPlan
from shipper_processors.envelope import LONE_SURROGATES
from shipper_processors.pseudonym import hash_of
from shipper_processors.redact_patterns import NEEDLES, PATTERNS, WORD, Pattern, named_values
from shipper_processors.sanitize import spelled

if TYPE_CHECKING:
    from shipper_processors.safe_regex import Linear

DEFAULT_FIELDS = (
    "password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "refresh_token", "id_token",
    "authorization", "cookie", "set_cookie", "api_key", "apikey", "private_key", "session_id", "ssn",
    "card_number", "cvv",
)  # fmt: skip
DEEPEST = 100
MOST_KEPT, LONGEST_KEPT = 20_000, 200
"""Texts remembered to hold nothing: how many, and how long one may be."""
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
KNOWN = frozenset(field.name for field in SCHEMA.known_fields)
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
        self._patterns = {name: PATTERNS[name] for name in patterns}
        left = "password" in self._patterns
        named, hints, told = named_values(name for name in fields if not (left and WORD.search(name)))
        if named is not None:
            self._patterns = {"field": Pattern(named, hints), **self._patterns}
        self.plan = RedactionPlan(
            tuple(sorted({_plain_name(name) for name in fields})),
            (*NEEDLES, *(hint for hint in hints if hint not in NEEDLES)),
            tuple(sorted(SHAPED)),
            bool(extra_patterns) or not told,
        )
        self._fields = frozenset(self.plan.masked_names)
        self._needles = self.plan.needles
        self._always = self.plan.every_text
        self._extra = {name: self._linear(name, regex) for name, regex in (extra_patterns or {}).items()}
        self._clean: set[str] = set()
        self._clean_names: set[str] = set()

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Mask an application's own entry."""
        return self.redact_event(event_dict)

    @staticmethod
    def _linear(name: str, regex: str) -> "Linear":
        """A configured pattern. Raises ValueError, and ModuleNotFoundError without google-re2."""
        try:
            from shipper_processors.safe_regex import Linear  # noqa: PLC0415 -- most configurations have none, and it takes its time
        except ModuleNotFoundError as error:
            what = f"redaction pattern {name!r} needs google-re2: pip install 'shipper-processors[patterns]'"
            raise ModuleNotFoundError(what, name=error.name) from error

        try:
            return Linear(regex)
        except ValueError as error:
            raise ValueError(f"redaction pattern {name!r} is no regular expression of RE2: {error}") from error

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
        return any([needle in lowered for needle in self._needles])  # noqa: C419 -- twice as fast

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
        if value is not None and name not in KNOWN and _plain_name(name) in self._fields:
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
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in KNOWN:
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


def _plain_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
