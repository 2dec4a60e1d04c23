"""Acts that change no row, written into the audit log all the same: as soon as the database takes them."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime

import asyncpg
import attrs

from core import audit
from core.errors import Problem
from core.store.db import Db
from core.store.migrate import UNREACHABLE
from core.types import utc_now

LIMIT = 2.0
"""Seconds for one try: whoever asks for a console does not wait longer for a database that is away."""
AGAIN = 2.0
REFUSED = (asyncpg.DataError, ValueError, TypeError)
"""An act that can never be written: a NUL, as PostgreSQL says; or what asyncpg cannot send, or orjson not encode."""
log = logging.getLogger("core.console")


@attrs.frozen(kw_only=True)
class _Act:
    action: str
    subject: str
    by: audit.Acting
    details: Mapping[str, object]
    at: datetime


class Ledger:
    """One replica's. What waits is lost with the process; the log has it from the first moment."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._waiting: deque[_Act] = deque()
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Acts that are only in the log so far."""
        return len(self._waiting)

    async def note(self, action: str, subject: str, by: audit.Acting, **details: object) -> bool:
        """Write an act down; whether the database has it already."""
        log.warning("%s: %s by %s: %s", action, subject, by.actor, by.reason)
        self._waiting.append(_Act(action=action, subject=subject, by=by, details=details, at=utc_now()))
        return await self.settle()

    async def settle(self) -> bool:
        """Write what waits, in order; whether all of it is written. What can never be is left to the process's log."""
        written = True
        async with self._turn:
            while self._waiting:
                act = self._waiting[0]
                try:
                    async with asyncio.timeout(LIMIT):
                        await self._write(act)
                except REFUSED as error:  # no outage: everything after it would wait for ever
                    what = (act.action, act.by.actor, type(error).__name__)
                    log.error("%s by %s is not in the audit log: %s", *what)  # noqa: TRY400  its text may quote the act
                    written = False
                except (Problem, *UNREACHABLE) as error:
                    log.info("an act waits for the audit log: %s", type(error).__name__)
                    return False
                self._waiting.popleft()
        return written

    async def follow(self) -> None:
        """For ever: write what waits whenever the database is back."""
        while True:
            await asyncio.sleep(AGAIN)
            if self._waiting:
                await self.settle()

    async def _write(self, act: _Act) -> None:
        token = audit.acting.set(act.by)
        try:
            async with self._db.transaction() as tx:
                late = {"at": act.at} if (utc_now() - act.at).total_seconds() > AGAIN else {}
                await audit.record(
                    tx, actor=act.by.actor, action=act.action, subject=act.subject, details={**act.details, **late}
                )
        finally:
            audit.acting.reset(token)
