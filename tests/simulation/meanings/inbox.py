"""What the statements of `core.events.inbox` do."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.events import inbox
from tests.simulation.meanings.outbox import deliver, heard, unpublished
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.storage import Outcome, Record, Row, Statement, Txn, Values

CLAIMED = ("event_type", "aggregate_id", "payload", "metadata", "occurred_at", "attempts")


def _waiting(txn: Txn, record: Record) -> Values | None:
    seen = txn.see(record)
    return seen if seen is not None and seen["state"] == "waiting" else None


def _order(values: Values) -> tuple[str, str, str]:
    return values["consumer"], values["aggregate_type"], values["aggregate_id"]


def due(txn: Txn, tables: Tables, names: Sequence[str], limit: int, known: Sequence[str]) -> Outcome:
    waiting = [seen for record in tables["inbox"].live.values() if (seen := _waiting(txn, record))]
    hold = {*known, *map(" ".join, heard(txn, tables))}
    first: dict[tuple[str, str, str], int] = {}
    for row in waiting:
        if row["attempts"] == 0 and f"{row['consumer']} {row['event_type']}" in hold:
            first[_order(row)] = min(row["seq"], first.get(_order(row), row["seq"]))
    found = [
        row
        for row in waiting
        if row["next_attempt_at"] <= txn.began
        and f"{row['consumer']} {row['event_type']}" in names
        and (row["attempts"] > 0 or first.get(_order(row), row["seq"]) >= row["seq"])
    ]
    found.sort(key=lambda row: (row["next_attempt_at"], row["seq"]))
    return Outcome([Row({"consumer": row["consumer"], "event_id": row["event_id"]}) for row in found[:limit]])


def claim(txn: Txn, tables: Tables, consumer: str, event_id: UUID) -> Statement:
    record = txn.find(tables["inbox"], (consumer, event_id))
    yield from txn.hesitate()
    if record is None or not txn.try_lock(record):
        return Outcome()
    seen = _waiting(txn, record)
    if seen is None or seen["next_attempt_at"] > txn.began:
        return Outcome()
    return Outcome([Row({name: seen[name] for name in CLAIMED})])


def done(txn: Txn, tables: Tables, consumer: str, event_id: UUID) -> Statement:
    record = txn.find(tables["inbox"], (consumer, event_id))
    if record is None:
        return Outcome()
    yield from txn.lock(record)
    txn.write(record, state="done", finished_at=txn.clock_timestamp(), last_error=None)
    return Outcome(count=1)


def failed(
    txn: Txn, tables: Tables, consumer: str, event_id: UUID, attempts: int, error: str, pause: float | None
) -> Statement:
    record = txn.find(tables["inbox"], (consumer, event_id))
    if record is None or _waiting(txn, record) is None:
        return Outcome()
    yield from txn.lock(record)
    seen = _waiting(txn, record)
    if seen is None or seen["attempts"] != attempts:
        return Outcome()
    again = txn.began + timedelta(seconds=pause or 0)
    state = "dead" if pause is None else "waiting"
    txn.write(record, attempts=attempts + 1, last_error=error, state=state, next_attempt_at=again)
    return Outcome(count=1)


def receive(txn: Txn, tables: Tables, consumer: str, *columns: Sequence[Any]) -> Statement:
    event, place, *rest = columns
    written = 0
    names = ("event_type", "version", "aggregate_type", "aggregate_id", "payload", "metadata", "occurred_at")
    for event_id, seq, *values in zip(event, place, *rest, strict=True):
        own = seq if seq is not None else tables["outbox"].next()
        row = {"event_id": event_id, "seq": own, **dict(zip(names, values, strict=True))}
        written += yield from deliver(txn, tables, consumer, row)
    return Outcome(count=written)


def busy(txn: Txn, tables: Tables, names: Sequence[str]) -> Outcome:
    events = [seen for record in tables["outbox"].records.values() if (seen := txn.see(record))]
    waiting = [seen for record in tables["inbox"].live.values() if (seen := _waiting(txn, record))]
    found = any(unpublished(event) for event in events)
    found = found or any(f"{row['consumer']} {row['event_type']}" in names for row in waiting)
    return Outcome([Row({"busy": found})])


MEANINGS: dict[str, Meaning] = {
    inbox.DUE: due,
    inbox.CLAIM: claim,
    inbox.DONE: done,
    inbox.FAILED: failed,
    inbox.BUSY: busy,
    inbox.RECEIVE: receive,
}
