"""Labels by which a container says how its entries are read: its policy of ids, and where its fields stand."""

from collections.abc import Mapping
from typing import cast, get_args

from shipper_schemas.entry import RequireId
from shipper_schemas.event import KNOWN_FIELDS
from shipper_schemas.field_sources import TIME_FIELD

OWN = "shipper."
"""Beginning of the names of these labels, and of the annotations of pods that mean the same."""
REQUIRE_LABEL = "shipper.require-correlation-id"
FIELD_LABEL = "shipper.fields."
"""Followed by the name of a known field; the value is a list of paths, separated by commas."""
MOST_PATHS = 16
LONGEST_PATH = 128


def require_of(labels: Mapping[str, str]) -> RequireId | None:
    """Return the policy of ids of a container; None if it has no valid label."""
    value = labels.get(REQUIRE_LABEL, "").strip().lower()
    return cast("RequireId", value) if value in get_args(RequireId) else None


def paths_of(labels: Mapping[str, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the paths of fields of a container; labels of unknown fields are ignored."""
    paths = []
    for name in sorted(labels):
        field = name.removeprefix(FIELD_LABEL)
        if name.startswith(FIELD_LABEL) and (field in KNOWN_FIELDS or field == TIME_FIELD):
            listed = [path.strip() for path in labels[name].split(",")]
            valid = tuple(path for path in listed if 0 < len(path) <= LONGEST_PATH)[:MOST_PATHS]
            paths += [(field, valid)] if valid else []
    return tuple(paths)
