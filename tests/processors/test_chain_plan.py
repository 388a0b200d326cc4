"""The chain plan: complete, comparable, and declined by the native chain wherever it contains something unknown."""

import json
import os
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from shipper_processors import conditions
from shipper_processors.chain_plan import (
    RENDERING,
    SCHEMA,
    VERSION,
    ChainPlan,
    FieldTest,
    FieldType,
    KnownField,
    RuleField,
    SchemaPlan,
    declared_tests,
    event_validator,
    field_type,
    schema_plan,
)
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastChain, native, plan_of
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.event import CORRELATION_ID_PATTERN, EVENT_ADAPTER, KNOWN_FIELDS, LEVEL_ALIASES
from shipper_schemas.rules import Matcher, Rule
from tests.examples import examples
from tests.processors.both_paths import docker, outcome_of, same

needs_native = pytest.mark.skipif(native is None and not os.environ.get("CI"), reason="the extension is not installed")
EVENT: dict[str, Any] = {"correlation_id": "abc-1", "event": "export", "level": "INFO", "message": "export done"}


@pytest.fixture(autouse=True, scope="module")
def no_skipped_lines() -> Iterator[None]:
    """Try the native path for each line, however many lines before it took the Python path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shipper_processors.assemble.MOST_PYTHON_LINES", 1)
        yield


def lines_of(*events: dict[str, Any]) -> list[bytes]:
    """Return one chunk with a line for each event, with different runtime times."""
    stamps = (f"2026-11-23T10:00:00.{number:09d}Z" for number in range(len(events)))
    return [b"".join(docker(json.dumps(event), time=time) for event, time in zip(events, stamps, strict=True))]


def rule_of(**matchers: Matcher | dict[str, Any]) -> Rule:
    """Return a counter rule with these matchers."""
    return Rule.model_validate({"name": "exports_total", "help": "Exports.", "when": {"fields": matchers}})


def a_plan(*rules: Rule) -> ChainPlan:
    """Return the plan of the schema, the built-in rules and these rules."""
    return plan_of(Enforce(), Counting([*builtin_rules(["patient_read"]), *rules]), Redactor(), Skew())


def with_field(name: str, type_: FieldType) -> SchemaPlan:
    """Return the schema with another type for one field, which may be new."""
    others = tuple(field for field in SCHEMA.known_fields if field.name != name)
    return replace(SCHEMA, known_fields=(*others, KnownField(name, type_)))


# --- the table ------------------------------------------------------------------------------------


def test_the_plan_holds_each_field_as_it_is_declared() -> None:
    """Types and all constraints are those of the schema, in its order."""
    types = {field.name: field.type for field in SCHEMA.known_fields}
    text, number = FieldType("str", (("strict", True),)), FieldType("int", (("strict", True),))
    assert list(types) == list(KNOWN_FIELDS)
    assert types["correlation_id"] == FieldType("str", (("pattern", CORRELATION_ID_PATTERN), ("strict", True)))
    assert types["message"] == text
    assert types["status_code"] == FieldType("int", (("ge", 100), ("le", 599), ("strict", True)))
    assert types["duration_ms"] == FieldType("float", (("allow_inf_nan", False), ("ge", 0), ("strict", True)))
    assert types["user_id"] == FieldType("nullable", (("schema", FieldType("union", (("choices", (text, number)),))),))
    assert dict(SCHEMA.levels) == LEVEL_ALIASES


def test_no_constraint_of_a_declaration_is_dropped() -> None:
    """An unknown constraint is kept in the plan under its own name."""

    class Odd(TypedDict, total=False):
        __pydantic_config__ = ConfigDict(extra="forbid", str_max_length=7)  # type: ignore[misc]

        code: Annotated[str, Field(strict=True, max_length=3, pattern="^x")]
        share: Annotated[float, Field(strict=True, le=1, multiple_of=0.5)]
        tags: list[Annotated[str, Field(min_length=1)]]

    plan = schema_plan(TypeAdapter(Odd))
    assert [field.type for field in plan.known_fields] == [
        FieldType("str", (("max_length", 3), ("pattern", "^x"), ("strict", True))),
        FieldType("float", (("le", 1), ("multiple_of", 0.5), ("strict", True))),
        FieldType("list", (("items_schema", FieldType("str", (("min_length", 1),))),)),
    ]
    assert plan.options == (("str_max_length", 7),)


def test_a_declaration_that_is_code_has_no_plan() -> None:
    """A validator in Python cannot be a table, and must not be left out of one."""

    class Coded(TypedDict, total=False):
        __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

        code: Annotated[str, AfterValidator(str.strip)]

    with pytest.raises(TypeError, match="field `code`"):
        schema_plan(TypeAdapter(Coded))


JSON = st.one_of(st.none(), st.booleans(), st.integers(-5, 700), st.floats(), st.text(max_size=5), st.lists(st.none()))
NEAR = st.one_of(JSON, st.sampled_from(["a" * 128, "a" * 129, "a\n", "é", 99, 100, 599, 600, -0.0, -1e-9, 2**70]))


@given(st.dictionaries(st.sampled_from([*KNOWN_FIELDS, "odd"]), NEAR, max_size=4))
def test_the_plan_validates_as_the_schema_does(event: dict[str, Any]) -> None:
    """The validator compiled from the table accepts what pydantic's own accepts."""
    assert event_validator(SCHEMA).isinstance_python(event) == EVENT_ADAPTER.validator.isinstance_python(event)


