"""Each rule can fail: a violation is planted and found, and nothing else is."""

import time
from pathlib import Path
from typing import Any

import asyncpg
import attrs
import pytest

from tests.faults.conftest import CHALLENGE, ENTRY, EVENT, ORDER, PRODUCT, SESSION, USER
from tests.faults.never.book import RULES, judge, pairs
from tests.faults.never.rules import Evidence, query, read_records

OTHER = "00000000-0000-7000-8000-000000000099"
KNOWN = (("order.notifications", "order.created"), ("order.notifications", "order.confirmed"))


@attrs.frozen
class Planted:
    """SQL that breaks a promise, and the rules that must say so: the first is its own."""

    sql: str
    rules: tuple[str, ...]


def order(change: str) -> str:
    """A second order, which differs from the first as `change` says."""
    return (
        f"INSERT INTO orders.orders SELECT (jsonb_populate_record(o, '{change}')).* FROM orders.orders o"
        f" WHERE o.id = '{ORDER}';"
    )


PLANTED = {
    "an order without lines": Planted(
        f"DELETE FROM orders.items WHERE order_id = '{ORDER}'", ("partial-order", "stock-per-order")
    ),
    "an order whose sum is wrong": Planted(
        f"UPDATE orders.items SET quantity = 3 WHERE order_id = '{ORDER}'", ("partial-order", "stock-per-order")
    ),
    "an online order without a payment": Planted("UPDATE orders.orders SET payment_method = 'UPI'", ("partial-order",)),
    "stock that was not taken": Planted(
        "DELETE FROM products.inventory_log WHERE reason = 'ORDER_PLACED';"
        "UPDATE products.stock SET available = 10",
        ("stock-per-order",),
    ),
    "stock that came back twice": Planted(
        "UPDATE orders.orders SET status = 'CANCELLED';"
        "INSERT INTO orders.events (order_id, event_type, previous_status, new_status, actor_type)"
        f" VALUES ('{ORDER}', 'order_cancelled', 'CONFIRMED', 'CANCELLED', 'user');"
        "INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,"
        f" published_at) VALUES (gen_random_uuid(), 'order.cancelled', 1, 'order', '{ORDER}', '{{}}', '{{}}', now());"
        "INSERT INTO products.inventory_log (product_id, change, level, reason, reference)"
        f" SELECT '{PRODUCT}', 2, 10, 'ORDER_CANCELLED', '{ORDER}' FROM generate_series(1, 2);"
        "UPDATE products.stock SET available = 12",
        ("stock-per-order",),
    ),
    "negative stock": Planted(
        "ALTER TABLE products.stock DROP CONSTRAINT stock_available_check; UPDATE products.stock SET available = -1",
        ("negative-stock", "oversold"),
    ),
    "more sold than stocked": Planted("UPDATE products.stock SET available = 9", ("oversold",)),
    "a price that nobody set": Planted("UPDATE products.products SET price_paise = 29999", ("wrong-total",)),
    "a number used twice": Planted(
        "ALTER TABLE orders.orders DROP CONSTRAINT orders_number_key;" + order(f'{{"id": "{OTHER}"}}'),
        ("reused-number", "partial-order", "two-orders"),
    ),
    "a number of another shape": Planted("UPDATE orders.orders SET number = 'VRK-26-1'", ("reused-number",)),
    "a second order for one key": Planted(
        order(f'{{"id": "{OTHER}", "number": "VRK-2026-000002"}}'), ("two-orders", "partial-order")
    ),
    "an operation without an answer": Planted(
        "UPDATE kernel.operations SET status = NULL", ("unfinished-operation",)
    ),
    "an order that moved back": Planted(
        "INSERT INTO orders.events (order_id, event_type, previous_status, new_status, actor_type)"
        f" VALUES ('{ORDER}', 'note', 'CONFIRMED', 'PENDING', 'system')",
        ("backwards",),
    ),
    "an order without its event": Planted(
        f"DELETE FROM notifications.entries WHERE event_id = '{EVENT}'; DELETE FROM kernel.inbox"
        f" WHERE event_id = '{EVENT}'; DELETE FROM kernel.outbox WHERE event_id = '{EVENT}'",
        ("order-without-event",),
    ),
    "an event without its order": Planted(
        "INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,"
        f" published_at) VALUES (gen_random_uuid(), 'order.shipped', 1, 'order', '{OTHER}', '{{}}', '{{}}', now())",
        ("event-without-order",),
    ),
    "an event that never left": Planted("UPDATE kernel.outbox SET published_at = NULL", ("unpublished",)),
    "an event that died": Planted(
        f"UPDATE kernel.inbox SET state = 'dead' WHERE event_id = '{EVENT}'", ("dead", "lost-event")
    ),
    "an event that never came": Planted(
        f"DELETE FROM kernel.inbox WHERE event_id = '{EVENT}'", ("lost-event",)
    ),
    "events in the wrong order": Planted(
        f"UPDATE kernel.inbox SET finished_at = now() + interval '1 hour' WHERE event_id = '{EVENT}'", ("out-of-order",)
    ),
    "a customer who was told twice": Planted(
        "ALTER TABLE notifications.entries DROP CONSTRAINT entries_event_id_key;"
        f"UPDATE notifications.entries SET event_id = '{EVENT}';"
        "INSERT INTO notifications.entries (id, user_id, event_id, type, title, body, created_at)"
        f" SELECT '{ENTRY}', '{USER}', event_id, 'ORDER_UPDATE', 'Told', '', now() FROM kernel.outbox"
        " WHERE event_type = 'order.confirmed'",
        ("told-twice",),
    ),
    "a customer who was not told": Planted(
        f"DELETE FROM notifications.entries WHERE event_id = '{EVENT}'", ("not-told",)
    ),
    "a code that was used late": Planted(
        f"UPDATE users.challenges SET expires_at = claimed_at - interval '1 s' WHERE id = '{CHALLENGE}'", ("code-late",)
    ),
    "a code past its attempts": Planted("UPDATE users.challenges SET attempts = 4", ("code-late",)),
    "a session without a code": Planted(
        "UPDATE users.challenges SET claimed_at = NULL", ("session-without-code",)
    ),
    "a token of a generation to come": Planted("UPDATE users.refresh_tokens SET generation = 1", ("family",)),
    "a session that a repeat ended": Planted(
        f"UPDATE users.sessions SET ended_at = now(), end_reason = 'REUSE' WHERE id = '{SESSION}'", ("reuse-alarm",)
    ),
}  # fmt: skip


