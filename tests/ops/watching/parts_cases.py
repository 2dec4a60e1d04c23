"""Cases of alerts on replicas, stores, events and plugins."""

from tests.ops.watching.case import Case

A, B = 'instance="a"', 'instance="b"'
HOUR = 3600


def job(name: str, *labels: str) -> str:
    """A series of the scraped replicas."""
    return f'{name}{{job="vurksha",{",".join(labels)}}}'


def breakers(name: str, a: str, b: str) -> dict[str, str]:
    """The state of one breaker on two replicas."""
    return {f'vurksha_breaker_state{{breaker="{name}",{who}}}': values for who, values in ((A, a), (B, b))}


def starting(values: str) -> dict[str, str]:
    """Whether replica b starts."""
    return {f'vurksha_unready{{{B},reason="starting"}}': values}


def jobs(last: str, every: int = 60) -> dict[str, str]:
    """A job that two replicas share, each five minutes of thirty hours; the second one never did it."""
    return {
        f'vurksha_job_last_success_seconds{{{A},name="sweep"}}': last,
        f'vurksha_job_last_success_seconds{{{B},name="sweep"}}': "0x360",
        f'vurksha_job_every_seconds{{{A},name="sweep"}}': f"{every}x360",
        f'vurksha_job_every_seconds{{{B},name="sweep"}}': f"{every}x360",
    }


def released(*successes: int) -> dict[str, str]:
    """A job of every six hours, and a release every twelve: when it last ended well, as each replica in turn tells."""
    found = {}
    for number, last in enumerate(successes):
        before, labels = f"_x{144 * number} " if number else "", f'instance="{number}",name="sweep"'
        found[f"vurksha_job_last_success_seconds{{{labels}}}"] = f"{before}{last}x143"
        found[f"vurksha_job_every_seconds{{{labels}}}"] = f"{before}{6 * HOUR}x143"
    return found


def absent(steps: int, every: int, last: str = "") -> dict[str, str]:
    """A job that nobody tells of for so many of the 360 steps, and then nobody did yet."""
    return {
        f'vurksha_job_last_success_seconds{{{A},name="sweep"}}': f"{last}_x{steps} 0x360",
        f'vurksha_job_every_seconds{{{A},name="sweep"}}': f"{last and f'{every}x99 '}_x{steps} {every}x360",
    }


def counted(name: str, labels: str, values: str) -> dict[str, str]:
    """One series."""
    return {f"{name}{{{labels}}}": values}


def gauge(name: str, values: str, *labels: str) -> dict[str, str]:
    """One series of replica a."""
    return {f"{name}{{{','.join((A, *labels))}}}": values}


