"""Objects and lists in unknown fields give the same on both paths: their form, masked names and texts, rules that read them."""

import json
import os
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.fast_path import native
from tests.processors.both_paths import cri, docker, same

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

NAMES = st.sampled_from(
    ["id", "roles", "name", "key", "value", "api", "given", "loc", "header", "api/key", "password", "tokens", "é", "", "a.b", "user"]
) | st.text('ab"\\ ', max_size=3)  # fmt: skip
TEXTS = st.sampled_from(
    ["", "nurse", "password", "api/key", "token=x", "--password", "hunter2", "a@b.example", "%40", "0612345678", "1234 5678 9", "10.20.30.140",
     "2026-11-23T10:00:00.123Z", "4f2a89b1-414c-443c-a027-c4d1c386bbc4", "é", "\n", '"', "/reset/abcdefg1"]
) | st.text(max_size=3)  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 17, 123456789, 2**63, 2**70, 0.5, -0.0, 1e-7, 1.50, 1e22, 100.0])
VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
NESTED = st.lists(VALUES, max_size=3) | st.dictionaries(NAMES, VALUES, max_size=4)
RULES = [
    {"name": "by_user_total", "help": "x", "when": {"user.id": 17}},
    {"name": "by_b_total", "help": "x", "when": {"a.b": "nurse"}},
]


def storable(text: str) -> bool:
    """True for texts that a log may hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


@given(
    st.dictionaries(st.sampled_from(["user", "api", "a", "patient", "ctx"]), NESTED, min_size=1, max_size=2),
    st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]),
    st.booleans(),
    st.sampled_from(["docker", "cri"]),
)
@example({"api": {"key": "hunter2"}}, (",", ":"), True, "cri")
@example({"user": {"id": 17}}, (",", ":"), True, "docker")
@example({"a": [{"name": "api/key", "value": "hunter2"}]}, (", ", ": "), True, "docker")
def test_nested_fields_are_the_same_on_both_paths(
    fields: dict[str, Any], separators: tuple[str, str], ascii_only: bool, kind: Literal["docker", "cri"]
) -> None:
    """Of any depth, with names that are masked by themselves, by the name around them, and by the value beside them."""
    text = json.dumps(
        {"correlation_id": "a-1", "message": "two words", **fields}, separators=separators, ensure_ascii=ascii_only
    )
    if storable(text):
        line = docker(text) if kind == "docker" else cri(text)
        same([line * 2], kind=kind, rules=RULES)


def test_repeated_names_and_deep_values_are_the_same_on_both_paths() -> None:
    """The last of two values counts."""
    for nested in (
        '{"id":1,"id":2}',
        "[" * 12 + "]" * 12,
        '{"a":{"b":1,"b":[2]}}',
        '{"a":01}',
        '{"a":1.50,"b":1E5}',
        "{} ",
        "[1,]",
    ):
        text = f'{{"correlation_id":"a-1","message":"two words","user":{nested}}}'
        same([docker(text), cri(text)][:1])
        same([cri(text)], kind="cri")
