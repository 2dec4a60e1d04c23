"""The shop behind a gateway, for real: HAProxy with the settings of ops/haproxy before two replicas in production."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import click
import jwt
import pytest

from core.auth import TokenIssuer
from plugins.order.demo import Client
from tests.ops.gateway.haproxy import ORIGIN, Gateway, gateway
from tests.ops.stores import Walk

pytestmark = [pytest.mark.ops, pytest.mark.timeout(300)]
API = "/api/v1"
PROFILE = f"{API}/users/profile"


@pytest.fixture(scope="module")
async def front() -> AsyncIterator[Gateway]:
    async with gateway() as running:
        yield running


@pytest.fixture
async def http(front: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(front.url) as session:
        yield session


@pytest.fixture
async def token(front: Gateway) -> str:
    return await signed_in(front, f"9{time.time_ns() % 10**9:09d}")


async def signed_in(front: Gateway, phone: str) -> str:
    """A new customer's token, by way of the gateway."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, front.url + API)
        walk = Walk(client, front.stores.texts, phone)
        await walk._ask()
        await walk._verify()
        return client.token


async def asked(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any, dict[str, str]]:
    async with http.request(method, path, **more) as got:
        body = await got.json() if "json" in got.content_type else await got.text()
        return got.status, body, {name.lower(): value for name, value in got.headers.items()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def made(front: Gateway, **changes: Any) -> str:
    """A token as the shop makes them, signed by what is not its key or changed in what it says."""
    env = front.stores.env
    ours = TokenIssuer(env["JWT_SECRET"], (), issuer="vurksha", audience="vurksha-app", minutes=15)
    claims = jwt.decode(ours.issue(uuid4(), uuid4(), "ADMIN"), options={"verify_signature": False})
    kid = ours.configured[0].kid
    secret = changes.pop("secret", env["JWT_SECRET"])
    header = {"kid": changes.pop("kid", kid)}
    return jwt.encode(claims | changes, secret, changes.pop("alg", "HS256"), headers=header)


async def test_the_whole_journey_goes_through(front: Gateway) -> None:
    async with aiohttp.ClientSession() as session:
        await Walk(Client(session, front.url + API), front.stores.texts, "9812345678").walk()


async def test_a_token_that_the_ring_did_not_sign_goes_no_further(front: Gateway, http: aiohttp.ClientSession) -> None:
    none = jwt.encode({"sub": str(uuid4())}, "", "none", headers={"kid": "x"})
    for bad in (
        made(front, secret="a secret of somebody else's, long enough"),
        made(front, kid="0123456789ab"),
        made(front, alg="HS512"),
        made(front, exp=int(time.time()) - 1),
        none,
        "nonsense",
    ):
        status, body, headers = await asked(http, "GET", f"{API}/admin/orders", headers=bearer(bad))
        assert (status, body["error"]["code"], headers["www-authenticate"]) == (401, "AUTH_001", "Bearer")
        assert body["requestId"] == body["meta"]["requestId"] == headers["x-request-id"]
    assert (await asked(http, "GET", PROFILE))[0] == 401
    assert (await asked(http, "GET", f"{API}/nothing-of-the-kind"))[0] == 401


async def test_a_good_token_is_for_the_shop_to_judge(front: Gateway, http: aiohttp.ClientSession, token: str) -> None:
    assert (await asked(http, "GET", PROFILE, headers=bearer(token)))[0] == 200
    status, body, _ = await asked(http, "GET", f"{API}/admin/orders", headers=bearer(token))
    assert (status, body["error"]["code"]) == (403, "FORBIDDEN")


async def test_the_hundred_and_first_request_of_a_second_waits(
    http: aiohttp.ClientSession, front: Gateway, token: str
) -> None:
    other = await signed_in(front, "9898989898")
    got = await asyncio.gather(*(asked(http, "GET", PROFILE, headers=bearer(token)) for _ in range(160)))
    over = [one for one in got if one[0] == 429]
    assert {one[0] for one in got} == {200, 429}
    assert (over[0][1]["error"]["code"], over[0][2]["retry-after"]) == ("RATE_001", "1")
    assert (await asked(http, "GET", PROFILE, headers=bearer(other)))[0] == 200, "others are not counted with them"
    await asyncio.sleep(2.1)
    assert (await asked(http, "GET", PROFILE, headers=bearer(token)))[0] == 200


async def test_browsers_ask_beforehand_and_only_a_listed_origin_is_let_in(http: aiohttp.ClientSession) -> None:
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    status, _, headers = await asked(http, "OPTIONS", f"{API}/orders", headers={"Origin": ORIGIN, **ask})
    assert (status, headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert "POST" in headers["access-control-allow-methods"]
    _, _, headers = await asked(http, "OPTIONS", f"{API}/orders", headers={"Origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(("path", "limit"), [(f"{API}/auth/send-otp", 65_536), (f"{API}/webhooks/razorpay", 262_144)])
async def test_a_body_over_the_size_is_refused_unread(http: aiohttp.ClientSession, path: str, limit: int) -> None:
    try:
        status, body, _ = await asked(http, "POST", path, data=b"x" * (limit + 1))
    except aiohttp.ClientConnectionError:  # it was refused while the rest was still being sent
        return
    assert (status, body["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await asked(http, "POST", path, data=b"x" * limit))[0] in {400, 404, 415}


async def test_a_request_has_one_name_everywhere(http: aiohttp.ClientSession) -> None:
    _, body, headers = await asked(http, "GET", f"{API}/products?page=1&limit=1", headers={"X-Request-ID": "mine-1"})
    assert headers["x-request-id"] == "mine-1"
    assert body["requestId"] == "mine-1"
    _, body, headers = await asked(http, "GET", f"{API}/products?page=1&limit=1", headers={"X-Request-ID": "a b\tc"})
    assert body["requestId"] == headers["x-request-id"] != "a b\tc"


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/health/ready", "/console", "/", "/api/v1"])
async def test_what_is_not_for_the_public_stays_inside(http: aiohttp.ClientSession, path: str) -> None:
    assert (await asked(http, "GET", path))[0] == 404
    assert (await asked(http, "GET", "/health"))[0] == 200


async def test_a_webhook_needs_no_token_and_gets_the_shops_own_answer(http: aiohttp.ClientSession) -> None:
    status, body, _ = await asked(http, "POST", f"{API}/webhooks/razorpay", json={})
    assert status in {400, 404}
    assert body["error"]["code"] != "AUTH_001"


async def test_a_rotation_of_keys_signs_nobody_out(front: Gateway, http: aiohttp.ClientSession, token: str) -> None:
    statuses: list[int] = []
    following = asyncio.create_task(front.follow())

    async def keep_asking() -> None:
        while True:
            statuses.append((await asked(http, "GET", PROFILE, headers=bearer(token)))[0])
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(keep_asking())
    try:
        await front.stores.command("keys", "rotate")
        fresh = await signed_in(front, "9797979797")
        kids = {jwt.get_unverified_header(one)["kid"] for one in (token, fresh)}
        assert len(kids) == 2, "the new key signs"
        for one in (token, fresh):
            assert (await asked(http, "GET", PROFILE, headers=bearer(one)))[0] == 200
        await front.stores.command("keys", "revoke", jwt.get_unverified_header(token)["kid"])
        asking.cancel()
        await asyncio.sleep(3)
        assert (await asked(http, "GET", PROFILE, headers=bearer(token)))[0] == 401
        assert (await asked(http, "GET", PROFILE, headers=bearer(fresh)))[0] == 200
    finally:
        for task in (asking, following):
            task.cancel()
        await asyncio.gather(asking, following, return_exceptions=True)
    assert set(statuses) <= {200, 401}
    assert statuses.count(401) <= sum(status == 401 for status in statuses[-10:]), "refused only once it was revoked"
    click.echo(f"\nfigures: {len(statuses)} requests during a rotation, {statuses.count(200)} answered")


async def test_a_replica_that_dies_is_not_noticed(front: Gateway, http: aiohttp.ClientSession) -> None:
    path = f"{API}/products?page=1&limit=1"
    front.replicas[0].child.kill()
    statuses = []
    for _ in range(60):
        statuses.append((await asked(http, "GET", path))[0])
        await asyncio.sleep(0.03)
    assert set(statuses) == {200}
    for replica in front.replicas:
        replica.child.kill()
    status, body, _ = await asked(http, "GET", path)
    assert (status, body["error"]["code"]) == (503, "SYS_002")
