"""Mask secrets and personal data in events, raw lines and error texts, before anything is stored or sent.

Nearly all events contain none. `suspicious` rules them out with one filter over their texts; it may report a harmless
event, but never misses one that has something to mask. Then the rules are applied in one order: names first
(`redact_names`, `redact_assignments`), forms of keys and tokens (`redact_patterns`), numbers (`redact_numbers`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import orjson

from shipper_processors.envelope import LONE_SURROGATES
from shipper_processors.pseudonym import hash_of
from shipper_processors.redact_assignments import assignments, is_nothing, other_notations
from shipper_processors.redact_clean import CleanTexts
from shipper_processors.redact_filter import MARKS, TextFilter, decoded, may_hold_number, without_escapes
from shipper_processors.redact_names import DEFAULT_FIELDS, PATTERN_NAMES, Found, Kind, NameRule
from shipper_processors.redact_numbers import CORSICAN, IBAN, KNOWN, RUN, compact, personal_numbers
from shipper_processors.redact_patterns import AFTER_NAMES, BEFORE_NAMES, EMAIL, NORMAL
from shipper_processors.redact_plan import redaction_plan
from shipper_processors.sanitize import safe_repr

if TYPE_CHECKING:
    from shipper_processors.safe_regex import SafePattern

DEEPEST = 100
MOST_KEPT, LONGEST_KEPT = 20_000, 200
"""Number and longest length of the harmless names that are cached."""
MASKED = re.compile(r"\[redacted:[^\]\s]{1,120}\]?", re.ASCII)
SHORT_NUMBER = 8
"""Most characters of a number that is never masked."""
LONGEST_END = 256
CONSTRAINED = frozenset({"correlation_id", "trace_id", "span_id", "timestamp"})
"""Fields whose text the schema constrains: numbers in it are not personal, and words need `=`, `:` or dots."""
NAME_KEYS, VALUE_KEYS = ("name", "key", "header", "field", "param", "parameter"), ("value", "val", "content", "input")
"""Keys of a header or parameter that is written as an object, and of a value that pydantic rejects."""
LISTED_NAME = re.compile(r"[A-Za-z0-9_.-]{2,100}")
"""A name in a list before its value."""


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
    is_number = any(form.fullmatch(value) for form in (RUN, IBAN, CORSICAN))
    candidates = [value, *([value.lower()] if EMAIL.fullmatch(value) else []), *([compact(value)] if is_number else [])]
    yield from dict.fromkeys(candidates)


class Redactor:
    """Masks configured fields and patterns; also a structlog processor."""

    def __init__(
        self,
        fields: Iterable[str] = DEFAULT_FIELDS,
        patterns: Iterable[str] = PATTERN_NAMES,
        *,
        key: bytes | None = None,
        mode: Literal["mask", "hash"] = "mask",
        extra_patterns: Mapping[str, str] | None = None,
    ) -> None:
        """`key` is required for mode `hash`. Raises ValueError for a pattern that is unknown, or invalid for RE2."""
        if mode == "hash" and not key:
            raise ValueError("redaction by hash needs a key: set redact.key_file")
        self._patterns = frozenset(patterns)
        if unknown := sorted(self._patterns - set(PATTERN_NAMES)):
            raise ValueError(f"unknown redaction pattern {unknown[0]!r}; expected one of {', '.join(PATTERN_NAMES)}")
        self._key = key if mode == "hash" else None
        self._names = NameRule(fields, secrets="password" in self._patterns)
        self._filter = TextFilter(self._names.listed)
        self._extra = {name: self._safe_pattern(name, regex) for name, regex in (extra_patterns or {}).items()}
        self._every_text = bool(self._extra) or self._filter.every_text
        self.plan = redaction_plan(
            self._names,
            self._filter,
            enabled=self._patterns,
            constrained=CONSTRAINED,
            every_text=self._every_text,
            key=self._key,
        )
        self._clean = CleanTexts(self._filter, self._names)
        self._clean_names: set[tuple[str, str]] = set()
        """Names that are neither sensitive nor hold anything themselves, each after the name of its object."""

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

    # --- filter -----------------------------------------------------------------------------------

    def suspicious(self, event: dict[str, Any]) -> bool:
        """True if `event` may hold something to mask; False guarantees that it holds nothing."""
        if self._every_text:
            return True
        clean = self._clean
        for name, value in event.items():
            if type(value) is str:
                if not (clean.is_id(value) if name in CONSTRAINED else clean.is_text(value)):
                    return True
            elif name not in KNOWN and value is not None and self._may_hold_in(name, value, "", 0):
                return True
        return False

    def _may_hold_in(
        self,
        name: str,
        value: Any,  # noqa: ANN401 -- any JSON value
        parent: str,
        depth: int,
    ) -> bool:
        """True if a value in the event may hold something, if a name in it is sensitive, or if it is too deep."""
        if depth > DEEPEST:
            return True
        if type(value) is str:
            return not self._clean.is_item(value)
        if isinstance(value, dict):
            within, harmless = name or parent, self._clean_names
            if self._named_by(value.items()):
                return True
            for key, item in value.items():
                if (within, key) not in harmless and self._is_sensitive_name(key, within):
                    return True
                if item is not None and self._may_hold_in(key, item, within, depth + 1):
                    return True
            return False
        if isinstance(value, list):
            return any(self._may_hold_in("", item, name or parent, depth + 1) for item in value)
        if value is None or isinstance(value, bool):
            return False
        return len(text := str(value)) > SHORT_NUMBER and not self._clean.is_item(text)

    def _is_sensitive_name(self, name: str, parent: str) -> bool:
        """True if a field's name is sensitive or may itself hold something to mask; other names are cached."""
        if self._kind(name, parent) or not self._clean.is_text(name):
            return True
        if len(name) + len(parent) < LONGEST_KEPT:
            if len(self._clean_names) >= MOST_KEPT:
                self._clean_names.clear()
            self._clean_names.add((parent, name))
        return False

    def _is_clean_raw(self, raw: str) -> bool:
        """True if a raw line, which may be JSON, holds nothing to mask."""
        if self._every_text:
            return False
        texts = (raw, without_escapes(raw)) if "\\" in raw else (raw,)
        return all(self._clean.is_json(text) and not self._filter.may_hold_nested(text) for text in texts)

    # --- texts ------------------------------------------------------------------------------------

    def redact_text(self, text: str, name: str = "") -> str:
        """Return `text`, the value of the field `name`, masked by every rule, also where it is encoded or escaped."""
        if not self._every_text and self._clean.is_text(text):
            return text
        masked = self._matches(text, name)
        plain = decoded(masked)
        if plain != masked and (masked_plain := self._matches(plain, name)) != plain:
            return masked_plain
        return masked

    def redact_raw(self, text: str) -> str:
        """Return a raw line masked: a JSON object by its fields, as an event, then as text.

        The rest stays unchanged. If an object has a name twice, both values are masked.
        """
        if self._is_clean_raw(text):
            return text
        if text.lstrip("\ufeff \t")[:1] == "{":
            try:
                content = json.loads(text.strip("\ufeff \t\r\n\0"), strict=False, object_pairs_hook=_Pairs)
                masked = self._value("", content, "", 0)
                if masked != content:
                    text = _to_json(masked)
            except (ValueError, RecursionError):
                pass  # invalid JSON: masked as text only
        return self.redact_text(text)

    def _matches(self, text: str, name: str = "", *, numbers: bool = True) -> str:
        patterns = self._patterns
        for find in BEFORE_NAMES:
            text = self._masked(text, find(text, patterns))
        if MARKS.search(text) is not None:
            text = self._masked(text, assignments(text, self._names))
            text = self._masked(text, other_notations(text, self._names))
        for find in AFTER_NAMES:
            text = self._masked(text, find(text, patterns))
        if numbers and may_hold_number(text):
            text = self._masked(text, (found for found in personal_numbers(text, name) if found.kind in patterns))
        for pattern, extra in self._extra.items():
            text = extra.sub(lambda value, name=pattern: self._replacement(name, value), text)  # type: ignore[misc]
        return text

    def _masked(self, text: str, found: Iterable[Found]) -> str:
        """Return a text with the values that were found replaced; of two that overlap, the first and longest counts."""
        places = list(found)
        if not places:
            return text
        parts: list[str] = []
        end = 0
        for kind, start, stop in sorted(places, key=lambda value: (value.start, -value.end)):
            value = text[start:stop]
            if start >= end and MASKED.fullmatch(value) is None:
                parts += (text[end:start], self._replacement(kind, NORMAL.get(kind, str)(value)))
                end = stop
        return "".join([*parts, text[end:]]) if parts else text

    # --- events -----------------------------------------------------------------------------------

    def redact_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of the event with fields and patterns masked at any depth, in keys too."""
        redact_text, constrained = self.redact_text, self._redact_constrained
        return {
            name: constrained(value)
            if name in CONSTRAINED
            else redact_text(value)
            if type(value) is str and name in KNOWN
            else self._value(name, value, "", 0)
            for name, value in event.items()
        }

    def _redact_constrained(self, value: Any) -> Any:  # noqa: ANN401 -- an application's own entry may hold any value
        if isinstance(value, str):
            is_clean = not self._every_text and self._clean.is_id(value)
            return value if is_clean else self._matches(value, numbers=False)
        return self._value("", value, "", 0)

    def _kind(self, name: str, parent: str) -> Kind:
        """Return what a field's name stands for, by itself or with that of the object it is in."""
        if name in KNOWN:
            return ""
        return self._names.kind(name) or (self._names.kind(f"{parent} {name}", at_end=True) if parent and name else "")

    def _value(self, name: str, value: Any, parent: str, depth: int) -> Any:  # noqa: ANN401 -- any JSON value
        """Return a field's value masked; `parent` is the name of the object it is in."""
        if value is None or isinstance(value, bool):
            return value
        if self._kind(name, parent) and (whole := self._whole(name, value)) is not None:
            return whole
        if isinstance(value, str):
            return self.redact_text(value, "" if name in KNOWN else name)
        if depth > DEEPEST:
            return self._replacement("depth", "")
        if isinstance(value, _Pairs):
            return _Pairs((self.redact_text(key), item) for key, item in self._items(value, name or parent, depth))
        if isinstance(value, dict):
            masked_fields: dict[str, Any] = {}
            items = [(str(key), item) for key, item in value.items()]
            for key, item in self._items(items, name or parent, depth):
                masked_fields[_unused_name(self.redact_text(key), masked_fields)] = item
            return masked_fields
        if isinstance(value, list | tuple):
            return self._list(value, name or parent, depth)
        if isinstance(value, int) and name not in KNOWN:
            masked = self.redact_text(str(value), name)
            return value if masked == str(value) else masked
        return value

    def _whole(self, name: str, value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the value of a sensitive field masked as a whole; None if it holds nothing."""
        text = value if isinstance(value, str) else safe_repr(value)
        if isinstance(value, str | int | float) and is_nothing(name, text):
            return None
        return value if MASKED.fullmatch(text) else self._replacement("field", text)

    def _items(self, items: list[tuple[str, Any]], parent: str, depth: int) -> Iterator[tuple[str, Any]]:
        """Yield the fields of an object masked. One that names a header has its value under another key."""
        named = self._named_by(items)
        for key, item in items:
            is_value = named and key.lower() in VALUE_KEYS and item is not None and not isinstance(item, bool)
            whole = self._whole(named, item) if is_value else None
            yield key, self._value(key, item, parent, depth + 1) if whole is None else whole

    def _named_by(self, items: Iterable[tuple[str, Any]]) -> str:
        """Return the sensitive name that an object gives to its value; empty if there is none."""
        for key, item in items:
            lowered = key.lower()
            if lowered == "loc" and isinstance(item, list) and item:
                item = item[-1]  # noqa: PLW2901 -- where pydantic found the value that it rejects
            elif lowered not in NAME_KEYS:
                continue
            if isinstance(item, str) and self._names.kind(item):
                return item
        return ""

    def _list(self, values: list[Any] | tuple[Any, ...], parent: str, depth: int) -> list[Any]:
        """Return a list masked: names alternate with values, or an option stands before its argument."""
        masked: list[Any] = []
        for place, value in enumerate(values):
            before = values[place - 1] if place else None
            if (
                isinstance(before, str)
                and isinstance(value, str)
                and (before.startswith("-") or (place % 2 and len(values) % 2 == 0))
                and LISTED_NAME.fullmatch(before)
                and self._names.kind(before)
                and (whole := self._whole(before, value)) is not None
            ):
                masked.append(whole)
            else:
                masked.append(self._value("", value, parent, depth + 1))
        return masked

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
    if isinstance(value, float) and isfinite(value):
        return orjson.dumps(value).decode()  # as numbers of documents are written, and by the extension
    text = json.dumps(value, ensure_ascii=False)
    return LONE_SURROGATES.sub(lambda surrogate: f"\\u{ord(surrogate[0]):04x}", text)


def _unused_name(name: str, taken: Mapping[str, object]) -> str:
    """Return `name`, or the first free one of `name (2)`, `name (3)` …: two masked names stay two."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
