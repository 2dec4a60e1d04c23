"""An optional plugin in a running app: counted, put aside, taken back; the rest goes on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.app import App
from core.isolation.connections import BoundedDb
from core.isolation.guards import Guards
from core.plugin_lifespan import Lifespan, told_when_late
from core.settings import IsolationSettings
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.samples import ParcelArrived
from tests.core.gifts.plugin import GiftPlugin
from tests.core.gifts.ports import CARDS, WRAPS
from tests.core.gifts.shop import SOON, START, disable, enable, shop, soon
from tests.core.harness import NewSettings, running
from tests.core.http.probe import ProbePlugin


async def test_a_plugin_that_behaves_is_served_with_a_kernel_of_its_own(new_settings: NewSettings) -> None:
    gift = GiftPlugin()
    async with shop(new_settings, gift) as app:
        assert (await app.get("/gifts")).data == {"text": "socks"}
        assert (await app.get("/gifts/kept")).data == {"text": "kept"}
        assert (await app.get("/gifts/none")).status == 404
        assert (await app.get("/gifts/files/ribbon.txt", headers={})).status == 404  # files lie beside /api/v1
        assert isinstance(gift.kernel.db, BoundedDb)
        assert gift.kernel.tasks is app.app.wiring.tasks["gift"]
        assert app.plugin.db is app.db
        assert app.services.get(CARDS) == "a card"
        await soon(lambda: gift.wrapped)
    assert (gift.opened, gift.closed) == (1, 1)


async def test_what_is_put_aside_answers_503_with_its_name_and_comes_back(new_settings: NewSettings) -> None:
    gift = GiftPlugin()
    async with shop(new_settings, gift) as app:
        await app.get("/gifts/kept")
        await disable(app)
        for path in ("/gifts", "/gifts/kept", "/admin/gifts"):
            answer = await app.get(path)
            assert (answer.status, answer.code) == (503, "SYS_002")
            assert answer.json["error"]["details"] == {"plugin": "gift"}
        assert (await app.get("/probe/hello")).status == 200
        assert app.app.kernel.extensions.of(WRAPS) == []
        await soon(lambda: gift.closed)
        await app.app.health.probe()
        assert not app.app.health.outcomes["gift.wrapping"].up
        before = gift.wrapped
        await asyncio.sleep(0.2)
        assert gift.wrapped <= before + 1
        async with app.db.transaction() as tx:
            tx.emit(ParcelArrived(parcel_id=uuid7()))
        await soon(lambda: app.plugin.heard)
        assert gift.heard == []
        await enable(app)
        await soon(lambda: gift.heard and gift.opened == 2)
        assert (await app.get("/gifts")).status == 200
        assert [one.item for one in app.app.kernel.extensions.of(WRAPS)] == ["paper"]


async def test_failures_of_routes_and_jobs_are_counted_and_put_the_plugin_aside(new_settings: NewSettings) -> None:
    gift = GiftPlugin()
    async with shop(new_settings, gift, failures=3) as app:
        gift.broken = True
        assert (await app.get("/gifts")).status == 500
        await soon(lambda: not app.app.kernel.guards.available("gift"))
        assert (await app.get("/gifts")).status == 503
        assert (await app.get("/probe/hello")).status == 200
        assert "LookupError" in app.app.kernel.guards.aside["gift"].reason


async def test_requests_that_overrun_their_deadline_are_counted(new_settings: NewSettings) -> None:
    async with shop(new_settings, GiftPlugin(), failures=100, share=0.01, fewest=1) as app:
        assert (await app.get("/gifts/slow")).status == 504
        assert "Overran" in app.app.kernel.guards.aside["gift"].reason


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("raises", "its lifespan failed: LookupError: no paper"),
        ("hangs", "its lifespan did not begin within 0.3 s"),
    ],
)
async def test_a_lifespan_that_goes_wrong_puts_its_plugin_aside_and_the_app_starts(
    new_settings: NewSettings, mood: str, why: str
) -> None:
    gift = GiftPlugin(mood)
    async with shop(new_settings, gift) as app:
        assert app.app.health.ready
        answer = await app.get("/gifts")
        assert (answer.status, answer.json["error"]["details"]) == (503, {"plugin": "gift"})
        assert app.app.kernel.guards.aside["gift"].reason.startswith(why)
        assert (await app.get("/probe/hello")).status == 200
        await soon(lambda: app.app.kernel.guards.aside["gift"].since)
        gift.mood = ""
        await enable(app)
        await soon(lambda: gift.opened)
        assert (await app.get("/gifts")).status == 200


async def test_a_lifespan_that_cannot_be_cancelled_holds_nobody_up(new_settings: NewSettings) -> None:
    gift = GiftPlugin("never ends")
    async with shop(new_settings, gift) as app:
        assert (await app.get("/probe/hello")).status == 200
        gift.mood = ""
        await soon(lambda: gift.closed)


@pytest.mark.parametrize("mood", ["fails to close", "hangs on"])
async def test_a_lifespan_that_does_not_end_well_is_named(
    new_settings: NewSettings, mood: str, caplog: pytest.LogCaptureFixture
) -> None:
    gift = GiftPlugin()
    with caplog.at_level(logging.ERROR):
        async with shop(new_settings, gift):
            gift.mood = mood
    assert "plugin gift: its lifespan " in caplog.text


async def test_a_plugin_that_is_disabled_is_not_even_started(new_settings: NewSettings) -> None:
    gift, probe = GiftPlugin(), ProbePlugin()
    app = App(await new_settings(isolation={"start": START, "poll": 0.1}), [probe, gift])
    async with running(app, probe) as first:
        await disable(first)
    second = GiftPlugin()
    async with running(App(app.settings, [probe, second]), probe) as again:
        assert (await again.get("/gifts")).status == 503
        assert second.opened == 0


async def test_background_work_that_keeps_failing_puts_the_plugin_aside(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.tasks.LONGEST_PAUSE", 0.001)

    async def fail() -> None:
        raise LookupError

    gift = GiftPlugin()
    async with shop(new_settings, gift) as app:
        gift.kernel.tasks.forever("gift.loop", fail)
        await soon(lambda: not app.app.kernel.guards.available("gift"))
        assert app.app.kernel.guards.aside["gift"].reason == "gift.loop keeps failing"
        assert not app.app.hopeless.is_set()
        app.app.wiring.tasks["probe"].forever("probe.loop", fail)
        await asyncio.wait_for(app.app.hopeless.wait(), SOON)


async def test_routes_of_who_was_left_out_name_it(new_settings: NewSettings) -> None:
    probe = ProbePlugin()
    app = App(await new_settings(), [probe], {"broken": "cannot be imported"})
    async with running(app, probe) as started:
        for path in ("/broken/x", "/admin/broken"):
            answer = await started.get(path)
            assert (answer.status, answer.json["error"]["details"]) == (503, {"plugin": "broken"})
        assert (await started.get("/nothing")).status == 404
        assert started.app.kernel.guards.aside["broken"].reason == "cannot be imported"


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


async def test_a_required_lifespan_is_named_when_it_is_late_or_fails(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def late() -> AsyncIterator[None]:
        await asyncio.sleep(0.1)
        raise LookupError("no shelves")
        yield

    with caplog.at_level(logging.ERROR), pytest.raises(LookupError):
        async with told_when_late("product", late(), 0.02):
            pass
    assert "plugin product is required, and its lifespan has not begun after 0.02 s: unready" in caplog.text
    assert "plugin product is required, and its lifespan failed: LookupError: no shelves" in caplog.text


async def test_a_start_that_is_given_up_leaves_no_lifespan_behind() -> None:
    gift = GiftPlugin("hangs")
    lifespan = Lifespan("gift", gift.serving(), nothing, Guards(IsolationSettings(), ["gift"]), 5.0, Tasks())
    starting = asyncio.ensure_future(lifespan.opened().__aenter__())
    await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.wait({starting})
    assert (starting.cancelled(), gift.opened) == (True, 0)
