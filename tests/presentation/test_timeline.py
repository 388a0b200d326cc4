"""The entries of one id, separated where the id is unique only within a container."""

from typing import Any

from shipper.presentation.timeline import GROUPED_NOTICE, LOCAL_NOTICE, common_id, scope_notice, scopes


def entry(container: str, **fields: Any) -> dict[str, Any]:
    """An entry of a container."""
    return {"correlation_id": "req-1", "container": {"id": container * 12, "name": container}, **fields}


def test_an_id_that_is_unique_everywhere_is_one_timeline() -> None:
    """Across containers."""
    (scope,) = groups = scopes([entry("a"), entry("b")])
    assert (scope.container, len(scope.entries), scope_notice(groups)) == ("", 2, None)


def test_an_id_that_a_process_counts_up_is_a_timeline_for_each_container() -> None:
    """Strangers with the same number are not mixed; entries with a unique id stay together."""
    local = {"correlation_scope": "local"}
    entries = [entry("a", **local), entry("b", **local), entry("c"), entry("a", n=1, **local), entry("d")]
    groups = scopes(entries)
    assert [(scope.container, len(scope.entries)) for scope in groups] == [("a", 2), ("b", 1), ("", 2)]
    assert scope_notice(groups) == GROUPED_NOTICE
    assert scope_notice(scopes([entry("a", **local)])) == LOCAL_NOTICE


def test_containers_of_the_same_name_on_two_nodes_are_apart() -> None:
    """And so are two files without a container."""
    local = {"correlation_scope": "local"}
    assert len(scopes([entry("a", host={"name": node}, **local) for node in ("n1", "n2")])) == 2
    files = [{"correlation_id": "1", "log": {"file": {"path": path}}, **local} for path in ("/a.log", "/b.log")]
    assert [scope.container for scope in scopes(files)] == ["/a.log", "/b.log"]


def at(time: str, **fields: Any) -> dict[str, Any]:
    """An entry with an id that its process counts up."""
    return entry("a", correlation_scope="local", **{"@timestamp": f"2026-11-30T{time}.000Z"}, **fields)


def test_runs_of_one_container_are_apart() -> None:
    """A restarted process counts from the beginning: its id differs, or much time lies between."""
    assert [len(scope.entries) for scope in scopes([at("10:00:00"), at("10:04:00"), at("10:09:30")])] == [2, 1]
    assert [len(scope.entries) for scope in scopes([at("10:09:30"), at("10:04:00"), at("10:00:00")])] == [1, 2]
    processes = [at("10:00:00", extra={"pid": pid}) for pid in (7, 7, 8)] + [at("10:00:01"), at("10:00:02", extra={})]
    assert [len(scope.entries) for scope in scopes(processes)] == [2, 3]
    assert [scope.container for scope in scopes(processes)] == ["a", "a"]
    assert scope_notice(scopes(processes)) == GROUPED_NOTICE


def test_a_long_request_is_one_run_and_a_unique_id_has_none() -> None:
    """The duration fills the time before the end of a request."""
    assert len(scopes([at("10:00:00"), at("10:20:00", duration_ms=1_199_000)])) == 1
    assert (
        len(scopes([at("10:00:00") | {"correlation_scope": None}, at("11:00:00") | {"correlation_scope": None}])) == 1
    )


def test_the_shown_id_is_the_one_that_all_entries_have() -> None:
    """A search by trace id finds requests with several correlation ids."""
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"correlation_id": "a"}]) == ("correlation id", "a")
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"trace_id": "t"}]) == ("trace id", "t")
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"correlation_id": "t"}]) == ("correlation id", "t")
    assert common_id([{}]) == ("correlation id", "")
