"""Access lines: decoded whole or not at all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.access_log import clf_time, decode_access, go_duration_ms


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


CLF = "[30/Nov/2026:11:37:18 +0000]"
LOGIN = {"method": "POST", "path": "/api/v1/auth/login", "status_code": 401}
GET = {"method": "GET", "path": "/x", "status_code": 200}
STAMP = {"time": "2026-11-30T11:37:18+00:00"}
CLIENT = {"client_ip": "10.0.0.1"}
SERVERS = {
    "uvicorn spells warnings otherwise": [
        ('WARN:     10.0.0.1:5 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized', LOGIN | CLIENT | {"level": "warning"}),
        ('HELLO:     10.0.0.1:5 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized', LOGIN | CLIENT),
        ('INFO:     10.0.0.1:5 - "GET /x?y HTTP/1.0" 200', GET | CLIENT | {"level": "info"}),
    ],
    "common and combined": [
        (f'10.0.0.1 - - {CLF} "GET /x?y=1 HTTP/2.0" 200 612 "-" "curl/8.0"', GET | CLIENT | STAMP),
        (f'10.0.0.1 - bob the builder {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 612', LOGIN | CLIENT | STAMP),
        (f'web01.example.org - frank {CLF} "GET /x HTTP/1.0" 200 2326', GET | {"client_ip": "web01.example.org"} | STAMP),
        (f'1.2.3.4, 10.9.9.9 - - {CLF} "GET /x HTTP/1.1" 200 1 "-" "x"', GET | {"client_ip": "1.2.3.4"} | STAMP),
        (f'2001:db8::1 - - {CLF} "GET /x HTTP/1.1" 200 -', GET | {"client_ip": "2001:db8::1"} | STAMP),
        (f'www.example.org:443 10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200 12 "-" "x"', GET | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "POST http://host:8000/api/v1/auth/login?x HTTP/1.1" 401 1', LOGIN | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "POST /api/v1/auth/login?a=\\x22 HTTP/1.1" 401 1 "-" "a\\x22b"', LOGIN | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "POST /api/v1/auth/login?a=\\" HTTP/1.1" 401 1 "-" "a\\"b"', LOGIN | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "POST /api/v1/auth/login?a=\\\\" HTTP/1.1" 401 1', LOGIN | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "POST /api/v1/auth/login?a b HTTP/1.1" 401 1', LOGIN | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200 1 "-" "x" "1.2.3.4" rt=0.1', GET | CLIENT | STAMP),
    ],
    "gunicorn, Hypercorn and werkzeug behind their prefix": [
        (f'[2026-11-30 11:37:18 +0000] [7] [INFO] 10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200 12 "-" "c"', GET | CLIENT | STAMP | {"level": "info"}),
        (f'[2026-11-30 11:37:18 +0000] [7] [INFO] 10.0.0.1:51234 - - {CLF} "GET /x?y 1.1" 200 12 "-" "c"', GET | CLIENT | STAMP | {"level": "info"}),
        (f'[2026-11-30 11:37:18 +0000] [7] [INFO] 10.0.0.1:51234 - - {CLF} "POST /api/v1/auth/login 2" 401 12 "-" "c"', LOGIN | CLIENT | STAMP | {"level": "info"}),
        ('INFO:werkzeug:10.0.0.1 - - [30/Nov/2026 11:37:18] "GET /x HTTP/1.1" 200 -', GET | CLIENT | {"time": "2026-11-30T11:37:18", "level": "info"}),
        ('10.0.0.1 - - [30/Nov/2026 11:37:18] "GET /x HTTP/1.1" 200 -', GET | CLIENT | {"time": "2026-11-30T11:37:18"}),
    ],
    "aiohttp and PHP-FPM": [
        (f'10.0.0.1 {CLF} "GET /x?y HTTP/1.1" 200 312 "-" "curl"', GET | CLIENT | STAMP),
        (f'10.0.0.1 {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 312', LOGIN | CLIENT | STAMP),
        ('10.0.0.1 -  30/Nov/2026:11:37:18 +0000 "GET /x?y" 200', GET | CLIENT | STAMP),
        ('10.0.0.1 - bob 30/Nov/2026:11:37:18 +0000 "POST /api/v1/auth/login" 401', LOGIN | CLIENT | STAMP),
    ],
    "Daphne": [
        ('10.0.0.1:51234 - - [30/Nov/2026:11:37:18] "GET /x?y" 200 12', GET | CLIENT | {"time": "2026-11-30T11:37:18"}),
        ('10.0.0.1:5 - - [30/Nov/2026:11:37:18] "POST /api/v1/auth/login" 401 -', LOGIN | CLIENT | {"time": "2026-11-30T11:37:18"}),
        ('2001:db8::1:5 - - [30/Nov/2026:11:37:18] "GET /x" 200 0', GET | {"client_ip": "2001:db8::1", "time": "2026-11-30T11:37:18"}),
    ],
    "Django": [
        ('[30/Nov/2026 11:37:18] "POST /api/v1/auth/login HTTP/1.1" 401 12', LOGIN | {"time": "2026-11-30T11:37:18"}),
        ('[30/Nov/2026 11:37:18] "GET /x?y HTTP/1.1" 200 0', GET | {"time": "2026-11-30T11:37:18"}),
        ('[03/Jan/2026 01:02:03] "GET /x HTTP/1.0" 200 -', GET | {"time": "2026-01-03T01:02:03"}),
    ],
    "Traefik": [
        (f'10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200 19 "-" "curl" 7 "shop@docker" "http://10.0.0.2:80" 12ms', GET | CLIENT | STAMP | {"duration_ms": 12.0}),
        (f'10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200 19 "-" "curl" 7 "backend not found" "-" 0ms', GET | CLIENT | STAMP | {"duration_ms": 0.0}),
        (f'10.0.0.1 - bob {CLF} "POST /api/v1/auth/login HTTP/2.0" 401 19 "-" "-" 8 "a" "-" 3ms', LOGIN | CLIENT | STAMP | {"duration_ms": 3.0}),
    ],
    "ingress-nginx": [
        (f'10.0.0.1 - - {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 19 "-" "curl" 234 0.005 [default-app-80] [] 10.0.0.2:8000 19 0.004 401 {"0a" * 16}',
         LOGIN | CLIENT | STAMP | {"duration_ms": 5.0, "correlation_id": "0a" * 16}),
        (f'10.0.0.1 - - {CLF} "GET /x HTTP/2.0" 200 19 "-" "curl" 234 1.5 [a] [] 10.0.0.2:8000 19 0.004 200 {"0a" * 16}', GET | CLIENT | STAMP),
        (f'10.0.0.1 - - {CLF} "GET /x HTTP/2.0" 200 0 "-" "curl" 20 0.000 [a-80] [] 10.0.0.2:80, 10.0.0.3:80 0, 0 0.001, 0.002 502, 200 {"b1" * 16}',
         GET | CLIENT | STAMP | {"duration_ms": 0.0, "correlation_id": "b1" * 16}),
    ],
    "HAProxy": [
        ('haproxy[14]: 10.0.0.1:33317 [30/Nov/2026:11:37:18.655] web~ be/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {curl|x} {} "GET /x?y HTTP/1.1"',
         GET | CLIENT | {"time": "2026-11-30T11:37:18.655", "duration_ms": 109.0}),
        ('<134>Nov 30 11:37:18 haproxy[7]: 10.0.0.1:33317 [30/Nov/2026:11:37:18.655] web be/srv1 0/0/0/1/1 401 12 - - ---- 1/1/0/0/0 0/0 "POST /api/v1/auth/login HTTP/1.1"',
         LOGIN | CLIENT | {"time": "2026-11-30T11:37:18.655", "duration_ms": 1.0}),
        ('10.0.0.1:33317 [30/Nov/2026:11:37:18.655] web be/srv1 0/0/0/1/1 401 12 - - ---- 1/1/0/0/0 0/0 "POST /api/v1/auth/login HTTP/1.1"',
         LOGIN | CLIENT | {"time": "2026-11-30T11:37:18.655", "duration_ms": 1.0}),
        ('Nov 30 11:37:18 lb1 haproxy[9]: ::1:33317 [30/Nov/2026:11:37:18.655] web be/<NOSRV> 0/-1/-1/-1/+5 200 12 - - SC-- 1/1/0/0/+3 0/0 "GET /x HTTP/2.0"',
         GET | {"client_ip": "::1", "time": "2026-11-30T11:37:18.655", "duration_ms": 5.0}),
    ],
    "Envoy": [
        ('[2026-11-30T11:37:18.721Z] "POST /api/v1/auth/login HTTP/1.1" 401 - 0 512 3 2 "10.0.0.1, 10.1.1.1" "curl" "7f3c-1" "host" "10.0.0.2:80"',
         LOGIN | CLIENT | {"time": "2026-11-30T11:37:18.721Z", "duration_ms": 3.0, "correlation_id": "7f3c-1"}),
        ('[2026-11-30T11:37:18.721Z] "GET /x HTTP/2" 200 - via_upstream - "-" 0 5 3 2 "-" "curl" "7f3c-1" "host" "10.0.0.2:80" out|80||x 10.1.1.1:80 - default',
         GET | {"time": "2026-11-30T11:37:18.721Z", "duration_ms": 3.0, "correlation_id": "7f3c-1"}),
        ('[2026-11-30T11:37:18.721Z] "GET /x HTTP/1.1" 200 UF,URX 0 9 7 - "9.9.9.9" "a" "forged" "b" "c" "d" "e"',
         GET | {"time": "2026-11-30T11:37:18.721Z", "duration_ms": 7.0}),
    ],
    "uWSGI": [
        ("[pid: 7|app: 0|req: 1/1] 10.0.0.1 () {40 vars in 512 bytes} [Mon Nov 30 11:37:18 2026] GET /x?y => generated 12 bytes in 3 msecs (HTTP/1.1 200) 2 headers in 72 bytes (1 switches on core 0)",
         GET | CLIENT | {"time": "Mon Nov 30 11:37:18 2026", "duration_ms": 3.0}),
        ("[pid: 7|app: 0|req: 1/1] 10.0.0.1 (bob) {40 vars in 512 bytes} [Mon Nov 30 11:37:18 2026] POST /api/v1/auth/login => generated 1 bytes in 3 msecs (HTTP/1.1 401) 2 headers in 72 bytes (1 switches on core 0)",
         LOGIN | CLIENT | {"time": "Mon Nov 30 11:37:18 2026", "duration_ms": 3.0}),
        ("[pid: 1|app: -|req: -/-] 10.0.0.1 (x) {1 vars in 1 bytes} [Mon Nov 30 11:37:18 2026] POST /f => generated 1 bytes in 1 msecs (HTTP/1.1 401) ) {40 vars in 512 bytes} [Mon Nov  2 11:37:18 2026] GET /x => generated 1 bytes in 2 msecs (HTTP/1.1 200) 2 headers in 72 bytes (1 switches on core 0)",
         GET | CLIENT | {"time": "Mon Nov  2 11:37:18 2026", "duration_ms": 2.0}),
    ],
    "gin": [
        ('[GIN] 2026/11/30 - 11:37:18 | 401 |     1.2ms |       10.0.0.1 | POST     "/api/v1/auth/login?x"', LOGIN | CLIENT | {"time": "2026-11-30 11:37:18", "duration_ms": 1.2}),
        ('[GIN] 2026/11/30 - 11:37:18 | 200 |   12.5µs | ::1 | GET      "/x"', GET | {"client_ip": "::1", "time": "2026-11-30 11:37:18", "duration_ms": 0.0125}),
        ('[GIN] 2026/11/30 - 11:37:18 | 200 |   1m2s | 10.0.0.1 | GET      "/x?\\"" Error #01: no', GET | CLIENT | {"time": "2026-11-30 11:37:18", "duration_ms": 62000.0}),
    ],
    "morgan": [
        ("GET /x?y 200 12.345 ms - 19", GET | {"duration_ms": 12.345}),
        ("POST /api/v1/auth/login 401 19 - 12.345 ms", LOGIN | {"duration_ms": 12.345}),
        ("10.0.0.1 - GET /x HTTP/1.1 200 - - 0.345 ms", GET | CLIENT | {"duration_ms": 0.345}),
    ],
    "IIS": [
        ("2026-11-30 11:37:18 10.0.0.5 GET /x q=1 443 - 10.0.0.1 Mozilla/5.0+(x) - 200 0 0 15", GET | CLIENT | {"time": "2026-11-30 11:37:18", "duration_ms": 15.0}),
        ("2026-11-30 11:37:18 10.0.0.5 POST /api/v1/auth/login - 443 bob 10.0.0.1 - - 401 1 0", LOGIN | CLIENT | {"time": "2026-11-30 11:37:18"}),
        ("2026-11-30 11:37:18 ::1 GET /x - 80 - ::1 a+b - 200 0 0 1", GET | {"client_ip": "::1", "time": "2026-11-30 11:37:18", "duration_ms": 1.0}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [line for lines in SERVERS.values() for line in lines])
def test_lines_of_many_servers_are_decoded(text: str, expected: dict[str, object]) -> None:
    """Method, path without query, status and client, with time, duration and request id where a server writes them."""
    assert decode_access(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f'2026-11-30 INFO said x - - {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 5',
        f'INFO - x {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 5',
        f'payments - said x {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 5',
        f'INFO:shop:10.0.0.1 - - {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 5',
        f'10.0.0.1 - x {CLF} "POST /api/v1/auth/login HTTP/1.1" 401 1 {CLF} "GET /x HTTP/1.1" 200 2 "-" "-"',
        f'10.0.0.1 - - {CLF} "-" 400 0 "-" "-"',
        f'10.0.0.1 - - {CLF} "GET /x HTTP/1.1" 200',
        f'10.0.0.1 - - {CLF} "GET /x" HTTP/1.1" 200 1',
        '10.0.0.1 - - [30/Nov/2026] "GET /x HTTP/1.1" 200 1',
        '[30/Nov/2026 11:37:18] "GET /x HTTP/1.1" 200 1 and more',
        "[GIN-debug] GET    /x    --> main.main (3 handlers)", "GET /x was slow", "GET /x 200 fast ms - 1", "POST the letter",
        '[2026-11-30T11:37:18.721Z] "GET /x HTTP/1.1" 200 and text', "[pid: 7] GET /x => (HTTP/1.1 200)",
        "2026-11-30 11:37:18 10.0.0.5 GET x", "10.0.0.1 and HTTP/1.1 is a protocol",
        '[2026-11-30 11:37:18 +0000] [7] [INFO] user sent - - [30/Nov/2026:11:37:18 +0000] "GET /x HTTP/1.1" 200 1',
    ],
)  # fmt: skip
def test_look_alikes_are_no_access_lines(text: str) -> None:
    """Text of an application, other lines of servers, and lines that can be read in two ways."""
    assert decode_access(text) is None


def nginx(text: str) -> str:
    """Escape as nginx does: quotes, backslashes, controls and what is not ASCII."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in text.encode("utf-8", "replace")
    )


