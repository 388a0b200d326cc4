r"""Decode lines of text that hold fields: logfmt, syslog (RFC 5424), JSON behind a prefix, and console formats.

Fields that stand behind an unquoted message could be written by a client, whose text an application puts into its
message: `search for x status=401`. They are kept under `extra`, where an id is found but no counter rule looks. Only
what cannot be part of a message becomes a field of its own: a whole line of pairs, a JSON document that is the whole
message, and pairs behind a message of one word, as structlog writes an event's name.

Formats: logfmt as Go's slog, logrus and go-kit write it (values with blanks quoted, `\"` and `\\` escaped), RFC 5424
section 6, structlog's ConsoleRenderer, zerolog's ConsoleWriter, zap's console encoder, hclog, klog, tracing, winston's
`simple`, and Monolog's LineFormatter.
"""

# ruff: noqa: E501 -- expressions are easier to read on one line
import json
from typing import Any

import orjson

from shipper_processors.lenient_json import OUTSIDE, members, object_at
from shipper_processors.stack_traces import summary
from shipper_processors.stack_traces.at_frames import ENDINGS
from shipper_processors.text_heads import ISO, SYSLOG, Head
from shipper_schemas import lazy_re as re

TIME_KEYS = ("timestamp", "@timestamp", "time", "ts", "@t", "datetime", "date", "asctime", "t", "eventTime")
LEVEL_KEYS = ("level", "severity", "levelname", "level_name", "log.level", "@l", "LogLevel", "lvl", "@level")
USUAL_KEYS = frozenset({*TIME_KEYS, *LEVEL_KEYS, "msg", "message", "event", "err", "error"})
"""Keys of which a line of pairs must have at least one."""
SHORTEST_TIME = 10
"""Length of a date, or of seconds since the epoch."""
REQUEST_KEYS = frozenset({"method", "path", "status"})
"""Keys of a line of pairs that records a request."""
ID_KEYS = ("correlation_id", "correlationId", "x_correlation_id", "request_id", "requestId", "traceparent", "trace_id")
OWN_KEYS = {"level": LEVEL_KEYS, "logger": ("logger", "name"), "correlation_id": ID_KEYS}
"""Keys of a document, of which one is enough that the head before it does not give the field."""
DATA_NAMES = frozenset({
    "arguments", "args", "body", "content", "context", "data", "dump", "event", "form", "got", "headers", "input",
    "json", "message", "msg", "object", "output", "params", "parsed", "payload", "post", "query", "raw", "received",
    "reply", "req", "request", "res", "response", "result", "sent", "text", "user", "value",
})  # fmt: skip
"""Words before `: {` that name data which a program prints, not the program that logs."""

