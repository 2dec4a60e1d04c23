"""Heads and bodies as bytes."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CONFLICT, RATE_LIMITED, FieldError, Invalid, Problem, not_found
from core.http import envelope
from core.http.envelope import JSON, Clockwork, new_request_id, pagination_json, request_id_of
from core.http.routing import Pagination


def parts(raw: bytes) -> tuple[bytes, dict[str, str], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    return line, dict(header.decode().split(": ", 1) for header in headers), body


def test_an_answer_has_every_security_header_once() -> None:
    raw = Clockwork(hsts=True).answer(200, JSON, b"id-1", b"{}")
    line, headers, body = parts(raw)
    assert (line, body) == (b"HTTP/1.1 200 OK", b"{}")
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Request-Id"] == headers["X-Correlation-Id"] == "id-1"
    assert headers["Content-Length"] == "2"
    assert raw.count(b"Content-Security-Policy") == 1
    assert b"Strict-Transport" not in Clockwork().answer(200, JSON, b"id-1", b"{}")


def test_a_kind_that_brings_its_own_policy_has_no_second_one() -> None:
    raw = Clockwork().head(200, b"Content-Security-Policy: default-src 'self'\r\n")
    assert raw.count(b"Content-Security-Policy") == 1


def test_the_date_moves_with_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clockwork, moment = Clockwork(), datetime(2026, 1, 31, 9, 0, 7, tzinfo=UTC)
    before = clockwork.head(200, JSON)
    assert clockwork.head(200, JSON) is before
    monkeypatch.setattr(envelope.time, "time", moment.timestamp)
    clockwork.tick()
    _, headers, _ = parts(clockwork.head(200, JSON) + b"\r\n")
    assert parsedate_to_datetime(headers["Date"]) == moment
    assert clockwork.timestamp == b"2026-01-31T09:00:07.000Z"


def test_the_heads_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "MOST_HEADS", 5)
    clockwork = Clockwork()
    for number in range(50):
        assert b"ETag: %d" % number in clockwork.head(200, b"ETag: %d\r\n" % number)
        assert len(clockwork._heads) <= 6


def test_a_refusal_says_code_retry_and_details() -> None:
    line, headers, body = parts(Clockwork().refuse(b"r", Problem(RATE_LIMITED, details={"left": 3}), extra=b"X: y\r\n"))
    assert line == b"HTTP/1.1 429 Too Many Requests"
    assert (headers["Retry-After"], headers["X"], headers["Cache-Control"]) == ("5", "y", "no-store")
    assert orjson.loads(body)["error"] == {
        "code": "RATE_001",
        "message": "Too many requests. Please wait a moment.",
        "retryable": True,
        "retryAfter": 5,
        "details": {"left": 3},
    }
    plain = orjson.loads(parts(Clockwork().refuse(b"r", Problem(CONFLICT, "Not now.")))[2])
    assert plain["error"] == {"code": "RES_003", "message": "Not now.", "retryable": False}
    assert (plain["success"], plain["requestId"], plain["meta"]["requestId"]) == (False, "r", "r")
    assert not_found("Order").message == "Order not found."


def test_problem_json_is_rfc_9457() -> None:
    refusal = Invalid([FieldError("name", "is required", "required")])
    _, headers, body = parts(Clockwork().refuse(b"r", refusal, {"Accept": "text/html, application/problem+json"}))
    assert headers["Content-Type"] == "application/problem+json"
    assert orjson.loads(body) == {
        "type": "about:blank",
        "title": "Some of the input is not valid.",
        "status": 400,
        "detail": "Some of the input is not valid.",
        "code": "VAL_001",
        "requestId": "r",
        "details": {"validationErrors": [{"field": "name", "message": "is required", "code": "required"}]},
    }


@given(st.integers(1, 1000), st.integers(1, 100), st.integers(0, 10**6))
def test_pages_add_up(page: int, limit: int, total: int) -> None:
    found = orjson.loads(b"{" + pagination_json(Pagination(page, limit, total))[1:] + b"}")["pagination"]
    assert 0 <= found["totalPages"] * limit - total < limit
    assert found["hasMore"] == (page * limit < total)
    assert all(isinstance(found[name], int) for name in ("page", "limit", "total", "totalPages"))


def test_ids_look_like_uuids_and_differ() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {UUID(one).version for one in ids} == {4}


@given(st.text(max_size=80))
def test_only_a_harmless_id_of_the_clients_is_kept(given_id: str) -> None:
    used = request_id_of(given_id)
    assert used.isascii()
    assert 1 <= len(used) <= 64
    assert not set(used) & set('\r\n"\\ \t<>')
    harmless = given_id.isascii() and 1 <= len(given_id) <= 64 and all(c.isalnum() or c in "._:-" for c in given_id)
    assert (used == given_id) == harmless
