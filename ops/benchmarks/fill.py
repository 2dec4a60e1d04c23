"""Data for a run, written straight into the tables: users, tokens, carts, products, codes, and what pgbench places.

Ids are made of small numbers, so that a load script can name the thousandth product without being told.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import asyncpg

from core.auth import TokenIssuer
from core.settings import AuthSettings, Secret
from core.types import uuid7
from plugins.user.codes import CodeBook
from plugins.user.models import PURPOSE_LOGIN

READERS, BUYERS = range(1, 251), range(251, 501)
"""Who reads a cart and who orders: an order drops the copy of its own user's cart."""
PRODUCTS = range(1, 501)
PAISE = 4900
STOCK = 100_000_000
LINES = 5
"""In each cart: an ordinary one."""
USER, SESSION, PRODUCT = (f"00000000-0000-7000-{group}-" for group in ("8001", "8002", "8003"))

ACCOUNT = "INSERT INTO users.accounts (id, phone) VALUES ($1, $2)"
OPEN = """
INSERT INTO users.sessions (id, user_id, salt, address, user_agent, expires_at)
VALUES ($1, $2, '\\x00', '127.0.0.1', 'bench', now() + interval '1 day')
"""
CATEGORY = "INSERT INTO products.categories (id, slug, name) VALUES ($1, 'bench', 'Bench')"
SELL = """
INSERT INTO products.products (id, slug, name, category_id, price_paise, image_url, description, farm_source)
VALUES ($1, $2, $3, $4, $5, '/images/bench.webp', $6, 'Green Hollow')
"""
DELIVER = "UPDATE products.stock SET available = $1"
PUT_IN = "SELECT version FROM carts.add_line($1, $2, $3, 99, 99)"
SENT = "UPDATE kernel.outbox SET published_at = now() WHERE published_at IS NULL"
HANDLED = "UPDATE kernel.inbox SET state = 'done', finished_at = now() WHERE state = 'waiting'"
ORDER = "SELECT payload::text FROM kernel.outbox WHERE event_type = 'order.created' AND payload ->> 'orderId' = $1"
# As good as a UUIDv7 to an index: it rises with time.
MILLIS = "lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')"
RISING = f"({MILLIS} || substr(md5(random()::text), 1, 20))::uuid"
METADATA = '{"correlationId": "00000000-0000-7000-8000-000000000000", "source": "order"}'
# Put on the outbox, it keeps new events from being due: what is measured is the work that announces them.
HOLD = """
CREATE SCHEMA bench;
CREATE FUNCTION bench.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.next_attempt_at := now() + interval '1 day';
    RETURN NEW;
END $$;
CREATE TRIGGER later BEFORE INSERT ON kernel.outbox FOR EACH ROW EXECUTE FUNCTION bench.later();
"""
STAGE = "CREATE TEMPORARY TABLE new (id uuid, phone text, purpose text, hmac bytea) ON COMMIT DROP"
CHALLENGE = """
INSERT INTO users.challenges (id, phone, purpose, code_hmac, expires_at)
SELECT id, phone, purpose, hmac, now() + interval '1 hour' FROM new
"""
WORDS = "Sweet and crisp, washed and picked this morning on a farm that waters by drip and sprays nothing."


def named(group: str, number: int) -> UUID:
    """The id of the n-th thing of a group."""
    return UUID(f"{group}{number:012x}")


