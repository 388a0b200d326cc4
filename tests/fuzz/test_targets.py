"""The targets over generated inputs: kept ones cut, joined and garbled, and JSON, YAML and log lines of any shape."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, corpus

EXAMPLES = 25
SPICE = st.sampled_from(
    [b"\n", b"\r", b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b" ", b"\x1b[2J", "²".encode(), "\u202e".encode(),
     b"9" * 40, b"-", b"1e999", b"null", b"\\ud800", b"'", b"*", b"#", b"&a", b"<<"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def inputs(draw: st.DrawFn, kept: list[bytes]) -> bytes:
    """Something near to a kept input, so that it gets past the first look."""
    way = draw(st.sampled_from(["garbled", "garbled", "joined", "field", "bytes"]))
    if way == "bytes":
        return draw(st.binary(max_size=80))
    example = draw(st.sampled_from(kept))
    if way == "joined":
        other = draw(st.sampled_from(kept))
        return example[: draw(st.integers(0, len(example)))] + other[draw(st.integers(0, len(other))) :]
    if way == "field":
        return _with_a_field(draw, example)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(example)))
        example = example[:at] + draw(SPICE) + example[at + draw(st.sampled_from([0, 0, 1, 5])) :]
    return example


def _with_a_field(draw: st.DrawFn, example: bytes) -> bytes:
    """A kept object one of whose fields holds something else."""
    try:
        given_ = json.loads(example)
    except ValueError:
        return example + draw(SPICE)
    if isinstance(given_, dict) and given_:
        given_[draw(st.sampled_from(sorted(given_)))] = draw(JSON)
    return json.dumps(given_).encode()


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds_for_what_is_near_to_real(name: str) -> None:
    """A target holds for input that is near to real."""
    kept = [path.read_bytes()[:2000] for path in corpus(name)]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(kept))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()
