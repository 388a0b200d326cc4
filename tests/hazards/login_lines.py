"""Failed logins that something on the line or around it could hide, and lines of clients that must count as none."""

import json
from typing import Any, Literal, NamedTuple

Mode = Literal["structured", "access"]
AT = "09/Mar/2026:08:15:30 +0000"
LOGIN = '{"event":"login_failed","correlation_id":"c-7","level":"warning","message":"wrong password"}'
STARTED = '{"event":"started","correlation_id":"c-6","level":"info","message":"listening"}'
LOGIN_PATHS = (
    "/api/v1/auth/login", "/api/v1/auth/%6cogin", "/%61%70%69/v1/auth/login", "/api/v1/auth/%6Cogi%6E", "//api/v1//auth/login",
    "/api/v1/auth/login/", "/api/v1/auth/login;jsessionid=0A1B", "/API/v1/Auth/LOGIN", "/api/v1/./auth/login",
    "/api/v1/patients/../auth/login", "/api/v1/auth/login?next=/&x=%20", "/api/v1/auth/login/?x", "/api/v1/auth/login%20",
    "/api/v1/auth/login%00", "/api/v1/auth%252flogin", "/api/v1/auth/login.json",
)  # fmt: skip
"""Paths that a server may take for the login's."""
OTHER_PATHS = (
    "/api/v1/auth/loginx",
    "/api/v1/auth/login-help",
    "/api/v1/auth",
    "/x?p=/api/v1/auth/login",
    "/api/v1/auth/login/help",
)


class Case(NamedTuple):
    """The lines of one log and the failed logins in it."""

    name: str
    lines: list[str]
    count: int
    mode: Mode = "structured"
    stream: Literal["stdout", "stderr"] = "stdout"


def request(**changes: Any) -> str:
    """Return the record of a login's request."""
    fields = {
        "event": "request_complete",
        "correlation_id": "c-7",
        "method": "POST",
        "path": LOGIN_PATHS[0],
        "status_code": 401,
    }
    return json.dumps(fields | changes)


def with_field(name: str, value: str) -> str:
    """Return the failed login with one more field, its value written as JSON."""
    return f'{LOGIN[:-1]},"{name}":{value}}}'


def combined(
    path: str = LOGIN_PATHS[0], *, client: str = "10.0.0.7", user: str = "-", agent: str = "curl/8.5.0"
) -> str:
    """Return nginx's line of a login's request."""
    return f'{client} - {user} [{AT}] "POST {path} HTTP/1.1" 401 12 "-" "{agent}"'


