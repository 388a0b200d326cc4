"""The exception that a joined text reports: its type and message."""

from itertools import pairwise

from shipper_processors.stack_traces import at_frames, beam, go, php, python, ruby, rust
from shipper_processors.stack_traces.heads import begins_record
from shipper_processors.stack_traces.other import CARP
from shipper_schemas import lazy_re as re

Summary = dict[str, str]
THROWN = re.compile(
    r"^(?:Exception in thread \"[^\"]{0,200}\" |Uncaught |Unhandled exception\. |Unhandled Exception: )"
    r"| \[\w{1,60}\](?=:|$)"
)
"""Text around the name of an exception: the thread, and Node.js's error code."""
CLASS = re.compile(
    r"(?P<type>[A-Za-z_\\][\w\\]{0,300})(?:\(code: [^\s)]{1,40}\))?(?:: (?P<message>.{0,4096}))?", re.DOTALL
)
GO = re.compile(
    r"(?:.{0,100}\b)?(?P<type>panic|fatal error|SIG[A-Z]{3,8})(?: serving [^:]{1,64}:\d{1,5})?: (?P<message>.{0,4096})",
    re.DOTALL,
)
TERMINATED = "terminate called after throwing an instance of "
LONGEST_HEAD = 4400
MOST_AT_AN_END = 2000
"""Lines at the beginning and at the end of a text that are searched."""
MOST_LINES = 200
"""Lines that are searched for the exception before the first frame."""


def summary(text: str) -> Summary | None:
    """Return type and message of the exception in a joined text, as far as it names them; None if it is no trace."""
    lines = text.split("\n")
    if len(lines) > 2 * MOST_AT_AN_END:
        lines = [*lines[:MOST_AT_AN_END], *lines[-MOST_AT_AN_END:]]
    if "\n! " in text:
        lines = [f"\t{line[2:]}" if line[:5] == "! at " else line.removeprefix(at_frames.MARKED) for line in lines]
    if "Traceback (most recent call last)" in text:
        return _of_python(lines)
    for find in (_of_rust, _of_go, _of_frames, _of_php, _of_ruby, _of_beam, _of_python_file, _of_perl, _of_cpp):
        if (found := find(lines)) is not None:
            return found
    return None


def _of_python(lines: list[str]) -> Summary | None:
    """Return the last exception in the outermost column, which was finally reported."""
    after_frames = False
    last: re.Match[str] | None = None
    grouped: re.Match[str] | None = None
    for line in lines:
        bare = line.lstrip(" |")
        if line[:1] in {"\u2502", "\u2570"} or (
            line[:1] in {" ", "\t"} and not line.startswith("  | ") and not line.startswith("    | ")
        ):
            after_frames = True
        elif after_frames and line and line[0] not in " \t" and (match := python.EXCEPTION.fullmatch(line)):
            last, after_frames = match, False
        elif (
            grouped is None and line.startswith("  | ") and not bare.startswith(("File ", "Traceback")) and ":" in bare
        ):
            match = python.EXCEPTION.fullmatch(bare)
            grouped = match if match and match["message"] else None
    return _fields(last or grouped)


def _of_python_file(lines: list[str]) -> Summary | None:
    return _of_python(lines) if python.FILE.match(lines[0]) else None


def _of_rust(lines: list[str]) -> Summary | None:
    match = rust.START.match(lines[0])
    if match is None:
        return None
    following = lines[1] if len(lines) > 1 else ""
    message = lines[0][match.end() :].rpartition("', ")[0] if match["quoted"] else following
    return _typed("panic", message)


def _of_go(lines: list[str]) -> Summary | None:
    first = lines[0]
    if first.startswith("runtime: "):
        return {"error_type": "runtime", "error_message": first[9:]}
    if any(line.startswith(("goroutine ", "[signal ")) for line in lines) or go.START.match(first):
        matches = (GO.match(line) for line in lines[:MOST_LINES])
        return _fields(next((match for match in matches if match), None)) or {}
    if "panic recovered:" in first:
        blank = lines.index("") if "" in lines else 0
        message = next((line for line in lines[blank:] if line.strip()), "") if blank else ""
        return _typed("panic", message)
    if any(go.FUNCTION.fullmatch(a) and go.PLACE.fullmatch(b) for a, b in pairwise(lines)):
        return {}
    return None


def _of_frames(lines: list[str]) -> Summary | None:
    """Return the first exception before the first frame of a trace whose frames begin with `at`."""
    frame = next((number for number, line in enumerate(lines) if at_frames.FRAME.match(line)), None)
    if not frame:
        return None
    for line in lines[: min(frame, MOST_LINES)]:
        bare = THROWN.sub("", line.strip())
        if at_frames.is_error(bare) or (line is lines[frame - 1] and not begins_record(line)):
            match = python.EXCEPTION.fullmatch(bare)
            if match is not None:
                return _fields(match)
    return _inline(lines[0])


def _of_php(lines: list[str]) -> Summary | None:
    if not any(php.TRACE.match(line) or line.startswith("#0 ") for line in lines[1:]):
        return None
    for mark, before_place in (("[object] (", " at "), ("Uncaught ", " in ")):
        _, known, rest = lines[0].partition(mark)
        match = CLASS.match(rest) if known else None
        if match is not None:
            message = (match["message"] or "").rpartition(before_place)[0] or match["message"] or ""
            return _typed(match["type"].replace("\\\\", "\\"), message)
    return _inline(lines[0])


def _of_ruby(lines: list[str]) -> Summary | None:
    raised = ruby.raised(lines[0])
    if raised is not None:
        return _typed(raised["type"], raised["message"].strip())
    if not any(ruby.FROM.match(line) or (":in " in line and ruby.FRAME.match(line)) for line in lines[1:]):
        return None
    typed = ruby.TYPED.fullmatch(lines[0])
    return {} if typed is None else _typed(typed["type"], "")


def _of_beam(lines: list[str]) -> Summary | None:
    for line in lines:
        if line.lstrip()[:4] == "** (" and (match := beam.EXCEPTION.fullmatch(line)) and match["type"] != "exit":
            return _fields(match)
    return {} if beam.REPORT.match(lines[0]) or any(line.startswith("** ") for line in lines[1:]) else None


def _of_cpp(lines: list[str]) -> Summary | None:
    if not lines[0].startswith(TERMINATED) or len(lines) == 1:
        return None
    return _typed(lines[0].removeprefix(TERMINATED).strip("'"), lines[1].partition("what():  ")[2])


def _of_perl(lines: list[str]) -> Summary | None:
    if not any(CARP.fullmatch(line) for line in lines[1:]):
        return None
    return {"error_message": lines[0].rpartition(" at ")[0] or lines[0]}


def _inline(head: str) -> Summary:
    """Return the exception that a logger's line ends with; empty if it names none."""
    before = 0
    for word in head[:LONGEST_HEAD].split(" "):
        before += len(word) + 1
        name = word.rpartition("|")[2].lstrip("([").rstrip(":")
        if at_frames.is_error(name) and (word[-1] == ":" or before > len(head)):
            return _typed(name, head[before:])
    return {}


def _typed(kind: str, message: str) -> Summary:
    return {"error_type": kind, "error_message": message} if message else {"error_type": kind}


def _fields(match: re.Match[str] | None) -> Summary | None:
    if match is None:
        return None
    return _typed(match["type"], match.groupdict().get("message") or "")
