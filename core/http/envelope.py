"""The shape of every answer (CONTRACT A.2, B.1) and its head: bytes from first to last.

A head is put together once a second per status and kind, because only its Date changes; an answer adds its id and
length.
"""

import itertools
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType

import orjson
from multidict import istr

from core.errors import Problem
from core.http.routing import Pagination

GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII).fullmatch
JSON = b"Content-Type: application/json\r\n"
PROBLEM_JSON = b"Content-Type: application/problem+json\r\n"
SECURITY = b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
POLICY = b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
HSTS = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
NO_STORE = b"Cache-Control: no-store\r\n"
CLOSE = b"Connection: close\r\n"
META = b'"requestId":"%b","meta":{"requestId":"%b","timestamp":"%b","version":"1.0.0"}'
SUCCESS = b'{"success":true,"data":%b,' + META + b"%b}"
FAILURE = b'{"success":false,"error":%b,' + META + b"}"
CORRELATION = istr("X-Correlation-Id")
NOTHING: Mapping[str, str] = MappingProxyType({})
MOST_HEADS = 2_000
"""Kept until the second ends; kinds that carry an ETag make many."""


def _request_ids() -> Callable[[], str]:
    """Ids shaped like a uuid: a random start for the process, then counted. A fifth of the cost of uuid4."""
    start = uuid.UUID(bytes=os.urandom(16), version=4).hex
    head = f"{start[:8]}-{start[8:12]}-{start[12:16]}-{start[16:20]}-"
    numbers = itertools.count(int.from_bytes(os.urandom(5)))
    return lambda: f"{head}{next(numbers) & 0xFFFFFFFFFFFF:012x}"


new_request_id = _request_ids()


class Clockwork:
    """What changes with the second: the Date of the heads and the timestamp of the envelope."""

    def __init__(self, *, hsts: bool = False) -> None:
        self._always = SECURITY + (HSTS if hsts else b"")
        self.date = b""
        self.timestamp = b""
        self._heads: dict[tuple[int, bytes], bytes] = {}
        self.tick()

    def tick(self) -> None:
        """Once a second."""
        now = time.time()
        self.date = b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        self.timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
        self._heads.clear()

    def head(self, status: int, kind: bytes) -> bytes:
        """Status line and headers without those of the single answer."""
        known = self._heads.get((status, kind))
        if known is None:
            if len(self._heads) > MOST_HEADS:
                self._heads.clear()
            line = b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
            policy = b"" if b"Content-Security-Policy" in kind else POLICY  # a page brings its own
            known = self._heads[status, kind] = line + kind + self._always + policy + self.date
        return known

    def answer(self, status: int, kind: bytes, request_id: bytes, body: bytes, correlation: bytes = b"") -> bytes:
        """A whole HTTP answer. Without a `correlation` of its own, the request's id serves as that."""
        return b"%bX-Request-Id: %b\r\nX-Correlation-Id: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            self.head(status, kind), request_id, correlation or request_id, len(body), body,
        )  # fmt: skip

    def unchanged(self, kind: bytes, request_id: bytes, correlation: bytes) -> bytes:
        """A whole 304."""
        ids = b"X-Request-Id: %b\r\nX-Correlation-Id: %b\r\n\r\n" % (request_id, correlation)
        return self.head(304, kind) + ids

    def success(self, request_id: bytes, data: bytes, pagination: bytes = b"") -> bytes:
        """The body of a success. `pagination` starts with its comma."""
        return SUCCESS % (data, request_id, request_id, self.timestamp, pagination)

    def failure(self, request_id: bytes, problem: Problem) -> bytes:
        """The body of a refusal."""
        error = {"code": problem.code.name, "message": problem.message, "retryable": problem.code.retryable}
        if problem.retry_after is not None:
            error["retryAfter"] = problem.retry_after
        if problem.details is not None:
            error["details"] = problem.details
        return FAILURE % (orjson.dumps(error, default=str), request_id, request_id, self.timestamp)

    def refuse(
        self, request_id: bytes, problem: Problem, headers: Mapping[str, str] = NOTHING, *, extra: bytes = b""
    ) -> bytes:
        """A whole HTTP answer for a refusal; `application/problem+json` (RFC 9457) for those who ask for it.

        `headers` are the request's.
        """
        if problem.retry_after is not None:
            extra += b"Retry-After: %d\r\n" % problem.retry_after
        if "application/problem+json" in headers.get("Accept", ""):
            body, kind = problem_details(problem, request_id.decode()), PROBLEM_JSON
        else:
            body, kind = self.failure(request_id, problem), JSON
        correlation = correlation_of(headers, request_id)
        return self.answer(problem.code.status, kind + NO_STORE + extra, request_id, body, correlation)


def problem_details(problem: Problem, request_id: str) -> bytes:
    """RFC 9457."""
    return orjson.dumps(
        {
            "type": "about:blank",
            "title": problem.code.message,
            "status": problem.code.status,
            "detail": problem.message,
            "code": problem.code.name,
            "requestId": request_id,
            **({"details": problem.details} if problem.details else {}),  # their names are not the RFC's
        },
        default=str,
    )


def pagination_json(page: Pagination) -> bytes:
    """The envelope's `pagination`, with its comma. Integers only: the app's parser refuses 1.0."""
    pages = -(-page.total // page.limit)
    return b',"pagination":{"page":%d,"limit":%d,"total":%d,"totalPages":%d,"hasMore":%b}' % (
        page.page, page.limit, page.total, pages, b"true" if page.page < pages else b"false",
    )  # fmt: skip


def request_id_of(given: str | None) -> str:
    """The client's id if it is one that may go into a header and a log, else a new one."""
    return given if given is not None and GOOD_ID(given) else new_request_id()


def correlation_of(headers: Mapping[str, str], request_id: bytes) -> bytes:
    """What ties this request to others of the client's: the id it gave for that, else the request's own."""
    given = headers.get(CORRELATION)
    return given.encode() if given is not None and GOOD_ID(given) else request_id
