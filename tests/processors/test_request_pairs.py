"""A request in two entries counts once, with the status that answered it; no client hides or raises a count by it."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import Bounds, JsonFileAssembler, PlainAssembler
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.partial_state import holds_text
from shipper_processors.redact import Redactor
from shipper_processors.request_pairs import LONGEST_WAIT_MS, MOST_OPEN, MOST_UNANSWERED
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import HttpSource, Origin
from shipper_schemas.rules import Rule
from tests.examples import examples
from tests.processors.both_paths import NOW, docker, same

LOGIN, OTHER = "/api/v1/auth/login", "/api/v1/rooms"
FAILED, ATTEMPTS = "failed_login_attempts_total", "login_attempts_total"


def fastify(request_id: str, path: str = LOGIN, method: str = "POST", **changes: Any) -> str:
    """Return Fastify's entry of an incoming request."""
    request = {"method": method, "url": path, "hostname": "localhost:3000", "remoteAddress": "127.0.0.1"}
    entry = {"level": 30, "time": 1796038637920, "pid": 7, "hostname": "h", "reqId": request_id, "req": request}
    return json.dumps(entry | {"msg": "incoming request"} | changes)


def completed(request_id: str, status: int = 401, **changes: Any) -> str:
    """Return Fastify's entry of a completed request."""
    entry = {"level": 30, "time": 1796038637924, "pid": 7, "hostname": "h", "reqId": request_id}
    return json.dumps(
        entry | {"res": {"statusCode": status}, "responseTime": 3.2, "msg": "request completed"} | changes
    )


def rails(request_id: str, rest: str) -> str:
    """Return a line of Rails with tagged logging."""
    return f"I, [2026-11-30T11:37:18.123456 #1]  INFO -- : [{request_id}] {rest}"


STARTED = f'Started POST "{LOGIN}" for 127.0.0.1 at 2026-11-30 11:37:18 +0000'
COMPLETED = "Completed 401 Unauthorized in 5ms (ActiveRecord: 0.0ms | Allocations: 100)"
UUID = "9f2b6f2e-0b5e-4b5a-8f0e-2d8e1f0a9c11"


def chain_of(rules: Sequence[dict[str, Any]] = ()) -> Pipeline:
    """Return a chain with the built-in rules and others."""
    counting = Counting([*builtin_rules(["patient_read"]), *map(Rule.model_validate, rules)])
    histograms = frozenset(metric.name for metric in counting.metrics() if metric.type == "histogram")
    return Pipeline(Enforce(), counting, Redactor(), histograms=histograms)


CHAIN = chain_of()


class Log:
    """A log of one application."""

    def __init__(self, http_source: HttpSource = "structured", rules: Sequence[dict[str, Any]] = ()) -> None:
        """Begin without entries."""
        self.chain, self.batch, self.offset = chain_of(rules) if rules else CHAIN, Batch(), 0
        self.source = Source.of(Origin("/x.log", "c1", "backend", http_source=http_source))
        self.assembler = self._new()

    def _new(self) -> JsonFileAssembler:
        pairs = self.chain.pair_rules.of_log(self.source.origin)
        return JsonFileAssembler(self.source.origin.source, Bounds(), pairs=pairs)

    def add(self, *texts: str, time: str = "2026-11-30T11:37:18.1Z") -> None:
        """Process lines."""
        lines = b"".join(docker(text, time=time) for text in texts)
        self.chain.process(
            self.assembler.feed(lines, self.offset), self.source, self.batch, NOW, count=True, ship=False
        )
        self.offset += len(lines)
        self.chain.process(self.assembler.flush(), self.source, self.batch, NOW, count=True, ship=False)

    def restart(self) -> None:
        """Continue from a checkpoint."""
        saved, self.assembler = self.assembler.partial_state(), self._new()
        self.assembler.restore(saved)
        assert self.assembler.partial_state() == saved

    def count(self, metric: str = FAILED, *labels: str) -> float:
        """Return a counter."""
        return self.batch.counted.sums[metric, ("backend", *labels)]


