"""Tracebacks of Python, with causes, groups, notes, and the messages of several lines of common libraries."""

from shipper_processors.stack_traces.heads import (
    Context,
    Head,
    begins_record,
    begins_with_time,
    is_indented,
)
from shipper_schemas import lazy_re as re

START = re.compile(r"\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):\s*")
FILE = re.compile(r"(?:\s{1,64}(?:\| {1,16})?|> )File \"[^\"]{1,4096}\", line \d{1,9}")
BOX_START = re.compile(r"\u256d\u2500{1,200} (?:Exception Group )?Traceback \(most recent call last\) ")
BOX = "\u2502\u2570"
CHAIN = re.compile(
    r"\s*(?:\| )?(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*"
)
EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.$]{0,200})(?:: (?P<message>.{0,8192})|:)?", re.DOTALL)
MESSAGE = re.compile(r"\[SQL: |\[parameters: |\(Background on this error at: |DETAIL:  |HINT:  |LINE \d+: ")
VALIDATION = re.compile(r".{0,300}(?<!\d)\d{1,6} validation errors? for ")
VALIDATED = re.compile(r"[A-Za-z_][\w.\[\]`-]{0,200}")


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a traceback; after a quiet line it is a separate event."""
    if head is not None and (head.quiet or not head.announces):
        return None
    if "Traceback (most recent call last)" in line and (START.fullmatch(line) or BOX_START.match(line)):
        return "python"
    if head is not None and line.startswith("future: <") and "never retrieved" in head.text:
        return "python:after"
    return "python" if FILE.match(line) else None


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues a traceback."""
    if START.fullmatch(line):
        return "python"
    if state == "python":
        return _in_frames(line, context)
    if CHAIN.fullmatch(line) or MESSAGE.match(line):
        return state
    if is_indented(line):
        return None if begins_record(line) else state
    lists_fields = VALIDATION.match(context.last) or context.last[:2] == "  "
    return state if lists_fields and not context.blanks and VALIDATED.fullmatch(line) else None


def _in_frames(line: str, context: Context) -> str | None:
    if is_indented(line):
        # A source line may begin like a record, but not with a time; it stands after the line that names its file.
        is_source = FILE.match(context.last) and not begins_with_time(line)
        return "python" if is_source or not begins_record(line) else None
    if line[0] in BOX or FILE.match(line):
        return "python"
    if CHAIN.fullmatch(line):
        return "python:after"
    return "python:after" if EXCEPTION.fullmatch(line) and not begins_record(line) else None
