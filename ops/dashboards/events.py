"""What happened, on its way to who must hear of it; and work by the clock."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, number, page, rows


def board() -> Dashboard:
    """The page."""
    return page(
        "events",
        "events and jobs",
        "Outbox, broker, inbox, dead letters, jobs.",
        (
            "Now",
            (
                number("Outbox", "Events that wait", "short", "max(vurksha_outbox_rows)", amber=100, red=5000),
                number("Oldest", "In the outbox", "s", "max(vurksha_outbox_oldest_seconds)", amber=5, red=60),
                number("Inbox", "Deliveries that wait", "short", inbox("rows"), amber=100, red=5000),
                number("Oldest", "In the inbox", "s", "max(vurksha_inbox_oldest_seconds)", amber=30, red=300),
                number("Dead", "Given up", "short", inbox("dead"), amber=1, red=10),
                number("Broker", "Replicas with it", "short", "sum(vurksha_broker_up)", amber=1, red=2, low=True),
            ),
        ),
        (
            "Out of the database",
            (
                lines("Outbox: how many", "Events not yet delivered.", "short", ("max(vurksha_outbox_rows)", "events")),
                lines(
                    "Outbox: how old",
                    "Of the oldest; somebody is woken at a minute.",
                    "s",
                    ("max(vurksha_outbox_oldest_seconds)", "oldest"),
                    red=60,
                ),
                lines(
                    "Emitted",
                    "Per second, by event.",
                    "ops",
                    (f"sum by (event) (rate(vurksha_events_emitted_total[{STEP}]))", "{{event}}"),
                    stacked=True,
                ),
                lines(
                    "Broker", "1 where a replica is connected.", "none", ("vurksha_broker_up", "{{instance}}"), most=1
                ),
            ),
        ),
        (
            "To who hears of it",
            (
                lines(
                    "Handled",
                    "Per second, by outcome.",
                    "ops",
                    (f"sum by (outcome) (rate(vurksha_events_handled_total[{STEP}]))", "{{outcome}}"),
                ),
                lines(
                    "Inbox: how old",
                    "Of the oldest delivery, by consumer.",
                    "s",
                    ("max by (consumer) (vurksha_inbox_oldest_seconds)", "{{consumer}}"),
                    red=300,
                ),
                lines(
                    "Inbox: how many",
                    "Deliveries that wait, by consumer.",
                    "short",
                    ("max by (consumer) (vurksha_inbox_rows)", "{{consumer}}"),
                ),
                lines(
                    "Dead letters",
                    "By consumer.",
                    "short",
                    ("max by (consumer) (vurksha_dead_letters)", "{{consumer}}"),
                    red=1,
                ),
            ),
        ),
        (
            "By the clock",
            (
                rows(
                    "Jobs",
                    "Seconds since each last ended well on any replica, and how often it should.",
                    "s",
                    ("time() - max by (name) (vurksha_job_last_success_seconds > 0)", "ago"),
                    ("max by (name) (vurksha_job_every_seconds)", "every"),
                ),
                lines(
                    "Runs",
                    "In five minutes, by outcome; skipped ones ran on another replica.",
                    "short",
                    ("sum by (outcome) (increase(vurksha_job_runs_total[5m]))", "{{outcome}}"),
                ),
            ),
        ),
    )


def inbox(what: str) -> str:
    """Over all consumers, each counted once: every replica tells of the same rows."""
    name = {"rows": "vurksha_inbox_rows", "dead": "vurksha_dead_letters"}[what]
    return f"sum(max by (consumer) ({name}))"
