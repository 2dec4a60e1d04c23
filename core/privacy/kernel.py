"""The kernel's own tables that hold personal data: answers of keyed requests, exports, events on their way."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast
from uuid import UUID

import orjson

from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject
from core.types import UserId

if TYPE_CHECKING:
    from core.events.subscription import Subscription
    from core.store.db import Db, Tx

OWNER = "kernel"
CHUNK = 10_000
"""Rows of a queue that one statement looks at. An index by user would cost every order more than a look costs here."""
NO_ID = UUID(int=0)

HOLDINGS = (
    Holding("kernel.operations", Fate.DELETED),
    Holding("kernel.exports", Fate.DELETED),
    Holding("kernel.outbox", Fate.ANONYMISED, "ids stay; texts about a person are emptied; gone 7 days after leaving"),
    Holding("kernel.inbox", Fate.ANONYMISED, "as kernel.outbox; gone in 30 days"),
    Holding("kernel.outbox_dead", Fate.ANONYMISED, "as kernel.outbox, until an operator decides"),
    Holding("kernel.dead_letters", Fate.ANONYMISED, "messages that may hold more than ids lose their body"),
    Holding("kernel.erasures", Fate.KEPT, "what was asked for and done when, by an id that names nobody any more"),
    Holding("kernel.erased", Fate.KEPT, "the ledger: an id that names nobody any more"),
    Holding("kernel.audit", Fate.KEPT, "who with power did what, by ids; the chain is never changed"),
)

# operations_pkey; exports_of_user.
OPERATIONS = """
DELETE FROM kernel.operations WHERE ctid = ANY(ARRAY(SELECT ctid FROM kernel.operations WHERE user_id = $1 LIMIT $2))
"""
EXPORTS = "DELETE FROM kernel.exports WHERE id = ANY(ARRAY(SELECT id FROM kernel.exports WHERE user_id = $1 LIMIT $2))"

# outbox_pkey, both.
OUTBOX_CHUNK = "SELECT max(c.seq) FROM (SELECT seq FROM kernel.outbox WHERE seq > $1 ORDER BY seq LIMIT $2) c"
OUTBOX = """
UPDATE kernel.outbox o SET payload = kernel.scrubbed(o.payload, k.keys)
FROM unnest($4::text[], $5::text[]) AS t(event_type, keys_json),
     LATERAL (SELECT array_agg(value) AS keys FROM jsonb_array_elements_text(t.keys_json::jsonb)) k
WHERE o.seq > $1 AND o.seq <= $2 AND o.event_type = t.event_type AND o.metadata ->> 'userId' = $3
"""
# The whole table: what is dead is rare.
OUTBOX_DEAD = """
UPDATE kernel.outbox_dead o SET payload = kernel.scrubbed(o.payload, k.keys)
FROM unnest($2::text[], $3::text[]) AS t(event_type, keys_json),
     LATERAL (SELECT array_agg(value) AS keys FROM jsonb_array_elements_text(t.keys_json::jsonb)) k
WHERE o.event_type = t.event_type AND o.metadata ->> 'userId' = $1
"""
# inbox_pkey, both.
INBOX_CHUNK = """
SELECT c.event_id FROM (
    SELECT event_id FROM kernel.inbox WHERE consumer = $1 AND event_id > $2 ORDER BY event_id LIMIT $3) c
ORDER BY c.event_id DESC LIMIT 1
"""
INBOX = """
UPDATE kernel.inbox i SET payload = kernel.scrubbed(i.payload, k.keys)
FROM unnest($5::text[], $6::text[]) AS t(event_type, keys_json),
     LATERAL (SELECT array_agg(value) AS keys FROM jsonb_array_elements_text(t.keys_json::jsonb)) k
WHERE i.consumer = $1 AND i.event_id > $2 AND i.event_id <= $3 AND i.event_type = t.event_type
    AND i.metadata ->> 'userId' = $4
"""
# The whole table: what is dead is rare. A type that cannot be read may be any.
DEAD_LETTERS = """
UPDATE kernel.dead_letters SET body = '', headers = '{}',
    finished_at = CASE WHEN state = 'dead' THEN now() ELSE finished_at END,
    state = CASE WHEN state = 'dead' THEN 'discarded' ELSE state END
WHERE (event_type IS NULL OR event_type = ANY($2::text[])) AND position(convert_to($1, 'UTF8') IN body) > 0
"""


class KernelData:
    """The kernel's declaration. `payloads` are those of every domain, by event type."""

    def __init__(
        self, db: "Db", payloads: Mapping[str, tuple[str, ...]], subscriptions: Iterable["Subscription"]
    ) -> None:
        self._db = db
        self._types = list(payloads)
        self._keys = [orjson.dumps(keys).decode() for keys in payloads.values()]
        self._consumers = sorted({each.consumer for each in subscriptions if each.event.event_type in payloads})

    def declared(self) -> PersonalData:
        """As the hook of a domain would return it."""
        return PersonalData(holdings=HOLDINGS, export=self.export, erase=self.erase, elsewhere=self.scrub)

    async def export(self, _: "Tx", __: UserId) -> dict[str, str]:
        """Nothing that its owners do not have: answers and events are copies."""
        return {}

    async def erase(self, tx: "Tx", subject: Subject) -> Step:
        """Stored answers and exports."""
        deleted = [await tx.execute(OPERATIONS, subject.user_id, BATCH)]
        deleted.append(await tx.execute(EXPORTS, subject.user_id, BATCH))
        return Step.MORE if max(deleted) == BATCH else Step.DONE

    async def scrub(self, user_id: UserId) -> None:
        """Empty what events say of the user, wherever they are. Doing it again changes nothing."""
        user, types, keys = str(user_id), self._types, self._keys
        await self._scrub_outbox(user)
        for consumer in self._consumers:
            await self._scrub_inbox(consumer, user)
        async with self._db.transaction() as tx:
            await tx.execute(OUTBOX_DEAD, user, types, keys)
            await tx.execute(DEAD_LETTERS, user, types)

    async def _scrub_outbox(self, user: str) -> None:
        after = 0
        while (last := await self._db.fetchval(OUTBOX_CHUNK, after, CHUNK)) is not None:
            async with self._db.transaction() as tx:
                await tx.execute(OUTBOX, after, last, user, self._types, self._keys)
            after = cast("int", last)

    async def _scrub_inbox(self, consumer: str, user: str) -> None:
        after = NO_ID
        while (last := await self._db.fetchval(INBOX_CHUNK, consumer, after, CHUNK)) is not None:
            async with self._db.transaction() as tx:
                await tx.execute(INBOX, consumer, after, last, user, self._types, self._keys)
            after = cast("UUID", last)
