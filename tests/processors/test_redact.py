"""Redaction: planted secrets never appear, harmless events are unchanged, and the quick test misses nothing."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.redact import Redactor
from shipper_processors.redact_names import PATTERN_NAMES
from shipper_processors.redact_numbers import french_nir, luhn
from tests.hazards.secret_kinds import KINDS

SECRETS = {
    "bearer": "Authorization: Bearer abcdefgh12345678",
    "basic": "authorization: basic dXNlcjpwYXNzd29yZA==",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "password": "login with password=hunter2secret ok",
    "quoted password": '{"passwd": "hunter2 secret"}',
    "url": "cannot reach postgresql://keneyapp:hunter2secret@db:5432/app",
    "api key": "api_key: 0123456789abcdef",
    "email": "mail dr.house@example.org now",
    "card": "card 4111 1111 1111 1111 refused",
    "card with hyphens": "card 5500-0000-0000-0004",
    "card without": "amex 378282246310005",
    "phone": "call +33 6 12 34 56 78",
    "french phone": "call 06.12.34.56.78",
    "american phone": "call +1 (212) 555-0100",
    "national id": "NIR 1 85 05 78 006 084 91",
}
PLANTED = {
    "bearer": "abcdefgh12345678", "basic": "dXNlcjpwYXNzd29yZA", "jwt": "eyJzdWIiOiIxMjM0In0", "password": "hunter2",
    "quoted password": "hunter2", "url": "hunter2", "api key": "0123456789abcdef", "email": "dr.house@", "card": "4111 1111",
    "card with hyphens": "5500-0000", "card without": "378282246310005", "phone": "12 34 56", "french phone": "12.34.56",
    "american phone": "555-0100", "national id": "006 084",
}  # fmt: skip
HARMLESS = [
    "2026-11-24T10:11:12.123456789Z", "1795428000123", "10.20.30.40:8080", "4f2a89b1-414c-443c-a027-c4d1c386bbc4",
    "0123456789abcdef0123456789abcdef", "GET /api/v1/patients/1234567", "took 12345.678 ms", "1234567890123456 rows",
    "version 20.10.24", "host node-1 port 9108",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_planted_secret_is_masked_in_text(name: str) -> None:
    """A secret is masked anywhere in a line, an error text or a stack trace."""
    text = f"before\n{SECRETS[name]}\nafter"
    masked = Redactor().redact_text(text)
    assert PLANTED[name] not in masked
    assert "[redacted:" in masked
    assert masked.startswith("before\n")
    assert masked.endswith("\nafter")


@pytest.mark.parametrize("name", ["password", "api_key", "cvv", "session-id"])
@pytest.mark.parametrize(
    "text",
    [
        "<QueryDict: {'user': ['bob'], '%s': ['hunter2']}>",
        '{"%s": ["x", "hunter2"], ',
        '{"%s": {"value": "hunter2"}, "cut": ',
        '{\\"%s\\": [\\"hunter2\\"]}',
        "{'%s': b'hunter2'}",
        "%s=b'hunter2'",
        '{"%s"=>"hunter2"}',
        "'%s' => 'hunter2',",
        '%s == "hunter2"',
        '{"%s": [[[["hunter2"]]]',
    ],
)
def test_a_value_is_masked_as_languages_print_it(name: str, text: str) -> None:
    """Lists and objects in Python and JSON form, bytes, and the arrows of Ruby and PHP."""
    assert "hunter2" not in Redactor().redact_raw(text % name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("order 4539578763621486 shipped", None),
        ("order_id=4539578763621486", None),
        ("card 4539578763621486", "card [redacted:card]"),
        ("card 411111 1111111111", "card [redacted:card]"),
        ("4111  1111 1111  1111", "[redacted:card]"),
        ("record 0612345678 read", None),
        ("call 0612345678", "call [redacted:phone]"),
        ("(555) 234-5678", "[redacted:phone]"),
        ("100.200.3000 to 555 234 5678", None),
        ("call from 192.168.100.200", None),
        ("078-05-1120", "[redacted:national_id]"),
        ("ssn 078 05 1120", "ssn [redacted:national_id]"),
        ("GB29 NWBK 6016 1331 9268 19 at", "[redacted:iban] at"),
        ("GB29 NWBK 6016 1331 9268 18 at", None),
        ("2005-06-03-15.42.50.675872", None),
        ("max_tokens=512 token_type=Bearer tokens: 7 password_length: 9", None),
        ("token=Token{a64f992 password: null PWD=/root", None),
        ("Basic authentication failed for the bearer authentication scheme", None),
        ("GET /reset/password", None),
        ("GET /reset/bcdfghjkmnpqrstv", "GET /reset/[redacted:link]"),
        ("/reset-password/confirm/MQ/5xx-hunter2", "/reset-password/confirm/MQ/[redacted:link]"),
        ("spark://CoarseGrainedScheduler@10.10.34.11:48069", None),
    ],
)
def test_numbers_and_names_are_masked_by_what_is_near_them(text: str, masked: str | None) -> None:
    """A number of an order or a record stays, and so does a name that only describes a secret."""
    assert Redactor().redact_text(text) == (masked or text)


def test_a_field_is_masked_by_the_words_in_its_name() -> None:
    """In fields, in nested objects, in header pairs and in lists, by one rule."""
    redactor = Redactor()
    for name in (
        "new_password",
        "db_password",
        "passwordConfirm",
        "aws_secret_access_key",
        "X-Auth-Token",
        "birthDate",
    ):
        for extra in (
            {name: "hunter"},
            {"a": [{name: "hunter"}]},
            {"h": [[name, "hunter"]]},
            {"h": {"name": name, "value": "hunter"}},
        ):
            assert redactor.suspicious({"extra": extra}), extra
            assert "hunter" not in json.dumps(redactor.redact_event({"extra": extra})), extra
            assert "hunter" not in redactor.redact_raw(json.dumps(extra)), extra
    for name in ("token_type", "password_length", "max_tokens", "secretary", "keyboard", "author", "first_seen"):
        assert redactor.redact_event({"extra": {name: 7}}) == {"extra": {name: 7}}
    nested = {"extra": {"api": {"key": "hunter"}, "patient": {"name": "hunter", "id": 5}}}
    assert redactor.redact_event(nested)["extra"] == {
        "api": {"key": "[redacted:field]"},
        "patient": {"name": "[redacted:field]", "id": 5},
    }


def test_configured_names_replace_the_list() -> None:
    """Names of secrets stay masked while the pattern `password` is enabled; personal data only where listed."""
    redactor = Redactor(fields=["diagnosis"])
    event = {"extra": {"main_diagnosis": "flu", "first_name": "Ada", "db_password": "x1"}}
    assert redactor.redact_event(event)["extra"] == {
        "main_diagnosis": "[redacted:field]", "first_name": "Ada", "db_password": "[redacted:field]",
    }  # fmt: skip
    neither = Redactor(fields=["diagnosis"], patterns=[])
    assert neither.redact_event(event)["extra"]["db_password"] == "x1"


def test_a_lone_surrogate_in_a_masked_line_is_unchanged() -> None:
    """Encoders reject lone surrogates; readers of the quarantine see the application's escapes."""
    masked = Redactor().redact_raw(r'{"password":"hunter2","a\udc41":"x\ud83d\ude00\ud83d"}')
    assert json.loads(masked)["a\udc41"] == "x\U0001f600\ud83d"
    assert masked.isprintable()
    assert "hunter2" not in masked


