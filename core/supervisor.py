"""Several replicas on one machine: identical processes on one port, and a new one for each that dies (DESIGN 5)."""

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import Process

from core.serve import stop_signals
from core.servers import serving_on
from core.settings import Secret, Settings
from core.sockets import bind
from core.store.embedded_process import bond

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
OPERATIONS_PORT = "VURKSHA_OPERATIONS__PORT"
HEALTHY_AFTER = 10.0
"""Seconds: a replica that lived this long failed by accident, not by nature."""
log = logging.getLogger("core.supervisor")


async def supervise(settings: Settings, replicas: int) -> int:
    """Run until SIGTERM or Ctrl-C; replicas get SIGTERM then and are waited for. Raises CannotListen."""
    stop = stop_signals()
    bind(settings.http.host, settings.http.port).close()  # else every replica would find out, again and again
    ports = operations_ports(settings, replicas)
    async with serving_on(settings) as ready:
        env = os.environ | urls(ready)
        await asyncio.gather(*(_keep({**env, OPERATIONS_PORT: str(port)}, stop) for port in ports))
    return 0


def operations_ports(settings: Settings, replicas: int) -> list[int]:
    """One for each, in a row, or 0 for any that is free. Raises CannotListen where production cannot have them."""
    own = settings.operations
    ports = [own.port + place if own.port else 0 for place in range(replicas)]
    for port in ports if own.host and not settings.development else ():
        bind(own.host, port, shared=False).close()
    return ports


def urls(settings: Settings) -> dict[str, str]:
    """What the children need to find the parent's servers."""
    given: dict[str, Secret | None] = {"DATABASE_URL": settings.postgres.url, "REDIS_URL": settings.redis.url}
    return {name: url.reveal() for name, url in given.items() if url is not None}


async def child(env: dict[str, str]) -> Process:
    """A replica in a process of its own, which ends with this one."""
    command = (sys.executable, "-m", "core", "serve")
    return await asyncio.create_subprocess_exec(*command, env=env, preexec_fn=bond(signal.SIGTERM))


async def _keep(env: dict[str, str], stop: asyncio.Event) -> None:
    """One place in the row of replicas, filled again whenever it is empty."""
    clock, pause = asyncio.get_running_loop().time, FIRST_PAUSE
    stopping = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        began = clock()
        process = await child(env)
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            if process.returncode is None:
                process.terminate()
            await ended
            return
        log.error("replica %d ended with %s: starting another", process.pid, process.returncode)
        pause = FIRST_PAUSE if clock() - began > HEALTHY_AFTER else min(pause * 2, LONGEST_PAUSE)
        await asyncio.wait({stopping}, timeout=pause)
