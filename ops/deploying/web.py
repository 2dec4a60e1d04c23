"""One HTTP request with a limit, without a library: the tool runs where only Python is."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import attrs

LIMIT = 10.0
"""Seconds for one request."""


@attrs.frozen(kw_only=True)
class Answer:
    """`status` 0 where nobody answered; `said` then tells why."""

    status: int
    raw: bytes = b""
    seconds: float = 0.0
    said: str = ""

    @property
    def data(self) -> Any:
        """Of the envelope. Raises KeyError or a ValueError for an answer of another kind."""
        return json.loads(self.raw)["data"]


def ask(
    method: str, url: str, *, body: object = None, headers: Mapping[str, str] | None = None, limit: float = LIMIT
) -> Answer:
    """Never raises for what the other side does."""
    began = time.monotonic()
    raw = None if body is None else json.dumps(body).encode()
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no web address")
    request = urllib.request.Request(url, raw, {"Content-Type": "application/json", **(headers or {})}, method=method)  # noqa: S310  the scheme was looked at
    try:
        with urllib.request.urlopen(request, timeout=limit) as got:  # noqa: S310  likewise
            return Answer(status=got.status, raw=got.read(), seconds=time.monotonic() - began)
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(status=refused.code, raw=refused.read(), seconds=time.monotonic() - began)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", error)
        return Answer(status=0, seconds=time.monotonic() - began, said=f"nothing ({why})")
