"""What the statements of `core.events.outbox`, `core.events.record` and `core.isolation.consumers` do."""

from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from uuid import UUID

from core.events import outbox
from core.events.record import INSERT_EVENTS
from core.isolation.consumers import REMEMBER
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.storage import Outcome, Record, Row, Statement, Table, Txn, Values

COLUMNS = ("seq", "event_id", "event_type", "version", "aggregate_type", "aggregate_id", "payload", "metadata")
COLUMNS += ("occurred_at",)


def unpublished(values: Values) -> bool:
    """What the partial indexes hold."""
    return values["published_at"] is None


def insert_events(
    txn: Txn,
    tables: Tables,
    ids: Sequence[UUID],
    types: Sequence[str],
    versions: Sequence[int],
    kinds: Sequence[str],
    aggregates: Sequence[str],
    payloads: Sequence[str],
    metadata: str,
) -> Statement:
    for values in zip(ids, types, versions, kinds, aggregates, payloads, strict=True):
        seq = tables["outbox"].next()
        row = dict(zip(COLUMNS, (seq, *values, metadata, txn.clock_timestamp()), strict=True))
        row |= {"next_attempt_at": txn.began, "attempts": 0, "last_error": None, "published_at": None}
        yield from txn.insert(tables["outbox"], seq, row)
    return Outcome([Row({"emit_all": None})])


def _due(txn: Txn, tables: Tables, limit: int) -> Generator[Record | None, None, list[Record]]:
    """Due and oldest of its aggregate by the snapshot; locked and looked at again; what others lock is passed over."""
    oldest: dict[tuple[str, str], Record] = {}
    for record in tables["outbox"].live.values():
        seen = txn.see(record)
        if seen is not None and unpublished(seen):
            aggregate = seen["aggregate_type"], seen["aggregate_id"]
            if aggregate not in oldest or record.key < oldest[aggregate].key:
                oldest[aggregate] = record
    ready = [
        (seen["next_attempt_at"], record.key, record) for record in oldest.values() if (seen := _ready(txn, record))
    ]
    yield from txn.hesitate()
    claimed: list[Record] = []
    for _, _, record in sorted(ready, key=lambda each: each[:2]):
        if len(claimed) < limit and txn.try_lock(record) and _ready(txn, record):
            claimed.append(record)
    return claimed


def _ready(txn: Txn, record: Record) -> Values | None:
    seen = txn.see(record)
    return seen if seen is not None and unpublished(seen) and seen["next_attempt_at"] <= txn.began else None


def hand_over(txn: Txn, tables: Tables, limit: int, consumers: Sequence[str], types: Sequence[str]) -> Statement:
    due = yield from _due(txn, tables, limit)
    handed: list[str] = []
    for record in due:
        seen = txn.see(record)
        assert seen is not None
        handed.append(seen["event_type"])
        for consumer, event_type in sorted({*zip(consumers, types, strict=True), *heard(txn, tables)}):
            if event_type == seen["event_type"]:
                yield from deliver(txn, tables, consumer, {name: seen[name] for name in COLUMNS})
        txn.write(record, published_at=txn.clock_timestamp(), last_error=None)
    return Outcome([Row({"event_type": event_type}) for event_type in handed])


def heard(txn: Txn, tables: Tables) -> list[tuple[str, str]]:
    """The consumers and event types that are written down."""
    return [key for key, record in tables["plugin_consumers"].records.items() if txn.see(record) is not None]


def remember(
    txn: Txn, tables: Tables, consumers: Sequence[str], types: Sequence[str], plugins: Sequence[str]
) -> Statement:
    table = tables["plugin_consumers"]
    for consumer, event_type, plugin in sorted(zip(consumers, types, plugins, strict=True)):
        if not (yield from txn.insert(table, (consumer, event_type), {"plugin": plugin})):
            record = table.records[consumer, event_type]
            yield from txn.lock(record)
            txn.write(record, plugin=plugin)
    return Outcome(count=len(consumers))


def deliver(txn: Txn, tables: Tables, consumer: str, values: Values) -> Generator[Record, None, bool]:
    """One inbox row, unless it is there."""
    row = {"consumer": consumer, **values, "state": "waiting", "attempts": 0, "last_error": None}
    row |= {"next_attempt_at": txn.began, "received_at": txn.began, "finished_at": None}
    return (yield from txn.insert(tables["inbox"], (consumer, values["event_id"]), row))