CASES = (
    Case(alert="Watchdog", fires={"up": "1x30"}, quiet={}),
    Case(
        alert="NoReplica",
        fires={f"vurksha_ready{{{A}}}": "1x10 0x20", f"vurksha_ready{{{B}}}": "1x10 _x20"},
        quiet={"one is left": {f"vurksha_ready{{{A}}}": "1x30", f"vurksha_ready{{{B}}}": "1x10 0x20"}},
    ),
    Case(
        alert="ReplicaDown",
        labels={"job": "vurksha", "instance": "b"},
        fires={job("up", A): "1x30", job("up", B): "1x10 0x20"},
        quiet={"one scrape was missed": {job("up", B): "1x28 0 1"}, "another program": {'up{job="x"}': "0x30"}},
    ),
    Case(
        alert="ReplicaUnready",
        labels={"instance": "a", "reason": "clock"},
        fires={f'vurksha_unready{{{A},reason="clock"}}': "0x10 1x20"},
        quiet={
            "it stops": {f'vurksha_unready{{{A},reason="draining"}}': "0x10 1x20"},
            "it starts": {f'vurksha_unready{{{A},reason="starting"}}': "0x28 1x2"},
        },
    ),
    Case(
        alert="ReplicasDisagree",
        labels={"instance": "a"},
        fires={f'vurksha_unready{{{A},reason="agreement"}}': "0x10 1x20"},
        quiet={"it waits for its schema": {f'vurksha_unready{{{A},reason="schema"}}': "1x30"}},
    ),
    Case(
        alert="ReplicaRestarts",
        labels={"instance": "a"},
        fires={job("process_start_time_seconds", A): "0x10 600x5 900x5 1200x10"},
        quiet={"a deploy": {job("process_start_time_seconds", A): "0x10 600x20"}},
    ),
    Case(
        alert="ReleasesMixed",
        fires={f'vurksha_info{{{who},version="1",release="{who[-2]}"}}': "1x60" for who in (A, B)},
        quiet={
            "one release": {f'vurksha_info{{{who},version="1",release="x"}}': "1x60" for who in (A, B)},
            "a rollout under way": {
                f'vurksha_info{{{A},version="1",release="x"}}': "1x60",
                f'vurksha_info{{{B},version="1",release="y"}}': "_x50 1x10",
            },
        },
        at="60m",
    ),
    Case(
        alert="DatabaseAway",
        fires=breakers("postgres", "0x10 2x20", "0x10 1x20"),
        fires_too={
            "one was started meanwhile": {**breakers("postgres", "0x10 2x20", "_x20 0x10"), **starting("_x20 1x10")},
            "all were, and are refused": {**breakers("postgres", "_x31", "_x20 2x10"), **starting("_x20 1x10")},
        },
        quiet={
            "one that started reaches it": {**breakers("postgres", "0x10 2x20", "_x20 0x10"), **starting("_x20 1 0x9")},
            "all start": {**breakers("postgres", "_x31", "_x20 0x10"), **starting("_x20 1x10")},
            "one replica is cut off": breakers("postgres", "0x10 2x20", "0x30"),
            "a failover of seconds": breakers("postgres", "0x29 2", "0x29 2"),
            "another store": breakers("redis", "0x10 2x20", "0x10 2x20"),
        },
    ),
    Case(
        alert="RedisAway",
        fires=breakers("redis", "0x10 2x20", "0x10 1x20"),
        fires_too={
            "one was started meanwhile": {**breakers("redis", "0x10 2x20", "_x20 0x10"), **starting("_x20 1x10")},
        },
        quiet={"one replica is cut off": breakers("redis", "0x10 2x20", "0x30")},
    ),
    Case(
        alert="BreakerOpen",
        labels={"breaker": "msg91", "instance": "a"},
        fires=breakers("msg91", "0x10 2x20", "0x30"),
        quiet={"a moment": breakers("msg91", "0x29 2", "0x30")},
    ),
    Case(
        alert="PoolExhausted",
        labels={"pool": "postgres", "instance": "a"},
        fires=gauge("vurksha_pool_waiting", "0x10 3x20", 'pool="postgres"'),
        quiet={"for a moment": gauge("vurksha_pool_waiting", "0x29 3", 'pool="postgres"')},
    ),
    Case(
        alert="Shedding",
        labels={"rank": "catalogue"},
        fires=counted("vurksha_requests_shed_total", f'{A},rank="catalogue"', "0x10 0+10x20"),
        quiet={"a few": counted("vurksha_requests_shed_total", f'{A},rank="catalogue"', "0x28 5 5")},
    ),
    Case(
        alert="BrokerAway",
        labels={"instance": "a"},
        fires=gauge("vurksha_broker_up", "1x10 0x20"),
        quiet={"a moment": gauge("vurksha_broker_up", "1x29 0")},
    ),
    Case(
        alert="OutboxLate",
        fires=gauge("vurksha_outbox_oldest_seconds", "0x10 0+60x20"),
        quiet={"half a minute": gauge("vurksha_outbox_oldest_seconds", "30x30")},
    ),
    Case(
        alert="InboxLate",
        labels={"consumer": "c"},
        fires=gauge("vurksha_inbox_oldest_seconds", "0x10 0+60x20", 'consumer="c"'),
        quiet={"a repeat after two minutes": gauge("vurksha_inbox_oldest_seconds", "150x30", 'consumer="c"')},
    ),
    Case(
        alert="DeadLetters",
        labels={"consumer": "c"},
        fires=gauge("vurksha_dead_letters", "0x10 1x20", 'consumer="c"'),
        quiet={"none": gauge("vurksha_dead_letters", "0x30", 'consumer="c"')},
    ),
    Case(
        alert="JobNotRun",
        labels={"name": "sweep"},
        fires=jobs("0+300x12 3600x348"),
        fires_too={
            "nobody ever did it": jobs("0x360"),
            "two releases a day, and it failed since the first": released(HOUR, 0, 0),
            "two releases a day, and it never ended well": released(0, 0, 0),
        },
        quiet={
            "it runs": jobs("0+300x360"),
            "it is one of every six hours": jobs(f"0x179 {15 * HOUR}x181", every=6 * HOUR),
            "two releases a day, and it runs": released(HOUR, 13 * HOUR, 25 * HOUR),
            "it is new": absent(330, HOUR),
            "all were stopped for hours, and just started": absent(260, 60, "0+300x99 "),
        },
        at="30h",
        interval="5m",
    ),
    Case(
        alert="LoopLate",
        labels={"instance": "a"},
        fires=gauge("vurksha_loop_lag_seconds", "0x10 0.2x20"),
        quiet={"once": gauge("vurksha_loop_lag_seconds", "0x29 0.08")},
    ),
    Case(
        alert="PluginHoldsLoop",
        labels={"plugin": "gifts"},
        fires=counted("vurksha_loop_blocks_total", f'{A},plugin="gifts"', "0x10 0+1x20"),
        quiet={
            "one long garbage collection": counted("vurksha_loop_blocks_total", f'{A},plugin="gifts"', "0x28 1 1"),
            "the kernel": counted("vurksha_loop_blocks_total", f'{A},plugin="kernel"', "0x10 0+1x20"),
        },
    ),
    Case(
        alert="PluginQuarantined",
        labels={"plugin": "gifts"},
        fires=gauge("vurksha_plugin_up", "1x10 0x20", 'plugin="gifts"'),
        quiet={"all serve": gauge("vurksha_plugin_up", "1x30", 'plugin="gifts"')},
    ),
    Case(
        alert="PluginFails",
        labels={"plugin": "gifts"},
        fires=counted("vurksha_plugin_failures_total", f'{A},plugin="gifts"', "0x10 0+1x20"),
        quiet={"twice": counted("vurksha_plugin_failures_total", f'{A},plugin="gifts"', "0x28 2 2")},
    ),
    Case(
        alert="UnexpectedErrors",
        labels={"route": "GET /x"},
        fires=counted("vurksha_errors_total", f'{A},route="GET /x",code="SYS_001"', "0x25 1x5"),
        quiet={"a busy store": counted("vurksha_errors_total", f'{A},route="GET /x",code="SYS_002"', "0x25 1x5")},
    ),
)