def failed(*texts: str, **settings: Any) -> float:
    """Return the failed logins that lines count."""
    log = Log(**settings)
    log.add(*texts)
    return log.count()


@pytest.mark.parametrize(
    "texts",
    [
        [fastify("req-1"), completed("req-1")],
        [fastify(UUID, f"{LOGIN}?next=/"), completed("req-2", 200), completed(UUID)],
        [fastify("req-1", "//api/v1/auth/%6cogin/"), completed("req-1")],
        [rails(UUID, STARTED), rails(UUID, COMPLETED)],
        [rails(UUID, STARTED), rails(UUID, "Processing by SessionsController#create as JSON"), rails(UUID, COMPLETED)],
        [
            json.dumps({"request_id": "a-1", "method": "post", "path": LOGIN, "event": "begin", "level": "info"}),
            json.dumps({"request_id": "a-1", "status": "401", "event": "request_finished", "level": "info"}),
        ],
        [f"level=info msg=begin request_id=a-1 method=POST path={LOGIN}", "level=info request_id=a-1 status=401 duration_ms=3"],
        [fastify("req-1") + completed("req-1")],
        [f"[{fastify('req-1')},{completed('req-1')}]"],
    ],
    ids=["fastify", "other requests between", "encoded", "rails", "rails with a line between", "words", "logfmt", "glued", "array"],
)  # fmt: skip
def test_a_failed_login_in_two_entries_counts_once(texts: list[str]) -> None:
    """Whichever logger writes them; a second answer changes nothing."""
    assert failed(*texts) == 1
    if len(texts) > 1:
        assert failed(*texts, texts[-1]) == 1
        assert failed(*texts[:-1]) == 0


@pytest.mark.parametrize(
    "texts",
    [
        [completed("req-1")],
        [completed("req-1"), fastify("req-1")],
        [fastify("req-1"), completed("req-2")],
        [fastify("req-1"), completed("req-1", pid=8)],
        [fastify("req-1", OTHER), completed("req-1")],
        [fastify("req-1", method="GET"), completed("req-1")],
        [fastify("req-1"), completed("req-1", 500)],
        [fastify("req-1"), completed("req-1", responseTime=None, msg="upstream said")],
        [rails(UUID, STARTED), rails(UUID, "it is Completed 401 Unauthorized in 5ms")],
        [fastify("a b"), completed("a b")],
    ],
)
def test_other_entries_are_no_failed_login(texts: list[str]) -> None:
    """Another request, another process, another order, a status that is only mentioned, an id that is none."""
    assert failed(*texts) == 0


def test_the_stored_documents_stay_as_logged() -> None:
    """Only the counters see the pair."""
    log, lines = Log(), docker(fastify("req-1")) + docker(completed("req-1"))
    log.chain.process(log.assembler.feed(lines, 0), log.source, log.batch, NOW, count=True, ship=True)
    _, answer = (json.loads(document.body) for document in log.batch.documents)
    assert "path" not in answer
    assert answer["status_code"] == 401


def test_requests_that_do_not_count_are_not_matched() -> None:
    """With another source of requests, the application's are ignored."""
    assert failed(fastify("req-1"), completed("req-1"), http_source="off") == 0
    assert failed(fastify("req-1"), completed("req-1"), http_source="access") == 0


def test_an_event_with_a_name_of_its_own_counts_once() -> None:
    """A failed login that carries the status answers its request, so that the request does not count again."""
    named = completed("req-1", event="login_failed")
    assert failed(fastify("req-1"), named, completed("req-1")) == 1


