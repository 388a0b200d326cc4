"""Compile the conditions of counter rules into tests of an event.

The event's name, method and status, which are known before its rules are evaluated, decide most conditions once; only
the remaining tests run for each event.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, NamedTuple

from shipper_processors.chain_plan import FieldTest, declared_tests
from shipper_schemas.rules import Condition, Matcher

RuntimeValues = tuple[str, str, str]
"""The runtime's own values of an entry: stream, service and container."""
Test = Callable[[dict[str, Any], RuntimeValues], bool]
ValueTest = Callable[[Any], bool]
FieldReader = Callable[[dict[str, Any], RuntimeValues], Any]

UNLISTED = object()
"""Stands for every value of a field except the texts that some rule lists."""
RUNTIME_FIELDS = {"stream": 0, "service": 1, "container": 2}
"""Fields that the runtime sets, with their index in RuntimeValues; an application cannot set them."""
DISPATCHED = frozenset({"event", "method"})
"""Fields whose texts select the rules to evaluate; they are never read from `extra`."""


class Remaining(NamedTuple):
    """The part of a condition that is still to be tested once some fields are known."""

    test: Test | bool
    """True or False if nothing remains to be tested."""
    fields: frozenset[str] = frozenset()
    """The fields that the test reads."""


NEVER, ALWAYS = Remaining(test=False), Remaining(test=True)


def remaining(condition: Condition, record: str | None, decided: Mapping[str, object]) -> Remaining:
    """Compile the part of a condition that remains once the `decided` fields are known.

    `record` is the name of the event that is a request's record; `decided` holds the event's name, or UNLISTED.
    """
    if condition.request and (record is None or decided["event"] != record):
        return NEVER
    fields = sorted(((name, declared_tests(matcher)) for name, matcher in condition.fields.items()), key=_costly)
    parts = [_decide(name, tests, decided) for name, tests in fields]
    parts += [remaining(part, record, decided) for part in condition.all]
    if condition.any:
        parts.append(_either([remaining(part, record, decided) for part in condition.any]))
    if any(part.test is False for part in parts):
        return NEVER
    return _joined([part for part in parts if part.test is not True], _all, ALWAYS)


def listed_texts(conditions: Iterable[Condition], field: str) -> set[str]:
    """Return the texts that the conditions list for a field."""
    texts: set[str] = set()
    for condition in conditions:
        matcher = condition.fields.get(field)
        if matcher is not None:
            texts.update(text for text in (matcher.equals, *(matcher.one_of or ())) if isinstance(text, str))
        texts |= listed_texts((*condition.all, *condition.any), field)
    return texts


def matchers_of(conditions: Iterable[Condition]) -> Iterator[tuple[str, Matcher]]:
    """Yield every matcher of the conditions, with its field."""
    for condition in conditions:
        yield from condition.fields.items()
        yield from matchers_of((*condition.all, *condition.any))


def field_reader(name: str) -> FieldReader:
    """Return a function that reads a field: from the runtime, from the event, or from its `extra`."""
    if name in RUNTIME_FIELDS:
        index = RUNTIME_FIELDS[name]
        return lambda _event, runtime: runtime[index]
    if name in DISPATCHED:
        return lambda event, _runtime: event.get(name)

    def get(event: dict[str, Any], _runtime: RuntimeValues) -> Any:  # noqa: ANN401 -- any logged value
        if name in event:
            return event[name]
        extra = event.get("extra")
        return extra.get(name) if isinstance(extra, dict) else None

    return get


def route_pattern(route: str) -> re.Pattern[str]:
    """Return the pattern of a path template: `{…}` matches one segment; a query and a trailing slash are ignored."""
    parts = ["[^/?#]+" if part.startswith("{") else re.escape(part) for part in route.rstrip("/").split("/")]
    return re.compile("/".join(parts) + r"/?(?:[?#].*)?", re.DOTALL)


def _costly(field: tuple[str, tuple[FieldTest, ...]]) -> bool:
    """True for patterns, which are tested last."""
    return any(test.operator in ("route", "glob") for test in field[1])


