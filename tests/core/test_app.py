"""One replica from start to stop: it waits unready rather than fail, and leaves nothing behind."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import attrs
import pytest

from core import presence, tasks
from core.app import App
from core.hookspecs import hookimpl
from core.kernel import Manifest
from core.settings import Secret, Settings
from core.store import migrate
from core.store.embedded import Servers
from tests.core.harness import NewProbe, NewSettings, Probe, listening
from tests.core.http.probe import ProbePlugin
from tests.ports import free_port

SOON = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "START_WAIT", 0.02)


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


def built(settings: Settings) -> tuple[App, ProbePlugin]:
    plugin = ProbePlugin()
    return App(settings, [plugin]), plugin


def with_database(settings: Settings, url: str) -> Settings:
    return attrs.evolve(settings, postgres=attrs.evolve(settings.postgres, url=Secret(url)))


@asynccontextmanager
async def starting(settings: Settings) -> AsyncIterator[tuple[Probe, "asyncio.Task[None]"]]:
    """An app that listens and is on its way up."""
    app, plugin = built(settings)
    async with listening(app, plugin) as probe:
        task = asyncio.ensure_future(app.start())
        yield probe, task
        assert task.done()


async def reasons(probe: Probe) -> list[str]:
    """Why it is not ready."""
    answer = await probe.get("/health/ready")
    assert (answer.status == 503) == bool(answer.json["reasons"])
    assert (await probe.get("/health/live")).status == 200
    return list(answer.json["reasons"])


async def test_a_replica_waits_for_its_migrations(new_settings: NewSettings) -> None:
    async with starting(await new_settings()) as (probe, task):
        await soon(lambda: len(probe.app.health.reasons) > 1)
        others = len(probe.app.migrations) - 1
        assert await reasons(probe) == [f"schema: lacks kernel 0001_kernel and {others} more", "starting"]
        assert not probe.plugin.is_open
        await migrate.apply(probe.db.pool.dsn, probe.app.migrations)
        await task
        assert await reasons(probe) == []
        assert probe.plugin.is_open


async def test_a_request_waits_a_moment_for_a_replica_that_starts(new_settings: NewSettings) -> None:
    async with starting(await new_settings()) as (probe, task):
        early = asyncio.ensure_future(probe.get("/probe/hello"))
        await asyncio.sleep(0.05)
        assert not early.done()
        await migrate.apply(probe.db.pool.dsn, probe.app.migrations)
        await task
        assert (await early).status == 200


async def test_a_replica_that_takes_long_to_start_says_so_within_a_second(new_settings: NewSettings) -> None:
    async with starting(await new_settings()) as (probe, task):
        began = time.monotonic()
        early = await probe.get("/probe/hello")
        assert (early.status, early.code, early.headers["Retry-After"]) == (503, "SYS_002", "1")
        assert time.monotonic() - began < 1.5
        await migrate.apply(probe.db.pool.dsn, probe.app.migrations)
        await task


async def test_a_replica_waits_for_a_database_that_is_away(new_settings: NewSettings, servers: Servers) -> None:
    settings = await new_settings()
    assert settings.postgres.url is not None
    url = settings.postgres.url.reveal()
    app, _ = built(settings)
    await migrate.apply(url, app.migrations)
    name, admin = urlsplit(url).path[1:], await asyncpg.connect(servers.database_url)
    await admin.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
    async with starting(settings) as (probe, task):
        await soon(lambda: len(probe.app.health.reasons) > 1)
        assert await reasons(probe) == ["schema: not reachable", "starting"]
        await admin.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")
        await task
        assert await reasons(probe) == []
    await admin.close()


async def test_a_replica_waits_for_a_server_that_refuses_and_can_be_stopped_meanwhile(
    new_settings: NewSettings, servers: Servers
) -> None:
    nobody = urlunsplit(("postgresql", f"u@127.0.0.1:{free_port()}", "/d", "", ""))
    async with starting(with_database(await new_settings(), nobody)) as (probe, task):
        await soon(lambda: len(probe.app.health.reasons) > 1)
        assert await reasons(probe) == ["schema: not reachable", "starting"]
        task.cancel()
        await asyncio.wait({task})
    assert not probe.redis.connected


async def test_redis_that_is_away_keeps_nobody_from_starting(new_settings: NewSettings) -> None:
    settings = await new_settings()
    settings = attrs.evolve(
        settings, redis=attrs.evolve(settings.redis, url=Secret(f"redis://127.0.0.1:{free_port()}"))
    )
    app, plugin = built(settings)
    await migrate.apply(app.db.pool.dsn, app.migrations)
    async with listening(app, plugin) as probe:
        await app.start()
        await app.health.probe()
        health = await probe.get("/health")
        assert (health.status, health.json["status"]) == (200, "degraded")
        assert {name: one["status"] for name, one in health.json["dependencies"].items()} == {
            "postgres": "up", "redis": "down", "probe": "up",
        }  # fmt: skip


async def test_a_clock_that_differs_from_the_databases_makes_unready(
    new_probe: NewProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_probe() as probe:
        await probe.app.health.probe()
        assert await reasons(probe) == []
        monkeypatch.setattr(presence, "time", SimpleNamespace(time=lambda: time.time() + 60, monotonic=time.monotonic))
        await probe.app.health.probe()
        assert await reasons(probe) == ["clock"]
        monkeypatch.setattr(presence, "time", time)
        await probe.app.health.probe()
        assert await reasons(probe) == []


async def test_stopping_turns_unready_and_finishes_what_is_under_way(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        under_way = asyncio.ensure_future(probe.get("/probe/slow"))
        await probe.plugin.under_way.wait()
        stopping = asyncio.ensure_future(probe.app.stop(2.0))
        await asyncio.sleep(0)
        assert probe.app.health.report()["reasons"] == ["draining"]
        answer = await under_way
        assert (answer.status, answer.headers["Connection"]) == (504, "close")
        await stopping
        assert not probe.plugin.is_open
        assert (probe.db.pool.opened, probe.redis.connected) == (0, False)


async def test_draining_begins_nothing_new_and_serves_on(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        probe.app.drain()
        ticks = probe.plugin.ticks
        await asyncio.sleep(0.3)
        assert probe.plugin.ticks == ticks
        assert probe.app.health.reasons == {"draining"}
        assert (await probe.get("/probe/hello")).status == 200


async def test_what_the_start_took_is_not_taken_for_load(new_settings: NewSettings) -> None:
    def busy() -> None:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pass

    app, plugin = built(await new_settings())
    await migrate.apply(app.db.pool.dsn, app.migrations)
    async with listening(app, plugin) as probe:
        await app.start(busy)
        answers = [(await probe.get("/probe/hello")).status for _ in range(5)]
        assert answers == [200] * 5


async def test_while_it_drains_every_answer_ends_its_connection(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        probe.app.entry.draining = True
        for path in ("/probe/hello", "/probe/cached", "/health/live"):
            assert (await probe.get(path)).headers["Connection"] == "close"


async def test_a_request_that_will_not_end_is_cut_after_its_time(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        under_way = asyncio.ensure_future(probe.post("/probe/slow"))  # a GET would be sent again by the client
        await probe.plugin.under_way.wait()
        await probe.app.stop(0.01)
        with pytest.raises(aiohttp.ClientError):
            await under_way


async def test_a_loop_that_keeps_failing_is_hopeless(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "LONGEST_PAUSE", 0.001)

    async def fail() -> None:
        raise ValueError("no")

    app, plugin = built(await new_settings())
    await migrate.apply(app.db.pool.dsn, app.migrations)
    monkeypatch.setattr(app.relay, "run", fail)
    async with listening(app, plugin):
        with caplog.at_level(logging.CRITICAL):
            await app.start()
            await asyncio.wait_for(app.hopeless.wait(), SOON)
    assert "relay failed" in caplog.text


class Bad:
    """A plugin whose lifespan fails."""

    manifest = Manifest(name="bad", version="1", schema="bads", requires=("probe",), required=True)

    @hookimpl
    def lifespan(self) -> object:
        """It does not open."""

        @asynccontextmanager
        async def fail() -> AsyncIterator[None]:
            raise LookupError("no")
            yield

        return fail()


async def test_a_lifespan_that_fails_ends_the_start_and_closes_what_was_open(new_settings: NewSettings) -> None:
    plugin = ProbePlugin()
    app = App(await new_settings(), [Bad(), plugin])
    await migrate.apply(app.db.pool.dsn, app.migrations)
    with pytest.raises(LookupError):
        await app.start()
    assert not plugin.is_open
    assert (app.db.pool.opened, app.redis.connected, app.health.ready) == (0, False, False)


async def test_an_app_without_urls_is_a_mistake_of_whoever_builds_it(new_settings: NewSettings) -> None:
    settings = await new_settings()
    with pytest.raises(ValueError, match="must be known by now"):
        App(attrs.evolve(settings, redis=attrs.evolve(settings.redis, url=None)), [ProbePlugin()])


async def test_request_lines_reach_the_log_within_a_moment(
    new_settings: NewSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    app, plugin = built(await new_settings())
    await migrate.apply(app.db.pool.dsn, app.migrations)
    async with listening(app, plugin) as probe:
        await app.start()
        await probe.get("/probe/hello", headers={"X-Request-ID": "line-1"})
        async with asyncio.timeout(SOON):
            while '"request_id":"line-1"' not in capsys.readouterr().out:
                await asyncio.sleep(0.01)
        before = app.clockwork.date
        await soon(lambda: app.clockwork.date != before)
