import asyncio
import logging

import asyncpg
import pytest

from core.context import Cause, cause
from core.events.model import EventMeta
from core.events.outbox import OutboxRows
from core.events.relay import Relay, Straight
from core.events.subscription import Subscription
from core.store.db import Db, Tx
from core.types import uuid7
from tests.core.events.conftest import MakeReplica
from tests.core.events.handling import FAST, Handler, emit, moved, states, until_dead
from tests.core.events.samples import ParcelArrived, ParcelMoved


async def test_every_consumer_gets_each_event_once_with_its_meta(kernel_db: Db, replica: MakeReplica) -> None:
    one, two, parcel, user = Handler(), Handler(), uuid7(), uuid7()
    running = replica([moved(one, "a"), moved(two, "b")])
    token = cause.set(Cause("request-1", user))
    await emit(kernel_db, ParcelMoved(parcel_id=parcel, step_number=1), ParcelArrived(parcel_id=parcel))
    cause.reset(token)
    await running.bus.idle()
    assert one.seen == two.seen == [(parcel, 1)]
    meta = one.metas[0]
    assert (meta.aggregate_id, meta.correlation_id, meta.user_id) == (str(parcel), "request-1", user)
    assert meta.occurred_at.utcoffset() is not None
    assert await states(kernel_db) == [("done", 0, None)] * 2


async def test_two_replicas_handle_each_event_once_in_effect_and_in_order(kernel_db: Db, replica: MakeReplica) -> None:
    handler, parcels = Handler(), [uuid7() for _ in range(4)]
    running = [replica([moved(handler)]) for _ in range(2)]
    await emit(kernel_db, *(ParcelMoved(parcel_id=p, step_number=n) for n in range(8) for p in parcels))
    for each in running:
        await each.bus.idle(20)
    assert len(handler.seen) == 32
    for parcel in parcels:
        assert [step for p, step in handler.seen if p == parcel] == list(range(8))


async def test_a_failing_first_event_is_given_first_and_does_not_hold_up_the_rest(
    kernel_db: Db, replica: MakeReplica
) -> None:
    handler, parcel = Handler(failures=1), uuid7()
    running = replica([moved(handler)], delays=(0.3,))
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(3)))
    await running.bus.idle()  # also for the retry
    assert [step for _, step in handler.seen] == [0, 1, 2, 0]
    assert await states(kernel_db) == [("done", 1, None), ("done", 0, None), ("done", 0, None)]


