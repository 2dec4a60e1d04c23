"""Where faults are made, and what a step of the rehearsal is."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import attrs

from tests.faults.stage import Loaded
from tests.faults.world import Replica, World
from tests.ops.watching.rehearsal.people import Person
from tests.ops.watching.rehearsal.watch import Watch


@attrs.define(kw_only=True)
class Scene:
    """Where faults are made."""

    world: World
    watch: Watch
    load: Loaded
    session: aiohttp.ClientSession
    person: Person

    @property
    def two(self) -> Replica:
        """The replica that is ill when only one is."""
        return self.world.replicas["two"]

    async def third(self, name: str, **env: str) -> Replica:
        """A replica beside the two, without proxies, watched like them and not behind the balancer."""
        replica = Replica(name, self.world.folder, {**self.world.environment(), **env})
        self.watch.watch([*(one.operations for one in self.world.replicas.values()), replica.operations])
        replica.child.start()
        return replica

    def alone(self) -> None:
        """Watch the two only."""
        self.watch.watch(one.operations for one in self.world.replicas.values())

    def shop(self) -> str:
        """The database's URL for its superuser."""
        return self.world.cluster.primary.url("postgres")


Fault = Callable[[Scene], AbstractAsyncContextManager[None]]


@attrs.frozen
class Step:
    """Alerts that fire because of one fault."""

    what: str
    alerts: tuple[str, ...]
    fault: Fault
    limit: float = 60.0
