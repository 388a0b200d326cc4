"""Writes what is generated: references out of what declares them, errors out of what provokes them, Kibana's objects.

python -m docs.generate           write docs/reference/*.md, docs/errors.md, docs/man/*.1 and
                                  deploy/kibana/keneyapp.ndjson
python -m docs.generate --check   fail where a file is not current
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from docs import errors, manual, refusals
from shipper.cli import EXIT_CODES, cli
from shipper.config.settings import Settings
from shipper.metrics.catalogue import BUILD, measured, saved
from shipper.outputs.elasticsearch.kibana import ndjson
from shipper.web.app import ADDRESSES, LOGIN, LOGOUT, OPEN_TO_ALL
from shipper.web.pages.routes import ADDRESSES as PAGES
from shipper_processors.count import Counting
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.event import KNOWN_FIELDS, LEVELS
from shipper_schemas.field_sources import CARRIERS, FIELD_SOURCES, PLACEHOLDERS, TIME_FIELD, Form
from shipper_schemas.violation import DEFAULT_POLICIES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- written by `make docs`; edit what declares it instead -->\n"
MACHINES_OWN = ("host",)
FORMS: dict[Form, str] = {
    "s": "seconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "integer_ns": "nanoseconds as a whole number, as Go writes them",
    "unit": "a text with its unit",
    "seconds": "seconds since the epoch",
    "trace": "the trace id of a `traceparent`",
    "parent": "the span id of a `traceparent`",
    "last_part": "the part after `traces/`",
    "letter": "the letter that MongoDB writes",
    "serilog": "`info` if Serilog writes no level",
    "klog": "`info`, or `error` beside `err`",
    "otel": "OpenTelemetry's numbers",
    "python": "Python's numbers",
    "logback": "Logback's and Monolog's numbers",
    "request_line": "of a request line",
    "forwarded": "the first address of the list",
    "lines": "if it is a trace",
    "loguru": "a trace of loguru",
}
"""Forms of values that the reference names; the others say nothing more than the path."""


def main() -> int:
    """Write or check every reference; 1 where one is not current."""
    index = Settings().index
    pages = {
        ROOT / "docs" / "errors.md": errors.page(NOTE),
        FOLDER / "exit-codes.md": exit_codes(),
        FOLDER / "refusals.md": refused(),
        FOLDER / "configuration.md": configuration(),
        FOLDER / "commands.md": commands(),
        FOLDER / "fields.md": fields(),
        FOLDER / "metrics.md": metrics(),
        FOLDER / "addresses.md": addresses(),
        ROOT / "deploy" / "kibana" / "keneyapp.ndjson": ndjson(index.prefix, index.quarantine_prefix).decode(),
        **{ROOT / "docs" / "man" / name: text for name, text in manual.pages().items()},
    }
    stale = []
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not current: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    return 0


def table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def configuration() -> str:
    """Every key with its type, default and meaning."""
    schema = Settings.model_json_schema(by_alias=True)
    defaults = Settings().model_dump(mode="json", by_alias=True)
    for name in MACHINES_OWN:
        defaults[name] = "the machine's name"
    intro = (
        "# Configuration\n\n"
        f"{NOTE}\nThe file is YAML. A key `a: {{b: …}}` is also the variable `SHIPPER_A__B`; flags win over variables, "
        "variables over the file. Secrets come from variables or `*_file` keys. `shipper config show` prints what is "
        "in effect and where it comes from, `shipper check` what is wrong with it.\n\n"
        "A duration is a number of seconds or `250ms`, `30s`, `5m`, `12h`, `7d`; a size is a number of bytes or "
        "`512KiB`, `4MiB`, `10GB`. An empty variable leaves a key empty that may be. A list or mapping is written as "
        "YAML in a variable. A key or variable that is not in this list is refused, but for what Kubernetes sets "
        "where a Service is called `shipper`.\n\n"
        "A running agent takes over a changed file, and files that `*_file` keys name, as they change and on SIGHUP "
        "([reload](../reload.md)); a key marked *restart* waits for the next start.\n\n"
    )
    header = ("key", "type", "default", "change", "meaning")
    rows = table(header, keys(schema["properties"], schema["$defs"], defaults, ""))
    input_keys = keys(schema["$defs"]["InputSettings"]["properties"], schema["$defs"], {}, "")
    inputs = table(("key", "type", "default", "meaning"), ((*row[:3], row[4]) for row in input_keys))
    return f"{intro}{rows}\n## An input\n\n`TYPE:GLOB`, or a mapping:\n\n{inputs}"


def keys(
    properties: dict[str, Any],
    definitions: dict[str, Any],
    defaults: dict[str, Any],
    prefix: str,
    *,
    restart: bool = False,
) -> Iterator[tuple[str, ...]]:
    """One row a key, sections walked through; `restart` where that holds for all of them."""
    for name, schema in properties.items():
        waits = restart or schema.get("x-restart", False)
        section = definitions.get(schema.get("$ref", "").rpartition("/")[2], {})
        if "properties" in section:
            yield from keys(
                section["properties"], definitions, defaults.get(name, {}), f"{prefix}{name}.", restart=waits
            )
        else:
            default = defaults.get(name, schema.get("default"))
            shown = "" if default in (None, [], {}) else f"`{flow(default)}`"
            change = "restart" if waits else "reload"
            yield f"`{prefix}{name}`", kind(schema, definitions), shown, change, schema.get("description", "")


def kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Describe the type of a value in words."""
    if "$ref" in schema:
        return kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        units = {choice.get("description") for choice in schema["anyOf"]}
        if units & {"seconds", "bytes"}:
            return "duration" if "seconds" in units else "size"
        return " or ".join(kind(choice, definitions) for choice in schema["anyOf"] if choice != {"type": "null"})
    if schema["type"] == "array":
        return "list" if schema["items"] == {"type": "string"} else f"list of {kind(schema['items'], definitions)}"
    if schema["type"] == "string":
        return {"password": "secret", "path": "path"}.get(schema.get("format", ""), "text")
    return {"integer": "whole number", "number": "number", "boolean": "true or false"}.get(schema["type"], "mapping")


