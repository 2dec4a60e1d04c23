"""What a replica holds is read from a real process, and growth is told from warming up and from swaying."""

import asyncio
import os
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.faults.held import PART, WARM, Sample, growth, look
from tests.ports import free_port

HOUR = 3600
TOLD = """# TYPE vurksha_tasks gauge
vurksha_tasks{plugin="order"} 4.0
vurksha_tasks{plugin="kernel"} 38.0
vurksha_memory_blocks 450000.0
"""


def life(memory: Callable[[float], float], seconds: int = HOUR, pid: int = 7) -> list[Sample]:
    return [
        Sample(
            at=at,
            pid=pid,
            memory=memory(at),
            descriptors=40,
            threads=5,
            connections=30,
            tasks=None if at % 50 else 42,
            blocks=400,
        )
        for at in range(0, seconds, 5)
    ]


def test_what_is_gained_while_warming_up_is_no_growth() -> None:
    found = growth(life(lambda at: 80 + 20 * min(at / WARM, 1)), "memory")
    assert found is not None
    assert (found.first, found.last, found.slope) == (100, 100, pytest.approx(0, abs=1e-6))
    assert found.flat


def test_a_leak_is_told_with_its_slope() -> None:
    found = growth(life(lambda at: 100 + 12 * at / HOUR), "memory")
    assert found is not None
    assert found.slope == pytest.approx(12)
    assert not found.flat
    assert "GROWS" in str(found)


def test_what_was_held_before_may_be_held_again() -> None:
    found = growth(life(lambda at: 100 if 600 < at < HOUR - 900 else 130), "memory")
    assert found is not None
    assert (found.first, found.last) == (100, 130)
    assert found.flat


def test_the_longest_life_counts_and_a_short_one_tells_nothing() -> None:
    killed = life(lambda _: 500, int(WARM + PART), pid=8)
    found = growth([*killed, *life(lambda _: 100)], "memory")
    assert found is not None
    assert found.first == 100
    assert growth(killed, "memory") is None


def test_moments_when_the_tasks_were_unknown_are_left_out() -> None:
    found = growth(life(lambda _: 100), "tasks")
    assert found is not None
    assert (found.first, found.last) == (42, 42)


async def test_a_look_at_a_process() -> None:
    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text=TOLD if request.headers["Authorization"] == "Bearer seen" else "")

    app, port = web.Application(), free_port()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    found = await asyncio.to_thread(look, os.getpid(), port, "seen")
    writer.close()
    await runner.cleanup()
    assert found is not None
    assert (found.tasks, found.blocks) == (42, 450)
    assert found.memory > 10
    assert found.descriptors > found.connections >= 1


async def test_nobody_answers_and_nobody_is_there() -> None:
    here = await asyncio.to_thread(look, os.getpid(), free_port(), "")
    assert here is not None
    assert here.tasks is here.blocks is None
    assert await asyncio.to_thread(look, 2**22 + 1, free_port(), "") is None
