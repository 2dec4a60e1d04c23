"""What replicas know of each other, and what they make of it."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import attrs
import pytest

from core import presence as module
from core.app import App
from core.http import health
from core.settings import Secret, Settings
from core.store import migrate
from tests.cable import Cable, socket_of, through
from tests.core.harness import NewSettings, Probe, listening
from tests.core.http.probe import ProbePlugin

SOON = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the real times, which real replicas keep in test_rollout.py."""
    for place, name, value in (
        (module, "START_WAIT", 0.02), (module, "BEAT_EVERY", 0.2), (module, "PROBE_EVERY", 0.1), (module, "FRESH", 0.6),
        (health, "CUT_OFF_AFTER", 0.8),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, value)


@pytest.fixture
async def settings(new_settings: NewSettings) -> Settings:
    """Of a migrated database."""
    made = await new_settings()
    app = App(made, [ProbePlugin()])
    await migrate.apply(app.db.pool.dsn, app.migrations)
    return made


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Probe]:
    """A replica, on its way up when the block begins."""
    plugin = ProbePlugin()
    app = App(settings, [plugin])
    async with listening(app, plugin) as probe:
        task = asyncio.ensure_future(app.start())
        try:
            yield probe
        finally:
            task.cancel()
            await asyncio.wait({task})


async def soon(condition: Callable[[], object]) -> float:
    began = time.monotonic()
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)
    return time.monotonic() - began


def with_section(settings: Settings, name: str, **values: Any) -> Settings:
    return attrs.evolve(settings, **{name: attrs.evolve(getattr(settings, name), **values)})


async def rows(probe: Probe) -> list[Any]:
    return list(await probe.db.fetch("SELECT id, ready, reasons, up, code FROM kernel.replicas ORDER BY started_at"))


# -- joining


async def test_a_replica_tells_what_it_runs_and_reaches_and_takes_its_row_away(settings: Settings) -> None:
    async with serving(settings) as watcher:
        await soon(lambda: watcher.app.health.ready)
        async with serving(settings) as probe:
            await soon(lambda: probe.app.health.ready)
            async with asyncio.timeout(SOON):
                while not all(row["ready"] and set(row["up"]) >= {"postgres", "redis"} for row in await rows(probe)):
                    await asyncio.sleep(0.02)
            assert [row["id"] for row in await rows(probe)] == [watcher.app.presence.me, probe.app.presence.me]
            assert '"plugins": {"probe": "1.0.0"}' in (await rows(probe))[1]["code"]
        assert [row["id"] for row in await rows(watcher)] == [watcher.app.presence.me]


async def test_one_that_is_unlike_those_that_serve_waits_and_says_why(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(settings))
        await soon(lambda: first.app.health.ready)
        await soon(lambda: first.app.presence._told[:1] == (True,))
        with caplog.at_level(logging.WARNING):
            other = await stack.enter_async_context(serving(with_section(settings, "auth", access_minutes=5)))
            await soon(lambda: len(other.app.health.reasons) > 1)
        answer = await other.get("/health/ready")
        expected = "agreement: unlike 1 of release 0.1.0 in settings (auth)"
        assert (answer.status, answer.json["reasons"]) == (503, [expected, "starting"])
        assert f"waiting to serve: {expected}" in caplog.text
        assert not other.plugin.is_open
        assert (await other.get("/probe/hello")).status == 503
        # Once those are gone whose like it is not, it serves.
        await first.app.stop(1.0)
        await soon(lambda: other.app.health.ready)


async def test_one_of_another_release_serves_beside_it(settings: Settings) -> None:
    changed = with_section(with_section(settings, "auth", access_minutes=5), "deploy", release="second")
    async with serving(settings) as first:
        await soon(lambda: first.app.health.ready)
        async with serving(changed) as second:
            await soon(lambda: second.app.health.ready)
            assert first.app.health.ready


async def test_a_database_that_takes_no_writes_keeps_nobody_from_serving_reads(settings: Settings) -> None:
    assert settings.postgres.url is not None
    admin = await asyncpg.connect(settings.postgres.url.reveal())
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with serving(settings) as probe:
        await soon(lambda: probe.app.health.ready)
    await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await admin.close()


# -- the schema


