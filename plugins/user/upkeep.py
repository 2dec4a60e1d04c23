"""What has to be looked at or thrown away from time to time."""

import logging
from typing import LiteralString

from core.store.db import Db
from plugins.user.code_queries import Codes
from plugins.user.settings import UserSettings
from plugins.user.upkeep_queries import BATCH, OLD, UNUSED

KEPT = 30
"""Days that a session is kept after its last use; longer if it may still be used then."""
log = logging.getLogger(__name__)


class Upkeep:
    """The domain's periodic jobs; each runs on one replica at a time."""

    def __init__(self, db: Db, codes: Codes, settings: UserSettings) -> None:
        self._db, self._codes = db, codes
        self._guard = settings.strict_sends, settings.strict_percent, settings.strict_minutes
        self._unused = max(KEPT, settings.refresh_idle_days + 1)  # none goes that is just being used

    async def clean(self) -> None:
        """Delete what no rule looks at any more."""
        for statement in OLD:
            await self._delete(statement)
        for statement in UNUSED:
            await self._delete(statement, self._unused)

    async def _delete(self, statement: LiteralString, *args: object) -> None:
        deleted = BATCH
        while deleted == BATCH:
            async with self._db.transaction() as tx:
                deleted = await tx.execute(statement, BATCH, *args)

    async def watch(self) -> None:
        """Forget codes that came to their end unsent, and be strict while codes go out and are not used.

        Who asks for codes that nobody uses spends the shop's money on messages (RELIABILITY 4.5).
        """
        await self._codes.drop_expired()
        if await self._codes.guard(*self._guard):
            log.error("too few of the codes that were sent are used: sending is strict for %d minutes", self._guard[2])
