"""A plugin's tables, as contract tests look at them: what is in them, who leads to a person, rows made up for them."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString

import asyncpg
import attrs

SAYS_WHO = re.compile(
    r"(^|_)(user|owner|actor|customer|account|subject|person|author|partner|session|order_id|device|phone|mobile|email|"
    r"full_name|user_name|address|street|line1|latitude|payload|body|document|metadata|details|headers|variables|note|"
    r"notes|comment|token|scope)(_|$)"
)
COLUMNS: LiteralString = """
SELECT c.table_name AS table, c.column_name AS name, c.data_type AS type, c.udt_name AS udt,
    c.is_nullable = 'NO' AND c.column_default IS NULL AND c.is_identity = 'NO' AND c.is_generated = 'NEVER' AS needed
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE' AND c.table_schema = $1 ORDER BY c.table_name, c.ordinal_position
"""
# What a CHECK compares with, and what a foreign key leads to.
CONSTRAINTS: LiteralString = """
SELECT r.relname AS table, pg_get_constraintdef(k.oid) AS definition, k.contype::text AS kind,
    (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey))
    AS columns, k.confrelid::regclass::text AS target,
    (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = ANY(k.confkey))
    AS keys
FROM pg_constraint k JOIN pg_class r ON r.oid = k.conrelid WHERE r.relnamespace = to_regnamespace($1)
"""
TRIES = 300
"""Combinations of made-up values that one table is offered."""
BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "uuid": ("gen_random_uuid()",),
    "text": ("md5(random()::text)", "'1'", "''"),
    "character varying": ("md5(random()::text)", "'1'"),
    "boolean": ("true", "false"),
    "timestamp with time zone": ("now()",),
    "date": ("current_date",),
    "bytea": ("decode(md5(random()::text), 'hex')", "sha256('x')"),
    "jsonb": ("'{}'", "'[]'"),
    "json": ("'{}'", "'[]'"),
    "ARRAY": ("'{}'",),
    "interval": ("interval '1 day'",),
}
LONG = 40
"""Characters from which a literal is more likely a pattern than a word."""
NUMBERS = ("1", "0", "100")


def speaks_of_people(column: str, kind: str) -> bool:
    """Whether a column leads to a person, by its name; JSON can hold anything."""
    return bool(SAYS_WHO.search(column)) or kind in ("json", "jsonb")


@attrs.frozen
class Table:
    """One table of a schema."""

    name: str
    columns: Sequence[Mapping[str, Any]]
    constraints: Sequence[Mapping[str, Any]]

    @property
    def leads_to_a_person(self) -> bool:
        """By any of its columns."""
        return any(speaks_of_people(one["name"], one["type"]) for one in self.columns)

    def rows(self, schema: str) -> Iterator[str]:
        """INSERT statements, one of which may fit: every column that needs a value with each that might do."""
        needed = [one for one in self.columns if one["needed"]]
        names = ", ".join(f'"{one["name"]}"' for one in needed)
        head = f'INSERT INTO {schema}."{self.name}" '
        if not needed:
            yield head + "DEFAULT VALUES"
            return
        for values in itertools.islice(itertools.product(*map(self._values, needed)), TRIES):
            yield f"{head}({names}) VALUES ({', '.join(values)})"

    def _values(self, column: Mapping[str, Any]) -> Sequence[str]:
        """What a foreign key leads to; else the literals of its checks, then what its type offers."""
        mine = [one for one in self.constraints if column["name"] in (one["columns"] or ())]
        for one in mine:
            if one["kind"] == "f":
                key = one["keys"][one["columns"].index(column["name"])]
                return [f'(SELECT "{key}" FROM {one["target"]} LIMIT 1)']
        checks = " ".join(one["definition"] for one in mine if one["kind"] == "c")
        words = [word for word in re.findall(r"'(?:[^']|'')*'", checks) if len(word) < LONG]
        return [*dict.fromkeys([*words[:6], *BY_TYPE.get(column["type"], NUMBERS)])]


async def tables(connection: "asyncpg.Connection[Any]", schema: str) -> list[Table]:
    """A schema's tables, by name."""
    columns, constraints = await connection.fetch(COLUMNS, schema), await connection.fetch(CONSTRAINTS, schema)
    names = dict.fromkeys(row["table"] for row in columns)
    return [
        Table(
            name, [row for row in columns if row["table"] == name], [row for row in constraints if row["table"] == name]
        )
        for name in names
    ]


async def fill(connection: "asyncpg.Connection[Any]", schema: str) -> list[str]:
    """A made-up row in each empty table; the names of those that took none."""
    tried, left = -1, await tables(connection, schema)
    while tried != len(left):  # a row may be what another one's foreign key waits for
        tried, left = len(left), [table for table in left if not await _has_a_row(connection, schema, table)]
    return [table.name for table in left]


async def _has_a_row(connection: "asyncpg.Connection[Any]", schema: str, table: Table) -> bool:
    there = await connection.fetchval(f'SELECT EXISTS (SELECT FROM {schema}."{table.name}")')
    return there or await _fits(connection, table.rows(schema))


async def _fits(connection: "asyncpg.Connection[Any]", statements: Iterator[str]) -> bool:
    for statement in statements:
        try:
            await connection.execute(statement)
        except asyncpg.PostgresError:
            continue
        return True
    return False


async def contents(connection: "asyncpg.Connection[Any]", schema: str) -> dict[str, list[str]]:
    """Every row of a schema, by table."""
    return {
        table.name: [
            row["text"]
            for row in await connection.fetch(f'SELECT t::text AS text FROM {schema}."{table.name}" t ORDER BY 1')
        ]
        for table in await tables(connection, schema)
    }
