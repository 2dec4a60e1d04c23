"""What the shop lives of: people who can sign in, order, pay and are told."""

from ops.prometheus.model import Alert, Group, Record

FEWEST_ORDERS = 20
"""In a usual half hour, from which their absence says something: fewer, as at night, may be chance."""
LEFT = 0.25
"""Of the usual number, below which something keeps people from ordering."""
USUAL = "\nor\n".join(
    f'label_replace(vurksha:orders:increase30m offset <{weeks}w>, "weeks", "{weeks}", "", "")' for weeks in (1, 2, 3)
)


def failing(metric: str, share: float, window: str, by: str = "", bad: str = "failed") -> str:
    """More than a share of what was tried, and five of them."""
    each = f" by ({by})" if by else ""
    lost = f'sum{each} (increase({metric}{{outcome=~"{bad}"}}[<{window}>]))'
    return f"{lost} / sum{each} (increase({metric}[<{window}>])) > {share:g}\nand\n{lost} >= 5"


GROUP = Group(
    name="business",
    rules=(
        Record(name="vurksha:orders:increase30m", expr="sum(increase(vurksha_order_placed_total[<30m>]))"),
        Record(name="vurksha:orders:usual30m", expr=f"quantile(0.5,\n{USUAL}\n)"),
        Alert(
            name="OrdersDropped",
            expr=(
                f"vurksha:orders:increase30m < {LEFT:g} * vurksha:orders:usual30m\n"
                f"and\nvurksha:orders:usual30m >= {FEWEST_ORDERS}"
            ),
            wait="<5m>",
            severity="page",
            area="business",
            summary="Orders of the last half hour are under a quarter of what is usual at this time of the week",
        ),
        Alert(
            name="SignInCodesFailing",
            expr=failing("vurksha_user_codes_sent_total", 0.2, "10m"),
            wait="<1m>",
            severity="page",
            area="business",
            summary="One sign-in code in five does not go out: people cannot sign in",
        ),
        Alert(
            name="NotificationsFailing",
            expr=failing("vurksha_notification_sent_total", 0.2, "15m", by="channel", bad="failed|retried"),
            wait="<1m>",
            severity="ticket",
            area="business",
            summary="One message in five by {{ $labels.channel }} does not go out",
        ),
        Alert(
            name="PaymentsFailing",
            expr=failing("vurksha_payment_attempts_total", 0.5, "15m", by="provider"),
            wait="<1m>",
            severity="page",
            area="business",
            summary="Most payments by {{ $labels.provider }} fail",
        ),
    ),
)
