"""A small plugin that declares one route of every kind, for tests of the kernel alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import attrs
import click

from core import tasks
from core.auth import SESSIONS, Role
from core.errors import RATE_LIMITED, SESSION_EXPIRED, Problem
from core.events import relay
from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.hookspecs import hookimpl
from core.http.fields import ManyOf, Text, Whole
from core.http.health import HealthCheck
from core.http.routing import (
    LIVE_USER,
    PUBLIC,
    USER,
    Cache,
    Call,
    Encoded,
    Files,
    Pagination,
    Permission,
    Repeat,
    Reply,
    Route,
)
from core.jobs import Job
from core.kernel import Kernel, Manifest, Seed
from core.observe.counts import Count
from core.permissions import needs
from core.privacy.model import PersonalData
from core.services import Provided
from core.store.db import Tx
from core.types import UserId
from tests.core.events.samples import ParcelArrived
from tests.core.http.probe_gate import Gate
from tests.core.http.probe_personal import rows_by_name
from tests.core.http.probe_raw import RAW, Said

RULE = Permission("probe.rule", "see what only rulers see", frozenset({Role.ADMIN}), fresh=True)


@attrs.frozen(kw_only=True)
class Line:
    """A line of an echo."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, 99)]


@attrs.frozen(kw_only=True)
class Echo:
    """What is sent back."""

    name: Annotated[str, Text(1, 20)]
    lines: Annotated[list[Line], ManyOf(0, 3)] = attrs.field(factory=list)
    amount: float | None = None


@attrs.frozen(kw_only=True)
class Search:
    """A query."""

    page: Annotated[int, Whole(1, 1000)] = 1
    limit: Annotated[int, Whole(1, 100)] = 20
    organic: bool | None = None


SEED = """
INSERT INTO probes.rows (name) SELECT 'seed' WHERE NOT EXISTS (SELECT FROM probes.rows WHERE name = 'seed')
"""


@attrs.frozen(kw_only=True)
class ProbeSettings:
    """A section of its own."""

    word: str = "hello"
    broken: bool = False
    """Its lifespan fails."""
    stuck: bool = False  # its lifespan blocks the loop when it is left
    hopeless: bool = False
    """The kernel's relay does nothing but fail."""


