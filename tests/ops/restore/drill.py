"""A shop under load loses its database twice and gets it back: all of it, then as it was before a mistake."""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from core.backup.shelf import Shelf
from core.types import uuid7
from tests.faults.never.book import pairs
from tests.faults.never.rules import Evidence, judge, read_records
from tests.faults.processes import Child, NotRunning
from tests.faults.stage import loaded, quiet
from tests.faults.world import Options, World, opened
from tests.ops.restore.report import Act, Told

NEAR = 1.0
"""Seconds before a server's death in which an order may be lost that was told: WAL is received, but no commit waits."""
UNDER_LOAD, AFTER = 20.0, 8.0
PHONE = "+919812345678"
NEVER_TWICE = {"lost-order", "own-writes", "token", "told-one-order"}
"""Rules about what customers were told: checked here by the moment, not as a whole."""


class Drill:
    """One world with its backups."""

    def __init__(self, world: World, listed: Sequence[tuple[str, str]]) -> None:
        self.world, self.listed = world, listed
        self.key = world.folder / "backup.key"
        said = subprocess.run(["age-keygen", "-o", self.key], check=True, capture_output=True, text=True)
        self._recipient = said.stderr.split()[-1]
        self.shelf = Shelf(world.folder)
        self._stream: Child | None = None

    @property
    def _env(self) -> dict[str, str]:
        return {
            "VURKSHA_BACKUP__FOLDER": str(self.shelf.folder),
            "VURKSHA_BACKUP__RECIPIENTS": self._recipient,
            "VURKSHA_BACKUP__URL": self.world.cluster.primary.url("postgres"),
        }

    async def run(self, *words: str) -> float:
        """A command of the program's; how long it took."""
        began = time.monotonic()
        await self.world.run(*words, **self._env)
        return time.monotonic() - began

    async def stream(self, folder: str) -> None:
        """Begin to receive WAL into a new folder; returns when some has come."""
        self.shelf = Shelf(self.world.folder / folder)
        self._stream = self.world.program("backup", "stream", **self._env)
        self._stream.start()
        await self._stream.ready(lambda: any(self.shelf.spool.glob("0*")), 60)

    async def stop_stream(self) -> None:
        """What it has received stays."""
        if self._stream is not None:
            self._stream.signal(signal.SIGTERM)
            await self._stream.ended(20)

    async def stop_serving(self) -> None:
        """Every replica: nobody may be served from a database that erased people may have come back to."""
        for replica in self.world.replicas.values():
            replica.child.signal(signal.SIGTERM)
        for replica in self.world.replicas.values():
            await replica.child.ended(40)

    async def back(self, act: Act, at: datetime | None) -> None:
        """From an empty data folder to the first order taken."""
        world, server = self.world, self.world.cluster.primary
        moment = [] if at is None else ["--at", at.isoformat()]
        words = ["restore", "--to", str(server.data), "--identity", str(self.key), *moment]
        act.steps["laid down"] = await self.run(*words)
        began = time.monotonic()
        await server.start()
        while await server.ask("SELECT pg_is_in_recovery()"):
            await asyncio.sleep(0.05)
        act.steps["replayed"] = time.monotonic() - began
        began = time.monotonic()
        world.redis.child.kill()
        await asyncio.gather(world.redis.start(), world.broker.lose())
        act.steps["Redis and RabbitMQ emptied"] = time.monotonic() - began
        act.steps["erased again"] = await self.run("privacy", "reapply", str(self.shelf.ledger))
        began = time.monotonic()
        for consumer in sorted({pair[0] for pair in self.listed}):
            await self.run("outbox", "replay", "--since", "1h", "--consumer", consumer, "--yes")
        act.steps["events given again"] = time.monotonic() - began
        began = time.monotonic()
        for replica in world.replicas.values():
            replica.child.start()
        await world.ready()
        act.steps["serving"] = time.monotonic() - began

    async def verdict(self, act: Act, records: Path, until: float) -> None:
        """Every order told before `until` is there; nothing that must never happen has happened."""
        orders = {one["id"]: one for one in read_records(records) if one["kind"] == "order" and one["at"] <= until}
        db = await asyncpg.connect(self.world.cluster.primary.url("postgres"))
        try:
            rows = await db.fetch("SELECT id::text FROM orders.orders WHERE id = ANY($1::uuid[])", [*map(UUID, orders)])
            gone = set(orders) - {row["id"] for row in rows}
            found = await judge(Evidence(db=db, pairs=self.listed))
        finally:
            await db.close()
        act.orders, act.lost = len(orders), len(gone)
        act.wrong += [
            f"{orders[one]['number']} was told and is gone" for one in gone if orders[one]["at"] < until - NEAR
        ]
        act.wrong += [f"{name}: {one}" for name, wrong in found.items() for one in wrong if name not in NEVER_TWICE]


