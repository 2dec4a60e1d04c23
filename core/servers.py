"""Where the stores are: the URLs that were given, or embedded servers in their place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from core.settings import Secret, Settings
from core.store.embedded import Embedded
from core.tasks import Tasks


def with_urls(settings: Settings, database: Secret, redis: Secret) -> Settings:
    """The settings with URLs where none were given."""
    return attrs.evolve(
        settings,
        postgres=attrs.evolve(settings.postgres, url=settings.postgres.url or database),
        redis=attrs.evolve(settings.redis, url=settings.redis.url or redis),
    )


async def with_servers(settings: Settings, embedded: Embedded) -> Settings:
    """The same, with embedded servers started (or found running) for what was not given."""
    if settings.postgres.url is not None and settings.redis.url is not None:
        return settings
    servers = await embedded.start(settings.data_dir)
    return with_urls(settings, Secret(servers.database_url), Secret(servers.redis_url))


@asynccontextmanager
async def serving_on(settings: Settings) -> AsyncIterator[Settings]:
    """The same while the block runs: a server that dies is started again, and all end with the block."""
    embedded, tasks = Embedded(), Tasks()
    try:
        ready = await with_servers(settings, embedded)
        tasks.forever("embedded servers", embedded.watch)
        yield ready
    finally:
        await tasks.stop(1.0)
        await embedded.stop()