@pytest.mark.parametrize("text", ["token: [a b] and more", "tokens = [x for x in y]\n  then", "secret: (none) here"])
def test_text_after_a_list_of_words_is_unchanged(text: str) -> None:
    """Its bracket marks its end."""
    assert Redactor().redact_text(text).endswith(text[-4:])


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_unchanged(text: str) -> None:
    """Times, addresses, ids and numbers of an ordinary log are not personal data."""
    assert Redactor().redact_text(text) == text


@pytest.mark.parametrize("name", ["password", "Password", "API-Key", "client_secret", "Authorization", "Set-Cookie"])
def test_sensitive_field_is_masked_whole_at_any_depth(name: str) -> None:
    """Its name in any spelling suffices, whatever its value."""
    event = {"extra": {"a": [{"b": {name: "x y z"}}], name: 5}}
    assert "x y z" not in json.dumps(Redactor().redact_event(event))
    assert Redactor().redact_event(event)["extra"][name] == "[redacted:field]"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/x?next=bob%2540clinic.example", "bob"),
        ("/x?next=4111%25201111%25201111%25201111", "1111"),
        ("/x?next=%252B33%2520612345678", "612345678"),
        ("/x?next=pwd%253dhunter2", "hunter2"),
    ],
)
def test_a_query_within_a_query_is_decoded(text: str, secret: str) -> None:
    """Double percent-encoding is detected without any other keyword."""
    assert Redactor().suspicious({"message": text})
    assert secret not in Redactor().redact_text(text)


def test_equal_values_have_equal_hashes_under_one_key_alone() -> None:
    """A keyed hash keeps equal values comparable under one key only."""
    first, second = Redactor(key=b"k1", mode="hash"), Redactor(key=b"k2", mode="hash")
    one, two = (first.redact_text(f"{word} a@b.example") for word in ("x", "y"))
    assert one.split()[1] == two.split()[1]
    assert one.split()[1] != second.redact_text("x a@b.example").split()[1]
    assert "a@b.example" not in one


