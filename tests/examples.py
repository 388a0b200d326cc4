"""Number of examples of the property tests: few at each run of the tests, many by `make properties`."""

import os

from hypothesis import settings

TIMES = int(os.environ.get("SHIPPER_EXAMPLES", "1"))
"""Factor of all numbers of examples."""
USUAL = 30


def examples(number: int) -> settings:
    """Return the settings of a property test with another number of examples than the usual one."""
    return settings(max_examples=number * TIMES, deadline=None)
