"""The only composition root: settings and plugins in, one app out. Building does no I/O; `start` does it all."""

import asyncio
import logging
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

import orjson

from core.agreement import code_of
from core.auth import SESSIONS
from core.building import built
from core.console.door import Console
from core.events.delivery import Delivery
from core.events.housekeeping import housekeeping
from core.http import docs, openapi
from core.http.cached import Memory
from core.http.compile import Pieces
from core.http.connection import HttpServer, check_aiohttp
from core.http.cors import Cors
from core.http.entry import Entry, Served
from core.http.envelope import Clockwork
from core.http.health import HealthEndpoint, path_items
from core.http.limits import Buckets
from core.http.static import StaticEndpoint
from core.jobs import Jobs
from core.keys import KeyRing
from core.lifecycle import Lifecycle
from core.observe.figures import Figures
from core.observe.logging import FLUSH_EVERY, RequestLog
from core.observe.metrics import Metrics
from core.observe.tracing_export import Traces
from core.observe.usage import Usage
from core.operations.listener import Operations
from core.operations.page.serving import StatusPage
from core.plugin_finding import Found
from core.plugin_wiring import Wiring
from core.plugins import NOBODY, Plugins
from core.presence import Presence
from core.privacy.work import PRIVACY, Privacy
from core.resilience.shares import Shares
from core.services import Provided
from core.settings import Settings
from core.store import migrate
from core.tasks import SILENCE, Tasks

PREFIX = "/api/v1"
TITLE = "Vurksha"
WORKERS_STOP = 3.0
log = logging.getLogger("core.app")


