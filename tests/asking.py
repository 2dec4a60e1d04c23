"""A load of plain requests that counts what failed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs


@attrs.define
class Load:
    """What to ask, over and over, and what came of it."""

    paths: Sequence[str] = ("/api/v1/products?page=1&limit=20",)
    clients: int = 8
    pause: float = 0.01
    """Seconds that each client rests between two requests."""
    send: Callable[[aiohttp.ClientSession, str], Any] | None = None
    """`await send(session, base_url)` asks in its own way and answers the status and what to say of it."""
    answered: int = 0
    failures: list[str] = attrs.field(factory=list)
    """One line for each 5xx and each broken connection."""
    slowest: float = 0.0


@asynccontextmanager
async def load(url: str, what: Load) -> AsyncIterator[Load]:
    """Ask while the block runs, over connections that are kept. Nothing is asked twice."""
    enough = asyncio.Event()

    async def client(number: int) -> None:
        turn = number
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            while not enough.is_set():
                turn += 1
                await _ask(session, url, what, turn)
                await asyncio.sleep(what.pause)

    asking = [asyncio.ensure_future(client(number)) for number in range(what.clients)]
    try:
        yield what
    finally:
        enough.set()
        await asyncio.gather(*asking)


async def _ask(session: aiohttp.ClientSession, url: str, what: Load, turn: int) -> None:
    began = time.monotonic()
    try:
        if what.send is not None:
            status, body = await what.send(session, url)
        else:
            path = what.paths[turn % len(what.paths)]
            async with session.get(url + path, timeout=aiohttp.ClientTimeout(total=20)) as got:
                status, body = got.status, f"{path} {(await got.read())[:200]!r}"
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        what.failures.append(f"{time.monotonic():.1f} {type(error).__name__}: {error}")
    else:
        what.answered += 1
        what.slowest = max(what.slowest, time.monotonic() - began)
        if status >= 500:
            what.failures.append(f"{time.monotonic():.1f} {status} {body}")
