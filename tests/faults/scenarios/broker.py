"""RabbitMQ dead, hung, blocked, and away for a minute."""

import asyncio
import time

from tests.faults.scenarios.common import row
from tests.faults.stage import BUSY, Scenario, Stage
from tests.faults.world import Options

WITHOUT = row("ok ok ok ok ok ok ok ok Q")
WITH_BROKER = Options(rabbit=True)
DRAIN = 60.0
"""Seconds in which all that waited is delivered (RELIABILITY 2)."""
FIRST = 5.0
"""Seconds from the broker's return to the first publish."""


async def _drained(stage: Stage) -> None:
    """After the broker's return: the first publish, and when nothing that waited is left."""
    server, since = stage.world.cluster.primary, time.monotonic()
    first = float("inf")
    backlog = await server.ask("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL", "shop")
    mark = await server.ask("SELECT max(seq) FROM kernel.outbox", "shop")
    left = f"""
    SELECT count(*) FILTER (WHERE published_at IS NULL) FROM kernel.outbox WHERE seq <= {mark or 0}"""
    while (waiting := await server.ask(left, "shop")) and time.monotonic() - since < DRAIN + 20:
        if waiting < backlog:
            first = min(first, time.monotonic() - since)
        await asyncio.sleep(0.1)
    took = time.monotonic() - since if not waiting else float("inf")
    stage.measure("events that waited", backlog, unit="")
    stage.measure("first publish after return", min(first, took), FIRST)
    stage.measure("all of them published after return", took, DRAIN, hard=True)


async def dead(stage: Stage) -> None:
    """Kill -9, back after fifteen seconds."""
    broker = stage.world.broker
    stage.broken()
    await broker.kill()
    await asyncio.sleep(15)
    await broker.start()
    stage.healed()
    await _drained(stage)


async def hung(stage: Stage) -> None:
    """SIGSTOP for twenty seconds: two heartbeats."""
    broker = stage.world.broker
    stage.broken()
    broker.freeze()
    await asyncio.sleep(20)
    broker.thaw()
    stage.healed()
    await _drained(stage)


async def blocked(stage: Stage) -> None:
    """The disk alarm, for fifteen seconds."""
    broker = stage.world.broker
    stage.broken()
    await broker.alarm(on=True)
    await asyncio.sleep(15)
    await broker.alarm(on=False)
    stage.healed()
    await _drained(stage)


async def away(stage: Stage) -> None:
    """Away for a minute under load: everything is delivered within a minute of its return."""
    broker = stage.world.broker
    stage.broken()
    await broker.kill()
    await asyncio.sleep(60)
    await broker.start()
    stage.healed()
    await _drained(stage)
    while await stage.world.cluster.primary.ask(BUSY, "shop") and time.time() - stage.healed_at < DRAIN:
        await asyncio.sleep(0.2)


SCENARIOS = (
    Scenario(
        name="rabbit-dead",
        title="RabbitMQ dead",
        promise=WITHOUT,
        body=dead,
        also="first publish <= 5 s after return; 12 000 events drained <= 60 s",
        options=WITH_BROKER,
        quick=True,
    ),
    Scenario(
        name="rabbit-hung",
        title="RabbitMQ hung",
        promise=WITHOUT,
        body=hung,
        also="first publish <= 5 s after return",
        options=WITH_BROKER,
    ),
    Scenario(
        name="rabbit-blocked",
        title="RabbitMQ blocked (disk alarm)",
        promise=WITHOUT,
        body=blocked,
        also="first publish <= 5 s after return",
        options=WITH_BROKER,
    ),
    Scenario(
        name="rabbit-away",
        title="RabbitMQ away for 60 s",
        promise=WITHOUT,
        body=away,
        also="all events delivered within 60 s of its return, in order per order, none twice in effect",
        options=WITH_BROKER,
    ),
)