def claim(txn: Txn, tables: Tables, limit: int, lease: float) -> Statement:
    due = yield from _due(txn, tables, limit)
    rows = []
    for record in due:
        txn.write(record, next_attempt_at=txn.began + timedelta(seconds=lease))
        seen = txn.see(record)
        assert seen is not None
        rows.append(Row({name: seen[name] for name in COLUMNS}))
    return Outcome(rows)


Test = Callable[[Values], bool]


def _locked(
    txn: Txn, tables: Tables, seqs: Sequence[int], test: Test = lambda _: True
) -> Generator[Record | None, None, list[Record]]:
    """Unpublished rows for an UPDATE: found by the snapshot, locked one by one, and looked at again then."""
    seen = [record for seq in sorted(seqs) if (record := txn.find(tables["outbox"], seq)) is not None]
    found = [record for record in seen if _is(txn, record, test)]
    locked = []
    for record in found:
        yield from txn.lock(record)
        if _is(txn, record, test):
            locked.append(record)
    return locked


def _is(txn: Txn, record: Record, test: Test) -> bool:
    seen = _unpublished_now(txn, record)
    return seen is not None and test(seen)


def _unpublished_now(txn: Txn, record: Record) -> Values | None:
    seen = txn.see(record)
    return seen if seen is not None and unpublished(seen) else None


def taken(txn: Txn, tables: Tables, seqs: Sequence[int]) -> Statement:
    locked = yield from _locked(txn, tables, seqs)
    for record in locked:
        txn.write(record, published_at=txn.clock_timestamp(), last_error=None)
    return Outcome(count=len(locked))


def unreached(txn: Txn, tables: Tables, seqs: Sequence[int], again: float) -> Statement:
    locked = yield from _locked(txn, tables, seqs)
    for record in locked:
        txn.write(record, next_attempt_at=txn.began + timedelta(seconds=again))
    return Outcome(count=len(locked))


def refused(txn: Txn, tables: Tables, seqs: Sequence[int], reasons: Sequence[str], most: int) -> Statement:
    """What the INSERT reads is done first, the rest at the end; both know the same snapshot."""
    reason = dict(zip(seqs, reasons, strict=True))
    again = [
        seq
        for seq in seqs
        if (r := txn.find(tables["outbox"], seq)) and _is(txn, r, lambda v: v["attempts"] + 1 < most)
    ]
    dead = []
    for record in (yield from _locked(txn, tables, seqs, lambda values: values["attempts"] + 1 >= most)):
        seen = txn.see(record)
        assert seen is not None
        txn.delete(record)
        row = {name: seen[name] for name in COLUMNS} | {"attempts": seen["attempts"] + 1}
        row["last_error"] = reason[record.key]
        if (yield from txn.insert(tables["outbox_dead"], record.key, row)):
            names = ("event_id", "event_type", "aggregate_type", "aggregate_id", "last_error")
            dead.append(Row({name: row[name] for name in names}))
    for record in (yield from _locked(txn, tables, again, lambda values: values["attempts"] + 1 < most)):
        seen = txn.see(record)
        assert seen is not None
        later = txn.began + timedelta(seconds=4.0 ** seen["attempts"])
        txn.write(record, attempts=seen["attempts"] + 1, last_error=reason[record.key], next_attempt_at=later)
    return Outcome(dead)


def oldest(txn: Txn, tables: Tables) -> Outcome:
    times = [
        seen["occurred_at"] for record in tables["outbox"].live.values() if (seen := _unpublished_now(txn, record))
    ]
    age = (txn.clock_timestamp() - min(times)).total_seconds() if times else 0.0
    return Outcome([Row({"coalesce": age})])


MEANINGS: dict[str, Meaning] = {
    INSERT_EVENTS: insert_events,
    outbox.HAND_OVER: hand_over,
    outbox.CLAIM: claim,
    outbox.TAKEN: taken,
    outbox.UNREACHED: unreached,
    outbox.REFUSED: refused,
    outbox.OLDEST: oldest,
    REMEMBER: remember,
}


def new_tables() -> Tables:
    """Empty ones, with the partial indexes that keep a run quick."""
    inbox = Table("inbox", lambda values: values["state"] == "waiting")
    return Tables(outbox=Table("outbox", unpublished), inbox=inbox)
