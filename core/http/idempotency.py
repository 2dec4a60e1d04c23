"""Writes in a transaction of the kernel's: the session is read in it, and a key claimed (RELIABILITY 4.1, 4.4)."""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
import orjson

from core import context
from core.auth import FRESH, SessionGate
from core.convert import wire
from core.errors import FORBIDDEN, STEP_UP, UNAVAILABLE, FieldError, Invalid, Problem
from core.http.deadlines import Deadlines
from core.http.routing import Call, Encoded, Operation, Reply, Route
from core.store.db import Db, NotReached, RolledBack, Row, Tx
from core.types import uuid7

KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
HEADERS = ("X-Idempotency-Key", "Idempotency-Key")
LOOK_UP = 1.0
"""Seconds to find out what became of a COMMIT, also past the deadline: without it a retry might do the work twice."""

# Primary key operations_pkey.
BEGIN = "SELECT status, body FROM kernel.begin_operation($1, $2, $3, $4)"
# Primary key operations_pkey.
FINISH = "SELECT kernel.finish_operation($1, $2, $3, $4, $5)"

AnyCall = Call[Any, Any]


class Unencodable(Exception):
    """The handler is done, and what it answered cannot be written: the cause says why."""


def operation_of(route: Route, call: AnyCall, headers: Mapping[str, str], sent: object) -> Operation:
    """Who, which route, which key, and what was asked; raises Invalid for a key of bad form."""
    key = next((headers[name] for name in HEADERS if name in headers), None)
    if key is not None and not KEY(key):
        raise Invalid([FieldError(HEADERS[0], "must have 1 to 255 visible ASCII characters")])
    asked = [call.path, sent] if route.query is None else [call.path, sent, wire.plain(call.query)]
    canonical = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str)
    return Operation(
        user_id=call.principal.user_id,
        route=f"{route.method} {route.path}",
        key=key if key is not None else f"op:{uuid7()}",
        given=key is not None,
        fingerprint=hashlib.sha256(canonical).digest(),
    )


async def admit(route: Route, gate: SessionGate, source: Tx | Db, call: AnyCall) -> None:
    """Let nobody in whose session is over, or too old for this, or whose role, as stored now, is not the route's."""
    policy = route.policy
    if await gate.require(source, call.principal) not in (policy.roles or ()):
        raise Problem(FORBIDDEN)
    if policy.permission and policy.permission.fresh and not await gate.recent(source, call.principal, FRESH):
        raise Problem(STEP_UP)


def in_transaction(route: Route, db: Db, gate: SessionGate) -> Callable[[AnyCall], Awaitable[object]]:
    """The work of a live NATURAL route: live session, handler, one commit. What it answers is encoded after that."""

    async def work(call: AnyCall) -> object:
        async def once(tx: Tx) -> object:
            await admit(route, gate, tx, call)
            call.open(tx)
            return await route.handler(call)

        return await db.run(once)

    return work


def keyed(route: Route, db: Db, gate: SessionGate) -> Callable[[AnyCall], Awaitable[Reply]]:
    """The work of a KEYED route: claim first, then live session, handler, stored answer, one commit."""

    async def work(call: AnyCall) -> Reply:
        operation = call.operation
        identity = (operation.user_id, operation.route, operation.key)

        async def once(tx: Tx) -> Reply:
            stored = await tx.fetchrow(BEGIN, *identity, operation.fingerprint)
            await admit(route, gate, tx, call)
            if stored is not None:
                return Reply(data=Encoded(stored["body"].encode()), status=stored["status"], replayed=True)
            call.open(tx)
            reply = as_reply(await route.handler(call))
            try:
                data = encoded(reply.data)
            except Exception as error:
                raise Unencodable from error
            await tx.fetchval(FINISH, *identity, reply.status or route.status, data.decode())
            return attrs.evolve(reply, data=Encoded(data))

        return await db.run(once)

    return work


def settled(
    db: Db, work: Callable[[AnyCall], Awaitable[object]], deadlines: Deadlines
) -> Callable[[AnyCall], Awaitable[object]]:
    """When the connection broke, the commit may have happened: look the operation up before saying that it failed."""

    async def safe(call: AnyCall) -> object:
        try:
            return await work(call)
        except (NotReached, RolledBack):
            raise
        except Problem as problem:
            if problem.code is not UNAVAILABLE:
                raise
            until = max(context.deadline.get(), time.monotonic() + LOOK_UP)
            context.deadline.set(until)
            deadlines.extend(until)
            stored = await _outcome(db, call.operation)
            if stored is None:
                raise
            return Reply(data=Encoded(stored["body"].encode()), status=stored["status"], replayed=call.operation.given)

    return safe


class _Known(Exception):
    """Ends the look-up's transaction without a COMMIT: that might be in doubt too."""


async def _outcome(db: Db, o: Operation) -> Row | None:
    """The stored answer, or None: it was never committed, and never will be.

    Claiming the operation waits for a commit that may still be under way.
    """
    stored: Row | None = None
    with suppress(_Known):
        async with db.transaction() as tx:
            stored = await tx.fetchrow(BEGIN, o.user_id, o.route, o.key, o.fingerprint)
            raise _Known  # which gives the claim back
    return stored


def as_reply(out: object) -> Reply:
    """What a handler returned, as a Reply."""
    return out if isinstance(out, Reply) else Reply(data=out)


def encoded(data: object) -> bytes:
    """The JSON of an answer's `data`."""
    return data.json if isinstance(data, Encoded) else wire.dump(data)
