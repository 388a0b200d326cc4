"""`re`, with patterns that are compiled at their first use: `from shipper_schemas import lazy_re as re`.

Hundreds of patterns recognise the lines of loggers, and most processes meet few of them. Compiled at import they are
a quarter of the start of every command.
"""

import re
from re import ASCII, DOTALL, IGNORECASE, Match, Pattern, RegexFlag, escape
from typing import Any, AnyStr, cast

__all__ = ["ASCII", "DOTALL", "IGNORECASE", "Match", "Pattern", "RegexFlag", "compile", "escape", "source_of"]

METHODS = ("match", "search", "fullmatch", "sub", "finditer")


class LazyPattern:
    """A pattern that is compiled when it is first used; from then on its methods are those of the compiled one."""

    __slots__ = ("_flags", "_source", *METHODS)

    def __init__(self, source: str | bytes, flags: int) -> None:
        """Keep the arguments of `re.compile`."""
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- a method or attribute of the pattern
        """Compile the pattern: a method is not in its slot yet."""
        compiled = re.compile(self._source, self._flags)
        for method in METHODS:
            object.__setattr__(self, method, getattr(compiled, method))
        return getattr(compiled, name)

    def __reduce__(self) -> tuple[type["LazyPattern"], tuple[str | bytes, int]]:
        """Copy and pickle the source, as `re.Pattern` does."""
        return LazyPattern, (self._source, self._flags)


def source_of(pattern: "Pattern[str]") -> tuple[str, int]:
    """Return the arguments of `compile`, without compiling the pattern."""
    if isinstance(pattern, LazyPattern):
        return str(pattern._source), int(pattern._flags)  # noqa: SLF001 -- of this module
    return pattern.pattern, int(pattern.flags)


def compile(pattern: AnyStr, flags: int = 0) -> Pattern[AnyStr]:  # noqa: A001 -- the name in `re`
    """Return `pattern`, which an invalid expression makes fail at its first use; tests use each."""
    return cast("Pattern[AnyStr]", LazyPattern(pattern, flags))
