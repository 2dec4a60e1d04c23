"""SQL of accounts and sessions."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from core.auth import Principal, Role
from core.session_book import OpenSession, Whose
from core.store.db import Db, Row, Tx
from core.types import SessionId, UserId
from plugins.user.models import Account, ProfilePatch
from plugins.user.ports import Contact
from plugins.user.tokens import Presented

# accounts_pkey.
ACCOUNT = """
SELECT id, phone, name, email, profile_image_url, role, is_verified, is_active, created_at
FROM users.accounts WHERE id = $1
"""

# accounts_pkey.
CONTACTS = "SELECT id, phone, email, name FROM users.accounts WHERE id = ANY($1::uuid[]) AND is_active"

# accounts_pkey; accounts_email says whether the address is taken. OK, GONE or TAKEN.
CHANGE_PROFILE = "SELECT users.change_profile($1, $2, $3, $4)"

# accounts_pkey.
DEACTIVATE = """
UPDATE users.accounts SET is_active = false, deleted_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = $1 RETURNING deleted_at
"""

# The unique phone.
OF_PHONE = "SELECT id FROM users.accounts WHERE phone = $1 AND is_active"

# accounts_pkey, both.
GRANT = """
UPDATE users.accounts a SET role = $2, updated_at = clock_timestamp()
FROM (SELECT id, role FROM users.accounts WHERE id = $1) AS was WHERE a.id = was.id RETURNING was.role
"""

# refresh_tokens_pkey, sessions_pkey, accounts_pkey. Twins wait for the session's row and see what the first did.
PRESENTED = """
SELECT s.id, s.user_id, s.salt, s.device_id, s.generation AS current, t.generation, a.role,
       s.ended_at IS NULL AND a.is_active AND s.expires_at > clock_timestamp()
           AND s.rotated_at > clock_timestamp() - make_interval(days => $2) AS open,
       s.rotated_at > clock_timestamp() - make_interval(secs => $3) AS in_grace
FROM users.refresh_tokens t
JOIN users.sessions s ON s.id = t.session_id
JOIN users.accounts a ON a.id = s.user_id
WHERE t.hash = $1 FOR UPDATE OF s
"""

# sessions_pkey.
ROTATE = """
WITH rotated AS (
    UPDATE users.sessions SET generation = generation + 1, rotated_at = clock_timestamp() WHERE id = $1
    RETURNING id, generation
)
INSERT INTO users.refresh_tokens (hash, session_id, generation) SELECT $2, r.id, r.generation FROM rotated r
"""

# refresh_tokens_pkey, sessions_pkey.
OWNED = """
SELECT s.id FROM users.refresh_tokens t JOIN users.sessions s ON s.id = t.session_id
WHERE t.hash = $1 AND s.user_id = $2
"""

# sessions_pkey.
END_SESSION = "SELECT users.end_session($1, $2)"

# sessions_open.
END_SESSIONS = "SELECT ended FROM users.end_sessions($1, $2) AS ended"

# accounts_pkey, sessions_open.
HOLD_SESSIONS = "SELECT users.hold_sessions($1)"

# sessions_pkey, accounts_pkey.
REQUIRE = "SELECT users.require_session($1, $2)"

# sessions_pkey, accounts_pkey. Locks nothing.
ROLE = "SELECT users.session_role($1, $2)"

# sessions_pkey.
RECENT = "SELECT created_at > clock_timestamp() - make_interval(secs => $2) FROM users.sessions WHERE id = $1"

# accounts_pkey, or the unique phone.
WHO = "SELECT id, role, is_active FROM users.accounts WHERE id = $1 OR phone = $2"

# sessions_open.
OPEN = """
SELECT id, coalesce(device_type, '') AS device, created_at AS began, rotated_at AS used,
    least(expires_at, rotated_at + make_interval(days => $2)) AS until
FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at DESC LIMIT 50
"""

# revocations_at, which can be asked about now(), and not about clock_timestamp(): that one changes meanwhile.
REVOKED = "SELECT session_id FROM users.revocations WHERE at > now() - make_interval(secs => $1)"


class Accounts:
    """Rows of users.accounts."""

    async def find(self, source: Tx | Db, user_id: UUID) -> Account | None:
        """One account, active or not."""
        row = await source.fetchrow(ACCOUNT, user_id)
        return account(row) if row else None

    async def contacts(self, source: Tx | Db, ids: Collection[UserId]) -> Mapping[UserId, Contact]:
        """Active accounts among `ids`."""
        rows = await source.fetch(CONTACTS, list(ids))
        return {UserId(r["id"]): Contact(phone=r["phone"], email=r["email"], name=r["name"]) for r in rows}

    async def change(self, tx: Tx, user_id: UUID, patch: ProfilePatch) -> str:
        """What came of it: OK, GONE when the account is not active, TAKEN when the e-mail address is another's."""
        outcome: str = await tx.fetchval(CHANGE_PROFILE, user_id, patch.name, patch.email, patch.profile_image_url)
        return outcome

    async def deactivate(self, tx: Tx, user_id: UUID) -> datetime:
        """Deactivate an account whose sessions are held; when that was."""
        moment: datetime = await tx.fetchval(DEACTIVATE, user_id)
        return moment

    async def of_phone(self, tx: Tx, phone: str) -> UUID | None:
        """The active account of a phone."""
        found: UUID | None = await tx.fetchval(OF_PHONE, phone)
        return found

    async def grant(self, tx: Tx, user_id: UUID, role: Role) -> Role:
        """Give a role to an account whose sessions are held; the one it had."""
        return Role(await tx.fetchval(GRANT, user_id, role.value))


def account(row: Row, *, active: bool | None = None) -> Account:
    """An account from a row that has its columns; `active` where the row does not say."""
    return Account(
        id=row["id"],
        phone=row["phone"],
        name=row["name"],
        email=row["email"],
        profile_image_url=row["profile_image_url"],
        role=Role(row["role"]),
        is_verified=row["is_verified"],
        is_active=row["is_active"] if active is None else active,
        created_at=row["created_at"],
    )


class SessionRows:
    """Rows of users.sessions and what hangs on them."""

    async def lock(self, tx: Tx, token_hash: bytes, idle_days: int, grace: int) -> Row | None:
        """The session of a presented token, locked: ids, salt, role, and the columns of `presented`."""
        return await tx.fetchrow(PRESENTED, token_hash, idle_days, grace)

    async def rotate(self, tx: Tx, session_id: UUID, successor_hash: bytes) -> None:
        """Make the successor the session's current token."""
        await tx.execute(ROTATE, session_id, successor_hash)

    async def owned(self, tx: Tx, token_hash: bytes, user_id: UUID) -> UUID | None:
        """The session that a refresh token belongs to, if it is the user's own."""
        found: UUID | None = await tx.fetchval(OWNED, token_hash, user_id)
        return found

    async def end(self, tx: Tx, session_id: UUID, reason: str) -> None:
        """End one session and put it into the feed. Ending it again changes nothing."""
        await tx.fetchval(END_SESSION, session_id, reason)

    async def end_all(self, tx: Tx, user_id: UUID, reason: str) -> list[UUID]:
        """End every open session of a user; which."""
        return [row["ended"] for row in await tx.fetch(END_SESSIONS, user_id, reason)]

    async def hold(self, tx: Tx, user_id: UUID) -> None:
        """Let no session of a user's begin, end or be asked about until the commit."""
        await tx.fetchval(HOLD_SESSIONS, user_id)

    async def require(self, source: Tx | Db, principal: Principal) -> Role:
        """The role as stored now; raises Problem(SESSION_EXPIRED) when the session is over. A Tx keeps it open."""
        statement = REQUIRE if isinstance(source, Tx) else ROLE
        return Role(await source.fetchval(statement, principal.user_id, principal.session_id))

    async def recent(self, source: Tx | Db, principal: Principal, seconds: float) -> bool:
        """Whether a session that `require` let through began so recently."""
        return bool(await source.fetchval(RECENT, principal.session_id, seconds))

    async def book(self, db: Db, user_id: UUID | None, phone: str | None, idle_days: int) -> Whose | None:
        """An account by one of the two, and its newest open sessions; None if there is no such account."""
        row = await db.fetchrow(WHO, user_id, phone)
        if row is None:
            return None
        listed = [OpenSession(**one) for one in await db.fetch(OPEN, row["id"], idle_days)]
        return Whose(user_id=row["id"], role=Role(row["role"]), active=row["is_active"], sessions=listed)

    async def revoked(self, db: Db, seconds: float) -> list[SessionId]:
        """Sessions that ended within the last `seconds`."""
        return [row["session_id"] for row in await db.fetch(REVOKED, seconds)]


def presented(row: Row) -> Presented:
    """What `tokens.judge` needs of a row of `SessionRows.lock`."""
    fields: dict[str, Any] = {name: row[name] for name in ("generation", "current", "open", "in_grace")}
    return Presented(device=row["device_id"], **fields)
