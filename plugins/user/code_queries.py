"""SQL of one-time codes: sending, using, the queue to the providers, the guard against misuse."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import attrs

from core.store.db import Db, Row


@attrs.frozen
class Message:
    """One sealed code on its way; `expires_in` is in seconds: 0 for one that was used, or guessed at too often."""

    challenge: UUID
    phone: str
    sealed: bytes = attrs.field(repr=False)
    expires_in: int


class Attempt(NamedTuple):
    """One code to be verified, and what becomes of it if it is right. In the order of VERIFY's columns."""

    phone: str
    fingerprint: bytes
    user_id: UUID
    session_id: UUID
    token_hash: bytes
    salt: bytes
    device_id: str | None
    device_name: str | None
    device_type: str | None
    address: str
    user_agent: str
    event_id: UUID
    correlation_id: str


# users.send_code: challenges_phone for the cool-down and the phone's limits, challenges_device, code_counters' key.
SEND = """
SELECT retry_in, queued FROM users.send_code(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""

# One attempt after the other in one transaction, which keeps their locks to its end: so several leave out a phone that
# another transaction holds, and only one alone waits for it. users.verify_code: challenges_live, challenges_phone, the
# accounts' unique phone, sessions_open.
VERIFY = """
SELECT a.n, v.outcome, v.is_new, v.id, v.phone, v.name, v.email, v.profile_image_url, v.role, v.is_verified,
    v.created_at, v.is_restored
FROM unnest($8::text[], $9::bytea[], $10::uuid[], $11::uuid[], $12::bytea[], $13::bytea[], $14::text[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::uuid[], $20::text[]) WITH ORDINALITY
    AS a(phone, hmac, user_id, session, token, salt, device, device_name, device_type, address, agent, event,
        correlation, n),
    LATERAL users.verify_code(a.phone, $1, a.hmac, $2, $3, $4, a.user_id, a.session, a.token, a.salt, a.device,
        a.device_name, a.device_type, a.address, a.agent, $5, $6, $7, a.event, a.correlation) v
WHERE cardinality($8) = 1 OR pg_try_advisory_xact_lock(hashtextextended('users.phone:' || a.phone, 0))
"""

# users.repeat_sign_in: challenges_phone, sessions_pkey, sessions_open, refresh_tokens_session.
REPEAT = """
SELECT session_id, salt, token_hash, is_new, id, phone, name, email, profile_image_url, role, is_verified, created_at
FROM users.repeat_sign_in($1, $2, $3, $4, $5, $6, $7)
"""

# code_messages_due, challenges_pkey. The new time of the next attempt is the lease: another worker leaves the row alone
# until then.
CLAIM = """
UPDATE users.code_messages m SET attempts = m.attempts + 1, next_attempt_at = clock_timestamp() + interval '15 seconds'
WHERE m.challenge_id IN (
    SELECT d.challenge_id FROM users.code_messages d
    WHERE d.next_attempt_at <= clock_timestamp() AND d.expires_at > clock_timestamp()
    ORDER BY d.next_attempt_at FOR UPDATE SKIP LOCKED LIMIT $1)
RETURNING m.challenge_id, m.phone, m.sealed, coalesce(
    (SELECT ceil(extract(epoch FROM m.expires_at - clock_timestamp()))::integer
     FROM users.challenges c WHERE c.id = m.challenge_id AND c.live AND c.attempts < $2), 0) AS expires_in
"""

# The primary key.
DELIVERED = "DELETE FROM users.code_messages WHERE challenge_id = $1"

# The primary key. 2, 4, 8 ... seconds, so that a code has five tries within its first minute.
RETRY = """
UPDATE users.code_messages
SET next_attempt_at = clock_timestamp() + make_interval(secs => least(60, power(2, attempts)))
WHERE challenge_id = $1
"""

# The whole table: it holds what was not sent within five minutes.
DROP_EXPIRED = "DELETE FROM users.code_messages WHERE expires_at <= clock_timestamp()"

# challenges_age, which can be asked about now(), and not about clock_timestamp(): that one changes meanwhile.
GUARD = """
WITH seen AS (
    SELECT count(*) AS sent, count(c.claimed_at) AS used FROM users.challenges c
    WHERE c.created_at > now() - interval '10 minutes'
), before AS (
    SELECT g.strict_until > clock_timestamp() AS strict FROM users.code_guard g
)
UPDATE users.code_guard SET strict_until = clock_timestamp() + make_interval(mins => $3)
FROM seen, before WHERE seen.sent >= $1 AND seen.used * 100 < seen.sent * $2
RETURNING NOT before.strict AS began
"""


class Codes:
    """Challenges and their messages."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def send(self, *args: object) -> Row:
        """Run users.send_code; its arguments are named in the migration. Raises Refused(TOO_MANY_CODES)."""
        row = await self._db.command(SEND, *args)
        assert row is not None  # noqa: S101  a function with OUT parameters always answers one row
        return row

    async def verify(self, attempts: Sequence[Attempt], *limits: object) -> list[Row | None]:
        """Run users.verify_code for each; None for one of several whose phone is locked. `limits` are $1 to $7."""
        answers: list[Row | None] = [None] * len(attempts)
        for row in await self._db.commands(VERIFY, *limits, *zip(*attempts, strict=True), emits=True):
            answers[row["n"] - 1] = row
        return answers

    async def repeat(self, *args: object) -> Row | None:
        """Run users.repeat_sign_in; its arguments are named in the migration."""
        return await self._db.command(REPEAT, *args)

    async def claim(self, limit: int, attempts: int) -> list[Message]:
        """Take messages that are due, for fifteen seconds. A code may be tried `attempts` times."""
        async with self._db.transaction() as tx:
            rows = await tx.fetch(CLAIM, limit, attempts)
        return [Message(r["challenge_id"], r["phone"], r["sealed"], r["expires_in"]) for r in rows]

    async def delivered(self, challenge: UUID) -> None:
        """A provider has it, or nobody can ever send it: forget it."""
        async with self._db.transaction() as tx:
            await tx.execute(DELIVERED, challenge)

    async def retry(self, challenge: UUID) -> None:
        """No provider took it: wait longer than last time."""
        async with self._db.transaction() as tx:
            await tx.execute(RETRY, challenge)

    async def drop_expired(self) -> int:
        """Forget messages that came to their end unsent; how many."""
        async with self._db.transaction() as tx:
            return await tx.execute(DROP_EXPIRED)

    async def guard(self, sends: int, percent: int, minutes: int) -> bool:
        """Turn sending strict when too few codes are used; whether that has just begun."""
        async with self._db.transaction() as tx:
            return bool(await tx.fetchval(GUARD, sends, percent, minutes))
