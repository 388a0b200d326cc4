"""JSON output of commands, safe to show on a terminal."""

import orjson

from shipper_processors.sanitize import printable_json


def as_json(value: object, *, indent: bool = True) -> bytes:
    """Return `value` as JSON, indented or on one line; terminal control characters become JSON escapes."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    return printable_json(text).encode()
