"""What of an optional plugin ends when it is put aside, who goes with it, and what comes back."""

from core.isolation import states
from tests.core.gifts.cards.plugin import Card
from tests.core.gifts.misbehaving import Busy
from tests.core.gifts.plugin import GiftPlugin
from tests.core.gifts.shop import disable, enable, shop, soon
from tests.core.harness import NewSettings


async def test_its_loops_and_jobs_end_with_it_and_come_back_once(new_settings: NewSettings) -> None:
    gift = Busy()
    async with shop(new_settings, gift) as app:
        tasks, watch = app.app.wiring.tasks["gift"], app.app.wiring.watches.tasks
        for _ in range(2):
            await soon(lambda: (gift.loops, gift.at_work) == (1, 1))
            watch.look()
            assert watch.running["gift"] == 1
            await disable(app)
            await soon(lambda: (gift.loops, gift.at_work, tasks.names) == (0, 0, []))
            await enable(app)
        await soon(lambda: gift.loops == 1)
        assert tasks.names == ["gift.loop"]
        assert app.app.jobs.failures["gift.wrap"] == 2


async def test_who_requires_it_goes_with_it_and_comes_back_after_it(new_settings: NewSettings) -> None:
    gift = GiftPlugin()
    card = Card(gift)
    async with shop(new_settings, gift, card) as app:
        guards = app.app.kernel.guards
        assert (await app.get("/cards")).status == 200
        guards.quarantine("gift", "it hangs")
        for path, name in (("/gifts", "gift"), ("/cards", "card")):
            answer = await app.get(path)
            assert (answer.status, answer.json["error"]["details"]) == (503, {"plugin": name})
        assert guards.aside["card"].reason == "requires gift, which is quarantined: it hangs"
        await soon(lambda: gift.closed and card.closed and guards.aside["gift"].since)
        assert list(await states.listed(app.db)) == ["gift"]
        await enable(app)
        assert (await app.get("/cards")).status == 200
        await soon(lambda: len(card.opened) == 2)
        assert card.opened == [1, 2]
