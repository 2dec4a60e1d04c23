"""WAL as it is written: received by pg_receivewal over a slot, so that no byte is lost while nobody listens; sealed.

The last, unfinished segment is plain in the spool: keep this folder on another machine than the database, on an
encrypted disk.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from core.backup.programs import BackupError, Source, needed, piped, postgres_program, run
from core.backup.shelf import SEALED, SEGMENT, Shelf, sealing
from core.store.embedded_process import bond

SLOT = "vurksha_backup"
SEAL, LEDGER, AGAIN = 1.0, 30.0, 2.0
"""Seconds between looks at the spool, between copies of the ledger, and before another try after a failure."""
log = logging.getLogger("core.backup")


class Stream:
    """Receives until it is cancelled. One at a time has the slot."""

    def __init__(self, shelf: Shelf, source: Source, recipients: Sequence[str], major: int) -> None:
        self._shelf, self._source, self._seal = shelf.made(), source, sealing(recipients, needed("age"))
        self._program = postgres_program("pg_receivewal", major)

    async def run(self, ledger: Callable[[], Awaitable[str]]) -> None:
        """For ever. `ledger` gives the text of erased.jsonl."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receive())
            group.create_task(self._every(SEAL, self._sealed))
            group.create_task(self._every(LEDGER, lambda: self._ledger(ledger)))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  an outage of one thing stops no other; the next round tries again
                log.warning("backup: %s", error)
            await asyncio.sleep(seconds)

    async def _receive(self) -> None:
        """Through restarts of the server and fail-overs to another, which has no slot yet."""
        while True:
            try:
                await asyncio.to_thread(
                    run, [*self._words(), "--create-slot", "--if-not-exists"], self._source.environment
                )
                await self._receiving()
            except (BackupError, OSError) as error:
                log.warning("backup: %s", error)
            await asyncio.sleep(AGAIN)

    def _words(self) -> list[str | Path]:
        return [self._program, "-d", self._source.where, "--no-password", f"--slot={SLOT}"]

    async def _receiving(self) -> None:
        words = [*self._words(), "-D", self._shelf.spool, "--synchronous", "--no-loop", "--status-interval=1"]
        process = await asyncio.create_subprocess_exec(
            *words, env=self._source.environment, preexec_fn=bond(signal.SIGINT)
        )
        try:
            code = await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await process.wait()
        raise BackupError(f"pg_receivewal ended with {code}")

    async def _sealed(self) -> None:
        await asyncio.to_thread(seal_all, self._shelf, self._seal)

    async def _ledger(self, ledger: Callable[[], Awaitable[str]]) -> None:
        write_whole(self._shelf.ledger, await ledger())


def seal_all(shelf: Shelf, seal: Sequence[Sequence[str]]) -> int:
    """Compress and encrypt whole segments and timelines' histories; how many. Only then is the plain one deleted."""
    whole = [
        path for path in sorted(shelf.spool.iterdir()) if SEGMENT.fullmatch(path.name) or path.suffix == ".history"
    ]
    for path in whole:
        target = shelf.wal / f"{path.name}{SEALED}"
        if not target.exists():
            part = target.with_suffix(".part")
            part.unlink(missing_ok=True)
            piped(*seal, out_of=path, into=part)
            part.replace(target)
        # The newest whole segment stays plain for pg_receivewal, which looks there for where to go on.
        if path != whole[-1] or any(shelf.spool.glob("*.partial")):
            path.unlink()
    return len(whole)


def write_whole(path: Path, text: str) -> None:
    """All of it or what was there before."""
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(text, "utf-8")
    part.replace(path)
