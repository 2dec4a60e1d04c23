"""Replicas: processes that hold the project's pool, database object and tasks, and start again after each death."""

from collections.abc import Awaitable, Callable

from core.store.db import Db
from core.store.pool import Pool
from core.tasks import Tasks
from tests.simulation.world import World

Work = Callable[["Replica", Db, Tasks], Awaitable[None]]
DSN = "postgresql://memory/shop"


class Replica:
    """A place in the row of replicas. `work` is what each process in it does."""

    def __init__(self, world: World, name: str, work: Work) -> None:
        self.world, self.name, self._work = world, name, work
        self.process = world.process(name)

    def start(self) -> None:
        """A new process in the place of the dead one, or the first."""
        self.process = self.world.process(self.name)
        self.world.spawn(self.process, self._run())

    async def _run(self) -> None:
        rng = self.world.rng
        size = rng.choice((4, 12))
        pool = Pool(DSN, size=size, warm=rng.choice((0, 1)), connect=1.0, server={}, reserve=rng.choice((0, 2)))
        db, tasks = Db(pool), Tasks()
        if self.world.chance(0.3):  # it asks so often that most runs do without
            tasks.forever("database watch", db.watch.run)
        await self._work(self, db, tasks)
