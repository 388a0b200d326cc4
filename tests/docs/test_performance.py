"""The figures of the documentation are those of the last measurement, over a mix that is named."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.mix import KINDS, MIX, WEIGHTS, ensure, records
from benchmarks.sink import log_records
from benchmarks.tables import PAGES, RESULTS, filled, table

ROOT = Path(__file__).parents[2]
REPORT = json.loads((RESULTS / "beside.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_hold_what_was_measured(path: Path) -> None:
    """Each table is written from the results, the table over the mix first, with both paths of shipper."""
    text = path.read_text(encoding="utf-8")
    assert filled(text, PAGES[path]) == text
    first = re.findall(r"<!-- table: (\w+) -->", text)[0]
    assert first in {"mix", "summary"}
    for agent in ("| shipper |", "| shipper, plain Python |", "| Fluent Bit |"):
        assert table(first).count(agent) == 2, "on one file and on 200"


def test_the_results_cover_every_kind_and_both_numbers_of_files() -> None:
    """The mix and each kind alone, by shipper and by Fluent Bit."""
    measured = {(row["kind"], row["files"], row["agent"]) for row in REPORT["results"]}
    wanted = {
        (kind, files, agent) for kind in (MIX, *KINDS) for files in (1, 200) for agent in ("shipper", "Fluent Bit")
    }
    assert wanted - measured == set()
    assert REPORT["weights"] == {kind.__name__: weight for kind, weight in WEIGHTS.items()}


def test_a_page_without_the_place_of_a_table_is_an_error() -> None:
    """Rather than a table that silently stays as it is."""
    with pytest.raises(ValueError, match="no single place for the table mix"):
        filled("# Performance\n", ("mix",))


def test_the_mix_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    """Its weights are percentages; equal arguments give equal bytes; each kind is one record a line."""
    assert sum(WEIGHTS.values()) == 100
    assert list(records(MIX, 200, 1)) == list(records(MIX, 200, 1)) != list(records(MIX, 200, 2))
    for kind in KINDS:
        (record,) = records(kind, 1, 1)
        assert json.loads(record)["log"].endswith("\n")
        assert record.count(b"\n") == 1
    root = ensure(tmp_path, MIX, 100, 4)
    assert [path.read_bytes().count(b"\n") for path in root.glob("*/*-json.log")] == [25] * 4


def test_the_sink_counts_records_of_opentelemetry() -> None:
    """In each scope of each resource; the other fields, of whatever length, are no records."""

    def field(number: int, content: bytes) -> bytes:
        size, prefix = len(content), bytearray()
        while size >= 0x80:
            prefix.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes([number << 3 | 2, *prefix, size]) + content

    scope = field(1, b"scope") + field(2, b"a" * 300) + field(2, b"") + field(3, b"schema")
    resource = field(1, b"resource" * 40) + field(2, scope) + field(2, field(2, b"b")) + field(3, b"schema")
    assert log_records(field(1, resource) + field(1, field(1, b"empty"))) == 3
    assert log_records(b"") == 0