FIRST_PAIR = re.compile(r"[A-Za-z_@][\w.@/-]{0,100}=", re.ASCII)
PAIR = re.compile(
    r"(?P<key>[A-Za-z_@][\w.@/-]{0,100})=(?P<value>\"(?:[^\"\\]|\\.){0,262144}\"|'(?:[^'\\]|\\.){0,65536}'|[^\s\"]{0,65536})(?:\s{1,64}|$)",
    re.ASCII,
)
NEXT_KEY = re.compile(r"\s[A-Za-z_][\w.@-]{0,100}=", re.ASCII)
VALUE = re.compile(
    r"(?:\"(?:[^\"\\]|\\.){0,65536}\"|'(?:[^'\\]|\\.){0,65536}'|\[[^\[\]]{0,4096}\]|\{[^{}]{0,4096}\}"
    r"|[^\s\"'\[{][^\s]{0,8192}|)(?=\s|$)",
    re.ASCII,
)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
CONSOLE = re.compile(
    rf"[ \t]{{0,8}}{ISO} {{1,2}}\[(?P<structlog>[a-z]{{4,9}} {{0,5}})\] {{1,2}}|[A-Z]{{4}}\[[\dT:+Z-]{{4,25}}\] {{1,2}}|[A-Z][a-z]{{2}} [ \d]\d [\d:.]{{8,18}} [A-Z]{{3}} |\d{{1,2}}:\d\d ?[AP]M [A-Z]{{3}} "
    r"|[ \t]{0,8}\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d) {1,2}"
    r"(?:\[(?:TRACE|DEBUG|INFO|WARN|ERROR)\] {1,2}|(?:TRC|DBG|INF|WRN|ERR|FTL|PNC) |(?:TRACE|DEBUG|INFO|WARN|ERROR) (?=[a-z_]\w{0,80}[:{]))",
    re.ASCII,
)
"""structlog, logrus on a terminal, zerolog, hclog and tracing."""
STRUCTLOG_WIDTH = 9
"""Width to which structlog pads a level."""
TAGS = re.compile(r"(?:\[[^\[\]]{1,128}\] ){1,4}", re.ASCII)
KLOG = re.compile(r"[IWEF]\d{4} ", re.ASCII)
KLOG_MESSAGE = re.compile(r"\"(?:[^\"\\]|\\.){0,65536}\"(?=\s|$)", re.ASCII)
ONE_WORD = re.compile(r"[A-Za-z][\w.:/-]{0,127}", re.ASCII)
LOGGER_AFTER = re.compile(r"\[(?P<logger>[A-Za-z_][\w.-]{0,120})\]$", re.ASCII)
TAG = re.compile(
    r"\[[\w.:/ -]{1,64}\]:?\s{0,4}|[\w.-]{1,64} {0,60}\| {1,4}|@cee: ?"
    r"|(?P<name>[A-Za-z_][\w./-]{0,63})(?:\[\d{1,10}\])?: {1,4}",
    re.ASCII,
)
"""What may stand before a JSON document without a time or a level: `[tag] `, `service | `, `program[pid]: `."""
RFC5424 = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\S{8,32}) (?P<host>\S{1,255}) (?P<app>\S{1,48})"
    r" (?P<procid>\S{1,128}) (?P<msgid>\S{1,32}) (?P<data>-|(?=\[))",
    re.ASCII,
)
ELEMENT = re.compile(r"\[(?P<id>[^\s=\"\]]{1,32})", re.ASCII)
PARAMETER = re.compile(r" (?P<name>[^\s=\"\]]{1,32})=\"(?P<value>(?:[^\"\\\]]|\\.){0,65536})\"", re.DOTALL)
SIMPLE = re.compile(r"(?:error|warn|info|http|verbose|debug|silly): ")
MONOLOG = re.compile(rf"\[{ISO}\] [\w-]{{1,64}}\.[A-Z]{{3,9}}: ", re.ASCII)
ZAP = re.compile(r"[\dT:.+Z /e-]{10,40}\t", re.ASCII)
CONTEXT = re.compile(r"[ \t](?=\{\")")
MONOLOG_CLASS = re.compile(r"\[object\] \((?P<type>[\w\\]{1,200})\(code: ")
MOST_CONTEXTS = 4


def decode_fields(text: str, head: Head | None, *, cut: bool = False) -> dict[str, Any] | None:
    """Return the fields of a line that is decoded as a whole, under the names as logged; None for other text.

    `head` is the line's head. With `cut`, the line's end is missing, so that a document without its end counts. The
    time is returned as `timestamp`, an application's sentence as `message`. Of a line to which a stack trace was
    joined, the fields are those of the line.
    """
    fields = _decoded(text, head, cut=cut)
    end = text.find("\n")
    if fields is not None or end < 0 or (head is not None and head.at > end) or FIRST_PAIR.match(text, end + 1):
        return fields
    fields = _decoded(text[:end], head, cut=False)
    if fields is not None:
        for name, value in {**(summary(text) or {}), "exception": text}.items():
            fields.setdefault(name, value)
    return fields


def _decoded(text: str, head: Head | None, *, cut: bool) -> dict[str, Any] | None:
    first = text[:1]
    if first == "<" and (fields := _rfc5424(text)) is not None:
        return fields
    end = text.rstrip(OUTSIDE)[-1:] if text[-1:] in OUTSIDE else text[-1:]
    if (end == "}" or cut) and (fields := _prefixed_json(text, head, cut=cut)) is not None:
        return fields
    if (end in ("}", "]", '"') or "\t" in text[:64]) and (fields := _with_context(text, head)) is not None:
        return fields
    if "=" in text or " ] " in text[:64]:
        return _logfmt(text) or _console(text, head) or _request_pairs(text, head)
    return None


# --- JSON behind a prefix ---------------------------------------------------------------------------


def _prefixed_json(text: str, head: Head | None, *, cut: bool) -> dict[str, Any] | None:
    """Decode JSON that reaches from a recognised prefix to the end of the text."""
    at = 0 if head is None else head.at
    if text[at : at + 1] != "{":
        tag = TAG.match(text, at) or (TAG.match(text) if at else None)
        if tag is None or (tag["name"] is not None and _names_data(tag["name"])):
            return None
        at = tag.end()
        if text[at : at + 1] != "{":
            return None
    content = _whole_object(text, at) or (members(text[at:]) if cut else None)
    return None if content is None else _behind(text[:at], head, content)


