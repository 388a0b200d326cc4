"""`Trace`: the state of an entry of several lines, over all grammars."""

from collections.abc import Callable
from typing import Literal

from shipper_processors.access_log import decode_access
from shipper_processors.lenient_json import OUTSIDE, holds_document
from shipper_processors.stack_traces import at_frames, beam, go, json_lines, other, php, python, ruby, rust
from shipper_processors.stack_traces.heads import AROUND, Context, Head, begins_record, continues

Verdict = Literal["yes", "no", "maybe"]
"""`maybe`: the line belongs to the text if a later line confirms it; it is an entry of its own if none does."""
Begin = Callable[[str, Head | None], str | None]
Follow = Callable[[str, str, Context], str | None]

BEGIN: tuple[Begin, ...] = tuple(
    module.begin for module in (python, at_frames, go, rust, php, ruby, beam, other, json_lines)
)
FOLLOW: dict[str, Follow] = {
    "python": python.follow, "at": at_frames.follow, "go": go.follow, "rust": rust.follow, "php": php.follow,
    "ruby": ruby.follow, "beam": beam.follow, "json": json_lines.follow, "object": json_lines.follow,
    "jul": other.follow, "sql": other.follow, "postgres": other.follow, "console": other.follow, "carp": other.follow,
}  # fmt: skip
"""The grammar of a state, by the state's name before its colon."""
OPEN = frozenset({"head", "text", "jul:logged"})
"""States after which a trace may begin."""
ENCLOSING = ("json:", "postgres")
"""States in which an indented JSON object is a part of the text: a pretty-printed object, and a statement, whose
lines PostgreSQL indents so that no client can forge a record.
"""
CLOSERS = frozenset({"}", "]", ")", "},", "],", "),", "};", "];", ");", "})", "});"})


def can_be_continued(line: str) -> bool:
    """True if further lines may continue a plain line; not for whole JSON objects, access lines and blank lines."""
    bare = line.lstrip(AROUND)
    if not bare:
        return False
    if bare[0] == "{":
        return json_lines.is_open(bare)
    return decode_access(line) is None


class Trace:
    """A text of several lines with the state of its grammar. Feeding the same lines again restores it."""

    __slots__ = ("_context", "_state")

    def __init__(self, head: str) -> None:
        """`head` is the first line."""
        self._context = Context(Head(head), head)
        self._state = "head"
        for begin in BEGIN:
            if (state := begin(head, None)) is not None:
                self._state = state
                break

    def accepts(self, line: str) -> bool:
        """True if `line` continues the text, or may do so; the grammar advances only then."""
        return self.offer(line) != "no"

    def offer(self, line: str) -> Verdict:
        """Return whether `line` continues the text. The grammar advances unless it does not.

        A `yes` confirms the lines before it that were a `maybe`.
        """
        context = self._context
        if not line or line.isspace():
            if self._state[-1] == "?":
                return "no"
            context.blanks += 1
            return "yes"
        following = self._next(line)
        if following is None:
            return "no"
        context.same = context.same + 1 if following == self._state else 0
        context.last, context.blanks, self._state = line, 0, following
        return "maybe" if following[-1] == "?" else "yes"

    def _next(self, line: str) -> str | None:
        """Return the state after `line`; None if it does not belong to the text."""
        state, context = self._state, self._context
        if line[:2] == '{"' and line[-1] == "}":
            return None
        if line.lstrip(AROUND)[:1] == "{" and not state.startswith(ENCLOSING) and holds_document(line.strip(OUTSIDE)):
            return None  # a record of its own, also within a trace
        if state not in OPEN:
            return FOLLOW[state.partition(":")[0]](state, line, context)
        if line[0] not in " \t" and begins_record(line):
            return at_frames.begin(line, context.head) if line[:6] == "Error:" else None
        for begin in BEGIN:
            if (following := begin(line, context.head)) is not None:
                return following
        return self._further(line)

    def _further(self, line: str) -> str | None:
        """Return the state after an indented line that a head announces, and after the bracket that closes one."""
        context = self._context
        if (context.blanks and self._state != "text") or python.FILE.match(line):
            return None
        if continues(line) or (self._state == "text" and line[0] in " \t" and at_frames.is_error(line.strip())):
            return "text" if self._state == "text" or context.head.announces else None
        return "text" if self._state == "text" and context.head.opens and line.rstrip() in CLOSERS else None
