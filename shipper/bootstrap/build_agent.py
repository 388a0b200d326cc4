"""The agent, its reloads and its state, built from the settings."""

from pathlib import Path

from shipper.agent.agent import Agent
from shipper.agent.hot_reload import Change
from shipper.agent.maintenance import Maintenance
from shipper.bootstrap.build_inputs import held_files_of, inputs_of, pace, tail_of
from shipper.bootstrap.build_pipeline import compiled_of, counting_of, from_zero, pipeline_of, redactor_of
from shipper.config.settings import Settings
from shipper.delivery.loop import Delivery
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.pod_metadata import PodMetadata
from shipper.metrics import catalogue
from shipper.metrics.registry import Ledger
from shipper.outputs import registry
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.state.store import State
from shipper.system.clock import Clock


def agent(settings: Settings, clock: Clock, *, from_end: bool = False) -> Agent:
    """Build the agent with its state open and locked. Raises ShipperError."""
    output = registry.output_of(settings)
    state = state_of(settings)
    try:
        values, created = state.series()
        counting = counting_of(settings, values)
        metrics = (*catalogue.saved("agent"), *counting.metrics())
        ledger = Ledger({metric.name: metric for metric in metrics})
        ledger.restore(values, created)
        ledger.declare([*catalogue.from_zero("agent"), *from_zero(counting)], clock.wall_ms() / 1000)
        pipeline = pipeline_of(settings, counting, redactor_of(settings), ServiceBounds(values))
        tail = tail_of(settings, state, from_end=from_end)
        tail.fast_chain, tail.pair_rules = compiled_of(settings, pipeline), pipeline.pair_rules
        maintenance = Maintenance(registry.maintenance_of(settings, output))
        return Agent(
            tail, pipeline, Delivery(output, ledger, clock), state, ledger, clock, pace(settings), maintenance,
            held=held_files_of(settings, tail),
        )  # fmt: skip
    except BaseException:
        state.close()
        raise


def change(
    settings: Settings, before: Settings, *, from_end: bool, files_changed: bool, pods: PodMetadata | None = None
) -> Change:
    """Return the parts that a running agent has to replace to get from the settings `before` to `settings`.

    `files_changed`: a file that the settings name, a secret or a certificate, has new content.
    Raises ShipperError if a part cannot be built. The agent itself is not touched.
    """
    redactor = redactor_of(settings)
    pipeline_of(settings, counting_of(settings, ()), redactor)
    new_output = registry.factory(settings).changed(settings, before, files=files_changed)
    named = (settings.inputs, settings.docker, settings.redact)
    known = {(section.type, section.glob) for section in before.inputs}
    inputs = inputs_of(settings, Folders(), known, from_end=from_end, pods=pods)
    return Change(
        pipeline=lambda series: pipeline_of(settings, counting_of(settings, series), redactor, ServiceBounds(series)),
        compiled=lambda pipeline: compiled_of(settings, pipeline),
        declared=lambda pipeline: list(from_zero(pipeline.counting)),
        maintenance=lambda output: registry.maintenance_of(settings, output),
        inputs=None if named == (before.inputs, before.docker, before.redact) else inputs,
        output=registry.output_of(settings) if new_output else None,
        reroutes=settings.schema_ != before.schema_,
    )


def state_of(settings: Settings, directory: Path | None = None) -> State:
    """Open and lock the state in a directory. Raises StateError."""
    key = settings.state_key
    return State(directory or settings.state_dir, None if key is None else key.get_secret_value().encode())
