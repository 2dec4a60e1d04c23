"""What rogues that misbehave by themselves have in common: work in the background, from start to end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from core.kernel import Kernel


@asynccontextmanager
async def working(kernel: Kernel, name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """A lifespan that keeps a loop running."""
    kernel.tasks.forever(name, work)
    yield
