"""Keeps a replica's guards like the rows that all replicas share: by PostgreSQL alone, at most two seconds late."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from core.errors import Problem
from core.events.relay import wait
from core.isolation import states
from core.isolation.guards import Guards
from core.isolation.model import PluginState
from core.store.db import Db
from core.tasks import SILENCE, Tasks

log = logging.getLogger("core.isolation")


class Feed:
    """Writes what this replica found out, reads what holds everywhere."""

    def __init__(self, db: Db, guards: Guards) -> None:
        self._db, self._guards = db, guards
        self._pending: dict[str, PluginState] = {}
        self._wake = asyncio.Event()
        guards.on_quarantine = self._queue
        for state in guards.own.values():  # found out before there was a database
            self._queue(state)

    def _queue(self, state: PluginState) -> None:
        self._pending[state.plugin] = state
        self._wake.set()

    @asynccontextmanager
    async def serving(self, tasks: Tasks) -> AsyncIterator[None]:
        """Know what holds before any plugin is started, then follow it."""
        await self.turn()
        tasks.forever("plugin states", self._run, silence=SILENCE)
        yield

    async def _run(self) -> None:
        while True:
            await wait(self._wake, self._guards.settings.poll)
            self._wake.clear()
            await self.turn()

    async def turn(self) -> None:
        """Write what is new and follow what is there. Without the database this replica keeps to what it knows."""
        try:
            for state in list(self._pending.values()):
                await self._write(state)
            known: Mapping[str, PluginState] = await states.listed(self._db)
        except Problem:
            log.warning("what holds of plugins could not be read or written: the database is away")
            return
        self._guards.follow({**self._pending, **known})

    async def _write(self, state: PluginState) -> None:
        try:
            async with self._db.transaction() as tx:
                await states.quarantine(tx, state.plugin, state.reason, state.by)
        except Problem:
            raise
        except Exception:  # it holds here, and the others are written all the same
            log.exception("the quarantine of %s cannot be written", state.plugin)
        else:
            del self._pending[state.plugin]
