"""A scenario on its stage: a world, its load, the moments that matter, and what was measured between them."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import attrs

from tests.faults.never.book import judge, pairs
from tests.faults.never.events import lost_event
from tests.faults.never.rules import Evidence, read_records
from tests.faults.processes import ROOT, Child
from tests.faults.world import Options, World, opened

PATHS = "CSVRAKOWN"
WARM = 6.0
"""Seconds in which customers sign in and fill their carts before anything breaks."""
NORMAL = 10.0
"""Seconds after a fault in which everything must be normal again (RELIABILITY 2)."""
AFTER = 5.0
"""Seconds that must then be without a fault."""
QUIET = 60.0
"""Seconds until every event has been handled."""
# By outbox_unpublished and inbox_due.
BUSY = """
SELECT EXISTS (SELECT FROM kernel.outbox WHERE published_at IS NULL)
    OR EXISTS (SELECT FROM kernel.inbox WHERE state = 'waiting')
"""


@attrs.frozen(kw_only=True)
class Measure:
    """One number beside its promise. Without a limit it is told only. `hard`: beyond the limit is a violation."""

    name: str
    value: float
    limit: float | None = None
    unit: str = "s"
    hard: bool = False

    @property
    def kept(self) -> bool:
        """Within its limit."""
        return self.limit is None or self.value <= self.limit


@attrs.frozen(kw_only=True)
class Scenario:
    """One row of the fault matrix. `promise` is the expected outcome class by path (RELIABILITY 2)."""

    name: str
    title: str
    promise: Mapping[str, str]
    body: "Callable[[Stage], Awaitable[None]]"
    also: str = ""
    options: Options = attrs.field(factory=Options)
    rates: tuple[float, ...] = (60.0,)
    """Requests per second that customers aim at; a body goes on to the next of them by `stage.load.next_rate()`."""
    customers: int = 36
    blind: bool = False
    """PostgreSQL is out of sight: reads of an ended session may go on while the news of it is under a minute old."""
    why_slow: str = ""
    """Why a latency beyond its promise is not ours to mend; shown beside it."""
    quick: bool = False
    """Part of the short run inside the test suite."""


@attrs.frozen
class Loaded:
    """A load that runs."""

    records: Path
    child: Child

    def next_rate(self) -> None:
        """Go on to the next of its rates."""
        self.child.signal(signal.SIGUSR1)


@attrs.define
class Stage:
    """What a scenario's body acts on."""

    world: World
    load: Loaded
    started: float = attrs.field(factory=time.time)
    broken_at: float = 0.0
    healed_at: float = 0.0
    measures: list[Measure] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)
    """Violations that the scenario itself saw."""
    judge_measures: "list[Callable[[Sequence[Mapping[str, Any]]], Measure | None]]" = attrs.field(factory=list)
    """Measures that need the load's records."""

    def broken(self) -> None:
        """The fault begins now."""
        self.broken_at = time.time()

    def healed(self) -> None:
        """The fault is over now."""
        self.healed_at = time.time()

    def measure(
        self, name: str, value: float, limit: float | None = None, *, unit: str = "s", hard: bool = False
    ) -> None:
        """Note a number."""
        self.measures.append(Measure(name=name, value=value, limit=limit, unit=unit, hard=hard))

    async def until(self, condition: Callable[[], bool], limit: float) -> float:
        """Seconds until something is so, looked at from a thread; infinity after `limit`."""
        began = time.monotonic()
        while not await asyncio.to_thread(condition):
            if time.monotonic() - began > limit:
                return float("inf")
            await asyncio.sleep(0.05)
        return time.monotonic() - began


@attrs.frozen(kw_only=True)
class Played:
    """What came of a scenario."""

    scenario: Scenario
    stage: Stage
    records: Sequence[Mapping[str, Any]]
    violations: Mapping[str, Sequence[str]]
    lag: float
    """Seconds from the commit of an event to its last effect, at worst."""
    seconds: float


@asynccontextmanager
async def loaded(world: World, *, rates: Sequence[float], customers: int, seed: int) -> AsyncIterator[Loaded]:
    """The load in a process of its own; at the end of the block it has finished what was under way."""
    out = world.folder / "records.jsonl"
    words = [world.balancer.url, world.codes, out, "--rate", *rates, "--customers", customers, "--seed", seed]
    child = Child(
        "load",
        [sys.executable, "-m", "tests.faults.load", *map(str, words)],
        world.folder,
        env={"PYTHONPATH": str(ROOT)},
    )
    child.start()
    try:
        yield Loaded(out, child)
    finally:
        child.signal(signal.SIGTERM)
        code = await child.ended(30)
    if code:
        raise RuntimeError(f"the load failed:\n{child.tail()}")


async def play(scenario: Scenario, seed: int, keep: Path | None = None) -> Played:
    """Run it from an empty folder to the verdicts of the checker. `keep` gets the logs of a violation."""
    began, listed = time.monotonic(), await asyncio.to_thread(pairs)
    async with opened(scenario.options) as world:
        guard = asyncio.create_task(world.cluster.guard())
        try:
            async with loaded(world, rates=scenario.rates, customers=scenario.customers, seed=seed) as load:
                stage = Stage(world, load)
                await asyncio.sleep(WARM)
                await scenario.body(stage)
                if not stage.healed_at:
                    stage.healed()
                await asyncio.sleep(max(0.0, stage.healed_at + NORMAL + AFTER - time.time()))
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
        lines = read_records(load.records)
        stage.measures += [found for one in stage.judge_measures if (found := one(lines)) is not None]
        lag = await quiet(world, listed)
        violations = await judged(world, lines, listed, blind=scenario.blind)
        if stage.wrong:
            violations["scenario"] = stage.wrong
        if keep is not None and violations:
            keep_logs(world, keep / scenario.name)
    return Played(
        scenario=scenario, stage=stage, records=lines, violations=violations, lag=lag, seconds=time.monotonic() - began
    )


async def quiet(world: World, listed: Sequence[tuple[str, str]]) -> float:
    """Wait until every event was handled; how late the latest was."""
    server = world.cluster.primary
    began = time.monotonic()
    db = await asyncpg.connect(server.url("postgres"))
    try:
        while await db.fetchval(BUSY) or await lost_event(Evidence(db=db, pairs=listed)):
            if time.monotonic() - began > QUIET:
                break
            await asyncio.sleep(0.2)
    finally:
        db.terminate()
    lag = await server.ask(
        "SELECT coalesce(max(extract(epoch FROM i.finished_at - o.occurred_at)), 0)::float8"
        " FROM kernel.inbox i JOIN kernel.outbox o USING (event_id)",
        "shop",
    )
    return float(lag)


async def judged(
    world: World, records: Sequence[Mapping[str, Any]], listed: Sequence[tuple[str, str]], *, blind: bool = False
) -> dict[str, list[str]]:
    """The violations of every rule, by its name."""
    db = await asyncpg.connect(world.cluster.primary.url("postgres"))
    texts = read_records(world.codes)
    logs = [replica.child.log for replica in world.replicas.values()]
    try:
        return await judge(Evidence(db=db, records=records, blind=blind, texts=texts, logs=logs, pairs=listed))
    finally:
        with suppress(OSError, asyncpg.PostgresError):
            await db.close()


def keep_logs(world: World, place: Path) -> None:
    """Copy what tells of a violation to where it outlives the world."""
    place.mkdir(parents=True, exist_ok=True)
    for file in (*world.folder.glob("*.log"), *world.folder.glob("*.jsonl")):
        (place / file.name).write_bytes(file.read_bytes())
