"""Which plugin delays or fails the others."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, page, rows


def board() -> Dashboard:
    """The page."""
    return page(
        "plugins",
        "plugins",
        "All plugins of a replica share one loop: who holds it holds everyone.",
        (
            "State",
            (
                rows(
                    "Plugins",
                    "Up is 0 where it was put aside; failures and blocks of the last hour.",
                    "none",
                    ("min by (plugin) (vurksha_plugin_up)", "up"),
                    ("sum by (plugin) (increase(vurksha_plugin_failures_total[1h]))", "failures"),
                    ("sum by (plugin) (increase(vurksha_loop_blocks_total[1h]))", "blocks"),
                    ("sum by (plugin) (vurksha_tasks)", "tasks"),
                ),
            ),
        ),
        (
            "The loop",
            (
                lines(
                    "Time on the loop",
                    "Seconds a second over all replicas, sampled.",
                    "none",
                    (f"sum by (plugin) (rate(vurksha_loop_seconds_total[{STEP}]))", "{{plugin}}"),
                    stacked=True,
                ),
                lines(
                    "Lag",
                    "How late the loop comes to what is due.",
                    "s",
                    ("max by (instance) (vurksha_loop_lag_seconds)", "{{instance}}"),
                    red=0.1,
                ),
                lines(
                    "Blocks",
                    "Times in five minutes that a plugin held the loop for a tenth of a second or longer.",
                    "short",
                    ("sum by (plugin) (increase(vurksha_loop_blocks_total[5m]))", "{{plugin}}"),
                ),
                lines("Tasks", "Under way, by plugin.", "short", ("sum by (plugin) (vurksha_tasks)", "{{plugin}}")),
            ),
        ),
        (
            "What they cost and lose",
            (
                lines(
                    "Time in SQL",
                    "Seconds a second.",
                    "none",
                    (f"sum by (plugin) (rate(vurksha_db_seconds_total[{STEP}]))", "{{plugin}}"),
                    stacked=True,
                ),
                lines(
                    "Failures",
                    "In five minutes.",
                    "short",
                    ("sum by (plugin) (increase(vurksha_plugin_failures_total[5m]))", "{{plugin}}"),
                ),
            ),
        ),
    )
