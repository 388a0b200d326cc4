"""Cells: single values of a document as short, safe, styled text. Terminal or pipe is decided once, in `Look`."""

from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from processors.escape import printable
from schemas.event import LEVELS
from shipper.keyed import inner

Body = dict[str, Any]

SHORT_LEVELS = dict(zip(LEVELS, ("trace", "debug", "info", "note", "WARN", "ERROR", "CRIT"), strict=True))
LEVEL_STYLES = {
    "trace": "dim", "debug": "dim", "info": "green", "notice": "cyan",
    "warning": "bold yellow", "error": "bold red", "critical": "bold white on red",
}  # fmt: skip
LEVEL_WIDTH = 5
SERVER_ERROR, CLIENT_ERROR = 500, 400
FAILED = frozenset({"error", "critical"})


@dataclass(frozen=True, slots=True)
class Look:
    """How output looks: its width, whether lines are cut to it, and the characters it draws with."""

    width: int
    cut: bool
    """On a terminal a line ends with the screen; in a pipe nothing is withheld from the next program."""
    ellipsis: str
    rule: str
    bar: str
    point: str
    gap: str
    dot: str

    @classmethod
    def of(cls, console: Console) -> "Look":
        """Unicode drawing on a terminal that can show it, ASCII everywhere else."""
        if console.is_terminal and console.encoding.startswith("utf"):
            return cls(console.width, cut=True, ellipsis="…", rule="─", bar="━", point="•", gap="┊", dot="·")
        return cls(console.width, console.is_terminal, ellipsis="...", rule="-", bar="=", point="o", gap=":", dot="|")

    def uncut(self) -> "Look":
        """The same, with every line shown to its end."""
        return replace(self, cut=False)


def emit(console: Console, line: Text, look: Look) -> None:
    """Print one line, never wrapped; characters that the output's encoding lacks are escaped."""
    if look.cut and line.cell_len > look.width:
        line.truncate(look.width - cell_len(look.ellipsis))
        line.append(look.ellipsis, "dim")
    line.rstrip()
    if not console.encoding.startswith("utf"):
        line = encodable(line, console.encoding)
    console.print(line, soft_wrap=True)


def encodable(line: Text, encoding: str) -> Text:
    """`line` with characters that `encoding` lacks as backslash escapes; without its styles where it has any."""
    plain = line.plain.encode(encoding, "backslashreplace").decode(encoding)
    return line if plain == line.plain else Text(plain)


def fit(text: str, width: int, look: Look) -> str:
    """`text` in exactly `width` cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - cell_len(look.ellipsis)) + look.ellipsis


def text_of(value: object) -> str:
    """A value of a document, safe to show; an absent one is empty."""
    return "" if value is None else printable(str(value))


def level_cell(body: Body) -> Text:
    """The level in five cells; from `warning` up in capitals, which is seen without colour too."""
    level = body.get("level")
    known = level if isinstance(level, str) else ""
    return Text(SHORT_LEVELS.get(known, text_of(level))[:LEVEL_WIDTH].ljust(LEVEL_WIDTH), LEVEL_STYLES.get(known, ""))


def status_style(status: object) -> str:
    """Red for the server's failures, yellow for the client's."""
    if not isinstance(status, int) or status < CLIENT_ERROR:
        return ""
    return "bold red" if status >= SERVER_ERROR else "yellow"


def failed(body: Body) -> bool:
    """Whether the entry tells of an error: its level, or an HTTP status of the server's failures."""
    status = body.get("status_code")
    level = body.get("level")
    return (isinstance(level, str) and level in FAILED) or (isinstance(status, int) and status >= SERVER_ERROR)


def origin(body: Body) -> str:
    """The name a person knows the writer by: service, else container, else file."""
    container = inner(body, "container")
    name = inner(body, "service").get("name") or container.get("name") or str(container.get("id", ""))[:12]
    return text_of(name or inner(inner(body, "log"), "file").get("path"))


def duration_ms(body: Body) -> float | None:
    """The duration where it is one, in milliseconds."""
    value = body.get("duration_ms")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def span(ms: float) -> str:
    """A length of time in at most seven characters: `0.3ms`, `45ms`, `1.24s`, `2m03s`, `1h05m`, `3d04h`."""
    if ms < 1:
        return f"{ms:.1f}ms"
    if ms < 999.5:  # noqa: PLR2004 -- rounds to a second from here
        return f"{ms:.0f}ms"
    if ms < 59_995:  # noqa: PLR2004 -- rounds to a minute from here
        return f"{ms / 1000:.2f}s"
    seconds = round(ms / 1000)
    for size, unit, part, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // part:02d}{name}"
    return f"{seconds}s"


def summary(body: Body) -> str:
    """What happened in one line: the failure, the request, the message."""
    error = ": ".join(filter(None, (text_of(body.get("error_type")), _first_line(body.get("error_message")))))
    request = " ".join(filter(None, (text_of(body.get("method")), text_of(body.get("path")))))
    return "  ".join(filter(None, (error, request, _first_line(body.get("message")))))


def _first_line(value: object) -> str:
    lines = str(value).strip().splitlines() if value is not None else []
    return text_of(lines[0]) if lines else ""
