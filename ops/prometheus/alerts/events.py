"""Events on their way, and work by the clock."""

from ops.prometheus.model import Alert, Group, Record

JOBS = "max by (name) (vurksha_job_last_success_seconds)"
LAST = "vurksha:job:last_success_seconds"
REMEMBERED = (
    f"max by (name) (vurksha_job_last_success_seconds > 0 or last_over_time({LAST}[<1d>]) and on (name) {JOBS})\n"
    f"or\n0 * {JOBS} + time()"
)
"""When each job last ended well anywhere; of one that never did, when it was first seen.

Kept from one evaluation to the next: replicas know of their own runs only, and two releases a day end them sooner than
a job of every six hours would have to be missed.
"""
GROUP = Group(
    name="events",
    rules=(
        Record(name=LAST, expr=REMEMBERED),
        Alert(
            name="BrokerAway",
            expr="min by (instance) (vurksha_broker_up) == 0",
            wait="<1m>",
            severity="ticket",
            area="events",
            summary="{{ $labels.instance }} does not reach RabbitMQ: events wait in the outbox",
        ),
        Alert(
            name="OutboxLate",
            expr="max(vurksha_outbox_oldest_seconds) > <60s#>",
            wait="<1m>",
            severity="page",
            area="events",
            summary="An event has waited over a minute to leave the database: nobody hears of what customers do",
        ),
        Alert(
            name="InboxLate",
            expr="max by (consumer) (vurksha_inbox_oldest_seconds) > <300s#>",
            wait="<1m>",
            severity="ticket",
            area="events",
            summary="{{ $labels.consumer }} is five minutes behind with its events",
        ),
        Alert(
            name="DeadLetters",
            expr="max by (consumer) (vurksha_dead_letters) > 0",
            wait="<1m>",
            severity="ticket",
            area="events",
            summary="{{ $labels.consumer }} has given events up",
        ),
        Alert(
            name="JobNotRun",
            expr=f"time() - {LAST} > on (name) 3 * max by (name) (vurksha_job_every_seconds) + <300s#>",
            wait="<5m>",  # longer than any job waits for its first run, when all start after hours without any
            severity="ticket",
            area="events",
            summary="The job {{ $labels.name }} has not ended well for three of its turns",
        ),
    ),
)
