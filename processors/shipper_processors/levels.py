"""The level and the time in the head of a text line; `text_heads` knows the formats."""

from shipper_processors.text_heads import LEVELS, head_of


def level_of(text: str) -> str | None:
    """Return the level in a text line's head, in the schema's spelling; None if it has none."""
    head = head_of(text)
    return None if head is None else head.level


def time_of(text: str) -> str | None:
    """Return the time in a text line's head as written; None if it has none. It may lack a date, a year or a zone."""
    head = head_of(text)
    return None if head is None else head.time


__all__ = ["LEVELS", "level_of", "time_of"]