@asynccontextmanager
async def under_load(world: World, rate: float, seed: int) -> AsyncIterator[Path]:
    """Customers for the block; the file of what they were told."""
    (world.folder / "records.jsonl").unlink(missing_ok=True)
    async with loaded(world, rates=[rate], customers=24, seed=seed) as load:
        await asyncio.sleep(UNDER_LOAD)
        yield load.records
        await asyncio.sleep(AFTER)


async def first_order(records: Path, since: float) -> float:
    """When the first order was taken after a moment."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        took = [one["at"] for one in await asyncio.to_thread(read_records, records) if one["kind"] == "order"]
        if after := [at for at in took if at > since]:
            return float(min(after))
        await asyncio.sleep(0.1)
    raise NotRunning("no order was taken again")


async def machine_lost(drill: Drill, rate: float) -> Act:
    """Act one: kill -9 of the server, its disk gone with it. Everything received comes back."""
    act = Act("machine lost", "server killed with -9, its disk gone")
    world, server = drill.world, drill.world.cluster.primary
    async with under_load(world, rate, 1) as records:
        at = time.time()
        server.child.kill()
        await asyncio.to_thread(shutil.rmtree, server.data)
        await asyncio.gather(drill.stop_stream(), drill.stop_serving())
        act.steps["stopped"] = time.time() - at
        await drill.back(act, None)
        act.rpo = at - await newest_before(drill, at)
        act.rto = await first_order(records, at + sum(act.steps.values()) - 1) - at
    await quiet(world, drill.listed)
    await drill.verdict(act, records, at)
    told = [one for one in read_records(records) if one["kind"] == "wrong"]
    act.notes["carts and lists that were not as their owners had left them:"] = len(told)
    return act


async def newest_before(drill: Drill, at: float) -> float:
    """The newest event from before a moment: what came back of the time until then."""
    found = await drill.world.cluster.primary.ask(
        "SELECT extract(epoch FROM max(occurred_at))::float8 FROM kernel.outbox"
        f" WHERE occurred_at <= to_timestamp({at})",
        "shop",
    )
    return float(found)


async def table_dropped(drill: Drill, rate: float) -> Act:
    """Act two: somebody drops a table. The moment before comes back, but nobody who was erased meanwhile."""
    act = Act("table dropped", "DROP TABLE orders.items CASCADE")
    world, server = drill.world, drill.world.cluster.primary
    person = await planted(drill)
    async with under_load(world, rate, 2) as records:
        at = datetime.fromisoformat(await server.ask("SELECT clock_timestamp()::text", "shop"))
        await asyncio.sleep(0.2)
        await server.ask("DROP TABLE orders.items CASCADE", "shop")
        await drill.run("privacy", "erase", PHONE, "--now")
        act.notes["the ledger had the erasure after"] = f"{await in_ledger(drill, person):.1f} s"
        noticed = time.time()
        await asyncio.gather(drill.stop_stream(), drill.stop_serving())
        await server.stop()
        await asyncio.to_thread(shutil.move, server.data, world.folder / "damaged")
        act.steps["stopped"] = time.time() - noticed
        await drill.back(act, at)
        act.rpo = at.timestamp() - await newest_before(drill, at.timestamp())
        act.rto = await first_order(records, noticed + sum(act.steps.values()) - 1) - noticed
    await quiet(world, drill.listed)
    left = await server.ask(f"SELECT count(*) FROM users.accounts WHERE phone = '{PHONE}'", "shop")
    act.notes["a person erased after that moment, and brought back by the backup, is erased again:"] = not left
    act.wrong += ["an erased person came back"] if left else []
    await drill.verdict(act, records, at.timestamp())
    return act


async def planted(drill: Drill) -> UUID:
    """Somebody with an account, before the backup."""
    person = uuid7()
    sql = f"INSERT INTO users.accounts (id, phone, name) VALUES ('{person}', '{PHONE}', 'Asha Demo')"
    await drill.world.cluster.primary.ask(sql, "shop")
    return person


async def in_ledger(drill: Drill, person: UUID) -> float:
    """Wait until the copy of the ledger names somebody; for how long."""
    began = time.monotonic()
    while str(person) not in drill.shelf.ledger.read_text():
        if time.monotonic() - began > 240:
            raise NotRunning("the ledger never had the erasure")
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def drill(rate: float) -> Told:
    """Both acts in one world. A base backup is taken under load before each."""
    listed: Sequence[tuple[str, str]] = await asyncio.to_thread(pairs)
    told = Told()
    async with opened(Options(replicas=2, standby=False, rabbit=True)) as world:
        one = Drill(world, listed)
        told.server = f"PostgreSQL {await world.cluster.primary.ask('SHOW server_version')}"
        acts: list[Act] = []
        for play in (machine_lost, table_dropped):
            await one.stream(f"backups-{len(acts)}")
            async with under_load(world, rate, 3):
                told.base_seconds = await one.run("backup", "take")
            told.base_bytes = one.shelf.labels()[-1].bytes
            acts.append(await play(one, rate))
        await one.run("backup", "verify", "--identity", str(one.key))
        told.acts = acts
    return told
