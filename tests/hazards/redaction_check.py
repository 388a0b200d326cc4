"""Plant secrets of every kind in every place, and look for them in all that is shown; count changed harmless lines.

usage: python -m tests.hazards.redaction_check [--secrets 5000] [--harmless 100000] [--seed 1] [--lines FILE...]
"""

import argparse
import sys
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Literal

from shipper_processors.redact import Redactor
from tests.hazards import harmless_lines
from tests.hazards.planted import BOUND, CARRIERS, WRAPPED, Planted, event, shown_by
from tests.hazards.secret_kinds import KINDS, field
from tests.hazards.test_secrets import everything_shown

MOST_SHOWN = 20
NUMBERS = ("card", "person", "iban")
CUT = ("long JSON", "a line that is too long", "correlation id", "other id")
"""Carriers that cut or squeeze a text, in which not every kind is still itself."""
MODES: tuple[Literal["mask", "hash"], ...] = ("mask", "hash")


def logged(random: Random) -> tuple[str, str, Planted]:
    """Return the text of an entry with a secret, and the names of its kind and place."""
    if random.random() < 0.25:
        fields, planted = field(random)
        refused = random.choice(("visit-1", "a b"))
        return "field", event(correlation_id=refused, **fields), planted
    planted = random.choice(KINDS)(random)
    carriers = [name for name in CARRIERS if name not in CUT and name not in BOUND]
    carrier = random.choice(carriers)
    return f"{planted.kind} in {carrier}", CARRIERS[carrier](planted.text), planted


def leaks(seed: int, count: int) -> list[str]:
    """Return the secrets of `count` that are shown in documents, label values or explanations."""
    random, leaked = Random(seed), []
    redactors = {mode: Redactor(key=b"k", mode=mode) for mode in MODES}
    for number in range(count):
        place, text, planted = logged(random)
        kind = random.choice(sorted(WRAPPED))
        lines = WRAPPED[kind](text, "stdout", 0)
        output = everything_shown(kind, lines, redactors[MODES[number % 2]], native=bool(number % 3))
        if parts := shown_by(output, planted):
            leaked.append(f"{place} ({kind}): {planted.text!r} shows {parts}")
    return leaked


def changed(lines: Iterable[str]) -> list[str]:
    """Return the lines that redaction changes, as they become."""
    redactor = Redactor()
    results = ((line, redactor.redact_raw(line)) for line in lines)
    return [f"{line[:200]} -> {masked[:200]}" for line, masked in results if masked != line]


def harmless(seed: int, count: int) -> Iterable[str]:
    """Return harmless lines: those of the corpus, and seeded ones."""
    corpus = [*harmless_lines.corpus()]
    return islice(chain(corpus, harmless_lines.lines(seed, max(0, count - len(corpus)))), count)


def main() -> int:
    """Run both parts and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--secrets", type=int, default=5000)
    parser.add_argument("--harmless", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=Path, nargs="*", default=[], help="files of further harmless lines")
    given = parser.parse_args()
    shown = leaks(given.seed, given.secrets)
    further = [line for path in given.lines for line in path.read_text(errors="replace").splitlines()]
    lines = [*harmless(given.seed, given.harmless), *further]
    alarms = changed(lines)
    for line in chain(shown[:MOST_SHOWN], alarms[:MOST_SHOWN]):
        sys.stdout.write(f"{line}\n")
    share = len(alarms) / max(1, len(lines))
    sys.stdout.write(
        f"{given.secrets} secrets planted: {len(shown)} shown; {len(lines)} harmless lines: {len(alarms)} changed ({share:.3%})\n"
    )
    return int(bool(shown) or share > 0.001)


if __name__ == "__main__":
    sys.exit(main())
