"""Waiting for what others do."""

import asyncio
from collections.abc import Callable

PATIENCE = 20.0
"""Seconds that anything may take on a busy machine."""


async def until(true: Callable[[], bool]) -> None:
    """Come back once it holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.005)
