"""Orders, their numbers and totals, and the stock that they take."""

from uuid import UUID

from tests.faults.never.rules import Evidence, grouped, query, rule

query(
    "partial-order",
    "an order is whole: lines, sums, timeline, payment, stock",
    """
    SELECT o.number || ' lacks something or does not add up'
    FROM orders.orders o
    LEFT JOIN LATERAL (SELECT count(*) AS lines, sum(unit_price_paise * quantity) AS sum
                       FROM orders.items i WHERE i.order_id = o.id) i ON true
    WHERE i.lines = 0 OR i.sum IS DISTINCT FROM o.subtotal_paise
       OR NOT EXISTS (SELECT FROM orders.events e WHERE e.order_id = o.id AND e.event_type = 'order_created')
       OR (o.payment_method <> 'COD') <> EXISTS (SELECT FROM orders.payments p WHERE p.order_id = o.id)
    """,
)
query(
    "stock-per-order",
    "an order takes exactly its lines, and gives them back exactly once when it is cancelled",
    """
    WITH wanted AS (
        SELECT o.id, o.number, i.product_id, sum(i.quantity) AS taken,
            CASE WHEN o.status IN ('CANCELLED', 'REFUNDED') THEN sum(i.quantity) ELSE 0 END AS returned
        FROM orders.orders o JOIN orders.items i ON i.order_id = o.id GROUP BY o.id, i.product_id
    ), logged AS (
        SELECT reference AS id, product_id, -sum(change) FILTER (WHERE reason = 'ORDER_PLACED') AS taken,
            coalesce(sum(change) FILTER (WHERE reason = 'ORDER_CANCELLED'), 0) AS returned
        FROM products.inventory_log WHERE reason IN ('ORDER_PLACED', 'ORDER_CANCELLED') GROUP BY reference, product_id
    )
    SELECT coalesce(w.number, 'no order ' || l.id) || ' should have taken ' || coalesce(w.taken, 0)
        || ' and returned ' || coalesce(w.returned, 0) || ', but took ' || coalesce(l.taken, 0)
        || ' and returned ' || coalesce(l.returned, 0)
    FROM wanted w FULL JOIN logged l USING (id, product_id)
    WHERE (w.taken, w.returned) IS DISTINCT FROM (l.taken, l.returned)
    """,
)
query(
    "negative-stock",
    "stock is never below zero",
    "SELECT product_id || ' has ' || available FROM products.stock WHERE available < 0",
)
query(
    "oversold",
    "what was stocked is what is left and what was sold",
    """
    SELECT s.product_id || ' has ' || s.available || ', its log says ' || l.level
    FROM products.stock s
    JOIN LATERAL (SELECT f.level - f.change + t.change AS level
                  FROM (SELECT level, change FROM products.inventory_log f WHERE f.product_id = s.product_id
                        ORDER BY f.id LIMIT 1) f,
                       (SELECT sum(change) AS change FROM products.inventory_log t WHERE t.product_id = s.product_id) t
                 ) l ON true
    WHERE l.level <> s.available
    """,
)
query(
    "wrong-total",
    "a total is lines and fee less discount, at catalogue prices",
    """
    SELECT DISTINCT o.number || ' does not cost what the catalogue says'
    FROM orders.orders o JOIN orders.items i ON i.order_id = o.id
    LEFT JOIN products.products p ON p.id = i.product_id
    WHERE i.unit_price_paise IS DISTINCT FROM p.unit_price_paise
       OR o.total_paise <> o.subtotal_paise + o.delivery_fee_paise - o.discount_paise
       OR o.delivery_fee_paise <> CASE WHEN o.subtotal_paise >= 50000 THEN 0 ELSE 4000 END
    """,
)
query(
    "reused-number",
    "order numbers are unique and of the right shape",
    """
    SELECT number || ' is the number of ' || count(*) || ' orders' FROM orders.orders
    GROUP BY number HAVING count(*) > 1
    UNION ALL SELECT number || ' is no order number' FROM orders.orders WHERE number !~ '^VRK-[0-9]{4}-[0-9]{6,}$'
    """,
)
query(
    "two-orders",
    "one order for one user and key: each stored order is the answer of one operation",
    """
    SELECT o.number || ' is the answer of ' || count(k.key) || ' operations'
    FROM orders.orders o
    LEFT JOIN kernel.operations k ON k.user_id = o.user_id AND k.route = 'POST /orders'
        AND (k.body::jsonb #>> '{order,id}')::uuid = o.id
    GROUP BY o.id HAVING count(k.key) <> 1
    """,
)
query(
    "unfinished-operation",
    "an operation that was committed has its answer",
    "SELECT route || ' ' || key FROM kernel.operations WHERE status IS NULL OR body IS NULL",
)
query(
    "backwards",
    "neither an order nor its payment moves back",
    """
    WITH moves AS (
        SELECT order_id, new_status, previous_status,
            lag(new_status) OVER (PARTITION BY order_id ORDER BY id) AS was
        FROM orders.events
    )
    SELECT o.number || ' went from ' || coalesce(m.was, 'nothing') || ' to ' || m.new_status
    FROM moves m JOIN orders.orders o ON o.id = m.order_id
    WHERE (m.was IS NOT NULL AND m.previous_status IS NOT NULL AND m.previous_status <> m.was)
       OR (m.was, m.new_status) IN (('CANCELLED', 'PENDING'), ('CANCELLED', 'CONFIRMED'), ('CONFIRMED', 'PENDING'),
                                    ('DELIVERED', 'CONFIRMED'), ('CANCELLED', 'CANCELLED'))
    """,
)


@rule("told-one-order", "one user and key are told of one order, one number of one order")
async def told_one_order(evidence: Evidence) -> list[str]:
    by_key = grouped(evidence.of("order"), "user", "key")
    by_number = grouped(evidence.of("order"), "number")
    found = [
        f"key {key} of {user} is two orders" for (user, key), told in by_key.items() if len({t["id"] for t in told}) > 1
    ]
    return found + [
        f"{number} is two orders" for (number,), told in by_number.items() if len({t["id"] for t in told}) > 1
    ]


# By the primary keys.
STORED = """
SELECT o.id::text AS id, o.user_id::text AS user_id, o.number, o.total_paise, o.status,
    (SELECT jsonb_object_agg(i.product_id, i.quantity)::text FROM orders.items i WHERE i.order_id = o.id) AS items
FROM orders.orders o WHERE o.id = ANY($1::uuid[])
"""


@rule("lost-order", "an order that its customer was told of is there, is theirs, and costs what they were told")
async def lost_order(evidence: Evidence) -> list[str]:
    told = {record["id"]: record for record in evidence.of("order")}
    stored = {row["id"]: row for row in await evidence.db.fetch(STORED, [UUID(one) for one in told])}
    found = [f"{record['number']} is gone" for one, record in told.items() if one not in stored]
    for one, row in stored.items():
        record = told[one]
        if (row["user_id"], row["number"]) != (record["user"], record["number"]):
            found.append(f"{record['number']} is not as it was told")
        if row["total_paise"] != round(record["total"] * 100):
            found.append(f"{record['number']} was {record['total']} and is {row['total_paise']} paise")
    cancelled = {record["id"] for record in evidence.of("cancelled")}
    return found + [
        f"{row['number']} was cancelled and is {row['status']}"
        for one, row in stored.items()
        if one in cancelled and row["status"] not in ("CANCELLED", "REFUNDED")
    ]


@rule("own-writes", "what a customer wrote is what they read next")
async def own_writes(evidence: Evidence) -> list[str]:
    return evidence.wrong("own-writes")
