"""A plain recount of failed logins over application lines: an oracle that shares no code with the product.

It may be slow and knows only what it needs: names of the event, and the method, path and status of a request.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

EVENTS = {"login_failed", "failed_login", "user_login_failed", "authentication_failed"}
LOGIN = ["api", "v1", "auth", "login"]
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00\ufeff\r]")
CLOCK = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
BEFORE_JSON = re.compile(
    rf"(?:{CLOCK} (?:[A-Z]+ )?|<\d{{1,3}}>[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d \S+ [\w.-]+(?:\[\d+\])?: |[\w.-]+ +\| )(?=\{{)"
)
"""What may stand before a document: a time with a level, a syslog header, the name of a Compose service."""
TRAILING_COMMA = re.compile(r",\s*([}\]])")
PAIR = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*:\s*("(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|true|false|null)\s*,')
LOGFMT = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
DECODER = json.JSONDecoder()

CLIENT = r"(?:(?:[\w.:-]+, )*[\w.:-]+|\[[0-9a-f:]+\])"
REQUEST = r"\"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+\""
ACCESS = [
    re.compile(rf"{CLIENT} - .*? \[\d\d/[A-Z][a-z]{{2}}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}}\] {REQUEST} (?P<status>\d{{3}}) "),
    re.compile(rf"[A-Z]+: +{CLIENT} - {REQUEST} (?P<status>\d{{3}})\b"),
    re.compile(r"\[GIN\] [^|]+\| (?P<status>\d{3}) \|[^|]+\|[^|]+\| (?P<method>[A-Z]+) +\"(?P<path>[^\"]+)\""),
    re.compile(rf"{CLIENT} \[[^\]]+\] \S+ \S+ [-\d/+]+ (?P<status>\d{{3}}) [^\"]*{REQUEST}"),
    re.compile(rf"\[{CLOCK}\] {REQUEST} (?P<status>\d{{3}}) "),
]  # fmt: skip
"""Combined, uvicorn, gin, HAProxy, Envoy."""
NAMES = {
    "method": ["method", "request_method", "RequestMethod", "req.method", "request.method"],
    "path": ["path", "request_uri", "RequestPath", "uri", "url", "req.url", "request.uri"],
    "status": ["status_code", "status", "response_code", "DownstreamStatus", "res.statusCode"],
}
PROXY_KEYS = [{"request_method", "remote_addr"}, {"RequestMethod", "DownstreamStatus"}, {"authority", "response_code"}]


IDS = ["reqId", "correlation_id", "request_id", "correlationId", "requestId", "req.id"]
ANSWERS = ["request completed", "request_finished", "end"]
TIMED = ["responseTime", "duration_ms", "duration", "elapsed"]
RAILS = re.compile(rf"[A-Z], \[{CLOCK} #\d+\] +[A-Z]+ -- : \[([\w.-]+)\] (.*)")
RAILS_BEGUN = re.compile(r"Started ([A-Z]+) \"(\S+)\" for \S+ at ")
RAILS_ENDED = re.compile(r"Completed (\d{3}) [A-Za-z ]+ in \d+ms")


def failed_logins(lines: Sequence[str], mode: str, stream: str = "stdout") -> int:
    """Return the failed logins in the lines that an application or proxy wrote."""
    texts = list(whole_lines([cleaned(line) for line in lines]))
    return sum(map(counter_of(mode, stream), texts)) + (failed_pairs(texts) if mode == "structured" else 0)


def failed_pairs(texts: Sequence[str]) -> int:
    """Return the failed logins whose path stands in an entry and whose status in a later one with the same id."""
    begun: dict[tuple[str, Any], list[bool]] = {}
    total = 0
    for whose, asked, status in (half for text in texts for half in halves(text)):
        logins = begun.setdefault(whose, [])
        if status is None:
            logins.append(is_failed_request(*asked, 401))
        elif logins:
            failed = status == 401 and True in logins  # of requests under one id, it may be any
            total += failed
            logins.remove(failed if failed in logins else not failed)
    return total


def halves(text: str) -> Iterator[tuple[tuple[str, Any], tuple[Any, Any], int | None]]:
    """Yield the halves of requests in a line: whose request, what was asked, and how it was answered."""
    if rails := RAILS.fullmatch(text):
        if asked := RAILS_BEGUN.match(rails[2]):
            yield (rails[1], None), (asked[1], asked[2]), None
        if ended := RAILS_ENDED.match(rails[2]):
            yield (rails[1], None), (None, None), int(ended[1])
    for record in documents(text):
        names = {
            name: next((v for path in paths if (v := value_at(record, path))), None) for name, paths in NAMES.items()
        }
        identifier = next((v for path in IDS if (v := value_at(record, path))), None)
        asked_for, status = (names["method"], names["path"]), names["status"]
        said = record.get("event") or record.get("msg")
        is_answer = said in ANSWERS or any(isinstance(record.get(name), int | float | str) for name in TIMED)
        if identifier and all(asked_for) and not status:
            yield (str(identifier), record.get("pid")), asked_for, None
        elif identifier and not all(asked_for) and status and is_answer and str(status).isdecimal():
            yield (str(identifier), record.get("pid")), asked_for, int(status)


def counter_of(mode: str, stream: str) -> Any:
    """Return a function that counts the failed logins of one cleaned line."""

    def count(text: str) -> int:
        records = list(documents(text))
        structured = sum(is_failed(record, mode) for record in records)
        return structured if records or mode != "access" or stream != "stdout" else is_failed_access(text)

    return count


def cleaned(line: str) -> str:
    """Return a line without colours, NULs, byte order marks, carriage returns and blanks around it."""
    return ESCAPES.sub("", line).strip()


def whole_lines(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines, those of a pretty-printed document as one: from a lone `{` to the lone `}` that makes it valid."""
    rest = list(lines)
    while rest:
        for end in range(1, len(rest)) if rest[0] == "{" else ():
            if rest[end] == "}" and is_json("\n".join(rest[: end + 1])):
                rest[: end + 1] = [json.dumps(json.loads("\n".join(rest[: end + 1])))]
                break
        yield rest.pop(0)


