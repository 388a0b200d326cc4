"""Traces whose frames begin with `at`: Java and other languages of the JVM, .NET, and JavaScript.

An exception after a logger's line may be a message of its own, until a frame follows: its state ends with `?`.
"""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

FRAME = re.compile(r"\s{1,64}at (?:\S[^(]{0,1024}?(?:\(|:\d)|<anonymous>)")
ERROR = re.compile(
    r"(?:Uncaught |Exception in thread \"[^\"]{0,200}\" |Unhandled exception\. )?"
    r"(?P<type>(?:[A-Za-z_$][\w$]{0,100}\.){0,15}[A-Z][\w$]{0,100}(?:`\d)?)(?: \[\w{1,60}\])?(?::(?: .{0,4096})?)?",
    re.DOTALL,
)
ENDINGS = ("Exception", "Error", "Throwable", "Failure", "Fault", "Timeout", "Abort", "Interrupt", "Death", "Panic")
"""Endings of the names of exceptions."""
QUALIFIED = re.compile(r"(?:[a-z_$][\w$]{0,60}\.){1,15}[A-Z][\w$]{0,100}(?::.{0,4096})?", re.DOTALL)
CERTAIN = re.compile(r"Exception in thread \"|Unhandled exception\. |Unhandled Exception: ")
"""What a runtime writes before an exception that nobody handled."""
CAUSE = re.compile(r"\s{0,64}(?:Caused by|Suppressed|Wrapped by): |\s{1,64}---> ")
CAUSED = "Caused by: "
MARKED = "! "
"""What Dropwizard writes before each line of a trace."""
MORE = re.compile(
    r"\s{0,64}\.{3} \d{1,6} (?:more|common frames|lines matching)|\s{0,64}--- End of |\s{0,64}\[CIRCULAR REFERENCE"
)
CLOSING = re.compile(r"\s{0,64}[\]})]{1,8}[;,]?\s{0,8}")
AFTER = re.compile(r"\[cause\]: |\[errors\]: |Node\.js v\d|Emitted '|Thrown at:|Bun v\d|\(Use `node --trace")
SOURCE = re.compile(r"(?:file://|node:|/|[A-Z]:\\)\S{1,512}:\d{1,7}(?::\d{1,6})?")
CARET = re.compile(r"\s{0,2048}\^{1,2048}\s{0,8}")
LOUD = frozenset({"warning", "error", "critical"})
MOST_MESSAGE_LINES = 50
MOST_UNCERTAIN_LINES = 8


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after a line that begins a trace."""
    if head is None:
        return _first(line)
    if line[:2] == MARKED:
        return "at" if head.is_record and is_error(line[2:]) else None
    if FRAME.match(line):
        return "at"
    if not head.is_record:
        return "at" if head.text[:6] == "(node:" and AFTER.match(line) else None
    if line.startswith(CAUSED):
        return "at:message" if is_error(line.removeprefix(CAUSED)) else None
    if not is_error(line) or CERTAIN.match(line):
        return None
    # JavaScript prints uncaught errors like logged ones, and their names have no package.
    belongs = "." in line.partition(":")[0] or head.level in LOUD
    return "at:error?" if belongs else None


def _first(line: str) -> str | None:
    if CERTAIN.match(line):
        return "at:message"
    if SOURCE.fullmatch(line):
        return "at:source?"
    return "at" if QUALIFIED.fullmatch(line) and is_error(line) else None


def is_error(line: str) -> bool:
    """True if a line is the name of an exception, with or without its message."""
    match = ERROR.fullmatch(line) if line[:1].isalpha() else None
    return match is not None and match["type"].partition("`")[0].endswith(ENDINGS)


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues a trace."""
    if line[:2] == MARKED and context.last[:2] == MARKED:
        return "at"
    if state in {"at:source?", "at:caret"}:
        return _at_source(state, line, context)
    if FRAME.match(line) or MORE.match(line):
        return "at"
    if CAUSE.match(line):
        return "at:message"
    if state == "at:error?":
        uncertain = context.same < MOST_UNCERTAIN_LINES and not context.blanks and not begins_record(line)
        return state if uncertain else None
    if is_indented(line):
        return None if begins_record(line) and not is_error(line.strip().rstrip(",")) else state
    if state == "at:message" and context.same < MOST_MESSAGE_LINES and not context.blanks:
        return None if begins_record(line) else state
    if is_indented(context.last) or AFTER.match(context.last) or CLOSING.fullmatch(context.last):
        return state if AFTER.match(line) or CLOSING.fullmatch(line) else None
    return None


def _at_source(state: str, line: str, context: Context) -> str | None:
    """Return the state after the source line, its carets, and the error after a blank line."""
    if state == "at:caret":
        return "at" if context.blanks and (ERROR.fullmatch(line) or AFTER.match(line)) else None
    if context.blanks:
        return None
    if CARET.fullmatch(line):
        return "at:caret" if context.same else None
    return state if not context.same and line[:2] != '{"' else None
