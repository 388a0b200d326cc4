"""Input kinds: each type of input, declared once, and the process that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shipper.config.output_kinds import kafka_url


def any_glob(_url: str) -> None:
    """Accept any glob; matching files may appear later."""


@dataclass(frozen=True, slots=True)
class InputKind:
    """One kind of input: its types, the form of its URLs, and the process that reads it."""

    types: tuple[str, ...]
    prefixes: tuple[str, ...]
    """Prefixes of its URLs, for shell completion."""
    process: Literal["agent", "indexer"]
    """The process that reads it; an indexer has one input, an agent any number."""
    validate: Callable[[str], object]
    """Raises ValueError for an invalid `TYPE:GLOB`."""
    factory: str | None = None
    """Module whose `FACTORY` is its `shipper.inputs.base.InputFactory`; None for files, which have no server."""


INPUT_KINDS = [
    InputKind(("docker", "cri", "plain"), ("docker:", "cri:", "plain:"), "agent", any_glob),
    InputKind(("kafka",), ("kafka://",), "indexer", kafka_url, "shipper.inputs.kafka.factory"),
]
"""All kinds of input."""


def input_kind(name: str) -> InputKind:
    """Return the kind of input of a type."""
    return next(kind for kind in INPUT_KINDS if name in kind.types)
