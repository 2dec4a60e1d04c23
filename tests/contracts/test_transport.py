"""What holds for every request: ids, envelope, errors, lists, empty bodies, health (CONTRACT A.1, A.2, B.1, B.2)."""

import re
from uuid import UUID, uuid4

import aiohttp
import pytest

from core import errors
from core.errors import Code
from core.http.limits import Buckets, Limited
from core.testing import Answer, TestApp
from plugins.cart import ports as cart
from plugins.order import ports as order
from plugins.product import ports as product
from plugins.user import ports as user
from tests.contracts import shapes
from tests.contracts.world import World
from tests.journeys.dart import fields
from tests.people import Customer

TABLE = {
    "AUTH_001": 401, "AUTH_002": 401, "AUTH_003": 401, "AUTH_004": 401, "AUTH_005": 400, "AUTH_006": 400,
    "AUTH_007": 404, "VAL_001": 400, "VAL_002": 400, "VAL_003": 400, "VAL_004": 400, "RES_001": 404,
    "RES_002": 409, "RES_003": 409, "RES_004": 410, "BIZ_001": 422, "BIZ_002": 422, "BIZ_003": 422,
    "BIZ_004": 422, "BIZ_005": 422, "BIZ_006": 422, "BIZ_007": 422, "BIZ_008": 422, "RATE_001": 429,
    "RATE_002": 429, "SYS_001": 500, "SYS_002": 503, "SYS_003": 504, "SYS_004": 502, "SYS_005": 503,
    "FORBIDDEN": 403, "OPERATION_IN_PROGRESS": 409,
}  # fmt: skip
RETRYABLE = {"SYS_002", "SYS_003", "SYS_004", "RATE_001", "OPERATION_IN_PROGRESS"}
CODES = [value for module in (errors, cart, order, product, user) for value in vars(module).values()]
TABLE_NAME = re.compile(r"(?:AUTH|VAL|RES|BIZ|RATE|SYS)_\d{3}")

PLACES = (
    "/products",
    "/products?limit=1&page=2",
    "/cart",
    "/nowhere",
    "/health",
    "/health/ready",
    "/images/nothing.svg",
)
"""Answered from memory, by a route, by no route, by the kernel."""


async def test_every_code_has_the_status_of_the_table() -> None:
    codes = [code for code in CODES if isinstance(code, Code)]
    assert len(codes) > 25
    for code in codes:
        assert TABLE.get(code.name, code.status) == code.status, code
        assert not TABLE_NAME.fullmatch(code.name) or code.name in TABLE, code
        assert code.retryable == (code.name in RETRYABLE), code
        assert code.status != 401 or code.name.startswith("AUTH_")
    assert errors.RATE_LIMITED.retry_after == 5


@pytest.mark.parametrize("path", PLACES)
async def test_both_ids_of_the_client_come_back_apart(app: TestApp, path: str) -> None:
    mine = {"X-Request-ID": str(uuid4()), "X-Correlation-Id": "checkout-7"}
    for _ in range(2):
        answer = await app.get(path, headers=mine)
        assert answer.headers["X-Request-Id"] == mine["X-Request-ID"]
        assert answer.headers["X-Correlation-Id"] == "checkout-7"
        assert answer.json.get("requestId", mine["X-Request-ID"]) == mine["X-Request-ID"]


@pytest.mark.parametrize("path", PLACES)
async def test_the_correlation_id_is_else_the_requests(app: TestApp, path: str) -> None:
    given = str(uuid4())
    answer = await app.get(path, headers={"X-Request-ID": given})
    assert answer.headers["X-Correlation-Id"] == answer.headers["X-Request-Id"] == given
    fresh = await app.get(path)
    assert (
        fresh.headers["X-Correlation-Id"] == fresh.headers["X-Request-Id"] == str(UUID(fresh.headers["X-Request-Id"]))
    )


@pytest.mark.parametrize("path", ["/products?limit=1", "/images/products/tomato.svg"])
async def test_an_unchanged_answer_carries_the_ids_too(app: TestApp, path: str) -> None:
    etag = (await app.get(path)).headers["ETag"]
    answer = await app.get(path, headers={"If-None-Match": etag, "X-Request-ID": "r-1", "X-Correlation-Id": "c-1"})
    assert (answer.status, answer.headers["X-Request-Id"], answer.headers["X-Correlation-Id"]) == (304, "r-1", "c-1")


@pytest.mark.parametrize("bad", ["a b", 'x"y', "<x>", "a" * 65])
async def test_an_id_that_could_do_harm_is_not_echoed(app: TestApp, bad: str) -> None:
    answer = await app.get("/products", headers={"X-Request-ID": bad, "X-Correlation-Id": bad})
    assert bad not in (answer.headers["X-Request-Id"], answer.headers["X-Correlation-Id"])


