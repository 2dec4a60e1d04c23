"""What replicas lean on, and what they do when it gives way."""

from ops.prometheus.model import Alert, Group


def nowhere(breaker: str) -> str:
    """A breaker that is open on every replica.

    One that starts says nothing by a closed one: it may have asked for nothing yet, or still wait for its first answer.
    """
    states = f'max by (instance) (vurksha_breaker_state{{breaker=~"{breaker}"}})'
    started = f'{states} unless on (instance) vurksha_unready{{reason="starting"}} == 1'
    return f"min({states} > 0 or ({started})) >= 1"


GROUP = Group(
    name="stores",
    rules=(
        Alert(
            name="DatabaseAway",
            expr=nowhere("postgres|postgres writes"),
            wait="<30s>",
            severity="page",
            area="stores",
            summary="No replica reaches PostgreSQL, or it takes no writes: nobody can sign in or order",
        ),
        Alert(
            name="RedisAway",
            expr=nowhere("redis"),
            wait="<1m>",
            severity="ticket",
            area="stores",
            summary="No replica reaches Redis: all works from PostgreSQL, slower",
        ),
        Alert(
            name="BreakerOpen",
            expr="max by (breaker, instance) (vurksha_breaker_state) >= 1",
            wait="<2m>",
            severity="ticket",
            area="stores",
            summary="{{ $labels.instance }} has given {{ $labels.breaker }} up for two minutes",
        ),
        Alert(
            name="PoolExhausted",
            expr="max by (instance, pool) (avg_over_time(vurksha_pool_waiting[<2m>])) > 0.5",
            wait="<1m>",
            severity="ticket",
            area="stores",
            summary="At {{ $labels.instance }} requests wait for a connection of the pool {{ $labels.pool }}",
        ),
        Alert(
            name="Shedding",
            expr="sum by (rank) (increase(vurksha_requests_shed_total[<5m>])) > 10",
            wait="<1m>",
            severity="ticket",
            area="overview",
            summary="Requests of rank {{ $labels.rank }} are refused: there is more load than replicas can carry",
        ),
    ),
)