def flow(value: Any) -> str:  # noqa: ANN401 -- any setting
    """A value as YAML in one line."""
    return str(yaml.safe_dump(value, default_flow_style=True, width=1000)).removesuffix("...\n").strip()


def commands() -> str:
    """The help of every command."""
    context = click.Context(cli, info_name="shipper", max_content_width=80, terminal_width=80)
    return f"# Commands\n\n{NOTE}\n[Exit codes](exit-codes.md) are those of every command.\n" + "".join(
        helps(cli, context, 2)
    )


def exit_codes() -> str:
    """Return the exit codes, and the errors of the errors page by their code."""
    codes = table(("code", "means"), ((str(code), meaning) for code, meaning in EXIT_CODES.items()))
    return (
        f"# Exit codes\n\n{NOTE}\n{codes}\nWhat is printed on the standard output is the answer, and nothing else; "
        "problems and the agent's own log go to the standard error. [Errors](../errors.md) shows what ends with what.\n"
    )


def refused() -> str:
    """Every message that the shipper has for a refusal, by what it is about."""
    left = {refusal.kind for refusal in refusals.refusals()} - refusals.TITLES.keys()
    assert not left, f"give {left} a title in docs/refusals.py"
    return (
        f"# Refusals\n\n{NOTE}\nEvery message with which the shipper refuses or gives up, and what it says to do. ⟨…⟩ "
        "stands for what it is about. Those that are met first are shown in full among the [errors](../errors.md).\n"
        + "".join(f"\n## {title}\n\n{of_kind(kind)}" for kind, title in refusals.TITLES.items())
    )


def of_kind(kind: str) -> str:
    """The table of one class of refusals."""
    return table(("it says", "and to do"), refusals.rows(kind))


