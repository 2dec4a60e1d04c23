"""The contract tests: content with a plugin that keeps to them, and each seen to catch one that does not."""

from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import UUID

import attrs
import pytest

from core.testing import Fakes, NewDatabase, NewKernel, PluginContract, TestApp, running, settings_for
from tests.core.events.samples import ParcelArrived
from tests.core.testing.domain.parcels import SCALES, FlatScales, ForgetfulPlugin, ParcelsPlugin

FAKES: Fakes = {SCALES: FlatScales()}


@pytest.fixture(scope="module")
def plugins() -> list[type]:
    return [ParcelsPlugin]


@pytest.fixture(scope="module")
def fakes() -> Fakes:
    return FAKES


@pytest.fixture(scope="module")
async def app(
    plugins: list[type],
    fakes: Fakes,
    new_database: NewDatabase,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[TestApp]:
    settings = settings_for(await new_database(), redis_url, tmp_path_factory.mktemp("parcels"), plugins)
    async with running(settings, plugins, fakes) as started:
        yield started


class TestParcels(PluginContract):
    plugin = ParcelsPlugin


class Forgetful(PluginContract):
    plugin = ForgetfulPlugin


class Careful(Forgetful):
    rows: ClassVar = {"forms": "INSERT INTO parcels.forms VALUES ('ABCDEFGHI')"}


@pytest.fixture
async def forgetful(kernel: NewKernel) -> TestApp:
    return await kernel([ForgetfulPlugin], FAKES)


async def test_a_handler_that_writes_again_is_named(forgetful: TestApp) -> None:
    with pytest.raises(AssertionError, match=r"parcels\.book on parcel\.arrived"):
        await Forgetful().test_each_handler_that_gets_an_event_twice_has_one_effect(forgetful)


async def test_a_table_that_leads_to_a_person_is_missed(forgetful: TestApp) -> None:
    with pytest.raises(AssertionError, match="say what becomes of it"):
        await Forgetful().test_every_table_that_leads_to_a_person_is_declared(forgetful)


async def test_a_table_that_takes_no_made_up_row_asks_for_one(forgetful: TestApp, new_database: NewDatabase) -> None:
    with pytest.raises(AssertionError, match="give one in `rows`, before parcels 0002_again"):
        await Forgetful().test_each_migration_runs_on_rows_and_the_whole_twice(forgetful, new_database)
    await Careful().test_each_migration_runs_on_rows_and_the_whole_twice(forgetful, new_database)


async def test_a_route_that_is_not_answered_as_declared_is_named(app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = TestParcels()
    there = contract.routes(app)
    odd = [attrs.evolve(one, policy=other.policy) for one, other in zip(there, there[::-1], strict=True)]
    monkeypatch.setattr(TestParcels, "routes", lambda *_: odd)
    with pytest.raises(AssertionError, match=r"GET /parcels/\{parcel_id:uuid\}/weight: 200"):
        await contract.test_each_route_without_a_token_is_answered_as_its_policy_says(app)


async def test_an_event_of_ones_own_is_preferred_to_a_made_up_one(app: TestApp) -> None:
    class Given(PluginContract):
        plugin = ParcelsPlugin
        events = (ParcelArrived(parcel_id=UUID(int=7)),)

    await Given().test_each_handler_that_gets_an_event_twice_has_one_effect(app)
    assert (
        await app.db.fetchval("SELECT count(*) FROM parcels.arrived WHERE parcel_id::text LIKE '%-000000000007'") == 1
    )
