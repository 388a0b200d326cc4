"""Messages that a runtime has cut into parts: which record continues which."""

import msgspec

from shipper_processors.envelope import RuntimeLine
from shipper_processors.partial_state import OpenEntry

PIECE_BYTES = 16 * 1024
"""Bytes after which Docker cuts a message into pieces."""


def is_docker_piece(part: OpenEntry) -> bool:
    """True if Docker has cut the message after this part, and not the end of the stream."""
    return part.cut > 0 or len(part.text[-1].encode("utf-8", "surrogatepass")) >= PIECE_BYTES


def docker_continues(part: OpenEntry, line: RuntimeLine) -> bool:
    """True at the time of the first part, and after a piece of the full size, whose rest may have a later time."""
    return part.time == line.time or is_docker_piece(part)


def cri_continues(part: OpenEntry, line: RuntimeLine) -> bool:  # noqa: ARG001 -- one signature
    """True for every line of its stream: the tag `P` says that the message goes on."""
    return True


def begins_anew(part: OpenEntry, line: RuntimeLine) -> bool:
    """True if a line is a JSON object of its own after the torn beginning of another, whose rest it cannot be."""
    text = line.log.strip()
    if not (line.whole and text[:2] == '{"' and text[-1] == "}" and part.text[0].lstrip()[:2] == '{"'):
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
