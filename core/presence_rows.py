"""The rows by which replicas know of each other: kernel.replicas."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson

from core.agreement import Code, Peer

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

LIVE = "6 seconds"
"""A row that was not written for so long is of a replica that died."""

# By the primary key; the others' rows are few. The first row is our own.
JOIN = """
WITH mine AS (
    INSERT INTO kernel.replicas (id, host, pid, code, ready, reasons, up) VALUES ($1, $2, $3, $4, false, $5, '{}')
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), reasons = excluded.reasons
    RETURNING id, host, pid, code, ready, started_at, 0 AS place
), gone AS (
    DELETE FROM kernel.replicas WHERE seen_at < clock_timestamp() - interval '1 hour'
), known AS (
    SELECT id, host, pid, code, ready, started_at, place FROM mine
    UNION ALL
    SELECT id, host, pid, code, ready, started_at, 1 FROM kernel.replicas
    WHERE id <> $1 AND seen_at > clock_timestamp() - $6::text::interval
)
SELECT jsonb_agg(jsonb_build_object('id', id, 'host', host, 'pid', pid, 'code', code, 'ready', ready,
    'started', extract(epoch FROM started_at)) ORDER BY place)::text AS peers
FROM known
"""
BEAT = """
INSERT INTO kernel.replicas (id, host, pid, code, ready, reasons, up) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE
SET seen_at = clock_timestamp(), ready = excluded.ready, reasons = excluded.reasons, up = excluded.up
"""
LOOK = """
SELECT extract(epoch FROM clock_timestamp())::float8 AS now, (SELECT count(*) FROM kernel.migrations) AS rows,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('id', id, 'ready', ready, 'up', up,
            'age', extract(epoch FROM clock_timestamp() - seen_at)))
        FROM kernel.replicas WHERE id <> $1 AND seen_at > clock_timestamp() - $2::text::interval), '[]')::text AS news
"""
LIVING = """
SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'host', host, 'pid', pid, 'code', code, 'ready', ready,
    'started', extract(epoch FROM started_at)) ORDER BY started_at), '[]')::text AS peers
FROM kernel.replicas WHERE seen_at > clock_timestamp() - $1::text::interval
"""
LEAVE = "DELETE FROM kernel.replicas WHERE id = $1"


def peer(row: Any) -> Peer:
    """A row as JSON."""
    return Peer(**{**row, "id": UUID(row["id"]), "code": Code.read(row["code"])})


async def living(connection: "Connection") -> list[Peer]:
    """The replicas that run now, as a command sees them; none on a schema without their table."""
    try:
        (row,) = await connection.fetch(LIVING, LIVE)
    except asyncpg.UndefinedTableError:
        return []
    return [peer(one) for one in orjson.loads(row["peers"])]
