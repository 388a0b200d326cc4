"""Linear: regular expressions that people configure, by an engine that cannot be made to run for ever.

Python's own engine goes back over what it read, so that some expressions take time that doubles with each sign of a
hostile text. RE2 reads a text once, whatever the expression; what it therefore does not know, references back and
looking around, is refused. It finds one match at a time, and may read on to the end for each: hence the bound on
their number.
"""

from collections.abc import Callable

import re2

from shipper_processors.envelope import without_surrogates

MOST_MATCHES = 1000
"""Matches of one expression in a text that are replaced one by one; from the next on, all the rest is one."""
LONGEST = 4096
"""Characters of an expression."""
VALUE = "value"
"""The group that is replaced, where there is one of that name; all of the match where there is none."""
MARK = "[redacted:"


class Linear:
    """An expression that takes time in proportion to the text."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError, whose text tells a person what is wrong."""
        if len(pattern) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST} characters")
        options = re2.Options()
        options.log_errors = False
        try:
            self._regex = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(error.args[0].decode("utf-8", "replace")) from error
        except UnicodeEncodeError as error:
            raise ValueError("it holds what is no character") from error
        self._group: int = self._regex.groupindex.get(VALUE, 0)

    def sub(self, replacement: Callable[[str], str], text: str) -> str:
        """`text` with what each match says replaced; what was masked before stays as it is."""
        text = without_surrogates(text)
        pieces: list[str] = []
        end = 0
        for number, match in enumerate(self._regex.finditer(text)):
            start, stop = match.span(self._group)
            if number == MOST_MATCHES:
                start, stop = match.start(), len(text)
            value = text[start:stop]
            if value and not value.startswith(MARK):
                pieces += (text[end:start], replacement(value))
                end = stop
            if number == MOST_MATCHES:
                break
        return "".join([*pieces, text[end:]]) if pieces else text