def test_redaction_happens_once() -> None:
    """Masked text is not masked again."""
    masked = Redactor().redact_text(" ".join(SECRETS.values()))
    assert Redactor().redact_text(masked) == masked


def test_correlation_id_that_is_an_email_is_masked_and_others_stay() -> None:
    """The id's alphabet allows an e-mail address; numbers in it are not telephone numbers."""
    redacted = Redactor().redact_event({"correlation_id": "a@b.example"})
    assert redacted["correlation_id"] == "[redacted:email]"
    assert Redactor().redact_event({"correlation_id": "0612345678"}) == {"correlation_id": "0612345678"}


def test_further_patterns_are_applied() -> None:
    """A configured pattern masks under its own name."""
    redactor = Redactor(extra_patterns={"mrn": r"MRN\d{6}"})
    assert redactor.suspicious({"message": "x"})
    assert redactor.redact_text("for MRN123456") == "for [redacted:mrn]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "hash"}, "needs a key"),
        ({"patterns": ["emial"]}, "unknown redaction pattern 'emial'"),
        ({"extra_patterns": {"x": "("}}, "'x' is not a valid RE2 expression"),
    ],
)
def test_invalid_redaction_is_an_error(options: dict[str, Any], message: str) -> None:
    """A typing error never leaves anything unmasked."""
    with pytest.raises(ValueError, match=message):
        Redactor(**options)


def test_check_digits() -> None:
    """Luhn and the key of the French number decide, not the form."""
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert not luhn("0000000000000000")
    assert french_nir("1 85 05 78 006 084 91")
    assert not french_nir("1 85 05 78 006 084 92")


WORDS = st.sampled_from([*SECRETS.values(), *HARMLESS, "hello", "ü", 'say "x"', "back\\slash", "\n", ""])
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)


@given(
    st.dictionaries(
        st.sampled_from(["message", "event", "path", "level", "client_ip", "correlation_id", "user_id"]), TEXTS
    ),
    st.dictionaries(
        st.sampled_from(["password", "note", "n", "api-key", "a@b.example", "4111111111111111"]),
        TEXTS
        | st.integers()
        | st.floats()
        | st.booleans()
        | st.lists(TEXTS, max_size=2)
        | st.sampled_from([4111111111111111, 185057800608491]),
        max_size=2,
    ),
)
def test_events_that_are_not_suspicious_hold_nothing(event: dict[str, Any], extra: dict[str, Any]) -> None:
    """The quick test never misses anything to mask."""
    if extra:
        event["extra"] = extra
    redactor = Redactor()
    if not redactor.suspicious(event):
        assert redactor.redact_event(event) == event
    masked = redactor.redact_event(event)
    assert redactor.redact_event(masked) == masked


def test_a_harmless_value_makes_no_field_harmless() -> None:
    """The cache of harmless texts does not apply to names."""
    redactor = Redactor()
    assert not redactor.suspicious({"message": "cookie"})
    assert redactor.suspicious({"extra": {"cookie": "x"}})
    assert redactor.suspicious({"extra": {"a": {"pin": {"pwd": "x"}}}})
    assert not redactor.suspicious({"extra": {"basket": 3, "open": True, "note": "hello", "none": None}})


def test_nesting_is_bounded() -> None:
    """Excessive nesting is cut off, not followed."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"x": deep}
    assert "[redacted:depth]" in json.dumps(Redactor().redact_event({"extra": deep}))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece", ["a@", "a@a.", "1", "1 ", "password=", "eyJa.", "bearer ", "http://a:", "(", "+1(", "x" * 50 + "@"]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """A quarter of a megabyte of near matches takes linear time."""
    Redactor().redact_text(piece * (250_000 // len(piece)))


def test_every_pattern_can_be_left_out() -> None:
    """Patterns are selected by name."""
    for name in PATTERN_NAMES:
        Redactor(patterns=[other for other in PATTERN_NAMES if other != name])


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){20}", r"^(\w+\s?)*$", "(?:a?){30}a{30}"])
def test_patterns_of_ones_own_cannot_be_made_to_run_for_ever(pattern: str) -> None:
    """Each of these takes Python's engine too long for this text."""
    Redactor(extra_patterns={"slow": pattern}).redact_text("a" * 5000 + "!")


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "(", "a{2000}", "x" * 5000, "\ud800", r"\Z"])
def test_a_pattern_that_cannot_be_bounded_is_an_error_with_its_name(pattern: str) -> None:
    """Lookaround and backreferences need a backtracking engine, whose time is unbounded."""
    with pytest.raises(ValueError, match=r"redaction pattern 'mine' is not a valid RE2 expression: ."):
        Redactor(extra_patterns={"mine": pattern})


