"""What the kernel is told of the domain's background work."""

import asyncio

import pytest

from core.testing import NewKernel
from plugins.user.courier import Courier
from plugins.user.plugin import UserPlugin
from plugins.user.ports import CODE_SENDER
from plugins.user.sessions import RevocationFeed
from tests.plugins.user.conftest import Outbox


@pytest.mark.parametrize("loop", [RevocationFeed, Courier])
async def test_work_that_keeps_failing_ends_the_process(
    kernel: NewKernel, monkeypatch: pytest.MonkeyPatch, loop: type
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("core.tasks.LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(loop, "run", fail)
    app = await kernel([UserPlugin], {CODE_SENDER: Outbox()})
    await asyncio.wait_for(app.app.hopeless.wait(), 5)
