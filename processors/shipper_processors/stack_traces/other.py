"""Records of several lines that are no traces of one language: java.util.logging, SQL, .NET's console, Perl's Carp."""

from shipper_processors.stack_traces.heads import Context, Head, begins_record, is_indented
from shipper_schemas import lazy_re as re

JUL = re.compile(
    r"[A-Z][a-z]{2} \d{1,2}, \d{4},? \d{1,2}:\d\d:\d\d\s[AP]M \S{1,300}(?: \S{1,300})?\s{0,4}"
    r"|\d{1,2}[./-]\S{1,4}[./-]\d{2,4},? \d{1,2}:\d\d:\d\d \S{1,300} \S{1,300}\s{0,4}"
)
JUL_LEVEL = re.compile(r"(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): ")
POSTGRES = re.compile(
    r".{0,300}?\b(?:LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG\d?"
    r"|STATEMENT|DETAIL|HINT|CONTEXT|QUERY|LOCATION):  ",
    re.DOTALL,
)
CONSOLE = re.compile(r"(?:.{8,40} )?(?:trce|dbug|info|warn|fail|crit): [\w.+`\[\],-]{1,400}\[-?\d{1,10}\]\s{0,4}")
STATEMENT = re.compile(
    r".{0,400}?(?:[\s:\]]|^)(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|MERGE|WITH)\s", re.DOTALL
)
CLAUSE = re.compile(
    r"(?:FROM|WHERE|LEFT|RIGHT|INNER|OUTER|FULL|CROSS|JOIN|ORDER BY|GROUP BY|HAVING|LIMIT|OFFSET|FETCH|VALUES|SET"
    r"|RETURNING|UNION|EXCEPT|INTERSECT|ON|AND|OR|FOR UPDATE|WINDOW|AS|USING)(?:\s|$)"
)
VERB = re.compile(r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|MERGE|WITH)\s")
ECHO = re.compile(r"sqlalchemy\.engine\S{0,100}[\s:\])-]{0,8}$")
CARP = re.compile(r"\s{1,8}\S.{0,4096} called at \S{1,1024} line \d{1,9}", re.DOTALL)
CLOSING = re.compile(r"[\])]{1,8}[;,]?\s{0,8}")


def begin(line: str, head: Head | None) -> str | None:
    """Return the state after the first line of such a record, or after its second."""
    if head is None:
        return "jul" if JUL.fullmatch(line) else None
    if line[0] in " \t":
        return _indented(line, head)
    if not head.is_record:
        return None
    if CLAUSE.match(line):
        return "sql" if STATEMENT.match(head.text) else None
    return "sql" if VERB.match(line) and ECHO.search(head.text[:400]) else None


def _indented(line: str, head: Head) -> str | None:
    if CARP.fullmatch(line) or (line.startswith("  what(): ") and head.text.startswith("terminate called ")):
        return "carp"
    if line[0] == "\t":  # PostgreSQL indents further lines of a statement, which a client chooses, by a tab
        return "postgres" if head.is_record and POSTGRES.match(head.text) else None
    if line[:6] == "      " and line.lstrip()[:1] != "{" and CONSOLE.fullmatch(head.text):
        return "console"
    return None


def follow(state: str, line: str, context: Context) -> str | None:
    """Return the state after a line that continues such a record."""
    if state == "postgres":
        return state if line[0] == "\t" else None
    if state == "console":
        return state if line[:6] == "      " and line.lstrip()[:1] != "{" else None
    if state == "carp":
        return state if CARP.fullmatch(line) else None
    if state == "jul":
        return "jul:logged" if JUL_LEVEL.match(line) and not context.blanks else None
    return _in_statement(line, context)


def _in_statement(line: str, context: Context) -> str | None:
    if is_indented(line):
        return None if begins_record(line) else "sql"
    if CLAUSE.match(line) or CLOSING.fullmatch(line):
        return "sql"
    after = context.last.rstrip()[-1:] in {"", ")", ","} or context.last[:5] in {"UNION", "WITH "}
    return "sql" if after and VERB.match(line) and not context.blanks else None
