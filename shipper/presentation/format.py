"""Format single values of a document as short text that is safe to show on a terminal or a page."""

from typing import Any

from shipper.model.document_fields import inner
from shipper_processors.sanitize import printable

Body = dict[str, Any]

SERVER_ERROR, CLIENT_ERROR = 500, 400
FAILED = frozenset({"error", "critical"})
ID_DIGITS = slice(12, 24)
KILO, KIBI = 1000, 1024


def text_of(value: object) -> str:
    """Return a value as safe text; empty if it is absent."""
    return "" if value is None else printable(str(value))


def short_id(entry: Body) -> str:
    """Return the twelve distinctive hexadecimal digits of an id: the start of the digest after the time."""
    return str(entry["_id"])[ID_DIGITS]


def failed(body: Body) -> bool:
    """Return True if the entry is an error, by its level or by an HTTP status of a server error."""
    level, status = body.get("level"), body.get("status_code")
    return (isinstance(level, str) and level in FAILED) or (isinstance(status, int) and status >= SERVER_ERROR)


def origin(body: Body) -> str:
    """Return the name of the source: service, else container, else file."""
    container = inner(body, "container")
    name = inner(body, "service").get("name") or container.get("name") or str(container.get("id", ""))[:12]
    return text_of(name or inner(inner(body, "log"), "file").get("path"))


def duration_ms(body: Body) -> float | None:
    """Return the duration in milliseconds; None if it is missing or invalid."""
    value = body.get("duration_ms")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def summary(body: Body) -> str:
    """Summarize an entry on one line: the error, the request, the message; nothing twice.

    A message that repeats a one-word event is left out, since the event stands beside it. Of an error and a message
    that contain each other, the longer stays.
    """
    error = ": ".join(filter(None, (text_of(body.get("error_type")), _first_line(body.get("error_message")))))
    request = " ".join(filter(None, (text_of(body.get("method")), text_of(body.get("path")))))
    message = _first_line(body.get("message"))
    if message in error or (message == text_of(body.get("event")) and " " not in message):
        message = ""
    elif error in message:
        error = ""
    return "  ".join(filter(None, (error, request, message)))


def named_summary(body: Body) -> str:
    """Return the event with the summary in parentheses; nothing twice."""
    event, what = text_of(body.get("event")), summary(body)
    if not what or event in what:
        return what or event
    return f"{event} ({what})"


def _first_line(value: object) -> str:
    lines = str(value).strip().splitlines() if value is not None else []
    return text_of(lines[0]) if lines else ""


def further_lines(body: Body) -> list[str]:
    """Return the stack trace and the further lines of message and error, unchanged."""
    lines = [line for name in ("message", "error_message") for line in _lines(body.get(name))[1:]]
    return [*lines, *_lines(body.get("exception"))]


def _lines(value: object) -> list[str]:
    return str(value).strip("\r\n").splitlines() if value is not None else []


def span(ms: float) -> str:
    """Format a length of time in at most seven characters: `0.3ms`, `45ms`, `1.24s`, `2m03s`, `1h05m`, `3d04h`."""
    if ms < 1:
        return f"{ms:.1f}ms"
    if ms < 999.5:  # noqa: PLR2004 -- rounds to a second from here
        return f"{ms:.0f}ms"
    if ms < 59_995:  # noqa: PLR2004 -- rounds to a minute from here
        return f"{ms / 1000:.2f}s"
    seconds = round(ms / 1000)
    for size_, unit, part, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size_:
            return f"{seconds // size_}{unit}{seconds % size_ // part:02d}{name}"
    return f"{seconds}s"


def short(number: float) -> str:
    """Format a number in at most six characters: `0`, `0.4`, `12.5`, `980`, `12.3k`, `4.5M`."""
    for limit, unit in ((KILO**3, "G"), (KILO**2, "M"), (KILO * 10, "k")):
        if number >= limit:
            return f"{number / (limit if limit != KILO * 10 else KILO):.1f}{unit}"
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"  # noqa: PLR2004


def size(number: float | None) -> str:
    """Format a size in binary units, in at most nine characters: `0 B`, `12.3 KiB`."""
    if number is None:
        return "-"
    left = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if round(left, 1) < KIBI:
            return f"{left:.0f} B" if unit == "B" else f"{left:.1f} {unit}"
        left /= KIBI
    return f"{left:.1f} TiB"