def test_the_plan_is_frozen_comparable_and_hashable() -> None:
    """Equal declarations give equal plans with equal bytes; a difference in any of them is a difference."""
    rule = rule_of(message={"prefix": "export"}, duration_ms={"min": 1, "max": 2.5})
    plan, again = a_plan(rule), a_plan(rule)
    assert (plan, hash(plan), plan.to_json()) == (again, hash(again), again.to_json())
    assert plan != a_plan()
    with pytest.raises(FrozenInstanceError):
        plan.schema.known_fields[0].name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"schema": with_field("tags", FieldType("list", (("items_schema", FieldType("str", (("min_length", 1),))),)))},
        {"schema": replace(SCHEMA, known_fields=(KnownField("a", FieldType("str"), True, (("odd", "x"),)),))},
        {"schema": replace(SCHEMA, options=(("str_max_length", 7),))},
        {"rendering": replace(RENDERING, access=("message", "event"))},
    ],
)
def test_the_plan_comes_back_from_json(changed: dict[str, Any]) -> None:
    """A plan read from its JSON equals the original, including the types of operands."""
    rule = rule_of(
        a={"one_of": [1, 1.5, True, "1"]},
        b={"glob": "*\U0001f600?"},
        path={"route": "/a/{id}"},
        stream={"equals": "x"},
    )
    plan = replace(a_plan(rule), **changed)
    read = ChainPlan.from_json(plan.to_json())
    assert read == plan
    assert repr(read) == repr(plan)


@pytest.mark.parametrize("path", [("version",), ("odd",), ("redaction", "odd"), ("skew", "odd"), ("schema", "odd")])
def test_another_layout_is_an_error(path: tuple[str, ...]) -> None:
    """An unknown version or key is an error, in Python as well."""
    table = part = json.loads(a_plan().to_json())
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = VERSION + 1
    with pytest.raises(ValueError, match=path[-1]):
        ChainPlan.from_json(json.dumps(table).encode())


def test_the_plan_has_the_tests_of_each_field() -> None:
    """Each operator of each rule is listed once, with its field; fields of labels are used by value."""
    rules = [rule_of(message={"prefix": "a"}, level={"one_of": ["x", 1]}), Rule.model_validate(
        {"name": "b_total", "help": "B.", "when": {"message": {"prefix": "a"}}, "labels": {"area": "area"}}
    )]  # fmt: skip
    plan = Counting([*rules]).rules_plan()
    assert plan.rule_fields == (
        RuleField("area", by_value=True, tests=()),
        RuleField("event", by_value=True, tests=()),
        RuleField("level", by_value=False, tests=(FieldTest("one_of", ("x", 1)),)),
        RuleField("logger", by_value=False, tests=plan.rule_fields[3].tests),
        RuleField("message", by_value=False, tests=(FieldTest("prefix", "a"),)),
        RuleField("method", by_value=True, tests=()),
        RuleField("path", by_value=False, tests=()),
        RuleField("status_code", by_value=True, tests=()),
    )


