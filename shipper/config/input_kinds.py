"""Input kinds: every type of input declared once, with the process that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shipper.config.output_kinds import kafka_url


def any_glob(_url: str) -> None:
    """Accept every glob; files that match may come later."""


@dataclass(frozen=True, slots=True)
class InputKind:
    """One kind of input: its types, the form of its URLs, and what reads it."""

    types: tuple[str, ...]
    prefixes: tuple[str, ...]
    """Beginnings of its URLs, for completion in a shell."""
    process: Literal["agent", "indexer"]
    """The process that reads it; an indexer has one input, an agent any number."""
    validate: Callable[[str], object]
    """Raises ValueError for a `TYPE:GLOB` that is not of its form."""
    factory: str | None = None
    """Module whose `FACTORY` is its `shipper.inputs.base.InputFactory`; None for files, which have no server."""


INPUT_KINDS = [
    InputKind(("docker", "cri", "plain"), ("docker:", "cri:", "plain:"), "agent", any_glob),
    InputKind(("kafka",), ("kafka://",), "indexer", kafka_url, "shipper.inputs.kafka.factory"),
]
"""Every input. The only table of them."""


def input_kind(name: str) -> InputKind:
    """The kind of input of a type."""
    return next(kind for kind in INPUT_KINDS if name in kind.types)
