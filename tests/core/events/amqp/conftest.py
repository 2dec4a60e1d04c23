"""A broker that tests may break."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.store.db import Db
from tests.rabbit import Rabbit, own_folder
from tests.transports import Stage


@pytest.fixture(scope="module")
async def rabbit() -> AsyncIterator[Rabbit]:
    """A node of the module's own, up."""
    node = await asyncio.to_thread(Rabbit, own_folder())
    try:
        await asyncio.to_thread(node.start)
        yield node
    finally:
        await asyncio.to_thread(node.remove)


@pytest.fixture
async def broken(kernel_db: Db, rabbit: Rabbit) -> AsyncIterator[Stage]:
    """Replicas that use that node."""
    made = Stage(kernel_db, rabbit.url)
    yield made
    await made.clear()