def test_tests_of_python_alone_are_not_in_the_plan() -> None:
    """Their field is, without them."""
    (field,) = [
        row
        for row in Counting([rule_of(area={"preset": "not_empty", "contains": "x"})]).rules_plan().rule_fields
        if row.name == "area"
    ]
    assert field == RuleField("area", by_value=False, tests=(FieldTest("contains", "x"),))


def test_tests_of_different_types_are_different() -> None:
    """True, 1 and 1.0 are different operands."""
    rules = [
        rule_of(a={"equals": value}).model_copy(update={"name": f"r{number}_total"})
        for number, value in enumerate([1, True, 1.0, 1])
    ]
    (rule_field,) = [field for field in Counting(rules).rules_plan().rule_fields if field.name == "a"]
    assert repr([test.operand for test in rule_field.tests]) == "[1, True, 1.0]"


def test_python_executes_every_operator_there_is() -> None:
    """Every operator of the rules has a test of a value."""
    assert set(Matcher.model_fields) == set(conditions.OPERATORS)
    with pytest.raises(ValueError, match="suffix"):
        conditions.value_test(FieldTest("suffix", "x"))


# --- declined by the native chain -----------------------------------------------------------------


class Suffixed(Matcher):
    """Matchers of a later version."""

    suffix: str | None = None


@pytest.fixture
def with_suffix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add an operator to the Python chain."""
    monkeypatch.setitem(conditions.OPERATORS, "suffix", lambda end: lambda v: isinstance(v, str) and v.endswith(end))


@needs_native
@pytest.mark.usefixtures("with_suffix")
def test_an_unknown_operator_is_counted_in_python() -> None:
    """A rule that the extension cannot evaluate counts the same on both paths; only its events take the Python path."""
    assert declared_tests(Suffixed(suffix="done")) == (FieldTest("suffix", "done"),)
    events = [EVENT] * 2 + [EVENT | {"message": "export failed"}] * 7 + [EVENT]
    rule = rule_of(message=Suffixed(suffix="done"))
    plain, _ = outcome_of(lines_of(*events), fast_path=False, rules=[rule])
    fast, taken = outcome_of(lines_of(*events), fast_path=True, rules=[rule])
    assert plain.sums["exports_total", ()] == 3
    assert fast == plain
    assert taken == 0
    narrow = rule_of(message=Suffixed(suffix="done"), event=Matcher(equals="imported"))
    imported = [EVENT | {"event": "imported"}] * 3
    assert same(lines_of(*events, *imported), rules=[narrow]) == len(events)


@needs_native
@pytest.mark.usefixtures("with_suffix")
def test_an_unknown_operator_declines_entries_without_the_field() -> None:
    """An unknown operator may hold for an absent field, and for a runtime field: nothing is assumed about it."""
    bare = {name: value for name, value in EVENT.items() if name != "message"}
    assert same(lines_of(bare, bare), rules=[rule_of(message=Suffixed(suffix="done"))]) == 0
    assert same(lines_of(EVENT), rules=[rule_of(container=Suffixed(suffix="1"))]) == 0


@needs_native
@pytest.mark.usefixtures("with_suffix")
def test_use_by_value_does_not_decide_an_unknown_operator() -> None:
    """A label of a field does not decide another rule's unknown operator on the same field."""
    labelled = Rule.model_validate(
        {"name": "areas_total", "help": "Areas.", "when": {"event": "export"}, "labels": {"area": "area"}}
    )
    events = [EVENT | {"area": "north-1"}, EVENT | {"area": "north-2"}]
    assert same(lines_of(*events), rules=[labelled, rule_of(area=Suffixed(suffix="-1"))]) == 0


