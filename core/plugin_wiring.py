"""What stands between the kernel and the things that an optional plugin declares.

Its failures are counted against it, it may be put aside at any time, and its lifespan is held in a task of its own.
What required plugins declare is taken as it is: nothing is put around it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial, wraps
from typing import Any

import attrs

from core import context
from core.errors import Problem
from core.events.subscription import Subscription
from core.http.compile import Endpoint, Incoming, Pieces
from core.http.entry import Served
from core.http.envelope import request_id_of
from core.http.health import PROBE_EVERY, HealthCheck
from core.http.routing import Call, Files, Handler, Reply, Route
from core.http.static import files
from core.http.table import Table, Values
from core.isolation.feed import Feed
from core.isolation.guards import Guards, Overran, PutAside
from core.isolation.runs import Runs
from core.isolation.watches import Watches
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.observe.progress import Progress
from core.permissions import Granted
from core.plugin_lifespan import WORK_ENDS, Lifespan, told_when_late
from core.plugin_rules import ADMIN
from core.plugins import NOBODY, Plugins, manifest_of
from core.store.db import Db
from core.tasks import SILENCE, Tasks, contained, lively


class Aside:
    """An endpoint that answers 503 while its plugin is put aside."""

    __slots__ = ("_guards", "_inner", "_pieces", "_plugin", "tally")

    def __init__(self, inner: Served, plugin: str, name: str, guards: Guards, pieces: Pieces) -> None:
        self._inner, self._plugin, self._guards, self._pieces = inner, plugin, guards, pieces
        self.tally = pieces.meter.route(plugin, name)

    async def serve(self, incoming: Incoming, values: Values, /) -> bytes:
        """The endpoint's answer, or the refusal."""
        if self._guards.available(self._plugin):
            return await self._inner.serve(incoming, values)
        began, problem = time.perf_counter(), PutAside(self._plugin)
        request_id = request_id_of(incoming.headers.get("X-Request-ID"))
        answer = self._pieces.clockwork.refuse(request_id.encode(), problem, incoming.headers)
        progress = Progress()
        progress.refused(problem)
        self._pieces.log.request(self.tally, problem.code.status, began, request_id, progress)
        return answer