def test_a_configured_pattern_masks_its_value_or_its_whole_match() -> None:
    """It masks the group `value`, if it has one; never empty or masked text; in any alphabet."""
    redactor = Redactor(extra_patterns={"ward": r"ward (?P<value>\p{L}+)", "file": r"KA-\d*", "none": "z*"})
    assert (
        redactor.redact_text("ward Süd, KA-7, KA-, é z")
        == "ward [redacted:ward], [redacted:file], [redacted:file], é [redacted:none]"
    )
    assert redactor.redact_text("ward \ud800 KA-1") == "ward \ufffd [redacted:file]"


def test_matches_beyond_the_limit_are_replaced_as_one() -> None:
    """Each match starts a new search: a million of them would take the number of matches times the text's length."""
    redactor = Redactor(extra_patterns={"x": ".*[^A-Z]|[A-Z]"})
    shown = redactor.redact_text("A" * 20_000)
    assert shown.count("[redacted:x]") == 1001
    assert "A" not in shown


@pytest.mark.parametrize("time", ["2026-11-23 10:00:00,123", "23.11.2026 10:00:00"])
def test_a_date_with_its_hour_is_no_number(time: str) -> None:
    """Nearly all text lines begin with one: the filter passes them, whatever word stands before."""
    for text in (f"{time} INFO app.worker: task done", f"call {time} done"):
        assert not Redactor().suspicious({"message": text})
    number = f"{time} card 4111 1111 1111 1111"
    assert Redactor().redact_text(number) == f"{time} card [redacted:card]"


@given(
    st.randoms(use_true_random=False), st.sampled_from(["\n", "\t", '"', "\\", "\x01", "é\r", "/", " "]), st.booleans()
)
def test_a_secret_in_a_raw_line_is_masked_behind_any_escape(random: Random, before: str, slashes: bool) -> None:
    """The last letter of an escape is no part of the word behind it, and an escaped slash is a slash."""
    planted = random.choice(KINDS)(random)
    raw = json.dumps({"client_ip": "10.203.111.254", "note": f"refused{before}{planted.text}"})
    masked = Redactor().redact_raw(raw.replace("/", "\\/") if slashes else raw)
    alone = Redactor().redact_text(f"refused{before}{planted.text}")
    assert not any(part in json.dumps(json.loads(masked)) for part in planted.parts if part not in alone), masked


@pytest.mark.parametrize(
    "fields",
    [{"api/key": "hunter2"}, {"loc": ["body", "api/key"], "input": "hunter2"}, {"name": "api:key", "value": "hunter2"}],
)
def test_a_name_with_other_signs_is_sensitive_in_raw_lines_too(fields: dict[str, object]) -> None:
    """As in events, whose filter reports it."""
    assert "hunter2" not in Redactor().redact_raw(json.dumps(fields))
    assert Redactor().suspicious({"extra": {"a": fields}})


def test_a_number_is_judged_by_its_own_field() -> None:
    """A neighbouring field's name says nothing about it, also in a line that is no JSON any more."""
    for quote in ('"', "'", '\\"'):
        pair = f"{quote}a-1{quote},{quote}client{quote}:{quote}{{}}{quote}"
        torn = f"{{{quote}correlation_id{quote}:" + pair
        assert Redactor().redact_raw(torn.replace("{}", "4532333333333338")) == torn.replace("{}", "[redacted:card]")
        kept = f"{quote}order_ids{quote}: [{quote}12{quote}, {quote}4532333333333338{quote}"
        assert Redactor().redact_raw(kept) == kept
    torn = '{"correlation_id":"a-1","4532333333333338":1'
    assert Redactor().redact_raw(torn) == '{"correlation_id":"a-1","[redacted:card]":1'
    kept = '{"a":1,"order 4532333333333338":1'
    assert Redactor().redact_raw(kept) == kept


@pytest.mark.parametrize("name", ["cookie", "Set-Cookie", "Authorization", "proxy-authorization"])
@pytest.mark.parametrize("blanks", ["", " ", "    ", "\t"])
@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_a_header_in_quotes_is_masked(name: str, blanks: str, quote: str) -> None:
    """The blanks before a quote are not its value."""
    text = f"refused {name}:{blanks}{quote}bfkmsvpvfkdgswj4{quote} at once"
    assert "bfkmsvpvfkdgswj4" not in Redactor().redact_text(text)
    assert "bfkmsvpvfkdgswj4" not in Redactor().redact_raw(text)
