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
        """As Prometheus writes it."""
        inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name


def parse_series(text: str) -> Series:
    """The series that a text names. Raises ValueError."""
    asked = text.strip()
    name = NAME.match(asked)
    rest = asked[name.end() :].strip() if name else ""
    if name is None or (rest and not (rest.startswith("{") and rest.endswith("}"))):
        raise ValueError(f'`{text}` is no series: write NAME{{label="value"}}')
    labels: dict[str, str] = {}
    inside, place = rest[1:-1], 0
    while place < len(inside.rstrip()):
        label = LABEL.match(inside, place)
        if label is None:
            raise ValueError(f'`{text}` is no series: write its labels as {{label="value", other="value"}}')
        labels[label[1]] = re.sub(r"\\(.)", lambda sign: ESCAPES.get(sign[1], sign[0]), label[2])
        place = label.end()
    return Series(name[0], tuple(sorted(labels.items())))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
