"""The plugin author's harness: what it sends, reads and waits for."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from core.store.db import Db
from core.store.redis import Redis
from core.testing import TestApp, client
from core.types import uuid7
from tests.core.events.samples import ParcelArrived
from tests.core.harness import NewProbe, Probe


@pytest.fixture(scope="module")
async def probe(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """An app of its own: it writes a journal."""
    async with new_probe() as started:
        yield started


def test_the_fixtures_belong_to_one_app(app: TestApp, db: Db, redis: Redis) -> None:
    assert (app.db, app.redis) == (db, redis)
    assert app.app.health.ready


async def test_each_method_is_sent_as_itself(probe: Probe) -> None:
    for send in (probe.put, probe.patch, probe.delete):
        answer = await send("/probe/hello", json={})
        assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert (await probe.get("/health")).status == 200
    own = {"Authorization": "Bearer nonsense"}
    assert (await probe.get("/probe/mine", as_=probe.person(), headers=own)).status == 401


async def test_quiet_waits_for_the_consumers(probe: Probe) -> None:
    async with probe.db.transaction() as tx:
        for _ in range(5):
            tx.emit(ParcelArrived(parcel_id=uuid7()))
    await probe.quiet()
    assert len(probe.plugin.heard) == 5


async def test_messages_are_read_from_the_journal_line_by_line(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = probe.app.settings.data_dir / "messages.jsonl"
    assert probe.messages("me") == []
    lines = [orjson.dumps({"to": to, "code": code}) for to, code in (("me", "1"), ("you", "2"), ("me", "3"))]
    waiting = asyncio.ensure_future(probe.message("me", after=1))
    await asyncio.sleep(0)
    journal.write_bytes(b"\n".join(lines[:2]) + b"\n" + lines[2][:5])
    assert [one["code"] for one in probe.messages("me")] == ["1"]
    journal.write_bytes(b"\n".join(lines) + b"\n")
    assert (await waiting)["code"] == "3"
    monkeypatch.setattr(client, "WAIT", 0.02)
    with pytest.raises(TimeoutError, match="no message to nobody"):
        await probe.message("nobody")
