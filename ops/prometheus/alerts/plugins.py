"""Plugins that delay or fail the others."""

from ops.prometheus.model import Alert, Group

GROUP = Group(
    name="plugins",
    rules=(
        Alert(
            name="LoopLate",
            expr="max by (instance) (avg_over_time(vurksha_loop_lag_seconds[<2m>])) > 0.05",
            wait="<1m>",
            severity="ticket",
            area="plugins",
            summary="The loop of {{ $labels.instance }} is late: every request waits for something that does not yield",
        ),
        Alert(
            name="PluginHoldsLoop",
            expr='sum by (plugin) (increase(vurksha_loop_blocks_total{plugin!="kernel"}[<5m>])) >= 3',
            severity="ticket",
            area="plugins",
            summary="{{ $labels.plugin }} holds the loop and delays everyone",
        ),
        Alert(
            name="PluginQuarantined",
            expr="min by (plugin) (vurksha_plugin_up) == 0",
            severity="ticket",
            area="plugins",
            summary="The plugin {{ $labels.plugin }} was put aside: its routes answer 503",
        ),
        Alert(
            name="PluginFails",
            expr="sum by (plugin) (increase(vurksha_plugin_failures_total[<10m>])) >= 5",
            severity="ticket",
            area="plugins",
            summary="{{ $labels.plugin }} keeps failing",
        ),
        Alert(
            name="UnexpectedErrors",
            expr='sum by (route) (increase(vurksha_errors_total{code="SYS_001"}[<10m>])) >= 1',
            severity="ticket",
            area="requests",
            summary="{{ $labels.route }} failed in a way that nobody foresaw: answered 500",
        ),
    ),
)
