"""Traces of Go: panics, goroutines, and the stacks that loggers and error packages print."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

START = re.compile(r"(?:panic: |fatal error: |runtime: |goroutine \d+ \[|SIG[A-Z]{3,8}: )")
GOROUTINE = re.compile(r"goroutine \d+ (?:gp=\S+ m=\S+ )?(?:mp=\S+ )?\[")
CONTINUATION = re.compile(
    r"goroutine \d+ |\[signal |created by |exit status \d|panic: |r\w{1,3}\s+0x|\[recovered\]|main\."
    r"|\.\.\.additional frames|PC=0x|rip|eflags|[cfg]s\s+0x"
    r"|[\w./*)\[\]{}·$~%-]{0,511}\(.{0,4608}\)$"
)
FUNCTION = re.compile(r"(?:[\w.~%-]{1,200}/){0,16}[\w~%-]{1,200}\.[\w.()*·\[\]-]{1,300}")
PLACE = re.compile(r"\s{1,8}\S{1,2048}:\d{1,7}(?: \+0x[0-9a-f]{1,16})?\s{0,2}")
RECOVERED = re.compile(r".{0,200}panic recovered:", re.DOTALL)
REQUEST = re.compile(r"[A-Z]{3,10} \S{1,4096} HTTP/|[\w-]{1,100}: |\S{1,2048}:\d{1,7} \(0x[0-9a-f]{1,16}\)")
MOST_REQUEST_LINES = 200


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a trace."""
    if head is None:
        if START.match(line):
            return "go"
        return "go:recovered" if "panic recovered:" in line and RECOVERED.match(line) else None
    if GOROUTINE.match(line):
        return "go" if not head.quiet or "panic" in head.text else None
    if line[:1] == "[" and "panic" in head.text and line.startswith("[signal "):
        return "go"
    return "go:function?" if " " not in line and FUNCTION.fullmatch(line) else None


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues a trace."""
    if state == "go:function?":
        return "go" if PLACE.fullmatch(line) and not context.blanks else None
    if is_indented(line):
        return None if begins_record(line) and not line.lstrip().startswith("panic: ") else state
    if state == "go:recovered":
        return state if context.same < MOST_REQUEST_LINES and _is_dumped(line, context) else None
    if CONTINUATION.match(line):
        return "go"
    return "go" if " " not in line and FUNCTION.fullmatch(line) and not context.blanks else None


def _is_dumped(line: str, context: Context) -> bool:
    """True for a line of the request and the frames that gin's recovery prints, and for the message between them."""
    return not begins_record(line) and (REQUEST.match(line) is not None or context.blanks > 0)