async def test_what_a_failed_handler_wrote_is_rolled_back(kernel_db: Db, replica: MakeReplica) -> None:
    key, parcel = f"written-{uuid7()}", uuid7()

    async def handle(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await tx.execute(
            "INSERT INTO kernel.operations (user_id, route, key, fingerprint) VALUES ($1, 'r', $2, '')", parcel, key
        )
        tx.emit(ParcelArrived(parcel_id=event.parcel_id))
        if not failed:
            failed.append(1)
            raise ValueError("no")

    failed: list[int] = []
    running = replica([moved(handle)], delays=FAST)
    await emit(kernel_db, ParcelMoved(parcel_id=parcel, step_number=1))
    async with asyncio.timeout(5):
        while (await states(kernel_db))[:1] != [("done", 1, None)]:
            await asyncio.sleep(0.01)
    await running.bus.idle()
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.operations WHERE key = $1", key) == 1
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.outbox WHERE event_type = 'parcel.arrived'") == 1


async def test_after_the_last_attempt_the_row_is_dead_and_says_nothing_personal(
    kernel_db: Db, replica: MakeReplica, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(failures=10)
    replica([moved(handler)], delays=FAST)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    with caplog.at_level(logging.WARNING):
        await until_dead(kernel_db)
    assert len(handler.seen) == 3
    assert await states(kernel_db) == [("dead", 3, "ValueError")]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "parcel.watch gave up" in errors[0].getMessage()
    assert "9876543210" not in errors[0].getMessage()


@pytest.mark.parametrize("payload", ['{"parcelId": "x", "stepNumber": 1}', "{}", "[]", "7"])
async def test_an_event_that_cannot_be_read_is_dead_at_once(kernel_db: Db, replica: MakeReplica, payload: str) -> None:
    handler = Handler()
    async with kernel_db.transaction() as tx:
        await tx.fetchval(
            "SELECT kernel.emit($1, 'parcel.moved', 1, 'parcel', 'p', $2, '{\"correlationId\": \"c\"}')",
            uuid7(),
            payload,
        )
    replica([moved(handler)])
    await until_dead(kernel_db)
    assert handler.seen == []
    assert [(state, attempts) for state, attempts, _ in await states(kernel_db)] == [("dead", 1)]


async def test_a_handler_that_takes_too_long_is_cut_off(kernel_db: Db, replica: MakeReplica) -> None:
    async def hangs(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await tx.fetchval("SELECT pg_sleep(2)")

    replica([moved(hangs)], timeout=0.1, delays=())
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await until_dead(kernel_db)
    assert await states(kernel_db) == [("dead", 1, "TimeoutError")]


async def test_a_handler_that_swallows_a_database_error_has_not_succeeded(kernel_db: Db, replica: MakeReplica) -> None:
    async def swallows(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        with pytest.raises(asyncpg.PostgresError):
            await tx.execute("SELECT 1 / 0")

    replica([moved(swallows)], delays=())
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await until_dead(kernel_db)
    assert await states(kernel_db) == [("dead", 1, "InFailedSQLTransactionError")]


async def test_a_handler_may_emit_and_what_it_emits_names_its_cause(kernel_db: Db, replica: MakeReplica) -> None:
    arrived: list[EventMeta] = []
    first = Handler()

    async def handle(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await first(tx, event, meta)
        tx.emit(ParcelArrived(parcel_id=event.parcel_id))

    async def note(tx: Tx, event: ParcelArrived, meta: EventMeta) -> None:
        arrived.append(meta)
        assert cause.get().causation_id == meta.event_id

    running = replica([moved(handle), Subscription("parcel.notes", ParcelArrived, note)])
    token = cause.set(Cause("request-2"))
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    cause.reset(token)
    await running.bus.idle()
    assert [meta.correlation_id for meta in arrived] == ["request-2"]
    caused = await kernel_db.fetchval(
        "SELECT metadata ->> 'causationId' FROM kernel.outbox WHERE event_id = $1", arrived[0].event_id
    )
    assert caused == str(first.metas[0].event_id)
    assert cause.get() == Cause()


async def test_an_event_that_is_relayed_twice_is_handled_once(kernel_db: Db, replica: MakeReplica) -> None:
    handler = Handler()
    running = replica([moved(handler)])
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await running.bus.idle()
    async with kernel_db.transaction() as tx:
        await tx.execute("UPDATE kernel.outbox SET published_at = NULL")
    running.relay.poke()
    await running.bus.idle()
    assert len(handler.seen) == 1


async def test_rows_of_a_consumer_that_only_other_code_knows_are_left_to_it(
    kernel_db: Db, replica: MakeReplica
) -> None:
    handler = Handler()
    running = replica([moved(handler)])
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await running.bus.idle()
    async with kernel_db.transaction() as tx:
        await tx.execute("UPDATE kernel.inbox SET consumer = 'newer', state = 'waiting'")
    await asyncio.sleep(0.2)
    assert await states(kernel_db) == [("waiting", 0, None)]


async def test_a_type_that_nobody_listens_to_any_more_holds_nothing_up(kernel_db: Db, replica: MakeReplica) -> None:
    handler, parcel = Handler(), uuid7()
    before = [moved(handler), Subscription("parcel.watch", ParcelArrived, handler)]
    await emit(kernel_db, ParcelArrived(parcel_id=parcel), ParcelMoved(parcel_id=parcel, step_number=1))
    assert await Relay(Straight(OutboxRows(kernel_db), before)).step() == 1
    running = replica([moved(handler)])
    await running.bus.idle()
    assert handler.seen == [(parcel, 1)]
    assert await states(kernel_db) == [("waiting", 0, None), ("done", 0, None)]


async def test_a_handler_that_a_library_gives_up_within_is_tried_again(kernel_db: Db, replica: MakeReplica) -> None:
    given_up = asyncio.get_running_loop().create_future()
    given_up.cancel()
    calls = 0

    async def handle(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await given_up

    running = replica([moved(handle)], delays=(0.1,))
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await running.bus.idle()
    assert await states(kernel_db) == [("done", 1, None)]
