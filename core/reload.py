"""`vurksha serve --reload`: a replica for development that is started again when somebody saves a file of a plugin.

Files are looked at twice a second: a folder on a share or in a container tells of no change by itself. The embedded
servers stay up meanwhile.
"""

import asyncio
import inspect
import logging
import os
from asyncio.subprocess import Process
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from core.configuration import config_dir
from core.serve import stop_signals
from core.servers import serving_on
from core.settings import Settings
from core.sockets import bind
from core.supervisor import child, urls

SUFFIXES = frozenset({".py", ".sql", ".toml"})
EVERY = 0.5
"""Seconds between looks."""
PATIENCE = 10.0
"""Seconds that a replica gets to end: what was just saved may hang."""
log = logging.getLogger("core.reload")


def folders(classes: Iterable[type]) -> list[Path]:
    """Where the plugins' code lies, and the settings."""
    return [*dict.fromkeys(Path(inspect.getfile(cls)).parent for cls in classes), config_dir(os.environ)]


class Watched:
    """Files of some folders, and what they looked like last."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._seen = self._look()

    def changed(self) -> list[Path]:
        """Files that were saved, made or deleted since the last look."""
        before, self._seen = self._seen, self._look()
        return sorted(path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path))

    def _look(self) -> dict[Path, tuple[int, int]]:
        found: dict[Path, tuple[int, int]] = {}
        for folder in self._folders:
            for path in folder.rglob("*"):
                with suppress(FileNotFoundError):  # it was replaced this very moment
                    if path.suffix in SUFFIXES:
                        found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        return found


async def reloading(settings: Settings, watched: Watched) -> int:
    """Run until SIGTERM or Ctrl-C. Raises CannotListen.

    A replica that ends by itself has a mistake that the next save mends: it is not started before.
    """
    stop = stop_signals()
    bind(settings.http.host, settings.http.port).close()
    async with serving_on(settings) as ready:
        env = os.environ | urls(ready)
        while not stop.is_set():
            process = await child(env)
            try:
                paths = await _change(stop, watched)
            finally:
                await _end(process)
            if paths:
                log.warning("%s changed: starting again", ", ".join(path.name for path in paths))
    return 0


async def _change(stop: asyncio.Event, watched: Watched) -> list[Path]:
    """What was saved; nothing when it is time to stop. Whoever saves many files is waited for."""
    saved: list[Path] = []
    while not stop.is_set():
        now = watched.changed()
        if saved and not now:
            return saved
        saved += now
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)
    return []


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        log.warning("the replica does not end: killed")
        process.kill()
        await process.wait()
