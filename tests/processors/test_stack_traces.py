"""Stack traces and other records of several lines are joined whole, and nothing else is joined."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.assemble import Bounds, PlainAssembler
from shipper_processors.stack_traces import Trace, summary
from shipper_processors.text_cleanup import clean

CORPUS = Path(__file__).parents[1] / "golden" / "traces"
BEFORE, AFTER = "INFO:     Started server process [1]", "INFO:     Application startup complete."
REQUEST = 'INFO:     10.0.0.1:0 - "GET /x HTTP/1.1" 500 Internal Server Error'
EXCEPTIONS = {
    "python_chain": {"error_type": "ValueError", "error_message": "1 validation error for X"},
    "python_group": {"error_type": "LookupError", "error_message": "nothing to show"},
    "java_cause": {"error_type": "java.lang.IllegalStateException", "error_message": "bad unit"},
    "go_panic": {"error_type": "panic", "error_message": "assignment to entry in nil map"},
    "node_error": {"error_type": "TypeError", "error_message": "bad unit"},
}


def grouped(lines: list[str]) -> list[str]:
    """Join lines as an assembler does, without limits."""
    log = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    assembler = PlainAssembler("log", Bounds(lines=1 << 30, bytes=1 << 30))
    return [entry.text for entry in (*assembler.python_path(log, 0), *assembler.flush()) if entry.text]


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_a_real_trace_is_one_entry(name: str) -> None:
    """Between ordinary lines, the trace is joined from its first line to its last."""
    text = (CORPUS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    assert grouped([BEFORE, REQUEST, *text.split("\n"), AFTER]) == [BEFORE, REQUEST, text, AFTER]


@pytest.mark.parametrize("name", ["python_chain", "python_group"])
def test_a_trace_joins_the_line_that_announces_it(name: str) -> None:
    """`ERROR:    Exception in ASGI application` and the trace after it are one event."""
    text = (CORPUS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    head = "ERROR:    Exception in ASGI application"
    assert grouped([head, *text.split("\n"), AFTER]) == [f"{head}\n{text}", AFTER]


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_the_exception_is_named(name: str) -> None:
    """Its type and message are those of the exception that was finally reported."""
    assert summary((CORPUS / f"{name}.txt").read_text(encoding="utf-8")) == EXCEPTIONS[name]


PYDANTIC = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
pydantic_core._pydantic_core.ValidationError: 2 validation errors for Patient
name
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.12/v/missing
age
  Input should be a valid integer [type=int_parsing]"""
SQLALCHEMY = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key value
DETAIL:  Key (id)=(7) already exists.

[SQL: INSERT INTO patient (id) VALUES (%(id)s)]
[parameters: {'id': 7}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)"""
VALIDATION = """Request validation error: 1 error
  - body.name
  - field required

  input: {}"""
BARE = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
KeyboardInterrupt"""


@pytest.mark.parametrize("text", [PYDANTIC, SQLALCHEMY, BARE])
def test_messages_of_several_lines_belong_to_their_exception(text: str) -> None:
    """Pydantic's fields, SQLAlchemy's statement and parameters, and an exception without a message are joined."""
    assert grouped([BEFORE, *text.split("\n"), AFTER]) == [BEFORE, text, AFTER]


def test_indented_lines_belong_to_the_line_before() -> None:
    """A message with continuation lines is one event."""
    assert grouped([*VALIDATION.split("\n")[:3], AFTER]) == ["\n".join(VALIDATION.split("\n")[:3]), AFTER]


def test_ordinary_lines_stay_apart() -> None:
    """Two log lines are two events, whatever they begin with."""
    lines = [BEFORE, AFTER, "hello", "ValueError: just a line", "[2026-11-24 00:12:05 +0000] [1] [INFO] x"]
    assert grouped(lines) == lines


def test_a_record_ends_a_trace() -> None:
    """Level prefixes, JSON objects and access lines end a trace."""
    trace = BARE.split("\n")
    for line in (AFTER, REQUEST, '{"event":"e"}', "2026-11-24 00:12:05,123 ERROR y"):
        assert grouped([*trace, line]) == [BARE, line]


