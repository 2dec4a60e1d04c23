"""Who may be called now, and what is said of every call: the kernel's side of each thing that a plugin declares.

    if guards.available(plugin): ...                                          # a dict lookup
    await guards.call(plugin, "GET /things", handler, call, timeout=2.0)      # awaited work
    guards.pure(plugin, "order.price_adjusters", adjuster, draft)             # a declared function without I/O
    guards.failed(plugin, "job sweep", error)                                 # for who makes the call itself

Required plugins are never put aside: their failures are logged, and what failed fails as if nobody watched.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar, TypeVarTuple

from core import context
from core.errors import TIMEOUT, UNAVAILABLE, Problem
from core.isolation.budget import Budget
from core.isolation.model import KERNEL, QUARANTINED, PluginState, cascaded
from core.settings import IsolationSettings
from core.store.faults import FAILURES, ROLLED_BACK
from core.tasks import contained

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
OUTAGE = (*FAILURES, *ROLLED_BACK, ConnectionError)
"""What says something of a dependency and nothing of the plugin that asked it."""
SERVER_ERROR = 500
log = logging.getLogger("core.isolation")


class Overran(TimeoutError):
    """A plugin's call took longer than it may."""


class PutAside(Problem):
    """The plugin is quarantined or disabled: 503 with its name."""

    def __init__(self, plugin: str) -> None:
        super().__init__(UNAVAILABLE, "This part of the service is away at the moment.", details={"plugin": plugin})


