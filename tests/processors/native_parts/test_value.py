"""JSON in the extension against orjson: the same texts are accepted, and written back as the same bytes."""

import json
import os
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.fast_path import native

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

DEEPEST = 64
texts = st.one_of(
    st.text(), st.text(alphabet='\\"/\b\f\n\r\t\x00\x1f\x7f\u2028é😀u0123456789abcdef{}[]:,', max_size=40)
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-8, 1e-3),
    st.decimals(-(10**20), 10**20, allow_nan=False).map(float), st.integers(-400, 400).map(lambda power: f"1e{power}"),
)  # fmt: skip
values = st.recursive(
    st.one_of(texts, numbers, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=40)),
    max_leaves=40,
)
documents = st.one_of(
    st.builds(json.dumps, values, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1])),
    st.text(alphabet='{}[]",:\\u0d8eE+-.1 \n\tntrfalse', max_size=24),
    st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
)


def written_by_orjson(text: str) -> bytes | None:
    """Return a text as orjson writes it back; None if it is invalid."""
    try:
        return orjson.dumps(orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError):
        return None


@given(documents)
@example('{"a":1,"b":2,"a":3}')
@example('"\\ud83d\\ude00\\ud83d"')
@example("-0.0")
@example("1e999")
def test_json_is_written_back_as_orjson_writes_it(text: str) -> None:
    """Every text is accepted by both or by none, and gives the same bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # no line has lone surrogates
    assert native.parts.json_written(text) == written_by_orjson(text)


@given(st.integers(DEEPEST + 1, 2000))
def test_deep_nesting_is_declined(depth: int) -> None:
    """Deeper nesting takes the Python path."""
    assert native.parts.json_written("[" * depth + "]" * depth) is None
    assert native.parts.json_written('{"a":' * depth + "1" + "}" * depth) is None


def test_many_names_cost_little() -> None:
    """Objects with very many names are read in linear time."""
    many: dict[str, Any] = {f"name{place}": place for place in range(100_000)}
    assert native.parts.json_written(json.dumps(many)) == orjson.dumps(many)
