"""Series: one time series as Prometheus writes it, `name{label="value"}`."""

import re
from typing import NamedTuple

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')
ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class Series(NamedTuple):
    """A metric's name and its labels, sorted by name."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Format as in Prometheus."""
        inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name


def parse_series(text: str) -> Series:
    """Parse a series. Raises ValueError."""
    stripped = text.strip()
    name = NAME.match(stripped)
    rest = stripped[name.end() :].strip() if name else ""
    if name is None or (rest and not (rest.startswith("{") and rest.endswith("}"))):
        raise ValueError(f'invalid series `{text}`; expected NAME{{label="value"}}')
    labels: dict[str, str] = {}
    inside, place = rest[1:-1], 0
    while place < len(inside.rstrip()):
        label = LABEL.match(inside, place)
        if label is None:
            raise ValueError(f'invalid series `{text}`; expected labels as {{label="value", other="value"}}')
        labels[label[1]] = re.sub(r"\\(.)", lambda sign: ESCAPES.get(sign[1], sign[0]), label[2])
        place = label.end()
    return Series(name[0], tuple(sorted(labels.items())))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
