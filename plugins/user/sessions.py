"""Sessions: rotation of refresh tokens, logout, and what every replica knows of ended ones (RELIABILITY 4.4)."""

import asyncio
import logging
import time
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

from core.auth import Principal, Role, TokenIssuer
from core.errors import SESSION_EXPIRED, TOKEN_INVALID, UNAVAILABLE, Problem
from core.session_book import Whose
from core.store.db import Db, Row, Tx
from plugins.user.models import TokenPair, normal_phone
from plugins.user.queries import SessionRows, presented
from plugins.user.settings import UserSettings
from plugins.user.tokens import RefreshToken, Verdict, judge

log = logging.getLogger(__name__)

POLL = 1.0
OVERLAP = 20.0
"""Seconds read again at each poll: a revocation becomes visible at its commit, later than its time says."""
MARGIN = 60.0
"""Seconds that an ended session is remembered beyond the life of its last access token."""
FORGET_AT_ONCE = 1000
STALE = 60.0
"""Older than this the feed is no longer believed."""


class Sessions:
    """The ports `kernel.sessions` and `kernel.session_book`, and what the routes do with sessions."""

    def __init__(self, db: Db, rows: SessionRows, settings: UserSettings, tokens: TokenIssuer) -> None:
        self._db, self._rows, self._tokens = db, rows, tokens
        self._idle, self._grace = settings.refresh_idle_days, settings.refresh_grace
        self.feed = RevocationFeed(db, rows, token_life=tokens.lifetime)

    async def require(self, source: Tx | Db, principal: Principal) -> Role:
        """The role as stored now; raises Problem(SESSION_EXPIRED) when the session is over.

        Asked in a transaction, the session stays open until the commit: a logout waits for it, or is waited for.
        """
        return await self._rows.require(source, principal)

    async def recent(self, source: Tx | Db, principal: Principal, seconds: float) -> bool:
        """Whether the session began, with a code, within so many seconds."""
        return await self._rows.recent(source, principal, seconds)

    def revoked(self, session_id: UUID) -> bool:
        """Whether the feed has the session; raises UNAVAILABLE when the feed is too old to tell."""
        return self.feed.revoked(session_id)

    async def sessions_of(self, user: str) -> Whose | None:
        """For operators: by id or phone. Raises ValueError for what is neither."""
        phone = normal_phone(user)
        return await self._rows.book(self._db, None if phone else UUID(user), phone, self._idle)

    async def refresh(self, text: str, device: str | None) -> TokenPair:
        """A new pair for a refresh token. Raises TOKEN_INVALID; a reused token has ended its whole family by then."""
        token = RefreshToken.read(text)
        if token is None:
            raise Problem(TOKEN_INVALID)
        async with self._db.transaction() as tx:
            row = await self._rows.lock(tx, token.hash, self._idle, self._grace)
            verdict = judge(presented(row), device) if row else Verdict.REFUSE
            successor = await self._act(tx, verdict, token, row) if row else None
        if row is None or successor is None:
            raise Problem(TOKEN_INVALID)
        access = self._tokens.issue(row["user_id"], row["id"], row["role"])
        return TokenPair(access_token=access, refresh_token=successor.text, expires_in=self._tokens.lifetime)

    async def _act(self, tx: Tx, verdict: Verdict, token: RefreshToken, row: Row) -> RefreshToken | None:
        """Carry a verdict out. It commits in any case: the answer 401 must not undo a revocation."""
        if verdict is Verdict.REVOKE:
            log.warning("a refresh token was used again: its session ends")
            await self._rows.end(tx, row["id"], "REUSE")
            self._remember(tx, [row["id"]])
        if verdict in (Verdict.REVOKE, Verdict.REFUSE):
            return None
        successor = token.successor(row["salt"], row["generation"] + 1)
        if verdict is Verdict.ROTATE:
            await self._rows.rotate(tx, row["id"], successor.hash)
        return successor

    async def logout(self, principal: Principal, refresh_token: str | None, *, all_devices: bool) -> None:
        """End the caller's session, that of a refresh token of theirs, or all they have.

        A session that has ended ends nothing else: it is a repeat, or somebody with a token that was taken back.
        """
        token = RefreshToken.read(refresh_token) if refresh_token else None
        try:
            async with self._db.transaction() as tx:
                await self._rows.hold(tx, principal.user_id)
                await self._rows.require(tx, principal)
                if all_devices:
                    await self.end_all(tx, principal.user_id, "LOGOUT_ALL")
                    return
                other = await self._rows.owned(tx, token.hash, principal.user_id) if token else None
                ended = sorted({principal.session_id, other or principal.session_id})
                for session_id in ended:
                    await self._rows.end(tx, session_id, "LOGOUT")
                self._remember(tx, ended)
        except Problem as problem:
            if problem.code is not SESSION_EXPIRED:
                raise

    async def hold(self, tx: Tx, user_id: UUID) -> None:
        """Lock all of a user's sessions, before the account is changed under them or one of them is asked about."""
        await self._rows.hold(tx, user_id)

    async def end_all(self, tx: Tx, user_id: UUID, reason: str) -> None:
        """End all of a user's sessions; this replica knows it with the commit."""
        self._remember(tx, await self._rows.end_all(tx, user_id, reason))

    def _remember(self, tx: Tx, ended: Iterable[UUID]) -> None:
        async def add() -> None:
            self.feed.add(ended)

        tx.after_commit(add)


class RevocationFeed:
    """Sessions that ended while an access token of theirs may still live, in memory, read again every second."""

    def __init__(self, db: Db, rows: SessionRows, *, token_life: float) -> None:
        self._db, self._rows, self._keep = db, rows, token_life + MARGIN
        self._ended: dict[UUID, float] = {}
        self._read_at: float | None = None
        """On the monotonic clock; None before the first read, when the feed knows nothing of the others' endings."""

    def revoked(self, session_id: UUID) -> bool:
        """Whether the session has ended; raises UNAVAILABLE when no read was within the last minute."""
        if session_id in self._ended:
            return True
        if self._read_at is None or time.monotonic() - self._read_at > STALE:
            raise Problem(UNAVAILABLE)
        return False

    def add(self, sessions: Iterable[UUID]) -> None:
        """Remember sessions that have just ended here, before the next read brings them."""
        until = time.monotonic() + self._keep
        self._ended.update(dict.fromkeys(sessions, until))

    async def read(self) -> None:
        """Fetch what ended since the last read, and forget what no longer matters. Raises UNAVAILABLE."""
        began = time.monotonic()
        window = self._keep if self._read_at is None else min(self._keep, began - self._read_at + OVERLAP)
        for session_id in await self._rows.revoked(self._db, window):
            self._ended.setdefault(session_id, began + self._keep)
        self._read_at = began
        self._forget(began)

    def _forget(self, now: float) -> None:
        """Drop what ended so long ago that no access token of it lives. The oldest come first in the dict."""
        for session_id, until in list(islice(self._ended.items(), FORGET_AT_ONCE)):
            if until > now:
                break
            del self._ended[session_id]

    async def run(self) -> None:
        """Read for ever. An unreachable database is waited out."""
        while True:
            try:
                await self.read()
            except Problem:
                log.warning("the feed of ended sessions could not be read")
            await asyncio.sleep(POLL)
