"""Traces of Ruby, with causes, and the traces that its loggers print."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

FRAME = re.compile(r"\s{0,64}(?:\d{1,5}: )?(?:from )?(?:[^\s:]|:(?!\d)){1,1024}:\d{1,7}:in [`'].{1,512}")
FROM = re.compile(r"\s{1,64}(?:\d{1,5}: )?from \S{1,1024}:\d{1,7}(?::in |\s{0,4}$)")
RAISED = re.compile(r"(?:[^\s:]|:(?!\d)){1,1024}:\d{1,7}:in [`'][^']{1,512}': ")
TYPED = re.compile(r"(?P<message>.{0,4096})\((?P<type>[A-Z]\w{0,100}(?:::\w{1,100}){0,8})\):?\s{0,8}", re.DOTALL)


def raised(line: str) -> re.Match[str] | None:
    """Return the message and the type of the exception in the first line of a trace."""
    place = RAISED.match(line)
    return None if place is None else TYPED.fullmatch(line[place.end() :])


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a trace."""
    if head is None:
        return "ruby" if ":in " in line and raised(line) is not None else None
    if FROM.match(line):
        return "ruby"
    if ":in " not in line or FRAME.match(line) is None or raised(line) is not None:
        return None
    return "ruby" if (head.is_record and not head.quiet) or TYPED.fullmatch(head.text) else None


def follow(state: str, line: str, context: Context) -> str | None:  # noqa: ARG001 -- one signature
    """Return the state after a line that continues a trace, or the cause of its exception."""
    if ":in " in line and raised(line) is not None:  # a cause, and not the same exception again
        return None if line == context.head.text or raised(context.head.text) is None else "ruby"
    if FROM.match(line) or FRAME.match(line):
        return "ruby"
    return "ruby" if is_indented(line) and not begins_record(line) else None
