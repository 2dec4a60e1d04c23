"""An app whose console is opened as the program opens it, and a terminal that types what a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import orjson
import pytest

from core.app import App
from core.console.asking import Opened, opened
from core.settings import Secret, Settings
from tests.core.gifts.plugin import GiftPlugin
from tests.core.harness import NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin

WHO, WHY = "asha@desk", "orders are slow"
NOTED = "SELECT actor, action, subject, details::text FROM kernel.audit ORDER BY number"


@attrs.define
class Talk:
    """The terminal's side of the socket."""

    probe: Probe
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    hello: dict[str, Any]
    failed: bool = False

    def send(self, **message: object) -> None:
        self.writer.write(orjson.dumps(message) + b"\n")

    async def heard(self) -> dict[str, Any]:
        """What comes next; nothing at the end."""
        async with asyncio.timeout(30):
            raw = await self.reader.readline()
        return orjson.loads(raw) if raw else {}

    async def says(self, line: str, *, fails: bool = False) -> str:
        """What a typed line comes to."""
        self.send(run=line)
        answer = await self.heard()
        assert answer["failed"] is fails, answer["out"]
        wide = [one for one in answer["out"].splitlines() if len(one) > 100]
        assert not wide, wide
        assert "Traceback" not in answer["out"]
        return str(answer["out"])

    async def complains(self, line: str) -> str:
        return await self.says(line, fails=True)


async def ask(probe: Probe, who: str = WHO, why: str = WHY, token: Secret | None = None) -> Opened:
    """Open the console, as `vurksha console` does."""
    return await opened(probe.app.operations.address, token or probe.app.settings.operations.token, who, why)


async def come(probe: Probe, console: Opened, key: str | None = None) -> Talk:
    """Be its terminal."""
    reader, writer = await asyncio.open_unix_connection(console.socket, limit=2**23)
    talk = Talk(probe, reader, writer, {})
    talk.send(key=console.key if key is None else key)
    talk.hello = await talk.heard()
    if not talk.hello:
        writer.close()
    return talk


async def gone(probe: Probe) -> None:
    """Until no console is open."""
    async with asyncio.timeout(30):
        while probe.app.console.visit is not None:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def talking(probe: Probe, life: float = 900) -> AsyncIterator[Talk]:
    """A console and its terminal while the block runs."""
    probe.app.console.life = timedelta(seconds=life)
    talk = await come(probe, await ask(probe))
    try:
        yield talk
    finally:
        talk.writer.close()
        await gone(probe)


async def noted(probe: Probe, last: int = 2) -> list[tuple[str, str, str, dict[str, Any]]]:
    """The last acts that were audited."""
    rows = (await probe.app.db.fetch(NOTED))[-last:]
    return [(row["actor"], row["action"], row["subject"], orjson.loads(row["details"])) for row in rows]


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Probe]:
    """An app with a plugin that is required and one that is not."""
    plugin = ProbePlugin()
    async with running(App(settings, [plugin, GiftPlugin()]), plugin) as started:
        yield started


@pytest.fixture(scope="module")
async def probe(new_settings: NewSettings) -> AsyncIterator[Probe]:
    """One for all tests of a file."""
    async with serving(await new_settings(isolation={"poll": 0.1})) as started:
        yield started


@pytest.fixture
async def talk(probe: Probe) -> AsyncIterator[Talk]:
    """Its console."""
    async with talking(probe) as talk:
        yield talk
