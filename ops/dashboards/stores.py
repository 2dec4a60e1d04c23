"""PostgreSQL, Redis, the pools and caches before them, and who was given up."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, number, page

BUSY = 'vurksha_pool_connections{state="busy"}'


def board() -> Dashboard:
    """The page."""
    return page(
        "stores",
        "stores",
        "A breaker at 2 is open: that dependency is not asked now. At 1 it is being tried.",
        (
            "Now",
            (
                number("PostgreSQL", "Replicas without", "short", away("postgres"), red=1),
                number("Writes", "Replicas that cannot", "short", away("postgres writes"), red=1),
                number("Redis", "Replicas without", "short", away("redis"), red=1),
                number("Pool in use", "At most", "percentunit", f"max({share()})", amber=0.7, red=0.9),
                number("Waiting", "For a connection", "short", "sum(vurksha_pool_waiting)", amber=1, red=5),
                number(
                    "Trips", "In an hour", "short", "sum(increase(vurksha_breaker_opened_total[1h]))", amber=1, red=5
                ),
            ),
        ),
        (
            "Breakers",
            (
                lines(
                    "State",
                    "0 closed, 1 being tried, 2 open.",
                    "none",
                    ("max by (breaker, instance) (vurksha_breaker_state)", "{{breaker}} {{instance}}"),
                    most=2,
                ),
                lines(
                    "Opened",
                    "Times in five minutes.",
                    "short",
                    ("sum by (breaker) (increase(vurksha_breaker_opened_total[5m]))", "{{breaker}}"),
                ),
            ),
        ),
        (
            "PostgreSQL",
            (
                lines(
                    "Connections",
                    "Of each replica's pool.",
                    "short",
                    ("sum by (instance, pool, state) (vurksha_pool_connections)", "{{instance}} {{pool}} {{state}}"),
                    ("sum by (instance, pool) (vurksha_pool_size)", "{{instance}} {{pool}} size"),
                ),
                lines(
                    "In use and waited for",
                    "Share of the pool at work, and requests that wait for a connection.",
                    "none",
                    (share(), "{{instance}} {{pool}} in use"),
                    ("max by (instance, pool) (vurksha_pool_waiting)", "{{instance}} {{pool}} waiting"),
                ),
                lines(
                    "Time in SQL",
                    "Seconds a second, by plugin.",
                    "none",
                    (f"sum by (plugin) (rate(vurksha_db_seconds_total[{STEP}]))", "{{plugin}}"),
                    stacked=True,
                ),
                lines(
                    "Statements",
                    "Per second, by plugin.",
                    "ops",
                    (f"sum by (plugin) (rate(vurksha_db_statements_total[{STEP}]))", "{{plugin}}"),
                    stacked=True,
                ),
            ),
        ),
        (
            "Caches",
            (
                lines(
                    "Reads",
                    "Per second, by outcome.",
                    "ops",
                    (f"sum by (cache, outcome) (rate(vurksha_cache_reads_total[{STEP}]))", "{{cache}} {{outcome}}"),
                    stacked=True,
                ),
                lines("Hits", "Share of reads.", "percentunit", (hits(), "{{cache}}"), most=1),
            ),
        ),
    )


def away(breaker: str) -> str:
    """How many replicas have given it up."""
    return f'count(vurksha_breaker_state{{breaker="{breaker}"}} > 0) or vector(0)'


def share() -> str:
    """Of each pool that is in use."""
    return f"max by (instance, pool) ({BUSY}) / max by (instance, pool) (vurksha_pool_size)"


def hits() -> str:
    """By cache; nothing of one that nobody reads."""
    good = f'sum by (cache) (rate(vurksha_cache_reads_total{{outcome=~"hit|local|stale|shared"}}[{STEP}]))'
    return f"{good} / (sum by (cache) (rate(vurksha_cache_reads_total[{STEP}])) > 0)"
