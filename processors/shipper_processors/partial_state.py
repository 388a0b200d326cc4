"""The partial entries that a checkpoint carries."""

import msgspec


class OpenEntry(msgspec.Struct):
    """A partial entry: a message whose end is still missing, or a text that further lines may continue.

    `digest` is that of its first record: the id does not depend on how much is joined to it.
    """

    text: list[str]
    stream: str
    time: str | None
    last_time: str | None
    offset: int
    lines: int
    size: int
    digest: bytes
    joint: str = ""
    cut: int = 0


class PartialState(msgspec.Struct, omit_defaults=True):
    """The state that a checkpoint carries: partial entries, and the last line's digest for an equal neighbour."""

    parts: list[OpenEntry] = []
    texts: list[OpenEntry] = []
    last: bytes = b""
    ordinal: int = 0
    seen: str | None = None
    """The last runtime time; it stands in for the time of a line whose envelope cannot be parsed."""
    uncertain: list[OpenEntry] = []
    """Lines that belong to the text of their stream if a later line confirms it, in their order."""


def holds_text(encoded: bytes) -> bool:
    """True if an encoded partial state holds text that was logged, and not digests and times alone."""
    return encoded[1:7] in (b"\xa5parts", b"\xa5texts")
