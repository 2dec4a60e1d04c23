"""What the statements of sessions in `plugins.user.queries` do, and those of `users.*` functions that they call."""

from collections.abc import Generator
from datetime import timedelta
from uuid import UUID

import asyncpg

from plugins.user import queries
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.storage import Outcome, Record, Row, Statement, Txn, Values


class SessionEnded(asyncpg.PostgresError):
    """As `RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'SESSION_ENDED'`."""

    sqlstate = "VK000"


def presented(txn: Txn, tables: Tables, token_hash: bytes, idle_days: int, grace: int) -> Statement:
    token = txn.find(tables["refresh_tokens"], token_hash)
    given = txn.see(token) if token is not None else None
    if given is None:
        return Outcome()
    session = tables["sessions"].records[given["session_id"]]
    seen = txn.see(session)
    assert seen is not None
    account = txn.see(tables["accounts"].records[seen["user_id"]])  # as it was before the wait
    assert account is not None
    yield from txn.lock(session)
    row, now = txn.see(session), txn.clock_timestamp()
    assert row is not None
    still_open = row["ended_at"] is None and account["is_active"] and row["expires_at"] > now
    still_open = still_open and row["rotated_at"] > now - timedelta(days=idle_days)
    answer = {name: row[name] for name in ("id", "user_id", "salt", "device_id")}
    answer |= {"current": row["generation"], "generation": given["generation"], "role": account["role"]}
    answer |= {"open": still_open, "in_grace": row["rotated_at"] > now - timedelta(seconds=grace)}
    return Outcome([Row(answer)])


def rotate(txn: Txn, tables: Tables, session_id: UUID, successor: bytes) -> Statement:
    record = txn.find(tables["sessions"], session_id)
    if record is None:
        return Outcome()
    yield from txn.lock(record)
    seen = txn.see(record)
    assert seen is not None
    generation = seen["generation"] + 1
    txn.write(record, generation=generation, rotated_at=txn.clock_timestamp())
    token = {"hash": successor, "session_id": session_id, "generation": generation, "issued_at": txn.began}
    if not (yield from txn.insert(tables["refresh_tokens"], successor, token)):
        raise asyncpg.UniqueViolationError('duplicate key value violates unique constraint "refresh_tokens_pkey"')
    return Outcome(count=1)


def owned(txn: Txn, tables: Tables, token_hash: bytes, user_id: UUID) -> Outcome:
    token = txn.find(tables["refresh_tokens"], token_hash)
    given = txn.see(token) if token is not None else None
    session = txn.find(tables["sessions"], given["session_id"]) if given is not None else None
    seen = txn.see(session) if session is not None else None
    return Outcome([Row({"id": seen["id"]})] if seen is not None and seen["user_id"] == user_id else [])


def _end(txn: Txn, tables: Tables, session_id: UUID, reason: str) -> Generator[Record | None, None, bool]:
    record = txn.find(tables["sessions"], session_id)
    if record is None or not _is_open(txn, record):
        return False
    yield from txn.lock(record)
    if not _is_open(txn, record):
        return False
    txn.write(record, ended_at=txn.clock_timestamp(), end_reason=reason)
    seq = tables["revocations"].next()
    row = {"seq": seq, "session_id": session_id, "at": txn.clock_timestamp()}
    yield from txn.insert(tables["revocations"], seq, row)
    return True


def _is_open(txn: Txn, record: Record) -> Values | None:
    seen = txn.see(record)
    return seen if seen is not None and seen["ended_at"] is None else None


def end_session(txn: Txn, tables: Tables, session_id: UUID, reason: str) -> Statement:
    ended = yield from _end(txn, tables, session_id, reason)
    return Outcome([Row({"end_session": ended})])


def _open_of(txn: Txn, tables: Tables, user_id: UUID) -> list[Record]:
    found = [
        record
        for record in tables["sessions"].records.values()
        if (seen := _is_open(txn, record)) is not None and seen["user_id"] == user_id
    ]
    return sorted(found, key=lambda record: record.key)


def _hold(txn: Txn, tables: Tables, user_id: UUID) -> Generator[Record | None, None, None]:
    """The advisory lock of the phone, then each open session."""
    phone = tables["phones"].records.get(user_id) or Record(tables["phones"], user_id)
    tables["phones"].records[user_id] = phone
    yield from txn.lock(phone)
    for record in _open_of(txn, tables, user_id):
        yield from txn.lock(record)


def hold_sessions(txn: Txn, tables: Tables, user_id: UUID) -> Statement:
    yield from _hold(txn, tables, user_id)
    return Outcome([Row({"hold_sessions": None})])


def end_sessions(txn: Txn, tables: Tables, user_id: UUID, reason: str) -> Statement:
    yield from _hold(txn, tables, user_id)
    ended: dict[UUID, bool] = {}
    for record in _open_of(txn, tables, user_id):
        ended[record.key] = yield from _end(txn, tables, record.key, reason)
    return Outcome([Row({"ended": session}) for session, was_open in ended.items() if was_open])


def session_role(txn: Txn, tables: Tables, user_id: UUID, session_id: UUID) -> Outcome:
    record = txn.find(tables["sessions"], session_id)
    seen = _is_open(txn, record) if record is not None else None
    account = txn.see(tables["accounts"].records[user_id]) if user_id in tables["accounts"].records else None
    if seen is None or seen["user_id"] != user_id or seen["expires_at"] <= txn.clock_timestamp():
        raise SessionEnded("SESSION_ENDED")
    if account is None or not account["is_active"]:
        raise SessionEnded("SESSION_ENDED")
    return Outcome([Row({"session_role": account["role"]})])


def require_session(txn: Txn, tables: Tables, user_id: UUID, session_id: UUID) -> Statement:
    record = txn.find(tables["sessions"], session_id)
    if record is not None:
        yield from txn.lock(record, share=True)
    return session_role(txn, tables, user_id, session_id)


def revoked(txn: Txn, tables: Tables, seconds: float) -> Outcome:
    since = txn.clock_timestamp() - timedelta(seconds=seconds)
    rows = [seen for record in tables["revocations"].records.values() if (seen := txn.see(record))]
    return Outcome([Row({"session_id": row["session_id"]}) for row in rows if row["at"] > since])


MEANINGS: dict[str, Meaning] = {
    queries.PRESENTED: presented,
    queries.ROTATE: rotate,
    queries.OWNED: owned,
    queries.END_SESSION: end_session,
    queries.END_SESSIONS: end_sessions,
    queries.HOLD_SESSIONS: hold_sessions,
    queries.REQUIRE: require_session,
    queries.ROLE: session_role,
    queries.REVOKED: revoked,
}
