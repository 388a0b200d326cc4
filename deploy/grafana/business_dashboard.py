"""The business dashboard: patients, appointments, prescriptions, users.

Numbers of a day and of a range come from the shipper's counters. They never decrease, so the increase is the largest
minus the smallest value, in whole numbers; `increase()` would extrapolate, by 5 % five minutes after midnight.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import Rows, laid_out
from deploy.grafana.main_dashboard import APP, ENVIRONMENT, RATE
from deploy.grafana.panels import EVENTS, TODAY, Limits, graph, number, ranking, terms_table

FILE = "grafana-business-kpi-dashboard.json"
COUNTED = f'job="shipper",{ENVIRONMENT}'
OF_SERVICE = f'{COUNTED},service=~"$service"'


def added(counter: str, labels: str) -> str:
    """Increase of a shipper counter over the range.

    Computed from each agent's sum: a new label value starts above zero, so its first event is only in the sum.
    """
    series = f"sum by (instance) ({counter}{{{labels}}})[$__range:]"
    return f"sum(max_over_time({series}) - min_over_time({series}))"


def added_by(label: str, counter: str, labels: str) -> str:
    """The same by the values of a label, each without its first event."""
    series = f"{counter}{{{labels}}}[$__range]"
    return f"sum by ({label}) (max_over_time({series}) - min_over_time({series}))"


def patients() -> Rows:
    """Patients."""
    created = f'{COUNTED},operation="create"'
    return {
        "Patient Management": [
            number(
                "New Patients Today",
                "How many patients were registered since midnight?",
                "short",
                added("patient_operations_total", created),
                since=TODAY,
            ),
            number(
                "Total Active Patients",
                "How many patients have a record now? The application counts them in its database.",
                "short",
                f'sum(records_active{{{APP},kind="patient"}})',
            ),
            graph(
                "Patient Registration Rate",
                "How many patients are registered an hour?",
                "short",
                {
                    "registrations an hour": f"3600 * sum(rate(patient_operations_total{{{created}}}{RATE}))",
                },
            ),
        ]
    }


def appointments() -> Rows:
    """Appointments by outcome."""
    scheduled, completed, cancelled, ended = (
        added("appointment_bookings_total", f'{COUNTED},status=~"{status}"')
        for status in ("scheduled", "completed", "cancelled", "completed|cancelled")
    )
    minutes = "appointment_duration_minutes"
    return {
        "Appointments": [
            number(
                "Scheduled Today",
                "How many appointments were made since midnight?",
                "short",
                scheduled,
                since=TODAY,
            ),
            number(
                "Completion Rate",
                "What share of the appointments that ended in this time took place?",
                "percent",
                f"100 * {completed} / {ended}",
            ),
            number(
                "Cancellation Rate",
                "What share of the appointments that ended in this time was cancelled?",
                "percent",
                f"100 * {cancelled} / {ended}",
            ),
            number(
                "Average Duration",
                "How long did appointments take? From a histogram that a counter rule keeps.",
                "m",
                f"{added(f'{minutes}_sum', COUNTED)} / {added(f'{minutes}_count', COUNTED)}",
            ),
        ]
    }


def prescriptions() -> Rows:
    """Prescriptions by medication."""
    return {
        "Prescriptions": [
            number(
                "Prescriptions Created Today",
                "How many prescriptions were written since midnight?",
                "short",
                added("prescription_created_total", COUNTED),
                since=TODAY,
            ),
            number(
                "Total Active Prescriptions",
                "How many prescriptions have not ended? The application counts them in its database.",
                "short",
                f'sum(records_active{{{APP},kind="prescription"}})',
            ),
            ranking(
                "Top Medications",
                "What was prescribed most often in this time?",
                "short",
                f"topk(10, {added_by('medication', 'prescription_created_total', COUNTED)})",
                "medication",
            ),
        ]
    }


def users() -> Rows:
    """Users and logins."""
    return {
        "User Activity": [
            number(
                "Active Users",
                "How many users have logged in within the last quarter of an hour?",
                "short",
                f"sum(active_users{{{APP}}})",
            ),
            graph(
                "Login Rate",
                "How many people log in a minute, and with what outcome?",
                "short",
                {
                    "{{outcome}}": f"60 * sum by (outcome) (rate(login_attempts_total{{{OF_SERVICE}}}{RATE}))",
                },
            ),
            graph(
                "Failed Login Attempts",
                "Does somebody try passwords? Failures of the last five minutes; the alert comes above ten.",
                "short",
                {
                    "{{service}}": f"sum by (service) (increase(failed_login_attempts_total{{{OF_SERVICE}}}[5m]))",
                },
                Limits(5, 10),
            ),
            terms_table(
                "Failed Logins by Client",
                "Where do they come from? Addresses are personal and without number, so they are no labels: they come "
                "from the log index.",
                EVENTS,
                "event:login_failed AND service.name:$service",
                "client_ip",
            ),
        ]
    }


def board() -> Dashboard:
    """The complete dashboard."""
    about = "Patients, appointments, prescriptions and users, counted exactly from what the applications log."
    rows = {**patients(), **appointments(), **prescriptions(), **users()}
    return laid_out(
        "keneyapp-business", "KeneyApp: business", about, "now-24h", ("environment", "job", "service"), rows
    )