def _decide(name: str, tests: tuple[FieldTest, ...], decided: Mapping[str, object]) -> Remaining:
    if name in decided:
        value = decided[name]
        if value is not UNLISTED:
            return Remaining(all(test(value) for test in map(value_test, tests)))
        if any(map(_only_listed, tests)):
            return NEVER
    return Remaining(_field_test(name, tests), frozenset((name,)))


def _only_listed(test: FieldTest) -> bool:
    """True if the test holds only for texts that it lists."""
    if test.operator == "one_of":
        return all(isinstance(value, str) for value in test.operand)
    return test.operator == "equals" and isinstance(test.operand, str)


def _either(parts: list[Remaining]) -> Remaining:
    if any(part.test is True for part in parts):
        return ALWAYS
    return _joined([part for part in parts if part.test is not False], _any, NEVER)


def _joined(parts: list[Remaining], join: Callable[[list[Test]], Test], empty: Remaining) -> Remaining:
    if not parts:
        return empty
    tests = [part.test for part in parts if not isinstance(part.test, bool)]
    return Remaining(tests[0] if len(tests) == 1 else join(tests), frozenset().union(*(part.fields for part in parts)))


def _all(tests: list[Test]) -> Test:
    def test(event: dict[str, Any], runtime: RuntimeValues) -> bool:
        for part in tests:  # noqa: SIM110 -- a generator for `all` costs twice as much here
            if not part(event, runtime):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    def test(event: dict[str, Any], runtime: RuntimeValues) -> bool:
        for part in tests:  # noqa: SIM110
            if part(event, runtime):
                return True
        return False

    return test


def _field_test(name: str, declared: tuple[FieldTest, ...]) -> Test:
    get = field_reader(name)
    tests = tuple(map(value_test, declared))
    if len(tests) == 1:
        only = tests[0]
        if name in RUNTIME_FIELDS:
            return lambda event, runtime: only(get(event, runtime))
        return lambda event, runtime: only(event[name] if name in event else get(event, runtime))

    def test(event: dict[str, Any], runtime: RuntimeValues) -> bool:
        value = get(event, runtime)
        return all(part(value) for part in tests)

    return test


def value_tests(matcher: Matcher) -> Iterable[ValueTest]:
    """Compile one test for each operator of a matcher; each takes any value and never raises."""
    return map(value_test, declared_tests(matcher))


def value_test(test: FieldTest) -> ValueTest:
    """Compile a test. Raises ValueError for an unknown operator."""
    compile_operand = OPERATORS.get(test.operator)
    if compile_operand is None:
        raise ValueError(f"unknown operator `{test.operator}`; expected one of {', '.join(OPERATORS)}")
    return compile_operand(test.operand)


def _one_of(values: Iterable[object]) -> ValueTest:
    """Test for equality of text, number or boolean; 1 equals 1.0, but never true."""
    wanted = {(isinstance(value, bool), value) for value in values}
    return lambda value: isinstance(value, str | int | float) and (isinstance(value, bool), value) in wanted


def _prefix(prefix: str) -> ValueTest:
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _glob(pattern: str) -> ValueTest:
    return _full_match(re.compile(translate(pattern)), "")


def _route(route: str) -> ValueTest:
    return _full_match(route_pattern(route), route.rstrip("/").partition("{")[0])


def _at_least(least: float) -> ValueTest:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value >= least


def _at_most(most: float) -> ValueTest:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value <= most


def _full_match(pattern: re.Pattern[str], prefix: str) -> ValueTest:
    """Test for a full match; every match begins with `prefix`, which alone rules out most paths."""
    match = pattern.fullmatch
    return lambda value: isinstance(value, str) and value.startswith(prefix) and match(value) is not None


OPERATORS: dict[str, Callable[[Any], ValueTest]] = {
    "equals": lambda wanted: _one_of((wanted,)),
    "one_of": _one_of,
    "prefix": _prefix,
    "glob": _glob,
    "route": _route,
    "min": _at_least,
    "max": _at_most,
}
"""Operators of a matcher, with the function that compiles the operand into a test of a value."""
