"""Background tasks that have an owner: named, strongly referenced, their failures logged, stopped within a budget."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Self, cast

from core.observe import spent

log = logging.getLogger("core.tasks")

LONGEST_PAUSE = 5.0
CALM = 300.0
MOST_RESTARTS = 10
"""More restarts than this within `CALM` seconds and the process had better end (RELIABILITY 4.10)."""
SILENCE = 30.0
"""Seconds that a loop with something to do every second may stand still (RELIABILITY 4.10)."""
LATE = 5.0
"""Seconds: a timer this late says that the whole process was stopped, not that one loop hangs."""


class Silent(Exception):
    """Some work stood still in one await for too long and was cancelled."""


class Stray(Exception):
    """A cancellation that nobody asked of this task: a library gave up what it waited for."""


class Exited(Exception):
    """Some work tried to end the process: `sys.exit()`, argparse, a click command."""


class _Contained:
    """Turns what would end the process into Exited. A class, because it stands around every call of a plugin."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and not isinstance(error, PASSED_ON):
            raise Exited(f"{type(error).__name__} {error}".rstrip()).with_traceback(error.__traceback__) from error


PASSED_ON = (Exception, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)
contained = _Contained()


@contextmanager
def no_stray() -> Iterator[None]:
    """Turn a stray cancellation into Stray. Else it would end the task without a word, as if it had been stopped."""
    try:
        yield
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise Stray("what it waited for was given up") from error


class Moves:
    """The steps of some work, passed on one by one. `last` is when it was resumed last, in the loop's time.

    No generator, because whoever asks what a task awaits sees through an object to its `work`.
    """

    def __init__(self, work: Awaitable[None]) -> None:
        self.work, self._steps, self._loop = work, work.__await__(), asyncio.get_running_loop()
        self.last = self._loop.time()

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on."""
        self.last = self._loop.time()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with this."""
        self.last = self._loop.time()
        return self._steps.throw(*error)

    def close(self) -> None:
        """End."""
        self._steps.close()


class _Guard:
    """Cancels the current task whenever what it does has not moved for `silence` seconds."""

    def __init__(self, moves: Moves, task: "asyncio.Task[Any]", silence: float) -> None:
        self._moves, self._task, self._silence, self._loop = moves, task, silence, asyncio.get_running_loop()
        self._cancels = 0
        self._timer = self._in(silence)

    def _in(self, seconds: float) -> asyncio.TimerHandle:
        due = self._loop.time() + seconds
        return self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = self._loop.time()
        left = self._moves.last + self._silence - now
        if left <= 0 and now - due < LATE:
            self._cancels += self._task.cancel()
        self._timer = self._in(left if left > 0 else self._silence)

    @property
    def alone(self) -> bool:
        """Whether it was this that cancelled the task, and nobody else."""
        return 0 < self._cancels == self._task.cancelling()

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
        for _ in range(self._cancels):
            self._task.uncancel()


async def lively(work: Awaitable[None], silence: float) -> None:
    """Await some work, but cancel it and raise Silent when it has not moved for `silence` seconds.

    Moving is being resumed at all: a loop that wakes each second moves, one that hangs in an await does not.
    """
    moves = Moves(work)
    guard = _Guard(moves, cast("asyncio.Task[Any]", asyncio.current_task()), silence)
    try:
        with no_stray():
            await moves
    except asyncio.CancelledError:
        if guard.alone:
            raise Silent(f"stood still for {silence:g} s") from None
        raise
    finally:
        guard.end()


class Tasks:
    """The tasks of one process. `on_hopeless` is told the name of a loop that keeps failing."""

    def __init__(
        self, on_hopeless: Callable[[str], None] = lambda _: None, *, first_pause: float = 0.1, owner: str = ""
    ) -> None:
        """`first_pause` in seconds, before a loop that ended is started again: doubled each time up to 5.

        `owner` is the plugin that they work for; the kernel's work for whoever set them off.
        """
        self._tasks: set[asyncio.Task[Any]] = set()
        self._owner = owner
        self._on_hopeless, self._first_pause = on_hopeless, first_pause
        self._stopping = False

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run it once. A failure is logged. Raises RuntimeError once the tasks are being stopped."""
        if self._stopping:
            work.close()
            raise RuntimeError(f"{name}: the tasks are being stopped")
        task = asyncio.get_running_loop().create_task(_once(work), name=name, context=self._context(name))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, work))

    def _context(self, name: str) -> Context:
        context, because = copy_context(), spent.current.get()
        plugin = self._owner or (because.plugin if because else spent.KERNEL)
        context.run(spent.begin, plugin, name)
        return context

    def forever(self, name: str, loop: Callable[[], Awaitable[None]], *, silence: float | None = None) -> None:
        """Keep a loop running: it is started again, after a pause, whenever it fails or returns.

        With `silence` in seconds also when it has not moved for that long; not for loops that may wait for hours.
        """
        self.spawn(name, self._keep(name, loop if silence is None else lambda: lively(loop(), silence)))

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        restarts: deque[float] = deque()
        while True:
            try:
                with no_stray(), contained:
                    await loop()
                log.error("%s returned, but should run for ever", name)
            except Silent as silent:
                log.error("%s %s: it is started again", name, silent)  # noqa: TRY400  the stack is ours, not the loop's
            except Exception:
                log.exception("%s failed", name)
            now = clock()
            while restarts and restarts[0] < now - CALM:
                restarts.popleft()
            restarts.append(now)
            if len(restarts) > MOST_RESTARTS:
                log.critical("%s failed %d times in %d s", name, len(restarts), CALM)
                self._on_hopeless(name)
            pause = min(LONGEST_PAUSE, self._first_pause * 2 ** (len(restarts) - 1))
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter, not a secret

    def _ended(self, work: Coroutine[Any, Any, None], task: "asyncio.Task[Any]") -> None:
        work.close()  # it was never begun if the task was cancelled at once
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    @property
    def names(self) -> list[str]:
        """What runs now."""
        return sorted(task.get_name() for task in self._tasks)

    async def stop(self, budget: float) -> list[str]:
        """Cancel all and wait at most `budget` seconds; the names of those that would not end, logged too."""
        self._stopping = True
        mine = self._tasks - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        late = (await asyncio.wait(mine, timeout=budget))[1] if mine else set()
        names = sorted(task.get_name() for task in late)
        if names:
            log.error("not ended within %.1f s: %s", budget, ", ".join(names))
        return names

    def renew(self) -> None:
        """Run what comes from now on, after a stop."""
        self._stopping = False


async def _once(work: Coroutine[Any, Any, None]) -> None:
    with contained:
        await work
