"""The ring of signing keys, as every replica reads it again every two seconds (RELIABILITY 4.4).

JWT_SECRET stays the root: a key of the ring is sealed under it in `kernel.signing_keys`, and without a row there the
key made of JWT_SECRET signs. `core.keys_book` changes the ring.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from core.auth import SigningKey, TokenIssuer
from core.errors import Problem
from core.store.db import Db, Row
from core.tasks import SILENCE, Tasks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

log = logging.getLogger("core.keys")

POLL = 2.0
SETTLE = 10.0
"""Seconds after which every replica that reaches the database knows a key, or knows that it is revoked."""
DOUBT = 4.0
"""Seconds after the last reading from which a key that the ring lacks may be a good one, should another reading fail.

Well before SETTLE, when such a key may sign: the next look is POLL later, and takes the time of two readings to fail.
"""
MARGIN = 60.0
"""Seconds that a retired key verifies beyond the life of the last token it may have signed."""
NONCE = 12
"""Bytes (NIST SP 800-38D)."""

# Few rows: the whole table.
RING = """
SELECT kid, algorithm, sealed, state = 'active' AS active,
    state IN ('next', 'active')
        OR (state = 'retired' AND retired_at > clock_timestamp() - make_interval(secs => $1)) AS verifies
FROM kernel.signing_keys
"""


class Seals:
    """What makes keys unreadable in the database: AES-GCM under a key derived from JWT_SECRET."""

    def __init__(self, configured: Sequence[SigningKey]) -> None:
        """The first one seals; each may open, so that JWT_SECRET itself can change by way of `also_accepted`."""
        self._secrets = [key.secret for key in configured]

    def seal(self, key: SigningKey) -> bytes:
        """The secret, bound to its key's id and algorithm."""
        nonce = os.urandom(NONCE)
        return nonce + _box(self._secrets[0]).encrypt(nonce, key.secret, _bound(key.kid, key.algorithm))

    def open(self, kid: str, algorithm: str, sealed: bytes) -> SigningKey | None:
        """The key again; None when it was sealed under another JWT_SECRET, or the row was tampered with."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  only a ring with rows needs it

        for secret in self._secrets:
            try:
                opened = _box(secret).decrypt(sealed[:NONCE], sealed[NONCE:], _bound(kid, algorithm))
            except InvalidTag:
                continue
            return SigningKey(kid, opened, algorithm)
        return None


def _box(secret: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  only a ring with rows needs it
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  as above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415  as above

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vurksha signing keys").derive(secret))


def _bound(kid: str, algorithm: str) -> bytes:
    return f"{kid} {algorithm}".encode()


class KeyRing:
    """Brings the table's keys to the token issuer. With the database away the last ring holds."""

    def __init__(self, db: Db, tokens: TokenIssuer) -> None:
        self._db, self._tokens, self._seals = db, tokens, Seals(tokens.configured)
        self._seen: list[tuple[object, ...]] = []
        self._read_at = float("-inf")

    async def read(self) -> None:
        """Take over what the table says. Raises UNAVAILABLE."""
        began = time.monotonic()
        rows = await self._db.fetch(RING, self._tokens.lifetime + MARGIN)
        seen = sorted(tuple(row) for row in rows)
        if seen != self._seen:
            self._adopt(rows)
            self._seen = seen
        self._tokens.stale, self._read_at = False, began

    def _adopt(self, rows: Sequence[Row]) -> None:
        configured = {key.kid: key for key in self._tokens.configured}
        ring, active = dict(configured), None
        for row in rows:
            kid: str = row["kid"]
            ring.pop(kid, None)
            if not row["verifies"]:
                continue
            sealed = row["sealed"]
            key = configured.get(kid) if sealed is None else self._seals.open(kid, row["algorithm"], sealed)
            if key is None:
                log.error("signing key %s cannot be opened: it was made under another JWT_SECRET", kid)
                continue
            ring[kid] = key
            active = key if row["active"] else active
        active = active or ring.get(self._tokens.configured[0].kid)
        if active is None:
            log.critical("there is no key to sign with: sign-ins and renewals are refused")
        self._tokens.adopt(active, ring.values())

    async def _refresh(self) -> None:
        try:
            await self.read()
        except Problem:
            log.warning("the ring of signing keys could not be read")
            if time.monotonic() - self._read_at > DOUBT:
                self._tokens.stale = True

    async def run(self) -> None:
        """Read for ever. An unreachable database is waited out."""
        while True:
            await asyncio.sleep(POLL)
            await self._refresh()

    @asynccontextmanager
    async def serving(self, tasks: Tasks) -> AsyncIterator[None]:
        """The ring is read before the first request, and again from then on."""
        await self._refresh()
        tasks.forever("keys", self.run, silence=SILENCE)
        yield
