"""The unfinished entries that a checkpoint carries."""

import msgspec


class Open(msgspec.Struct):
    """An entry that is not finished: a message whose end has not come, or a text that may go on.

    `digest` is that of its first record: an id does not depend on how much is joined to it.
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
    """What a position must carry to be read on from: unfinished entries, and the last line for its twin."""

    parts: list[Open] = []
    texts: list[Open] = []
    last: bytes = b""
    ordinal: int = 0
    seen: str | None = None
    """The last runtime time: a line that cannot be opened is taken to be of that time."""


def holds_text(residue: bytes) -> bool:
    """Whether the bytes of a residue hold pieces of what was logged, and not digests and times alone."""
    return residue[1:7] in (b"\xa5parts", b"\xa5texts")
