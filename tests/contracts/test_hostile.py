"""Every route under what nobody should send: no 5xx, the envelope always, nothing of anybody else's."""

import re
from collections.abc import Mapping
from uuid import uuid4

import attrs
import pytest

from core.http.routing import Route
from core.testing import Answer, TestApp
from tests.contracts.conftest import NewWorld, is_for_admins
from tests.contracts.hostile import BODIES, EXTRA, HEADERS, QUERIES, STRANGERS, TEXTS, ZIPPED, Samples, encoded, spoilt
from tests.contracts.world import HOME, World
from tests.people import NewCustomer, new_phone, while_fresh

VALUE = re.compile(r"\{(\w+)(?::\w+)?\}")
OWNED = {"address_id", "order_id", "export_id", "id", "method_id"}
"""Path values that name what only its owner may know of."""
UNKNOWN_IS_FINE = {"product_id", "token"}
"""Path values of which one that names nothing may be removed all the same."""
BADLY_FORMED = {"VAL_001", "VAL_003", "VAL_004"}
PAGE = "/payments/sandbox"
"""Below it, the page's own token says what is asked for."""
MAY_BE_401 = {"/auth/token/refresh"}
"""Its body is a token."""


def path_of(route: Route, values: Mapping[str, str]) -> str:
    query = f"?token={values.get('page', 'no')}" if route.path == f"{PAGE}/bill" else ""
    return VALUE.sub(lambda found: values[found[1]], route.path) + query


def names(route: Route) -> list[str]:
    return VALUE.findall(route.path)


def is_civil(answer: Answer) -> None:
    """2xx, 304 or 4xx, in the envelope (CONTRACT A.2, B.1)."""
    assert 200 <= answer.status < 300 or answer.status == 304 or 400 <= answer.status < 500, answer
    if answer.status == 304:
        assert answer.body == b""
        return
    body, rid = answer.json, answer.headers["X-Request-Id"]
    if answer.headers["Content-Type"] == "application/problem+json":
        assert (body["status"], body["requestId"]) == (answer.status, rid)
        return
    assert answer.headers["Content-Type"] == "application/json"
    assert body["success"] is (answer.status < 300)
    assert body["requestId"] == body["meta"]["requestId"] == rid
    if body["success"]:
        assert isinstance(body["data"], dict)
    else:
        error = body["error"]
        assert isinstance(error["code"], str)
        assert isinstance(error["message"], str)
        assert isinstance(error["retryable"], bool)


