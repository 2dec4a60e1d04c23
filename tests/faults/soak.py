"""The soak: mixed load for as long as wanted, a fault every minute, and what each replica holds meanwhile."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import click

from tests.faults.held import HELD, Sample, growth, look
from tests.faults.never.book import pairs
from tests.faults.never.rules import read_records
from tests.faults.proxy import Line, Mode
from tests.faults.soak_page import page
from tests.faults.stage import Loaded, judged, keep_logs, loaded, quiet
from tests.faults.world import Options, Replica, World, opened

EVERY = 60.0
"""Seconds from one fault to the next."""
SAMPLE = 5.0
SETTLED = 5.0
"""Seconds before the first fault: RabbitMQ 3.10 does not recover a queue that it made within its last second."""
RATES, CUSTOMERS = (60.0,), 60


async def _kill_a_replica(world: World, _: random.Random) -> None:
    replica = world.replicas["one"]  # the others live on, so that what they hold tells something
    replica.child.kill()
    await asyncio.sleep(3)
    replica.child.start()


async def _stop_a_replica(world: World, chance: random.Random) -> None:
    replica = world.replicas[chance.choice(tuple(world.replicas))]
    replica.child.signal(signal.SIGSTOP)
    await asyncio.sleep(6)
    replica.child.signal(signal.SIGCONT)


async def _kill_redis(world: World, _: random.Random) -> None:
    world.redis.child.kill()
    await asyncio.sleep(5)
    await world.redis.start()


async def _freeze_redis(world: World, _: random.Random) -> None:
    world.redis.child.signal(signal.SIGSTOP)
    await asyncio.sleep(8)
    world.redis.child.signal(signal.SIGCONT)


async def _kill_rabbit(world: World, _: random.Random) -> None:
    await world.broker.kill()
    await asyncio.sleep(8)
    await world.broker.start()


async def _freeze_postgres(world: World, _: random.Random) -> None:
    world.cluster.primary.freeze()
    await asyncio.sleep(4)
    world.cluster.primary.thaw()


async def _drop_connections(world: World, chance: random.Random) -> None:
    for proxy in world.proxies(chance.choice(("postgres", "redis", "rabbit"))):
        proxy.drop()


async def _slow_lines(world: World, chance: random.Random) -> None:
    """Late, sliced or cut bytes between one replica and one store."""
    replica: Replica = world.replicas[chance.choice(tuple(world.replicas))]
    proxy = replica.proxies[chance.choice(("postgres", "redis", "rabbit"))]
    proxy.line = chance.choice((Line(latency=0.02), Line(slice=7), Line(cut=20_000)))
    proxy.drop()
    await asyncio.sleep(10)
    proxy.line = Line()
    proxy.drop()


async def _cut_off(world: World, chance: random.Random) -> None:
    """One replica and one store lose sight of each other."""
    replica: Replica = world.replicas[chance.choice(tuple(world.replicas))]
    proxy = replica.proxies[chance.choice(("postgres", "redis", "rabbit"))]
    await proxy.become(chance.choice((Mode.BLACKHOLE, Mode.REFUSE, Mode.RESET)))
    await asyncio.sleep(10)
    await proxy.become(Mode.PASS)
    proxy.drop()


FAULTS: Mapping[str, Callable[[World, random.Random], Awaitable[None]]] = {
    "a replica is killed": _kill_a_replica,
    "a replica stops for 6 s": _stop_a_replica,
    "Redis is killed": _kill_redis,
    "Redis hangs for 8 s": _freeze_redis,
    "RabbitMQ is killed": _kill_rabbit,
    "PostgreSQL hangs for 4 s": _freeze_postgres,
    "all connections to a store break": _drop_connections,
    "one line is slow, sliced or cut": _slow_lines,
    "a replica is cut off from a store": _cut_off,
}


async def soak(minutes: float, seed: int, out: Path) -> int:
    """How many rules were broken, and how many things a replica held ever more of."""
    chance, listed = random.Random(seed), pairs()
    samples: dict[str, list[Sample]] = {}
    suffered: list[tuple[float, str]] = []
    began = time.time()
    async with opened(Options(rabbit=True)) as world:
        guard = asyncio.create_task(world.cluster.guard())
        sampler = asyncio.create_task(_sample(world, samples))
        try:
            async with loaded(world, rates=RATES, customers=CUSTOMERS, seed=seed) as load:
                await _suffer(world, chance, began + minutes * 60, suffered, load)
                await asyncio.sleep(15)
        finally:
            for task in (guard, sampler):
                task.cancel()
            await asyncio.gather(guard, sampler, return_exceptions=True)
        lines = read_records(load.records)
        await quiet(world, listed)
        violations = await judged(world, lines, listed, blind=True)
        if violations:
            keep_logs(world, out / "logs" / "soak")
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak.html").write_text(page(samples, suffered, violations, lines, seed))
    for name, wrong in violations.items():
        click.secho(f"! {name}: {len(wrong)}, such as {wrong[0]}", fg="red")
    growing = _told(samples)
    click.echo(f"{time.time() - began:.0f} s, {len(suffered)} faults, seed {seed}: {out / 'soak.html'}")
    return len(violations) + growing


def _told(samples: Mapping[str, Sequence[Sample]]) -> int:
    """A line for each replica and thing; how many of them grow."""
    growing = 0
    for name, meaning in HELD.items():
        for replica, each in samples.items():
            if (found := growth(each, name)) is not None:
                growing += not found.flat
                click.secho(f"  {replica}: {meaning}: {found}", fg=None if found.flat else "red")
    return growing


async def _suffer(
    world: World, chance: random.Random, end: float, suffered: list[tuple[float, str]], load: Loaded
) -> None:
    """Until the end, or until the load ended by itself, which is an error: without it nothing is shown."""
    names: list[str] = []
    await asyncio.sleep(SETTLED)
    while time.time() < end and load.child.running:
        names = names or chance.sample(tuple(FAULTS), len(FAULTS))  # each comes before any comes again
        name, next_one = names.pop(), time.time() + EVERY
        suffered.append((time.time(), name))
        click.echo(f"  {max(0, end - time.time()) / 60:5.1f} min left: {name}")
        await FAULTS[name](world, chance)
        await asyncio.sleep(max(0.0, min(next_one, end) - time.time()))


async def _sample(world: World, samples: dict[str, list[Sample]]) -> None:
    while True:
        for name, replica in world.replicas.items():
            if not replica.child.running:
                continue
            found = await asyncio.to_thread(look, replica.child.pid, replica.operations, world.token)
            if found is not None:
                samples.setdefault(name, []).append(found)
        await asyncio.sleep(SAMPLE)