def _names_data(name: str) -> bool:
    """True if a name stands before data or the message of an exception, which a client may write."""
    return name.lower() in DATA_NAMES or name.endswith(ENDINGS) or name.lower().endswith(("error", "exception"))


def _behind(prefix: str, head: Head | None, content: dict[str, Any]) -> dict[str, Any]:
    """Return a document's fields with the prefix, whose time, level and id only fill gaps."""
    fields: dict[str, Any] = {}
    if head is not None:
        if head.time is not None and content.keys().isdisjoint(TIME_KEYS):
            fields["timestamp"] = head.time
        gaps = {name for name, keys in OWN_KEYS.items() if content.keys().isdisjoint(keys)}
        fields.update({name: value for name, value in head.fields().items() if name in gaps})
    fields.update(content)
    own = content.get("extra")
    fields["extra"] = {**(own if isinstance(own, dict) else {} if own is None else {"extra": own}), "prefix": prefix}
    return fields


def _whole_object(text: str, at: int) -> dict[str, Any] | None:
    """Return the JSON object that reaches from `at` to the end of the text."""
    try:
        content = orjson.loads(text[at:])
    except orjson.JSONDecodeError:
        content, end = object_at(text, at)
        if text[end:].strip(OUTSIDE):
            return None
    return content if isinstance(content, dict) else None


def _with_context(text: str, head: Head | None) -> dict[str, Any] | None:
    """Decode the JSON object that winston's `simple`, zap's console and Monolog write after their message."""
    if head is None or head.level is None:
        return None
    is_simple = head.time is None and SIMPLE.match(text) is not None
    if not (is_simple or ZAP.match(text) or MONOLOG.match(text)):
        return None
    line = text.partition("\n")[0] if ZAP.match(text) else text  # its stack follows on further lines
    whole = line.rstrip(OUTSIDE).removesuffix(" []")
    at = head.at
    for _ in range(MOST_CONTEXTS):
        match = CONTEXT.search(whole, at)
        if match is None:
            return None
        at = match.end()
        context, end = object_at(whole, at)
        if context is not None and not whole[end:].strip(" []\n"):
            message = whole[head.at : match.start()].rstrip()
            return _with_extra(text, head, {"message": message}, context)
    return None


