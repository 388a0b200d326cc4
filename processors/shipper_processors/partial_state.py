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


class Begun(msgspec.Struct, array_like=True):
    """Requests with one method and path; both are empty if no rule counts such a request."""

    method: str
    path: str
    number: int
    counted: dict[int, int] = {}
    """Answers by status that were counted for these requests while others were open under the same id."""


class OpenRequests(msgspec.Struct, array_like=True):
    """The requests that are open under one id of one process."""

    begun: list[Begun]
    pending: int
    """Requests without an answer."""
    since: int | None
    """Runtime's time of the latest, in milliseconds."""
    mixed: bool = False
    """True if requests with different methods or paths were open at the same time."""


class RequestState(msgspec.Struct, omit_defaults=True):
    """What a checkpoint carries of a log's requests."""

    open: dict[str, OpenRequests] = {}
    unanswered: int = 0
    """Requests begun since the last answer."""

    @property
    def is_started(self) -> bool:
        """True if the log has begun a request since its last answer, or one is open."""
        return bool(self.open or self.unanswered)


class PartialState(msgspec.Struct, omit_defaults=True):
    """The state that a checkpoint carries: partial entries, and the last line's digest for an equal neighbour."""

    requests: RequestState | None = None
    """Requests that wait for their answer; first, so that `holds_text` sees them."""
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
    return encoded[1:7] in (b"\xa5parts", b"\xa5texts", b"\xa8reque")
