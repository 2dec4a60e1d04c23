"""What is looked at, from memory: what each command tells of an app that has just done something."""

import asyncio
import logging
import sys
import time

import attrs
import pytest

from core.observe.slow import stack_of
from core.resilience.breaker import State
from tests.core.console.conftest import Talk


async def test_plugins_tells_of_each_what_it_is_and_used(talk: Talk) -> None:
    await talk.probe.get("/gifts")
    said = await talk.says("plugins")
    rows = {row.split()[0]: row.split()[1:4] for row in said.splitlines()}
    assert rows["NAME"] == ["VERSION", "KIND", "STATE"]
    assert rows["probe"] == ["1.0.0", "required", "loaded"]
    assert rows["gift"] == ["2.1.0", "optional", "loaded"]
    assert "kernel" in rows


async def test_plugins_show_tells_all_of_one_and_knows_who_is_unknown(talk: Talk) -> None:
    said = await talk.says("plugins show gift")
    assert said.startswith("gift 2.1.0  optional, loaded")
    assert "requires     probe" in said
    assert "there is no plugin ghost: probe, gift" in await talk.complains("plugins show ghost")


async def test_routes_tells_who_may_and_what_was_answered(talk: Talk) -> None:
    await talk.probe.get("/probe/hello")
    talk.probe.app.log.flush()
    said = await talk.says("routes probe/hello")
    method, path, who, plugin, requests, *_ = said.splitlines()[1].split()
    assert (method, path, who, plugin) == ("GET", "/probe/hello", "public", "probe")
    assert int(requests) >= 1
    used = await talk.says("routes --used")
    assert "/probe/hello" in used
    assert "/probe/live" not in used
    assert "no route has ghost" in await talk.says("routes ghost")
    assert "/gifts" in await talk.says("routes gift")


async def test_events_tells_who_emits_and_who_hears(talk: Talk) -> None:
    said = await talk.says("events")
    assert "CONSUMER" in said
    assert "probe.ears" in said
    assert "no event has ghost" in await talk.says("events ghost")


async def test_breakers_pools_and_caches(talk: Talk) -> None:
    breaker = talk.probe.app.db.breaker
    breaker.trip(seen=False)
    try:
        rows = (await talk.says("breakers")).splitlines()
        assert rows[1].split()[:2] == ["postgres", "open"]
        assert rows[1].endswith(" s")
    finally:
        breaker._until = 0.0
        while breaker.state is not State.CLOSED:
            breaker.succeeded(breaker.enter())
    pools = (await talk.says("pools")).splitlines()
    assert pools[0].split() == ["POOL", "MOST", "BUSY", "IDLE", "WAITING"]
    assert pools[1].split()[:2] == ["postgres", "16"]
    await talk.probe.get("/probe/cached")
    assert "ANSWERS" in await talk.says("cache")


async def test_slow_names_who_held_the_loop_and_where(talk: Talk) -> None:
    slow = talk.probe.app.wiring.watches.loop.slow
    slow.note("gift", "GET /api/v1/gifts", 91.25, stack_of(sys._getframe()))
    slow.note("probe", "job tick", 90.5, stack_of(sys._getframe()))
    said = await talk.says("slow")
    assert "LOOP s" in said
    assert "1   gift    GET /api/v1/gifts  91.25" in said
    assert "gift held the loop for 91.25 s at " in said
    assert "test_looking.py" in said
    assert "probe held the loop for 90.50 s" in await talk.says("slow 2")
    assert (await talk.says("slow --latest 1")).startswith("probe held")
    assert " such calls" in await talk.complains("slow 20")


async def test_tasks_and_where_each_waits(talk: Talk) -> None:
    said = await talk.says("tasks relay")
    number = next(row.split()[0] for row in said.splitlines() if " relay " in row)
    assert "core/tasks.py" in await talk.says(f"where {number}")
    for wrong in ("1", "x"):
        assert f"there is no task {wrong}" in await talk.complains(f"where {wrong}")
    assert "no task has ghost" in await talk.says("tasks ghost")
    assert "--limit shows more" in await talk.says("tasks --limit 3")


async def test_a_held_loop_is_told_and_where_it_is_held(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.console.shell.TAKEN_UP", 0.3)
    reader, writer = talk.reader, talk.writer
    said: list[bytes] = []

    def hold() -> None:
        """The loop stands still, and the terminal is spoken to on the bare socket meanwhile."""
        sock = writer.get_extra_info("socket")
        for line in (b'{"run": "breakers"}\n', b'{"run": "stack"}\n'):
            sock._sock.send(line)
            time.sleep(1.5)
            said.append(sock._sock.recv(65_536))

    hold()
    assert b"the event loop has not answered" in said[0]
    assert b"test_looking.py" in said[1]
    assert b"hold" in said[1]
    assert not reader.at_eof()
    assert "postgres" in await talk.says("breakers")


async def test_flags_tells_what_is_on_and_by_what(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    origins = {"http.cors_origins": "VURKSHA_HTTP__CORS_ORIGINS", "log.requests": "base.toml"}
    app = talk.probe.app
    monkeypatch.setattr(app, "settings", attrs.evolve(app.settings, origins=origins))
    rows = {row.split()[0]: row for row in (await talk.says("flags")).splitlines()}
    assert "VURKSHA_HTTP__CORS_ORIGINS" in rows["http.cors_origins"]
    assert rows["log.requests"].split()[1:] == ["on", "base.toml"]
    assert "made at start" in rows["postgres.url"]
    assert "http.hsts" not in rows
    assert "http.hsts" in await talk.says("flags --all")
    assert "plugin gift" in await talk.says("flags")


async def test_no_secret_is_told(talk: Talk) -> None:
    settings = talk.probe.app.settings
    assert settings.postgres.url is not None
    said = await talk.says("flags --all")
    for secret in (settings.operations.token, settings.auth.secret, settings.postgres.url):
        assert secret.reveal() not in said


async def test_a_command_can_be_stopped(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()
    with monkeypatch.context() as patch:
        patch.setattr(talk.probe.app.db, "fetchrow", lambda *_: never.wait())
        talk.send(run="outbox stats")
        await asyncio.sleep(0.2)
        talk.send(stop=True)
        assert await talk.heard() == {"out": "stopped\n", "failed": True}
    assert "waiting" in await talk.says("outbox stats")


async def test_what_should_not_fail_is_told_without_a_stack(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(talk.probe.app, "figures", None)
    with caplog.at_level(logging.ERROR):
        assert "should not have: AttributeError" in await talk.complains("pools")
    assert "a console command failed" in caplog.text


async def test_nobody_else_is_disturbed_by_a_long_answer(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.console.shell.MOST", 50)
    assert (await talk.says("breakers")).endswith("(cut: the rest was too long)\n")
