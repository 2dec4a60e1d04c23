"""What is listened to, by replicas of any release: no relay throws away what only another's code hears.

Each replica says it before it serves, and goes on saying it. What nobody has said for ten minutes is forgotten, unless
its plugin cannot be loaded here: that one's events wait, however long it takes.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.errors import Problem
from core.events.outbox import run
from core.isolation.guards import Guards

if TYPE_CHECKING:
    from core.events.subscription import Subscription
    from core.store.db import Db

EVERY, AGAIN = 20.0, 1.0
"""Seconds until it is said again, and where it could not be said."""
log = logging.getLogger("core.events")

# The whole table, here and below: it has a row per subscription. In one order, so that no two replicas wait for each
# other in a circle.
REMEMBER = """
INSERT INTO kernel.plugin_consumers (consumer, event_type, plugin)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS mine (consumer, event_type, plugin)
ORDER BY consumer, event_type
ON CONFLICT (consumer, event_type) DO UPDATE SET plugin = excluded.plugin, seen_at = excluded.seen_at
"""
FORGET = """
DELETE FROM kernel.plugin_consumers WHERE seen_at < now() - interval '10 minutes' AND plugin <> ALL($1::text[])
"""
HEARD = "SELECT consumer, event_type FROM kernel.plugin_consumers"
# What waits, by inbox_due.
UNHEARD = """
SELECT DISTINCT i.consumer, i.event_type FROM kernel.inbox i
WHERE i.state = 'waiting' AND i.received_at < now() - interval '1 hour' AND NOT EXISTS (
    SELECT FROM kernel.plugin_consumers heard WHERE heard.consumer = i.consumer AND heard.event_type = i.event_type)
"""


class Consumers:
    """One replica's part in it."""

    def __init__(self, db: "Db", guards: Guards, subscriptions: "Iterable[Subscription]") -> None:
        self._db, self._guards = db, guards
        mine = [(one.consumer, one.event.event_type, one.plugin) for one in subscriptions]
        self._mine = [list(column) for column in zip(*mine, strict=True)] or [[], [], []]
        self._said = False
        """The last time: after an outage others need a moment to say theirs, before it may be forgotten."""
        self._told: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """For ever. An unreachable database is waited for, not raised."""
        while True:
            await asyncio.sleep(EVERY if self._said else AGAIN)
            await self.say()

    async def say(self) -> None:
        """Say it once, and forget what nobody says any more."""
        said, self._said = self._said, False
        try:
            await run(self._db, REMEMBER, *self._mine)
            if said:
                await run(self._db, FORGET, sorted(self._guards.absent))
                self._tell({(row[0], row[1]) for row in await run(self._db, UNHEARD)})
        except Problem:
            log.warning("what this replica listens to cannot be written: the database is away")
        else:
            self._said = True

    def _tell(self, unheard: set[tuple[str, str]]) -> None:
        for consumer, event_type in sorted(unheard - self._told):
            log.warning("events of type %s wait for %s, which no longer listens to them", event_type, consumer)
        self._told = unheard

    async def heard(self) -> Sequence[tuple[str, str]]:
        """All consumers and event types that are written down. Raises Problem without the database."""
        return [(row[0], row[1]) for row in await run(self._db, HEARD)]