def apache(text: str) -> str:
    """Escape as Apache does: a backslash before quotes and backslashes."""
    return "".join(
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
        for byte in text.encode("utf-8", "replace")
    )


def gunicorn(text: str) -> str:
    """Escape as gunicorn does: a backslash before quotes, and none before backslashes."""
    return "".join(c for c in text if c.isprintable()).replace('"', '\\"')


PARTS = [
    *' "\\[]/?#:-+xPOST',
    '" 401 1',
    ' HTTP/1.1" 401 1 "-" "-"',
    f'{CLF} "POST /api/v1/auth/login HTTP/1.1" 401 5',
    "é",
    "\n",
]
HOSTILE = st.lists(st.sampled_from(PARTS), max_size=10).map("".join)


@given(user=HOSTILE, query=HOSTILE, referrer=HOSTILE, agent=HOSTILE, escape=st.sampled_from([nginx, apache, gunicorn]))
@example(user="", query='\\"', referrer="\\", agent="\\", escape=gunicorn)
def test_a_failed_login_is_read_whatever_a_client_sends(
    user: str, query: str, referrer: str, agent: str, escape: "type[str]"
) -> None:
    """Neither user name, query, referrer nor user agent hides it or turns it into another request."""
    query = query.replace(" ", "+").replace("\n", "")
    if escape is gunicorn:  # its user names come from a header whose decoder accepts no quotes
        user = user.replace('"', "")
    text = f'10.0.0.1 - {escape(user) or "-"} {CLF} "POST /api/v1/auth/login?{escape(query)} HTTP/1.1" 401 12 "{escape(referrer)}" "{escape(agent)}"'
    assert decode_access(text) == LOGIN | CLIENT | STAMP


