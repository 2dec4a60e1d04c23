"""Who uses the loop and the database is named with its route, and the sums are what was used."""

import asyncio
import signal
import time

from core.observe.usage import Usage
from tests.core.http.probe import ProbePlugin
from tests.core.isolation.eventually import until
from tests.core.observe.busy.plugin import Busy, computing
from tests.core.observe.conftest import Serve

COMPUTES = "GET /api/v1/busy/computes/{ms}"


async def test_who_computes_is_named_with_its_route_and_the_sums_are_what_was_used(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        usage = probe.app.usage
        before, began, since = sum(usage.loop_seconds().values()), time.thread_time(), time.monotonic()
        for _ in range(4):
            await probe.get("/busy/computes/300")
            await probe.get("/probe/hello")
        used = time.thread_time() - began
        seconds = usage.loop_by_route()["busy", COMPUTES]
        assert seconds > 1.0
        held = sum(usage.loop_seconds().values()) - before
        assert 0.85 * used - 0.1 < held < time.monotonic() - since + 0.1
        await until(lambda: len(usage.slow_calls()) >= 4)
        assert usage.loop_blocks()["busy"] >= 4
        slow = next(slow for slow in usage.slow_calls() if slow.plugin == "busy")
        assert slow.what == COMPUTES
        assert slow.seconds > 0.15
        assert "busy/plugin.py:" in slow.stack[-1]
        assert slow.stack[-1].endswith(" computing")
        assert any(call.endswith("Endpoint.serve") for call in slow.stack)
        assert usage.recent_calls(1)[0].at >= slow.at


async def test_short_work_adds_up_too(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        for _ in range(150):
            await probe.get("/busy/computes/4")
        assert 0.25 < probe.app.usage.loop_seconds()["busy"] < 1.5


async def test_who_sleeps_on_the_loop_is_named_though_nothing_was_used(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        await probe.get("/busy/sleeps")
        await until(lambda: len(probe.app.usage.slow_calls()) > 0)
        assert probe.app.usage.loop_by_route()["busy", "GET /api/v1/busy/sleeps"] > 0.05


async def test_what_the_kernel_does_for_a_route_is_its_plugins(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        for _ in range(3):
            await probe.get("/busy/lists")
        assert probe.app.usage.loop_by_route()["busy", "GET /api/v1/busy/lists"] > 0.05


async def test_jobs_and_tasks_are_named(serve: Serve) -> None:
    async def job() -> None:
        computing(0.01)

    async def again() -> None:
        while True:
            computing(0.01)
            await asyncio.sleep(0.01)

    busy = Busy(job)
    async with serve(busy) as probe:
        busy.kernel.tasks.forever("busy.loop", again)
        by_route = probe.app.usage.loop_by_route
        await until(lambda: {("busy", "job busy.job"), ("busy", "busy.loop")} <= by_route().keys())


async def test_database_time_is_the_routes(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        usage = probe.app.usage
        await probe.get("/busy/asks")
        cost = usage.db_by_route()["busy", "GET /api/v1/busy/asks"]
        assert cost.statements == 1
        assert cost.seconds >= 0.05
        assert usage.db_seconds()["busy"] == cost.seconds
        await until(lambda: usage.db_statements()["kernel"] > 0 and usage.db_seconds()["kernel"] > 0)


async def test_failures_are_counted_once_for_optional_and_required_plugins(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        probe.app.kernel.guards._excused = lambda: False  # whatever a busy machine does to a store meanwhile
        for path in ("/busy/fails", "/busy/fails", "/probe/boom"):
            await probe.get(path)
        usage = probe.app.usage
        await until(lambda: usage.failures()["probe"] == 1)
        assert usage.failures()["busy"] == 2
        assert usage.failures_by_route() == {
            ("busy", "GET /api/v1/busy/fails"): 2,
            ("probe", "GET /api/v1/probe/boom"): 1,
        }


async def test_a_failed_job_of_a_required_plugin_counts(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        probe.app.jobs.failures["probe.tick"] += 1
        assert probe.app.usage.failures_by_route()["probe", "job probe.tick"] == 1


async def test_everybody_is_in_every_answer_from_the_start(serve: Serve) -> None:
    async with serve(Busy()) as probe:
        usage: Usage = probe.app.usage
        for answer in (usage.loop_seconds, usage.loop_blocks, usage.db_seconds, usage.db_statements, usage.tasks,
                       usage.failures):  # fmt: skip
            assert {"busy", ProbePlugin.manifest.name, "kernel"} <= answer().keys()
        await until(lambda: usage.tasks()["kernel"] > 3)


async def test_the_signal_is_sent_only_while_the_app_serves(serve: Serve) -> None:
    before = signal.getsignal(signal.SIGPROF)
    async with serve(Busy()):
        assert signal.getitimer(signal.ITIMER_PROF)[1] > 0
        assert signal.getsignal(signal.SIGPROF) != before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) == before