PRETTY = json.dumps(json.loads(LOGIN), indent=2).splitlines()
AROUND = [
    Case("indented JSON after text", ["Starting", f"  {LOGIN}"], 1),
    Case("indented JSON after text with a colon", ["Starting:", f"\t{LOGIN}"], 1),
    Case("JSON with a BOM after text", ["Starting:", f"\ufeff{LOGIN}"], 1),
    Case("JSON with a BOM", [f"\ufeff{LOGIN}"], 1),
    Case("coloured and indented JSON after text", ["Starting", f"\x1b[32m  {LOGIN}\x1b[0m"], 1),
    Case("inside a Python trace", ["Traceback (most recent call last):", '  File "a.py", line 1, in f', f"  {LOGIN}", "OSError: jam"], 1),
    Case("inside a Java trace", ["java.lang.IllegalStateException: jam", "\tat a.B.c(B.java:1)", f"\t{LOGIN}", "\tat a.B.d(B.java:2)"], 1),
    Case("after a Go panic", ["panic: jam", "", "goroutine 1 [running]:", f"    {LOGIN}"], 1),
    Case("after a trace's first line", ["Exception in thread main java.lang.Error", f" {LOGIN}"], 1),
    Case("blanks before JSON", [f"   {LOGIN}"], 1),
    Case("the event's name as the message", ['{"level":"WARN","msg":"login_failed","user":"u","request_id":"c-7"}'], 1),
    Case("the event's name in a sentence", ['{"level":"WARN","msg":"login_failed for u","request_id":"c-7"}'], 0),
    Case("the event's name as the message of another event", ['{"event":"note","msg":"login_failed","request_id":"c-7"}'], 0),
    Case("pretty-printed JSON", PRETTY, 1),
    Case("pretty-printed JSON twice", PRETTY * 2, 2),
    Case("JSON after unfinished pretty-printed JSON", ["{", '  "event": "started",', LOGIN], 1),
    Case("carriage return", [f"{LOGIN}\r"], 1),
    Case("colours before and after", [f"\x1b[0m{LOGIN}", f"{LOGIN}\x1b[0m", f"\x1b[1;31m {LOGIN} \x1b[0m\r"], 3),
    Case("NULs before and after", [f"\0\0\0{LOGIN}", f"{LOGIN}\0"], 2),
]  # fmt: skip
DOCUMENTS = [
    Case("two documents on a line", [LOGIN + LOGIN], 2),
    Case("two documents and a blank", [f"{LOGIN} {LOGIN}"], 2),
    Case("three documents", [LOGIN * 3], 3),
    Case("two documents with a comma", [f"{LOGIN},{LOGIN}"], 2),
    Case("an array of documents", [f"[{LOGIN},{STARTED},{LOGIN}]"], 2),
    Case("the second of two documents", [STARTED + LOGIN], 1),
    Case("a torn record before a whole one", ['{"event":"started","mess' + LOGIN], 1),
    Case("a record torn in a string before a whole one", ['{"event":"started","message":"half a sen' + LOGIN], 1),
    Case("a record torn after a key before a whole one", ['{"event":"started","message":' + LOGIN], 1),
    Case("a record torn in its first key before a whole one", ['{"even' + LOGIN], 1),
    Case("trailing comma", [f"{LOGIN[:-1]},}}"], 1),
    Case("nested trailing comma", [with_field("roles", '["admin",]')], 1),
    Case("longer than the longest line", [with_field("dump", f'"{"x" * 1_300_000}"')], 1),
    Case("in several parts", [with_field("dump", f'"{"x" * 60_000}"')], 1),
    Case("twice the same key", ['{"event":"started",' + LOGIN[1:]], 1),
]
VALUES = [
    Case("status as text", [request(status_code="401")], 1),
    Case("status as a float", [request(status_code=401.0)], 1),
    Case("method in lower case", [request(method="post")], 1),
    Case("method and status", [request(method="Post", status_code="401")], 1),
    Case("event in capitals", [LOGIN.replace("login_failed", "LOGIN_FAILED"), LOGIN.replace("login_failed", "Login_Failed")], 2),
    Case("event with colours", [LOGIN.replace("login_failed", "\\u001b[1;31mlogin_failed\\u001b[0m")], 1),
    Case("id that is a number", [LOGIN.replace('"c-7"', "7")], 1),
    Case("id that is unusable", [LOGIN.replace('"c-7"', '"c 7\\n"')], 1),
    Case("no id", [LOGIN.replace('"correlation_id":"c-7",', "")], 1),
    Case("message that is an object", [with_field("message", '{"text":"wrong"}')], 1),
    Case("unknown level", [LOGIN.replace('"warning"', '"dreadful"')], 1),
    Case("fields of a wrong type", [with_field("duration_ms", '"soon"'), with_field("user_id", "[1]"), with_field("path", "7")], 3),
    Case("NaN and a huge number", [with_field("score", "NaN"), with_field("size", "9" * 400)], 2),
    Case("invalid time", [with_field("timestamp", '"yesterday"')], 1),
    Case("nested far", [with_field("deep", "[" * 900 + "]" * 900)], 1),
    Case("escapes", [LOGIN.replace("login_failed", "login\\u005ffailed")], 1),
    Case("a request in nested fields", ['{"level":30,"req":{"id":"r-7","method":"POST","url":"/api/v1/auth/login?next=1"},"res":{"statusCode":401},"msg":"request completed"}'], 1),
    *(Case(f"path {path}", [request(path=path)], 1) for path in LOGIN_PATHS),
]  # fmt: skip
FASTIFY = '{"level":30,"time":1796038637920,"pid":7,"hostname":"h","reqId":"req-71","req":{"method":"POST","url":"/api/v1/auth/login?x=1","hostname":"h","remoteAddress":"10.0.0.7"},"msg":"incoming request"}'
FASTIFY_END = '{"level":30,"time":1796038637924,"pid":7,"hostname":"h","reqId":"req-71","res":{"statusCode":401},"responseTime":3.2,"msg":"request completed"}'
RAILS = "I, [2026-03-09T08:15:30.123456 #1]  INFO -- : [9f2b6f2e-0b5e-4b5a-8f0e-2d8e1f0a9c71] "
PAIRS = [
    Case("a request in two entries", [FASTIFY, FASTIFY_END], 1),
    Case("a request in two entries with others between", [FASTIFY, STARTED, FASTIFY_END.replace("req-71", "req-72"), FASTIFY_END], 1),
    Case("a request in two entries, answered twice", [FASTIFY, FASTIFY_END, FASTIFY_END], 1),
    Case("two requests under one id", [FASTIFY, FASTIFY, FASTIFY_END, FASTIFY_END], 2),
    Case("another request under the id of a login", [FASTIFY.replace("auth/login", "rooms"), FASTIFY, FASTIFY_END.replace("401", "200"), FASTIFY_END], 1),
    Case("two flat entries", ['{"correlation_id":"c-71","event":"begin","method":"POST","path":"/api/v1/auth/%6cogin"}', '{"correlation_id":"c-71","event":"end","status_code":401,"duration_ms":4}'], 1),
    Case("two documents of a request on one line", [FASTIFY + FASTIFY_END], 1),
    Case("two lines of Rails", [f'{RAILS}Started POST "/api/v1/auth/login" for 10.0.0.7 at 2026-03-09 08:15:30 +0000', f"{RAILS}Processing by SessionsController#create as JSON", f"{RAILS}Completed 401 Unauthorized in 5ms (Allocations: 99)"], 1),
]  # fmt: skip
BEHIND = [
    Case("behind a time", [f"2026-03-09T08:15:30.123Z {LOGIN}"], 1),
    Case("behind a time and a level", [f"2026-03-09 08:15:30,123 WARNING {LOGIN}"], 1),
    Case("behind syslog's header", [f"<28>Mar  9 08:15:31 node-1 backend[170]: {LOGIN}"], 1),
    Case("behind Compose's name", [f"backend-1  | {LOGIN}"], 1),
    Case(
        "logfmt",
        ['time=2026-03-09T08:15:30Z level=warning event=login_failed correlation_id=c-7 msg="wrong password"'],
        1,
    ),
]
ACCESS = [
    Case("combined", [combined()], 1, "access"),
    Case("a user name with a blank", [combined(user="ada lovelace")], 1, "access"),
    Case("a user name with brackets", [combined(user="a [b] c")], 1, "access"),
    Case("a user name that looks like a request", [combined(user=f"x [{AT}] GET")], 1, "access"),
    Case("a list of clients", [combined(client="203.0.113.9, 10.0.0.2")], 1, "access"),
    Case("a host name as client", [combined(client="desk.example")], 1, "access"),
    Case("no client", [combined(client="-")], 1, "access"),
    Case("an agent with quotes, by nginx", [combined(agent=r"a\x22b\x5C")], 1, "access"),
    Case("an agent with quotes, by Apache", [combined(agent=r"a\"b\\")], 1, "access"),
    Case("a long agent", [combined(agent="x" * 30_000)], 1, "access"),
    Case("a long query", [combined(f"{LOGIN_PATHS[0]}?x={'y' * 30_000}")], 1, "access"),
    Case("an absolute address", [combined(f"http://clinic.example{LOGIN_PATHS[0]}")], 1, "access"),
    *(Case(f"{path} through nginx", [combined(path)], 1, "access") for path in LOGIN_PATHS),
    Case("a forwarded list after the agent", [f'{combined()} "203.0.113.9, 10.0.0.2"'], 1, "access"),
    Case("a carriage return", [f"{combined()}\r"], 1, "access"),
    Case("uvicorn", ['INFO:     10.0.0.7:51000 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized'], 1, "access"),
    Case("uvicorn with colours", ['\x1b[32mINFO\x1b[0m:     10.0.0.7:51000 - "\x1b[1mPOST /api/v1/auth/login HTTP/1.1\x1b[0m" \x1b[31m401 Unauthorized\x1b[0m'], 1, "access"),
    Case("gin", ['[GIN] 2026/03/09 - 08:15:30 | 401 |    1.234567ms |        10.0.0.7 | POST     "/api/v1/auth/login"'], 1, "access"),
    Case("HAProxy", [f'10.0.0.7:51000 [09/Mar/2026:08:15:30.123] web~ app/app1 0/0/1/44/45 401 512 - - ---- 1/1/0/0/0 0/0 "POST {LOGIN_PATHS[0]} HTTP/1.1"'], 1, "access"),
    Case("Envoy", [f'[2026-03-09T08:15:30.123Z] "POST {LOGIN_PATHS[0]} HTTP/1.1" 401 - 0 512 45 44 "10.0.0.7" "curl/8.5.0" "r-7" "clinic.example" "10.0.1.9:8000"'], 1, "access"),
    Case("ingress-nginx", [f"{combined()} 120 0.045 [clinic-app-80] [] 10.0.1.9:8000 512 0.044 401 4f6d1c0b9a8e7d6c5b4a39281706f5e4"], 1, "access"),
    Case("nginx's JSON", ['{"time_iso8601":"2026-03-09T08:15:30+00:00","remote_addr":"10.0.0.7","request_method":"POST","request_uri":"/api/v1/auth/login?x=1","status":"401","request_time":"0.045"}'], 1, "access"),
    Case("Caddy's JSON", ['{"level":"info","ts":1773044130.1234567,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.7","method":"POST","uri":"/api/v1/auth/login"},"duration":0.0452,"status":401}'], 1, "access"),
    Case("Traefik's JSON", ['{"ClientHost":"10.0.0.7","DownstreamStatus":401,"Duration":45200000,"RequestMethod":"POST","RequestPath":"/api/v1/auth/login","level":"info","msg":"","time":"2026-03-09T08:15:30Z"}'], 1, "access"),
    Case("Envoy's JSON", ['{"authority":"clinic.example","duration":45,"method":"POST","path":"/api/v1/auth/login","protocol":"HTTP/1.1","request_id":"r-7","response_code":401,"start_time":"2026-03-09T08:15:30.123Z"}'], 1, "access"),
]  # fmt: skip
NONE = [
    Case("a login in a user's name", [json.dumps({"event": "signed_up", "correlation_id": "c-7", "user": LOGIN})], 0),
    Case("a login in a message", [json.dumps({"event": "said", "correlation_id": "c-7", "message": f'x"}} {LOGIN}'})], 0),
    Case("a login in nested fields", [json.dumps({"event": "said", "correlation_id": "c-7", "body": json.loads(LOGIN)})], 0),
    Case("a login in a list of nested fields", [json.dumps({"event": "said", "correlation_id": "c-7", "bodies": [json.loads(LOGIN)] * 2})], 0),
    Case("text that ends in a login", [f"user wrote {LOGIN}"], 0),
    Case("a log line whose message ends in a login", [f"2026-03-09 08:15:30,123 INFO backend: user wrote {LOGIN}"], 0),
    Case("a login in a quoted value of logfmt", ['level=info msg="hello event=login_failed" correlation_id=c-7'], 0),
    Case("a login in a cut record's nested field", ['{"event":"said","correlation_id":"c-7","dump":"' + "x" * 1_200_000 + '","body":' + LOGIN + "}"], 0),
    Case("a login in a pretty-printed string", ["{", '  "event": "said",', f'  "message": {json.dumps(LOGIN)},', '  "correlation_id": "c-7"', "}"], 0),
    Case("the answer of another request", [FASTIFY, FASTIFY_END.replace("req-71", "req-72")], 0),
    Case("the answer of another process", [FASTIFY, FASTIFY_END.replace('"pid":7', '"pid":8')], 0),
    Case("a status that is only mentioned", [FASTIFY, FASTIFY_END.replace('"responseTime":3.2,"msg":"request completed"', '"msg":"user request completed not found"')], 0),
    Case("an answer in a client's text", [FASTIFY, json.dumps({"reqId": "req-71", "pid": 7, "level": 30, "msg": FASTIFY_END})], 0),
    Case("a request in a client's text", [json.dumps({"reqId": "req-71", "pid": 7, "level": 30, "msg": FASTIFY}), FASTIFY_END], 0),
    Case("requests in two entries where access lines count", [FASTIFY, FASTIFY_END], 0, "access"),
    Case("another path", [request(path=path) for path in OTHER_PATHS], 0),
    Case("another status or method", [request(status_code=200), request(method="GET")], 0),
    Case("access lines where the application's own records count", [combined(), combined(user="ada lovelace")], 0),
    Case("a proxy's JSON where the application's own records count", ['{"remote_addr":"10.0.0.7","request_method":"POST","request_uri":"/api/v1/auth/login","status":"401","request_time":"0.045"}'], 0),
    Case("records of the application where access lines count", [request()], 0, "access"),
    Case("a request in an agent", [f'10.0.0.7 - - [{AT}] "GET / HTTP/1.1" 200 1 "-" "x {combined().replace(chr(34), chr(92) + "x22")}"'], 0, "access"),
    Case("a request in a user name", [f'10.0.0.7 - x [{AT}] \\x22POST {LOGIN_PATHS[0]} HTTP/1.1\\x22 401 [{AT}] "GET / HTTP/1.1" 200 1 "-" "-"'], 0, "access"),
    Case("a request in an application's text", [f"2026-03-09 08:15:30,123 INFO backend: user wrote {combined()}"], 0, "access"),
    Case("a request on stderr", [combined()], 0, "access", "stderr"),
    Case("another path through nginx", [combined(path) for path in OTHER_PATHS], 0, "access"),
]  # fmt: skip
"""Lines whose content a client chose, and requests that are counted elsewhere."""
CASES = [*AROUND, *DOCUMENTS, *VALUES, *PAIRS, *BEHIND, *ACCESS, *NONE]