class App:
    """One replica."""

    def __init__(
        self,
        settings: Settings,
        plugins: Iterable[object],
        left_out: Mapping[str, str] = NOBODY,
        *,
        log_stream: RequestLog | None = None,
    ) -> None:
        """`left_out` are optional plugins that could not be imported or built, with the reason."""
        check_aiohttp()
        self.settings = settings
        self.plugins = Plugins(plugins, left_out)
        self.log = log_stream or RequestLog(enabled=settings.log.requests)
        self.clockwork = Clockwork(hsts=settings.http.hsts)
        self.operations = Operations(settings.operations, lenient=settings.development)
        self.hopeless = asyncio.Event()
        """A background loop keeps failing: the process had better end and be started again (RELIABILITY 4.10)."""
        self.tasks, self.workers = (Tasks(lambda _: self.hopeless.set()) for _ in range(2))
        self.kernel = built(settings, self.tasks, self.plugins)
        self.db, self.redis = self.kernel.db, self.kernel.redis
        self.privacy = Privacy(self.db, self.plugins, self.kernel.guards)
        self.kernel.services.add(Provided(PRIVACY, self.privacy))
        self.wiring = Wiring(self.plugins, self.kernel, self.hopeless.set)
        self.plugins.provide(self.kernel, self.wiring.kernel_of)
        pieces = self._pieces()
        self.meter = pieces.meter
        table, self.routes = self.wiring.served(PREFIX, pieces)
        self.keys = KeyRing(self.db, self.kernel.tokens)
        self.migrations = migrate.read(self.plugins.migration_folders())
        subscriptions = self.privacy.guarded(self.wiring.subscriptions())
        events, rabbitmq, guards = settings.events, settings.rabbitmq, self.kernel.guards
        self.delivery = Delivery(self.db, self.workers, subscriptions, events, rabbitmq, guards)
        self.bus, self.relay = self.delivery.bus, self.delivery.relay
        own_jobs = [*housekeeping(self.db), *self.privacy.jobs()]
        self.jobs = Jobs(self.db, self.workers, [*self.wiring.jobs(), *own_jobs])
        names = [manifest.name for manifest in self.plugins.manifests]
        self.usage = Usage(names, self.wiring.watches, self.db, guards, self.jobs, pieces.meter)
        code = code_of(settings, self.plugins.manifests, self.migrations, version("vurksha"))
        self.presence = Presence(self.kernel, code, self.migrations, self.wiring.health_checks())
        self.health = self.presence.health
        self.shares = Shares(self.redis, (pieces.users, pieces.addresses))
        for path, served in self._kernel_pages():
            table.add("GET", path, served)
        cors = Cors(settings.http.cors_origins)
        self.entry = Entry(table, pieces, cors, settings.http.proxies, self.wiring.absent)
        self.figures = Figures(self)
        Metrics(self.figures, self.meter).offer(self.operations)
        self.page = StatusPage(self)
        self.console = Console(self)
        self._lifecycle = self._steps()
        self._server: HttpServer | None = None

    def document(self) -> dict[str, object]:
        """The OpenAPI document."""
        return openapi.document(self.routes, title=TITLE, version=version("vurksha"), paths=path_items())

    def _pieces(self) -> Pieces:
        http, kernel = self.settings.http, self.kernel
        return Pieces(
            db=self.db,
            tokens=kernel.tokens,
            gate=kernel.services.get(SESSIONS),
            users=Buckets(http.user_rate),
            addresses=Buckets(http.address_rate),
            clockwork=self.clockwork,
            log=self.log,
            memory=Memory(self.clockwork),
            shedder=kernel.shedder,
            max_body=http.max_body,
        )

    def _kernel_pages(self) -> Iterable[tuple[str, Served]]:
        for kind in ("health", "live", "ready"):
            yield (
                "/health" if kind == "health" else f"/health/{kind}",
                HealthEndpoint(kind, self.health, self.clockwork),
            )
        document = orjson.dumps(self.document(), option=orjson.OPT_INDENT_2)
        yield "/openapi.json", StaticEndpoint(self.clockwork, document, "application/json", max_age=60)
        page, policy = docs.page()
        yield "/docs", StaticEndpoint(self.clockwork, page, "text/html; charset=utf-8", max_age=60, policy=policy)

    def _steps(self) -> Lifecycle:
        steps = Lifecycle()
        steps.add("tracing", Traces(self.settings, version("vurksha")).serving)
        steps.add("operations", self.operations.serving)
        steps.add("console", self.console.serving)
        steps.add("clockwork", self._ticking)
        steps.add("presence", lambda: self.presence.opened(Tasks(lambda _: self.hopeless.set())))
        steps.add("status page", self.page.beating)
        steps.add("redis", self._redis)
        steps.add("postgres", self._postgres)
        steps.add("console's end", self.console.leaving)
        steps.add("keys", lambda: self.keys.serving(self.tasks))
        steps.add("plugins", lambda: self.wiring.watching(self.tasks))
        for name, context in self.wiring.lifespans():
            steps.add(name, lambda context=context: context)  # type: ignore[misc]  # bound per turn of the loop
        steps.add("events", self._events)
        return steps

    @asynccontextmanager
    async def _ticking(self) -> AsyncIterator[None]:
        async def second() -> None:
            while True:
                await asyncio.sleep(1)
                self.clockwork.tick()

        async def flush() -> None:
            while True:
                await asyncio.sleep(FLUSH_EVERY)
                self.log.flush()

        for name, loop in (("second", second), ("log", flush)):
            self.tasks.forever(name, loop, silence=SILENCE)
        try:
            yield
        finally:
            await self.tasks.stop(1.0)
            self.log.flush()

    @asynccontextmanager
    async def _redis(self) -> AsyncIterator[None]:
        await self.redis.open()
        for name, loop in (("limits", self.shares.run), ("loop lag", self.kernel.shedder.watch)):
            self.tasks.forever(name, loop, silence=SILENCE)
        try:
            yield
        finally:
            await self.redis.close()

    @asynccontextmanager
    async def _postgres(self) -> AsyncIterator[None]:
        """Wait, unready, until the database is there and migrated far enough and the other replicas agree."""
        await self.presence.admitted(self.db.pool.open)
        self.tasks.forever("postgres watch", self.db.watch.run, silence=SILENCE)
        try:
            yield
        finally:
            await self.db.close()

    @asynccontextmanager
    async def _events(self) -> AsyncIterator[None]:
        await self.delivery.consumers.say()  # before anything is served: else another release drops what only we hear
        self.delivery.start()
        self.jobs.start()
        try:
            yield
        finally:
            await self.delivery.stop(WORKERS_STOP)
            await self.workers.stop(WORKERS_STOP)

    async def start(self, settle: Callable[[], None] = lambda: None) -> None:
        """Everything up, in order; ready at the end. `settle` is called before that, and may block."""
        await self._lifecycle.start()
        settle()
        await asyncio.sleep(0.001)  # timers that are late by now tell the shedder so
        self.kernel.shedder.lagged(0.0)  # how late the start made them says nothing of the load
        self.health.reasons.discard("starting")
        self.entry.started.set()

    async def listen(self, sock: socket.socket) -> asyncio.Server:
        """Answer on a bound socket. Health answers before `start` is through; the rest does not."""
        self._server = HttpServer(self.entry)
        return await asyncio.get_running_loop().create_server(self._server, sock=sock, backlog=1024)

    def drain(self) -> None:
        """Unready, and no further event or job is begun; requests are still served (RELIABILITY 4.10)."""
        self.entry.draining = True
        self.health.reasons.add("draining")
        self.delivery.drain()
        self.jobs.close()

    async def stop(self, finish: float = 5.0, closing: float = math.inf) -> None:
        """Finish what is under way within `finish` seconds, then leave everything in reverse within `closing`."""
        self.drain()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(finish)
        await self._lifecycle.stop(closing)


def assembled(settings: Settings, found: Found) -> App:
    """The app with what was found. Raises PluginError."""
    return App(settings, *found.built())


def plugin_sections(classes: Iterable[type]) -> Mapping[str, type]:
    """The settings classes that plugins declare, by section."""
    manifests = [cls.manifest for cls in classes]  # type: ignore[attr-defined]  # `find` loads any class
    return {m.name: m.settings for m in manifests if m.settings is not None}
