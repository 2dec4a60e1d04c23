"""Fixtures of the checker's own tests: a shop that is whole, to plant violations in."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from core.app import App
from core.plugins import find
from core.store import migrate
from core.testing import settings_for
from tests.conftest import NewDatabase


@pytest.fixture(scope="module")
async def shop_url(new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database."""
    url = await new_database()
    folder = tmp_path_factory.mktemp("shop")

    def migrations() -> list[migrate.Migration]:
        settings = settings_for(url, redis_url, folder)
        return App(settings, [cls() for cls in find(settings.plugins)]).migrations

    await migrate.apply(url, await asyncio.to_thread(migrations))
    return url


@pytest.fixture
async def shop(shop_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose changes are undone, with one whole order in it."""
    connection = await asyncpg.connect(shop_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(WHOLE)
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


USER, SESSION, ORDER, PRODUCT, EVENT, ENTRY = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(1, 7))
CHALLENGE = "00000000-0000-7000-8000-000000000007"
WHOLE = f"""
INSERT INTO products.categories (id, slug, name) VALUES ('{PRODUCT}', 'all', 'All');
INSERT INTO products.products (id, slug, name, category_id, price_paise) VALUES
    ('{PRODUCT}', 'tea', 'Tea', '{PRODUCT}', 30000);
UPDATE products.stock SET available = 8 WHERE product_id = '{PRODUCT}';
INSERT INTO products.inventory_log (product_id, change, level, reason, reference) VALUES
    ('{PRODUCT}', 10, 10, 'INITIAL_STOCK', NULL), ('{PRODUCT}', -2, 8, 'ORDER_PLACED', '{ORDER}');
INSERT INTO users.accounts (id, phone) VALUES ('{USER}', '+919876543210');
INSERT INTO users.challenges (id, phone, purpose, code_hmac, attempts, live, expires_at, claimed_at) VALUES
    ('{CHALLENGE}', '+919876543210', 'LOGIN', '', 1, false, now() + interval '5 min', now());
INSERT INTO users.sessions (id, user_id, salt, address, user_agent, expires_at) VALUES
    ('{SESSION}', '{USER}', '', '', '', now() + interval '1 day');
INSERT INTO users.refresh_tokens (hash, session_id, generation) VALUES ('\\x01', '{SESSION}', 0);
INSERT INTO orders.orders (id, user_id, number, status, payment_method, payment_status, subtotal_paise,
    delivery_fee_paise, discount_paise, total_paise, address, estimated_delivery, created_at, confirmed_at)
VALUES ('{ORDER}', '{USER}', 'VRK-2026-000001', 'CONFIRMED', 'COD', 'PENDING', 60000,
    0, 0, 60000, '{{}}', now(), now(), now());
INSERT INTO orders.items (order_id, position, product_id, name, image, unit, unit_price_paise, quantity) VALUES
    ('{ORDER}', 1, '{PRODUCT}', 'Tea', '', 'kg', 30000, 2);
INSERT INTO orders.events (order_id, event_type, previous_status, new_status, actor_type) VALUES
    ('{ORDER}', 'order_created', NULL, 'PENDING', 'user'),
    ('{ORDER}', 'order_confirmed', 'PENDING', 'CONFIRMED', 'system');
INSERT INTO kernel.operations (user_id, route, key, fingerprint, status, body) VALUES
    ('{USER}', 'POST /orders', '1', '', 201, '{{"order": {{"id": "{ORDER}"}}}}');
INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata, published_at)
VALUES ('{EVENT}', 'order.created', 1, 'order', '{ORDER}', '{{}}', '{{}}', now()),
    (gen_random_uuid(), 'order.confirmed', 1, 'order', '{ORDER}', '{{}}', '{{}}', now());
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, state, finished_at)
SELECT 'order.notifications', event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, 'done', now() + make_interval(secs => row_number() OVER (ORDER BY seq)) FROM kernel.outbox;
INSERT INTO notifications.entries (id, user_id, event_id, type, title, body, created_at)
SELECT gen_random_uuid(), '{USER}', event_id, 'ORDER_UPDATE', 'Told', '', now() FROM kernel.outbox;
"""
"""One customer, one product, one confirmed order of two pieces, told to everybody."""
