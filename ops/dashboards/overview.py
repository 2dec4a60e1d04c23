"""What to look at first: are the promises kept, is anything broken, do people buy."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, number, page

OURS = 'plugin!="kernel"'
BUDGET_LEFT = "1 - clamp_max(vurksha:{record}:ratio_rate3d / {budget}, 1)"


def p(share: str) -> str:
    """A percentile over all routes."""
    return f"histogram_quantile({share}, sum by (le) (rate(vurksha_request_seconds_bucket{{{OURS}}}[{STEP}])))"


def board() -> Dashboard:
    """The page."""
    return page(
        "overview",
        "overview and promises",
        "Start here. 99.9 % of answers are no 5xx, 99 % take under 200 ms.",
        (
            "Now",
            (
                number("Ready", "Replicas that take requests", "short", "sum(vurksha_ready)", amber=2, red=3, low=True),
                number("Requests", "Per second", "reqps", f"sum(rate(vurksha_requests_total{{{OURS}}}[{STEP}]))"),
                number("Failing", "Share of 5xx", "percentunit", "vurksha:failed:ratio_rate5m", amber=0.001, red=0.01),
                number("Slow", "Share over 200 ms", "percentunit", "vurksha:slow:ratio_rate5m", amber=0.01, red=0.05),
                number("Orders", "In half an hour", "short", "vurksha:orders:increase30m"),
                number("Outbox", "Age of the oldest event", "s", "max(vurksha_outbox_oldest_seconds)", amber=5, red=60),
            ),
        ),
        (
            "Promises",
            (
                lines(
                    "Availability: how fast the budget burns",
                    "1 is what a month can bear; at 14.4 two percent of it are gone in an hour, and somebody is woken.",
                    "none",
                    *((f"vurksha:failed:ratio_rate{w} / 0.001", w) for w in ("5m", "1h", "6h", "3d")),
                    red=14.4,
                ),
                lines(
                    "Latency: how fast the budget burns",
                    "The same for requests over 200 ms, of which one in a hundred is allowed.",
                    "none",
                    *((f"vurksha:slow:ratio_rate{w} / 0.01", w) for w in ("5m", "1h", "6h", "3d")),
                    red=14.4,
                ),
                lines(
                    "Budget left, at the pace of the last three days",
                    "Of what a month allows: 1 is all of it.",
                    "percentunit",
                    (BUDGET_LEFT.format(record="failed", budget="0.001"), "availability"),
                    (BUDGET_LEFT.format(record="slow", budget="0.01"), "latency"),
                    most=1,
                ),
                lines(
                    "Latency",
                    "Over all routes; p99 is promised below 200 ms.",
                    "s",
                    *((p(share), name) for share, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))),
                    red=0.2,
                ),
            ),
        ),
        (
            "Traffic",
            (
                lines(
                    "Answers by status",
                    "Per second.",
                    "reqps",
                    (f"sum by (status) (rate(vurksha_requests_total{{{OURS}}}[{STEP}]))", "{{status}}"),
                    stacked=True,
                ),
                lines(
                    "Refused for load",
                    "Per second, by rank: reports and catalogue first, orders last.",
                    "reqps",
                    (f"sum by (rank) (rate(vurksha_requests_shed_total[{STEP}]))", "{{rank}}"),
                ),
                lines(
                    "Under way",
                    "Requests that are being answered, by replica.",
                    "short",
                    ("sum by (instance) (vurksha_requests_in_progress)", "{{instance}}"),
                ),
                lines(
                    "Alerts",
                    "That fire, by severity.",
                    "short",
                    ('count by (severity) (ALERTS{alertstate="firing"})', "{{severity}}"),
                ),
            ),
        ),
    )
