"""Migrations keep to their own schema."""

import pytest

from core.plugin_sql import strays


def told(sql: str) -> list[str]:
    return list(strays(sql, "gifts", {"kernel", "users"}, {"public", "users", "orders"}))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SCHEMA gifts; CREATE TABLE gifts.cards (id uuid);",
        "CREATE TABLE IF NOT EXISTS gifts.cards (id uuid);",
        "CREATE INDEX cards_user ON gifts.cards (user_id);",
        "SELECT * FROM users.require_session($1);",
        "SELECT kernel.emit('gift.given', 'x');",
        "-- never touches orders.orders\nSELECT 1;",
        "/* orders.orders */ COMMENT ON TABLE gifts.cards IS 'not orders.orders, it''s ours';",
        "CREATE TEMP TABLE bits (id int);",
        "CREATE OR REPLACE FUNCTION gifts.give(p uuid) RETURNS void LANGUAGE sql AS $$ SELECT kernel.emit(p) $$;",
    ],
)
def test_ones_own_things_and_functions_of_those_one_requires_are_fine(sql: str) -> None:
    assert told(sql) == []


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("ALTER TABLE orders.orders ADD COLUMN gift text;", "names the schema orders"),
        ("SELECT orders.next_number(2026);", "names the schema orders"),
        ("INSERT INTO users.accounts (id) VALUES ($1);", "names the schema users"),
        ("CREATE INDEX x ON users.accounts (id);", "names the schema users"),
        ("SELECT * FROM Kernel.outbox;", "names the schema kernel"),
        ("CREATE OR REPLACE FUNCTION kernel.emit (p uuid) RETURNS void", "names the schema kernel"),
        ("CREATE TABLE cards (id uuid);", "touches cards, which is in no schema of its own"),
        ("DROP VIEW IF EXISTS totals;", "touches totals, which is in no schema of its own"),
        ("CREATE SCHEMA IF NOT EXISTS orders;", "touches the schema orders"),
        ("UPDATE public.things SET a = 1;", "names the schema public"),
    ],
)
def test_what_is_somebody_elses_is_told(sql: str, line: str) -> None:
    assert told(sql) == [line]
