"""What the kernel and a plugin know of each other: the manifest, and what the hook `provides` gets."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs

from core.auth import TokenIssuer
from core.extensions import Extensions
from core.isolation.guards import Guards
from core.resilience.breaker import Breakers
from core.resilience.shedding import Shedder
from core.services import Services
from core.settings import Settings
from core.store.cache import Cache
from core.store.db import Db
from core.store.redis import Redis
from core.tasks import Tasks

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
    """Plugins that must be loaded: they are built first, and their `ports.py` may be imported."""
    conflicts: tuple[str, ...] = ()
    """Plugins that must not be loaded beside it."""
    api: str = ">=1,<2"
    """Versions of the kernel's plugin API that it works with, as a version specifier (PEP 440)."""
    owner: str = ""
    """Whom to ask about it: a team or an address."""
    required: bool = False
    """Whether a replica without it must not serve. Others are quarantined when they fail, and the rest goes on."""
    paths: tuple[str, ...] = ()
    """First segments of its routes' paths, such as "payments". No two plugins share one."""
    events: tuple[str, ...] = ()
    """First parts of its event types, such as "payment". No two plugins share one."""
    settings: type | None = None
    """An attrs class; its section in config/*.toml has the plugin's name."""


@attrs.frozen(kw_only=True)
class Kernel:
    """What a plugin gets to build its services from. Stores are not open yet: keep them, use them later."""

    settings: Settings
    services: Services
    extensions: Extensions = attrs.field(factory=Extensions)
    guards: Guards = attrs.field(
        default=attrs.Factory(lambda kernel: Guards(kernel.settings.isolation), takes_self=True)
    )
    """To call what other plugins contribute: failures count against the plugin that contributed it."""
    db: Db
    redis: Redis
    cache: Cache
    tokens: TokenIssuer
    tasks: Tasks = attrs.field(factory=Tasks)
    """For background work of the plugin's own while it serves: begun in its lifespan or later, ended after it."""
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