@needs_native
@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (FieldType("bool", (("strict", True),)), [True, False, 1, "x", None]),
        (FieldType("date", (("strict", False),)), ["2026-01-01", "never"]),
        (FieldType("str", (("strict", True), ("to_lower", True))), ["x", "X", 1]),
        (FieldType("float", (("multiple_of", 0.5), ("strict", True))), [0.5, 0.25, 1]),
        (FieldType("str", (("pattern", "^[a-z]+"), ("strict", True))), ["ab", "ab1", "1"]),
        (FieldType("str", (("pattern", r"^\d{2}$"), ("strict", True))), ["12", "1x"]),
        (FieldType("union", (("choices", (FieldType("int", (("ge", 1),)), FieldType("float"))),)), [1, 0, 0.5, "x"]),
        (FieldType("nullable", (("odd", 1), ("schema", FieldType("str")))), []),
    ],
)
def test_lines_with_a_field_of_an_unknown_declaration_are_declined(type_: FieldType, values: list[Any]) -> None:
    """An unknown type or constraint: lines that contain the field take the Python path."""
    schema = with_field("share", type_)
    plan = replace(a_plan(), schema=schema)
    assert native.Chain(plan.to_json()).declined_fields == ["share"]
    if values:
        held = [EVENT | {"share": value} for value in values]
        assert same(lines_of(*held, EVENT), schema=schema) == 1


