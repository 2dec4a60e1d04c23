"""What both transports promise, by the same cases (RELIABILITY 4.6, 4.7)."""

import asyncio

import pytest

from core.context import Cause, cause
from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.store.db import Tx
from core.types import uuid7
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.transports import Stage, until


async def test_every_consumer_gets_each_event_once_whole(stage: Stage) -> None:
    one, two, arrived = Handler(), Handler(), list[EventMeta]()
    parcel, user = uuid7(), uuid7()

    async def note(tx: Tx, event: ParcelArrived, meta: EventMeta) -> None:
        arrived.append(meta)

    stage.replica([moved(one, "a"), moved(two, "b"), Subscription("b", ParcelArrived, note)])
    token = cause.set(Cause("request-1", user))
    await stage.emit(ParcelMoved(parcel_id=parcel, step_number=1), ParcelArrived(parcel_id=parcel))
    cause.reset(token)
    assert await stage.settled(3) == [("done", 0, None)] * 3
    assert one.seen == two.seen == [(parcel, 1)]
    row = await stage.db.fetchrow("SELECT event_id, occurred_at FROM kernel.outbox ORDER BY seq LIMIT 1")
    assert row is not None
    assert (
        one.metas
        == two.metas
        == [
            EventMeta(
                event_id=row["event_id"],
                aggregate_id=str(parcel),
                occurred_at=row["occurred_at"],
                correlation_id="request-1",
                user_id=user,
            )
        ]
    )
    assert arrived[0].correlation_id == "request-1"


async def test_the_inbox_holds_what_the_outbox_held(stage: Stage) -> None:
    stage.replica([moved(Handler())])
    await stage.emit(*(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(3)))
    await stage.settled(3)
    differing = """SELECT count(*) FROM kernel.inbox i FULL JOIN kernel.outbox o USING (event_id)
        WHERE (i.seq, i.event_type, i.version, i.aggregate_type, i.aggregate_id, i.payload, i.metadata, i.occurred_at)
            IS DISTINCT FROM
            (o.seq, o.event_type, o.version, o.aggregate_type, o.aggregate_id, o.payload, o.metadata, o.occurred_at)"""
    assert await stage.db.fetchval(differing) == 0


async def test_a_repeated_event_has_one_effect(stage: Stage) -> None:
    """As after a crash between handing on and the mark."""
    handler = Handler()
    replica = stage.replica([moved(handler)])
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=1))
    await stage.settled(1)
    for _ in range(2):
        async with stage.db.transaction() as tx:
            await tx.execute("UPDATE kernel.outbox SET published_at = NULL, next_attempt_at = now()")
        replica.delivery.relay.poke()
        await stage.settled(1)
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=2))
    await stage.settled(2)  # what was repeated is through now
    assert [step for _, step in handler.seen] == [1, 2]


async def test_events_of_an_aggregate_are_first_delivered_in_order(stage: Stage) -> None:
    handler, parcels = Handler(), [uuid7() for _ in range(4)]
    for _ in range(2):
        stage.replica([moved(handler)])
    for step in range(8):
        await stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=step) for parcel in parcels))
    await stage.settled(32)
    assert len(handler.seen) == 32
    for parcel in parcels:
        assert [step for one, step in handler.seen if one == parcel] == list(range(8))


async def test_a_failed_delivery_waits_and_comes_again(stage: Stage) -> None:
    handler, parcel = Handler(failures=1), uuid7()
    stage.replica([moved(handler)], delays=(0.5,))
    await stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    assert await stage.settled(2) == [("done", 1, None), ("done", 0, None)]
    assert [step for _, step in handler.seen] == [0, 1, 0]


async def test_the_waits_are_the_promised_ones(stage: Stage) -> None:
    stage.replica([moved(Handler(failures=9))], delays=(5.0, 30.0, 120.0, 600.0, 3600.0))
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=1))
    for number, delay in enumerate((5, 30, 120, 600, 3600), start=1):

        async def failed(number: int = number) -> bool:
            return [attempts for _, attempts, _ in await stage.states()] == [number]

        await until(failed)
        left = await stage.db.fetchval("SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM kernel.inbox")
        assert delay - 3 < left <= delay
        async with stage.db.transaction() as tx:
            await tx.execute("UPDATE kernel.inbox SET next_attempt_at = now()")
    assert await stage.settled(1) == [("dead", 6, "ValueError")]


