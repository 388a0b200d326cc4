"""The chain plan: one frozen table that both implementations of the chain execute.

It is compiled from the schema, the redaction settings and the counter rules. The Python chain compiles its entries
into closures and validators once; the extension reads the same table as JSON. Declarations are copied unchanged: an
unknown type, constraint or operator stays in the table under its own name, so that an implementation without it
declines it instead of guessing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from shipper_schemas.event import CORRELATION_FIELD, EVENT_ADAPTER, LEVEL_ALIASES, LEVEL_FIELD
from shipper_schemas.rules import Matcher

VERSION = 3
"""Version of the table's layout. An implementation of another version does not read it."""
NO_CONSTRAINT = frozenset({"type", "metadata", "ref", "serialization"})
"""Keys of pydantic's core schema that do not constrain a value."""
OF_EVENTS = NO_CONSTRAINT | {"cls", "cls_name", "fields", "extra_behavior", "computed_fields", "config"}

PYTHON_OPERATORS = frozenset({"preset"})
"""Operators that only Python executes: they are not in the table, and events that they decide are evaluated there."""

SCALARS = frozenset({str, int, float, bool})
Constraints = tuple[tuple[str, Any], ...]
"""Names with their operands, sorted by name. Operands are scalars, types, or tuples of operands."""
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type as the schema declares it, with every constraint; names are those of pydantic's core schema."""

    name: str
    constraints: Constraints = ()


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field of the schema."""

    name: str
    type: FieldType
    required: bool = False
    options: Constraints = ()
    """Further keys of the field's declaration."""


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """The fields of an event, and the spellings of levels."""

    known_fields: tuple[KnownField, ...]
    correlation_field: str
    level_field: str
    levels: tuple[tuple[str, str], ...]
    """Each spelling, with the level that it means."""
    options: Constraints = ()
    """Settings that apply to all fields."""


@dataclass(frozen=True, slots=True)
class FieldTest:
    """One test of a field's value by a counter rule."""

    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class RuleField:
    """A field that counter rules read, with all their tests of it."""

    name: str
    by_value: bool
    """True if rules use the value: as a label, an observation, or to select rules. Else only the tests' results."""
    tests: tuple[FieldTest, ...]


@dataclass(frozen=True, slots=True)
class RulesPlan:
    """The fields by which counter rules distinguish events."""

    rule_fields: tuple[RuleField, ...] = ()
    runtime_fields: tuple[RuleField, ...] = ()
    """The same for the runtime's values of an entry: its stream, service and container."""
    application_keys: tuple[str, ...] = ()
    """Keys that only an application's record of a request has."""
    proxy_keys: tuple[str, ...] = ()
    """Keys that only a proxy's or server's record of a request has."""
    remarks: tuple[str, ...] = ()
    """Messages of records of requests that say nothing."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression of a step that reads text."""

    name: str
    """Its module and its name there."""
    pattern: str
    flags: int
    """Flags of Python's `re`."""


@dataclass(frozen=True, slots=True)
class RedactionPlan:
    """The names and texts by which values to mask are recognised."""

    keywords: tuple[str, ...]
    """Every text that a rule for words can change contains one of these, in any case, or one of `words`."""
    words: tuple[str, ...]
    """The same for texts in which no other letter continues it, except at a change of case."""
    forms: tuple[str, ...]
    """The same for values that are recognised by their form, wherever they stand."""
    link_stems: tuple[str, ...]
    """Parts of words of a path behind which a secret may stand."""
    key_shapes: tuple[tuple[str, int, str], ...]
    """Beginnings of well-known keys, with the least number of characters behind them and all that are allowed there."""
    constrained_fields: tuple[str, ...]
    """Fields whose text the schema constrains: a number in it is not personal data."""
    every_text: bool
    """True if any text may match, so that each must be examined."""
    names: tuple[tuple[tuple[str, ...], str], ...] = ()
    """The listed names as words, each with its kind."""
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Lists of words, and the enabled patterns, by what they are for."""
    words_near: tuple[tuple[str, str], ...] = ()
    """Words near a number, with what each says about it."""
    iban_lengths: tuple[tuple[str, int], ...] = ()
    expressions: tuple[Expression, ...] = ()
    """The expressions of the rules; without them, texts that may hold something are left to the Python path."""
    key: str = field(default="", repr=False)
    """The key of the hashes in hexadecimal digits; empty to mask."""


@dataclass(frozen=True, slots=True)
class RenderingPlan:
    """The order of a document's fields."""

    document: tuple[str, ...] = (
        "@timestamp", "*", "extra", "stream", "container", "kubernetes", "service", "host", "log",
    )  # fmt: skip
    """Order in a document; `*` stands for the known fields, in the order in which they were logged."""
    access: tuple[str, ...] = ("event", "method", "path", "status_code", "client_ip", "level", "time", "message")
    """Order in the event of an access line."""
    searched: tuple[str, ...] = ("message", "path", "error_type", "error_message", "exception", "event", "extra")
    """Fields that full-text search covers; of `extra`, all strings in it."""