class Caller:
    """Sends to one route as the right person, who signs in anew when a request has ended the session."""

    def __init__(self, app: TestApp, route: Route, world: World, new_customer: NewCustomer) -> None:
        self._app, self._route, self._new_customer = app, route, new_customer
        self._who = world.admin if is_for_admins(route) else world.customer
        self.known = world.known
        known = world.known
        things = {"productId": str(world.product), "addressId": known["address_id"], "deliveryAddress": HOME}
        things["methodId"] = known["method_id"]
        if route.path.startswith(PAGE):
            things["token"] = known["page"]
        person = {"phone": new_phone(), "phoneNumber": new_phone(), "refreshToken": world.customer.refresh}
        self.samples = Samples({**things, **person})
        self.right = self.samples.body(route.body)

    async def send(
        self, path: str | None = None, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, with the right path and body unless told otherwise; its answer is civil."""
        route = self._route
        path = path or path_of(route, self.known)
        body = body if body is not None else encoded(self.right) if route.body else b""
        answer = await self._app.request(route.method, path, body=body, as_=self._who, headers=headers)
        if answer.status == 401 and route.path not in MAY_BE_401:
            self._who = await self._new_customer()
            answer = await self._app.request(route.method, path, body=body, as_=self._who, headers=headers)
        is_civil(answer)
        return answer


@pytest.fixture
def way() -> str:
    """An order that can be paid for."""
    return "UPI"


@pytest.fixture(scope="session")
def worlds() -> dict[str, World]:
    """One for each route and a while: most of what is tried there leaves no trace."""
    return {}


@pytest.fixture
async def caller(
    app: TestApp, route: Route, worlds: dict[str, World], new_world: NewWorld, new_customer: NewCustomer
) -> Caller:
    name = f"{route.method} {route.path} {while_fresh()}"
    if name not in worlds:
        worlds[name] = await new_world()
    return Caller(app, route, worlds[name], new_customer)


async def test_the_right_body_is_understood(
    app: TestApp, route: Route, world: World, new_customer: NewCustomer
) -> None:
    """Without this the hostile ones below would prove little."""
    answer = await Caller(app, route, world, new_customer).send()
    assert answer.status not in (401, 403, 404)
    assert answer.status < 300 or answer.code not in BADLY_FORMED, answer


async def test_no_field_takes_what_it_cannot_hold(caller: Caller) -> None:
    for body in spoilt(caller.right):
        await caller.send(body=encoded(body))


async def test_what_is_no_body_is_refused(route: Route, caller: Caller) -> None:
    for name, body in BODIES.items():
        answer = await caller.send(body=body)
        assert answer.status in (400, 413) or route.body is None, (name, answer)
    await caller.send(body=EXTRA)


async def test_no_body_is_an_object_without_fields(caller: Caller) -> None:
    answer = await caller.send(body=b"", headers={"Content-Type": "application/json"})
    assert answer.status < 300 or answer.code not in ("VAL_004", "UNSUPPORTED_MEDIA_TYPE"), answer


async def test_zipped_bodies_and_other_media_are_refused(route: Route, caller: Caller) -> None:
    for headers, body in (
        ({"Content-Encoding": "gzip"}, ZIPPED),
        ({"Content-Type": "application/gzip"}, ZIPPED),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"phone=1"),
    ):
        answer = await caller.send(body=body, headers=headers)
        assert answer.status == 415 or route.body is None, (headers, answer)


async def test_odd_headers_do_no_harm(caller: Caller) -> None:
    for headers in HEADERS:
        await caller.send(headers=headers)


async def test_odd_queries_do_no_harm(route: Route, caller: Caller) -> None:
    fields = [*caller.samples.body(route.query)]
    for query in (*QUERIES, *(f"{field}={text}" for field in fields for text in TEXTS)):
        await caller.send(f"{path_of(route, caller.known)}?{query}")


async def test_what_names_nothing_is_not_found(route: Route, caller: Caller) -> None:
    for name in names(route):
        for text in TEXTS:
            answer = await caller.send(path_of(route, {**caller.known, name: text}))
            assert answer.status in (404, 405, 414) or name in UNKNOWN_IS_FINE, (text, answer)


async def test_who_does_not_say_who_is_told_to_sign_in(app: TestApp, route: Route) -> None:
    path = path_of(route, dict.fromkeys(names(route), str(uuid4())))
    for token in STRANGERS:
        answer = await app.request(route.method, path, headers={} if token is None else {"Authorization": token})
        is_civil(answer)
        if route.policy.roles is not None:
            assert (answer.status, answer.json["success"]) == (401, False), token
        else:
            assert answer.status != 401 or route.path in MAY_BE_401, token


async def test_what_is_anothers_is_not_there(
    app: TestApp, route: Route, world: World, new_customer: NewCustomer
) -> None:
    stranger = attrs.evolve(world, customer=await new_customer(), admin=await new_customer())
    answer = await Caller(app, route, stranger, new_customer).send()
    if is_for_admins(route):
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
    elif OWNED.intersection(names(route)):
        assert (answer.status, answer.code) == (404, "RES_001")
    for secret in (world.customer.phone, str(world.customer.user_id), world.known["order_id"], world.known["id"]):
        assert secret.encode() not in answer.body


async def test_taking_away_anothers_device_takes_nothing(app: TestApp, world: World, new_customer: NewCustomer) -> None:
    await app.delete(f"/notifications/devices/{world.known['token']}", as_=await new_customer())
    owner = await app.db.fetchval("SELECT user_id FROM notifications.devices WHERE token = $1", world.known["token"])
    assert owner == world.customer.user_id