async def people(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Users with a session each."""
    everyone = [*READERS, *BUYERS]
    await connection.executemany(ACCOUNT, [(named(USER, n), f"+9160{n:08d}") for n in everyone])
    await connection.executemany(OPEN, [(named(SESSION, n), named(USER, n)) for n in everyone])


async def goods(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Products of one price, enough of each, and a cart of a few for every user."""
    category = uuid7()
    await connection.execute(CATEGORY, category)
    rows = [(named(PRODUCT, n), f"bench-{n}", f"Bench {n}", category, PAISE, WORDS) for n in PRODUCTS]
    await connection.executemany(SELL, rows)
    await connection.execute(DELIVER, STOCK)
    pick = random.Random(1)  # noqa: S311  the same carts in every run
    for n in READERS:
        for product in pick.sample(PRODUCTS, LINES):
            await connection.fetchval(PUT_IN, named(USER, n), named(PRODUCT, product), pick.randint(1, 5))


def tokens(env: Mapping[str, str], users: range, file: Path) -> None:
    """An access token for each of these users, one a line."""
    plain = AuthSettings(secret=Secret(env["JWT_SECRET"]))
    issuer = TokenIssuer(
        plain.secret.reveal(),
        (),
        issuer=plain.issuer,
        audience=plain.audience,
        minutes=int(env["VURKSHA_AUTH__ACCESS_MINUTES"]),
    )
    file.write_text("".join(issuer.issue(named(USER, n), named(SESSION, n), "CUSTOMER") + "\n" for n in users))


async def hold(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Let events wait from now on."""
    await connection.execute(HOLD)


async def calm(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Forget the events of the last slice."""
    await connection.execute(SENT)
    await connection.execute(HANDLED)


class Codes:
    """One-time codes to be used up, each for a phone of its own."""

    def __init__(self, pepper: str) -> None:
        self._book, self._made = CodeBook(pepper), 0

    async def make(self, connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> str:
        """So many more, as live challenges, and as lines of "phone code"."""
        rows, lines = [], []
        for _ in range(count):
            self._made += 1
            phone, code = f"+917{self._made:09d}", f"{self._made * 7919 % 1_000_000:06d}"
            rows.append((uuid7(), phone, PURPOSE_LOGIN, self._book.fingerprint(phone, PURPOSE_LOGIN, code)))
            lines.append(f"{phone[3:]} {code}\n")
        async with connection.transaction():
            await connection.execute(STAGE)
            await connection.copy_records_to_table("new", records=rows)
            await connection.execute(CHALLENGE)
        return "".join(lines)


async def placement(connection: "asyncpg.Connection[asyncpg.Record]", placed: Mapping[str, object]) -> str:
    """A pgbench script that places such orders as the given one, which the API has answered: texts and all."""
    event = await connection.fetchval(ORDER, str(placed["id"]))
    number = str(placed["orderNumber"])
    texts = {
        "address": json.dumps(placed["deliveryAddress"]),
        "answer": json.dumps({"order": placed}).replace(number, "#N"),
        "event": str(event).replace(number, "#N"),
    }
    text = {name: _literal(value) for name, value in texts.items()}
    user, session = (_numbered(group, "u") for group in (USER, SESSION))
    products = ", ".join(_numbered(PRODUCT, letter) for letter in "abc")
    return f"""\\set u random({BUYERS[0]}, {BUYERS[-1]})
\\set a random(1, {len(PRODUCTS) - 7})
\\set b :a + 3
\\set c :a + 7
SELECT answer_status FROM orders.place(
    p_user => {user}, p_session => {session},
    p_route => 'POST /orders', p_key => gen_random_uuid()::text, p_fingerprint => '\\x{"5a" * 32}',
    p_order => {RISING}, p_payment => NULL, p_method => 'COD', p_payment_status => 'PENDING',
    p_address => {text["address"]}, p_slot => NULL, p_note => NULL, p_scheduled => NULL,
    p_horizon => '7 days', p_delivery => '2 hours', p_payment_window => '15 minutes',
    p_products => ARRAY[{products}],
    p_quantities => ARRAY[1, 2, 3], p_prices => array_fill({PAISE}::bigint, ARRAY[3]), p_positions => ARRAY[0, 1, 2],
    p_names => ARRAY['Bench 1', 'Bench 2', 'Bench 3'], p_images => array_fill('/images/bench.webp'::text, ARRAY[3]),
    p_units => ARRAY['kg', 'kg', 'kg'],
    p_subtotal => {6 * PAISE}, p_fee => 4000, p_discount => 0, p_total => {6 * PAISE + 4000},
    p_event_ids => ARRAY[{RISING}], p_event_types => ARRAY['order.created'], p_versions => ARRAY[1],
    p_aggregate_types => ARRAY['order'], p_aggregate_ids => ARRAY[gen_random_uuid()::text],
    p_event_payloads => ARRAY[{text["event"]}],
    p_metadata => {_literal(METADATA)}, p_mark => '#', p_answer => {text["answer"]})
"""  # noqa: S608  a script for pgbench, of our own words


def _numbered(group: str, variable: str) -> str:
    """The id of the thing whose number pgbench has drawn."""
    return f"('{group}' || lpad(to_hex(:{variable}::integer), 12, '0'))::uuid"


def _literal(text: str) -> str:
    """SQL that pgbench leaves alone: it would take `:30` inside a quoted text for a variable of its own."""
    safe = text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a").replace("\n", "\\n")
    return f"E'{safe}'"
