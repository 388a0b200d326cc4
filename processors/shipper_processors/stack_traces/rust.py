"""Panics of Rust with their backtraces, and chains of causes."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, begins_with_time, is_indented
from shipper_schemas import lazy_re as re

START = re.compile(r"thread '[^']{0,200}' (?:\(\d{1,20}\) )?panicked at (?P<quoted>')?")
NOTE = re.compile(
    r"note: |(?:stack|Stack) backtrace:|Backtrace:|Location:|fatal runtime error: |Caused by:"
    r"|thread '[^']{0,200}' (?:\(\d{1,20}\) )?panicked while"
)
CLOSING = re.compile(r"[\]})]{1,8}[;,]?")


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a panic, or the causes of an error."""
    if head is None:
        match = START.match(line) if line[:8] == "thread '" else None
        return None if match is None else "rust" if match["quoted"] else "rust:message"
    causes = line.rstrip() == "Caused by:" and (head.text[:7] == "Error: " or head.is_record)
    return "rust" if causes else None


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues a panic."""
    if NOTE.match(line):
        return "rust"
    if is_indented(line):
        return None if begins_record(line) else "rust"
    if state == "rust:message":
        return None if line[0] == "{" or context.blanks or begins_with_time(line) else "rust"
    return "rust" if is_indented(context.last) and CLOSING.fullmatch(line) else None
