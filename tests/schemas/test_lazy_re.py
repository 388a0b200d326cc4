"""Patterns that are compiled at their first use."""

import copy
import pickle
import re

import pytest

from shipper_schemas import lazy_re


def test_a_lazy_pattern_finds_what_the_compiled_one_finds() -> None:
    """At its first use and later, and in a copy."""
    pattern = lazy_re.compile(r"(?P<first>[a-z])(\d)", lazy_re.IGNORECASE)
    for held in (pattern, pattern, copy.deepcopy(pattern), pickle.loads(pickle.dumps(pattern))):
        match = held.search("-A1-")
        assert match is not None
        assert match.groups() == ("A", "1")
        assert held.sub("x", "a1b2") == "xx"
        assert held.groupindex == {"first": 1}
        assert held.flags == re.compile("", re.IGNORECASE).flags


def test_an_invalid_expression_fails_at_its_first_use() -> None:
    """Not at import: that is what makes it cheap."""
    pattern = lazy_re.compile("(")
    with pytest.raises(re.error):
        pattern.match("")


def test_every_lazy_pattern_of_the_chain_compiles() -> None:
    """A pattern that no line of the tests meets is valid, too."""
    from importlib import import_module
    from pathlib import Path

    import shipper_processors

    folder = Path(shipper_processors.__file__).parent
    compiled = 0
    for path in folder.rglob("*.py"):
        name = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if "lazy_re" not in path.read_text(encoding="utf-8"):
            continue
        for value in vars(import_module(name)).values():
            if isinstance(value, lazy_re.LazyPattern):
                assert isinstance(value.pattern, str | bytes)
                compiled += 1
    assert compiled > 100
