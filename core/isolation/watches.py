"""All watches of a process as one step of its lifecycle. None of them is on the way of a request."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from core.isolation import urgent
from core.isolation.connections import BoundedDb, ConnectionWatch
from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.isolation.loop_watch import LoopWatch
from core.isolation.memory_watch import MemoryWatch
from core.isolation.task_watch import TaskWatch
from core.store.db import Db
from core.tasks import Tasks


class Watches:
    """One replica's."""

    def __init__(self, plugins: Mapping[str, object], db: Db, guards: Guards) -> None:
        """The plugin objects by name."""
        packages = Packages(plugins)
        self._db, self._guards = db, guards
        self.loop = LoopWatch(packages, guards, partial(urgent.quarantine, db.pool))
        self.tasks = TaskWatch(packages, guards)
        self.memory = MemoryWatch(packages, guards)
        self.connections = ConnectionWatch(packages, guards)

    def view(self, plugin: str) -> Db:
        """The database for an optional plugin."""
        view = BoundedDb(self._db, plugin, self._guards)
        self.connections.parts.append(view.part)
        return view

    @asynccontextmanager
    async def watching(self, tasks: Tasks) -> AsyncIterator[None]:
        """Watch while the block runs; `tasks` end with the process."""
        for name, watch in (("tasks", self.tasks), ("memory", self.memory), ("connections", self.connections)):
            tasks.forever(f"watch of {name}", watch.run)
        async with self.loop.watching():
            yield
