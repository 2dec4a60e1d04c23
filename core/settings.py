"""What can be set, as frozen classes: the kernel's sections, and a place for those of plugins."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

import attrs

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.frozen(repr=False)
class Secret:
    """A text that never prints. `reveal()` where it is used, nowhere else."""

    _value: str

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"


@attrs.frozen(kw_only=True)
class HttpSettings:
    """The public listener. Rates are requests per second (RELIABILITY 4.9); bytes are bytes."""

    host: str = "127.0.0.1"
    port: int = 8000
    max_body: int = 65_536
    user_rate: float = 100
    address_rate: float = 50
    trusted_proxies: list[str] = attrs.field(factory=list)
    """Networks whose X-Forwarded-For is believed."""
    cors_origins: list[str] = attrs.field(factory=list)
    hsts: bool = False
    late: float = 0.1
    """Seconds that the event loop, or requests on average, may be late before load is shed, the least first."""

    @property
    def proxies(self) -> list[Network]:
        """The trusted networks. Raises BadSettings."""
        try:
            return [ipaddress.ip_network(one) for one in self.trusted_proxies]
        except ValueError as error:
            raise BadSettings([f"http.trusted_proxies: {error}"]) from None


@attrs.frozen(kw_only=True)
class PostgresSettings:
    """`pool_size` connections per replica at most, `warm` of them opened at start. `acquire` in seconds.

    The last `reserve` of them are for refreshing sessions and for orders only.
    """

    url: Secret | None = None
    direct_url: Secret | None = None
    """For `vurksha migrate`, where `url` leads to a pooler: a migrator's lock belongs to its session."""
    standby_url: Secret | None = None
    """A read-only copy that answers reads while the primary does not; without one they are refused then."""
    pool_size: int = 16
    warm: int = 2
    reserve: int = 2
    acquire: float = 0.3
    connect: float = 0.8


@attrs.frozen(kw_only=True)
class RedisSettings:
    """`timeout` in seconds to connect, and per command. `prefix` keeps several apps on one server apart."""

    url: Secret | None = None
    prefix: str = ""
    timeout: float = 0.05


@attrs.frozen(kw_only=True)
class AuthSettings:
    """Access tokens. `also_accepted` are secrets that still or already verify, for a rotation without a 401."""

    secret: Secret
    also_accepted: list[Secret] = attrs.field(factory=list)
    issuer: str = "vurksha"
    audience: str = "vurksha-app"
    access_minutes: int = 15


@attrs.frozen(kw_only=True)
class EventSettings:
    """`concurrency` handlers at a time per replica; `poll` in seconds is the safety net beside the wake-up."""

    concurrency: int = 4
    poll: float = 1.0


@attrs.frozen(kw_only=True)
class RabbitmqSettings:
    """Without a `url` events stay inside the process. `prefix` keeps several apps on one broker apart."""

    url: Secret | None = None
    prefix: str = ""


@attrs.frozen(kw_only=True)
class StopSettings:
    """Seconds from SIGTERM: answering while unready, then finishing what is under way. Six more at most to be gone."""

    drain: float = 5.0
    finish: float = 14.0


@attrs.frozen(kw_only=True)
class DeploySettings:
    """What is rolled out. Replicas of one version and `release` must be alike: name other settings another release."""

    release: str = ""


@attrs.frozen(kw_only=True)
class BackupSettings:
    """For `vurksha backup`, where PostgreSQL is our own. `url` is of a role with REPLICATION, else the app's."""

    folder: str = ""
    url: Secret | None = None
    recipients: list[str] = attrs.field(factory=list)
    """Public keys that backups are encrypted for (age). The private one is kept elsewhere."""
    keep_days: int = 35


@attrs.frozen(kw_only=True)
class LogSettings:
    """`level` as in the standard library; `requests` writes one line a request."""

    level: str = "INFO"
    requests: bool = True


