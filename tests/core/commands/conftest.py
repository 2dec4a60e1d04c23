"""The program on a database of these tests' own, and rows to work on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from core.store.embedded import Servers
from core.types import utc_now, uuid7
from tests.conftest import NewDatabase
from tests.core.program import Program

Connection = Any
"""asyncpg's, which is generic in its stubs only."""
CONSUMER, TYPE = "probe.ears", "parcel.arrived"
AUDIT = "SELECT action, subject, details::text FROM kernel.audit WHERE number > $1 ORDER BY number"


class Desk:
    """The program and its database."""

    def __init__(self, program: Program, connection: Connection) -> None:
        self.program, self.connection = program, connection
        self._noted = 0

    def says(self, *args: str, code: int = 0) -> str:
        """What a command prints."""
        done = self.program.call(*args)
        assert done.returncode == code, done.stderr
        return done.stdout

    def complains(self, *args: str, code: int = 1) -> str:
        """The line with which it gives up."""
        done = self.program.call(*args)
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    async def one(self, sql: str, *args: object) -> Any:
        """One value."""
        return await self.connection.fetchval(sql, *args)

    async def put(self, table: str, **columns: object) -> Any:
        """One more row; answers its event id."""
        names = ", ".join(columns)
        places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
        return await self.one(
            f"INSERT INTO kernel.{table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({places}) RETURNING event_id",
            *columns.values(),
        )

    async def event(
        self, table: str, event_type: str = TYPE, hours: int = 0, payload: object = None, **more: object
    ) -> UUID:
        """A row of a table that holds events, announced so many hours ago."""
        event_id = uuid7()
        found: UUID = await self.put(
            table,
            seq=await self.one("SELECT nextval('kernel.outbox_seq_seq')"),
            event_id=event_id,
            event_type=event_type,
            version=1,
            aggregate_type="parcel",
            aggregate_id=str(uuid7()),
            payload=orjson.dumps(payload or {"parcelId": str(event_id)}).decode(),
            metadata='{"source": "vurksha"}',
            occurred_at=utc_now() - timedelta(hours=hours),
            **more,
        )
        return found

    async def waiting(self, **how: Any) -> UUID:
        """An event that no relay has taken."""
        return await self.event("outbox", **how)

    async def published(self, **how: Any) -> UUID:
        """An event that was handed on."""
        return await self.event("outbox", published_at=utc_now(), **how)

    async def dead(self, **how: Any) -> UUID:
        """An event that the broker refused."""
        return await self.event("outbox_dead", attempts=5, last_error="NoRoute", **how)

    async def delivery(self, consumer: str = CONSUMER, hours: int = 0, **how: Any) -> UUID:
        """A delivery that its handler gave up so many hours ago."""
        died = utc_now() - timedelta(hours=hours)
        return await self.event(
            "inbox",
            consumer=consumer,
            state="dead",
            attempts=6,
            last_error="ConnectionError",
            next_attempt_at=died,
            **how,
        )

    async def letter(self, body: bytes, event_id: UUID | None = None, size: int | None = None) -> int:
        """A message that never became a delivery; its number."""
        mark = uuid7().bytes
        await self.put(
            "dead_letters",
            consumer=CONSUMER,
            event_id=event_id,
            event_type=TYPE if event_id else None,
            reason="rejected",
            body=body,
            size=size or len(body),
            headers="{}",
            fingerprint=mark,
        )
        found: int = await self.one("SELECT id FROM kernel.dead_letters WHERE fingerprint = $1", mark)
        return found

    async def noted(self) -> list[tuple[str, str, Any]]:
        """What was audited since the last time this was asked."""
        rows = await self.connection.fetch(AUDIT, self._noted)
        self._noted = await self.one("SELECT coalesce(max(number), 0) FROM kernel.audit")
        return [(row["action"], row["subject"], orjson.loads(row["details"])) for row in rows]


@pytest.fixture(scope="session")
async def desk_of(
    new_database: NewDatabase, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Desk]]:
    url = await new_database()
    program = Program(tmp_path_factory.mktemp("desk"), DATABASE_URL=url, REDIS_URL=servers.redis_url)
    assert (await asyncio.to_thread(program.run, "migrate")).returncode == 0
    connection = await asyncpg.connect(url)
    yield lambda: Desk(program, connection)
    await connection.close()


@pytest.fixture
async def desk(desk_of: Callable[[], Desk]) -> Desk:
    """Nothing in the tables but what was audited before."""
    made = desk_of()
    await made.connection.execute(
        "TRUNCATE kernel.outbox, kernel.outbox_dead, kernel.inbox, kernel.dead_letters, kernel.signing_keys"
    )
    await made.noted()
    return made
