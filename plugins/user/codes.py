"""One-time codes: made, fingerprinted, sealed. Pure but for the random source (RELIABILITY 4.5)."""

import hmac
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_PEPPER = 32
"""Bytes (RELIABILITY 4.13)."""
DIGITS = 6
_NONCE = 12


def new_code() -> str:
    """Six digits from the system's random source, leading zeros included."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


class CodeBook:
    """What is done to codes with the pepper. One object per process: the keys are derived once."""

    def __init__(self, pepper: str) -> None:
        raw = pepper.encode()
        if len(raw) < MIN_PEPPER:
            raise ValueError(f"user.code_pepper needs at least {MIN_PEPPER} bytes")
        self._pepper = raw
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vurksha user code message")
        self._box = AESGCM(hkdf.derive(raw))
        self._tokens = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vurksha user first token").derive(raw)

    def fingerprint(self, phone: str, purpose: str, code: str) -> bytes:
        """What the database keeps of a code: an HMAC that binds it to its phone and purpose."""
        return hmac.digest(self._pepper, f"{phone}|{purpose}|{code}".encode(), "sha256")

    def first_token(self, session: bytes, salt: bytes) -> bytes:
        """The secret bits of a session's first refresh token: the same again only for who has salt and pepper."""
        return hmac.digest(self._tokens, session + salt, "sha256")

    def seal(self, challenge: bytes, code: str) -> bytes:
        """The code on its way through the queue, readable only with the pepper and for its own challenge."""
        nonce = os.urandom(_NONCE)
        return nonce + self._box.encrypt(nonce, code.encode(), challenge)

    def open(self, challenge: bytes, sealed: bytes) -> str:
        """The code again; raises ValueError when the pepper changed or the row was tampered with."""
        try:
            return self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], challenge).decode()
        except InvalidTag:
            raise ValueError("sealed with another pepper, or for another challenge") from None
