"""Replicas: there, ready, of one mind."""

from ops.prometheus.model import Alert, Group

GROUP = Group(
    name="replicas",
    rules=(
        Alert(
            name="Watchdog",
            expr="vector(1)",
            severity="none",
            area="overview",
            summary="Always so: who no longer hears it must look after Prometheus and Alertmanager",
        ),
        Alert(
            name="NoReplica",
            expr="(sum(vurksha_ready) or vector(0)) == 0",
            wait="<1m>",
            severity="page",
            area="replicas",
            summary="No replica is ready: customers get nothing",
        ),
        Alert(
            name="ReplicaDown",
            expr='up{job="vurksha"} == 0',
            wait="<2m>",
            severity="ticket",
            area="replicas",
            summary="Replica {{ $labels.instance }} does not answer",
        ),
        Alert(
            name="ReplicaUnready",
            expr='max by (instance, reason) (vurksha_unready{reason!~"agreement|draining"}) == 1',
            wait="<2m>",
            severity="ticket",
            area="replicas",
            summary="Replica {{ $labels.instance }} takes no requests: {{ $labels.reason }}",
        ),
        Alert(
            name="ReplicasDisagree",
            expr='max by (instance) (vurksha_unready{reason="agreement"}) == 1',
            wait="<1m>",
            severity="ticket",
            area="replicas",
            summary="Replica {{ $labels.instance }} is unlike its peers in settings, plugins or migrations",
        ),
        Alert(
            name="ReplicaRestarts",
            expr='max by (instance) (changes(process_start_time_seconds{job="vurksha"}[<30m>])) >= 3',
            severity="ticket",
            area="replicas",
            summary="Replica {{ $labels.instance }} was started three times within half an hour",
        ),
        Alert(
            name="ReleasesMixed",
            expr="count(count by (version, release) (vurksha_info)) > 1",
            wait="<30m>",
            severity="ticket",
            area="replicas",
            summary="Replicas of two releases have served side by side for half an hour: a rollout is stuck",
        ),
    ),
)