class ProbePlugin:
    """Keeps a number that keyed requests raise, and a version that cached answers depend on."""

    manifest: ClassVar = Manifest(
        name="probe", version="1.0.0", schema="probes", required=True, paths=("probe", "images"), settings=ProbeSettings
    )
    folder = Path(__file__).parent / "probe_images"

    def __init__(self) -> None:
        self.gate, self.version, self.computed = Gate(), 0, 0
        self.arrivals = Count("probe_arrivals_total", "Parcels that arrived", size=("small", "large"))
        self.asked: list[str] = []
        self.forgotten: list[UserId] = []
        self.heard: list[tuple[ParcelArrived, EventMeta]] = []
        self.ticks, self.is_open, self.is_ill, self.under_way = 0, False, False, asyncio.Event()

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Sessions."""
        self.asked.append("provides")
        self.db, self.settings = kernel.db, kernel.section(ProbeSettings)
        if self.settings.hopeless:
            relay.Relay.step = None  # type: ignore[assignment,method-assign]  # only here to fail
            tasks.LONGEST_PAUSE = 0.001
        return [Provided(SESSIONS, self.gate)]

    @hookimpl
    def migrations(self) -> Path:
        """One table."""
        self.asked.append("migrations")
        return Path(__file__).parent / "probe_migrations"

    @hookimpl
    def routes(self) -> list[Route | Files]:
        """One of every kind."""
        self.asked.append("routes")

        def route(method: str, path: str, handler: Any, policy: Any = PUBLIC, **more: Any) -> Route:
            return Route(method=method, path=path, handler=handler, policy=policy, answer=Said, summary=path, **more)

        return [
            route("GET", "/probe/hello", self.hello, query=Search, paged=True),
            route("GET", "/probe/cached", self.cached, query=Search, cache=Cache(max_age=30), private=False),
            route("GET", "/probe/things/special", self.special),
            route("GET", "/probe/things/{thing_id:uuid}", self.thing),
            route("GET", "/probe/words/{word}", self.word),
            route("POST", "/probe/echo", self.echo, body=Echo, repeat=Repeat.NATURAL),
            RAW,
            route("POST", "/probe/add", self.add, USER, body=Echo, repeat=Repeat.KEYED, status=201),
            route("POST", "/probe/live", self.live, LIVE_USER, repeat=Repeat.NATURAL),
            route("GET", "/probe/live", self.mine, LIVE_USER),
            route("GET", "/probe/mine", self.mine, USER),
            route("GET", "/probe/admin", self.mine, needs(RULE)),
            route("GET", "/probe/boom", self.boom),
            route("GET", "/probe/slow", self.slow, deadline=0.2),
            route("POST", "/probe/slow", self.slow, deadline=20, repeat=Repeat.NATURAL),
            route("GET", "/probe/too-many", self.too_many, USER),
            Files("/images", self.folder),
        ]

    @hookimpl
    def subscriptions(self) -> list[Subscription]:
        """One consumer."""
        return [Subscription("probe.ears", ParcelArrived, self.hear)]

    @hookimpl
    def jobs(self) -> list[Job]:
        """A clock."""
        return [Job(name="probe.tick", every=0.05, run=self.tick)]

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Open while serving."""
        return self.opened()

    @hookimpl
    def health_checks(self) -> list[HealthCheck]:
        """Ill when told so."""
        return [HealthCheck(name="probe", check=self.check)]

    @hookimpl
    def commands(self) -> list[click.Command]:
        """Say the word of the settings."""
        said = click.Command("say", callback=lambda: click.echo(self.settings.word), help="Say it.")
        said.epilog = "Example: vurksha say"
        return [said]

    @hookimpl
    def seeds(self) -> list[Seed]:
        """One row."""
        return [self.seed]

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Rows that are named by a user's id."""
        return rows_by_name(self.forgotten)

    @hookimpl
    def metrics(self) -> list[Count]:
        """What was heard and committed."""
        return [self.arrivals]

    async def hear(self, tx: Tx, event: ParcelArrived, meta: EventMeta) -> None:
        """Remember."""
        self.heard.append((event, meta))
        self.arrivals.after(tx, "large")

    async def tick(self) -> None:
        """Count."""
        self.ticks += 1

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The table is there by now."""
        await self.db.fetchval("SELECT count(*) FROM probes.rows")
        if self.settings.broken:
            raise LookupError
        self.is_open = True
        yield
        self.is_open = False
        while self.settings.stuck:
            time.sleep(0.1)

    async def check(self) -> None:
        """Raise when ill."""
        if self.is_ill:
            raise RuntimeError

    async def seed(self) -> str:
        """Once."""
        async with self.db.transaction() as tx:
            await tx.execute("LOCK TABLE probes.rows")
            wrote = await tx.execute(SEED)
        return f"{wrote} rows written"

    async def hello(self, call: Call[None, Search]) -> Reply:
        """Paged."""
        said = Said(text=f"{call.query.page} {call.query.limit} {call.query.organic} {call.client}")
        return Reply(data=said, pagination=Pagination(call.query.page, call.query.limit, 45))

    async def cached(self, call: Call[None, Search]) -> Reply:
        """Kept while `version` stands."""
        self.computed += 1
        version = self.version
        return Reply(
            data=Encoded(b'{"text":"%d %d"}' % (version, call.query.page)), valid=lambda: self.version == version
        )

    async def special(self, _: Call[None, None]) -> Said:
        """A fixed word beside a value."""
        return Said(text="special")

    async def thing(self, call: Call[None, None]) -> Said:
        """A uuid."""
        return Said(text=str(call.uuid("thing_id")))

    async def word(self, call: Call[None, None]) -> Said:
        """A text."""
        return Said(text=call.text("word"))

    async def echo(self, call: Call[Echo, None]) -> Said:
        """The body."""
        return Said(text=f"{call.body.name} {len(call.body.lines)}")

    async def add(self, call: Call[Echo, None]) -> Said:
        """One more row."""
        await call.tx.execute("INSERT INTO probes.rows (name) VALUES ($1)", call.body.name)
        count = await call.tx.fetchval("SELECT count(*) FROM probes.rows WHERE name = $1", call.body.name)
        if call.body.name == "refused":
            raise Problem(SESSION_EXPIRED)
        return Said(text=f"{call.body.name} {count}")

    async def live(self, call: Call[None, None]) -> Said:
        """In the kernel's transaction."""
        return Said(text=await call.tx.fetchval("SELECT $1::text", str(call.principal.user_id)))

    async def mine(self, call: Call[None, None]) -> Said:
        """Who asks."""
        return Said(text=str(call.principal.user_id))

    async def boom(self, _: Call[None, None]) -> Said:
        """A fault of ours."""
        raise RuntimeError("secret 123456")

    async def slow(self, _: Call[None, None]) -> Said:
        """Longer than its deadline."""
        self.under_way.set()
        self.waits_for: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return Said(text=await self.waits_for)

    async def too_many(self, _: Call[None, None]) -> Said:
        """A limit of the domain's own."""
        raise Problem(RATE_LIMITED, retry_after=3600)
