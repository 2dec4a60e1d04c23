"""Each hook, declared by a small plugin and run by a real app."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime

import attrs
import orjson
import pytest

from core import hookspecs
from core.auth import SESSIONS
from core.extensions import Extends, Extension, Extensions, Point
from core.hookspecs import hookimpl
from core.kernel import Manifest
from core.plugins import Plugins
from core.services import Port, Provided, Services
from core.store.embedded import Servers
from core.types import UserId, uuid7
from tests.conftest import NewDatabase
from tests.core.events.samples import ParcelArrived
from tests.core.harness import NewProbe, Probe
from tests.core.program import Program

SOON = 10.0
GREETINGS: Point[str] = Point("test.greetings")


@pytest.fixture(scope="module")
async def probe(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """One app for all of them."""
    async with new_probe(probe={"word": "salut"}) as started:
        yield started


@pytest.fixture(scope="module")
async def program(new_database: NewDatabase, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The same plugin in the real program."""
    folder = tmp_path_factory.mktemp("program")
    return Program(folder, DATABASE_URL=await new_database(), REDIS_URL=servers.redis_url)


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


async def test_hook_provides_is_called_first_with_the_kernel_and_fills_the_ports(probe: Probe) -> None:
    assert probe.plugin.asked[0] == "provides"
    assert probe.plugin.asked.count("provides") == 1
    assert probe.plugin.db is probe.app.db
    assert probe.plugin.settings.word == "salut"
    assert probe.services.get(SESSIONS) is probe.plugin.gate
    with pytest.raises(RuntimeError, match="sealed"):
        probe.services.add(Provided(Port("late"), object()))


class Greeter:
    """A plugin that contributes to an extension point."""

    manifest = Manifest(name="greeter", version="1", schema="greeter")

    @hookimpl
    def extends(self) -> list[Extends[str]]:
        return [Extends(GREETINGS, "namaste")]


def test_hook_extends_contributes_to_points_of_other_plugins(probe: Probe) -> None:
    kernel = attrs.evolve(probe.app.kernel, services=Services(), extensions=Extensions())
    Plugins([Greeter()]).provide(kernel)
    assert kernel.extensions.of(GREETINGS) == [Extension("greeter", "namaste")]


async def test_hook_routes_are_served_files_too(probe: Probe) -> None:
    assert (await probe.get("/probe/hello")).status == 200
    assert (await probe.get("/images/leaf.svg")).status == 200
    assert [route.path for route in probe.app.routes].count("/probe/hello") == 1


async def test_hook_migrations_are_applied_under_the_plugins_name(probe: Probe) -> None:
    applied = await probe.db.fetchval("SELECT name FROM kernel.migrations WHERE owner = 'probe'")
    assert applied == "0001_create_rows"
    assert await probe.db.fetchval("SELECT to_regclass('probes.rows') IS NOT NULL")


async def test_hook_subscriptions_hear_what_was_committed(probe: Probe) -> None:
    parcel = uuid7()
    async with probe.db.transaction() as tx:
        tx.emit(ParcelArrived(parcel_id=parcel))
    await probe.quiet()
    event, meta = probe.plugin.heard[-1]
    assert (event, meta.aggregate_id) == (ParcelArrived(parcel_id=parcel), str(parcel))
    state = await probe.db.fetchval("SELECT state FROM kernel.inbox WHERE consumer = 'probe.ears'")
    assert state == "done"


async def test_hook_jobs_run_again_and_again(probe: Probe) -> None:
    before = probe.plugin.ticks
    await soon(lambda: probe.plugin.ticks >= before + 3)


async def test_hook_lifespan_is_open_exactly_while_the_app_serves(new_probe: NewProbe) -> None:
    async with new_probe() as started:
        plugin = started.plugin
        assert plugin.is_open
    assert not plugin.is_open


async def test_hook_metrics_are_counted_once_they_are_committed(probe: Probe) -> None:
    def arrived() -> float:
        return dict(probe.app.figures.of("probe_arrivals_total"))[("large",)]

    before = arrived()
    with suppress(LookupError):
        async with probe.db.transaction() as tx:
            probe.plugin.arrivals.after(tx, "large")
            raise LookupError
    assert arrived() == before, "what was rolled back never was"
    await probe.announce(ParcelArrived(parcel_id=uuid7()))
    assert arrived() == before + 1


async def test_hook_health_checks_show_in_health(probe: Probe) -> None:
    async def shown() -> str:
        return str((await probe.get("/health")).json["dependencies"]["probe"]["status"])

    assert await shown() == "up"
    probe.plugin.is_ill = True
    await probe.app.health.probe()
    assert await shown() == "down"
    assert (await probe.get("/health/ready")).status == 200
    probe.plugin.is_ill = False
    await probe.app.health.probe()
    assert await shown() == "up"


def test_hook_commands_are_part_of_the_program(program: Program) -> None:
    assert program.call("say", env={"VURKSHA_PROBE__WORD": "salut"}).stdout == "salut\n"


def test_hook_seeds_are_written_by_the_program(program: Program) -> None:
    assert [program.call("seed").stdout for _ in range(2)] == ["1 rows written\n", "0 rows written\n"]


async def test_hook_personal_data_is_copied_and_erased_with_the_kernels_own(probe: Probe) -> None:
    user, privacy = UserId(uuid7()), probe.app.privacy
    await probe.db.command("INSERT INTO probes.rows (name) VALUES ($1) RETURNING name", str(user))
    assert orjson.loads(await privacy.export(user))["probe"] == {"rows": 1}
    async with probe.db.transaction() as tx:
        await privacy.erasures.enter(tx, [(user, datetime.now(UTC))])
        await privacy.erasures.reapply(tx)
    while await privacy.erase_one():
        pass
    assert orjson.loads(await privacy.export(user))["probe"] == {"rows": 0}
    assert probe.plugin.forgotten == [user]
    row = await probe.db.fetchrow("SELECT state, finished FROM kernel.erasures WHERE user_id = $1", user)
    assert row is not None
    assert tuple(row) == ("done", ["probe", "kernel"])


def test_there_is_no_hook_without_a_test() -> None:
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
    assert len(hooks) == 12
    assert [name for name in hooks if not any(test.startswith(f"test_hook_{name}_") for test in globals())] == []
