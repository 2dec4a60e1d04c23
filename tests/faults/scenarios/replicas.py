"""Replicas: killed, stopped, off in time, besieged, replaced one by one."""

import asyncio
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.processes import CannotRun
from tests.faults.release import prepared
from tests.faults.scenarios.common import ALL_OK, Judge, percentile, row
from tests.faults.stage import Measure, Scenario, Stage
from tests.faults.world import FAKETIME, Options

ONE_ERROR = row("T T T T T T T T T")
SLOW_LINE = 0.004
"""Seconds more for each packet to and from PostgreSQL."""
SIEGE = 2000
"""Slow connections."""


async def killed(stage: Stage) -> None:
    """Kill -9 of one of three; another is started five seconds later."""
    world = stage.world
    name, replica = next(iter(world.replicas.items()))
    stage.broken()
    replica.child.kill()
    took = await stage.until(lambda: not world.balancer.up()[name], 10)
    stage.measure("unready seen", took, 3.0)
    await asyncio.sleep(max(0.0, 5 - took))
    replica.child.start()
    await replica.ready()
    stage.healed()


async def stopped(stage: Stage) -> None:
    """SIGSTOP of one of three for twenty seconds: whatever row locks it holds must not outlive three."""
    world = stage.world
    name, replica = next(iter(world.replicas.items()))
    stage.broken()
    replica.child.signal(signal.SIGSTOP)
    took = await stage.until(lambda: not world.balancer.up()[name], 10)
    stage.measure("unready seen", took, 3.0)
    await asyncio.sleep(max(0.0, 4 - took))
    held = await world.cluster.primary.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop' AND state LIKE 'idle in transaction%'"
        " AND clock_timestamp() - state_change > interval '3.5 s'"
    )
    stage.measure("transactions left open after 4 s", held, 0, unit="", hard=True)
    await asyncio.sleep(16)
    replica.child.signal(signal.SIGCONT)
    stage.healed()
    stage.measure("ready again", await stage.until(lambda: world.balancer.up()[name], 20), 10.0)


async def clock_off(stage: Stage) -> None:
    """One replica's clock runs thirty seconds ahead."""
    world = stage.world
    if not FAKETIME.exists():
        raise CannotRun("a clock cannot be moved without libfaketime (apt-get install libfaketime)")
    name = next(iter(world.replicas))
    stage.broken()
    world.set_clock(name, 30)
    took = await stage.until(lambda: not world.balancer.up()[name], 20)
    stage.measure("replica unready", took, 10.0, hard=True)
    await asyncio.sleep(3)
    world.set_clock(name, 0)
    stage.measure("ready again", await stage.until(lambda: world.balancer.up()[name], 20), 10.0)
    stage.healed()


async def besieged(stage: Stage) -> None:
    """2,000 connections to one replica send a header byte by byte and never finish."""
    replica = next(iter(stage.world.replicas.values()))
    stage.broken()
    opened, closed = await _siege(replica.port, 15.0)
    stage.healed()
    stage.measure("slow connections opened", opened, unit="")
    stage.measure("slow ones still open after 15 s", opened - len(closed), 0, unit="", hard=True)
    stage.measure("a slow one was closed after, at most", max(closed, default=0.0), 10.0)


async def _siege(port: int, seconds: float) -> tuple[int, list[float]]:
    """How many were opened, and after how many seconds each of them was closed by the other side."""
    tasks = []
    for number in range(SIEGE):
        tasks.append(asyncio.create_task(_slow_one(port, seconds)))
        if number % 50 == 49:
            await asyncio.sleep(0.02)
    lives = [life for life in await asyncio.gather(*tasks) if life is not None]
    return len(lives), [life for life in lives if life < seconds]