class Wiring:
    """One app's."""

    def __init__(self, plugins: Plugins, kernel: Kernel, hopeless: Callable[[], None]) -> None:
        """`hopeless` is called when a required plugin's background work keeps failing."""
        self._plugins, self._kernel, self._guards, self._hopeless = plugins, kernel, kernel.guards, hopeless
        self.tasks: dict[str, Tasks] = {}
        """The background work of each plugin."""
        self._views: dict[str, Db] = {}
        self._runs = Runs(kernel.guards)
        kernel.guards.requires = {manifest.name: manifest.requires for manifest in plugins.manifests}
        loaded = {manifest_of(plugin).name: plugin for plugin in plugins.all}
        self.watches = Watches(loaded, kernel.db, kernel.guards)
        self._prefix, self._absent = "", NOBODY
        self._granted = Granted(kernel.settings.permissions.roles)

    def kernel_of(self, manifest: Manifest) -> Kernel:
        """What one plugin sees: tasks of its own, and of the database's connections a few, if it is optional."""
        tasks = self.tasks[manifest.name] = Tasks(lambda what: self._given_up(manifest, what), owner=manifest.name)
        if manifest.required:
            return attrs.evolve(self._kernel, tasks=tasks)
        view = self._views[manifest.name] = self.watches.view(manifest.name)
        return attrs.evolve(self._kernel, tasks=tasks, db=view)

    def _given_up(self, manifest: Manifest, what: str) -> None:
        if manifest.required:
            self._hopeless()
        else:
            self._guards.quarantine(manifest.name, f"{what} keeps failing")

    @asynccontextmanager
    async def watching(self, tasks: Tasks) -> AsyncIterator[None]:
        """Know which plugins are put aside before any is started; follow that, and watch them, while the block runs."""
        for name, why in self._plugins.left_out.items():
            self._guards.lost(name, why)
        async with Feed(self._kernel.db, self._guards).serving(tasks), self.watches.watching(tasks):
            yield

    # -- routes

    def served(self, prefix: str, pieces: Pieces) -> tuple[Table[Served], list[Route]]:
        """The table of all routes and files, and the routes as they were declared. An optional plugin may drop out."""
        table: Table[Served] = Table()
        for manifest, declared in self._plugins.ask("routes"):
            with self._plugins.surviving(manifest, "its routes"):
                for method, path, served in list(self._compiled(manifest, declared, prefix, pieces)):
                    table.add(method, path, served)
        self._prefix, self._absent = prefix, self._plugins.absent_paths()
        routes = [one for one in self._plugins.declared("routes") if isinstance(one, Route)]
        self._granted.check(routes, (manifest.name for manifest in self._plugins.manifests))
        return table, [self._granted.applied(one) for one in routes]

    def _compiled(
        self, manifest: Manifest, declared: Iterable[Route | Files], prefix: str, pieces: Pieces
    ) -> Iterator[tuple[str, str, Served]]:
        if not manifest.required:  # transactions that the kernel opens for its routes count as its own
            pieces = attrs.evolve(pieces, db=self._views[manifest.name])
        for one in declared:
            if isinstance(one, Files):
                name = f"GET {one.prefix}/*"
                for path, file in files(one, pieces.clockwork, pieces.log, pieces.meter.route(manifest.name, name)):
                    yield "GET", path, self._aside(manifest, file, name, pieces)
            else:
                name, route = f"{one.method} {prefix}{one.path}", self._granted.applied(one)
                if not manifest.required:
                    route = attrs.evolve(route, handler=self._watched(one, name, manifest.name))
                endpoint = Endpoint(route, pieces, name, manifest.name, None if manifest.required else self._guards)
                yield one.method, prefix + one.path, self._aside(manifest, endpoint, name, pieces)

    def _aside(self, manifest: Manifest, served: Served, name: str, pieces: Pieces) -> Served:
        return served if manifest.required else Aside(served, manifest.name, name, self._guards, pieces)

    def _watched(self, route: Route, what: str, plugin: str) -> Handler:
        """The handler; each of its failures is counted. Its time-out is the request's.

        That a call went well is the endpoint's to say, once the answer is encoded.
        """
        handler, guards = route.handler, self._guards

        @wraps(handler)
        async def handle(call: Call[Any, Any]) -> object:
            try:
                with contained:
                    reply = await handler(call)
            except asyncio.CancelledError:
                if time.monotonic() >= context.deadline.get():
                    guards.failed(plugin, what, Overran("took longer than its deadline"))
                raise
            except Exception as error:
                guards.failed(plugin, what, error)
                raise
            if isinstance(reply, Reply) and (valid := reply.valid) is not None:  # kept answers go as the plugin goes
                return attrs.evolve(reply, valid=partial(holds, valid))
            return reply

        def holds(valid: Callable[[], bool]) -> bool:
            try:
                with contained:
                    return guards.available(plugin) and valid()
            except Exception as error:  # noqa: BLE001  then the handler is asked
                guards.failed(plugin, f"`valid` of {what}", error)
                return False

        return handle

    def absent(self, path: str) -> Problem | None:
        """What to say of a path where nothing is served: whether it belongs to a plugin that was left out."""
        first, _, rest = path.removeprefix(self._prefix).lstrip("/").partition("/")
        place = rest.partition("/")[0] if first == ADMIN else first
        plugin = self._absent.get(place)
        return PutAside(plugin) if plugin is not None else None

    # -- events, jobs, checks

    def subscriptions(self) -> list[Subscription]:
        """Each with its plugin's name: the bus lets wait what is for one that is put aside."""
        asked = self._plugins.ask("subscriptions")
        return [attrs.evolve(one, plugin=manifest.name) for manifest, listed in asked for one in listed]

    def jobs(self) -> list[Job]:
        """Those of an optional plugin stop while it is put aside, also in the middle of a run."""
        asked = self._plugins.ask("jobs")
        named = [(manifest, attrs.evolve(one, plugin=manifest.name)) for manifest, jobs in asked for one in jobs]
        return [one if manifest.required else self._job(manifest.name, one) for manifest, one in named]

    def _job(self, plugin: str, job: Job) -> Job:
        guards = self._guards

        async def once() -> None:
            await lively(job.run(), SILENCE - 1)  # before the job's own guard, which would not say whose it is

        async def run() -> None:
            if guards.available(plugin):
                async with self._runs.of(plugin):
                    await guards.call(plugin, f"job {job.name}", once)

        return attrs.evolve(job, run=run)

    def health_checks(self) -> list[HealthCheck]:
        """Of who is put aside nothing is asked: it is down. Those of an optional plugin begin with its name."""
        asked = self._plugins.ask("health_checks")
        checks = [(manifest, one) for manifest, listed in asked for one in listed]
        return [one if manifest.required else self._check(manifest.name, one) for manifest, one in checks]

    def _check(self, plugin: str, check: HealthCheck) -> HealthCheck:
        async def ask() -> None:
            if not self._guards.available(plugin):
                raise PutAside(plugin)
            await check.check()

        name, own = check.name, f"{plugin}."
        name = name if name.startswith(own) else own + name  # nobody else's, whatever it says
        return attrs.evolve(check, name=name, check=ask, limit=min(check.limit, PROBE_EVERY))

    # -- lifespans

    def lifespans(self) -> Iterator[tuple[str, AbstractAsyncContextManager[None]]]:
        """By plugin, in dependency order; left in reverse, each with its background work."""
        declared = {manifest.name: context for manifest, context in self._plugins.ask("lifespan")}
        limit, optional = self._kernel.settings.isolation.start, dict[str, Lifespan]()
        for manifest in self._plugins.manifests:
            name, context = manifest.name, declared.get(manifest.name, nullcontext())
            if manifest.required:
                yield name, self._serving(name, told_when_late(name, context, limit))
                continue
            after = [optional[one] for one in manifest.requires if one in optional]
            again = partial(self._lifespan, name)
            optional[name] = Lifespan(name, context, again, self._guards, limit, self.tasks[name], after)
            yield name, optional[name].opened()

    def _lifespan(self, name: str) -> AbstractAsyncContextManager[None]:
        """Asked for anew."""
        answers: list[AbstractAsyncContextManager[None]] = self._plugins.anew(name, "lifespan")
        return answers[0] if answers else nullcontext()

    @asynccontextmanager
    async def _serving(self, name: str, lifespan: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        try:
            async with lifespan:
                yield
        finally:
            await self.tasks[name].stop(WORK_ENDS)
