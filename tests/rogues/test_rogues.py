"""One rogue at a time beside the real plugins: the customer notices nothing, and the rogue is named."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from core.isolation import states
from core.isolation.model import QUARANTINED
from core.plugin_commands.doctor import examined
from tests.conftest import NewDatabase
from tests.core.isolation.eventually import PATIENCE
from tests.journeys.test_app import signed_in
from tests.journeys.test_app import test_from_login_to_logout as journey
from tests.rogues.running import ROGUES, installed, serving, settings_with
from tests.transports import until

QUICK = {
    "VURKSHA_ISOLATION__START": "1.0",
    "VURKSHA_ISOLATION__MEMORY": "16",
    "VURKSHA_ISOLATION__MEMORY_SAMPLE": "3.0",
    "VURKSHA_ISOLATION__HELD": "2.0",
    "VURKSHA_ISOLATION__BLOCK": "0.25",
    "VURKSHA_ISOLATION__LONGEST_BLOCK": "2.0",
}
"""So that nobody waits for long."""
NAMED: Mapping[str, tuple[str, ...]] = {
    "bad_migration": ("bad_migration 0001_things failed: division by zero",),
    "blocks_loop": ("held the loop up for", "blocks_loop/plugin.py:", "in block"),
    "clashing_names": ("the path 'orders' belongs to order",),
    "hangs_at_start": ("its lifespan did not begin within 1 s",),
    "hogs_connections": ("held a connection for", "hogs_connections/plugin.py:"),
    "import_error": ("cannot be imported: ModuleNotFoundError: No module named 'no_such_library'",),
    "leaks_memory": ("by which the process grew while watched are its own",),
    "leaks_tasks": ("tasks at once, 200 are allowed", "leaks_tasks/plugin.py:"),
    "raises": ("5 failures in a row",),
    "raises_in_hooks": ("its hook `extends` failed: RuntimeError",),
}
"""What the quarantine says of each."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def env(new_database: NewDatabase, redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """An empty database and a folder."""
    return {"DATABASE_URL": await new_database(), "REDIS_URL": redis_url, "DATA_DIR": str(tmp_path / "data"), **QUICK}


@pytest.fixture(autouse=True)
def rogues(tmp_path: Path) -> Iterator[None]:
    """All of them are installed."""
    with installed(tmp_path / "site"):
        yield


def test_there_is_one_for_each_misbehaviour() -> None:
    assert {*NAMED, "private_import"} == set(ROGUES)


@pytest.mark.parametrize("rogue", sorted(NAMED))
async def test_the_journey_passes_and_the_rogue_is_named(rogue: str, env: Mapping[str, str]) -> None:
    async with serving(rogue, env) as app, aiohttp.ClientSession() as http:
        await journey(app, http)

        async def written() -> bool:
            return rogue in await states.listed(app.db)

        await until(written, PATIENCE)
        state = (await states.listed(app.db))[rogue]
        assert state.state == QUARANTINED
        assert [words for words in NAMED[rogue] if words not in state.reason] == [], state.reason
        await journey(app, http)
        assert not [name for name in app.app.kernel.guards.aside if name != rogue]


async def test_routes_of_a_rogue_answer_with_its_name(env: Mapping[str, str]) -> None:
    async with serving("raises", env) as app:
        while (answer := await app.get("/raises")).status == 500:
            assert answer.code == "SYS_001"
        assert (answer.status, answer.code) == (503, "SYS_002")
        assert answer.json["error"]["details"] == {"plugin": "raises"}


async def test_transactions_of_its_routes_are_of_its_part_too(env: Mapping[str, str]) -> None:
    patient = {"VURKSHA_ISOLATION__HELD": "60.0"}
    async with serving("hogs_connections", {**env, **patient}) as app, aiohttp.ClientSession() as http:
        phone = await signed_in(app, http)
        headers = {"Authorization": f"Bearer {phone.storage['access']}"}
        hogs = [asyncio.ensure_future(app.post("/hogs_connections", headers=headers)) for _ in range(14)]
        await journey(app, http)
        assert {one.status for one in await asyncio.gather(*hogs)} == {503}  # the background has the whole part


async def test_a_rogue_that_only_looks_bad_is_not_put_aside(env: Mapping[str, str]) -> None:
    async with serving("private_import", env) as app, aiohttp.ClientSession() as http:
        await journey(app, http)
        assert await states.listed(app.db) == {}


def test_who_imports_what_is_private_is_told_by_doctor(env: Mapping[str, str]) -> None:
    _, app = settings_with("private_import", env)
    found = [one.text.partition(" (")[0] for one in examined(app, {}, ()).findings if one.plugin == "private_import"]
    assert found == ["imports core.store.pool.Pool, which is private to the kernel"]
