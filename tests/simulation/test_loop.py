"""The virtual loop: time jumps, processes die and pause, nothing depends on the machine."""

import asyncio
import os
import random
import time
import uuid

import pytest

from tests.simulation.loop import Stuck
from tests.simulation.world import Result, Scenario, World, run


def played(scenario: Scenario, seed: int = 0) -> Result:
    return run(scenario, "test", seed)


def test_an_hour_takes_no_time() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(3600)

    began = time.perf_counter()
    result = played(scenario)
    assert result.fault is None
    assert 3600 <= result.seconds < 3601
    assert time.perf_counter() - began < 5


def test_clocks_and_randomness_are_the_runs_own() -> None:
    async def scenario(world: World) -> None:
        before = time.monotonic()
        await asyncio.sleep(5)
        world.say(
            f"{time.monotonic() - before:.3f} {time.time():.3f} {random.random()} {os.urandom(4).hex()} {uuid.uuid4()}"
        )

    outside = time.monotonic, time.time, os.urandom, random.getstate()
    one, two = played(scenario), played(scenario)
    assert one.trace == two.trace
    assert "5.000 17672" in one.trace[0]
    assert played(scenario, 1).trace != one.trace
    assert (time.monotonic, time.time, os.urandom, random.getstate()) == outside


def test_one_process_runs_in_order_and_the_seed_decides_between_processes() -> None:
    async def scenario(world: World) -> None:
        async def speak(name: str) -> None:
            for word in range(3):
                world.say(f"{name}{word}")
                await asyncio.sleep(0)

        for name in "ab":
            world.spawn(world.process(name), speak(name))
        await asyncio.sleep(1)

    orders = {tuple(line.split()[-1] for line in played(scenario, seed).trace) for seed in range(20)}
    assert len(orders) > 3
    assert all([word for word in order if word.startswith("a")] == ["a0", "a1", "a2"] for order in orders)


def test_a_killed_process_runs_no_other_line_and_a_stopped_one_goes_on_later() -> None:
    async def scenario(world: World) -> None:
        async def live(name: str) -> None:
            try:
                while True:
                    world.say(name)
                    await asyncio.sleep(1)
            finally:
                said.append(f"{name} ends")

        killed, stopped = world.process("killed"), world.process("stopped")
        world.spawn(killed, live("killed"))
        world.spawn(stopped, live("stopped"))
        await asyncio.sleep(2.5)
        world.kill(killed)
        stopped.paused = True
        await asyncio.sleep(10)
        assert not said
        stopped.paused = False
        await asyncio.sleep(0.2)

    said: list[str] = []
    words = [line.split()[-1] for line in played(scenario).trace]
    assert (words.count("killed"), words.count("stopped")) == (3, 4)


def test_a_run_that_never_rests_is_ended() -> None:
    async def spins(world: World) -> None:
        while True:
            await asyncio.sleep(0)

    async def waits(world: World) -> None:
        await world.loop.create_future()

    assert Stuck.__name__ in str(played(spins).fault)
    assert "nothing will ever happen" in str(played(waits).fault)


def test_an_error_that_nobody_asked_about_fails_the_run() -> None:
    async def scenario(world: World) -> None:
        async def fails() -> None:
            raise ValueError("lost")

        world.spawn(world.process("p"), fails(), "careless")
        await asyncio.sleep(1)

    assert played(scenario).fault == "nobody caught: careless: ValueError('lost')"


def test_threads_have_no_place_here() -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(print)

    assert played(scenario).fault is None
