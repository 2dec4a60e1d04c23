"""The kernel's metrics: name, kind, labels, meaning. README, dashboards and alerts are held to this table.

Plugins declare theirs by the hook `metrics`. Label values come from code; the HELP text is the meaning.
"""

from typing import Final

from core.observe.counts import Metric

PREFIX: Final = "vurksha_"


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name=name, kind="counter", labels=labels, meaning=meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name=name, kind="gauge", labels=labels, meaning=meaning)


REQUESTS = (
    Metric(
        name="request_seconds",
        kind="histogram",
        labels=("plugin", "route"),
        meaning="How long answers took; route - is what no route took",
    ),
    _counter("requests_total", "Requests by the class of their status: 2xx to 5xx", "plugin", "route", "status"),
    _counter("errors_total", "Refusals by error code", "route", "code"),
    _gauge("requests_in_progress", "Requests that are being worked on"),
    _counter("requests_shed_total", "Requests refused for want of room, by rank", "rank"),
)
RESOURCES = (
    _gauge("breaker_state", "0 closed, 1 half open, 2 open", "breaker"),
    _counter("breaker_opened_total", "Times that a breaker opened", "breaker"),
    _counter("cache_reads_total", "Reads of a cache by where the value came from", "cache", "outcome"),
    _gauge("pool_connections", "Connections to a database by what they do: busy or idle", "pool", "state"),
    _gauge("pool_size", "Connections that a pool may have", "pool"),
    _gauge("pool_waiting", "Callers that wait for a connection", "pool"),
    _gauge(
        "memory_blocks", "Pieces of memory that Python holds: grows with a leak, not with what a rush leaves unused"
    ),
    _gauge("loop_lag_seconds", "How late the event loop was when it was looked at last"),
    _counter("trace_spans_total", "Spans handed to the collector (sent) or dropped (lost)", "outcome"),
)
PLUGINS = (
    _counter("db_seconds_total", "Seconds that a plugin's statements took", "plugin"),
    _counter("db_statements_total", "Round trips of a plugin to the database", "plugin"),
    _counter("loop_seconds_total", "Seconds that a plugin held the event loop, by samples", "plugin"),
    _counter("loop_blocks_total", "Times that a plugin held the event loop for too long", "plugin"),
    _gauge("tasks", "Running tasks of a plugin", "plugin"),
    _counter("plugin_failures_total", "Calls of a plugin that failed", "plugin"),
    _gauge("plugin_up", "1 in service, 0 left out or quarantined", "plugin"),
)
EVENTS = (
    _counter("events_emitted_total", "Events that this replica handed on from the outbox", "event"),
    _counter("events_handled_total", "Deliveries by outcome: ok, retried, dead", "consumer", "outcome"),
    _gauge("broker_up", "1 while the broker takes messages, or none is configured"),
    _gauge("outbox_rows", "Events that wait in the outbox, of all replicas; 100000 or more is told as that"),
    _gauge("outbox_oldest_seconds", "Age of the oldest of them; 0 when there is none"),
    _gauge("inbox_rows", "Deliveries that wait in the inbox, of all replicas; at most 100000 in all", "consumer"),
    _gauge("inbox_oldest_seconds", "Age of the oldest of them; 0 when there is none", "consumer"),
    _gauge("dead_letters", "Events that were given up; consumer - is what the broker refused", "consumer"),
)
PROCESS = (
    _counter(
        "job_runs_total", "Runs of a job by outcome: ok, failed, skipped (another replica does it)", "name", "outcome"
    ),
    _gauge("job_last_success_seconds", "Unix time of a job's last success here; 0 before the first", "name"),
    _gauge("job_every_seconds", "Seconds between the runs of a job", "name"),
    _gauge("replicas", "Replicas that are alive, ready or not"),
    _gauge("ready", "1 while this replica should get requests"),
    _gauge("unready", "1 for each reason why it should not", "reason"),
    _gauge("info", "Always 1: what this replica runs", "version", "release"),
)
METRICS: tuple[Metric, ...] = (*REQUESTS, *RESOURCES, *PLUGINS, *EVENTS, *PROCESS)