Case = tuple[str, str, bytes, dict[str, str], int, str]
REFUSALS: tuple[Case, ...] = (
    ("GET", "/nowhere", b"", {}, 404, "RES_001"),
    ("GET", "/products/", b"", {}, 404, "RES_001"),
    ("PATCH", "/cart", b"", {}, 405, "METHOD_NOT_ALLOWED"),
    ("POST", "/auth/send-otp", b"x" * 70_000, {}, 413, "PAYLOAD_TOO_LARGE"),
    ("POST", "/auth/send-otp", b"phone=1", {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/auth/send-otp", b"{", {}, 400, "VAL_004"),
    ("POST", "/auth/send-otp", b"[]", {}, 400, "VAL_004"),
    ("POST", "/auth/send-otp", b"{}", {}, 400, "VAL_001"),
    ("POST", "/auth/send-otp", b"", {}, 400, "VAL_001"),
    ("GET", "/products?page=0", b"", {}, 400, "VAL_001"),
    ("GET", "/products/not-a-uuid", b"", {}, 404, "RES_001"),
    ("GET", "/products/01890000-0000-7000-8000-000000000000", b"", {}, 404, "RES_001"),
    ("GET", "/categories/nothing-here", b"", {}, 404, "RES_001"),
    ("GET", "/users/profile", b"", {"Authorization": "Bearer rubbish"}, 401, "AUTH_003"),
    ("GET", "/users/profile", b"", {"Authorization": ""}, 401, "AUTH_001"),
    ("GET", "/users/profile", b"", {}, 401, "AUTH_001"),
    ("POST", "/auth/token/refresh", b'{"refreshToken": "unknown"}', {}, 401, "AUTH_003"),
    ("POST", "/auth/verify-otp", b'{"phone": "9123456780", "otp": "123456"}', {}, 400, "AUTH_006"),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case[0]} {case[1][:30]} {case[5]}")
async def test_a_refusal_has_the_envelope(app: TestApp, case: Case) -> None:
    method, path, body, headers, status, code = case
    answer = await app.request(method, path, body=body or None, headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json"), answer.body
    assert answer.code == code
    failure = answer.json
    shapes.failure(failure)
    assert failure["success"] is False
    assert "data" not in failure
    for wrong in failure["error"].get("details", {}).get("validationErrors", ()):
        fields(field=shapes.filled, message=shapes.filled, code=shapes.filled)(wrong)
    assert (code == "VAL_001") == ("validationErrors" in failure["error"].get("details", {}))


EMPTY = (
    ("POST", "/auth/logout"), ("POST", "/cart/validate"), ("DELETE", "/cart"), ("DELETE", "/cart/items/{product_id}"),
    ("POST", "/orders/{order_id}/cancel"), ("POST", "/notifications/{id}/read"), ("POST", "/notifications/read-all"),
    ("POST", "/addresses/{address_id}/default"), ("DELETE", "/addresses/{address_id}"), ("PUT", "/users/me"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), EMPTY)
async def test_no_bytes_are_no_fields(app: TestApp, world: World, method: str, path: str) -> None:
    for body in (b"", b"{}"):
        answer = await app.request(method, path.format(**world.known), body=body, as_=world.customer)
        assert answer.status == 200 or (path, body) == ("/auth/logout", b"{}"), answer.body


LISTS = ("/products", "/orders", "/notifications")


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_counts_in_whole_numbers(app: TestApp, world: World, path: str) -> None:
    async def page(query: str) -> Answer:
        return await app.get(f"{path}?{query}", as_=world.customer)

    first, past = (await page("page=1&limit=1")).json, (await page("page=999&limit=7")).json
    total = first["pagination"]["total"]
    assert total >= 1
    assert first["pagination"] == {"page": 1, "limit": 1, "total": total, "totalPages": total, "hasMore": total > 1}
    assert past["pagination"] == {
        "page": 999, "limit": 7, "total": total, "totalPages": -(-total // 7), "hasMore": False,
    }  # fmt: skip
    assert next(iter(past["data"].values())) == []
    default = (await page("")).json["pagination"]
    assert (default["page"], default["limit"]) == (1, 20)
    assert (await page("limit=100&sortBy=newest&sortOrder=asc")).status == 200
    for bad in ("page=0", "limit=0", "limit=101", "page=1.0", "page=one"):
        refused = await page(bad)
        assert (refused.status, refused.code) == (400, "VAL_001"), bad


async def test_nobody_elses_thing_is_there(app: TestApp, world: World, customer: Customer) -> None:
    for method, path in (
        ("GET", "/orders/{order_id}"),
        ("POST", "/orders/{order_id}/cancel"),
        ("GET", "/addresses/{address_id}"),
        ("DELETE", "/addresses/{address_id}"),
        ("POST", "/notifications/{id}/read"),
    ):
        answer = await app.request(method, path.format(**world.known), as_=customer)
        assert (answer.status, answer.code) == (404, "RES_001"), path


async def test_the_limiter_says_who_and_when() -> None:
    buckets = Buckets(1)
    buckets.take("somebody")
    with pytest.raises(Limited) as caught:
        buckets.take("somebody")
    for name in (b"X-RateLimit-Limit: 1", b"X-RateLimit-Remaining: 0", b"X-RateLimit-Reset: "):
        assert name in caught.value.headers


async def test_a_listed_origin_may_send_what_the_contract_names(app: TestApp) -> None:
    async with aiohttp.ClientSession() as session, session.options(f"{app.url}/api/v1/orders") as answer:
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    for name in ("content-type", "authorization", "x-request-id", "x-correlation-id", "x-idempotency-key"):
        assert name in allowed
