import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from core.errors import Problem
from core.store.db import Db
from core.store.pool import Pool
from plugins.user.code_queries import Codes
from plugins.user.codes import CodeBook
from plugins.user.courier import Courier
from plugins.user.models import Device
from plugins.user.ports import CodeSender
from tests.plugins.user.conftest import PEPPER, House, NewHouse, Outbox, new_address, new_phone


@asynccontextmanager
async def running(courier: Courier, sender: CodeSender) -> AsyncIterator[None]:
    """A courier at work."""
    task = asyncio.create_task(courier.run(sender))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    async with asyncio.timeout(8):
        while not condition():
            await asyncio.sleep(0.01)


async def queued(house: House, phone: str) -> int:
    """Messages to a phone that nobody took yet."""
    return int(await house.db.fetchval("SELECT count(*) FROM users.code_messages WHERE phone = $1", phone))


def to(outbox: Outbox, phone: str) -> list[str]:
    """Codes that reached a phone."""
    return [code for number, code, _ in outbox.sent if number == phone]


async def test_a_code_reaches_the_phone_and_leaves_the_queue(house: House) -> None:
    outbox, phone = Outbox(), new_phone()
    async with running(house.courier, outbox):
        await house.signin.send(phone, Device(), new_address())
        await until(lambda: bool(to(outbox, phone)))
        async with asyncio.timeout(5):
            while await queued(house, phone):
                await asyncio.sleep(0.01)
    assert (await house.verify(phone, to(outbox, phone)[0])).is_new
    assert next(seconds for number, _, seconds in outbox.sent if number == phone) in range(290, 301)


async def test_two_couriers_send_each_code_once(house: House, new_house: NewHouse) -> None:
    outbox, phones, elsewhere = Outbox(), [new_phone() for _ in range(60)], new_house()
    for phone in phones:
        await house.signin.send(phone, Device(), new_address())
    async with running(house.courier, outbox), running(elsewhere.courier, outbox):
        await until(lambda: all(to(outbox, phone) for phone in phones))
        await asyncio.sleep(0.1)
    assert all(len(to(outbox, phone)) == 1 for phone in phones)


async def test_a_provider_that_fails_is_asked_again(house: House) -> None:
    outbox, phone = Outbox(), new_phone()
    await house.send(phone)
    async with running(house.courier, Outbox()):
        async with asyncio.timeout(5):  # what other tests left in the queue
            while await house.db.fetchval("SELECT count(*) FROM users.code_messages WHERE next_attempt_at <= now()"):
                await asyncio.sleep(0.01)
    phone = new_phone()
    await house.send(phone)
    outbox.failures = 1
    async with running(house.courier, outbox):
        await until(lambda: not outbox.failures)
        assert await queued(house, phone) == 1
        await until(lambda: bool(to(outbox, phone)))
    assert len(to(outbox, phone)) == 1


async def test_an_expired_code_is_never_sent_and_is_forgotten(house: House) -> None:
    outbox, phone = Outbox(), new_phone()
    await house.send(phone)
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE users.code_messages SET expires_at = now() WHERE phone = $1", phone)
    async with running(house.courier, outbox):
        await asyncio.sleep(0.2)
    assert not to(outbox, phone)
    await house.upkeep.watch()
    assert await queued(house, phone) == 0


async def test_a_code_that_nobody_can_use_any_more_is_not_sent_again(house: House) -> None:
    outbox, used, guessed, waits = Outbox(), new_phone(), new_phone(), new_phone()
    codes = [await house.send(phone) for phone in (used, guessed, waits)]
    await house.verify(used, codes[0])
    for _ in range(house.settings.code_attempts):
        with pytest.raises(Problem):
            await house.verify(guessed, "000000" if codes[1] != "000000" else "111111")
    async with running(house.courier, outbox), asyncio.timeout(8):
        for phone in (used, guessed, waits):
            while await queued(house, phone):
                await asyncio.sleep(0.01)
    assert [to(outbox, phone) for phone in (used, guessed, waits)] == [[], [], [codes[2]]]


async def test_a_code_sealed_with_another_pepper_is_dropped(house: House, caplog: pytest.LogCaptureFixture) -> None:
    outbox, phone = Outbox(), new_phone()
    code = await house.send(phone)
    async with running(Courier(house.codes, CodeBook("q" * 32), 3), outbox):
        async with asyncio.timeout(5):
            while await queued(house, phone):
                await asyncio.sleep(0.01)
    assert not to(outbox, phone)
    assert "another pepper" in caplog.text
    assert code not in caplog.text
    assert phone not in caplog.text


async def test_a_courier_waits_for_its_database(caplog: pytest.LogCaptureFixture) -> None:
    away = Db(Pool("postgresql://nobody@127.0.0.1:1/none", size=1, warm=0, connect=0.2, server={}), acquire=0.2)
    async with running(Courier(Codes(away), CodeBook(PEPPER), 3), Outbox()):
        await until(lambda: "could not be read" in caplog.text)


async def test_a_code_that_ends_while_it_is_handed_over_is_not_sent_late(house: House) -> None:
    class Slow:
        """Takes its time, and counts what came through."""

        def __init__(self) -> None:
            self.begun: list[str] = []
            self.sent: list[str] = []

        async def send(self, phone: str, code: str, expires_in: int) -> None:
            self.begun.append(phone)
            await asyncio.sleep(4)
            self.sent.append(phone)

    slow, late, ending = Slow(), new_phone(), new_phone()
    for phone, left in ((late, 0.9), (ending, 2.9)):
        await house.send(phone)
        async with house.db.transaction() as tx:
            await tx.execute(
                "UPDATE users.code_messages SET expires_at = clock_timestamp() + make_interval(secs => $2)"
                " WHERE phone = $1",
                phone,
                left,
            )
    async with running(house.courier, slow):
        await until(lambda: ending in slow.begun)
        await asyncio.sleep(4.2)
    assert late not in slow.begun
    assert ending not in slow.sent
