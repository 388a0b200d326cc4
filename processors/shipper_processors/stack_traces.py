"""Recognise stack traces: the plain lines of a stream that continue the text before them.

`Trace` is a grammar, fed line by line. It decides by content alone; its caller limits lines, bytes and time.
Sources: what CPython's traceback module, the JVM, the Go runtime and Node.js print.
"""

import re
from itertools import pairwise
from typing import Literal

from shipper_processors.access_log import decode_access
from shipper_processors.levels import level_of, time_of

State = Literal["head", "python", "python_after", "java", "go", "node", "node_source"]

PYTHON_START = re.compile(r"\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):\s*")
PYTHON_CHAIN = re.compile(
    r"\s*(?:\| )?(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*"
)
EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.$]{0,200})(?:: (?P<message>.{0,8192}))?", re.DOTALL)
PYTHON_MESSAGE = re.compile(r"\[SQL: |\[parameters: |\(Background on this error at: |DETAIL:  |HINT:  |LINE \d+: ")
VALIDATION = re.compile(r".{0,300}(?<!\d)\d{1,6} validation errors? for ")
VALIDATED = re.compile(r"[A-Za-z_][\w.\[\]`-]{0,200}")
JAVA_START = re.compile(
    r"(?:Exception in thread \"[^\"]{0,200}\" )?(?:[a-z_$][\w$]{0,60}\.){1,15}[A-Z][\w$]{0,100}(?::.{0,4096})?",
    re.DOTALL,
)
JAVA_CONTINUATION = re.compile(r"\s+at \S|Caused by: |\s*Suppressed: |\s*\.\.\. \d+ (?:more|common frames)")
GO_START = re.compile(r"(?:panic: |fatal error: |runtime: |goroutine \d+ \[)")
GO_CONTINUATION = re.compile(
    r"goroutine \d+ \[|\[signal |created by |exit status \d|panic: |r\w{1,3}\s+0x|\[recovered\]|main\."
    r"|\.\.\.additional frames"
    r"|[\w./*)\[\]{}·$-]{0,511}\(.{0,4608}\)$"
)
FRAME = re.compile(r"\s+at \S")
THROWN = re.compile(r"^(?:Exception in thread \"[^\"]{0,200}\" |Uncaught )| \[\w{1,60}\](?=:|$)")
"""Text around the name of an exception: the thread, and Node.js's error code."""
NODE_SOURCE = re.compile(r"(?:file://|node:|/)\S{1,512}:\d{1,7}(?::\d{1,6})?")
NODE_ERROR = re.compile(r"(?:Uncaught )?[A-Z]\w{0,69}(?: \[\w{1,60}\])?(?:: .{0,4096})?", re.DOTALL)
NODE_CONTINUATION = re.compile(
    r"\s+at \S|\s*\[cause\]: |\s*\[errors\]: |[}\]],?$|Node\.js v\d|Emitted '|Thrown at:|\s+\[?\w+\]?: "
)
QUIET = frozenset({"trace", "debug", "info", "notice"})
"""Levels of lines that do not introduce a stack trace: a trace after them is a separate event."""


def can_be_continued(line: str) -> bool:
    """True if further lines may continue a plain line; not for JSON objects, access lines and blank lines."""
    return bool(line) and line[0] != "{" and not line.isspace() and decode_access(line) is None