def test_rules_of_requests_see_the_pair() -> None:
    """Histograms of durations and rules over a path alone, for requests of any path."""
    rules = [
        {"name": "request_seconds", "type": "histogram", "help": "h", "when": {"request": True}, "field": "duration_ms",
         "buckets": [1, 5], "labels": {"method": "method"}},
        {"name": "rooms_total", "help": "h", "when": {"path": OTHER, "status_code": {"min": 400}}},
        {"name": "named_total", "help": "h", "when": {"all": [{"request": True}, {"event": "request completed"}]}},
    ]  # fmt: skip
    log = Log(rules=rules)
    log.add(fastify("req-1", OTHER, "GET"), completed("req-1", 404), fastify("req-2", "/x"), completed("req-2", 200))
    assert [(one.labels, one.amount) for one in log.batch.counted.observations] == [(("GET",), 3.2), (("POST",), 3.2)]
    assert log.batch.counted.sums["rooms_total", ()] == 1


# --- kills and bounds ------------------------------------------------------------------------------


def test_a_checkpoint_between_the_two_entries_loses_nothing() -> None:
    """The open request is part of the partial state, which is encrypted with the texts in it."""
    log = Log()
    log.add(fastify("req-1"), fastify("req-2", OTHER))
    assert holds_text(log.assembler.partial_state())
    log.restart()
    log.add(completed("req-1"))
    log.restart()
    log.add(completed("req-1"), completed("req-2"))
    assert log.count() == 1
    assert not holds_text(log.assembler.partial_state())


def test_a_request_waits_for_a_bounded_time() -> None:
    """By the runtime's clock, so that a second reading gives the same."""
    log = Log()
    log.add(fastify("req-1"), time="2026-11-30T11:00:00Z")
    log.add(fastify("req-2", OTHER), time="2026-11-30T11:09:59Z")
    log.add(completed("req-1"), time="2026-11-30T11:09:59Z")
    assert log.count() == 1
    log.add(fastify("req-3"), time="2026-11-30T12:00:00Z")
    log.add(fastify("req-4", OTHER), time="2026-11-30T12:10:01Z")
    log.add(completed("req-3"), time="2026-11-30T12:10:01Z")
    assert log.count() == 1
    assert LONGEST_WAIT_MS == 600_000


def test_open_requests_are_bounded() -> None:
    """A log that answers at least one in so many requests keeps the latest; the oldest is forgotten."""
    log = Log()
    log.add(*(text for number in range(MOST_OPEN + 1) for text in (fastify(f"r-{number}"), completed("c-0"))))
    log.add(completed("r-0"))
    assert log.count() == 0
    log.add(completed("r-1"))
    assert log.count() == 1


def test_a_log_that_never_answers_is_left_alone() -> None:
    """A logger that binds method and path to every entry has no pairs; an answer begins to match again."""
    log = Log()
    log.add(*[fastify(f"r-{number}") for number in range(MOST_UNANSWERED + 5)])
    assert len(log.assembler.partial_state()) < 200
    log.add(completed("r-1"))
    assert log.count() == 0
    log.add(fastify("r-2"), completed("r-2"))
    assert log.count() == 1


def test_a_plain_file_has_no_times() -> None:
    """Then only the number of open requests is bounded."""
    log = Log()
    log.assembler = PlainAssembler("s", Bounds(), pairs=log.chain.pair_rules.of_log(log.source.origin))  # type: ignore[assignment]
    lines = f"{fastify('req-1')}\n{completed('req-1')}\n".encode()
    log.chain.process(log.assembler.feed(lines, 0), log.source, log.batch, NOW, count=True, ship=True)
    assert log.count() == 1


# --- what a client controls ------------------------------------------------------------------------


def test_requests_under_one_id_hide_no_failure_and_invent_no_success() -> None:
    """A client may choose the id: a slow request beside the login takes neither its failure nor gives it a success."""
    log = Log()
    log.add(fastify("x", OTHER), fastify("x"), completed("x", 200), completed("x", 401))
    assert log.count() == 1
    assert log.count(ATTEMPTS, "success") == 0
    log.add(fastify("x"), fastify("x"), completed("x", 401), completed("x", 200))
    assert (log.count(), log.count(ATTEMPTS, "success")) == (2, 1)


