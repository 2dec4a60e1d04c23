"""PostgreSQL dies, hangs, is cut off, comes back read-only, runs full, runs out of connections."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import asyncpg

from tests.faults.postgres import Server
from tests.faults.proxy import Mode
from tests.faults.scenarios.common import ALL_OK, first_success, last_failure, row, slowest
from tests.faults.stage import Scenario, Stage
from tests.faults.world import Options

MARGIN = 1.0
"""Seconds beyond a deadline that a busy machine may need to tell of it."""


async def dies(stage: Stage) -> None:
    """Kill -9 of the primary; the standby is promoted two seconds later, as a managed database does."""
    cluster = stage.world.cluster
    stage.broken()
    cluster.primary.child.kill()
    await asyncio.sleep(2)
    await cluster.fail_over()
    await stage.world.move_postgres()
    stage.healed()
    since = stage.healed_at
    stage.judge_measures += [
        first_success("writes back after a primary exists", since, 2.0),
        last_failure("all normal after a primary exists", since, 10.0),
    ]


async def hangs(stage: Stage) -> None:
    """SIGSTOP of every process of the primary, for eight seconds."""
    server = stage.world.cluster.primary
    stage.broken()
    server.freeze()
    await asyncio.sleep(8)
    server.thaw()
    stage.healed()
    stage.judge_measures += [
        slowest("longest read", 2.0 + MARGIN, "CA", stage.broken_at),
        slowest("longest write", 4.0 + MARGIN, "SVKOW", stage.broken_at),
        slowest("longest refresh", 1.0 + MARGIN, "R", stage.broken_at),
        last_failure("pool whole after resume", stage.healed_at, 2.0),
    ]


async def cut_off(stage: Stage) -> None:
    """One replica's packets to PostgreSQL vanish; its peers are fine."""
    world = stage.world
    name, replica = next(iter(world.replicas.items()))
    stage.broken()
    await replica.proxies["postgres"].become(Mode.BLACKHOLE)
    took = await stage.until(lambda: not world.balancer.up()[name], 15)
    stage.measure("replica unready (promise: 5 to 8 s)", took, 8.0)
    await asyncio.sleep(max(0.0, 12 - took))
    await replica.proxies["postgres"].become(Mode.PASS)
    replica.proxies["postgres"].drop()
    stage.healed()
    stage.measure("ready again", await stage.until(lambda: world.balancer.up()[name], 20), 10.0)


async def read_only(stage: Stage) -> None:
    """A planned switch: the old primary stays up but takes no writes, and open connections stay with it.

    Packets are held for the half second in which nobody takes writes: what is shown is what comes after it.
    """
    cluster, world = stage.world.cluster, stage.world
    old = cluster.primary
    stage.broken()
    await world.all_become("postgres", Mode.BLACKHOLE)
    await old.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    await old.ask("SELECT pg_reload_conf()")
    await cluster.fail_over()
    await world.move_postgres()
    await world.all_become("postgres", Mode.PASS)
    stage.measure("switch took", time.time() - stage.broken_at)
    await asyncio.sleep(6)
    stage.healed()
    old.child.kill()


async def disk_full(stage: Stage) -> None:
    """The primary's disk fills to its last byte; ten seconds later there is room again."""
    server = stage.world.cluster.primary
    ballast = server.data / "ballast"
    stage.broken()
    _fill(ballast)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        _fill(ballast)
    ballast.unlink()
    stage.healed()
    if not server.child.running:  # it gave itself up for want of WAL; its keeper starts it again
        await server.start()
        stage.measure("primary had to be started again", 1, unit="times")
    stage.judge_measures += [
        first_success("writes back after space", stage.healed_at, 5.0),
        last_failure("all normal after space", stage.healed_at, 5.0),
    ]


def _fill(ballast: Path) -> None:
    """Take what is left, in small pieces at the end so that nothing is."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * size)


async def exhausted(stage: Stage) -> None:
    """Somebody else takes every connection there is; then half of the shop's are lost, and taken as well."""
    server, held = stage.world.cluster.primary, list[asyncpg.Connection]()
    stage.broken()
    await _take(server, held, 3.0)
    await server.ask(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid, row_number() OVER (ORDER BY pid) AS n"
        " FROM pg_stat_activity WHERE usename = 'shop' AND application_name <> 'stranger') s WHERE n % 2 = 0"
    )
    await _take(server, held, 9.0)
    for connection in held:
        connection.terminate()
    stage.healed()
    stage.measure("connections taken", len(held), unit="")


async def _take(server: Server, held: list[asyncpg.Connection], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            stranger = {"application_name": "stranger"}
            held.append(await asyncpg.connect(server.url(), timeout=2, server_settings=stranger))
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.01)


async def standby_gone(stage: Stage) -> None:
    """Kill -9 of the standby: the primary stops waiting for it within a second or so."""
    standby = stage.world.cluster.standby
    stage.broken()
    if standby is not None:
        standby.child.kill()
    await asyncio.sleep(8)
    stage.healed()


async def standby_late(stage: Stage) -> None:
    """SIGSTOP of the standby for six seconds."""
    standby = stage.world.cluster.standby
    stage.broken()
    if standby is not None:
        standby.freeze()
        await asyncio.sleep(6)
        standby.thaw()
    stage.healed()


FAILING = row("ok300 FF FF FF ok300 FF FF FF Q")
SCENARIOS = (
    Scenario(
        name="pg-dies",
        blind=True,
        title="PG primary dies, writable again <= 5 s",
        promise=FAILING,
        body=dies,
        also="writes back <= 2 s after a primary exists, all normal <= 10 s",
        quick=True,
    ),
    Scenario(
        name="pg-hangs",
        blind=True,
        title="PG primary hangs (stopped)",
        promise=FAILING,
        body=hangs,
        also="nothing outlives its deadline; pool whole <= 2 s after resume",
    ),
    Scenario(
        name="pg-cut-off",
        blind=True,
        title="One replica cut off from PG",
        promise=row("ok300 FF->ok FF->ok FF->ok ok300 FF->ok FF->ok FF->ok Q"),
        body=cut_off,
        also="that replica unready in 5-8 s",
    ),
    Scenario(
        name="pg-read-only",
        blind=True,
        title="Old primary back, read-only",
        promise=ALL_OK,
        body=read_only,
        also="SQLSTATE 25006 drops the connection and is retried inside",
    ),
    Scenario(
        name="pg-disk-full",
        blind=True,
        title="PG disk full",
        promise=FAILING,
        body=disk_full,
        also="heals <= 5 s after space returns, no manual step",
        options=Options(standby=False, small_disk=True),
    ),
    Scenario(
        name="pg-exhausted",
        blind=True,
        title="PG connections exhausted",
        promise=row("ok300 FF FF FF ok300 B B B Q"),
        body=exhausted,
        also="refresh and orders keep reserved connections",
    ),
    Scenario(
        name="standby-gone",
        title="Standby gone",
        promise=ALL_OK,
        body=standby_gone,
        also="own writes always visible",
    ),
    Scenario(
        name="standby-late",
        title="Standby late",
        why_slow="a commit waits for the standby until it is dropped, after 0.8 s here: the price of losing nothing",
        promise=ALL_OK,
        body=standby_late,
        also="own writes always visible",
    ),
)
