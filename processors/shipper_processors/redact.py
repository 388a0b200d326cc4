"""Mask secrets and personal data in events, raw lines and error texts, before anything is stored or sent.

Nearly all events contain none. `suspicious` rules them out with a few fast searches; it may report a harmless event,
but never misses one that has something to mask.
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
from shipper_processors.redact_names import DEFAULT_FIELDS
from shipper_processors.redact_patterns import KEYWORDS, PATTERNS, WORD, Pattern, named_values
from shipper_processors.sanitize import safe_repr

if TYPE_CHECKING:
    from shipper_processors.safe_regex import SafePattern

DEEPEST = 100
MOST_KEPT, LONGEST_KEPT = 20_000, 200
"""Number and longest length of the harmless texts that are cached."""
ESCAPE = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")
MASKED = re.compile(r"\[redacted:[^\]\s]{1,120}\]?")
NUMBER = re.compile(r"(?<![\w.-])\+?\d(?:[ .()+-]{0,2}[\dABab]){8,}")
"""Nine digits or more with separators: every card, telephone and social security number matches."""
SHORT_NUMBER = 12
"""Longest number, in characters, that is never masked."""
LONGEST_END = 256
IPV4 = re.compile(r"(?<![\d.+])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
"""Client addresses are in every access line, and no pattern can match one."""
CONSTRAINED = frozenset({"correlation_id", "trace_id", "span_id", "timestamp"})
"""Fields whose text the schema constrains: numbers in it are not personal, and words need `=`, `:` or dots."""
KNOWN = frozenset(field.name for field in SCHEMA.known_fields)
_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _has_long_number(text: str) -> bool:
    """True if a text may hold a long number; counting digits rules out most texts."""
    digits = text.encode("utf-8", "replace").translate(_ZEROS, b" .()+-")
    return b"00000000" in digits and NUMBER.search(IPV4.sub("", text)) is not None


def _may_hold_assignment(text: str) -> bool:
    """True if a text without spaces may hold a name and its value, a URL, or a token of three parts."""
    return "=" in text or ":" in text or text.count(".") > 1


def without_cut_end(text: str) -> str:
    """Return a truncated text without its last word or number: no pattern recognises half a secret.

    Removes at most LONGEST_END characters.
    """
    kept = max(0, len(text) - LONGEST_END)
    end = text[kept:].rstrip()
    end = end[: len(end) - len(end.split()[-1])] if end else end
    return text[:kept] + end.rstrip("0123456789 .()+-")


def spellings(value: str) -> Iterator[str]:
    """Yield each spelling of `value` that redaction may have hashed: the value, and each pattern's normal form."""
    candidates = [value]
    candidates += [pattern.normal(value) for pattern in PATTERNS.values() if pattern.regex.fullmatch(value)]
    yield from dict.fromkeys(candidates)


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
        """`key` is required for mode `hash`. Raises ValueError for a pattern that is unknown, or invalid for RE2."""
        if mode == "hash" and not key:
            raise ValueError("redaction by hash needs a key: set redact.key_file")
        unknown = [name for name in patterns if name not in PATTERNS]
        if unknown:
            raise ValueError(f"unknown redaction pattern {unknown[0]!r}; expected one of {', '.join(PATTERNS)}")
        self._key = key if mode == "hash" else None
        fields = tuple(fields)
        self._patterns = {name: PATTERNS[name] for name in patterns}
        has_password = "password" in self._patterns
        field_values, keywords, complete = named_values(
            name for name in fields if not (has_password and WORD.search(name))
        )
        if field_values is not None:
            self._patterns = {"field": Pattern(field_values, keywords), **self._patterns}
        self.plan = RedactionPlan(
            tuple(sorted({_normalized_name(name) for name in fields})),
            (*KEYWORDS, *(keyword for keyword in keywords if keyword not in KEYWORDS)),
            tuple(sorted(CONSTRAINED)),
            bool(extra_patterns) or not complete,
        )
        self._fields = frozenset(self.plan.masked_names)
        self._keywords = self.plan.keywords
        self._every_text = self.plan.every_text
        self._extra = {name: self._safe_pattern(name, regex) for name, regex in (extra_patterns or {}).items()}
        self._clean: set[str] = set()
        self._clean_names: set[str] = set()

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Mask an application's own entry."""
        return self.redact_event(event_dict)

    @staticmethod
    def _safe_pattern(name: str, regex: str) -> "SafePattern":
        """Compile a configured pattern. Raises ValueError, and ModuleNotFoundError without google-re2."""
        try:
            from shipper_processors.safe_regex import SafePattern  # noqa: PLC0415 -- most configurations have none, and the import is slow
        except ModuleNotFoundError as error:
            what = f"redaction pattern {name!r} needs google-re2: pip install 'shipper-processors[patterns]'"
            raise ModuleNotFoundError(what, name=error.name) from error

        try:
            return SafePattern(regex)
        except ValueError as error:
            raise ValueError(f"redaction pattern {name!r} is not a valid RE2 expression: {error}") from error

    def suspicious(self, raw: str, event: dict[str, Any]) -> bool:
        """True if `event`, decoded from `raw`, may hold something to mask; False guarantees that it holds nothing.

        Escapes can hide anything, so a raw text with a backslash is always examined.
        """
        if self._every_text or "@" in raw or "\\" in raw:
            return True
        clean = self._clean
        for name, value in event.items():
            if (
                type(value) is str
                and value not in clean
                and (
                    self._may_hold(value)
                    if name not in CONSTRAINED
                    else _may_hold_assignment(value) and self._has_keyword(value.lower())
                )
            ):
                return True
        extra = event.get("extra")
        return extra is not None and self._suspicious_extra(extra)

    def _suspicious_extra(self, extra: Any) -> bool:  # noqa: ANN401 -- any JSON value
        """The same for fields outside the schema; nested values always count as suspicious."""
        if type(extra) is not dict:
            return True
        clean = self._clean
        for name, value in extra.items():
            if name not in self._clean_names and self._is_sensitive_name(name):
                return True
            if type(value) is str:
                if value not in clean and self._may_hold(value):
                    return True
            elif isinstance(value, dict | list) or (value is not None and len(str(value)) > SHORT_NUMBER):
                return True
        return False

    def _is_sensitive_name(self, name: str) -> bool:
        """True if a field's name is sensitive or may itself hold something to mask; other names are cached."""
        if _normalized_name(name) in self._fields or self._may_hold(name):
            return True
        if len(name) < LONGEST_KEPT and len(self._clean_names) < MOST_KEPT:
            self._clean_names.add(name)
        return False

    def _has_keyword(self, lowered: str) -> bool:
        """True if a lower-case text contains a keyword of a word pattern or of a field's name."""
        return any([keyword in lowered for keyword in self._keywords])  # noqa: C419 -- twice as fast

    def _may_hold(self, value: str) -> bool:
        """True if a text may hold something to mask; harmless texts are cached, since most repeat."""
        if self._has_keyword(value.lower()) or _has_long_number(value):
            return True
        if len(value) < LONGEST_KEPT:
            if len(self._clean) >= MOST_KEPT:
                self._clean.clear()
            self._clean.add(value)
        return False

    def redact_text(self, text: str) -> str:
        """Return `text` with every match of a pattern masked, also in percent-encoded and escaped text."""
        if not self._every_text and "@" not in text and (text in self._clean or not self._may_hold(text)):
            return text
        masked = self._matches(text)
        decoded = _decoded(masked)
        if decoded != masked and (masked_decoded := self._matches(decoded)) != decoded:
            return masked_decoded
        return masked

    def redact_raw(self, text: str) -> str:
        """Return a raw line masked: a JSON object by its fields, as an event, then as text.

        The rest stays unchanged. If an object has a name twice, both values are masked.
        """
        if not self._every_text and "@" not in text and "\\" not in text and not self._may_hold(text):
            return text
        if text.lstrip("\ufeff \t")[:1] == "{":
            try:
                content = json.loads(text.strip("\ufeff \t\r\n\0"), strict=False, object_pairs_hook=_Pairs)
                masked = self._value("", content, 0)
                if masked != content:
                    text = _to_json(masked)
            except (ValueError, RecursionError):
                pass  # invalid JSON: masked as text only
        return self.redact_text(text)

    def _matches(self, text: str, *, numbers: bool = True) -> str:
        lowered, numbers = text.lower(), numbers and _has_long_number(text)
        for name, pattern in self._patterns.items():
            if pattern.long_number:
                possible = numbers
            else:
                possible = not pattern.keywords or any([keyword in lowered for keyword in pattern.keywords])  # noqa: C419
            if possible:
                text = pattern.regex.sub(partial(self._masked, name=name, pattern=pattern), text)
        for name, extra in self._extra.items():
            text = extra.sub(lambda value, name=name: self._replacement(name, value), text)  # type: ignore[misc]
        return text

    def redact_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of the event with fields and patterns masked at any depth, in keys too."""
        return {
            name: self._redact_constrained(value) if name in CONSTRAINED else self._value(name, value, 0)
            for name, value in event.items()
        }

    def _redact_constrained(self, value: Any) -> Any:  # noqa: ANN401 -- an application's own entry may hold any value
        if isinstance(value, str):
            return (
                self._matches(value, numbers=False)
                if self._every_text or "@" in value or _may_hold_assignment(value)
                else value
            )
        return self._value("", value, 0)

    def _value(self, name: str, value: Any, depth: int) -> Any:  # noqa: ANN401 -- any JSON value
        if value is not None and name not in KNOWN and _normalized_name(name) in self._fields:
            return self._replacement("field", value if isinstance(value, str) else safe_repr(value))
        if isinstance(value, str):
            return self.redact_text(value)
        if depth > DEEPEST:
            return self._replacement("depth", "")
        if isinstance(value, _Pairs):
            return _Pairs((self.redact_text(key), self._value(key, item, depth + 1)) for key, item in value)
        if isinstance(value, dict):
            masked_fields: dict[str, Any] = {}
            for key, item in value.items():
                masked_fields[_unused_name(self.redact_text(str(key)), masked_fields)] = self._value(
                    str(key), item, depth + 1
                )
            return masked_fields
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
    """A JSON object as a list of pairs, which keeps duplicate names."""


def _to_json(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return a value, in which objects may be `_Pairs`, as JSON; lone surrogates become the escapes they were."""
    if isinstance(value, _Pairs):
        return "{" + ",".join(f"{_to_json(name)}:{_to_json(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_to_json, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return LONE_SURROGATES.sub(lambda surrogate: f"\\u{ord(surrogate[0]):04x}", text)


def _unused_name(name: str, taken: Mapping[str, object]) -> str:
    """Return `name`, or the first free one of `name (2)`, `name (3)` …: two masked names stay two."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _decoded(text: str) -> str:
    r"""Return `text` with `%40` and `\u0040` decoded, also in a query within a query."""
    decoded = ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    for _ in range(2):
        decoded = unquote(decoded, errors="replace") if "%" in decoded else decoded
    return decoded


def _normalized_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
