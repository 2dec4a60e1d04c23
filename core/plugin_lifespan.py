"""Plugins' lifespans: a required one is part of the start, an optional one is held in a task of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from core.isolation.guards import Guards
from core.plugin_finding import told
from core.tasks import Tasks, contained

Context = AbstractAsyncContextManager[None]
WORK_ENDS = 1.0
"""Seconds for a plugin's background work to end."""
log = logging.getLogger("core.plugins")


@asynccontextmanager
async def told_when_late(plugin: str, context: Context, limit: float) -> AsyncIterator[None]:
    """A required plugin's lifespan, named in the log when it keeps the replica from serving. `limit` in seconds."""
    loop, line = asyncio.get_running_loop(), "plugin %s is required, and its lifespan has not begun after %g s: unready"
    late = loop.call_later(limit, log.error, line, plugin, limit)
    try:
        await context.__aenter__()
    except Exception as error:
        log.error("plugin %s is required, and its lifespan failed: %s", plugin, told(error))  # noqa: TRY400  it is raised
        raise
    finally:
        late.cancel()
    try:
        yield
    finally:
        await context.__aexit__(None, None, None)


class Lifespan:
    """An optional plugin's, with its background work, `work`.

    Begun within its limit or given up; ended while the plugin is put aside, begun anew then.
    """

    def __init__(
        self,
        plugin: str,
        first: Context,
        renewed: Callable[[], Context],
        guards: Guards,
        limit: float,
        work: Tasks,
        after: Sequence["Lifespan"] = (),
    ) -> None:
        """`first` is what the hook answered at start; `renewed` asks it again. `limit` in seconds, also for leaving.

        `after` are those of the plugins that it requires: when all come back at once, they begin before.
        """
        self._plugin, self._first, self._renewed = plugin, [first], renewed
        self._guards, self._limit, self._work, self._after = guards, limit, work, after
        self._tasks, self._turn = Tasks(), asyncio.Lock()
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._left: set[asyncio.Task[Any]] = set()
        """Those that would not end: nothing can be done about them, but they must not be collected half way."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Never fails: a plugin whose lifespan does is quarantined."""
        self._guards.on_change.append(self._changed)
        try:
            await self._follow()
            yield
        finally:
            self._guards.on_change.remove(self._changed)
            await self._tasks.stop(self._limit)
            await self._end()

    def _changed(self, plugin: str) -> None:
        if plugin == self._plugin:
            self._tasks.spawn(f"lifespan {plugin}", self._follow())

    async def _follow(self) -> None:
        async with self._turn:
            if self._guards.available(self._plugin):
                for one in self._after:
                    async with one._turn:  # noqa: SLF001  its like
                        pass
            if not self._guards.available(self._plugin):
                await self._end()
            elif self._task is None:
                await self._begin()

    async def _begin(self) -> None:
        self._work.renew()
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._hold(begun, self._leave), name=f"plugin {self._plugin}")
        try:
            await asyncio.wait({task, begun}, timeout=self._limit, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if begun.done():
            self._task = task
        elif task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.error("plugin %s: its lifespan failed", self._plugin, exc_info=error)
            self._guards.quarantine(self._plugin, f"its lifespan failed: {told(error)}")
        else:
            self._abandon(task)
            self._guards.quarantine(self._plugin, f"its lifespan did not begin within {self._limit:g} s")

    async def _hold(self, begun: "asyncio.Future[None]", leave: asyncio.Event) -> None:
        with contained:
            async with self._first.pop() if self._first else self._renewed():
                if not leave.is_set():
                    begun.set_result(None)
                    await leave.wait()

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self._let_go(task)
        await self._work.stop(WORK_ENDS)

    async def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._leave.set()
        await asyncio.wait({task}, timeout=self._limit)
        if not task.done():
            log.error("plugin %s: its lifespan did not end within %g s: left behind", self._plugin, self._limit)
            self._abandon(task)
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("plugin %s: its lifespan failed at its end", self._plugin, exc_info=error)

    def _abandon(self, task: "asyncio.Task[None]") -> None:
        self._leave.set()  # for one that takes no notice of being cancelled, and begins after all
        task.cancel()
        self._left.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains that it never was