REQUESTS = st.tuples(
    st.sampled_from(["x", "y", "req-1"]),
    st.sampled_from([(LOGIN, "POST"), ("/API/v1/auth/%6cogin", "POST"), (OTHER, "GET"), ("/api/v1/patients", "POST")]),
    st.sampled_from([200, 201, 401, 403, 404, 500]),
)
TEXTS = st.sampled_from(
    ["", "request completed", '"method":"POST","url":"/api/v1/auth/login"', '{"res":{"statusCode":401}}', "\x00\x1b[0m"]
)


@examples(40)
@given(st.lists(REQUESTS, max_size=6), st.randoms(use_true_random=False), TEXTS, st.booleans())
def test_whatever_a_client_does_each_failed_login_counts_and_nothing_is_raised(
    requests: list[tuple[str, tuple[str, str], int]], rng: Any, text: str, restarts: bool
) -> None:
    """Ids, paths, order and texts are the client's; statuses are the server's answers to these requests.

    Of requests under one id, the failures of a login may be told as any of them, so that they may count in place of a
    failure of another request, but never beyond the logins that were tried.
    """
    waiting, log = [(number, *request) for number, request in enumerate(requests)], Log()
    open_: list[tuple[int, str, tuple[str, str], int]] = []
    tried: Counter[str] = Counter()
    expected = refused = created = succeeded = 0
    while waiting or open_:
        if waiting and (not open_ or rng.random() < 0.6):
            open_.append(waiting.pop(0))
            _, name, (path, method), status = open_[-1]
            is_login = "auth" in path
            tried[name] += is_login
            log.add(fastify(name, f"{path}?q={text}" if "\x00" not in text else path, method, agent=text))
            expected += is_login and status == 401
            refused += not is_login and status == 401
            created += path.endswith("patients") and 200 <= status <= 299
            succeeded += is_login and status == 200
        else:
            _, name, _, status = open_.pop(rng.randrange(len(open_)))
            log.add(completed(name, status, client=text))
        if restarts:
            log.restart()
    assert expected <= log.count() <= min(expected + refused, tried.total())
    assert log.count(ATTEMPTS, "success") <= succeeded
    assert log.batch.counted.sums["patient_operations_total", ("create",)] <= created


# --- both chains -----------------------------------------------------------------------------------


def flat(**fields: Any) -> bytes:
    """Return a json-file line with an object that the native path knows."""
    return docker(json.dumps({"level": "info", "message": "x", **fields}, separators=(",", ":")))


@examples(6)
@given(
    st.lists(
        st.one_of(
            st.builds(lambda name, path: flat(correlation_id=name, method="POST", path=path), st.sampled_from("ab"), st.sampled_from([LOGIN, OTHER])),
            st.builds(lambda name, status: flat(correlation_id=name, status_code=status, duration_ms=1), st.sampled_from("ab"), st.sampled_from([200, 401])),
            st.builds(lambda name: flat(correlation_id=name, event="request_complete", method="POST", path=LOGIN, status_code=401), st.sampled_from("ab")),
            st.builds(lambda name: flat(correlation_id=name, event="exported"), st.sampled_from("ab")),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_both_paths_match_the_same_requests(lines: list[bytes]) -> None:
    """The native path declines each half of a request."""
    same(lines)
    same([b"".join(lines)])


def test_lines_of_a_log_without_pairs_stay_on_the_native_path() -> None:
    """Once so many requests began without an answer, their lines are ordinary again."""
    begun = [
        flat(correlation_id=f"c-{number}", event="begun", method="GET", path=OTHER)
        for number in range(MOST_UNANSWERED + 200)
    ]
    taken = same([b"".join(begun)])
    assert taken >= 100
