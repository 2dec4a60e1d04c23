"""How panels look here, so that a dashboard only says what it shows.

A panel has one unit. Its queries are pairs of PromQL and legend. Thresholds are where a line turns amber and red.
"""

from collections.abc import Callable, Sequence
from itertools import count

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as shapes
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = shapes.DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH = 24
STEP = "$__rate_interval"
"""What a rate is taken over: Grafana's variable, at least four scrapes."""
Query = tuple[str, str]
Panel = stat.Panel | timeseries.Panel | table.Panel


def number(
    title: str, about: str, unit: str, expr: str, *, amber: float = 0, red: float = 0, low: bool = False
) -> Panel:
    """The value of now, in large. `low`: small values are the bad ones."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .height(4)
        .with_target(_query((expr, ""), "A").instant())
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(looks.BigValueGraphMode.NONE)
        .no_value("no data")
    )
    return panel.thresholds(_thresholds(amber, red, low=low)) if amber or red else panel


def lines(
    title: str, about: str, unit: str, *queries: Query, red: float = 0, stacked: bool = False, most: float | None = None
) -> Panel:
    """Over time. `red` draws the limit that an alert or a promise names."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .height(8)
        .min(0)
        .line_width(2)
        .fill_opacity(30 if stacked else 8)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.TABLE)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    )
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_query(query, letter))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if most is not None:
        panel = panel.max(most)
    if red:
        dashed = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(0, red)).thresholds_style(dashed)
    return panel


def rows(title: str, about: str, unit: str, *queries: Query) -> Panel:
    """A table of the values of now, a row for each set of labels; a column for each query, named by its legend."""
    panel = table.Panel().title(title).description(about).datasource(SOURCE).unit(unit).height(9)
    names = {"Time": "time"}
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_query(query, letter).instant().format(PromQueryFormat.TABLE))
        names[f"Value #{letter}" if len(queries) > 1 else "Value"] = query[1]
    merged = shapes.DataTransformerConfig(id_val="merge", options={})
    tidy = {"excludeByName": {"Time": True}, "renameByName": names}
    return panel.with_transformation(merged).with_transformation(
        shapes.DataTransformerConfig(id_val="organize", options=tidy)
    )


def page(uid: str, title: str, about: str, *sections: tuple[str, Sequence[Panel]]) -> Dashboard:
    """A dashboard of rows of panels: four numbers or two others fill the width."""
    board = (
        dashboard.Dashboard(f"Vurksha: {title}")
        .uid(f"vurksha-{uid}")
        .description(about)
        .tags(["vurksha"])
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(shapes.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Vurksha")
            .type(shapes.DashboardLinkType.DASHBOARDS)
            .tags(["vurksha"])
            .as_dropdown(True)
            .keep_time(True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("alerts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr('ALERTS{alertstate="firing",severity=~"page|ticket"}')
        )
    )
    number = count(1)
    for name, panels in sections:
        board = board.with_row(dashboard.Row(name).id(next(number)))
        for panel in panels:
            board = board.with_panel(panel.id(next(number)).span(_span(panel)))
    return board


def filtered(board: Dashboard, label: str, metric: str) -> Dashboard:
    """With a choice of a label's values at the top: `$label` in expressions, all of them at first."""
    choice = (
        dashboard.QueryVariable(label)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({metric}, {label})")
        .refresh(shapes.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(shapes.VariableOption(text="All", value="$__all"))
    )
    return board.with_variable(choice)


def _span(panel: Panel) -> int:
    spans: dict[type, Callable[[], int]] = {stat.Panel: lambda: WIDTH // 6, table.Panel: lambda: WIDTH}
    return spans.get(type(panel), lambda: WIDTH // 2)()


def _query(query: Query, letter: str) -> prometheus.Dataquery:
    expr, legend = query
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(letter).datasource(SOURCE)


def _thresholds(amber: float, red: float, *, low: bool = False) -> dashboard.ThresholdsConfig:
    good, bad = ("red", "green") if low else ("green", "red")
    steps = [shapes.Threshold(value=None, color=good)]
    if amber:
        steps.append(shapes.Threshold(value=amber, color="orange"))
    steps.append(shapes.Threshold(value=red, color=bad))
    return dashboard.ThresholdsConfig().mode(shapes.ThresholdsMode.ABSOLUTE).steps(steps)
