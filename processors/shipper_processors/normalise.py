"""Map the fields that loggers write to the known fields, by the table in `shipper_schemas.field_sources`.

The table is compiled once into a dictionary from the first key of each path, so that an ordinary entry costs one
lookup per key. What is mapped or converted keeps its original under `extra`.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from shipper_processors import times
from shipper_processors.chain_plan import SCHEMA, NormalisationPlan, SchemaPlan
from shipper_processors.field_values import (
    address_of,
    id_text,
    is_certain_id,
    is_counted,
    is_placeholder,
    last_part,
    level_of_number,
    level_of_word,
    milliseconds,
    path_of,
    request_line,
    scalar_text,
    status_of,
    traceparent_ids,
)
from shipper_processors.lenient_json import without_colours
from shipper_processors.stack_traces import summary
from shipper_processors.trace_objects import Rendered, render_trace
from shipper_schemas.event import CORRELATION_ID_PATTERN
from shipper_schemas.field_sources import (
    BLANK_FILLERS,
    COUNTED_PREFIX,
    FIELD_SOURCES,
    LEVEL_LETTERS,
    LEVEL_WORDS,
    METHODS,
    MOST_COUNTED_DIGITS,
    PLACEHOLDERS,
    SHORTEST_CERTAIN_ID,
    TIME_FIELD,
    Form,
    Source,
)

FieldPaths = tuple[tuple[str, tuple[str, ...]], ...]
"""Further paths of fields, tried before those of the table: from the configuration or a container's labels."""
MISSING: Any = object()
MOST_ITEMS = 16
"""Objects of a list that are searched, such as .NET's scopes."""
OTLP_VALUES = ("stringValue", "intValue", "doubleValue", "boolValue")
LONGEST_COLOURED = 64
LONGEST_NAME = 256
UNIT_MS: Mapping[Form, float | None] = {"ms": 1.0, "s": 1000.0, "us": 1e-3, "ns": 1e-6, "unit": None, "plain": 1.0}
LEAST_CERTAIN_NS = 10_000
OF_OWN = frozenset({"plain", "number", "ms", "name"})
"""Forms of the fields' own names."""
ID_FIELDS = frozenset({"correlation_id", "trace_id", "span_id"})
TEXTS = frozenset({"message", "error_message"})
NESTED_ONLY = frozenset({"event", "level", "logger", "exception"})
"""Fields whose name is also that of an object in which loggers nest; such an object is no violation."""
UNNAMED_STACKS = frozenset({"err", "error", "full_message", "message"})
"""Last parts of paths whose texts are traces only where they look like one."""
LOCAL = "local"
EARLIEST_MS = 946_684_800_000
"""2000-01-01; an earlier time under a key that also has other meanings is none."""


_matches_id = re.compile(CORRELATION_ID_PATTERN.strip("^$"), re.ASCII).fullmatch


def is_usable_id(value: object) -> bool:
    """Return True if a value is a valid correlation id."""
    return type(value) is str and _matches_id(value) is not None


class Candidate(NamedTuple):
    """One source of a field: its place in the order of fields, and its rank among the field's sources."""

    place: int
    rank: int
    field: str
    source: Source


class Normalised(NamedTuple):
    """An entry's fields under their known names, and values that were meant as ids but cannot be used."""

    fields: dict[str, Any]
    unusable: list[tuple[str, object]]


CHECKS = {
    "level": "level", "correlation_id": "id", "trace_id": "id", "span_id": "id", "method": "method", "path": "path",
    "status_code": "whole", "duration_ms": "number", "client_ip": "address", "event": "event", "logger": "name",
    "error_type": "name", "message": "message", "exception": "line",
}  # fmt: skip
"""Known fields whose values may need conversion, with the name of the test of those that need none."""
Read = tuple[dict[str, Any], list[tuple[str, object]]]
Kept = Callable[[Any], bool]
Orders = list[tuple[str, list[Source], Kept | None]]
"""Fields with the sources to try, and the test of values under the field's own name that need no conversion."""
MOST_ORDERS, MOST_KEYS = 1024, 64
"""Combinations of keys whose sources are remembered, and the most keys of one."""
NO_IDS: list[tuple[str, object]] = []


