"""Objects: what a command prints for programs, as JSON that a terminal can show too."""

import orjson

from shipper_processors.sanitize import printable_json


def as_json(value: object, *, indent: bool = True) -> bytes:
    """`value` as JSON, over several lines or on one; characters that could deceive a terminal as escapes of JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    return printable_json(text).encode()
