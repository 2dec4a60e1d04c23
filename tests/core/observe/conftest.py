"""An app with a plugin that is as busy as a test wants."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from core.app import App
from tests.core.harness import NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin
from tests.core.observe.busy.plugin import Busy

Serve = Callable[..., AbstractAsyncContextManager[Probe]]
PATIENT = {"isolation": {"failures": 1000, "blocks": 1000, "longest_block": 100.0}}
"""Nobody is put aside."""


@pytest.fixture(scope="session")
def serve(new_settings: NewSettings) -> Serve:
    """Starts the app."""

    @asynccontextmanager
    async def start(busy: Busy) -> AsyncIterator[Probe]:
        plugin = ProbePlugin()
        app = App(await new_settings(**PATIENT), [plugin, busy])
        async with running(app, plugin) as probe:
            yield probe

    return start