class Normaliser:
    """The compiled table."""

    def __init__(self, own: FieldPaths = (), schema: SchemaPlan = SCHEMA) -> None:
        """Compile the table; `own` paths are tried before its own, also for known fields that it does not name."""
        self.known = frozenset(field.name for field in schema.known_fields)
        words = {**LEVEL_WORDS, **LEVEL_LETTERS, **dict(schema.levels)}
        self._words = words
        self._levels = dict(schema.levels)
        self._orders: dict[tuple[str, ...], Orders] = {}
        self._sources, self._by_root, self.roots = _compiled(tuple(own), self.known)
        tests = self._tests()
        self._keeps = self._tests_of_kept()
        self._plain: dict[str, Callable[[Any], bool]] = {
            **{name: tests[check] for name, check in CHECKS.items() if name in self.known},
            TIME_FIELD: _always,
            **dict.fromkeys(self.roots, _never),
        }

    def _tests(self) -> dict[str, Callable[[Any], bool]]:
        """Return the tests by their names in `CHECKS`."""
        levels = self._levels
        return {
            "level": lambda value: type(value) is str and (value in levels or value.lower() in levels),
            "id": _is_certain,
            "method": lambda value: type(value) is str and value in METHODS,
            "path": lambda value: type(value) is str and value[:1] == "/" and "?" not in value and "#" not in value,
            "whole": lambda value: type(value) is int,
            "number": lambda value: type(value) is float or type(value) is int,
            "address": _is_single_address,
            "event": _is_text,
            "name": _is_name,
            "message": _is_single_line,
            "line": _is_single_line,
        }

    def _tests_of_kept(self) -> dict[str, Kept]:
        """Return the tests of values that `_Entry` would take unchanged from a field's own name."""
        words = self._words
        return {
            **dict.fromkeys(ID_FIELDS, lambda value: _is_certain(value) and value[0] not in BLANK_FILLERS),
            **dict.fromkeys(("logger", "error_type"), _is_name),
            "event": lambda value: type(value) is str and value != "",
            "level": lambda value: type(value) is str and words.get(value) == value and not value.isdecimal(),
            "method": lambda value: type(value) is str and value in METHODS,
            "path": lambda value: type(value) is str and value[:1] == "/" and "?" not in value and "#" not in value,
            "status_code": lambda value: type(value) is int and 100 <= value <= 599,  # noqa: PLR2004 -- as `status_of`
            "duration_ms": lambda value: (type(value) is float or type(value) is int) and 0 <= value < math.inf,
            "message": lambda value: _is_single_line(value) and value != "",
        }

    # --- one entry --------------------------------------------------------------------------------

    def normalise(self, fields: dict[str, Any]) -> Normalised:
        """Return the entry with its fields under their known names; `fields` is consumed."""
        plain = self._plain
        for name, value in fields.items():
            check = plain.get(name)
            if check is not None and not check(value) and (value is not None or check is _never):
                return tuple.__new__(Normalised, self._mapped(fields))
        level = fields.get("level")
        if type(level) is str:
            fields["level"] = self._levels.get(level) or self._levels.get(level.lower(), level)
        return tuple.__new__(Normalised, (fields, NO_IDS))

    def plan(self) -> NormalisationPlan:
        """Return the table for an implementation that executes it."""
        return NormalisationPlan(
            tuple(sorted(self.roots)),
            tuple((name, check) for name, check in CHECKS.items() if name in self.known),
            tuple(sorted(PLACEHOLDERS)),
            BLANK_FILLERS,
            COUNTED_PREFIX,
            MOST_COUNTED_DIGITS,
            tuple(sorted(METHODS)),
            SHORTEST_CERTAIN_ID,
            tuple(self._words.items()),
            tuple(
                (name, tuple((source.path, source.form, source.beside) for source in sources))
                for name, sources in self._sources.items()
            ),
        )

    def sources(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Return the path from which each known field of an entry is read, for people."""
        copy = {name: dict(value) if isinstance(value, dict) else value for name, value in fields.items()}
        entry = self._read(copy)
        entry.finish()
        return entry.sources

    def _mapped(self, fields: dict[str, Any]) -> Read:
        entry = self._read(fields)
        return entry.finish(), entry.unusable

    def _read(self, fields: dict[str, Any]) -> "_Entry":
        keys = tuple(fields)
        orders = self._orders.get(keys)
        if orders is None:
            if len(self._orders) >= MOST_ORDERS:
                self._orders.clear()
            orders = self._candidates(keys)
            if len(keys) <= MOST_KEYS:
                self._orders[keys] = orders
        entry = _Entry(fields, self._words)
        for field, sources, is_kept in orders:
            value = fields.get(field)
            if is_kept is not None and value is not None and is_kept(value):
                entry.keep(field, value)
            else:
                entry.read(field, sources)
        return entry

    def _candidates(self, keys: tuple[str, ...]) -> Orders:
        """Return the fields that an entry with these keys may have, each with the sources to try, in their order."""
        candidates: dict[int, dict[int, Candidate]] = {}
        for key in keys:
            for candidate in self._by_root.get(key, ()):
                beside = candidate.source.beside
                if not beside or any(name in keys for name in beside):
                    candidates.setdefault(candidate.place, {})[candidate.rank] = candidate
        ordered = [[candidate for _, candidate in sorted(ranked.items())] for _, ranked in sorted(candidates.items())]
        return [(group[0].field, [candidate.source for candidate in group], self._kept(group[0])) for group in ordered]

    def _kept(self, first: Candidate) -> Kept | None:
        """Return the test of values that need no conversion, if a field is read from its own name first."""
        source = first.source
        return self._keeps.get(first.field) if source.path == first.field and source.form in OF_OWN else None


class Compiled(NamedTuple):
    """The table for some known fields, with further paths before its own."""

    sources: Mapping[str, tuple[Source, ...]]
    by_root: Mapping[str, tuple[Candidate, ...]]
    """Candidates by the first key of their path."""
    roots: frozenset[str]
    """Keys of which each may be an alias, so that an entry with one must be mapped."""


@lru_cache(maxsize=16)
def _compiled(own: FieldPaths, known: frozenset[str]) -> Compiled:
    """Compile the table; most logs have the same."""
    further = dict(own)
    names = dict.fromkeys([*FIELD_SOURCES, *further])
    by_root: dict[str, list[Candidate]] = {}
    all_sources: dict[str, tuple[Source, ...]] = {}
    roots = {root for name, paths in further.items() for path in paths if path != name for root in _roots(path)}
    for place, name in enumerate(name for name in names if name in known or name == TIME_FIELD):
        first = further.get(name, ())
        sources = [Source(path) for path in first]
        sources += [source for source in FIELD_SOURCES.get(name, (Source(name),)) if source.path not in first]
        all_sources[name] = tuple(sources)
        for rank, source in enumerate(sources):
            for root in _roots(source.path):
                by_root.setdefault(root, []).append(Candidate(place, rank, name, source))
                if root not in known and root != TIME_FIELD:
                    roots.add(root)
    return Compiled(all_sources, {root: tuple(candidates) for root, candidates in by_root.items()}, frozenset(roots))


def with_message(fields: dict[str, Any]) -> None:
    """Copy a sentence under `event` to the message if that is missing."""
    message, event = fields.get("message"), fields.get("event")
    if (message is None or message == "") and type(event) is str and event:
        fields.pop("message", None)
        fields["message"] = event


def read_time(value: object) -> int | None:
    """Return milliseconds since the epoch of a time as logged, one without a date in 1970; None if it is unreadable."""
    moment = times.read_time(value, reference_ms=0)
    return None if moment is None else moment.ms


def _roots(path: str) -> set[str]:
    """Return the keys of an entry under which a path may begin."""
    roots = {path}
    at = path.find(".")
    while at > 0:
        roots.add(path[:at])
        at = path.find(".", at + 1)
    return roots


def _never(_value: object) -> bool:
    return False


def _always(_value: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_certain(value: object) -> bool:
    if not isinstance(value, str) or not is_usable_id(value):
        return False
    return is_certain_id(value) or not (is_placeholder(value) or is_counted(value))


def _is_name(value: object) -> bool:
    return type(value) is str and not is_placeholder(value)


def _is_single_line(value: object) -> bool:
    return type(value) is str and "\n" not in value


def _is_single_address(value: object) -> bool:
    if type(value) is not str or "," in value or "[" in value or value[:1] in "-0 nNuUe(<":
        return False
    return ":" not in value or "." not in value


def look_up(holder: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the value at a path, a literal key before nested ones; `MISSING` if there is none."""
    if path in holder:
        return holder[path]
    at = path.rfind(".")
    while at > 0:
        inner = holder.get(path[:at])
        for item in (inner,) if type(inner) is dict else inner[:MOST_ITEMS] if type(inner) is list else ():
            if type(item) is not dict:
                continue
            if type(inner) is list and item.get("key") == path[at + 1 :] and "value" in item:
                return _attribute(item["value"])
            if (value := look_up(item, path[at + 1 :])) is not MISSING:
                return value
        at = path.rfind(".", 0, at)
    return MISSING


def _attribute(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the value of an OpenTelemetry attribute, which OTLP wraps in an object that names its type."""
    if type(value) is dict and len(value) == 1:
        return next((value[kind] for kind in OTLP_VALUES if kind in value), value)
    return value


# --- mapping --------------------------------------------------------------------------------------


class _Entry:
    """The mapping of one entry's fields."""

    def __init__(self, fields: dict[str, Any], words: dict[str, str]) -> None:
        self.fields = fields
        self.unusable: list[tuple[str, object]] = []
        self.sources: dict[str, str] = {}
        self._words = words
        self._values: dict[str, Any] = {}
        self._originals: dict[str, Any] = {}
        """Values of known fields that were converted or replaced."""
        self._meaningless: list[str] = []
        self._rendered: Rendered | None = None

    def keep(self, field: str, value: Any) -> None:  # noqa: ANN401 -- any JSON value
        """Take the value under the field's own name unchanged."""
        self._values[field] = value
        self.sources[field] = field

    def read(self, field: str, sources: Sequence[Source]) -> None:
        """Find the value of one field."""
        fields = self.fields
        for words_only in (True, False) if field == "level" else (False,):
            for source in sources:
                value = look_up(fields, source.path)
                if value is MISSING or value is None:
                    continue
                result = self._value(field, source, value, words_only=words_only)
                if result is not None:
                    self._take(field, source.path, value, result)
                    return
        self._put_aside(field)

    def _take(self, field: str, path: str, value: Any, result: Any) -> None:  # noqa: ANN401 -- any JSON value
        own = self.fields.get(field)
        if path != field:
            if own is not None and not _is_same(own, value):
                self._originals[field] = own
        elif (type(own) is not type(result) or own != result) and not _only_spelling(field, own, result):
            self._originals[field] = own
        self._values[field] = result
        self.sources[field] = path

    def _put_aside(self, field: str) -> None:
        """Move a value that means nothing to `extra`; values of a wrong type stay, for `enforce` to report."""
        own = self.fields.get(field)
        if field == TIME_FIELD:
            if own is None and (other := self.fields.get("@timestamp")) is not None:
                self.fields[TIME_FIELD] = other  # to be reported as invalid
            return
        if own is None or field in TEXTS:
            return
        meaningless = (
            field in ID_FIELDS
            or (isinstance(own, str) and (is_placeholder(own) or field == "level"))
            or (field == "level" and type(own) in {int, float})
            or (field in NESTED_ONLY and isinstance(own, dict))
        )
        if meaningless:
            self._originals[field] = own
            self._meaningless.append(field)  # other fields may still be read from inside it

    def finish(self) -> dict[str, Any]:
        """Write the values under their names, and the originals under `extra`."""
        fields, values = self.fields, self._values
        for name in self._meaningless:
            del fields[name]
        self._complete_error()
        trace = values.get("trace_id")
        if "correlation_id" not in values and trace is not None:
            values["correlation_id"] = trace
            self.sources["correlation_id"] = self.sources["trace_id"]
            if (own := fields.get("correlation_id")) is not None:
                self._originals.setdefault("correlation_id", own)
        identifier = values.get("correlation_id")
        if identifier is not None and is_counted(identifier):
            values["correlation_scope"] = LOCAL
        fields.update(values)
        if self._originals:
            own = fields.get("extra")
            extra = fields["extra"] = own if isinstance(own, dict) else {} if own is None else {"extra": own}
            for name, value in self._originals.items():
                extra.setdefault(name, value)
        return fields

    def _complete_error(self) -> None:
        """Take type and message of the exception from its trace, where no field says them."""
        values, trace = self._values, self._values.get("exception")
        if isinstance(trace, str) and "error_type" not in values and "\n" in trace:
            rendered = self._rendered
            if rendered is not None and rendered.type:
                error = {"error_type": rendered.type, "error_message": rendered.message}
            else:
                error = dict(summary(trace) or {})
            for name, text in error.items():
                if text and self.fields.get(name) is None:
                    values.setdefault(name, text)

    def _value(self, field: str, source: Source, value: Any, *, words_only: bool) -> Any:  # noqa: ANN401, C901, PLR0912 -- a case per field
        if field in ID_FIELDS:
            return self._id(field, source, value)
        if field == "level":
            return self._level(source, value, words_only=words_only)
        if field == "message":
            return value if isinstance(value, str) and value else None
        if field == "exception":
            return self._exception(source, value)
        if field == "status_code":
            return status_of(value)
        if field == "duration_ms":
            return self._duration(source, value)
        if field == TIME_FIELD:
            return self._time(source, value)
        if not isinstance(value, str):
            return None
        if field == "path":
            return self._path(source, value)
        if field == "method":
            return self._method(source, value)
        if field == "client_ip":
            return address_of(value) or (value if source.path == field and not is_placeholder(value) else None)
        if field == "error_message":
            return value or None
        if field in {"logger", "error_type"}:
            plain = source.path == field
            return scalar_text(value) if plain or (len(value) <= LONGEST_NAME and "\n" not in value) else None
        return value or None

    def _id(self, field: str, source: Source, value: Any) -> str | None:  # noqa: ANN401 -- any JSON value
        if source.form in {"trace", "parent"}:
            ids = traceparent_ids(value)
            return ids[source.form == "parent"] if ids else None
        text = last_part(value) if source.form == "last_part" else id_text(value)
        if text is not None and is_usable_id(text):
            return text
        if field == "correlation_id" and not isinstance(value, dict | list):
            meant = text is not None or not isinstance(value, str | int) or isinstance(value, bool)
            if meant or (isinstance(value, int) and value < 0):
                self.unusable.append((source.path, value))
        elif field == "correlation_id" and source.path == field:
            self.unusable.append((source.path, value))
        return None

    def _level(self, source: Source, value: Any, *, words_only: bool) -> str | None:  # noqa: ANN401 -- any JSON value
        if source.form == "serilog":
            return None if words_only or "@t" not in self.fields else "info"
        if source.form == "klog":
            return None if words_only or "ts" not in self.fields else "error" if "err" in self.fields else "info"
        if isinstance(value, str) and "\x1b" in value and len(value) <= LONGEST_COLOURED:
            value = without_colours(value)  # winston colours the words of JSON as well
        if isinstance(value, str) and not value.strip().isdecimal():
            if not words_only or not value:
                return None
            if source.form == "letter" and (len(value) > 2 or value[0] not in "IWEFD"):  # noqa: PLR2004 -- `D5` is the longest
                return None
            return level_of_word(value, self._words) if len(value) <= 32 else None  # noqa: PLR2004 -- longer than any level
        if words_only or isinstance(value, bool) or source.form == "letter" or not isinstance(value, str | int | float):
            return None
        return level_of_number(value.strip() if isinstance(value, str) else value, source.form, source.path)

    def _exception(self, source: Source, value: Any) -> str | None:  # noqa: ANN401 -- any JSON value
        if isinstance(value, str):
            last = source.path.rsplit(".", 1)[-1]
            if source.form == "lines" or (last in UNNAMED_STACKS and source.path != "exception"):
                return value if "\n" in value and summary(value) is not None else None
            return value if value.strip() and not is_placeholder(value) else None
        if source.form == "loguru":
            text = self.fields.get("text")
            if isinstance(text, str) and (at := text.find("Traceback (most recent call last):")) >= 0:
                return text[at:].rstrip()
        if isinstance(value, list) and source.path in UNNAMED_STACKS:
            return None
        rendered = render_trace(value)
        if rendered is None or not rendered.text:
            return None
        self._rendered = rendered
        return rendered.text

    def _duration(self, source: Source, value: Any) -> float | int | None:  # noqa: ANN401 -- any JSON value
        if source.form == "integer_ns":
            certain = type(value) is int and value >= LEAST_CERTAIN_NS
            written_by_go = isinstance(self.fields.get("time"), str) and "pid" not in self.fields
            return milliseconds(value, 1e-6) if certain and written_by_go else None
        return milliseconds(value, UNIT_MS.get(source.form, 1.0))

    def _time(self, source: Source, value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        if source.form == "seconds":
            nanos = self.fields.get("timestampNanos")
            value = {"epochSecond": value, "nanoOfSecond": nanos if type(nanos) is int else 0}
        ms = read_time(value)
        return value if ms is not None and (ms >= EARLIEST_MS or source.path == TIME_FIELD) else None

    @staticmethod
    def _path(source: Source, value: str) -> str | None:
        if source.form == "request_line":
            line = request_line(value)
            return line[1] if line else None
        if is_placeholder(value):
            return None
        path = path_of(value)
        return path if source.path == "path" or path[:1] in {"/", "*"} else None

    @staticmethod
    def _method(source: Source, value: str) -> str | None:
        if source.form == "request_line":
            line = request_line(value)
            return line[0] if line and line[0] in METHODS else None
        upper = value.strip().upper()
        if upper in METHODS:
            return upper
        return scalar_text(value) if source.path == "method" else None


def _is_same(own: object, value: object) -> bool:
    """True for equal scalars: such an original says nothing more."""
    return type(own) is type(value) and not isinstance(own, dict | list) and own == value


def _only_spelling(field: str, value: object, result: object) -> bool:
    """True if a value differs from its original by nothing that is worth keeping."""
    return field in {"level", "method"} and isinstance(value, str) and isinstance(result, str) and not value.isdecimal()
