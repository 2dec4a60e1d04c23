"""What optional plugins listen to, remembered: the events of one that cannot be loaded wait for it all the same.

A broker keeps a queue for them by itself; this is for delivery without one.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.isolation.guards import Guards

if TYPE_CHECKING:
    from core.events.subscription import Subscription
    from core.store.db import Db

# The whole table, which has a row per subscription of an optional plugin.
REMEMBER = """
WITH mine AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS t(consumer, event_type, plugin)
), gone AS (
    DELETE FROM kernel.plugin_consumers c
    WHERE c.plugin = ANY($4::text[])
        AND NOT EXISTS (SELECT FROM mine m WHERE m.consumer = c.consumer AND m.event_type = c.event_type)
)
INSERT INTO kernel.plugin_consumers AS c (consumer, event_type, plugin) SELECT consumer, event_type, plugin FROM mine
ON CONFLICT (consumer, event_type) DO UPDATE SET plugin = excluded.plugin WHERE c.plugin <> excluded.plugin
"""
ABSENT = "SELECT consumer, event_type FROM kernel.plugin_consumers WHERE plugin = ANY($1::text[])"


class Consumers:
    """One replica's."""

    def __init__(self, db: "Db", guards: Guards, subscriptions: "Iterable[Subscription]") -> None:
        self._db, self._guards = db, guards
        self._mine = [
            (one.consumer, one.event.event_type, one.plugin) for one in subscriptions if one.plugin in guards.optional
        ]

    async def absent(self) -> Sequence[tuple[str, str]]:
        """Consumers and event types of plugins that could not be loaded here. Raises Problem without the database."""
        loaded = sorted(self._guards.optional - self._guards.absent)
        if loaded:
            columns = [list(column) for column in zip(*self._mine, strict=True)] or [[], [], []]
            async with self._db.transaction() as tx:
                await tx.execute(REMEMBER, *columns, loaded)
        if not self._guards.absent:
            return ()
        rows = await self._db.fetch(ABSENT, sorted(self._guards.absent))
        return [(row["consumer"], row["event_type"]) for row in rows]
