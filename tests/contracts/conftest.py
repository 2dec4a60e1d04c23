"""Every route of the app, known before it runs so that each is a test of its own; and somebody to call it."""

from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.app import App
from core.http.routing import Route
from core.plugins import find
from core.testing import TestApp, settings_for
from tests.contracts.world import World, settled
from tests.people import Customer, NewCustomer

NewWorld = Callable[[], Coroutine[Any, Any, World]]


@cache
def offline() -> App:
    """The app as it is configured, only looked at: building it does no I/O."""
    settings = settings_for("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0", Path("/tmp"))
    return App(settings, [cls() for cls in find(settings.plugins)])


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Method and path of each."""
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`operation` walks the OpenAPI document, `route` the declared routes."""
    if "operation" in metafunc.fixturenames:
        metafunc.parametrize("operation", operations(offline().document()), ids=" ".join)
    if "route" in metafunc.fixturenames:
        metafunc.parametrize("route", offline().routes, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture
def way() -> str:
    """How the order of a world is paid."""
    return "COD"


@pytest.fixture
def new_world(app: TestApp, new_customer: NewCustomer, admin: Customer, way: str) -> NewWorld:
    """Makes a further caller with an address, a cart, an order, notifications and a device."""

    async def make() -> World:
        return await settled(app, await new_customer(), admin, way)

    return make


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    """A caller of the test's own."""
    return await new_world()


def is_for_admins(route: Route) -> bool:
    """Whether a customer has no business there."""
    return route.policy.roles is not None and "CUSTOMER" not in route.policy.roles
