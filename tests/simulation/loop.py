"""An event loop under virtual time: it jumps to the next timer when nothing is ready. No I/O, no threads, no waiting.

Every task, timer and callback belongs to a Process, which it inherits by its context from whoever made it. Within a
process callbacks run first in, first out, as asyncio promises; which process goes on next is drawn from the seed, as
nobody promises anything there. A process that is killed never runs another line, not even a `finally`.
"""

import asyncio
import heapq
from asyncio import base_events
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from itertools import count
from random import Random
from typing import Any
from zlib import crc32

TICK = 1e-6
"""Seconds that a callback takes: whoever spins sees time pass, and no two moments are the same."""
MOST_STEPS = 500_000
"""Callbacks in one run: more of them is a loop that never rests."""
MOST_CLOSES = 20
"""Awaits in the `finally` blocks of one coroutine that a closing goes through."""


class Stuck(AssertionError):
    """Nothing will ever happen again, or the run never comes to rest."""


OWNER: ContextVar["Process"] = ContextVar("owner")


class Process:
    """What lives and dies together: a replica, a server, a client."""

    __slots__ = ("alive", "context", "name", "number", "paused", "ready", "skew")

    def __init__(self, name: str, number: int = 0) -> None:
        self.name, self.number = name, number
        self.alive, self.paused = True, False
        self.skew = 0.0
        """Seconds by which its wall clock is wrong."""
        self.ready: deque[asyncio.Handle] = deque()
        self.context = Context()
        """For its callbacks; a task gets a copy."""
        self.context.run(OWNER.set, self)

    def __repr__(self) -> str:
        return self.name


class _Numbered:
    """Hashed by a number given at the first use: sets of them are walked in the same order in every run."""

    __slots__ = ()
    number: int

    def __hash__(self) -> int:
        try:
            return self.number
        except AttributeError:
            self.number = next(self.get_loop().numbers)  # type: ignore[attr-defined]  # get_loop is the other base's
            return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Task(_Numbered, asyncio.Task[Any]):
    owner: Process


class _Future(_Numbered, asyncio.Future[Any]):
    pass


class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks by their time and, at one time, in an order drawn from `rng`."""

    def __init__(self, rng: Random, *, start: float = 1000.0, most_steps: int = MOST_STEPS) -> None:
        super().__init__()
        self._rng, self._now, self._most = rng, start, most_steps
        self.world = Process("world")
        self._busy: list[Process] = []
        """Processes with something ready."""
        self._tasks: list[_Task] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        """Timers of one moment run in the order in which they were set."""
        self.numbers = count(1)
        self.steps = 0
        self.footprint = 0
        """A checksum of who ran when: equal for equal runs."""
        self.complaints: list[str] = []
        """Errors that nobody caught."""

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    # -- what asyncio asks of a loop

    def create_future(self) -> "asyncio.Future[Any]":
        return _Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> "asyncio.Task[Any]":
        task = _Task(coro, loop=self, name=name or "task", context=context)
        task.owner = OWNER.get(self.world) if context is None else context.get(OWNER, self.world)
        self._tasks.append(task)
        if len(self._tasks) > 500:
            self._tasks = [each for each in self._tasks if not each.done() or each._log_traceback]
        return task

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._put(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        raise RuntimeError("there are no threads in a simulation")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> "asyncio.Future[Any]":
        raise RuntimeError("there are no threads in a simulation")

    def _process_events(self, event_list: Any) -> None:
        """No I/O: nothing."""

    def _write_to_self(self) -> None:
        """Nothing to wake."""

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        """What is collected unfinished belonged to the dead."""
        self._asyncgens.discard(agen)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    # -- time and turns

    def _put(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(OWNER, self.world)
        if owner.alive:
            if not owner.ready:
                self._busy.append(owner)
            owner.ready.append(handle)

    def _run_once(self) -> None:
        self.steps += 1
        if self.steps > self._most:
            raise Stuck(f"{self.steps} callbacks and no end")
        timers = self._timers
        while timers and (timers[0][0] <= self._now or timers[0][2]._cancelled):
            timer = heapq.heappop(timers)[2]
            if not timer._cancelled:
                self._put(timer)
        owner = self._next()
        if owner is not None:
            self._turn(owner)
        elif timers:
            self._now = timers[0][0]
        elif not self._stopping:
            raise Stuck("nothing will ever happen again")

    def _next(self) -> Process | None:
        busy = self._busy
        if len(busy) == 1:
            return None if busy[0].paused else busy[0]
        awake = [process for process in busy if not process.paused]
        if not awake:
            return None
        return awake[0] if len(awake) == 1 else awake[int(self._rng.random() * len(awake))]

    def _turn(self, owner: Process) -> None:
        handle = owner.ready.popleft()
        if not owner.ready:
            self._busy.remove(owner)
        if handle._cancelled:
            return
        self._now += TICK
        self.footprint = crc32(b"%r %d" % (self._now, owner.number), self.footprint)
        handle._run()

    # -- processes

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any], name: str = "main") -> "asyncio.Task[Any]":
        """A task of this process."""
        return self.create_task(work, name=name, context=process.context.copy())

    def kill(self, process: Process) -> None:
        """Kill -9: nothing of it runs again."""
        process.alive = False
        process.ready.clear()
        if process in self._busy:
            self._busy.remove(process)

    def unheard(self) -> list[str]:
        """Errors that nobody caught, those of tasks that nobody asked about too, unless who would have is dead."""
        failed = [task for task in self._tasks if task.done() and task._log_traceback and task.owner.alive]
        return self.complaints + [f"{task.get_name()}: {task.exception()!r}" for task in failed]

    def bury(self) -> None:
        """At the end: let go of what never ended. Its `finally` blocks run here, where nobody looks any more."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own, in no stub
            task._log_traceback = False
            coroutine = task.get_coro()
            for _ in range(MOST_CLOSES if not task.done() else 0):
                with suppress(BaseException):
                    coroutine.close()  # type: ignore[union-attr]  # only eager tasks have none
                    break
        self._tasks.clear()
        self.close()
