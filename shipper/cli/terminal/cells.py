"""Table cells: single values of a document as short, safe, styled text; `Look` decides terminal or pipe once."""

from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from shipper.presentation.format import CLIENT_ERROR, SERVER_ERROR, Body, text_of
from shipper_schemas.event import LEVELS

SHORT_LEVELS = dict(zip(LEVELS, ("trace", "debug", "info", "note", "WARN", "ERROR", "CRIT"), strict=True))
LEVEL_STYLES = {
    "trace": "dim", "debug": "dim", "info": "green", "notice": "cyan",
    "warning": "bold yellow", "error": "bold red", "critical": "bold white on red",
}  # fmt: skip
LEVEL_WIDTH = 5
NARROW = 60
"""Below this many columns (a phone) only time, level, event and summary are shown."""
UNCUT = 10_000
"""Width of a pipe in columns: more than any table needs."""


def console_of() -> Console:
    """Return the console for tables: as wide as the terminal; unlimited in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNCUT
    return console


@dataclass(frozen=True, slots=True)
class Look:
    """Layout of the output: width, truncation of lines, drawing characters."""

    width: int
    cut: bool
    """True on a terminal, where lines end at the screen's edge; a pipe gets whole lines."""
    ellipsis: str
    rule: str
    bar: str
    point: str
    gap: str
    dot: str

    @classmethod
    def of(cls, console: Console) -> "Look":
        """Choose Unicode drawing on a terminal that supports it, ASCII elsewhere."""
        if console.is_terminal and console.encoding.startswith("utf"):
            return cls(console.width, cut=True, ellipsis="…", rule="─", bar="━", point="•", gap="┊", dot="·")
        return cls(console.width, console.is_terminal, ellipsis="...", rule="-", bar="=", point="o", gap=":", dot="|")

    def uncut(self) -> "Look":
        """Return the same layout without truncation."""
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
    """Escape characters that `encoding` lacks with backslashes; an escaped line loses its styles."""
    plain = line.plain.encode(encoding, "backslashreplace").decode(encoding)
    return line if plain == line.plain else Text(plain)


def fit(text: str, width: int, look: Look) -> str:
    """Pad or cut `text` to exactly `width` cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - cell_len(look.ellipsis)) + look.ellipsis


def level_cell(body: Body) -> Text:
    """Return the level in five cells; `warning` and above in capitals, visible without colours."""
    level = body.get("level")
    known = level if isinstance(level, str) else ""
    return Text(SHORT_LEVELS.get(known, text_of(level))[:LEVEL_WIDTH].ljust(LEVEL_WIDTH), LEVEL_STYLES.get(known, ""))


def status_style(status: object) -> str:
    """Return red for server errors, yellow for client errors."""
    if not isinstance(status, int) or status < CLIENT_ERROR:
        return ""
    return "bold red" if status >= SERVER_ERROR else "yellow"
