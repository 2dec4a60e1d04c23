"""What the kernel is told of the catalogue's background work."""

import asyncio

import pytest

from core.testing import NewKernel
from plugins.product.feed import Feed
from plugins.product.plugin import ProductPlugin


async def test_a_feed_that_keeps_failing_ends_the_process(kernel: NewKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Feed) -> None:
        raise LookupError

    monkeypatch.setattr("core.tasks.LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(Feed, "run", fail)
    app = await kernel([ProductPlugin])
    await asyncio.wait_for(app.app.hopeless.wait(), 5)
