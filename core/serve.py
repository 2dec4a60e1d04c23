"""`vurksha serve`: one replica from socket to exit."""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import uvloop

from core import faultpoints
from core.app import App
from core.isolation.migrations import surviving
from core.observe.logging import install
from core.settings import Settings
from core.sockets import bind
from core.store import migrate

CLOSING, GRACE = 5.0, 1.0
"""Seconds for closing what is open once nothing is under way, and until whatever still hangs is ended by force."""
log = logging.getLogger("core.serve")
COLLECT = 5_000, 10, 10
"""Requests leave few cycles behind: looking after every 700 new objects cost a tenth of a write's processor time. Ten
times as rarely as this costs no less, and lets megabytes wait that broken connections left behind."""


def stop_signals() -> asyncio.Event:
    """Set by the first SIGTERM or Ctrl-C. A second one ends the process on the spot; its children are told to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked(number: int) -> None:
        if stop.is_set():
            log.warning("asked twice to stop: ending at once")
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    return stop


async def replica(build: Callable[[], App], settings: Settings, *, prepare: bool, told: Callable[[App], None]) -> int:
    """Serve until SIGTERM or Ctrl-C. `prepare` migrates and seeds first, which only development does."""
    app = build()
    install(app.log, settings.log.level)
    faultpoints.arm(settings.faults.points, f"{settings.faults.seed} {settings.http.port}")
    loop, stop = asyncio.get_running_loop(), stop_signals()
    sock = bind(settings.http.host, settings.http.port)
    app.operations.bind()
    if prepare:
        await migrate.apply(app.db.pool.dsn, app.migrations, failed=surviving(app.kernel.guards))
    server = await app.listen(sock)
    starting = loop.create_task(_start(app, prepare=prepare, told=told), name="start")
    hopeless = loop.create_task(app.hopeless.wait(), name="hopeless")
    stopping = loop.create_task(stop.wait(), name="stop")
    await asyncio.wait({starting, stopping, hopeless}, return_when=asyncio.FIRST_COMPLETED)
    failed = starting.done() and starting.exception() is not None
    if failed:
        log.critical("the start failed", exc_info=starting.exception())
    else:
        await asyncio.wait({stopping, hopeless}, return_when=asyncio.FIRST_COMPLETED)
    await _end(app, server, starting, settings)
    return 1 if failed or hopeless.done() else 0


async def _start(app: App, *, prepare: bool, told: Callable[[App], None]) -> None:
    await app.start(_settle)
    if prepare:
        for seed in app.plugins.declared("seeds"):
            log.info("%s", await seed())
    log.info("ready: version %s, python %s", version("vurksha"), sys.version.split()[0])
    app.log.flush()
    told(app)


def _settle() -> None:
    gc.collect()
    gc.enable()
    gc.set_threshold(*COLLECT)
    gc.freeze()  # what lives from here on is the app itself: later collections need not walk it


async def _end(app: App, server: asyncio.Server, starting: "asyncio.Task[None]", settings: Settings) -> None:
    """Unready at once, serve a little longer, finish what is under way, leave (RELIABILITY 4.10)."""
    budget = settings.stop
    at_last = budget.drain + budget.finish + CLOSING + GRACE
    faulthandler.dump_traceback_later(at_last, exit=True)  # also if the loop hangs
    app.drain()
    if starting.done() and not starting.exception():
        await asyncio.sleep(budget.drain)
    starting.cancel()
    await asyncio.wait({starting})
    server.close()
    await app.stop(budget.finish, CLOSING)
    faulthandler.cancel_dump_traceback_later()


def run(main: Coroutine[Any, Any, int]) -> int:
    """On uvloop."""
    return uvloop.run(main)
