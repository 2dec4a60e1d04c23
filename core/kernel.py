"""What the kernel and a plugin know of each other: the manifest, and what the hook `provides` gets."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs

from core.auth import TokenIssuer
from core.resilience.breaker import Breakers
from core.resilience.shedding import Shedder
from core.services import Services
from core.settings import Settings
from core.store.cache import Cache
from core.store.db import Db
from core.store.redis import Redis

S = TypeVar("S")

Seed = Callable[[], Awaitable[str]]
"""Writes demo data idempotently; the line says what was written."""


@attrs.frozen(kw_only=True)
class Manifest:
    """What a plugin says of itself: the attribute `manifest` of the plugin object."""

    name: str
    version: str
    schema: str
    """The PostgreSQL schema that it owns."""
    requires: tuple[str, ...] = ()
    settings: type | None = None
    """An attrs class; its section in config/*.toml has the plugin's name."""


@attrs.frozen(kw_only=True)
class Kernel:
    """What a plugin gets to build its services from. Stores are not open yet: keep them, use them later."""

    settings: Settings
    services: Services
    db: Db
    redis: Redis
    cache: Cache
    tokens: TokenIssuer
    breakers: Breakers = attrs.field(factory=Breakers)
    """Of what this replica depends on; a plugin adds those of its own providers."""
    shedder: Shedder

    @property
    def data_dir(self) -> Path:
        """Where development keeps its servers and its message journal."""
        return self.settings.data_dir

    def section(self, cls: type[S]) -> S:
        """The plugin's own settings, as declared in its manifest."""
        return next(section for section in self.settings.sections.values() if isinstance(section, cls))
