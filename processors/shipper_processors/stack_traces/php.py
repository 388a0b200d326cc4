"""Traces of PHP and its frameworks, and other numbered ones."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

START = re.compile(
    r"(?:\[[^\]]{1,64}\] |[\w ]{1,16}: )?(?:PHP )?"
    r"(?:Fatal error|Parse error|Warning|Notice|Deprecated|Recoverable fatal error|Uncaught \S{1,200}):\s{1,4}\S"
)
TRACE = re.compile(r"(?:PHP )?Stack ?trace(?:back)?:|\[stacktrace\]|Backtrace:|\[previous exception\] ", re.IGNORECASE)
LINE = re.compile(
    r"#\d{1,5} |\s{1,8}thrown in |Next \S{1,300}[:(]|PHP\s{1,8}\d{1,4}\. |\{main\}|\"\}\s{0,8}$"
    r"|\d{1,4}\. (?:0x[0-9a-f]{1,16}|\S{1,300}[@(])"
)


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a trace."""
    if head is None:
        return "php" if ("PHP " in line[:80] or "Fatal error" in line[:80]) and START.match(line) else None
    if TRACE.match(line):
        return "php" if head.is_record or head.announces else None
    named = "tack trace" in head.text or "Uncaught " in head.text
    return "php" if named and LINE.match(line) else None


def follow(state: str, line: str, context: Context) -> str | None:  # noqa: ARG001 -- one signature
    """Return the state after a line that continues a trace; Laravel's ends with the end of its JSON."""
    ended = context.last.rstrip() == '"}'
    if TRACE.match(line) or (LINE.match(line) and not ended):
        return "php"
    return "php" if is_indented(line) and not begins_record(line) else None
