"""What an optional plugin in a running app may do wrong, and what it must not be blamed for."""

import asyncio
import sys
from pathlib import Path

import pytest

from core.app import App
from core.http.routing import Call
from core.types import uuid7
from tests.core.events.samples import ParcelArrived
from tests.core.gifts.misbehaving import Greedy, Ill, Leaver, Patient, Twice, Unsure
from tests.core.gifts.shop import shop, soon
from tests.core.harness import NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin
from tests.core.http.probe_raw import Said

EAGER = {"failures": 100, "share": 0.01, "fewest": 1}
"""One failure is too many."""


async def why(app: Probe) -> str:
    """The gifts are put aside."""
    guards = app.app.kernel.guards
    await soon(lambda: not guards.available("gift"))
    return guards.aside["gift"].reason


async def parcel(app: Probe) -> None:
    async with app.db.transaction() as tx:
        tx.emit(ParcelArrived(parcel_id=uuid7()))


@pytest.mark.parametrize("where", ["handler", "subscriber", "job", "lifespan", "memory"])
async def test_who_ends_the_process_is_put_aside_and_the_process_goes_on(new_settings: NewSettings, where: str) -> None:
    async with shop(new_settings, Leaver(where), **EAGER) as app:
        await parcel(app)
        for path in ("/gifts", "/gifts/kept", "/gifts/kept"):
            assert (await app.get(path)).status in {200, 500, 503}
        assert "Exited" in await why(app)
        assert (await app.get("/probe/hello")).status == 200


async def test_an_event_whose_handler_ends_the_process_is_a_failed_delivery(new_settings: NewSettings) -> None:
    async with shop(new_settings, Leaver("subscriber"), failures=100) as app:
        await parcel(app)
        await soon(lambda: app.app.bus.handled["gift.ears", "retried"])
        assert (await app.get("/gifts")).status == 200


@pytest.mark.parametrize("where", ["task", "loop", "check"])
async def test_what_ends_the_process_in_the_background_fails_alone(new_settings: NewSettings, where: str) -> None:
    async with shop(new_settings, Leaver(where)) as app:
        await app.app.health.probe()
        assert app.app.health.outcomes["gift.wrapping"].up is (where != "check")
        assert (await app.get("/gifts")).status == 200


async def test_a_required_plugin_does_not_end_the_process_either(new_settings: NewSettings) -> None:
    class Probing(ProbePlugin):
        async def boom(self, _: Call[None, None]) -> Said:
            sys.exit(1)

    plugin = Probing()
    async with running(App(await new_settings(), [plugin]), plugin) as app:
        assert (await app.get("/probe/boom")).status == 500
        assert (await app.get("/probe/hello")).status == 200


async def test_a_client_in_a_hurry_puts_nobody_aside(new_settings: NewSettings) -> None:
    async with shop(new_settings, Patient(), **EAGER) as app:
        for path in ("/gifts", "/gifts/none"):
            assert (await app.get(path, headers={"X-Request-Timeout-Ms": "1"})).status == 504
        assert app.app.kernel.guards.available("gift")
        assert (await app.get("/gifts", headers={"X-Request-Timeout-Ms": "60000"})).status == 200
        assert (await app.get("/gifts/none")).status == 504
        assert "TimeoutError" in await why(app)


@pytest.mark.parametrize("path", ["/gifts/keyed", "/gifts/live"])
async def test_transactions_of_its_routes_are_of_its_part_of_the_pool(new_settings: NewSettings, path: str) -> None:
    gift = Greedy()
    async with shop(new_settings, gift, connections=2) as app:
        asked = [asyncio.ensure_future(app.post(path, as_=app.person())) for _ in range(5)]
        await soon(lambda: sum(one.done() for one in asked) == 3)
        assert gift.inside == 2
        assert [one.result().status for one in asked if one.done()] == [503] * 3
        assert await app.db.fetchval("SELECT true")
        gift.done.set()
        assert sorted(one.status for one in await asyncio.gather(*asked)) == [200] * 2 + [503] * 3


async def test_an_answer_that_cannot_say_whether_it_stands_is_made_anew(new_settings: NewSettings) -> None:
    gift = Unsure()
    async with shop(new_settings, gift) as app:
        for _ in range(3):
            assert (await app.get("/gifts/kept")).data == {"text": "kept"}
        assert gift.made == 3
        assert app.app.kernel.guards.failures == {("gift", "`valid` of GET /api/v1/gifts/kept"): 2}


async def test_files_that_share_a_path_leave_their_plugin_out(new_settings: NewSettings, tmp_path: Path) -> None:
    async with shop(new_settings, Twice(tmp_path)) as app:
        told = "its routes failed: ValueError: GET /gifts/files/ribbon.txt is declared twice"
        assert app.app.plugins.left_out["gift"].startswith(told)
        answer = await app.get("/gifts")
        assert (answer.status, answer.json["error"]["details"]) == (503, {"plugin": "gift"})
        assert (await app.get("/probe/hello")).status == 200


async def test_health_checks_have_names_of_their_own_and_little_time(new_settings: NewSettings) -> None:
    async with shop(new_settings, Ill()) as app:
        async with asyncio.timeout(10):
            await app.app.health.probe()
        up = {name: one.up for name, one in app.app.health.outcomes.items()}
        assert up == {"postgres": True, "redis": True, "probe": True, "gift.probe": False, "gift.ill": False}
