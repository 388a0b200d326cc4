"""`python -m tests.compare.record`: write `recorded.json.xz` again, from what the other tests keep of hostile input.

Only this module imports the project. The comparison itself reads the file, so that a checkout of any age can be run.
"""

import json
import lzma
import random
from pathlib import Path

from processors.redact import luhn

from tests.fuzz.targets import CORPUS
from tests.hazards import hostile, planted

RECORDED = Path(__file__).parent / "recorded.json.xz"
TRACES = Path(__file__).parents[1] / "golden" / "traces"
FUZZED = (
    "access", "chain", "compiled_cri", "compiled_docker", "compiled_payload", "cri", "docker", "escaping", "levels",
    "payload", "plain", "release", "times", "traces",
)  # fmt: skip


def secrets(rng: random.Random) -> list[str]:
    """One text of each kind that redaction looks for, and some that only look like one."""
    word = "".join(rng.choices(planted.LETTERS, k=14))
    card = planted.number_that(luhn, "45323456789" + "".join(rng.choices("3456789", k=4)))
    phone = "".join(rng.choices("3456789", k=9))
    return [
        f"password={word}", f"access_token: {word}", f"Cookie: sid={word}; theme=dark", f"session_id={word}",
        f"Bearer {word}", f"eyJhbGciOiJIUzI1NiJ9.eyJ{word}.{word}", f"{word}@{word}.example",
        f"postgresql://app:{word}@db:5432/app", card, f"{card[:4]} {card[4:8]} {card[8:12]} {card[12:]}", f"+33{phone}",
        "1 85 05 78 006 084 91", "4532345678934561", "10.0.0.1", "nobody at example",
    ]  # fmt: skip


def recorded() -> dict[str, dict[str, str]]:
    """All inputs by group and name; bytes as Latin-1 text."""
    groups = {name: {file.name: file.read_bytes() for file in sorted((CORPUS / name).iterdir())} for name in FUZZED}
    groups["hostile records"] = dict(hostile.RECORDS)
    groups["golden"] = {file.name: file.read_bytes() for file in sorted(TRACES.iterdir())}
    groups["secrets"] = {
        f"{carrier} {number}": carry(secret).encode()
        for number, secret in enumerate(secrets(random.Random(7)))
        for carrier, carry in planted.CARRIERS.items()
    }
    texts = {group: {name: data.decode("latin-1") for name, data in inputs.items()} for group, inputs in groups.items()}
    return {**texts, "services": dict(hostile.SERVICES)}


def main() -> None:
    """Write the file."""
    data = lzma.compress(json.dumps(recorded(), sort_keys=True).encode(), preset=9 | lzma.PRESET_EXTREME)
    RECORDED.write_bytes(data)
    print(f"{RECORDED.name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
