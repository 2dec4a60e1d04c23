"""Redis and the providers of messages: dead, hung, emptied, refusing; and everything away at once."""

import asyncio
import signal

from tests.faults.proxy import Mode
from tests.faults.scenarios.common import first_success, last_failure, row, slowest
from tests.faults.stage import Scenario, Stage
from tests.faults.world import Options
from tests.providers.server import HANG

WITHOUT_REDIS = row("ok300 ok ok ok ok300 ok300 ok ok ok")
WITHOUT_SMS = row("ok ok ok ok ok ok ok ok Q")
SHORT_CODES = Options(settings={"VURKSHA_USER__CODE_LIFETIME": "12"})
"""Codes that end while the provider is away: they must be dropped, not sent late."""


async def redis_dead(stage: Stage) -> None:
    """Kill -9, and back ten seconds later."""
    redis = stage.world.redis
    stage.broken()
    redis.child.kill()
    await asyncio.sleep(10)
    await redis.start()
    stage.healed()


async def redis_hung(stage: Stage) -> None:
    """SIGSTOP for thirty seconds."""
    redis = stage.world.redis
    stage.broken()
    redis.child.signal(signal.SIGSTOP)
    await asyncio.sleep(30)
    redis.child.signal(signal.SIGCONT)
    stage.healed()


async def redis_cut_off(stage: Stage) -> None:
    """One replica's packets to Redis vanish for ten seconds; what it writes the others must not contradict."""
    proxy = next(iter(stage.world.replicas.values())).proxies["redis"]
    stage.broken()
    await proxy.become(Mode.BLACKHOLE)
    await asyncio.sleep(10)
    await proxy.become(Mode.PASS)
    proxy.drop()
    stage.healed()


async def redis_emptied(stage: Stage) -> None:
    """FLUSHALL, three times."""
    stage.broken()
    for _ in range(3):
        stage.world.redis.empty()
        await asyncio.sleep(2)
    stage.healed()


async def sms_away(stage: Stage, fault: str | int | None) -> None:
    """The provider fails for fifteen seconds. Who waits for a code gets a newer one or none, never a dead one."""
    sms = stage.world.sms
    stage.broken()
    sms.fault = fault
    if fault == 429:
        sms.retry_after = "5"
    await asyncio.sleep(15)
    sms.fault, sms.retry_after = None, None
    stage.healed()


async def sms_down(stage: Stage) -> None:
    """It answers 503."""
    await sms_away(stage, 503)


async def sms_hung(stage: Stage) -> None:
    """It takes requests and never answers."""
    await sms_away(stage, HANG)


async def sms_limited(stage: Stage) -> None:
    """It answers 429 with Retry-After."""
    await sms_away(stage, 429)


async def all_gone(stage: Stage) -> None:
    """PostgreSQL, Redis and RabbitMQ refuse connections for fifteen seconds; the processes must stay."""
    world = stage.world
    stores = ("postgres", "redis", "rabbit")
    stage.broken()
    for store in stores:
        await world.all_become(store, Mode.REFUSE)
    await asyncio.sleep(15)
    for store in stores:
        await world.all_become(store, Mode.PASS)
    stage.healed()
    if not all(replica.child.running for replica in world.replicas.values()):
        stage.wrong.append("a replica ended")
    stage.judge_measures += [
        first_success("writes back after return", stage.healed_at, 10.0),
        last_failure("all normal after return", stage.healed_at, 10.0),
        slowest("longest answer", 5.0, "CSVRAKOW", stage.broken_at),
    ]


SCENARIOS = (
    Scenario(
        name="redis-dead",
        title="Redis dead",
        promise=WITHOUT_REDIS,
        body=redis_dead,
        also="no 5xx",
    ),
    Scenario(
        name="redis-hung",
        title="Redis hung",
        promise=WITHOUT_REDIS,
        body=redis_hung,
        also="no 5xx; a hung Redis costs <= 55 ms once per breaker window",
    ),
    Scenario(
        name="redis-cut-off",
        title="One replica cut off from Redis",
        promise=WITHOUT_REDIS,
        body=redis_cut_off,
        also="own writes always visible",
    ),
    Scenario(
        name="redis-emptied",
        title="Redis emptied",
        promise=row("ok300 ok ok ok ok ok ok ok ok"),
        body=redis_emptied,
        also="nothing true is lost",
        quick=True,
    ),
    Scenario(
        name="sms-down",
        title="SMS provider down",
        promise=WITHOUT_SMS,
        body=sms_down,
        also="expired codes are dropped, never sent late",
        options=SHORT_CODES,
    ),
    Scenario(
        name="sms-hung",
        title="SMS provider hung",
        promise=WITHOUT_SMS,
        body=sms_hung,
        also="expired codes are dropped, never sent late",
        options=SHORT_CODES,
    ),
    Scenario(
        name="sms-429",
        title="SMS provider answers 429",
        promise=WITHOUT_SMS,
        body=sms_limited,
        also="expired codes are dropped, never sent late",
        options=SHORT_CODES,
    ),
    Scenario(
        name="all-gone",
        blind=True,
        title="All dependencies gone",
        promise=row("FF FF FF FF FF FF FF FF Q"),
        body=all_gone,
        also="process stays up; normal <= 10 s after return",
    ),
)
