"""Start in order, stop in stages, each with its budget; stragglers are named (RELIABILITY 4.10)."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

log = logging.getLogger("core.lifecycle")
SLOW_START = 10.0
STEP_BUDGET = 5.0
"""Seconds that one context may take to close."""

Step = tuple[str, Callable[[], AbstractAsyncContextManager[object]]]


class Lifecycle:
    """Named contexts, entered in order and left in reverse."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._stack = AsyncExitStack()
        self._until = math.inf

    def add(self, name: str, context: Callable[[], AbstractAsyncContextManager[object]]) -> None:
        """Declare the next step."""
        self._steps.append((name, context))

    async def start(self) -> None:
        """Enter all; when one fails, those entered are left again and the failure is raised."""
        try:
            for name, context in self._steps:
                began = time.monotonic()
                await self._stack.enter_async_context(self._named(name, context()))
                if time.monotonic() - began > SLOW_START:
                    log.warning("starting %s took %.0f s", name, time.monotonic() - began)
        except BaseException:
            await self.stop()
            raise

    async def stop(self, budget: float = math.inf) -> None:
        """Leave all in reverse within `budget` seconds. A context that fails or overruns is named and left behind."""
        self._until = time.monotonic() + budget
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    @asynccontextmanager
    async def _named(self, name: str, context: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
        await context.__aenter__()
        try:
            yield
        finally:
            budget = max(0.1, min(STEP_BUDGET, self._until - time.monotonic()))
            try:
                async with asyncio.timeout(budget):
                    await context.__aexit__(None, None, None)
            except TimeoutError:
                log.error("stopping %s took more than %.1f s: left behind", name, budget)  # noqa: TRY400  no stack to tell
            except Exception:
                log.exception("stopping %s failed", name)
