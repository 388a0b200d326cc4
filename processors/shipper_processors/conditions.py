"""Compile the conditions of counter rules into tests of an event.

The event's name, method and status, which are known before its rules are evaluated, decide most conditions once; only
the remaining tests run for each event.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, NamedTuple

from shipper_processors.chain_plan import PYTHON_OPERATORS, FieldTest, declared_tests
from shipper_processors.login_lines import TESTS
from shipper_processors.request_paths import is_unusual, normalised_paths
from shipper_schemas.entry import Paths
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
FORMAT = r"(?:\.json)?"
"""The format that Rails and others take from the end of a path."""
STATUS = re.compile(r"\s{0,8}([1-5][0-9]{2})(?:\.0{1,3})?(?:\s.*)?\Z", re.DOTALL)
REQUEST_LINE = frozenset({"method", "path"})
DISPATCHED = frozenset({"event", "method"})
"""Fields whose texts select the rules to evaluate; they are never read from `extra`."""


class Remaining(NamedTuple):
    """The part of a condition that is still to be tested once some fields are known."""

    test: Test | bool
    """True or False if nothing remains to be tested."""
    fields: frozenset[str] = frozenset()
    """The fields that the test reads."""


class Known(NamedTuple):
    """All that is known before a condition is compiled."""

    decided: Mapping[str, object]
    """Values of fields; the event's name, or UNLISTED, is always known."""
    is_request: bool
    """True for an event that records a request, from the source that counts."""
    paths: Paths = "tolerant"
    at_most: bool = False
    """Assume that each test holds that only Python or the runtime can decide: what does not hold then never does."""


NEVER, ALWAYS = Remaining(test=False), Remaining(test=True)


def remaining(condition: Condition, known: Known) -> Remaining:
    """Compile the part of a condition that remains to be tested."""
    if condition.request and not known.is_request:
        return NEVER
    fields = sorted(((name, declared_tests(matcher)) for name, matcher in condition.fields.items()), key=_costly)
    if known.at_most:
        fields = [
            (name, tuple(test for test in tests if test.operator not in PYTHON_OPERATORS))
            for name, tests in fields
            if name not in RUNTIME_FIELDS
        ]
    parts = [_decide(name, tests, known) for name, tests in fields]
    parts += [remaining(part, known) for part in condition.all]
    if condition.any:
        parts.append(_either([remaining(part, known) for part in condition.any]))
    if any(part.test is False for part in parts):
        return NEVER
    return _joined([part for part in parts if part.test is not True], _all, ALWAYS)


def path_test(condition: Condition, method: str, paths: Paths, *, relevant: bool = False) -> ValueTest | bool:
    """Compile the test of a path by which a condition may hold for a request of unknown status.

    All but method and path is assumed to hold. False for a condition that asks for none of both and no request; with
    `relevant`, the condition around it asks for one.
    """
    relevant = relevant or any(
        part.request or not REQUEST_LINE.isdisjoint(part.fields) for part in (condition, *condition.all)
    )
    parts: list[ValueTest | bool] = []
    for name, matcher in condition.fields.items():
        if name == "method":
            parts.append(all(test(method) for test in value_tests(name, matcher, paths)))
        elif name == "path":
            parts += value_tests(name, matcher, paths)
        elif not relevant:
            return False
    parts += [path_test(part, method, paths, relevant=relevant) for part in condition.all]
    if condition.any:
        parts.append(any_path(path_test(part, method, paths, relevant=relevant) for part in condition.any))
    if any(part is False for part in parts):
        return False
    tests = [part for part in parts if callable(part)]
    return (lambda path: all(test(path) for test in tests)) if tests else True


def any_path(tests: Iterable[ValueTest | bool]) -> ValueTest | bool:
    """Return the test of a path that holds if one of the tests does."""
    listed = list(tests)
    if any(test is True for test in listed):
        return True
    either = [test for test in listed if callable(test)]
    return (lambda path: any(test(path) for test in either)) if either else False


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


def normalised_pattern(route: str) -> re.Pattern[str]:
    """Return the pattern of a path template for normalised paths, in any letter case."""
    normalised = next(normalised_paths(route)).rstrip("/")
    parts = ["[^/]+" if part.startswith("{") else re.escape(part) for part in normalised.split("/")]
    return re.compile(f"{'/'.join(parts)}{FORMAT}/?", re.DOTALL | re.IGNORECASE | re.ASCII)


def needs_python(condition: Condition) -> bool:
    """True if a condition has a test that only Python executes."""
    tests = (test for _, matcher in matchers_of((condition,)) for test in declared_tests(matcher))
    return any(test.operator in PYTHON_OPERATORS for test in tests)


