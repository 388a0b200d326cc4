"""The main dashboard: health of the application, its database, its cache and the nodes."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import Rows, laid_out
from deploy.grafana.panels import EVENTS, Limits, graph, lines, terms_table

FILE = "grafana-dashboard.json"
APP = 'job=~"$job",environment=~"$environment"'
ENVIRONMENT = 'environment=~"$environment"'
RATE = "[$__rate_interval]"
FAILED = "event:request_error AND service.name:$service"


def quantiles(histogram: str, of: str) -> dict[str, str]:
    """p50, p95 and p99 of a histogram over all its series: of the service, not of each endpoint."""
    buckets = f"sum by (le) (rate({histogram}_bucket{{{of}}}{RATE}))"
    return {f"p{at}": f"histogram_quantile(0.{at}, {buckets})" for at in (50, 95, 99)}


def api() -> Rows:
    """Requests as users see them: rate, latency, errors."""
    requests = f"sum(rate(http_requests_total{{{APP}}}{RATE}))"
    errors = f'sum(rate(http_requests_total{{{APP},status=~"5.."}}{RATE}))'
    return {
        "API Performance": [
            graph(
                "Request Rate (req/s)",
                "How much is asked of the API, and what does it answer?",
                "reqps",
                {
                    "{{status}}": f"sum by (status) (rate(http_requests_total{{{APP}}}{RATE}))",
                },
            ),
            graph(
                "Response Time (p50, p95, p99)",
                "How long do answers take? The objectives are a p95 under 0.5 s and a p99 under 1 s.",
                "s",
                quantiles("http_request_duration_seconds", APP),
                Limits(0.5, 1),
            ),
            graph(
                "Error Rate (%)",
                "What share of answers are failures of the server? The objective is under 1 %, the alert comes at 5 %.",
                "percent",
                {
                    "errors": f"100 * ({errors} or vector(0)) / {requests}",
                },
                Limits(1, 5),
            ),
            terms_table(
                "Failures by Type",
                "Which exceptions are behind the errors? Their names come from the log index.",
                EVENTS,
                FAILED,
                "error_type",
            ),
            lines(
                "Latest Failures",
                "What failed last? The correlation id of an entry finds the whole request: `shipper search ID`.",
                EVENTS,
                FAILED,
            ),
        ]
    }


def database() -> Rows:
    """PostgreSQL, from the application's pool and from its exporter."""
    active = f'sum(database_connections{{{APP},state="active"}})'
    transactions = f'{{{ENVIRONMENT},datname!~"template.*"}}'
    return {
        "Database Health": [
            graph(
                "Connection Pool Usage",
                "What share of the pool's connections is in use? The alert comes at 90 %.",
                "percent",
                {
                    "used": f"100 * {active} / sum(database_pool_size{{{APP}}})",
                },
                Limits(75, 90),
            ),
            graph(
                "Query Duration",
                "How long does the database take for the application's queries?",
                "s",
                quantiles("database_query_duration_seconds", APP),
            ),
            graph(
                "Transaction Rate",
                "How many transactions does the database end, and how many of them are taken back?",
                "ops",
                {
                    "committed": f"sum(rate(pg_stat_database_xact_commit{transactions}{RATE}))",
                    "rolled back": f"sum(rate(pg_stat_database_xact_rollback{transactions}{RATE}))",
                },
            ),
        ]
    }


def cache() -> Rows:
    """Redis, the cache and the task queue."""
    hits, misses = (f"sum(rate(redis_keyspace_{kind}_total{{{ENVIRONMENT}}}{RATE}))" for kind in ("hits", "misses"))
    return {
        "Redis Cache": [
            graph(
                "Hit Rate",
                "What share of reads does the cache answer? The alert comes below 70 %; nothing is shown while nobody "
                "reads. Looking at an empty queue counts as a miss as well.",
                "percent",
                {
                    "hits": f"100 * {hits} / ({hits} + {misses})",
                },
                Limits(85, 70, falling=True),
            ),
            graph(
                "Memory Usage",
                "How much memory does Redis hold?",
                "bytes",
                {
                    "{{instance}}": f"redis_memory_used_bytes{{{ENVIRONMENT}}}",
                },
            ),
            graph(
                "Key Count",
                "How many keys are there?",
                "short",
                {
                    "{{instance}}": f"sum by (instance) (redis_db_keys{{{ENVIRONMENT}}})",
                },
            ),
            graph(
                "Tasks Waiting",
                "How many tasks wait for a worker? The alert comes at 100.",
                "short",
                {
                    "{{key}}": f'sum by (key) (redis_key_size{{{ENVIRONMENT},key="celery"}})',
                },
                Limits(50, 100),
            ),
        ]
    }


def system() -> Rows:
    """The nodes."""
    idle = f'rate(node_cpu_seconds_total{{{ENVIRONMENT},mode="idle"}}{RATE})'
    free = f"node_memory_MemAvailable_bytes{{{ENVIRONMENT}}} / node_memory_MemTotal_bytes{{{ENVIRONMENT}}}"
    return {
        "System Resources": [
            graph(
                "CPU Usage",
                "How busy are the nodes? A cause to look for, not a symptom to be called for.",
                "percent",
                {
                    "{{instance}}": f"100 * (1 - avg by (instance) ({idle}))",
                },
            ),
            graph(
                "Memory Usage",
                "How much of their memory is taken? The alert comes at 85 %.",
                "percent",
                {
                    "{{instance}}": f"100 * (1 - {free})",
                },
                Limits(75, 85),
            ),
            graph(
                "Disk I/O",
                "How much do the disks read and write?",
                "Bps",
                {
                    "read": f"sum(rate(node_disk_read_bytes_total{{{ENVIRONMENT}}}{RATE}))",
                    "written": f"sum(rate(node_disk_written_bytes_total{{{ENVIRONMENT}}}{RATE}))",
                },
            ),
        ]
    }


def board() -> Dashboard:
    """The complete dashboard."""
    about = "Is the application well, and if not: is it itself, its database, its cache or the node?"
    rows = {**api(), **database(), **cache(), **system()}
    return laid_out("keneyapp-main", "KeneyApp", about, "now-1h", ("environment", "job", "service"), rows)
