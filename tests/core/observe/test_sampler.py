"""What the signal interrupts is charged for the time that was used since the last one."""

import asyncio
import signal
import sys
import threading
import time
from types import FrameType

import pytest

from core.isolation.culprit import Packages
from core.observe.sampler import Sampler, beneath
from core.observe.spent import KERNEL, MOST, OTHER
from tests.core.observe.busy.plugin import Busy, computing


@pytest.fixture
def sampler() -> Sampler:
    return Sampler(Packages({"busy": Busy()}))


async def test_all_that_the_thread_used_is_charged_to_somebody(sampler: Sampler) -> None:
    with sampler.sampling(asyncio.get_running_loop()):
        began = time.thread_time()
        for _ in range(20):
            computing(0.02)
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                sum(range(100))
        used = time.thread_time() - began
    seconds = sampler.by_work()
    assert sum(seconds.values()) == pytest.approx(used, abs=0.1)
    busy = sum(part for (plugin, _), part in seconds.items() if plugin == "busy")
    assert busy == pytest.approx(0.4, abs=0.15)


async def test_a_task_of_the_kernels_is_named_and_one_without_a_name_is_not(sampler: Sampler) -> None:
    async def work() -> None:
        end = time.thread_time() + 0.2
        while time.thread_time() < end:
            pass

    with sampler.sampling(asyncio.get_running_loop()):
        await asyncio.create_task(work(), name="relay")
        await asyncio.create_task(work())
    seconds = sampler.by_work()
    assert seconds[KERNEL, "relay"] == pytest.approx(0.2, abs=0.1)
    assert seconds[KERNEL, ""] > 0.05


async def test_a_loop_outside_the_main_thread_is_not_sampled(sampler: Sampler) -> None:
    before = signal.getsignal(signal.SIGPROF)

    def elsewhere() -> None:
        with sampler.sampling(loop):
            assert signal.getsignal(signal.SIGPROF) == before
            computing(0.1)

    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    assert sampler.by_work() == {}


async def test_a_look_that_fails_disturbs_nobody(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "at_work", lambda _: 1 / 0)
    with sampler.sampling(asyncio.get_running_loop()):
        computing(0.1)
    assert sampler.by_work() == {}


def test_tasks_with_ever_new_names_are_charged_together(sampler: Sampler) -> None:
    for number in range(MOST + 3):
        sampler.add("busy", f"thing {number}", 1.0)
    assert sampler.by_work()["busy", OTHER] == 3.0


def test_what_was_interrupted_is_seen_and_not_the_sampler(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FrameType | None] = []
    monkeypatch.setattr(sampler, "at_work", lambda _: seen.append(beneath(sys._getframe())))
    here = sys._getframe()
    sampler._interrupted(signal.SIGPROF, here)
    assert seen == [here]
    assert beneath(here) is here
