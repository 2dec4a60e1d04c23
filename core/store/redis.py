"""Redis as the process sees it: fast while it is there, an exception within 50 ms when it is not, no wait after that.

`call` raises RedisDown while Redis is away or hung; the caller goes on without it. The first caller of a hung Redis
waits out its 50 ms, which opens the breaker at once: a slow call is one that is over its time. Whoever comes later is
told without a wait, and a background probe every 500 ms finds it again (RELIABILITY 2 and 3).
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from core import faultpoints
from core.observe import tracing, tracing_kinds
from core.resilience.breaker import PROBE_EVERY, Breaker, Open, State
from core.store.broadcast import Broadcasts, Handler
from core.store.pipe import Pipe, RedisDown, RedisRefused, Wire, ask, dial, dialler
from core.tasks import Tasks

__all__ = ["Redis", "RedisDown", "RedisRefused", "Script"]

log = logging.getLogger("core.redis")

CONNECT = COMMAND = 0.05
"""Seconds (RELIABILITY 3)."""
MOST_WAITING = 5_000
STOP = 1.0


class Redis:
    """One self-pipelining connection for commands, one that listens. Concurrent callers share a write."""

    def __init__(
        self,
        url: str,
        *,
        prefix: bytes = b"",
        connect: float = CONNECT,
        command: float = COMMAND,
        probe: float = PROBE_EVERY,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`prefix` keeps the keys and channels of several apps on one server apart. Times are in seconds."""
        self.prefix = prefix
        self._make = dialler(url)
        self._connect, self._command, self._probe, self._most = connect, command, probe, most_waiting
        self._broadcasts = Broadcasts(self._make, connect=connect)
        self.breaker = Breaker("redis", slow=command)
        self._tasks: Tasks | None = None
        self._pipe: Pipe | None = None
        self._tried = asyncio.Event()

    async def open(self) -> None:
        """Connect, now or later: that Redis is absent is no reason not to start."""
        self._tried.clear()
        self._tasks = Tasks()
        self._tasks.forever("redis commands", self._keep)
        self._tasks.forever("redis broadcasts", self._hear)
        await self._tried.wait()

    async def close(self) -> None:
        """Fail who waits and close both connections."""
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.stop(STOP)

    @property
    def connected(self) -> bool:
        """Whether commands are being taken."""
        return self._pipe is not None and not self._pipe.broken.done()

    def key(self, *parts: object) -> bytes:
        """A key with this app's prefix: `redis.key(b"cart:", user_id)`."""
        return self.prefix + b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)

    async def call(self, *args: bytes) -> Any:
        """One command and its reply. Raises RedisDown within 50 ms, or RedisRefused if Redis refuses the command."""
        if self._pipe is None:
            raise RedisDown("not connected")
        if faultpoints.armed:
            await faultpoints.reach("redis.before_call", str(args[0]))
        asked = self._pipe.call(args)
        reply = await (asked if tracing.armed is None else tracing_kinds.command(args[0], asked))
        if faultpoints.armed:
            await faultpoints.reach("redis.after_call", str(args[0]))
        return reply

    def script(self, lua: bytes) -> "Script":
        """A Lua script, sent once per server and then named by its hash."""
        return Script(self, lua)

    async def publish(self, channel: bytes, message: bytes) -> None:
        """Tell the replicas that listen, this one too. Raises RedisDown."""
        await self.call(b"PUBLISH", self.key(channel), message)

    def subscribe(self, channel: bytes, handler: Handler) -> None:
        """Call `handler` with each message, and with `b""` whenever a subscription begins: some may have been missed.

        It must be quick and must not wait.
        """
        self._broadcasts.subscribe(self.key(channel), handler, self._tasks)

    async def _keep(self) -> None:
        """Hold one connection for commands."""
        while True:
            try:
                wire = await self._reach()
            except (RedisDown, Open) as down:
                log.debug("no redis: %s", down)
            else:
                await self._serve(wire)
            self._tried.set()
            await asyncio.sleep(self._pause())

    async def _reach(self) -> Wire:
        """A connection that answers, once the breaker is closed; raises RedisDown or Open."""
        try:
            wire = await dial(self._make, self._connect)
        except RedisDown:
            self.breaker.trip()
            self.breaker.probed(ok=False)
            raise
        self.breaker.probed(ok=True)
        while self.breaker.state is not State.CLOSED:
            try:
                began = self.breaker.enter()
            except Open:  # it answers probes, but the last command was not answered in time
                await wire.disconnect(nowait=True)
                raise
            try:
                await ask(wire, self._command)
            except BaseException:
                self.breaker.failed(began)
                raise
            self.breaker.succeeded(began)
        return wire

    async def _serve(self, wire: Wire) -> None:
        """Take commands until the connection breaks."""
        self._pipe = Pipe(wire, limit=self._command, most=self._most, on_hung=self._hung)
        log.info("redis is there")
        self._tried.set()
        try:
            reason = await self._pipe.run()
        finally:
            self._pipe = None
        log.warning("redis is gone: %s", reason)

    def _hung(self) -> None:
        self.breaker.trip(seen=False)

    async def _hear(self) -> None:
        """Hold one connection for broadcasts."""
        while True:
            try:
                await self._broadcasts.run()
            except (RedisDown, RedisError, OSError) as error:
                log.debug("no broadcasts: %s", type(error).__name__)
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        return self._probe * random.uniform(0.8, 1.2)  # noqa: S311  jitter, not a secret


class Script:
    """A Lua script on its server: EVALSHA, and the source again after a restart or SCRIPT FLUSH."""

    def __init__(self, redis: Redis, lua: bytes) -> None:
        self._redis, self._lua = redis, lua
        self._sha = sha1(lua, usedforsecurity=False).hexdigest().encode()

    async def __call__(self, keys: Sequence[bytes], args: Sequence[bytes] = ()) -> Any:
        """Run it. Raises as Redis.call does."""
        rest = (b"%d" % len(keys), *keys, *args)
        try:
            return await self._redis.call(b"EVALSHA", self._sha, *rest)
        except RedisRefused as refused:
            if refused.kind != NoScriptError.__name__:
                raise
            return await self._redis.call(b"EVAL", self._lua, *rest)
