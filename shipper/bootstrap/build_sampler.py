"""The sampler of logs built from the settings; only `shipper check` needs it."""

from shipper.bootstrap.build_inputs import inputs_of
from shipper.bootstrap.build_pipeline import bounds_of, counting_of, pipeline_of, read_only_redactor
from shipper.config.settings import Settings
from shipper.diagnose.sample_logs import Sampler
from shipper.inputs.files.glob_scan import Folders
from shipper.system.clock import Clock
from shipper_processors.assemble import ASSEMBLERS


def sampler(settings: Settings, clock: Clock) -> Sampler:
    """Return a sampler of the ends of the inputs' logs, which stores nothing. Raises ShipperError."""
    files = [section for section in settings.inputs if section.type in ASSEMBLERS]
    inputs = inputs_of(settings.model_copy(update={"inputs": files}), Folders(), (), from_end=True)
    pipeline = pipeline_of(settings, counting_of(settings, ()), read_only_redactor(settings))
    return Sampler(inputs, pipeline, bounds_of(settings), clock)
