"""Nobody can forget to say what becomes of a person's data: the schema itself is asked (RELIABILITY 4.15)."""

import re

import pytest

from core.privacy.model import Fate, Step, Subject
from core.testing import TestApp
from core.testing.tables import speaks_of_people
from core.types import UserId, uuid7
from tests.docs.tables import event_types

COLUMNS = """
SELECT table_schema || '.' || table_name AS name, column_name AS column, data_type AS type
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""
ABOUT_THINGS = {
    "products.products": "nutrition and weights",
    "products.banners": "a link",
    "products.inventory_log": "stock by order id",
    "kernel.migrations": "files and whose they are",
    "kernel.replicas": "versions and settings of processes",
}
"""Tables whose columns sound like a person's and are not."""


async def tables(app: TestApp) -> dict[str, set[str]]:
    """Columns that lead to a person, by table."""
    found: dict[str, set[str]] = {}
    for row in await app.db.fetch(COLUMNS):
        found.setdefault(row["name"], set())
        if speaks_of_people(row["column"], row["type"]):
            found[row["name"]].add(row["column"])
    return found


async def test_every_table_that_leads_to_a_person_is_declared_by_its_own_domain(app: TestApp) -> None:
    schemas = {manifest.name: manifest.schema for manifest in app.app.plugins.manifests} | {"kernel": "kernel"}
    declared = {}
    for name, data in app.app.privacy.owners:
        for holding in data.holdings:
            assert holding.table.partition(".")[0] == schemas[name], f"{name} speaks for {holding.table}"
            assert holding.table not in declared, f"{holding.table} is declared twice"
            declared[holding.table] = holding
    there = await tables(app)
    assert set(declared) - set(there) == set(), "declared, but not there"
    forgotten = {table: columns for table, columns in there.items() if columns and table not in declared}
    assert {table: columns for table, columns in forgotten.items() if table not in ABOUT_THINGS} == {}


async def test_what_stays_says_why(app: TestApp) -> None:
    for _, data in app.app.privacy.owners:
        assert [one.table for one in data.holdings if one.fate is not Fate.DELETED and not one.why] == []


async def test_a_domain_without_personal_data_has_no_table_that_leads_to_a_person(app: TestApp) -> None:
    silent = {m.schema for m in app.app.plugins.manifests} - {
        one.table.partition(".")[0] for _, data in app.app.privacy.owners for one in data.holdings
    }
    there = await tables(app)
    assert {table for table, columns in there.items() if columns and table.partition(".")[0] in silent} == set()


async def test_every_payload_that_is_declared_belongs_to_an_event_that_is_there(app: TestApp) -> None:

    known = event_types()
    for _, data in app.app.privacy.owners:
        for event, keys in data.payloads.items():
            assert event in known
            fields = {re.sub(r"_(\w)", lambda m: m[1].upper(), name) for name in known[event].__annotations__}
            assert set(keys) <= fields, event


async def test_erasing_somebody_unknown_does_no_harm_and_ends(app: TestApp) -> None:

    nobody = UserId(uuid7())
    for name, data in app.app.privacy.owners:
        await data.elsewhere(nobody)
        for final in (False, True):
            async with app.db.transaction() as tx:
                assert await data.erase(tx, Subject(nobody, final)) is Step.DONE, name


@pytest.mark.parametrize("column", ["user_id", "owner", "actor_id", "phone_number", "email", "delivery_partner_id"])
def test_these_columns_would_be_noticed(column: str) -> None:
    assert speaks_of_people(column, "text")