def is_json(text: str) -> bool:
    """Return True for one valid document."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of a line, in whatever condition they are."""
    prefix = BEFORE_JSON.match(text)
    text = text[prefix.end() :] if prefix else text
    if not re.match(r"\[?\s*\{", text):
        yield from logfmt(text)
        return
    while text:
        value, text = first_document(text)
        values = value if isinstance(value, list) else [value]
        yield from (each for each in values if isinstance(each, dict))


def first_document(text: str) -> tuple[Any, str]:
    """Return the first document and the text after it: parsed, repaired, skipped if torn, or read as far as it goes."""
    for attempt in (text, TRAILING_COMMA.sub(r"\1", text)):
        try:
            value, end = DECODER.raw_decode(attempt)
        except (ValueError, RecursionError):
            continue
        return value, attempt[end:].lstrip(" ,")
    for at in (start.start() for start in re.finditer(r'\{"', text[1:])):
        if is_json(text[at + 1 :]):
            return None, text[at + 1 :]
    return beginning(text), ""


def beginning(text: str) -> dict[str, Any]:
    """Return the plain values at the beginning of a document that does not end."""
    fields, at = {}, 1
    while pair := PAIR.match(text, at):
        fields[json.loads(f'"{pair[1]}"')], at = json.loads(pair[2]), pair.end()
    return fields


def logfmt(text: str) -> Iterator[dict[str, Any]]:
    """Yield the pairs of a line that is made of nothing else."""
    pairs, at = {}, 0
    while pair := LOGFMT.match(text, at):
        pairs[pair[1]], at = pair[2].strip('"'), pair.end()
    if at == len(text) and pairs:
        yield pairs


def is_failed(record: dict[str, Any], mode: str) -> bool:
    """Return True for the event of a failed login, or the request's record where that counts."""
    if cleaned(str(record.get("event") or "")).lower() in EVENTS:
        return True
    if not record.get("event") and str(record.get("message") or record.get("msg")) in EVENTS:
        return True
    is_proxy = any(keys <= record.keys() for keys in PROXY_KEYS) or str(record.get("logger", "")).startswith("http.log")
    values = {
        name: next(filter(None, (value_at(record, path) for path in paths)), None) for name, paths in NAMES.items()
    }
    return is_proxy == (mode == "access") and is_failed_request(values["method"], values["path"], values["status"])


def value_at(record: dict[str, Any], path: str) -> Any:
    """Return a nested value."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def is_failed_access(text: str) -> bool:
    """Return True for the access line of a failed login."""
    matches = [match for each in ACCESS if (match := each.match(text))]
    return any(is_failed_request(match["method"], match["path"], match["status"]) for match in matches)


def is_failed_request(method: object, path: object, status: object) -> bool:
    """Return True for a rejected POST to what could be the login's path."""
    try:
        rejected = int(float(str(status))) == 401
    except ValueError:
        return False
    return rejected and str(method).upper() == "POST" and segments(str(path)) == LOGIN


def segments(path: str) -> list[str]:
    """Return the names of a path as a tolerant server takes them."""
    local = re.sub(r"^https?://[^/]+", "", path)
    names: list[str] = []
    decoded = unquote(unquote(re.split(r"[?#]", local)[0])).lower().split("\0")[0].rstrip()
    for name in re.sub(r"\.json(?=/*$)", "", decoded).split("/"):
        bare = name.split(";")[0]
        if bare == "..":
            del names[-1:]
        elif bare not in {"", "."}:
            names.append(bare)
    return names
