"""What waits in the database's queues: asked at most every few seconds, and never waited for long.

All replicas see the same; a dashboard takes the largest. What could not be read for a while is not told at all:
nobody knows is not nothing.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, LiteralString

import attrs

from core.context import deadline
from core.presence_rows import LIVE

if TYPE_CHECKING:
    from core.store.db import Db, Row

log = logging.getLogger("core.observe")

EVERY = 5.0
"""Seconds between two questions, whoever asks how often."""
LIMIT = 0.5
"""Seconds that whoever asks waits."""
STALE = 60.0
"""Seconds for which an answer counts."""
MOST = 100_000
"""Rows counted of each queue: more is told as so many."""
BROKER = "-"
"""The consumer of what the broker itself refused."""

# Each by the partial index of what waits or is dead, in its order: outbox_due, inbox_due, inbox_dead,
# dead_letters_open; outbox_dead and replicas whole, which are few.
QUEUES: LiteralString = """
SELECT 'outbox' AS queue, '' AS consumer, count(*) AS rows,
    coalesce(extract(epoch FROM clock_timestamp() - min(o.at)), 0)::float8 AS oldest
FROM (SELECT occurred_at AS at FROM kernel.outbox WHERE published_at IS NULL
    ORDER BY next_attempt_at, seq LIMIT $1) o
UNION ALL
SELECT 'inbox', i.consumer, count(*), extract(epoch FROM clock_timestamp() - min(i.at))::float8
FROM (SELECT consumer, received_at AS at FROM kernel.inbox WHERE state = 'waiting'
    ORDER BY next_attempt_at, seq LIMIT $1) i
GROUP BY i.consumer
UNION ALL
SELECT 'dead', d.consumer, count(*), 0
FROM (SELECT consumer FROM kernel.inbox WHERE state = 'dead' ORDER BY seq LIMIT $1) d GROUP BY d.consumer
UNION ALL
SELECT 'dead', l.consumer, count(*), 0
FROM (SELECT consumer FROM kernel.dead_letters WHERE state = 'dead' ORDER BY id LIMIT $1) l GROUP BY l.consumer
UNION ALL
SELECT 'dead', '-', count(*), 0 FROM kernel.outbox_dead
UNION ALL
SELECT 'replicas', '', count(*), 0 FROM kernel.replicas WHERE seen_at > clock_timestamp() - $2::text::interval
"""


@attrs.frozen(kw_only=True)
class Waiting:
    """What was found. Ages in seconds; every consumer of this replica is named, also those for whom nothing waits."""

    outbox: int
    outbox_age: float
    inbox: dict[str, tuple[int, float]]
    """Rows and the age of the oldest, by consumer."""
    dead: dict[str, int]
    replicas: int


class Queues:
    """Asks the database for them."""

    def __init__(self, db: "Db", consumers: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._consumers, self._clock = db, sorted(set(consumers)), clock
        self._asked = self._answered = float("-inf")
        self._found: Waiting | None = None

    @property
    def found(self) -> Waiting | None:
        """The last answer, if there is one that still counts."""
        return self._found if self._clock() - self._answered < STALE else None

    async def look(self) -> None:
        """Ask again if it is time to. Never raises for the database's sake, and never takes longer than `LIMIT`."""
        now = self._clock()
        if now - self._asked < EVERY:
            return
        self._asked = now
        deadline.set(time.monotonic() + LIMIT)
        try:
            async with asyncio.timeout(LIMIT):
                rows = await self._db.fetch(QUEUES, MOST, LIVE)
        except Exception as error:  # noqa: BLE001  whatever it is, the database is not well, which other metrics tell
            log.info("the queues could not be counted: %s", type(error).__name__)
            return
        self._found, self._answered = self._read(rows), now

    def _read(self, rows: "Iterable[Row]") -> Waiting:
        sums: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
        for queue, consumer, count, oldest in rows:
            before = sums[queue].get(consumer, (0, 0.0))
            sums[queue][consumer] = before[0] + count, max(before[1], oldest)
        outbox = sums["outbox"].get("", (0, 0.0))
        known = dict.fromkeys(self._consumers, (0, 0.0))
        dead = {consumer: count for consumer, (count, _) in (known | sums["dead"]).items()}
        return Waiting(
            outbox=outbox[0],
            outbox_age=outbox[1],
            inbox=known | sums["inbox"],
            dead=dead,
            replicas=sums["replicas"].get("", (0, 0.0))[0],
        )
