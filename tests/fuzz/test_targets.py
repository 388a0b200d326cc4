"""The targets on generated inputs: corpus files cut, joined and garbled, and any JSON, YAML and log lines."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import TIMES
from tests.fuzz.targets import TARGETS, corpus

EXAMPLES = 15 * TIMES
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
    """Draw an input similar to a corpus file, so that it passes the first checks."""
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
    """Replace the value of one field of a corpus object."""
    try:
        content = json.loads(example)
    except ValueError:
        return example + draw(SPICE)
    if isinstance(content, dict) and content:
        content[draw(st.sampled_from(sorted(content)))] = draw(JSON)
    return json.dumps(content).encode()


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds_for_what_is_near_to_real(name: str) -> None:
    """A target holds for input that is near to real."""
    kept = [path.read_bytes()[:2000] for path in corpus(name)]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(kept))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()