@given(
    user=HOSTILE,
    target=HOSTILE,
    referrer=HOSTILE,
    agent=HOSTILE,
    escape=st.sampled_from([nginx, apache, gunicorn, str]),
)
def test_a_client_cannot_choose_status_or_method(
    user: str, target: str, referrer: str, agent: str, escape: "type[str]"
) -> None:
    """A line is read with the server's status and method, or not at all; also if a server escapes nothing."""
    target = target.replace(" ", "+").replace("\n", "")
    user = user.replace("\n", "") or "-"
    text = f'10.0.0.1 - {escape(user)} {CLF} "GET /{escape(target)} HTTP/1.1" 200 12 "{escape(referrer)}" "{escape(agent)}"'
    fields = decode_access(text)
    assert fields is None or (fields["method"], fields["status_code"]) == ("GET", 200)


@given(HOSTILE, HOSTILE)
def test_an_envoy_line_is_read_with_its_own_status(target: str, agent: str) -> None:
    """Envoy does not escape headers: then nothing behind the numbers is read."""
    target, agent = target.replace(" ", "+").replace("\n", "").replace('"', ""), agent.replace("\n", "")
    text = f'[2026-11-30T11:37:18.721Z] "GET /{target} HTTP/1.1" 200 - 0 512 3 2 "10.0.0.1" "{agent}" "id-1" "host" "10.0.0.2:80"'
    fields = decode_access(text)
    assert fields is None or (fields["method"], fields["status_code"]) == ("GET", 200)
    assert fields is None or fields.get("correlation_id", "id-1") == "id-1"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1.5ms", 1.5),
        ("2µs", 0.002),
        ("1m2.5s", 62_500.0),
        ("1h0m3s", 3_603_000.0),
        ("7ns", 7e-06),
        ("", None),
        ("1x", None),
    ],
)
def test_durations_of_go_are_converted(text: str, ms: float | None) -> None:
    """To milliseconds."""
    assert go_duration_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "time"),
    [("30/Nov/2026:11:37:18 +0100", "2026-11-30T11:37:18+01:00"), ("30/Nov/2026 11:37:18", "2026-11-30T11:37:18"), ("31/Nov/2026:11:37:18 +0100", None), ("30/Foo/2026:11:37:18", None), ("now", None)],
)  # fmt: skip
def test_times_of_the_common_format_are_converted(text: str, time: str | None) -> None:
    """To ISO 8601; a date that does not exist is none."""
    assert clf_time(text) == time


@pytest.mark.timeout(10)
def test_long_hostile_lines_take_linear_time() -> None:
    """A megabyte of near matches is rejected immediately."""
    for text in (
        'INFO:     10.0.0.1:0 - "GET /' + "a" * 1_000_000, " HTTP/" * 200_000, "1:" * 500_000 + " HTTP/1.1",
        "10.1.2.3 - " + f"{CLF} " * 30_000 + '" HTTP/', f'10.1.2.3 - - {CLF} "GET /' + 'a\\"' * 300_000 + " HTTP/1.1",
        "GET /" + "a" * 1_000_000 + " ms", "[GIN] " + '"' * 1_000_000, "[pid: " + "(" * 1_000_000,
    ):  # fmt: skip
        assert decode_access(text) is None


@pytest.mark.parametrize(
    ("client", "address"), [("[2001:db8::7]", "2001:db8::7"), ("10.0.0.7", "10.0.0.7"), ("1[.0.0.7", None)]
)
def test_brackets_enclose_the_address_of_uvicorns_client(client: str, address: str | None) -> None:
    """Elsewhere they are no part of an address."""
    fields = decode_access(f'INFO:     {client}:50000 - "GET /a HTTP/1.1" 200 OK')
    assert (fields or {}).get("client_ip") == address
