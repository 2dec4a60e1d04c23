"""kong.yml keeps what the shop promises: which paths are open, who is counted, what settings mean to Kong."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest

from core.cli import offline_app
from core.http import cors
from core.http.routing import PUBLIC, Raw
from core.settings import HttpSettings
from tests.ops.gateway.kong import document, gate, gates, known

EXAMPLES: dict[str, Callable[[], str]] = {"uuid": lambda: str(UUID(int=7)), "": lambda: "a-word_1"}
OPEN = {"catalogue", "sign-in", "webhooks", "health"}


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool, bool]]:
    """Of the shop in production: method, an example of a path, whether anybody may ask, whether it takes raw bodies."""
    secret = "thirty-two characters at the least"
    for name in ("JWT_SECRET", "VURKSHA_USER__CODE_PEPPER", "OPERATIONS_TOKEN"):
        monkeypatch.setenv(name, secret)
    for name, value in {
        "VURKSHA_ENV": "production",
        "VURKSHA_PLUGINS": "user,product,cart,order,notification,payment",
        "VURKSHA_NOTIFICATION__MEDIA": "sms",
        "VURKSHA_NOTIFICATION__SMS_GATEWAY_URL": "http://127.0.0.1",
        "VURKSHA_NOTIFICATION__SMS_GATEWAY_KEY": secret,
        "DATABASE_URL": "postgresql://nowhere",
        "REDIS_URL": "redis://nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    return [
        (
            route.method,
            "/api/v1" + re.sub(r"\{\w+:?(\w*)\}", lambda kind: EXAMPLES[kind[1]](), route.path),
            route.policy == PUBLIC,
            isinstance(route.raw, Raw),
        )
        for route in offline_app().routes
    ]


def test_only_what_the_shop_shows_to_anybody_passes_without_a_token(routes: list[tuple[str, str, bool, bool]]) -> None:
    assert len(routes) > 50
    for method, path, public, raw in routes:
        took = gate(method, path)
        assert took.proxied, (method, path)
        assert ("jwt" not in took.plugins) is public, (method, path, took.name)
        assert (took.name == "webhooks") is raw, (method, path, took.name)


@pytest.mark.parametrize("path", ["/metrics", "/", "/docs", "/openapi.json", "/health/ready", "/console", "/healthz"])
def test_what_is_not_for_the_public_does_not_reach_the_shop(path: str) -> None:
    assert {gate(method, path).name for method in ("GET", "POST")} == {"nothing-else"}
    assert not gate("GET", path).proxied


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/admin/orders"),
        ("GET", f"/api/v1/users/{UUID(int=7)}"),
        ("PATCH", "/api/v1/products/1"),
        ("POST", "/api/v1/products"),
        ("GET", "/api/v1/products/1/reviews"),
        ("GET", "/api/v1/webhooks/razorpay"),
        ("POST", "/api/v1/webhooks/razorpay/more"),
        ("GET", "/api/v1/payments/sandbox/bill"),
        ("POST", "/api/v1/payments/sandbox/decisions"),
        ("GET", "/api/v1/a-plugin-that-comes-later"),
        ("POST", "/api/v1/auth/logout"),
    ],
)
def test_whatever_nobody_opened_asks_for_a_token(method: str, path: str) -> None:
    assert gate(method, path).name == "signed-in"


def test_a_browser_may_ask_beforehand_without_a_token() -> None:
    for path in ("/api/v1/products", "/api/v1/orders", "/api/v1/auth/send-otp"):
        plugins = gate("OPTIONS", path).plugins
        assert "cors" in plugins
        assert plugins.get("jwt", {}).get("run_on_preflight") in {None, False}


def test_every_setting_is_one_that_its_plugin_knows() -> None:
    for one in gates():
        for name, config in one.plugins.items():
            known(name, config)


def test_users_are_counted_by_their_verified_name_and_others_by_address() -> None:
    http = HttpSettings()
    for one in gates():
        limit = one.plugins.get("rate-limiting")
        if not one.proxied:
            assert limit is None
        elif "jwt" in one.plugins:
            assert limit == {
                "second": http.user_rate,
                "limit_by": "header",
                "header_name": "X-Rate-Key",
                "policy": "local",
            }
            assert "X-Rate-Key" in one.plugins["pre-function"]["access"][0]
        else:
            rate = Raw().rate if one.name == "webhooks" else http.address_rate
            assert limit == {"second": rate, "limit_by": "ip", "policy": "local"}
    assert {one.name for one in gates() if one.proxied and "jwt" not in one.plugins} == OPEN


def test_bodies_are_bounded_as_the_shop_bounds_them() -> None:
    for one in gates():
        size = one.plugins["request-size-limiting"]
        wanted = Raw().max_body if one.name == "webhooks" else HttpSettings().max_body
        assert (size["allowed_payload_size"] * 1024, size["size_unit"]) == (wanted, "kilobytes")


def test_tokens_are_taken_from_their_header_alone_and_by_the_rings_names() -> None:
    jwt = gate("GET", "/api/v1/orders").plugins["jwt"]
    assert jwt["key_claim_name"] == "kid"
    assert jwt["secret_is_base64"] is True
    assert jwt["claims_to_verify"] == ["exp"]
    assert jwt["uri_param_names"] == jwt["cookie_names"] == []
    assert document()["consumers"] == [{"username": "app", "jwt_secrets": []}]


def test_origins_are_an_exact_list_with_the_shops_headers() -> None:
    allowed = gate("OPTIONS", "/api/v1/orders").plugins["cors"]
    assert allowed["origins"], "an empty list would let in every origin"
    assert all(re.fullmatch(r"https://[a-z.]+", origin) for origin in allowed["origins"])
    assert allowed["headers"] == cors.ALLOWED.split(", ")
    assert allowed["exposed_headers"] == cors.EXPOSED.split(", ")
    assert allowed["credentials"] is allowed["preflight_continue"] is False


def test_a_replica_that_is_not_ready_is_left_out_in_time() -> None:
    (upstream,) = document()["upstreams"]
    active = upstream["healthchecks"]["active"]
    assert active["http_path"] == "/health/ready"
    assert active["unhealthy"]["interval"] * active["unhealthy"]["http_failures"] <= 3
    assert [target["target"] for target in upstream["targets"]] == ["app-1:8000", "app-2:8000", "app-3:8000"]
    (service,) = document()["services"]
    assert (service["host"], service["read_timeout"] > 4000) == (upstream["name"], True)


def test_no_stranger_names_a_trace() -> None:
    for one in gates():
        assert one.plugins["request-transformer"] == {"remove": {"headers": ["traceparent", "tracestate"]}}


def test_nothing_secret_stands_in_the_file() -> None:
    text = str(document())
    assert "vault://" not in text
    assert not re.search(r"[A-Za-z0-9_-]{32,}={0,2}", text.replace("-", "").replace("_", ""))
