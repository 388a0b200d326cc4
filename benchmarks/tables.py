"""Tables of the documentation from the measured figures, between two comments that name them.

python -m benchmarks.tables           write the tables into README.md and docs/performance.md
python -m benchmarks.tables --check   fail where a table is not current
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.mix import MIX

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OURS, YARDSTICK = "shipper", "Fluent Bit"
Row = dict[str, Any]


def circumstances(report: Row) -> str:
    """The sentence under a table that says how it was measured."""
    machine = report["machine"]
    return (
        f"Medians of {report['runs']} alternating runs over {report['lines']:,} lines of the mix and"
        f" {report['kind_lines']:,} of a kind alone; Python {machine['python']}, {machine['cores']}"
        f" {machine['machine']} cores, load {report['load_before']} before."
    )


def mix(report: Row) -> Iterator[str]:
    """All agents over the mix, with every figure."""
    yield "| files | agent | CPU s per million | of Fluent Bit | of the floor | events/s | resident MB | cores used |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in _over_mix(report):
        yield (
            f"| {row['files']} | {row['agent']} | {row['cpu_s_per_million']:.1f} | {_times(row['of_fluent_bit'])}"
            f" | {_times(row['of_the_floor'])} | {row['events_per_second']:,} | {row['rss_mb']:.0f}"
            f" | {row['cores_used']:.1f} |"
        )
    yield f"\n{circumstances(report)}"


def summary(report: Row) -> Iterator[str]:
    """All agents over the mix, for the first page."""
    yield "| agent | files | CPU s per million | of Fluent Bit | events/s | resident MB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in _over_mix(report):
        yield (
            f"| {row['agent']} | {row['files']} | {row['cpu_s_per_million']:.1f} | {_times(row['of_fluent_bit'])}"
            f" | {row['events_per_second']:,} | {row['rss_mb']:.0f} |"
        )


def kinds(report: Row) -> Iterator[str]:
    """Shipper beside Fluent Bit on each kind of line alone."""
    yield (
        "| kind | % of the mix | files | bytes a line | shipper, CPU s per million | Fluent Bit | of Fluent Bit"
        " | of the floor | a byte, of an ordinary line |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    rows = {(row["kind"], row["files"], row["agent"]): row for row in report["results"]}
    for kind, weight in report["weights"].items():
        for files in sorted({files for name, files, _ in rows if name == kind}):
            own, other = rows.get((kind, files, OURS)), rows.get((kind, files, YARDSTICK))
            if own is None:
                continue
            base = rows.get(("ordinary", files, OURS))
            yield (
                f"| {kind} | {weight} | {files} | {own['bytes_per_line']} | {own['cpu_s_per_million']:.1f}"
                f" | {'' if other is None else format(other['cpu_s_per_million'], '.1f')}"
                f" | {_times(own['of_fluent_bit'])} | {_times(own['of_the_floor'])}"
                f" | {'' if base is None else _times(_a_byte(own) / _a_byte(base))} |"
            )


def steps(report: Row) -> Iterator[str]:
    """Each step of the chain alone."""
    yield "| step | CPU µs a line | of the floor |"
    yield "| --- | --- | --- |"
    for name, row in report["results"].items():
        yield f"| {name} | {row['cpu_us']:.1f} | {row['of_the_floor']:.1f} x |"


def _over_mix(report: Row) -> Iterator[Row]:
    """Rows of the mix by number of files, the cheapest agent first."""
    rows = [row for row in report["results"] if row["kind"] == MIX]
    yield from sorted(rows, key=lambda row: (row["files"], row["cpu_s_per_million"]))


def _a_byte(row: Row) -> float:
    return float(row["cpu_s_per_million"]) / float(row["bytes_per_line"])


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} x"


TABLES: dict[str, tuple[str, Callable[[Row], Iterator[str]]]] = {
    "mix": ("beside", mix),
    "summary": ("beside", summary),
    "kinds": ("beside", kinds),
    "steps": ("steps", steps),
}
"""By name: the measurement, and the lines of the table."""
PAGES = {ROOT / "README.md": ("summary",), ROOT / "docs" / "performance.md": ("mix", "kinds", "steps")}


def table(name: str) -> str:
    """Return a table of the last measurement."""
    measurement, lines = TABLES[name]
    report = json.loads((RESULTS / f"{measurement}.json").read_text(encoding="utf-8"))
    return "\n".join(lines(report)) + "\n"


def filled(text: str, names: tuple[str, ...]) -> str:
    """Return a page with its tables between `<!-- table: NAME -->` and `<!-- end -->`; ValueError without."""
    for name in names:
        begin = f"<!-- table: {name} -->\n"
        before, mark, rest = text.partition(begin)
        _, end, after = rest.partition("<!-- end -->")
        if not mark or not end or begin in after:
            raise ValueError(f"no single place for the table {name}")
        text = f"{before}{mark}{table(name)}{end}{after}"
    return text


def main() -> int:
    """Write or check the tables; 1 where one is not current."""
    stale = []
    for path, names in PAGES.items():
        before = path.read_text(encoding="utf-8")
        if (after := filled(before, names)) != before:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(after, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not current: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
