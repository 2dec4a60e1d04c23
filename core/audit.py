"""The audit log: what people with power did, each row chained to the one before it (RELIABILITY 4.13).

An act and its row are one transaction. Rows are never changed or deleted; `vurksha audit verify` walks the chain.
"""

import os
import pwd
import socket
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import attrs

from core.auth import Principal
from core.convert import UUID_FORM, dump_json
from core.observe.logging import PRIVATE
from core.store.db import Db, Row, Tx

BATCH = 1_000
MOST_TEXT = 200
"""Characters that one text among the details may have."""
FORBIDDEN = frozenset({"phone", "address", "email", "otp", "code", "token", "secret", "password"})
"""Names under which nobody may write anything down here."""
START = bytes(32)
"""The hash before the first row's."""
BEFORE_ALL = -(2**63)

# The head's one row, then audit_pkey.
RECORD = "SELECT kernel.record_audit($1, $2, $3, $4)"
# The head's one row; audit_pkey for the largest number.
HEAD = "SELECT h.number, h.hash, (SELECT max(a.number) FROM kernel.audit a) AS last FROM kernel.audit_head h"
# audit_pkey.
WALK = """
SELECT number, at, actor, action, subject, details::text AS details, hash FROM kernel.audit
WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3
"""


@attrs.frozen
class Acting:
    """Somebody for whom this process acts, as in a console, and why."""

    actor: str
    reason: str


acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


def person(principal: Principal) -> str:
    """The actor of an HTTP route."""
    return f"user:{principal.user_id} session:{principal.session_id}"


def operator() -> str:
    """The actor of a command: whoever it is done for, else the account that runs it, and where."""
    if (someone := acting.get()) is not None:
        return someone.actor
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        name = f"uid-{os.getuid()}"
    return f"cli:{name}@{socket.gethostname()}"


async def record(tx: Tx, *, actor: str, action: str, subject: str, details: Mapping[str, object] | None = None) -> None:
    """Write an act down in the transaction that does it, as its last step: other acts wait for this one's commit.

    `action` is such as `role.grant`, `subject` such as `account:<id>`. Details name ids, states and numbers, never a
    person's data: forbidden names raise ValueError, and what looks like a phone or a token is masked. The reason of who
    acts by a console is added.
    """
    someone = acting.get()
    told = {"reason": someone.reason} | dict(details or {}) if someone is not None else details or {}
    await tx.fetchval(RECORD, actor, action, subject, dump_json(_clean(told)).decode())


def _clean(value: object) -> object:
    if isinstance(value, str) and not UUID_FORM.fullmatch(value):
        return PRIVATE.sub("***", value)[:MOST_TEXT]
    if isinstance(value, Mapping):
        if wrong := sorted(FORBIDDEN & set(value)):
            raise ValueError(f"no place for {', '.join(wrong)} in the audit log")
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


@attrs.frozen
class Head:
    """A link of the chain. Written down elsewhere, it proves later that nothing up to it was replaced or cut off."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """From what `audit verify` printed; raises ValueError."""
        number, _, digest = text.partition(":")
        if not (number.isascii() and number.isdigit()) or len(digest) != 2 * len(START):
            raise ValueError(text)
        return cls(int(number), bytes.fromhex(digest))


class Broken(Exception):
    """The chain does not hold; the text says from which row on."""


class Chain:
    """One walk along the whole chain."""

    def __init__(self, db: Db, expected: Head | None = None) -> None:
        self._db, self._expected = db, expected
        self.head = self._end = Head(0, START)
        """`head` is as far as the chain was found to be whole."""
        self.length = 0
        """Rows that there are to walk, known once the walk has begun."""

    async def walk(self) -> AsyncIterator[int]:
        """Check batch by batch; yields how many rows each had. Raises Broken at the first row that is not as written.

        What is recorded meanwhile is left to the next walk.
        """
        row = await self._db.fetchrow(HEAD)
        if row is None:
            raise Broken("the head of the chain is gone")
        self._end, last = Head(row["number"], row["hash"]), row["last"] or 0
        self.length, after = self._end.number, BEFORE_ALL
        while rows := await self._db.fetch(WALK, after, self._end.number, BATCH):
            for one in rows:
                self._link(one)
            after = self.head.number
            yield len(rows)
        self._finish(last)

    def _link(self, row: Row) -> None:
        wanted = self.head.number + 1
        if row["number"] > wanted:
            raise Broken(f"row {wanted} is missing")
        if row["number"] < wanted:
            raise Broken(f"row {row['number']} was never written by the log")
        digest = sha256(self.head.hash + content(row)).digest()
        if digest != row["hash"]:
            raise Broken(f"row {wanted} is not as it was written, or the one before it was replaced")
        self.head = Head(wanted, digest)
        for anchor in (self._end, self._expected):
            if anchor is not None and anchor.number == wanted and anchor != self.head:
                raise Broken(f"row {wanted} was replaced: its hash is not the one that was noted")

    def _finish(self, last: int) -> None:
        reached, end = self.head.number, max(self._end.number, self._expected.number if self._expected else 0)
        if reached < end:
            raise Broken(f"row {reached + 1} is missing, and all after it: the log went up to {end}")
        if last > reached:
            raise Broken(f"row {last} was never written by the log")


def content(row: Mapping[str, Any] | Row) -> bytes:
    """What the hash of a row is taken of: the twin of kernel.audit_content, which a forger could change."""
    at = f"{row['at']:%Y-%m-%dT%H:%M:%S.%fZ}"
    parts = (str(row["number"]), at, row["actor"], row["action"], row["subject"], row["details"])
    return b"".join(b"%d:%b" % (len(raw), raw) for raw in (part.encode() for part in parts))
