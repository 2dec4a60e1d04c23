"""Who may look: whoever shows the operators' token, and the browser of a person who showed it lately."""

import hashlib
import hmac
import time

from aiohttp import web

from core.settings import Secret

COOKIE = "vurksha_operations"
LASTS = 12 * 3600
"""Seconds until a browser is asked again: a long shift."""
READING = frozenset({"GET", "HEAD"})


class Access:
    """Compares in constant time. The token itself is never sent back: a cookie holds what only its owner can make."""

    def __init__(self, token: Secret) -> None:
        self._token = token.reveal().encode()

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def allows(self, request: web.BaseRequest) -> bool:
        """By `Authorization: Bearer <token>`; for reading also by the cookie."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.knows(token.strip()):
            return True
        return request.method in READING and self._remembered(request.cookies.get(COOKIE, ""))

    def remember(self, response: web.StreamResponse) -> None:
        """Give a browser whose person showed the token a cookie, out of reach of scripts and of other sites.

        Not marked `Secure`: operators come by a tunnel to loopback, where there is no TLS.
        """
        until = f"{time.time() + LASTS:.0f}"
        value = f"{until}.{self._sealed(until)}"
        response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Strict", path="/")

    def _remembered(self, cookie: str) -> bool:
        until, _, seal = cookie.partition(".")
        sealed = hmac.compare_digest(seal.encode("utf-8", "replace"), self._sealed(until).encode())
        return sealed and time.time() < int(until)

    def _sealed(self, until: str) -> str:
        said = f"{COOKIE} until {until}".encode("utf-8", "replace")
        return hmac.new(self._token, said, hashlib.sha256).hexdigest()