@needs_native
@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("version",), VERSION + 1, f"version {VERSION + 1} of the chain plan is unknown; expected {VERSION}"),
        (("version",), None, f"version null of the chain plan is unknown; expected {VERSION}"),
        (("odd",), 1, "chain plan: `odd` is unknown"),
        (("skew", "odd"), 1, "skew: `odd` is unknown"),
        (("skew", "past_ms"), "x", "skew: `past_ms` is not a whole number"),
        (("times", "odd"), 1, "times: `odd` is unknown"),
        (("times", "months"), [["nov"]], "times: expected a name and a number"),
        (("schema", "options", "str_max_length"), 7, "options: `str_max_length` is unknown"),
        (("redaction", "odd"), 1, "redaction: `odd` is unknown"),
        (("rendering", "document"), ["extra", "@timestamp"], "rendering: a document must begin with"),
        (("rendering", "access"), ["event", "odd"], "rendering: unknown or duplicate field `odd` of an access line"),
        (("rendering", "access"), ["event"], "rendering: a field of an access line is missing"),
        (("rendering", "searched"), ["message"], "rendering: the searched fields must be"),
        (
            ("schema", "known_fields", 0, "required"),
            True,
            "known_fields: `correlation_id` is required, which is unsupported",
        ),
        (("schema", "known_fields", 0, "odd"), 1, "known_fields: `odd` is unknown"),
    ],
)
def test_an_unknown_layout_builds_no_native_chain(
    path: tuple[Any, ...], value: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown version or key: only the Python chain runs, and one reason is reported."""
    table = part = json.loads(a_plan().to_json())
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    monkeypatch.setattr(ChainPlan, "to_json", lambda _plan: json.dumps(table).encode())
    reasons: list[str] = []
    assert FastChain.of(Enforce(), Counting([]), Redactor(), Skew(), reasons.append) is None
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


@needs_native
@pytest.mark.parametrize("plan", [b"", b"[]", b"{}", b"\xff", b'{"version":1}', b"[" * 10_000])
def test_invalid_bytes_build_no_native_chain(plan: bytes) -> None:
    """Invalid bytes raise ValueError, never a panic."""
    with pytest.raises(ValueError, match="plan"):
        native.Chain(plan)


# --- executed by the native chain -----------------------------------------------------------------


@needs_native
@pytest.mark.parametrize(
    ("type_", "valid", "invalid"),
    [
        (FieldType("str", (("pattern", r"^[A-Fa-f0-9_\-\]]{2,4}$"),)), ["a-", "F]0_"], ["a", "ab]_0", "g1", "a\n", "é1", 12, True]),
        (FieldType("str", (("pattern", "^[a-c]+$"), ("max_length", 2))), ["a", "bc"], ["", "abc", "d"]),
        (FieldType("str", (("pattern", "^[!-/]*$"),)), ["", "+-,."], ["a", "0"]),
        (FieldType("str", (("max_length", 3), ("strict", True))), ["", "abc", "\u00e9\u00e9\u00e9"], ["abcd", "\u00e9\u00e9\u00e9\u00e9", 1]),
        (FieldType("str", (("min_length", 2),)), ["ab", "\u20ac\u20ac"], ["", "\u20ac"]),
        (FieldType("float", (("ge", 0), ("le", 1), ("strict", True))), [0, 0.0, 0.25, 1, 1.0], [-0.5, 1.0000001, 2, "0", 1e-7]),
        (FieldType("float", (("gt", 0.5), ("lt", 1.5))), [0.75, 1, 1.25], [0.5, 1.5, 0, 2]),
        (FieldType("int", (("ge", -3), ("le", 7), ("strict", True))), [-3, 0, 7], [-4, 8, 1.0, "1", 12345678901234567]),
        (FieldType("int", (("gt", 9), ("strict", True))), [10, 123456789012], [9, -1]),
        (FieldType("int"), [1, -1], [1.5, "1"]),
        (FieldType("nullable", (("schema", FieldType("str", (("max_length", 1),))),)), [None, "a"], ["ab", 1]),
    ],
)  # fmt: skip
def test_each_constraint_holds_on_both_paths(type_: FieldType, valid: list[Any], invalid: list[Any]) -> None:
    """At its bounds and just beyond: for valid and for invalid values."""
    schema = with_field("share", type_)
    conforms = event_validator(schema).isinstance_python
    for value in valid:
        assert conforms({"share": value}), value
        text = json.dumps(EVENT | {"share": value}, ensure_ascii=False)
        assert same([docker(text)], schema=schema) == 1, value
    for value in invalid:
        text = json.dumps(EVENT | {"share": value}, ensure_ascii=False)
        same([docker(text)], schema=schema)


@needs_native
@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("correlation_id", ["a", "a" * 128, "._:/+=@-".replace("@", "")], ["", "a" * 129, "a b", "a\n", "é", 1, None]),
        ("status_code", [100, 599], [99, 600, 200.0, "200", 2**70]),
        ("duration_ms", [0, 0.0, 0.5, 12, 1e3, 10**17], [-1, -0.0, -0.5, "1", True]),
        ("user_id", ["u", 7, -7, None], [1.5, True]),
        ("message", ["m", "-"], ["", None, 1, False]),
        ("level", ["INFO", None], ["odd", 1, "é"]),
        ("method", ["GET", "POST", None], ["get", "Post", "", "-", "doFilter", 1]),
        ("path", ["/", "/a", None], ["/a?b", "/a#b", "http://a/b", "a", "", "-", 1]),
        (
            "client_ip",
            ["10.0.0.1", "fe80::1", None],
            ["10.0.0.1:80", "[::1]:80", "1.2.3.4, 5.6.7.8", "-", "unknown", ""],
        ),
        ("trace_id", ["4bf92f3577b34da6a3ce929d0e0e4736", None], ["0" * 32, "-", "7", 7, "a b"]),
        ("logger", ["app", None], ["-", "null", "", "Unknown"]),
        ("event", ["started"], [1, {"action": "login"}]),
    ],
)
def test_the_schema_of_this_version_holds_on_both_paths(name: str, valid: list[Any], invalid: list[Any]) -> None:
    """Each kind of field, at its bounds."""
    # an entry with a status alone may answer a request, which Python matches
    event = EVENT | ({"method": "GET", "path": "/a"} if name == "status_code" else {})
    for value in valid:
        assert same([docker(json.dumps(event | {name: value}))]) == 1, value
    for value in invalid:
        same([docker(json.dumps(event | {name: value}, ensure_ascii=False))])


@needs_native
def test_a_level_is_validated_in_the_schemas_spelling() -> None:
    """`WARN` becomes `warning` before its length is checked."""
    schema = with_field("level", FieldType("str", (("max_length", 5),)))
    assert same(lines_of(EVENT | {"level": "ERR"}), schema=schema) == 1
    assert same(lines_of(EVENT | {"level": "WARN"}), schema=schema) == 1


@needs_native
@pytest.mark.parametrize(
    ("matcher", "values"),
    [
        ({"min": 2, "max": 3.5}, [1.9, 2, 2.0, 3.5, 3.6, "3", True, None, 10**16]),
        ({"prefix": "ab"}, ["ab", "abc", "a", "", 1, None]),
        ({"contains": "b c"}, ["b c", "ab cd", "bc", "", 1, None]),
        ({"one_of": ["a", "b"]}, ["a", "b", "c", 1, None]),
        ({"one_of": ["a", 1]}, ["a", 1, 1.0, True, "1"]),
        ({"equals": True}, [True, 1, "true", False]),
        ({"glob": "a?c*"}, ["abc", "abcd", "ac", 1]),
        ({"route": "/a/{id}/b"}, ["/a/1/b", "/a/1/b/", "/a/1/b?x", "/a//b", "/a/1/bc", 1]),
        ({"route": "/a/{id}/b"}, ["/A/1/b", "/a/1/B/", "/a/1/b?%41", "/%61/1/b", "/a/1;x/b", "/a/./1/b", "/A/1/bc"]),
        ({"route": "/a//B/%41"}, ["/a//B/%41", "/a/b/a", "/a//b/A", "/a"]),
    ],
)
def test_each_operator_counts_the_same_on_both_paths(matcher: dict[str, Any], values: list[Any]) -> None:
    """Every operator over values at its edges."""
    events = [EVENT | {"area": value} for value in values]
    assert same(lines_of(*events, EVENT), rules=[rule_of(area=matcher)]) > 0


BOUNDS, MULTIPLE = ("ge", "gt", "le", "lt"), {"multiple_of": st.just(2)}
BOUND = st.one_of(st.integers(-4, 4), st.sampled_from([0.5, -0.25, 1e9, 100]))
CONSTRAINED = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("str")},
        optional={
            "min_length": st.integers(0, 3), "max_length": st.integers(0, 4), "to_upper": st.just(True),
            "pattern": st.sampled_from(["^[a-c]{1,3}$", "^[a-z0-9]*$", "[a-c]", r"^[\w]+$", "^[+-/]+$"]),
        },
    ),
    st.fixed_dictionaries({"type": st.just("int")}, optional=dict.fromkeys(BOUNDS, st.integers(-4, 4)) | MULTIPLE),
    st.fixed_dictionaries({"type": st.just("float")}, optional=dict.fromkeys(BOUNDS, BOUND) | MULTIPLE),
    st.sampled_from([{"type": "bool"}, {"type": "any"}, {"type": "none"}]),
)  # fmt: skip
DECLARED = st.one_of(
    CONSTRAINED,
    st.builds(lambda inner: {"type": "nullable", "schema": inner}, CONSTRAINED),
    st.builds(lambda choices: {"type": "union", "choices": choices}, st.lists(CONSTRAINED, min_size=1, max_size=3)),
)
HELD = st.one_of(
    st.text("abcz09+-/é€", max_size=5), st.integers(-6, 6), st.integers(-(10**17), 10**17), st.none(), st.booleans(),
    st.sampled_from([0.5, -0.25, 1e9, 100, 100.0, 0.0, 0.49999999999999, 4.0000000000001]),
)  # fmt: skip


@needs_native
@given(DECLARED, st.booleans(), st.lists(HELD, min_size=1, max_size=4))
@examples(25)
def test_any_declaration_gives_the_same_on_both_paths(
    declared: dict[str, Any], strict: bool, values: list[Any]
) -> None:
    """For any declaration of a field, known or not, the native path gives the result of the Python path."""
    type_ = field_type(declared if declared["type"] in ("any", "none") else {**declared, "strict": strict})
    texts = [json.dumps(EVENT | {"share": value}, ensure_ascii=False) for value in values]
    same([b"".join(map(docker, texts))], schema=with_field("share", type_))
