"""Access lines: decoded whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.access_log import decode_access


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'INFO:     10.20.11.133:0 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized',
            {
                "method": "POST",
                "path": "/api/v1/auth/login",
                "status_code": 401,
                "client_ip": "10.20.11.133",
                "level": "info",
            },
        ),
        (
            '10.0.0.1:51234 - "GET /api/v1/patients?name=x%20y HTTP/1.1" 200 OK',
            {"method": "GET", "path": "/api/v1/patients", "status_code": 200, "client_ip": "10.0.0.1"},
        ),
        (
            'INFO:     [2001:db8::1]:443 - "DELETE /api/v1/patients/7 HTTP/2" 204 No Content',
            {
                "method": "DELETE",
                "path": "/api/v1/patients/7",
                "status_code": 204,
                "client_ip": "2001:db8::1",
                "level": "info",
            },
        ),
        (
            '10.1.2.3 - bob [24/Nov/2026:00:12:05 +0100] "GET /x HTTP/1.1" 200 512 "-" "curl/8.5 (\'odd\')"',
            {
                "method": "GET",
                "path": "/x",
                "status_code": 200,
                "client_ip": "10.1.2.3",
                "time": "2026-11-24T00:12:05+01:00",
            },
        ),
        (
            '::1 - - [24/Nov/2026:00:12:05 +0000] "PUT /x/y#z HTTP/1.0" 503 -',
            {
                "method": "PUT",
                "path": "/x/y",
                "status_code": 503,
                "client_ip": "::1",
                "time": "2026-11-24T00:12:05+00:00",
            },
        ),
    ],
)
def test_access_lines_are_decoded(text: str, expected: dict[str, object]) -> None:
    """Lines of uvicorn, gunicorn and nginx: method, path without query, status, client, level or time."""
    assert decode_access(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INFO:     Started server process [1]",
        'he said "POST /api/v1/auth/login HTTP/1.1" 401',
        'INFO:     10.0.0.1:0 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized\nforged',
        'forged INFO:     10.0.0.1:0 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized',
        'INFO:     10.0.0.1:0 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized; and more 1',
        'INFO:     10.0.0.1:0 - "post /x HTTP/1.1" 200 OK',
        'INFO:     10.0.0.1:0 - "GET /x y HTTP/1.1" 200 OK',
        '10.1.2.3 - - [99/Foo/2026:00:12:05 +0000] "GET /x HTTP/1.1" 200 1',
        '10.1.2.3 - - [24/Nov/2026:00:12:05 +010005] "GET /x HTTP/1.1" 200 1',
    ],
)
def test_a_line_with_anything_else_is_no_access_line(text: str) -> None:
    """Nothing can be smuggled in before or after a request."""
    assert decode_access(text) is None


def test_a_status_beyond_http_is_left_out() -> None:
    """A value that the schema rejects is omitted."""
    fields = decode_access('INFO:     10.0.0.1:0 - "GET /x HTTP/1.1" 999 Odd')
    assert fields is not None
    assert "status_code" not in fields


@given(st.text(alphabet='INFO: 1.[]"GET/ HTP\n?#-', max_size=200))
def test_any_text_is_decoded_or_rejected(text: str) -> None:
    """No text raises."""
    fields = decode_access(text)
    assert fields is None or fields["method"].isupper()


@pytest.mark.timeout(10)
def test_long_hostile_lines_take_linear_time() -> None:
    """A megabyte of near matches is rejected immediately."""
    for text in ('INFO:     10.0.0.1:0 - "GET /' + "a" * 1_000_000, " HTTP/" * 200_000, "1:" * 500_000 + " HTTP/1.1"):
        assert decode_access(text) is None
