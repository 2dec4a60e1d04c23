"""What every plugin has to keep, as tests that its author gets by one class.

    class TestNotes(PluginContract):
        plugin = NotesPlugin

They use the fixtures `app` (which loads the plugin) and `new_database` of core.testing.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, LiteralString
from uuid import uuid4

import asyncpg

from core.errors import UNAUTHORIZED
from core.events.model import Event, EventMeta
from core.events.subscription import Subscription
from core.http.routing import Route
from core.kernel import Manifest
from core.plugin_commands.doctor import ERROR, examined
from core.plugins import manifest_of
from core.privacy.model import Fate, PersonalData, Step, Subject
from core.store import migrate
from core.store.schema import Migration
from core.testing import tables
from core.testing.client import TestApp
from core.testing.running import running, settings_for
from core.testing.samples import sample
from core.testing.servers import NewDatabase
from core.testing.stand_ins import Fakes
from core.types import UserId, uuid7

VALUE = re.compile(r"\{(\w+)(:uuid)?\}")
FORGET: LiteralString = "DELETE FROM kernel.migrations WHERE owner = $1 AND version = $2"
SERVER_ERROR = 500
NO_ROWS: Mapping[str, LiteralString] = MappingProxyType({})


class PluginContract:
    """Each test is about `plugin`."""

    plugin: ClassVar[type]
    events: ClassVar[Sequence[Event]] = ()
    """Events to deliver where a made-up one would not get far, such as one about a row that is there."""
    rows: ClassVar[Mapping[str, LiteralString]] = NO_ROWS
    """By table: an INSERT for one whose constraints no made-up row meets."""

    about_things: ClassVar[Sequence[str]] = ()
    """Tables, with their schema, whose columns sound like a person's and are not."""

    @property
    def manifest(self) -> Manifest:
        """The plugin's."""
        return manifest_of(self.plugin)

    def declared(self, app: TestApp, hook: str) -> list[Any]:
        """What the plugin declares by a hook that answers a sequence."""
        answers = [answer for manifest, answer in app.app.plugins.ask(hook) if manifest.name == self.manifest.name]
        return [item for answer in answers for item in answer]

    # -- events

    async def test_each_handler_that_gets_an_event_twice_has_one_effect(self, app: TestApp) -> None:
        """Called outside the inbox, which would hide a repeat: what is replayed from an archive has no inbox row."""
        unlike = []
        for one in self.declared(app, "subscriptions"):
            event = next((each for each in self.events if type(each) is one.event), None) or sample(one.event)
            meta = _meta(event)
            await self._deliver(app, one, event, meta)
            once = await self._contents(app)
            again = await self._deliver(app, one, event, meta)
            if again or await self._contents(app) != once:
                unlike.append(f"{one.consumer} on {event.event_type}")
        assert unlike == [], "a second delivery changed rows or emitted again"

    @staticmethod
    async def _deliver(app: TestApp, one: Subscription, event: Event, meta: EventMeta) -> Sequence[Event]:
        """What the handler emitted."""
        async with app.db.transaction() as tx:
            await one.handler(tx, event, meta)
            emitted = list(tx.events)
        await app.quiet()
        return emitted

    async def _contents(self, app: TestApp) -> Mapping[str, Sequence[str]]:
        async with _connected(app.db.pool.dsn) as connection:
            return await tables.contents(connection, self.manifest.schema)

    # -- routes

    async def test_each_route_without_a_token_is_answered_as_its_policy_says(self, app: TestApp) -> None:
        wrong = []
        for route in self.routes(app):
            answer = await app.request(route.method, _aimed(route), json={} if route.body else None)
            refused = answer.status == UNAUTHORIZED.status
            if refused is (route.policy.roles is None) or answer.status >= SERVER_ERROR:
                wrong.append(f"{route.method} {route.path}: {answer.status}")
        assert wrong == []

    async def test_a_token_that_is_none_opens_nothing(self, app: TestApp) -> None:
        forged = {"Authorization": "Bearer aaaa.bbbb.cccc"}
        closed = [route for route in self.routes(app) if route.policy.roles is not None]
        answers = [await app.request(route.method, _aimed(route), headers=forged) for route in closed]
        assert {answer.status for answer in answers} <= {UNAUTHORIZED.status}

    def routes(self, app: TestApp) -> list[Route]:
        """The plugin's routes, without files."""
        return [one for one in self.declared(app, "routes") if isinstance(one, Route)]

    # -- migrations

    async def test_each_migration_runs_on_rows_and_the_whole_twice(
        self, app: TestApp, new_database: NewDatabase
    ) -> None:
        mine = [one for one in app.app.migrations if one.owner == self.manifest.name]
        before = app.app.migrations[: app.app.migrations.index(mine[0])] if mine else app.app.migrations
        url = await new_database()
        await migrate.apply(url, before)
        for count, migration in enumerate(mine):
            if count:
                assert await self._fill(url) == [], f"no row of ours fits: give one in `rows`, before {migration}"
            await migrate.apply(url, [*before, *mine[: count + 1]])
            await self._once_more(url, migration)
        await migrate.apply(url, app.app.migrations)
        assert await migrate.apply(url, app.app.migrations) == []

    async def _fill(self, url: str) -> list[str]:
        """A row in each table."""
        async with _connected(url) as connection:
            for name in await tables.fill(connection, self.manifest.schema):
                if name in self.rows:
                    await connection.execute(self.rows[name])
            return await tables.fill(connection, self.manifest.schema)

    async def _once_more(self, url: str, migration: Migration) -> None:
        """What runs outside a transaction may be cut short, and then runs again from its beginning."""
        if migration.mode == "whole":
            return
        async with _connected(url) as connection:
            await connection.execute(FORGET, migration.owner, migration.version)
        assert await migrate.apply(url, [migration]) == [migration]

    # -- what the loader and the doctor say

    async def test_the_doctor_finds_nothing_to_mend(self, app: TestApp) -> None:
        """No private import, no port that nobody provides: what `vurksha plugins doctor` calls an error."""
        found = (await asyncio.to_thread(examined, app.app, {}, ())).findings  # it reads the plugin's files
        assert [one.text for one in found if one.plugin == self.manifest.name and one.level == ERROR] == []

    # -- presence

    async def test_the_others_start_without_it_on_a_database_that_had_it(
        self, app: TestApp, fakes: Fakes, new_database: NewDatabase, redis_url: str, tmp_path: Path
    ) -> None:
        url = await new_database()
        await migrate.apply(url, app.app.migrations)
        await self._fill(url)
        others = _without(app, self.manifest.name)
        async with running(settings_for(url, redis_url, tmp_path, others), others, fakes) as rest:
            assert (await rest.get("/health/ready")).status == 200
            answers = [await rest.request(route.method, _aimed(route)) for route in self.routes(app)]
            assert {answer.status for answer in answers} <= {404, 405}

    # -- personal data

    async def test_every_table_that_leads_to_a_person_is_declared(self, app: TestApp) -> None:
        data, schema = self._personal(app), self.manifest.schema
        holdings = data.holdings if data else ()
        async with _connected(app.db.pool.dsn) as connection:
            there = {f"{schema}.{one.name}": one for one in await tables.tables(connection, schema)}
        declared = {holding.table for holding in holdings}
        assert declared <= set(there), "declared, but not there"
        speaking = {name for name, table in there.items() if table.leads_to_a_person}
        assert speaking - declared <= set(self.about_things), "it leads to a person: say what becomes of it"
        assert [one.table for one in holdings if one.fate is not Fate.DELETED and not one.why] == []

    async def test_erasing_somebody_unknown_ends_and_does_no_harm(self, app: TestApp) -> None:
        data, nobody = self._personal(app), UserId(uuid7())
        if data is None:
            return
        once = await self._contents(app)
        await data.elsewhere(nobody)
        for final in (False, True):
            async with app.db.transaction() as tx:
                assert await data.erase(tx, Subject(nobody, final)) is Step.DONE
                await data.export(tx, nobody)
        assert await self._contents(app) == once

    def _personal(self, app: TestApp) -> PersonalData | None:
        declared = app.app.plugins.ask("personal_data")
        return next((data for manifest, data in declared if manifest.name == self.manifest.name), None)

    # -- demo data

    async def test_writing_the_demo_data_again_adds_nothing(self, app: TestApp) -> None:
        once = {name: len(rows) for name, rows in (await self._contents(app)).items()}
        for seed in self.declared(app, "seeds"):
            await seed()
        assert {name: len(rows) for name, rows in (await self._contents(app)).items()} == once


def _meta(event: Event) -> EventMeta:
    return EventMeta(
        event_id=uuid7(),
        aggregate_id=str(getattr(event, event.aggregate_key)),
        occurred_at=datetime.now(UTC),
        correlation_id="contract",
        user_id=getattr(event, "user_id", None),
    )


def _aimed(route: Route) -> str:
    """Its path with values for what it leaves open."""
    return VALUE.sub(lambda found: str(uuid4()) if found[2] else "nothing", route.path)


def _without(app: TestApp, name: str) -> list[type]:
    """The classes of the other real plugins that do not need this one, directly or by another."""
    gone, kept = {name}, []
    for plugin in app.app.plugins.all:  # dependencies first
        manifest = manifest_of(plugin)
        if manifest.name in gone or gone.intersection(manifest.requires):
            gone.add(manifest.name)
        elif isinstance(getattr(type(plugin), "manifest", None), Manifest):
            kept.append(type(plugin))
    return kept


@asynccontextmanager
async def _connected(dsn: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