async def test_a_whole_shop_breaks_no_rule(shop: asyncpg.Connection) -> None:
    assert await judge(Evidence(db=shop, pairs=KNOWN)) == {}


@pytest.mark.parametrize("name", PLANTED)
async def test_a_planted_violation_is_found(shop: asyncpg.Connection, name: str) -> None:
    await shop.execute("SET CONSTRAINTS ALL DEFERRED")
    await shop.execute(PLANTED[name].sql)
    assert set(await judge(Evidence(db=shop, pairs=KNOWN))) == set(PLANTED[name].rules)


def told(**change: Any) -> dict[str, Any]:
    """A customer's belief about the one order."""
    return {
        "kind": "order", "user": USER, "key": "1", "id": ORDER, "number": "VRK-2026-000001", "total": 600.0,
        "items": {PRODUCT: 2},
    } | change  # fmt: skip


BELIEFS: dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]] = {
    "two orders for one key": ([told(), told(id=OTHER, number="VRK-2026-000002")], ("told-one-order", "lost-order")),
    "one number for two orders": ([told(), told(id=OTHER, key="2")], ("told-one-order", "lost-order")),
    "an order that is gone": ([told(id=OTHER)], ("lost-order",)),
    "an order that became another's": ([told(user=OTHER)], ("lost-order",)),
    "a total that changed": ([told(total=599.0)], ("lost-order",)),
    "a cancelled order that lives": ([told(), {"kind": "cancelled", "id": ORDER}], ("lost-order",)),
    "a lost write": ([{"kind": "wrong", "rule": "own-writes", "what": "gone"}], ("own-writes",)),
    "another's order": ([{"kind": "saw", "user": OTHER, "ids": [ORDER]}], ("others-data",)),
    "another's profile": ([{"kind": "wrong", "rule": "others", "what": "seen"}], ("others-data",)),
    "a code taken twice": ([{"kind": "wrong", "rule": "code-twice", "what": "again"}], ("code-twice",)),
    "a dead token taken": ([{"kind": "wrong", "rule": "token", "what": "alive"}], ("dead-token",)),
    "a dead token read with": ([{"kind": "wrong", "rule": "token-read", "what": "alive"}], ("dead-token",)),
    "a live session refused": ([{"kind": "wrong", "rule": "401", "what": "out"}], ("401",)),
    "an internal error": ([{"kind": "try", "what": "GET /cart", "out": "5xx", "status": 500}], ("5xx",)),
}