@dataclass(frozen=True, slots=True)
class SkewPlan:
    """Distances in milliseconds within which an application's own time is accepted; see `route.Skew`."""

    future_ms: int
    past_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class TimesPlan:
    """The names in notations of times; see `times`, `time_formats` and `time_zones`."""

    months: tuple[tuple[str, int], ...]
    pairs: tuple[tuple[str, str, int], ...]
    """Keys of whole seconds and of the rest of the second, with the units of the rest in a millisecond."""
    zones: tuple[tuple[str, int], ...]
    """Abbreviations with one meaning, with their minutes east of Greenwich."""
    ambiguous_zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """The zone of times that name none, for one log."""

    name: str
    offsets: tuple[tuple[int, int, str], ...]
    """Beginnings in milliseconds since the epoch, with offset in milliseconds and abbreviation. The first always holds
    before the second."""
    known: tuple[int, int] | None
    """Range of the wall clocks for which the offsets are complete; None: all."""

    def to_json(self) -> bytes:
        """Return the table as ASCII JSON."""
        return json.dumps(_as_table(self), separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class NormalisationPlan:
    """The table of field sources; an entry that none of `roots` and `checks` concerns keeps its fields as they are."""

    roots: tuple[str, ...]
    """Keys of which each may be an alias of a known field."""
    checks: tuple[tuple[str, str], ...]
    """Known fields with the name of the test that their value must pass; see `normalise`."""
    placeholders: tuple[str, ...]
    """Texts, in lower case, that mean no value."""
    fillers: str
    """A text of these characters alone means no value."""
    counted_prefix: str
    counted_digits: int
    """Ids that begin with the prefix, in any case, or have at most so many digits and nothing else, may be local."""
    methods: tuple[str, ...]
    shortest_certain_id: int
    """An id of at least this many characters is no placeholder word and no count, unless it is made of fillers."""
    levels: tuple[tuple[str, str], ...]
    """Words in lower case and other spellings that are levels in a level field, with the level that each means."""
    fields: tuple[tuple[str, tuple[tuple[str, str, tuple[str, ...]], ...]], ...]
    """Known fields, each with its sources in the order in which they are tried: path, form, and the keys of which the
    entry must have one."""

    def to_json(self) -> bytes:
        """Return the table as ASCII JSON."""
        return json.dumps(_as_table(self), separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class VerdictPlan:
    """What becomes of an entry that violates the schema."""

    policies: tuple[tuple[str, str], ...]
    """Each kind of violation with its policy."""
    kinds: tuple[tuple[str, str], ...]
    """Known fields with the kind of violation of a wrong value, where that is not the general one."""
    expected: tuple[tuple[str, str], ...]
    """Known fields with the values that they may have, for people; all others hold a string."""
    require: str
    """The entries that must carry a correlation id, in logs without a policy of their own."""
    requiring_events: tuple[str, ...]
    """Events that must carry one, beside those of requests."""
    request_events: str
    """Beginning of the names of events that record a request."""
    index_prefix: str
    """Of the daily indices, which quarantined entries name."""


@dataclass(frozen=True, slots=True)
class HeadForm:
    """A form of a text line's head; see `text_heads.Form`."""

    pattern: str
    words: int
    """The table of words that its level may have, by its place in `TextsPlan.words`."""


@dataclass(frozen=True, slots=True)
class HeadForms:
    """The forms that are tried in one place."""

    name: str
    forms: tuple[HeadForm, ...]


@dataclass(frozen=True, slots=True)
class TextsPlan:
    """The tables of the steps that read text."""

    expressions: tuple[Expression, ...] = ()
    words: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Tables of words and the levels that they mean: first the schema's, then all that a head may have, then others."""
    heads: tuple[HeadForms, ...] = ()
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Lists of keys, words and endings."""


NO_TEXTS = TextsPlan()
"""A plan with these tables leaves all text to the Python path."""


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """The complete table."""

    schema: SchemaPlan
    normalisation: NormalisationPlan
    rules: RulesPlan
    redaction: RedactionPlan
    rendering: RenderingPlan
    skew: SkewPlan
    times: TimesPlan
    verdicts: VerdictPlan
    texts: TextsPlan = NO_TEXTS

    def to_json(self) -> bytes:
        """Return the table as ASCII JSON with its version; the same declarations give the same bytes."""
        return json.dumps({"version": VERSION, **_as_table(self)}, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "ChainPlan":
        """Read a table back. Raises ValueError for another version, and for keys that are missing or unknown."""
        table = json.loads(data)
        version = table.pop("version", None)
        if version != VERSION:
            raise ValueError(f"version {version} of the chain plan is unknown; expected {VERSION}")
        try:
            return _plan_of(table)
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a valid chain plan: {error}") from error


# --- compiled from the declarations ----------------------------------------------------------------


def schema_plan(adapter: TypeAdapter[Any] = EVENT_ADAPTER) -> SchemaPlan:
    """Compile the schema of events. Raises TypeError for a declaration with code, which cannot be stored in a table."""
    core = cast("dict[str, Any]", adapter.core_schema)
    odd = sorted(core.keys() - OF_EVENTS)
    if core["type"] != "typed-dict" or core.get("extra_behavior") != "forbid" or core.get("computed_fields") or odd:
        raise TypeError(f"events must be declared as a TypedDict that forbids other fields; unsupported keys: {odd}")
    config = {key: value for key, value in core.get("config", {}).items() if key != "title"}
    config.pop("extra_fields_behavior", None)
    return SchemaPlan(
        tuple(_known_field(name, entry) for name, entry in core["fields"].items()),
        CORRELATION_FIELD,
        LEVEL_FIELD,
        tuple(LEVEL_ALIASES.items()),
        _constraints(config),
    )


def _known_field(name: str, entry: Mapping[str, Any]) -> KnownField:
    own = {key: value for key, value in entry.items() if key not in ("schema", "required")}
    try:
        return KnownField(name, field_type(entry["schema"]), bool(entry.get("required", True)), _constraints(own))
    except TypeError as error:
        raise TypeError(f"field `{name}`: {error}") from error


def field_type(node: Mapping[str, Any]) -> FieldType:
    """Return a node of pydantic's core schema as a type. Raises TypeError if it contains code."""
    return FieldType(node["type"], _constraints(node))


def _constraints(node: Mapping[str, Any]) -> Constraints:
    return tuple((key, _operand(node[key])) for key in sorted(node.keys() - NO_CONSTRAINT))


def _operand(value: object) -> Any:  # noqa: ANN401 -- an operand
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return tuple(_operand(item) for item in value)
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return field_type(value)
    raise TypeError(f"{value!r} cannot be stored in a table; declare it by constraints")


def declared_tests(matcher: Matcher) -> tuple[FieldTest, ...]:
    """Return the tests of a matcher, each under the name of its operator."""
    declared = ((name, getattr(matcher, name)) for name in type(matcher).model_fields)
    return tuple(FieldTest(name, _operand(operand)) for name, operand in declared if operand is not None)


def rule_fields(
    by_value: Iterable[str], matchers: Iterable[tuple[str, Matcher]], by_type: Iterable[str] = ()
) -> tuple[RuleField, ...]:
    """Collect the fields that rules read: by value, by type alone, and the tests of each field, without duplicates."""
    values = set(by_value)
    tests: dict[str, dict[str, FieldTest]] = {name: {} for name in (*values, *by_type)}
    for name, matcher in matchers:
        declared = (test for test in declared_tests(matcher) if test.operator not in PYTHON_OPERATORS)
        tests.setdefault(name, {}).update((repr(test), test) for test in declared)  # 1 is not True
    return tuple(RuleField(name, name in values, tuple(tests[name].values())) for name in sorted(tests))


# --- executed in Python ----------------------------------------------------------------------------


@lru_cache(maxsize=16)
def event_validator(schema: SchemaPlan) -> SchemaValidator:
    """Compile the event validator that the table describes."""
    known = {
        field.name: {"type": "typed-dict-field", "schema": _core(field.type), "required": field.required}
        | _values(field.options)
        for field in schema.known_fields
    }
    core = {"type": "typed-dict", "fields": known, "extra_behavior": "forbid", "config": _values(schema.options)}
    return SchemaValidator(cast("Any", core))


@lru_cache(maxsize=16)
def value_validator(schema: SchemaPlan, name: str) -> SchemaValidator:
    """Compile the validator of one field's value. Raises KeyError for a field that is not in the schema."""
    types = {field.name: field.type for field in schema.known_fields}
    return SchemaValidator(cast("Any", _core(types[name])), cast("Any", _values(schema.options)))


def _core(type_: FieldType) -> dict[str, Any]:
    return {"type": type_.name, **_values(type_.constraints)}


def _values(constraints: Constraints) -> dict[str, Any]:
    return {name: _value(operand) for name, operand in constraints}


def _value(operand: Any) -> Any:  # noqa: ANN401 -- an operand
    if isinstance(operand, FieldType):
        return _core(operand)
    return [_value(item) for item in operand] if isinstance(operand, tuple) else operand


# --- as JSON ---------------------------------------------------------------------------------------


def _as_table(value: Any) -> Any:  # noqa: ANN401 -- JSON
    """Return a part of the plan as JSON; a type's constraints and a field's options are keys beside its name."""
    if value is None or type(value) in SCALARS:
        return value
    if type(value) is tuple:
        return [_as_table(item) for item in value]
    if isinstance(value, FieldType):
        return {"type": value.name, **{name: _as_table(operand) for name, operand in value.constraints}}
    if isinstance(value, KnownField):
        options = {name: _as_table(operand) for name, operand in value.options}
        return {"name": value.name, "type": _as_table(value.type), "required": value.required, **options}
    if isinstance(value, SchemaPlan):
        options = {name: _as_table(operand) for name, operand in value.options}
        return {field.name: _as_table(getattr(value, field.name)) for field in fields(value)} | {"options": options}
    if is_dataclass(value):
        return {field.name: _as_table(getattr(value, field.name)) for field in fields(value)}
    return [_as_table(item) for item in value] if isinstance(value, tuple) else value


def _plan_of(table: dict[str, Any]) -> ChainPlan:
    schema, rules, redaction = table.pop("schema"), table.pop("rules"), table.pop("redaction")
    normalisation, verdicts = table.pop("normalisation"), table.pop("verdicts")
    rendering, skew = table.pop("rendering"), table.pop("skew")
    times, texts = table.pop("times"), table.pop("texts")
    if table:
        raise TypeError(f"unknown key {min(table)}")
    known = tuple(_known_field_of(entry) for entry in schema.pop("known_fields"))
    levels = tuple((alias, level) for alias, level in schema.pop("levels"))
    options = _constraints(schema.pop("options"))
    return ChainPlan(
        SchemaPlan(known_fields=known, levels=levels, options=options, **schema),
        _row(NormalisationPlan, normalisation),
        _rules_of(rules),
        _redaction_of(**redaction),
        _row(RenderingPlan, rendering),
        _row(SkewPlan, skew),
        _row(TimesPlan, times),
        _row(VerdictPlan, verdicts),
        _texts_of(**texts),
    )


def _texts_of(expressions: list[Any], words: list[Any], heads: list[Any], names: list[Any]) -> TextsPlan:
    return TextsPlan(
        tuple(Expression(**entry) for entry in expressions),
        tuple(tuple((word, level) for word, level in table) for table in words),
        tuple(HeadForms(entry["name"], tuple(HeadForm(**one) for one in entry["forms"])) for entry in heads),
        tuple((name, tuple(listed)) for name, listed in names),
    )


def _redaction_of(expressions: list[Any], **section: Any) -> RedactionPlan:  # noqa: ANN401 -- JSON
    tables = {name: _operand(value) for name, value in section.items()}
    return RedactionPlan(expressions=tuple(Expression(**entry) for entry in expressions), **tables)


def _known_field_of(entry: dict[str, Any]) -> KnownField:
    name, node, required = entry.pop("name"), entry.pop("type"), entry.pop("required")
    return KnownField(name, field_type(node), required, _constraints(entry))


def _rule_field_of(entry: dict[str, Any]) -> RuleField:
    tests = tuple(FieldTest(test["operator"], _operand(test["operand"])) for test in entry.pop("tests"))
    return RuleField(tests=tests, **entry)


def _rules_of(rules: dict[str, Any]) -> RulesPlan:
    fields_ = {name: tuple(map(_rule_field_of, rules.pop(name))) for name in ("rule_fields", "runtime_fields")}
    return _row(RulesPlan, {**rules, **fields_})


def _row(kind: type[Row], table: Mapping[str, Any]) -> Row:
    return kind(**{name: _tuples(value) for name, value in table.items()})


def _tuples(value: Any) -> Any:  # noqa: ANN401 -- JSON
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


SCHEMA = schema_plan()
"""The compiled schema of this version."""
RENDERING = RenderingPlan()
