"""The pipeline built from the settings."""

from zoneinfo import ZoneInfo

from shipper.bootstrap.build_pipeline import skew_of
from shipper.config.settings import Settings
from shipper_processors.route import Skew


def test_bounds_and_zone_of_times_are_configured() -> None:
    """Durations in seconds become milliseconds, the name of a zone becomes the zone."""
    settings = Settings.model_validate(
        {"schema": {"max_future": "1s", "max_past": "2s", "max_age": "3s", "timezone": "Europe/Paris"}}
    )
    assert skew_of(settings) == Skew(1000, 2000, 3000, ZoneInfo("Europe/Paris"))
    assert skew_of(Settings()) == Skew()