def _with_extra(text: str, head: Head, own: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a head and a message, with those behind the message under `extra`."""
    fields: dict[str, Any] = {}
    time = head.time
    if time is None:
        time = next((value for key in ("timestamp", "time") if isinstance(value := extra.get(key), str)), None)
    if time is not None:
        fields["timestamp"] = time
    fields.update(head.fields())
    fields.update(own)
    if "\n" in text:
        fields["exception"] = text
        fields.update(summary(text) or _monolog_class(extra))
    if extra:
        fields["extra"] = extra
    return fields


def _monolog_class(extra: dict[str, Any]) -> dict[str, str]:
    thrown = extra.get("exception")
    match = MONOLOG_CLASS.match(thrown) if isinstance(thrown, str) else None
    return {} if match is None else {"error_type": match["type"]}


# --- pairs -----------------------------------------------------------------------------------------


def _logfmt(text: str) -> dict[str, Any] | None:
    """Decode a line that consists of pairs."""
    fields = _pairs(text, 0)
    if fields is None or len(fields) == 1 or (USUAL_KEYS.isdisjoint(fields) and not fields.keys() >= REQUEST_KEYS):
        return None
    if "timestamp" not in fields and len(time := fields.get("t", "")) >= SHORTEST_TIME and time[:1].isdecimal():
        fields["timestamp"] = time
        del fields["t"]
    return fields


def _request_pairs(text: str, head: Head | None) -> dict[str, Any] | None:
    """Decode the pairs of a request behind a head, as Rails writes them with lograge."""
    if head is None or head.level is None:
        return None
    tags = TAGS.match(text, head.at)
    at = head.at if tags is None else tags.end()
    fields = _pairs(text, at)
    return _behind(text[:at], head, fields) if fields is not None and fields.keys() >= REQUEST_KEYS else None


def _pairs(text: str, at: int) -> dict[str, Any] | None:
    """Return the `key=value` pairs that reach from `at` to the end of a line; of equal keys the first counts."""
    if FIRST_PAIR.match(text, at) is None or "\n" in text:
        return None
    fields: dict[str, Any] = {}
    while at < len(text):
        pair = PAIR.match(text, at)
        if pair is None:
            return None
        key, value = pair["key"], pair["value"]
        fields.setdefault(key, unquoted(value))
        at = pair.end()
    return fields


def unquoted(value: str) -> str:
    """Return a value without its quotes and escapes, as Go, Rust and Python quote it."""
    quote = value[:1]
    if quote not in ('"', "'") or len(value) < 2 or value[-1] != quote:  # noqa: PLR2004 -- two quotes
        return value
    if "\\" not in value:
        return value[1:-1]
    if quote == '"':
        try:
            return str(json.loads(value, strict=False))
        except ValueError:
            pass
    return ESCAPE.sub(lambda match: ESCAPES.get(match[1], match[1]), value[1:-1])


def _console(text: str, head: Head | None) -> dict[str, Any] | None:
    """Decode the line of a console that writes pairs after the message."""
    if head is None or head.level is None:
        return None
    line = text.partition("\n")[0]
    klog = KLOG.match(line)
    console = None if klog else CONSOLE.match(line)
    if klog is None and console is None:
        return None
    if klog is not None and KLOG_MESSAGE.match(line, head.at) is None:
        return None
    bracketed = console["structlog"] if console is not None else None
    is_padded = bracketed is not None and len(bracketed) == STRUCTLOG_WIDTH
    if is_padded and console is not None:  # its event may look like a logger
        head = head._replace(logger=None, at=console.end())
    start, pairs = _trailing_pairs(line, head.at)
    if not pairs and not is_padded:
        return None
    message = line[head.at : start].rstrip()
    if is_padded and (named := LOGGER_AFTER.search(message)) is not None:
        head, message = head._replace(logger=named["logger"]), message[: named.start()].rstrip()
    is_event = bracketed is not None and ONE_WORD.fullmatch(message) is not None
    if not is_event:
        return _with_extra(text, head, {"event" if is_padded else "message": unquoted(message)}, pairs)
    fields = _with_extra(text, head, {"event": message}, {})
    return {**fields, **{key: value for key, value in pairs.items() if key not in fields}}


def _trailing_pairs(line: str, start: int) -> tuple[int, dict[str, Any]]:
    """Return the pairs at the end of a line, and where they begin; of equal keys the first counts."""
    pairs: dict[str, Any] = {}
    begin = at = start
    while (key := NEXT_KEY.search(line, at)) is not None:
        if key.start() != at or not pairs:
            pairs, begin = {}, key.start()
        value = VALUE.match(line, key.end())
        if value is None:
            pairs, begin, at = {}, len(line), key.end()
            continue
        pairs.setdefault(key[0][1:-1], unquoted(value[0]))
        at = value.end()
    if line[at:].strip() or not pairs:
        return len(line), {}
    return begin, pairs


# --- syslog ----------------------------------------------------------------------------------------


def _rfc5424(text: str) -> dict[str, Any] | None:
    """Decode RFC 5424; the structured data is kept under its ids, and a message in JSON is decoded."""
    match = RFC5424.match(text)
    if match is None or int(match["priority"]) > 191:  # noqa: PLR2004 -- 23 facilities of eight severities
        return None
    data, at = _structured_data(text, match.end())
    if text[at : at + 1] not in ("", " "):
        return None
    head = Head(
        None if match["time"] == "-" else match["time"],
        SYSLOG[int(match["priority"]) & 7],
        None if match["app"] == "-" else match["app"],
        next((value for values in data.values() for key in ID_KEYS if (value := values.get(key))), None),
        at + 1,
    )
    message = text[at + 1 :].lstrip("\ufeff")
    content = _whole_object(message, 0) if message[:1] == "{" else None
    if content is not None:
        fields = _behind(text[: len(text) - len(message)], head, content)
    else:
        fields = _with_extra(message, head, {"message": message}, {})
    kept: dict[str, Any] = {
        name: match[group]
        for name, group in (("hostname", "host"), ("procid", "procid"), ("msgid", "msgid"))
        if match[group] != "-"
    }
    for key, value in {**kept, "structured_data": data}.items():
        if value and key not in fields:
            fields[key] = value
    return fields


def _structured_data(text: str, at: int) -> tuple[dict[str, dict[str, str]], int]:
    data: dict[str, dict[str, str]] = {}
    while (element := ELEMENT.match(text, at)) is not None:
        end, values = element.end(), {}
        while (parameter := PARAMETER.match(text, end)) is not None:
            values[parameter["name"]] = ESCAPE.sub(r"\1", parameter["value"])
            end = parameter.end()
        if text[end : end + 1] != "]":
            break
        data[element["id"]] = values
        at = end + 1
    return data, at
