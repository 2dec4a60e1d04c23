"""The rounds: every case in turn, each beside a slice of what it is compared with."""

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import attrs
import click

from benchmarks import fill, measure, servers
from benchmarks.cases import CASES, CONNECTIONS, LIST, POOL, REST, START, Case
from benchmarks.measure import Slice

if TYPE_CHECKING:
    from benchmarks.servers import Running, World

CODES_PER_SECOND = 8000
"""More than are used up in any second."""
REST_AFTER = 1.0
"""Seconds from ready to the look at the memory."""


@attrs.frozen(kw_only=True)
class Run:
    """What to do."""

    folder: Path
    rounds: int
    secs: int
    only: Sequence[str]

    @property
    def cases(self) -> list[Case]:
        """Those asked for."""
        return [case for case in CASES if case.name in self.only]


@attrs.frozen(kw_only=True)
class Pair:
    """A slice of ours and its neighbour."""

    case: str
    round: int
    ours: Slice
    base: Slice


@attrs.frozen(kw_only=True)
class Done:
    """What came out."""

    run: Run
    pairs: Sequence[Pair]
    bounds: Mapping[str, float]


class Bench:
    """The servers of a run and the data to ask them with."""

    def __init__(self, run: Run, world: "World", ours: "Running", bare: "Running") -> None:
        self._run, self._world, self._ours, self._bare = run, world, ours, bare
        self._codes = fill.Codes(world.pepper)
        self._script = ""

    async def prepare(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Write the files for wrk and pgbench, and warm up every path."""
        products = "".join(f"{fill.named(fill.PRODUCT, n)}\n" for n in fill.PRODUCTS)
        self._file("products").write_text(products)
        fill.tokens(self._world.env, fill.READERS, self._file("readers"))
        fill.tokens(self._world.env, fill.BUYERS, self._file("buyers"))
        if "order" in self._run.only:
            self._script = await fill.placement(connection, self._one_order())
        await fill.hold(connection)
        measure.wrk(self._bare.pid, f"{self._bare.url}/hello", "get.lua", secs=1, connections=CONNECTIONS, env={})
        for case in self._run.cases:
            await self._case(connection, case, 1)

    async def pair(self, connection: "asyncpg.Connection[asyncpg.Record]", case: Case, number: int) -> Pair:
        """The neighbour first, then ours."""
        if case.against == "rate":
            base = await self._ceiling(connection)
        else:
            base = measure.wrk(
                self._bare.pid,
                f"{self._bare.url}/hello",
                "get.lua",
                secs=self._run.secs,
                connections=CONNECTIONS,
                env={},
            )
        ours = await self._case(connection, case, self._run.secs)
        return Pair(case=case.name, round=number, ours=ours, base=base)

    async def _case(self, connection: "asyncpg.Connection[asyncpg.Record]", case: Case, secs: int) -> Slice:
        env = {
            "BENCH_PRODUCTS": str(self._file("products")),
            "BENCH_TOKENS": str(self._file("buyers" if case.name == "order" else "readers")),
            "BENCH_CODES": str(self._file("codes")),
        }
        if case.name == "304":
            env["BENCH_ETAG"] = servers.answer(self._ours.port, LIST)[1]["ETag"]
        if case.name == "verify":
            self._file("codes").write_text(await self._codes.make(connection, CODES_PER_SECOND * secs))
        url = self._ours.url + case.path
        got = measure.wrk(self._ours.pid, url, case.script, secs=secs, connections=CONNECTIONS, env=env)
        if case.writes:
            await fill.calm(connection)
        return got

    async def _ceiling(self, connection: "asyncpg.Connection[asyncpg.Record]") -> Slice:
        """What the database does of this alone."""
        got = measure.pgbench(self._world.database_url, self._script, secs=self._run.secs, connections=POOL)
        await fill.calm(connection)
        return got

    def _one_order(self) -> Mapping[str, object]:
        """An order through the API; its answer is what pgbench will store."""
        token = self._file("buyers").read_text().splitlines()[0]
        items = [{"productId": str(fill.named(fill.PRODUCT, n)), "quantity": n} for n in (1, 2, 3)]
        address = {
            "fullName": "Asha Rao",
            "phoneNumber": "9876543210",
            "addressLine1": "12 Lake Road",
            "city": "Bengaluru",
            "state": "Karnataka",
            "pinCode": "560001",
        }
        body = json.dumps({"items": items, "paymentMethod": "COD", "deliveryAddress": address})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._ours.port, timeout=10)
        connection.request("POST", "/api/v1/orders", body, headers)
        got = connection.getresponse()
        said = got.read()
        connection.close()
        if got.status != http.HTTPStatus.CREATED:
            raise measure.LoadFailed(f"an order was answered {got.status}: {said.decode()}")
        placed: Mapping[str, object] = json.loads(said)["data"]["order"]
        return placed

    def _file(self, name: str) -> Path:
        return self._world.folder / f"{name}.txt"


async def run(asked: Run) -> Done:
    """All of it."""
    async with servers.stores(asked.folder) as world:
        servers.program(world, "migrate")
        connection = await asyncpg.connect(world.database_url)
        try:
            servers.program(world, "seed")
            await fill.people(connection)
            await fill.goods(connection)
            await connection.execute("VACUUM ANALYZE")
            bounds = {START.name: servers.start_seconds(world)}
            with servers.project(world) as ours, servers.bare(world) as bare:
                time.sleep(REST_AFTER)  # noqa: ASYNC251  nothing else is going on
                bounds[REST.name] = measure.resident_mb(ours.pid)
                pairs = await _rounds(asked, Bench(asked, world, ours, bare), connection)
        finally:
            await connection.close()
    return Done(run=asked, pairs=pairs, bounds=bounds)


async def _rounds(asked: Run, bench: Bench, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Pair]:
    await bench.prepare(connection)
    pairs = []
    for number in range(1, asked.rounds + 1):
        for case in asked.cases:
            pair = await bench.pair(connection, case, number)
            pairs.append(pair)
            click.echo(
                f"round {number}  {case.name:7} {pair.ours.per_second:8.0f}/s {pair.ours.cpu_us:6.1f} us"
                f"   base {pair.base.per_second:8.0f}/s {pair.base.cpu_us:6.1f} us   errors {pair.ours.failed}",
            )
    return pairs