async def _slow_one(port: int, seconds: float) -> float | None:
    """How long one connection lived; None if there was none to be had."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    except OSError:
        return None
    began = time.monotonic()
    try:
        writer.write(b"GET /api/v1/products HTTP/1.1\r\nHost: shop\r\nX-Slow: ")
        async with asyncio.timeout(seconds):
            drip = asyncio.create_task(_drip(writer))
            try:
                await reader.read()
            finally:
                drip.cancel()
    except TimeoutError:
        return seconds
    except OSError:
        pass  # reset, which is an end as well
    finally:
        writer.transport.abort()
    return time.monotonic() - began


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(1)
        writer.write(b"x")


async def overloaded(stage: Stage) -> None:
    """Three times what the shop can do.

    What it can do is set by a slow line to PostgreSQL and few connections, far below what this machine's processors can
    do: those make the load as well.
    """
    for proxy in stage.world.proxies("postgres"):
        proxy.line.latency = SLOW_LINE
    await asyncio.sleep(5)  # everybody is signed in by now
    stage.load.next_rate()
    peak_from = time.time() + 3
    await asyncio.sleep(11)
    stage.load.next_rate()
    stage.broken()
    await asyncio.sleep(15)
    stage.load.next_rate()
    stage.healed()
    for proxy in stage.world.proxies("postgres"):
        proxy.line.latency = 0.0
    stage.judge_measures += [
        lost_goodput((peak_from, stage.broken_at), (stage.broken_at + 2, stage.healed_at)),
        rejects("rejects, p99 (ms)", stage.broken_at, stage.healed_at, 20.0),
    ]


def lost_goodput(peak: tuple[float, float], flood: tuple[float, float]) -> Judge:
    """How much less succeeds a second in the flood than at the peak, of what needs PostgreSQL; in percent."""

    def look(records: Sequence[Mapping[str, Any]]) -> Measure:
        good = [o["began"] for o in records if o["kind"] == "try" and o["path"] in "AKOWR" and o["out"] == "ok"]
        before, after = (sum(start <= at <= end for at in good) / (end - start) for start, end in (peak, flood))
        lost = 100 * (1 - after / before) if before else 100.0
        return Measure(name=f"goodput lost, from {before:.0f}/s to {after:.0f}/s", value=lost, limit=20.0, unit="%")

    return look


def rejects(name: str, start: float, end: float, limit: float) -> Judge:
    """How long a refusal takes, at worst but one in a hundred."""

    def look(records: Sequence[Mapping[str, Any]]) -> Measure:
        waits = [o["ms"] for o in records if o["kind"] == "try" and o["out"] == "FF" and start <= o["began"] <= end]
        return Measure(name=name, value=percentile(sorted(waits), 99), limit=limit, unit="ms")

    return look


async def rolling(stage: Stage) -> None:
    """A migration is applied under load, then each replica is replaced by one that needs it."""
    world = stage.world
    new = prepared(world.folder)
    stage.broken()
    await world.run("migrate", **new)
    for name, replica in world.replicas.items():
        replica.child.signal(signal.SIGTERM)
        began = time.monotonic()
        code = await replica.child.ended(30)
        stage.measure(f"{name} left after", time.monotonic() - began, 25.0)
        if code:
            stage.wrong.append(f"replica {name} ended with {code}")
        replica.child.start(**new)
        await replica.ready()
        await stage.until(lambda name=name: world.balancer.up()[name], 10)  # type: ignore[misc]  # of this turn
    stage.healed()


SCENARIOS = (
    Scenario(
        name="replica-killed",
        title="Replica killed (-9)",
        promise=ONE_ERROR,
        body=killed,
        also="unready seen <= 3 s; nothing lives only in memory",
        quick=True,
    ),
    Scenario(
        name="replica-stopped",
        title="Replica stopped 20 s",
        promise=row("T T T T T T T/B T T"),
        body=stopped,
        also="row locks it held are gone <= 3 s",
    ),
    Scenario(
        name="clock-off",
        title="Replica clock off by > 5 s",
        promise=ALL_OK,
        body=clock_off,
        also="that replica unready <= 10 s",
        options=Options(clocks=True),
    ),
    Scenario(
        name="overload",
        title="Load 3x capacity",
        promise=row("shed late late kept shed shed kept kept Q"),
        body=overloaded,
        also="rejects <= 20 ms; goodput >= 80 % of peak. Capacity is set by a slow line to PostgreSQL",
        options=Options(replicas=1, settings={"VURKSHA_POSTGRES__POOL_SIZE": "8"}),
        rates=(60.0, 100.0, 300.0, 30.0),
        customers=150,
    ),
    Scenario(
        name="slow-connections",
        title="2 000 slow connections",
        promise=row("ok300 ok300 ok300 ok300 ok300 ok300 ok300 ok300 ok"),
        body=besieged,
        also="slow ones closed <= 10 s",
    ),
    Scenario(
        name="rolling-deploy",
        title="Rolling deploy with migration",
        promise=ALL_OK,
        body=rolling,
        also="0 failed requests",
    ),
)
