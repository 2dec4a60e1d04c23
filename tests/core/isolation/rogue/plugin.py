"""What a plugin may do wrong."""

import asyncio
import re
import time
from typing import Any

from core.store.db import Db


class Rogue:
    """Its folder is what the watches go by."""


def sleeping(seconds: float) -> None:
    """Hold the loop up while others may run."""
    time.sleep(seconds)


def matching(length: int) -> None:
    """Hold the interpreter's lock: nobody else may run."""
    re.fullmatch(r"(a+)+b", "a" * length)


async def waiting() -> None:
    """A task that never ends."""
    await asyncio.Event().wait()


async def nested() -> None:
    """One that waits in another."""
    await waiting()


def keeping(kept: list[Any], size: int) -> None:
    """Allocate and keep."""
    kept.extend(bytearray(1000) for _ in range(size // 1000))


async def holding(db: Db, done: asyncio.Event) -> None:
    """Hold a connection."""
    async with db.connection():
        await done.wait()
