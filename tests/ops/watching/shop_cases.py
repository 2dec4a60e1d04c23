"""Cases of alerts on promises to customers and on business."""

from tests.ops.watching.case import Case

GOOD, BAD = (f'vurksha_requests_total{{plugin="order",route="r",status="{status}"}}' for status in ("2xx", "5xx"))
HEALTH = 'vurksha_requests_total{plugin="kernel",route="h",status="5xx"}'
FAST, EVERY = (f'vurksha_request_seconds_{part}plugin="order",route="r"}}' for part in ('bucket{le="0.2",', "count{"))
CODES, SMS = "vurksha_user_codes_sent_total", 'vurksha_notification_sent_total{channel="sms",outcome='
PAID = 'vurksha_payment_attempts_total{provider="razorpay",outcome='
ORDERS = 'vurksha_order_placed_total{method="cod"}'
FIVE_MINUTES_A_WEEK = 7 * 24 * 12


def weeks(*rates: int) -> str:
    """A counter's values, one each five minutes, that rises by so much in each of these weeks."""
    parts, total = [], 0
    for rate in rates:
        parts.append(f"{total}+{rate}x{FIVE_MINUTES_A_WEEK - 1}")
        total += rate * FIVE_MINUTES_A_WEEK
    return " ".join(parts)


CASES = (
    Case(
        alert="AvailabilityBurnFast",
        fires={GOOD: "0+980x90", BAD: "0+20x90"},
        quiet={
            "one in a thousand": {GOOD: "0+999x90", BAD: "0+1x90"},
            "it is over": {GOOD: "0+1000x90", BAD: "0+20x40 800x50"},
            "one failure in a quiet night": {GOOD: "0+1x90", BAD: "0x70 1x20"},
            "nobody asks": {GOOD: "5x90", BAD: "1x90"},
            "only the kernel's own pages": {GOOD: "0+100x90", BAD: "0x90", HEALTH: "0+100x90"},
        },
        at="85m",
    ),
    Case(
        alert="AvailabilityBurnSlow",
        fires={GOOD: "0+4980x320", BAD: "0+20x320"},
        quiet={
            "less than the budget": {GOOD: "0+49960x320", BAD: "0+40x320"},
            "mended hours ago": {GOOD: "0+5000x320", BAD: "0+20x200 4000x120"},
        },
        at="1580m",
        interval="5m",
    ),
    Case(
        alert="LatencyBurnFast",
        fires={FAST: "0+80x90", EVERY: "0+100x90"},
        quiet={
            "one in a hundred": {FAST: "0+99x90", EVERY: "0+100x90"},
            "it is over": {FAST: "0+80x40 3200+100x50", EVERY: "0+100x90"},
        },
        at="85m",
    ),
    Case(
        alert="LatencyBurnSlow",
        fires={FAST: "0+480x320", EVERY: "0+500x320"},
        quiet={
            "within the budget": {FAST: "0+497x320", EVERY: "0+500x320"},
            "mended hours ago": {FAST: "0+480x200 96000+500x120", EVERY: "0+500x320"},
        },
        at="1580m",
        interval="5m",
    ),
    Case(
        alert="OrdersDropped",
        fires={ORDERS: weeks(10, 10, 10, 1)},
        quiet={
            "as many as ever": {ORDERS: weeks(10, 10, 10, 9)},
            "a slow day": {ORDERS: weeks(10, 10, 10, 4)},
            "at night there are hardly any": {ORDERS: weeks(2, 2, 2, 0)},
            "the shop is new": {ORDERS: weeks(0, 0, 0, 0)},
            "two of three weeks had none": {ORDERS: weeks(0, 0, 10, 0)},
        },
        at=f"{5 * (3 * FIVE_MINUTES_A_WEEK + 100)}m",
        interval="5m",
    ),
    Case(
        alert="SignInCodesFailing",
        fires={f'{CODES}{{outcome="sent"}}': "0+7x40", f'{CODES}{{outcome="failed"}}': "0+3x40"},
        quiet={
            "one in ten": {f'{CODES}{{outcome="sent"}}': "0+9x40", f'{CODES}{{outcome="failed"}}': "0+1x40"},
            "too few to tell": {f'{CODES}{{outcome="sent"}}': "0x40", f'{CODES}{{outcome="failed"}}': "0x25 2x15"},
        },
    ),
    Case(
        alert="NotificationsFailing",
        labels={"channel": "sms"},
        fires={f'{SMS}"sent"}}': "0+14x40", f'{SMS}"failed"}}': "0+2x40", f'{SMS}"retried"}}': "0+4x40"},
        quiet={
            "one in ten": {f'{SMS}"sent"}}': "0+9x40", f'{SMS}"retried"}}': "0+1x40"},
            "too late to send": {f'{SMS}"sent"}}': "0+5x40", f'{SMS}"expired"}}': "0+5x40"},
            "too few to tell": {f'{SMS}"sent"}}': "0x40", f'{SMS}"failed"}}': "0x25 2x15"},
        },
    ),
    Case(
        alert="PaymentsFailing",
        labels={"provider": "razorpay"},
        fires={f'{PAID}"captured"}}': "0+2x40", f'{PAID}"failed"}}': "0+3x40"},
        quiet={
            "customers' own failures": {f'{PAID}"captured"}}': "0+7x40", f'{PAID}"failed"}}': "0+3x40"},
            "too few to tell": {f'{PAID}"captured"}}': "0x40", f'{PAID}"failed"}}': "0x25 2x15"},
        },
    ),
)