def test_a_torn_trace_does_not_swallow_the_log() -> None:
    """A trace whose end is missing ends at the next record."""
    torn = BARE.split("\n")[:2]
    assert grouped([*torn, AFTER, BEFORE]) == ["\n".join(torn), AFTER, BEFORE]


LOG4J = "11:37:28.324 [main] ERROR Pattern - charge failed"
TRACES: dict[str, tuple[str, dict[str, str]]] = {
    "java after its log line, with a cause of several lines": (
        f"""{LOG4J}
java.lang.IllegalStateException: payment gateway said no
\tat com.shop.Pay.run(Pay.java:5) ~[classes/:?]
\tSuppressed: java.io.IOException: close failed
\t\tat com.shop.Pay.run(Pay.java:6)
\t\t... 2 more
Caused by: org.postgresql.util.PSQLException: cannot insert
the row is there already
  Detail: Key (id)=(7) already exists.
\tat org.postgresql.Driver.run(Driver.java:1)
\t... 12 more""",
        {"error_type": "java.lang.IllegalStateException", "error_message": "payment gateway said no"},
    ),
    "java with a first message of several lines": (
        f"""{LOG4J}
org.hibernate.QueryException: cannot parse
  from Order o
where
\tat org.hibernate.Query.run(Query.java:1)""",
        {"error_type": "org.hibernate.QueryException", "error_message": "cannot parse"},
    ),
    "java.util.logging": (
        """Nov 30, 2026 11:37:18 AM com.shop.Pay charge
SEVERE: charge failed
java.lang.IllegalStateException: no
\tat com.shop.Pay.run(Pay.java:5)""",
        {"error_type": "java.lang.IllegalStateException", "error_message": "no"},
    ),
    ".NET after Serilog's line": (
        """2026-11-30 12:34:56.789 +00:00 [ERR] charge failed
System.InvalidOperationException: boom
 ---> System.ArgumentNullException: Value cannot be null. (Parameter 's')
   at A.B(String s) in /src/A.cs:line 3
   --- End of inner exception stack trace ---
   at C.D() in /src/C.cs:line 9
--- End of stack trace from previous location ---
   at C.<>c.<E>b__0_0() in /src/C.cs:line 10""",
        {"error_type": "System.InvalidOperationException", "error_message": "boom"},
    ),
    ".NET unhandled": (
        "Unhandled exception. System.InvalidOperationException: boom\nand more\n   at A.B() in /src/A.cs:line 3",
        {"error_type": "System.InvalidOperationException", "error_message": "boom"},
    ),
    ".NET console logger": (
        """fail: Microsoft.AspNetCore.Server.Kestrel[13]
      Connection id "0HN": An unhandled exception was thrown.
      System.InvalidOperationException: boom
         at A.B() in /src/A.cs:line 3""",
        {"error_type": "System.InvalidOperationException", "error_message": "boom"},
    ),
    "rust": (
        """thread 'main' panicked at src/main.rs:3:5:
assertion `left == right` failed
  left: 1
 right: 2
stack backtrace:
   0: rust_begin_unwind
             at /rustc/9fc6b/library/std/src/panicking.rs:645:5
   1: app::main
             at ./src/main.rs:3:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.""",
        {"error_type": "panic", "error_message": "assertion `left == right` failed"},
    ),
    "rust before 1.73": (
        "thread 'tokio-runtime-worker' panicked at 'boom', src/main.rs:3:5\nnote: run with `RUST_BACKTRACE=1`",
        {"error_type": "panic", "error_message": "boom"},
    ),
    "php": (
        """[30-Nov-2026 11:37:18 UTC] PHP Fatal error:  Uncaught App\\PayException: boom in /srv/x.php:3
Stack trace:
#0 /srv/x.php(5): pay()
#1 {main}

Next RuntimeException: outer in /srv/y.php:5
Stack trace:
#0 {main}
  thrown in /srv/x.php on line 3""",
        {"error_type": "App\\PayException", "error_message": "boom"},
    ),
    "laravel": (
        """[2026-11-30 18:19:32] local.ERROR: no {"exception":"[object] (App\\\\Pay(code: 0): no at /srv/x.php:3)
[stacktrace]
#0 /srv/x.php(3): pay()
#1 {main}

[previous exception] [object] (RuntimeException(code: -1): inner at /srv/y.php:9)
[stacktrace]
#0 {main}
"} """,
        {"error_type": "App\\Pay", "error_message": "no"},
    ),
    "ruby with a cause": (
        """app.rb:3:in 'Object#pay': boom (Shop::PayError)
\tfrom app.rb:7:in 'block in <main>'
\tfrom app.rb:9:in '<main>'
app.rb:1:in 'Integer#/': divided by 0 (ZeroDivisionError)
\tfrom app.rb:2:in 'Object#pay'""",
        {"error_type": "Shop::PayError", "error_message": "boom"},
    ),
    "ruby's logger": (
        """E, [2026-11-30T11:37:18.721000 #7] ERROR -- : boom (RuntimeError)
/srv/app/x.rb:3:in `pay'
/srv/app/x.rb:7:in `<main>'""",
        {"error_type": "RuntimeError"},
    ),
    "elixir": (
        """11:37:18.721 [error] GenServer App.Worker terminating
** (RuntimeError) boom
    (app 0.1.0) lib/app.ex:3: App.Worker.handle_call/3
    (stdlib 4.0) gen_server.erl:1123: :gen_server.try_handle_call/4
Last message (from #PID<0.1.0>): :boom
State: %{a: 1}""",
        {"error_type": "RuntimeError", "error_message": "boom"},
    ),
    "erlang": (
        """=CRASH REPORT==== 30-Nov-2026::11:37:18.721000 ===
  crasher:
    initial call: app:init/1
    exception error: boom""",
        {},
    ),
    "go http": (
        """2026/11/30 11:37:18 http: panic serving 10.1.1.1:4321: boom
goroutine 7 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1850 +0xbf
panic({0x61e8a0, 0x6c5d50})
\t/usr/local/go/src/runtime/panic.go:890 +0x262
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3102 +0x4db""",
        {"error_type": "panic", "error_message": "boom"},
    ),
    "go deadlock": (
        """fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/srv/app/main.go:7 +0x2c
exit status 2""",
        {"error_type": "fatal error", "error_message": "all goroutines are asleep - deadlock!"},
    ),
    "zap console": (
        """2026-11-30T11:37:18.721Z\tERROR\tgo/main.go:24\tcharge failed\t{"error": "no"}
main.main
\t/srv/app/main.go:24
runtime.main
\t/usr/local/go/src/runtime/proc.go:250""",
        {},
    ),
    "node uncaught": (
        """/srv/app/crash.js:1
async function pay(){ throw new Error('no',{cause:e}) }
                            ^

Error: no
    at pay (/srv/app/crash.js:1:58)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_NO',
  [cause]: SyntaxError: Expected property name
      at JSON.parse (<anonymous>)
}

Node.js v20.20.2""",
        {"error_type": "Error", "error_message": "no"},
    ),
    "node aggregate": (
        """AggregateError: All promises were rejected
    at async Promise.any (index 0) {
  [errors]: [
    Error: a
        at x (/srv/x.js:1:1),
    Error: b
        at y (/srv/x.js:2:1)
  ]
}""",
        {"error_type": "AggregateError", "error_message": "All promises were rejected"},
    ),
    "perl": (
        "no money at -e line 1.\n\tmain::pay(1) called at -e line 1\n\tmain::main() called at -e line 1",
        {"error_message": "no money"},
    ),
    "loguru": (
        """2026-11-30 11:37:18.721 | ERROR    | app:pay:3 - failed
Traceback (most recent call last):

  File "/srv/x.py", line 5, in <module>
    pay()
    \u2514 <function pay at 0x7f>

> File "/srv/x.py", line 3, in pay
    1/0

ZeroDivisionError: division by zero""",
        {"error_type": "ZeroDivisionError", "error_message": "division by zero"},
    ),
    "asyncio": (
        """2026-11-30 11:37:18,721 ERROR asyncio Task exception was never retrieved
future: <Task finished name='Task-1' coro=<f() done> exception=ValueError('bad')>
Traceback (most recent call last):
  File "/srv/x.py", line 5, in f
    raise ValueError("bad")
ValueError: bad""",
        {"error_type": "ValueError", "error_message": "bad"},
    ),
    "go, panic again": (
        """panic: boom [recovered]
\tpanic: boom

goroutine 1 [running]:
main.main()
\t/srv/app/main.go:7 +0x2c""",
        {"error_type": "panic", "error_message": "boom [recovered]"},
    ),
    "NLog": (
        """2026-11-30 12:00:00.0000|ERROR|App|failed|System.InvalidOperationException: boom
   at A.B() in /src/A.cs:line 3""",
        {"error_type": "System.InvalidOperationException", "error_message": "boom"},
    ),
    "pino-pretty": (
        """[11:37:18.721] ERROR (6026): charge failed
    err: {
      "type": "Error",
      "stack":
          Error: boom
              at pay (/srv/app/crash.js:1:58)
    }""",
        {"error_type": "Error", "error_message": "boom"},
    ),
    "c++": (
        "terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom",
        {"error_type": "std::runtime_error", "error_message": "boom"},
    ),
    "python syntax error": (
        """  File "/srv/x.py", line 1
    foo(
       ^
SyntaxError: '(' was never closed""",
        {"error_type": "SyntaxError", "error_message": "'(' was never closed"},
    ),
}
RECORDS = {
    "postgres": """2026-03-17 15:18:05.633 UTC [170] a@b LOG:  statement: SELECT 1
\tFROM x
\t{"event":"login_failed"}
\t2026-03-17 15:18:05 ERROR forged;""",
    "sqlalchemy": """2026-11-30 11:37:18,702 INFO sqlalchemy.engine.Engine SELECT users.id
FROM users
WHERE users.id = ?""",
    "sqlalchemy ddl": """2026-11-30 11:37:18,702 INFO sqlalchemy.engine.Engine
CREATE TABLE users (
\tid INTEGER NOT NULL,
\tPRIMARY KEY (id)
)""",
    "values": "2026-11-30 11:37:18,702 INFO [main] KafkaConfig values:\n\tport = 1\n\thost = x",
    "json": """{
  "level": "error",
  "msg": "a } \\" {",
  "ctx":
  {
    "a": [
      {"x": 1},
      2
    ]
  }
}""",
    "object of node": """{
  level: 'error',
  ctx: { a: 1 }
}""",
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_of_each_language_is_one_entry(name: str) -> None:
    """Between ordinary lines of other kinds, it is joined from its first line to its last, and names its exception."""
    text, expected = TRACES[name]
    for before, after in ((BEFORE, AFTER), ("hello", "bye"), ("2026-11-30 10:00:00 INFO x", LOG4J)):
        assert grouped([before, *text.split("\n"), after]) == [before, text, after]
    assert summary(text) == expected


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_several_lines_is_one_entry_and_no_trace(name: str) -> None:
    """Statements, values and objects."""
    text = RECORDS[name]
    assert grouped([BEFORE, *text.split("\n"), AFTER]) == [BEFORE, text, AFTER]
    assert summary(text) is None


EVENT = '{"event":"login_failed"}'


@pytest.mark.parametrize("before", ["Starting", LOG4J, "{", "Starting:", "[", *(text for text, _ in TRACES.values())])
@pytest.mark.parametrize("blanks", ["", "  ", "\t", "      ", "\ufeff"])
def test_a_json_object_begins_a_record_after_anything(before: str, blanks: str) -> None:
    """However it is indented; only an open array of JSON may contain it."""
    if before == "[" and blanks not in {"", "\ufeff"}:
        return
    assert grouped([*before.split("\n"), f"{blanks}{EVENT}"])[-1].strip("\ufeff") == f"{blanks}{EVENT}".strip("\ufeff")


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("record", ["2026-11-30 11:37:19,000 INFO next", "  2026-11-30 11:37:19 next", "11:37:19 next"])
def test_a_record_with_a_time_is_never_swallowed(name: str, record: str) -> None:
    """After each line of each trace, but a source line's place."""
    lines = TRACES[name][0].split("\n")
    for end in range(1, len(lines) + 1):
        if not lines[end - 1].startswith(("  File ", "> File ", "fail: ", "      ", "/srv/app/crash.js:1")):
            assert grouped([*lines[:end], record])[-1] == record


LOOK_ALIKES = [
    ["Starting", "  indented"],
    ["hello", "ValueError: just a line"],
    ["hello", "java.lang.String"],
    [LOG4J, "java.lang.IllegalStateException: not thrown", "hello"],
    [LOG4J, "example.com", "main.main", "x.y"],
    [LOG4J, "see /srv/app/main.go:12"],
    ["hello", "#0 first", "#1 second"],
    ["hello", "FROM here", "SET x"],
    [LOG4J, "FROM here"],
    ["hello", "Caused by: a user"],
    [LOG4J, "---> Running in 3f"],
    ["/var/log/app:12", "next", "another"],
    ["hello", "at noon"],
    ["{", "hello"],
    ["{", '"quoted"'],
    ["}", "{"],
    ["hello", "Traceback (most recent call last):"],
    ["Type: a", "State: b", "Server: c"],
    ["INFO:     up", "app.rb:3:in 'x': boom (RuntimeError)"],
    ["note: a", "note: b"],
    ['{"a":1,', '{"event":"login_failed"}'],
    ["SEVERE: a", "SEVERE: b"],
    ["Error: a", "TypeError: b"],
]


@pytest.mark.parametrize("lines", LOOK_ALIKES, ids=lambda lines: " / ".join(lines))
def test_look_alikes_stay_apart(lines: list[str]) -> None:
    """Lines that only look as if they belonged together are entries of their own."""
    assert grouped(lines) == lines


def test_plain_text_is_no_stack_trace() -> None:
    """Ordinary text gives no exception."""
    assert summary("hello\nworld") is None
    assert summary("Request validation error: x\n  - y") is None


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_grouping_keeps_every_line_in_order(lines: list[str]) -> None:
    """No line is lost or moved."""
    flat = [clean(line.replace("\n", " ")) for line in lines]
    joined = "\n".join(grouped(flat)).replace("\n", "")
    assert joined == "".join(flat)


@pytest.mark.timeout(20)
def test_long_hostile_traces_take_linear_time() -> None:
    """Ten thousand lines, and lines of a megabyte, take linear time."""
    lines = ["Traceback (most recent call last):", *["  x"] * 10_000, "a." * 500_000, "A" * 1_000_000, "(" * 1_000_000]
    grouped(lines)
    summary("\n".join(lines))


@pytest.mark.parametrize("indent", ["  ", "    ", "\t"])
def test_an_indented_object_is_no_source_line_of_a_traceback(indent: str) -> None:
    """It would hide an event from the counters."""
    trace = Trace("Traceback (most recent call last):")
    assert trace.accepts('  File "a.py", line 1, in <module>')
    assert not trace.accepts(indent + '{"event":"login_failed","correlation_id":"a"}')
    assert trace.accepts(indent + '{"a": call()}')


@pytest.mark.timeout(5)
def test_a_message_of_a_million_blank_lines_takes_little_time() -> None:
    """Lines at both ends are searched."""
    assert summary("\n" * 1_000_000) is None
    trace = "Traceback (most recent call last):" + '\n  File "a.py", line 1, in f' * 10_000 + "\nValueError: x"
    assert summary(trace) == {"error_type": "ValueError", "error_message": "x"}


@pytest.mark.parametrize(
    "trace",
    [
        'Traceback (most recent call last):\n  File "a.py", line 1, in f',
        "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)",
        "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1",
        "thread 'main' panicked at src/main.rs:1:1:\nno\nstack backtrace:\n   0: a::b",
    ],
)
@pytest.mark.parametrize(
    "document", ['  {"event":"login_failed"}', '\t{"event":"login_failed"},', '  {"a":1}{"event":"login_failed"}']
)
def test_a_whole_object_within_a_trace_is_a_record(trace: str, document: str) -> None:
    """Indented or not, in every grammar."""
    assert grouped([*trace.split("\n"), document])[:2] == [trace, document]


def test_an_empty_object_in_a_source_line_stays_in_its_trace() -> None:
    """Code is no document."""
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    {}["card"]\nKeyError: \'card\''
    assert grouped(trace.split("\n")) == [trace]


def test_a_line_with_a_time_is_no_source_line() -> None:
    """It begins a record, also after the line that names a file."""
    trace, record = 'Traceback (most recent call last):\n  File "a.py", line 1, in f', "  2026-11-30 10:00:00 INFO x"
    assert grouped([*trace.split("\n"), record]) == [trace, record]
