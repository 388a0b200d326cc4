"""The part of the chain plan about times: names in notations, and the zone of times that name none as a table."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from shipper_processors.chain_plan import TimesPlan, ZonePlan
from shipper_processors.time_formats import MONTHS
from shipper_processors.time_zones import AMBIGUOUS, MINUTES
from shipper_processors.times import EPOCH, PAIRS

FROM, TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)
"""Range of a zone's table. Times outside are read by Python, which has the database."""
STEP = timedelta(days=1)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
TIMES = TimesPlan(
    tuple(MONTHS.items()),
    tuple((seconds, part, per_ms) for (seconds, part), per_ms in PAIRS.items()),
    tuple(MINUTES.items()),
    tuple(sorted(AMBIGUOUS)),
)


@lru_cache(maxsize=64)
def zone_plan(zone: tzinfo) -> ZonePlan:
    """Return the offsets of a zone, found by asking for each day, since the database gives no list of them."""
    if zone is UTC:
        return ZonePlan("UTC", ((0, 0, "UTC"),), None)
    offsets = [(0, *_at(FROM, zone))]
    moment = FROM
    while moment < TO:
        following = moment + STEP
        while _at(following, zone) != offsets[-1][1:]:
            begin = _first_change(moment, following, zone)
            offsets.append((_ms(begin), *_at(begin, zone)))
            moment = begin
        moment = following
    return ZonePlan(str(zone), tuple(offsets), (_ms(FROM + STEP), _ms(TO - STEP)))


def _at(moment: datetime, zone: tzinfo) -> tuple[int, str]:
    """Return the offset in milliseconds and the abbreviation of an instant."""
    local = moment.astimezone(zone)
    return (local.utcoffset() or timedelta()) // MILLISECOND, local.tzname() or ""


def _first_change(earlier: datetime, later: datetime, zone: tzinfo) -> datetime:
    """Return the first second between two instants at which the offset is not that of the earlier."""
    before = _at(earlier, zone)
    while later - earlier > SECOND:
        middle = earlier + (later - earlier) // SECOND // 2 * SECOND
        if _at(middle, zone) == before:
            earlier = middle
        else:
            later = middle
    return later


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND
