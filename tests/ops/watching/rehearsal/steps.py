"""A fault for each alert, in an order in which none makes the alert of a later one fire."""

from tests.ops.watching.rehearsal import faults, replica_faults
from tests.ops.watching.rehearsal.scene import Step

STEPS = (
    Step("all is well", ("Watchdog",), faults.nothing),
    Step("nobody orders", ("OrdersDropped",), faults.nobody_orders, 120),
    Step("payments are declined", ("PaymentsFailing",), faults.declined),
    Step(
        "the SMS provider answers 500",
        ("SignInCodesFailing", "NotificationsFailing", "BreakerOpen"),
        faults.gateway_refuses,
    ),
    Step(
        "a column is gone",
        ("UnexpectedErrors", "PluginFails", "AvailabilityBurnFast", "AvailabilityBurnSlow"),
        faults.wrong_table,
    ),
    Step(
        "PostgreSQL answers late",
        ("LatencyBurnFast", "LatencyBurnSlow", "PoolExhausted", "Shedding"),
        faults.slow_database,
    ),
    Step(
        "PostgreSQL is away",
        ("DatabaseAway", "JobNotRun"),
        faults.no_database,
    ),
    Step("one replica is cut off from PostgreSQL", ("ReplicaUnready",), faults.cut_off),
    Step("Redis is killed", ("RedisAway",), faults.no_redis),
    Step("RabbitMQ is killed", ("BrokerAway", "OutboxLate"), faults.no_broker),
    Step("a table is locked", ("InboxLate",), faults.locked),
    Step("an event cannot be read", ("DeadLetters",), faults.nonsense),
    Step("a replica has other settings", ("ReplicasDisagree",), replica_faults.other_settings),
    Step(
        "the next release brings bad plugins",
        ("PluginHoldsLoop", "PluginQuarantined", "ReleasesMixed"),
        replica_faults.rogues,
        120,
    ),
    Step("a replica is starved", ("LoopLate",), replica_faults.starved),
    Step("a replica is killed", ("ReplicaDown",), replica_faults.gone),
    Step("a replica dies again and again", ("ReplicaRestarts",), replica_faults.crashes, 90),
    Step("every replica is killed", ("NoReplica",), replica_faults.none_left),
)