class Trace:
    """A text of several lines with the state of its grammar. Feeding the same lines again restores it."""

    __slots__ = ("_blanks", "_last", "_quiet", "_state")

    def __init__(self, head: str) -> None:
        """`head` is the first line."""
        self._state: State = "head"
        self._blanks = 0
        self._last = head
        self._quiet = level_of(head) in QUIET
        if PYTHON_START.fullmatch(head):
            self._state = "python"
        elif GO_START.match(head):
            self._state = "go"
        elif NODE_SOURCE.fullmatch(head):
            self._state = "node_source"
        elif JAVA_START.fullmatch(head):
            self._state = "java"

    def accepts(self, line: str) -> bool:
        """True if `line` continues the text; the grammar advances only then."""
        if not line or line.isspace():
            self._blanks += 1
            return True
        following = self._next(line)
        if following is None:
            return False
        self._state, self._blanks, self._last = following, 0, line
        return True

    def _next(self, line: str) -> State | None:
        """Return the state after `line`; None if it does not belong to the text."""
        if PYTHON_START.fullmatch(line):
            joins = self._state in ("python_after", "python") or (self._state == "head" and not self._quiet)
            return "python" if joins else None
        if self._state == "python":
            return self._in_python(line)
        if self._state == "python_after":
            return self._after_python(line)
        if self._state == "go":
            return "go" if line[0] in " \t" or GO_CONTINUATION.match(line) else None
        if self._state == "node_source":
            return self._at_node_source(line)
        if JAVA_CONTINUATION.match(line):
            return "node" if self._state == "node" else "java"
        if self._state == "node" and (NODE_CONTINUATION.match(line) or line[0] in " \t"):
            return "node"
        return self._indented(line)

    def _indented(self, line: str) -> State | None:
        if line[0] in " \t" and not (self._blanks and self._state == "head"):
            return "java" if self._state == "java" else self._state
        if self._state == "java" and self._last[:1] in " \t" and NODE_CONTINUATION.match(line):
            return "node"  # both begin alike, until the properties of the error follow
        if line[0] in " \t":
            return self._state
        return None

    def _in_python(self, line: str) -> State | None:
        if line[0] in " \t":
            return "python"
        if PYTHON_CHAIN.fullmatch(line):
            return "python_after"
        return "python_after" if EXCEPTION.fullmatch(line) and not _begins_a_record(line) else None

    def _after_python(self, line: str) -> State | None:
        if PYTHON_CHAIN.fullmatch(line) or PYTHON_MESSAGE.match(line) or line[0] in " \t":
            return "python_after"
        lists_fields = VALIDATION.match(self._last) or self._last[:2] == "  "
        if lists_fields and not self._blanks and VALIDATED.fullmatch(line):
            return "python_after"
        return None

    def _at_node_source(self, line: str) -> State | None:
        if NODE_ERROR.fullmatch(line) and self._blanks:
            return "node"
        return None if self._blanks and line[0] not in " \t" else "node_source"


def _begins_a_record(line: str) -> bool:
    return level_of(line) is not None or time_of(line) is not None


def summary(text: str) -> dict[str, str] | None:
    """Return type and message of the exception in a joined text; None if it is not a stack trace."""
    lines = text.split("\n")
    if "Traceback (most recent call last):" in text:
        return _python_summary(lines)
    for line, following in pairwise(lines):
        if GO_START.match(line) and not line.startswith("goroutine"):
            kind, _, message = line.partition(": ")
            return {"error_type": kind, "error_message": message}
        if FRAME.match(following):
            return _error_fields(EXCEPTION.fullmatch(THROWN.sub("", line)))
    return None


def _python_summary(lines: list[str]) -> dict[str, str] | None:
    """Return the last exception in the outermost column, which was finally reported."""
    after_frames = False
    last: re.Match[str] | None = None
    grouped: re.Match[str] | None = None
    for line in lines:
        bare = line.lstrip(" |")
        if line[:1] in (" ", "\t") and not line.startswith("  | ") and not line.startswith("    | "):
            after_frames = True
        elif after_frames and line and line[0] not in " \t" and (match := EXCEPTION.fullmatch(line)):
            last, after_frames = match, False
        elif (
            grouped is None and line.startswith("  | ") and not bare.startswith(("File ", "Traceback")) and ":" in bare
        ):
            match = EXCEPTION.fullmatch(bare)
            grouped = match if match and match["message"] else None
    return _error_fields(last or grouped)


def _error_fields(match: re.Match[str] | None) -> dict[str, str] | None:
    if match is None:
        return None
    fields = {"error_type": match["type"]}
    if match["message"]:
        fields["error_message"] = match["message"]
    return fields
