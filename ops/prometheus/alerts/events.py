"""Events on their way, and work by the clock."""

from ops.prometheus.model import Alert, Group

LAST = (
    "(max by (name) (vurksha_job_last_success_seconds > 0)"
    " or max by (name) (vurksha_job_last_success_seconds)"
    ' + on () group_left () min(process_start_time_seconds{job="vurksha"}))'
)
"""When each job last ended well anywhere; since no replica knows of one, when the oldest of them started."""
GROUP = Group(
    name="events",
    rules=(
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
            severity="ticket",
            area="events",
            summary="The job {{ $labels.name }} has not ended well for three of its turns",
        ),
    ),
)