async def test_after_the_last_attempt_it_is_dead_and_may_be_replayed(stage: Stage) -> None:
    handler = Handler(failures=3)
    stage.replica([moved(handler)])
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=1))
    assert await stage.settled(1) == [("dead", 3, "ValueError")]
    async with stage.db.transaction() as tx:
        await tx.execute("UPDATE kernel.inbox SET state = 'waiting', attempts = 0, next_attempt_at = now()")
    assert await stage.settled(1) == [("done", 0, None)]


@pytest.mark.parametrize("payload", ['{"parcelId": "x", "stepNumber": 1}', "{}"])
async def test_an_event_that_cannot_be_read_is_dead_at_once(stage: Stage, payload: str) -> None:
    handler = Handler()
    stage.replica([moved(handler)])
    async with stage.db.transaction() as tx:
        await tx.fetchval(
            "SELECT kernel.emit($1, 'parcel.moved', 1, 'parcel', 'p', $2, '{\"correlationId\": \"c\"}')",
            uuid7(),
            payload,
        )
    assert [(state, attempts) for state, attempts, _ in await stage.settled(1)] == [("dead", 1)]
    assert handler.seen == []


async def test_an_event_that_nobody_wants_is_no_trouble(stage: Stage) -> None:
    handler, parcel = Handler(), uuid7()
    stage.replica([moved(handler)])
    await stage.emit(ParcelArrived(parcel_id=parcel), ParcelMoved(parcel_id=parcel, step_number=1))
    assert await stage.settled(1) == [("done", 0, None)]
    assert await stage.db.fetchval("SELECT count(*) FROM kernel.outbox_dead") == 0


async def test_rows_of_a_consumer_or_type_that_only_other_code_knows_are_left_to_it(stage: Stage) -> None:
    handler = Handler()
    stage.replica([moved(handler)])
    await stage.emit(*(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(2)))
    await stage.settled(2)
    async with stage.db.transaction() as tx:
        await tx.execute("UPDATE kernel.inbox SET state = 'waiting'")
        await tx.execute(
            """UPDATE kernel.inbox SET consumer = CASE WHEN seq % 2 = 0 THEN 'newer' ELSE consumer END,
               event_type = CASE WHEN seq % 2 = 1 THEN 'parcel.newer' ELSE event_type END"""
        )
    await asyncio.sleep(0.3)
    assert await stage.states() == [("waiting", 0, None)] * 2
    newer = Handler()
    stage.replica([moved(newer, "newer")])
    await stage.settled(1)
    assert len(newer.seen) == 1


async def test_stopping_one_of_two_replicas_at_work_loses_nothing(stage: Stage) -> None:
    seen = list[int]()

    async def slow(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await asyncio.sleep(0.01)
        seen.append(event.step_number)

    first, _ = stage.replica([moved(slow)]), stage.replica([moved(slow)])
    for start in range(0, 60, 20):
        await stage.emit(*(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(start, start + 20)))
        await asyncio.sleep(0.1)
    await first.stop()
    stage.replicas.remove(first)
    assert await stage.settled(60) == [("done", 0, None)] * 60
    assert sorted(seen) == list(range(60))


async def test_a_replica_that_crashes_at_work_loses_nothing(stage: Stage) -> None:
    handler = Handler()
    first, parcels = stage.replica([moved(handler)]), [uuid7() for _ in range(40)]
    await stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=0) for parcel in parcels))
    await asyncio.sleep(0.05)
    await first.crash()
    stage.replicas.remove(first)
    async with stage.db.transaction() as tx:  # so that nobody has to wait for the 15 s of its lease
        await tx.execute("UPDATE kernel.outbox SET next_attempt_at = now() WHERE published_at IS NULL")
    stage.replica([moved(handler)])
    assert await stage.settled(40) == [("done", 0, None)] * 40
    assert {parcel for parcel, _ in handler.seen} == set(parcels)


async def test_a_draining_replica_claims_nothing_more(stage: Stage) -> None:
    handler = Handler()
    replica = stage.replica([moved(handler)])
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=0))
    await stage.settled(1)
    replica.delivery.drain()
    await stage.emit(ParcelMoved(parcel_id=uuid7(), step_number=1))
    await asyncio.sleep(0.3)
    assert await stage.db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL") == 1
    stage.replica([moved(handler)])
    await stage.settled(2)
    assert [step for _, step in handler.seen] == [0, 1]
