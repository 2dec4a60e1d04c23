"""Which route, which error."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, filtered, lines, page, rows

CHOSEN = 'plugin=~"$plugin",route=~"$route"'
BUCKETS = f"sum by (le, route) (rate(vurksha_request_seconds_bucket{{{CHOSEN}}}[{STEP}]))"
ANSWERS = f"vurksha_requests_total{{{CHOSEN}}}"
MEAN = (
    f"sum by (route) (rate(vurksha_request_seconds_sum{{{CHOSEN}}}[{STEP}]))"
    f" / sum by (route) (rate(vurksha_request_seconds_count{{{CHOSEN}}}[{STEP}]) > 0)"
)


def board() -> Dashboard:
    """The page."""
    made = page(
        "requests",
        "requests by route",
        "Choose a plugin or routes at the top.",
        (
            "Routes",
            (
                lines(
                    "Requests",
                    "Per second.",
                    "reqps",
                    (f"topk(12, sum by (route) (rate({ANSWERS}[{STEP}])))", "{{route}}"),
                    stacked=True,
                ),
                lines("Mean", "Of all answers.", "s", (f"topk(12, {MEAN})", "{{route}}")),
                lines(
                    "p99", "Promised below 200 ms.", "s", (f"histogram_quantile(0.99, {BUCKETS})", "{{route}}"), red=0.2
                ),
                lines("p50", "The usual case.", "s", (f"histogram_quantile(0.5, {BUCKETS})", "{{route}}")),
            ),
        ),
        (
            "Errors",
            (
                lines(
                    "5xx by route",
                    "Per second.",
                    "reqps",
                    (f'sum by (route) (rate(vurksha_requests_total{{{CHOSEN},status="5xx"}}[{STEP}]))', "{{route}}"),
                ),
                lines(
                    "Refusals by code",
                    "SYS_002: a dependency is away, or too much load. SYS_003: a deadline. SYS_001: a fault of ours.",
                    "reqps",
                    (f'sum by (code) (rate(vurksha_errors_total{{route=~"$route"}}[{STEP}]))', "{{code}}"),
                ),
                rows(
                    "Errors of the last hour",
                    "By route and code.",
                    "short",
                    ('sum by (route, code) (increase(vurksha_errors_total{route=~"$route"}[1h])) > 0', "errors"),
                ),
            ),
        ),
    )
    return filtered(filtered(made, "plugin", "vurksha_requests_total"), "route", "vurksha_requests_total")
