"""Access tokens: issue, verify, remember what was verified. Who is asking, and the port that knows live sessions."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import attrs
import jwt
import orjson

from core.errors import TOKEN_EXPIRED, TOKEN_INVALID, UNAUTHORIZED, UNAVAILABLE, Problem
from core.services import Port
from core.types import SessionId, UserId

if TYPE_CHECKING:
    from core.store.db import Db, Tx

LEEWAY = 5
"""Seconds that `exp` may lie in the past (RELIABILITY 4.4)."""
REMEMBERED = 50_000
"""Tokens that verified, at most; about 1 KB each."""
FORGET_AT_ONCE = 10
"""Of those, what one more may push out: more than one, or who has expired would stay."""
FRESH = 300.0
"""Seconds for which somebody who signed in may do what asks for a fresh sign-in (RELIABILITY 4.13)."""
BEARER = "Bearer "
ALGORITHMS = {"HS256": "sha256", "HS512": "sha512"}
"""Those that a key may be pinned to, and their hash."""
HEADER_NAMES = {"alg", "typ", "kid"}
"""All that a token's header may say. `jku`, `x5u`, `jwk` and their like would have the bearer choose the key."""


class Role(StrEnum):
    """Who somebody is (RELIABILITY 4.13)."""

    CUSTOMER = "CUSTOMER"
    DELIVERY_PARTNER = "DELIVERY_PARTNER"
    SUPPORT = "SUPPORT"
    ADMIN = "ADMIN"


@attrs.frozen
class Principal:
    """Who is asking, as the verified token says."""

    user_id: UserId
    session_id: SessionId
    role: Role


class SessionGate(Protocol):
    """What the kernel asks the owner of sessions."""

    async def require(self, source: "Tx | Db", principal: Principal) -> Role:
        """The role as stored now; raises Problem(SESSION_EXPIRED) when the session has ended.

        Asked in a transaction, it keeps the session from ending before the commit.
        """
        ...

    async def recent(self, source: "Tx | Db", principal: Principal, seconds: float) -> bool:
        """Whether the session began within so many seconds; refreshing does not begin one."""
        ...

    def revoked(self, session_id: UUID) -> bool:
        """From local memory, at most two seconds old (RELIABILITY 4.4)."""
        ...


SESSIONS: Port[SessionGate] = Port("kernel.sessions")


@attrs.frozen
class SigningKey:
    """A secret of the ring. `kid` is derived from it, so replicas agree without being told."""

    kid: str
    secret: bytes = attrs.field(repr=False)
    algorithm: str = "HS256"

    @classmethod
    def of(cls, secret: str | bytes, algorithm: str = "HS256") -> "SigningKey":
        """The key made of a secret."""
        raw = secret.encode() if isinstance(secret, str) else secret
        return cls(hashlib.sha256(b"kid:" + raw).hexdigest()[:12], raw, algorithm)


class TokenIssuer:
    """Signs with the active key and verifies with every key of the ring, each by its own algorithm alone."""

    def __init__(self, active: str, also: Iterable[str], *, issuer: str, audience: str, minutes: int) -> None:
        self.configured = tuple(map(SigningKey.of, (active, *also)))
        """Keys made of the settings' secrets, JWT_SECRET's first: the whole ring until `adopt` brings another."""
        self._issuer, self._audience = issuer, audience
        self.lifetime = minutes * 60
        """Seconds that an access token lives."""
        self.stale = False
        """The ring was not read for so long that a key it lacks may be a good one."""
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._ring: dict[str, SigningKey] = {}
        self.adopt(self.configured[0], self.configured)

    def adopt(self, active: SigningKey | None, ring: Iterable[SigningKey]) -> None:
        """Sign with `active`, verify with `ring`. When a key leaves, no token that it verified is remembered."""
        before, self._ring = self._ring, {key.kid: key for key in ring}
        self._active = active
        if active is not None:
            header = {"alg": active.algorithm, "typ": "JWT", "kid": active.kid}
            self._head, self._digest = _base64url(orjson.dumps(header)) + b".", ALGORITHMS[active.algorithm]
        if any(self._ring.get(kid) != key for kid, key in before.items()):
            self._known = OrderedDict()

    def issue(self, user_id: UUID, session_id: UUID, role: str) -> str:
        """An access token for one session. Raises Problem(UNAVAILABLE) when the ring has no key to sign with."""
        key = self._active
        if key is None:
            raise Problem(UNAVAILABLE)
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "role": role,
            "type": "access",
            "iat": now,
            "exp": now + self.lifetime,
        }
        # RFC 7515 by hand: pyjwt examines the key at each call, which costs as much as the rest of a sign-in's Python.
        signed = self._head + _base64url(orjson.dumps(claims))
        return (signed + b"." + _base64url(hmac.digest(key.secret, signed, self._digest))).decode()

    def principal(self, header: str | None) -> Principal:
        """Who an Authorization header speaks for; raises Problem with a 401 code.

        A token that verified once is remembered until it expires, and forgotten soon after. A refusal never is.
        """
        if not header:
            raise Problem(UNAUTHORIZED)
        hit = self._known.get(header)
        if hit is not None and hit[0] > time.time():
            return hit[1]
        if not header.startswith(BEARER):
            raise Problem(UNAUTHORIZED)
        expires, principal = self._verify(header[len(BEARER) :])
        self._forget(time.time())
        self._known[header] = expires, principal
        return principal

    def _forget(self, now: float) -> None:
        """Make room. The oldest come first; one that lives longer than those after it keeps them a little."""
        for _ in range(FORGET_AT_ONCE):
            oldest = next(iter(self._known.values()), None)
            if oldest is None or (oldest[0] > now and len(self._known) < REMEMBERED):
                return
            self._known.popitem(last=False)

    def _verify(self, token: str) -> tuple[float, Principal]:
        try:
            key = self._key_of(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.secret,
                [key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                # `exp` bounds it; the clock of the replica that issued it may be ahead of ours.
                options={"require": ["exp", "iat", "sub", "sid", "role", "type"], "verify_iat": False},
            )
            if claims["type"] != "access":
                raise jwt.InvalidTokenError
            who = Principal(UserId(UUID(claims["sub"])), SessionId(UUID(claims["sid"])), Role(claims["role"]))
        except jwt.ExpiredSignatureError:
            raise Problem(TOKEN_EXPIRED) from None
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise Problem(TOKEN_INVALID) from None
        return claims["exp"] + LEEWAY, who

    def _key_of(self, header: dict[str, Any]) -> SigningKey:
        """The key that a header names; raises KeyError or InvalidTokenError for a header that is not like ours."""
        if header.get("typ") != "JWT" or not header.keys() <= HEADER_NAMES:
            raise jwt.InvalidTokenError
        key = self._ring.get(header["kid"])
        if key is not None:
            return key
        if self.stale:  # an outage is never a 401 (RELIABILITY 4.4)
            raise Problem(UNAVAILABLE)
        raise jwt.InvalidTokenError


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
