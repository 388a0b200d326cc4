"""Match: the conditions of counter rules, compiled into tests of an event.

What is known of an event before its rules are asked (its name, its method, its status) decides most conditions once
and for all; only what is left is tested with each event.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, NamedTuple

from shipper_processors.chain_plan import FieldTest, declared_tests
from shipper_schemas.rules import Condition, Matcher

Place = tuple[str, str, str]
"""Where an entry was seen: its stream, service and container."""
Test = Callable[[dict[str, Any], Place], bool]
ValueTest = Callable[[Any], bool]
Look = Callable[[dict[str, Any], Place], Any]

UNLISTED = object()
"""Stands for every value of a field but the texts that some rule asks for by name."""
PLACES = {"stream": 0, "service": 1, "container": 2}
"""Fields that the runtime tells; what an application logs under these names is never asked."""
DISPATCHED = frozenset({"event", "method"})
"""Fields whose texts choose the rules to ask; they are never looked for under `extra`."""


class Remaining(NamedTuple):
    """What remains of a condition where some fields are known."""

    test: Test | bool
    """True or False where nothing remains."""
    fields: frozenset[str] = frozenset()
    """The fields that the test looks at."""


NEVER, ALWAYS = Remaining(test=False), Remaining(test=True)


def remaining(condition: Condition, record: str | None, decided: Mapping[str, object]) -> Remaining:
    """Compile what remains of a condition where the `decided` fields are known.

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


def texts_asked(conditions: Iterable[Condition], field: str) -> set[str]:
    """The texts that the conditions ask of a field by name."""
    found: set[str] = set()
    for condition in conditions:
        matcher = condition.fields.get(field)
        if matcher is not None:
            found.update(text for text in (matcher.equals, *(matcher.one_of or ())) if isinstance(text, str))
        found |= texts_asked((*condition.all, *condition.any), field)
    return found


def matchers_of(conditions: Iterable[Condition]) -> Iterator[tuple[str, Matcher]]:
    """Every matcher of the conditions, with its field."""
    for condition in conditions:
        yield from condition.fields.items()
        yield from matchers_of((*condition.all, *condition.any))


def look(name: str) -> Look:
    """How a field is found: from the runtime, in the event, or where the schema put it aside."""
    if name in PLACES:
        index = PLACES[name]
        return lambda _event, place: place[index]
    if name in DISPATCHED:
        return lambda event, _place: event.get(name)

    def found(event: dict[str, Any], _place: Place) -> Any:  # noqa: ANN401 -- whatever was logged
        if name in event:
            return event[name]
        extra = event.get("extra")
        return extra.get(name) if isinstance(extra, dict) else None

    return found


def route_pattern(route: str) -> re.Pattern[str]:
    """A path template as a pattern: `{…}` is one part of the path, a query and a trailing slash are ignored."""
    parts = ["[^/?#]+" if part.startswith("{") else re.escape(part) for part in route.rstrip("/").split("/")]
    return re.compile("/".join(parts) + r"/?(?:[?#].*)?", re.DOTALL)


def _costly(field: tuple[str, tuple[FieldTest, ...]]) -> bool:
    """Patterns are tested last."""
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
    """Tell whether the test holds for no value but texts that it names."""
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
    def test(event: dict[str, Any], place: Place) -> bool:
        for part in tests:  # noqa: SIM110 -- a generator for `all` costs twice as much here
            if not part(event, place):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    def test(event: dict[str, Any], place: Place) -> bool:
        for part in tests:  # noqa: SIM110
            if part(event, place):
                return True
        return False

    return test


def _field_test(name: str, declared: tuple[FieldTest, ...]) -> Test:
    found = look(name)
    tests = tuple(map(value_test, declared))
    if len(tests) == 1:
        only = tests[0]
        if name in PLACES:
            return lambda event, place: only(found(event, place))
        return lambda event, place: only(event[name] if name in event else found(event, place))

    def test(event: dict[str, Any], place: Place) -> bool:
        value = found(event, place)
        return all(part(value) for part in tests)

    return test


def value_tests(matcher: Matcher) -> Iterable[ValueTest]:
    """Compile one test for each operator of a matcher; each takes any value and never raises."""
    return map(value_test, declared_tests(matcher))


def value_test(test: FieldTest) -> ValueTest:
    """Compile a test. Raises ValueError for an operator that nothing here executes."""
    compile_operand = OPERATORS.get(test.operator)
    if compile_operand is None:
        raise ValueError(f"nothing executes the operator `{test.operator}`")
    return compile_operand(test.operand)


def _one_of(values: Iterable[object]) -> ValueTest:
    """Equality of text, number or truth; 1 is 1.0, but never true."""
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
    """`prefix` is what every match begins with: most paths are another's, and are told apart by it alone."""
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
"""Each operator of a matcher, with what compiles its operand into a test of a value."""
