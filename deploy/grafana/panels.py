"""The kinds of panel that our dashboards have. Each says in its description what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, elasticsearch, logs, prometheus, stat, table
from grafana_foundation_sdk.builders import timeseries as graphs
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.elasticsearch import TermsOrder
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

METRICS = DataSourceRef("prometheus", "prometheus")
EVENTS = DataSourceRef("elasticsearch", "keneyapp-logs")
QUARANTINE = DataSourceRef("elasticsearch", "keneyapp-quarantine")
TIME_FIELD = "@timestamp"
TODAY = "now/d"
HEIGHT, LINES_HEIGHT = 8, 10
MOST = "10"
"""Entries of a ranking."""

AnyPanel = TypeVar("AnyPanel", graphs.Panel, stat.Panel, bargauge.Panel, table.Panel, logs.Panel)


@dataclass(frozen=True)
class Limits:
    """Thresholds of a warning and of an alert, rising; `falling` where less is worse."""

    warning: float
    alert: float
    falling: bool = False

    def steps(self) -> list[Threshold]:
        """As Grafana has them: each colour from its value on."""
        if self.falling:
            return [Threshold(None, "red"), Threshold(self.alert, "orange"), Threshold(self.warning, "green")]
        return [Threshold(None, "green"), Threshold(self.warning, "orange"), Threshold(self.alert, "red")]


def graph(
    title: str, answers: str, unit: str, queries: Mapping[str, str], limits: Limits | None = None
) -> graphs.Panel:
    """Lines over time; `queries` map a legend, such as `{{status}}`, to PromQL."""
    panel = (
        described(graphs.Panel(), title, answers, METRICS, limits)
        .unit(unit)
        .min(0)
        .fill_opacity(8)
        .legend(common.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
                .placement(options.LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    )  # fmt: skip
    if limits is not None:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.DASHED))
    return panel.targets(
        [asked(query, legend, ref) for ref, (legend, query) in zip("ABCDE", queries.items(), strict=False)]
    )


def number(  # noqa: PLR0913 -- a panel's own parts
    title: str, answers: str, unit: str, query: str, *, limits: Limits | None = None, since: str | None = None
) -> stat.Panel:
    """One value, now or over the dashboard's time; `since` is a time of the panel's own, such as TODAY."""
    panel = described(stat.Panel(), title, answers, METRICS, limits).unit(unit)
    panel.color_mode(options.BigValueColorMode.NONE if limits is None else options.BigValueColorMode.VALUE)
    panel.graph_mode(options.BigValueGraphMode.NONE).reduce_options(last())
    if since is not None:
        panel.time_from(since)
    return panel.targets([asked(query, "", "A").instant()])


def ranking(title: str, answers: str, unit: str, query: str, label: str) -> bargauge.Panel:
    """The largest values, by a label."""
    panel = described(bargauge.Panel(), title, answers, METRICS).unit(unit).min(0)
    panel.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(last())
    return panel.targets([asked(query, f"{{{{{label}}}}}", "A").instant()])


def found(title: str, answers: str, source: DataSourceRef, lucene: str, field: str) -> table.Panel:
    """Number of documents that match a query, by a field that cannot be a label: from the index."""
    settings = elasticsearch.ElasticsearchTermsSettings().size(MOST).order(TermsOrder.DESC).order_by("_count")
    query = (
        elasticsearch.Dataquery().query(lucene).time_field(TIME_FIELD).ref_id("A").datasource(source)
        .metrics([elasticsearch.Count().id("1")])
        .bucket_aggs([elasticsearch.Terms().id("2").field(field).settings(settings)])
    )  # fmt: skip
    return described(table.Panel().show_header(True), title, answers, source).targets([query])


def lines(title: str, answers: str, source: DataSourceRef, lucene: str) -> logs.Panel:
    """The latest documents themselves."""
    settings = elasticsearch.ElasticsearchLogsSettings().limit("100")
    query = (
        elasticsearch.Dataquery().query(lucene).time_field(TIME_FIELD).ref_id("A").datasource(source)
        .metrics([elasticsearch.Logs().id("1").settings(settings)]).bucket_aggs([])
    )  # fmt: skip
    panel = described(logs.Panel(), title, answers, source).height(LINES_HEIGHT)
    return panel.show_time(True).wrap_log_message(True).enable_log_details(True).targets([query])


def described(
    panel: AnyPanel, title: str, answers: str, source: DataSourceRef, limits: Limits | None = None
) -> AnyPanel:
    """A panel with what every panel has."""
    panel.title(title).description(answers).datasource(source).height(HEIGHT)
    if limits is not None:
        panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(limits.steps()))
    return panel


def asked(query: str, legend_format: str, ref: str) -> prometheus.Dataquery:
    """A PromQL query."""
    target = prometheus.Dataquery().expr(query).ref_id(ref).datasource(METRICS).format(PromQueryFormat.TIME_SERIES)
    return target.legend_format(legend_format or "__auto").range()


def last() -> common.ReduceDataOptions:
    """The value that a single number shows."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
