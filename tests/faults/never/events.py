"""Events: none without its cause, none lost, none out of order, none twice in effect."""

from tests.faults.never.rules import Evidence, query, rule

query(
    "order-without-event",
    "each state that an order reached was announced exactly once",
    """
    WITH due AS (
        SELECT o.id::text AS id, o.number, t.event_type
        FROM orders.orders o JOIN orders.events e ON e.order_id = o.id
        JOIN (VALUES ('order_created', 'order.created'), ('order_confirmed', 'order.confirmed'),
                     ('order_cancelled', 'order.cancelled')) AS t(entry, event_type) ON t.entry = e.event_type
    ), announced AS (
        SELECT aggregate_id AS id, event_type, count(*) AS times FROM (
            SELECT aggregate_id, event_type FROM kernel.outbox
            UNION ALL SELECT aggregate_id, event_type FROM kernel.outbox_dead) o
        GROUP BY aggregate_id, event_type
    )
    SELECT d.number || ' announced ' || d.event_type || ' ' || coalesce(a.times, 0) || ' times'
    FROM due d LEFT JOIN announced a USING (id, event_type) WHERE a.times IS DISTINCT FROM 1
    """,
)
query(
    "event-without-order",
    "no event speaks of an order that is not there, or not so",
    """
    SELECT x.event_type || ' of ' || x.aggregate_id
    FROM kernel.outbox x LEFT JOIN orders.orders o ON o.id::text = x.aggregate_id
    WHERE x.aggregate_type = 'order' AND (o.id IS NULL
        OR (x.event_type = 'order.cancelled' AND o.status NOT IN ('CANCELLED', 'REFUNDED'))
        OR (x.event_type = 'order.confirmed' AND o.confirmed_at IS NULL))
    """,
)
query(
    "unpublished",
    "the outbox is empty some time after the last commit",
    """
    SELECT event_type || ' of ' || aggregate_id || ' since ' || occurred_at || coalesce(': ' || last_error, '')
    FROM kernel.outbox WHERE published_at IS NULL
    """,
)
query(
    "dead",
    "no event died of an outage",
    """
    SELECT consumer || ' ' || event_type || ': ' || coalesce(last_error, '') FROM kernel.inbox WHERE state = 'dead'
    UNION ALL SELECT 'outbox ' || event_type || ': ' || coalesce(last_error, '') FROM kernel.outbox_dead
    UNION ALL SELECT consumer || ' ' || coalesce(event_type, '?') || ': ' || reason FROM kernel.dead_letters
    """,
)
query(
    "out-of-order",
    "the events of an order reach each consumer for the first time in their order",
    """
    WITH first AS (
        SELECT consumer, aggregate_id, event_type, seq, finished_at,
            max(finished_at) OVER (PARTITION BY consumer, aggregate_type, aggregate_id ORDER BY seq
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM kernel.inbox WHERE state = 'done' AND attempts = 0
    )
    SELECT consumer || ' had ' || event_type || ' of ' || aggregate_id || ' too early' FROM first
    WHERE finished_at < before
    """,
)
query(
    "told-twice",
    "an event is told to a customer once, and sent once per medium and device",
    """
    SELECT 'entry ' || entry_id || ' has ' || count(*) || ' deliveries by ' || medium FROM notifications.deliveries
    GROUP BY entry_id, medium, device_id HAVING count(*) > 1
    UNION ALL SELECT 'event ' || event_id || ' has ' || count(*) || ' entries' FROM notifications.entries
    GROUP BY event_id HAVING count(*) > 1
    """,
)
query(
    "not-told",
    "each event of an order that customers are told of has its entry",
    """
    SELECT x.event_type || ' of ' || x.aggregate_id
    FROM kernel.inbox x WHERE x.consumer = 'order.notifications' AND x.state = 'done'
        AND x.event_type IN ('order.created', 'order.confirmed', 'order.cancelled')
        AND NOT EXISTS (SELECT FROM notifications.entries e WHERE e.event_id = x.event_id)
    """,
)

# By outbox_published and the inbox's primary key.
LOST = """
SELECT s.consumer || ' never finished ' || x.event_type || ' of ' || x.aggregate_id
    || coalesce(' (' || i.state || ', ' || i.attempts || ' attempts: ' || coalesce(i.last_error, '') || ')',
                ' (never came)')
FROM kernel.outbox x JOIN unnest($1::text[], $2::text[]) AS s (consumer, event_type) USING (event_type)
LEFT JOIN kernel.inbox i ON i.consumer = s.consumer AND i.event_id = x.event_id
WHERE i.state IS DISTINCT FROM 'done'
"""


@rule("lost-event", "each event takes effect at each of its consumers")
async def lost_event(evidence: Evidence) -> list[str]:
    consumers, types = [pair[0] for pair in evidence.pairs], [pair[1] for pair in evidence.pairs]
    return [str(row[0]) for row in await evidence.db.fetch(LOST, consumers, types)]
