"""Lines of several documents: each is an entry of its own, and none hides another."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.payload import decode_payload
from shipper_processors.payload_split import may_hold_several, split_documents
from shipper_schemas.entry import Entry

LOGIN = '{"event":"login_failed","correlation_id":"a","ctx":{"k":[1,{"z":"q"}]}}'
OTHER = '{"event":"request_complete","ctx":{"a":{"b":[1,2,{"c":"d\\"e"}]},"t":true},"msg":"x{y\\u00e9","n":-1.5e3}'


def entry(text: str, cut: str | None = None) -> Entry:
    """Return an entry of one line."""
    return Entry(text, "stdout", "2026-11-30T11:37:18Z", 7, 1, b"d" * 14, None, cut)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (LOGIN, [LOGIN]),
        (LOGIN + LOGIN, [LOGIN, LOGIN]),
        (LOGIN + "{}", [LOGIN, "{}"]),
        (f"{LOGIN} {OTHER}", [LOGIN, OTHER]),
        (f"{LOGIN},{OTHER},", [LOGIN, OTHER]),
        (f"{LOGIN}\0\0{OTHER}", [LOGIN, OTHER]),
        (f"[{LOGIN}, {OTHER}]", [LOGIN, OTHER]),
        (f"[{LOGIN}]", [LOGIN]),
        ('{"event":"request_co' + LOGIN, ['{"event":"request_co', LOGIN]),
        ('{"event":"a","x":' + LOGIN, ['{"event":"a","x":', LOGIN]),
        (f"{LOGIN} and a sentence", [LOGIN, "and a sentence"]),
        (f'{LOGIN}{{"event":"torn', [LOGIN, '{"event":"torn']),
        (f'{LOGIN}{{"torn{OTHER}', [LOGIN, '{"torn', OTHER]),
    ],
)  # fmt: skip
def test_each_document_is_an_entry(text: str, parts: list[str]) -> None:
    """Objects beside each other, arrays of objects, and records behind a torn one."""
    assert [part.text for part in split_documents(entry(text))] == parts


@pytest.mark.parametrize(
    "text",
    ["[1,2]", "[]", "[", "[{]", "[12] " + LOGIN, "[1,2] " + LOGIN, '["a"]' + LOGIN, "[note " + LOGIN, f"{LOGIN},", f"{LOGIN}x", '{"torn', "{", "plain {text}", "", f"said {LOGIN}{LOGIN}", "[DEBUG] {x}"],
)  # fmt: skip
def test_any_other_line_stays_as_it_is(text: str) -> None:
    """One object with a character after it, a torn record alone, an array of something else, and text."""
    one = entry(text)
    assert split_documents(one) == [one]


def test_the_first_document_keeps_digest_and_lines() -> None:
    """The ids of all differ, and the lines are counted once."""
    parts = split_documents(entry(LOGIN + LOGIN + LOGIN, cut="2 characters"))
    assert parts[0].digest == b"d" * 14
    assert len({part.digest for part in parts}) == 3
    assert [part.lines for part in parts] == [1, 0, 0]
    assert [part.cut for part in parts] == [None, None, "2 characters"]
    assert [part.offset for part in parts] == [7, 7, 7]


@pytest.mark.parametrize("following", [LOGIN, LOGIN.replace('{"event"', '{ "event"')])
@pytest.mark.parametrize("at", range(1, len(OTHER)))
def test_a_record_behind_one_that_is_torn_anywhere_counts(at: int, following: str) -> None:
    """Torn in a name, a string, an escape, a number, or between them."""
    parts = split_documents(entry(OTHER[:at] + following))
    assert [part.text for part in parts] == [OTHER[:at].rstrip(","), following]
    assert decode_payload(parts[1].text)[1]["event"] == "login_failed"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from(["", " ", ",", "\0", " \t"]),
)
def test_documents_of_any_content_are_found(documents: list[dict[str, Any]], between: str) -> None:
    """What strings and names contain does not matter."""
    parts = split_documents(entry(between.join(json.dumps(document) for document in documents)))
    assert [decode_payload(part.text)[0] for part in parts] == ["structured"] * len(documents)
    assert [json.loads(part.text) for part in parts] == documents


@given(st.text(max_size=30))
def test_text_in_a_string_is_never_a_document(sent: str) -> None:
    """A client's text in a string of a torn record is escaped, and gives no event of its choice."""
    record = json.dumps({"event": "search", "q": f'{sent}{{"event":"login_failed"}}{sent}', "n": 1})
    for at in range(len(record)):
        for part in split_documents(entry(record[:at])):
            assert decode_payload(part.text)[1].get("event") != "login_failed"


def test_ordinary_lines_are_not_examined() -> None:
    """The cheap test is False for one flat object, for text and for a bracketed level."""
    for text in ('{"event":"a"}', "plain", "[DEBUG] x", "", "2026-11-30 INFO x"):
        assert not may_hold_several(text)


@pytest.mark.timeout(20)
def test_hostile_lines_are_split_in_linear_time() -> None:
    """A megabyte of near documents."""
    for text in ('{"a":' * 200_000, '{"' * 400_000, '{"a":{"b":1}' * 80_000, '{"a":"' + 'x{"' * 300_000, "{" * 1_000_000,
                 '{"a":[{"b":' * 40_000 + "1" + "}]}" * 40_000, '{"a":1}x' * 100_000, '{"a":"' + '\\"' * 400_000, "[" + '{"a":1},' * 50_000):  # fmt: skip
        split_documents(entry(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"[{LOGIN},{LOGIN}", 2),
        (f"[[{LOGIN},{LOGIN}]]", 2),
        (f"[{LOGIN}]{LOGIN}", 2),
        (f"{LOGIN}[{LOGIN}]", 2),
        (f"[{LOGIN}][ {LOGIN} ]", 2),
        (f'["a\\"]{{", {LOGIN}, 1]', 1),
        (f"[1,{LOGIN}]", 1),
        (f"[null, {LOGIN}, true]", 1),
        (f"[{LOGIN},", 1),
    ],
)
def test_arrays_in_any_state_hide_no_object(text: str, number: int) -> None:
    """Without an end, nested, beside other documents, with other elements."""
    parts = split_documents(entry(text))
    assert [part.text for part in parts].count(LOGIN) == number
    assert len({part.digest for part in parts}) == len(parts)


@pytest.mark.parametrize(
    "text", ["{'user': '" + LOGIN + LOGIN + "'}", "{ user: '" + LOGIN + "', b: 1 }", "{'a': '}" + LOGIN]
)
def test_a_printed_dictionary_is_not_split(text: str) -> None:
    """Its strings, which a client may have written, are not escaped as in JSON."""
    one = entry(text)
    assert split_documents(one) == [one]
