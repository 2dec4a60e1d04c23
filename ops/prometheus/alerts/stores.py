"""What replicas lean on, and what they do when it gives way."""

from ops.prometheus.model import Alert, Group

GROUP = Group(
    name="stores",
    rules=(
        Alert(
            name="DatabaseAway",
            expr='min(max by (instance) (vurksha_breaker_state{breaker=~"postgres|postgres writes"})) >= 1',
            wait="<30s>",
            severity="page",
            area="stores",
            summary="No replica reaches PostgreSQL, or it takes no writes: nobody can sign in or order",
        ),
        Alert(
            name="RedisAway",
            expr='min(vurksha_breaker_state{breaker="redis"}) >= 1',
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