class Guards:
    """One replica's. What is decided here holds here at once, and everywhere once the feed has written it."""

    def __init__(
        self,
        settings: IsolationSettings,
        optional: Iterable[str] = (),
        *,
        excused: Callable[[], bool] = lambda: False,
        overloaded: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`excused` says whether a dependency is away now: then failures say nothing of plugins.

        `overloaded` says whether everything is late: then only what took too long says nothing of them.
        """
        self.settings, self._excused, self._overloaded, self._clock = settings, excused, overloaded, clock
        self._budgets: dict[str, Budget] = {}
        self._own: dict[str, PluginState] = {}
        self._aside: dict[str, PluginState] = {}
        self._lost: set[str] = set()
        self.requires: Mapping[str, Iterable[str]] = {}
        """What each plugin cannot do without, in dependency order: it is put aside and comes back with that."""
        self.on_quarantine: Callable[[PluginState], None] = lambda _: None
        """Told once of each plugin that this replica puts aside, to write it down for the others."""
        self.failures: Counter[tuple[str, str]] = Counter()
        """Since the start, by plugin and what was called."""
        self.on_change: list[Callable[[str], None]] = []
        """Told the name of each plugin that is put aside or readmitted."""
        for plugin in optional:
            self.add(plugin)

    def add(self, plugin: str) -> None:
        """Let an optional plugin be put aside."""
        self._budgets.setdefault(plugin, Budget(self.settings, self._clock))

    @property
    def optional(self) -> AbstractSet[str]:
        """The plugins that may be put aside."""
        return self._budgets.keys()

    @property
    def absent(self) -> AbstractSet[str]:
        """Those of them that could not be loaded in this process."""
        return self._lost

    def available(self, plugin: str) -> bool:
        """Whether it may be called now."""
        return plugin not in self._aside

    @property
    def aside(self) -> Mapping[str, PluginState]:
        """Who is not available, and why."""
        return self._aside

    @property
    def own(self) -> Mapping[str, PluginState]:
        """The same without those that only went with another."""
        return self._own

    def failed(self, plugin: str, what: str, error: BaseException) -> None:
        """A call went wrong. Refusals for the client's sake count as answers, outages as nothing."""
        if isinstance(error, Problem) and error.code.status < SERVER_ERROR:
            self.succeeded(plugin)
            return
        if not isinstance(error, Exception) or self._of_another(error):
            return
        log.warning("plugin %s: %s failed: %s", plugin, what, type(error).__name__)
        self.failures[plugin, what] += 1
        budget = self._budgets.get(plugin)
        if budget is not None and plugin not in self._aside and (spent := budget.failed()):
            self.quarantine(plugin, f"{what}: {type(error).__name__}, {spent}")

    def succeeded(self, plugin: str) -> None:
        """A call went well."""
        if (budget := self._budgets.get(plugin)) is not None:
            budget.succeeded()

    def _of_another(self, error: Exception) -> bool:
        if isinstance(error, OUTAGE) or (isinstance(error, Problem) and error.code is UNAVAILABLE):
            return True
        late = isinstance(error, TimeoutError) or (isinstance(error, Problem) and error.code is TIMEOUT)
        return self._excused() or (late and (self._overloaded() or context.hurried.get()))

    async def call(
        self,
        plugin: str,
        what: str,
        fn: Callable[[*Ts], Awaitable[T]],
        *args: *Ts,
        timeout: float | None = None,  # noqa: ASYNC109  the bound is the point: whoever overruns it is named
    ) -> T:
        """Await work of a plugin, at most `timeout` seconds. Raises PutAside, Overran, or what it raises."""
        if plugin in self._aside:
            raise PutAside(plugin)
        try:
            with contained:
                result = await (fn(*args) if timeout is None else _bounded(timeout, fn(*args)))
        except Exception as error:
            self.failed(plugin, what, error)
            raise
        self.succeeded(plugin)
        return result

    def pure(self, plugin: str, what: str, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call a function of a plugin that does no I/O; a slow one counts as a failure.

        Raises PutAside, or what it raises.
        """
        if plugin in self._aside:
            raise PutAside(plugin)
        began = self._clock()
        try:
            with contained:
                result = fn(*args)
        except Exception as error:
            self.failed(plugin, what, error)
            raise
        if self._clock() - began > self.settings.pure:
            self.failed(plugin, what, Overran(what))
        else:
            self.succeeded(plugin)
        return result

    def quarantine(self, plugin: str, reason: str, by: str = KERNEL) -> None:
        """Put a plugin aside with those that require it, here at once and on every replica.

        A required one is only named in the log.
        """
        if plugin not in self._budgets:
            log.error("plugin %s is required, and not quarantined for: %s", plugin, reason)
        elif plugin not in self._aside:
            self._put_aside(PluginState(plugin=plugin, state=QUARANTINED, reason=reason, by=by))

    def lost(self, plugin: str, reason: str) -> None:
        """Put aside what could not be loaded: everywhere, and here until the process ends, whatever holds by then."""
        self.add(plugin)
        self._lost.add(plugin)
        if plugin not in self._own:
            self._put_aside(PluginState(plugin=plugin, state=QUARANTINED, reason=reason, by=KERNEL))

    def follow(self, states: Mapping[str, PluginState]) -> None:
        """Take over what holds on every replica."""
        here = {plugin: state for plugin, state in states.items() if plugin in self._budgets}
        self._own = {plugin: self._own[plugin] for plugin in self._lost} | here
        self._settle()

    def _put_aside(self, state: PluginState) -> None:
        self._own[state.plugin] = state
        self._settle()
        self.on_quarantine(state)

    def _settle(self) -> None:
        """Find out who is away now, and tell of each for whom that is news, in dependency order."""
        before, self._aside = self._aside, cascaded(self._own, self.requires)
        changed = before.keys() ^ self._aside.keys()
        for plugin in [*(one for one in self.requires if one in changed), *(changed - self.requires.keys())]:
            if (state := self._aside.get(plugin)) is None:
                self._budgets[plugin].renew()
                log.warning("plugin %s is available again", plugin)
            else:
                log.error("ALARM: plugin %s is %s: %s", plugin, state.state, state.reason)
            for told in self.on_change:
                told(plugin)


async def _bounded(seconds: float, work: Awaitable[T]) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if limit.expired():
            raise Overran(f"took longer than {seconds:g} s") from error
        raise
