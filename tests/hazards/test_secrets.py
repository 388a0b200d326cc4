"""Planted secrets: none appears in an event, a quarantined entry, a counter, an explanation or the state."""

import json
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shipper.cli.commands.explain import Explainer, described
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.files.container_metadata import Provenance
from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper.state.encryption import MARK, Cipher, DecryptionError
from shipper.state.store import State
from shipper.system.errors import StateError
from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastChain
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Origin
from shipper_schemas.rules import Rule
from tests.examples import examples
from tests.hazards.planted import BOUND, CARRIERS, DAMAGE, NEUTRAL, WRAPPED, Planted, docker, secrets, shown_by
from tests.hazards.rig import Rig

RULES = [
    *builtin_rules(["patient_read"]),
    Rule.model_validate(
        {"name": "reads_total", "help": "By path.", "when": {"event": "patient_read"}, "labels": {"of": {"field": "note", "default": "-"}}}
    ),
]  # fmt: skip
NOW = 1_795_428_000_000
SOURCE = Source.of(Origin("/x.log", "c1", service="backend", container_id="c1", container_name="b-1"))


def everything_shown(kind: str, lines: bytes, redactor: Redactor, *, native: bool) -> bytes:
    """Return documents, label values and explanations of a log's lines, as bytes."""
    counting = Counting(RULES)
    chain = Pipeline(Enforce(require="always"), counting, redactor)
    made = FastChain.of(chain.enforce, counting, redactor, chain.skew) if native else None
    log = made.of_log(kind, SOURCE.origin, SOURCE.renderer) if made else None
    bounds, batch = Bounds(message_bytes=4000), Batch()
    assembler = ASSEMBLERS[kind]("c1", bounds, log)
    chain.process(assembler.feed(lines, 0), SOURCE, batch, NOW, count=True, ship=True)
    chain.process(assembler.flush(), SOURCE, batch, NOW, count=True, ship=True)
    explainer, plain = Explainer(chain, RULES, Settings(), SOURCE), ASSEMBLERS[kind]("c1", bounds)
    steps = [explainer.explained(entry, NOW) for entry in [*plain.python_path(lines, 0), *plain.flush()]]
    explanations = [
        line.plain for number, step in enumerate(steps) for line in described(number, step, ["reads_total"])
    ]
    outputs: list[Any] = [
        *((document.body.decode(), document.correlation_id, document.text) for document in batch.documents),
        list(batch.counted.sums), batch.counted.observations, steps, explanations,
    ]  # fmt: skip
    return json.dumps(outputs, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


@given(
    secrets, st.sampled_from(sorted(CARRIERS)), st.sampled_from(sorted(WRAPPED)), st.sampled_from(sorted(DAMAGE)),
    st.sampled_from([0, 0, 17, 64]), st.booleans(), st.sampled_from(["mask", "hash"]),
)  # fmt: skip
@examples(80)
def test_no_planted_secret_is_shown(
    planted: Planted, carrier: str, kind: str, damage: str, part: int, native: bool, mode: Any
) -> None:
    """In every kind of entry, whole or in parts, damaged or not, on the native and the Python path."""
    if damage == "no envelope":
        part = 0  # without an envelope, parts are not joined
    assume(carrier not in BOUND or planted.kind not in ("card", "phone", "bearer"))
    if damage != "none" and carrier in NEUTRAL:
        assume(planted.kind not in ("card", "phone"))
    lines = DAMAGE[damage](WRAPPED[kind](CARRIERS[carrier](planted.text), "stdout", part))
    output = everything_shown(kind, lines, Redactor(key=b"k", mode=mode), native=native)
    assert shown_by(output, planted) == [], (carrier, planted.text)


def test_lines_without_secrets_are_kept_whole() -> None:
    """The test above would pass if everything were masked."""
    for carrier, made in CARRIERS.items():
        if "cookie" not in carrier and "escaped" not in carrier and "password" not in carrier and "long" not in carrier:
            output = everything_shown("docker", docker(made("harmless")), Redactor(), native=False)
            assert b"redacted:" not in output, carrier
            assert b"harmless" in output or carrier == "timestamp", carrier


@given(secrets)
@examples(20)
def test_labels_and_names_of_containers_are_masked(planted: Planted) -> None:
    """Whoever runs the container chooses them; its environment is not read at all."""
    with TemporaryDirectory() as folder:
        inner = {
            "Image": "keneyapp:2",
            "Labels": {
                "note": f"{'l' * 250} {planted.text}",
                planted.text: "x",
                "api-key": planted.text,
                "tier": "api",
            },
            "Env": [f"DATABASE={planted.text}"],
        }
        Path(folder, "config.v2.json").write_text(json.dumps({"Name": "/backend", "Config": inner}))
        log = f"{folder}/{'4f' * 32}-json.log"
        origin = Provenance("node-1").of(InputSettings(type="docker", glob="*"))(log, log)
    assert origin.labels["tier"] == "api"
    assert shown_by(repr(origin).encode(), planted) == []


# --- unfinished entries in the state --------------------------------------------------------------


def on_disk(folder: Path) -> bytes:
    """Return every byte of every file."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


HELD = "correct horse battery staple"
PARTS = [
    json.dumps({"log": text, "stream": "stdout", "time": "2026-11-23T10:00:00.1Z"}).encode() + b"\n"
    for text in (
        f'{{"correlation_id":"v-1","event":"login_failed","password":"{HELD}',
        ' and more"',
        ',"note":"late"}\n',
    )
]


@pytest.mark.parametrize("native", [True, False])
def test_unfinished_entries_are_encrypted_in_the_state_and_not_lost(tmp_path: Path, native: bool) -> None:
    """Half a message and half a stack trace survive a kill, encrypted; the documents are the same as without a kill."""
    rig = Rig(tmp_path, native=native)
    rig.write(PARTS[0] + PARTS[1] + docker("Traceback (most recent call last):\n  password=hunter2hunter2", "stderr"))
    rig.read()
    assert rig.agent is not None
    assert rig.agent.state.commits > 0
    rig.kill()
    kept = on_disk(tmp_path / "state")
    assert b"horse" not in kept
    assert b"hunter2" not in kept
    rig.path.unlink()
    rig.write(PARTS[2])
    rig.drain()
    stored = {body["event"]: body for body in rig.output.stored.values()}
    assert stored["login_failed"]["extra"] == {"password": "[redacted:field]", "note": "late"}
    assert "password=[redacted:password]" in json.dumps(stored["unstructured"])
    assert rig.counter("failed_login_attempts_total", "backend") == 1
    assert b"horse" not in on_disk(tmp_path / "state")


def test_a_state_without_its_key_stops_the_start(tmp_path: Path) -> None:
    """The error names the log and the key; the state is never taken for empty."""
    rig = Rig(tmp_path)
    rig.write(PARTS[0])
    rig.read()
    rig.kill()
    (tmp_path / "state" / "state.key").write_text("another\n")
    with (
        closing(State(tmp_path / "state")) as state,
        pytest.raises(
            StateError, match=r"partial entry of .*app\.log .*: it was encrypted with another key"
        ) as refused,
    ):
        state.logs()
    assert "state_key_file" in refused.value.hint


@given(st.binary(max_size=500), st.binary(min_size=1, max_size=80))
def test_encrypted_text_is_opened_by_its_key_alone(data: bytes, key: bytes) -> None:
    """The same bytes are restored; a changed bit or another key is an error; equal texts give different bytes."""
    cipher = Cipher(key)
    hidden = cipher.encrypt(data)
    assert cipher.decrypt(hidden) == data
    assert hidden != cipher.encrypt(data)
    assert len(data) < 4 or data not in hidden
    for place in (1, 20, len(hidden) - 1):
        broken = bytearray(hidden)
        broken[place] ^= 1
        with pytest.raises(DecryptionError):
            cipher.decrypt(bytes(broken))
    with pytest.raises(DecryptionError):
        Cipher(key + b"x").decrypt(hidden)
    assert cipher.decrypt(b"\x81never hidden") == b"\x81never hidden"
    assert hidden[:1] == MARK


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_key_is_refused(tmp_path: Path, content: str) -> None:
    """An empty key is known to everybody."""
    State(tmp_path / "state").close()
    (tmp_path / "state" / "state.key").write_text(content)
    with pytest.raises(StateError, match=r"state\.key is empty\n.*remove it"):
        State(tmp_path / "state")


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_state_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Folder, database, journal, lock and key."""
    before = os.umask(umask)
    try:
        rig = Rig(tmp_path)
        rig.write(rig.lines(3) + PARTS[0])
        rig.read()
        modes = {
            path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "state", *(tmp_path / "state").iterdir()]
        }
    finally:
        os.umask(before)
    assert modes.pop("state") == 0o700
    assert modes == dict.fromkeys(("lock", "state.db", "state.db-journal", "state.key", "state.mark"), 0o600)
