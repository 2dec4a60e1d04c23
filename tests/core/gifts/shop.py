"""An app with the gifts, of which each replica knows at once who is put aside."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from core.app import App
from core.isolation import states
from tests.core.gifts.plugin import GiftPlugin
from tests.core.harness import NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin

SOON = 10.0
START = 0.3
"""Seconds for a lifespan to begin."""


@asynccontextmanager
async def shop(new_settings: NewSettings, gift: GiftPlugin, *others: object, **isolation: Any) -> AsyncIterator[Probe]:
    """It serves. `isolation` are settings."""
    given = {"start": START, "poll": 0.1, **isolation}
    probe = ProbePlugin()
    async with running(App(await new_settings(isolation=given), [probe, gift, *others]), probe) as started:
        yield started


async def soon(condition: Callable[[], object]) -> None:
    """Come back once it holds. Raises TimeoutError."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


async def disable(app: Probe) -> None:
    """The gifts, here too by then."""
    async with app.db.transaction() as tx:
        assert await states.disable(tx, "gift", "for a test", "cli:tester")
    await soon(lambda: not app.app.kernel.guards.available("gift"))


async def enable(app: Probe) -> None:
    """Whoever put them aside."""
    async with app.db.transaction() as tx:
        assert await states.enable(tx, "gift", "cli:tester") or await states.readmit(tx, "gift", "cli:tester")
    await soon(lambda: app.app.kernel.guards.available("gift"))
