"""The names of the redaction patterns, which the settings list without compiling the patterns."""

from shipper_processors.redact_names import PATTERN_NAMES
from shipper_processors.redact_patterns import PATTERNS


def test_the_default_patterns_are_all_patterns() -> None:
    """In the order in which they are applied."""
    assert tuple(PATTERNS) == PATTERN_NAMES
