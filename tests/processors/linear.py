"""A bound on the steps of Python's backtracking matcher, for a regular expression and the length of a text.

The bound follows from the expression's structure alone. If the character after a repeated class cannot be one of that
class, backtracking over it fails immediately, and the steps of the parts add up; otherwise every possible end of the
class is tried with all that follows, and the steps multiply. `steps` computes this for texts of a length.

The structure is read by `re._parser`, which is private: Python has no public interface to it. Measuring time instead
would prove nothing about other texts, and would fail on a busy machine. If a version of Python changes the parser, an
unknown part raises NotImplementedError here instead of passing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

ALPHABET = frozenset([*map(chr, range(256)), *"\u0130\u0131\u017f\u0661\u2028\u202e\u3000\u4e2d\ud800\ufeff\U0001f642"])
"""Characters that represent all: at least one of them distinguishes each pair of classes in the project."""
INFINITE = float("inf")
MOST_MULTIPLIED = 64
CHARACTERS_PER_PART = 4
ENDLESS = 1 << 31
"""Smallest number by which the parser expresses that there is no upper bound."""
Items = list[tuple[Any, Any]]


class Work(NamedTuple):
    """Bound on the work of a part from one place on."""

    steps: float
    """Steps to try all its matches."""
    ways: float
    """Number of ends from which the rest may be tried."""


@dataclass(frozen=True)
class Follow:
    """The text that can follow a part: its first characters, and whether it may be empty."""

    first: frozenset[str]
    nothing: bool
    certain: bool = True
    """True if an empty text matches without an assertion about the place."""

    @property
    def is_complete(self) -> bool:
        """True if a match is complete as soon as the part before ends."""
        return self.nothing and self.certain and not self.first


END = Follow(frozenset(), nothing=False)
"""The end of the text: no character follows."""
ANYTHING = Follow(frozenset(), nothing=True)
"""No further condition."""


class Bound:
    """The bound for one expression and texts of `length` characters."""

    def __init__(self, pattern: "re.Pattern[Any]", length: int, *, amortised: bool) -> None:
        """With `amortised`, unbounded repeats over which no second start can walk again count once for the text."""
        self._length, self._amortised, self._flags = length, amortised, pattern.flags
        parsed = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        self.items: Items = list(parsed)
        self._widths = parsed.state.groupwidths
        self._starts: frozenset[str] = ALPHABET
        """Characters at which a match may begin."""
        self._not_after: frozenset[str] = frozenset()
        """Characters after which none may begin."""

    def of_match(self, follow: Follow) -> float:
        """Return the steps of a match at one place."""
        return self._sequence(self.items, follow).steps

    def of_search(self) -> float:
        """Return the steps of a failing or succeeding match at one of many places, over all alternatives."""
        alternatives = self.items[0][1][1] if len(self.items) == 1 and self.items[0][0] is op.BRANCH else [self.items]
        total = 0.0
        for alternative in alternatives:
            self._starts = self._first(list(alternative), ANYTHING).first
            kind, value = alternative[0]
            lookbehind = kind is op.ASSERT_NOT and value[0] < 0 and len(value[1]) == 1
            self._not_after = (self._characters(*value[1][0]) if lookbehind else None) or frozenset()
            total += self._sequence(list(alternative), ANYTHING).steps
        return total

    # --- first characters ---------------------------------------------------------------------------

    def _first(self, items: Items, follow: Follow) -> Follow:
        first: frozenset[str] = frozenset()
        certain = True
        for kind, value in items:
            following = self._first_of(kind, value)
            first |= following.first
            certain = certain and following.certain
            if not following.nothing:
                return Follow(first, nothing=False)
        return Follow(first | follow.first, follow.nothing, certain and follow.certain)

    def _first_of(self, kind: Any, value: Any) -> Follow:
        characters = self._characters(kind, value)
        if characters is not None:
            return Follow(characters, nothing=False)
        if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
            at_end = kind is op.AT and value in (op.AT_END, op.AT_END_STRING)
            return END if at_end else Follow(frozenset(), nothing=True, certain=False)
        if kind is op.SUBPATTERN:
            return self._first(list(value[3]), ANYTHING)
        if kind is op.ATOMIC_GROUP:
            return self._first(list(value), ANYTHING)
        if kind is op.BRANCH:
            return self._either([list(one) for one in value[1]])
        if kind is op.GROUPREF_EXISTS:
            return self._either([list(one or []) for one in value[1:]])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            inner = self._first(list(value[2]), ANYTHING)
            return Follow(inner.first, inner.nothing or value[0] == 0, inner.certain or value[0] == 0)
        if kind is op.GROUPREF:
            return Follow(ALPHABET, nothing=True, certain=False)
        raise NotImplementedError(f"{kind} is not supported")

    def _either(self, alternatives: list[Items]) -> Follow:
        follows = [self._first(one, ANYTHING) for one in alternatives]
        first: frozenset[str] = frozenset().union(*(one.first for one in follows))
        return Follow(first, any(one.nothing for one in follows), any(one.nothing and one.certain for one in follows))

    def _characters(self, kind: Any, value: Any) -> frozenset[str] | None:
        """Return the characters of a part that is one character; None for any other part."""
        if kind is op.ANY:
            return ALPHABET if self._flags & re.DOTALL else ALPHABET - {"\n"}
        if kind is op.LITERAL:
            return self._cased({chr(value)})
        if kind is op.NOT_LITERAL:
            return ALPHABET - self._cased({chr(value)})
        if kind is not op.IN:
            return None
        members: set[str] = set()
        for inner, what in value:
            if inner is op.LITERAL:
                members.add(chr(what))
            elif inner is op.RANGE:
                members |= {character for character in ALPHABET if what[0] <= ord(character) <= what[1]}
            elif inner is op.CATEGORY:
                members |= self._category(what)
        characters = self._cased(members)
        return ALPHABET - characters if value[0][0] is op.NEGATE else characters

    def _cased(self, characters: set[str]) -> frozenset[str]:
        return in_both_cases(frozenset(characters)) if self._flags & re.IGNORECASE else frozenset(characters)

    def _category(self, what: Any) -> frozenset[str]:
        written = {
            op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S",
            op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
        }[what]  # fmt: skip
        return in_class(written, self._flags & re.ASCII)

    def _always_matches(self, rest: Items, follow: Follow) -> bool:
        """True if the rest matches from every place: any number of any characters, up to the end."""
        optional = (op.MAX_REPEAT, op.MIN_REPEAT)
        inside = [*rest]
        while inside and inside[-1][0] is op.SUBPATTERN:
            inside[-1:] = list(inside[-1][1][3])
        if not inside or any(kind not in optional or value[0] > 0 for kind, value in inside):
            return False
        least, most, what = inside[-1][1]
        every = self._is_character(list(what)) and self._characters(*what[0]) == ALPHABET
        return least == 0 and most >= ENDLESS and every and not follow.first

    # --- number of steps ---------------------------------------------------------------------------

    def _sequence(self, items: Items, follow: Follow) -> Work:
        if not items:
            return Work(1, 1)
        (kind, value), rest = items[0], items[1:]
        after = self._first(rest, follow)
        own, behind = self._part(kind, value, after), self._sequence(rest, follow)
        if self._always_matches(rest, follow):
            own = Work(own.steps, 1)
        return Work(own.steps + own.ways * behind.steps, own.ways * behind.ways)

    def _part(self, kind: Any, value: Any, after: Follow) -> Work:
        if self._characters(kind, value) is not None or kind is op.AT:
            return Work(1, 1)
        if kind is op.GROUPREF:
            return Work(self._widths[value][1] if self._widths[value][1] < ENDLESS else INFINITE, 1)
        if kind in (op.ASSERT, op.ASSERT_NOT):
            return Work(self._sequence(list(value[1]), ANYTHING).steps, 1)
        if kind is op.SUBPATTERN:
            return self._sequence(list(value[3]), after)
        if kind is op.ATOMIC_GROUP:
            return Work(self._sequence(list(value), after).steps, 1)
        if kind is op.BRANCH:
            return self._branch([list(one) for one in value[1]], after)
        if kind is op.GROUPREF_EXISTS:
            works = [self._sequence(list(one or []), after) for one in value[1:]]
            return Work(max(work.steps for work in works), max(work.ways for work in works))
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            work = self._repeat(list(value[2]), value[0], value[1], after)
            return Work(work.steps, 1) if kind is op.POSSESSIVE_REPEAT else work
        raise NotImplementedError(f"{kind} is not supported")

    def _branch(self, alternatives: list[Items], after: Follow) -> Work:
        works = [self._sequence(one, after) for one in alternatives]
        firsts = [self._first(one, after) for one in alternatives]
        apart = all(
            not one.nothing and not other.nothing and not one.first & other.first
            for place, one in enumerate(firsts) for other in firsts[:place]
        )  # fmt: skip
        together = max if apart else sum
        return Work(together(work.steps for work in works) + len(works), together(work.ways for work in works))

    def _repeat(self, inner: Items, least: int, most: int, after: Follow) -> Work:
        first = self._first(inner, ANYTHING)
        if first.nothing and most >= ENDLESS:
            return Work(INFINITE, INFINITE)
        times = self._times(inner, least, most, after)
        apart = after.is_complete or (not first.first & after.first and not after.nothing)
        if most == 1:
            once = self._sequence(inner, after)
            return Work(once.steps + 1, once.ways + (least == 0 and not apart))
        behind = Follow(first.first, nothing=False) if after.is_complete else self._or(first, after)
        again = Work(1, 1) if self._is_character(inner) else self._sequence(inner, behind)
        if again.ways > 1:  # each repetition multiplies
            ways = again.ways**times if times <= MOST_MULTIPLIED else INFINITE
            return Work(ways * again.steps, ways)
        steps = min(
            times * again.steps, CHARACTERS_PER_PART * self._length * len([*_all_parts(inner)])
        )  # each repetition consumes a character
        return Work(steps + 1, 1 if apart else max(1, times - least + 1))

    @staticmethod
    def _or(first: Follow, after: Follow) -> Follow:
        return Follow(first.first | after.first, after.nothing, after.certain)

    @staticmethod
    def _is_character(inner: Items) -> bool:
        return len(inner) == 1 and inner[0][0] in (op.ANY, op.LITERAL, op.NOT_LITERAL, op.IN)

    def _times(self, inner: Items, least: int, most: int, after: Follow) -> float:
        """Return the largest number of repetitions; where starts cannot overlap, the walked text counts once."""
        characters = self._consumed(inner)
        walked_once = after.is_complete or not characters & self._starts or characters <= self._not_after
        if self._amortised and walked_once and self._is_flat(inner):
            return max(1, least)
        return min(most, self._length)

    def _consumed(self, inner: Items) -> frozenset[str]:
        """Return all characters that a part may consume."""
        classes = (self._characters(kind, value) for kind, value in _all_parts(inner))
        return frozenset().union(*(characters for characters in classes if characters is not None))

    def _is_flat(self, inner: Items) -> bool:
        """True if a repeat contains no other unbounded repeat."""
        return not any(
            kind in (op.MAX_REPEAT, op.MIN_REPEAT) and value[1] >= ENDLESS for kind, value in _all_parts(inner)
        )  # fmt: skip


@cache
def in_both_cases(characters: frozenset[str]) -> frozenset[str]:
    """Return the characters that a case-insensitive expression matches for one of these characters."""
    cased = {
        other
        for character in characters
        for other in (character, character.lower(), character.upper(), character.swapcase())
    }
    return frozenset(cased).union(
        character
        for character in ALPHABET
        if character.lower() in cased or character.upper() in cased or character.casefold() in cased
    )


@cache
def in_class(written: str, flags: int) -> frozenset[str]:
    r"""Return the characters of a class such as `\d`."""
    one = re.compile(written, flags)
    return frozenset(character for character in ALPHABET if one.fullmatch(character))


def _all_parts(items: Items) -> Iterator[tuple[Any, Any]]:
    for kind, value in items:
        yield kind, value
        if kind is op.SUBPATTERN:
            yield from _all_parts(list(value[3]))
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield from _all_parts(list(value[2]))
        elif kind is op.BRANCH:
            for one in value[1]:
                yield from _all_parts(list(one))
        elif kind is op.ATOMIC_GROUP:
            yield from _all_parts(list(value))
        elif kind is op.GROUPREF_EXISTS:
            for one in value[1:]:
                yield from _all_parts(list(one or []))


def steps(pattern: "re.Pattern[Any]", length: int, *, way: str) -> float:
    """Return a bound on the steps of `way` (`match`, `fullmatch`, or `search` for methods that try every place)."""
    if way == "search":
        return length * (Bound(pattern, length, amortised=True).of_search() + 1)
    return Bound(pattern, length, amortised=False).of_match(END if way == "fullmatch" else ANYTHING)


def per_character(pattern: "re.Pattern[Any]", *, way: str) -> float:
    """Return the most steps per character, over texts of all lengths up to a megabyte."""
    return max(steps(pattern, length, way=way) / length for length in (100, 1000, 10_000, 1_000_000))


def is_linear(pattern: "re.Pattern[Any]", *, way: str) -> bool:
    """True if the bound grows no faster than the text."""
    short, long = 10_000, 10_000_000
    few, many = steps(pattern, short, way=way), steps(pattern, long, way=way)
    return many < INFINITE and many <= few * (long / short) * 1.01