def helps(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """A command's help and those below it."""
    yield f"\n{'#' * level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                inner = click.Context(below, info_name=name, parent=context, max_content_width=80, terminal_width=80)
                yield from helps(below, inner, min(level + 1, 4))


def fields() -> str:
    """Known fields, and the kinds of violations."""
    known = table(
        ("field", "type", "ECS alias", "meaning"),
        (
            (f"`{name}`", field.type, f"`{field.ecs}`" if field.ecs else "", field.meaning)
            for name, field in KNOWN_FIELDS.items()
        ),
    )
    kinds = table(
        ("kind", "policy by default"), ((f"`{kind}`", policy.value) for kind, policy in DEFAULT_POLICIES.items())
    )
    return (
        f"# Fields\n\n{NOTE}\nWhat an application may log. Everything else is kept under `extra`.\n\n{known}\n"
        "The shipper adds `@timestamp`, `stream`, `container`, `kubernetes`, `service`, `host`, `log` and, where "
        f"something was wrong and the entry is kept, `schema.errors`.\n\n{common_loggers()}\n"
        f"## Violations\n\n{kinds}"
    )


def common_loggers() -> str:
    """Where each known field is read from, by the table that normalisation executes."""
    rows = ((f"`{'@timestamp' if name == TIME_FIELD else name}`", places(name)) for name in FIELD_SOURCES)
    carriers = ", ".join(f"`{carrier}`" for carrier in CARRIERS)
    return (
        "## What is read from common loggers\n\n"
        "Known fields are read from these places, in this order: a path is looked up as a key with dots first, then as "
        "nested objects. `…` stands for any of the objects in which loggers nest the values that an application binds: "
        f"{carriers}. A place that is marked *beside* is used only where the entry also has one of the named keys. "
        "Units are converted, numbers in strings become numbers, and the originals are kept under `extra`. "
        "`schema.fields` and the container labels `shipper.fields.FIELD` add places before these.\n\n"
        f"{table(('field', 'read from, in this order'), rows)}\n"
        "Where no correlation id is found, the trace id is used. Where no message is found, a text under `event` is "
        f"copied. Levels are {', '.join(f'`{level}`' for level in LEVELS)}; any other word moves to `extra`. "
        "Texts that mean no value, as ids, names and levels: "
        f"{', '.join(f'`{text}`' for text in sorted(PLACEHOLDERS - {''}))}, empty, zeros and dashes alone.\n"
    )


def places(name: str) -> str:
    """The places of a field in their order; those within each carrier are one place."""
    shown: dict[str, None] = {}
    for source in FIELD_SOURCES[name]:
        carrier = next((carrier for carrier in CARRIERS if source.path.startswith(f"{carrier}.")), None)
        inner = "" if carrier is None else source.path.removeprefix(f"{carrier}.")
        everywhere = carrier and all(
            any(other.path == f"{each}.{inner}" for other in FIELD_SOURCES[name]) for each in CARRIERS
        )
        path = f"`….{inner}`" if everywhere else f"`{source.path}`"
        notes = [FORMS[source.form]] if source.form in FORMS else []
        if source.beside:
            notes.append(f"*beside* {', '.join(f'`{key}`' for key in source.beside)}")
        shown[f"{path} ({'; '.join(notes)})" if notes else path] = None
    return ", ".join(shown)


def metrics() -> str:
    """Every metric that /metrics shows."""
    business = Counting(builtin_rules(Settings().counters.business_events)).metrics()
    own = (*saved("agent"), *measured("agent"))
    indexers = [own_metric for own_metric in (*saved("indexer"), *measured("indexer")) if own_metric not in own]
    header = ("metric", "type", "labels", "meaning")

    def rows(metrics: Any) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 -- metrics
        return ((f"`{metric.name}`", metric.type, ", ".join(metric.labels), metric.help) for metric in metrics)

    return (
        f"# Metrics\n\n{NOTE}\nCounters survive restarts and are shown once they are committed.\n\n"
        f"## Counted from events\n\n{table(header, rows(business))}\n"
        f"## The shipper itself\n\n{table(header, rows(own))}\n"
        f"## An indexer, beside those of the output\n\n{table(header, rows(indexers))}\n"
        f"Beside these: `{BUILD.name}`, and `process_*` and `python_info` of the Prometheus client.\n"
    )


def addresses() -> str:
    """Every address that an agent or an indexer serves."""
    header = ("address", "shows", "beyond loopback")

    def rows(pages: dict[str, str]) -> Iterator[tuple[str, ...]]:
        for address, shows in pages.items():
            free = address in OPEN_TO_ALL or address in (LOGIN, LOGOUT)
            yield f"`{address}`", shows, "open" if free else "token"

    return (
        f"# Addresses\n\n{NOTE}\nAt `listen`, of an agent and of an indexer alike. All is read with GET; nothing "
        "can be changed by it. A program gives the token as `Authorization: Bearer …`, a person signs in.\n\n"
        f"## Pages\n\n{table(header, rows(PAGES))}\n"
        f"## For programs\n\n{table(header, rows(ADDRESSES))}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except errors.Changed as changed:
        sys.exit(f"docs/errors.py: {changed}")
