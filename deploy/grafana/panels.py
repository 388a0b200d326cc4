"""The kinds of panel in our dashboards. The description of a panel is the question that it answers."""

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
"""Number of entries of a ranking."""

AnyPanel = TypeVar("AnyPanel", graphs.Panel, stat.Panel, bargauge.Panel, table.Panel, logs.Panel)


@dataclass(frozen=True)
class Limits:
    """Thresholds of a warning and of an alert; `falling` if lower values are worse."""

    warning: float
    alert: float
    falling: bool = False

    def steps(self) -> list[Threshold]:
        """Grafana thresholds: each colour from its value on."""
        if self.falling:
            return [Threshold(None, "red"), Threshold(self.alert, "orange"), Threshold(self.warning, "green")]
        return [Threshold(None, "green"), Threshold(self.warning, "orange"), Threshold(self.alert, "red")]


def graph(
    title: str, question: str, unit: str, queries: Mapping[str, str], limits: Limits | None = None
) -> graphs.Panel:
    """Lines over time; `queries` map a legend, such as `{{status}}`, to PromQL."""
    panel = (
        with_common_options(graphs.Panel(), title, question, METRICS, limits)
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
        [prometheus_query(query, legend, ref) for ref, (legend, query) in zip("ABCDE", queries.items(), strict=False)]
    )


def number(  # noqa: PLR0913 -- the parts of a panel
    title: str, question: str, unit: str, query: str, *, limits: Limits | None = None, since: str | None = None
) -> stat.Panel:
    """One value, now or over the dashboard's time range; `since` is a separate range of the panel, such as TODAY."""
    panel = with_common_options(stat.Panel(), title, question, METRICS, limits).unit(unit)
    panel.color_mode(options.BigValueColorMode.NONE if limits is None else options.BigValueColorMode.VALUE)
    panel.graph_mode(options.BigValueGraphMode.NONE).reduce_options(last())
    if since is not None:
        panel.time_from(since)
    return panel.targets([prometheus_query(query, "", "A").instant()])


def ranking(title: str, question: str, unit: str, query: str, label: str) -> bargauge.Panel:
    """The largest values, by a label."""
    panel = with_common_options(bargauge.Panel(), title, question, METRICS).unit(unit).min(0)
    panel.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(last())
    return panel.targets([prometheus_query(query, f"{{{{{label}}}}}", "A").instant()])


def terms_table(title: str, question: str, source: DataSourceRef, lucene: str, field: str) -> table.Panel:
    """Number of documents in the index that match a query, by a field that cannot be a label."""
    settings = elasticsearch.ElasticsearchTermsSettings().size(MOST).order(TermsOrder.DESC).order_by("_count")
    query = (
        elasticsearch.Dataquery().query(lucene).time_field(TIME_FIELD).ref_id("A").datasource(source)
        .metrics([elasticsearch.Count().id("1")])
        .bucket_aggs([elasticsearch.Terms().id("2").field(field).settings(settings)])
    )  # fmt: skip
    return with_common_options(table.Panel().show_header(True), title, question, source).targets([query])


def lines(title: str, question: str, source: DataSourceRef, lucene: str) -> logs.Panel:
    """The latest documents."""
    settings = elasticsearch.ElasticsearchLogsSettings().limit("100")
    query = (
        elasticsearch.Dataquery().query(lucene).time_field(TIME_FIELD).ref_id("A").datasource(source)
        .metrics([elasticsearch.Logs().id("1").settings(settings)]).bucket_aggs([])
    )  # fmt: skip
    panel = with_common_options(logs.Panel(), title, question, source).height(LINES_HEIGHT)
    return panel.show_time(True).wrap_log_message(True).enable_log_details(True).targets([query])


def with_common_options(
    panel: AnyPanel, title: str, question: str, source: DataSourceRef, limits: Limits | None = None
) -> AnyPanel:
    """Set the options that all panels share."""
    panel.title(title).description(question).datasource(source).height(HEIGHT)
    if limits is not None:
        panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(limits.steps()))
    return panel


def prometheus_query(query: str, legend_format: str, ref: str) -> prometheus.Dataquery:
    """A PromQL query."""
    target = prometheus.Dataquery().expr(query).ref_id(ref).datasource(METRICS).format(PromQueryFormat.TIME_SERIES)
    return target.legend_format(legend_format or "__auto").range()


def last() -> common.ReduceDataOptions:
    """The reduction of a series to its last value."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
