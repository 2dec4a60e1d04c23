"""What the shop lives of."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, number, page

RUPEES = "currencyINR"


def board() -> Dashboard:
    """The page."""
    return page(
        "business",
        "business",
        "Orders, money, messages and people who sign in.",
        (
            "Now",
            (
                number("Orders", "In half an hour", "short", "vurksha:orders:increase30m"),
                number("Usual", "At this time of the week", "short", "vurksha:orders:usual30m or vector(0)"),
                number(
                    "Revenue", "In half an hour", RUPEES, "sum(increase(vurksha_order_placed_paise_total[30m])) / 100"
                ),
                number("Sign-ins", "In half an hour", "short", grown("vurksha_user_sign_ins_total", "ok")),
                number(
                    "Codes", "That failed", "short", grown("vurksha_user_codes_sent_total", "failed"), amber=1, red=5
                ),
                number(
                    "Messages",
                    "That failed",
                    "short",
                    grown("vurksha_notification_sent_total", "failed"),
                    amber=1,
                    red=5,
                ),
            ),
        ),
        (
            "Orders",
            (
                lines(
                    "Orders",
                    "In half an hour, beside what is usual: the middle one of the same time in the last three weeks.",
                    "short",
                    ("vurksha:orders:increase30m", "now"),
                    ("vurksha:orders:usual30m or vector(0)", "usual"),
                ),
                lines(
                    "Orders by way of paying",
                    "Per minute.",
                    "short",
                    (f"sum by (method) (rate(vurksha_order_placed_total[{STEP}])) * 60", "{{method}}"),
                    stacked=True,
                ),
                lines(
                    "Revenue",
                    "Rupees per minute, by way of paying.",
                    RUPEES,
                    (f"sum by (method) (rate(vurksha_order_placed_paise_total[{STEP}])) * 60 / 100", "{{method}}"),
                    stacked=True,
                ),
                lines(
                    "What becomes of orders",
                    "Changes to each state in five minutes.",
                    "short",
                    ("sum by (state) (increase(vurksha_order_states_total[5m]))", "{{state}}"),
                ),
            ),
        ),
        (
            "Money and messages",
            (
                lines(
                    "Payments",
                    "Attempts in five minutes.",
                    "short",
                    (five("vurksha_payment_attempts_total", "provider, outcome"), "{{provider}} {{outcome}}"),
                ),
                lines(
                    "Messages",
                    "In five minutes, by medium.",
                    "short",
                    (five("vurksha_notification_sent_total", "channel, outcome"), "{{channel}} {{outcome}}"),
                ),
            ),
        ),
        (
            "People",
            (
                lines(
                    "Sign-in codes",
                    "In five minutes.",
                    "short",
                    (five("vurksha_user_codes_sent_total", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "Sign-ins",
                    "In five minutes.",
                    "short",
                    (five("vurksha_user_sign_ins_total", "outcome"), "{{outcome}}"),
                ),
            ),
        ),
    )


def five(metric: str, by: str) -> str:
    """How much it grew in five minutes."""
    return f"sum by ({by}) (increase({metric}[5m]))"


def grown(metric: str, outcome: str) -> str:
    """How much one outcome grew in half an hour."""
    return f'sum(increase({metric}{{outcome="{outcome}"}}[30m]))'
