"""Access tokens: issue, verify, remember what was verified. Who is asking, and the port that knows live sessions."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import attrs
import jwt
import orjson

from core.errors import TOKEN_EXPIRED, TOKEN_INVALID, UNAUTHORIZED, Problem
from core.services import Port
from core.types import SessionId, UserId

if TYPE_CHECKING:
    from core.store.db import Db, Tx

LEEWAY = 5
"""Seconds that `exp` may lie in the past (RELIABILITY 4.4)."""
REMEMBERED = 50_000
BEARER = "Bearer "


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

    def revoked(self, session_id: UUID) -> bool:
        """From local memory, at most two seconds old (RELIABILITY 4.4)."""
        ...


SESSIONS: Port[SessionGate] = Port("kernel.sessions")


@attrs.frozen
class SigningKey:
    """A secret of the ring. `kid` is derived from it, so replicas agree without being told."""

    kid: str
    secret: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "SigningKey":
        """The key made of a configured secret."""
        raw = secret.encode()
        return cls(hashlib.sha256(b"kid:" + raw).hexdigest()[:12], raw)


class TokenIssuer:
    """Signs with the active key and verifies with every key of the ring. HS256 only, whatever a token's header says."""

    def __init__(self, active: str, also: Iterable[str], *, issuer: str, audience: str, minutes: int) -> None:
        self._active = SigningKey.of(active)
        self._ring = {key.kid: key for key in (self._active, *map(SigningKey.of, also))}
        self._issuer, self._audience = issuer, audience
        self.lifetime = minutes * 60
        """Seconds that an access token lives."""
        self._known: dict[str, tuple[float, Principal]] = {}
        self._head = _base64url(orjson.dumps({"alg": "HS256", "typ": "JWT", "kid": self._active.kid})) + b"."

    def issue(self, user_id: UUID, session_id: UUID, role: str) -> str:
        """An access token for one session."""
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
        return (signed + b"." + _base64url(hmac.digest(self._active.secret, signed, "sha256"))).decode()

    def principal(self, header: str | None) -> Principal:
        """Who an Authorization header speaks for; raises Problem with a 401 code.

        A token that verified once is remembered until it expires. A refusal never is.
        """
        if not header:
            raise Problem(UNAUTHORIZED)
        hit = self._known.get(header)
        if hit is not None and hit[0] > time.time():
            return hit[1]
        if not header.startswith(BEARER):
            raise Problem(UNAUTHORIZED)
        expires, principal = self._verify(header[len(BEARER) :])
        if len(self._known) >= REMEMBERED:
            self._known = dict(list(self._known.items())[REMEMBERED // 10 :])
        self._known[header] = expires, principal
        return principal

    def _verify(self, token: str) -> tuple[float, Principal]:
        try:
            key = self._ring[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key.secret,
                ["HS256"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "sid", "role", "type"]},
            )
            if claims["type"] != "access":
                raise jwt.InvalidTokenError
            who = Principal(UserId(UUID(claims["sub"])), SessionId(UUID(claims["sid"])), Role(claims["role"]))
        except jwt.ExpiredSignatureError:
            raise Problem(TOKEN_EXPIRED) from None
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise Problem(TOKEN_INVALID) from None
        return claims["exp"] + LEEWAY, who


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
