"""A blocked loop is seen from outside, and the code that blocks it is named."""

import asyncio
import logging
import threading
import time

import pytest

from core.isolation import loop_watch
from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.isolation.loop_watch import LoopWatch
from core.observe.sampler import Work
from tests.core.isolation.conftest import changed, reason
from tests.core.isolation.eventually import until
from tests.core.isolation.rogue.plugin import matching, sleeping


async def test_who_blocks_three_times_is_quarantined_by_file_and_line(
    packages: Packages, guards: Guards, caplog: pytest.LogCaptureFixture
) -> None:
    async with LoopWatch(packages, guards).watching():
        for _ in range(3):
            assert guards.available("rogue")
            sleeping(0.3)
            await asyncio.sleep(0.1)
        assert "rogue/plugin.py:" in reason(guards)
        assert reason(guards).endswith("in sleeping, for the 3. time")
        guards.follow({})
        sleeping(0.3)
        await asyncio.sleep(0.1)
        assert guards.available("rogue")  # what was before its readmission counts no more
    assert "plugin rogue held the loop up for 0." in caplog.text


async def test_one_long_block_is_enough_and_told_while_it_lasts(packages: Packages, guards: Guards) -> None:
    told: list[tuple[str, str, str]] = []

    def write(plugin: str, why: str) -> None:
        told.append((plugin, why, threading.current_thread().name))
        time.sleep(0.2)  # the watch does not take its own work for a process that was stopped

    watch = LoopWatch(packages, guards, write)
    async with watch.watching():
        sleeping(1.2)
        assert len(told) == 1
        await until(lambda: not guards.available("rogue"))
    plugin, why, thread = told[0]
    assert (plugin, thread) == ("rogue", "loop watch")
    assert "in sleeping" in why


async def test_code_that_never_lets_go_of_the_interpreter_is_named_too(packages: Packages, guards: Guards) -> None:
    began, length = time.thread_time(), 18
    while time.thread_time() - began < 0.6:
        began, length = time.thread_time(), length + 1
        matching(length)
    async with LoopWatch(packages, guards).watching():
        for _ in range(10):  # a process that gets next to no processor is taken for one that was stopped
            await asyncio.sleep(0.1)
            matching(length)
            await asyncio.sleep(0.2)
            if not guards.available("rogue"):
                break
    assert "in matching" in reason(guards)


async def test_a_required_plugin_is_named_only(packages: Packages, caplog: pytest.LogCaptureFixture) -> None:
    guards, told = Guards(changed().settings), []
    async with LoopWatch(packages, guards, lambda *said: told.append(said)).watching():
        sleeping(0.7)
        await asyncio.sleep(0.1)
    assert told == []
    assert guards.available("rogue")
    assert "plugin rogue is required, and not quarantined for: held the loop up" in caplog.text


async def test_short_and_old_blocks_are_forgiven(packages: Packages, caplog: pytest.LogCaptureFixture) -> None:
    guards = changed(block=0.3, window=0.2, blocks=2)
    with caplog.at_level(logging.INFO):
        async with LoopWatch(packages, guards).watching():
            for seconds in (0.15, 0.15, 0.45, 0.45):
                sleeping(seconds)
                await asyncio.sleep(0.3)
    assert guards.available("rogue")
    assert "held the loop up" in caplog.text


async def test_the_kernels_own_blocks_are_nobodys(packages: Packages, guards: Guards) -> None:
    async with LoopWatch(packages, guards).watching():
        for _ in range(4):
            time.sleep(0.2)
            await asyncio.sleep(0.05)
    assert guards.available("rogue")


async def test_a_stopped_process_blames_nobody(packages: Packages, guards: Guards) -> None:
    """The thread finds itself late though the process used no time: as after SIGSTOP."""
    watch = LoopWatch(packages, guards)
    wait = watch._stop.wait

    def stopped(timeout: float | None = None) -> bool:
        return wait(0.3)

    watch._stop.wait = stopped  # type: ignore[method-assign]  # time that passes for the thread alone
    async with watch.watching():
        for _ in range(3):
            sleeping(0.4)
            await asyncio.sleep(0.05)
    assert guards.available("rogue")


async def test_a_block_is_kept_with_its_stack_and_the_time_that_was_slept(packages: Packages, guards: Guards) -> None:
    watch = LoopWatch(packages, guards)
    async with watch.watching():
        sleeping(0.3)
        await until(lambda: len(watch.slow.worst(9)) > 0)
    (slow,) = watch.slow.worst(1)
    assert slow.plugin == "rogue"
    assert slow.seconds >= 0.1
    assert any(call.endswith(" sleeping") for call in slow.stack)
    assert sum(watch.sampler.by_work().values()) >= 0.05


async def test_a_block_of_the_kernels_is_its_own(packages: Packages, guards: Guards) -> None:
    watch = LoopWatch(packages, guards)
    async with watch.watching():
        time.sleep(0.3)
        await until(lambda: len(watch.slow.worst(9)) > 0)
    assert {slow.plugin for slow in watch.slow.worst(9)} == {"kernel"}


def test_a_block_keeps_few_stacks_and_is_the_kernels_when_nobody_had_most_of_it() -> None:
    block = loop_watch._Block(0.0, 0.0)
    code = sleeping.__code__
    for line in range(2 * loop_watch.STACKS):
        block.saw(Work("rogue", "", None), ((code, line),))
    assert len(block.stacks) == loop_watch.STACKS
    block.looks = 2 * loop_watch.STACKS + 1
    assert block.worst() == ("kernel", "", ((code, 0),))
    block.void = True
    assert block.worst() is None


async def test_a_look_that_fails_is_not_the_last(
    packages: Packages, guards: Guards, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = LoopWatch(packages, guards)
    async with watch.watching():
        with monkeypatch.context() as patch:
            patch.setattr(watch.sampler, "at_work", lambda _: 1 / 0)
            sleeping(0.3)
            await asyncio.sleep(0.1)
        assert "the loop could not be looked at" in caplog.text
        sleeping(0.3)
        await until(lambda: len(watch.slow.worst(9)) > 0)


def test_only_what_was_mostly_slept_is_sleep() -> None:
    block = loop_watch._Block(0.0, 0.0)
    for now, awake in ((1.0, 5.0), (2.0, 5.1), (3.0, 5.9), (4.0, None), (5.0, 6.0), (5.5, 6.0)):
        block.measure(now, awake)
    assert block.slept == pytest.approx(0.9 + 0.5)
