"""Timeline view: one request as lanes and rows, with positions and lengths in thousandths of the whole span."""

from collections.abc import Sequence
from typing import NamedTuple

from shipper.presentation.format import Body, named_summary, span, text_of
from shipper.presentation.timeline import Step, Timeline, common_id, scope_notice, scopes
from shipper.web.pages.event_rows import Row, cut, row
from shipper_processors.times import format_ms

SCALE, LEAST = 1000.0, 4.0
"""Width of the picture, and of the shortest bar."""
COLOURS = 6
TICKS = 5
MOST_LANES, MOST_BARS = 12, 400


class Bar(NamedTuple):
    """A bar in a lane."""

    x: str
    width: str
    colour: int
    wrong: bool
    title: str


class Lane(NamedTuple):
    """Entries of one service or container."""

    origin: str
    bars: list[Bar]


class Moment(NamedTuple):
    """A row of the timeline, with the gap before it."""

    gap: str
    offset: str
    bar: Bar
    row: Row


class TimelineView(NamedTuple):
    """The timeline of a request."""

    id_kind: str
    """`Correlation id` or `Trace id`."""
    correlation: str
    container: str
    """The container in which the id is unique; empty if the id is unique everywhere."""
    started: str
    span: str
    number: int
    origins: list[str]
    lanes: list[Lane]
    more_lanes: int
    ticks: list[str]
    moments: list[Moment]
    verdict: str
    wrong: int
    first_wrong: str
    """Anchor of the first error; empty if there is none."""


def timeline_views(entries: Sequence[Body]) -> tuple[list[TimelineView], str | None]:
    """Return the timeline of `entries`, and None; of an id that is unique only within a container, one for each.

    Then the second part is a sentence that says so.
    """
    groups = scopes(entries)
    return [timeline_view(group.entries, group.container) for group in groups], scope_notice(groups)


def timeline_view(entries: Sequence[Body], container: str = "") -> TimelineView:
    """Build the timeline of `entries`, at least one, in time order."""
    id_kind, correlation = common_id(entries)
    timeline = Timeline.of(entries)
    origins = timeline.origins
    colours = {name: place % COLOURS for place, name in enumerate(origins)}
    moments = [_moment(timeline, step, colours) for step in timeline.steps]
    lanes = {name: Lane(name, []) for name in origins[:MOST_LANES]}
    for step, moment in zip(timeline.steps[:MOST_BARS], moments, strict=False):
        if step.origin in lanes:
            lanes[step.origin].bars.append(moment.bar)
    wrong = [moment for moment, step in zip(moments, timeline.steps, strict=True) if step.failed]
    return TimelineView(
        id_kind=id_kind.capitalize(),
        correlation=correlation,
        container=container,
        started=format_ms(int(timeline.begin)).replace("T", " ").removesuffix("Z"),
        span=span(timeline.length),
        number=len(moments),
        origins=origins,
        lanes=list(lanes.values()),
        more_lanes=max(0, len(origins) - MOST_LANES),
        ticks=_ticks(timeline.length),
        moments=moments,
        verdict=_verdict(timeline),
        wrong=len(wrong),
        first_wrong=wrong[0].row.anchor if wrong else "",
    )


def _ticks(length: float) -> list[str]:
    """Return the times since the start along the picture; none if all is one moment."""
    return ["0", *(span(length * tick / (TICKS - 1)) for tick in range(1, TICKS))] if length > 0 else []


def _moment(timeline: Timeline, step: Step, colours: dict[str, int]) -> Moment:
    gap = "" if step.gap is None else span(step.gap)
    return Moment(gap, timeline.offset(step), _bar(timeline, step, colours), row(step.entry))


def _bar(timeline: Timeline, step: Step, colours: dict[str, int]) -> Bar:
    begin, end = timeline.place(step.begin) * SCALE, timeline.place(step.end) * SCALE
    width = max(LEAST, end - begin)
    title = f"{timeline.offset(step)} {step.origin}: {text_of(step.entry.get('event'))}"
    return Bar(f"{min(begin, SCALE - width):.1f}", f"{width:.1f}", colours[step.origin], step.failed, cut(title, 200))


def _verdict(timeline: Timeline) -> str:
    wrong = timeline.wrong
    if not wrong:
        return "No errors."
    number = "1 error" if len(wrong) == 1 else f"{len(wrong)} errors, the first"
    first = wrong[0]
    return f"{number} at {timeline.offset(first)} in {first.origin}: {cut(named_summary(first.entry), 300)}"
