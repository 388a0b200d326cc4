"""Read the values of known fields in the forms that loggers write: ids, levels, durations, statuses, paths, addresses.

Each function returns the value in the schema's form, or None if the text or number does not mean one.
"""

import math
from ipaddress import ip_address
from typing import Any

from shipper_schemas import lazy_re as re
from shipper_schemas.field_sources import (
    BLANK_FILLERS,
    COUNTED_PREFIX,
    DOTNET_LEVELS,
    MOST_COUNTED_DIGITS,
    PLACEHOLDERS,
    SHORTEST_CERTAIN_ID,
    SYSLOG_LEVELS,
)

IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!\Z)|\Z)){4}", re.ASCII)
"""The usual addresses, ten times as fast as the library."""
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.ASCII)
COUNTED = re.compile(
    rf"{COUNTED_PREFIX}(?:uest)?(?:[-_.:#][0-9a-z]{{1,6}}|[0-9]{{1,9}})|[0-9]{{1,{MOST_COUNTED_DIGITS}}}",
    re.ASCII | re.IGNORECASE,
)
DECIMAL_TEXT = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
PART = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{0,15})?) ?(ns|us|µs|μs|ms|millis(?:econds?)?|minutes?|m|sec(?:onds?|s)?|s|h)", re.ASCII
)
ISO_DURATION = re.compile(
    r"P(?:([0-9]{1,6})D)?T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)S)?", re.ASCII
)
CLOCK_DURATION = re.compile(r"([0-9]{1,3}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)", re.ASCII)
REQUEST_LINE = re.compile(r"([A-Z]{3,10}) (\S{1,8192})(?: HTTP/[0-9.]{1,4})?", re.ASCII)
ADDRESS_WITH_PORT = re.compile(
    r"([0-9]{1,3}(?:\.[0-9]{1,3}){3}):[0-9]{1,5}|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?", re.ASCII
)
LEVEL_STEP = re.compile(r"([A-Za-z]{4,5})([+-])[0-9]{1,3}", re.ASCII)
MS_PER = {
    "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "millis": 1.0, "millisecond": 1.0, "milliseconds": 1.0,
    "s": 1000.0,
    "sec": 1000.0, "secs": 1000.0, "second": 1000.0, "seconds": 1000.0, "m": 60_000.0, "minute": 60_000.0,
    "minutes": 60_000.0, "h": 3_600_000.0,
}  # fmt: skip
MOST_PARTS = 6
LONGEST_ADDRESS = 64
PYTHON_FROM, MONOLOG_FROM, LOGBACK_FROM = 10, 100, 5000
PINO = ("trace", "debug", "info", "warning", "error", "critical")
PYTHON = ("debug", "info", "warning", "error", "critical")
MONOLOG = {100: "debug", 200: "info", 250: "notice", 300: "warning", 400: "error", 500: "critical", 550: "critical",
           600: "critical", 700: "info", 800: "info", 900: "warning", 1000: "error"}  # fmt: skip
GCP = {0: "info", 100: "debug", 200: "info", 300: "notice", 400: "warning", 500: "error", 600: "critical",
       700: "critical", 800: "critical"}  # fmt: skip
LOGBACK = {5000: "trace", 10_000: "debug", 20_000: "info", 30_000: "warning", 40_000: "error", 50_000: "critical"}
OTEL = ("trace", "debug", "info", "warning", "error", "critical")


# --- ids ------------------------------------------------------------------------------------------


def is_placeholder(text: str) -> bool:
    """True if a text means no value: `-`, `null`, `N/A`, zeros and the like."""
    if text[:1] in BLANK_FILLERS and not text.strip(BLANK_FILLERS):
        return True  # also the empty text
    return len(text) < SHORTEST_CERTAIN_ID and text.strip().lower() in PLACEHOLDERS


def is_certain_id(text: str) -> bool:
    """True if a text is neither a placeholder nor a count, decided cheaply; False in doubt."""
    return len(text) >= SHORTEST_CERTAIN_ID and text[0] not in "0-rR"


def is_counted(text: str) -> bool:
    """True if an id looks counted up by one process, such as `req-1` or `42`: others count the same."""
    return COUNTED.fullmatch(text) is not None


def id_text(value: object) -> str | None:
    """Return an id as text; None for a placeholder, and for a value that is no id."""
    if type(value) is int and value > 0:
        value = str(value) if value < 1 << 128 else None
    return value if isinstance(value, str) and not is_placeholder(value) else None


def traceparent_ids(value: object) -> tuple[str, str] | None:
    """Return trace id and parent id of a W3C traceparent; None if it is invalid or all zero."""
    match = TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return (match[1], match[2]) if match and match[1].strip("0") else None


def last_part(value: object) -> str | None:
    """Return the id at the end of `projects/P/traces/ID`."""
    if not isinstance(value, str) or "traces/" not in value:
        return None
    return id_text(value.rsplit("/", 1)[-1])


# --- levels ---------------------------------------------------------------------------------------


def level_of_word(word: str, words: dict[str, str]) -> str | None:
    """Return the level that a word means; slog's `INFO+2` is the level below the step."""
    known = words.get(word) or words.get(word.strip().lower())
    if known is None and (match := LEVEL_STEP.fullmatch(word.strip())):
        known = words.get(match[1].lower())
        return "trace" if known == "debug" and match[2] == "-" else known
    return known


def _is_whole(value: object) -> bool:
    return (type(value) is int) or (type(value) is float and value.is_integer())


def whole_number(value: object) -> int | None:
    """Return a whole number, also one written as text."""
    if type(value) is str and 0 < len(value) <= 6 and value.isdecimal() and value.isascii():  # noqa: PLR2004 -- of levels and statuses
        return int(value)
    return int(value) if _is_whole(value) else None  # type: ignore[call-overload]  # _is_whole has decided


def level_of_number(value: object, scale: str, path: str) -> str | None:
    """Return the level of a number, by the scale of its logger."""
    number = whole_number(value)
    if number is None or number < 0:
        return None
    if scale == "otel":
        return OTEL[(number - 1) // 4] if 1 <= number <= 24 else None  # noqa: PLR2004 -- OpenTelemetry's range
    if scale == "logback":
        return LOGBACK.get(number) or MONOLOG.get(number)
    if path in {"LogLevel", "Level"}:
        return DOTNET_LEVELS[number] if number < len(DOTNET_LEVELS) else None
    if scale == "python" and number < MONOLOG_FROM:
        return PYTHON[min(number // 10, len(PYTHON)) - 1] if number >= PYTHON_FROM else "trace"
    if number < len(SYSLOG_LEVELS):
        return SYSLOG_LEVELS[number]
    if number < MONOLOG_FROM:
        return PINO[min(number // 10, len(PINO)) - 1] if number >= PYTHON_FROM and number <= 69 else None  # noqa: PLR2004
    if path.lower() == "severity":
        return GCP.get(number)
    return LOGBACK.get(number) or MONOLOG.get(number)


# --- numbers --------------------------------------------------------------------------------------


def status_of(value: object) -> int | None:
    """Return an HTTP status, also one written as text or with a reason (`404 Not Found`)."""
    if type(value) is str:
        value = value.strip().partition(" ")[0]
    number = whole_number(value)
    return number if number is not None and 100 <= number <= 599 else None  # noqa: PLR2004 -- the range of HTTP statuses


def milliseconds(value: object, per_unit: float | None) -> float | int | None:
    """Return a duration in milliseconds: a number of units of `per_unit` milliseconds, or a text with its own unit.

    If `per_unit` is None, only texts with a unit are durations.
    """
    if isinstance(value, str):
        text = value.strip()[:64]
        if DECIMAL_TEXT.fullmatch(text):
            value = float(text)
            value = int(value) if value.is_integer() and text.isdecimal() else value
        else:
            return _unit_duration(text)
    if per_unit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if per_unit == 1.0:
        duration: float | int = value
    else:
        try:
            duration = round(value * per_unit, 6)
        except OverflowError:
            return None
    return duration if 0 <= duration < math.inf else None


def _unit_duration(text: str) -> float | None:
    if text[:1] == "P":
        match = ISO_DURATION.fullmatch(text)
        if match is None or not any(match.groups()):
            return None
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000, 6)
    if clock := CLOCK_DURATION.fullmatch(text):
        return round(((int(clock[1]) * 60 + int(clock[2])) * 60 + float(clock[3])) * 1000, 6)
    if not text[:1].isdecimal():
        return None
    total, at = 0.0, 0
    for _ in range(MOST_PARTS):
        part = PART.match(text, at)
        if part is None:
            return None
        total += float(part[1]) * MS_PER[part[2]]
        at = part.end()
        while text[at : at + 1] == " ":
            at += 1
        if at == len(text):
            return round(total, 6)
    return None


# --- requests -------------------------------------------------------------------------------------


def path_of(value: str) -> str:
    """Return the path of a URL or request target: without origin, query and fragment."""
    if value[:1] != "/" and value[:8].lower().startswith(("http://", "https://")):
        rest = value[value.index("//") + 2 :]
        ends = [at for sign in "/?#" if (at := rest.find(sign)) >= 0]
        rest = rest[min(ends) :] if ends else "/"
        value = rest if rest[:1] == "/" else "/" + rest
    return value.split("?", 1)[0].split("#", 1)[0]


def request_line(value: object) -> tuple[str, str] | None:
    """Return method and path of a request line such as `GET /a HTTP/1.1`."""
    match = REQUEST_LINE.fullmatch(value) if isinstance(value, str) else None
    return (match[1], path_of(match[2])) if match else None


def address_of(value: str) -> str | None:
    """Return the first IP address of a text, without its port; None if there is none."""
    first = value[:LONGEST_ADDRESS].split(",", 1)[0].strip()
    match = ADDRESS_WITH_PORT.fullmatch(first)
    address = (match[1] or match[2]) if match else first
    return address if _is_address(address) else None


def _is_address(text: str) -> bool:
    """True if a text is an IP address."""
    if IPV4.fullmatch(text) is not None:
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def scalar_text(value: Any) -> str | None:  # noqa: ANN401 -- any JSON value
    """Return a text that is no placeholder."""
    return value if isinstance(value, str) and value and not is_placeholder(value) else None
