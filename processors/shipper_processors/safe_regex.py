"""Execute configured regular expressions in linear time.

Python's engine backtracks, so that the time of some expressions grows exponentially with a hostile text. RE2 reads a
text once, whatever the expression; it has no backreferences and no lookaround, so that these are errors. It searches
match by match, and may read to the end of the text for each: hence the limit on their number.
"""

from collections.abc import Callable

import re2

from shipper_processors.envelope import without_surrogates

MOST_MATCHES = 1000
"""Most matches in a text that are replaced one by one; from the next match on, the rest is replaced as one."""
LONGEST = 4096
"""Most characters of an expression."""
VALUE = "value"
"""Name of the group that is replaced; without such a group, the whole match is."""
MARK = "[redacted:"


class SafePattern:
    """A regular expression that takes time in proportion to the text."""

    def __init__(self, pattern: str) -> None:
        """Compile `pattern`. Raises ValueError with the reason if it is invalid."""
        if len(pattern) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        options = re2.Options()
        options.log_errors = False
        try:
            self._regex = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(error.args[0].decode("utf-8", "replace")) from error
        except UnicodeEncodeError as error:
            raise ValueError("it contains a lone surrogate") from error
        self._group: int = self._regex.groupindex.get(VALUE, 0)

    def sub(self, replacement: Callable[[str], str], text: str) -> str:
        """Return `text` with the value of each match replaced; values that are masked already stay."""
        text = without_surrogates(text)
        parts: list[str] = []
        end = 0
        for number, match in enumerate(self._regex.finditer(text)):
            start, stop = match.span(self._group)
            if number == MOST_MATCHES:
                start, stop = match.start(), len(text)
            value = text[start:stop]
            if value and not value.startswith(MARK):
                parts += (text[end:start], replacement(value))
                end = stop
            if number == MOST_MATCHES:
                break
        return "".join([*parts, text[end:]]) if parts else text
