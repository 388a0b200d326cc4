"""Heads: the properties of the first line of an entry, and of lines that begin a record."""

from dataclasses import dataclass

from shipper_processors.levels import level_of, time_of
from shipper_schemas import lazy_re as re

QUIET = frozenset({"trace", "debug", "info", "notice"})
"""Levels of lines that do not introduce a stack trace of a language whose uncaught exceptions look alike."""
BLANK = " \t"
AROUND = " \t\ufeff\0"
TIME_START = re.compile(
    r"[\[(<]?(?:"
    r"\d{4}[-/.]\d\d[-/.]\d\d[T\s_,]"  # 2026-11-30 11:37:18, 2026/11/30
    r"|\d{1,2}[./-](?:\d{1,2}|[A-Z][a-z]{2})[./-]\d{4}[ :,T]"  # 30/Nov/2026:11:37:18, 30.11.2026
    r"|(?:[A-Z][a-z]{2},? )?(?:[A-Z][a-z]{2}\s{1,2}\d{1,2}|\d{1,2} [A-Z][a-z]{2})(?:,? \d{4})?,? \d{1,2}:\d\d:\d\d"
    r"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![\w:])"  # 11:37:18
    r"|\d{8}T\d{6}|\d{10}[.\d]\d{2,9}\s"  # basic form, epochs
    r")"
    r"|<\d{1,3}>(?:\d |[A-Z])"  # syslog
    r"|\d{1,7}:[A-Z] \d\d [A-Z][a-z]{2} \d{4} "  # Redis
    r"|[A-Z], \[\d{4}-\d\d-\d\dT"  # Ruby
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.",  # klog
    re.ASCII,
)
ANNOUNCED = re.compile(r"(?:error|exception|traceback|failed|failure|warning)s?\b", re.IGNORECASE)
OPENING = ("{", "[", "(")
PROPERTY = re.compile(r"[a-z]{3,11}: ")
"""A property in an indented list; no logger indents its lines before a level in lower case."""
HEAD = 400


def begins_record(line: str) -> bool:
    """True if a line begins, blanks apart, with a time, a level in a recognised place, or `{`."""
    bare = line.lstrip(AROUND)
    if bare[:1] == "{":
        return True
    if begins_with_time(bare):
        return True
    return not (line[:1] in BLANK and PROPERTY.match(bare)) and level_of(bare[:HEAD]) is not None


def begins_with_time(line: str) -> bool:
    """True if a line begins, blanks apart, with a time."""
    bare = line.lstrip(AROUND)[:HEAD]
    return TIME_START.match(bare) is not None or time_of(bare) is not None


def is_indented(line: str) -> bool:
    """True if a line begins with a blank or a tab."""
    return line[:1] in BLANK and line[:1] != ""


def continues(line: str) -> bool:
    """True for an indented line that does not begin a record."""
    return line[:1] in BLANK and line[:1] != "" and not begins_record(line)


UNREAD = "unread"


class Head:
    """The first line of an entry."""

    __slots__ = ("_is_record", "_level", "text")

    def __init__(self, text: str) -> None:
        """`text` is the line; its properties are read when they are needed."""
        self.text = text
        self._level: str | None = UNREAD
        self._is_record: bool | None = None

    def __eq__(self, other: object) -> bool:
        """True for the head of an equal line."""
        return isinstance(other, Head) and other.text == self.text

    def __hash__(self) -> int:
        """Return the hash of the line."""
        return hash(self.text)

    @property
    def level(self) -> str | None:
        """The level in its prefix."""
        if self._level is UNREAD:
            self._level = level_of(self.text.lstrip(AROUND))
        return self._level

    @property
    def quiet(self) -> bool:
        """True if its level does not introduce an uncaught exception."""
        return self.level in QUIET

    @property
    def is_record(self) -> bool:
        """True if it begins with a time or a level, as the lines of a logger do."""
        if self._is_record is None:
            self._is_record = begins_record(self.text)
        return self._is_record

    @property
    def opens(self) -> bool:
        """True if it ends with an opening bracket."""
        return self.text.rstrip().endswith(OPENING)

    @property
    def announces(self) -> bool:
        """True if indented lines after it are plausible: a logger's line, an error, or one that ends with a colon."""
        return (
            self.is_record
            or self.opens
            or self.text.rstrip()[-1:] in {":", ","}
            or ANNOUNCED.search(self.text, 0, HEAD) is not None
        )


@dataclass(slots=True)
class Context:
    """What a grammar knows beside the state: the head, the last line, and counts since the state was entered."""

    head: Head
    last: str
    blanks: int = 0
    """Blank lines since the last line."""
    same: int = 0
    """Lines since the state last changed."""
