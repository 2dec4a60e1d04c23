"""The crash sweep: every fault point, every fault, each followed by the app's own repeats (RELIABILITY 5).

One line per finished case is kept in a file, so that a sweep which was interrupted goes on where it ended.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import click
import orjson

from tests.faults.never.book import pairs
from tests.faults.never.rules import read_records
from tests.faults.stage import judged, keep_logs, loaded, quiet
from tests.faults.world import Options, World, opened

POINTS: dict[str, tuple[str, float]] = {
    "order.before_commit": ("db.before_statement/orders.place", 0.04),
    "order.after_commit": ("db.after_statement/orders.place", 0.04),
    "cart.before_commit": ("db.before_statement/carts.", 0.02),
    "cart.after_commit": ("db.after_statement/carts.", 0.02),
    "code.before_commit": ("db.before_statement/users.send_code", 0.05),
    "code.after_commit": ("db.after_statement/users.send_code", 0.05),
    "session.before_commit": ("db.before_statement/users.verify_code", 0.05),
    "session.after_commit": ("db.after_statement/users.verify_code", 0.05),
    "cancel.before_commit": ("db.before_commit/order.cancelled", 0.05),
    "cancel.after_commit": ("db.after_commit/order.cancelled", 0.05),
    "any.before_commit": ("db.before_commit", 0.006),
    "any.after_commit": ("db.after_commit", 0.006),
    "outbox.before_publish": ("relay.before_publish", 0.03),
    "outbox.after_publish": ("relay.after_publish", 0.03),
    "inbox.before_done": ("inbox.before_done", 0.02),
    "copy.before_write": ("redis.before_call", 0.004),
    "copy.after_write": ("redis.after_call", 0.004),
}
"""Names, places in the kernel, and how often a crash hits: seldom enough that some replica is always there."""
FAULTS = ("crash", "doom", "error", "delay")
LONGER = 5.0
"""How much more often a pause hits: an error as often as that would fail all of the app's repeats now and then."""
BATCH = 1500
"""Operations of one case in one round."""
RATES, CUSTOMERS = (150.0,), 60
LONGEST = 90.0
"""Seconds for one case: a point that is seldom reached gets fewer operations."""


@attrs.frozen(kw_only=True)
class Case:
    """One point and fault, with the seed of this round."""

    name: str
    fault: str
    seed: int

    @property
    def spec(self) -> str:
        """As the setting has it."""
        place, chance = POINTS[self.name]
        return f"{place}={self.fault}:{min(1.0, chance * LONGER) if self.fault == 'delay' else chance:g}"


@attrs.frozen(kw_only=True)
class Swept:
    """What came of a case."""

    name: str
    fault: str
    seed: int
    operations: int
    hits: int
    violations: dict[str, list[str]]
    seconds: float


def cases(seed: int, only: str | None) -> Iterator[Case]:
    """Round after round, without end."""
    for number in count(seed):
        for name in POINTS:
            for fault in FAULTS:
                errors = fault != "error" or not name.startswith("copy.")  # there, breaking is the proxies' part
                if errors and (only is None or only in name):
                    yield Case(name=name, fault=fault, seed=number)


async def sweep(operations: int, seed: int, only: str | None, out: Path) -> int:
    """Until so many operations were made, those of earlier runs included; how many cases broke a promise."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "sweep.jsonl"
    done = [Swept(**orjson.loads(line)) for line in file.read_bytes().splitlines()] if file.exists() else []
    known = {(one.name, one.fault, one.seed) for one in done}
    total = sum(one.operations for one in done)
    click.echo(f"{total} of {operations} operations are done")
    listed = pairs()
    for case in cases(seed, only):
        if total >= operations:
            break
        if (case.name, case.fault, case.seed) in known:
            continue
        swept = await _case(case, listed, out / "logs")
        done.append(swept)
        total += swept.operations
        with file.open("ab") as book:
            book.write(orjson.dumps(attrs.asdict(swept), option=orjson.OPT_APPEND_NEWLINE))
        _tell(swept, total, operations)
    broken = [one for one in done if one.violations]
    click.echo(
        f"{total} operations, {sum(one.hits for one in done)} faults hit, {len(broken)} cases broken, seed {seed}"
    )
    return len(broken)


def _tell(swept: Swept, total: int, operations: int) -> None:
    head = f"{total:7}/{operations} {swept.name} {swept.fault} seed {swept.seed}"
    click.secho(
        f"{head}: {swept.operations} operations, {swept.hits} hits, {swept.seconds:.0f} s",
        fg="red" if swept.violations else "yellow" if not swept.hits else None,
    )
    for name, wrong in swept.violations.items():
        for line in wrong[:3]:
            click.secho(f"        ! {name}: {line}", fg="red")


async def _case(case: Case, listed: list[tuple[str, str]], keep: Path) -> Swept:
    began = time.monotonic()
    settings = {"VURKSHA_FAULTS__POINTS": case.spec, "VURKSHA_FAULTS__SEED": str(case.seed)}
    options = Options(
        production=False, standby=False, rabbit=case.name.startswith("outbox."), armed=settings, settings={}
    )
    async with opened(options) as world:
        async with _revived(world), loaded(world, rates=RATES, customers=CUSTOMERS, seed=case.seed) as load:
            while time.monotonic() - began < LONGEST and _operations(load.records) < BATCH:
                await asyncio.sleep(1)
        hits = sum(replica.child.log.read_text().count("fault point ") for replica in world.replicas.values())
        for replica in world.replicas.values():  # nothing breaks while what is left is delivered
            replica.child.kill()
            replica.child.start(VURKSHA_FAULTS__POINTS="")
            await replica.ready()
        lines = read_records(load.records)
        await quiet(world, listed)
        violations = await judged(world, lines, listed)
        if lost := _never_succeeded(lines):
            violations["given up"] = lost
        if violations:
            keep_logs(world, keep / f"{case.name}-{case.fault}-{case.seed}")
    made = sum(line["kind"] == "op" for line in lines)
    return Swept(
        name=case.name, fault=case.fault, seed=case.seed, operations=made, hits=hits, violations=violations,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _operations(records: Path) -> int:
    return records.read_bytes().count(b'"kind":"op"') if records.exists() else 0


def _never_succeeded(lines: list[dict[str, Any]]) -> list[str]:
    """Operations that failed after all of the app's repeats though some replica was always there to ask."""
    return [
        f"{line['name']}: {line['kinds']} {line['code']}"
        for line in lines
        if line["kind"] == "op"
        and (line["result"] == "failed" or (line["name"] == "V verify" and line["result"] == "refused"))
        and line["tries"] != 1
        and "none" not in line["kinds"]
    ]


@asynccontextmanager
async def _revived(world: World) -> AsyncIterator[None]:
    """A replica that died is started again, as its keeper would."""

    async def keep() -> None:
        while True:
            for replica in world.replicas.values():
                if not replica.child.running:
                    replica.child.start(VURKSHA_FAULTS__SEED=f"{time.monotonic_ns()}")
            await asyncio.sleep(0.1)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
