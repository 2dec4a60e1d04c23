"""The memory server against a real PostgreSQL: the same scripts, the same waits and answers (ADR 19)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.store import migrate
from core.store.connection import Connection
from tests.conftest import NewDatabase
from tests.simulation import script_events, script_sessions
from tests.simulation.replicas import DSN
from tests.simulation.script import HANDS, LEFT, Hand, Step, plain, play
from tests.simulation.storage import Values
from tests.simulation.world import World, run

FOLDERS = {"kernel": Path("core/store/migrations"), "user": Path("plugins/user/migrations")}
SEEDS = 40
BATCH = 10
TABLES = {
    "outbox": ("kernel.outbox", "seq", ("seq", "event_id", "event_type", "attempts", "last_error", "published_at")),
    "outbox_dead": ("kernel.outbox_dead", "seq", ("seq", "event_id", "attempts", "last_error")),
    "inbox": ("kernel.inbox", "consumer, event_id", ("consumer", "event_id", "seq", "state", "attempts", "last_error")),
    "sessions": ("users.sessions", "id", ("id", "generation", "end_reason")),
    "refresh_tokens": ("users.refresh_tokens", "hash", ("hash", "session_id", "generation")),
    "revocations": ("users.revocations", "session_id", ("session_id",)),
}
TIMES = {
    "outbox": ("occurred_at", "next_attempt_at", "published_at"),
    "inbox": ("next_attempt_at",),
    "sessions": ("rotated_at", "expires_at", "ended_at"),
    "revocations": ("at",),
}

END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""Two that wait for each other would not notice that their clients are gone."""

Rows = Callable[[datetime], list[tuple[str, Any, Values]]]


@pytest.fixture(scope="module")
async def database(new_database: NewDatabase) -> str:
    """A real one with the tables in question."""
    url = await new_database()
    await migrate.apply(url, migrate.read(FOLDERS))
    return url


@pytest.fixture(scope="module")
async def real(database: str) -> AsyncIterator[asyncpg.Connection]:
    """For what no script does."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def dumped(tables: dict[str, list[Values]]) -> dict[str, list[str]]:
    """The columns that both servers must agree on. Of a moment, only whether there is one."""
    return {
        name: [plain([value if not isinstance(value, datetime) else "then" for value in row.values()]) for row in rows]
        for name, rows in tables.items()
    }


class MemoryStage:
    """Plays a script against the memory server."""

    def __init__(self, steps: Sequence[Step], rows: Rows) -> None:
        self._steps, self._rows = steps, rows
        self.heard: list[str] = []
        self.tables: dict[str, list[str]] = {}

    async def scenario(self, world: World) -> None:
        """One play."""
        self._server = server = world.server
        server.lock_timeout = server.idle_in_transaction = 1e9
        for table, key, values in self._rows(server.clock()):
            server.put(table, key, values)
        hands = [
            Hand(n, await world.connect(DSN, connection_class=Connection, timeout=1.0, server_settings={}))
            for n in range(HANDS)
        ]
        self.heard = await play(self._steps, hands, self._blocked, self._age)
        await asyncio.sleep(1)
        self.tables = dumped({name: self._sorted(name) for name in TABLES})

    def _sorted(self, name: str) -> list[Values]:
        _, order, columns = TABLES[name]
        found = sorted(self._server.tables[name].rows(), key=lambda row: tuple(row[key] for key in order.split(", ")))
        return [{column: row[column] for column in columns} for row in found]

    @staticmethod
    async def _blocked(connection: Connection) -> bool:
        return bool(connection._protocol.waits)

    async def _age(self, gone: timedelta) -> None:
        for name, columns in TIMES.items():
            for row in self._server.tables[name].rows():
                row.update({column: row[column] - gone for column in columns if row[column] is not None})


def in_memory(steps: Sequence[Step], rows: Rows) -> tuple[list[str], dict[str, list[str]]]:
    """Play it against the memory server."""
    stage = MemoryStage(steps, rows)
    result = run(stage.scenario, "script", 0)
    assert result.fault is None, result.fault
    return stage.heard, stage.tables


async def in_postgres(
    steps: Sequence[Step], rows: Rows, admin: asyncpg.Connection, url: str
) -> tuple[list[str], dict[str, list[str]]]:
    """Play it against the real one."""
    await admin.execute(
        "TRUNCATE kernel.outbox, kernel.outbox_dead, kernel.inbox, kernel.plugin_consumers, users.accounts,"
        " users.revocations"
        " RESTART IDENTITY CASCADE"
    )
    for table, _, values in rows(await admin.fetchval("SELECT now()")):
        more = {"address": "127.0.0.1", "user_agent": "t"} if table == "sessions" else {}
        columns = {**values, **more}
        marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        await admin.execute(f"INSERT INTO users.{table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())

    async def connect() -> Connection:
        settings = {"lock_timeout": "0", "deadlock_timeout": "1h"}
        made: Connection = await asyncpg.connect(
            url, connection_class=Connection, statement_cache_size=0, server_settings=settings
        )
        return made

    async def blocked(connection: Connection) -> bool:
        return bool(await admin.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", connection.get_server_pid()))

    async def age(gone: timedelta) -> None:
        for name, columns in TIMES.items():
            sets = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
            await admin.execute(f"UPDATE {TABLES[name][0]} SET {sets}", gone)

    heard = await play(steps, [Hand(n, await connect()) for n in range(HANDS)], blocked, age)
    await admin.execute(END)
    while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") > 1:
        await asyncio.sleep(0.01)
    tables = {
        name: [dict(row) for row in await admin.fetch(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")]
        for name, (table, order, columns) in TABLES.items()
    }
    return heard, dumped(tables)


def differs(answered: list[str], expected: list[str], seed: int) -> str:
    """Where two plays part, and what came before."""
    place = next((n for n, pair in enumerate(zip(answered, expected, strict=False)) if pair[0] != pair[1]), -1)
    return "\n".join(
        [f"script {seed}", *expected[: place + 2], f"but the memory server: {answered[place : place + 2]}"]
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
@pytest.mark.parametrize("kind", ["events", "sessions"])
async def test_the_memory_server_answers_as_postgresql_does(
    kind: str, first: int, real: asyncpg.Connection, database: str
) -> None:
    module = {"events": script_events, "sessions": script_sessions}[kind]
    rows: Rows = getattr(module, "rows", lambda _: [])
    waits = 0
    for seed in range(first, first + BATCH):
        steps = module.script(seed)  # type: ignore[attr-defined]  # both modules have it
        expected, stored = await in_postgres(steps, rows, real, database)
        answered, kept = in_memory(steps, rows)
        assert answered == expected, differs(answered, expected, seed)
        assert kept == stored or expected[-1] == LEFT, f"script {seed}"
        waits += sum(line.endswith("waits") for line in expected)
    assert waits, "nobody ever waited for a lock"
