"""Redis as the process sees it: fast while it is there, an exception within 50 ms when it is not, no wait after that.

`call` raises RedisDown while Redis is away or hung; the caller goes on without it. The first caller of a hung Redis
waits out its 50 ms, whoever comes later is told at once, and a background probe every 500 ms finds it again
(RELIABILITY 2 and 3).
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from core import faultpoints
from core.store.broadcast import Broadcasts, Handler
from core.store.pipe import Pipe, RedisDown, RedisRefused, dial, dialler
from core.tasks import Tasks

__all__ = ["Redis", "RedisDown", "RedisRefused", "Script"]

log = logging.getLogger("core.redis")

CONNECT = COMMAND = 0.05
PROBE = 0.5
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
        probe: float = PROBE,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`prefix` keeps the keys and channels of several apps on one server apart. Times are in seconds."""
        self.prefix = prefix
        self._make = dialler(url)
        self._connect, self._command, self._probe, self._most = connect, command, probe, most_waiting
        self._broadcasts = Broadcasts(self._make, connect=connect)
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
        reply = await self._pipe.call(args)
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
                wire = await dial(self._make, self._connect)
            except RedisDown as down:
                log.debug("no redis: %s", down)
                self._tried.set()
                await asyncio.sleep(self._pause())
                continue
            self._pipe = Pipe(wire, limit=self._command, most=self._most)
            log.info("redis is there")
            self._tried.set()
            try:
                reason = await self._pipe.run()
            finally:
                self._pipe = None
            log.warning("redis is gone: %s", reason)
            await asyncio.sleep(self._pause())

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
