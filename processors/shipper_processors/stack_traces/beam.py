"""Traces of Elixir and reports of Erlang."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

EXCEPTION = re.compile(r"\s{0,16}\*\* \((?P<type>[A-Za-z][\w.]{0,200})\) ?(?P<message>.{0,4096})", re.DOTALL)
REPORT = re.compile(r"=[A-Z ]{3,40} REPORT={4} ")
ENDED = re.compile(r".{0,400}\b(?:terminating|terminated|crashed|exited)\b", re.DOTALL)
FIELD = re.compile(
    r"(?:Last message(?: \(from [^)]{1,100}\))?|State|Client [^:]{1,100}|Server|Request|Function|Args|Start Call"
    r"|Restart|Shutdown|Type|Initial Call|Ancestors|Message Queue(?: Length)?|Messages|Links|Dictionary|Neighbours"
    r"|Trapping Exits|Status|Heap Size|Stack Size|Reductions|Queue|Reason|Crash reason|Process Label|Pid): ?"
)
STARS = re.compile(r"\*\* [A-Z({\w]")
CLOSING = re.compile(r"[\]})]{1,8}[;,.]?")


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a trace."""
    if head is None:
        if REPORT.match(line):
            return "beam"
        return "beam" if line[:4] == "** (" and EXCEPTION.match(line) else None
    ended = not head.quiet and ENDED.match(head.text) is not None
    if line.lstrip()[:3] == "** ":
        return "beam" if ended or (not head.quiet and EXCEPTION.match(line)) else None
    return "beam" if ended and FIELD.match(line) else None


def follow(state: str, line: str, context: Context) -> str | None:  # noqa: ARG001 -- one signature
    """Return the state after a line that continues a trace."""
    if STARS.match(line) or FIELD.match(line):
        return "beam"
    if is_indented(line):
        return None if begins_record(line) else "beam"
    return "beam" if is_indented(context.last) and CLOSING.fullmatch(line) else None
