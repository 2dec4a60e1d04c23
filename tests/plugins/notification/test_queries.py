"""The hot statements use the indexes that their comments name."""

import pytest

from core.types import UserId, uuid7
from plugins.notification.outgoing import CLAIM, OLDEST_DUE
from plugins.notification.queries import COUNT_UNREAD, LIST_ENTRIES, LIST_UNREAD, MARK_ALL_READ, READ_REACH
from tests.plugins.notification.conftest import Room

FILL = """
WITH e AS (
    INSERT INTO notifications.entries (id, user_id, event_id, type, title, body, action_data, created_at, read_at)
    SELECT gen_random_uuid(), CASE WHEN n % 500 = 0 THEN $1::uuid ELSE gen_random_uuid() END, gen_random_uuid(),
           'ORDER_UPDATE', 't', 'b', '{}', now() - n * interval '1 minute', CASE WHEN n % 3 = 0 THEN NULL ELSE now() END
    FROM generate_series(1, 20000) n
), d AS (
    INSERT INTO notifications.devices (id, token_hash, token, user_id, platform)
    SELECT gen_random_uuid(), sha256(n::text::bytea), n::text, gen_random_uuid(), 'ios' FROM generate_series(1, 5000) n
)
INSERT INTO notifications.deliveries
    (id, user_id, entry_id, medium, template, variables, state, expires_at, finished_at)
SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'push', 'ORDER_PLACED', '{}',
       CASE WHEN n % 100 = 0 THEN 'PENDING' ELSE 'SENT' END, now(), CASE WHEN n % 100 = 0 THEN NULL ELSE now() END
FROM generate_series(1, 20000) n
"""


@pytest.fixture(scope="module")
async def user(room: Room) -> UserId:
    """Somebody with 40 entries among 20 000 of others."""
    user = UserId(uuid7())
    async with room.db.connection() as connection:
        await connection.execute("SET statement_timeout = 0")  # no request fills a table
        await connection.execute(FILL, user)
        await connection.execute("ANALYZE notifications.entries, notifications.devices, notifications.deliveries")
        await connection.execute("RESET statement_timeout")
    return user


@pytest.mark.parametrize(
    ("sql", "more", "indexes"),
    [
        (LIST_ENTRIES, (20, 0), {"entries_list"}),
        (LIST_UNREAD, (20, 0), {"entries_unread"}),
        (COUNT_UNREAD, (), {"entries_unread"}),
        (MARK_ALL_READ, (), {"entries_unread"}),
        (READ_REACH, (10,), {"devices_of_user", "preferences_pkey"}),
    ],
)
async def test_what_a_customer_asks_reads_only_their_rows(
    room: Room, user: UserId, sql: str, more: tuple[int, ...], indexes: set[str]
) -> None:
    plan = await explain(room, sql, user, *more)
    assert all(index in plan for index in indexes), plan
    assert "Seq Scan" not in plan, plan


async def test_couriers_read_only_what_is_due(room: Room, user: UserId) -> None:
    plan = await explain(room, CLAIM, "push", 8, uuid7(), 20.0)
    assert "deliveries_due" in plan
    assert "Seq Scan" not in plan, plan
    assert "deliveries_due" in await explain(room, OLDEST_DUE, ["push", "sms"])


async def explain(room: Room, sql: str, *args: object) -> str:
    async with room.db.connection() as connection:
        return "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + sql, *args))
