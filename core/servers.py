"""Where the stores are: the URLs that were given, or embedded servers in their place."""

import attrs

from core.settings import Secret, Settings
from core.store.embedded import Embedded


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