@pytest.mark.parametrize("name", BELIEFS)
async def test_a_belief_that_was_betrayed_is_found(shop: asyncpg.Connection, name: str) -> None:
    records, rules = BELIEFS[name]
    assert set(await judge(Evidence(db=shop, records=records, pairs=KNOWN))) == set(rules)


async def test_what_was_rightly_believed_breaks_no_rule(shop: asyncpg.Connection) -> None:
    records = [told(), told(), {"kind": "saw", "user": USER, "ids": [ORDER]}, {"kind": "try", "out": "FF"}]
    assert await judge(Evidence(db=shop, records=records, pairs=KNOWN)) == {}


@pytest.mark.parametrize(
    "line",
    [
        '"code": "483920"',
        "sent 483920 away",
        "+919876543210",
        "phone=9876543210",
        "Bearer aaaaaaaa.b",
        "12 Orchard Road",
    ],
    ids=["code in JSON", "code as a word", "phone with prefix", "phone", "token", "street"],
)
async def test_a_secret_in_a_log_is_found(shop: asyncpg.Connection, tmp_path: Path, line: str) -> None:
    log = tmp_path / "replica.log"
    log.write_text(f'{{"route":"GET /x","us":483920123}}\n{{"event": {line}}}\n')
    records = [{"kind": "secret", "user": USER, "values": ["483920", "9876543210", "aaaaaaaa.b"]}]
    assert set(await judge(Evidence(db=shop, records=records, logs=[log], pairs=KNOWN))) == {"secrets-in-logs"}


async def test_numbers_in_a_log_are_no_codes(shop: asyncpg.Connection, tmp_path: Path) -> None:
    log = tmp_path / "replica.log"
    log.write_text('{"us":483920,"request_id":"48392012-0000-4000-8000-987654321012"}\n')
    records = [{"kind": "secret", "user": USER, "values": ["483920", "9876543210"]}]
    assert await judge(Evidence(db=shop, records=records, logs=[log], pairs=KNOWN)) == {}


@pytest.mark.parametrize(("seconds", "rules"), [(10, set()), (400, {"text-late"})], ids=["in time", "late"])
async def test_a_text_of_a_dead_code_is_found(shop: asyncpg.Connection, seconds: float, rules: set[str]) -> None:
    texts = [{"to": "+919876543210", "at": time.time() + seconds}, {"to": "+919999999999", "at": 0.0}]
    assert set(await judge(Evidence(db=shop, texts=texts, pairs=KNOWN))) == rules


async def test_news_of_an_ended_session_may_be_late_while_postgres_is_out_of_sight(shop: asyncpg.Connection) -> None:
    records = [{"kind": "wrong", "rule": "token-read", "what": "alive"}]
    assert await judge(Evidence(db=shop, records=records, blind=True, pairs=KNOWN)) == {}


def test_every_rule_has_been_seen_to_fail() -> None:
    shown = {name for planted in PLANTED.values() for name in planted.rules[:1]}
    shown |= {rules[0] for _, rules in BELIEFS.values()} | {"secrets-in-logs", "text-late"}
    assert shown == set(RULES)


def test_two_rules_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="two rules"):
        query("own-writes", "", "SELECT 1")


def test_the_program_declares_its_consumers() -> None:
    assert ("order.confirmation", "order.created") in pairs()


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_bytes(b'{"kind":"try"}\n{"kind":"tr')
    assert read_records(file) == [{"kind": "try"}]
