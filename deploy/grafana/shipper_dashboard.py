"""The shipper's own dashboard: throughput, lag, delivery and quarantine."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.business_dashboard import added
from deploy.grafana.layout import Rows, laid_out
from deploy.grafana.main_dashboard import APP, RATE, quantiles
from deploy.grafana.panels import EVENTS, QUARANTINE, TODAY, Limits, graph, lines, number, terms_table

FILE = "grafana-shipper-dashboard.json"
SHIPPER = 'job="shipper",environment=~"$environment",instance=~"$instance"'


def rate(counter: str, by: str = "") -> str:
    """Rate of a counter over all agents, by the label `by` if set."""
    total = f"sum by ({by})" if by else "sum"
    return f"{total} (rate({counter}{{{SHIPPER}}}{RATE}))"


def throughput() -> Rows:
    """Input and events by outcome."""
    return {
        "Throughput": [
            graph(
                "Lines Read",
                "How many lines do the agents read a second?",
                "short",
                {
                    "{{instance}}": rate("shipper_lines_read_total", "instance"),
                },
            ),
            graph(
                "Bytes Read",
                "How much is that?",
                "Bps",
                {
                    "{{instance}}": rate("shipper_bytes_read_total", "instance"),
                },
            ),
            graph(
                "Events by Outcome",
                "What becomes of the events: indexed, quarantined, dropped, stored before?",
                "short",
                {
                    "{{outcome}}": rate("shipper_events_total", "outcome"),
                },
            ),
            graph(
                "Lines by Outcome",
                "What was decided of the lines? The sum is all that was read: nothing vanishes.",
                "short",
                {
                    "{{outcome}}": rate("shipper_lines_total", "outcome"),
                },
            ),
        ]
    }


def delivery() -> Rows:
    """Delivery to the output."""
    latency = "shipper_output_request_duration_seconds"
    return {
        "Delivery": [
            number(
                "Output Up",
                "Do all outputs take batches? While one does not, counting goes on and events wait in the files.",
                "short",
                f"min(shipper_output_up{{{SHIPPER}}})",
                limits=Limits(1, 0.5, falling=True),
            ),
            graph(
                "Lag in Seconds",
                "How long has the oldest event waited to be stored?",
                "s",
                {
                    "{{instance}}": f"max by (instance) (shipper_lag_seconds{{{SHIPPER}}})",
                },
                Limits(60, 300),
            ),
            graph(
                "Lag in Bytes",
                "How much waits to be stored? Rotation must not overtake it.",
                "bytes",
                {
                    "{{instance}}": f"sum by (instance) (shipper_lag_bytes{{{SHIPPER}}})",
                },
            ),
            graph(
                "Output Latency",
                "How long does the output take for a batch?",
                "s",
                quantiles(latency, SHIPPER),
            ),
            graph(
                "Output Requests by Result",
                "How many batches does the output take, and how many not?",
                "reqps",
                {
                    "{{result}}": rate("shipper_output_requests_total", "result"),
                },
            ),
            graph(
                "Retries",
                "Does the output ask for documents again, or for less?",
                "short",
                {
                    "retried": rate("shipper_output_retries_total"),
                    "throttled": rate("shipper_output_throttled_total"),
                },
            ),
            graph(
                "Refused by the Index",
                "How many documents would their index not have? They are in quarantine, with the server's reason.",
                "short",
                {
                    "refused": rate("shipper_output_refused_total"),
                },
            ),
            graph(
                "State Commits",
                "How often are positions and counters committed? None, and nothing is kept.",
                "short",
                {
                    "{{instance}}": rate("shipper_state_commits_total", "instance"),
                },
            ),
        ]
    }


def quarantine() -> Rows:
    """Entries quarantined by the schema, by reason."""
    return {
        "Quarantine": [
            number(
                "Quarantined Today",
                "How many entries were refused since midnight?",
                "short",
                added("shipper_events_total", f'{SHIPPER},outcome="quarantined"'),
                since=TODAY,
            ),
            graph(
                "Violations by Reason",
                "What is wrong with what applications log?",
                "short",
                {
                    "{{reason}}": rate("shipper_violations_total", "reason"),
                },
            ),
            terms_table(
                "Quarantine by Service",
                "Whose entries are refused? From the quarantine index.",
                QUARANTINE,
                "service.name:$service",
                "service.name",
            ),
            lines(
                "Latest Refused Entries",
                "What do they look like? `shipper quarantine show` tells all of one, `release` tries it again.",
                QUARANTINE,
                "service.name:$service",
            ),
        ]
    }


def files() -> Rows:
    """Followed logs."""
    return {
        "Files": [
            graph(
                "Files Followed",
                "How many logs are followed, and how many cannot be opened?",
                "short",
                {
                    "followed": f"sum(shipper_files_followed{{{SHIPPER}}})",
                    "unreadable": f"sum(shipper_files_unreadable{{{SHIPPER}}})",
                },
            ),
            graph(
                "Rotations",
                "How often are logs rotated, or truncated in place?",
                "short",
                {
                    "rotations": rate("shipper_rotations_total"),
                    "truncations": rate("shipper_truncations_total"),
                },
            ),
            number(
                "Files Lost",
                "How many files went away before they were read to their end, or were damaged? Any is a loss.",
                "short",
                f"{added('shipper_files_lost_total', SHIPPER)} + {added('shipper_files_damaged_total', SHIPPER)}",
                limits=Limits(0.5, 1),
            ),
        ]
    }


def counting() -> Rows:
    """Correctness and cost of the counters."""
    operations = "patient_operations_total"
    return {
        "Counting": [
            graph(
                "Counted from Logs and by the Application",
                "Do both count the same patient operations? The application's own begin at zero with each restart.",
                "short",
                {
                    "from logs": f"sum(rate({operations}{{{SHIPPER}}}{RATE}))",
                    "by the application": f"sum(rate({operations}{{{APP}}}{RATE}))",
                },
            ),
            number(
                "Label Values Cut Off",
                "How many label values became `other`, past their bound?",
                "short",
                f"sum(shipper_label_overflows_total{{{SHIPPER}}}) or vector(0)",
                limits=Limits(1, 100),
            ),
            graph(
                "Memory of the Agents",
                "How much memory do they take?",
                "bytes",
                {
                    "{{instance}}": f"sum by (instance) (process_resident_memory_bytes{{{SHIPPER}}})",
                },
            ),
            graph(
                "CPU of the Agents",
                "How many processors do they keep busy?",
                "short",
                {
                    "{{instance}}": rate("process_cpu_seconds_total", "instance"),
                },
            ),
            terms_table(
                "Events by Name",
                "Which events are stored most? From the log index.",
                EVENTS,
                "service.name:$service",
                "event",
            ),
        ]
    }


def board() -> Dashboard:
    """The complete dashboard."""
    about = "Does everything arrive, how late, and what is refused?"
    rows = {**throughput(), **delivery(), **quarantine(), **files(), **counting()}
    return laid_out(
        "keneyapp-shipper",
        "KeneyApp: shipper",
        about,
        "now-1h",
        ("environment", "instance", "job", "service"),
        rows,
    )