def field_reader(name: str) -> FieldReader:
    """Return a function that reads a field: from the runtime, from the event, or from its `extra`.

    A name with dots is a literal name first, then a path of nested objects.
    """
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

    if "." not in name:
        return get
    parts = name.split(".")

    def get_nested(event: dict[str, Any], runtime: RuntimeValues) -> Any:  # noqa: ANN401 -- any logged value
        value = get(event, runtime)
        if value is None:
            value = _nested(event, parts)
        return _nested(event.get("extra"), parts) if value is None else value

    return get_nested


def _nested(value: Any, parts: list[str]) -> Any:  # noqa: ANN401 -- any logged value
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def route_pattern(route: str, flags: re.RegexFlag = re.NOFLAG, suffix: str = "") -> re.Pattern[str]:
    """Return the pattern of a path template: `{…}` matches one segment; a query and a trailing slash are ignored."""
    parts = ["[^/?#]+" if part.startswith("{") else re.escape(part) for part in route.rstrip("/").split("/")]
    return re.compile(f"{'/'.join(parts)}{suffix}/?(?:[?#].*)?", re.DOTALL | flags)


def _costly(field: tuple[str, tuple[FieldTest, ...]]) -> bool:
    """True for patterns, which are tested last."""
    return any(test.operator in ("route", "glob", "preset") for test in field[1])


def _decide(name: str, tests: tuple[FieldTest, ...], known: Known) -> Remaining:
    if not tests:
        return ALWAYS
    if name in known.decided:
        value = known.decided[name]
        if value is not UNLISTED:
            return Remaining(all(test(value) for test in _compiled(name, tests, known.paths)))
        if any(map(_only_listed, tests)):
            return NEVER
    return Remaining(_field_test(name, _compiled(name, tests, known.paths)), frozenset((name,)))


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


def _field_test(name: str, tests: tuple[ValueTest, ...]) -> Test:
    get = field_reader(name)
    if len(tests) == 1:
        only = tests[0]
        if name in RUNTIME_FIELDS:
            return lambda event, runtime: only(get(event, runtime))
        return lambda event, runtime: only(event[name] if name in event else get(event, runtime))

    def test(event: dict[str, Any], runtime: RuntimeValues) -> bool:
        value = get(event, runtime)
        return all(part(value) for part in tests)

    return test


def value_tests(name: str, matcher: Matcher, paths: Paths) -> tuple[ValueTest, ...]:
    """Compile one test for each operator of a field's matcher; each takes any value and never raises."""
    return _compiled(name, declared_tests(matcher), paths)


def _compiled(name: str, tests: Iterable[FieldTest], paths: Paths) -> tuple[ValueTest, ...]:
    return tuple(_field_value_test(name, test, paths) for test in tests)


def _field_value_test(name: str, test: FieldTest, paths: Paths) -> ValueTest:
    """Compile a test of one field: a method in any letter case, a status as a number or as text, a path as routed."""
    if test.operator == "route" and paths == "strict":
        return _strict_route(test.operand)
    read = {"method": method_of, "status_code": status_of}.get(name)
    if read is None or test.operator not in ("equals", "one_of", "min", "max"):
        return value_test(test)
    operand = tuple(map(read, test.operand)) if isinstance(test.operand, tuple) else read(test.operand)
    holds = value_test(FieldTest(test.operator, operand))
    return lambda value: holds(read(value))


def method_of(value: object) -> object:
    """Return a method in upper case; any other value unchanged."""
    return value.upper() if isinstance(value, str) else value


def status_of(value: object) -> object:
    """Return a status that was logged as text, such as `401` or `401 Unauthorized`, as a number; others unchanged."""
    match = STATUS.match(value) if isinstance(value, str) else None
    return int(match[1]) if match else value


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


def _contains(part: str) -> ValueTest:
    return lambda value: isinstance(value, str) and part in value


def _glob(pattern: str) -> ValueTest:
    return _full_match(re.compile(translate(pattern)), "")


def _strict_route(route: str) -> ValueTest:
    return _full_match(route_pattern(route), route.rstrip("/").partition("{")[0])


def _route(route: str) -> ValueTest:
    """Test for a route as servers may resolve the path: as logged, or normalised and in any letter case."""
    as_logged = _strict_route(route)
    if "?" in route or "#" in route:
        return as_logged
    in_any_case = route_pattern(route, re.IGNORECASE | re.ASCII, FORMAT).fullmatch
    normalised = normalised_pattern(route).fullmatch

    def test(value: Any) -> bool:  # noqa: ANN401 -- any logged value
        if as_logged(value):
            return True
        if not isinstance(value, str):
            return False
        if is_unusual(value):
            return any(normalised(path) is not None for path in normalised_paths(value))
        return in_any_case(value) is not None

    return test


def _preset(name: str) -> ValueTest:
    recognises = TESTS[name]
    return lambda value: isinstance(value, str) and recognises(value)


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
    "contains": _contains,
    "glob": _glob,
    "route": _route,
    "min": _at_least,
    "max": _at_most,
    "preset": _preset,
}
"""Operators of a matcher, with the function that compiles the operand into a test of a value."""
