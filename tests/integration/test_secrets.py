"""Planted secrets and the real agent: none appears on disk, on the wire, on its pages or in its own log.

`SHIPPER_TEST_SECRETS=5000` plants so many of every kind beside the fixed ones, in portions; `make secrets` does.
"""

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as Place

from deploy.services.processes import free_port
from shipper_processors.redact_numbers import luhn
from tests.hazards.planted import BOUND, CARRIERS, Planted, docker, number_that, shown_by
from tests.hazards.redaction_check import logged
from tests.integration.agent import AgentProcess
from tests.outputs.scripted_elasticsearch import ScriptedElasticsearch, error, served
from tests.services.kafka_broker import create_topics
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
WORD = "bcdfghjkmnpqrstv"
CARD = number_that(luhn, "453234567893456")
PLANTED = [
    Planted("password", f"password={WORD}", (WORD,)),
    Planted("cookie", f"Cookie: sid={WORD}", (WORD,)),
    Planted("bearer", f"Bearer {WORD}", (WORD,)),
    Planted("jwt", f"eyJhbGciOiJIUzI1NiJ9.eyJ{WORD}.{WORD}", (WORD,)),
    Planted("email", f"{WORD}@{WORD}.example", (WORD,)),
    Planted("url", f"postgresql://app:{WORD}@db/app", (WORD,)),
    Planted("card", CARD, (CARD[:12], CARD)),
]
SECRETS, PORTION = int(os.environ.get("SHIPPER_TEST_SECRETS", "250")), 500
PORTIONS = range(-(-SECRETS // PORTION))
ID = re.compile(rb"[0-9a-f]{32,}")
"""Hashes and ids of documents: among millions of their digits are some that look like a number that was planted."""
PAGES = (
    "",
    "search?limit=500",
    "search?text=redacted&limit=500",
    "tail?limit=500",
    "quarantine",
    "timeline?id=visit-1",
)
Portion = tuple[bytes, list[tuple[str, Planted]]]
Shown = Callable[[bytes], set[str]]
CONTAINER = "4f" * 32
HALF = f'{{"correlation_id":"late","event":"login_failed","note":"{"n" * 16_300} password={WORD}'


def sample(portion: int) -> Portion:
    """Return a portion of the secrets of all kinds: their lines, and each with its kind and place."""
    random, made, planted = Random(f"{os.environ.get('SHIPPER_TEST_SEED', '1')} {portion}"), bytearray(), []
    for _ in range(min(PORTION, SECRETS - portion * PORTION)):
        place, text, secret = logged(random)
        made += docker(text, random.choice(("stdout", "stderr")))
        planted.append((f"{place}: {secret.text}", secret))
    return bytes(made), planted


def lines() -> bytes:
    """Return each secret in each carrier, whole and in parts as Docker writes long lines."""
    made = [
        docker(make(planted.text), "stdout", part)
        for planted in PLANTED
        for carrier, make in CARRIERS.items()
        for part in ((0, 64) if planted.kind == "email" else (0,))
        if carrier not in BOUND or planted.kind not in ("card", "bearer")
    ]
    return b"".join(made)


def partial_record(text: str, time: str) -> bytes:
    """Return a record of an unfinished message: the agent waits for its end."""
    return json.dumps({"log": text, "stream": "stdout", "time": time}).encode() + b"\n"


@pytest.fixture(params=PORTIONS)
def portion(request: pytest.FixtureRequest) -> Portion:
    """Return the lines of a portion, and the secrets in them."""
    return sample(request.param)


@pytest.fixture
def logs(tmp_path: Path, portion: Portion) -> Path:
    """Return the log of a container that was started with secrets in its labels and its environment."""
    folder = tmp_path / "containers" / CONTAINER
    folder.mkdir(parents=True)
    inner = {"Labels": {"note": PLANTED[0].text, "api-key": WORD}, "Env": [PLANTED[1].text], "Image": "keneyapp:2"}
    (folder / "config.v2.json").write_text(json.dumps({"Name": "/backend", "Config": inner}))
    log = folder / f"{CONTAINER}-json.log"
    log.write_bytes(lines() + portion[0])
    return log


@pytest.fixture
def shown(portion: Portion) -> Shown:
    """Return the function from bytes to the secrets of which a part is in them."""
    secrets = [*((planted.kind, planted) for planted in PLANTED), *portion[1]]

    def found(data: bytes) -> set[str]:
        data = ID.sub(b"", data)
        return {place for place, planted in secrets if shown_by(data, planted)}

    return found


def on_disk(*folders: Path) -> bytes:
    """Return every byte of every file, and the files' names."""
    return b"".join(
        str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        for folder in folders
        for path in folder.rglob("*")
    )


def run(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    """Return the output of a command, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert b'Traceback (most recent call last):\n  File "/' not in done.stderr, done.stderr
    return done.stdout + done.stderr


def pages(address: str) -> bytes:
    """Return everything that the agent serves."""
    served = b""
    for path in ("metrics", "status", "health", "ready", "live", *PAGES):
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=30) as answer:
            served += answer.read()
    return served


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_nothing_on_disk_on_a_page_or_on_a_screen(
    tmp_path: Path, logs: Path, shown: Shown, portion: Portion, log_format: str, request: pytest.FixtureRequest
) -> None:
    """Across a kill with half a secret read, a second start, and every command that shows something."""
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "shipper.yaml"
    config.write_text(
        f"log_level: debug\nlog_format: {log_format}\nredact: {{mode: hash}}\njoin: {{wait: 60s}}\ncounters: {{rules: [{{name: reads_total, help: Reads.,"
        " when: {event: patient_read}, labels: {path: {field: note, default: none}, to: {field: request_path, default: none}}}]}\n"
    )
    agent = AgentProcess(tmp_path, f"docker:{tmp_path}/containers/*/*-json.log", listen=address, config=config)
    request.addfinalizer(lambda: agent.process and agent.process.kill())
    with logs.open("ab") as file:
        file.write(partial_record(HALF, now := f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}.123456789Z"))
    agent.start()
    whole = logs.stat().st_size
    until(lambda: agent.metric("shipper_bytes_read_total") == whole, 90)
    until(lambda: agent.metric("shipper_lag_bytes") == 0, 90)
    served = pages(address)
    agent.kill()
    kept = on_disk(tmp_path / "state", tmp_path / "store")
    assert b"[redacted:" in kept
    assert shown(kept) == set()
    assert not any(event.get("correlation_id") == "late" for event in agent.events())
    with logs.open("ab") as file:
        file.write(partial_record(f'{WORD}", "user_id": 7}}\n', now))
    agent.start()
    until(lambda: any(event["correlation_id"] == "late" for event in agent.events() if "correlation_id" in event), 90)
    (late,) = [event for event in agent.events() if event.get("correlation_id") == "late"]
    assert late["user_id"] == 7
    served += pages(address)
    assert agent.stop() == 0
    options = ("--config", str(config), "--output", agent.output)
    state = ("--state-dir", str(tmp_path / "state"))
    said = [
        (tmp_path / "agent.log").read_bytes(),
        *(run(tmp_path, "search", "--limit", "0", "--format", form, *options) for form in ("json", "timeline")),
        run(tmp_path, "quarantine", "list", *options),
        run(tmp_path, "status", "--format", "json", *state, "--listen", address, "--config", str(config)),
        run(tmp_path, "explain", "--config", str(config), "--why", "reads_total", stdin=lines() + portion[0]),
        run(tmp_path, "explain", "--config", str(config), "--format", "json", stdin=lines() + portion[0]),
        run(tmp_path, "replay", "containers", *options, *state),
        run(tmp_path, "replay", "containers", "--dry-run", "--metrics-out", "history.txt", *options, *state),
        run(tmp_path, "replay", "-", "--container", "c1", *options, *state, stdin=lines() + portion[0]),
        (tmp_path / "history.txt").read_bytes(),
        *(json.dumps(entry).encode() for entry in agent.quarantined()),
    ]
    assert len(agent.quarantined()) > len(PLANTED)
    for shown_somewhere in (served, *said, on_disk(tmp_path / "state", tmp_path / "store")):
        assert shown(shown_somewhere) == set(), shown_somewhere[:400]


def test_nothing_is_tailed(tmp_path: Path, logs: Path, shown: Shown) -> None:
    """`shipper tail` shows the same as would be stored."""
    glob = f"docker:{tmp_path}/containers/*/*-json.log"
    with (tmp_path / "tailed").open("wb") as into:
        tail = subprocess.Popen(
            [sys.executable, "-m", "shipper", "tail", "--input", glob], cwd=tmp_path, stdout=into, stderr=into
        )
    try:
        for _ in range(600):  # lines written before its first scan are not followed
            with logs.open("ab") as file:
                file.write(docker(CARRIERS["message"](PLANTED[0].text)) + docker(CARRIERS["no JSON"](PLANTED[4].text)))
            if (tmp_path / "tailed").stat().st_size > 2000:
                break
            with pytest.raises(subprocess.TimeoutExpired):
                tail.wait(0.1)
    finally:
        tail.send_signal(signal.SIGINT)
        tail.wait(30)
    seen = (tmp_path / "tailed").read_bytes()
    assert b"redacted" in seen
    assert shown(seen) == set()


def test_nothing_in_bulk_bodies_and_dead_letters(tmp_path: Path, logs: Path, shown: Shown) -> None:
    """Neither in requests, nor in rejected documents, nor in dead letters."""
    node, bodies = ScriptedElasticsearch(), list[bytes]()
    node.templates = {"keneyapp-logs", "keneyapp-quarantine"}

    def refusing(_method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        bodies.append(body)
        if not path.endswith("/_bulk"):
            return None
        answers = []
        for number, document in enumerate(body.splitlines()[1::2]):
            preview = error("document_parsing_exception", f"failed to parse; preview: {document[:900].decode()}")
            answers.append({"create": {"status": 201} if number % 3 else {"status": 400, **preview}})
        return 200, {"errors": True, "items": answers}

    node.script = refusing
    with served(node):
        done = AgentProcess(tmp_path, f"docker:{tmp_path}/containers/*/*-json.log", output=node.url).once()
    assert done.returncode == 0, done.stderr
    letters = (tmp_path / "state" / "dead-letters.ndjson").read_bytes()
    assert (tmp_path / "state" / "dead-letters.ndjson").stat().st_mode & 0o777 == 0o600
    assert b"[redacted:" in letters
    assert b"[redacted:" in b"".join(bodies)
    for part in (letters, b"".join(bodies), on_disk(tmp_path / "state"), done.stderr.encode()):
        assert shown(part) == set()


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    """Yield a new topic, with its quarantine."""
    name = f"secrets-{WORD[:3]}"
    create_topics(kafka, name, f"{name}-quarantine")
    yield name
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.delete_topics([name, f"{name}-quarantine"])


def test_nothing_in_a_topic(tmp_path: Path, logs: Path, shown: Shown, kafka: str, topic: str) -> None:
    """Keys, headers and values of all messages, events and quarantine."""
    output = f"kafka://{kafka}/{topic}"
    done = AgentProcess(tmp_path, f"docker:{tmp_path}/containers/*/*-json.log", output=output).once()
    assert done.returncode == 0, done.stderr
    consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    places = [Place(topic, 0), Place(f"{topic}-quarantine", 0)]
    consumer.assign(places)
    ends, seen = consumer.end_offsets(places), list[Any]()
    while any(consumer.position(place) < ends[place] for place in places):
        seen += [record for records in consumer.poll(timeout_ms=1000).values() for record in records]
    consumer.close()
    assert len(seen) > len(PLANTED) * 20
    data = b"".join(repr((record.key, record.headers)).encode() + (record.value or b"") for record in seen)
    assert b"[redacted:" in data
    assert shown(data) == set()