@attrs.frozen(kw_only=True)
class IsolationSettings:
    """What an optional plugin may do before it is put aside (ADR 22). Times in seconds, memory in megabytes."""

    failures: int = 5
    """In a row."""
    fewest: int = 20
    share: float = 0.5
    """Or this share of at least `fewest` calls within the `window`."""
    window: float = 60.0
    pure: float = 0.05
    """For a declared function without I/O, such as a price adjuster."""
    start: float = 5.0
    """For its lifespan to begin."""
    poll: float = 1.0
    """Between looks at what holds on every replica."""
    stall: float = 0.1
    """Without a beat of the loop, until the code that holds it is looked at."""
    block: float = 0.25
    blocks: int = 3
    """So many blocks of the loop within the `window`, or one of `longest_block`."""
    longest_block: float = 2.0
    tasks: int = 200
    """Running at once."""
    memory: int = 64
    """Growth of the process, from which it is found out who grows."""
    memory_sample: float = 10.0
    """For which at most allocations are traced then."""
    memory_share: float = 0.5
    """The share of what is allocated and kept meanwhile that shows who grows."""
    connections: int = 8
    """To the database at once."""
    held: float = 10.0
    """For one of them."""


@attrs.frozen(kw_only=True)
class PermissionSettings:
    """Who has which right (core.permissions), where that is not what the plugin's author thought of."""

    roles: dict[str, list[str]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class OperationsSettings:
    """The operators' listener: metrics and the status page. Replica i of `serve --replicas` takes `port` + i."""

    host: str = "127.0.0.1"
    """Empty: no such listener."""
    port: int = 9100
    """0: any that is free."""
    token: Secret
    """Whoever shows it may look."""


@attrs.frozen(kw_only=True)
class TracingSettings:
    """Traces of requests, sent to a collector by OTLP over HTTP (ADR 34). Times in seconds."""

    endpoint: str = ""
    """Such as http://jaeger:4318/v1/traces. Empty: no traces."""
    sample: float = 0.1
    """The share of requests, 0 to 1. A trusted proxy that sends a `traceparent` has decided already."""
    timeout: float = 3.0
    """For one request to the collector."""
    flush: float = 2.0
    """For what still waits when the replica ends."""
    authorization: Secret | None = None
    """The header of that name, for a collector that wants one."""


@attrs.frozen(kw_only=True)
class FaultSettings:
    """Fault points to arm (core.faultpoints), for tests only: production refuses them. `seed` repeats a run."""

    points: list[str] = attrs.field(factory=list)
    seed: str = ""


KERNEL_SECTIONS: dict[str, type] = {
    "http": HttpSettings,
    "postgres": PostgresSettings,
    "redis": RedisSettings,
    "auth": AuthSettings,
    "events": EventSettings,
    "rabbitmq": RabbitmqSettings,
    "stop": StopSettings,
    "deploy": DeploySettings,
    "backup": BackupSettings,
    "log": LogSettings,
    "isolation": IsolationSettings,
    "permissions": PermissionSettings,
    "operations": OperationsSettings,
    "tracing": TracingSettings,
    "faults": FaultSettings,
}


@attrs.frozen(kw_only=True)
class Settings:
    """Everything, once and for all. `sections` holds the plugins' own settings by name."""

    environment: str
    data_dir: Path
    plugins: tuple[str, ...]
    http: HttpSettings
    postgres: PostgresSettings
    redis: RedisSettings
    auth: AuthSettings
    events: EventSettings
    rabbitmq: RabbitmqSettings
    stop: StopSettings
    deploy: DeploySettings
    backup: BackupSettings
    log: LogSettings
    isolation: IsolationSettings
    permissions: PermissionSettings
    operations: OperationsSettings
    tracing: TracingSettings
    faults: FaultSettings
    sections: Mapping[str, object]
    origins: Mapping[str, str] = attrs.field(factory=dict)
    """The file or variable that each setting which somebody gave came from, by its name, such as `http.port`."""

    @property
    def development(self) -> bool:
        """Whether conveniences such as embedded servers and the message journal are allowed."""
        return self.environment != "production"


class BadSettings(Exception):
    """All mistakes of a configuration, one per line."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("the settings have mistakes:\n" + "\n".join(f"  - {m}" for m in mistakes))
        self.mistakes = mistakes
