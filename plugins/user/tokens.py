"""Refresh tokens: 256 opaque bits, and the rule that decides what one of them still does (RELIABILITY 4.4). Pure."""

import base64
import hashlib
import hmac
import os
from enum import Enum

import attrs

TOKEN_BYTES = 32
SALT_BYTES = 16


@attrs.frozen
class RefreshToken:
    """A refresh token's secret bits."""

    raw: bytes = attrs.field(repr=False)

    @classmethod
    def read(cls, text: str) -> "RefreshToken | None":
        """The token that a client presents, or None when it cannot be one of ours."""
        try:
            raw = base64.urlsafe_b64decode(text + "=")
        except ValueError:
            return None
        token = cls(raw)
        return token if len(raw) == TOKEN_BYTES and token.text == text else None

    @property
    def text(self) -> str:
        """As clients hold it."""
        return base64.urlsafe_b64encode(self.raw).removesuffix(b"=").decode()

    @property
    def hash(self) -> bytes:
        """As the database holds it. The token is random, so a plain SHA-256 cannot be guessed back."""
        return hashlib.sha256(self.raw).digest()

    def successor(self, salt: bytes, generation: int) -> "RefreshToken":
        """The token of the next `generation`. Twins derive the same one; without the stored salt nobody does."""
        return RefreshToken(hmac.digest(self.raw, salt + generation.to_bytes(4), "sha256"))


def new_salt() -> bytes:
    """What a session mixes into its derivations."""
    return os.urandom(SALT_BYTES)


class Verdict(Enum):
    """What becomes of a presented refresh token."""

    ROTATE = "rotate"
    """It is the current one: its successor becomes current."""
    REPEAT = "repeat"
    """It is the one before, its answer was lost: the same successor again."""
    REVOKE = "revoke"
    """It was used up, or came from elsewhere: the family ends."""
    REFUSE = "refuse"
    """Its session is over already."""


@attrs.frozen(kw_only=True)
class Presented:
    """A presented token and its session, read under the session's row lock."""

    generation: int
    """Of the presented token."""
    current: int
    """The session's own generation."""
    open: bool
    """Neither ended nor past its idle or absolute bound, and its account is active."""
    in_grace: bool
    """The last rotation was less than the grace ago."""
    device: str | None
    """The device that signed in, if it said so."""


def judge(presented: Presented, device: str | None) -> Verdict:
    """What to do; `device` is what the client says now, None when it says nothing.

    A successor counts as unused until it was presented for a refresh itself: that makes it, not its predecessor, the
    token before the current one.
    """
    if not presented.open:
        return Verdict.REFUSE
    if device is not None and presented.device is not None and device != presented.device:
        return Verdict.REVOKE
    if presented.generation == presented.current:
        return Verdict.ROTATE
    if presented.generation == presented.current - 1 and presented.in_grace:
        return Verdict.REPEAT
    return Verdict.REVOKE
