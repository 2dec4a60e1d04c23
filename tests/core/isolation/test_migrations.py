"""A migration of an optional plugin that fails."""

from pathlib import Path

import pytest

from core.isolation.guards import Guards
from core.isolation.migrations import put_aside, surviving
from core.settings import IsolationSettings
from core.store import migrate
from core.store.connection import Dialler
from core.store.migrate import MigrationError
from tests.conftest import NewDatabase
from tests.transports import MIGRATIONS

GUARDS = Guards(IsolationSettings(), ["rogue"])


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A rogue between two others."""
    files = {
        "one/0001_one.sql": "CREATE SCHEMA one;",
        "rogue/0001_good.sql": "CREATE SCHEMA rogue;",
        "rogue/0002_bad.sql": "CREATE TABLE rogue.things (id integer); SELECT 1 / 0;",
        "rogue/0003_after.sql": "CREATE SCHEMA never;",
        "two/0001_two.sql": "CREATE SCHEMA two;",
    }
    for name, sql in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"-- phase: pre\n{sql}\n")
    return {"kernel": MIGRATIONS, **{name: tmp_path / name for name in ("one", "rogue", "two")}}


async def test_the_others_are_migrated_and_it_is_quarantined(
    new_database: NewDatabase, folders: dict[str, Path]
) -> None:
    url = await new_database()
    files = migrate.read(folders)
    done = await migrate.apply(url, files, failed=surviving(GUARDS))
    assert [str(one) for one in done if one.owner != "kernel"] == ["one 0001_one", "rogue 0001_good", "two 0001_two"]
    connection = await Dialler(url, {}).dial(2)
    row = await connection.fetchrow("SELECT plugin, state, reason, by FROM kernel.plugin_states")
    assert row is not None
    assert tuple(row) == ("rogue", "quarantined", "rogue 0002_bad failed: division by zero", "kernel")
    assert await connection.fetchval("SELECT to_regclass('rogue.things')") is None
    assert await put_aside(connection, {"rogue", "one"}) == {"rogue"}
    assert await put_aside(connection, set()) == set()
    await connection.close()


async def test_a_required_plugins_failure_is_everybodys(new_database: NewDatabase, folders: dict[str, Path]) -> None:
    url = await new_database()
    with pytest.raises(MigrationError, match="rogue 0002_bad failed"):
        await migrate.apply(url, migrate.read(folders), failed=surviving(Guards(IsolationSettings())))


async def test_on_an_older_schema_nobody_is_put_aside(new_database: NewDatabase) -> None:
    connection = await Dialler(await new_database(), {}).dial(2)
    assert await put_aside(connection, {"rogue"}) == set()
    await connection.close()
