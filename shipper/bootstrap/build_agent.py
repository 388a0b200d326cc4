"""Wiring: the one place where settings become objects."""

from pathlib import Path
from typing import TYPE_CHECKING

from shipper.agent.agent import DECLARED, METRICS, Agent
from shipper.agent.hot_reload import Change
from shipper.agent.upkeep import Upkeep
from shipper.bootstrap.build_inputs import inputs_of, pace, tail_of
from shipper.bootstrap.build_pipeline import compiled_of, counting_of, from_zero, pipeline_of, redactor_of
from shipper.config.settings import Settings
from shipper.delivery.loop import Delivery
from shipper.inputs.files.glob_scan import Folders
from shipper.metrics.catalogue import OVERFLOWS, VIOLATIONS
from shipper.metrics.registry import Ledger
from shipper.outputs.registry import output_of
from shipper.outputs.sqlite.factory import upkeep_of
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper_schemas.metrics import Metric

if TYPE_CHECKING:
    pass


def agent(settings: Settings, clock: Clock, *, from_end: bool = False) -> Agent:
    """The agent that `settings` describe, its state open and locked. Raises ShipperError."""
    output = output_of(settings)
    state = state_of(settings)
    try:
        values, created = state.series()
        counting = counting_of(settings, values)
        declared = (*METRICS, VIOLATIONS, OVERFLOWS, *counting.metrics())
        ledger = Ledger({metric.name: metric for metric in declared})
        ledger.restore(values, created)
        ledger.declare([*DECLARED, *counting.declared(), *from_zero(counting)], clock.wall_ms() / 1000)
        pipeline = pipeline_of(settings, counting, redactor_of(settings))
        tail = tail_of(settings, state, from_end=from_end)
        tail.compiled = compiled_of(settings, pipeline)
        upkeep = Upkeep(upkeep_of(settings, output))
        return Agent(tail, pipeline, Delivery(output, ledger, clock), state, ledger, clock, pace(settings), upkeep)
    except BaseException:
        state.close()
        raise


def change(settings: Settings, before: Settings, *, from_end: bool, files_changed: bool) -> Change:
    """What a running agent has to take over so that `settings` hold, in place of those `before`.

    `files_changed`: whether a file that the settings name, a secret or a certificate, holds something else.
    Raises ShipperError where it cannot be had; nothing is changed by asking.
    """
    redactor = redactor_of(settings)
    pipeline_of(settings, counting_of(settings, ()), redactor)
    same_output = (settings.elasticsearch, settings.kafka) == (before.elasticsearch, before.kafka) and not files_changed
    rebuilt = None if same_output or settings.output.startswith("local:") else output_of(settings)
    named = (settings.inputs, settings.docker, settings.redact)
    known = {(found.type, found.glob) for found in before.inputs}
    inputs = inputs_of(settings, Folders(), known, from_end=from_end)
    return Change(
        pipeline=lambda series: pipeline_of(settings, counting_of(settings, series), redactor),
        compiled=lambda pipeline: compiled_of(settings, pipeline),
        declared=lambda pipeline: [*pipeline.counting.declared(), *from_zero(pipeline.counting)],
        upkeep=lambda output: upkeep_of(settings, output),
        inputs=None if named == (before.inputs, before.docker, before.redact) else inputs,
        output=rebuilt,
        reroutes=settings.schema_ != before.schema_,
    )


def state_of(settings: Settings, directory: Path | None = None) -> State:
    """The state in a directory, opened and locked. Raises StateError."""
    given = settings.state_key
    return State(directory or settings.state_dir, None if given is None else given.get_secret_value().encode())


def metrics_of(settings: Settings) -> list[Metric]:
    """Every metric that an agent of these settings keeps in its state."""
    return [*METRICS, VIOLATIONS, OVERFLOWS, *counting_of(settings, ()).metrics()]
