"""How the ring of signing keys is changed: its rules, one audited transaction per change (RELIABILITY 4.4)."""

import secrets
from datetime import datetime, timedelta

import attrs

from core import audit
from core.auth import SigningKey, TokenIssuer
from core.keys import MARGIN, SETTLE, Seals
from core.store.db import Db, Row, Tx

SECRET_BYTES = {"HS256": 32, "HS512": 64}
"""As long as the hash's output (RFC 7518, section 3.2)."""

# Changes wait for each other, reads for nobody. An empty table has no row to lock.
LOCK = "LOCK TABLE kernel.signing_keys IN SHARE ROW EXCLUSIVE MODE"
# Few rows: the whole table.
ALL = """
SELECT kid, algorithm, state, sealed, created_at, activated_at, retired_at, revoked_at,
    extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
FROM kernel.signing_keys ORDER BY created_at, kid
"""
ADD = """
INSERT INTO kernel.signing_keys (kid, algorithm, state, sealed, activated_at)
VALUES ($1, $2, $3, $4, CASE WHEN $3 = 'active' THEN clock_timestamp() END)
"""
# signing_keys_pkey, all three.
ACTIVATE = "UPDATE kernel.signing_keys SET state = 'active', activated_at = clock_timestamp() WHERE kid = $1"
RETIRE = "UPDATE kernel.signing_keys SET state = 'retired', retired_at = clock_timestamp() WHERE kid = $1"
REVOKE = """
UPDATE kernel.signing_keys SET state = 'revoked', revoked_at = clock_timestamp(), sealed = NULL WHERE kid = $1
"""


class KeyRefused(Exception):
    """A change that the rules do not allow, in one line."""


@attrs.frozen(kw_only=True)
class Key:
    """One key of the ring, without its secret."""

    kid: str
    algorithm: str
    state: str
    since: datetime | None
    """When it came into this state; None for the key of JWT_SECRET while the ring has no rows."""
    age: float
    """Seconds since it was added."""
    until: datetime | None
    """For a retired key: until when it verifies."""
    readable: bool
    """Whether this configuration has the secret that the key was sealed under."""
    is_root: bool
    """Made of JWT_SECRET itself."""


class KeyBook:
    """The changes, each by the actor given here."""

    def __init__(self, db: Db, tokens: TokenIssuer, actor: str) -> None:
        self._db, self._tokens, self._actor = db, tokens, actor
        self._seals = Seals(tokens.configured)
        self._root = tokens.configured[0]

    async def all(self) -> list[Key]:
        """Oldest first. A ring without rows is the key made of JWT_SECRET."""
        return self._read(await self._db.fetch(ALL))

    def _read(self, rows: list[Row]) -> list[Key]:
        if not rows:
            root = self._root
            return [Key(kid=root.kid, algorithm=root.algorithm, state="active", since=None, age=float("inf"),
                        until=None, readable=True, is_root=True)]  # fmt: skip
        return [self._key(row) for row in rows]

    def _key(self, row: Row) -> Key:
        state, sealed = row["state"], row["sealed"]
        since = row["created_at" if state == "next" else f"{'activated' if state == 'active' else state}_at"]
        until = since + timedelta(seconds=self._tokens.lifetime + MARGIN) if state == "retired" else None
        if sealed is None:
            readable = state == "revoked" or row["kid"] in {key.kid for key in self._tokens.configured}
        else:
            readable = self._seals.open(row["kid"], row["algorithm"], sealed) is not None
        return Key(kid=row["kid"], algorithm=row["algorithm"], state=state, since=since, age=row["age"], until=until,
                   readable=readable, is_root=row["kid"] == self._root.kid)  # fmt: skip

    async def add(self, algorithm: str = "HS256") -> str:
        """A new key that every replica soon knows and none signs with yet; answers its kid."""
        made = SigningKey.of(secrets.token_bytes(SECRET_BYTES[algorithm]), algorithm)
        async with self._db.transaction() as tx:
            keys = await self._locked(tx)
            if waiting := [key.kid for key in keys if key.state == "next"]:
                raise KeyRefused(f"{waiting[0]} is next already: activate or revoke it first")
            if keys[0].since is None:  # the first change writes down what was true without a row
                await tx.execute(ADD, self._root.kid, self._root.algorithm, "active", None)
            await tx.execute(ADD, made.kid, algorithm, "next", self._seals.seal(made))
            await self._note(tx, "add", made.kid, algorithm=algorithm)
        return made.kid

    async def activate(self, kid: str, *, force: bool = False) -> str:
        """Sign with a `next` key; answers the kid that this retires.

        It must be older than SETTLE seconds, or some replica would refuse its tokens; `force` does not wait.
        """
        async with self._db.transaction() as tx:
            keys = await self._locked(tx)
            key = _find(keys, kid)
            if key.state != "next":
                raise KeyRefused(f"{kid} is {key.state}: only a next key can become active")
            if not key.readable:
                raise KeyRefused(f"{kid} was made under another JWT_SECRET: revoke it and add a new one")
            if key.age < SETTLE and not force:
                raise KeyRefused(
                    f"{kid} is {key.age:.0f} s old and a replica may not know it yet: "
                    f"wait {SETTLE - key.age:.0f} s, or use --force and risk refused tokens"
                )
            before = next(other.kid for other in keys if other.state == "active")
            await tx.execute(RETIRE, before)
            await tx.execute(ACTIVATE, kid)
            await self._note(tx, "activate", kid, retires=before, forced=key.age < SETTLE)
        return before

    async def retire(self, kid: str) -> None:
        """Give a `next` key up. It goes on verifying for as long as one that has signed."""
        async with self._db.transaction() as tx:
            key = _find(await self._locked(tx), kid)
            if key.state == "active":
                raise KeyRefused(f"{kid} signs: activating another key retires it")
            if key.state != "next":
                raise KeyRefused(f"{kid} is {key.state} already")
            await tx.execute(RETIRE, kid)
            await self._note(tx, "retire", kid)

    async def revoke(self, kid: str) -> None:
        """End a key within SETTLE seconds everywhere, and destroy its secret. Whoever holds its tokens renews them."""
        async with self._db.transaction() as tx:
            key = _find(await self._locked(tx), kid)
            if key.state == "active":
                raise KeyRefused(f"{kid} is the one that signs: activate another key first, then revoke this one")
            if key.state == "revoked":
                raise KeyRefused(f"{kid} is revoked already")
            await tx.execute(REVOKE, kid)
            await self._note(tx, "revoke", kid, was=key.state)

    async def _locked(self, tx: Tx) -> list[Key]:
        await tx.execute(LOCK)
        return self._read(await tx.fetch(ALL))

    async def _note(self, tx: Tx, act: str, kid: str, **details: object) -> None:
        await audit.record(tx, actor=self._actor, action=f"key.{act}", subject=f"key:{kid}", details=details)


def _find(keys: list[Key], kid: str) -> Key:
    for key in keys:
        if key.kid == kid:
            return key
    raise KeyRefused(f"there is no key {kid}: `vurksha keys list` shows them")
