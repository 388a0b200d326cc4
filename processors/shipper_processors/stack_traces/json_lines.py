"""Pretty-printed JSON objects, and objects as Node.js prints them, over several lines.

The state holds the open brackets. A line continues an object only where JSON allows it, so that a record that begins
with `{` is not taken into a torn object before it.
"""

from shipper_processors.stack_traces.heads import AROUND, Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

SCALAR = re.compile(r"(?:-?\d[\d.eE+-]{0,40}|true|false|null)\s{0,8}[,\]}]{0,64}")
PROPERTY = re.compile(r"(?:[A-Za-z_$][\w$-]{0,100}|'[^']{1,200}'|\[\w{1,60}\]): ")
KEY = re.compile(r'"[^"]{1,1024}"\s{0,8}:')
CLOSERS = {"}": "{", "]": "["}
MOST_OPEN = 100
CONTINUED = ("{", "[", ",", ":")
"""Last characters of a line of an object that continues."""


def is_open(text: str) -> bool:
    """True if a text that begins with `{` may be the first line of an object of several lines. Rejects quickly."""
    return text.rstrip().endswith(CONTINUED)


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after the first line of an object or of an array of objects."""
    bare = line.strip(AROUND)
    if head is not None or bare[:1] not in {"{", "["} or not bare.endswith(CONTINUED):
        return None
    if bare not in {"{", "[", "[{"} and bare[1:].lstrip()[:1] != '"':
        return None
    brackets = opened("", bare)
    return f"json:{brackets}" if brackets else None


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues an object; None after its end."""
    if state == "object":
        return _printed(line)
    brackets, bare = state.removeprefix("json:"), line.strip(AROUND)
    if not brackets:
        return None
    if brackets == "{" and not context.same and context.last.strip(AROUND) == "{" and PROPERTY.match(bare):
        return "object" if is_indented(line) and not begins_record(line) else None
    if brackets == "{" and not context.same and context.last.strip(AROUND) == "{" and not KEY.match(bare):
        return None
    if not _is_allowed(brackets[-1], context.last.rstrip()[-1:], bare, indented=is_indented(line)):
        return None
    following = opened(brackets, bare)
    return None if following is None else f"json:{following}"


def _is_allowed(inner: str, before: str, bare: str, *, indented: bool) -> bool:
    """True if JSON allows a line after `before` in an object or array."""
    first = bare[0]
    if first in "{[" and not indented:
        return False
    if first.isalnum() or first == "-":
        return (inner == "[" or before == ":") and SCALAR.fullmatch(bare) is not None
    if before == ":":
        return first in '{["'
    return first in ('"},' if inner == "{" else '"{[],')


def opened(brackets: str, text: str) -> str | None:
    """Return the brackets that are open after a text; None if it is not a part of JSON."""
    pieces = text.replace("\\\\", "").replace('\\"', "").split('"')
    if not len(pieces) % 2:
        return None  # a string does not end on its line
    for sign in "".join(pieces[::2]):
        if sign in "{[":
            brackets += sign
        elif sign in CLOSERS:
            if brackets[-1:] != CLOSERS[sign]:
                return None
            brackets = brackets[:-1]
    return brackets if len(brackets) <= MOST_OPEN else None


def _printed(line: str) -> str | None:
    if is_indented(line):
        return None if begins_record(line) and not PROPERTY.match(line.lstrip()) else "object"
    return "json:" if line.rstrip() in {"}", "};", "},"} else None
