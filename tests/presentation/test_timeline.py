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


def test_the_shown_id_is_the_one_that_all_entries_have() -> None:
    """A search by trace id finds requests with several correlation ids."""
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"correlation_id": "a"}]) == ("correlation id", "a")
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"trace_id": "t"}]) == ("trace id", "t")
    assert common_id([{"correlation_id": "a", "trace_id": "t"}, {"correlation_id": "t"}]) == ("correlation id", "t")
    assert common_id([{}]) == ("correlation id", "")
