"""What a replica is made of below its plugins: stores with their breakers, guards, tokens."""

from core.auth import TokenIssuer
from core.extensions import Extensions
from core.isolation.guards import Guards
from core.kernel import Kernel
from core.plugins import Plugins
from core.resilience.breaker import Breakers, State
from core.resilience.shedding import Shedder
from core.services import Services
from core.settings import Settings
from core.store.cache import Cache
from core.store.db import Db
from core.store.pool import Pool
from core.store.redis import Redis
from core.store.standby import standby_at
from core.tasks import Tasks

FULL = {
    "statement_timeout": "3000",
    "lock_timeout": "800",
    "idle_in_transaction_session_timeout": "3000",
    "tcp_user_timeout": "9000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "2",
    "application_name": "vurksha",
    "timezone": "UTC",
}
"""RELIABILITY 3, in milliseconds."""


def built(settings: Settings, tasks: Tasks, plugins: Plugins) -> Kernel:
    """One replica's. Nothing is opened yet; `tasks` are the kernel's own."""
    postgres, auth = settings.postgres, settings.auth
    if postgres.url is None or settings.redis.url is None:
        raise ValueError("DATABASE_URL and REDIS_URL must be known by now")
    pool = Pool(
        postgres.url.reveal(),
        size=postgres.pool_size,
        warm=postgres.warm,
        connect=postgres.connect,
        reserve=postgres.reserve,
        server=FULL,
    )
    standby = standby_at(postgres.standby_url.reveal(), FULL) if postgres.standby_url else None
    db = Db(pool, acquire=postgres.acquire, standby=standby)
    within = settings.redis.timeout
    redis = Redis(settings.redis.url.reveal(), prefix=settings.redis.prefix.encode(), connect=within, command=within)
    stores, shedder = (db.breaker, db.writes, redis.breaker), Shedder(late=settings.http.late)
    optional = (manifest.name for manifest in plugins.manifests if not manifest.required)
    guards = Guards(
        settings.isolation,
        optional,
        excused=lambda: any(one.state is not State.CLOSED for one in stores),
        overloaded=lambda: shedder.lag > settings.http.late,
    )
    return Kernel(
        settings=settings,
        services=Services(),
        extensions=Extensions(guards.available),
        guards=guards,
        db=db,
        breakers=Breakers(*stores, *([standby.breaker] if standby else [])),
        shedder=shedder,
        redis=redis,
        cache=Cache(redis, tasks),
        tokens=TokenIssuer(
            auth.secret.reveal(),
            [secret.reveal() for secret in auth.also_accepted],
            issuer=auth.issuer,
            audience=auth.audience,
            minutes=auth.access_minutes,
        ),
    )
