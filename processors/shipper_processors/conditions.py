"""Match: the conditions of counter rules, compiled into tests of an event.

What is known of an event before its rules are asked (its name, its method, its status) decides most conditions once
and for all; only what is left is tested with each event.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, NamedTuple

from shipper_schemas.rules import Condition, Matcher

Place = tuple[str, str, str]
"""Where an entry was seen: its stream, service and container."""
Test = Callable[[dict[str, Any], Place], bool]
Look = Callable[[dict[str, Any], Place], Any]

UNLISTED = object()
"""Stands for every value of a field but the texts that some rule asks for by name."""
PLACES = {"stream": 0, "service": 1, "container": 2}
"""Fields that the runtime tells; what an application logs under these names is never asked."""
DISPATCHED = frozenset({"event", "method"})
"""Fields whose texts choose the rules to ask; they are never looked for under `extra`."""


def compiled(condition: Condition, record: str | None, decided: Mapping[str, object]) -> Test | bool:
    """What remains of a condition where the `decided` fields are known; True or False where nothing does.

    `record` is the name of the event that is a request's record; `decided` tells the event's name, or UNLISTED.
    """
    if condition.request and (record is None or decided["event"] != record):
        return False
    fields = sorted(condition.fields.items(), key=lambda item: _cost(item[1]))
    tests = [_decide(name, matcher, decided) for name, matcher in fields]
    tests += [compiled(part, record, decided) for part in condition.all]
    if condition.any:
        tests.append(_either([compiled(part, record, decided) for part in condition.any]))
    if False in tests:
        return False
    remaining = [test for test in tests if not isinstance(test, bool)]
    if not remaining:
        return True
    return remaining[0] if len(remaining) == 1 else _all(remaining)


def texts_asked(conditions: Iterable[Condition], field: str) -> set[str]:
    """The texts that the conditions ask of a field by name."""
    found: set[str] = set()
    for condition in conditions:
        matcher = condition.fields.get(field)
        if matcher is not None:
            found.update(text for text in (matcher.equals, *(matcher.one_of or ())) if isinstance(text, str))
        found |= texts_asked((*condition.all, *condition.any), field)
    return found


class Asked(NamedTuple):
    """All that rules ask of a field."""

    name: str
    matchers: tuple[Matcher, ...] | None
    """Their answers are all that the rules see of it; None where its value itself is looked at."""


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


def _cost(matcher: Matcher) -> int:
    """Patterns are asked last."""
    return int(matcher.route is not None or matcher.glob is not None)


def _decide(name: str, matcher: Matcher, decided: Mapping[str, object]) -> Test | bool:
    if name not in decided:
        return _field_test(name, matcher)
    value = decided[name]
    if value is not UNLISTED:
        return all(test(value) for test in value_tests(matcher))
    return False if _asks_listed(matcher) else _field_test(name, matcher)


def _asks_listed(matcher: Matcher) -> bool:
    if isinstance(matcher.equals, str):
        return True
    return matcher.one_of is not None and all(isinstance(value, str) for value in matcher.one_of)


def _either(parts: list[Test | bool]) -> Test | bool:
    if True in parts:
        return True
    remaining = [part for part in parts if not isinstance(part, bool)]
    if not remaining:
        return False
    return remaining[0] if len(remaining) == 1 else _any(remaining)


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


def _field_test(name: str, matcher: Matcher) -> Test:
    found = look(name)
    tests = tuple(value_tests(matcher))
    if len(tests) == 1:
        only = tests[0]
        if name in PLACES:
            return lambda event, place: only(found(event, place))
        return lambda event, place: only(event[name] if name in event else found(event, place))

    def test(event: dict[str, Any], place: Place) -> bool:
        value = found(event, place)
        return all(part(value) for part in tests)

    return test


def value_tests(matcher: Matcher) -> Iterable[Callable[[Any], bool]]:
    """One test for each thing that a matcher asks; each takes any value and never raises."""
    if matcher.equals is not None:
        yield _one_of((matcher.equals,))
    if matcher.one_of is not None:
        yield _one_of(matcher.one_of)
    if matcher.prefix is not None:
        prefix = matcher.prefix
        yield lambda value: isinstance(value, str) and value.startswith(prefix)
    if matcher.glob is not None:
        yield _full_match(re.compile(translate(matcher.glob)), "")
    if matcher.route is not None:
        yield _full_match(route_pattern(matcher.route), matcher.route.rstrip("/").partition("{")[0])
    if matcher.min is not None or matcher.max is not None:
        yield _between(matcher.min, matcher.max)


def _one_of(values: Iterable[object]) -> Callable[[Any], bool]:
    """Equality of text, number or truth; 1 is 1.0, but never true."""
    wanted = {(isinstance(value, bool), value) for value in values}
    return lambda value: isinstance(value, str | int | float) and (isinstance(value, bool), value) in wanted


def _between(least: float | None, most: float | None) -> Callable[[Any], bool]:
    low = -math.inf if least is None else least
    high = math.inf if most is None else most
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _full_match(pattern: re.Pattern[str], prefix: str) -> Callable[[Any], bool]:
    """`prefix` is what every match begins with: most paths are another's, and are told apart by it alone."""
    match = pattern.fullmatch
    return lambda value: isinstance(value, str) and value.startswith(prefix) and match(value) is not None