async def test_a_schema_that_goes_on_is_no_fault_and_one_that_takes_away_is(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    note = "INSERT INTO kernel.migrations (owner, version, name, checksum, phase) VALUES ('probe', $1, $2, '', $3)"
    async with serving(settings) as probe:
        await soon(lambda: probe.app.health.ready)
        async with probe.db.connection() as connection:
            await connection.execute(note, 2, "0002_more", "pre")
            await soon(lambda: probe.app.presence._rows == len(probe.app.migrations) + 1)
            assert probe.app.health.ready
            await connection.execute(note, 3, "0003_less", "post")
        await soon(lambda: not probe.app.health.ready)
        assert probe.app.health.reasons == {"schema: probe 0003_less is of a later release and took something away"}
        assert "this code no longer suits the schema: probe 0003_less" in caplog.text
        async with probe.db.connection() as connection:
            await connection.execute("DELETE FROM kernel.migrations WHERE version = 3 AND owner = 'probe'")
        await soon(lambda: probe.app.health.ready)


async def test_a_file_that_was_changed_after_it_was_applied_makes_wait_and_not_crash(settings: Settings) -> None:
    plugin = ProbePlugin()
    app = App(settings, [plugin])
    changed = attrs.evolve(app.migrations[0], sql="-- phase: pre\nSELECT 1")
    app.migrations[0] = changed
    async with listening(app, plugin) as probe:
        task = asyncio.ensure_future(app.start())
        await soon(lambda: len(app.health.reasons) > 1)
        reasons = (await probe.get("/health/ready")).json["reasons"]
        assert reasons[0] == "schema: kernel 0001_kernel was changed after it was applied"
        task.cancel()
        await asyncio.wait({task})


# -- being cut off


@pytest.fixture
async def cables(settings: Settings, redis_url: str) -> AsyncIterator[tuple[Settings, Cable, Cable]]:
    """Settings that lead to the stores by ways of their own, and those ways."""
    assert settings.postgres.url is not None
    url = settings.postgres.url.reveal()
    database, redis = socket_of(url), socket_of(redis_url)
    if database is None or redis is None:
        pytest.skip("the stores were given by address; only a unix socket can be cut here")
    folder = Path(tempfile.mkdtemp(prefix="vurksha-cable-", dir="/tmp"))
    async with Cable(folder / ".s.PGSQL.5432", database) as one, Cable(folder / "r.sock", redis) as two:
        cabled = with_section(settings, "postgres", url=Secret(through(url, folder / ".s.PGSQL.5432")))
        cabled = with_section(cabled, "redis", url=Secret(through(redis_url, folder / "r.sock")))
        yield cabled, one, two
    shutil.rmtree(folder)


async def test_one_that_alone_is_cut_off_from_postgres_leaves_and_returns(
    settings: Settings, cables: tuple[Settings, Cable, Cable]
) -> None:
    cabled, database, _ = cables
    async with serving(cabled) as cut, serving(settings) as fine:
        await soon(lambda: cut.app.health.ready and fine.app.health.ready)
        await database.cut()
        took = await soon(lambda: not cut.app.health.ready)
        assert took > 0.5, "a moment's trouble is no cut"
        assert cut.app.health.reasons == {"cut off from postgres"}
        assert fine.app.health.ready
        await database.mend()
        await soon(lambda: cut.app.health.ready)


async def test_one_that_alone_hears_nothing_from_redis_leaves_and_returns(
    settings: Settings, cables: tuple[Settings, Cable, Cable]
) -> None:
    cabled, _, redis = cables
    async with serving(cabled) as cut, serving(settings) as fine:
        await soon(lambda: cut.app.health.ready and fine.app.health.ready)
        redis.hang()
        await soon(lambda: not cut.app.health.ready)
        assert cut.app.health.reasons == {"cut off from redis"}
        assert fine.app.health.ready
        redis.flow()
        await soon(lambda: cut.app.health.ready)


async def test_what_is_away_for_all_makes_nobody_unready(
    settings: Settings, cables: tuple[Settings, Cable, Cable], monkeypatch: pytest.MonkeyPatch
) -> None:
    cabled, database, _ = cables
    async with serving(cabled) as one, serving(cabled) as two:
        await soon(lambda: one.app.health.ready and two.app.health.ready)
        await database.cut()
        until = time.monotonic() + 2.5 * health.CUT_OFF_AFTER
        while time.monotonic() < until:
            assert one.app.health.ready
            assert two.app.health.ready
            await asyncio.sleep(0.02)
        for probe in (one, two):
            answer = await probe.get("/health/ready")
            assert (answer.status, answer.json["status"]) == (200, "degraded")
        await database.mend()


async def test_one_alone_stays_ready_whatever_is_away(cables: tuple[Settings, Cable, Cable]) -> None:
    cabled, database, redis = cables
    async with serving(cabled) as probe:
        await soon(lambda: probe.app.health.ready)
        await database.cut()
        await redis.cut()
        await asyncio.sleep(2.5 * health.CUT_OFF_AFTER)
        answer = await probe.get("/health/ready")
        assert (answer.status, answer.json["status"]) == (200, "degraded")
        await redis.mend()
        await database.mend()
        await soon(lambda: probe.app.health.report()["status"] == "healthy")


async def test_a_peer_that_is_not_ready_itself_is_no_substitute(
    settings: Settings, cables: tuple[Settings, Cable, Cable]
) -> None:
    cabled, database, _ = cables
    async with serving(cabled) as cut, serving(settings) as leaving:
        await soon(lambda: cut.app.health.ready and leaving.app.health.ready)
        leaving.app.health.reasons.add("draining")
        await database.cut()
        await asyncio.sleep(2.5 * health.CUT_OFF_AFTER)
        assert cut.app.health.ready
        await database.mend()


def test_what_cannot_be_read_of_a_peer_is_ignored(settings: Settings) -> None:
    presence = App(settings, [ProbePlugin()]).presence
    for said in (b"", b"[]", b"{}", b'{"id": "x", "ready": true}', b'{"id": "x", "ready": true, "up": 3}', b"\xff"):
        presence._hear(said)
    assert presence._news == {}
    presence._hear(b'{"id": "x", "ready": "yes", "up": ["postgres"]}')
    assert not presence._elsewhere("postgres")
    presence._hear(b'{"id": "x", "ready": true, "up": ["postgres"]}')
    assert presence._elsewhere("postgres")
    presence._hear(b'{"id": "%b", "ready": true, "up": ["redis"]}' % str(presence.me).encode())
    assert not presence._elsewhere("redis")


async def test_old_news_counts_for_nothing(settings: Settings) -> None:
    presence = App(settings, [ProbePlugin()]).presence
    presence._learn({"id": "x", "ready": True, "up": ["postgres"]}, module.FRESH + 0.1)
    assert not presence._elsewhere("postgres")
    presence._learn({"id": "x", "ready": True, "up": ["postgres"]}, 0.0)
    presence._learn({"id": "x", "ready": False, "up": []}, 0.1)  # older than what is known
    assert presence._elsewhere("postgres")
